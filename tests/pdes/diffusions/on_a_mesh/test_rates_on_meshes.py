"""Orders of convergence on meshes whose linear steps may need limits: in space, in time, and of what limits change."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from densities_on_meshes import FAMILIES, gaussian_errors, hard, narrow, turned_tensor, with_tensor
from rates import assert_rate
from scipy import linalg
from scipy.sparse import csr_array

from meshes import TWENTY, square
from scaling_limits.pdes import IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4, FokkerPlanck
from scaling_limits.pdes.diffusions.on_a_mesh import evolution
from scaling_limits.pdes.diffusions.on_a_mesh.limits import Limited, StepLimiter
from scaling_limits.pdes.diffusions.on_a_mesh.lumped import LumpedEquation

pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")]


@pytest.mark.parametrize("ratio", [1.0, 1e-3])
@pytest.mark.parametrize("family", FAMILIES)
def test_order_in_space(family, ratio):
    """An Ornstein-Uhlenbeck process with M turned, whole densities: order 2."""
    solid = "hedra" in family
    sizes = [8, 14, 20] if solid else [16, 32, 64]
    errors, _ = gaussian_errors(family, sizes, ratio)
    assert_rate(sizes, errors, -2, slack=0.3, cap=2.2e-2 if solid else 1.8e-3)


@pytest.mark.parametrize("family", ["triangles, wobbled", "disc"])
def test_order_in_space_with_limits(family):
    """Of a density that coarse meshes can carry with limits only."""
    sizes = [20, 40, 80]
    errors, limited = gaussian_errors(family, sizes, 1e-3, width=0.3)
    assert limited[0] > 100 > limited[2]
    assert_rate(sizes, errors, -2, slack=0.45, cap=1.1e-2)


@pytest.mark.parametrize("family", ["quadrilaterals, wobbled", "disc", "tetrahedra, wobbled"])
def test_limits_add_no_error(family):
    """Where most steps are limited, densities are nearer to the exact ones than those of the linear equation."""
    size = [8 if "hedra" in family else 20]
    ours, limited = gaussian_errors(family, size, 1e-3, width=0.3)
    with mock.patch.object(StepLimiter, "limited", lambda self, old, linear, h: Limited(linear, 1.0)):
        linear, unlimited = gaussian_errors(family, size, 1e-3, width=0.3)
    assert limited[0] > 300 > unlimited[0] == 0
    assert ours[0] < linear[0] < 1.15 * ours[0]


def test_order_of_survival_with_limits():
    """Where paths are killed and nearly all steps are limited, beside a fine mesh; errors are not more than is told."""
    sizes, found = [12, 24, 48, 96], []
    for n in sizes:
        fp = FokkerPlanck(hard(2), mesh=square(n), rtol=1e-5)
        found.append(fp.evolve(narrow, [0.01, 0.1, 1.0], absorbing=lambda x: x[:, 0] >= 0.5 - 1e-9))
    assert found[0].limited_steps > 500
    away = [np.abs(run.survival / found[-1].survival - 1) for run in found[:-1]]
    assert all((off < run.error).all() for off, run in zip(away, found))
    assert_rate(sizes[:-1], [off.max() for off in away], -2, slack=0.45, cap=1e-3)


@pytest.mark.parametrize("scheme", [IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4])
@pytest.mark.parametrize("name", ["triangles", "obtuse triangles"])
def test_order_in_time(scheme, name):
    """As declared, beside exp(-t S), where A has positive entries beside the diagonal."""
    coefficients = with_tensor(turned_tensor(2, 0.03), lambda x: 0.5 * (x**2).sum(axis=1))
    fp = FokkerPlanck(coefficients, mesh=TWENTY[name]())
    start = lambda x: np.exp(-0.5 * ((x - 0.3) ** 2).sum(axis=1) / 0.6)  # noqa: E731
    lumped = LumpedEquation(fp.on_mesh)
    matrix = lumped.matrix
    dense = csr_array(matrix.getValuesCSR()[::-1], shape=matrix.getSize()).toarray()
    assert (dense - np.diag(np.diag(dense))).max() > 1.0
    steps, errors = np.array([0.05, 0.025, 0.0125]), []
    for step in steps:
        run = fp.evolve(start, [0.0, 0.4], scheme=scheme, step=step)
        assert run.limited_steps == 0
        exact = lumped.root * (linalg.expm(-0.4 * dense) @ (run.probabilities[0] / lumped.root))
        errors.append(np.abs(run.probabilities[1] - exact).sum())
    assert_rate(steps, errors, scheme.order, slack=0.35, cap={1: 1e-2, 2: 1e-4, 3: 5e-6, 4: 1e-7}[scheme.order])


@pytest.mark.parametrize("name", ["left triangles", "tetrahedra"])
def test_steps_change_less_than_limits(name):
    """The error of time is far below what limits change, which is an error of the cells."""
    mesh = TWENTY[name]()
    fp = FokkerPlanck(hard(mesh.geometry.dim), mesh=mesh, rtol=1e-5)
    run = fp.evolve(narrow, [0.03])
    with mock.patch.object(evolution, "SETTINGS", replace(evolution.SETTINGS, share=1e-3)):
        finer = fp.evolve(narrow, [0.03])
    assert finer.statistics.steps > 1.5 * run.statistics.steps
    assert np.abs(finer.probabilities - run.probabilities).sum() < 0.1 * run.error[0]
