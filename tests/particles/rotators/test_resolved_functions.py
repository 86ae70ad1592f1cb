"""Integrals and derivatives of f and G', whatever the scale on which they vary: closed forms."""

import numpy as np
import pytest
from rotators import weak

from scaling_limits.particles import DiagonalDissipation, InvalidArgument, RotatorLattice, canonical_variables
from scaling_limits.particles.rotators.resolved_functions import resolved
from scaling_limits.particles.support.compiled_functions import function_of_square

pytestmark = pytest.mark.serial  # nothing here communicates


INTEGRALS = {
    "a short range": (lambda x: 40 * np.exp(-40 * x), lambda x: -np.expm1(-40 * x)),
    "a shorter one": (lambda x: 1e6 / (1 + 1e6 * x) ** 2, lambda x: 1e6 * x / (1 + 1e6 * x)),
    "a power": (lambda x: 1 + x**8, lambda x: x + x**9 / 9),
    "a root": (lambda x: np.sqrt(x), lambda x: x**1.5 / 1.5),
    "a kink": (lambda x: abs(x - 0.3), lambda x: 0.045 + 0.5 * (x - 0.3) * np.abs(x - 0.3)),
    "a jump": (lambda x: 1.0 if x > 0.7 else 0.0, lambda x: np.maximum(x - 0.7, 0.0)),
    "waves": (lambda x: np.sin(9 * x) + 2, lambda x: 2 * x + (1 - np.cos(9 * x)) / 9),
}


@pytest.mark.parametrize("name", INTEGRALS)
def test_integrals(name):
    """Relative to the integral so far, 1e-11, from 1e-3 to 3000 in one call."""
    f, integral = INTEGRALS[name]
    x = np.array([[0.0, 1e-3, 0.02, 0.3], [1.0, 7.7, 120.0, 3000.0]])
    found = resolved("G", function_of_square("G", f), x, integral=True).integral(x)
    assert (np.abs(found - integral(x)) <= 1e-11 * np.abs(integral(x)) + 1e-18).all()


def test_integrals_of_functions_that_are_rough_themselves():
    """(1 - exp(-x))/x has few digits near 0; its integral has 11."""
    f = function_of_square("G", lambda x: (1 - np.exp(-x)) / x if x > 0 else 1.0)
    x = np.array([0.01, 0.1, 0.5])
    series = sum((-1) ** k * x ** (k + 1) / np.prod(np.arange(1.0, k + 2)) / (k + 1) for k in range(18))
    assert np.abs(resolved("G", f, x, integral=True).integral(x) / series - 1).max() < 1e-11


DERIVATIVES = {
    "scale 1e-4": (lambda x: np.sqrt(1 + x / 1e-4), lambda x: 0.5e4 / np.sqrt(1 + x / 1e-4)),
    "waves": (lambda x: 2 + x + np.cos(15 * x) / 9, lambda x: 1 - 15 * np.sin(15 * x) / 9),
    "a line": (lambda x: 1 + x / 2, lambda x: 0.5 + 0 * x),
    "a power": (lambda x: 1 + x**6, lambda x: 6 * x**5),
}


@pytest.mark.parametrize("top", [1e-5, 0.3, 25.0])
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name, top):
    """1e-10 of the largest derivative, or of what a rounding of f changes in it."""
    f, slope = DERIVATIVES[name]
    x = top * np.random.default_rng(1).random(500)
    made = function_of_square("f", f)
    found = resolved("f", made, x).derivative(x)
    allowed = 1e-10 * np.abs(slope(x)).max() + 1e-14 * np.abs(f(x)).max() / top
    assert np.abs(found - slope(x)).max() <= allowed


def test_what_is_too_rough_is_refused():
    noise = function_of_square("coupling", lambda x: np.sin(1e17 * x) if x > 0 else 0.0)
    with pytest.raises(InvalidArgument, match="coupling: varies too wildly"):
        resolved("coupling", noise, np.array([1.0]))


