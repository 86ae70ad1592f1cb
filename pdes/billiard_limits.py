"""What is known exactly of the pinned-billiard equations: the linear wave limit, and Propositions 4.2 and 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from ..particles import _checks
from .billiards import BilliardEquations, BilliardSolution
from .errors import NotConverged


def linear_wave(equations: BilliardEquations, times: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """mu_t = -lambda sigma_x, sigma_t = -lambda mu_x, exactly: the limit of large lambda, (4.3) and Remark 4.4.

    mu +- sigma travel with speed +-lambda; at the ends, where sigma = 0, mu is continued evenly and sigma oddly.

    Args:
        equations: lambda and the initial data.
        times: times (T,), not negative.
        x: points (P,) in [0, 1].

    Returns:
        mu and sigma, each (T, P); sigma of the linear equation may become negative, where it stops being a model.
    """
    times = _checks.times(times)[:, None]
    points = np.atleast_1d(_checks.real_array("x", x))[None, :]
    right = _travelling(equations, points - equations.wave_speed * times, +1.0)
    left = _travelling(equations, points + equations.wave_speed * times, -1.0)
    return 0.5 * (right + left), 0.5 * (right - left)


def _travelling(equations: BilliardEquations, place: np.ndarray, sign: float) -> np.ndarray:
    folded = np.abs((place + 1.0) % 2.0 - 1.0)
    odd = np.where((place + 1.0) % 2.0 - 1.0 < 0, -1.0, 1.0)
    flat = folded.ravel()
    mean = np.asarray(equations.mean(flat), dtype=float)
    std = np.asarray(equations.std(flat), dtype=float)
    return (np.broadcast_to(mean, flat.shape) + sign * odd.ravel() * np.broadcast_to(std, flat.shape)).reshape(
        place.shape
    )


def constancy_gap(solution: BilliardSolution) -> np.ndarray:
    """int (mu^2 + sigma^2) dx - (int mu dx)^2 >= 0, shape (T,): what Proposition 4.2 rests on.

    If mu is not constant and sigma = 0 at first, the gap is positive then, and stays as it is where both invariants do:
    mu cannot become constant while sigma vanishes.
    """
    return 2.0 * solution.energy - solution.momentum**2


@dataclass(frozen=True)
class Ordering:
    """time at which mu(1, t) >= mu(0, t) - epsilon first holds, and the bound that Proposition 4.3 gives for it."""

    time: float
    bound: float


def ordering_time(
    equations: BilliardEquations, epsilon: float, *, rtol: float = 1e-4, cells: int | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Ordering:  # fmt: skip
    """First t with mu(1, t) >= mu(0, t) - epsilon, at most int (mu0 - min mu0) dx/epsilon: Proposition 4.3.

    Args:
        equations: the equations and their data.
        epsilon: by how much the ends may be out of order, positive.
        rtol: as in `BilliardEquations.solve`.
        cells: likewise.
        comm: likewise.

    Raises:
        NotConverged: the ends are not in order by the bound; the computed solution contradicts the proposition.
    """
    epsilon = _checks.number("epsilon", epsilon, above=0.0)
    first = equations.solve([0.0], rtol, cells, comm=comm)
    lowest = float(first.nodal_mean.min())
    bound = (float(first.momentum[0]) - lowest) / epsilon
    times = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, 161) * bound]) if bound > 0 else np.zeros(1)
    solution = equations.solve(times, rtol, cells, comm=comm)
    ends = solution.mean_at(np.array([0.0, 1.0]))
    ordered = np.flatnonzero(ends[:, 1] >= ends[:, 0] - epsilon)
    if not ordered.size:
        raise NotConverged("the check of Proposition 4.3", "the ends are out of order", "use more cells", time=bound)
    return Ordering(float(times[ordered[0]]), bound)
