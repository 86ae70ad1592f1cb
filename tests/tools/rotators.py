"""Rotators that several tests use, and laws known in closed form."""

import numpy as np
from scipy import stats
from scipy.special import gamma

from scaling_limits.particles import DiagonalDissipation, RotatorLattice
from scaling_limits.particles.rotators.kernels import hamiltonian_stepper

try:
    from mpi4py import MPI

    WORLD = MPI.COMM_WORLD
except ImportError:
    WORLD = None


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


def no_coupling(x):
    return 0.0


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


def lattice_of(dissipation, temperature, **more):
    """A chain of as many sites as temperatures, with f that fits the dissipation."""
    size, frequency = len(temperature), FREQUENCIES[dissipation.power]
    return RotatorLattice((size,), frequency, weak, dissipation, temperature, 0.1, **more)


def diagonal_law(p, temperature):
    """The density prod_j exp(-(2/(p T_j)) (2 I_j)^(p/2)), and its means, in closed form."""
    rate = 2 / (p * np.asarray(temperature))
    norm = gamma(2 / p) / (p * rate ** (2 / p))
    mean = rate ** (-2 / p) * gamma(4 / p) / gamma(2 / p) / 2
    return lambda x: np.prod(np.exp(-rate * (2 * x) ** (p / 2)) / norm, axis=1), mean


def hamiltonian_steps(lattice, u, h, count, coupling=None):
    """Steps of the Hamiltonian part of a lattice from members u (N, LANES)."""
    steps, parameters = lattice.hamiltonian
    if coupling:
        steps = hamiltonian_stepper(lattice.frequencies.functions, coupling)
    x, y = u.real.copy(), u.imag.copy()
    steps(x, y, *parameters, h, count)
    return x + 1j * y
