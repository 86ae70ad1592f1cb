"""Nested dissection: a permutation, with factors that fill up less than in natural order, and the same solutions."""

import numpy as np
import pytest
import scipy.sparse as sparse
from mpi4py import MPI
from petsc4py import PETSc
from scipy.sparse.linalg import splu

from scaling_limits.meshes.grid_order import dissected
from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.pdes.time.resolvents import Resolvents

pytestmark = pytest.mark.serial


def laplacian(shape):
    lines = [sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)) for n in shape]
    return sparse.csr_array(sparse.kronsum(*lines[::-1]))


@pytest.mark.parametrize("shape", [(1,), (7,), (1, 1), (2, 9), (40, 33), (3, 4, 5), (12, 12, 12)])
def test_permutation(shape):
    order = dissected(shape)
    np.testing.assert_array_equal(np.sort(order), np.arange(np.prod(shape)))


def test_fill():
    """As many entries as nested dissection leaves, some 8 N log N of 31/4 N log N; natural order leaves N^(3/2)."""
    shape = (128, 128)
    matrix, order = laplacian(shape), dissected(shape)
    options = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    natural = splu(matrix.tocsc(), **options).L.nnz
    found = splu(matrix[order][:, order].tocsc(), **options).L.nnz
    size = np.prod(shape)
    assert found < 31 / 4 * size * np.log2(size) / 2
    assert found < 0.3 * natural


@pytest.mark.parametrize("solves", [0.0, 1e3])
def test_solutions_do_not_depend_on_the_order(solves):
    shape = (30, 21)
    matrix = laplacian(shape)
    parts = (matrix.indptr.astype(PETSc.IntType), matrix.indices.astype(PETSc.IntType), matrix.data)
    petsc = PETSc.Mat().createAIJ(matrix.shape, csr=parts, comm=MPI.COMM_SELF)
    right = np.random.default_rng(1).standard_normal(len(matrix.indptr) - 1)
    ones = np.ones(len(right))
    found = [
        Resolvents(PetscMatrix(petsc), ones, 2, "test_order_", None, order=order, solves=solves).solve(0.7, right)
        for order in (None, dissected(shape))
    ]
    exact = sparse.linalg.spsolve(sparse.eye_array(len(right)).tocsc() + 0.7 * matrix.tocsc(), right)
    for values in found:
        np.testing.assert_allclose(values, exact, rtol=1e-11, atol=1e-13)
