"""Initial densities of actions: on a grid, in a box that holds them, and what tells two evolutions apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.particles import DirectedDissipation, InvalidArgument
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import evaluated

from ..time.density_integrator import StepChoice
from .discretisation import CUT, REFUSED, TransportDiscretisation
from .sizes import WIDENINGS
from .space import ActionSpace
from .weights import exponential_weights

BEYOND = 1e-10  # initial mass outside of a box that was chosen
DIGITS = 10  # of R, where two problems are compared

Initial = Callable[[np.ndarray], ArrayLike]


def density_on_grid(space: ActionSpace, initial: Initial, beyond: int | None = None) -> np.ndarray:
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


def mass_outside(space: ActionSpace, initial: Initial, values: np.ndarray) -> float:
    """The part of the initial mass that is beyond one of the U_j, up to 2 U_j; `values` are those in the box.

    Raises:
        InvalidArgument: there is no mass in the box.
    """
    inside = space.plain_integral(values)
    if not inside > 0:
        raise InvalidArgument("initial", "is 0 at all quadrature points; take more cells, or a wider density")
    outside = sum(space.plain_integral(density_on_grid(space, initial, j)) for j in range(space.dim))
    return outside / (inside + outside)


def holding(
    discretisation: TransportDiscretisation, initial: Initial, values: np.ndarray
) -> tuple[TransportDiscretisation, np.ndarray]:
    """A discretisation whose box holds an initial density, and its values on the grid there.

    Args:
        discretisation: of the stationary law; where its box was chosen, and is too small, a wider one with exponential
            weights is taken in its place.
        initial: the density, from points (P, N) to values (P,).
        values: of the density on the grid of `discretisation`.

    Raises:
        InvalidArgument: a given box does not hold the density; a density that no box holds, or that is none.

    Warns:
        Unresolved: a given box cuts off a little of it.
    """
    outside = mass_outside(discretisation.space, initial, values)
    if outside <= (BEYOND if discretisation.sized else CUT):
        return discretisation, values
    if not discretisation.sized:
        message = f"has {outside:.1e} of its mass outside of [0, U], U = {np.round(discretisation.upper, 3)}"
        if outside > REFUSED:
            raise InvalidArgument("initial", f"{message}; give a larger `upper`, or none")
        if discretisation.comm.rank == 0:
            warn(f"the initial density {message}, which is cut off", Unresolved)
        return discretisation, values
    upper = discretisation.upper
    for _ in range(WIDENINGS):
        upper = 1.5 * upper
        wider = replace(discretisation, upper=upper, weights=exponential_weights(discretisation.sites, upper))
        values = density_on_grid(wider.space, initial)
        if mass_outside(wider.space, initial, values) <= BEYOND:
            return wider, values
    raise InvalidArgument("initial", f"has mass beyond U = {np.round(upper, 3)}; is it integrable?")


def fingerprint(
    discretisation: TransportDiscretisation, start: np.ndarray, times: np.ndarray, stepper: StepChoice
) -> str:
    """What tells evolutions apart, in all processes: R at the nodes, the discretisation and the start; collective."""
    parts = [
        discretisation.upper,
        np.array(discretisation.cells),
        discretisation.weights.temperature,
        times,
        np.round(start, 8),
    ]
    dissipation = discretisation.sites.dissipation.lattice.dissipation
    label = repr(dissipation) if isinstance(dissipation, DirectedDissipation) else _digest(discretisation)
    text = f"{stepper} {discretisation.degree} {label}".encode()
    return hashlib.sha256(text + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _digest(discretisation: TransportDiscretisation) -> str:
    """R at the nodes, rounded, as a text; discretisation on rank 0."""

    def of_rank_0() -> str | None:
        if discretisation.comm.rank > 0:
            return None
        grids = np.meshgrid(*[axis.nodes for axis in discretisation.space.axes], indexing="ij")
        rates = discretisation.sites.dissipation.rate(np.stack([grid.ravel() for grid in grids], axis=1))
        largest = max(float(np.abs(rates).max()), 1e-300)
        rounded = np.round(rates / largest, DIGITS) + 0.0  # no -0
        return f"{largest:.9e} {hashlib.sha256(rounded.tobytes()).hexdigest()}"

    return str(discretisation.comm.bcast(on_all_ranks(discretisation.comm, of_rank_0)))
