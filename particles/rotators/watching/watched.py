"""Samples of rotators of which every step was watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...sampling.samples import mean_and_error
from ...showing.datasets import dataset
from ...showing.quantities import SLOW_TIME, Quantity
from ...support import checks
from ..ensemble import ACTION, MOST_SITES, RotatorEnsemble
from .watch import PathWatch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# of a sum over members: from one member; a mean that hangs on one has no error that the others could tell
LARGEST_SHARE = 0.05
Mean = tuple[NDArray[np.float64], NDArray[np.float64]]
NAMES = ("time", "member", "site")
SHOWN = (
    ("step_maxima", Quantity("step_maxima", "largest action at steps since the last snapshot", "action"), NAMES),
    ("maxima", Quantity("maxima", "largest action since the last snapshot", "action"), NAMES),
    ("integrals", Quantity("integrals", "integral of the action since the last snapshot", "action slow time"), NAMES),
    ("durations", Quantity("durations", "time below a level since the last snapshot", "slow time"), (*NAMES, "level")),
    ("norms", Quantity("norms", "largest weighted norm since the last snapshot", "action^(1/2)"),
     ("time", "member", "centre")),
)  # fmt: skip
LEVEL = Quantity("level", "level of actions", "action")


@dataclass(frozen=True, eq=False, repr=False)
class WatchedRotators(RotatorEnsemble):
    """Amplitudes of rotators at snapshots, and what was seen of every step on the way from each to the next.

    Each entry belongs to the way from the snapshot before (0 for the first one) to this one. The largest action at
    steps is below the supremum, on the average by about 0.58 (2 I T d)^(1/2), d the slow time between two noises:
    order 1/2 in the step. `maxima` has the law of the supremum to order d, since between noises it takes the maximum
    of a Brownian bridge of |u_j|, whose dispersion sqrt(T_j) is constant. Of a lattice, what its Hamiltonian part does
    within d is seen at steps. Expectations of integrals and durations have the weak order 2 of the scheme.

    Args:
        step_maxima: the largest I_j at steps (T, R, N).
        maxima: the largest I_j (T, R, N).
        integrals: int I_j ds (T, R, N).
        durations: int 1(I_j < delta) ds (T, R, N, L).
        norms: the largest ||u||_{j,q} at steps (T, R, N), below its supremum like the first; (T, R, 0) if not watched.
        levels: delta (L,).
        decay: gamma; NaN if norms are not watched.
        power: q.
    """

    step_maxima: NDArray[np.float64]
    maxima: NDArray[np.float64]
    integrals: NDArray[np.float64]
    durations: NDArray[np.float64]
    norms: NDArray[np.float64]
    levels: NDArray[np.float64]
    decay: float
    power: float
    SHAPES: ClassVar[dict[str, str]] = RotatorEnsemble.SHAPES | {
        **dict.fromkeys(("step_maxima", "maxima", "integrals"), "T R N"),
        "durations": "T R N L", "levels": "L", "norms": "T R M",
    }  # fmt: skip
    # `decay`, where norms are not watched
    MAY_BE_NAN: ClassVar[frozenset[str]] = frozenset({"decay"})

    @classmethod
    def of(cls, watch: PathWatch, sample: tuple[Any, ...], watched: Sequence[np.ndarray]) -> WatchedRotators:
        """From the arguments of a `RotatorEnsemble` and the arrays that a `Watcher` has found."""
        steps, maxima, integrals, durations, norms = watched
        decay = float("nan") if watch.decay is None else watch.decay
        times, amplitudes, step, seed = sample
        return cls(
            times, amplitudes, step, seed, steps, maxima, integrals, durations, norms, watch.below, decay, watch.power
        )

    @property
    def running_maximum(self) -> NDArray[np.float64]:
        """sup I_j(s) over 0 <= s <= tau (T, R, N)."""
        return np.asarray(np.maximum.accumulate(self.maxima))

    def exponential_moment(self, alpha: float, *, running: bool = True) -> Mean:
        """E sup exp(2 alpha I_j) (T, N) and its standard error.

        Args:
            alpha: 1/action.
            running: the supremum from 0 on; else since the snapshot before.

        Raises:
            InvalidArgument: alpha so large that numbers overflow.

        Warns:
            Unresolved: one member makes more than a twentieth of a mean: there may be no such moment, or few members.

        Source: Dymov, (4.12), (4.32).
        """
        maxima = self.running_maximum if checks.flag("running", running) else self.maxima
        return _exponential_mean(2.0 * checks.number("alpha", alpha) * maxima)

    def norm_moment(self, alpha: float) -> Mean:
        """E sup exp(alpha ||u||_{j,q}^2) since the snapshot before (T, N), and its standard error.

        Args:
            alpha: 1/action.

        Raises:
            InvalidArgument: norms were not watched, or numbers overflow.

        Warns:
            Unresolved: as `exponential_moment`.

        Source: Dymov, (3.7).
        """
        if np.isnan(self.decay):
            raise InvalidArgument("watch", "norms were not watched; give PathWatch(decay=...)")
        return _exponential_mean(checks.number("alpha", alpha) * self.norms**2)

    def occupation(self) -> Mean:
        """int_0^tau P(I_j < delta) ds (T, N, L) and its standard error.

        Source: Dymov, (4.12), (4.32).
        """
        return mean_and_error(np.cumsum(self.durations, axis=0), axis=1)

    def integrated(self) -> Mean:
        """E int_0^tau I_j ds (T, N) and its standard error."""
        return mean_and_error(np.cumsum(self.integrals, axis=0), axis=1)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """As of a `RotatorEnsemble`; of several times also the mean of the maxima since 0, dashed.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot` or `Axes.hist`.
        """
        ax = super().plot(ax, **options)
        if len(self.times) > 1:
            highest = self.running_maximum.mean(axis=1)
            for j, line in zip(range(min(highest.shape[1], MOST_SITES)), list(ax.get_lines())):
                ax.plot(self.times, highest[:, j], "--", color=line.get_color(), label="_")
            ax.set_title("mean action, dashed: mean of its maximum so far", fontsize="medium")
        return ax

    def to_xarray(self) -> Any:
        """As of a `RotatorEnsemble`, with what was watched."""
        said = {"step": self.step, "seed": str(self.seed)}
        if self.norms.size:
            said |= {"decay": self.decay, "power": self.power}
        more = dataset(
            "WatchedRotators",
            [(quantity, names, getattr(self, name)) for name, quantity, names in SHOWN if getattr(self, name).size],
            [(SLOW_TIME, ("time",), self.times), (LEVEL, ("level",), self.levels)],
            said,
        )
        return super().to_xarray().merge(more, combine_attrs="override").assign_attrs(more.attrs)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title, said = super()._summary()
        said[f"largest {ACTION.name[:-1]}"] = float(self.maxima.max())
        if self.levels.size:
            said["levels"] = self.levels
        if self.norms.size:
            said["norm"] = f"decay {self.decay:g}, power {self.power:g}"
        return title, said


def _exponential_mean(exponents: np.ndarray) -> Mean:
    """Mean of exponentials, with a warning where single members make it."""
    if exponents.max(initial=0.0) > 300:
        raise InvalidArgument("alpha", "is so large that exponentials overflow; take a smaller one")
    values = np.exp(exponents)
    share = (values.max(axis=1) / values.sum(axis=1)).max()
    if values.shape[1] > 1 and share > max(LARGEST_SHARE, 2.0 / values.shape[1]):
        warn(
            f"one member of {values.shape[1]} makes {100 * share:.0f} % of an exponential moment, whose error is not "
            "known then; take a smaller alpha or more runs",
            Unresolved,
        )
    return mean_and_error(values, axis=1)
