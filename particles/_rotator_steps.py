"""How large the steps of rotators are: phases, bonds and thermostats each set a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _checks
from ._user_functions import values_of
from .dissipations import Dissipation
from .errors import InvalidArgument
from .lattice_region import LatticeRegion

if TYPE_CHECKING:
    from .rotator_lattice import RotatorLattice

PHASE = 0.5  # f h: two neighbours then turn against one another by a radian in a step
LARGEST_PHASE = 0.5 * np.pi  # beyond it, steps sample their relative phase in resonance with it
BOND = 0.25  # epsilon^a |G'| h for each neighbour
LARGEST_BOND = 1.0
HEAT = 0.04  # rate of the dissipation times the slow time between two thermostats: Heun errs by its square
LARGEST_HEAT = 0.5
MOST_BETWEEN = 64  # steps between two thermostats
SPREAD = 2.0  # actions up to twice their scale count


@dataclass(frozen=True)
class RotatorStep:
    """H of the fast time, and m steps between two thermostats."""

    h: float
    between: int


def action_scale(dissipation: Dissipation, temperature: np.ndarray, start: np.ndarray) -> float:
    """The size of actions: (2 I)^(p/2) = T in equilibrium, or what they start from."""
    equilibrium = 0.5 * float(temperature.max()) ** (2.0 / dissipation.power)
    return max(equilibrium, float(0.5 * (np.abs(start) ** 2).mean(axis=0).max()))


def dissipation_rate(dissipation: Dissipation, region: LatticeRegion, scale: float) -> float:
    """max |g_j(u)|/|u_j| at random phases, with actions of twice the scale."""
    generator = np.random.Generator(np.random.Philox(key=region.size))
    u = np.sqrt(2 * SPREAD * scale) * np.exp(2j * np.pi * generator.random((8, region.size)))
    return float((np.abs(dissipation.at(region, u)) / np.abs(u)).max())


def chosen_step(lattice: RotatorLattice, step: float | None, start: np.ndarray) -> RotatorStep:
    """The step of the fast time, and how many of them lie between two thermostats.

    Raises:
        InvalidArgument: the given step is beyond a limit.
    """
    scale = action_scale(lattice.dissipation, lattice.temperature, start)
    squares = 2 * SPREAD * scale * np.linspace(0, 1, 65)
    fastest = float(values_of(lattice.compiled_frequency, squares).max() * np.abs(lattice.spins).max())
    strength = lattice.epsilon**lattice.coupling_exponent
    bond = strength * float(np.abs(values_of(lattice.compiled_coupling, 4 * squares)).max())
    neighbours = max((len(near) for near in lattice.region.neighbours), default=0)
    rate = dissipation_rate(lattice.dissipation, lattice.region, scale)
    if step is None:
        h = min(PHASE / fastest, BOND / max(bond * neighbours, 1e-300), HEAT / (lattice.epsilon * max(rate, 1e-300)))
    else:
        h = _checks.number("step", step, above=0.0)
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
    h = _checks.number("step", step, above=0.0)
    if rate * h > LARGEST_HEAT:
        raise InvalidArgument(
            "step", f"the dissipation is too fast for {h:.3g}; take at most {LARGEST_HEAT / rate:.3g}"
        )
    return h
