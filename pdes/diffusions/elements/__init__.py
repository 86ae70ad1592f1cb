"""Continuous elements of any degree on a box: unknowns, matrices, and which of them rates are found with."""
