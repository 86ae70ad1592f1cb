"""Compiled steps of the pinned-billiard equations: those of PETSc to rounding, and many problems in one call."""

from dataclasses import replace

import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import (
    RODAS3,
    RODAS4,
    BilliardEquations,
    DeviationForm,
    EnergyForm,
    NotConverged,
    Unresolved,
    VarianceForm,
)
from scaling_limits.pdes.pinned_balls import mesh_choice
from scaling_limits.pdes.pinned_balls.compiled import banded, system
from scaling_limits.pdes.pinned_balls.solving.task import step_tolerance

pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")]
# any options take the way through PETSc; these are those that it takes by itself
PETSC = {"ksp_type": "preonly", "pc_type": "lu"}


def mean(x):
    return np.sin(2.5 * x) + 0.3 * x


def std(x):
    return 0.7 + 0.5 * np.cos(2 * np.pi * x)


@pytest.mark.parametrize("scheme", [RODAS3, RODAS4], ids=lambda s: s.name)
@pytest.mark.parametrize(("degree", "cells"), [(1, 60), (2, 33), (4, 20), (8, 8)])
@pytest.mark.parametrize(
    ("form", "boundary"),
    [(EnergyForm(), "closed"), (EnergyForm(), "absorbing"), (VarianceForm(), "closed"), (VarianceForm(), "absorbing"),
     (DeviationForm(), "closed")],
    ids=lambda value: getattr(value, "label", value),
)  # fmt: skip
def test_same_steps_as_petsc(form, boundary, degree, cells, scheme):
    equations = BilliardEquations(7.0, mean, std, boundary)
    # a step with an error of 4e-5 or 2.5e-4 at most: estimates are far above rounding, and so are the steps they give
    rtol = {RODAS3: 4e-5, RODAS4: 2.5e-4}[scheme] / step_tolerance(scheme, 1.0)
    options = {"rtol": rtol, "cells": cells, "degree": degree, "form": form, "scheme": scheme, "comm": MPI.COMM_SELF}
    ours = equations.solve([0.01, 0.05, 0.2], **options)
    other = equations.solve([0.01, 0.05, 0.2], **options, petsc_options=PETSC)
    assert ours.statistics.numbers[:4] == pytest.approx(other.statistics.numbers[:4], abs=0)
    # lengths of steps come from differences of stages that are 1e5 to 1e8 times larger: 1e-8 was seen of them
    assert ours.statistics.numbers[4:] == pytest.approx(other.statistics.numbers[4:], rel=1e-7)
    for name in ("nodal_mean", "nodal_w", "momentum", "energy", "energy_outflow", "nodes"):
        found, expected = getattr(ours, name), getattr(other, name)
        assert np.abs(found - expected).max() <= 1e-11 * np.abs(expected).max() + 1e-14, name
    assert ours.resolved == other.resolved


def test_few_steps_are_refused_where_layers_move():
    """By the last error alone 182 of 801 tries were refused here, with as many steps taken."""
    problem = BilliardEquations(3000.0, mean, lambda x: 1 + 0.5 * np.cos(5 * x))
    cost = problem.solve([1 / 3000.0], 1e-3).statistics
    assert cost.steps < 650
    assert cost.refused < 90


@pytest.mark.parametrize("petsc_options", [None, PETSC], ids=["compiled", "petsc"])
def test_ripples_of_a_high_degree_are_given_up_early(petsc_options, monkeypatch):
    """Three cells of degree 6, as if they resolved 1/20; w ripples below 0 at every other step, unless one does as told."""
    monkeypatch.setattr(mesh_choice, "SETTINGS", replace(mesh_choice.SETTINGS, resolving=(2.0, 1.5, 1.2)))
    problem = BilliardEquations(20.0, mean, lambda x: 1 + 0.5 * np.cos(5 * x))
    options = {"rtol": 1e-2, "petsc_options": petsc_options, "comm": MPI.COMM_SELF}
    with pytest.raises(NotConverged, match="w is negative .*Remedy: use more cells, a lower degree or a larger rtol"):
        problem.solve([0.015, 0.05, 0.15], cells=3, degree=6, **options)
    for cells, degree in ((5, 6), (5, 4), (6, 3)):
        assert problem.solve([0.015, 0.05, 0.15], cells=cells, degree=degree, **options).statistics.tried < 200


def test_paper_data_with_noise_far_below_the_mean():
    """sigma is 1e-3 of mu: w is a difference of numbers that are 1e6 times larger, and vanishes at the ends."""
    equations = BilliardEquations(
        200.0, lambda x: np.tanh(9 * (x - 0.5) ** 3), lambda x: (1 - np.cos(2 * np.pi * x)) / 500
    )
    options = {"rtol": 1e-2, "cells": 80, "degree": 2}
    ours, other = (
        equations.solve([1e-4, 1e-3], **options, petsc_options=petsc) for petsc in (None, PETSC)
    )  # fmt: skip
    assert ours.statistics.numbers[:4] == pytest.approx(other.statistics.numbers[:4], abs=0)
    assert np.abs(ours.nodal_mean - other.nodal_mean).max() < 1e-11
    assert np.abs(ours.nodal_w - other.nodal_w).max() < 1e-11 * 0.5
    assert ours.energy == pytest.approx(np.full(2, ours.energy[0]), rel=1e-13)


