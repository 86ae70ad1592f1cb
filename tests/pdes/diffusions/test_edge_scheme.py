"""The generator on the nodes of a lattice: decomposition of tensors, exactness, monotonicity, its twin in finite elements."""

import numpy as np
import pytest
import ufl
from diffusions import Given, rotated
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from dolfinx.mesh import CellType
from hypothesis import given, settings
from hypothesis import strategies as st
from mpi4py import MPI
from scipy import sparse

from scaling_limits.meshes import box, lattice
from scaling_limits.meshes.linear_algebra.assembly import table_of
from scaling_limits.meshes.selling import decomposition
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import EdgeScheme

COMM = MPI.COMM_WORLD


def whole(matrix):
    """The matrix, dense, on all ranks."""
    first, last = matrix.getOwnershipRange()
    rows = np.arange(first, last, dtype=np.int32)
    return np.concatenate(COMM.allgather(matrix.getValues(rows, np.arange(matrix.getSize()[1], dtype=np.int32))))


@pytest.mark.serial
@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 3), anisotropy=st.floats(0, 6))
@settings(max_examples=30, derandomize=True, deadline=None)
def test_decomposition(seed, dim, anisotropy):
    """M = sum lambda e e^T with lambda >= 0, for eigenvalues down to 1e-6 of the largest."""
    generator = np.random.default_rng(seed)
    frames = np.linalg.qr(generator.normal(size=(20, dim, dim)))[0]
    values = 10.0 ** (-anisotropy * generator.random((20, dim)))
    tensors = (frames * values[:, None, :]) @ frames.swapaxes(1, 2)
    weights, steps = decomposition(tensors)
    assert weights.min() >= 0
    assert np.issubdtype(steps.dtype, np.integer)
    again = np.einsum("pm,pmi,pmj->pij", weights, steps, steps)
    assert np.abs(again - tensors).max() <= 1e-9 * np.abs(tensors).max()


def test_steps_of_a_known_tensor():
    """Along (2, 1) with next to nothing across, the step is (2, 1)."""
    weights, steps = decomposition(np.array([[[4.0, 2.0], [2.0, 1.0]]]) + 1e-3 * np.eye(2))
    largest = steps[0, weights[0].argmax()]
    assert abs(largest @ [1, -2]) == 0


@pytest.mark.serial
@pytest.mark.parametrize("count", [0, 1, 500])
def test_rows_against_those_of_scipy(count):
    """Entries in any order, some of them at one place; rows without any have their diagonal."""
    generator, mine, start, size = np.random.default_rng(count), 60, 7, 90
    rows, columns = generator.integers(0, mine // 2, count), generator.integers(0, size, count)
    other = columns != rows + start
    rows, columns, entries = rows[other], columns[other], generator.normal(size=other.sum())
    diagonal = generator.normal(size=mine)
    table = sparse.csr_array(table_of(rows, columns, entries, diagonal, start), shape=(mine, size))
    places = np.append(rows, np.arange(mine)), np.append(columns, start + np.arange(mine))
    expected = sparse.coo_array((np.append(entries, diagonal), places), shape=(mine, size)).tocsr()
    assert table.has_canonical_format
    assert table.nnz == expected.nnz
    np.testing.assert_allclose(table.toarray(), expected.toarray(), atol=1e-14)


def test_two_points_are_exact_on_a_line():
    """A constant flux in a linear potential, u = exp(Psi/sigma), is met to rounding: Scharfetter and Gummel."""
    grid = lattice([(0, 1)], (5,), False, COMM)
    steep = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: 50 * x[:, 0])
    scheme = EdgeScheme(grid, steep)
    matrix = scheme.matrix()
    state = matrix.createVecRight()
    state.array[:] = np.exp(50 * grid.points[:, 0]) * scheme.root
    result = matrix * state
    residual = grid.whole(result.array * scheme.root)  # net outflow of each node
    assert residual[0] == pytest.approx(-50.0, rel=1e-12)
    assert residual[-1] == pytest.approx(50.0, rel=1e-12)
    assert np.abs(residual[1:-1]).max() < 1e-11


