"""Coefficients and potentials that several tests of Fokker-Planck equations use, and oracles by other methods."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg
from sympy import cos, pi, sin

from scaling_limits.particles import MultiscalePotential


@dataclass(frozen=True)
class Given:
    """M and Psi as plain callables of points (P, d)."""

    mobility: Any
    free_energy: Any
    temperature: float = 1.0


def rotated(angle, first, second):
    """Tensors with the given eigenvalues, the first along the angle; all of shape (P,)."""
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    values = np.stack([first, second], -1)
    return (rotation * values[:, None, :]) @ rotation.swapaxes(-1, -2)


def double_well(temperature=0.5):
    """A double well with N = 2 scales of ruggedness that act on one another, and x on both."""
    return MultiscalePotential(
        1, 2, temperature,
        lambda x: (x[0] ** 2 - 1) ** 2,
        lambda x, y, z: (1 + sin(x[0]) / 2) * cos(2 * pi * y[0]) / 2 + (1 + cos(2 * pi * y[0]) / 2) * cos(2 * pi * z[0]) / 4,
    )  # fmt: skip


def averages_on_a_line(potential, x, count=64):
    """Z1(x) and the integral of exp(V1/sigma), of N = 2 scales on a line, by the trapezoidal rule (P,), (P,)."""
    ticks = np.arange(count) / count
    y, z = (grid.ravel() for grid in np.meshgrid(ticks, ticks))
    rows = [potential.fluctuation_at(np.full((y.size, 1), xi), y[:, None], z[:, None]) for xi in np.ravel(x)]
    exponents = np.array(rows) / potential.temperature
    return np.exp(-exponents).mean(axis=1), np.exp(exponents).mean(axis=1)


def chebyshev(n):
    """Points on [-1, 1] and the matrix that differentiates there."""
    x = np.cos(np.pi * np.arange(n + 1) / n)
    c = np.r_[2.0, np.ones(n - 1), 2.0] * (-1.0) ** np.arange(n + 1)
    d = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(n + 1))
    return x, d - np.diag(d.sum(axis=1))


def rates_on_a_line(slope, mobility, low, high, n):
    """Smallest eigenvalues of -(c w f')' = lambda w f without flux at the ends, in the form of Schroedinger: for
    g = sqrt(w) f the energy is int c (g' - (log w)'/2 g)^2, with Chebyshev points and their quadrature.

    slope: (log w)'; mobility: c; n + 1 points.
    """
    x, d = chebyshev(n)
    k = np.arange(0, n + 1, 2)
    moments = (
        np.cos(np.outer(np.arange(n + 1) * np.pi / n, k)) * (2.0 / (1 - k**2)) * np.where((k == 0) | (k == n), 1, 2)
    )
    weights = moments.sum(axis=1) / n * np.where((np.arange(n + 1) % n) == 0, 0.5, 1.0)
    x, d, weights = low + 0.5 * (x + 1) * (high - low), d * 2 / (high - low), weights * 0.5 * (high - low)
    root = np.sqrt(weights)
    form = np.sqrt(mobility(x))[:, None] * (d - np.diag(0.5 * slope(x)))
    scaled = root[:, None] * form / root[None, :]
    return np.sort(linalg.svdvals(scaled) ** 2)


def gaussian(mean, covariance):
    inverse, size = np.linalg.inv(covariance), np.sqrt(np.linalg.det(2 * np.pi * np.asarray(covariance)))
    return lambda x: np.exp(-0.5 * np.einsum("pi,ij,pj->p", x - mean, inverse, x - mean)) / size


TWISTED = Given(
    lambda x: rotated(2 * np.pi * np.sin(2 * np.pi * x[:, 0]) + 0.3, np.ones(len(x)), 1e-3 * np.ones(len(x))),
    lambda x: np.cos(2 * np.pi * x[:, 0]) + np.sin(2 * np.pi * (x[:, 0] + x[:, 1])),
    0.1,
)
TURNING = Given(
    lambda x: np.stack([np.diag([1.0, 0.03, 0.001])] * len(x)) + 0.02 * np.cos(x[:, 0] + x[:, 1])[:, None, None] ** 2,
    lambda x: 3 * x[:, 0] ** 2 - 2 * x[:, 1] * x[:, 2],
    0.2,
)
