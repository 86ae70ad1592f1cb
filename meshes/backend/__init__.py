"""Every line that knows a version of FEniCSx or how PETSc is set up; quadrature functions; a display for pictures."""
