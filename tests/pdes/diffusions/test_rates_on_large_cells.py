"""Rates by elements of high degree on cells larger than the user's: where they serve, and where they must not."""

import numpy as np
import pytest
from diffusions import Given, rotated
from mpi4py import MPI

from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.meshes.spread_values import SpreadRows
from scaling_limits.pdes import FokkerPlanck, GeneratorForms
from scaling_limits.pdes.diffusions.elements.box_elements import BoxElements, breaks
from scaling_limits.pdes.diffusions.elements.box_functions import BoxFunctions
from scaling_limits.pdes.diffusions.elements.element_sequence import left


def unit(points):
    return np.repeat(np.eye(points.shape[1])[None], len(points), axis=0)


def diagonal(first):
    """M = diag(first(x_1), 1)."""
    return lambda x: np.stack([np.stack([first(x[:, 0]), 0 * x[:, 0]], -1), np.tile([0.0, 1.0], (len(x), 1))], -2)


def bowl(points):
    return 0.5 * (points**2) @ np.array([1.0, 1.7])[: points.shape[1]]


@pytest.mark.parametrize("cells", [(12, 12), (13, 11)])
def test_sums_along_directions_are_the_forms(cells):
    """Matrices, products and energies of gradients against UFL forms, with a full tensor, to rounding."""
    given = Given(
        lambda x: rotated(np.sin(x[:, 0]) + x[:, 1], np.ones(len(x)), np.full(len(x), 0.1)),
        lambda x: np.cos(x).sum(axis=1),
    )
    fp = FokkerPlanck(given, [(0, 2 * np.pi), (1, 2)], cells, periodic=(True, False))
    mine = BoxElements(fp.grid, (0, 0), 3, given, 0.0)
    unknowns = mine.unknowns
    x = unknowns.points(unknowns.known)
    f = np.cos(x[:, 0]) * x[:, 1] ** 2
    rows = SpreadRows.of(unknowns, f[None, : unknowns.own.stop - unknowns.own.start].copy())
    (g,) = BoxFunctions(fp.grid, unknowns, rows).functions()
    forms = GeneratorForms(g.function_space.mesh, given, 0.0, 3)
    expected = forms.integral(forms.product(g, g)), forms.integral(forms.energy(g, g))
    assert mine.product(f, f) == pytest.approx(expected[0], rel=1e-13)
    assert mine.energy(f) == pytest.approx(expected[1], rel=1e-13)
    energy, product, roots = mine.matrices(PetscMatrix)
    values = f[: len(roots)] * roots
    forms_of_vectors = [fp.comm.allreduce(float(values @ each.applied(values))) for each in (product, energy)]
    assert forms_of_vectors == pytest.approx(expected, rel=1e-12)
    for found, norm in zip((energy, product), (each.norm() for each in forms.matrices()[:2])):
        assert found.matrix.norm() == pytest.approx(norm, rel=1e-12)


def test_large_cells_are_unions_of_cells():
    """Nodes between large cells are nodes, each set of them is in the next, also with odd numbers of cells."""
    for cells in (7, 64, 65, 101):
        for level in range(1, 5):
            ends = breaks(cells, level)
            assert ends[0] == 0
            assert ends[-1] == cells
            assert (np.diff(ends) <= 2**level).all()
            assert np.isin(ends, breaks(cells, level - 1)).all()


@pytest.mark.parametrize("cells", [(40, 40), (51, 45)])
def test_smooth_coefficients_take_large_cells(cells):
    """Rates of a parabola are sums of 1 and 1.7: fewer elements than cells give them, with an error that covers the truth."""
    fp = FokkerPlanck(Given(unit, bowl, 0.2), [(-3.5, 3.5), (-3, 3)], cells)
    found = fp.modes(5)
    assert np.prod(found.elements) <= np.prod(cells) / 4
    assert found.degree == 8
    errors = np.abs(found.rates - [0, 1, 1.7, 2, 2.7])
    # walls at 30 sigma change rates by some 1e-11
    assert (errors <= found.errors + 1e-10).all()
    assert (found.errors[1:] <= 1e-8 * found.rates[1:]).all()


