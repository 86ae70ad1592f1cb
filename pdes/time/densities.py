"""The base of the results of all evolutions: densities at times, with the same names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import integer

from .integration import Statistics


class CallableArray(np.ndarray):
    """An array that may be called, which gives the array: `rho.mean()` of earlier versions is `rho.mean`."""

    def __call__(self) -> np.ndarray:
        """Return the values as a plain array of one's own."""
        return np.array(self)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        """Return results of arithmetic as plain arrays."""
        return array[()] if return_scalar else np.asarray(array)


class ProbabilityDensity(Protocol):
    """A density at one time."""

    @property
    def mass(self) -> float:
        """Integral of the density."""

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the position (d, d)."""

    @property
    def mean(self) -> CallableArray:
        """Mean position (d,)."""

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return the density (P,) at points (P, d)."""


D = TypeVar("D", bound=ProbabilityDensity)


class DensitySeries(Described, ABC, Generic[D]):
    """Densities at times; a sequence of densities."""

    times: np.ndarray
    statistics: Statistics

    @abstractmethod
    def density(self, index: int) -> D:
        """Return the density at the time of an index >= 0."""

    def __len__(self) -> int:
        """Return the number T of times."""
        return len(self.times)

    def __iter__(self) -> Iterator[D]:
        return (self.density(i) for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> D: ...

    @overload
    def __getitem__(self, index: slice) -> list[D]: ...

    def __getitem__(self, index: int | slice) -> D | list[D]:
        """Return the density at a time; a list of them for a slice."""
        if isinstance(index, slice):
            return [self.density(i) for i in range(*index.indices(len(self)))]
        return self.density(integer("index", index, -len(self), len(self) - 1) % len(self))

    def _summary(self) -> tuple[str, dict[str, Any]]:
        span = f"from {self.times[0]:g} to {self.times[-1]:g}"
        return f"{type(self).__name__}: {len(self)} times {span}", {"cost": f"{self.statistics.steps} steps"}

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return the densities (T, P) at points (P, d), in units of 1/volume.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        return np.array([density.at(points) for density in self])

    @property
    def mass(self) -> np.ndarray:
        """Integral of the density at the times (T,)."""
        return np.array([density.mass for density in self])

    @cached_property
    def mean(self) -> CallableArray:
        """Mean position at the times (T, d)."""
        return np.array([density.mean for density in self]).view(CallableArray)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the position at the times (T, d, d)."""
        return np.array([density.covariance for density in self])
