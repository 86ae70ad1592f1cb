"""The effective equation of potentials with mobility, lattice vectors, a domain and data: exact times, laws and rates."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.special import i0
from sympy import cos, pi, sin

from scaling_limits.cells import effective_coefficients
from scaling_limits.particles import InvalidArgument, MultiscalePotential, PeriodicGrid, RegularGrid
from scaling_limits.pdes import EffectiveFokkerPlanck

SIGMA = 0.4


def growing():
    """V1 = (1 + x^2) cos(2 pi y)/2 grows with x, and B = (1 + x/4)(2 + sin 2 pi y): allowed in a domain."""
    return MultiscalePotential(
        1, 1, SIGMA, lambda x: x[0] ** 4 / 4 - x[0] ** 2 / 2, lambda x, y: (1 + x[0] ** 2) * cos(2 * pi * y[0]) / 2,
        lambda x, y: (1 + x[0] / 4) * (2 + sin(2 * pi * y[0])), domain=[(-2, 2)],
    )  # fmt: skip


def passage_time():
    """From -1 to 1, reflected at -2: int e^(Psi/sigma)/(sigma M) int e^(-Psi/sigma)."""
    height = lambda x: (1 + x**2) / 2 / SIGMA  # noqa: E731

    def energy(x):
        return x**4 / 4 - x**2 / 2 - SIGMA * np.log(i0(height(x)))

    def mobility(x):
        y = np.arange(400) / 400
        inverse = np.exp(height(x) * np.cos(2 * np.pi * y)) / (2 + np.sin(2 * np.pi * y))
        return (1 + x / 4) / (i0(height(x)) * inverse.mean())

    inner = lambda x: quad(lambda z: np.exp(-energy(z) / SIGMA), -2, x, epsrel=1e-11)[0]  # noqa: E731
    return quad(lambda x: np.exp(energy(x) / SIGMA) / (SIGMA * mobility(x)) * inner(x), -1, 1, epsrel=1e-9)[0]


def test_passage_times_with_a_mobility_in_a_domain():
    equation = EffectiveFokkerPlanck(growing(), [(-2, 2)], (400,), rtol=1e-8)
    found = equation.mean_first_passage_time(lambda x: x[:, 0] > 1 - 1e-9).at([[-1.0]])[0]
    assert found == pytest.approx(passage_time(), rel=3e-5)


def test_boxes_outside_of_the_domain_are_refused():
    with pytest.raises(InvalidArgument, match="domain"):
        EffectiveFokkerPlanck(growing(), [(-2, 2.5)], (40,))
    with pytest.raises(InvalidArgument, match="domain"):
        effective_coefficients(growing(), [(-3, 0)])


def test_rates_on_a_hexagonal_lattice():
    """V0 = |x|^2/2 and M = m I: the rates are m (twice) and 2 m, and the law is that of V0."""
    lattice = np.array([[1.0, 0.5], [0.0, np.sqrt(3) / 2]])
    potential = MultiscalePotential(
        2, 1, SIGMA, lambda x: (x[0] ** 2 + x[1] ** 2) / 2,
        lambda x, y: (cos(2 * pi * y[0]) + cos(2 * pi * y[1]) + cos(2 * pi * (y[0] + y[1]))) / 3, lattice=lattice,
    )  # fmt: skip
    for cells in (24, 40):
        equation = EffectiveFokkerPlanck(potential, [(-4, 4), (-4, 4)], (cells, cells), rtol=1e-8)
        m = equation.coefficients.mobility(np.zeros((1, 2)))[0, 0, 0]
        assert equation.spectrum(4)[1:] / m == pytest.approx([1, 1, 2], rel=1e-6)
        rho = equation.stationary()
        x = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, -1.0]])
        assert rho.at(x) / rho.at(x[:1]) == pytest.approx(np.exp(-(x**2).sum(axis=1) / 2 / SIGMA), rel=0.05)


def test_data_instead_of_formulas():
    """The same equation, V0 by a table and V1 by values on a grid: the same densities."""
    ticks, x = np.arange(16) / 16, np.linspace(-2.5, 2.5, 201)
    table, values = RegularGrid([x], x**4 / 4 - x**2 / 2), PeriodicGrid(np.cos(2 * np.pi * ticks) / 2)
    found, exact = (
        EffectiveFokkerPlanck(
            MultiscalePotential(1, 1, SIGMA, confining, fluctuation, domain=[(-2.5, 2.5)]), [(-2, 2)], (80,), rtol=1e-8
        )
        for confining, fluctuation in (
            (lambda x: table(x[0]), lambda x, y: values(y[0])),
            (lambda x: x[0] ** 4 / 4 - x[0] ** 2 / 2, lambda x, y: cos(2 * sp.pi * y[0]) / 2),
        )
    )
    assert found.spectrum(4) == pytest.approx(exact.spectrum(4), rel=1e-6, abs=1e-9)
