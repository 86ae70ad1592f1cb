"""The whole recursion by UFL forms and PETSc: against the cells in numpy, its own error, one rank and two."""

import numpy as np
import pytest
from mpi4py import MPI
from scipy.special import iv
from sympy import cos, exp, pi, sin

from scaling_limits.cells import NotConverged, PETScElements, correctors, effective_tensor
from scaling_limits.particles import InvalidArgument, MultiscalePotential, fully_coupled
from scaling_limits.particles.errors import Unresolved

COMM = MPI.COMM_WORLD
LAST = COMM.size - 1


def wave(p):
    return cos(2 * pi * p)


def nothing(x):
    return 0 * x[0]


def coupled_in_one_axis():
    """K_1 depends on one component of y_1, and is neither scalar nor diagonal."""

    def fluctuation(x, y, z):
        fast = (wave(z[0]) + wave(z[0] + z[1])) / 2
        return wave(y[0]) / 2 + wave(y[1]) / 3 + wave(y[0]) * fast * (1 + sin(x[0]) / 2)

    return MultiscalePotential(2, 2, 1.0, nothing, fluctuation)


@pytest.mark.parametrize(
    ("potential", "route", "rtol"),
    [
        (coupled_in_one_axis(), PETScElements(6, 5), 1e-7),
        pytest.param(fully_coupled(2.0), PETScElements(4, 5), 1e-6, marks=pytest.mark.serial),
    ],
    ids=["one axis", "fully coupled"],
)
def test_two_scales_in_the_plane_agree_with_the_cells_in_numpy(potential, route, rtol):
    """Two computations that share the splitting of V1 and the interpolation between samples only."""
    x = [[0.3, 0.2]]
    fast, slow = effective_tensor(potential, x, 1e-9), effective_tensor(potential, x, rtol, route=route)
    relative = np.linalg.eigvals(np.linalg.solve(fast.value[0], slow.value[0])).real
    assert np.abs(np.log(relative)).max() <= min(1e-6, slow.error[0])
    assert slow.error[0] <= rtol
    np.testing.assert_allclose(slow.free_energy, fast.free_energy, atol=1e-6)
    assert slow.routes == ("PETSc elements",) * 2
    assert slow.cell_solves[1] > 20


def test_the_error_of_a_coarse_mesh_is_said():
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: wave(y[0]) + wave(y[1]))
    with pytest.warns(Unresolved, match="degree 1 on 4 cells"):
        found = effective_tensor(potential, [[0.0, 0.0]], 1e-6, route=PETScElements(1, 4))
    error = np.abs(np.log(found.value[0, 0, 0] * iv(0, 1.0) ** 2))
    assert 1e-3 < error <= found.error[0] <= 5 * error


@pytest.mark.parametrize("dim", [1, 3])
def test_lines_and_space(dim):
    """exp(-cos(2 pi y_0)) across, and 1 along: D = diag(1/I_0(1)^2, 1, ...)."""
    potential = MultiscalePotential(dim, 1, 1.0, nothing, lambda x, y: wave(y[0]))
    route = PETScElements(4, 8) if dim == 1 else PETScElements(2, 4)
    found = effective_tensor(potential, np.zeros((1, dim)), 0.1, route=route)
    exact = np.diag([1 / iv(0, 1.0) ** 2] + [1.0] * (dim - 1))
    np.testing.assert_allclose(found.value[0], exact, atol=found.error[0])


@pytest.mark.serial
def test_correctors_of_either_recursion_are_the_same():
    """By cells in numpy and by finite elements alone; both report an error that covers the difference."""
    potential, x = coupled_in_one_axis(), [0.3, 0.2]
    fast = correctors(potential, x, rtol=1e-7, cells=5, degree=6)
    slow = correctors(potential, x, rtol=1e-7, route=PETScElements(6, 5))
    for one, other in zip(fast, slow):
        difference = np.abs(one.effective * np.exp(one.log_scale - other.log_scale) - other.effective).max()
        assert difference <= (one.error + other.error) * np.abs(other.effective).max()
        assert 0 < one.error < 1e-6
        assert 0 < other.error < 1e-6


def test_options_reach_petsc():
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: wave(y[0]) + wave(y[1]))
    found = [
        effective_tensor(potential, [[0.0, 0.0]], 1e-3, route=PETScElements(4, 6, options)).value
        for options in (None, {"pc_type": "jacobi"})
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-12)
    assert not np.array_equal(found[0], found[1])


REFUSED = {
    "degree": (lambda: PETScElements(0), "degree"),
    "cells": (lambda: PETScElements(4, 2), "cells"),
    "options": (lambda: PETScElements(4, 8, "-pc_type lu"), "petsc_options"),
    "bounds": (lambda: effective_tensor(coupled_in_one_axis(), [[0, 0]], 1e-2, True, route=PETScElements()), "route"),
    "ranks": (lambda: effective_tensor(coupled_in_one_axis(), [[0, 0]], route=PETScElements(3 + COMM.rank)), "route"),
    "both": (lambda: correctors(coupled_in_one_axis(), [0, 0], cells=8, route=PETScElements()), "route"),
    "no route": (lambda: correctors(coupled_in_one_axis(), [0, 0], route="PETSc"), "route"),
    "a class": (lambda: correctors(coupled_in_one_axis(), [0, 0], route=PETScElements), "route"),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_refused(call):
    function, argument = REFUSED[call]
    if call == "ranks" and COMM.size == 1:
        pytest.skip("needs two ranks")
    with pytest.raises(InvalidArgument, match=f"^{argument}: "):
        function()


def test_points_that_fail_on_one_rank_are_named_on_all():
    """A patch of contrast e^800 at one of six points: the others are kept, on all ranks."""
    bump = lambda s: exp(-100 * s**2)  # noqa: E731
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: (1 + 399 * bump(x[0] - 2)) * wave(y[0]))
    x = np.array([[1.0], [1.1], [0.9], [1.05], [2.0], [0.95]])
    with pytest.raises(
        NotConverged, match=r"level 1 failed: .*double precision; at x = \[2.0\].*5 of 6 points"
    ) as caught:
        effective_tensor(potential, x, 1e-8)
    partial = caught.value.partial
    assert np.isinf(partial.error[4])
    assert np.isnan(partial.value[4]).all()
    assert (np.delete(partial.error, 4) <= 1e-8).all()
    np.testing.assert_allclose(partial.value[0, 0, 0], 1 / iv(0, 1.0) ** 2, rtol=1e-8)
    assert COMM.allgather(partial.value.tobytes()) == [partial.value.tobytes()] * COMM.size
