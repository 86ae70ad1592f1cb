"""The coefficients M(x), Psi(x) and sigma of an effective equation, and their checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import evaluated, number, shown


@dataclass(frozen=True)
class CheckSettings:
    """How coefficients are checked.

    Args:
        asymmetry: largest |M_ij - M_ji|, of the largest entry of M; interpolated tensors are symmetric to rounding.
        singular: least determinant or eigenvalue of M scaled to the diagonal 1.
        period_rtol: relative difference of what should be the same on both sides of a period, or on all ranks.
        faces: random points of a face, or of the box, at which that is compared.
    """

    asymmetry: float = 1e-8
    singular: float = 8 * float(np.finfo(float).eps)
    period_rtol: float = 1e-8
    faces: int = 16


SETTINGS = CheckSettings()
# determinant of such an M from which no eigenvalue need be looked at
SURELY = 1e-6
# volume of a cell, or rate between nodes: products of two of them are doubles below it, and above its reciprocal
LARGEST = 1e150


class Coefficients(Protocol):
    """The coefficients of an effective equation."""

    @property
    def temperature(self) -> float:
        """The temperature sigma, in units of energy."""

    def mobility(self, points: np.ndarray) -> np.ndarray:
        """The mobility tensors M (P, d, d) at points (P, d)."""

    def free_energy(self, points: np.ndarray) -> np.ndarray:
        """The free energy Psi (P,) at points (P, d)."""


def checked_coefficients(coefficients: Coefficients) -> Coefficients:
    """Return coefficients that have all three parts.

    Raises:
        InvalidArgument: a part is missing, or sigma is not positive.
    """
    missing = [part for part in ("mobility", "free_energy", "temperature") if not hasattr(coefficients, part)]
    if missing:
        raise InvalidArgument(
            "coefficients",
            f"must have mobility(points), free_energy(points) and temperature, but {type(coefficients).__name__} "
            f"has no {missing[0]}; for a MultiscalePotential take EffectiveFokkerPlanck",
        )
    number("temperature", coefficients.temperature, above=0.0)
    return coefficients


def check_units(grid: Grid, rate: float) -> None:
    """Check that products of two volumes of cells, or of two rates between nodes, are doubles.

    Args:
        grid: the nodes.
        rate: the largest sigma M_ii/h_i^2 of all nodes, the same on all ranks.

    Raises:
        InvalidArgument: the volume or the rate is below 1e-150 or above 1e150.
    """
    with np.errstate(all="ignore"):
        volume = float(np.prod(grid.spacing))
    for what, size in (("cells have the volume", volume), ("sigma M/h^2, with h the width of a cell, is", rate)):
        if not 1.0 / LARGEST <= size <= LARGEST:
            reason = f"{what} {size:.2g}, whose square is no double: take other units of length, energy or time"
            raise InvalidArgument("box", reason)


def exponent_at(coefficients: Coefficients, points: np.ndarray) -> np.ndarray:
    """Psi/sigma (P,) at points (P, d).

    Raises:
        InvalidArgument: Psi raises, or is not one finite real number for each point.
    """
    return evaluated("free_energy", coefficients.free_energy, points) / float(coefficients.temperature)


def function_at(
    name: str, function: Callable[[np.ndarray], ArrayLike], points: np.ndarray, *, nonnegative: bool = False
) -> np.ndarray:
    """The values (P,) of a user's function at points (P, d); a number is none.

    Raises:
        InvalidArgument: not callable, it raises, or values that are wrong.
    """
    if not callable(function):
        raise InvalidArgument(name, f"must be a callable from points (P, d) to values (P,), not {shown(function)}")
    return evaluated(name, function, points, nonnegative=nonnegative)


def mobility_at(coefficients: Coefficients, points: np.ndarray) -> np.ndarray:
    """M (P, d, d) at points (P, d), symmetric to the last digit.

    Raises:
        InvalidArgument: M raises, is not (P, d, d) finite real numbers, or not symmetric and positive definite; the
            message has the place.
    """
    dim = points.shape[1]
    tensors = evaluated("mobility", coefficients.mobility, points, (dim, dim))
    mirrored = tensors.swapaxes(1, 2)
    symmetric = tensors.copy()
    # the rule; where it is not met, a closer look
    if not np.array_equal(tensors, mirrored):
        largest = np.abs(tensors).max(axis=(1, 2))
        crooked = np.abs(tensors - mirrored).max(axis=(1, 2)) > SETTINGS.asymmetry * largest
        if crooked.any():
            raise _refused("symmetric", points, tensors, int(crooked.argmax()))
        symmetric = 0.5 * (tensors + mirrored)
    indefinite = ~_definite(symmetric)
    if indefinite.any():
        raise _refused("positive definite", points, tensors, int(indefinite.argmax()))
    return symmetric


def _definite(tensors: np.ndarray) -> np.ndarray:
    """Whether symmetric tensors (P, d, d) are positive definite beyond rounding, whatever the units of the axes."""
    diagonal = np.diagonal(tensors, axis1=1, axis2=2)
    positive: np.ndarray = np.all(diagonal > 0, axis=1)
    dim = diagonal.shape[1]
    if dim == 1:
        return positive
    root = np.sqrt(np.where(positive[:, None], diagonal, 1.0))
    # with 1 on the diagonal
    scaled = tensors / root[:, :, None] / root[:, None, :]
    if dim == 2:
        return positive & (1.0 - scaled[:, 0, 1] ** 2 > SETTINGS.singular)
    a, b, c = scaled[:, 0, 1], scaled[:, 0, 2], scaled[:, 1, 2]
    # minors (Sylvester); the least eigenvalue is 4/9 of the determinant or more, as the others add up to less than 3
    determinant = 1.0 - a**2 - b**2 - c**2 + 2.0 * a * b * c
    definite = positive & (determinant > SURELY) & (np.abs(a) < 1.0) & (np.abs(b) < 1.0) & (np.abs(c) < 1.0)
    near = np.flatnonzero(positive & ~definite)
    definite[near] = np.linalg.eigvalsh(scaled[near])[:, 0] > SETTINGS.singular
    return np.asarray(definite)


def _refused(what: str, points: np.ndarray, tensors: np.ndarray, place: int) -> InvalidArgument:
    x = [float(f"{c:.10g}") for c in points[place]]
    return InvalidArgument("mobility", f"M must be {what} everywhere, but at x = {x} it is {tensors[place].tolist()}")


def compare_ranks(grid: Grid, coefficients: Coefficients) -> None:
    """Compare Psi and M of all ranks at random points of the box; collective.

    Raises:
        InvalidArgument: they are not the same on all ranks.
    """
    if grid.comm.size == 1:
        return
    x = _anywhere(grid)
    own = on_all_ranks(grid.comm, lambda: (exponent_at(coefficients, x), mobility_at(coefficients, x)))
    for name, values in zip(("free_energy", "mobility"), own):
        _compare(grid, name, values)


def compare_function(grid: Grid, name: str, function: Callable[[np.ndarray], ArrayLike]) -> None:
    """Compare the values of a user's function on all ranks at random points of the box; collective.

    Raises:
        InvalidArgument: on all ranks; they differ, or are no real numbers (P,).
    """
    x = _anywhere(grid)
    values = on_all_ranks(grid.comm, lambda: function_at(name, function, x))
    if grid.comm.size > 1:
        _compare(grid, name, values)


def _anywhere(grid: Grid) -> np.ndarray:
    """Random points (P, d) of the box, the same on all ranks."""
    low, high = grid.box.T
    generator = np.random.Generator(np.random.Philox(key=SETTINGS.faces))
    return np.asarray(low + (high - low) * generator.random((SETTINGS.faces, grid.dim)))


def _compare(grid: Grid, name: str, values: np.ndarray) -> None:
    first = grid.comm.bcast(values)
    if grid.comm.allreduce(int(np.abs(values - first).max() > SETTINGS.period_rtol * np.abs(first).max())):
        raise InvalidArgument(name, "must be the same on all ranks; it differs between them")


def check_periods(grid: Grid, coefficients: Coefficients, rtol: float) -> None:
    """Compare Psi and M on both sides of each period, at random points; collective.

    Args:
        grid: the box and its periods.
        coefficients: M, Psi, sigma.
        rtol: relative error that M may have.

    Raises:
        InvalidArgument: they are not the same.
    """
    generator = np.random.Generator(np.random.Philox(key=SETTINGS.faces))
    low, high = grid.box.T
    for i in np.flatnonzero(grid.periodic):
        sides = np.repeat((low + (high - low) * generator.random((SETTINGS.faces, grid.dim)))[None], 2, axis=0)
        sides[0, :, i], sides[1, :, i] = low[i], high[i]
        on_all_ranks(grid.comm, partial(_check_faces, coefficients, rtol, int(i), sides))


def _check_faces(coefficients: Coefficients, rtol: float, i: int, sides: np.ndarray) -> None:
    exponents = [exponent_at(coefficients, x) for x in sides]
    tensors = [mobility_at(coefficients, x) for x in sides]
    scale = max(1.0, float(np.abs(exponents[0]).max()))
    if np.abs(exponents[0] - exponents[1]).max() > SETTINGS.period_rtol * scale:
        raise InvalidArgument("periodic", f"Psi is not the same at both ends of direction {i}")
    if np.abs(tensors[0] - tensors[1]).max() > max(SETTINGS.period_rtol, 4 * rtol) * np.abs(tensors[0]).max():
        raise InvalidArgument("periodic", f"M is not the same at both ends of direction {i}")
