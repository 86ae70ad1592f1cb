"""Whether epsilon is small enough for the laws of paths, and how they tend to their limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ...sampling.samples import runs_or_paths
from ...showing.axes import axes_of, labelled
from ...showing.quantities import Quantity
from ...support import checks
from ..coupled.coupled_rotators import CoupledRotators
from ..lattice import RotatorLattice
from .bounds import gaps_of_coupled
from .functionals import Functionals, checked_functionals, checked_members, checked_sites, warn_of_few
from .path_distance import LEVEL, RESAMPLES, Judge, checked_level
from .rates import Line, fitted_line
from .study import DistanceStudy, columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI

FARTHEST = 30.0  # from the epsilons that were sampled, as a factor


@dataclass(frozen=True, eq=False, repr=False)
class EpsilonStudy(DistanceStudy):
    """Distances of the laws of I^epsilon and I^0 on C([0, T]) for K values of epsilon; `parameter` has them.

    Pairs of a lattice and its limit with the same noise bound W_1 from above, with small errors:

        max_f W_1(law of f(I^epsilon), law of f(I^0)) <= W_1 <= E max_j sup_tau |I_j^epsilon - I_j^0|,

    f being 1-Lipschitz in this norm. With F functionals, S sites and T snapshots:

    Args:
        parameter: the epsilons (K,).
        names: of the functionals (F,).
        lipschitz: whether each is 1-Lipschitz in the norm max_j sup_tau (F,).
        value: W_1 of each functional's laws (K, F), an action.
        error: their standard errors (K, F), an action.
        lower: ends of their intervals (K, F), an action ..
        upper: .. that hold all F at once.
        chance: W_1 between two samples of one law (K, F), an action.
        p_value: how often chance alone makes a distance as large (K,).
        bound: mean distances of pairs in the norm max_j sup_tau (K,), an action ..
        bound_error: .. and their standard errors (K,).
        site_bound: E sup_tau |I_j^epsilon - I_j^0| (K, S), an action ..
        site_error: .. and their standard errors (K, S).
        sites: numbers of the sites (S,).
        times: snapshots (T,), slow time.
        steps: time steps that were taken (K,).
        runs: members of each sample.
        level: of the intervals: they fail with this probability.
        seed: of the random numbers.
    """

    PARAMETER: ClassVar[Quantity] = Quantity("epsilon", "epsilon", "1")

    @property
    def line(self) -> Line | None:
        """log of the bound as a line in log epsilon; None for fewer than two epsilons or without differences."""
        return fitted_line(np.log(self.parameter), self.bound, self.bound_error)

    @property
    def rate(self) -> tuple[float, float]:
        """The r of E max_j sup_tau |I_j^epsilon - I_j^0| ~ epsilon^r, and its standard error; NaN where not known."""
        line = self.line
        return (float("nan"), float("nan")) if line is None else (line.slope, line.slope_error)

    def law_rate(self, name: str) -> tuple[float, float]:
        """The r of W_1 ~ epsilon^r of one functional, and its standard error.

        Only what is resolved counts: where the interval of W_1 does not begin at 0.

        Args:
            name: of the functional.

        Returns:
            Both NaN where fewer than two epsilons are resolved.

        Raises:
            InvalidArgument: there is no such functional.
        """
        k = self.of(name)
        resolved = self.lower[:, k] > 0
        line = fitted_line(np.log(self.parameter[resolved]), self.value[resolved, k], self.error[resolved, k])
        return (float("nan"), float("nan")) if line is None else (line.slope, line.slope_error)

    def epsilon_for(self, distance: float) -> float:
        """The epsilon at which the fitted bound of W_1, with three of its standard errors, is as small as asked.

        Args:
            distance: of path laws, an action.

        Raises:
            InvalidArgument: not positive; no line, one that does not fall, or so small that the line would have to be
                followed too far.
        """
        wanted, line = checks.number("distance", distance, above=0.0), self.line
        if line is None or not line.slope > 3 * line.slope_error:
            raise InvalidArgument("distance", "the study has no falling line; add smaller epsilons or more runs")
        low, high = self.parameter.min() / FARTHEST, self.parameter.max() * FARTHEST
        grid = np.log(np.geomspace(low, high, 4001))
        value, relative = line.at(grid)
        small = np.flatnonzero(value * np.exp(3 * relative) <= wanted)
        if not len(small):
            reached = float((value * np.exp(3 * relative)).min())
            raise InvalidArgument(
                "distance", f"must be at least {reached:.3g}, or add epsilons below {self.parameter.min():g}"
            )
        return float(np.exp(grid[small[-1]]))

    @property
    def verdict(self) -> str:
        """What the study says, in a sentence."""
        rate, error = self.rate
        k = int(self.parameter.argmin())
        low = f"at least {self.at_least[k]:.3g} and " if self.at_least[k] > 0 else ""
        here = f"at epsilon = {self.parameter[k]:g} W_1 is {low}at most {self.at_most[k]:.3g}"
        return here if np.isnan(rate) else f"{here}; pairs approach like epsilon^({rate:.2f} +- {error:.2f})"

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw what W_1 is at most and at least against epsilon, the fitted line with a band of three errors.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes, logarithmic.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, line = axes_of(ax), self.line
        self._draw_bounds(ax, options)
        if line is not None:
            fine = np.geomspace(self.parameter.min(), self.parameter.max(), 50)
            value, relative = line.at(np.log(fine))
            said = f"epsilon^({line.slope:.2f} $\\pm$ {line.slope_error:.2f})"
            (drawn,) = ax.plot(fine, value, "--", linewidth=1, label=said)
            low, high = value * np.exp(-3 * relative), value * np.exp(3 * relative)
            ax.fill_between(fine, low, high, color=drawn.get_color(), alpha=0.2, linewidth=0)
        ax.set(xscale="log", yscale="log")
        low, high = ax.get_ylim()
        # room above what rises for what is said of it
        ax.set_ylim(low, high * (high / low) ** 0.35)
        ax.legend(fontsize="small", loc="upper left")
        return labelled(ax, "epsilon", "distance of the path laws (action)")

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title, said = super()._summary()
        rate, error = self.rate
        return title, said | {"pairs approach like": f"epsilon^({rate:.3f} +- {error:.3f})"}


@ends_on_all_ranks
def epsilon_study(
    lattice: RotatorLattice,
    epsilons: ArrayLike,
    initial: ArrayLike,
    times: ArrayLike,
    runs: int | None = None,
    seed: int | None = None,
    step: float | None = None,
    *,
    paths: int | None = None,
    sites: Any = None,
    functionals: Functionals | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    workers: int | None = None,
    progress: bool = False,
    comm: MPI.Comm | None = None,
) -> EpsilonStudy:
    """Compare the laws of the paths of a lattice and of its limit for several epsilons, by pairs with the same noise.

    Args:
        lattice: the rotators; their own epsilon does not matter.
        epsilons: positive, all different (K,).
        initial: u(0), complex, of all members (N,) or of each (R, N).
        times: snapshots tau (T,); suprema and means are over all steps until the last one, whatever the snapshots.
        runs: number of pairs R, for each epsilon; at least 8.
        seed: of the first epsilon; the others have the numbers after it, so that their samples are independent.
        step: of the fast time, see `CoupledRotators.sample`.
        paths: another name of `runs`.
        sites: numbers of the sites that are looked at (S,), see `path_distance`; None for all.
        functionals: of your own, likewise.
        level: of the intervals, likewise.
        resamples: how often pairs are drawn and exchanged.
        workers: threads, or None.
        progress: show a progress bar on rank 0.
        comm: communicator whose ranks share the pairs; all get the whole study.

    Returns:
        The distances, their errors, and the rate at which they fall.

    Raises:
        InvalidArgument: an argument out of range.
        Unstable: a member has left all bounds.

    Warns:
        AssumptionWarning: as for `TransportProcess`; LongRun: more than ten minutes; Unresolved: fewer than 100 pairs,
            with which intervals are not to be trusted.

    Source: Dymov, Theorem 2.2.
    """

    def checked() -> tuple[NDArray[np.float64], int, NDArray[np.int64], Judge, list[CoupledRotators]]:
        number = checked_members(runs_or_paths("runs", runs, paths))
        checks.instance("lattice", lattice, RotatorLattice)
        given = np.atleast_1d(checks.numbers("epsilons", epsilons))
        if given.ndim != 1 or not len(given) or (given <= 0).any() or len(np.unique(given)) < len(given):
            raise InvalidArgument("epsilons", f"must be different positive numbers, not {checks.shown(epsilons)}")
        judge = Judge(checked_functionals(functionals), *checked_level(level, resamples), checks.seed(seed))
        pairs = CoupledRotators(lattice)
        return given, number, checked_sites(sites, lattice.size), judge, [pairs.at(float(one)) for one in given]

    given, number, chosen, judge, pairs = on_all_ranks(communicator(comm, optional=True), checked)
    same_on_all_ranks(comm, epsilons=given, runs=number, sites=chosen, **judge.same())
    warn_of_few(number, comm)
    key, found = judge.seed, []
    for k, one in enumerate(pairs):
        options: dict[str, Any] = {"workers": workers, "progress": progress, "comm": comm, "watch": True}
        both = one.sample(initial, times, number, (key + k) % 2**64, step, **options)
        distance = judge.of_ranks(comm, both, sites=chosen)
        found.append((distance, gaps_of_coupled(both, chosen), both.step, both.times))
    return EpsilonStudy(**study_fields(found), parameter=given, seed=key)


def study_fields(found: list[tuple[Any, NDArray[np.float64], float, NDArray[np.float64]]]) -> dict[str, Any]:
    """The fields of a study but its parameter and its seed, from (distance, gaps, step, times) of each value."""
    distances, gaps, steps, times = zip(*found)
    return columns_of(distances, gaps) | {"steps": np.array(steps), "times": times[0]}
