"""V0, V1 and B of a multiscale potential as sympy expressions: values, gradients, derivatives by parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from ..support.symbolic import Symbols, lambdified
from .model_options import derivative_by, mobility_function, with_numbers

# from columns of variables (P,) to values (P,), or to one number
Field = Callable[..., NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class PotentialExpressions:
    """Expressions with symbols for parameters, and functions of arrays with numbers for these; compiled when needed.

    Args:
        slow: the symbols of x.
        variables: those of x, y1, ..., yN.
        confining_of_symbols: V0.
        fluctuation_of_symbols: V1.
        mobility_of_symbols: B (d, d), or None for I.
        numbers: the parameters.
    """

    slow: Symbols
    variables: Symbols
    confining_of_symbols: sympy.Expr
    fluctuation_of_symbols: sympy.Expr
    mobility_of_symbols: sympy.ImmutableMatrix | None
    numbers: Mapping[str, float]

    @property
    def symbolic(self) -> tuple[sympy.Expr, sympy.Expr, sympy.ImmutableMatrix | None]:
        """V0, V1 and B with the symbols of their parameters."""
        return self.confining_of_symbols, self.fluctuation_of_symbols, self.mobility_of_symbols

    @cached_property
    def confining(self) -> sympy.Expr:
        """V0 in the symbols of x."""
        return with_numbers(self.confining_of_symbols, self.numbers, self.variables)

    @cached_property
    def fluctuation(self) -> sympy.Expr:
        """V1 in all symbols."""
        return with_numbers(self.fluctuation_of_symbols, self.numbers, self.variables)

    @cached_property
    def mobility(self) -> sympy.ImmutableMatrix | None:
        """B (d, d) in all symbols; None for the identity."""
        matrix = self.mobility_of_symbols
        return None if matrix is None else with_numbers(matrix, self.numbers, self.variables)

    def derivative_of(self, part: str, name: str) -> Any:
        """The derivative of V0 ("confining"), of V1 ("fluctuation") or of B ("mobility") by a parameter."""
        places = {"confining": 0, "fluctuation": 1, "mobility": 2}
        return derivative_by(name, self.symbolic[places[part]], self.numbers, self.variables)

    def confining_derivative(self, name: str, positions: np.ndarray) -> np.ndarray:
        """The derivative of V0 by a parameter (P,) at positions (P, d)."""
        return evaluated(lambdified(self.slow, self.derivative_of("confining", name), "confining"), positions)

    def confining_values(self, positions: np.ndarray) -> np.ndarray:
        """V0 (P,) at positions (P, d)."""
        return evaluated(self._confining, positions)

    def fluctuation_values(self, variables: np.ndarray) -> np.ndarray:
        """V1 (P,) at values (P, (N + 1) d) of x, y1, ..., yN."""
        return evaluated(self._fluctuation, variables)

    def mobility_values(self, variables: np.ndarray) -> np.ndarray:
        """B (P, d, d) at values (P, (N + 1) d) of x, y1, ..., yN."""
        return self._mobility(variables)

    def confining_gradient(self, positions: np.ndarray) -> np.ndarray:
        """grad V0 (P, d) at positions (P, d)."""
        return _columns(self._confining_gradient, positions)

    def fluctuation_gradient(self, variables: np.ndarray) -> np.ndarray:
        """The derivatives of V1 by all variables, at values of these; both are (P, (N + 1) d)."""
        return _columns(self._fluctuation_gradient, variables)

    @cached_property
    def _confining(self) -> Field:
        return lambdified(self.slow, self.confining, "confining")

    @cached_property
    def _fluctuation(self) -> Field:
        return lambdified(self.variables, self.fluctuation, "fluctuation")

    @cached_property
    def _mobility(self) -> Callable[[np.ndarray], np.ndarray]:
        dim = len(self.slow)
        if self.mobility is None:
            return lambda variables: np.broadcast_to(np.eye(dim), (len(variables), dim, dim))
        return mobility_function(self.mobility, self.variables)

    @cached_property
    def _confining_gradient(self) -> list[Field]:
        slopes = [sympy.diff(self.confining, symbol) for symbol in self.slow]
        return [lambdified(self.slow, slope, "confining") for slope in slopes]

    @cached_property
    def _fluctuation_gradient(self) -> list[Field]:
        slopes = [sympy.diff(self.fluctuation, symbol) for symbol in self.variables]
        return [lambdified(self.variables, slope, "fluctuation") for slope in slopes]


def evaluated(function: Field, variables: np.ndarray) -> np.ndarray:
    """A function of columns at rows of variables (P, n): (P,)."""
    # 1/cosh(x) is 0 far out, though cosh(x) overflows there
    with np.errstate(over="ignore"):
        values = function(*variables.T)
    return np.broadcast_to(values, variables.shape[:1]).astype(np.float64)


def _columns(functions: Sequence[Field], variables: np.ndarray) -> np.ndarray:
    return np.stack([evaluated(function, variables) for function in functions], axis=1)
