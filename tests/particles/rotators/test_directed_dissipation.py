"""Example 2 with a strength and p = 2q: what comes to a site goes from another, averages by two routes, Hg by a search."""

import pickle
import warnings

import numpy as np
import pytest
from chance import assert_mean
from rotators import weak
from scipy.optimize import minimize

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import (
    CustomDissipation,
    DirectedDissipation,
    InvalidArgument,
    LatticeRegion,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.rotators.dissipations.kernels import LANES

pytestmark = pytest.mark.serial  # nothing here communicates

CASES = [(1.0, 4), (-2.5, 4), (1.0, 6), (0.7, 8), (-3.0, 12)]


def steep(x):
    return 1 + x**6


def lattice(g, shape=(3,), temperature=1.0, **more):
    return RotatorLattice(shape, steep, weak, g, temperature, 0.1, **more)


def amplitudes(size, count=LANES):
    generator = np.random.default_rng(2)
    return generator.standard_normal((count, size)) + 1j * generator.standard_normal((count, size))


@pytest.mark.parametrize(("strength", "power"), CASES)
@pytest.mark.parametrize(("shape", "closed"), [((5,), False), ((5,), True), ((3, 2), False), ((4, 3), (True, False))])
def test_what_comes_goes_from_elsewhere(strength, power, shape, closed):
    """R_j = (Theta(j) - Theta(j-1))/2 - I_j^q, so that all R_j together are that of the sites alone; so is the kernel."""
    g, region, q = DirectedDissipation(strength, power), LatticeRegion.box(shape, closed), power // 2
    u = amplitudes(region.size)
    actions = 0.5 * np.abs(u) ** 2
    work = (g.at(region, u) * np.conj(u)).real
    expected, theta = -(actions**q), g.flow(region, actions)
    for e, (j, k) in enumerate(region.bonds):
        expected[:, j] += 0.5 * theta[:, e]
        expected[:, k] -= 0.5 * theta[:, e]
    scale = (actions**q).max()
    assert np.abs(work - expected).max() < 1e-13 * scale
    assert np.abs(work.sum(axis=1) + (actions**q).sum(axis=1)).max() < 1e-12 * scale
    assert np.abs((np.conj(u) * g.at(region, u)).imag).max() < 1e-13 * scale
    compiled = g.compiled(region)
    x, y = (np.ascontiguousarray(part.T) for part in (u.real, u.imag))
    dx, dy = np.empty_like(x), np.empty_like(x)
    compiled.kernel(x, y, dx, dy, compiled.int_params, compiled.float_params)
    assert np.abs((dx + 1j * dy).T - g.at(region, u)).max() < 1e-13 * scale


def test_the_default_is_example_2():
    """p = 4, s = 1, to the last digit."""
    region, u = LatticeRegion.box((6,)), amplitudes(6)
    square = np.abs(np.pad(u, ((0, 0), (1, 1)))) ** 2
    expected = 0.25 * (square[:, 2:] - square[:, :-2] - square[:, 1:-1]) * u
    assert np.array_equal(DirectedDissipation().at(region, u), expected)
    assert DirectedDissipation() == DirectedDissipation(1.0, 4) == pickle.loads(pickle.dumps(DirectedDissipation()))
    assert repr(DirectedDissipation(0.5, 6)) == "DirectedDissipation(strength=0.5, power=6)"
    assert not DirectedDissipation(0.5).separates(region)
    assert DirectedDissipation(0.0).separates(region)


def test_averages_by_two_routes():
    """R of p = 6 in closed form, of the same polynomial by resonant monomials, and by a sum over angles."""
    s = 0.8

    def polynomial(u):
        x, a, b = (abs(u(k)) ** 2 for k in (0, 1, -1))
        return (0.5 * s * (a**2 + a * x - b**2 - b * x) - x**2) * u() / 8

    def function(j, u):
        x = abs(u[j]) ** 2
        a = abs(u[j + 1]) ** 2 if j + 1 < u.size else 0.0
        b = abs(u[j - 1]) ** 2 if j > 0 else 0.0
        return (0.4 * (a**2 + a * x - b**2 - b * x) - x**2) * u[j] / 8

    actions = np.random.default_rng(3).exponential(size=(20, 4))
    found = [
        averaged_dissipation(lattice(g, (4,)))(actions)
        for g in (DirectedDissipation(s, 6), PolynomialDissipation(polynomial), CustomDissipation(function, 6))
    ]
    theta = s * (actions[:, 1:] ** 2 * actions[:, :-1] + actions[:, 1:] * actions[:, :-1] ** 2)
    expected = 0.5 * np.diff(np.pad(theta, ((0, 0), (1, 1))), axis=1) - actions**3
    for r in found:
        assert np.abs(r - expected).max() < 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("power", [4, 6, 10])
@pytest.mark.parametrize("strength", [1.0, -8.0])
def test_it_dissipates_whatever_the_strength(power, strength):
    """Ascents of (g . u)_j/|u|_{j,p}^p with weights gamma^|k-j| stay below the bound of the docstring, and come near."""
    g, region, q = DirectedDissipation(strength, power), LatticeRegion.box((16,)), power // 2
    generator = np.random.default_rng(0)
    for gamma in (0.9, 0.99):
        weights = gamma ** np.abs(np.arange(16) - 8.0)

        def ratio(logarithms, weights=weights):
            u = np.exp(0.5 * (logarithms - logarithms.max())) + 0j
            return -(g.at(region, u) * u * weights).real.sum() / (np.abs(u) ** power * weights).sum() * 2**q

        largest = max(-minimize(ratio, size * generator.normal(size=16), method="L-BFGS-B").fun for size in (0.1, 1, 3))
        bound = -(1 - abs(strength) * (1 / gamma - 1))
        assert largest < bound
        assert largest > bound - 0.1 * abs(strength) * (1 / gamma - 1) - 0.02
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lattice(g, (6,)).assumptions[2].holds


def test_samples_of_another_power():
    """p = 6, s = -2 carries actions to the right; Heun with 8 times smaller steps has the same means: 5 standard errors;
    in the mean each site balances: E R_j + T_j = 0.
    """
    process = TransportProcess(lattice(DirectedDissipation(-2.0, 6), (4,), np.array([1.0, 0.5, 0.5, 0.5])))
    one = process.sample(np.ones(4), [3.0], 20_000, seed=1)
    two = process.sample(np.ones(4), [3.0], 4_000, seed=2, step=one.step / 8)
    assert_mean(one.mean, two.mean, np.hypot(one.standard_error, two.standard_error))
    balance = averaged_dissipation(process.lattice)(one.actions[0]) + process.lattice.temperature
    assert_mean(balance.mean(axis=0), np.zeros(4), balance.std(axis=0) / np.sqrt(len(balance)))
    assert (process.lattice.dissipation.flow(process.lattice.region, one.actions[0]).mean(axis=0) < -0.1).all()


def test_what_is_refused():
    for argument, arguments, words in (
        ("power", (1.0, 2), "even number"), ("power", (1.0, 5), "even number"), ("power", (1.0, 66), "between"),
        ("power", (1.0, 4.5), "integer"), ("strength", (np.inf,), "finite"), ("strength", ("a",), "number"),
        ("strength", (1j,), "number"), ("strength", (None,), "number"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=f"{argument}: .*{words}"):
            DirectedDissipation(*arguments)
