"""Time integration, which knows no equation: Rosenbrock, Runge-Kutta-Chebyshev, resolvent schemes, checkpoints."""
