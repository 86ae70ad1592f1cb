"""Potentials from data: arrays on periodic and on rectangular grids, as functions inside V0, V1 and the mobility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from ..support import checks
from ..support.grid_expressions import GridData, Interpolated
from ..support.splines import TensorSpline, periodic_spline, regular_spline, trigonometric_spline

LARGEST = 2**26  # coefficients of a spline, 512 MiB
TINY = 1e-50  # smallest step of an axis, and one over its largest number
UNEVEN = 1e6  # ratio of the steps of an axis
METHODS = ("trigonometric", "spline")
DEGREE = 5  # of splines: they are of order 6
# of the splines that stand for trigonometric polynomials: equal to them up to 7^-14 of their shortest wave
FINE_DEGREE, OVERSAMPLING = 13, 4


@dataclass(frozen=True, eq=False)
class PeriodicGrid:
    """A function of period 1 in each variable from its values on an equidistant grid, at i/n.

    PeriodicGrid(values)(y) is a sympy expression, y being d symbols or expressions: part of a fluctuation, with the
    exact derivatives of the interpolant. With `lattice` of the potential, the grid lies along the lattice vectors.

    Args:
        values: at (i/n_0, j/n_1, ...), the array (n_0, ..., n_{d-1}), d = 1, 2 or 3.
        method: "trigonometric": the trigonometric polynomial through the values, for smooth data without noise;
            "spline": the periodic spline of degree 5, of order 6, for the rest.

    Raises:
        InvalidArgument: an array of another number of dimensions, with a side of length 1 (of at most 5 for splines),
            too large for memory, or with numbers that are not finite; not one of the methods.
    """

    values: ArrayLike = field(repr=False)
    method: str = "trigonometric"

    def __post_init__(self) -> None:
        array = _checked_values(self.values)
        if self.method not in METHODS:
            raise InvalidArgument("method", f"must be one of {', '.join(METHODS)}, not {checks.shown(self.method)}")
        if self.method == "spline" and min(array.shape) <= DEGREE:
            raise InvalidArgument("values", f"must have more than {DEGREE} points in each direction for splines")
        finer = OVERSAMPLING if self.method == "trigonometric" else 1
        if array.size * finer**array.ndim > LARGEST:
            other = "; method='spline' takes more" if finer > 1 else ""
            raise InvalidArgument("values", f"must be fewer than {LARGEST // finer**array.ndim:.2g} numbers{other}")
        object.__setattr__(self, "values", _locked(array))

    @cached_property
    def spline(self) -> TensorSpline:
        """The interpolant."""
        values = np.asarray(self.values)
        if self.method == "spline":
            return periodic_spline(values, DEGREE)
        return trigonometric_spline(values, FINE_DEGREE, OVERSAMPLING)

    def __call__(self, y: Sequence[sympy.Expr] | sympy.Expr) -> sympy.Expr:
        """The function at y: d sympy expressions, or one in one dimension."""
        return _applied("y", self.spline, y)


@dataclass(frozen=True, eq=False)
class RegularGrid:
    """A function of the position from its values on a rectangular grid, whose points need not be equidistant.

    RegularGrid(axes, values)(x) is a sympy expression, x being d symbols or expressions: part of V0 or of an
    amplitude, with the exact derivatives of the interpolant, the spline of degree 5 (order 6, not-a-knot). Outside of
    the grid it is NaN: give the potential a domain inside.

    Args:
        axes: d increasing arrays of at least 6 numbers each.
        values: (n_0, ..., n_{d-1}), d = 1, 2 or 3.

    Raises:
        InvalidArgument: axes that do not increase, do not fit the values or have steps that differ by a factor of 1e6;
            fewer than 6 points in a direction, or numbers that are not finite.
    """

    axes: Sequence[ArrayLike] = field(repr=False)
    values: ArrayLike = field(repr=False)

    def __post_init__(self) -> None:
        array = _checked_values(self.values)
        given: Any = self.axes
        if not isinstance(given, list | tuple) or len(given) != array.ndim:
            raise InvalidArgument("axes", f"must be {array.ndim} arrays, one for each dimension of the values")
        axes = tuple(checks.real_array(f"axes[{i}]", axis, (n,)) for i, (axis, n) in enumerate(zip(given, array.shape)))
        for i, axis in enumerate(axes):
            if len(axis) <= DEGREE:
                raise InvalidArgument(f"axes[{i}]", f"must have more than {DEGREE} points, not {len(axis)}")
            if not (np.diff(axis) > 0).all():
                raise InvalidArgument(f"axes[{i}]", "must be increasing")
            steps = np.diff(axis)
            if not (steps.max() < UNEVEN * steps.min() and np.abs(axis).max() < 1 / TINY and steps.min() > TINY):
                what = f"must have steps of similar size, not from {steps.min():.3g} to {steps.max():.3g}"
                raise InvalidArgument(f"axes[{i}]", what)
        if array.size > LARGEST:
            raise InvalidArgument("values", f"must be fewer than {LARGEST:.2g} numbers")
        object.__setattr__(self, "axes", tuple(_locked(axis) for axis in axes))
        object.__setattr__(self, "values", _locked(array))

    @cached_property
    def spline(self) -> TensorSpline:
        """The interpolant."""
        return regular_spline(tuple(np.asarray(axis) for axis in self.axes), np.asarray(self.values), DEGREE)

    def __call__(self, x: Sequence[sympy.Expr] | sympy.Expr) -> sympy.Expr:
        """The function at x: d sympy expressions, or one in one dimension."""
        return _applied("x", self.spline, x)


def _locked(array: np.ndarray) -> np.ndarray:
    """A copy that cannot be written into."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def _checked_values(values: ArrayLike) -> np.ndarray:
    array = checks.real_array("values", values)
    if array.ndim not in (1, 2, 3):
        raise InvalidArgument("values", f"must be an array of 1, 2 or 3 dimensions, not of shape {array.shape}")
    if min(array.shape) < 2:
        raise InvalidArgument("values", f"must have at least 2 points in each direction, not the shape {array.shape}")
    return array


def _applied(name: str, spline: TensorSpline, variables: Sequence[sympy.Expr] | sympy.Expr) -> sympy.Expr:
    dim = spline.coefficients.ndim
    if dim == 1 and isinstance(variables, sympy.Expr):
        variables = (variables,)
    if not isinstance(variables, list | tuple | sympy.Tuple) or len(variables) != dim:
        raise InvalidArgument(name, f"must be {dim} symbols or expressions, as the data have {dim} dimensions")
    right = f"must be {dim} symbols or expressions, not {checks.shown(variables)}"
    try:
        arguments = [sympy.sympify(variable, strict=True) for variable in variables]
    except (sympy.SympifyError, ValueError, TypeError):
        raise InvalidArgument(name, right) from None
    if not all(isinstance(one, sympy.Expr) and not getattr(one, "is_Matrix", False) for one in arguments):
        raise InvalidArgument(name, right)
    zeros = sympy.Tuple(*[sympy.Integer(0)] * dim)
    return Interpolated(GridData(spline), zeros, *arguments)
