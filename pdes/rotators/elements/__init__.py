"""Weighted finite elements in the actions: the weights of sites, axes, their tensor product, and forms on it."""
