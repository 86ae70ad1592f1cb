"""What equations on meshes refuse, on all ranks, with the name of the argument."""

import numpy as np
import pytest
from diffusions import Given
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI
from refusals import refused

from meshes import COMM, KIND, by_hand, square
from scaling_limits.meshes.torus import torus
from scaling_limits.particles import egg_carton
from scaling_limits.pdes import EffectiveFokkerPlanck, FokkerPlanck, Unresolved
from scaling_limits.pdes.diffusions.on_a_mesh.cell_shapes import check_shapes

PLAIN = Given(lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy(), lambda x: (x**2).sum(axis=1), 1.0)


def test_domains():
    mesh = square(4)
    refused("box", "left out", lambda: FokkerPlanck(PLAIN, [(-1, 1)] * 2, mesh=mesh))
    refused("cells", "left out", lambda: FokkerPlanck(PLAIN, None, 4, mesh=mesh))
    refused("periodic", "left out", lambda: FokkerPlanck(PLAIN, mesh=mesh, periodic=True))
    refused("box", "mesh instead", lambda: FokkerPlanck(PLAIN))
    refused("cells", "mesh instead", lambda: FokkerPlanck(PLAIN, [(-1, 1)] * 2))
    refused("mesh", "dolfinx", lambda: FokkerPlanck(PLAIN, mesh="square"))
    refused("mesh", "directions", lambda: EffectiveFokkerPlanck(egg_carton(0.5, dim=1), mesh=mesh))


def test_meshes():
    surface = dolfinx_mesh.create_submesh(
        dolfinx_mesh.create_unit_cube(COMM, 2, 2, 2), 2,
        dolfinx_mesh.locate_entities(dolfinx_mesh.create_unit_cube(COMM, 2, 2, 2), 2, lambda x: x[0] < 1e-9),
    )[0]  # fmt: skip
    refused("mesh", "dimension", lambda: FokkerPlanck(PLAIN, mesh=surface))
    prisms = dolfinx_mesh.create_unit_cube(COMM, 2, 2, 2, dolfinx_mesh.CellType.prism)
    refused("mesh", "prism", lambda: FokkerPlanck(PLAIN, mesh=prisms))
    if COMM.size > 1:
        refused("mesh", "comm=mesh.comm", lambda: FokkerPlanck(PLAIN, mesh=square(4, comm=MPI.COMM_SELF), comm=COMM))
    apart = by_hand([[0, 0], [1, 0], [0, 1], [5, 5], [6, 5], [5, 6]], [[0, 1, 2], [3, 4, 5]])
    refused("mesh", "of one piece", lambda: FokkerPlanck(PLAIN, mesh=apart).evolve(lambda x: x[:, 0] + 1, [1.0]))
    corner = by_hand([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], [[0, 1, 2], [0, 3, 4]])
    refused("mesh", "share no facets", lambda: FokkerPlanck(PLAIN, mesh=corner).stationary())


def test_shapes_of_cells():
    corners, around = [[0, 0], [1, 0], [0, 1]], [[0, 0], [1, 0], [1, 1], [0, 1]]
    two = [[0, 1, 2], [1, 2, 3]]
    refused("mesh", "finite", lambda: _solved(by_hand([*corners, [1, np.nan]], two)))
    refused("mesh", "flat", lambda: _solved(by_hand([*corners, [0.5, 0.5]], two)))
    refused("mesh", "folded", lambda: _solved(by_hand(around, [[0, 1, 2, 3]], "quadrilateral")))
    refused("mesh", "folded", lambda: _solved(by_hand([*corners, [0.2, 0.2]], [[0, 1, 2, 3]], "quadrilateral")))
    # one rank knows all neighbours
    turned = by_hand([*corners, [0.2, 0.2]], two, comm=MPI.COMM_SELF)
    refused("mesh", "lie on one another", lambda: _solved(turned))
    three = by_hand([*corners, [1, 1], [1.5, 1]], [*two, [1, 2, 4]], comm=MPI.COMM_SELF)
    refused("mesh", "two cells at a facet", lambda: _solved(three))


