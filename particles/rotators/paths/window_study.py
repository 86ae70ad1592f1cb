"""Whether the middle of a box of rotators feels its ends: the infinite lattice, measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ...sampling.samples import runs_or_paths, start_of_each
from ...showing.axes import axes_of, labelled
from ...showing.quantities import Quantity
from ...support import checks
from ..ensemble import RotatorEnsemble, complex_amplitudes
from ..lattice import RotatorLattice
from ..member_sampler import SampledRotators
from ..transport_process import TransportProcess
from .bounds import gaps_of
from .boxes import box_around, checked_lattice, distance_from
from .epsilon_study import study_fields
from .functionals import Functionals, checked_functionals, checked_members, checked_sites, warn_of_few
from .path_distance import LEVEL, RESAMPLES, Judge, checked_level
from .study import DistanceStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py import MPI


@dataclass(frozen=True, eq=False, repr=False)
class WindowStudy(DistanceStudy):
    """Distances of the laws of the actions in a window Lambda, between boxes around it and the largest one.

    The box of the margin m has all sites at most m from Lambda; `parameter` has the margins (K,), less than that of the
    largest box. Members are paired with the same noise at the same sites, as two solutions are in the proof of
    Proposition 4.5; paths are those at the snapshots. With F functionals, S sites of the window and T snapshots:

    Args:
        parameter: the margins (K,), numbers of sites.
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
        site_bound: E sup_tau |I_j - I'_j| between a box and the largest one (K, S), an action ..
        site_error: .. and their standard errors (K, S).
        sites: numbers of the window's sites (S,).
        times: snapshots (T,), slow time.
        steps: time steps that were taken (K,).
        runs: members of each sample.
        level: of the intervals: they fail with this probability.
        seed: of the random numbers.
        largest: the margin of the largest box.
        of_what: "limit" or "lattice".
    """

    largest: int
    of_what: str
    PARAMETER: ClassVar[Quantity] = Quantity("margin", "sites between the window and the ends", "1")

    @property
    def verdict(self) -> str:
        """What the study says, in a sentence."""
        k = int(self.parameter.argmax())
        beside = f"with {self.parameter[k]:g} sites beside it, and with {self.largest}, the laws of the window's paths"
        return f"{beside} are at most {self.at_most[k]:.3g} apart, their functionals {self.functionals_at_most[k]:.3g}"

    def margin_for(self, distance: float) -> int:
        """The least margin of the study from which on W_1 against the largest box is as small as asked.

        Args:
            distance: of path laws, an action.

        Raises:
            InvalidArgument: not positive, or no margin is as large.
        """
        wanted = checks.number("distance", distance, above=0.0)
        order = np.argsort(self.parameter)
        # what is small at a margin must stay so beyond it
        worst = np.maximum.accumulate(self.at_most[order][::-1])[::-1]
        small = np.flatnonzero(worst <= wanted)
        if not len(small):
            raise InvalidArgument("distance", f"must be at least {worst.min():.3g}, or add margins")
        return int(self.parameter[order][small[0]])

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw what W_1 between a box and the largest one is at most and at least, against the margin of the box.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.errorbar`.

        Returns:
            The axes, logarithmic upwards where there are differences.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        self._draw_bounds(ax, options)
        ax.set_xticks(self.parameter)
        if (self.bound > 0).any():
            ax.set_yscale("log")
        ax.legend(fontsize="small")
        return labelled(ax, self.PARAMETER.long_name, f"distance of path laws from margin {self.largest} (action)")

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title, said = super()._summary()
        return title, said | {"compared with": f"margin {self.largest}, of the {self.of_what}"}


@ends_on_all_ranks
def window_study(
    lattice: RotatorLattice,
    window: Any,
    margins: ArrayLike,
    initial: ArrayLike,
    times: ArrayLike,
    runs: int | None = None,
    seed: int | None = None,
    step: float | None = None,
    *,
    of: str = "limit",
    paths: int | None = None,
    functionals: Functionals | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    workers: int | None = None,
    progress: bool = False,
    comm: MPI.Comm | None = None,
) -> WindowStudy:
    """Compare the laws of the actions in a window between boxes of growing size and the whole lattice.

    Args:
        lattice: the largest box, without closed directions; its dissipation must not go by the numbers of the sites.
        window: numbers of the sites of Lambda (S,).
        margins: of the smaller boxes (K,), integers; sites farther than that from the window are left out.
        initial: u(0), complex, of all sites (N,), or of each member (R, N): boxes have their part of it.
        times: snapshots tau (T,): the paths are compared at these. Many show more of what is between.
        runs: number of members R; at least 8.
        seed: of the random numbers, the same in all boxes.
        step: as for `RotatorLattice.sample`; None takes the least of what the boxes would take alone.
        of: "limit", the transport equation, or "lattice" itself at its epsilon. There pairs of lattices lose their
            common phases after some time, so that the bound from above is not as small as the distance is.
        paths: another name of `runs`.
        functionals: of your own, see `path_distance`.
        level: of the intervals, likewise.
        resamples: how often pairs are drawn and exchanged.
        workers: threads, or None.
        progress: show a progress bar on rank 0.
        comm: communicator whose ranks share the members; all get the whole study.

    Returns:
        The distances from the largest box, for each margin.

    Raises:
        InvalidArgument: an argument out of range.
        Unstable: a member has left all bounds.

    Warns:
        AssumptionWarning: as for the lattice; Unresolved: fewer than 100 members, with which intervals are not to be
            trusted.

    Source: Dymov, Proposition 4.5 and (4.26); footnote 3 on what is independent of N.
    """

    def checked() -> tuple[NDArray[np.int64], list[int], NDArray[np.complex128], float | None, Judge]:
        number = checked_members(runs_or_paths("runs", runs, paths))
        if of not in ("limit", "lattice"):
            raise InvalidArgument("of", f"must be 'limit' or 'lattice', not {checks.shown(of)}")
        chosen = checked_sites(window, checked_lattice(lattice).size, "window")
        given = _checked_margins(margins, int(distance_from(lattice, chosen).max()))
        checks.times(times)
        start = start_of_each(complex_amplitudes("initial", initial), number, lattice.size)
        judge = Judge(checked_functionals(functionals), *checked_level(level, resamples), checks.seed(seed))
        return chosen, given, start, None if step is None else checks.number("step", step, above=0.0), judge

    chosen, given, start, h, judge = on_all_ranks(communicator(comm, optional=True), checked)
    number, key = len(start), judge.seed
    same_on_all_ranks(
        comm, window=chosen, margins=given, of=of, runs=number, lattice=lattice.identity(), step=h,
        **judge.same(),
    )  # fmt: skip
    warn_of_few(number, comm)
    distance = distance_from(lattice, chosen)

    def prepared() -> tuple[list[tuple[SampledRotators[Any], NDArray[np.int64]]], float | None]:
        boxes = [box_around(lattice, distance, margin) for margin in (*given, int(distance.max()))]
        rotators: list[tuple[SampledRotators[Any], NDArray[np.int64]]] = [
            (box if of == "lattice" else TransportProcess(box), order) for box, order in boxes
        ]
        return rotators, _common_step(rotators, start, times, key) if h is None else h

    rotators, common = on_all_ranks(comm, prepared)
    options: dict[str, Any] = {"workers": workers, "progress": progress, "comm": comm}
    *smaller, (last, everywhere) = rotators
    inside, found = np.arange(len(chosen)), []
    # sites of the window come first, in the order of their numbers
    largest = _of_window(last.sample(start[:, everywhere], times, number, key, common, **options), len(chosen))
    for one, order in smaller:
        box = _of_window(one.sample(start[:, order], times, number, key, common, **options), len(chosen))
        apart = judge.of_ranks(comm, box, largest, paired=True)
        found.append((apart, gaps_of((box, largest), inside), box.step, box.times))
    fields = study_fields(found) | {"sites": np.sort(chosen)}
    fields["names"] = _numbered(fields["names"], fields["lipschitz"], fields["sites"])
    return WindowStudy(
        **fields, parameter=np.array(given, dtype=float), seed=key, largest=int(distance.max()), of_what=of
    )


def _common_step(
    rotators: list[tuple[SampledRotators[Any], NDArray[np.int64]]], start: NDArray[np.complex128], times: ArrayLike,
    key: int,
) -> float | None:  # fmt: skip
    """The least of the steps that the boxes take alone; None where all take the same."""
    hottest = start[np.argsort(np.abs(start).max(axis=1), kind="stable")[-2:]]
    alone = [one.sample(hottest[:, order], times, 2, key).step for one, order in rotators]
    return None if len(set(alone)) == 1 else min(alone)


def _numbered(names: NDArray[np.str_], own: NDArray[np.bool_], sites: NDArray[np.int64]) -> NDArray[np.str_]:
    """Names of functionals with the numbers of sites in the lattice; those of the user's functions stay."""

    def number(found: re.Match[str]) -> str:
        return f"I_{sites[int(found[1])]}"

    return np.array([re.sub(r"I_(\d+)", number, str(name)) if mine else str(name) for name, mine in zip(names, own)])


def _of_window(ensemble: RotatorEnsemble, size: int) -> RotatorEnsemble:
    """The sites of the window alone."""
    return RotatorEnsemble(ensemble.times, ensemble.amplitudes[:, :, :size].copy(), ensemble.step, ensemble.seed)


def _checked_margins(margins: Any, largest: int) -> list[int]:
    """Different numbers of sites from 0 to below the largest.

    Raises:
        InvalidArgument: they are not.
    """
    given = np.atleast_1d(checks.numbers("margins", margins))
    good = given.ndim == 1 and len(given) > 0 and (given == np.floor(given)).all()
    if not good or len(np.unique(given)) < len(given) or given.min() < 0 or given.max() >= largest:
        raise InvalidArgument(
            "margins", f"must be different integers from 0 to {largest - 1}, less than the {largest} of the whole "
            f"lattice, not {checks.shown(margins)}"
        )  # fmt: skip
    return [int(one) for one in given]
