"""Rotators that several tests use, and laws known in closed form."""

import numpy as np
from scipy import stats

from scaling_limits.particles import DiagonalDissipation, RotatorLattice


def slow(x):
    """f for p = 2."""
    return 1 + x / 2


def fast(x):
    """f for p = 4."""
    return 1 + x * x


def middling(x):
    """f for p = 3."""
    return 1 + x**1.5


def fastest(x):
    """f for p = 6."""
    return 1 + x**3


FREQUENCIES = {2: slow, 3: middling, 4: fast, 6: fastest}


def weak(x):
    """G' of G = log(1 + x)."""
    return 1 / (1 + x)


def strong(x):
    return 3 / (1 + x)


def alternating(size, epsilon, *, coupling=strong, temperatures=(2.0, 0.5), dissipation=None, **more):
    """A chain of hot and cold sites in turn."""
    g = DiagonalDissipation(2) if dissipation is None else dissipation
    frequency = FREQUENCIES[g.power]
    t = np.resize(temperatures, size)
    return RotatorLattice((size,), frequency, coupling, g, t, epsilon, **more)


def linear_law(temperature, start, time):
    """The law of I(tau) for dv = -v d tau + sqrt(T) dbeta, |v(0)|^2/2 = start: noncentral chi squared, with its scale."""
    variance = temperature * (1 - np.exp(-2 * time)) / 2
    return stats.ncx2(2, 2 * start * np.exp(-2 * time) / variance, scale=variance / 2)


def wasserstein(sample, cdf, top=14.0, points=2801):
    """int |F_n - F| dI, the distance of a sample from a law of actions."""
    grid = np.linspace(0, top, points)
    empirical = np.searchsorted(np.sort(np.ravel(sample)), grid, side="right") / np.size(sample)
    return float(np.abs(empirical - cdf(grid)).sum() * (grid[1] - grid[0]))
