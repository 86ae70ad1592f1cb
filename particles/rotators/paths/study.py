"""Distances of path laws along a parameter: what is common to studies of epsilon and of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...showing.axes import some_of
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support import checks
from ...support.saved import Saved
from .path_distance import SHOWN, SIGMAS, PathDistance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 8  # of a short text
# large and open, above all else: what is at the same place stays to be seen in it
OPEN: dict[str, Any] = {"color": "0.3", "markerfacecolor": "none", "markersize": 10, "zorder": 4}
Columns = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class DistanceStudy(Saved, Described):
    """Distances of path laws for K values of a parameter; the fields that have a K are those of `PathDistance`.

    Args:
        parameter: its values (K,).
        names: of the functionals (F,).
        lipschitz: whether each is 1-Lipschitz (F,).
        value: W_1 (K, F), an action.
        error: standard errors (K, F).
        lower: ends of intervals (K, F) ..
        upper: .. that hold all F at once.
        chance: W_1 between two samples of one law (K, F).
        p_value: (K,).
        bound: mean distances of pairs in the norm max_j sup_tau of the path space (K,) ..
        bound_error: .. and their standard errors (K,).
        site_bound: E sup_tau |I_j - I'_j| (K, S) ..
        site_error: .. and their standard errors (K, S).
        sites: numbers of the sites (S,).
        times: snapshots (T,).
        steps: time steps that were taken (K,).
        runs: members of each sample.
        level: of the intervals.
        seed: of the random numbers.
    """

    parameter: NDArray[np.float64]
    names: NDArray[np.str_]
    lipschitz: NDArray[np.bool_]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    chance: NDArray[np.float64]
    p_value: NDArray[np.float64]
    bound: NDArray[np.float64]
    bound_error: NDArray[np.float64]
    site_bound: NDArray[np.float64]
    site_error: NDArray[np.float64]
    sites: NDArray[np.int64]
    times: NDArray[np.float64]
    steps: NDArray[np.float64]
    runs: int
    level: float
    seed: int
    SHAPES: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("parameter", "p_value", "bound", "bound_error", "steps"), "K"), "names": "F", "lipschitz": "F",
        **dict.fromkeys(("value", "error", "lower", "upper", "chance"), "K F"),
        "site_bound": "K S", "site_error": "K S", "sites": "S", "times": "T",
    }  # fmt: skip
    PARAMETER: ClassVar[Quantity]

    @property
    def at_least(self) -> NDArray[np.float64]:
        """What W_1 of the path laws is at least (K,); 0 where they are not told apart."""
        return np.where(self.different, self.lower[:, self.lipschitz].max(axis=1), 0.0)

    @property
    def functionals_at_most(self) -> NDArray[np.float64]:
        """The largest upper ends of 1-Lipschitz functionals (K,): none of them is farther apart, at this level."""
        return np.minimum(self.upper[:, self.lipschitz].max(axis=1), self.at_most)

    @property
    def at_most(self) -> NDArray[np.float64]:
        """What W_1 of the path laws is at most (K,): the bound and three of its standard errors."""
        return self.bound + SIGMAS * self.bound_error

    @property
    def different(self) -> NDArray[np.bool_]:
        """Whether the samples tell the laws apart (K,)."""
        return self.p_value <= self.level

    def of(self, name: str) -> int:
        """The number of a functional.

        Raises:
            InvalidArgument: there is none of this name.
        """
        found = np.flatnonzero(self.names == name) if isinstance(name, str) else []
        if not len(found):
            raise InvalidArgument("name", f"must be one of {', '.join(self.names)}, not {checks.shown(name)}")
        return int(found[0])

    def to_xarray(self) -> Any:
        """All of it as a `xarray.Dataset` with the dimensions of the parameter, functional and site."""
        name = self.PARAMETER.name
        variables: list[Variable] = [
            (Quantity(one, said, "action"), (name, "functional"), getattr(self, one)) for one, said in SHOWN.items()
        ]
        variables += [
            (Quantity("p_value", "probability by chance", "1"), (name,), self.p_value),
            (Quantity("bound", "mean distance of pairs of paths", "action"), (name,), self.bound),
            (Quantity("bound_error", "its standard error", "action"), (name,), self.bound_error),
            (Quantity("site_bound", "mean distance of pairs at the site", "action"), (name, "site"), self.site_bound),
            (Quantity("site_error", "its standard error", "action"), (name, "site"), self.site_error),
            (Quantity("at_least", "distance of the path laws, at least", "action"), (name,), self.at_least),
            (Quantity("at_most", "distance of the path laws, at most", "action"), (name,), self.at_most),
            (Quantity("seen", "distance of functionals, at most", "action"), (name,), self.functionals_at_most),
        ]
        axes: list[Variable] = [
            (self.PARAMETER, (name,), self.parameter),
            (Quantity("functional", "functional of the path", "1"), ("functional",), self.names),
            (Quantity("site", "number of the site", "1"), ("site",), self.sites),
        ]
        said = {"runs": self.runs, "level": self.level, "seed": str(self.seed)}
        return dataset(type(self).__name__, variables, axes, said)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said: dict[str, Any] = {"W_1 on C([0, T])": "at least .. and at most ..; that of functionals, at most"}
        for k in some_of(len(self.parameter), MOST_LINES):
            name, seen = f"{self.PARAMETER.name} = {self.parameter[k]:g}", self.functionals_at_most[k]
            told = "different" if self.different[k] else "not told apart"
            said[name] = f"{self.at_least[k]:.3g} to {self.at_most[k]:.3g}; {seen:.2g}; {told}"
        return type(self).__name__, said | {"members": self.runs}

    def _draw_bounds(self, ax: Axes, options: dict[str, Any]) -> None:
        """What the distance of path laws is at most and at least, and what chance makes of the farthest functional."""
        given: dict[str, Any] = {"fmt": "o", "capsize": 3, "label": "paths, at most: pairs"} | options
        bars = ax.errorbar(self.parameter, self.bound, SIGMAS * self.bound_error, **given)
        colour = bars.lines[0].get_color()
        resolved = self.at_least > 0
        ax.plot(self.parameter, self.functionals_at_most, "v", label="functionals, at most", **OPEN)
        best = np.where(self.lipschitz, self.lower, -1.0).argmax(axis=1)
        rows = np.arange(len(best))
        ax.plot(self.parameter[resolved], self.at_least[resolved], "^", color=colour, label="paths, at least")
        ax.plot(self.parameter, self.chance[rows, best], "_", color="0.4", markersize=14, label="by chance")


def columns_of(distances: Sequence[PathDistance], gaps: Sequence[NDArray[np.float64]]) -> Columns:
    """The fields of a study from its distances, and the gaps (R, S) of pairs of each."""
    stacked = ("value", "error", "lower", "upper", "chance", "p_value", "bound", "bound_error")
    found: Columns = {name: np.array([getattr(one, name) for one in distances]) for name in stacked}
    first = distances[0]
    found |= {name: getattr(first, name) for name in ("names", "lipschitz", "sites", "level")}
    found["site_bound"] = np.array([one.mean(axis=0) for one in gaps])
    found["site_error"] = np.array([one.std(axis=0, ddof=1) / np.sqrt(len(one)) for one in gaps])
    return found | {"runs": len(gaps[0])}
