"""The parts: line spaces, tensor spaces against UFL's matrices, dual fields, reduced bases, interpolation, descent."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI
from rates import assert_rate

from scaling_limits.cells import FiniteElements, FourierGalerkin
from scaling_limits.cells.solvers.cell_problem import CellProblem, add_unit_gradients, energy, inverted
from scaling_limits.cells.solvers.conjugate_gradients import minimise
from scaling_limits.cells.solvers.dual_problem import CurlProblem, curl, curl_adjoint, dual_fields
from scaling_limits.cells.solvers.reduced_basis import reduced_basis
from scaling_limits.cells.solvers.symmetric import (
    exponential,
    exponential_field,
    logarithm,
    packed,
    relative_distance,
    unpacked,
)
from scaling_limits.cells.solvers.wells import basins
from scaling_limits.cells.spaces.interpolation import InElements, at_scattered, from_nodes, interpolate, interpolate_at
from scaling_limits.cells.spaces.tensor_space import TensorSpace, elements, fourier, graded_elements
from scaling_limits.meshes import torus
from scaling_limits.particles import InvalidArgument

LINES = [fourier(9), elements(3, 4), graded_elements(2, (0.0, 0.1, 0.4, 0.7, 1.0))]
names = ["Fourier", "elements", "graded"]


@pytest.mark.parametrize("line", LINES, ids=names)
def test_lines_are_exact_sequences(line):
    """Modes are orthonormal in L2 and in the energy, derivatives are in the edge space, weights sum to 1."""
    values = np.eye(line.unknowns) if line.values is None else line.values
    edge = np.eye(line.unknowns) if line.edge_values is None else line.edge_values
    weight = line.weights[:, None]
    modes, slopes = values @ line.modes, line.derivatives @ line.modes
    np.testing.assert_allclose(modes.T @ (weight * modes), np.eye(line.unknowns), atol=1e-12)
    np.testing.assert_allclose(slopes.T @ (weight * slopes), np.diag(line.frequencies), atol=1e-9)
    np.testing.assert_allclose(edge @ line.edge_derivative, line.derivatives, atol=1e-10)
    assert line.weights.sum() == pytest.approx(1.0, rel=1e-14)


def tensor_field(y):
    """A symmetric positive definite tensor field (P, 2, 2) of period 1."""
    u, v = 2 * np.pi * y[:, 0], 2 * np.pi * y[:, 1]
    shape = np.stack([np.cos(u), 0.5 * np.sin(u + v), np.sin(v) - 0.3 * np.cos(2 * u)], axis=1)
    return exponential(unpacked(shape, 2))


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_tensor_spaces_are_those_of_dolfinx(degree):
    """int K grad u . grad v of the batched route is that of UFL's form, to rounding, for K constant on cells."""
    cells = 4
    mesh = torus((cells, cells), comm=MPI.COMM_SELF)
    space = fem.functionspace(mesh, ("Lagrange", degree))
    constants = fem.Function(fem.functionspace(mesh, ("Discontinuous Lagrange", 0, (2, 2))))
    constants.interpolate(lambda x: tensor_field(np.floor(cells * x[:2]).T / cells + 0.1).reshape(-1, 4).T)
    u, v = fem.Function(space), fem.Function(space)
    exact = fem.form(ufl.inner(constants * ufl.grad(u), ufl.grad(v)) * ufl.dx)
    batched = TensorSpace(elements(degree, cells), 2)
    places = np.stack(np.broadcast_arrays(*batched.nodes), axis=-1).reshape(-1, 2)
    tensor = tensor_field(np.floor(cells * places) / cells + 0.1).reshape(*batched.weights.shape, 2, 2)
    problem = CellProblem(batched, np.moveaxis(tensor, (2, 3), (0, 1))[None])
    rng = np.random.default_rng(1)
    positions = np.round(space.tabulate_dof_coordinates()[:, :2], 9) % 1.0
    ticks = np.unique(positions[:, 0])
    index = [np.abs(positions[:, i, None] - ticks).argmin(axis=1) for i in range(2)]
    assert ticks.size == degree * cells
    for _ in range(3):
        mine = rng.normal(size=(2, *batched.unknowns))
        u.x.array[:], v.x.array[:] = mine[0][index[0], index[1]], mine[1][index[0], index[1]]
        found = np.vdot(mine[1], problem.apply(mine[0][None, None])[0, 0])
        assert found == pytest.approx(fem.assemble_scalar(exact), rel=1e-11)


