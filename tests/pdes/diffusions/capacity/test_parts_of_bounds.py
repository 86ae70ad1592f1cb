"""The parts that bounds of the frequency are made of: sets of cells, flows of a cell, basins, integrals."""

import itertools

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI

from scaling_limits.meshes.backend.quadrature import lobatto_points
from scaling_limits.meshes.box import Grid
from scaling_limits.pdes.diffusions.capacity.basins import basins
from scaling_limits.pdes.diffusions.capacity.cell_elements import edge_functions, flow_graph, flows, gauss, gradients
from scaling_limits.pdes.diffusions.capacity.cell_integrals import Medium, cell_sums, first_order
from scaling_limits.pdes.diffusions.capacity.cell_sets import cell_set, planes
from scaling_limits.pdes.diffusions.capacity.tensor_mesh import TensorMesh
from scaling_limits.pdes.diffusions.capacity.thomson import inverses
from scaling_limits.pdes.diffusions.hitting.target_sets import TargetSet


def grid(cells, dim=2, periodic=False):
    return Grid.of([(0, 1)] * dim, (cells,) * dim, periodic, MPI.COMM_WORLD)


def test_unions_of_cells_enclose_a_disc():
    """Their areas are below and above pi r^2, and no cell is in the wrong one: compared with exact distances."""
    centre, radius = np.array([0.47, 0.52]), 0.31
    own = grid(21)
    target = TargetSet("a", lambda x: ((x - centre) ** 2).sum(axis=1) < radius**2, 0.0)
    assert all(axis.size == 0 for axis in planes(own, (target,)))
    mesh = TensorMesh.of(own, planes(own, (target,)))
    found = cell_set(mesh, target)
    low = mesh.corners(np.arange(mesh.size))
    near = np.clip(centre, low, low + mesh.widths(np.arange(mesh.size)))
    far = np.maximum(abs(low - centre), abs(low + mesh.widths(np.arange(mesh.size)) - centre))
    np.testing.assert_array_equal(found.outer, np.linalg.norm(near - centre, axis=1) < radius)
    np.testing.assert_array_equal(found.inner, np.linalg.norm(far, axis=1) < radius)
    assert found.inner.sum() / 21**2 < np.pi * radius**2 < found.outer.sum() / 21**2
    assert not found.fitted


def test_planes_between_nodes_become_nodes():
    """A box and a strip, at places of no node, and a strip at nodes: the unions are the sets."""
    sides = [(0.2137, 0.3119), (0.4, 0.71234)]
    one = TargetSet("a", lambda x: ((x > [s[0] for s in sides]) & (x < [s[1] for s in sides])).all(axis=1), 0.0)
    other = TargetSet("b", lambda x: x[:, 0] >= 0.9, 1.0)
    own = grid(10)
    found = planes(own, (one, other))
    np.testing.assert_allclose(found[0], [*sides[0], 0.9], atol=1e-12)
    np.testing.assert_allclose(found[1], sides[1], atol=1e-12)
    assert 0.9 in found[0]
    mesh = TensorMesh.of(own, found)
    for target, area in ((one, np.prod(np.diff(sides))), (other, 0.1)):
        cells = cell_set(mesh, target)
        assert cells.fitted
        volume = np.prod(mesh.widths(np.flatnonzero(cells.inner)), axis=1).sum()
        assert volume == pytest.approx(area, rel=1e-12)


def test_a_wall_is_a_set():
    mesh = TensorMesh.of(grid(4, dim=3), [np.zeros(0)] * 3)
    found = cell_set(mesh, TargetSet("a", lambda x: (x[:, 1] >= 1) & (x[:, 0] < 0.6), 0.0))
    assert not found.outer.any()
    # of four faces along x_1 two are inside, and one is cut
    assert (found.inner_faces.sum(), found.outer_faces.sum()) == (8, 12)


