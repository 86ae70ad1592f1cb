"""How large the steps of rotators are: phases, bonds and thermostats each set a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidArgument
from ..support import checks
from ..support.compiled_functions import values_of
from .assumptions import least_value
from .dissipations.dissipation import DiagonalDissipation, Dissipation
from .region import LatticeRegion


@dataclass(frozen=True)
class StepSettings:
    """How large automatic steps are, and beyond what a given step is refused.

    Measured: with the rate of g at equal moduli alone (no `states`), means of a dissipation that conducts between sites
    were off by 8 % and more, or members left all bounds; with these they are tested to 6 %. No measurement is known of
    the other numbers, which bound the part of a turn or of a relaxation that one step may take.

    Args:
        phase: f h; two neighbours then turn against one another by a radian in a step.
        largest_phase: beyond it steps sample their relative phase in resonance, and the coupling does not average out.
        bond: epsilon^a |G'| h for each neighbour.
        largest_bond: the same for a step that is given.
        heat: rate of the dissipation times the slow time between two thermostats; Heun's scheme errs by its square.
        largest_heat: the same for a step that is given.
        most_between: most steps between two thermostats.
        points: of |u|^2 at which f and G' are looked at.
        spread: actions up to that many times their scale count.
        states: amplitudes at which the derivative of a dissipation is looked at.
        most_states: the same times the number of sites.
    """

    phase: float = 0.5
    largest_phase: float = 0.5 * np.pi
    bond: float = 0.25
    largest_bond: float = 1.0
    heat: float = 0.04
    largest_heat: float = 0.5
    most_between: int = 64
    points: int = 257
    spread: float = 2.0
    states: int = 64
    most_states: int = 1_000_000


SETTINGS = StepSettings()


@dataclass(frozen=True)
class ChosenStep:
    """A time step.

    Args:
        h: its size.
        scale: the size of the actions that it is chosen for.
    """

    h: float
    scale: float


@dataclass(frozen=True)
class RotatorStep(ChosenStep):
    """A step of the fast time of a lattice; also the number m of steps between two thermostats."""

    between: int


def action_scale(dissipation: Dissipation, temperature: np.ndarray, start: np.ndarray) -> float:
    """The size of actions: I with (2 I)^(p/2) = T as in equilibrium, or what they start from, if that is larger.

    Steps are made for actions up to `spread` times this: it is at least the largest of all members over `spread`.
    """
    equilibrium = 0.5 * float(temperature.max()) ** (2.0 / dissipation.power)
    actions = 0.5 * np.abs(start) ** 2
    return max(equilibrium, float(actions.mean(axis=0).max()), float(actions.max()) / SETTINGS.spread)


def dissipation_rate(dissipation: Dissipation, region: LatticeRegion, scale: float) -> float:
    """How fast g changes amplitudes, in 1/slow time, for actions up to `spread` times the scale.

    The largest |g_j(u)|/|u_j| at equal moduli and random phases. Where g is not radial (whose flow is solved exactly),
    also the largest |Dg v|_j/(p - 1) for |v_k| = 1 at moduli that differ, since g may vanish at equal ones.
    """
    generator = np.random.Generator(np.random.Philox(key=region.size))
    largest = np.sqrt(2 * SETTINGS.spread * scale)
    u = largest * np.exp(2j * np.pi * generator.random((8, region.size)))
    rate = float((np.abs(dissipation.at(region, u)) / np.abs(u)).max())
    if isinstance(dissipation, DiagonalDissipation):
        return rate
    shape = (int(np.clip(SETTINGS.most_states // region.size, 2, SETTINGS.states)) // 2 * 2, region.size)
    moduli = np.sqrt(generator.random(shape))
    moduli[::2] = generator.integers(0, 2, (shape[0] // 2, region.size)) * 0.999 + 0.001
    phases = np.exp(2j * np.pi * generator.random(shape))
    for turn in (generator.choice([-1.0, 1.0], shape), np.exp(2j * np.pi * generator.random(shape))):
        v, small = phases * turn, 1e-6 * largest
        ends = [dissipation.at(region, largest * moduli * phases + side * small * v) for side in (1.0, -1.0)]
        change = np.abs(ends[0] - ends[1]).max() / (2 * small)
        rate = max(rate, float(change) / (dissipation.power - 1))
    return rate


def largest_modulus(function: Callable[[float], float], scale: float, name: str) -> float:
    """The largest modulus of a compiled function of |u|^2, for actions up to `spread` times their scale."""

    def negative(x: np.ndarray) -> np.ndarray:
        return -np.abs(values_of(function, x, name))

    squares = 2 * SETTINGS.spread * scale * np.linspace(0, 1, SETTINGS.points)
    return -least_value(negative, squares, negative(squares))


@dataclass(frozen=True)
class FastestRates:
    """How fast the parts of a lattice may be, in 1/fast time.

    Args:
        scale: the size of the actions for which they are that.
        phase: the largest |f_j|.
        bond: epsilon^a |G'| for all neighbours of a site.
        heat: epsilon times the rate of the dissipation.
    """

    scale: float
    phase: float
    bond: float
    heat: float

    def chosen_step(self, step: float | None) -> RotatorStep:
        """The step of the fast time, and how many of them lie between two thermostats.

        Raises:
            InvalidArgument: the given step is beyond a limit.
        """
        phase, bond, heat = (max(rate, 1e-300) for rate in (self.phase, self.bond, self.heat))
        if step is None:
            h = min(SETTINGS.phase / phase, SETTINGS.bond / bond, SETTINGS.heat / heat)
        else:
            h = checks.number("step", step, above=0.0)
            for reason, rate, limit in (
                ("the phases of neighbours would alias", phase, SETTINGS.largest_phase),
                ("bonds turn too far", bond, SETTINGS.largest_bond),
                ("the dissipation is too fast", heat, SETTINGS.largest_heat),
            ):
                if rate * h > limit:
                    raise InvalidArgument("step", f"{reason} with {h:.3g}; take at most {limit / rate:.3g}")
        return RotatorStep(h, self.scale, int(np.clip(SETTINGS.heat / (heat * h), 1, SETTINGS.most_between)))


def chosen_slow_step(dissipation: Dissipation, region: LatticeRegion, scale: float, step: float | None) -> float:
    """The step of the effective equation, in slow time.

    Raises:
        InvalidArgument: the given step is beyond the limit.
    """
    rate = max(dissipation_rate(dissipation, region, scale), 1e-300)
    if step is None:
        return SETTINGS.heat / rate
    h = checks.number("step", step, above=0.0)
    if rate * h > SETTINGS.largest_heat:
        raise InvalidArgument(
            "step", f"the dissipation is too fast for {h:.3g}; take at most {SETTINGS.largest_heat / rate:.3g}"
        )
    return h
