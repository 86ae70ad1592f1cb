"""What an effective equation is made of: M(x), Psi(x) and sigma, as they are asked for and looked at."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.checks import evaluated, number, shown

ASYMMETRY = 1e-8  # of the largest entry of M; interpolated tensors are symmetric to rounding, so this leaves much room
SINGULAR = 8 * float(np.finfo(float).eps)  # of what a determinant or an eigenvalue is when M has the diagonal 1


class Coefficients(Protocol):
    """What an effective equation is made of."""

    @property
    def temperature(self) -> float:
        """Sigma."""

    def mobility(self, points: np.ndarray) -> np.ndarray:
        """M (P, d, d) at points (P, d)."""

    def free_energy(self, points: np.ndarray) -> np.ndarray:
        """Psi (P,) at points (P, d)."""


def checked_coefficients(coefficients: Any) -> Coefficients:
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


def exponent_at(coefficients: Coefficients, points: np.ndarray) -> np.ndarray:
    """Psi/sigma (P,) at points (P, d).

    Raises:
        InvalidArgument: Psi raises, or is not one finite real number for each point.
    """
    return evaluated("free_energy", coefficients.free_energy, points) / float(coefficients.temperature)


def function_at(name: str, function: Any, points: np.ndarray, *, nonnegative: bool = False) -> np.ndarray:
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
    largest = np.abs(tensors).max(axis=(1, 2))
    crooked = np.abs(tensors - mirrored).max(axis=(1, 2)) > ASYMMETRY * largest
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
    scaled = tensors / root[:, :, None] / root[:, None, :]  # with 1 on the diagonal
    if dim == 2:
        return positive & (1.0 - scaled[:, 0, 1] ** 2 > SINGULAR)
    return positive & (np.linalg.eigvalsh(scaled)[:, 0] > SINGULAR)


def _refused(what: str, points: np.ndarray, tensors: np.ndarray, place: int) -> InvalidArgument:
    x = [float(f"{c:.6g}") for c in points[place]]
    return InvalidArgument(
        "mobility", f"M must be {what} everywhere in the box, but at x = {x} it is {tensors[place].tolist()}"
    )
