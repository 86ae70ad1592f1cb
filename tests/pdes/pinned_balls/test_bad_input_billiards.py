"""Bad input of the equations of pinned balls: each is refused by name, with what would be right."""

import math

import numpy as np
import pytest
from billiards import BAD_PROFILES
from mpi4py import MPI
from refusals import refused

from scaling_limits.particles import InvalidArgument, NotConverged, PinnedBalls
from scaling_limits.pdes import (
    BilliardEquations,
    DeviationForm,
    FiniteSizeEquations,
    constancy_gap,
    linear_wave,
    ordering_time,
    picard_iteration,
)

pytestmark = pytest.mark.serial  # what one rank alone refuses; several ranks are tried elsewhere


def equations(**changes):
    return BilliardEquations(**({"wave_speed": 5.0, "mean": lambda x: x, "std": lambda x: 1 + x} | changes))


def lattice(**changes):
    return FiniteSizeEquations(**({"n": 20, "mean": lambda x: x, "std": lambda x: 1 + x} | changes))


BAD_EQUATIONS = [
    *BAD_PROFILES,
    ("wave_speed", 0.0, "above 0"),
    ("wave_speed", -3, "above 0"),
    ("wave_speed", math.inf, "finite"),
    ("wave_speed", "fast", "number"),
    ("wave_speed", None, "number"),
    ("wave_speed", True, "number"),
    ("wave_speed", 1e13, "at most"),
    ("boundary", "open", "closed, absorbing"),
    ("boundary", None, "closed, absorbing"),
    ("boundary", ["closed"], "closed, absorbing"),
]


@pytest.mark.parametrize(("argument", "value", "word"), BAD_EQUATIONS)
def test_equations(argument, value, word):
    refused(argument, word, lambda: equations(**{argument: value}))


@pytest.mark.parametrize(
    ("argument", "value", "word"),
    [
        *BAD_PROFILES,
        ("std", lambda x: 1e-200 + 0 * x, "another unit"),
        ("n", 2, "between 3"),
        ("n", 10.0, "integer"),
        ("n", None, "integer"),
        ("correlations", -1, "between 0 and 19"),
        ("correlations", 20, "between 0 and 19"),
        ("correlations", 1.5, "integer"),
    ],
)
def test_lattices(argument, value, word):
    refused(argument, word, lambda: lattice(**{argument: value}))


BAD_SOLVES = [
    ("times", None, "real numbers"),
    ("times", [], "non-empty"),
    ("times", [1.0, 0.5], "not decrease"),
    ("times", [-1.0], "negative"),
    ("times", [math.nan], "finite"),
    ("times", ["soon"], "real numbers"),
    ("rtol", 0.0, "above 0"),
    ("rtol", -1e-3, "above 0"),
    ("rtol", 1e-13, "at least 1e-11"),
    ("rtol", math.nan, "finite"),
    ("rtol", "small", "number"),
    ("rtol", None, "number"),
    ("progress", 3, "True or False"),
    ("progress", None, "True or False"),
    ("comm", 3, "mpi4py communicator"),
    ("comm", "world", "mpi4py communicator"),
    ("comm", None, "mpi4py communicator"),
    ("comm", MPI.COMM_NULL, "mpi4py communicator"),
    ("scheme", "rk", "must be"),
    ("scheme", 4, "must be"),
]


@pytest.mark.parametrize(("argument", "value", "word"), BAD_SOLVES)
@pytest.mark.parametrize("make", [equations, lattice])
def test_solves(make, argument, value, word):
    refused(argument, word, lambda: make().solve(**({"times": [0.0]} | {argument: value})))


@pytest.mark.parametrize(
    ("argument", "value", "word"),
    [
        ("cells", 1, "between 2"),
        ("cells", 0, "between 2"),
        ("cells", 10.5, "integer"),
        ("cells", "many", "integer"),
        ("cells", 2**27, "between 2"),
        ("degree", 0, "between 1 and 8"),
        ("degree", 9, "between 1 and 8"),
        ("degree", 1.5, "integer"),
        ("degree", True, "integer"),
        ("form", "A", "EnergyForm()"),
        ("form", 3, "EnergyForm()"),
        ("scheme", "RODAS4", "RODAS3, RODAS4"),
        ("source", 3, "Source"),
        ("source", lambda x, t: 0.0, "Source"),
        ("petsc_options", ["a"], "dictionary"),
        ("petsc_options", {1: "lu"}, "dictionary"),
        ("petsc_options", {"pc_type": "nonsense"}, "PETSc refuses"),
        ("petsc_options", {"pc_tipe": "lu"}, "no option"),
    ],
)
def test_solves_with_elements(argument, value, word):
    refused(argument, word, lambda: equations().solve(**({"times": [1e-3], "rtol": 1e-2} | {argument: value})))


def test_noise_too_small_to_be_squared_is_refused_by_the_solve():
    """The constructor sees some points only; tails may vanish there."""
    refused("std", "another unit", lambda: equations(std=lambda x: 1e-200 + 0 * x).solve([0.0]))
    refused(
        "mean", "another unit", lambda: equations(mean=lambda x: 0.5 + 1e90 * (np.abs(x - 0.123) < 1e-3)).solve([0.0])
    )


