"""The lattice of rotators itself, at finite epsilon, without samples."""
