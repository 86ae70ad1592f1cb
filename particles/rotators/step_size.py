"""How large the steps of rotators are: phases, bonds and thermostats each set a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ..support import checks
from ..support.compiled_functions import values_of
from .assumptions import least_value
from .dissipations.dissipation import DiagonalDissipation, Dissipation
from .dynamics import RotatorDynamics
from .region import LatticeRegion

PHASE = 0.5  # f h: two neighbours then turn against one another by a radian in a step
LARGEST_PHASE = 0.5 * np.pi  # beyond it, steps sample their relative phase in resonance with it
BOND = 0.25  # epsilon^a |G'| h for each neighbour
LARGEST_BOND = 1.0
HEAT = 0.04  # rate of the dissipation times the slow time between two thermostats: Heun errs by its square
LARGEST_HEAT = 0.5
MOST_BETWEEN = 64  # steps between two thermostats
POINTS = 257  # of |u|^2 at which f and G' are looked at
SPREAD = 2.0  # actions up to twice their scale count
STATES, MOST_STATES = 64, 1_000_000  # at which the derivative of a dissipation is looked at; times sites


@dataclass(frozen=True)
class RotatorStep:
    """H of the fast time, and m steps between two thermostats."""

    h: float
    between: int


def action_scale(dissipation: Dissipation, temperature: np.ndarray, start: np.ndarray) -> float:
    """The size of actions: (2 I)^(p/2) = T in equilibrium, or what they start from. Actions up to `SPREAD` times that
    count, so that it is not less than the largest of all members divided by `SPREAD`.
    """
    equilibrium = 0.5 * float(temperature.max()) ** (2.0 / dissipation.power)
    actions = 0.5 * np.abs(start) ** 2
    return max(equilibrium, float(actions.mean(axis=0).max()), float(actions.max()) / SPREAD)


def dissipation_rate(dissipation: Dissipation, region: LatticeRegion, scale: float) -> float:
    """How fast g changes amplitudes, 1/slow time, with actions of up to twice the scale: the largest |g_j(u)|/|u_j| at
    equal moduli and random phases, and the largest |Dg v|_j/(p - 1) for |v_k| = 1 at moduli that differ, where g is not
    a radial flow, which is solved exactly.
    """
    generator = np.random.Generator(np.random.Philox(key=region.size))
    largest = np.sqrt(2 * SPREAD * scale)
    u = largest * np.exp(2j * np.pi * generator.random((8, region.size)))
    rate = float((np.abs(dissipation.at(region, u)) / np.abs(u)).max())
    if isinstance(dissipation, DiagonalDissipation):
        return rate
    shape = (int(np.clip(MOST_STATES // region.size, 2, STATES)) // 2 * 2, region.size)
    moduli = np.sqrt(generator.random(shape))
    moduli[::2] = generator.integers(0, 2, (shape[0] // 2, region.size)) * 0.999 + 0.001
    phases = np.exp(2j * np.pi * generator.random(shape))
    for turn in (generator.choice([-1.0, 1.0], shape), np.exp(2j * np.pi * generator.random(shape))):
        v, small = phases * turn, 1e-6 * largest
        ends = [dissipation.at(region, largest * moduli * phases + side * small * v) for side in (1.0, -1.0)]
        change = np.abs(ends[0] - ends[1]).max() / (2 * small)
        rate = max(rate, float(change) / (dissipation.power - 1))
    return rate


def _largest(function: Any, squares: np.ndarray, name: str) -> float:
    """The largest modulus of a function of |u|^2, in an interval of which some values are given."""

    def negative(x: np.ndarray) -> np.ndarray:
        return -np.abs(values_of(function, x, name))

    return -least_value(negative, squares, negative(squares))


def chosen_step(lattice: RotatorDynamics, step: float | None, start: np.ndarray) -> RotatorStep:
    """The step of the fast time, and how many of them lie between two thermostats.

    Raises:
        InvalidArgument: the given step is beyond a limit.
    """
    scale = action_scale(lattice.dissipation, lattice.temperature, start)
    squares = 2 * SPREAD * scale * np.linspace(0, 1, POINTS)
    fastest = _largest(lattice.compiled_frequency, squares, "frequency") * float(np.abs(lattice.spins).max())
    strength = lattice.epsilon**lattice.coupling_exponent
    bond = strength * _largest(lattice.compiled_coupling, 4 * squares, "coupling")
    neighbours = max((len(near) for near in lattice.region.neighbours), default=0)
    rate = dissipation_rate(lattice.dissipation, lattice.region, scale)
    if step is None:
        h = min(
            PHASE / max(fastest, 1e-300),
            BOND / max(bond * neighbours, 1e-300),
            HEAT / (lattice.epsilon * max(rate, 1e-300)),
        )
    else:
        h = checks.number("step", step, above=0.0)
        limits = {
            "the phases of neighbours would alias": (fastest * h, LARGEST_PHASE),
            "bonds turn too far": (bond * neighbours * h, LARGEST_BOND),
            "the dissipation is too fast": (rate * lattice.epsilon * h, LARGEST_HEAT),
        }
        for reason, (value, limit) in limits.items():
            if value > limit:
                raise InvalidArgument("step", f"{reason} with {h:.3g}; take at most {h * limit / value:.3g}")
    between = int(np.clip(HEAT / (lattice.epsilon * max(rate, 1e-300) * h), 1, MOST_BETWEEN))
    return RotatorStep(h, between)


def chosen_slow_step(dissipation: Dissipation, region: LatticeRegion, scale: float, step: float | None) -> float:
    """The step of the effective equation, in slow time.

    Raises:
        InvalidArgument: the given step is beyond the limit.
    """
    rate = max(dissipation_rate(dissipation, region, scale), 1e-300)
    if step is None:
        return HEAT / rate
    h = checks.number("step", step, above=0.0)
    if rate * h > LARGEST_HEAT:
        raise InvalidArgument(
            "step", f"the dissipation is too fast for {h:.3g}; take at most {LARGEST_HEAT / rate:.3g}"
        )
    return h
