"""Derivatives of the effective tensor, of log Z_1 and of the free energy by parameters of the potential."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.diffusions.model_options import check_derivative
from scaling_limits.particles.support.checks import shown

from .levels.results import LevelResult, relative, weighted
from .levels.scale_splitting import ScaleSplitting
from .solvers.symmetric import derivative_of_exponential

TEMPERATURE = "temperature"
FLOOR = 1e-8  # relative errors of derivatives that are never too large


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Derivatives at P points by p parameters.

    Args:
        parameters: their names (p,).
        value: dM/dp (p, P, d, d).
        log_partition: d log Z_1/dp (p, P).
        free_energy: dPsi/dp (p, P).
        error: of dM/dp, relative to M in the order of symmetric matrices, and of d log Z_1/dp, absolute (p, P): an
            estimate, in the unit of 1/p.
        scale: how far d log K_k/dp varies in the cells (p, P); errors are at most ten times rtol, or 1e-8, times
            this.
    """

    parameters: tuple[str, ...]
    value: NDArray[np.float64]
    log_partition: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    error: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def relative_error(self) -> NDArray[np.float64]:
        """The largest error over its scale at each point (P,)."""
        return relative(self.error, self.scale).max(axis=0)

    @property
    def weighted_error(self) -> NDArray[np.float64]:
        """What the largest error counts at each point, compared with that of M (P,)."""
        return weighted(self.error, self.scale, FLOOR).max(axis=0)

    def known_at(self, known: NDArray[np.bool_]) -> Derivatives:
        """The same with NaN at the other points."""
        arrays = {name: getattr(self, name) for name in ("value", "log_partition", "free_energy")}
        unknown = np.where(known, 1.0, np.nan)
        return replace(self, **{n: a * unknown.reshape(1, -1, *[1] * (a.ndim - 2)) for n, a in arrays.items()})


def checked_derivatives(names: object, potential: MultiscalePotential) -> tuple[str, ...]:
    """Names of parameters by which derivatives are wanted.

    Raises:
        InvalidArgument: a name that is no parameter, or twice the same.
    """
    known = [*(potential.parameters or {}), TEMPERATURE]
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidArgument("derivatives", f"must be names such as ({known[0]!r},), not {shown(names)}")
    found = tuple(names)
    for name in found:
        if not isinstance(name, str) or name not in known:
            raise InvalidArgument("derivatives", f"must be of {', '.join(known)}, not {shown(name)}")
    if len(set(found)) < len(found):
        raise InvalidArgument("derivatives", f"must have each name once, not {found}")
    for name in found:
        if name != TEMPERATURE:
            check_derivative(potential, name)
    return tuple(str(name) for name in found)


def read_derivatives(arrays: dict[str, Any]) -> Derivatives | None:
    """Derivatives from the arrays of a file; None if these do not belong together."""
    if set(arrays) != set(Derivatives.__dataclass_fields__) or arrays["value"].ndim != 4:
        return None
    names, value, shape = arrays["parameters"], arrays["value"], arrays["value"].shape[:2]
    numbers = {name: array for name, array in arrays.items() if name != "parameters"}
    fits = names.ndim == 1 and names.dtype.kind == "U" and len(set(names.tolist())) == len(names) == shape[0]
    fits = fits and "" not in names and all(array.dtype.kind == "f" for array in numbers.values())
    if not fits or any(array.shape != shape for name, array in numbers.items() if name != "value"):
        return None
    known = np.isfinite(arrays["error"])
    good = all(np.isfinite(array[known]).all() for array in numbers.values())
    good = good and not np.isnan(arrays["error"]).any() and (arrays["error"] >= 0).all()
    good = good and bool((arrays["scale"][known] >= 0).all())
    size = np.abs(value[known]).max(initial=0.0)
    good = good and bool((np.abs(value - value.swapaxes(-1, -2))[known] <= 1e-9 * size).all())
    return Derivatives(**(arrays | {"parameters": tuple(names.tolist())})) if good else None


def derivatives_of(
    splitting: ScaleSplitting, points: np.ndarray, result: LevelResult, log_partition: np.ndarray
) -> Derivatives | None:
    """Derivatives of M, and of what belongs to it; None where none are wanted.

    Args:
        splitting: the potential, and its parameters.
        points: x (P, d).
        result: of the cells of the first level.
        log_partition: log Z_1 (P,).
    """
    found = result.sensitivities
    if found is None:
        return None
    potential, identity = splitting.potential, np.eye(splitting.dim)
    values, vectors = np.linalg.eigh(result.log_tensor - result.log_partition[:, None, None] * identity)
    of_z = found.log_partition.T + splitting.exponent_sensitivities(0, points, ()).T
    tensors = [
        derivative_of_exponential(values, vectors, change - partition[:, None, None] * identity)
        for change, partition in zip(found.log_tensor.swapaxes(0, 1), found.log_partition.T)
    ]
    free = []
    for name, change in zip(splitting.parameters, of_z):
        if name == TEMPERATURE:
            free.append(-log_partition - potential.temperature * change)
        else:
            free.append(potential.expressions.confining_derivative(name, points) - potential.temperature * change)
    # what K_k errs changes the averages in which its derivative is taken
    known = np.isfinite(result.error)
    error = np.where(known, found.error.T + np.where(known, result.error, 0.0) * found.scale.T, np.inf)
    return Derivatives(
        splitting.parameters, splitting.in_space(np.stack(tensors)), np.broadcast_to(of_z, error.shape),
        np.stack(free), error, found.scale.T,
    )  # fmt: skip
