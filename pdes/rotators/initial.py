"""Initial densities of actions on a grid, their mass outside of a box, and what tells two evolutions apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from scaling_limits.particles import DirectedDissipation, InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import evaluated

from ..time.density_integrator import StepChoice
from .discretisation import TransportDiscretisation
from .elements.space import ActionSpace

DIGITS = 10  # of R, where two problems are compared


def density_on_grid(space: ActionSpace, initial: Callable[[np.ndarray], Any], beyond: int | None = None) -> np.ndarray:
    """The user's initial density at the quadrature points, of which one coordinate may be taken beyond U.

    Args:
        space: gives the points.
        initial: the density, from points (P, N) to values (P,).
        beyond: the axis along which the points are moved by U, or None.

    Raises:
        InvalidArgument: not a callable, it raises, or its values are not real, finite, >= 0 and one for each point.
    """
    if not callable(initial):
        raise InvalidArgument("initial", f"must be a callable from points (P, {space.dim}) to values (P,)")
    offset = np.zeros(space.dim)
    if beyond is not None:
        offset[beyond] = space.upper[beyond]

    def checked(points: np.ndarray) -> np.ndarray:
        return evaluated("initial", initial, points + offset, nonnegative=True, broadcast=False)

    return space.on_grid(checked)


def mass_outside(space: ActionSpace, initial: Callable[[np.ndarray], Any], values: np.ndarray) -> float:
    """The part of the initial mass that is beyond one of the U_j, up to 2 U_j; `values` are those in the box.

    Raises:
        InvalidArgument: there is no mass in the box.
    """
    inside = space.plain_integral(values)
    if not inside > 0:
        raise InvalidArgument("initial", "is 0 at all quadrature points; take more cells, or a wider density")
    outside = sum(space.plain_integral(density_on_grid(space, initial, j)) for j in range(space.dim))
    return outside / (inside + outside)


def fingerprint(found: TransportDiscretisation, start: np.ndarray, times: np.ndarray, stepper: StepChoice) -> str:
    """What tells evolutions apart, in all processes: R at the nodes, the discretisation and the start; collective."""
    parts = [found.upper, np.array(found.cells), found.weights.temperature, times, np.round(start, 8)]
    dissipation = found.sites.dissipation.lattice.dissipation
    label = repr(dissipation) if isinstance(dissipation, DirectedDissipation) else _digest(found)
    text = f"{stepper} {found.degree} {label}".encode()
    return hashlib.sha256(text + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _digest(found: TransportDiscretisation) -> str:
    """R at the nodes, rounded, as a text; found on rank 0."""

    def of_rank_0() -> str | None:
        if found.comm.rank > 0:
            return None
        grids = np.meshgrid(*[axis.nodes for axis in found.space.axes], indexing="ij")
        rates = found.sites.dissipation.rate(np.stack([grid.ravel() for grid in grids], axis=1))
        largest = max(float(np.abs(rates).max()), 1e-300)
        rounded = np.round(rates / largest, DIGITS) + 0.0  # no -0
        return f"{largest:.9e} {hashlib.sha256(rounded.tobytes()).hexdigest()}"

    return str(found.comm.bcast(on_all_ranks(found.comm, of_rank_0)))