def test_form_a_needs_noise_at_the_ends():
    """(A) divides by sigma, which absorbing ends make 0."""
    problem = equations(boundary="absorbing")
    refused("form", "take", lambda: problem.solve([0.01], 1e-2, form=DeviationForm()))
    with pytest.raises(NotConverged, match="^problem 0 of 1 failed") as failure:
        BilliardEquations.solve_all([problem], [0.01], 1e-2, form=DeviationForm())
    assert isinstance(failure.value.__cause__, InvalidArgument)


def test_lattices_take_no_options():
    refused("petsc_options", "no PETSc solver", lambda: lattice().solve([0.0], petsc_options={"pc_type": "lu"}))


OTHERS = [
    ("balls", "must be PinnedBalls", lambda: BilliardEquations.of(5)),
    ("balls", "must be PinnedBalls", lambda: BilliardEquations.of(None)),
    ("balls", "must be PinnedBalls", lambda: FiniteSizeEquations.of("balls")),
    ("balls", "exchange", lambda: FiniteSizeEquations.of(PinnedBalls(9, 0.0, 1.0, energy_exchange=False))),
    ("balls", "exchange", lambda: BilliardEquations.of(PinnedBalls(9, 0.0, 1.0, energy_exchange=False))),
    ("boundary", "closed", lambda: BilliardEquations.of(PinnedBalls(9, 0.0, 1.0), "free")),
    ("correlations", "between", lambda: FiniteSizeEquations.of(PinnedBalls(9, 0.0, 1.0), 9)),
    ("solution", "BilliardSolution", lambda: constancy_gap(5)),
    ("solution", "BilliardSolution", lambda: constancy_gap(equations())),
    ("equations", "BilliardEquations", lambda: linear_wave(5, [0.0], [0.5])),
    ("times", "real numbers", lambda: linear_wave(equations(), None, [0.5])),
    ("times", "negative", lambda: linear_wave(equations(), [-1.0], [0.5])),
    ("x", "[0, 1]", lambda: linear_wave(equations(), [0.0], [1.5])),
    ("x", "[0, 1]", lambda: linear_wave(equations(), [0.0], [[0.1, 0.2]])),
    ("x", "finite", lambda: linear_wave(equations(), [0.0], [math.nan])),
    ("equations", "BilliardEquations", lambda: ordering_time(lattice(), 0.1)),
    ("epsilon", "above 0", lambda: ordering_time(equations(), 0.0)),
    ("epsilon", "number", lambda: ordering_time(equations(), "small")),
    ("comm", "mpi4py", lambda: ordering_time(equations(), 0.1, comm=None)),
    ("rtol", "at least", lambda: ordering_time(equations(), 0.1, rtol=1e-20)),
    ("cells", "between 2", lambda: ordering_time(equations(), 0.1, cells=1)),
    ("rtol", "above 0", lambda: equations().freeze_time(rtol=0.0)),
    ("cells", "between 2", lambda: equations().freeze_time(cells=1)),
    ("comm", "mpi4py", lambda: equations().freeze_time(comm=0)),
    ("petsc_options", "dictionary", lambda: equations().freeze_time(petsc_options=3)),
    ("equations", "BilliardEquations", lambda: picard_iteration(5, 1e-3)),
    ("end", "above 0", lambda: picard_iteration(equations(), 0.0)),
    ("end", "number", lambda: picard_iteration(equations(), None)),
    ("iterations", "at least 2", lambda: picard_iteration(equations(), 1e-3, iterations=1)),
    ("cells", "at least 2", lambda: picard_iteration(equations(), 1e-3, cells=1)),
    ("steps", "at least 1", lambda: picard_iteration(equations(), 1e-3, steps=0)),
    ("steps", "integer", lambda: picard_iteration(equations(), 1e-3, steps=2.5)),
]


@pytest.mark.parametrize(("argument", "word", "call"), OTHERS)
def test_other_functions(argument, word, call):
    refused(argument, word, call)


@pytest.fixture(scope="module")
def solution():
    return equations(std=lambda x: 1 + 0 * x).solve([0.0, 1e-3], rtol=1e-2)


@pytest.mark.parametrize("x", [1.0001, -1e-9, [0.5, 2.0], [[0.5]], math.nan, None, "middle", [0.5j], lambda: 0.5])
def test_points(solution, x):
    for field in (solution.mean_at, solution.std_at):
        refused("x", "", lambda at=field: at(x))


def test_numbers_are_profiles():
    """A constant is a fair profile."""
    one, other = (
        BilliardEquations(5.0, m, s).solve([0.0], rtol=1e-2)
        for m, s in ((0.5, 2), (lambda x: 0.5 + 0 * x, lambda x: 2 + 0 * x))
    )
    assert np.array_equal(one.nodal_mean, other.nodal_mean)
    assert np.array_equal(one.nodal_w, other.nodal_w)


@pytest.mark.parametrize(("path", "word"), [(None, "path of a file"), ("no/such/folder/s.npz", "folder that is there")])
def test_paths_of_solutions(path, word):
    refused("path", word, lambda: equations().solve([0.0]).save(path))
