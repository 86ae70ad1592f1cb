"""The norm of errors in (mu, sigma) that controls the time steps of the pinned-billiard equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support import checks

if TYPE_CHECKING:
    from mpi4py import MPI

# part of mu^2/2 + w below which w is rounding
ROUND_OFF = 64 * np.finfo(float).eps
# change of an invariant in one step, as a part of it, that is still rounding of the solves
ROUNDING_OF_SOLVES = 1e-9
# part of the largest |mu| below which sigma^2 = 2 E - mu^2 has lost its digits
HIDDEN = 1e-6
# below it rounding, not the step, makes the error of sigma
LEAST_RTOL = 1e-11
TINY = float(np.finfo(float).tiny)
NEGATIVE = "w is negative by more than the tolerance"


def hidden_by_rounding(largest: float, noise: float) -> str:
    """Why sigma is below what rounding of mu^2 leaves of it; empty where it is not.

    Args:
        largest: the size of mu without its mean.
        noise: the largest sigma.
    """
    if not 0 < noise < HIDDEN * largest:
        return ""
    return (
        f"sigma is at most {noise:.2g} where mu varies by {largest:.2g}: rounding of mu^2 hides noise below "
        f"{1e-8 * largest:.1g}, and sigma is known to about {min(1.0, (1e-8 * largest / noise) ** 2):.1g} of it"
    )


def tolerance(rtol: float) -> float:
    """Return a relative tolerance that double precision can meet, and that says something."""
    rtol = checks.number("rtol", rtol, above=0.0)
    if rtol < LEAST_RTOL:
        raise InvalidArgument("rtol", f"must be at least {LEAST_RTOL:g}, which rounding allows, not {rtol:g}")
    if rtol >= 1.0:
        raise InvalidArgument("rtol", f"must be below 1, not {rtol:g}: an error as large as the solution says nothing")
    return rtol


@dataclass(frozen=True, eq=False)
class EnergyNorm:
    """Integrals over the nodes of all ranks, and what they say of states mu and w = sigma^2/2.

    Args:
        weights: of the nodes of this rank, shape (m,).
        comm: the ranks that share the nodes.
    """

    weights: NDArray[np.float64]
    comm: MPI.Comm

    def integrals(self, *values: np.ndarray) -> NDArray[np.float64]:
        """Return the integrals of some functions, each given by its nodal values (..., m); the same on all ranks."""
        sums = np.array([value @ self.weights for value in values])
        return self.comm.allreduce(sums) if self.comm.size > 1 else sums

    def relative_error(self, state: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
        """Return the L2 difference in mu and in sigma, each relative to its size, of two states (mu, w >= 0).

        The size of mu is taken with that of sigma, so that mu = 0 is a fair state; a difference of sigma^2 below
        round-off of the energy counts for nothing. NaN where a state is not finite.
        """
        (mu, w), (mu_other, w_other) = state, other
        d_sigma = deviation_error(mu, w, w_other)
        return float(relative_size(*self.integrals((mu - mu_other) ** 2, d_sigma**2, mu**2, 2 * w)))

    def restored(self, mu: np.ndarray, w: np.ndarray, energy: float | None, rtol: float) -> tuple[np.ndarray, str]:
        """Return w >= 0 of the right energy, and why that cannot be had (empty where it can).

        Where w is negative it becomes 0, and the rest is scaled to the energy that was there; a scaling by more than
        rtol is refused. The same scaling takes back what rounding in the solves has changed of the energy, where its
        exact value is known and they differ by no more than that; a larger difference is left to be seen.

        Args:
            mu: at the nodes, shape (m,).
            w: sigma^2/2 at the nodes, shape (m,), perhaps negative.
            energy: the exact integral of mu^2/2 + w, or None where there is none.
            rtol: the largest relative change of w.
        """
        positive = np.maximum(w, 0.0)
        total, cut, size = self.integrals(w, positive, mu**2)
        factor = scaling(total, cut, size, np.nan if energy is None else energy, rtol)
        if np.isnan(factor):
            return w, NEGATIVE
        return (w if factor == 1.0 and not (w < 0).any() else positive * factor), ""


# rules that compiled loops over nodes use too: of numbers, or of arrays


@register_jitable
def deviation_error(mu, w, w_other):  # type: ignore[no-untyped-def]
    """Return the difference in sigma of two states w; below round-off of the energy it counts for nothing."""
    noise = ROUND_OFF * (mu**2 + w)
    lower = np.minimum(w, w_other)
    return np.sqrt(2 * (lower + np.maximum(np.abs(w - w_other) - noise, 0.0))) - np.sqrt(2 * lower)


@register_jitable
def relative_size(error_mu: float, error_sigma: float, size_mu: float, size_sigma: float) -> float:
    """Return the relative size of an error, of the integrals of the squares of errors and states."""
    return np.sqrt(error_mu / (size_mu + size_sigma + TINY) + error_sigma / (size_sigma + TINY))


@register_jitable
def momentum_lost(before: float, now: float, size: float) -> float:
    """Return the momentum that rounding in the linear solves has lost; 0 where the loss is too large to be rounding."""
    return before - now if abs(before - now) <= ROUNDING_OF_SOLVES * size else 0.0


@register_jitable
def scaling(total: float, cut: float, size: float, energy: float, rtol: float) -> float:
    """Return the factor that gives max(w, 0) the right energy, NaN where none is near 1; see `EnergyNorm.restored`.

    Args:
        total: integral of w.
        cut: integral of max(w, 0).
        size: integral of mu^2.
        energy: the exact integral of mu^2/2 + w, NaN where there is none.
        rtol: the largest relative change of w.
    """
    target = total
    if abs(energy - 0.5 * size - total) <= ROUNDING_OF_SOLVES * energy:
        target = energy - 0.5 * size
    # w may be negative where these are the same: what is tiny vanishes in the sums
    if cut == total and total == target:
        return 1.0
    if not abs(cut - target) <= rtol * cut + ROUND_OFF * size:
        return np.nan
    return max(target, 0.0) / cut if cut > 0 else 0.0
