"""One cell problem: its energy, conjugate gradients, wells, the dual problem, reduced bases."""
