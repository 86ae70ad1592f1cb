"""The distance of the laws of two samples of paths, told from what chance alone makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...sampling.ranks import on_all_ranks, same_on_all_ranks
from ...showing.axes import axes_of, labelled
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support import checks
from ...support.saved import Saved
from ..coupled.coupled_ensemble import CoupledEnsemble
from ..coupled.watched_pairs import WatchedPairs
from ..ensemble import RotatorEnsemble
from .bounds import gaps_of, gaps_of_coupled, matched_bound, paired_bound
from .functionals import (
    Functionals,
    PathFunctionals,
    checked_functionals,
    checked_pair,
    checked_sites,
    functionals_of,
    warn_of_few,
)
from .wasserstein import Resampled, resampled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI

LEVEL, RESAMPLES = 0.01, 400
SIGMAS = 3.0  # of a bound from above
MOST_ROWS = 24  # in a picture
SHOWN = {
    "value": "distance of the laws", "error": "standard error of the distance", "lower": "lower end of its interval",
    "upper": "upper end of its interval", "chance": "distance of two samples of one law, on the average",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class PathDistance(Saved, Described):
    """Distances of Wasserstein, of F functionals of paths, between the laws of two samples.

        W_1 = int |F(x) - G(x)| dx,

    of which the samples have an estimate, that chance makes too large where W_1 is small. The intervals hold all W_1 at
    once with probability 1 - level: |W_1 - estimate| <= int |(F_R - F) - (G_R - G)| dx, whose law drawing members again
    tells, for a hundred members or more. The distance of the path laws in the norm max_j sup_tau |I_j| of C([0, T]) is
    at least that of each functional that is 1-Lipschitz, and at most the mean distance of members that are paired in
    any way.

    Args:
        names: of the functionals (F,): actions at times, suprema and time means over [0, T] of each site, suprema and
            means of all, the mean over 32 directions of all times and sites ("all, sliced"), the user's.
        lipschitz: whether it is 1-Lipschitz (F,); of the user's that is not known.
        value: W_1 (F,), an action.
        error: its standard error by drawing members again (F,); not to be trusted where W_1 is not resolved.
        lower: ends of the intervals (F,) ..
        upper: .. which hold all at once.
        chance: the mean of W_1 between two samples of one law (F,).
        p_value: the probability that chance makes the largest of value/chance as large, for two samples of one law; by
            exchanging members.
        bound: the mean distance of paired members in the norm of the path space, at all steps where pairs with the same
            noise were watched, else at the snapshots; of members that are matched as well as can be where that is less,
            and ..
        bound_error: .. its standard error.
        sites: numbers of the sites (S,).
        runs: of both samples (2,).
        level: of the intervals and of the verdict.
        resamples: how often members were drawn and exchanged.
        seed: of that.
        paired: whether members of both have the same noise.
        every_step: whether suprema and means are over all steps, or over snapshots.
    """

    names: NDArray[np.str_]
    lipschitz: NDArray[np.bool_]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    chance: NDArray[np.float64]
    p_value: float
    bound: float
    bound_error: float
    sites: NDArray[np.int64]
    runs: NDArray[np.int64]
    level: float
    resamples: int
    seed: int
    paired: bool
    every_step: bool
    SHAPES: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("names", "lipschitz", "value", "error", "lower", "upper", "chance"), "F"),
        "sites": "S", "runs": "2",
    }  # fmt: skip

    @property
    def at_least(self) -> float:
        """What the distance of the path laws is at least: the largest lower end of a 1-Lipschitz functional.

        It is 0 where the laws are not told apart.
        """
        return float(self.lower[self.lipschitz].max()) if self.different else 0.0

    @property
    def functionals_at_most(self) -> float:
        """The largest upper end of a 1-Lipschitz functional: none of them is farther apart, at this level."""
        return min(float(self.upper[self.lipschitz].max()), self.at_most)

    @property
    def at_most(self) -> float:
        """What the distance of the path laws is at most: the bound and three of its standard errors."""
        return self.bound + SIGMAS * self.bound_error

    @property
    def different(self) -> bool:
        """Whether the samples tell the laws apart: p_value <= level."""
        return self.p_value <= self.level

    @property
    def verdict(self) -> str:
        """What the samples say, in a sentence."""
        between = f"W_1 on C([0, T]) is at most {self.at_most:.3g}"
        if self.at_least > 0:
            between = f"W_1 on C([0, T]) is between {self.at_least:.3g} and {self.at_most:.3g}"
        if self.different:
            return f"different (p = {self.p_value:.2g}): {between}"
        return f"not resolved (p = {self.p_value:.2g}), one law would look the same: {between}"

    def of(self, name: str) -> int:
        """The number of a functional.

        Raises:
            InvalidArgument: there is none of this name.
        """
        found = np.flatnonzero(self.names == name) if isinstance(name, str) else []
        if not len(found):
            raise InvalidArgument("name", f"must be one of {', '.join(self.names)}, not {checks.shown(name)}")
        return int(found[0])

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the distance of each functional with its interval, and what chance makes; of many, those farthest apart.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        chosen = np.sort(np.argsort(-_ratio(self.value, self.chance), kind="stable")[:MOST_ROWS])
        ax, rows, value = axes_of(ax), np.arange(len(chosen)), self.value[chosen]
        reach = np.maximum([value - self.lower[chosen], self.upper[chosen] - value], 0.0)
        given: dict[str, Any] = {"fmt": "o", "capsize": 3, "label": "distance"} | options
        ax.errorbar(value, rows, xerr=reach, **given)
        ax.plot(self.chance[chosen], rows, "|", color="0.4", markersize=14, label="by chance")
        ax.axvline(self.at_most, color="tab:red", linestyle="--", label="paths: at most")
        ax.set_yticks(rows, list(self.names[chosen]))
        ax.invert_yaxis()
        ax.legend(fontsize="small")
        return labelled(ax, "distance of the laws (action)", "functional of the path")

    def to_xarray(self) -> Any:
        """All of it as a `xarray.Dataset` with the dimensions functional and site."""
        variables: list[Variable] = [
            (Quantity(name, said, "action"), ("functional",), getattr(self, name)) for name, said in SHOWN.items()
        ]
        variables += [
            (Quantity("bound", "mean distance of paired members", "action"), (), self.bound),
            (Quantity("bound_error", "its standard error", "action"), (), self.bound_error),
        ]
        axes: list[Variable] = [
            (Quantity("functional", "functional of the path", "1"), ("functional",), self.names),
            (Quantity("site", "number of the site", "1"), ("site",), self.sites),
        ]
        said = {"p_value": self.p_value, "level": self.level, "seed": str(self.seed)}
        return dataset("PathDistance", variables, axes, said)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {"laws": "different" if self.different else "not resolved, one law would look the same"}
        said |= {"p": self.p_value, "W_1 on C([0, T])": f"{self.at_least:.3g} to {self.at_most:.3g}"}
        said["functionals"] = f"all at most {self.functionals_at_most:.3g}"
        said["members"] = " and ".join(map(str, self.runs))
        largest = int((self.value / np.maximum(self.chance, 1e-300)).argmax())
        said["farthest apart"] = (
            f"{self.names[largest]}: {self.value[largest]:.4g}, in [{self.lower[largest]:.3g}, "
            f"{self.upper[largest]:.3g}], by chance {self.chance[largest]:.2g}"
        )
        said["suprema over"] = "all steps" if self.every_step else "snapshots"
        return type(self).__name__, said


def path_distance(
    samples: Any,
    limit: Any = None,
    *,
    sites: Any = None,
    functionals: Functionals | None = None,
    paired: bool = False,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PathDistance:
    """Compare the laws of two samples of paths, such as of a lattice and of its limit.

    Args:
        samples: a `RotatorEnsemble`, or `WatchedRotators`, of which suprema and integrals are over all steps; or a
            `CoupledEnsemble` alone, both of whose parts are compared.
        limit: the other sample, at the same times, with the same sites; both have at least 8 members.
        sites: numbers of the sites Lambda that are looked at (S,); None for all.
        functionals: functions of your own, by name: of paths (R, T, S) at the snapshots, to (R,).
        paired: whether members of the same number have common noise; a `CoupledEnsemble` has. Samples that are given
            two by two must else be independent: different seeds.
        level: of the intervals and of the verdict.
        resamples: how often members are drawn and exchanged.
        seed: of that, and of the directions.

    Returns:
        The distances with errors, intervals and a verdict.

    Raises:
        InvalidArgument: an argument out of range, samples that do not fit or have fewer than 8 members.

    Warns:
        Unresolved: fewer than 100 members, with which intervals are not to be trusted.

    Source: Dymov, Theorem 2.2 and footnote 4; Villani, Optimal transport, Theorem 5.10 for the bounds.
    """
    judge = Judge(checked_functionals(functionals), *checked_level(level, resamples), checks.seed(seed))
    found = judge(samples, limit, sites=sites, paired=paired)
    warn_of_few(int(found.runs.min()))
    return found


@dataclass(frozen=True)
class Judge:
    """What `path_distance` does with checked arguments, for one pair of samples after another."""

    functionals: Functionals
    level: float
    resamples: int
    seed: int

    def __call__(self, samples: Any, limit: Any = None, *, sites: Any = None, paired: bool = False) -> PathDistance:
        """Compare two samples; the arguments are those of `path_distance`."""
        pair, paired = _pair_of(samples, limit, paired)
        chosen = checked_sites(sites, pair[0].actions.shape[2])
        found = functionals_of(pair, chosen, self.functionals, self.seed)
        if isinstance(samples, WatchedPairs):
            bound = paired_bound(gaps_of_coupled(samples, chosen))
        else:
            bounds = [matched_bound(pair, chosen)] + ([paired_bound(gaps_of(pair, chosen))] if paired else [])
            bound = min(bounds, key=lambda one: one[0] + SIGMAS * one[1])
        numbers = np.array([pair[0].runs, pair[1].runs])
        estimate = resampled(found.values, found.weights, paired, self.resamples, self.seed)
        said = self.level, self.resamples, self.seed, paired
        return _judged(found, estimate, bound, numbers, chosen, said)

    def of_ranks(self, comm: MPI.Comm | None, samples: Any, limit: Any = None, **more: Any) -> PathDistance:
        """The same of samples that all ranks have; what the functions of the user raise is raised by all.

        Raises:
            InvalidArgument: of the call; functions of the user that differ between ranks.
        """
        found = on_all_ranks(comm, lambda: self(samples, limit, **more))
        # to fewer digits than ranks on different machines have in common
        same_on_all_ranks(comm, functionals=[f"{own:.6g}" for own in found.value[~found.lipschitz]])
        return found

    def same(self) -> dict[str, object]:
        """What must be the same on all ranks, by the names that users know it by."""
        return {"functionals": list(self.functionals), "level": self.level, "resamples": self.resamples,
                "seed": self.seed}  # fmt: skip


def _pair_of(samples: Any, limit: Any, paired: Any) -> tuple[tuple[RotatorEnsemble, RotatorEnsemble], bool]:
    """Two samples that fit, and whether their members are paired.

    Raises:
        InvalidArgument: they do not fit.
    """
    if isinstance(samples, CoupledEnsemble):
        if limit is not None:
            raise InvalidArgument("limit", "is a part of a CoupledEnsemble; give samples alone")
        pair, paired = checked_pair(samples.lattice, samples.limit), True
    else:
        pair = checked_pair(samples, limit)
    checks.flag("paired", paired)
    if paired and pair[0].runs != pair[1].runs:
        raise InvalidArgument("paired", f"must be False for {pair[0].runs} and {pair[1].runs} members")
    if not paired and np.array_equal(pair[0].amplitudes, pair[1].amplitudes):
        raise InvalidArgument("limit", "is the same sample; take another seed for an independent one")
    return pair, bool(paired)


def checked_level(level: Any, resamples: Any) -> tuple[float, int]:
    """A level, and so many resamples that they tell it.

    Raises:
        InvalidArgument: they are not.
    """
    part = checks.number("level", level, above=0.0)
    if part >= 0.5:
        raise InvalidArgument("level", f"must be below 0.5, not {part:g}")
    return part, checks.integer("resamples", resamples, int(np.ceil(2 / part)), 10**6)


def _judged(
    found: PathFunctionals, estimate: Resampled, bound: tuple[float, float], runs: NDArray[np.int64],
    sites: NDArray[np.int64], said: tuple[float, int, int, bool],
) -> PathDistance:  # fmt: skip
    """Intervals that hold all at once, and the probability of what was found."""
    level, count, key, paired = said
    chance, spread = estimate.exchanged.mean(axis=0), estimate.noise.mean(axis=0)
    largest = _ratio(estimate.noise, spread).max(axis=1)
    reach = float(np.quantile(largest, 1.0 - level)) * spread
    by_chance = _ratio(estimate.exchanged, chance).max(axis=1)
    # what is the same up to rounding is not less
    as_far = int((by_chance >= _ratio(estimate.value, chance).max() * (1 - 1e-12)).sum())
    return PathDistance(
        np.array(found.names), found.lipschitz, estimate.value, estimate.drawn.std(axis=0, ddof=1),
        np.maximum(estimate.value - reach, 0.0), estimate.value + reach, chance, (1 + as_far) / (1 + count), *bound,
        sites, runs, level, count, key, paired, found.every_step,
    )  # fmt: skip


def _ratio(distances: NDArray[np.float64], typical: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances in units of what is typical; 0 where nothing varies."""
    return np.divide(distances, typical, out=np.zeros_like(distances), where=typical > 0)
