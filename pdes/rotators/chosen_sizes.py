"""Arguments of a discretisation that may be left to it: what is given is checked, and the rest is chosen."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.checks import integer, real_array

SEPARABLE = {1: (32, 8), 2: (24, 8), 3: (16, 6)}  # cells and degree, for N
COUPLED = {1: (32, 8), 2: (16, 6), 3: (10, 3)}
MOST_SEPARABLE = {1: 4000, 2: 1_000_000, 3: 2_000_000}  # nodes; degrees go down to 1 before there are more
MOST_COUPLED = {1: 4000, 2: 80_000, 3: 40_000}

Given = TypeVar("Given")
Taken = TypeVar("Taken")


class Chosen(Generic[Given, Taken]):
    """A field of a dataclass that is given as a value or None, and reads as what its `discretisation` takes for it.

    What was given stays in the dictionary of the object, under the name of the field.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, problem: Any, owner: type | None = None) -> Taken:
        # the class itself has None, which makes it the default of the field
        return None if problem is None else getattr(problem.discretisation, self._name)  # type: ignore[return-value]

    def __set__(self, problem: Any, value: Given | None) -> None:
        vars(problem)[self._name] = value


def given_box(upper: Any, size: int) -> np.ndarray | None:
    """The ends U (N,) as they are given, one for all or one for each; None where they are not.

    Raises:
        InvalidArgument: a wrong shape, or ends that are not positive.
    """
    if upper is None:
        return None
    values = real_array("upper", upper)
    if values.shape not in ((), (size,)):
        raise InvalidArgument("upper", f"must have the shape ({size},), not {values.shape}")
    if (values <= 0).any():
        raise InvalidArgument("upper", f"must be positive, but the least is {values.min():g}")
    return np.broadcast_to(values, (size,)).copy()


def cells_and_degree(cells: Any, degree: Any, size: int, *, separable: bool) -> tuple[tuple[int, ...], int]:
    """The numbers of cells along the axes and the degree of the elements, chosen by measurement where they are None.

    Args:
        cells: one number for all axes, one for each, or None.
        degree: of the elements, or None.
        size: number N of actions.
        separable: whether R_j depends on I_j only.

    Raises:
        InvalidArgument: an argument out of range.
    """
    usual, most = (SEPARABLE, MOST_SEPARABLE) if separable else (COUPLED, MOST_COUPLED)
    count, best = usual[size]
    counts: Any = count if cells is None else cells
    counts = [counts] * size if np.ndim(counts) == 0 else list(counts)
    if len(counts) != size:
        raise InvalidArgument("cells", f"must be given for each of {size} actions, not {cells!r}")
    numbers = tuple(integer(f"cells[{j}]", n, 1) for j, n in enumerate(counts))
    if degree is not None:
        return numbers, integer("degree", degree, 1, 12)
    while best > 1 and np.prod([n * best + 1.0 for n in numbers]) > most[size]:
        best -= 1
    return numbers, best
