"""Files of what is asked of sets on meshes: read again, fields, currents, rates and fluxes are what they were."""

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from scaling_limits import load
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck, MeshFirstPassage, MeshQuasiStationary, MeshTransition, MeshVectorField

pytestmark = pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")
COMM = MPI.COMM_WORLD
RANDOM = np.random.Generator(np.random.Philox(key=5))


def disk(x, y, radius=0.45):
    return lambda points: (points[:, 0] - x) ** 2 + (points[:, 1] - y) ** 2 < radius**2


def square(cells, kind):
    return mesh.create_rectangle(COMM, [(-2.0, -1.5), (2.0, 1.5)], cells, kind)


def equation_of(name, temperature=0.4):
    """A line, a plane of triangles, and one of quadrilaterals with sets along their sides."""
    wells = lambda x: (x[:, 0] ** 2 - 1) ** 2 + (x[:, 1:] ** 2).sum(axis=1)  # noqa: E731
    made = {
        "line": lambda: mesh.create_interval(COMM, 40, [-2.0, 2.0]),
        "triangles": lambda: square((16, 12), mesh.CellType.triangle),
        "boxes": lambda: square((16, 12), mesh.CellType.quadrilateral),
    }
    return FokkerPlanck.of(mobility=1.0, free_energy=wells, temperature=temperature, mesh=made[name]())


def sets_of(name):
    if name == "triangles":
        return disk(-1, 0), disk(1.03, 0.05)
    return lambda x: x[:, 0] < -0.99, lambda x: x[:, 0] > 1.01


@pytest.fixture(params=["line", "triangles", "boxes"])
def case(request):
    equation, (a, b) = equation_of(request.param), sets_of(request.param)
    dim = 1 if request.param == "line" else 2
    x = RANDOM.uniform([-2.0, -1.5][:dim], [2.0, 1.5][:dim], (400, dim))
    return equation, a, b, x[~disk(-1, 0, 0.6)(x) & ~disk(1, 0, 0.6)(x)] if dim == 2 else x[np.abs(x[:, 0]) < 0.9]


@pytest.fixture
def path(tmp_path_factory):
    """The same file on all ranks."""
    folder = tmp_path_factory.mktemp("files") if COMM.rank == 0 else None
    return COMM.bcast(folder) / "result.npz"


def test_transitions(case, path):
    equation, a, b, x = case
    transition = equation.transition(a, b)
    transition.save(path)
    again = load(path, equation=equation)
    assert type(again) is MeshTransition
    assert repr(again) == repr(transition)
    assert again.errors == transition.errors
    for name in ("forward", "backward", "density"):
        one, other = getattr(transition, name), getattr(again, name)
        np.testing.assert_allclose(other.at(x), one.at(x), atol=1e-13)
        np.testing.assert_allclose(other.error_at(x), one.error_at(x), atol=1e-13)
        assert other.quantity == one.quantity
    largest = np.abs(transition.current.at(x)).max()
    np.testing.assert_allclose(again.current.at(x), transition.current.at(x), atol=1e-10 * largest)
    np.testing.assert_allclose(again.flux(lambda y: y[:, 0] < 0.1), transition.frequency, rtol=1e-9)
    transition.current.save(path)
    current = load(path)
    assert type(current) is MeshVectorField
    np.testing.assert_allclose(current.at(x), transition.current.at(x), atol=1e-12 * largest)
    assert repr(current) == repr(transition.current)
    data = current.to_xarray()
    assert COMM.rank > 0 or set(data.dims) >= {"direction"}


def test_first_passages_and_laws_that_last(case, path):
    equation, _, b, x = case
    passage = equation.first_passage(b)
    passage.save(path)
    again = load(path, equation=equation, target=b)
    assert type(again) is MeshFirstPassage
    for name in ("mean", "variance"):
        one, other = getattr(passage, name), getattr(again, name)
        np.testing.assert_allclose(other.at(x), one.at(x), rtol=1e-12)
        assert other.error == pytest.approx(one.error)
    (now, error), (then, before) = (one.survival_and_error([0.3], x[0]) for one in (again, passage))
    np.testing.assert_allclose(now, then, rtol=1e-7)
    np.testing.assert_allclose(error, before, rtol=1e-3)
    with pytest.raises(InvalidArgument, match="^target: is not the set"):
        MeshFirstPassage.load(path, equation, lambda points: points[:, 0] > 0.2)
    with pytest.raises(InvalidArgument, match="^target: must be the set"):
        MeshFirstPassage.load(path, equation, 3)
    law = equation.quasi_stationary(b)
    law.save(path)
    again = load(path, equation=equation)
    assert type(again) is MeshQuasiStationary
    assert (again.rate, again.error, again.density.error) == (law.rate, law.error, law.density.error)
    np.testing.assert_allclose(again.density.at(x), law.density.at(x), rtol=1e-12)


def test_other_equations_and_files_are_refused(path):
    equation = equation_of("line")
    equation.transition(*sets_of("line")).save(path)
    for other in (equation_of("line", 0.5), equation_of("boxes"), 3, None):
        with pytest.raises(InvalidArgument, match="^equation: "):
            load(path, equation=other)
    with pytest.raises(InvalidArgument, match="^context: MeshTransition asks for equation="):
        load(path)
    with pytest.raises(InvalidArgument, match="^path: .* holds MeshTransition, not MeshVectorField"):
        MeshVectorField.load(path)


@pytest.mark.serial
@pytest.mark.parametrize("name", ["values", "place", "numbers", "cells"])
def test_damaged_files(path, name):
    equation = equation_of("line")
    equation.transition(*sets_of("line")).save(path)
    with np.load(path) as file:
        content = {key: file[key] for key in file.files}
    np.savez(path, **(content | {name: content[name][:-1]}))
    with pytest.raises(InvalidArgument, match=r"^path: .* (is damaged|has a mesh whose)"):
        load(path, equation=equation)
