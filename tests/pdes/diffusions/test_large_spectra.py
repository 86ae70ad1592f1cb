"""Modes without factors: against factors, and against rates that are known."""

import numpy as np
import pytest
from diffusions import Given

from scaling_limits.meshes.backend import lowest_modes
from scaling_limits.meshes.linear_algebra.petsc_matrix import PetscMatrix
from scaling_limits.particles.errors import NotConverged
from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.diffusions.elements import box_elements, element_sequence
from scaling_limits.pdes.diffusions.elements.box_elements import BoxElements
from scaling_limits.pdes.diffusions.elements.element_sequence import Member, on_own_cells

MOBILITY = (1.0, 0.8, 0.6)


def bowl(cells, dim=3, height=0.0, rtol=1e-4):
    """Psi = |x|^2/2, whose rates are sums of M_ii; or with a barrier along the first direction."""

    def free_energy(x):
        first = height * (x[:, 0] ** 2 - 1) ** 2 if height else 0.5 * x[:, 0] ** 2
        return first + 0.5 * (x[:, 1:] ** 2).sum(axis=1)

    given = Given(lambda x: np.repeat(np.diag(MOBILITY[:dim])[None], len(x), axis=0), free_energy, 0.5)
    return FokkerPlanck(given, [(-1.8, 1.8) if height else (-3, 3)] * dim, (cells,) * dim, rtol)


@pytest.fixture
def no_factors(monkeypatch):
    for name in ("MOST_FACTORED", "AT_LAST"):
        monkeypatch.setattr(element_sequence, name, dict.fromkeys((1, 2, 3), 300))


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore:rates are known")
@pytest.mark.parametrize("height", [0.0, 3.0])
def test_against_factors(monkeypatch, height):
    """The same rates, also of a rare transition, and errors that cover the difference."""
    direct = bowl(8, height=height).modes(6)
    for name in ("MOST_FACTORED", "AT_LAST"):
        monkeypatch.setattr(element_sequence, name, dict.fromkeys((1, 2, 3), 300))
    found = bowl(8, height=height).modes(6)
    assert (found.degree, found.elements) == (direct.degree, direct.elements)
    difference = np.abs(found.rates - direct.rates)
    assert (difference <= found.rounding + direct.rounding + 1e-12 * direct.rates).all()
    assert (found.rounding <= 1e-8 * direct.rates).all()


@pytest.mark.serial
def test_rates_that_are_known(no_factors):
    """Sums of 0.6, 0.8 and 1.0, of which some come twice, within the error that is stated."""
    modes = bowl(8, rtol=0.05).modes(5)
    exact = np.sort([a * 1.0 + b * 0.8 + c * 0.6 for a in range(4) for b in range(4) for c in range(4)])[:5]
    assert (np.abs(modes.rates - exact) <= modes.errors + 5e-3 * exact).all()


@pytest.mark.serial
def test_what_has_not_converged_is_refused(no_factors, monkeypatch):
    monkeypatch.setattr(lowest_modes, "SETTINGS", lowest_modes.ModeSettings(most=2))
    with pytest.raises(NotConverged, match="LOBPCG"):
        bowl(8).modes(4)


@pytest.mark.serial
def test_factors_are_taken_where_they_fit_and_the_iteration_fails(monkeypatch):
    expected = bowl(6).spectrum(3)
    monkeypatch.setattr(element_sequence, "MOST_FACTORED", dict.fromkeys((1, 2, 3), 300))
    monkeypatch.setattr(lowest_modes, "SETTINGS", lowest_modes.ModeSettings(most=1))
    assert np.abs(bowl(6).spectrum(3) - expected).max() < 1e-12


def test_no_space_is_larger_than_memory():
    """Degree 2 on the user's cells up to 64^3, and beyond on larger ones; the first of both spaces is in the second."""
    for cells, level in ((40, 0), (64, 0), (67, 1), (128, 1), (256, 2)):
        grid = bowl(cells).grid
        assert on_own_cells(grid) == [Member((level + 1,) * 3, 2), Member((level,) * 3, 2)]


def test_parts_of_elements_add_up(monkeypatch):
    """Integrals and matrices are the same however many points are kept or made at a time."""
    fp = bowl(5)

    def made():
        elements = BoxElements(fp.grid, (0, 1, 0), 2, fp.coefficients, 0.0)
        x = elements.unknowns.points(elements.unknowns.known)
        f = np.sin(x[:, 0]) + x[:, 1] * x[:, 2]
        return elements.product(f, f), elements.energy(f), elements.matrices(PetscMatrix)[0].matrix.norm()

    whole = made()
    monkeypatch.setattr(box_elements, "MOST_KEPT", 0)
    monkeypatch.setattr(box_elements, "POINTS_AT_ONCE", 300)
    assert made() == pytest.approx(whole, rel=1e-13)
