"""The norm of errors in (mu, sigma) that controls the time steps of the pinned-billiard equations."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

from scaling_limits.particles.errors import Unresolved, warn

ROUND_OFF = 64 * np.finfo(float).eps  # part of mu^2/2 + w below which w is rounding
ROUNDING_OF_SOLVES = 1e-9  # change of an invariant in one step, as a part of it, that is still rounding of the solves
HIDDEN = 1e-6  # part of the largest |mu| below which sigma^2 = 2 E - mu^2 has lost its digits


def hidden_by_rounding(largest: float, noise: float, quiet: bool = False) -> bool:
    """Whether sigma is below what rounding of mu^2 leaves of it; a warning says so.

    Args:
        largest: the size of mu without its mean.
        noise: the largest sigma.
        quiet: whether to leave the warning out.
    """
    if not 0 < noise < HIDDEN * largest:
        return False
    if not quiet:
        warn(
            f"sigma is at most {noise:.2g} where mu varies by {largest:.2g}: rounding of mu^2 hides noise below "
            f"{1e-8 * largest:.1g}, and sigma is known to about {min(1.0, (1e-8 * largest / noise) ** 2):.1g} of it",
            Unresolved,
        )
    return True


def relative_error(
    weights: np.ndarray,
    state: tuple[np.ndarray, np.ndarray],
    other: tuple[np.ndarray, np.ndarray],
    comm: MPI.Comm,
) -> float:
    """Return the L2 difference in mu and in sigma, each relative to its size, of two states (mu, w).

    The size of mu is taken with that of sigma, so that mu = 0 is a fair state; a difference of sigma^2 below round-off
    of the energy counts for nothing. NaN where a state is not finite; the same on all ranks.

    Args:
        weights: of the nodes of this rank, shape (m,).
        state: mu and w = sigma^2/2 >= 0, shapes (m,).
        other: likewise.
        comm: the ranks that share the nodes.
    """
    (mu, w), (mu_other, w_other) = state, other
    noise = ROUND_OFF * (mu**2 + w)
    lower = np.minimum(w, w_other)
    d_sigma = np.sqrt(2 * (lower + np.maximum(np.abs(w - w_other) - noise, 0.0))) - np.sqrt(2 * lower)
    parts = ((mu - mu_other) ** 2, d_sigma**2, mu**2, 2 * w)
    sums = np.array([weights @ part for part in parts])
    error_mu, error_sigma, size_mu, size_sigma = comm.allreduce(sums) if comm.size > 1 else sums
    tiny = np.finfo(float).tiny
    return float(np.sqrt(error_mu / (size_mu + size_sigma + tiny) + error_sigma / (size_sigma + tiny)))


def restored(
    weights: np.ndarray, mu: np.ndarray, w: np.ndarray, energy: float | None, rtol: float, comm: MPI.Comm
) -> tuple[np.ndarray, str]:
    """Return w >= 0 of the right energy, and why that cannot be had (empty where it can).

    Where w is negative it becomes 0, and the rest is scaled to the energy that was there; a scaling by more than rtol
    is refused. The same scaling takes back what rounding in the solves has changed of the energy, where its exact value
    is given and they differ by no more than that; a larger difference is left to be seen.

    Args:
        weights: of the nodes of this rank, shape (m,).
        mu: at the nodes, shape (m,).
        w: sigma^2/2 at the nodes, shape (m,), perhaps negative.
        energy: the exact integral of mu^2/2 + w, or None where there is none.
        rtol: the largest relative change of w.
        comm: the ranks that share the nodes.
    """
    positive = np.maximum(w, 0.0)
    sums = np.array([weights @ w, weights @ positive, weights @ mu**2])
    total, kept, size = comm.allreduce(sums) if comm.size > 1 else sums
    wanted = total
    if energy is not None and abs(energy - 0.5 * size - total) <= ROUNDING_OF_SOLVES * energy:
        wanted = energy - 0.5 * size
    if kept == total == wanted:  # which does not mean that nothing is negative: what is tiny vanishes in the sums
        return (positive if (w < 0).any() else w), ""
    if not abs(kept - wanted) <= rtol * kept + ROUND_OFF * size:
        return w, "w is negative by more than the tolerance"
    return positive * (max(wanted, 0.0) / kept if kept > 0 else 0.0), ""
