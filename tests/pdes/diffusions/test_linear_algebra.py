"""Each quantity of the lattice by scipy against the same by PETSc and SLEPc, and what is refused."""

import dolfinx
import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.meshes.linear_algebra import choice
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck, NotConverged
from scaling_limits.pdes.diffusions.hitting import chain_solver

CELLS = {1: 40, 2: 16, 3: 7}
# relative, of the largest value
SAME = 1e-10


def mobility(x):
    """A full tensor that turns from place to place; a number on a line."""
    count, dim = x.shape
    if dim == 1:
        return 1.0 + 0.3 * np.sin(x[:, 0])
    result = np.repeat(np.diag([1.0, 1.5, 0.8][:dim])[None], count, axis=0)
    result[:, 0, 1] = result[:, 1, 0] = 0.4 * np.cos(x[:, 0] + x[:, 1])
    return result


def free_energy(x):
    return 0.8 * np.cos(x).sum(axis=1) + 0.2 * np.sin(2 * x[:, 0])


def near(place):
    return lambda x: ((x - place) ** 2).sum(axis=1) < (1.0 if x.shape[1] < 3 else 1.6) ** 2


def equation(library, dim, periodic=False, **options):
    box = [(0, 2 * np.pi)] * dim
    given = {"mobility": mobility, "free_energy": free_energy, "temperature": 0.7, "rtol": 1e-3, **options}
    return FokkerPlanck.of(**given, box=box, cells=(CELLS[dim],) * dim, periodic=periodic, linear_algebra=library)


def start(x):
    return np.exp(-((x - 2.0) ** 2).sum(axis=1))


QUANTITIES = {
    "stationary": lambda fp: fp.stationary().values,
    "evolve": lambda fp: fp.evolve(start, [0.1, 1.0]).probabilities,
    "absorbing": lambda fp: fp.evolve(start, [0.1, 1.0], absorbing=near(4.7)).survival,
    "spectrum": lambda fp: fp.spectrum(4),
    "mean_first_passage_time": lambda fp: fp.mean_first_passage_time(near(1.5)).values,
    "first_passage": lambda fp: fp.first_passage(near(1.5)).variance.values,
    "committor": lambda fp: fp.committor(near(1.5), near(4.7)).values,
    "transition": lambda fp: numbers(fp.transition(near(1.5), near(4.7))),
    "quasi_stationary": lambda fp: np.append(fp.quasi_stationary(near(1.5)).density.values.ravel(), 0.0),
    "quasi_stationary rate": lambda fp: np.array([fp.quasi_stationary(near(1.5)).rate]),
    "poisson": lambda fp: fp.poisson(lambda x: np.cos(x[:, 0])).values,
}


def numbers(transition):
    return np.array([transition.frequency, transition.rate, transition.backward_rate, transition.mean_duration])


def compare(quantity, *equations):
    found = [np.asarray(quantity(each)) for each in equations]
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=SAME * np.nanmax(np.abs(found[1])))


