"""On twenty meshes, with tensors of ratio 1000 that are turned: mass, sign, equilibrium and free energy."""

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI

from meshes import TWENTY
from scaling_limits.pdes import IMPLICIT_EULER, RESOLVENT2, FokkerPlanck

COMM = MPI.COMM_WORLD
pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")]


def turned(dim, ratio=1e-3, angle=0.6):
    """Eigenvalues 1 and `ratio`, turned in each plane."""
    rotation = np.eye(dim)
    for i in range(dim - 1):
        plane = np.eye(dim)
        c, s = np.cos(angle + i), np.sin(angle + i)
        plane[i, i], plane[i, i + 1], plane[i + 1, i], plane[i + 1, i + 1] = c, -s, s, c
        rotation = rotation @ plane
    tensor = rotation @ np.diag([1.0, *[ratio] * (dim - 1)]) @ rotation.T
    return Given(
        lambda x: np.broadcast_to(tensor, (len(x), dim, dim)).copy(),
        lambda x: 2.0 * (x**2).sum(axis=1) + np.sin(3.0 * x[:, 0]),
        0.5,
    )


def equation(name):
    mesh = TWENTY[name]()
    dim = mesh.geometry.dim
    return FokkerPlanck(turned(dim), mesh=mesh, rtol=1e-5 if dim < 3 else 1e-3)


def narrow(x):
    """Next to nothing outside of a ball."""
    width = 0.15 if x.shape[1] < 3 else 0.4
    return np.exp(-((x - 0.1) ** 2).sum(axis=1) / (2 * width**2))


def test_there_are_twenty():
    assert len(TWENTY) == 20


@pytest.mark.parametrize("name", TWENTY)
def test_structure(name):
    fp = equation(name)
    run = fp.evolve(narrow, [0.0, 0.003, 0.01, 0.03, 0.1])
    assert np.abs(run.mass - 1).max() <= 1e-13
    assert run.minimum.min() >= 0.0
    assert (np.diff(run.free_energy) <= 0).all()
    assert (np.diff(run.relative_entropy) < 0).all()
    np.testing.assert_array_equal(run.survival, run.mass)


@pytest.mark.parametrize("name", TWENTY)
def test_equilibrium_stays(name):
    """To round-off: the density exp(-Psi/sigma) is as it was, after any time."""
    fp = equation(name)
    boltzmann = lambda x: np.exp(-(fp.exponent(x)))  # noqa: E731
    run = fp.evolve(boltzmann, [0.0, 0.1, 100.0])
    change = COMM.allreduce(np.abs(run.probabilities - run.probabilities[0]).sum(axis=1))
    assert change.max() < 1e-12
    assert run.relative_entropy.max() < 1e-20
    assert np.abs(run.mass - 1).max() <= 1e-13


@pytest.mark.parametrize("name", ["wobbled line", "triangles", "wobbled quadrilaterals", "disc"])
@pytest.mark.parametrize("scheme", [IMPLICIT_EULER, RESOLVENT2])
def test_structure_of_long_steps(name, scheme):
    run = equation(name).evolve(narrow, [0.2, 0.4, 0.6, 0.8, 1.0], scheme=scheme, step=0.2)
    assert np.abs(run.mass - 1).max() <= 1e-13
    assert run.minimum.min() >= 0.0
    assert (np.diff(run.free_energy) < 0).all()


def test_sharp_starts():
    """A density that is 0 but at a few nodes, far from what linear elements can carry without losing its sign."""
    fp = equation("disc")
    run = fp.evolve(lambda x: (((x - 0.1) ** 2).sum(axis=1) < 0.3**2).astype(float), [0.0, 1e-4, 1e-3, 1e-2])
    assert run.limited_steps > 0
    assert np.abs(run.mass - 1).max() <= 1e-13
    assert run.minimum.min() >= 0.0
    assert (np.diff(run.free_energy) < 0).all()