@pytest.mark.parametrize(("dim", "degree"), [(d, p) for d in (1, 2, 3) for p in (1, 2, 3)])
def test_flows_of_a_cell(dim, degree):
    """Cycles are of integers and have no divergence, exactly; polynomials have the fluxes and sums that they stand for."""
    graph = flow_graph(dim, degree)
    parts = degree**dim
    assert np.array_equal(graph.cycles, np.rint(graph.cycles))
    assert not (graph.divergence @ graph.cycles).any()
    assert graph.cycles.shape[1] == graph.divergence.shape[1] - parts
    assert np.linalg.matrix_rank(graph.cycles) == graph.cycles.shape[1]
    # the theorem of Gauss: what leaves through faces is the sum over parts
    np.testing.assert_array_equal(graph.outflow.sum(axis=0), graph.divergence.sum(axis=0))
    # int j . grad g = flux of g j for flows without divergence: with Lagrange functions and the flows as polynomials
    rule = gauss(dim, degree + 2)
    weights = np.random.default_rng(3).normal(size=graph.cycles.shape[1])
    values = np.split(graph.cycles @ weights, dim)
    current = [part @ value for part, value in zip(flows(dim, degree, degree + 2), values)]
    slopes = gradients(dim, degree, degree + 2)
    inner = sum((rule.weights * j) @ slope for j, slope in zip(current, slopes))
    inside = np.array(
        [all(0 < k < degree for k in place) for place in itertools.product(range(degree + 1), repeat=dim)]
    )
    np.testing.assert_allclose(inner[inside], 0, atol=1e-12)
    # linear functions: int j_i is the mean flux across
    for i, j in enumerate(current):
        x = rule.ticks[:, i]
        out = (graph.outflow @ graph.cycles @ weights).reshape(dim, 2, -1)
        others = sum(float((rule.weights * c) @ s @ gradient_of(dim, degree, i)) for c, s in zip(current, slopes))
        assert others == pytest.approx(float(rule.weights @ j), abs=1e-12)
        assert x.min() > 0
        total = out[i, 1].sum() + sum(moments(out[k], dim, degree, i, k) for k in range(dim) if k != i)
        assert total == pytest.approx(float(rule.weights @ j), abs=1e-11)


def gradient_of(dim, degree, i):
    """The nodal values of x_i."""
    return np.array(list(itertools.product(lobatto_points(degree), repeat=dim)))[:, i]


def moments(out, dim, degree, i, k):
    """The integral of x_i times the flux through both faces across x_k."""
    line = gauss(1, degree + 2)
    of_edge = line.weights * line.line @ edge_functions(degree, line.line)
    place = i if i < k else i - 1
    per_part = out.reshape(2, *(degree,) * (dim - 1)).sum(axis=0)
    return float((np.moveaxis(per_part, place, -1) @ of_edge).sum())


def test_basins_of_a_landscape():
    """Seven cells in a row: the pass between the ends, and the well between them, which is deep."""
    exponent = np.array([0.0, 30.0, -5.0, -40.0, -2.0, 20.0, 1.0])
    links = np.stack([np.arange(6), np.arange(1, 7)], axis=1)
    found = basins(exponent, links, [np.array([0]), np.array([6])])
    assert found.height == 30.0
    assert found.wells.tolist() == [3]
    assert found.owner.tolist()[0] == 0
    assert found.owner.tolist()[6] == 1
    assert set(found.owner.tolist()[2:5]) == {2}
    shallow = basins(exponent * 0.2, links, [np.array([0]), np.array([6])])
    assert shallow.wells.size == 0
    assert set(shallow.owner.tolist()) == {0, 1}


def test_integrals_over_cells():
    """A peak in one cell and a kink: the error that is measured covers the true one, and is small where it can be."""
    mesh = TensorMesh.of(grid(7), [np.zeros(0)] * 2)
    given = Given(lambda x: np.repeat(np.eye(2)[None], len(x), 0), lambda x: 0 * x[:, 0])
    medium = Medium(mesh, given)

    def total(f):
        def part(cells, order):
            rule = gauss(2, order)
            x = mesh.points(cells, rule.ticks)
            return f(x).reshape(-1, len(rule.weights)) @ rule.weights * np.prod(mesh.widths(cells), axis=1)

        return cell_sums(mesh, mesh.own, part, first_order(mesh, 1))

    peak = total(lambda x: np.exp(-((x - 0.513) ** 2).sum(axis=1) / 2e-4))
    assert abs(peak.value - 2e-4 * np.pi) <= peak.error + 1e-17
    assert peak.error < 1e-6 * peak.value
    kink = total(lambda x: np.abs(x[:, 0] - 0.512345))
    assert abs(kink.value - (0.512345**2 + 0.487655**2) / 2) <= kink.error
    assert kink.error < 1e-4
    np.testing.assert_array_equal(medium.exponents(mesh.own, 3), np.zeros((len(mesh.own), 9)))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_inverses(dim):
    """Cofactors against LAPACK, with axes of very different units, within the error that is said."""
    generator = np.random.default_rng(5)
    roots = generator.normal(size=(40, 3, dim, dim)) * 10.0 ** np.arange(dim)[:, None] ** 2
    tensors = roots @ roots.swapaxes(-1, -2)
    inverse, rounding = inverses(tensors)
    exact = np.linalg.inv(tensors)
    scale = np.sqrt(np.einsum("...ii->...i", exact))
    error = np.abs(inverse - exact) / scale[..., :, None] / scale[..., None, :]
    assert (error.max(axis=(2, 3)) <= 4 * rounding + 1e-14).all()
    assert np.median(error) < 1e-12
