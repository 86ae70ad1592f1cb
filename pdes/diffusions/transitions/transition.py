"""Transitions from a set A to a set B in equilibrium: their frequency, rates, duration, density and current.

With the committor q (the probability to reach B before A) and the equilibrium mu = exp(-Psi/sigma)/Z,

    nu = int sigma mu <M grad q, grad q>        frequency of transitions from A to B, the capacity of (A, B),
    J = sigma mu M grad q                       their current; its flux through every surface between A and B is nu,
    k_AB = nu / int mu (1 - q),   k_BA = nu / int mu q                            rates,
    int mu q (1 - q) / nu                                                         mean duration.

Source: E and Vanden-Eijnden, Towards a theory of transition paths, J. Stat. Phys. 123 (2006) 503; Bovier, Eckhoff,
Gayrard and Klein, Metastability in reversible diffusion processes I, J. Eur. Math. Soc. 6 (2004) 399.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import flag
from scaling_limits.particles.support.not_pickled import NotPickled

from ..capacity.frequency_bounds import frequency_bounds
from ..hitting.between_nodes import BetweenNodes
from ..hitting.chain_solver import added
from ..hitting.coarser_grids import GIVEN, say_relative
from ..hitting.fields import NAMES as FIELD_NAMES
from ..hitting.fields import OPTIONAL as FIELD_OPTIONAL
from ..hitting.fields import ScalarField
from ..hitting.line import Line, committors
from ..hitting.line_panels import WEIGHTS, Integrals
from ..hitting.on_grid import GridProblem, scalar_errors
from ..hitting.target_sets import Indicator, TargetSet
from ..output.quantities import BACKWARD, COMMITTOR, REACTIVE
from ..output.together import ShownTransition, estimates
from ..problem import ReversibleDiffusion, integral
from ..storage.grid_files import (
    check_equation,
    check_has_box,
    damaged,
    load_on_grid,
    part_of,
    save_on_grid,
    with_prefix,
)
from ..storage.kept_functions import IN_CELLS, InSteps
from ..storage.reactive_density import Committor, ReactiveDensity
from .currents import OPTIONAL as CURRENT_OPTIONAL
from .currents import EdgeCurrents, VectorField

# relative difference of what leaves A and what enters B
BALANCED = 1e-6
# Gauss points along each direction of a cell, for the integral of the density of transitions
POINTS = 3
# part of the largest relative error of frequency and rates that all numbers have at least
SHARED = 0.5
NUMBERS = ("frequency", "rate", "backward_rate", "mean_duration")
# of files: what the density of paths has of the committors, which are there anyway; what there must be, and may be
COMMITTORS_AGAIN = {f"density.{side}.{name}" for side in ("forward", "backward") for name in ("nodal", *IN_CELLS)}
SCALARS = ("forward", "backward", "density")
NAMES = {"exponent", "numbers", "errors", "bounds", "current.nodal"}
NAMES |= {f"{field}.{name}" for field in SCALARS for name in FIELD_NAMES}
OPTIONAL = {f"{field}.{name}" for field in SCALARS for name in FIELD_OPTIONAL}
OPTIONAL |= {f"current.{name}" for name in CURRENT_OPTIONAL}


@dataclass(frozen=True, eq=False, repr=False)
class Transition(NotPickled, ShownTransition):
    """Transitions from a set A to a set B in equilibrium.

    Args:
        forward: q, the probability to reach B before A.
        backward: 1 - q, which of two reversed paths is the one that came from A.
        density: mu q (1 - q), normalised: where paths are on their way.
        current: J, in units of 1/(time volume) times length.
        frequency: nu, in units of 1/time.
        rate: k_AB, likewise.
        backward_rate: k_BA, likewise.
        mean_duration: of a transition, in units of time.
        errors: the estimated errors of these four numbers, by their names.
        flux: from the indicator of a region that holds A and not B to the current out of it.
        lower: nu is at least this; None where no bounds were asked for.
        upper: nu is at most this.
        equation: that was solved.
    """

    forward: ScalarField
    backward: ScalarField
    density: ScalarField
    current: VectorField
    frequency: float
    rate: float
    backward_rate: float
    mean_duration: float
    errors: dict[str, float]
    flux: Callable[[Indicator], float]
    lower: float | None = None
    upper: float | None = None
    equation: ReversibleDiffusion | None = None
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path, equation) reads it"

    @property
    def error(self) -> float:
        """The estimated error of the frequency, in units of 1/time."""
        return self.errors["frequency"]

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("forward", "backward", "density", "current")}

    def _numbers(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in (*self.errors, "error", "lower", "upper")}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = estimates(self, self.errors)
        if self.lower is not None:
            said["bounds of the frequency"] = f"[{self.lower:.6g}, {self.upper:.6g}]"
        return "Transition", said

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write committors, density, current and numbers to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        save_on_grid(self.forward.grid, path, "Transition", self._content)

    def _content(self) -> dict[str, Any]:
        """What is saved besides the grid: of the density what the committors do not tell."""
        assert self.equation is not None
        content: dict[str, Any] = {"exponent": self.equation.exponent(self.forward.grid.nodes)}
        for name, field in self._fields().items():
            content |= with_prefix(name, field.content)
        content = {name: value for name, value in content.items() if name not in COMMITTORS_AGAIN}
        numbers = [getattr(self, name) for name in NUMBERS]
        bounds = [np.nan if one is None else one for one in (self.lower, self.upper)]
        return content | {"numbers": numbers, "errors": [self.errors[name] for name in NUMBERS], "bounds": bounds}

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: ReversibleDiffusion) -> Self:
        """Read what `save` wrote, on any number of ranks; collective. Its fields are as `ScalarField.load` has them;
        `flux` is not in the file.

        Args:
            path: the file, on a disk of rank 0.
            equation: the one that was solved, which knows Psi between the nodes.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        check_has_box(equation, path)
        grid, content = load_on_grid(equation.comm, path, "Transition", NAMES, OPTIONAL)
        check_equation(path, grid, content["exponent"], equation)
        numbers, errors, bounds = (content[name] for name in ("numbers", "errors", "bounds"))
        if not numbers.shape == errors.shape == (len(NUMBERS),) or bounds.shape != (2,) or np.isnan(numbers).any():
            raise damaged(path)
        if "density.integral" in content:
            content |= {name: content[name.removeprefix("density.")] for name in COMMITTORS_AGAIN
                        if name.removeprefix("density.") in content}  # fmt: skip
        forward, backward, density = (
            ScalarField.read(grid, part_of(content, name), path, equation) for name in SCALARS
        )
        current = VectorField.read(grid, part_of(content, "current"), path)
        lower, upper = (None if np.isnan(one) else float(one) for one in bounds)
        values, spread = ({name: float(one) for name, one in zip(NUMBERS, part)} for part in (numbers, errors))
        return cls(
            forward, backward, density, current, **values, errors=spread, flux=_no_flux, lower=lower, upper=upper,
            equation=equation,
        )  # fmt: skip


