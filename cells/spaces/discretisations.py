"""Discretisations of a cell problem: finite elements at any contrast, Fourier-Galerkin at moderate contrast.

Each is a sequence of refinements; which one is fine enough for a cell is decided in `cells.recursion`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.checks import integer, shown

from .tensor_space import SHIFTS, LineSpace, TensorSpace, elements, equidistant, fourier, shifted_fourier

MODERATE = 10.0  # log of the contrast up to which Fourier-Galerkin is the faster of the two
MODEST = 1e-6  # rtol from which elements of degree 4 are the faster ones at high contrast
FINER_CELLS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)
IN_SPACE = 96  # unknowns in a direction that fit into memory in three dimensions
ADDITIONAL_POINTS = 5  # Gauss points in a cell, for the quadrature that checks the one of the solve
HIGHER = 2  # degrees of the elements in which residuals are tested
GROWTH = 1.5  # of the unknowns in a direction, where the error says nothing about how many are needed


@runtime_checkable
class Discretisation(Protocol):
    """Protocol: a sequence of spaces of growing dimension, for each d; `name` is that in results and messages."""

    name: ClassVar[str]

    def size(self, dim: int) -> int:
        """Number of refinements."""

    def space(self, refinement: int, dim: int) -> TensorSpace:
        """The space of a refinement, 0 is the coarsest."""

    def checking_space(self, refinement: int, dim: int) -> TensorSpace:
        """The same functions with a better quadrature."""


@runtime_checkable
class MeasuredDiscretisation(Discretisation, Protocol):
    """Protocol: a discretisation that can measure the error of each cell.

    `safety` is the factor on measured errors that makes them hold. Of other discretisations no error is known.
    """

    safety: ClassVar[float]

    def richer(self, refinement: int, dim: int) -> tuple[TensorSpace, TensorSpace]:
        """The same functions at the points of a richer quadrature, and a richer space with that, to test residuals."""

    def growth(self, error: float, allowed: float) -> float:
        """By which factor the number of unknowns in a direction has to grow, as far as an error tells."""


@dataclass(frozen=True)
class FiniteElements(MeasuredDiscretisation):
    """Discretisation by continuous Lagrange elements on boxes, for any contrast.

    Args:
        degree: polynomial degree in each direction.
        cells: numbers of cells in each direction, from the coarsest mesh to the finest.

    Raises:
        InvalidArgument: degree below 1, or numbers that are not positive and increasing.
    """

    name: ClassVar[str] = "finite elements"
    safety: ClassVar[float] = 1.5
    degree: int = 8
    cells: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40)

    def __post_init__(self) -> None:
        object.__setattr__(self, "degree", integer("degree", self.degree, 1, 32))
        object.__setattr__(self, "cells", _increasing("cells", self.cells, 1))

    def size(self, dim: int) -> int:
        """Number of refinements; in three dimensions those that fit into memory."""
        return len([n for n in self.cells if dim < 3 or n * self.degree <= IN_SPACE])

    def space(self, refinement: int, dim: int) -> TensorSpace:
        """The space of a refinement, 0 is the coarsest."""
        return _tensor_space(elements(self.degree, self.cells[refinement]), dim)

    def checking_space(self, refinement: int, dim: int) -> TensorSpace:
        """The same functions with a better quadrature."""
        return _tensor_space(elements(self.degree, self.cells[refinement], ADDITIONAL_POINTS), dim)

    def richer(self, refinement: int, dim: int) -> tuple[TensorSpace, TensorSpace]:
        """The same functions with Gauss points for a degree that is higher by 2, and the elements of that degree."""
        cells, points = self.cells[refinement], HIGHER + 1
        trial = elements(self.degree, cells, points)
        return _tensor_space(trial, dim), _tensor_space(elements(self.degree + HIGHER, cells), dim)

    def growth(self, error: float, allowed: float) -> float:
        """Of a rate 2 p of the energy, with a margin."""
        return float(np.clip((error / allowed) ** (0.5 / self.degree), 1.0, 2.0)) if error < 1.0 else GROWTH


@dataclass(frozen=True)
class FourierGalerkin(MeasuredDiscretisation):
    """Discretisation by trigonometric polynomials with collocation, for smooth potentials at moderate contrast.

    Args:
        points: numbers of points in each direction, odd, from the coarsest grid to the finest.

    Raises:
        InvalidArgument: numbers that are not odd and increasing.
    """

    name: ClassVar[str] = "Fourier-Galerkin"
    safety: ClassVar[float] = 1.5
    points: tuple[int, ...] = (7, 9, 11, 13, 15, 17, 19, 21, 25, 29, 33, 39, 45, 55, 65, 81, 97)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _increasing("points", self.points, 3))
        if any(n % 2 == 0 for n in self.points):
            raise InvalidArgument("points", f"must be odd, not {self.points}")

    def size(self, dim: int) -> int:
        """Number of refinements."""
        return len(self.points)

    def space(self, refinement: int, dim: int) -> TensorSpace:
        """The space of a refinement, 0 is the coarsest."""
        return _tensor_space(fourier(self.points[refinement]), dim)

    def checking_space(self, refinement: int, dim: int) -> TensorSpace:
        """Refused: a finer grid has other functions, whose energies are not bounds."""
        raise InvalidArgument("route", "must be finite elements where bounds are wanted")

    def richer(self, refinement: int, dim: int) -> tuple[TensorSpace, TensorSpace]:
        """The same functions at points moved by parts of their distance: what was aliased changes its phase."""
        moved = tuple(shifted_fourier(self.points[refinement], part) for part in SHIFTS[dim])
        space = _tensor_space(fourier(self.points[refinement]), dim, moved)
        return space, space

    def growth(self, error: float, allowed: float) -> float:
        """Of an error that falls geometrically."""
        return _geometric(error, allowed)


@dataclass(frozen=True)
class HarmonicMean(MeasuredDiscretisation):
    """Harmonic mean K_{k-1} = 1/int 1/K_k dy_k, exact in one dimension, by the trapezoidal rule.

    Args:
        points: numbers of points, from the coarsest rule to the finest.

    Raises:
        InvalidArgument: numbers that are not positive and increasing.

    Source: Duncan, Duong and Pavliotis (2023), Proposition 1.
    """

    name: ClassVar[str] = "harmonic mean"
    safety: ClassVar[float] = 1.0
    points: tuple[int, ...] = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _increasing("points", self.points, 1))

    def size(self, dim: int) -> int:
        """Number of refinements."""
        return len(self.points)

    def space(self, refinement: int, dim: int) -> TensorSpace:
        """The rule of a refinement, 0 is the coarsest."""
        return _tensor_space(equidistant(self.points[refinement]), dim)

    def checking_space(self, refinement: int, dim: int) -> TensorSpace:
        """The rule with 2n + 1 points: a wave that both rules alias has a number that both n and 2n + 1 divide."""
        return _tensor_space(equidistant(2 * self.points[refinement] + 1), dim)

    def richer(self, refinement: int, dim: int) -> tuple[TensorSpace, TensorSpace]:
        """The rule with 2n + 1 points; there are no functions."""
        space = self.checking_space(refinement, dim)
        return space, space

    def growth(self, error: float, allowed: float) -> float:
        """Of an error that falls geometrically."""
        return _geometric(error, allowed)


def choose_route(log_contrast: float, rtol: float, dim: int, bounds: bool) -> Discretisation:
    """Return the discretisation that is the fastest one for a level.

    In one dimension this is the exact formula; else Fourier-Galerkin at moderate contrast, if no bounds are wanted, and
    elements otherwise: of degree 8, or of degree 4 where the contrast is high and the accuracy is not, since on meshes
    that are just fine enough conjugate gradients need several times fewer iterations with them.

    Args:
        log_contrast: log of (largest / smallest) coefficient in a cell, osc(V1)/sigma for the fastest scale.
        rtol: relative error of the tensor that is asked for.
        dim: d.
        bounds: whether certified bounds are wanted, which come from conforming elements.
    """
    if dim == 1:
        return _made_once(HarmonicMean)
    if log_contrast <= MODERATE:
        return _made_once(FiniteElements) if bounds else _made_once(FourierGalerkin)
    return _made_once(FiniteElements, 4, FINER_CELLS) if rtol >= MODEST else _made_once(FiniteElements)


@lru_cache(maxsize=8)
def _made_once(kind: Callable[..., Discretisation], *arguments: object) -> Discretisation:
    """A discretisation, whose numbers are checked when it is made."""
    return kind(*arguments)


def _geometric(error: float, allowed: float) -> float:
    """The growth after which an error that is geometric in the number of unknowns is small enough."""
    return float(np.clip(np.log(allowed) / np.log(error), 1.0, GROWTH)) if error < 0.1 else GROWTH


def after(route: Discretisation, refinement: int, error: float, allowed: float, dim: int) -> int:
    """The refinement to try next: the first that promises an error as allowed; `route.size` where there is no other.

    Args:
        route: the sequence of spaces.
        refinement: what was tried.
        error: its relative error; infinite where nothing is known.
        allowed: relative error.
        dim: d.
    """
    size = route.size(dim)
    growth = route.growth(error, allowed) if isinstance(route, MeasuredDiscretisation) else GROWTH
    wanted = growth * route.space(refinement, dim).line.points.size
    finer = range(refinement + 1, size)
    return next((r for r in finer if route.space(r, dim).line.points.size >= 0.9 * wanted), max(finer, default=size))


def _increasing(name: str, numbers: object, least: int) -> tuple[int, ...]:
    """Positive, increasing integers."""
    if isinstance(numbers, str | bytes) or not isinstance(numbers, Iterable):
        raise InvalidArgument(name, f"must be a tuple of integers, such as (8,), not {shown(numbers)}")
    values = tuple(integer(name, n, least) for n in numbers)
    if not values or list(values) != sorted(set(values)):
        raise InvalidArgument(name, f"must be increasing, and at least one, not {values}")
    return values


@lru_cache(maxsize=128)
def _tensor_space(line: LineSpace, dim: int, moved: tuple[LineSpace, ...] = ()) -> TensorSpace:
    return TensorSpace(line, dim, moved)