@pytest.mark.parametrize(("degree", "cells"), [(1, 30), (2, 15), (3, 2), (8, 5)])
def test_elimination_against_dense_matrices(degree, cells):
    """Matrices of cells without a large diagonal, so that rows change places."""
    rng = np.random.default_rng(5)
    below, size = banded.band_size(cells, degree)
    last = banded.last_rows(cells, degree)
    n = last.size
    matrix, band = np.zeros((n, n)), np.zeros(size)
    for cell in range(cells):
        at = np.arange(2 * cell * degree, 2 * (cell + 1) * degree + 2)
        matrix[np.ix_(at, at)] += rng.normal(size=(at.size, at.size))
    rows, columns = np.nonzero(matrix)
    band[rows * 3 * below + below + columns] = matrix[rows, columns]
    reach, pivots, lower = np.empty_like(last), np.empty_like(last), np.empty(n * below)
    assert banded.factor(band, below, last, reach, pivots, lower)
    assert (pivots != np.arange(n)).sum() > 3
    x = rng.normal(size=n)
    right = x.copy()
    banded.solve(band, below, last, reach, pivots, lower, x)
    residual = np.abs(matrix @ x - right).max() / (np.abs(matrix).sum(1).max() * np.abs(x).max())
    assert residual < 1e-14


def test_elimination_refuses_what_has_no_pivot():
    below, size = banded.band_size(3, 1)
    last = banded.last_rows(3, 1)
    arrays = np.empty_like(last), np.empty_like(last), np.empty(last.size * below)
    assert not banded.factor(np.zeros(size), below, last, *arrays)
    assert not banded.factor(np.full(size, np.nan), below, last, *arrays)


def test_it_returns_to_python_and_goes_on(monkeypatch):
    """One step in a call, or all of them: the same to the last digit; what is raised in between ends it."""
    equations = BilliardEquations(5.0, mean, std)
    whole = equations.solve([0.1], 1e-3, 20, comm=MPI.COMM_SELF)
    monkeypatch.setattr(system, "AT_ONCE", 1)
    parts = equations.solve([0.1], 1e-3, 20, comm=MPI.COMM_SELF)
    assert np.array_equal(whole.nodal_w, parts.nodal_w)
    assert whole.statistics == parts.statistics


@pytest.mark.parametrize("petsc_options", [None, PETSC])
def test_what_cannot_go_on_says_so(petsc_options):
    """A scheme whose states are no numbers, by both ways: with the same words."""
    broken = replace(RODAS3, m=(np.nan, 0.0, 1.0, 1.0))
    equations = BilliardEquations(5.0, mean, std)
    with pytest.raises(NotConverged, match=r"RODAS3 time stepping failed at t = 0 with step .* not finite") as caught:
        equations.solve([0.1], 1e-3, 20, scheme=broken, petsc_options=petsc_options, comm=MPI.COMM_SELF)
    assert 0 < caught.value.step < 1e-13


# --- many problems -----------------------------------------------------------------------------------------


def problems(count):
    def one(k):
        return BilliardEquations(
            3.0 + k, lambda x: np.sin((1 + 0.1 * k) * x), std, "absorbing" if k % 3 == 1 else "closed"
        )

    return [one(k) for k in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_many_are_those_one_by_one(workers):
    times = [0.0, 0.01, 0.05]
    found = BilliardEquations.solve_all(problems(7), times, rtol=1e-2, workers=workers)
    assert len(found) == 7
    for solution, problem in zip(found, problems(7)):
        alone = problem.solve(times, rtol=1e-2, comm=MPI.COMM_SELF)
        assert np.array_equal(solution.nodal_mean, alone.nodal_mean)
        assert np.array_equal(solution.nodal_w, alone.nodal_w)
        assert solution.statistics == alone.statistics
        assert solution.resolved == alone.resolved
    assert BilliardEquations.solve_all([], times) == []


def test_one_that_fails_does_not_lose_the_others():
    def fails_later(x):
        if x.size > 1000:
            raise RuntimeError("no such data")
        return 0 * x

    several = problems(4)
    several[2] = BilliardEquations(4.0, fails_later, std)
    with pytest.raises(NotConverged, match=r"^problem 2 of 4 failed: .*no such data.*partial") as caught:
        BilliardEquations.solve_all(several, [0.01], workers=2)
    found = caught.value.partial
    assert [solution is None for solution in found] == [False, False, True, False]
    # with the same tolerance, which is the default of both
    alone = several[3].solve([0.01], comm=MPI.COMM_SELF)
    assert np.array_equal(found[3].nodal_w, alone.nodal_w)
    assert isinstance(caught.value.__cause__, InvalidArgument)
    broken = replace(RODAS3, m=(np.nan, 0.0, 1.0, 1.0))
    with pytest.raises(
        NotConverged, match=r"^problem 0 \(and 3 others of 4\): RODAS3 time stepping failed at t = 0"
    ) as caught:
        BilliardEquations.solve_all(problems(4), [0.01], scheme=broken, workers=2)
    assert caught.value.partial == [None] * 4


def test_what_is_not_resolved_is_said_once():
    with pytest.warns(
        Unresolved, match=r"4 of 4 problems are not resolved to rtol = 1e-06 \(numbers 0, 1, 2, 3;"
    ) as said:
        BilliardEquations.solve_all(problems(4), [0.01], rtol=1e-6, cells=4)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("argument", "value"),
    [("problems", 3), ("problems", "two"), ("problems", [1.0]), ("times", [0.2, 0.1]), ("rtol", 0.0), ("cells", 1),
     ("degree", 9), ("form", "C"), ("scheme", "RODAS3"), ("workers", 0), ("progress", 1), ("quiet", None)],
)  # fmt: skip
def test_bad_arguments_of_many(argument, value):
    arguments = {"problems": problems(1), "times": [0.1], "cells": 10}
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        BilliardEquations.solve_all(**(arguments | {argument: value}))