@pytest.mark.parametrize("line", LINES, ids=names)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_divergence_is_the_adjoint_of_the_gradient(line, dim):
    space = TensorSpace(line, dim)
    rng = np.random.default_rng(2)
    u = rng.normal(size=(2, dim, *space.unknowns))
    field = [rng.normal(size=(2, dim, *space.weights.shape)) for _ in range(dim)]
    left = sum(np.vdot(f, g) for f, g in zip(field, space.gradient(u)))
    assert left == pytest.approx(np.vdot(space.divergence(field), u), rel=1e-12)


@pytest.mark.parametrize("line", LINES, ids=names)
def test_curls_have_no_divergence(line):
    """int curl A . grad u = 0 for all A and u, and the adjoint is one."""
    space = TensorSpace(line, 3)
    rng = np.random.default_rng(3)
    a, u = rng.normal(size=(1, 2, 3, *space.unknowns)), rng.normal(size=(1, 2, *space.unknowns))
    flux = curl(space, a)
    pairs = [np.einsum("blijk,blijk,ijk->bl", f, g, space.weights) for f, g in zip(flux, space.gradient(u))]
    scale = sum(np.abs(pair).max() for pair in pairs)
    assert np.abs(sum(pairs)).max() <= 1e-11 * scale
    field = [rng.normal(size=part.shape) for part in flux]
    left = sum(np.vdot(f, g) for f, g in zip(field, flux))
    assert left == pytest.approx(np.vdot(curl_adjoint(space, field), a), rel=1e-11)


def test_curl_preconditioner_inverts_a_constant_medium():
    """For K = 1 the operator is curl curl, and P undoes it up to gradients, which have no curl."""
    space = TensorSpace(elements(2, 3), 3)
    problem = CurlProblem(space, np.ones((1, *space.weights.shape)))
    a = np.random.default_rng(4).normal(size=(1, 3, 3, *space.unknowns))
    back = problem.precondition(problem.apply(a))
    for found, expected in zip(curl(space, back), curl(space, a)):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_dual_fields_of_the_plane_have_no_divergence():
    space = TensorSpace(elements(3, 3), 2)
    rng = np.random.default_rng(5)
    flux = dual_fields(space, rng.normal(size=(1, 2, *space.unknowns)))
    gradient = space.gradient(rng.normal(size=(1, 2, *space.unknowns)))
    pairs = [np.einsum("blij,blij,ij->bl", f, g, space.weights) for f, g in zip(flux, gradient)]
    assert np.abs(sum(pairs)).max() <= 1e-12 * np.abs(pairs[0]).max() + 1e-10


def scalar(space, amplitude):
    y = space.nodes
    exponent = np.cos(2 * np.pi * y[0]) + np.sin(2 * np.pi * y[1]) + 0.5 * np.cos(2 * np.pi * (y[0] + y[1]))
    return np.exp(np.asarray(amplitude)[:, None, None] * exponent)


def test_elements_converge_at_twice_their_degree():
    """K_eff is an energy: h^(2 degree)."""
    exact = CellProblem(TensorSpace(fourier(41), 2), scalar(TensorSpace(fourier(41), 2), [2.0])).solve(1e-14).effective
    for degree, sizes, cap in ((1, (16, 32, 64), 5e-3), (2, (8, 16, 32), 1e-5), (3, (6, 9, 14), 2e-6)):
        errors = []
        for cells in sizes:
            space = TensorSpace(elements(degree, cells, 3), 2)
            found = CellProblem(space, scalar(space, [2.0])).solve(1e-13).effective
            errors.append(np.abs(found - exact).max())
            assert np.linalg.eigvalsh(found - exact).min() > 0  # from above
        assert_rate([1 / n for n in sizes], errors, 2 * degree, slack=0.3, cap=cap)


