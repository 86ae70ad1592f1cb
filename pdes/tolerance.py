"""The size of an error in (mu, sigma), which the equations of pinned balls are stepped by."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

ROUND_OFF = 64 * np.finfo(float).eps


def relative_error(
    weights: np.ndarray,
    state: tuple[np.ndarray, np.ndarray],
    other: tuple[np.ndarray, np.ndarray],
    comm: MPI.Comm,
) -> float:
    """Return the L2 difference in mu and in sigma, each relative to its size, of two states (mu, w).

    The size of mu is taken with that of sigma, so that mu = 0 is a fair state; an error of sigma^2 below round-off of
    the energy counts for nothing. NaN where a state is not finite; the same on all ranks.

    Args:
        weights: of the nodes of this rank, shape (m,).
        state: mu and w = sigma^2/2 >= 0, shapes (m,).
        other: likewise.
        comm: the ranks that share the nodes.
    """
    (mu, w), (mu_other, w_other) = state, other
    d_sigma = np.sqrt(2 * w) - np.sqrt(2 * w_other)
    parts = ((mu - mu_other) ** 2, d_sigma**2, mu**2, 2 * w)
    sums = np.array([weights @ part for part in parts])
    error_mu, error_sigma, size_mu, size_sigma = comm.allreduce(sums) if comm.size > 1 else sums
    tiny = np.finfo(float).tiny
    noise = ROUND_OFF * (size_mu + size_sigma)
    return float(np.sqrt(error_mu / (size_mu + size_sigma + tiny) + error_sigma / (size_sigma + noise + tiny)))


def restored(
    weights: np.ndarray, mu: np.ndarray, w: np.ndarray, rtol: float, comm: MPI.Comm
) -> tuple[np.ndarray, str]:
    """Return w >= 0 of the same weighted sum, and why that cannot be had (empty where it can).

    Where w is negative it becomes 0, and the rest is scaled to the same energy; a scaling by more than rtol is refused.
    """
    lowest = float(np.min(w, initial=0.0))
    if (comm.allreduce(lowest, MPI.MIN) if comm.size > 1 else lowest) >= 0.0:
        return w, ""
    positive = np.maximum(w, 0.0)
    sums = np.array([weights @ w, weights @ positive, weights @ mu**2])
    total, kept, size = comm.allreduce(sums) if comm.size > 1 else sums
    if not kept - total <= rtol * kept + ROUND_OFF * size:
        return w, "w is negative by more than the tolerance"
    return positive * (max(total, 0.0) / kept if kept > 0 else 0.0), ""
