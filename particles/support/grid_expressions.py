"""Data on grids as functions in sympy expressions, with exact derivatives, for numpy and for compiled code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from numba import njit

from .splines import POINT_VALUES, TensorSpline


class GridData(sympy.Atom):
    """A spline as a part of an expression; two are equal where their numbers are."""

    spline: TensorSpline
    digest: str

    def __new__(cls, spline: TensorSpline) -> GridData:
        """Keep a spline, and the digest of its numbers."""
        data: GridData = super().__new__(cls)
        data.spline = spline
        arrays = [*spline.knots, np.array(spline.coefficients.shape), spline.coefficients]
        content = hashlib.sha256(f"{spline.degree} {spline.periodic}".encode())
        for array in arrays:
            content.update(np.ascontiguousarray(array).tobytes())
        data.digest = content.hexdigest()[:24]
        return data

    def _hashable_content(self) -> tuple[str]:
        return (self.digest,)

    def __reduce__(self) -> tuple[Any, ...]:
        return GridData, (self.spline,)

    def _sympystr(self, printer: Any) -> str:
        return f"data_{self.digest}"

    _sympyrepr = _sympystr


class Interpolated(sympy.Function):
    """Interpolated(data, (i, ...), x, ...): the derivative of orders i, ... of a spline at x, ..."""

    @property
    def data(self) -> GridData:
        """The spline."""
        data: GridData = self.args[0]
        return data

    @property
    def orders(self) -> tuple[int, ...]:
        """Orders of the derivatives in each variable."""
        return tuple(int(order) for order in self.args[1])

    @property
    def name(self) -> str:
        """Name of the function in printed code."""
        return f"grid_{self.data.digest}_{'_'.join(map(str, self.orders))}"

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        terms = []
        for place, argument in enumerate(self.args[2:]):
            inner = argument.diff(symbol)
            if inner != 0:
                orders = [order + (i == place) for i, order in enumerate(self.orders)]
                terms.append(Interpolated(self.data, sympy.Tuple(*orders), *self.args[2:]) * inner)
        return sympy.Add(*terms)

    def _pythoncode(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer.doprint(argument) for argument in self.args[2:])})"

    _numpycode = _scipycode = _pythoncode

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer.doprint(argument) for argument in self.args[2:])})"


def on_arrays(expression: Any) -> dict[str, Callable[..., np.ndarray]]:
    """The interpolated functions of an expression, by their names, for arrays."""
    return {
        part.name: (lambda *values, part=part: part.data.spline(*values, orders=part.orders))
        for part in expression.atoms(Interpolated)
    }


def on_numbers(expression: Any) -> dict[str, Callable[..., float]]:
    """The interpolated functions of an expression, by their names, compiled, for numbers."""
    return {part.name: _compiled(part.data.spline, part.orders) for part in expression.atoms(Interpolated)}


def _compiled(spline: TensorSpline, orders: tuple[int, ...]) -> Callable[..., float]:
    degree, knots, c, periodic = spline.degree, spline.knots, spline.coefficients, spline.periodic
    value, dim = POINT_VALUES[c.ndim], c.ndim
    if dim == 1:
        return njit(lambda x: value(x, degree, knots[0], c, periodic, orders[0]))
    if dim == 2:
        return njit(lambda x, y: value(x, y, degree, knots[0], knots[1], c, periodic, orders[0], orders[1]))
    return njit(
        lambda x, y, z: value(
            x, y, z, degree, knots[0], knots[1], knots[2], c, periodic, orders[0], orders[1], orders[2]
        )
    )
