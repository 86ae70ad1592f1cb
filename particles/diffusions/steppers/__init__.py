"""Compiled steps of tiles of paths: stochastic Heun, and Platen's scheme with a mobility."""
