"""Transitions between two sets, first passages, quasi-stationary laws: rates, currents, and laws of times."""
