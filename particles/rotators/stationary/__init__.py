"""Averages over time, samples of the stationary law with the burn-in that was measured, and their autocorrelations."""
