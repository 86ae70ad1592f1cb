"""Brownian particles in N-scale potentials, at finite scale separation and in the limit."""
