"""Numbers that are read off a path of actions, of which the laws are compared.

Most are 1-Lipschitz in the norm max_j sup_tau |I_j(tau)| of C([0, T]): the distance of their laws is at most that of
the laws of the paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...sampling.philox import Purpose
from ...showing.axes import some_of
from ...support import checks
from ..ensemble import RotatorEnsemble
from ..watching.watched import WatchedRotators

if TYPE_CHECKING:
    from mpi4py import MPI

MOST_SNAPSHOTS = 6  # with functionals of their own
DIRECTIONS = 32  # of the sliced distance
MOST_SITES = 256
FEWEST = 8  # members
ENOUGH = 100  # members, for intervals to hold as often as they say
WHY_MEMBERS = f"drawing fewer again does not tell how far they are from their law; take {ENOUGH} or more"
Functionals = Mapping[str, Callable[[np.ndarray], Any]]


@dataclass(frozen=True)
class PathFunctionals:
    """F functionals and the numbers that make them up, in the same order for all samples.

    Args:
        names: of the functionals (F,).
        lipschitz: whether each is 1-Lipschitz (F,).
        weights: (F, M), so that the distance of a functional is a mean over those of M numbers.
        values: for each of the two samples (M, R).
        every_step: whether suprema and means are over all steps.
    """

    names: tuple[str, ...]
    lipschitz: NDArray[np.bool_]
    weights: NDArray[np.float64]
    values: tuple[NDArray[np.float64], NDArray[np.float64]]
    every_step: bool


def functionals_of(
    pair: tuple[RotatorEnsemble, RotatorEnsemble], sites: NDArray[np.int64], more: Functionals, key: int
) -> PathFunctionals:
    """Read off both samples of a pair what is compared.

    Args:
        pair: with the same times and sites.
        sites: numbers of sites.
        more: functions of paths (R, T, S) that the user gave.
        key: of the random directions.
    """
    every_step = all(isinstance(one, WatchedRotators) for one in pair)
    known = [_known(one, sites, every_step) for one in pair]
    names = list(known[0])
    rows = [np.array([one[name] for name in names]) for one in known]
    single = len(names)
    slices = _directions(int((pair[0].times > 0).sum()) * len(sites), key)
    late = pair[0].times > 0
    flat = [one.actions[late][:, :, sites].transpose(0, 2, 1).reshape(slices.shape[1], -1) for one in pair]
    own = [_own(one, sites, more) for one in pair]
    # one direction after another, so that an interrupt is seen between them
    sliced = [np.array([direction @ b for direction in slices]) for b in flat]
    values = tuple(np.concatenate(parts) for parts in zip(rows, sliced, own))
    weights = np.zeros((single + 1 + len(more), len(values[0])))
    weights[:single, :single] = np.eye(single)
    weights[single, single : single + DIRECTIONS] = 1.0 / DIRECTIONS
    weights[single + 1 :, single + DIRECTIONS :] = np.eye(len(more))
    lipschitz = np.arange(len(weights)) <= single
    return PathFunctionals((*names, "all, sliced", *more), lipschitz, weights, (values[0], values[1]), every_step)


def _known(one: RotatorEnsemble, sites: NDArray[np.int64], every_step: bool) -> dict[str, NDArray[np.float64]]:
    """The functionals that are always compared (R,), by name."""
    late = np.flatnonzero(one.times > 0)
    actions = one.actions[:, :, sites]
    found: dict[str, NDArray[np.float64]] = {}
    for k in late[some_of(len(late), MOST_SNAPSHOTS)]:
        found |= {f"I_{j}({one.times[k]:.4g})": actions[k, :, n] for n, j in enumerate(sites)}
    if every_step and isinstance(one, WatchedRotators):
        top = one.running_maximum[-1][:, sites]
        mean = one.integrals.sum(axis=0)[:, sites] / one.times[-1]
    elif len(one.times) > 1 and one.times[-1] > one.times[0]:
        top = actions.max(axis=0)
        mean = np.trapezoid(actions, one.times, axis=0) / (one.times[-1] - one.times[0])
    else:
        return found | {"mean of I": actions[-1].mean(axis=1)}
    found |= {f"sup I_{j}": top[:, n] for n, j in enumerate(sites)}
    found |= {f"time mean of I_{j}": mean[:, n] for n, j in enumerate(sites)}
    return found | {"sup of all": top.max(axis=1), "mean of all": mean.mean(axis=1)}


def _directions(size: int, key: int) -> NDArray[np.float64]:
    """Random directions (DIRECTIONS, size) with sum |theta| = 1, so that slices are 1-Lipschitz."""
    bits = np.random.Philox(key=np.array([key, Purpose.PATH_LAWS], dtype=np.uint64))
    found = np.random.Generator(bits).standard_normal((DIRECTIONS, size))
    return np.asarray(found / np.abs(found).sum(axis=1, keepdims=True))


def _own(one: RotatorEnsemble, sites: NDArray[np.int64], more: Functionals) -> NDArray[np.float64]:
    """The functionals of the user (K, R)."""
    paths = one.actions[:, :, sites].transpose(1, 0, 2)
    each = [checks.evaluated("functionals", function, paths, broadcast=False) for function in more.values()]
    return np.array(each).reshape(len(more), len(paths))


def checked_pair(samples: Any, limit: Any) -> tuple[RotatorEnsemble, RotatorEnsemble]:
    """Two ensembles with the same times and sites.

    Raises:
        InvalidArgument: they are not; or too few members or no time after 0.
    """
    first = checks.instance("samples", samples, RotatorEnsemble)
    second = checks.instance("limit", limit, RotatorEnsemble)
    if not np.array_equal(first.times, second.times):
        raise InvalidArgument("limit", "must have the times of samples; sample both at the same times")
    if first.actions.shape[2] != second.actions.shape[2]:
        raise InvalidArgument(
            "limit", f"must have the {first.actions.shape[2]} sites of samples, not {second.actions.shape[2]}"
        )
    for name, one in (("samples", first), ("limit", second)):
        if one.runs < FEWEST:
            raise InvalidArgument(name, f"must have at least {FEWEST} members, not {one.runs}: {WHY_MEMBERS}")
    if not first.times[-1] > 0:
        raise InvalidArgument("samples", "must have a time after 0")
    return first, second


def checked_members(asked: tuple[str, Any]) -> int:
    """The number of members of a sample whose law is to be compared.

    Args:
        asked: name of the argument, and the number.

    Raises:
        InvalidArgument: not an integer, or too few.
    """
    number = checks.integer(*asked, 1, 2**31)
    if number < FEWEST:
        raise InvalidArgument(asked[0], f"must be at least {FEWEST}, not {number}: {WHY_MEMBERS}")
    return number


def warn_of_few(members: int, comm: MPI.Comm | None = None) -> None:
    """Warn of intervals by few members; of several ranks the first one does."""
    if members < ENOUGH and (comm is None or comm.rank == 0):
        warn(
            f"intervals of path laws are those of large samples; with {members} members they may miss the distance "
            f"more often than their level says; take {ENOUGH} or more",
            Unresolved,
        )


def checked_sites(sites: Any, size: int, argument: str = "sites") -> NDArray[np.int64]:
    """Numbers of sites, all different; None for all.

    Args:
        sites: as the caller gave them.
        size: of the lattice.
        argument: the name that the caller knows them by.

    Raises:
        InvalidArgument: they are not, or too many.
    """
    numbers = np.arange(size) if sites is None else np.atleast_1d(checks.numbers(argument, sites))
    good = numbers.ndim == 1 and len(numbers) > 0 and (numbers == np.floor(numbers)).all()
    if not good or len(np.unique(numbers)) < len(numbers) or numbers.min() < 0 or numbers.max() >= size:
        raise InvalidArgument(
            argument, f"must be different numbers of sites from 0 to {size - 1}, not {checks.shown(sites)}"
        )
    if len(numbers) > MOST_SITES:
        raise InvalidArgument(argument, f"must be at most {MOST_SITES}, not {len(numbers)}; choose some")
    return numbers.astype(np.int64)


def checked_functionals(functionals: Any) -> Functionals:
    """Functions of paths by name; None for none.

    Raises:
        InvalidArgument: something else.
    """
    if functionals is None:
        return {}
    if not isinstance(functionals, Mapping) or not all(
        isinstance(name, str) and callable(one) for name, one in functionals.items()
    ):
        right = "functions by name, {'last': lambda paths: paths[:, -1, 0]}, of paths (R, T, S)"
        raise InvalidArgument("functionals", f"must be {right}, not {checks.shown(functionals)}")
    return functionals
