"""Potentials with N periodic scales: V_epsilon(x) = V0(x) + V1(x, x/epsilon, ..., x/epsilon^N)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..showing.described import Described
from ..support import checks
from ..support.symbolic import Symbols, check_computable, expression_of
from .model_options import (
    Box,
    Matrix,
    OfSymbols,
    check_mobility,
    check_used,
    checked_domain,
    checked_lattice,
    checked_parameters,
    mobility_of,
)
from .potential_checks import check_bounded, check_periodic, check_roots, check_smooth
from .potential_expressions import PotentialExpressions

MOST_SCALES = 64


@dataclass(frozen=True, eq=False, repr=False)
class MultiscalePotential(Described):
    """An N-scale potential V_epsilon(x) = V0(x) + V1(x, x/epsilon, ..., x/epsilon^N).

    V1(x, y_1, ..., y_N) is smooth, bounded and 1-periodic in each y_k. A Brownian particle in the potential obeys
    dX = -grad V_epsilon(X) dt + sqrt(2 sigma) dW; with a mobility B its equation is
    dX = (-B grad V_epsilon + sigma div B) dt + sqrt(2 sigma B) dW. With lattice vectors L the fast variables are
    y_k = L^-1 x/epsilon^k. Two potentials are equal where all their numbers and expressions are, whatever functions
    these came from.

    Args:
        dim: dimension d of space, 1, 2 or 3.
        scales: number N of fast scales, 1 to 64.
        temperature: sigma = k_B T > 0, in the unit of energy of V0 and V1.
        confining: V0, from the symbols x = (x[0], ..., x[d-1]) to a sympy expression.
        fluctuation: V1, from x, y1, ..., yN (tuples of d symbols each) to a sympy expression, 1-periodic in each
            component of each y.
        mobility: B, the inverse of the friction, from x, y1, ..., yN to a sympy expression, or to d x d of them,
            symmetric and positive definite, 1-periodic in each y; None for I.
        lattice: L (d, d), whose columns are the periods of the surface; None for the unit cube. Hexagonal of period a
            is a [[1, 1/2], [0, sqrt(3)/2]].
        domain: pairs (a, b), a box for x outside which V1 need be neither bounded nor smooth; None for all of space.
        parameters: numbers for symbols in V0, V1 and B, by their names: {"a": 1.0} for sympy.Symbol("a").

    Raises:
        InvalidArgument: an argument is out of range; an expression is not real, not smooth or not finite, or has
            symbols other than its arguments and parameters, or functions that neither numpy nor scipy computes; V1 is
            not bounded, or not 1-periodic in a fast variable; B is not symmetric or not positive definite; a parameter
            that no function has.

    Source: Duncan, Duong and Pavliotis (2023), equations (4), (8), Assumption 1.
    """

    dim: int
    scales: int
    temperature: float
    confining: Callable[..., sympy.Expr] = field(repr=False)
    fluctuation: Callable[..., sympy.Expr] = field(repr=False)
    mobility: Callable[..., Any] | None = field(default=None, repr=False)
    lattice: Matrix | ArrayLike | None = None
    domain: Box | Sequence[tuple[float, float]] | None = None
    parameters: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", checks.integer("dim", self.dim, 1, 3))
        object.__setattr__(self, "scales", checks.integer("scales", self.scales, 1, MOST_SCALES))
        object.__setattr__(self, "temperature", checks.number("temperature", self.temperature, above=0.0))
        object.__setattr__(self, "lattice", checked_lattice(self.lattice, self.dim))
        object.__setattr__(self, "domain", checked_domain(self.domain, self.dim))
        numbers = checked_parameters(self.parameters, self.variables)
        object.__setattr__(self, "parameters", MappingProxyType(numbers))
        check_used(numbers, [part for part in self.expressions.symbolic if part is not None], self.variables)
        check_smooth("confining", self.confining_expression, self.slow)
        check_smooth("fluctuation", self.fluctuation_expression, self.variables)
        check_computable("confining", self.confining_expression, self.slow)
        check_computable("fluctuation", self.fluctuation_expression, self.variables)
        check_bounded(self)
        if self.mobility_expression is not None:
            check_mobility(self, self.mobility_expression)
        check_roots(self, "fluctuation", self.fluctuation_expression)
        check_periodic(self)

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        numbers = tuple(sorted(self._numbers.items()))
        return self.dim, self.scales, self.temperature, *self.expressions.symbolic, self.lattice, self.domain, numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return self._with, (self.temperature, self._numbers)

    @property
    def _with(self) -> partial[MultiscalePotential]:
        """This potential as a function of temperature and parameters that can be pickled."""
        symbols, options = (self.slow, self.variables), (self.lattice, self.domain)
        return partial(_made, self.dim, self.scales, self.expressions.symbolic, symbols, options)

    def __repr__(self) -> str:
        options = {"lattice": self.lattice, "domain": self.domain, "parameters": self._numbers or None}
        options["mobility"] = "..." if self.mobility is not None else None
        shown = "".join(f", {name}={value}" for name, value in options.items() if value is not None)
        return f"MultiscalePotential(dim={self.dim}, scales={self.scales}, temperature={self.temperature}{shown})"

    def replace(self, /, *, temperature: float | None = None, **parameters: float) -> MultiscalePotential:
        """The same potential with other parameters, or at another temperature.

        Args:
            temperature: sigma; None for the same.
            parameters: new numbers, by name.

        Raises:
            InvalidArgument: not a parameter of this potential, or a number out of range.
        """
        for name in parameters:
            if name not in self._numbers:
                known = f"; there are {', '.join(self._numbers)}" if self._numbers else ", which has none"
                raise InvalidArgument(name, f"must be a parameter of the potential{known}")
        sigma = self.temperature if temperature is None else temperature
        return self._with(sigma, self._numbers | parameters)

    def __eq__(self, other: object) -> bool:
        return self._identity == other._identity if isinstance(other, MultiscalePotential) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def slow(self) -> Symbols:
        """The symbols of x, the macroscopic position."""
        return tuple(sympy.symbols(f"x:{self.dim}", real=True))

    @cached_property
    def fast(self) -> tuple[Symbols, ...]:
        """The symbols of y1, ..., yN, a tuple for each scale."""
        return tuple(tuple(sympy.symbols(f"y{k + 1}_:{self.dim}", real=True)) for k in range(self.scales))

    @property
    def variables(self) -> Symbols:
        """All symbols in one tuple: x, y1, ..., yN."""
        return self.slow + tuple(symbol for scale in self.fast for symbol in scale)

    @cached_property
    def expressions(self) -> PotentialExpressions:
        """V0, V1 and B as expressions, and what is computed of them."""
        all_symbols = self.slow, *self.fast
        mobility = None if self.mobility is None else mobility_of(self.mobility, all_symbols)
        return PotentialExpressions(
            self.slow,
            self.variables,
            expression_of("confining", self.confining, (self.slow,)),
            expression_of("fluctuation", self.fluctuation, all_symbols),
            mobility,
            self._numbers,
        )

    @property
    def confining_expression(self) -> sympy.Expr:
        """V0 in the symbols `slow`, with numbers for its parameters."""
        return self.expressions.confining

    @property
    def fluctuation_expression(self) -> sympy.Expr:
        """V1 in the symbols `slow` and `fast`, with numbers for its parameters."""
        return self.expressions.fluctuation

    @property
    def mobility_expression(self) -> sympy.ImmutableMatrix | None:
        """B (d, d) in the symbols `slow` and `fast`, with numbers for its parameters; None for the identity."""
        return self.expressions.mobility

    @property
    def _numbers(self) -> dict[str, float]:
        """The parameters."""
        return dict(self.parameters or {})

    @cached_property
    def inverse_lattice(self) -> np.ndarray:
        """L^-1 (d, d), which maps x to y_0; the identity without lattice vectors."""
        return np.eye(self.dim) if self.lattice is None else np.linalg.inv(np.array(self.lattice))

    def fast_variables(self, x: np.ndarray, epsilon: float) -> list[np.ndarray]:
        """y_k = L^-1 x/epsilon^k (P, d) for k = 1, ..., N, at positions (P, d)."""
        fast = x if self.lattice is None else x @ self.inverse_lattice.T
        return [fast / epsilon**k for k in range(1, self.scales + 1)]

    def check_inside(self, name: str, x: np.ndarray) -> np.ndarray:
        """Positions x (P, d), all of which are in the domain.

        Raises:
            InvalidArgument: one of them is not.
        """
        if self.domain is not None:
            box = np.array(self.domain)
            outside = np.flatnonzero(~((x >= box[:, 0]) & (x <= box[:, 1])).all(axis=1))
            if outside.size:
                place = x[outside[0]].tolist()
                raise InvalidArgument(name, f"must be in the domain {box.tolist()} of the potential, not at {place}")
        return x

    def confining_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """The confining potential V0(x).

        Args:
            x: positions (P, d).

        Returns:
            V0 (P,), in the unit of energy.

        Raises:
            InvalidArgument: x has not the shape (P, d), or a number in it is not finite.
        """
        return self.expressions.confining_values(points("x", x, self.dim))

    def fluctuation_at(self, x: ArrayLike, *y: ArrayLike) -> NDArray[np.float64]:
        """The fluctuation V1(x, y1, ..., yN).

        Args:
            x: macroscopic positions (P, d).
            y: for each of the N scales the fast positions (P, d), on the unit torus.

        Returns:
            V1 (P,), in the unit of energy.

        Raises:
            InvalidArgument: a wrong number of scales or a wrong shape, or a number that is not finite.
        """
        return self.expressions.fluctuation_values(self._all_variables(x, y))

    def mobility_at(self, x: ArrayLike, *y: ArrayLike) -> NDArray[np.float64]:
        """The mobility B(x, y1, ..., yN).

        Args:
            x: macroscopic positions (P, d).
            y: for each of the N scales the fast positions (P, d), on the unit torus.

        Returns:
            B (P, d, d), in the unit of 1/friction.

        Raises:
            InvalidArgument: a wrong number of scales or a wrong shape, or a number that is not finite.
        """
        return self.expressions.mobility_values(self._all_variables(x, y))

    def confining_values(self, positions: np.ndarray) -> np.ndarray:
        """V0 (P,) at positions (P, d), which are not checked."""
        return self.expressions.confining_values(positions)

    def fluctuation_values(self, variables: np.ndarray) -> np.ndarray:
        """V1 (P,) at values (P, (N + 1) d) of x, y1, ..., yN, which are not checked."""
        return self.expressions.fluctuation_values(variables)

    def full_at(self, x: ArrayLike, epsilon: float) -> NDArray[np.float64]:
        """The full potential V_epsilon(x) = V0(x) + V1(x, x/epsilon, ..., x/epsilon^N).

        Args:
            x: positions (P, d).
            epsilon: the scale separation, positive.

        Returns:
            V_epsilon (P,), in the unit of energy.

        Raises:
            InvalidArgument: a wrong shape, or epsilon is not positive.

        Source: Duncan, Duong and Pavliotis (2023), equations (3) and (4).
        """
        position = points("x", x, self.dim)
        variables = self._on_the_diagonal(position, epsilon)
        return self.expressions.confining_values(position) + self.expressions.fluctuation_values(variables)

    def full_gradient_at(self, x: ArrayLike, epsilon: float) -> NDArray[np.float64]:
        """The gradient grad V0 + grad_x V1 + sum_k epsilon^-k L^-T grad_{y_k} V1 of V_epsilon, y_k = L^-1 x/epsilon^k.

        Args:
            x: positions (P, d).
            epsilon: the scale separation, positive.

        Returns:
            The gradient (P, d).

        Raises:
            InvalidArgument: a wrong shape, or epsilon is not positive.

        Source: Duncan, Duong and Pavliotis (2023), equation (5).
        """
        position = points("x", x, self.dim)
        variables = self._on_the_diagonal(position, epsilon)
        gradient = self.expressions.confining_gradient(position)
        parts = self.expressions.fluctuation_gradient(variables)
        for k in range(self.scales + 1):
            part = parts[:, k * self.dim : (k + 1) * self.dim]
            gradient = gradient + (part if k == 0 else part @ self.inverse_lattice) / float(epsilon) ** k
        return gradient

    def fluctuation_gradient_at(self, x: ArrayLike, *y: ArrayLike) -> NDArray[np.float64]:
        """All first derivatives of V1, with respect to x, y1, ..., yN.

        Args:
            x: macroscopic positions (P, d).
            y: for each scale the fast positions (P, d).

        Returns:
            The derivatives (P, N + 1, d).

        Raises:
            InvalidArgument: a wrong number of scales or a wrong shape, or a number that is not finite.
        """
        parts = self.expressions.fluctuation_gradient(self._all_variables(x, y))
        return parts.reshape(-1, self.scales + 1, self.dim)

    def _all_variables(self, x: ArrayLike, y: tuple[ArrayLike, ...]) -> np.ndarray:
        if len(y) != self.scales:
            raise InvalidArgument("y", f"must be one array for each of the {self.scales} scales, not {len(y)}")
        columns = [points("x", x, self.dim)]
        columns += [points(f"y{k + 1}", scale, self.dim) for k, scale in enumerate(y)]
        try:
            return np.concatenate(np.broadcast_arrays(*columns), axis=1)
        except ValueError:
            raise InvalidArgument("y", "must have as many points as x") from None

    def _on_the_diagonal(self, position: np.ndarray, epsilon: float) -> np.ndarray:
        epsilon = checks.number("epsilon", epsilon, above=0.0)
        return np.concatenate([position, *self.fast_variables(position, epsilon)], axis=1)


def _made(
    dim: int, scales: int, symbolic: tuple[Any, ...], symbols: tuple[Symbols, Symbols], options: tuple[Any, Any],
    temperature: float, parameters: dict[str, float],
) -> MultiscalePotential:  # fmt: skip
    """A potential from its expressions."""
    (confining, fluctuation, mobility), (slow, variables), (lattice, domain) = symbolic, symbols, options
    return MultiscalePotential(
        dim, scales, temperature, OfSymbols(confining, slow), OfSymbols(fluctuation, variables),
        None if mobility is None else OfSymbols(mobility, variables), lattice, domain, parameters,
    )  # fmt: skip


def points(name: str, value: ArrayLike, dim: int) -> NDArray[np.float64]:
    """Return points (P, d) of finite numbers; in one dimension (P,) is taken for (P, 1)."""
    array = checks.real_array(name, value)
    if dim == 1 and array.ndim == 1:
        return array[:, None]
    if array.ndim != 2 or array.shape[1] != dim:
        raise InvalidArgument(name, f"must have the shape (P, {dim}), not {array.shape}")
    return array
