"""R and K: closed forms, and direct quadrature of other kinds."""

import time
from functools import cache

import numpy as np
import pytest
from rotators import FREQUENCIES, weak
from scipy import integrate
from sympy import Abs, conjugate

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
)

pytestmark = pytest.mark.serial  # nothing here communicates

ACTIONS = np.random.default_rng(1).random((20, 3)) * 2
ACTIONS[0] = 0.0


def lattice_of(dissipation, size=3):
    return RotatorLattice((size,), FREQUENCIES[dissipation.power], weak, dissipation, 1.0, 0.1)


@cache
def random_polynomial(seed=3):
    """All monomials of degree up to 3 of a site and its neighbours, with random complex coefficients, on top of what dissipates."""
    generator = np.random.default_rng(seed)

    def g(u):
        site, after, before = u(), u(1), u(-1)
        result = -3 * Abs(site) ** 2 * site
        letters = [x for z in (site, after, before) for x in (z, conjugate(z))]
        for i, a in enumerate(letters):
            result += complex(*generator.normal(0, 0.02, 2)) * a
            for j, b in enumerate(letters[i:]):
                for c in letters[i + j :]:
                    result += complex(*generator.normal(0, 0.02, 2)) * a * b * c
        return result

    return PolynomialDissipation(g)


def direct(lattice, actions, site, order=12):
    """<g_j . u_j> by Gauss and Legendre's rule in all three angles."""
    nodes, weights = np.polynomial.legendre.leggauss(order * 3)
    angles = np.stack(np.meshgrid(*[np.pi * (nodes + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    shares = np.einsum("i,j,k->ijk", weights, weights, weights).ravel() / 8
    u = np.sqrt(2 * actions) * np.exp(1j * angles)
    return (shares * (lattice.dissipation.at(lattice.region, u) * np.conj(u)).real[:, site]).sum()


@pytest.mark.parametrize("p", [2, 3, 4])
def test_diagonal(p):
    found = averaged_dissipation(lattice_of(DiagonalDissipation(p)))(ACTIONS)
    assert np.abs(found + (2 * ACTIONS) ** (p / 2)).max() < 1e-12


def test_linear_coupling_changes_nothing():
    coupling = np.zeros((3, 3), dtype=complex)
    coupling[0, 1], coupling[1, 2], coupling[2, 1] = 0.2, 0.1j, -0.1 + 0.1j
    for b in (0.1 + 0.2j, coupling):
        assert np.abs(averaged_dissipation(lattice_of(LinearDissipation(b)))(ACTIONS) + 2 * ACTIONS).max() < 1e-12


def test_example_2():
    found = averaged_dissipation(lattice_of(DirectedDissipation()))(ACTIONS)
    padded = np.pad(ACTIONS, ((0, 0), (1, 1)))
    assert np.abs(found - (padded[:, 2:] - padded[:, :-2] - ACTIONS) * ACTIONS).max() < 1e-12


def test_random_polynomial_against_direct_quadrature():
    lattice = lattice_of(random_polynomial())
    averaged = averaged_dissipation(lattice)
    assert averaged.angles == 5
    found = averaged(ACTIONS[:4])
    for point, values in zip(ACTIONS[:4], found):
        for j in range(3):
            assert abs(values[j] - direct(lattice, point, j)) < 1e-12


def test_functions_whose_degree_is_not_known():
    """The number of angles is found: a polynomial, and a function that is none, against scipy's quadrature."""

    def smooth(j, u):
        near = u[j + 1] if j + 1 < u.size else 0.0 * u[j]
        return -(abs(u[j]) ** 2) * u[j] + 0.5 * u[j] / (3 + abs(u[j] + near) ** 2)

    lattice = lattice_of(CustomDissipation(smooth, 4), 2)
    found = averaged_dissipation(lattice)(np.array([[0.4, 0.9]]))[0]

    def integrand(theta):
        u = np.sqrt([0.8, 1.8]) * np.exp([1j * theta, 0])
        return (smooth(0, u) * np.conj(u[0])).real

    expected = integrate.quad(integrand, 0, 2 * np.pi, epsabs=1e-13)[0] / (2 * np.pi)
    assert abs(found[0] - expected) < 1e-12


def test_drift_of_the_effective_equation():
    """K . v = R, and K turns with v."""
    lattice = lattice_of(random_polynomial())
    averaged = averaged_dissipation(lattice)
    generator = np.random.default_rng(5)
    v = generator.standard_normal((6, 3)) + 1j * generator.standard_normal((6, 3))
    k = averaged.effective_drift(v)
    assert np.abs((k * np.conj(v)).real - averaged(np.abs(v) ** 2 / 2)).max() < 1e-12
    turn = np.exp(1j * np.array([0.3, 1.1, -2.0]))
    assert np.abs(averaged.effective_drift(v * turn) - turn * k).max() < 1e-12
    polynomial = lattice.dissipation.averaged(lattice.region)
    assert np.abs(polynomial.at(lattice.region, v) - k).max() < 1e-12
    assert np.abs(averaged.rate(np.zeros((1, 3))) - averaged.rate(np.full((1, 3), 1e-9))).max() < 1e-6


def test_arguments():
    averaged = averaged_dissipation(lattice_of(DiagonalDissipation(4)))
    for bad in (np.ones((2, 2)), -np.ones((2, 3)), [[np.nan] * 3], np.ones(3)):
        with pytest.raises(InvalidArgument, match="actions"):
            averaged(bad)
    with pytest.raises(InvalidArgument, match="lattice"):
        averaged_dissipation(None)
    with pytest.raises(InvalidArgument, match="amplitudes"):
        averaged.effective_drift(np.ones(3))


def test_polynomials_of_many_neighbours():
    """A (6, 6) lattice with all four neighbours, and the middle of a (3, 3, 3) one with six: K is that of the resonant
    monomials, written out by hand (|z|^2 <= 1e-13), and 20 points of it take less than 2 s.
    """
    plane = RotatorLattice(
        (6, 6), FREQUENCIES[4], weak,
        PolynomialDissipation(lambda u: -3 * Abs(u()) ** 2 * u() + 0.1 * u(1) ** 2 * conjugate(u(0, 1)) + sum(
            0.1 * Abs(u(*k)) ** 2 * u() + 0.05 * u(*k) ** 2 * conjugate(u()) for k in ((1,), (-1,), (0, 1), (0, -1)))),
        1.0, 0.1,
    )  # fmt: skip
    space = RotatorLattice(
        (3, 3, 3), FREQUENCIES[4], weak,
        PolynomialDissipation(lambda u: -3 * Abs(u()) ** 2 * u() + sum(
            0.1 * Abs(u(*k)) ** 2 * u() + 0.05 * u(*k)
            for k in ((1,), (-1,), (0, 1), (0, -1), (0, 0, 1), (0, 0, -1)))),
        1.0, 0.1,
    )  # fmt: skip
    for lattice in (plane, space):
        actions = np.random.default_rng(4).random((20, lattice.size))
        begun = time.perf_counter()
        found = averaged_dissipation(lattice)(actions)
        assert time.perf_counter() - begun < 2.0  # 20 points by a sum over angles would take an hour
        near = np.stack([actions[:, k].sum(axis=1) for k in lattice.region.neighbours], axis=1)
        assert np.abs(found - (-12 * actions**2 + 0.4 * near * actions)).max() < 1e-13 * 30


def test_functions_in_space():
    """Four angles for each site of a (2, 2, 2) lattice that are averaged over in compiled code: closed form."""

    def near(j, u):
        total = 0j
        for axis in (1, 2, 4):
            total += u[j ^ axis]
        return -3 * abs(u[j]) ** 2 * u[j] + 0.1 * total * np.conj(total) * u[j] + 0.05 * total

    lattice = RotatorLattice((2, 2, 2), FREQUENCIES[4], weak, CustomDissipation(near, 4), 1.0, 0.1)
    actions = np.random.default_rng(4).random((5, 8))
    beside = np.stack([actions[:, k].sum(axis=1) for k in lattice.region.neighbours], axis=1)
    averaged = averaged_dissipation(lattice)
    assert np.abs(averaged(actions) - (-12 * actions**2 + 0.4 * beside * actions)).max() < 1e-12
    for bad in (np.full((1, 8), np.nan), [["a"] * 8], None):
        with pytest.raises(InvalidArgument, match="amplitudes"):
            averaged.effective_drift(bad)
