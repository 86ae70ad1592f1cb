"""The same cell problems as forms in UFL, solved with PETSc on any mesh of a torus."""
