"""What is known of densities on all ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of densities on all ranks.

    Args:
        mass: integrals (T,).
        minimum: the least density of all nodes (T,), in units of 1/volume.
        mean: positions (T, d).
        covariance: of the position (T, d, d).
    """

    mass: np.ndarray
    minimum: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, comm: MPI.Comm, points: np.ndarray, volumes: np.ndarray, own: np.ndarray) -> Moments:
        """Those of probabilities (T, m) at the nodes of each rank, with points (m, d) and volumes (m,); collective."""
        dim = points.shape[1]
        sums = comm.allreduce(np.concatenate([own.sum(axis=1)[:, None], own @ points], axis=1))
        mass = sums[:, 0]
        mean = sums[:, 1:] / np.maximum(mass, 1e-300)[:, None]
        second = np.empty((len(own), dim, dim))
        for weights, centre, result in zip(own, mean, second):
            away = points - centre
            result[:] = (away.T * weights) @ away
        second = comm.allreduce(second) / np.maximum(mass, 1e-300)[:, None, None]
        least = (own / volumes).min(axis=1, initial=np.inf)
        return cls(mass, comm.allreduce(least, np.minimum), mean, second)
