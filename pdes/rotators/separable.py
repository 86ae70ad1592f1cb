"""Actions that do not act on one another: N equations of one action, each in detailed balance.

In u = p/w the generator of a site is (1/w) d (w T I d u): symmetric in the inner product with weight w. Its matrices
are small, and time is exact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from scaling_limits.particles.errors import Unresolved, warn

from .space import ActionAxis, ActionSpace
from .weights import SingleSiteWeights

if TYPE_CHECKING:
    from mpi4py import MPI

LAW = 1e-9  # error of the law of a site in the cells, in total variation, above which they get more points
WRONG = 1e-6  # the same, which is said
MOST_PARTS = {1: 32, 2: 4, 3: 2}  # of a cell, for its quadrature


def modes(axis: ActionAxis, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The rates (n,), not decreasing, and the modes (n, n) of one site: int w T I f' g' = lambda int w f g."""
    points, shares, _ = axis.quadrature
    energy = axis.slopes.T @ ((temperature * shares * points)[:, None] * axis.slopes)
    scale = np.sqrt(np.diag(axis.mass))
    rates, vectors = linalg.eigh(energy / np.outer(scale, scale), axis.mass / np.outer(scale, scale))
    rates[0] = 0.0
    return np.maximum(rates, 0.0), vectors / scale[:, None]


def propagators(axis: ActionAxis, weights: SingleSiteWeights, site: int, times: np.ndarray) -> list[np.ndarray]:
    """The propagators exp(-tau B^-1 A) (n, n) of one site at the times."""
    temperature = float(weights.temperature[site])
    if weights.stationary:
        rates, vectors = modes(axis, temperature)
        return [(vectors * np.exp(-rates * time)) @ (vectors.T @ axis.mass) for time in times]
    points, shares, basis = axis.quadrature
    alone = np.zeros((points.size, len(weights.temperature)))
    alone[:, site] = points
    excess = temperature * weights.slope(site, points) - weights.dissipation.rate(alone)[:, site]
    flux = temperature * axis.slopes + excess[:, None] * basis
    outflow = axis.slopes.T @ ((shares * points)[:, None] * flux)
    scale = np.sqrt(np.diag(axis.mass))
    generator = np.linalg.solve(axis.mass / np.outer(scale, scale), outflow / np.outer(scale, scale))
    return [linalg.expm(-time * generator) / scale[:, None] * scale for time in times]


def with_its_law(axis: ActionAxis, weights: SingleSiteWeights, site: int, comm: MPI.Comm) -> ActionAxis:
    """The axis with as many points of quadrature as the law that the site would have alone takes.

    Warns:
        Unresolved: more than there may be.
    """
    most = MOST_PARTS[len(weights.temperature)]
    while (error := _law_error(axis, weights, site)) > LAW and 2 * axis.parts <= most:
        axis = replace(axis, parts=2 * axis.parts)
    if error > WRONG and comm.rank == 0:
        message = (
            f"the cells do not resolve the law of site {site}: its masses in them are off by {error:.1e}, and so may "
            f"moments be; take more `cells` than {len(axis.breaks) - 1}, or a smaller `upper`"
        )
        warn(message, Unresolved)
    return axis


def _law_error(axis: ActionAxis, weights: SingleSiteWeights, site: int) -> float:
    """The error, in total variation, of the quadrature's masses of the law of a site alone in the cells."""
    points, lengths = axis.rule
    ends, logs = weights.exponents[site].masses(0.0, float(axis.breaks[-1]), axis.breaks)
    top = float(logs.max())
    with np.errstate(over="ignore"):
        shares = lengths * np.exp(weights.logarithm(site, points) - top)
    masses = np.exp(logs - top)
    places = np.searchsorted(axis.breaks[1:-1], 0.5 * (ends[1:] + ends[:-1]))
    exact = np.bincount(places, masses, len(axis.breaks) - 1)
    return float(np.abs(shares.reshape(len(exact), -1).sum(axis=1) - exact).sum() / masses.sum())


def evolved(
    space: ActionSpace, weights: SingleSiteWeights, start: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, float]:
    """The fields (T, size) at the times, not negative at the nodes and of mass 1, and the largest mass that was cut."""
    steps = [propagators(axis, weights, j, times) for j, axis in enumerate(space.axes)]
    fields, undershoot = [], 0.0
    for k in range(len(times)):
        field: np.ndarray = start.reshape(space.shape)
        for i, step in enumerate(steps):
            field = np.moveaxis(np.tensordot(step[k], field, axes=(1, i)), 0, i)
        positive: np.ndarray = np.maximum(field, 0.0)
        undershoot = max(undershoot, abs(space.mass(positive - field)))
        fields.append(space.normalised(positive))
    return np.array(fields), undershoot


def rates(space: ActionSpace, temperature: np.ndarray, count: int) -> np.ndarray:
    """The smallest sums of one rate of each site (count,)."""
    sums: np.ndarray = np.zeros(1)
    for axis, t in zip(space.axes, temperature):
        sums = np.sort(np.add.outer(sums, modes(axis, t)[0][: count + 1]).ravel())[: count + 1]
    return sums[:count]
