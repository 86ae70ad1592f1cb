"""A lattice and its limit that are driven by the same noise."""
