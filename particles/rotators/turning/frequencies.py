"""The frequencies f_j of all sites: one function with spins, or several functions that sites share (Remark 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...support.compiled_functions import function_of_square, values_of
from ..resolved_functions import ResolvedFunction, resolved

MOST_FUNCTIONS = 16  # different ones: each is compiled by itself, in about half a second with all that calls it

Function = Callable[[float], float]  # of |u|^2, compiled


@dataclass(frozen=True, eq=False)
class ResolvedFrequencies:
    """Functions on [0, X], as `resolved` makes them.

    Args:
        functions: the different ones.
        number: which of them each site has (N,).
    """

    functions: tuple[ResolvedFunction, ...]
    number: NDArray[np.int64]

    @property
    def top(self) -> float:
        """X, up to which they are known."""
        return float(min(f.breaks[-1] for f in self.functions))

    def integral(self, squares: np.ndarray) -> np.ndarray:
        """int_0^x f_j, without spins, at squares x (..., N)."""
        return _by_site(self.number, squares, [f.integral for f in self.functions])

    def derivative(self, squares: np.ndarray) -> np.ndarray:
        """f_j', without spins, at squares x (..., N)."""
        return _by_site(self.number, squares, [f.derivative for f in self.functions])


@dataclass(frozen=True, eq=False)
class SiteFrequencies:
    """Which function of |u|^2 each site has; spins s_j multiply it: f_j of the equation is s_j times it.

    Args:
        functions: the different ones, compiled, in the order in which sites have them first.
        number: which of them each site has (N,).
    """

    functions: tuple[Function, ...]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, frequency: Any, size: int) -> SiteFrequencies:
        """One function for all of N sites, or a list of one for each; functions that are alike are compiled once.

        Raises:
            InvalidArgument: not as many functions as sites; too many different ones; one that numba cannot compile.
        """
        if not isinstance(frequency, list | tuple | np.ndarray):
            return cls((function_of_square("frequency", frequency),), np.zeros(size, dtype=np.int64))
        given = list(frequency)
        if len(given) != size:
            raise InvalidArgument(
                "frequency", f"must be one function, or one for each of {size} sites, not {len(given)} of them"
            )
        objects = {id(f): f for f in given}
        made: dict[Function, int] = {}
        numbers: dict[int, int] = {}
        for name, f in objects.items():
            numbers[name] = made.setdefault(function_of_square("frequency", f), len(made))
            if len(made) > MOST_FUNCTIONS:
                raise InvalidArgument(
                    "frequency",
                    f"must have at most {MOST_FUNCTIONS} different functions for the {size} sites, since each is "
                    "compiled by itself; give sites that have the same function the same object, and write what "
                    "differs by a factor as one function with `spins`, which multiply it",
                )
        return cls(tuple(made), np.array([numbers[id(f)] for f in given], dtype=np.int64))

    @property
    def several(self) -> bool:
        """Whether there are different functions."""
        return len(self.functions) > 1

    @cached_property
    def commonest(self) -> int:
        """The number of the function that most sites have."""
        return int(np.bincount(self.number).argmax())

    def at(self, squares: np.ndarray) -> np.ndarray:
        """The functions, without spins, at squares x (..., N)."""
        return _by_site(self.number, squares, [_values(f) for f in self.functions])

    def resolved(self, squares: np.ndarray, *, integral: bool = False) -> ResolvedFrequencies:
        """Polynomials from which integrals or derivatives follow, on [0, max x].

        Raises:
            InvalidArgument: a function that varies too wildly.
        """
        made = tuple(resolved("frequency", f, squares, integral=integral) for f in self.functions)
        return ResolvedFrequencies(made, self.number)

    def of_functions(self, values: np.ndarray, largest: Callable[[np.ndarray], float]) -> np.ndarray:
        """A number for each function, of the values (N,) of the sites that have it."""
        return np.array([largest(values[self.number == i]) for i in range(len(self.functions))])

    def turning(self, spins: np.ndarray) -> Any:
        """What kernels need to turn all sites: their spins, and of several functions which of them each site has."""
        return (spins, self.number) if self.several else spins


def _values(function: Function) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: values_of(function, x, "frequency")


def _by_site(
    number: np.ndarray, squares: np.ndarray, functions: list[Callable[[np.ndarray], np.ndarray]]
) -> np.ndarray:
    """Functions at squares (..., N), each at the sites that have it."""
    if len(functions) == 1:
        return functions[0](squares)
    result = np.empty(np.shape(squares))
    for i, function in enumerate(functions):
        sites = np.flatnonzero(number == i)
        result[..., sites] = function(squares[..., sites])
    return result
