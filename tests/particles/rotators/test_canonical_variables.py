"""The change of variables of Theorem 3.1: canonical, close to the identity, and what it is good for."""

import numpy as np
import pytest
from rates import assert_rate
from rotators import alternating, slow, weak
from scipy import integrate

from scaling_limits.particles import (
    AssumptionWarning,
    DiagonalDissipation,
    InvalidArgument,
    RotatorLattice,
    canonical_variables,
)
from scaling_limits.particles.rotators.canonical_variables import generator_gradient

pytestmark = pytest.mark.serial  # nothing here communicates


def random(shape, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def generator_of(lattice, u):
    """Phi by quadrature in the angle, as (6.6) has it, G = log(1 + x)."""
    total = 0.0
    for j, k in lattice.region.bonds:
        a, b = abs(u[j]) ** 2 + abs(u[k]) ** 2, 2 * abs(u[j]) * abs(u[k])
        potential = lambda t, a=a, b=b: np.log1p(a - b * np.cos(t))  # noqa: E731
        mean = integrate.quad(potential, 0, 2 * np.pi, epsabs=1e-13)[0] / (2 * np.pi)
        theta = np.angle(u[j] * np.conj(u[k]))
        f = lattice.spins * slow(np.abs(u) ** 2)
        part = integrate.quad(potential, 0, theta, epsabs=1e-13)[0] - mean * theta
        total += 0.5 * part / (f[j] - f[k])
    return total


def test_gradient_of_the_generator():
    lattice = alternating(3, 0.1, coupling=weak)
    u = random(3)
    found, h = generator_gradient(lattice, u[None])[0], 1e-4
    for j in range(3):
        for direction, value in ((1.0, found[j].real), (1j, found[j].imag)):
            e = np.zeros(3, dtype=complex)
            e[j] = h * direction
            assert abs((generator_of(lattice, u + e) - generator_of(lattice, u - e)) / (2 * h) - value) < 1e-7


def test_homological_equation():
    """(6.2): the angle derivative of Phi along the rotation is <G> - G: the rotation of all sites takes Phi's bonds with it."""
    lattice = alternating(2, 0.1, coupling=weak)
    u = random((5, 2))
    gradient = generator_gradient(lattice, u)
    turning = (np.conj(gradient) * 1j * lattice.spins * slow(np.abs(u) ** 2) * u).real.sum(axis=1)
    for found, v in zip(turning, u):
        a, b = (np.abs(v) ** 2).sum(), 2 * np.abs(v).prod()
        mean = integrate.quad(lambda t, a=a, b=b: np.log1p(a - b * np.cos(t)), 0, 2 * np.pi)[0] / (2 * np.pi)
        assert abs(found - 0.5 * (np.log1p(np.abs(v[0] - v[1]) ** 2) - mean)) < 1e-11


def test_canonical_and_invertible():
    """The Jacobian is symplectic; v -> u takes v back; a site at rest is no trouble."""
    lattice = alternating(3, 0.04)
    u = random((4, 3))
    u[0, 1] = 0
    v = canonical_variables(lattice, u)
    assert np.abs(canonical_variables(lattice, v, inverse=True) - u).max() < 1e-9
    h, base = 1e-5, random(3, 2)
    columns = []
    for direction in np.concatenate([np.eye(3), 1j * np.eye(3)]):
        ends = canonical_variables(lattice, np.stack([base + h * direction, base - h * direction]))
        difference = (ends[0] - ends[1]) / (2 * h)
        columns.append(np.concatenate([difference.real, difference.imag]))
    jacobian = np.array(columns).T
    form = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    assert np.abs(jacobian.T @ form @ jacobian - form).max() < 1e-9


def test_close_to_the_identity():
    """|u - v| and |I - J| are of order sqrt(epsilon) (3.1.4), two-sided."""
    epsilons, moved, changed = np.array([0.04, 0.01, 0.0025]), [], []
    u = random((64, 4))
    for epsilon in epsilons:
        v = canonical_variables(alternating(4, epsilon), u)
        moved.append(np.abs(v - u).max())
        changed.append(np.abs(np.abs(v) ** 2 - np.abs(u) ** 2).max() / 2)
    assert_rate(epsilons, moved, 0.5, slack=0.05, cap=0.2)
    assert_rate(epsilons, changed, 0.5, slack=0.05, cap=0.2)


def test_what_it_is_good_for():
    """Over a stretch of fast time the actions I wobble by order sqrt(epsilon), J by order epsilon only (3.3)."""
    epsilons, wobble = np.array([0.0025, 0.000625, 0.00015625]), []
    u = random(4, 5) * 0.8
    for epsilon in epsilons:
        lattice = alternating(4, epsilon, temperatures=(1e-12,), coupling=weak)
        fast = np.linspace(0, 6, 60) * epsilon
        found = lattice.sample(u, fast, 1, seed=1, step=0.02).amplitudes[:, 0] * np.exp(fast)[:, None]
        actions = [0.5 * np.abs(v) ** 2 for v in (found, canonical_variables(lattice, found))]
        wobble.append([np.ptp(a, axis=0).max() for a in actions])
    wobble = np.array(wobble)
    assert_rate(epsilons, wobble[:, 0], 0.5, slack=0.1, cap=0.1)
    assert_rate(epsilons, wobble[:, 1], 1.0, slack=0.2, cap=0.001)


def test_arguments():
    lattice = alternating(3, 0.1)
    for bad in (np.ones(2), [np.nan] * 3, "x"):
        with pytest.raises(InvalidArgument, match="amplitudes"):
            canonical_variables(lattice, bad)
    with pytest.warns(AssumptionWarning, match="spin out of order"):
        defect = RotatorLattice((3,), slow, weak, DiagonalDissipation(2), 1.0, 0.1, spins=[1, 1, 1])
    u = random(3)
    assert np.abs(canonical_variables(defect, u) - u).max() < 1.0
    with pytest.raises(InvalidArgument, match="steps"):
        canonical_variables(lattice, u, steps=0)


@pytest.mark.parametrize(("height", "width"), [(60.0, 2e-3), (5.0, 0.05)])
def test_narrow_coupling(height, width):
    """G = -height width exp(-x/width): the gradient of Phi by the quadrature of derivatives, in many panels."""
    lattice = alternating(2, 0.1, coupling=lambda x: height * np.exp(-x / width))
    u = np.array([1.1, 1.15 * np.exp(0.03j)])

    def phi(u):
        a, b, theta = (np.abs(u) ** 2).sum(), 2 * np.abs(u).prod(), np.angle(u[0] * np.conj(u[1]))

        def potential(t):
            return -height * width * np.exp(-(a - b * np.cos(t)) / width)

        t = 2 * np.pi * np.arange(4096) / 4096
        nodes, weights = np.polynomial.legendre.leggauss(60)
        part = 0.5 * theta * (weights * potential(0.5 * theta * (nodes + 1))).sum()
        f = slow(np.abs(u) ** 2)
        return 0.5 * (part - potential(t).mean() * theta) / (f[0] + f[1])

    found, h = generator_gradient(lattice, u[None])[0], 1e-5
    for j in range(2):
        for direction, value in ((1.0, found[j].real), (1j, found[j].imag)):
            e = np.zeros(2, dtype=complex)
            e[j] = h * direction
            difference = 8 * (phi(u + e) - phi(u - e)) - (phi(u + 2 * e) - phi(u - 2 * e))
            assert abs(difference / (12 * h) - value) < 1e-7 * np.abs(found).max()


def test_couplings_that_no_angles_resolve_are_refused():
    lattice = alternating(2, 0.1, coupling=lambda x: 1.0 if x < 0.31 else 0.0)
    with pytest.raises(InvalidArgument, match="coupling: G' is too narrow"):
        canonical_variables(lattice, [1.0, 1.1j])


def test_steps_that_are_chosen():
    """A strong coupling: within 1e-6 of 256 steps, where 8 are off by more than 1e-4; weak ones take 8."""
    lattice = alternating(3, 0.3, coupling=lambda x: 25 / (1 + x))
    u = random((6, 3), 7)
    exact = canonical_variables(lattice, u, steps=256)
    assert np.abs(canonical_variables(lattice, u, steps=8) - exact).max() > 1e-4
    assert np.abs(canonical_variables(lattice, u) - exact).max() < 1e-6
    weakly = alternating(3, 0.001, coupling=weak)
    assert np.array_equal(canonical_variables(weakly, u), canonical_variables(weakly, u, steps=8))