def _no_flux(region: Indicator) -> float:
    """Of a transition that was read: no file has the currents along edges."""
    reason = "cannot be asked of a transition that was read from a file; through every surface between a and b the"
    raise InvalidArgument("region", f"{reason} flux is `frequency`: solve again to see it")


def transition(equation: ReversibleDiffusion, a: Indicator, b: Indicator, bounds: bool) -> Transition:
    """The transitions from a to b; see `FokkerPlanck.transition`."""
    on_all_ranks(equation.comm, lambda: flag("bounds", bounds))
    same_on_all_ranks(equation.comm, bounds=bounds)
    sets = (TargetSet("a", a, 0.0), TargetSet("b", b, 1.0))
    return (_on_a_line if equation.dim == 1 else _on_a_grid)(equation, sets, bounds)


def _numbers(frequency: float, shares: tuple[float, float, float]) -> dict[str, float]:
    """Frequency, rates and duration from nu and the integrals of mu (1 - q), mu q and mu q (1 - q)."""
    from_a, from_b, between = shares
    return {
        "frequency": frequency, "rate": frequency / from_a, "backward_rate": frequency / from_b,
        "mean_duration": between / frequency,
    }  # fmt: skip


def _say(equation: ReversibleDiffusion, numbers: dict[str, float], errors: dict[str, float]) -> None:
    worst = max(abs(errors[name]) / abs(numbers[name]) for name in numbers)
    say_relative(equation.grid, "rates and durations of the transition are", worst, equation.rtol)


# --- on a line -------------------------------------------------------------------------------------------


