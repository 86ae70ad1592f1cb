"""V1 split by scales into U_0 + ... + U_N, and the variables on which the cells of each level depend."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, reduce

import numpy as np
import sympy

from scaling_limits.particles import MultiscalePotential
from scaling_limits.particles.diffusions.model_options import mobility_function
from scaling_limits.particles.support.symbolic import lambdified

from ..solvers.symmetric import derivative_of_logarithm, logarithm, packed, unpacked
from .results import LevelResult, empty


@dataclass(frozen=True, eq=False)
class ScaleSplitting:
    """V1 = U_0 + U_1 + ... + U_N, where U_k holds the terms whose fastest variable is y_k.

    exp(-U_j/sigma), j < k, is a constant factor of every cell of level k, so the cells of level k depend only on the
    slow variables of U_k, ..., U_N: where two points (x, y_1, ..., y_{k-1}) agree in those, one cell serves both.
    Variables are numbered x_0, ..., x_{d-1}, y1_0, ..., as the columns of arrays of slow variables (B, k d).

    Args:
        potential: V1, sigma, B, L.
        parameters: names of those of the potential by which derivatives are wanted, "temperature" being sigma.
    """

    potential: MultiscalePotential
    parameters: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return self.potential.dim

    @property
    def levels(self) -> int:
        """Number N of fast scales."""
        return self.potential.scales

    @cached_property
    def _own(self) -> list[sympy.Expr]:
        """U_0, ..., U_N."""
        parts = self._split(self.potential.fluctuation_expression)
        return [parts.get(k, sympy.Integer(0)) for k in range(self.levels + 1)]

    @cached_property
    def _own_derivatives(self) -> list[dict[str, sympy.Expr]]:
        """Derivatives of V1 by the parameters, split likewise: for each level k by name, sigma left out."""
        result: list[dict[str, sympy.Expr]] = [{} for _ in range(self.levels + 1)]
        for name in self._of_functions:
            for level, part in self._split(self.potential.expressions.derivative_of("fluctuation", name)).items():
                result[level][name] = part
        return result

    @property
    def _of_functions(self) -> list[str]:
        return [name for name in self.parameters if name != "temperature"]

    def _split(self, expression: sympy.Expr) -> dict[int, sympy.Expr]:
        """An expression as a sum of parts, by the scale of the fastest variable in the terms of each.

        Products are multiplied out by these parts only, not by their terms: a product of m sums has 2^m terms.
        """
        if expression.is_Add:
            groups: dict[int, list[sympy.Expr]] = {}
            for term in expression.args:
                for level, part in self._split(term).items():
                    groups.setdefault(level, []).append(part)
            return {level: sympy.Add(*group) for level, group in groups.items()}
        if expression.is_Mul and self._level_of(expression) > 0:
            return reduce(_product, [self._split(factor) for factor in expression.args])
        return {self._level_of(expression): expression}

    def _level_of(self, expression: sympy.Expr) -> int:
        return max(self._columns_of(expression), default=0) // self.dim

    def _columns_of(self, expression: sympy.Expr) -> set[int]:
        return {self._numbers[symbol] for symbol in expression.free_symbols if symbol in self._numbers}

    @cached_property
    def _numbers(self) -> dict[sympy.Basic, int]:
        """The variables by their numbers."""
        return {symbol: i for i, symbol in enumerate(self.potential.variables)}

    @property
    def has_mobility(self) -> bool:
        """Whether K_N is more than exp(-V1/sigma): there is a mobility, or there are lattice vectors."""
        return self.potential.mobility_expression is not None or self.potential.lattice is not None

    @cached_property
    def mobility_varies(self) -> bool:
        """Whether the mobility depends on y_N."""
        return any(column >= self.levels * self.dim for column in self._mobility_columns)

    @cached_property
    def _mobility_columns(self) -> set[int]:
        matrix = self.potential.mobility_expression
        if matrix is None:
            return set()
        matrices = [
            matrix,
            *[self.potential.expressions.derivative_of("mobility", name) for name in self._of_functions],
        ]
        return set().union(*(self._columns_of(entry) for matrix in matrices for entry in matrix))

    def log_mobility(self, slow: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
        """log of L^-1 B L^-T, the mobility in y, (B, d (d + 1)/2, ...).

        Args:
            slow: x, y_1, ..., y_{N-1} of each cell (B, N d), or some more variables.
            nodes: the components of the variables that are left, of shapes that broadcast to (...).
        """
        tensor = self._mobility(self.potential.expressions.mobility_values, slow, nodes)
        with np.errstate(invalid="ignore", divide="ignore"):  # B that is not positive is said where cells are solved
            return np.moveaxis(packed(logarithm(tensor)), -1, 1)

    def log_mobility_sensitivities(self, slow: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
        """The derivatives of `log_mobility` by the parameters (B, p, d (d + 1)/2, ...)."""
        tensor = self._mobility(self.potential.expressions.mobility_values, slow, nodes)
        changes = [self._mobility(function, slow, nodes) for function in self._mobility_derivatives]
        with np.errstate(invalid="ignore", divide="ignore"):
            entries = [packed(derivative_of_logarithm(tensor, change)) for change in changes]
        return np.moveaxis(np.stack(entries, axis=1), -1, 2)

    @cached_property
    def _mobility_derivatives(self) -> list[Callable[[np.ndarray], np.ndarray]]:
        dim = self.dim
        zero = sympy.zeros(dim, dim).as_immutable()
        given = self.potential.mobility_expression is not None
        matrices = [
            self.potential.expressions.derivative_of("mobility", name) if given and name in self._of_functions else zero
            for name in self.parameters
        ]
        return [mobility_function(matrix, self.potential.variables) for matrix in matrices]

    def _mobility(
        self, function: Callable[[np.ndarray], np.ndarray], slow: np.ndarray, nodes: tuple[np.ndarray, ...]
    ) -> np.ndarray:
        """L^-1 B L^-T (B, ..., d, d) for a function B of all variables (P, (N + 1) d)."""
        shape = np.broadcast_shapes(*[node.shape for node in nodes]) if nodes else ()
        columns = [np.broadcast_to(column.reshape(-1, *[1] * len(shape)), (len(slow), *shape)) for column in slow.T]
        columns += [np.broadcast_to(node, (len(slow), *shape)) for node in nodes]
        missing = (self.levels + 1) * self.dim - len(columns)
        columns += [np.zeros((len(slow), *shape))] * missing
        inverse = self.potential.inverse_lattice
        values = function(np.stack([column.ravel() for column in columns], axis=1))
        return (inverse @ values @ inverse.T).reshape(len(slow), *shape, self.dim, self.dim)

    def beyond_fastest(self, slow: np.ndarray) -> LevelResult:
        """What the fastest cells are made of besides exp(-U_N/sigma): the mobility, where it does not depend on y_N."""
        result = empty(len(slow), self.dim, len(self.parameters))
        if self.has_mobility and not self.mobility_varies:
            result.log_tensor[:] = unpacked(self.log_mobility(slow, ()), self.dim)
            if result.sensitivities is not None:
                for p, entries in enumerate(self.log_mobility_sensitivities(slow, ()).swapaxes(0, 1)):
                    result.sensitivities.log_tensor[:, p] = unpacked(entries, self.dim)
            return replace(result, log_lower=result.log_tensor)
        return result

    def in_space(self, tensor: np.ndarray) -> np.ndarray:
        """M = L M_y L^T (..., d, d) from a tensor in the fast variables, whose periods are 1."""
        lattice = self.potential.lattice
        return tensor if lattice is None else np.array(lattice) @ tensor @ np.array(lattice).T

    def has_terms(self, level: int) -> bool:
        """Whether U_k is not 0."""
        return self._own[level] != 0

    @cached_property
    def _functions(self) -> list[Callable[..., np.ndarray]]:
        variables = self.potential.variables
        return [lambdified(variables[: (k + 1) * self.dim], own) for k, own in enumerate(self._own)]

    @cached_property
    def _derivatives(self) -> list[dict[str, Callable[..., np.ndarray]]]:
        variables = self.potential.variables
        return [
            {name: lambdified(variables[: (k + 1) * self.dim], part) for name, part in parts.items()}
            for k, parts in enumerate(self._own_derivatives)
        ]

    def exponent(self, level: int, slow: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
        """-U_k/sigma.

        Args:
            level: k.
            slow: x, y_1, ..., y_{k-1} of each cell (B, k d).
            nodes: the d components of y_k, of shapes that broadcast to (...); none for k = 0. Or the components of
                several scales, the slow variables being those of slower ones only.

        Returns:
            (B, ...), of length 1 along the axes on which U_k does not depend.
        """
        return -self._over_temperature(self._functions[level], slow, nodes)

    def exponent_sensitivities(self, level: int, slow: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
        """The derivatives of `exponent` by the parameters (B, p, ...)."""
        sigma, found = self.potential.temperature, []
        for name in self.parameters:
            if name == "temperature":
                found.append(-self.exponent(level, slow, nodes) / sigma)
            elif name in self._derivatives[level]:
                found.append(-self._over_temperature(self._derivatives[level][name], slow, nodes))
            else:
                found.append(np.zeros((1, *[1] * (nodes[0].ndim if nodes else 0))))
        shape = np.broadcast_shapes(*[values.shape for values in found])
        return np.stack([np.broadcast_to(values, shape) for values in found], axis=1)

    def _over_temperature(
        self, function: Callable[..., np.ndarray], slow: np.ndarray, nodes: tuple[np.ndarray, ...]
    ) -> np.ndarray:
        """A function of the slow variables (B, n) and of nodes, over sigma (B or 1, ...)."""
        behind = [1] * (nodes[0].ndim if nodes else 0)
        columns = [column.reshape(-1, *behind) for column in slow.T]
        with np.errstate(all="ignore"):  # what is not finite is looked for by those who ask
            values = np.asarray(function(*columns, *[node[None] for node in nodes]), dtype=np.float64)
            return (values if values.ndim else values.reshape(1, *behind)) / self.potential.temperature

    @cached_property
    def columns(self) -> list[tuple[int, ...]]:
        """For level k = 0, ..., N the slow variables, by column, on which the effective tensor of its cells depends."""
        result: list[tuple[int, ...]] = [()] * (self.levels + 2)
        for k in range(self.levels, 0, -1):
            parts = [self._own[k], *self._own_derivatives[k].values()]
            needed = set().union(*(self._columns_of(part) for part in parts)) | set(result[k + 1])
            needed |= self._mobility_columns if k == self.levels else set()
            result[k] = tuple(sorted(column for column in needed if column < k * self.dim))
        return result

    def distinct(self, level: int, slow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distinct cells of a level at slow variables (B, k d): the first row of each (C,), the cell of each (B,)."""
        columns = list(self.columns[level])
        if not columns:
            return np.zeros(1, dtype=int), np.zeros(len(slow), dtype=int)
        _, first, inverse = np.unique(slow[:, columns], axis=0, return_index=True, return_inverse=True)
        return first, inverse.ravel()

    def sampled_axes(self, level: int) -> tuple[int, ...]:
        """The components of y_k on which the tensor K_k depends other than through the factor exp(-U_k/sigma)."""
        first = level * self.dim
        if level >= self.levels:
            return ()
        return tuple(column - first for column in self.columns[level + 1] if column >= first)

    def is_trivial(self, level: int) -> bool:
        """Whether nothing depends on y_k: then theta_k = 0, and there is no cell to solve."""
        varies = level == self.levels and self.mobility_varies
        return not (self.has_terms(level) or self._own_derivatives[level] or self.sampled_axes(level) or varies)