def test_reduced_bases_hold_their_snapshots():
    """The energy in the span of the correctors of some cells is that of the solve, for these cells; above it elsewhere."""
    space = TensorSpace(fourier(15), 2)
    tensor = scalar(space, [0.5, 0.8, 1.1, 1.4])
    solution = CellProblem(space, tensor).solve(1e-13)
    fields = np.stack(space.gradient(solution.correctors), axis=2).reshape(-1, 2, *space.weights.shape)
    basis = reduced_basis(fields, fields, space, scalar=True, accuracy=1e-7)
    np.testing.assert_allclose(basis.minimised(tensor)[0], solution.effective, rtol=1e-10, atol=1e-10)
    other = scalar(space, [0.95])
    exact = CellProblem(space, other).solve(1e-13).effective
    found, parts = basis.minimised(other)
    field = add_unit_gradients(basis.combined(parts))
    np.testing.assert_allclose(energy(other * space.weights, field), found, rtol=1e-10)
    assert 0 < np.linalg.eigvalsh(found - exact).max() < 1e-4
    wide = np.einsum("bij,kl->bklij", other, np.eye(2))
    tensors = reduced_basis(fields, fields, space, scalar=False, accuracy=1e-7)
    np.testing.assert_allclose(tensors.minimised(wide)[0], found, rtol=1e-10, atol=1e-12)


def test_interpolation_is_exact_for_trigonometric_polynomials():
    ticks = np.arange(7) / 7
    function = lambda x, y: np.cos(4 * np.pi * x) * np.sin(2 * np.pi * y) + np.sin(6 * np.pi * (x + 0.1))  # noqa: E731
    samples = function(ticks[:, None], ticks[None, :])[None, None]
    points = np.random.default_rng(6).random((30, 2))
    np.testing.assert_allclose(interpolate_at(samples, points)[0, 0], function(*points.T), atol=1e-13)
    nodes = TensorSpace(elements(3, 4), 2).nodes
    np.testing.assert_allclose(interpolate(samples, nodes)[0, 0], function(*nodes), atol=1e-13)
    alone = interpolate(samples[..., :1], nodes)
    assert alone.shape[-1] == 1


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_logarithms_and_exponentials(dim):
    rng = np.random.default_rng(7)
    log_tensor = rng.normal(size=(50, dim, dim)) / 2
    log_tensor = log_tensor + log_tensor.swapaxes(1, 2)
    tensor = exponential(log_tensor)
    np.testing.assert_allclose(logarithm(tensor), log_tensor, atol=1e-7)
    np.testing.assert_allclose(exponential_field(packed(log_tensor), dim), tensor, rtol=1e-9, atol=1e-9)
    assert relative_distance(log_tensor, log_tensor + 0.1 * np.eye(dim)).max() == pytest.approx(0.1, rel=1e-7)
    field = np.multiply.outer(tensor, np.linspace(1.0, 2.0, 4**dim).reshape(*[4] * dim))
    product = np.einsum("bij...,bjk...->bik...", inverted(field, dim), field)
    expected = np.multiply.outer(np.eye(dim), np.ones([4] * dim))
    np.testing.assert_allclose(product, np.broadcast_to(expected, product.shape), atol=1e-9)


def test_extreme_anisotropy_stays_positive():
    """Eigenvalues 1 and exp(-60) along the axes: the small one keeps its digits."""
    entries = np.array([[0.0, 0.0, -60.0]])
    tensor = exponential_field(entries, 2)[0]
    assert tensor[1, 1] == pytest.approx(np.exp(-60.0), rel=1e-12)


def test_descent_says_when_it_has_not_converged():
    """A Hilbert matrix without preconditioner: three iterations are not enough, and that is what is returned."""
    hilbert = 1.0 / (np.arange(8)[:, None] + np.arange(8) + 1)
    right = np.ones((1, 1, 8))
    energies = lambda u: np.einsum("bli,ij,blj->bl", u, hilbert, u) - 2 * u.sum(axis=2) + 1e3  # noqa: E731
    start = np.full((1, 1), 1e3)
    short = minimise(lambda u: u @ hilbert, lambda r: r, right, energies, start, 1e-12, 3)
    assert (short.converged, short.iterations) == (False, 3)
    whole = minimise(lambda u: u @ hilbert, lambda r: r, right, energies, start, 1e-12, 400)
    assert whole.converged


