"""What (3.5) is made of: derivatives of the change of variables and of the parts of the Hamiltonian."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InvalidArgument, NotConverged
from ...support import checks
from ..canonical_variables import amplitudes_of, canonical_variables, finite
from ..lattice import RotatorLattice
from .brackets import Brackets
from .differences import around, curvatures, gradient, slopes
from .equation import CanonicalEquation

# steps of differences, relative to the root mean square of |v| of a state, or to half the modulus that the noise makes
# where that is larger: the first is tried, then the others
STEPS = (0.04, 0.02, 0.01)
# of the flow: so many, then twice as many for the error, and so on
FLOW_STEPS, MOST_FLOW_STEPS = 8, 128
RTOL = 1e-6  # of r and of what it is added to: an error above 1000 times this is refused
REFUSED, FLOOR = 1e-3, 1e-3
POINTS = 2**14  # at which functions are taken, at a time
MOST_WORK = 2**24  # amplitudes in all stencils


def canonical_equation(lattice: RotatorLattice, amplitudes: ArrayLike) -> CanonicalEquation:
    """The coefficients of the equation of the canonical variables at states v, (3.5).

    Derivatives are central differences of order 8 in all 2 N parts of the amplitudes, with steps and a number of steps
    of the flow that are chosen by their error; that takes 16 N flows for each state.

    Args:
        lattice: the rotators.
        amplitudes: v (..., N), complex; `canonical_variables(lattice, u)` goes there from u.

    Returns:
        Drift in its parts, and dispersion matrices.

    Raises:
        InvalidArgument: no lattice; amplitudes of a wrong shape, not finite, so large that powers of them overflow,
            or so many that it would take hours.
        NotConverged: derivatives whose error is above a thousandth of r: f, G' or g is not smooth there.

    Source: Dymov, Theorem 3.1.
    """
    checks.instance("lattice", lattice, RotatorLattice)
    given = amplitudes_of(lattice, amplitudes)
    size = lattice.size
    work = 16 * given.size * size
    if work > MOST_WORK:
        raise InvalidArgument(
            "amplitudes",
            f"{given.size // size} states of {size} sites take {work:.1e} amplitudes for differences, more than "
            f"{MOST_WORK:.1e}; give fewer states, or a window of fewer sites (bonds reach two sites)",
        )
    v = given.reshape(-1, size)
    pieces = [_coefficients(lattice, piece) for piece in np.array_split(v, max(1, -(-work // (POINTS * size))))]
    names = [name for name in pieces[0] if name != "floor"]
    whole = {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
    shaped = {name: array.reshape((*given.shape[:-1], *array.shape[1:])) for name, array in whole.items()}
    return CanonicalEquation(
        amplitudes=given, **shaped, epsilon=lattice.epsilon, coupling_exponent=lattice.coupling_exponent
    )


def _coefficients(lattice: RotatorLattice, v: np.ndarray) -> dict[str, np.ndarray]:
    """All parts at states (P, N), with steps of differences and of the flow that are small enough."""
    parts = Brackets(lattice, float((np.abs(v) ** 2).max(initial=0.0)))
    delta = lattice.epsilon**lattice.coupling_exponent
    best, step = _with(parts, v, delta, STEPS[0], FLOW_STEPS), STEPS[0]
    for smaller in STEPS[1:]:
        if _relative_error(best) <= RTOL:
            break
        other = _with(parts, v, delta, smaller, FLOW_STEPS)
        if _relative_error(other) < _relative_error(best):
            best, step = other, smaller
    flow_steps, change = FLOW_STEPS, np.full(len(v), np.inf)
    while _relative_error(best) <= REFUSED and flow_steps < MOST_FLOW_STEPS:
        flow_steps *= 2
        finer = _with(parts, v, delta, step, flow_steps)
        change = np.abs(finer["remainder"] - best["remainder"]).max(axis=1)
        best = finer
        if (change <= RTOL * _sizes(best)).all():
            break
    finite(best["remainder"])
    best["error"] = best["error"] + change
    if not _relative_error(best) <= REFUSED:
        raise NotConverged(
            "the derivatives of the change of variables",
            f"differences with steps down to {step:g} and {flow_steps} steps of the flow leave r unknown: f, G' or g "
            "is not smooth near these amplitudes, or G' is narrow",
            "take smoother functions, other amplitudes, or a smaller epsilon",
        )
    return best


def _relative_error(found: dict[str, np.ndarray]) -> float:
    return float((found["error"] / _sizes(found)).max(initial=0.0))


def _sizes(found: dict[str, np.ndarray]) -> np.ndarray:
    """What the errors of r are measured against (P,): r, the dissipation beside it, and a little of what noise does."""
    size = np.abs(found["remainder"]).max(axis=1) + np.abs(found["dissipation"]).max(axis=1)
    return np.asarray(size + found["floor"])


def _with(parts: Brackets, v: np.ndarray, delta: float, step: float, flow_steps: int) -> dict[str, np.ndarray]:
    """All parts at states (P, N), with given steps."""
    lattice, region = parts.lattice, parts.lattice.region
    square = np.abs(v) ** 2
    natural = float(lattice.temperature.max()) ** (1.0 / lattice.dissipation.power)
    h = step * np.maximum(np.sqrt(square.mean(axis=1)), 0.5 * natural)
    u = canonical_variables(lattice, v, steps=flow_steps, inverse=True)
    to_v = around(lambda points: canonical_variables(lattice, points, steps=flow_steps), u, h)
    centre = canonical_variables(lattice, u, steps=flow_steps)
    second = around(parts.second, v, h)
    beyond = around(lambda points: parts.beyond(points, delta, flow_steps), v, h)
    g, g_at_v = lattice.dissipation.at(region, u), lattice.dissipation.at(region, v)
    frequency = lattice.spins * lattice.frequencies.at(square)
    hottest = float(lattice.temperature.max())
    found = {
        # at rest r and g are 0
        "floor": np.full(len(v), FLOOR * hottest / natural),
        "microscopic": u,
        "rotation": 1j * (frequency * v + delta * parts.mean_gradient(v)),
        "dissipation": np.asarray(g_at_v, dtype=complex),
    }
    results = []
    for order in (6, 8):
        by_part = slopes(to_v, h, order)
        first = np.moveaxis(0.5 * (by_part[0] - 1j * by_part[1]), 0, -1)
        conjugate = np.moveaxis(0.5 * (by_part[0] + 1j * by_part[1]), 0, -1)
        # 4 d^2/(du dconj(u)) is the Laplacian
        laplacian = curvatures(to_v, centre, h, order).sum(axis=0)
        heated = 0.5 * np.tensordot(lattice.temperature, laplacian, axes=(0, 0))
        moved = _applied(first - np.eye(lattice.size), g) + _applied(conjugate, np.conj(g))
        of_second, of_beyond = (1j * gradient(values, h, order) for values in (second, beyond))
        hamiltonian = delta / lattice.epsilon * (of_beyond - of_second)
        remainder = (g - g_at_v + moved + heated) / delta + hamiltonian
        results.append((of_second, remainder, first, conjugate))
    heat = np.sqrt(lattice.temperature)
    of_second, remainder, first, conjugate = results[1]
    return found | {
        "second": of_second,
        "remainder": remainder,
        "noise": first * heat,
        "conjugate_noise": conjugate * heat,
        "error": np.abs(remainder - results[0][1]).max(axis=1),
    }


def _applied(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.asarray((matrix @ vector[..., None])[..., 0])
