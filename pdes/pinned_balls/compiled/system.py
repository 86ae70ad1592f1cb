"""A solve of the pinned-billiard equations in compiled code: the mesh, the problem, and the integration in time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from scaling_limits.meshes.backend.quadrature import lobatto_weights
from scaling_limits.particles.sampling import one_process

from ...time import integration
from ...time.integration import Statistics, StepControl
from ...time.rosenbrock import Rosenbrock
from ..discretisation import BilliardStates
from ..elements import kept_forms
from ..energy_norm import NEGATIVE
from ..forms import BilliardForm, EnergyForm
from ..mesh_choice import least_diffusion
from . import steps
from .condensed import condensed
from .fluxes import fluxes, places
from .kernels import kernels, node_positions
from .operations import System
from .pivoted import pivoted
from .rules import Limits

# nodes times attempts of a step in one call of compiled code, a few tenths of a second: Ctrl-C is heard in between
AT_ONCE = 400_000
# the largest backward error of a solution without an exchange of rows
SURE = 1e-13
# forms are made, and functions compiled, by one thread
_MAKING = threading.RLock()


class CompiledElements:
    """Equal cells of the unit interval on one rank, with the nodes in the order of x (`elements.ElementNodes`).

    Args:
        cells: number of equal cells.
        degree: of the elements.
        form: the second unknown.
        absorbing: whether sigma = 0 at the ends.
    """

    def __init__(self, cells: int, degree: int, form: BilliardForm, absorbing: bool) -> None:
        self.cells, self.degree, self.form, self.absorbing = cells, degree, form, absorbing
        self.comm = one_process.COMM_SELF
        self.points = node_positions(cells, degree)
        self.nodal = slice(0, 2 * self.points.size, 2), slice(1, 2 * self.points.size, 2)
        weights = lobatto_weights(degree) / cells
        self.weights = np.zeros(self.points.size)
        self.weights[:-1] = np.tile(weights[:-1], cells)
        self.weights[degree::degree] += weights[-1]
        self.mass = np.repeat(self.weights, 2)
        self.ends = np.array([0, self.points.size - 1] if absorbing else [], dtype=np.int64)

    @property
    def condensed(self) -> bool:
        """Whether there are steps without kernels of FFCx."""
        return isinstance(self.form, EnergyForm) and not self.absorbing

    @functools.cached_property
    def by_cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the entries of a state in the order of x are in one of `fluxes`, and the weights of its nodes."""
        place, n = places(self.cells, self.degree), self.degree * (self.cells + 1)
        weights = np.zeros(n)
        weights[place] = self.weights
        return np.stack([place, n + place], axis=1).ravel(), weights

    def diffusion(self, speed: float) -> float:
        """See `BilliardElements.diffusion`."""
        return least_diffusion(self.cells, self.degree, speed)


def compiled_elements(cells: int, degree: int, form: BilliardForm, absorbing: bool) -> CompiledElements:
    """The elements of this rank alone, perhaps those of another solve."""
    with _MAKING:
        return _kept(cells, degree, form, absorbing)


@functools.lru_cache(maxsize=8)
def _kept(cells: int, degree: int, form: BilliardForm, absorbing: bool) -> CompiledElements:
    return CompiledElements(cells, degree, form, absorbing)


class _Course(NamedTuple):
    """An integration in one of two numberings.

    Args:
        system: the problem.
        order: where the entries of a state in the order of x are in a state of the system; None: it is in that order.
        room: for steps.
        y: the state.
        f: its rate.
        kept: the states at the times.
    """

    system: System
    order: np.ndarray | None
    room: steps.Room
    y: np.ndarray
    f: np.ndarray
    kept: np.ndarray

    def in_order(self, state: np.ndarray) -> np.ndarray:
        """A copy of a state in the order of x."""
        return state.copy() if self.order is None else state[self.order]


