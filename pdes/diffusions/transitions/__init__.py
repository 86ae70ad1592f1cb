"""Transitions between two sets, first passages and quasi-stationary laws: rates, currents, and the laws of the times."""
