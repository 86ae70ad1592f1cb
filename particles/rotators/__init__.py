"""Rotators with alternated spins on a lattice, and the transport process that is their limit."""
