"""The Hamiltonian and the equation in the canonical variables v of Theorem 3.1, (3.3) to (3.5)."""
