"""Mean first passage times, committors, and the Poisson equation of the generator, with elements of degree 2.

Their errors are estimated by the difference from elements of degree 1, which is about the error of these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from dolfinx import fem, la
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.quantities import Quantity

from ...coefficients import function_at
from ...output.quantities import COMMITTOR, POISSON, TIME
from ..problem import DiffusionOnMesh
from .boundary_gap import BoundaryGap
from .dirichlet import DirichletProblem, Solved
from .fields import MeshField
from .sets import GivenSet, MeshSet, SetsOnMesh, resolved

DEGREES = (2, 1)
# relative error of a field from which a warning says so
SAID = 0.05
# of the scale of a solution: below it there is nothing
ROUNDING = 1e-12
# of the largest value: a difference that is below it crosses 0
CROSSING = 1e-15

Solution = Callable[[DirichletProblem], Solved]


def passage_time(equation: DiffusionOnMesh, target: GivenSet) -> MeshField:
    """The field T; see `FokkerPlanck.mean_first_passage_time`."""
    found = resolved(equation, MeshSet("target", target, 0.0))
    return field_of(found, mean_time, (0.0, np.inf), "the mean first passage time", TIME)


def mean_time(problem: DirichletProblem) -> Solved:
    """-div(sigma pi M grad T) = pi, T = 0 in the set."""
    load = problem.load(problem.forms.weights[0] * problem.test * problem.forms.dx)
    return problem.solve(load, (0.0,), "the mean first passage time")


def committor(equation: DiffusionOnMesh, a: GivenSet, b: GivenSet) -> MeshField:
    """The field q; see `FokkerPlanck.committor`."""
    found = resolved(equation, MeshSet("a", a, 0.0), MeshSet("b", b, 1.0))
    return field_of(found, forward, (0.0, 1.0), "the committor", COMMITTOR)


def forward(problem: DirichletProblem) -> Solved:
    """-div(sigma pi M grad q) = 0, q = 0 in the first set and 1 in the second."""
    return problem.solve(np.zeros(len(problem.free)), (0.0, 1.0), "the committor")


def field_of(
    found: SetsOnMesh, solution: Solution, limits: tuple[float, float], what: str, quantity: Quantity
) -> MeshField:
    """The field of a solution with its errors; collective.

    Warns:
        Unresolved: the errors are more than 5 % of the largest value.
    """
    fine, coarse = (solution(DirichletProblem(found.equation, found.place, degree)) for degree in DEGREES)
    gap = BoundaryGap(found).of_field(fine.function)
    field = MeshField(
        found.equation, fine.function, difference(fine, coarse, limits, gap), found.sets, limits, quantity
    )
    _say(found.equation, field, what)
    return field


def _say(equation: DiffusionOnMesh, field: MeshField, what: str, least: float = 0.0) -> None:
    """Warn of errors that are more than a part of the largest value, and than what rounding leaves; collective."""
    largest = equation.comm.allreduce(float(np.abs(field.values).max(initial=0.0)), MPI.MAX)
    error = field.error
    assert error is not None
    if error > max(SAID * largest, least) and equation.comm.rank == 0 and not equation.quiet:
        warn(f"{what} is known to {error / largest:.1e} of its largest value only; refine the mesh", Unresolved)


def difference(fine: Solved, coarse: Solved, limits: tuple[float, float], gap: float) -> fem.Function:
    """The estimated error: the difference, what is beyond the limits, rounding, and that of the boundaries of sets."""
    space = fine.function.function_space
    result = fem.Function(space, name="error")
    result.interpolate(coarse.function)
    values = fine.function.x.array
    beyond = np.abs(values - np.clip(values, *limits))
    largest = space.mesh.comm.allreduce(float(np.abs(values).max(initial=0.0)), MPI.MAX)
    result.x.array[:] = np.abs(values - result.x.array)
    _fill_crossings(result, CROSSING * largest)
    result.x.array[:] += beyond + fine.rounding * largest + gap
    return result


def _fill_crossings(error: fem.Function, given: float) -> None:
    """Raise an error at each unknown to the mean of its cells, since differences have crossings of 0; collective.

    Args:
        error: changed in place.
        given: up to which the solution is given there, in a set.
    """
    space = error.function_space
    topology = space.mesh.topology
    cells = space.dofmap.list[: topology.index_map(topology.dim).size_local]
    sums, counts = fem.Function(space), fem.Function(space)
    np.add.at(sums.x.array, cells, error.x.array[cells].mean(axis=1)[:, None])
    np.add.at(counts.x.array, cells, 1.0)
    for one in (sums, counts):
        one.x.scatter_reverse(la.InsertMode.add)
        one.x.scatter_forward()
    means = sums.x.array / np.maximum(counts.x.array, 1.0)
    error.x.array[:] = np.where(error.x.array > given, np.maximum(error.x.array, means), error.x.array)


def poisson(equation: DiffusionOnMesh, source: Callable[[np.ndarray], ArrayLike]) -> MeshField:
    """The field f; see `FokkerPlanck.poisson`."""
    # one node is held, where pi is largest: the equation determines f up to a constant only
    exponents = equation.exponents
    own = int(exponents.argmin()) if len(exponents) else 0
    least, rank = equation.comm.allreduce((float(exponents.min(initial=np.inf)), equation.comm.rank), MPI.MINLOC)
    marks = equation.function(np.zeros(equation.own), "held")
    if equation.comm.rank == rank:
        marks.x.array[own] = 1.0
    assert np.isfinite(least)
    marks.x.scatter_forward()
    place = np.where(marks.x.array > 0.5, 0, -1)
    fine, coarse = (_poisson(DirichletProblem(equation, place, degree), source) for degree in DEGREES)
    field = MeshField(equation, fine.function, difference(fine, coarse, (-np.inf, np.inf), 0.0), quantity=POISSON)
    # a source that is constant leaves rounding only
    values = on_all_ranks(equation.comm, lambda: function_at("source", source, equation.nodes))
    top = equation.comm.allreduce(float(np.abs(values).max(initial=0.0)), MPI.MAX)
    _say(equation, field, "the solution of the Poisson equation", ROUNDING * top / equation.diffusive_rate)
    return field


def _poisson(problem: DirichletProblem, source: Callable[[np.ndarray], ArrayLike]) -> Solved:
    forms, equation = problem.forms, problem.equation
    values = on_all_ranks(equation.comm, lambda: function_at("source", source, forms.rule.points))
    pi, g = forms.weights[0], forms.rule.function((), values)
    total = forms.integral(pi * forms.dx)
    mean = forms.integral(pi * g * forms.dx) / total
    load = problem.load(pi * (g - mean) * problem.test * forms.dx)
    solved = problem.solve(load, (0.0,), "the Poisson equation")
    solved.function.x.array[:] -= forms.integral(pi * solved.function * forms.dx) / total
    return solved