@pytest.mark.parametrize("cells", [40, 33])
def test_a_layer_that_large_cells_do_not_see(cells):
    """M_11 = 1e-3 in one layer of cells: waves along it agree to 1e-12 on all large cells, and the jump across it would be
    missing. With f linear in the layer and cosines outside, the rate w^2 of the jump solves a transcendental equation."""
    wide, low = 1 / cells, 1e-3
    layer = cells // 2 * wide
    m = diagonal(lambda x: np.where((x > layer) & (x < layer + wide), low, 1.0))
    fp = FokkerPlanck(Given(m, lambda x: 0 * x[:, 0]), [(0, 1), (0, 12)], (cells, cells), rtol=1e-4)
    found = fp.modes(4)
    rest = 1 - layer - wide

    def across(w):
        """The flux at the right end of f = cos(w x) on the left, continuous with its flux: 0 at a mode."""
        v = w / np.sqrt(low)
        value, flux = np.cos(w * layer), -w * np.sin(w * layer)
        value, flux = (
            value * np.cos(v * wide) + flux / (low * v) * np.sin(v * wide),
            flux * np.cos(v * wide) - value * low * v * np.sin(v * wide),
        )
        return flux * np.cos(w * rest) - value * w * np.sin(w * rest)

    ws = np.linspace(1e-3, 1.5, 4000)
    signs = np.flatnonzero(np.diff(np.sign([across(w) for w in ws])))
    low_end, high_end = ws[signs[0]], ws[signs[0] + 1]
    for _ in range(60):
        middle = 0.5 * (low_end + high_end)
        low_end, high_end = (middle, high_end) if across(middle) * across(low_end) > 0 else (low_end, middle)
    along = (np.arange(4) * np.pi / 12) ** 2
    expected = np.sort(np.r_[along, along + low_end**2])[:4]
    np.testing.assert_allclose(found.rates, expected, rtol=1e-6, atol=1e-12)
    assert low_end**2 in expected


def test_walls_that_rise_within_a_cell():
    """Psi = 50 x^4: 33 sigma in a cell. Degrees 4 to 8 found modes between the few points that pi leaves; reference: 300 cells."""
    given = Given(unit, lambda x: 50 * x[:, 0] ** 4)
    coarse, fine = (FokkerPlanck(given, [(-2, 2)], (n,)).modes(4) for n in (30, 300))
    np.testing.assert_allclose(coarse.rates[1:], fine.rates[1:], rtol=1e-9)
    assert (np.abs(coarse.rates - fine.rates) <= coarse.errors + fine.errors).all()


def test_errors_left_are_not_underestimated():
    """Errors n^-s, s = 0.5, 1, 1.5, at n = 8, 12, 16, 24: covered, by less than twice; the first change takes s = 1."""
    n, s = np.array([8.0, 12, 16, 24]), np.array([0.5, 1.0, 1.5])
    values = n[:, None] ** -s
    changes, growths = list(np.abs(np.diff(values, axis=0))), list(n[1:] / n[:-1])
    covered = left(changes, growths) / values[-1]
    assert (covered > 1).all()
    assert (covered < 2).all()
    assert left(changes[:1], growths[:1])[1] == pytest.approx(values[1, 1])


@pytest.mark.serial
def test_in_space_more_is_known():
    """A parabola on 10 x 10 x 10 cells, against rates on lines: errors below 5e-6, where degree 2 alone says 2.4e-5."""
    stiffness, box = (1.0, 1.4, 3.0), [(-2.7, 2.7), (-2.4, 2.4), (-1.6, 1.6)]
    lines = [
        FokkerPlanck(Given(unit, lambda x, a=a: 0.5 * a * x[:, 0] ** 2, 0.25), [limits], (60,)).spectrum(2)[1]
        for a, limits in zip(stiffness, box)
    ]
    found = FokkerPlanck(Given(unit, lambda x: 0.5 * (x**2 @ stiffness), 0.25), box, (10, 10, 10), rtol=1e-3).modes(3)
    errors = np.abs(found.rates[1:] - lines[:2])
    assert (errors <= found.errors[1:]).all()
    assert (found.errors[1:] < 5e-6).all()


def test_ranks_agree():
    """The same rates alone and together, to 1e-8."""
    together, alone = (
        FokkerPlanck(Given(unit, bowl, 0.2), [(-3.5, 3.5), (-3, 3)], (33, 40), comm=comm).spectrum(4)
        for comm in (MPI.COMM_WORLD, MPI.COMM_SELF)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-8)