def test_basins_are_those_of_the_maxima():
    """cos 2x + cos 3y has six maxima: their basins are equal, disjoint, and one is left out."""
    ticks = 2 * np.pi * np.arange(24) / 24
    found = basins(np.exp(np.cos(2 * ticks[:, None]) + np.cos(3 * ticks[None, :])))
    assert found.shape == (5, 24, 24)
    assert set(found.sum(axis=0).ravel()) == {0.0, 1.0}
    assert (np.abs(found.sum(axis=(1, 2)) - 96) <= 24).all()
    assert basins(np.exp(np.cos(ticks[:, None]) + np.cos(ticks[None, :]))) is None


def test_energies_are_sums_of_squares():
    space = TensorSpace(elements(2, 3), 2)
    theta = np.random.default_rng(8).normal(size=(3, 2, *space.unknowns))
    weighted = scalar(space, [1.0, 2.0, 3.0]) * space.weights
    found = energy(weighted, add_unit_gradients(space.gradient(theta)))
    assert (np.linalg.eigvalsh(found) > 0).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FiniteElements(0), lambda: FiniteElements(4, (3, 2)), lambda: FiniteElements(4, ()),
        lambda: FourierGalerkin((8,)), lambda: FourierGalerkin((9, 7)), lambda: FourierGalerkin(()),
    ],
)  # fmt: skip
def test_bad_routes_are_refused(make):
    with pytest.raises(InvalidArgument):
        make()


@pytest.mark.parametrize("sizes", [(7,), (7, 9), (7, 1), (1, 9), (5, 6, 7), (5, 1, 7), (1, 1, 7), (5, 6, 1)])
@pytest.mark.parametrize("own", [False, True], ids=["shared points", "points of each"])
@pytest.mark.parametrize("cells", [2, 9])
def test_contractions_at_scattered_points_are_einsums(sizes, own, cells):
    """Some 900 points, which are more than are done at once; few functions and many; axes of length 1."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(cells, 3, *sizes))
    factors = [rng.normal(size=(cells, 911, n) if own else (911, n)) for n in sizes]
    axes, points = "ijk"[: len(sizes)], "bp" if own else "p"
    used = [np.ones_like(factor) if factor.shape[-1] == 1 else factor for factor in factors]
    rows = ",".join(points + axis for axis in axes)
    expected = np.einsum(f"bc{axes},{rows}->bcp", values, *used)
    np.testing.assert_allclose(at_scattered(values, factors), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("line", [elements(5, 3), *LINES[1:]], ids=["one more degree", *names[1:]])
def test_interpolation_by_elements_is_that_by_whole_matrices(line, dim):
    """Few points and many, in all elements or a corner only, so that some elements have none."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(3, *(line.points.size,) * dim))
    for points in (rng.random((911, dim)), rng.random((2, dim)), 0.3 * rng.random((40, dim)), np.zeros((1, dim))):
        matrices = [from_nodes(line, column) for column in points.T]
        expected = at_scattered(values[:, None], matrices)[:, 0]
        found = InElements.of(line, matrices).at(values)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(("line", "height", "most"), [(fourier(21), 2.0, 20), (elements(4, 10), 6.0, 18)])
def test_powers_of_the_scaling_save_iterations(line, height, most):
    """Up to 1e-9: 17 and 16 iterations, where S itself takes 27 and 20; the energy is that of a tight tolerance."""
    space = TensorSpace(line, 2)
    x, y = (2.0 * np.pi * node for node in space.nodes)
    problem = CellProblem(space, np.exp(-height * (np.cos(x) + np.cos(y) + 0.5 * np.cos(x + y)))[None])
    loose, tight = problem.solve(1e-9), problem.solve(1e-13)
    assert loose.converged.all()
    assert loose.iterations <= most
    np.testing.assert_allclose(loose.effective, tight.effective, rtol=0, atol=1e-9 * tight.effective.max())