def marked(test):
    """Cells are few, which is said."""
    return pytest.mark.serial(pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")(test))


@marked
@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize(("dim", "periodic"), [(1, False), (2, (True, False)), (2, False), (3, True), (3, False)])
def test_both_libraries_find_the_same(dim, periodic, name):
    if name == "spectrum" and dim == 3 and periodic:
        pytest.skip("as without periods, in more seconds")
    compare(QUANTITIES[name], *(equation(library, dim, periodic) for library in ("scipy", "petsc")))


@marked
@pytest.mark.parametrize("library", ["petsc", "scipy", "mesh"])
@pytest.mark.parametrize("k", [3, 6, 7, 11])
def test_no_copy_of_a_rate_is_missed(library, k):
    """Brownian motion in a square: sigma (pi/L)^2 (i^2 + j^2), often twice, where k may end in between."""
    rates = np.sort([0.5 * (np.pi / 8) ** 2 * (i * i + j * j) for i in range(6) for j in range(6)])[:k]
    domain = {"box": [(-4, 4)] * 2, "cells": (40, 40), "linear_algebra": library}
    if library == "mesh":
        corners = [[-4.0, -4.0], [4.0, 4.0]]
        domain = {"mesh": dolfinx.mesh.create_rectangle(MPI.COMM_SELF, corners, [20, 20])}
    found = FokkerPlanck.of(mobility=1.0, free_energy=lambda x: 0 * x[:, 0], temperature=0.5, **domain).modes(k)
    assert np.abs(found.rates - rates).max() < 1e-6
    assert (np.abs(found.rates - rates) <= found.errors + 1e-14).all()


@marked
@pytest.mark.parametrize("dim", [1, 2])
def test_bounds_are_the_same(dim):
    def bounds(fp):
        found = fp.transition(near(1.5), near(4.7), bounds=True)
        return np.array([found.lower, found.upper])

    compare(bounds, *(equation(library, dim, rtol=1e-2) for library in ("scipy", "petsc")))


@marked
@pytest.mark.parametrize("name", ["mean_first_passage_time", "committor", "first_passage"])
def test_matrices_of_hitting_problems(monkeypatch, name):
    """Elsewhere chains of this size are eliminated: with matrices the same, by both libraries, and as by elimination."""
    eliminated = QUANTITIES[name](equation("scipy", 2))
    monkeypatch.setattr(chain_solver, "SETTINGS", chain_solver.ChainSettings(small=(0, 0, 0)))
    solved = QUANTITIES[name](equation("scipy", 2))
    compare(np.asarray, solved, QUANTITIES[name](equation("petsc", 2)))
    compare(np.asarray, solved, eliminated)


@marked
def test_long_times_know_the_slow_modes():
    """A double well of 15 sigma until t = 1e7, where resolvents need the slow modes of an eigensolver."""
    wells = {
        "free_energy": lambda x: 1.5 * np.cos(2 * x).sum(axis=1),
        "temperature": 0.2,
        "mobility": 1.0,
        "rtol": 1e-6,
    }

    def late(fp):
        return fp.evolve(start, [1.0, 1e4, 1e7]).probabilities

    compare(late, *(equation(library, 2, **wells) for library in ("scipy", "petsc")))


def test_petsc_is_the_default():
    assert equation(None, 1).library.name == "petsc"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"linear_algebra": "lapack"}, "linear_algebra"), ({"linear_algebra": 1}, "linear_algebra"),
     ({"linear_algebra": "scipy", "petsc_options": {"ksp_type": "cg"}}, "petsc_options")],
)  # fmt: skip
def test_wrong_arguments(arguments, name):
    with pytest.raises(InvalidArgument, match=f"^{name}"):
        FokkerPlanck.of(
            mobility=1.0, free_energy=0.0, temperature=1.0, box=[(0, 1)], cells=8, comm=MPI.COMM_SELF, **arguments
        )


@pytest.mark.serial
def test_scipy_takes_no_options_and_recommends_none(monkeypatch):
    from scaling_limits.meshes.linear_algebra.scipy_matrix import ScipySolver

    monkeypatch.setattr(ScipySolver, "solution", lambda self, right: (right, "it failed"))
    with pytest.raises(NotConverged, match=r"it failed. Remedy: take fewer cells .*linear_algebra='petsc'") as said:
        equation("scipy", 2).evolve(lambda x: 1.0 + 0.0 * x[:, 0] + x[:, 0] ** 2, [0.1])
    assert "petsc_options" not in str(said.value)


def test_scipy_is_for_one_rank():
    if MPI.COMM_WORLD.size == 1:
        pytest.skip("on several ranks")
    with pytest.raises(InvalidArgument, match="linear_algebra.*2 ranks"):
        equation("scipy", 1)


@pytest.mark.serial
def test_scipy_is_for_boxes():
    from scaling_limits.meshes import box

    with pytest.raises(InvalidArgument, match=r"linear_algebra.*mesh"):
        FokkerPlanck.of(
            mobility=1.0, free_energy=0.0, temperature=1.0, mesh=box([(0, 1)], (8,)), linear_algebra="scipy"
        )


def test_several_ranks_need_petsc(monkeypatch):
    monkeypatch.setattr(choice, "PETSC", ("petsc4py.that_is_missing", "slepc4py.SLEPc"))
    if MPI.COMM_WORLD.size == 1:
        pytest.skip("on several ranks")
    with pytest.raises(InvalidArgument, match="comm.*COMM_SELF"):
        equation(None, 1)


@pytest.mark.serial
def test_petsc_that_is_missing(monkeypatch):
    """scipy takes its place; what asks for PETSc says that it is not here."""
    monkeypatch.setattr(choice, "PETSC", ("petsc4py.that_is_missing", "slepc4py.SLEPc"))
    assert equation(None, 1).library.name == "scipy"
    with pytest.raises(InvalidArgument, match=r"linear_algebra.*that_is_missing.*install"):
        equation("petsc", 1)
    with pytest.raises(InvalidArgument, match=r"petsc_options.*install"):
        equation(None, 1, petsc_options={"ksp_type": "cg"})
