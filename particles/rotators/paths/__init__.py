"""How far the laws of whole paths are from one another: a lattice and its limit, or two boxes of a lattice."""
