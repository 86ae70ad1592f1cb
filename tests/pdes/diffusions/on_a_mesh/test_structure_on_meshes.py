"""On twenty meshes, with tensors of ratio 1000 that are turned: mass, sign, equilibrium and free energy in every step."""

import numpy as np
import pytest
from densities_on_meshes import hard, measured, narrow, relative_entropy, structure_of, turned_tensor, with_tensor
from scipy.sparse import csr_array

from meshes import TWENTY, disc, square
from scaling_limits.pdes import IMPLICIT_EULER, RESOLVENT2, RESOLVENT4, FokkerPlanck, Unresolved
from scaling_limits.pdes.diffusions.on_a_mesh.lumped import LumpedEquation

pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")]


def equation(name, rtol=1e-5):
    mesh = TWENTY[name]()
    return FokkerPlanck(hard(mesh.geometry.dim), mesh=mesh, rtol=rtol)


def test_there_are_twenty():
    assert len(TWENTY) == 20


@pytest.mark.parametrize("name", TWENTY)
def test_structure(name):
    """After each step from a start as narrow as a cell or two, from short times to long ones; few steps are refused."""
    found = structure_of(name)
    assert found.mass <= 1e-13
    assert found.minimum >= 0.0
    assert found.rise <= 1.0
    assert found.drift < 1e-12
    assert found.refused <= 0.02 * found.steps
    assert found.steps < 3000


@pytest.mark.parametrize("name", TWENTY)
@pytest.mark.parametrize("scheme", [IMPLICIT_EULER, RESOLVENT4])
def test_structure_of_long_steps(name, scheme):
    """Of a given size, far beyond what M and the cells resolve."""
    found = structure_of(name, [0.2, 0.4, 0.6, 100.0], scheme=scheme, step=0.2 if scheme.order > 1 else 20.0)
    assert found.mass <= 1e-13
    assert found.minimum >= 0.0
    assert found.rise <= 1.0


@pytest.mark.parametrize("name", ["triangles", "obtuse triangles", "wobbled tetrahedra"])
def test_near_equilibrium(name):
    """What is next to the equilibrium comes to it, and H falls on the way as long as it is more than rounding."""
    fp = equation(name)
    start = lambda x: np.exp(-fp.exponent(x)) * (1 + 1e-4 * np.sin(3 * x[:, 0]))  # noqa: E731
    run, steps = measured(fp, start, [0.0, 1.0, 1e4])
    share = fp.on_mesh.pi / fp.on_mesh.partition
    assert np.abs(steps[-1] - share).sum() < 1e-9
    assert (np.diff(run.relative_entropy) < 0).all()
    assert run.limited_steps == 0


def test_sharp_starts():
    """A density that is 0 but at a few nodes, far from what linear elements can carry without losing its sign."""
    fp = FokkerPlanck(hard(2), mesh=disc(16), rtol=1e-5)
    run, steps = measured(fp, lambda x: (((x - 0.1) ** 2).sum(axis=1) < 0.1**2).astype(float), [0.0, 1e-4, 1e-3, 1e-2])
    assert run.limited_steps > 0
    assert np.abs(run.mass - 1).max() <= 1e-13
    assert steps.min() >= 0.0
    assert (np.diff([relative_entropy(fp.on_mesh, r)[0] for r in steps]) < 0).all()


@pytest.mark.parametrize("name", ["obtuse triangles", "sheared quadrilaterals", "flat tetrahedra"])
def test_monotone_part(name):
    """(1 + h S-)^-1 has no negative entries, and is symmetric with the equilibrium's root as a fixed vector: the
    relative entropy falls whatever the step, by a dense solve.
    """
    lumped = LumpedEquation(equation(name).on_mesh)
    matrix = lumped.scaled(monotone=True)
    dense = csr_array(matrix.getValuesCSR()[::-1], shape=matrix.getSize()).toarray()
    np.testing.assert_allclose(dense, dense.T, atol=1e-12 * np.abs(dense).max())
    assert (dense - np.diag(np.diag(dense))).max() <= 0
    root = lumped.root
    assert np.abs(dense @ root).max() < 1e-12 * np.abs(dense).max()
    rough = np.random.default_rng(5).exponential(size=len(root)) ** 6
    for h in (1e-3, 1.0, 1e3):
        kernel = np.linalg.inv(np.eye(len(root)) + h * dense)
        assert kernel.min() > -1e-14
        after = np.maximum(root * (kernel @ (rough / root)), 0.0)
        before = lumped.relative_entropy(rough / rough.sum())[0]
        assert lumped.relative_entropy(after / after.sum())[0] < before


@pytest.mark.parametrize("name", ["triangles", "obtuse triangles", "wobbled quadrilaterals", "tetrahedra"])
@pytest.mark.parametrize("step", [None, 0.05])
def test_where_paths_are_killed(name, step):
    """No negative density, and survival that does not rise, by limits of the same kind."""
    fp = equation(name)
    choice = {"scheme": RESOLVENT2 if step else RESOLVENT4, "step": step, "absorbing": lambda x: x[:, 0] > 0.5}
    run, steps = measured(fp, narrow, [0.0, 0.01, 0.1, 1.0], **choice)
    assert steps.min() >= 0.0
    assert (np.diff(steps.sum(axis=1)) <= 1e-14).all()
    assert (np.diff(run.survival) < 0).all()
    assert run.survival[0] > 0.9


def test_what_limits_change_is_said():
    fp = FokkerPlanck(with_tensor(turned_tensor(2), lambda x: np.zeros(len(x))), mesh=square(10))
    with pytest.warns(Unresolved, match="limits that keep densities positive"):
        run = fp.evolve(narrow, [0.1, 1.0])
    assert run.error[-1] > 0.05
