"""The law of one site where its dissipation is not smooth, in the cold, and for high powers: quadrature by another rule."""

import warnings

import numpy as np
import pytest
from rotators import weak
from scipy import integrate, stats
from sympy import Abs

from scaling_limits.particles import CustomDissipation, DiagonalDissipation, PolynomialDissipation, RotatorLattice
from scaling_limits.pdes import EffectivePlane, TransportFokkerPlanck, Unresolved

pytestmark = pytest.mark.serial  # nothing here communicates


def equation_of(dissipation, temperature=1.0, power=2, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # assumptions do not matter here
        lattice = RotatorLattice((1,), lambda x: 1 + x ** (power - 1), weak, dissipation, temperature, 0.1)
    return TransportFokkerPlanck(lattice, **more)


def mean_of(rate, temperature, top, count=400_001):
    """The mean of exp(int_0^I R/(T I')), by Simpson's rule; rate(|u|^2) = g . u/|u|^2."""
    x = np.linspace(0, top, count)
    logs = integrate.cumulative_simpson(2 * rate(2 * x) / temperature, x=x, initial=0)
    w = np.exp(logs - logs.max())
    return integrate.simpson(w * x, x=x) / integrate.simpson(w, x=x)


ROUGH = {
    "a peak": (
        lambda j, u: -u[j] * (0.8 + 12 * np.exp(-(((abs(u[j]) ** 2 - 1.3) / 0.04) ** 2))),
        lambda q: -(0.8 + 12 * np.exp(-(((q - 1.3) / 0.04) ** 2))),
        1e-6,
    ),
    "a short range": (
        lambda j, u: -u[j] * (0.6 + 4 / (1 + 150 * abs(u[j]) ** 2)),
        lambda q: -(0.6 + 4 / (1 + 150 * q)),
        1e-6,
    ),
    "a step": (
        lambda j, u: -u[j] * (2 + np.tanh(35 * (abs(u[j]) ** 2 - 0.9))),
        lambda q: -(2 + np.tanh(35 * (q - 0.9))),
        1e-7,
    ),
    "waves": (
        lambda j, u: -u[j] * (2 + 2.3 * np.sin(18 * abs(u[j]) ** 2)),
        lambda q: -(2 + 2.3 * np.sin(18 * q)),
        1e-6,
    ),
}


@pytest.mark.parametrize("name", ROUGH)
def test_mean_of_rough_laws(name):
    g, rate, within = ROUGH[name]
    found = equation_of(CustomDissipation(g, 2)).stationary().mean()[0]
    assert abs(found / mean_of(rate, 1.0, 40.0, 2_000_001) - 1) < within


def test_kink():
    """The exponent of a jump of R is exact; what the cells do not resolve of the law is said."""
    equation = equation_of(CustomDissipation(lambda j, u: -u[j] * (1.0 if abs(u[j]) < 1.1 else 4.0), 2))
    x = np.array([0.1, 0.6, 0.61, 2.0])
    edge = 0.605
    expected = -2 * np.minimum(x, edge) - 8 * np.maximum(x - edge, 0)
    assert np.abs(equation.own_laws.logarithm(0, x) - expected).max() < 1e-10
    exact = np.append(expected[2:], 0)  # the mean in closed form, by the two exponentials
    a, b = 2.0, 8.0
    end = np.exp(-a * edge)
    mass = (1 - end) / a + end / b
    exact = ((1 - end * (1 + a * edge)) / a**2 + end * (edge / b + 1 / b**2)) / mass
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = equation.stationary().mean()[0]
    assert abs(found / exact - 1) < 1e-6 or any(w.category is Unresolved for w in said)
    assert abs(found / exact - 1) < 1e-3


def test_too_few_cells_are_said():
    g = CustomDissipation(lambda j, u: -u[j] * (0.5 + 900 * np.exp(-(((abs(u[j]) ** 2 - 1) / 0.003) ** 2))), 2)
    with pytest.warns(Unresolved, match="cells do not resolve the law of site 0"):
        equation_of(g, cells=4, degree=2).stationary()


def test_active_rotator_in_the_cold():
    """R = 5 I - 4 I^2: log w rises to 25/(8 T) = 521, then to 1041, which is refused in words."""

    def of(temperature, **more):
        g = PolynomialDissipation(lambda u: 2.5 * u() - Abs(u()) ** 2 * u())
        return equation_of(g, temperature, 4, **more)

    expected = mean_of(lambda q: 2.5 - q, 0.006, 4.0)
    for options in ({}, {"wide": True, "cells": 64}):
        assert abs(of(0.006, **options).stationary().mean()[0] / expected - 1) < 1e-8
    with pytest.raises(ValueError, match=r"above 1e300.*wide=True"):
        of(0.003).stationary()
    cold = of(0.003, wide=True, cells=64).stationary().mean()[0]
    assert abs(cold / mean_of(lambda q: 2.5 - q, 0.003, 4.0) - 1) < 1e-8


@pytest.mark.parametrize(("power", "temperature"), [(8, 1.0), (8, 1e3), (5, 1e3), (2, 1e-8)])
def test_high_powers_without_noise(power, temperature):
    """No warnings but those of the package; the mean in closed form by quadrature."""
    top = 30 * (temperature if power == 2 else temperature ** (2 / power))
    expected = mean_of(lambda q: -(q ** (power / 2 - 1)), temperature, top)
    found = equation_of(DiagonalDissipation(power), temperature, power).stationary().mean()[0]
    assert abs(found / expected - 1) < 1e-8


@pytest.mark.parametrize("centre", [2.2, 1.4 + 1.7j])
def test_actions_of_a_narrow_density_off_the_centre(centre):
    """P(|v|^2/2 <= I) of a Gaussian law of width 0.16: noncentral chi squared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lattice = RotatorLattice((1,), lambda x: 1 + x, weak, DiagonalDissipation(2), 1.0, 0.1)
    plane = EffectivePlane(lattice, radius=4.0, cells=96)
    middle, width = np.array([np.real(centre), np.imag(centre)]), 0.16

    class Gaussian:
        def at(self, points):
            return np.exp(-0.5 * ((points - middle) ** 2).sum(axis=1) / width**2)

    x = 0.5 * np.array([1.9, 2.1, 2.2, 2.3, 2.5]) ** 2
    expected = stats.ncx2(2, np.abs(centre) ** 2 / width**2).cdf(2 * x / width**2)
    assert np.abs(plane.action_distribution(Gaussian(), x) - expected).max() < 5e-3
    grid = 0.5 * (4.0 / 192 * np.array([100, 105, 110])) ** 2  # at ends of its pieces nothing is interpolated
    expected = stats.ncx2(2, np.abs(centre) ** 2 / width**2).cdf(2 * grid / width**2)
    assert np.abs(plane.action_distribution(Gaussian(), grid) - expected).max() < 1e-9
