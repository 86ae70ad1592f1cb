"""The Hamiltonian in canonical variables, H = H_0 + epsilon^2a H_2 + epsilon^3a H_>."""

import numpy as np
import pytest
from rates import assert_rate
from rotators import alternating, slow, strong, weak
from scipy import integrate

from scaling_limits.particles import (
    AssumptionWarning,
    CanonicalHamiltonian,
    DiagonalDissipation,
    InvalidArgument,
    RotatorLattice,
)
from scaling_limits.particles.errors import NotConverged

pytestmark = pytest.mark.serial  # nothing here communicates
EPSILONS = np.array([0.04, 0.01, 0.0025])


def random(shape, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def mean_of_logarithm(actions, j, k):
    """<log(1 + A - B cos(theta))> = log((1 + A + sqrt((1 + A)^2 - B^2))/2)."""
    a, b = 1 + 2 * (actions[..., j] + actions[..., k]), 4 * np.sqrt(actions[..., j] * actions[..., k])
    return np.log(0.5 * (a + np.sqrt(a * a - b * b)))


def test_leading_part_in_closed_form():
    """F(x) = x + x^2/4 and G = log(1 + x): H_0 to 1e-12, on a chain and on a ring, and at rest."""
    for lattice in (alternating(3, 0.1, coupling=weak), alternating(4, 0.1, coupling=weak, periodic=True)):
        v = random((6, lattice.size))
        v[0, 1] = 0
        v[1] = 0
        actions = 0.5 * np.abs(v) ** 2
        mean = sum(0.5 * mean_of_logarithm(actions, j, k) for j, k in lattice.region.bonds)
        rotation = (lattice.spins * (actions + 0.5 * actions**2)).sum(axis=1)
        found = CanonicalHamiltonian(lattice)
        assert np.abs(found.mean_coupling(v) - mean).max() < 1e-12
        assert np.abs(found.leading(v) - rotation - 0.1**0.5 * mean).max() < 1e-12
        bonds = sum(0.5 * np.log1p(np.abs(v[:, j] - v[:, k]) ** 2) for j, k in lattice.region.bonds)
        assert np.abs(found.coupling(v) - bonds).max() < 1e-12


def test_second_part_by_quadrature():
    """H_2 = (1/2) sum_j (d_psi h d_J Phi - d_J h d_psi Phi), h = <G~> + G~, by differences in actions and angles."""
    lattice = alternating(3, 0.1, coupling=weak)
    actions, angles = np.array([0.7, 1.1, 0.4]), np.array([0.3, 1.9, -0.8])

    def both(x):
        i, psi, phi, h = x[:3], x[3:], 0.0, 0.0
        f = lattice.spins * slow(2 * i)
        for j, k in lattice.region.bonds:
            a, b, mean = 2 * (i[j] + i[k]), 4 * np.sqrt(i[j] * i[k]), mean_of_logarithm(i, j, k)
            theta = psi[j] - psi[k]
            part = integrate.quad(lambda t, a=a, b=b: np.log1p(a - b * np.cos(t)), 0, theta, epsabs=1e-13)[0]
            phi += 0.5 * (part - mean * theta) / (f[j] - f[k])
            h += 0.5 * (mean + np.log1p(a - b * np.cos(theta)))
        return np.array([h, phi])

    x, step = np.append(actions, angles), 1e-3

    def slope(n):
        e = step * np.eye(6)[n]
        return (8 * (both(x + e) - both(x - e)) - (both(x + 2 * e) - both(x - 2 * e))) / (12 * step)

    by = np.array([slope(n) for n in range(6)])
    exact = 0.5 * sum(by[3 + j, 0] * by[j, 1] - by[j, 0] * by[3 + j, 1] for j in range(3))
    found = CanonicalHamiltonian(lattice).second(np.sqrt(2 * actions) * np.exp(1j * angles))
    assert abs(found - exact) < 1e-8
    assert abs(exact) > 1e-3


@pytest.mark.parametrize(("a", "more"), [(0.5, {}), (0.75, {}), (0.5, {"periodic": True})])
def test_orders(a, more):
    """H(u(v)) - H_0 is of order 2a, less epsilon^2a H_2 of order 3a, both two-sided; with H_> it is H to 1e-10."""
    v, sizes = random((6, 4)), []
    for epsilon in EPSILONS:
        parts = CanonicalHamiltonian(alternating(4, epsilon, coupling=weak, coupling_exponent=a, **more))
        excess = parts.whole(v) - parts.leading(v)
        rest = excess - parts.small**2 * parts.second(v)
        sizes.append([np.abs(excess).max(), np.abs(rest).max()])
        assert np.abs(rest - parts.small**3 * parts.remainder(v)).max() < 1e-10
        assert np.abs(parts.remainder(v)).max() < 0.1
    assert_rate(EPSILONS, [s[0] for s in sizes], 2 * a, slack=0.1, cap=0.01)
    assert_rate(EPSILONS, [s[1] for s in sizes], 3 * a, slack=0.1, cap=1e-3)


def test_symmetries():
    """All parts stay when all angles turn together; H_0 when each turns by itself; H is what the lattice calls it."""
    lattice = alternating(3, 0.05)
    parts, v = CanonicalHamiltonian(lattice), random((5, 3))
    turned = v * np.exp(0.7j)
    for part in (parts.leading, parts.second, parts.remainder, parts.coupling):
        assert np.abs(part(turned) - part(v)).max() < 1e-9
    apart = v * np.exp(1j * np.array([0.3, -1.0, 2.2]))
    assert np.abs(parts.leading(apart) - parts.leading(v)).max() < 1e-12
    assert np.abs(parts.second(apart) - parts.second(v)).max() > 1e-3
    alone = CanonicalHamiltonian(alternating(3, 0.05, coupling=lambda x: 0.0))
    assert np.abs(alone.whole(v) - alone.leading(v)).max() < 1e-12
    assert np.abs(alone.second(v)).max() < 1e-14


def test_defects_keep_their_coupling():
    """Bonds of a site that turns like a neighbour stay in H_0 as they are, and the orders hold."""
    v, sizes = random((8, 4)), []
    for epsilon in EPSILONS:
        with pytest.warns(AssumptionWarning, match="spin out of order"):
            lattice = RotatorLattice((4,), slow, weak, DiagonalDissipation(2), 1.0, epsilon, spins=[1, -1, -1, 1])
        parts = CanonicalHamiltonian(lattice)
        rest = parts.whole(v) - parts.leading(v) - parts.small**2 * parts.second(v)
        sizes.append(np.abs(rest).max())
    assert_rate(EPSILONS, sizes, 1.5, slack=0.1, cap=1e-3)
    turned = v.copy()
    turned[:, np.flatnonzero(lattice.resonant_sites)[0]] *= 1j
    assert np.abs(parts.mean_coupling(turned) - parts.mean_coupling(v)).max() > 1e-3


def test_shapes_and_refusals():
    lattice = alternating(2, 0.1, coupling=strong)
    parts = CanonicalHamiltonian(lattice)
    v = random((2, 3, 2))
    assert parts.second(v).shape == (2, 3)
    assert parts.leading(v[0, 0]).shape == ()
    assert parts.second(np.empty((0, 2))).shape == (0,)
    assert np.abs(parts.remainder(v)[1, 2] - parts.remainder(v[1, 2])) < 1e-9
    assert repr(parts).startswith("CanonicalHamiltonian")
    for bad in (np.ones(3), [np.nan, 1], "x"):
        with pytest.raises(InvalidArgument, match="amplitudes"):
            parts.second(bad)
    for part in (parts.whole, parts.leading, parts.coupling, parts.mean_coupling, parts.second, parts.remainder):
        with pytest.raises(InvalidArgument, match="amplitudes: must be below"):
            part([1e200, 1.0])
    with pytest.raises(InvalidArgument, match="lattice"):
        CanonicalHamiltonian(3)
    jump = alternating(2, 0.1, coupling=lambda x: 1.0 if x < 0.31 else 0.0)
    with pytest.raises(InvalidArgument, match="coupling"):
        CanonicalHamiltonian(jump).second([1.0, 1.1j])
    wild = alternating(2, 1.0, coupling=lambda x: 300 * np.cos(3 * x))
    with pytest.raises((NotConverged, InvalidArgument), match="smaller epsilon|wider one"):
        CanonicalHamiltonian(wild).remainder([1.0, 1.1j])