def test_all_shapes_of_cells():
    """Cells of all kinds and in any order of their corners are right, and so are seams."""
    plane = [dolfinx_mesh.create_unit_square(COMM, 3, 3, cell) for cell in (KIND.triangle, KIND.quadrilateral)]
    space = [dolfinx_mesh.create_unit_cube(COMM, 2, 2, 2, cell) for cell in (KIND.tetrahedron, KIND.hexahedron)]
    for mesh in plane + space:
        check_shapes(mesh)
        mesh.geometry.x[:, 0] *= -1e-7
        check_shapes(mesh)
    check_shapes(dolfinx_mesh.create_interval(COMM, 4, [0, 1]))
    check_shapes(torus((4, 4)))


def test_a_mesh_that_is_moved():
    """What is known of the places of before is not mixed with that of after."""
    mesh = square(4)
    fp = FokkerPlanck(PLAIN, mesh=mesh)
    mesh.geometry.x[:] *= 1.5
    run = fp.evolve(lambda x: np.ones(len(x)), [0.1])
    mesh.geometry.x[:] *= 2
    refused("mesh", "was moved", lambda: fp.spectrum(2))
    refused("mesh", "was moved", lambda: run.error)


def _solved(mesh):
    return FokkerPlanck(PLAIN, mesh=mesh).stationary()


def test_coefficients():
    mesh = square(4)
    holes = Given(PLAIN.mobility, lambda x: np.where(x[:, 0] > 0, np.nan, 0.0))
    refused("free_energy", "finite", lambda: FokkerPlanck(holes, mesh=mesh).stationary())
    crooked = Given(lambda x: np.broadcast_to([[1.0, 0.5], [0.0, 1.0]], (len(x), 2, 2)).copy(), PLAIN.free_energy)
    refused("mobility", "symmetric", lambda: FokkerPlanck(crooked, mesh=mesh).modes(2))
    high = Given(PLAIN.mobility, lambda x: 1e4 * x[:, 0])
    refused("mesh", "ranges over", lambda: FokkerPlanck(high, mesh=mesh).stationary())
    steep = Given(PLAIN.mobility, lambda x: 20 * x[:, 0])
    with pytest.warns(Unresolved) if COMM.rank == 0 else _nothing():
        FokkerPlanck(steep, mesh=mesh).evolve(lambda x: np.ones(len(x)), [1e-3])


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


def test_sets():
    fp = FokkerPlanck(PLAIN, mesh=square(8))
    refused("target", "no node", lambda: fp.mean_first_passage_time(lambda x: x[:, 0] > 7))
    refused("target", "covers", lambda: fp.mean_first_passage_time(lambda x: x[:, 0] > -7))
    refused("b", "must not meet", lambda: fp.committor(lambda x: x[:, 0] > 0, lambda x: x[:, 0] > 0.5))
    refused("b", "joined", lambda: fp.committor(lambda x: x[:, 0] >= 0, lambda x: x[:, 0] < -0.05))
    refused("target", "mesh tags", lambda: fp.first_passage(3))
    refused("bounds", "False", lambda: fp.transition(lambda x: x[:, 0] < -0.5, lambda x: x[:, 0] > 0.5, bounds=True))
    grid = FokkerPlanck(PLAIN, [(-1, 1)] * 2, (8, 8))
    refused("target", "callable", lambda: grid.mean_first_passage_time((1, 2)))


