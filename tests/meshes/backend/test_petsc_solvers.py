"""Options of PETSc's solvers: taken, or refused by name."""

import numpy as np
import pytest
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.meshes.backend.petsc_solvers import configured
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged


def matrix(lowest=2.0):
    """A tridiagonal matrix of 12 rows, on all ranks; singular for lowest = 0."""
    made = PETSc.Mat().createAIJ((12, 12), nnz=3, comm=MPI.COMM_WORLD)
    first, last = made.getOwnershipRange()
    for i in range(first, last):
        made[i, i] = lowest
        if lowest:
            for j in {i - 1, i + 1} & set(range(12)):
                made[i, j] = -0.5
    made.assemble()
    return made


ITERATIVE = {"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-12}


@pytest.mark.parametrize(
    "options",
    [
        None,
        {},
        ITERATIVE,
        {"ksp_type": "gmres", "ksp_gmres_restart": 5, "pc_type": "bjacobi", "sub_pc_type": "ilu"},
        {"ksp_type": "cg", "pc_type": "gamg", "mg_levels_ksp_type": "richardson"},
        {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps", "mat_mumps_icntl_14": 30},
    ],
)
def test_options_that_are_taken(options):
    a = matrix()
    solver = configured(a, "trial_", ITERATIVE, options)
    x, b = a.createVecs()
    b.set(1.0)
    solver.solve(b, x)
    a.mult(x, b)
    np.testing.assert_allclose(b.array, 1.0, rtol=1e-4)
    assert not [name for name in PETSc.Options().getAll() if name.startswith("trial_")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("abc", "must be a dictionary"),
        (["ksp_type"], "must be a dictionary"),
        ({1: "cg"}, "must be a dictionary"),
        ({"nonsense": 1}, "'nonsense' is no option"),
        ({"ksp_monitor_typo": 1}, "'ksp_monitor_typo' is no option"),
        ({"ksp_type": "cg", "ksp_gmres_restart": 5}, "'ksp_gmres_restart' is no option"),
        ({"pc_type": "nosuch"}, "nosuch"),
        ({"ksp_type": "nosuch"}, "nosuch"),
        ({"ksp_rtol": "small"}, "small"),
        ({"pc_type": "lu", "pc_factor_mat_solver_type": "nosuch"}, "nosuch"),
    ],
)
def test_options_that_are_refused(options, words):
    with pytest.raises(InvalidArgument, match=f"^petsc_options: .*{words}"):
        configured(matrix(), "trial_", ITERATIVE, options)
    assert not [name for name in PETSc.Options().getAll() if name.startswith("trial_")]


@pytest.mark.serial
def test_a_matrix_without_factors():
    singular = matrix(0.0)
    singular.setOption(PETSc.Mat.Option.SPD, True)
    options = {"ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": "cholmod"}
    with pytest.raises(NotConverged, match=r"the linear solver trial failed: .*not positive definite.* Remedy"):
        configured(singular, "trial_", options, None)
