"""Densities of actions, at one time and at many."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from dolfinx import fem
from numpy.typing import ArrayLike, NDArray

from scaling_limits.meshes.backend.quadrature import composite_gauss
from scaling_limits.meshes.files.frames import Frames
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.showing.axes import axes_of
from scaling_limits.particles.support.checks import called, integer, real_array

from ..time.densities import CallableArray
from .action_files import Discretised, load_actions, save_actions
from .shown import DENSITY, WrittenActions, action_dataset, draw_density
from .space import ActionSpace, product_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAUSS_POINTS = 8  # in each part of the way between two points of a distribution


@dataclass(frozen=True, eq=False, repr=False)
class ActionDensity(WrittenActions):
    """p(I) = w(I) u(I), a probability density of N actions.

    Args:
        space: of u, and w.
        field: u at the nodes (size,).
    """

    space: ActionSpace
    field: np.ndarray

    def at(self, points: ArrayLike) -> np.ndarray:
        """The density p(I) at points.

        Args:
            points: I (P, N), not negative; beyond the box the density is 0.

        Returns:
            p (P,), not negative, in units of 1/action^N; where the polynomial between nodes is below 0, it is 0.

        Raises:
            InvalidArgument: a wrong shape, or actions that are negative or not finite.
        """
        x = real_array("points", points)
        if x.ndim != 2 or x.shape[1] != self.space.dim:
            raise InvalidArgument("points", f"must have the shape (P, {self.space.dim}), not {x.shape}")
        if (x < 0).any():
            raise InvalidArgument("points", f"actions must not be negative, but the least is {x.min():g}")
        inside = (x <= self.space.upper).all(axis=1)
        result = np.zeros(len(x))
        result[inside] = self.space.weight(x[inside]) * self.space.interpolated(self.field, x[inside])
        return np.maximum(result, 0.0)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        title = f"ActionDensity: {'x'.join(map(str, self.space.shape))} nodes"
        return title, {"mass": self.mass, "mean": np.asarray(self.mean), "actions up to": self.space.upper}

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the density of one action or two, or the densities of each of three; each rank by itself.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot` or `pcolormesh`.

        Returns:
            The axes.

        Raises:
            InvalidArgument: no axes.
            ImportError: matplotlib is not here.
        """
        return draw_density(axes_of(ax), self, options)

    def frames(self) -> Frames:
        """The density, for files; collective."""
        return Frames(DENSITY, None, lambda index: self.function)

    def to_xarray(self) -> Any:
        """The density at the nodes as a `xarray.Dataset`; each rank by itself."""
        return action_dataset("ActionDensity", self.space, self.values, None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the density to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        save_actions(self.space, path, "ActionDensity", {"field": self.field})

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: Discretised) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0.
            equation: the TransportFokkerPlanck that was solved, which knows the weight w between the nodes.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        found, content = load_actions(path, equation, "ActionDensity", {"field"}, _fits)
        return cls(found.space, content["field"])

    @property
    def mass(self) -> float:
        """The mass int p."""
        return self.space.mass(self.field)

    @cached_property
    def negative(self) -> float:
        """The mass that is negative at quadrature points: an error of the elements, which `at` shows as 0."""
        return -float(self.space.integrals(np.minimum(self.space.grid_values(self.field), 0.0)))

    @property
    def mean(self) -> CallableArray:
        """The mean actions E I, shape (N,); `mean()` of earlier versions works too."""
        return (np.array([self._moment({j: 1}) for j in range(self.space.dim)]) / self.mass).view(CallableArray)

    @property
    def covariance(self) -> CallableArray:
        """The covariance E (I_j - E I_j)(I_k - E I_k), shape (N, N); `covariance()` of earlier versions works too."""
        count, mean = self.space.dim, self.mean
        second = [[self._moment({j: 2} if j == k else {j: 1, k: 1}) for k in range(count)] for j in range(count)]
        return (np.array(second) / self.mass - np.outer(mean, mean)).view(CallableArray)

    def _moment(self, powers: dict[int, int]) -> float:
        vectors: list[np.ndarray | None] = []
        for i, axis in enumerate(self.space.axes):
            power = powers.get(i, 0)
            vectors.append(axis.moment(lambda x, power=power: x**power) if power else self.space.ones[i])  # type: ignore[misc]
        return float(self.space.contract(self.field, vectors))

    def expectation(self, observable: Callable[[np.ndarray], ArrayLike]) -> NDArray[np.float64]:
        """The mean E f(I) of an observable.

        Args:
            observable: f, from points (P, N) to values (P, ...).

        Returns:
            The mean of f (...), by Gauss-Legendre quadrature on the cells.

        Raises:
            InvalidArgument: not a callable, it raises, or returns no real numbers or not one for each point.
        """
        values = self.space.on_grid(partial(_observed, observable))
        weights = self.space.grid_values(self.field)
        return self.space.integrals(values * weights.reshape(*weights.shape, *[1] * (values.ndim - weights.ndim)))

    def marginal(self, site: int, points: ArrayLike) -> np.ndarray:
        """The density of one action.

        Args:
            site: j.
            points: I_j (P,), not negative; beyond the box the density is 0.

        Returns:
            p_j (P,), in units of 1/action.

        Raises:
            InvalidArgument: no such site, or a wrong shape.
        """
        j = integer("site", site, 0, self.space.dim - 1)
        x = real_array("points", points)
        if x.ndim != 1 or (x < 0).any():
            raise InvalidArgument("points", f"must be actions (P,), not negative; the shape is {x.shape}")
        vectors: list[np.ndarray | None] = [None if i == j else one for i, one in enumerate(self.space.ones)]
        profile = self.space.contract(self.field, vectors)
        axis = self.space.axes[j]
        inside = x <= self.space.upper[j]
        first, basis = axis.local(x[inside])
        values = sum(profile[first + a] * basis[:, a] for a in range(basis.shape[1]))
        result = np.zeros(len(x))
        result[inside] = np.maximum(values * np.exp(axis.logarithm(x[inside])), 0.0)
        return result

    def distribution(self, site: int, points: ArrayLike) -> np.ndarray:
        """The distribution P(I_j <= x), by Gauss-Legendre quadrature between the points.

        Args:
            site: j.
            points: x (P,).

        Returns:
            The probabilities (P,).

        Raises:
            InvalidArgument: no such site, or a wrong shape.
        """
        x, j = real_array("points", points), integer("site", site, 0, self.space.dim - 1)
        if x.ndim != 1:
            raise InvalidArgument("points", f"must be actions (P,), not of shape {x.shape}")
        if not x.size:
            return np.empty(0)
        order = np.argsort(x)
        ends = np.concatenate([[0.0], np.clip(x[order], 0.0, self.space.upper[j])])
        parts = -(-2000 // len(x))
        fine = np.append(np.linspace(ends[:-1], ends[1:], parts, endpoint=False, axis=1), ends[-1])
        places, weights = composite_gauss(fine, GAUSS_POINTS)
        pieces = (self.marginal(j, places.ravel()).reshape(weights.shape) * weights).sum(axis=1)
        result = np.empty(len(x))
        result[order] = np.cumsum(pieces.reshape(len(x), parts).sum(axis=1)) / self.mass
        return result

    @property
    def minimum(self) -> float:
        """The least p at the nodes."""
        return float(self.values.min())

    @cached_property
    def values(self) -> np.ndarray:
        """The density p at all nodes, in the shape of the grid."""
        weight = product_of(np.exp(axis.logarithm(axis.nodes)) for axis in self.space.axes)
        return np.maximum(self.field.reshape(self.space.shape), 0.0) * weight

    @property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """The coordinates of the nodes along each axis."""
        return tuple(axis.nodes for axis in self.space.axes)

    @cached_property
    def function(self) -> fem.Function:
        """The density p as a finite element function, interpolated at the nodes (collective the first time)."""
        return self.space.function(self.values.ravel(), "p")


def _fits(content: dict[str, np.ndarray], size: int) -> bool:
    return content["field"].shape == (size,)


def _observed(observable: Callable[[np.ndarray], ArrayLike], points: np.ndarray) -> np.ndarray:
    """Values (P, ...) of the user's observable at points; one number counts for all of them."""
    values = called("observable", observable, points, (len(points),))
    if values.ndim == 0:
        values = np.broadcast_to(values, (len(points),))
    if len(values) != len(points):
        raise InvalidArgument(
            "observable", f"must return as many values as it is given points, {len(points)}, not {values.shape}"
        )
    return real_array("observable", values)