def _on_a_line(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], bounds: bool) -> Transition:
    line = Line(equation, sets)
    panels, forward, backward = line.panels, *committors(line)
    q, p = line.shares(panels.resistance)
    found = _line_numbers(line, panels.weight, panels.resistance, q, p)
    weight, resistance = line.inflated
    above = _line_numbers(line, panels.weight, resistance, q, p)
    below = _line_numbers(line, weight, panels.resistance, q, p)
    relative = {name: abs(above[name] / found[name] - 1.0) + abs(below[name] / found[name] - 1.0) for name in found}
    # of M, and of exp(-Psi/sigma) in the numerator and in Z
    given = GIVEN * equation.error_of_coefficients
    errors = {name: found[name] * (relative[name] + given) for name in found}
    _say(equation, found, errors)
    total = _partition(line, panels.weight)
    load = np.exp(panels.weight - total) * q * p
    density = load / float((load * (panels.half[:, None] * WEIGHTS)).sum())
    field = line.field(density, np.abs(density) * relative["mean_duration"], (0.0, 0.0))
    flows = _flows(line, panels.resistance, total)
    steps = _in_steps(line, flows)
    current = VectorField(line.grid, steps, steps(line.grid.nodes))
    least, most = (found["frequency"] - errors["frequency"], found["frequency"] + errors["frequency"])

    def flux(region: Indicator) -> float:
        within = TargetSet("region", region, 0.0).holds(panels.nodes.reshape(-1, 1)).reshape(panels.nodes.shape)
        _check_region(bool(within[line.place == 0].all()), bool(within[line.place == 1].any()))
        return found["frequency"]

    forward, backward, field = _named(forward, backward, field)
    return Transition(
        forward, backward, field, current, **found, errors=errors, flux=flux,
        lower=least if bounds else None, upper=most if bounds else None, equation=equation,
    )  # fmt: skip


def _partition(line: Line, weight: np.ndarray) -> float:
    """log of int exp(-Psi/sigma), relative to its largest value."""
    return Integrals.of(weight, line.panels.half).whole


def _line_numbers(
    line: Line, weight: np.ndarray, resistance: np.ndarray, q: np.ndarray, p: np.ndarray
) -> dict[str, float]:
    total = _partition(line, weight)
    share = np.exp(line.panels.weight - total) * (line.panels.half[:, None] * WEIGHTS)
    frequency = float(np.abs(_flows(line, resistance, total)).sum())
    if not frequency > 0:
        raise NotConverged("a transition", "its frequency is no double", "take a higher temperature")
    return _numbers(frequency, (float((share * p).sum()), float((share * q).sum()), float((share * q * p).sum())))


def _flows(line: Line, resistance: np.ndarray, total: float) -> np.ndarray:
    """The current through each gap, to the right."""
    flows = []
    for gap in line.gaps:
        joins = {gap.left, gap.right} == {0, 1}
        size = (
            np.exp(-total - Integrals.of(resistance[gap.panels], line.panels.half[gap.panels]).whole) if joins else 0.0
        )
        flows.append(size if gap.right == 1 else -size)
    return np.array(flows)


def _in_steps(line: Line, flows: np.ndarray) -> InSteps:
    """The current of each gap, on its panels."""
    values = np.zeros(len(line.place))
    for gap, flow in zip(line.gaps, flows):
        values[gap.panels] = flow
    return InSteps(line.panels.ends, values)


# --- on a grid ----------------------------------------------------------------------------------------------


def _on_a_grid(equation: ReversibleDiffusion, sets: tuple[TargetSet, ...], bounds: bool) -> Transition:
    problem = GridProblem(equation, sets)
    chain, grid = problem.chain, equation.grid
    currents, numbers = _grid_numbers(problem)
    errors = scalar_errors(problem, lambda other: _grid_numbers(other)[1])
    # grids may agree by chance on a number that is made of others
    least = SHARED * max(errors[name] / numbers[name] for name in ("frequency", "rate", "backward_rate"))
    errors = {name: max(error, least * numbers[name]) for name, error in errors.items()}
    forward = problem.field(_share(problem, 0), lambda other: _share(other, 0), (0.0, 1.0))
    backward = problem.field(_share(problem, 1), lambda other: _share(other, 1), (1.0, 0.0))
    _say(equation, numbers, errors)
    # the integral of mu q (1 - q) is the product of these
    uncertain = sum(errors[name] / numbers[name] for name in ("frequency", "mean_duration"))
    density = _density(problem, forward, backward, uncertain)

    def flux(region: Indicator) -> float:
        indicator = TargetSet("region", region, 0.0)
        within = on_all_ranks(grid.comm, lambda: indicator.holds(grid.nodes))
        same_on_all_ranks(grid.comm, region=within)
        _check_region(bool(within[chain.place == 0].all()), bool(within[chain.place == 1].any()))
        return currents.through(within)

    lower, upper = None, None
    if bounds:
        interval = frequency_bounds(equation, sets[0].function, sets[1].function)
        lower, upper = interval.lower, interval.upper
        of_cells = numbers["frequency"]
        numbers, errors = _within(numbers, errors, lower, upper)
        # the current that is returned has the frequency that is returned
        currents = currents.times(numbers["frequency"] / of_cells)
    q, p, rho = _named(forward, backward, density)
    return Transition(
        q, p, rho, currents.field(), **numbers,
        errors=errors, flux=flux, lower=lower, upper=upper, equation=equation,
    )  # fmt: skip


