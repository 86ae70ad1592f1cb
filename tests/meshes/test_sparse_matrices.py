"""Both kinds of sparse matrices against dense ones, and against one another."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sparse
from mpi4py import MPI

from scaling_limits.meshes.linear_algebra.dissection import dissected_graph
from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.meshes.linear_algebra.scipy_matrix import ScipyMatrix, factored
from scaling_limits.meshes.linear_algebra.sparse_matrix import ModeSearch, SolverChoice, scale_to_unit_diagonal
from scaling_limits.particles.errors import NotConverged

pytestmark = [pytest.mark.serial, pytest.mark.parametrize("kind", [ScipyMatrix, PetscMatrix])]
SHAPE = (5, 4, 6)
CHOICE = SolverChoice("test_matrices_", 3)


def table(shift=0.0):
    """The Laplacian of a box without flux through its walls, and a number on the diagonal."""
    lines = [2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1) for n in SHAPE]
    for line in lines:
        line[0, 0] = line[-1, -1] = 1.0
    return sparse.csr_array(summed(lines) + shift * sparse.eye_array(int(np.prod(SHAPE))))


def summed(lines):
    """The sum of matrices along each direction."""
    first, second, third = ([np.eye(len(line)), line] for line in lines)
    return sum(sparse.kron(sparse.kron(first[i == 0], second[i == 1]), third[i == 2], format="csr") for i in range(3))


def made(kind, rows):
    places = np.stack(np.unravel_index(np.arange(rows.shape[0]), SHAPE), axis=1)
    return kind.of_rows(MPI.COMM_SELF, rows.copy(), places)


@pytest.fixture
def right():
    return np.random.default_rng(3).standard_normal(int(np.prod(SHAPE)))


def test_operations(kind, right):
    matrix, dense = made(kind, table(1.0)), table(1.0).toarray()
    assert matrix.size == len(dense)
    assert matrix.fastest == dense.diagonal().max()
    matrix.scale_both(1.0 + right**2)
    dense *= np.outer(1.0 + right**2, 1.0 + right**2)
    matrix.add_to_diagonal(0.5)
    dense += 0.5 * np.eye(len(dense))
    matrix.isolate(np.array([3, 17]), 2.0)
    dense[[3, 17]] = 0.0
    dense[:, [3, 17]] = 0.0
    dense[[3, 17], [3, 17]] = 2.0
    np.testing.assert_allclose(matrix.applied(right), dense @ right, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(matrix.diagonal(), dense.diagonal(), rtol=1e-14)


def test_solves(kind, right):
    dense, matrix = table(0.3).toarray(), made(kind, table(0.3))
    solver = matrix.solver(CHOICE)
    found, reason = solver.solution(right)
    assert solver.direct
    assert reason == ""
    np.testing.assert_allclose(found, np.linalg.solve(dense, right), rtol=1e-11)
    for product in (None, made(kind, table(2.0))):
        other = np.eye(len(dense)) if product is None else table(2.0).toarray()
        resolvent = matrix.resolvent(0.7, product, np.ones(len(right)), CHOICE)
        found, reason = resolvent.solution(right)
        assert reason == ""
        np.testing.assert_allclose(found, np.linalg.solve(other + 0.7 * dense, right), rtol=1e-11)
        resolvent.destroy()


@pytest.mark.parametrize("weighted", [False, True])
def test_modes(kind, weighted):
    """Without the constant, which is known; the lowest come first."""
    rows, weight = table(), table(4.0)
    dense, other = rows.toarray(), weight.toarray() if weighted else np.eye(rows.shape[0])
    one = np.ones(rows.shape[0])
    one /= np.sqrt(one @ other @ one)
    search = ModeSearch(4, 1e-4, 1e-11, 300, "test_modes_", "modes", "none", known=one)
    vectors = made(kind, rows).modes(made(kind, weight) if weighted else None, search)[:, :4]
    found = np.einsum("ik,ij,jk->k", vectors, dense, vectors) / np.einsum("ik,ij,jk->k", vectors, other, vectors)
    np.testing.assert_allclose(found, scipy.linalg.eigh(dense, other)[0][1:5], rtol=1e-10)
    assert np.abs(one @ other @ vectors).max() < 1e-10


def test_unit_diagonals(kind):
    """Rows without a diagonal are set apart."""
    product = table(2.0)
    row = np.repeat(np.arange(product.shape[0]), np.diff(product.indptr))
    product.data[(row == 5) | (product.indices == 5)] = 0.0
    energy, other = made(kind, table()), made(kind, product)
    roots = scale_to_unit_diagonal(energy, other)
    assert np.isinf(roots[5])
    np.testing.assert_allclose(other.diagonal(), 1.0, rtol=1e-14)
    assert energy.diagonal()[5] == pytest.approx(energy.diagonal().max())


def test_singular_matrices(kind, right):
    """Refused, or a solution that is not finite is said to be none."""
    rows = sparse.csr_array(0.0 * table())
    try:
        _, reason = made(kind, rows).solver(CHOICE).solution(right)
    except NotConverged as error:
        reason = error.reason
    assert reason


def test_order_of_elimination(kind):
    """A permutation; a graph that is closed by periods is cut twice, and fills up less than by minimum degree."""
    shape = (16, 16, 16)
    line = 2.5 * np.eye(16) - np.eye(16, k=1) - np.eye(16, k=-1)
    line[0, -1] = line[-1, 0] = -1.0
    rows = sparse.csr_array(summed([line] * 3))
    places = np.stack(np.unravel_index(np.arange(rows.shape[0]), shape), axis=1)
    order = np.concatenate(dissected_graph(places, rows))
    np.testing.assert_array_equal(np.sort(order), np.arange(rows.shape[0]))
    if kind is ScipyMatrix:
        ones = np.ones(rows.shape[0])
        for chosen in (None, order):
            found, _ = factored(rows, "test_order_", 3, chosen).solution(ones)
            np.testing.assert_allclose(rows @ found, ones, rtol=1e-12)
