"""A solve of the pinned-billiard equations in compiled code: the mesh, the problem, and the integration in time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator

import numpy as np

from scaling_limits.meshes.backend.quadrature import lobatto_weights
from scaling_limits.particles.sampling import one_process

from ...time import integration
from ...time.integration import Statistics, StepControl
from ...time.rosenbrock import Rosenbrock
from ..discretisation import BilliardStates
from ..elements import CompiledForms, kept_forms, least_diffusion
from ..energy_norm import NEGATIVE
from ..forms import BilliardForm
from . import steps
from .kernels import kernels, node_positions
from .rules import Limits

# nodes times attempts of a step in one call of compiled code, a few tenths of a second: Ctrl-C is heard in between
AT_ONCE = 400_000
# forms are made, and functions compiled, by one thread
_MAKING = threading.RLock()


class CompiledElements:
    """Equal cells of the unit interval on one rank, with the nodes in the order of x (`elements.ElementNodes`).

    Args:
        forms: of the equations, for one degree, second unknown and boundary.
        cells: number of equal cells.
    """

    def __init__(self, forms: CompiledForms, cells: int) -> None:
        self.forms, self.cells, self.comm = forms, cells, one_process.COMM_SELF
        degree = forms.degree
        self.points = node_positions(cells, degree)
        self.nodal = slice(0, 2 * self.points.size, 2), slice(1, 2 * self.points.size, 2)
        weights = lobatto_weights(degree) / cells
        mass = np.zeros(self.points.size)
        mass[:-1] = np.tile(weights[:-1], cells)
        mass[degree::degree] += weights[-1]
        self.mass = np.repeat(mass, 2)
        self.ends = np.array([0, self.points.size - 1] if forms.absorbing else [], dtype=np.int64)

    def diffusion(self, speed: float) -> float:
        """See `BilliardElements.diffusion`."""
        return least_diffusion(self.cells, self.forms.degree, speed)


def compiled_elements(cells: int, degree: int, form: BilliardForm, absorbing: bool) -> CompiledElements:
    """The elements of this rank alone, perhaps those of another solve."""
    with _MAKING:
        return _kept(cells, degree, form, absorbing)


@functools.lru_cache(maxsize=8)
def _kept(cells: int, degree: int, form: BilliardForm, absorbing: bool) -> CompiledElements:
    return CompiledElements(kept_forms(False, degree, form, absorbing), cells)


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
        self._kernels = kernels(elements.forms, elements.cells, speed, elements.diffusion(speed), self.floor)

    def states(
        self, method: Rosenbrock, times: np.ndarray, statistics: Statistics, *, first: float,
        control: StepControl | None = None, between: Callable[[], None] | None = None,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        """Yield the states at the times, as `integration.integrate` does; the same arguments and errors.

        Args:
            method: of the steps.
            times: snapshots (T,).
            statistics: to which the cost is written.
            first: the first step tried.
            control: of the step sizes; None takes that of the method.
            between: called several times a second; what it raises ends the integration.
        """
        control = control or method.control
        y, f = self.start.copy(), np.empty(self.start.size)
        room = steps.room(self._kernels, self.mass, method.stages)
        clock = steps.Clock(np.array([0.0, first, 0.0]), np.zeros(5, dtype=np.int64), np.array([np.inf, 0.0]))
        # f is not known yet
        clock.counts[2] = -1
        momentum, energy = (np.nan, np.nan) if self.invariants is None else self.invariants
        arguments = (
            self._kernels, steps.scheme_arrays(method), steps.control_numbers(control),
            Limits(self.rtol, self.limit, momentum, energy), room, clock, y, f,
        )  # fmt: skip
        budget, end = max(1, AT_ONCE // y.size), float(times[-1])
        for target in times:
            state = steps.INTERRUPTED
            while state == steps.INTERRUPTED:
                if between is not None:
                    between()
                state = steps.advance(*arguments, float(target), end, budget)
            _tell(statistics, clock)
            if state == steps.FAILED:
                t, h, error = clock.now
                raise integration.given_up(method, control, _reason(int(clock.counts[4]), error), t, h)
            yield y.copy()


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
