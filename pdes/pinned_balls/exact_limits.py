"""What is known exactly of the pinned-billiard equations: the linear wave limit, and Propositions 4.2 and 4.3."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.pinned_balls.velocities import velocities
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support import checks

from .equations import BilliardEquations
from .solution import BilliardSolution, points_of


@dataclass(frozen=True)
class OrderingSettings:
    """Where the order of the ends is looked at; a bracket then ends with a part (10^(1/20) - 1)/64^2 = 3e-5 of it.

    Args:
        earliest: time, in units of the shortest scale of the equations.
        per_decade: times in a decade.
        brackets: parts of an interval in which the order changes.
        rounds: how often such an interval is divided.
    """

    earliest: float = 1e-6
    per_decade: int = 20
    brackets: int = 64
    rounds: int = 2


SETTINGS = OrderingSettings()


def linear_wave(
    equations: BilliardEquations, times: ArrayLike, x: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """mu_t = -lambda sigma_x, sigma_t = -lambda mu_x, exactly: the limit of large lambda, (4.3) and Remark 4.4.

    mu +- sigma travel with speed +-lambda; at the ends, where sigma = 0, mu is continued evenly and sigma oddly.

    Args:
        equations: lambda and the initial data.
        times: times (T,), not negative.
        x: points (P,) in [0, 1].

    Returns:
        mu and sigma, each (T, P); sigma of the linear equation may become negative, where it stops being a model.
    """
    _check_equations(equations)
    way = equations.wave_speed * checks.times(times)[:, None]
    points = points_of(x)[None, :]
    right, left = _travelling(equations, points - way, +1.0), _travelling(equations, points + way, -1.0)
    return 0.5 * (right + left), 0.5 * (right - left)


def _check_equations(equations: object) -> None:
    if not isinstance(equations, BilliardEquations):
        raise InvalidArgument("equations", f"must be BilliardEquations, not {checks.shown(equations)}")


def _travelling(equations: BilliardEquations, place: np.ndarray, sign: float) -> np.ndarray:
    folded = ((place + 1.0) % 2.0 - 1.0).ravel()
    mean, std = velocities(equations.mean, equations.std, np.abs(folded), whole=False)
    return (mean + sign * np.where(folded < 0, -1.0, 1.0) * std).reshape(place.shape)


def constancy_gap(solution: BilliardSolution) -> NDArray[np.float64]:
    """int (mu^2 + sigma^2) dx - (int mu dx)^2 >= 0, shape (T,): what Proposition 4.2 rests on.

    If mu is not constant and sigma = 0 at first, the gap is positive then, and stays as it is where both invariants do:
    mu cannot become constant while sigma vanishes.

    Args:
        solution: of the equations.
    """
    if not isinstance(solution, BilliardSolution):
        raise InvalidArgument("solution", f"must be a BilliardSolution, not {checks.shown(solution)}")
    return 2.0 * solution.energy - solution.momentum**2


@dataclass(frozen=True, repr=False)
class Ordering(Described):
    """time at which mu(1, t) >= mu(0, t) - epsilon first holds, and the bound that Proposition 4.3 gives for it."""

    time: float
    bound: float


def ordering_time(
    equations: BilliardEquations, epsilon: float, *, rtol: float = 1e-4, cells: int | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Ordering:  # fmt: skip
    """First t with mu(1, t) >= mu(0, t) - epsilon, at most int (mu0 - min mu0) dx/epsilon: Proposition 4.3.

    Looked for at 20 times in a decade, then by brackets, to a part of 1e-5 in time (and what rtol makes of it); ends
    that are in order for a shorter while than that may be passed over.

    Args:
        equations: the equations and their data.
        epsilon: by how much the ends may be out of order, positive.
        rtol: as in `BilliardEquations.solve`.
        cells: likewise.
        comm: likewise.

    Raises:
        InvalidArgument: an argument out of its range.
        NotConverged: the ends are not in order by the bound; the computed solution contradicts the proposition.

    Warns:
        Unresolved: as in `BilliardEquations.solve`.
    """
    _check_equations(equations)
    comm = communicator(comm)
    epsilon = on_all_ranks(comm, lambda: checks.number("epsilon", epsilon, above=0.0))
    same_on_all_ranks(comm, epsilon=epsilon)
    scale = 1.0 / equations.wave_speed
    first = equations.solve([0.0, min(scale, 1.0)], rtol, cells, comm=comm)
    bound = (float(first.momentum[0]) - float(first.nodal_mean[0].min())) / epsilon
    if _in_order(first, epsilon)[0] or not bound > 0:
        return Ordering(0.0, max(bound, 0.0))
    # on the mesh of this solve, from times that are short against all scales; then in ever smaller brackets
    shortest = SETTINGS.earliest * min(scale, scale**2, 1.0, bound)
    times = np.geomspace(shortest, bound, math.ceil(SETTINGS.per_decade * math.log10(bound / shortest)) + 1)
    same_cells = (first.nodes.size - 1) // first.degree
    rough = equations.solve(times, rtol, same_cells, degree=first.degree, comm=comm, quiet=True)
    before, after = _bracket(np.append(0.0, times), np.append(False, _in_order(rough, epsilon)), bound)
    for _ in range(SETTINGS.rounds):
        times = np.linspace(before, after, SETTINGS.brackets + 1)
        solution = equations.solve(times[1:], rtol, cells, comm=comm, quiet=True)
        ordered = np.append(False, _in_order(solution, epsilon))
        # as it was on another mesh
        ordered[-1] = True
        before, after = _bracket(times, ordered, bound)
    return Ordering(0.5 * (before + after), bound)


def _in_order(solution: BilliardSolution, epsilon: float) -> NDArray[np.bool_]:
    first, last = solution.mean_at([0.0, 1.0]).T
    return first - last <= epsilon


def _bracket(times: np.ndarray, ordered: np.ndarray, bound: float) -> tuple[float, float]:
    """Return the last time before the ends are in order, and the first at which they are."""
    if not ordered.any():
        raise NotConverged("the check of Proposition 4.3", "the ends are out of order", "use more cells", time=bound)
    first = int(ordered.argmax())
    return float(times[max(first - 1, 0)]), float(times[first])