def test_local_energy_of_short_ranges():
    """G = 1 - exp(-60 x), F = x + 3 x^2/2 at actions that differ by ten orders of magnitude: closed form."""
    lattice = RotatorLattice(
        (3,), lambda x: 1 + 3 * x, lambda x: 60 * np.exp(-60 * x), DiagonalDissipation(2), 1.0, 0.01
    )
    u = np.array([[12.0 + 9j, 0.01j, -1e-4], [0.3, 0.1 - 0.2j, 50.0], [0.0, 0.0, 0.0]])
    square = np.abs(u) ** 2
    bonds = -np.expm1(-60 * np.abs(np.diff(u, axis=1)) ** 2)
    expected = 0.5 * np.array([1, -1, 1]) * (square + 1.5 * square**2)
    expected += 0.25 * 0.1 * np.stack([bonds[:, 0], bonds.sum(axis=1), bonds[:, 1]], axis=1)
    assert (np.abs(lattice.local_energy(u) - expected) <= 1e-13 * np.abs(expected) + 1e-16).all()


def test_canonical_variables_of_a_stiff_frequency():
    """f = sqrt(1 + x/delta) + x/(5 delta), |u|^2 of the order of delta = 2e-4: the map is symplectic to 1e-9."""
    delta = 2e-4
    lattice = RotatorLattice(
        (3,), lambda x: np.sqrt(1 + x / delta) + x / (5 * delta), weak, DiagonalDissipation(2), delta, 0.02
    )
    generator = np.random.default_rng(2)
    base = np.sqrt(delta) * (generator.standard_normal(3) + 1j * generator.standard_normal(3))
    h, columns = 1e-4 * np.sqrt(delta), []
    for direction in np.concatenate([np.eye(3), 1j * np.eye(3)]):
        ahead, behind, far, back = canonical_variables(
            lattice, base + h * direction * np.array([1, -1, 2, -2])[:, None], steps=16
        )
        difference = (8 * (ahead - behind) - (far - back)) / (12 * h)
        columns.append(np.concatenate([difference.real, difference.imag]))
    jacobian = np.array(columns).T
    form = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    assert np.abs(jacobian - np.eye(6)).max() > 0.01  # it is not the identity
    assert np.abs(jacobian.T @ form @ jacobian - form).max() < 1e-9


@pytest.mark.parametrize(("place", "width", "top"), [(0.3337, 1e-3, 1.0), (2.1234, 4e-3, 7.0), (3e-4, 3e-5, 900.0)])
def test_narrow_peaks_are_seen(place, width, top):
    """f = 1 + x + exp(-((x - c)/w)^2)/w: the integral in closed form, and the derivative at the peak's flank."""
    f = function_of_square("f", lambda x: 1 + x + np.exp(-(((x - place) / width) ** 2)) / width)
    x = np.array([top, place + width])
    found = resolved("f", f, x, integral=True).integral(x)
    peak = 0.5 * np.sqrt(np.pi) * np.array([1.0, 0.8427007929497148]) + 0.5 * np.sqrt(np.pi)  # erf(1)
    assert (np.abs(found / (x + 0.5 * x**2 + peak) - 1) < 1e-11).all()
    slope = resolved("f", f, x).derivative(x[1:])[0]
    assert abs(slope / (1 - 2 * np.exp(-1.0) / width**2) - 1) < 1e-8  # rounding of f, enlarged twice


def test_rotation_energy_of_a_narrow_peak():
    lattice = RotatorLattice(
        (1,), lambda x: 1 + x + 500 * np.exp(-(((x - 0.7771) * 500) ** 2)), weak, DiagonalDissipation(2), 1.0, 0.1
    )
    expected = 0.5 * (1.8 + 0.5 * 1.8**2 + np.sqrt(np.pi))
    assert abs(lattice.rotation_energy([0.9])[0] - expected) < 1e-11