def _density(problem: GridProblem, forward: ScalarField, backward: ScalarField, uncertain: float) -> ScalarField:
    """The field mu q (1 - q) over its integral, whose relative error is given; collective."""
    equation, generator = problem.equation, problem.chain.generator

    q, p = (Committor(one.nodal, one.interpolant) for one in (forward, backward))
    exponents = np.asarray(generator.exponent + generator.lowest)
    product = ReactiveDensity(q, p, 1.0, generator.lowest, exponents, equation.exponent)
    whole = float(integral(problem.grid, lambda x, weights: weights @ product(x), POINTS))
    pi = np.exp(-generator.exponent) / whole
    nodal = pi * forward.nodal * backward.nodal
    errors = None
    if forward.errors is not None and backward.errors is not None:
        nodes = problem.grid.nodes
        # the errors of q and 1 - q are opposite
        error = np.maximum(forward.errors(nodes), backward.errors(nodes))
        change = error * (np.abs(backward.nodal - forward.nodal) + error)
        errors = BetweenNodes(problem.grid, pi * change + uncertain * nodal, ())
    return ScalarField(problem.grid, replace(product, integral=whole), nodal, errors)


def _named(
    forward: ScalarField, backward: ScalarField, density: ScalarField
) -> tuple[ScalarField, ScalarField, ScalarField]:
    """Both committors and the density, with their names."""
    return (
        replace(forward, quantity=COMMITTOR), replace(backward, quantity=BACKWARD), replace(density, quantity=REACTIVE)
    )  # fmt: skip


def _within(
    numbers: dict[str, float], errors: dict[str, float], lower: float, upper: float
) -> tuple[dict[str, float], dict[str, float]]:
    """The numbers with a frequency in its interval: the middle of it where that is narrower than the error of the
    cells.
    """
    found, nu = numbers["frequency"], 0.5 * (lower + upper)
    error = 0.5 * (upper - lower)
    if error > errors["frequency"]:
        nu = min(max(found, lower), upper)
        error = max(upper - nu, nu - lower)
    factor = {"frequency": nu / found, "rate": nu / found, "backward_rate": nu / found, "mean_duration": found / nu}
    scaled = {name: numbers[name] * factor[name] for name in numbers}
    return scaled, {**{name: errors[name] * factor[name] for name in errors}, "frequency": error}


def _share(problem: GridProblem, which: int) -> np.ndarray:
    """The probability (size,) to reach the second set before the first, or the first before the second."""
    values = np.clip(added(problem.shares)[:, which], 0.0, 1.0)
    values[problem.chain.place == 1 - which] = 1.0
    values[problem.chain.place == which] = 0.0
    return np.asarray(values)


def _grid_numbers(problem: GridProblem) -> tuple[EdgeCurrents, dict[str, float]]:
    chain = problem.chain
    tail, head = chain.generator.edges.tail, chain.generator.edges.head
    joined = chain.place[tail] + chain.place[head] == 1
    joined &= (chain.place[tail] >= 0) & (chain.place[head] >= 0)
    if chain.grid.comm.allreduce(int(joined.sum())):
        raise InvalidArgument("b", "is joined to a by single edges: their gap is not resolved; take more cells")
    currents = EdgeCurrents.of(chain, problem.shares)
    into, out = currents.total()
    if not into > 0:
        raise NotConverged("a transition", "its frequency is no double", "take a higher temperature")
    if not abs(into - out) <= BALANCED * into:
        raise NotConverged(
            "a transition", f"{out:.6e} leaves a and {into:.6e} enters b", "take more cells, or a higher temperature"
        )
    share = np.exp(-chain.generator.exponent) * chain.generator.volumes
    share = np.where(chain.generator.alive, share / share.sum(), 0.0)
    q, p = (np.nan_to_num(_share(problem, which)) for which in (0, 1))
    return currents, _numbers(into, (float(share @ p), float(share @ q), float(share @ (q * p))))


def _check_region(holds_a: bool, meets_b: bool) -> None:
    if not holds_a or meets_b:
        raise InvalidArgument("region", "must hold all of a and nothing of b")
