"""Kinds of noise: normal numbers, or discrete ones with the same moments, at less cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .philox import Purpose


@dataclass(frozen=True)
class Noise(ABC):
    """What drives one step of a scheme at a site: two independent numbers of mean 0 and variance 1.

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

    def purpose(self, equation: Purpose) -> Purpose:
        """See `Noise`."""
        return equation


@dataclass(frozen=True)
class CubatureNoise(Noise):
    """32 points in the plane with the moments of two normal numbers up to the degree 5, and nearly up to 7.

    Smooth means keep their weak order 2, and nearly the size of their error, at less than half of the cost of a step.
    What depends on single increments does not: after a few steps the law is one of points, and what lies between the
    steps (`watch`) takes Brownian bridges, which need normal numbers.

    Source: Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992), section 14.2.
    """

    degree: ClassVar[float] = 5

    @property
    def fill_site(self) -> Callable[..., Any]:
        """See `Noise`."""
        from .cubature_tiles import fill_site_with_points

        return fill_site_with_points

    def purpose(self, equation: Purpose) -> Purpose:
        """See `Noise`."""
        return {Purpose.ROTATORS: Purpose.ROTATORS_CUBATURE, Purpose.TRANSPORT: Purpose.TRANSPORT_CUBATURE}[equation]
