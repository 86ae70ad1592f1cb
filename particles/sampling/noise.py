"""Kinds of noise: normal numbers, or discrete ones with the same moments, at less cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import Unresolved, warn
from .philox import Purpose

if TYPE_CHECKING:
    from mpi4py import MPI

# discrete numbers from which on their sum is nearly normal: for constant noise of diffusions the distribution function
# is within 0.02 of the normal one then, and tails of 1e-3 to 1e-6 within 15 % of theirs; after 16 numbers 0.06 and 60 %
NEARLY_NORMAL = 64


@dataclass(frozen=True)
class Noise(ABC):
    """What drives one step of a scheme: independent numbers of mean 0 and variance 1, two at a site of rotators.

    Attributes:
        normal: whether they are normal.
        degree: up to which all their moments are those of normal numbers; a scheme of weak order 2 takes 5.
    """

    normal: ClassVar[bool] = False
    degree: ClassVar[float] = 0

    @property
    @abstractmethod
    def fill_site(self) -> Callable[..., Any]:
        """Compiled: fills two rows of a tile, see `normal_tiles.fill_site`."""

    @abstractmethod
    def driving(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Compiled: does something with the noise of each member at a site, see `normal_tiles.driving_pairs`."""

    @property
    @abstractmethod
    def fill_tile(self) -> Callable[..., Any]:
        """Compiled: fills one component of a tile of paths, see `normal_tiles.fill_tile`."""

    @abstractmethod
    def purpose(self, equation: Purpose) -> Purpose:
        """The stream of random numbers for an equation."""


@dataclass(frozen=True)
class GaussianNoise(Noise):
    """Normal numbers, by the Box-Muller transform: the increments of Brownian motion in law."""

    normal: ClassVar[bool] = True
    degree: ClassVar[float] = float("inf")

    @property
    def fill_site(self) -> Callable[..., Any]:
        """See `Noise`."""
        from .normal_tiles import fill_site

        return fill_site

    def driving(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """See `Noise`."""
        from .normal_tiles import driving_pairs

        return driving_pairs(act)

    @property
    def fill_tile(self) -> Callable[..., Any]:
        """See `Noise`."""
        from .normal_tiles import fill_tile

        return fill_tile

    def purpose(self, equation: Purpose) -> Purpose:
        """See `Noise`."""
        return equation


@dataclass(frozen=True)
class CubatureNoise(Noise):
    """Few points with the moments of normal numbers up to the degree 5, and nearly up to 7.

    Of rotators, where two numbers drive a site, they are 32 points in the plane; of diffusions 4 points on a line for
    each component. Smooth means keep their weak order 2, and nearly the size of their error, at less cost of a step: of
    rotators less than half. What depends on single increments does not: after a few steps the law is one of points,
    and what lies between the steps (`watch`, first passages) takes Brownian bridges, which need normal numbers. With
    constant noise in one dimension the distribution function after 16 steps is off by 0.06, after 64 by 0.02, and tails
    of 1e-3 to 1e-6 by 15 %; statistics of times before 64 steps come with a warning (`Unresolved`).

    Source: Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992), section 14.2.
    """

    degree: ClassVar[float] = 5

    @property
    def fill_site(self) -> Callable[..., Any]:
        """See `Noise`."""
        from .cubature_tiles import fill_site_with_points

        return fill_site_with_points

    def driving(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """See `Noise`."""
        from .cubature_tiles import driving_points

        return driving_points(act)

    @property
    def fill_tile(self) -> Callable[..., Any]:
        """See `Noise`."""
        from .quadrature_tiles import fill_tile_with_points

        return fill_tile_with_points

    def purpose(self, equation: Purpose) -> Purpose:
        """See `Noise`."""
        return Purpose[f"{equation.name}_CUBATURE"]


def warn_of_points(noise: Noise, times: np.ndarray, numbers: np.ndarray, comm: MPI.Comm | None) -> None:
    """Warn, on rank 0, of times that so few discrete numbers lead to that the law is seen to be one of points.

    Args:
        noise: what drives the steps.
        times: (T,).
        numbers: of the noises that are taken before each time, after the last one (T,).
        comm: the ranks, or None.
    """
    if noise.normal or (comm is not None and comm.rank > 0):
        return
    taken = np.cumsum(numbers)
    few = np.flatnonzero((taken > 0) & (taken < NEARLY_NORMAL))
    if few.size:
        k = few[-1]
        warn(
            f"up to the time {times[k]:.3g} there are {taken[k]} steps or fewer, and discrete noise is nearly normal "
            f"after {NEARLY_NORMAL} only: smooth means are right, but extremes, quantiles, histograms and means of "
            "jumps need not be; take smaller steps, or GaussianNoise() for these",
            Unresolved,
        )


GAUSSIAN = GaussianNoise()
