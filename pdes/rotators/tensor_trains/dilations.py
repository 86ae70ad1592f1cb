"""How wide the weights w_j must be, from a few samples of the transport equation.

The law of a site in a chain may be wider than the one it would have alone, as neighbours heat it. u = p/w has a norm
only where w does not decay much faster than p does, also in directions in which many actions are large together. In a
Gaussian law w_j with half of the largest eigenvalue of the correlations, times the variance, is wide enough.

A weight that is somewhat wider or narrower takes more or fewer polynomials; the answer is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling_limits.particles import RotatorLattice, TransportProcess
from scaling_limits.particles.errors import NotConverged, Unstable

from .polynomial_drift import PolynomialDrift
from .site_basis import SiteBasis

# of the samples; their time is in units of the longest E I_j/T_j of sites alone
RUNS, SEED, TIMES = 1000, 17, (20.0, 30.0)
# sites on each side whose correlations are looked at
REACH = 8
# factors that a weight may be narrower or wider than the law of the site alone
LEAST, MOST = 0.8, 30.0
# of eigenvalues, instead of the half that a norm needs: in somewhat wider weights the ranks are smaller
PART = 0.85
# of the logarithm of a law of the width of the site's at the end of its box, beside that of the tolerance
BEYOND = 16.0


@dataclass(frozen=True, eq=False)
class Widths:
    """Of the sites, in the order of the chain.

    Args:
        dilation: L (N,) of the weights.
        end: actions (N,) beyond which nothing is; infinite where sites do not act on one another.
    """

    dilation: np.ndarray
    end: np.ndarray


def found_widths(lattice: RotatorLattice, drift: PolynomialDrift, negligible: float) -> Widths:
    """Dilations and ends; dilations are 1 where sites do not act on one another.

    Every rank takes the same samples by itself.

    Args:
        lattice: the rotators.
        drift: R.
        negligible: the part of the law that may lie beyond the ends, by order of magnitude.

    Raises:
        NotConverged: samples leave all bounds.
    """
    if not any(drift.products):
        return Widths(np.ones(drift.size), np.full(drift.size, np.inf))
    alone = [SiteBasis(*site, 1.0, 2).quadrature for site in zip(drift.own, drift.temperature)]
    mean, square = (np.array([shares @ points**power for points, shares in alone]) for power in (1, 2))
    start = np.empty(drift.size, dtype=complex)
    start[drift.order] = np.sqrt(2.0 * mean)
    unit = float((mean / drift.temperature).max())
    try:
        samples = TransportProcess(lattice).sample(start, np.array(TIMES) * unit, RUNS, SEED)
    except Unstable as error:
        raise NotConverged(
            "the stationary law of the chain",
            f"samples leave all bounds ({error})",
            "check that the dissipation confines the actions together (Hg)",
        ) from error
    actions = samples.actions.reshape(-1, drift.size)[:, drift.order]
    width = np.sqrt((actions**2).mean(axis=0) / square)
    dilation = np.clip(width * np.sqrt(_excess(actions)), LEAST, MOST)
    ends = [
        SiteBasis(*site, 2).where(-np.log(negligible) + BEYOND) for site in zip(drift.own, drift.temperature, width)
    ]
    return Widths(dilation, np.array(ends))


def _excess(actions: np.ndarray) -> np.ndarray:
    """A part of the largest eigenvalue of the correlations of the sites around each (N,), or 1 where that is more."""
    correlation = np.corrcoef(actions.T)
    result = np.ones(len(correlation))
    for j in range(len(correlation)):
        around = slice(max(0, j - REACH), j + REACH + 1)
        result[j] = max(1.0, PART * float(np.linalg.eigvalsh(correlation[around, around])[-1]))
    return result
