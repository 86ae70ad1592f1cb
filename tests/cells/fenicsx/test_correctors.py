"""Correctors through UFL and PETSc: the recursion's tensors on other meshes, in parallel; what a corrector solves."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import CellType
from rates import assert_rate

from scaling_limits.cells import CorrectorProblem, NotConverged, correctors, effective_tensor
from scaling_limits.meshes import torus
from scaling_limits.particles import InvalidArgument, fully_coupled, laminate

GRADED = [0.0, 0.05, 0.15, 0.3, 0.4, 0.6, 0.75, 0.85, 1.0]


def layers(y):
    """K = exp(-2 cos 2 pi y_0) I: K_eff = diag(1/I_0(2), I_0(2)), and theta_0 is known."""
    return np.exp(-2 * np.cos(2 * np.pi * y[:, 0]))[:, None, None] * np.eye(y.shape[1])


def total(mesh, integrand):
    return mesh.comm.allreduce(fem.assemble_scalar(fem.form(integrand)))


@pytest.mark.parametrize(
    ("cells", "kind", "degree", "tolerance"),
    [
        ((10, 10), CellType.triangle, 4, 1e-6), ((GRADED, 8), None, 6, 1e-8), ((24,), None, 6, 1e-12),
        ((6, 3, 3), CellType.tetrahedron, 3, 3e-4), ((7, 3, 3), None, 3, 1e-4),
    ],
)  # fmt: skip
def test_laminate_on_any_mesh(cells, kind, degree, tolerance):
    from scipy.special import iv

    dim = len(cells)
    found = CorrectorProblem(torus(cells, cell_type=kind), degree).solve(layers)
    expected = np.diag([1 / iv(0, 2.0)] + [iv(0, 2.0)] * (dim - 1))
    np.testing.assert_allclose(found.effective, expected, atol=tolerance)
    assert found.effective[0, 0] > expected[0, 0] - 1e-12
    assert found.iterations < 40
    assert f"{dim} correctors of degree {degree}" in repr(found)
    assert "array" not in repr(found)


def test_corrector_is_the_known_one():
    """theta' = K_eff/K - 1 across layers: the gradient converges at the rate of the elements, its mean is 0."""
    from scipy.special import iv

    errors, sizes = [], (6, 9, 13)
    for n in sizes:
        mesh = torus((n, 3))
        theta = CorrectorProblem(mesh, 3).solve(layers).correctors[0]
        x = ufl.SpatialCoordinate(mesh)
        exact = ufl.exp(2 * ufl.cos(2 * ufl.pi * x[0])) / iv(0, 2.0) - 1
        degree = {"quadrature_degree": 14}
        error = (theta.dx(0) - exact) ** 2 + theta.dx(1) ** 2
        errors.append(np.sqrt(total(mesh, error * ufl.dx(metadata=degree))))
        assert abs(total(mesh, theta * ufl.dx)) < 1e-12
    assert_rate([1 / n for n in sizes], errors, 3, slack=0.35, cap=0.02)


@pytest.mark.parametrize(
    "potential", [laminate(0.5, ((1, 0), (1, 1))), fully_coupled(0.6)], ids=["laminate", "coupled"]
)
def test_every_level_of_the_hierarchy(potential):
    """K_0 from UFL's forms is that of the batched route; each level is the integral of the one below it."""
    x, fast = [0.3, -0.2], [[0.2, 0.7]]
    levels = correctors(potential, x, fast, cells=6, degree=6)
    assert [level.level for level in levels] == [1, 2]
    found = levels[0].effective * np.exp(levels[0].log_scale)
    tensor = effective_tensor(potential, [x])
    np.testing.assert_allclose(found, tensor.value[0] * tensor.partition[0], rtol=1e-7, atol=1e-7)
    at_prefix = levels[0].tensor(np.array(fast))[0] * np.exp(levels[0].log_scale)
    inner = levels[1].effective * np.exp(levels[1].log_scale)
    ratio = at_prefix / inner  # the factor exp(-U_1/sigma), the same in all entries
    np.testing.assert_allclose(at_prefix, inner * ratio[0, 0], rtol=1e-5)
    assert levels[1].correctors[0].function_space.mesh.topology.dim == 2


def test_one_problem_serves_many_tensors():
    problem = CorrectorProblem(torus((8, 8)), 3)
    first = problem.solve(layers)
    problem.solve(lambda y: 2 * np.ones(len(y))[:, None, None] * np.eye(2))
    again = problem.solve(layers)
    np.testing.assert_allclose(again.effective, first.effective, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(again.correctors[0].x.array, first.correctors[0].x.array, atol=1e-10)
    constant = problem.solve(lambda y: np.broadcast_to([[2.0, 0.5], [0.5, 1.0]], (len(y), 2, 2)))
    np.testing.assert_allclose(constant.effective, [[2.0, 0.5], [0.5, 1.0]], rtol=1e-13)


def test_options_reach_petsc_and_leave_no_trace():
    from petsc4py import PETSc

    before = PETSc.Options().getAll()
    problem = CorrectorProblem(
        torus((8, 8)), 2, petsc_options={"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-12}
    )
    assert problem.solve(layers).effective[1, 1] == pytest.approx(2.2796, rel=1e-3)
    assert PETSc.Options().getAll() == before


@pytest.mark.parametrize(
    "tensor",
    [
        lambda y: np.ones(len(y)), lambda y: np.full((len(y), 2, 2), np.nan), lambda y: -layers(y),
        lambda y: layers(y) + np.array([[0, 0.1], [0, 0]]),
    ],
    ids=["shape", "nan", "negative", "unsymmetric"],
)  # fmt: skip
def test_bad_tensors_are_refused(tensor):
    with pytest.raises(InvalidArgument, match="tensor"):
        CorrectorProblem(torus((4, 4)), 1).solve(tensor)


def test_bad_arguments_are_refused():
    with pytest.raises(InvalidArgument, match="degree"):
        CorrectorProblem(torus((4, 4)), 0)
    with pytest.raises(InvalidArgument, match="fast"):
        correctors(fully_coupled(0.5), [0.0, 0.0], [])
    with pytest.raises(InvalidArgument, match="point"):
        correctors(fully_coupled(0.5), [0.0])


def test_what_does_not_converge_raises():
    """A contrast of 1e60 on a mesh that knows nothing of it."""
    with pytest.raises(NotConverged, match="energy still fell"):
        CorrectorProblem(torus((5, 5)), 3).solve(
            lambda y: np.exp(-70 * np.cos(2 * np.pi * y[:, 0]) * np.cos(2 * np.pi * y[:, 1]))[:, None, None] * np.eye(2)
        )