def extended(slow: np.ndarray, ticks: np.ndarray) -> np.ndarray:
    """Slow variables of the next level: each row (B, k d) with each value of y_k (T, d)."""
    return np.concatenate([np.repeat(slow, len(ticks), axis=0), np.tile(ticks, (len(slow), 1))], axis=1)


@lru_cache(maxsize=16)
def splitting_of(potential: MultiscalePotential, parameters: tuple[str, ...] = ()) -> ScaleSplitting:
    """The splitting of a potential, made once: its compiled terms are kept."""
    return ScaleSplitting(potential, parameters)


@lru_cache(maxsize=64)
def fingerprint(potential: MultiscalePotential) -> str:
    """Hash of all that M and Z1 depend on: d, N, sigma, V1 with the assumptions on its symbols, B and L."""
    expression = sympy.srepr(potential.fluctuation_expression)
    text = f"{potential.dim} {potential.scales} {potential.temperature!r} {expression}"
    if potential.mobility_expression is not None or potential.lattice is not None:
        text += f" {sympy.srepr(potential.mobility_expression)} {potential.lattice}"
    return hashlib.sha256(text.encode()).hexdigest()


def _product(first: dict[int, sympy.Expr], second: dict[int, sympy.Expr]) -> dict[int, sympy.Expr]:
    """The parts of a product from those of its factors: what belongs to two scales belongs to the faster of them."""
    slower_first, slower_second = sympy.Integer(0), sympy.Integer(0)
    result = {}
    for level in sorted(first.keys() | second.keys()):
        mine, other = first.get(level, sympy.Integer(0)), second.get(level, sympy.Integer(0))
        part = mine * (slower_second + other) + slower_first * other
        slower_first, slower_second = slower_first + mine, slower_second + other
        if part != 0:
            result[level] = part
    return result
