"""Pinned billiard balls: the model, its collisions, ensembles, and tests of the white-noise hypothesis."""
