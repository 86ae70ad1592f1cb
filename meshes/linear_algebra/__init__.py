"""Sparse matrices, their solves and their lowest modes: one interface, by PETSc and SLEPc or by scipy."""
