"""V1 split by scales into U_0 + ... + U_N, and the variables on which the cells of each level depend."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, reduce

import numpy as np
import sympy

from scaling_limits.particles import MultiscalePotential
from scaling_limits.particles.support.symbolic import lambdified

from ..solvers.symmetric import logarithm, packed, unpacked
from .results import LevelResult, empty


@dataclass(frozen=True, eq=False)
class ScaleSplitting:
    """V1 = U_0 + U_1 + ... + U_N, where U_k holds the terms whose fastest variable is y_k.

    exp(-U_j/sigma), j < k, is a constant factor of every cell of level k, so the cells of level k depend only on the
    slow variables of U_k, ..., U_N: where two points (x, y_1, ..., y_{k-1}) agree in those, one cell serves both.
    Variables are numbered x_0, ..., x_{d-1}, y1_0, ..., as the columns of arrays of slow variables (B, k d).
    """

    potential: MultiscalePotential

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
        return {i for i, symbol in enumerate(self.potential.variables) if symbol in expression.free_symbols}

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
        return set() if matrix is None else set().union(*(self._columns_of(entry) for entry in matrix))

    def log_mobility(self, slow: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
        """log of L^-1 B L^-T, the mobility in y, (B, d (d + 1)/2, ...).

        Args:
            slow: x, y_1, ..., y_{N-1} of each cell (B, N d), or some more variables.
            nodes: the components of the variables that are left, of shapes that broadcast to (...).
        """
        shape = np.broadcast_shapes(*[node.shape for node in nodes]) if nodes else ()
        columns = [np.broadcast_to(column.reshape(-1, *[1] * len(shape)), (len(slow), *shape)) for column in slow.T]
        columns += [np.broadcast_to(node, (len(slow), *shape)) for node in nodes]
        missing = (self.levels + 1) * self.dim - len(columns)
        columns += [np.zeros((len(slow), *shape))] * missing
        inverse = self.potential.inverse_lattice
        values = self.potential.mobility_values(np.stack([column.ravel() for column in columns], axis=1))
        entries = packed(logarithm(inverse @ values @ inverse.T)).reshape(len(slow), *shape, -1)
        return np.moveaxis(entries, -1, 1)

    def beyond_fastest(self, slow: np.ndarray) -> LevelResult:
        """What the fastest cells are made of besides exp(-U_N/sigma): the mobility, where it does not depend on y_N."""
        result = empty(len(slow), self.dim)
        if self.has_mobility and not self.mobility_varies:
            result.log_tensor[:] = unpacked(self.log_mobility(slow, ()), self.dim)
            return replace(result, log_lower=result.log_tensor)
        return result

    def has_terms(self, level: int) -> bool:
        """Whether U_k is not 0."""
        return self._own[level] != 0

    @cached_property
    def _functions(self) -> list[Callable[..., np.ndarray]]:
        variables = self.potential.variables
        return [lambdified(variables[: (k + 1) * self.dim], own) for k, own in enumerate(self._own)]

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
        behind = [1] * (nodes[0].ndim if nodes else 0)
        columns = [column.reshape(-1, *behind) for column in slow.T]
        with np.errstate(all="ignore"):  # what is not finite is looked for by those who ask
            values = np.asarray(self._functions[level](*columns, *[node[None] for node in nodes]), dtype=np.float64)
            return -(values if values.ndim else values.reshape(1, *behind)) / self.potential.temperature

    @cached_property
    def columns(self) -> list[tuple[int, ...]]:
        """For level k = 0, ..., N the slow variables, by column, on which the effective tensor of its cells depends."""
        result: list[tuple[int, ...]] = [()] * (self.levels + 2)
        for k in range(self.levels, 0, -1):
            needed = self._columns_of(self._own[k]) | set(result[k + 1])
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
        return not self.has_terms(level) and not self.sampled_axes(level) and not varies


def extended(slow: np.ndarray, ticks: np.ndarray) -> np.ndarray:
    """Slow variables of the next level: each row (B, k d) with each value of y_k (T, d)."""
    return np.concatenate([np.repeat(slow, len(ticks), axis=0), np.tile(ticks, (len(slow), 1))], axis=1)


@lru_cache(maxsize=16)
def splitting_of(potential: MultiscalePotential) -> ScaleSplitting:
    """The splitting of a potential, made once: its compiled terms are kept."""
    return ScaleSplitting(potential)


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