@pytest.mark.filterwarnings("ignore:M is so anisotropic")  # 9 x 7 cells are few for that; it is said
@pytest.mark.parametrize("periodic", [False, True, (True, False)])
@pytest.mark.parametrize("contrast", [1.0, 1e-2, 1e-5])
def test_monotone_for_every_tensor(contrast, periodic):
    """No positive entry off the diagonal, symmetric, kernel sqrt(m), connected: whatever the direction of M."""
    grid = lattice([(0, 1), (0, 2)], (9, 7), periodic, COMM)
    twisted = Given(
        lambda x: rotated(3 * np.sin(x[:, 0]) + x[:, 1], np.ones(len(x)), np.full(len(x), contrast)),
        lambda x: 30 * np.cos(2 * np.pi * x[:, 0]) + np.sin(np.pi * x[:, 1]),
        0.5,
    )
    scheme = EdgeScheme(grid, twisted)
    entries = whole(scheme.matrix())
    assert np.abs(entries - entries.T).max() <= 1e-13 * np.abs(entries).max()
    assert (entries - np.diag(np.diag(entries))).max() <= 0
    root = grid.whole(scheme.root)
    assert np.abs(entries @ root).max() <= 1e-12 * np.abs(entries).max() * root.max()
    assert scheme.edges.widest > 1 or contrast > 0.1
    assert np.linalg.matrix_rank((np.abs(entries) > 0).astype(float) @ np.ones((grid.size, 1))) == 1
    reached = np.zeros(grid.size, dtype=bool)
    reached[0] = True
    for _ in range(grid.size):
        reached |= (entries != 0) @ reached
    assert reached.all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_same_as_finite_elements(sign):
    """Elements of degree 1 on triangles, M_12 >= 0, constant M: the same matrix but for what corners contribute.

    For M_12 < 0 the diagonals of those triangles are the wrong ones, and the matrices differ.
    """
    tensor = np.array([[2.0, sign * 0.7], [sign * 0.7, 1.0]])
    grid = lattice([(0, 1), (0, 1.5)], (5, 6), False, COMM)
    constant = Given(lambda x: np.repeat(tensor[None], len(x), axis=0), lambda x: np.zeros(len(x)))
    scheme = EdgeScheme(grid, constant)
    root = grid.whole(scheme.root)
    ours = whole(scheme.matrix()) * np.outer(root, root)
    mesh = box(grid.bounds, grid.cells, cell_type=CellType.triangle, comm=COMM)
    space = fem.functionspace(mesh, ("Lagrange", 1))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    stiffness = fem_petsc.assemble_matrix(
        fem.form(ufl.inner(ufl.as_matrix(tensor.tolist()) * ufl.grad(u), ufl.grad(v)) * ufl.dx)
    )
    stiffness.assemble()
    count = space.dofmap.index_map.size_local
    places = np.rint((space.tabulate_dof_coordinates()[:count, :2] - grid.bounds[:, 0]) / grid.spacing).astype(int)
    order = np.concatenate(COMM.allgather(grid.flat(places)))
    theirs = np.empty_like(ours)
    theirs[np.ix_(order, order)] = whole(stiffness)
    corners = [grid.flat(np.array(corner)) for corner in ((0, 6), (5, 0), (0, 0), (5, 6))]
    near = {int(node) for corner in corners for node in np.flatnonzero(ours[corner] != 0)}
    far = [node for node in range(grid.size) if node not in near]
    difference = np.abs(ours - theirs)[np.ix_(far, far)].max()
    assert (difference < 1e-13) if sign > 0 else (difference > 0.1)


def test_energy_of_linear_functions_is_exact_with_wide_steps():
    """sum c (u_y - u_x)^2 = int <M grad u, grad u> for constant M, up to the corners: O(h^2) of the whole."""
    tensor = rotated(np.array([0.4]), np.ones(1), np.full(1, 1e-3))[0]
    errors = []
    for n in (16, 32, 64):
        grid = lattice([(0, 1), (0, 1)], (n, n), False, COMM)
        scheme = EdgeScheme(grid, Given(lambda x: np.repeat(tensor[None], len(x), axis=0), lambda x: np.zeros(len(x))))
        assert scheme.edges.widest > 2
        matrix = scheme.matrix()
        for direction in (np.array([1.0, 0.3]), np.array([-0.5, 1.0])):
            state = matrix.createVecRight()
            state.array[:] = grid.points @ direction * scheme.root
            errors.append(abs(state.dot(matrix * state) - direction @ tensor @ direction))
    assert max(errors[4:]) < 5e-3  # two corners of about 5 x 5 nodes of 65 x 65
    assert errors[4] < errors[0] / 8
    assert errors[5] < errors[1] / 8


def test_refusals():
    grid = lattice([(0, 1)], (5,), False, COMM)
    one = lambda x: np.ones((len(x), 1, 1))  # noqa: E731
    with pytest.raises(InvalidArgument, match="free_energy"):
        EdgeScheme(grid, Given(one, lambda x: np.inf * (x[:, 0] - 2)))
    with pytest.raises(InvalidArgument, match="mobility"):
        EdgeScheme(grid, Given(lambda x: (x[:, 0] - 0.3)[:, None, None], lambda x: x[:, 0]))
    with pytest.raises(InvalidArgument, match="cells"):
        lattice([(0, 1)], (0,), False, COMM)
    with pytest.raises(InvalidArgument, match="cells"):
        lattice([(0, 1)], (2,), True, COMM)
    with pytest.raises(InvalidArgument, match="periodic"):
        lattice([(0, 1)], (5,), (True, False), COMM)
    with pytest.raises(InvalidArgument, match="cells"):
        lattice([(0, 1), (0, 1)], (5,), False, COMM)
    with pytest.raises(InvalidArgument, match=r"cells\[0\]"):
        box([(0, 1)], [[0.0, 0.5, 0.9]])
