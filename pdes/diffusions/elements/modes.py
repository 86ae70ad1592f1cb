"""The slowest modes: rates, and functions in elements of high degree; at points, and in files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles.support.archive import check_numbers
from scaling_limits.particles.support.not_pickled import NotPickled

from ..interpolation import inside
from ..output.rates import ShownRates
from ..storage.grid_files import damaged, load_on_grid, save_on_grid
from .box_functions import BoxFunctions

if TYPE_CHECKING:
    from dolfinx import fem
    from mpi4py import MPI

# below every rate
TINY = 1e-300
# in files, besides the functions
NUMBERS = {"rates", "errors", "rounding", "left_out", "degree", "elements"}


class ModeFunctions(Protocol):
    """The functions of modes, on a mesh or in a box."""

    def functions(self) -> list[fem.Function]:
        """As those of dolfinx; collective."""


@dataclass(frozen=True, eq=False, repr=False)
class Modes(NotPickled, ShownRates):
    """The slowest modes f_k and their rates: -L f_k = lambda_k f_k.

    Args:
        rates: lambda (k,), 0 first, in units of 1/time.
        given: the functions.
        errors: of the rates, by their change from the elements before (k,).
        degree: of the elements.
        elements: their numbers along each direction (d,); not more than the cells.
        rounding: part of the errors that rounding makes (k,).
        left_out: part of the errors from cells that elements leave out, since pi is negligible there (k,).
    """

    rates: np.ndarray
    given: ModeFunctions = field(repr=False)
    errors: np.ndarray
    degree: int
    elements: tuple[int, ...]
    rounding: np.ndarray
    left_out: np.ndarray | float = 0.0
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path) reads it"

    @cached_property
    def functions(self) -> list[fem.Function]:
        """f_k, with int pi f_k^2 = int pi, the first of them 1; collective the first time.

        Raises:
            MissingFEniCSx: it is not here.
        """
        return self.given.functions()

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return f_k(x); each rank by itself.

        Args:
            points: x (P, d), in the box.

        Returns:
            f (k, P), the first of them 1; the sign of each of the others is free.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        return self._in_box.at(inside(self._in_box.grid, points))

    @property
    def _in_box(self) -> BoxFunctions:
        assert isinstance(self.given, BoxFunctions)
        return self.given

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write rates and functions to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        given = self._in_box
        save_on_grid(given.grid, path, "Modes", lambda: self.numbers | given.content)

    @property
    def numbers(self) -> dict[str, Any]:
        """What a file holds of them besides the functions."""
        left_out = np.broadcast_to(self.left_out, self.rates.shape)
        numbers = {name: getattr(self, name) for name in ("rates", "errors", "rounding", "degree")}
        return numbers | {"left_out": left_out, "elements": np.array(self.elements)}

    @classmethod
    def load(cls, path: str | os.PathLike[str], comm: MPI.Comm | None = None) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0.
            comm: the ranks that share the functions; None takes all.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        grid, content = load_on_grid(comm, path, "Modes", {*NUMBERS, "values"}, {"breaks0", "breaks1", "breaks2"})
        numbers, degree = read_numbers(path, content), int(content["degree"])
        try:
            given = BoxFunctions.read(grid, degree, content)
        except (KeyError, ValueError) as error:
            raise damaged(path, str(error)) from None
        if len(given.values.own) != len(numbers["rates"]):
            raise damaged(path)
        return cls(given=given, **numbers)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        elements = f"of degree {self.degree}, {'x'.join(map(str, self.elements))}"
        return "Modes", {"rates": self.rates, "relative error": self.worst, "elements": elements}

    @property
    def worst(self) -> float:
        """The largest relative error of the rates but the first."""
        return float((self.errors[1:] / np.maximum(self.rates[1:], TINY)).max(initial=0.0))


def read_numbers(path: str | os.PathLike[str], content: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of `Modes` but the functions, from what a file holds.

    Raises:
        InvalidArgument: it is damaged.
    """
    check_numbers(path, content, NUMBERS)
    arrays = {name: content[name] for name in ("rates", "errors", "rounding", "left_out")}
    if len({values.shape for values in arrays.values()}) > 1 or content["rates"].ndim != 1:
        raise damaged(path)
    return arrays | {"degree": int(content["degree"]), "elements": tuple(content["elements"].tolist())}
