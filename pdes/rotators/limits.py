"""Where densities of actions begin and end: the initial one on a grid, mass outside of the box, and what tells two
evolutions apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.particles import DirectedDissipation, InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.checks import evaluated

from ..time.density_integrator import StepChoice
from .density import ActionDensity
from .problem import TransportProblem
from .space import ActionSpace

NEGATIVE, REFUSED = 1e-6, 1e-2  # of the mass of a stationary law: more is said, or refused
DIGITS = 10  # of R, where two problems are compared


def density_on_grid(space: ActionSpace, initial: Callable[[np.ndarray], Any], beyond: int | None = None) -> np.ndarray:
    """The user's initial density at the quadrature points, of which one coordinate may be taken beyond U.

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


def mass_beyond(space: ActionSpace, initial: Callable[[np.ndarray], Any], values: np.ndarray) -> float:
    """The part of the initial mass that is beyond one of the U_j, up to 2 U_j; `values` are those in the box.

    Raises:
        InvalidArgument: there is no mass in the box.
    """
    inside = space.plain_integral(values)
    if not inside > 0:
        raise InvalidArgument("initial", "is 0 at all quadrature points; take more cells, or a wider density")
    outside = sum(space.plain_integral(density_on_grid(space, initial, j)) for j in range(space.dim))
    return outside / (inside + outside)


def mass_behind(rho: ActionDensity, *, sure: bool = True) -> np.ndarray:
    """The mass of a density beyond U_j (N,), as its decay at the end of the box has it; where it does not decay there,
    1, or that of a tail as long as the box.
    """
    result = []
    for j, u in enumerate(rho.space.upper):
        near, end = rho.marginal(j, np.array([0.97 * u, u]))
        decay = np.log(max(near, 1e-300) / max(end, 1e-300)) / (0.03 * u)
        result.append(end / decay if decay > 0 else 1.0 if sure else end * u)
    return np.array(result)


def check_sign(rho: ActionDensity, comm: MPI.Comm) -> None:
    """Warn of a stationary law that is negative on some of its mass, an error of the elements, on rank 0.

    Raises:
        NotConverged: it is so on much of it.
    """
    if rho.negative <= NEGATIVE:
        return
    said, remedy = f"it is negative on {rho.negative:.1e} of its mass", "take more cells, or wide=True with an `upper`"
    if rho.negative > REFUSED:
        raise NotConverged("the stationary law of the actions", said, remedy)
    if comm.rank == 0:
        warn(f"the stationary law of the actions: {said}; {remedy}", Unresolved)


def problem_of(equation: TransportProblem, start: np.ndarray, times: np.ndarray, choice: StepChoice) -> str:
    """What tells evolutions apart, in all processes: R at the nodes, the discretisation and the start; collective."""
    parts = [equation.upper, np.array(equation.cells), equation.laws.temperature, times, np.round(start, 8)]
    label = repr(equation.lattice.dissipation)
    if not isinstance(equation.lattice.dissipation, DirectedDissipation):
        label = _digest(equation)
    text = f"{choice} {equation.degree} {label}".encode()
    return hashlib.sha256(text + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _digest(equation: TransportProblem) -> str:
    """R at the nodes, rounded, as a text; found on rank 0."""

    def found() -> str | None:
        if equation.comm.rank > 0:
            return None
        grids = np.meshgrid(*[axis.nodes for axis in equation.space.axes], indexing="ij")
        rates = equation.laws.dissipation.rate(np.stack([grid.ravel() for grid in grids], axis=1))
        largest = max(float(np.abs(rates).max()), 1e-300)
        rounded = np.round(rates / largest, DIGITS) + 0.0  # no -0
        return f"{largest:.9e} {hashlib.sha256(rounded.tobytes()).hexdigest()}"

    return str(equation.comm.bcast(on_all_ranks(equation.comm, found)))
