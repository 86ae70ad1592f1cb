"""Sums with random signs, by which fields are told apart on any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

# equal changes at two nodes cancel in all of them once in 2^16
SUMS = 16


def signed_sums(comm: MPI.Comm, places: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Sums (SUMS, F) of fields (m, F) over all nodes, with signs that the places of the nodes decide on; collective.

    Args:
        comm: the ranks.
        places: of the nodes of this rank, in an order that does not depend on the ranks (m,).
        fields: at these nodes (m, F).
    """
    with np.errstate(over="ignore"):  # integers modulo 2^64: the mixing of splitmix64
        bits = (places + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    signs = (1.0 - 2.0 * ((bits >> np.uint64(63 - k)) & np.uint64(1)).astype(float) for k in range(SUMS))
    return np.asarray(comm.allreduce(np.array([sign @ fields for sign in signs])))
