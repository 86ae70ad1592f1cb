"""Bounds of the frequency for random problems, against finite elements of dolfinx on much finer meshes."""

from contextlib import suppress

import numpy as np
import pytest
import ufl
from diffusions import Given, rotated
from dolfinx import fem
from dolfinx.fem.petsc import assemble_matrix, create_vector
from petsc4py import PETSc

from scaling_limits.meshes.box import box
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.diffusions.capacity.frequency_bounds import frequency_bounds
from scaling_limits.pdes.diffusions.generator_forms import GeneratorForms

pytestmark = pytest.mark.serial  # long; what ranks do together is tried in test_frequency_bounds


def random_problem(seed, dim=2):
    """Fourier sums of 1 to 20 sigma and tensors that turn, with the period 1 in all directions."""
    generator = np.random.default_rng(seed)
    waves, phases = generator.integers(-2, 3, (5, dim)), 2 * np.pi * generator.random(5)
    parts = generator.normal(size=5) * 10 ** generator.uniform(0, 1.3) / 5
    psi = lambda x: (parts * np.cos(2 * np.pi * x @ waves.T + phases)).sum(axis=1)  # noqa: E731
    turn, ratio = 2 * np.pi * generator.random(), 10 ** generator.uniform(-1.5, 0)

    def mobility(x):
        bulge = 1 + 0.5 * np.cos(2 * np.pi * x[:, -1])
        plane = rotated(turn + np.sin(2 * np.pi * x[:, 0]), bulge, ratio * np.ones(len(x)))
        if dim == 2:
            return plane
        tensors = np.repeat(np.eye(3)[None], len(x), 0)
        tensors[:, :2, :2] = plane
        return tensors

    return Given(mobility, psi), generator


def energy_by_dolfinx(given, cells, a, b, periodic):
    """min int pi M grad f . grad f/int pi for Lagrange elements of degree 3; sets end at nodes."""
    mesh = box([(0, 1), (0, 1)], [cells, cells], periodic=periodic)
    forms = GeneratorForms(mesh, given, 0.0, 3)
    space, f, g = forms.space, ufl.TrialFunction(forms.space), ufl.TestFunction(forms.space)
    x = space.tabulate_dof_coordinates()[:, :2]
    value = fem.Function(space)
    value.x.array[:] = b(x, 1e-9)
    held = np.flatnonzero(a(x, 1e-9) | b(x, 1e-9)).astype(np.int32)
    matrix = assemble_matrix(fem.form(forms.energy(f, g)))
    matrix.assemble()
    right = create_vector(fem.form(forms.product(value, g)))
    right.set(0.0)
    known = value.x.petsc_vec
    matrix.zeroRowsColumns(held, diag=1.0, x=known, b=right)
    solver = PETSc.KSP().create()
    solver.setOperators(matrix)
    solver.setType("preonly")
    solver.getPC().setType("lu")
    solver.getPC().setFactorSolverType("mumps")
    solution = fem.Function(space)
    solver.solve(right, solution.x.petsc_vec)
    one = fem.Function(space)
    one.x.array[:] = 1.0
    return forms.integral(forms.energy(solution, solution)) / forms.integral(forms.product(one, one))


def blocks(generator):
    """Two boxes with corners at multiples of 1/12, as functions of points and of a slack."""
    sizes = generator.integers(1, 4, (2, 2))
    low = np.stack([generator.integers(0, [5 - sizes[0, 0] + 1, 13 - sizes[0, 1]]),
                    generator.integers([6, 0], [13 - sizes[1, 0], 13 - sizes[1, 1]])])  # fmt: skip
    ends = np.stack([low, low + sizes], axis=1) / 12
    return [lambda x, slack=0.0, e=e: ((x >= e[0] - slack) & (x <= e[1] + slack)).all(axis=1) for e in ends]


@pytest.mark.parametrize("seed", range(4))
def test_finite_elements_of_dolfinx_are_in_between(seed):
    """A finer mesh holds the functions of the coarser ones: its energy is below all their upper bounds, and above the
    lower ones; on fine meshes both are close to it."""
    given, generator = random_problem(seed)
    a, b = blocks(generator)
    reference = energy_by_dolfinx(given, 24, a, b, False)
    widths = []
    for cells, degree in ((12, 1), (12, 2), (12, 3), (24, 3)):
        found = frequency_bounds(FokkerPlanck(given, [(0, 1), (0, 1)], (cells, cells)), a, b, degree=degree)
        assert found.fitted
        assert found.lower <= reference * (1 + 1e-9)
        assert found.upper >= reference * (1 - 1e-9)
        widths.append(found.width)
    assert found.upper == pytest.approx(reference, rel=1e-6)
    assert widths[-1] < 0.1
    assert widths[-1] < widths[0]


@pytest.mark.parametrize("seed", range(100, 103))
def test_intervals_of_all_meshes_meet(seed):
    """Discs and half planes that no mesh fits, walls or periods: intervals of all meshes have a point in common."""
    given, generator = random_problem(seed)
    periodic = [bool(seed % 2), bool(seed % 3 == 0)]
    centres, radii = generator.uniform([0.2, 0.2], [0.35, 0.8], (2, 2)), generator.uniform(0.09, 0.16, 2)
    centres[1, 0] += 0.45
    a, b = (lambda x, c=c, r=r: ((x - c) ** 2).sum(axis=1) < r**2 for c, r in zip(centres, radii))
    if seed % 4 == 0:
        b = lambda x: x[:, 0] > 0.8371  # noqa: E731
    found = []
    for cells, degree in ((6, None), (15, 1), (18, 2), (20, None)):
        # discs that these cells do not tell apart are refused
        with suppress(InvalidArgument):
            fp = FokkerPlanck(given, [(0, 1), (0, 1)], (cells, cells), periodic=periodic)
            found.append(frequency_bounds(fp, a, b, degree=degree))
    assert len(found) >= 3
    assert max(one.lower for one in found) <= min(one.upper for one in found)
    assert found[-1].width < min(0.5, 0.8 * found[0].width)


@pytest.mark.parametrize("seed", range(200, 201))
def test_in_space(seed):
    given, generator = random_problem(seed, dim=3)
    corner = generator.uniform(0.6, 0.8, 3)
    b = lambda x: (np.abs(x - corner) < 0.17).all(axis=1)  # noqa: E731
    found = []
    for cells, degree in ((5, 1), (5, 2), (8, 1), (8, 2)):
        fp = FokkerPlanck(given, [(0, 1)] * 3, (cells,) * 3, periodic=[False, False, True])
        found.append(frequency_bounds(fp, lambda x: x[:, 0] < 0.2, b, degree=degree))
    assert max(one.lower for one in found) <= min(one.upper for one in found)
    assert found[-1].width < 0.5 * found[0].width
