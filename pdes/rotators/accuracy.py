"""What a stationary density of actions is accurate to: by the same on three quarters of the cells, and by its tails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .density import ActionDensity, StationaryError
from .space import ActionAxis, ActionSpace

PART = 0.75  # of the cells
ROUNDING = 1e-13  # the least error that is stated
SAFETY = 1.5


def fewer(cells: tuple[int, ...]) -> tuple[int, ...]:
    """Three quarters of the cells along each axis, at least one and fewer than there are, where there are two."""
    return tuple(max(1, min(round(PART * n), n - 1)) for n in cells)


def of_the_finer(degree: int) -> float:
    """The factor from the difference of two results to the error of the finer one, of order k + 1, but at least 1.

    The difference is (4/3)^(k + 1) times that error, less the latter.

    Args:
        degree: k of the elements.
    """
    return 1.0 / min(1.0, PART ** -(degree + 1) - 1.0)


def compared(fine: ActionDensity, coarse: ActionDensity | None, tail: NDArray[np.float64]) -> StationaryError:
    """The errors of a density, from its difference from the one on fewer cells and its mass beyond the box.

    What is cut off lies inside instead, about U_j from where it belongs.

    Args:
        fine: the density.
        coarse: on fewer cells of the same box with the same weight; None where the elements have no error.
        tail: the mass beyond U_j, shape (N,).
    """
    cut, upper = 2.0 * float(tail.sum()), fine.space.upper
    variation, mean = 0.0, np.zeros(fine.space.dim)
    if coarse is not None:
        share = SAFETY * of_the_finer(fine.space.degree)
        difference = fine.space.grid_values(fine.field) - values_between(coarse, fine.space.axes)
        variation = share * float(fine.space.integrals(np.abs(difference)))
        mean = share * np.abs(np.asarray(fine.mean) - np.asarray(coarse.mean))
    return StationaryError(min(2.0, variation + cut + ROUNDING), mean + (cut + ROUNDING) * upper)


def values_between(density: ActionDensity, axes: tuple[ActionAxis, ...]) -> NDArray[np.float64]:
    """The field u of a density at the quadrature points of other axes, in the shape of their grid."""
    space: ActionSpace = density.space
    result = density.field.reshape(space.shape)
    for i, (own, other) in enumerate(zip(space.axes, axes)):
        points, _ = other.rule
        first, values = own.local(points)
        basis = np.zeros((points.size, own.size))
        basis[np.arange(points.size)[:, None], first[:, None] + np.arange(values.shape[1])] = values
        result = np.moveaxis(np.tensordot(basis, result, axes=(1, i)), 0, i)
    return result
