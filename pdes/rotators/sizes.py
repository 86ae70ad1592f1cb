"""How large a discretisation is: the box that holds the stationary law, the cells, and the degree of the elements.

What a user gives of them is checked, and the rest is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, keeping_back
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.support.checks import integer, real_array

from .discretisation import TransportDiscretisation, mass_beyond_box
from .weights import SingleSiteWeights

# for N: cells along each axis, degree, and the number of nodes from which on degrees go down to 1
SEPARABLE = {1: (32, 8, 4000), 2: (24, 8, 1_000_000), 3: (16, 6, 2_000_000)}
COUPLED = {2: (16, 6, 80_000), 3: (10, 3, 40_000)}
COARSE = {2: (8, 4), 3: (6, 2)}  # cells and degree, for N, of the trial solves that look for a box
TAIL = 1e-24  # mass beyond the box: rates of modes that grow like powers need it so small
COUPLED_TAIL = 1e-14  # the same where sites act on one another
WIDENINGS = 12  # times that a box is made wider before the search is given up

Given = TypeVar("Given")
Chosen = TypeVar("Chosen")


class ChosenIfNone(Generic[Given, Chosen]):
    """A field of a dataclass that is given as a value or None, and reads as what its `discretisation` has for it.

    What was given stays in the dictionary of the object, under the name of the field.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._chosen = name, attrgetter(f"discretisation.{name}")

    def __get__(self, equation: object, owner: type | None = None) -> Chosen:
        # the class itself has None, which makes it the default of the field
        return None if equation is None else self._chosen(equation)  # type: ignore[return-value]

    def __set__(self, equation: object, value: Given | None) -> None:
        vars(equation)[self._name] = value


def checked_box(upper: ArrayLike | None, size: int) -> np.ndarray | None:
    """The ends U (N,) that are given, as one for all or one for each; None where they are not.

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


def cells_and_degree(
    cells: int | Sequence[int] | None, degree: int | None, size: int, *, separable: bool
) -> tuple[tuple[int, ...], int]:
    """The numbers of cells along the axes and the degree of the elements, chosen by measurement where they are None.

    Args:
        cells: one number for all axes, one for each, or None.
        degree: of the elements, or None.
        size: number N of actions.
        separable: whether R_j depends on I_j only.

    Raises:
        InvalidArgument: an argument out of range.
    """
    usual, best, most = (SEPARABLE if separable else COUPLED)[size]
    given = usual if cells is None else cells
    counts = [given] * size if np.ndim(given) == 0 else list(given)  # type: ignore[arg-type]
    if len(counts) != size:
        raise InvalidArgument("cells", f"must be given for each of {size} actions, not {cells!r}")
    numbers = tuple(integer(f"cells[{j}]", n, 1) for j, n in enumerate(counts))
    if degree is not None:
        return numbers, integer("degree", degree, 1, 12)
    while best > 1 and np.prod([n * best + 1.0 for n in numbers]) > most:
        best -= 1
    return numbers, best


def box_of_sites(sites: SingleSiteWeights, *, separable: bool) -> np.ndarray:
    """The ends U (N,) of a box beyond which the laws of the sites alone have less than 1e-24 (1e-14 if coupled).

    Raises:
        InvalidArgument: the law of a site alone is not integrable.
    """
    tail = TAIL if separable else COUPLED_TAIL
    return np.array([sites.tail_quantile(j, tail) for j in range(len(sites.temperature))])


def box_of_coupled_sites(sites: SingleSiteWeights, upper: np.ndarray) -> np.ndarray:
    """The ends U (N,) of a box, wider than a first one until a coarse stationary law decays within it.

    Every rank solves the coarse problems by itself: the box is not collective, and the same for any number of ranks.

    Args:
        sites: R, T and the laws of sites alone.
        upper: ends of the first box, shape (N,).

    Raises:
        NotConverged: no box within twelve widenings holds the law.
    """
    cells, degree = COARSE[len(upper)]
    for _ in range(WIDENINGS):
        # what a trial box cuts off, or too coarse cells do, says nothing of the box that will be taken
        with keeping_back(UserWarning), np.errstate(all="ignore"):
            trial = TransportDiscretisation(
                sites, sites, upper, (cells,) * len(upper), degree, False, False, MPI.COMM_SELF
            )
            tails = mass_beyond_box(trial.density)
        if (tails <= COUPLED_TAIL).all():
            return upper
        upper = np.where(tails > COUPLED_TAIL, 1.15 * upper, upper)
    raise NotConverged(
        "the search for a box of the actions",
        f"there are tails of {tails.max():.1e} beyond U = {np.round(upper, 2)}",
        "check that the dissipation confines the actions (Hg), or give `upper`",
    )
