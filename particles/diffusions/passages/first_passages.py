"""When paths hit the first of several targets, which of them, and what that tells of probabilities and rates."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument
from ...showing.axes import axes_of, draw_bars_of_error, labelled
from ...showing.datasets import dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support import checks
from ...support.archive import check_numbers, load_arrays, save_arrays, target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PASSAGE = Quantity("times", "first passage time", "time")
HIT = Quantity("hit", "number of the target that was hit, -1 for none", "1")
NAMES = Quantity("target", "name of the target", "1")
# places of a curve of survival
PLACES = 200


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassages(Described):
    """First passages T = inf {t : X(t) in one of K targets} of R independent paths, observed until a limit.

    Args:
        times: T (R,), infinite where a path is censored: it had hit no target at the limit.
        hit: the number of the target that was hit (R,), -1 where censored.
        names: of the targets (K,).
        boundary_order: of each target (K,) the order in the step of the errors of times and probabilities: 1 where a
            level function tells where its boundary is, 1/2 for an indicator, whose boundary seems 0.58 sqrt(n.A n step)
            farther away (A the diffusion matrix, n the unit normal).
        limit: time until which paths were observed, or infinity.
        step: of the paths.
        seed: of the random numbers.
    """

    times: NDArray[np.float64]
    hit: NDArray[np.int64]
    names: tuple[str, ...]
    boundary_order: tuple[float, ...]
    limit: float
    step: float
    seed: int
    FORMAT: ClassVar[int] = 1

    @property
    def runs(self) -> int:
        """Number of paths R."""
        return len(self.times)

    @property
    def censored(self) -> int:
        """Number of paths that had hit no target at the limit."""
        return int((self.hit < 0).sum())

    @property
    def _observed(self) -> NDArray[np.float64]:
        """min(T, limit) (R,)."""
        return np.minimum(self.times, self.limit)

    @property
    def mean(self) -> float:
        """The restricted mean E min(T, limit); E T where no path is censored, and less than that where some are."""
        return float(self._observed.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of `mean`; infinite for one path."""
        return float(self._observed.std(ddof=1) / math.sqrt(self.runs)) if self.runs > 1 else math.inf

    @property
    def rate(self) -> tuple[float, float]:
        """The rate of an exponential law of T, most likely: hits over the time of all paths, and its standard error.

        Right with censored paths too, as long as T is exponential: where the time to forget the start is short against
        1/rate and the limit; else see `rate_after`. Without a hit the rate is 0, and the error that of one hit.
        """
        return self.rate_after(0.0)

    def rate_after(self, time: float) -> tuple[float, float]:
        """The rate of those paths that go on at a time, from then on, when they have forgotten their start.

        Args:
            time: of forgetting, below the limit; hits at time 0 count for 0 only.

        Returns:
            Hits after that time over the time that paths go on after it, and its standard error; 0, and the error that
            of one hit, if there are none; infinite where no path goes on.

        Raises:
            InvalidArgument: a time that is negative, or not before the limit.
        """
        start = checks.number("time", time, least=0.0)
        if start >= self.limit:
            raise InvalidArgument("time", f"must be before the limit {self.limit:g}, not {start:g}")
        total = float(np.maximum(self._observed - start, 0.0).sum())
        hits = int(((self.hit >= 0) & ((self.times > start) | (start == 0.0))).sum())
        if total == 0.0:
            return math.inf, math.inf
        return hits / total, math.sqrt(max(hits, 1)) / total

    def probability(self, k: int | str) -> tuple[float, float]:
        """The part of all paths that hit the target k before the others and before the limit, and its standard error.

        Without a limit the probability is larger by at most censored/R, see `bounds`. Errors are not 0 where all paths
        or none hit it: they count one path more, half of which does.

        Args:
            k: number or name of the target.

        Raises:
            InvalidArgument: no such target.
        """
        hits = int((self.hit == self._number(k)).sum())
        return _share(hits, self.runs)

    def bounds(self, k: int | str) -> tuple[float, float]:
        """What censoring leaves unknown: were paths observed for ever, the share of the target k is in this interval.

        Args:
            k: number or name of the target.

        Returns:
            The share of paths that hit it, and that together with the share of censored paths.

        Raises:
            InvalidArgument: no such target.
        """
        hits = int((self.hit == self._number(k)).sum())
        return hits / self.runs, (hits + self.censored) / self.runs

    def survival(self, times: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(T > t), and its standard errors.

        All paths are censored at the same time, so that Kaplan and Meier's estimate is the part of paths with T > t.

        Args:
            times: t (T,), not negative, not decreasing, and not beyond the limit where paths are censored.

        Returns:
            Values (T,) and standard errors (T,), which are not 0 where all paths are alive, or none is.

        Raises:
            InvalidArgument: a time out of this range.
        """
        t = checks.times(times)
        if self.censored and t[-1] > self.limit:
            text = f"must not be beyond the limit {self.limit:g}, at which {self.censored} paths are alive"
            raise InvalidArgument("times", text)
        alive = self.runs - np.searchsorted(np.sort(self.times), t, side="right")
        pairs = [_share(int(count), self.runs) for count in alive]
        return np.array([p for p, _ in pairs]), np.array([e for _, e in pairs])

    def _number(self, k: int | str) -> int:
        if isinstance(k, str):
            if k not in self.names:
                raise InvalidArgument("k", f"must be one of the targets {', '.join(self.names)}, not {k!r}")
            return self.names.index(k)
        return checks.integer("k", k, 0, len(self.names) - 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; it appears under its name only when it is whole.

        Args:
            path: the file, its name taken as it is; an existing one is replaced.

        Raises:
            InvalidArgument: not the path of a file, or in a folder that is not there.
        """
        content: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        save_arrays(target("path", path), {"kind": type(self).__name__, "format": self.FORMAT} | content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is of another kind, damaged, or of another format.
        """
        content = load_arrays(path, cls.__name__, cls.FORMAT, {field.name for field in fields(cls)})
        # those that are no snapshots, infinite where a path is censored
        check_numbers(path, {"times of paths": content["times"], "step": content["step"]}, ("times of paths", "step"))
        shapes = {name: value.shape for name, value in content.items()}
        if shapes["times"] != shapes["hit"] or shapes["names"] != shapes["boundary_order"]:
            raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: its arrays do not belong together")
        plain: dict[str, Any] = {name: value.item() if value.shape == () else value for name, value in content.items()}
        names, orders = tuple(map(str, content["names"])), tuple(map(float, content["boundary_order"]))
        return cls(**(plain | {"names": names, "boundary_order": orders}))

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw P(T > t), the part of the paths that has hit no target yet, with a band of two standard errors.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax, last = axes_of(ax), float(self._observed.max())
        times = np.linspace(0.0, last, PLACES)
        values, errors = self.survival(times)
        draw_bars_of_error(ax, times, values, errors, {"drawstyle": "steps-post"} | options)
        return labelled(ax, "time", "part of the paths that has hit no target")

    def to_xarray(self) -> Any:
        """Times and targets of the paths as a `xarray.Dataset` with dimensions path and target."""
        said = {"limit": self.limit, "step": self.step, "seed": str(self.seed)}
        variables = [(PASSAGE, ("path",), self.times), (HIT, ("path",), self.hit)]
        return dataset("FirstPassages", variables, [(NAMES, ("target",), list(map(str, self.names)))], said)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {"paths": f"{self.runs}, {self.censored} censored at {self.limit:g}"}
        said["mean of min(T, limit)" if self.censored else "mean of T"] = (
            f"{self.mean:.4g} +- {self.standard_error:.2g}"
        )
        for k, (name, order) in enumerate(zip(self.names, self.boundary_order)):
            value, error = self.probability(k)
            said[f"target {name}"] = f"{value:.4g} +- {error:.2g}, boundary of order {order:g}"
        return type(self).__name__, {**said, "step": f"{self.step:.4g}", "seed": self.seed}


def _share(hits: int, runs: int) -> tuple[float, float]:
    """A part of all runs, and its standard error, for which one run more counts, half of which is in the part."""
    likely = (hits + 0.5) / (runs + 1)
    return hits / runs, math.sqrt(likely * (1 - likely) / runs)
