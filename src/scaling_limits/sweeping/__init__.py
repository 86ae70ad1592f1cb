"""Sweeps over parameters: a function at every point of a grid, into one dataset, on any executor, with restart."""
