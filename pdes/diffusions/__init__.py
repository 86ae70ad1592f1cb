"""The Fokker-Planck equation of diffusions with a mobility M(x) and a free energy Psi(x)."""
