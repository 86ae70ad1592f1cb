"""Solutions of the pinned-billiard equations, at points, at times, and in files."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.pinned_balls.profiles import VelocityProfiles
from scaling_limits.particles.showing.datasets import Variable
from scaling_limits.particles.showing.described import times_text
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.support import checks
from scaling_limits.particles.support.archive import check_numbers, load_arrays, save_arrays, target

from ..time.integration import Statistics
from .interval_elements import at_points

FORMAT = 1
SERIES = (
    Quantity("momentum", "integral of the mean velocity", "velocity"),
    Quantity("energy", "integral of half the mean square of the velocity", "velocity^2"),
    Quantity("energy_outflow", "energy that has left through absorbing ends", "velocity^2"),
    Quantity("error", "estimated relative error of mean and standard deviation", "1"),
)


class SavedSolution:
    """A frozen dataclass of arrays and numbers, with `statistics`; every rank holds all of it."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the solution to an .npz file; `load` and `scaling_limits.load` read it.

        Args:
            path: the file; an existing one is replaced.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        content: dict[str, Any] = {name: getattr(self, name) for name in self._names()}
        content |= asdict(getattr(self, "statistics"))  # noqa: B009 - a field of the subclasses
        save_arrays(target("path", path), {"kind": type(self).__name__, "format": FORMAT} | content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a solution.

        Args:
            path: a file that `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        costs = {field.name for field in fields(Statistics)}
        content = load_arrays(path, cls.__name__, FORMAT, cls._names() | costs)
        check_numbers(path, content, cls._names() - {"error"})
        values: dict[str, Any] = {name: value.item() if value.ndim == 0 else value for name, value in content.items()}
        statistics = Statistics(**{name: values.pop(name) for name in costs})
        return cls(**values, statistics=statistics)  # type: ignore[call-arg]

    @classmethod
    def _names(cls) -> set[str]:
        """Names of the fields that are written as they are."""
        return {field.name for field in fields(cls)} - {"statistics"}  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False, repr=False)
class BilliardSolution(VelocityProfiles, SavedSolution):
    """A solution of the pinned-billiard equations at T times; every rank holds all of it.

    Args:
        times: shape (T,).
        nodes: positions of the m nodes of the elements, increasing.
        nodal_mean: mu at the nodes, shape (T, m).
        nodal_w: half the variance, w = sigma^2/2 >= 0, at the nodes, shape (T, m).
        momentum: integral of mu, shape (T,).
        energy: integral of (mu^2 + sigma^2)/2, shape (T,).
        energy_outflow: energy that has left through absorbing ends, shape (T,).
        degree: of the elements.
        resolved: whether the mesh resolves 1/lambda, smooth data, and the solution at times after 0 to rtol; of data
            that jump, `error` at t = 0 tells.
        error: estimated error of mesh and time in mu and sigma, in L2 relative to their sizes, shape (T,); at t = 0
            that of the data; inf at times after 0 where the mesh does not resolve 1/lambda: it is not known then.
        statistics: what the solve has cost.
    """

    times: NDArray[np.float64]
    nodes: NDArray[np.float64]
    nodal_mean: NDArray[np.float64]
    nodal_w: NDArray[np.float64]
    momentum: NDArray[np.float64]
    energy: NDArray[np.float64]
    energy_outflow: NDArray[np.float64]
    degree: int
    resolved: bool
    error: NDArray[np.float64]
    statistics: Statistics

    def _summary(self) -> tuple[str, dict[str, Any]]:
        worst = float(self.error.max())
        said = f"off by about {worst:.1g}" if np.isfinite(worst) else "how far off is not known"
        said = "resolved" if self.resolved else said
        nodes = f"{self.nodes.size}, elements of degree {self.degree}, {said}"
        costs = f"{self.statistics.steps} steps"
        return type(self).__name__, {"times": times_text(self.times), "nodes": nodes, "cost": costs}

    @property
    def _places(self) -> np.ndarray:
        return self.nodes

    def _profile(self, quantity: str) -> np.ndarray:
        return self.nodal_mean if quantity == "mean" else np.sqrt(2.0 * np.maximum(self.nodal_w, 0.0))

    def _more_variables(self) -> list[Variable]:
        return [(said, ("time",), getattr(self, said.name)) for said in SERIES]

    def mean_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """The mean velocity mu(x, t) at points (P,) in [0, 1], shape (T, P)."""
        return self._at(x, self.nodal_mean)

    def std_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """The standard deviation sigma(x, t) >= 0 at points (P,) in [0, 1], shape (T, P)."""
        # sigma has a square root's slope where it vanishes, and w does not
        return np.sqrt(2.0 * np.maximum(self._at(x, self.nodal_w), 0.0))

    def _at(self, x: ArrayLike, values: np.ndarray) -> NDArray[np.float64]:
        points = points_of(x)
        if self.degree == 1:
            return np.array([np.interp(points, self.nodes, row) for row in values])
        return at_points(values, self.degree, points)


def points_of(x: ArrayLike) -> NDArray[np.float64]:
    """Return points (P,) of [0, 1]."""
    points = np.atleast_1d(checks.real_array("x", x))
    if points.ndim != 1 or (points < 0).any() or (points > 1).any():
        raise InvalidArgument("x", "must be a list of points in [0, 1]")
    return points