def test_tags():
    """Facets with a tag are the same set as an indicator of their nodes."""
    mesh = square(8)
    facets = np.sort(dolfinx_mesh.locate_entities_boundary(mesh, 1, lambda x: x[0] > 1 - 1e-9))
    tags = dolfinx_mesh.meshtags(mesh, 1, facets, np.full(len(facets), 7, dtype=np.int32))
    fp = FokkerPlanck(PLAIN, mesh=mesh)
    x = np.array([[0.0, 0.0], [0.4, -0.3]])
    by_tags = fp.mean_first_passage_time((tags, 7)).at(x)
    np.testing.assert_allclose(by_tags, fp.mean_first_passage_time(lambda y: y[:, 0] > 1 - 1e-9).at(x), rtol=1e-12)
    refused("target", "the tag 8; tags that are there: 7", lambda: fp.mean_first_passage_time((tags, 8)))
    refused("target", "one whole number", lambda: fp.mean_first_passage_time((tags, [7])))
    refused("absorbing", "one whole number", lambda: fp.evolve(lambda y: np.ones(len(y)), [1.0], absorbing=(tags, 7.0)))
    assert fp.mean_first_passage_time((tags, np.int32(7))).at(x) == pytest.approx(by_tags)


def test_arguments():
    fp = FokkerPlanck(PLAIN, mesh=square(8))
    refused("initial", "negative", lambda: fp.evolve(lambda x: x[:, 0], [1.0]))
    refused("initial", "0 at all nodes", lambda: fp.evolve(lambda x: np.zeros(len(x)), [1.0]))
    refused("checkpoint", "folder", lambda: fp.evolve(lambda x: np.ones(len(x)), [1.0], checkpoint="no/such/file"))
    refused("checkpoint_every", "", lambda: fp.evolve(lambda x: np.ones(len(x)), [1.0], checkpoint_every=-1.0))
    refused("k", "half", lambda: fp.modes(1000))
    rho = fp.stationary()
    refused("points", "in the mesh", lambda: rho.at([[5.0, 0.0]]))
    refused("points", "", lambda: rho.at([[0.0, 0.0, 0.0]]))


@pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
def test_given_coefficients():
    """Callables and constants say the same, and what is none of them is refused."""
    mesh, turned = square(4), np.array([[2.0, 0.3], [0.3, 1.0]])
    slope, x = (lambda y: y[:, 1]), np.array([[0.3, 0.2], [-0.5, 0.4]])

    def made(**changes):
        given = {"mobility": 2.0, "free_energy": slope, "temperature": 0.5, "mesh": mesh}
        return FokkerPlanck.of(**(given | changes))

    numbers = lambda y: 1 + y[:, 0] ** 2  # noqa: E731
    tensors = lambda y: (1 + y[:, 0] ** 2)[:, None, None] * np.eye(2)  # noqa: E731
    for one, other in (
        (2.0, 2 * np.eye(2)),
        (numbers, tensors),
        (turned, lambda y: np.broadcast_to(turned, (len(y), 2, 2))),
    ):
        np.testing.assert_array_equal(
            made(mobility=one).coefficients.mobility(x), made(mobility=other).coefficients.mobility(x)
        )
    rates = made(free_energy=1.0).spectrum(2), made(free_energy=lambda y: 0 * y[:, 0]).spectrum(2)
    np.testing.assert_allclose(*rates, rtol=1e-12, atol=1e-12)
    grid = made(mesh=None, box=[(-1, 1)] * 2, cells=(8, 8), free_energy=0.0)
    assert grid.spectrum(2)[1] == pytest.approx(0.25 * np.pi**2, rel=1e-8)
    tensor, energy = made(mobility=turned).coefficients.functions(mesh, 2)
    assert tensor.ufl_shape == (2, 2)
    assert energy.function_space.mesh is mesh
    for wrong in ("a", [1.0, 2.0], np.ones((2, 3)), None):
        refused("mobility", "must be a callable", lambda w=wrong: made(mobility=w))
    refused("mobility", "positive definite", lambda: made(mobility=-1.0).spectrum(2))
    refused("mobility", "as many values", lambda: made(mobility=lambda y: y[0]).spectrum(2))
    refused("free_energy", "number", lambda: made(free_energy=None))
    refused("temperature", "above 0", lambda: made(temperature=0.0))
    assert "Mesh" in repr(made())