class CompiledSystem(BilliardStates):
    """The states of a problem on compiled elements, and their integration in time.

    Args:
        elements: the mesh.
        speed: lambda.
        rtol: the tolerance.
        mu: initial mu at the nodes (m,).
        sigma: initial sigma there (m,).
    """

    def __init__(
        self, elements: CompiledElements, speed: float, rtol: float, mu: np.ndarray, sigma: np.ndarray
    ) -> None:
        super().__init__(elements, rtol, mu, sigma)
        self._elements, self._speed = elements, speed

    def states(
        self, method: Rosenbrock, times: np.ndarray, statistics: Statistics, *, first: float,
        control: StepControl | None = None, between: Callable[[], None] | None = None,
        look: Callable[[float], None] | None = None,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        """Yield the states at the times, as `integration.integrate` does; the same arguments and errors.

        Args:
            method: of the steps.
            times: snapshots (T,).
            statistics: to which the cost is written.
            first: the first step tried.
            control: of the step sizes; None takes that of the method.
            between: called several times a second; what it raises ends the integration.
            look: is told the time that is reached, likewise.
        """
        control = control or method.control
        clock = steps.Clock(np.array([0.0, first, *[0.0] * 5]), np.zeros(6, dtype=np.int64), np.array([np.inf, 0.0]))
        # f is not known yet
        clock.counts[2] = -1
        momentum, energy = (np.nan, np.nan) if self.invariants is None else self.invariants
        limits = Limits(self.rtol, self.limit, momentum, energy)
        scheme, numbers = steps.scheme_arrays(method), steps.control_numbers(control, first)
        course = self._condensed(method, times.size) if self._elements.condensed else self._pivoted(method, times.size)
        budget, told, state = max(1, AT_ONCE // self.start.size), 0, steps.INTERRUPTED
        while state != steps.REACHED:
            if between is not None:
                between()
            state = steps.advance(
                course.system,
                scheme,
                numbers,
                limits,
                course.room,
                clock,
                course.y,
                course.f,
                times,
                course.kept,
                budget,
            )
            _tell(statistics, clock)
            if look is not None:
                look(float(clock.now[0]))
            for k in range(told, int(clock.counts[5])):
                yield course.in_order(course.kept[k])
            told = int(clock.counts[5])
            if state == steps.FAILED:
                t, h, error = clock.now[:3]
                raise integration.given_up(method, control, _reason(int(clock.counts[4]), error), t, h)
            if state == steps.UNSURE:
                course = self._pivoted(method, times.size, course)

    def _condensed(self, method: Rosenbrock, times: int) -> _Course:
        """The integration from the start on, without kernels of FFCx."""
        elements = self._elements
        cells, degree = elements.cells, elements.degree
        order, weights = elements.by_cells
        form = fluxes(cells, degree, self._speed, elements.diffusion(self._speed), self.floor)
        system = condensed(form, weights, SURE)
        y = np.zeros(2 * weights.size)
        y[order] = self.start
        return _Course(system, order, _room(method, y.size), y, np.empty(y.size), np.empty((times, y.size)))

    def _pivoted(self, method: Rosenbrock, times: int, before: _Course | None = None) -> _Course:
        """The integration from the start on, or from where another one has come to."""
        elements = self._elements
        with _MAKING:
            forms = kept_forms(False, elements.degree, elements.form, elements.absorbing)
        speed = self._speed
        system = pivoted(kernels(forms, elements.cells, speed, elements.diffusion(speed), self.floor), self.mass)
        y, f = self.start.copy(), np.empty(self.start.size)
        if before is not None:
            y, f = before.in_order(before.y), before.in_order(before.f)
        return _Course(system, None, _room(method, y.size), y, f, np.empty((times, y.size)))


def _room(method: Rosenbrock, size: int) -> steps.Room:
    return steps.Room(np.empty((method.stages, size)), np.empty((3, size)))


def _tell(statistics: Statistics, clock: steps.Clock) -> None:
    numbers = (int(number) for number in clock.counts[:4])
    statistics.steps, statistics.refused, statistics.evaluations, statistics.factorisations = numbers
    statistics.smallest_step, statistics.largest_step = (float(size) for size in clock.extremes)


def _reason(number: int, error: float) -> str:
    """The words for a refused step, empty where none was."""
    return {
        steps.TAKEN: "", steps.NOT_FINITE: integration.NOT_FINITE, steps.NEGATIVE: NEGATIVE,
        steps.TOO_LARGE: integration.too_large(error),
    }[number]  # fmt: skip
