"""Bounds of the frequency of transitions between two sets, by the principles of Dirichlet and Thomson."""
