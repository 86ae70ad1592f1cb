"""The effective equation in C^N: its kernels against formulas, weak orders without noise, any number of sites."""

import numpy as np
import pytest
from chance import ALPHA, assert_mean
from rotators import FREQUENCIES, WORLD, alternating, linear_law, weak
from scipy import stats
from sympy import Abs, conjugate
from weak_errors import cubature_rule, heun_step, normal_rule, radial_step, transferred

from scaling_limits.particles import (
    CubatureNoise,
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    LatticeRegion,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.rotators.dissipations.kernels import LANES
from scaling_limits.particles.sampling.noise import GAUSSIAN
from scaling_limits.particles.sampling.philox import Purpose, key_words


def lattice_of(dissipation, size=3, temperature=(2.0, 1.0, 0.5), epsilon=0.1):
    return RotatorLattice(
        (size,), FREQUENCIES[dissipation.power], weak, dissipation, np.resize(temperature, size), epsilon
    )


def noise(site, step, seed, kind=GAUSSIAN):
    """The noise of the first LANES members at a site and step."""
    z, w = np.empty(LANES), np.empty(LANES)
    purpose = np.uint64(kind.purpose(Purpose.TRANSPORT))
    kind.fill_site(z, w, step, site, 0, purpose, *key_words(seed), np.empty(LANES), np.empty(LANES))
    return z + 1j * w


@pytest.mark.serial
@pytest.mark.parametrize("kind", [GAUSSIAN, CubatureNoise()])
@pytest.mark.parametrize("p", [2, 3, 4, 6])
def test_radial_kernels(p, kind):
    """Three steps and two of the kernel, whose half flows are joined, are those of the formula, for the same noise."""
    lattice, h = lattice_of(DiagonalDissipation(p)), 0.02
    found = TransportProcess(lattice).sample(np.full(3, 0.9 + 0.2j), [3 * h, 5 * h], LANES, seed=5, step=h, noise=kind)
    for j, t in enumerate(lattice.temperature):
        v = np.full(LANES, 0.9 + 0.2j)
        for n in range(5):
            v = radial_step(v, noise(j, n, 5, kind), p, t, h)
            if n in (2, 4):
                assert np.abs(found.amplitudes[n // 4, :, j] - v).max() < 1e-14


EXAMPLE2 = PolynomialDissipation(lambda u: (Abs(u(1)) ** 2 - Abs(u(-1)) ** 2 - Abs(u()) ** 2) * u() / 4)


def example2(j, u):
    after = abs(u[j + 1]) ** 2 if j + 1 < u.size else 0.0
    before = abs(u[j - 1]) ** 2 if j > 0 else 0.0
    return 0.25 * (after - before - abs(u[j]) ** 2) * u[j]


@pytest.mark.serial
@pytest.mark.parametrize("dissipation", [DirectedDissipation(), EXAMPLE2, CustomDissipation(example2, 4)])
def test_heun_kernels(dissipation):
    """Example 2 written in three ways: two steps of the kernel are those of the formula, for the same noise."""
    lattice, h = lattice_of(dissipation), 0.02
    found = TransportProcess(lattice).sample(np.full(3, 0.9 + 0.2j), [2 * h], LANES, seed=5, step=h)

    def drift(v):
        return np.stack([[example2(j, u) for j in range(3)] for u in v])

    v, t = np.full((LANES, 3), 0.9 + 0.2j), lattice.temperature
    for n in range(2):
        v = heun_step(v, np.stack([noise(j, n, 5) for j in range(3)], axis=1), drift, t, h)
    assert np.abs(found.amplitudes[0] - v).max() < 1e-13


@pytest.mark.serial
@pytest.mark.parametrize(
    "dissipation",
    [DiagonalDissipation(2), DiagonalDissipation(3), LinearDissipation(0.2 - 0.1j), DirectedDissipation(), EXAMPLE2,
     CustomDissipation(example2, 4), PolynomialDissipation(lambda u: -(Abs(u()) ** 2) * u() + 0.1j * u(1) * conjugate(u(-1)))],
)  # fmt: skip
def test_compiled_dissipations(dissipation):
    """What kernels evaluate is what `at` evaluates, in a plane with a hole too."""
    for region in (LatticeRegion.box((4,)), LatticeRegion([[0, 0], [0, 1], [1, 1], [2, 1], [2, 0], [5, 5]])):
        if region.dim > 1 and isinstance(dissipation, CustomDissipation):
            continue  # written for chains
        generator = np.random.default_rng(2)
        x, y = generator.standard_normal((2, region.size, LANES))
        dx, dy = np.empty_like(x), np.empty_like(x)
        g = dissipation.compiled(region)
        g.kernel(x, y, dx, dy, g.int_params, g.float_params)
        assert np.abs(dissipation.at(region, (x + 1j * y).T) - (dx + 1j * dy).T).max() < 1e-12


@pytest.mark.serial
def test_averaging_drops_what_turns():
    """Resonant monomials stay: K of a mixed polynomial is that of its resonant part, whichever way it is averaged."""

    def mixed(j, u):
        beside = u[j + 1] if j + 1 < u.size else 0.0 * u[j]
        return (
            -(abs(u[j]) ** 2) * u[j] + 0.1 * beside**2 * np.conj(u[j]) + 0.2 * abs(beside) ** 2 * u[j] + 0.05 * beside
        )

    written = PolynomialDissipation(
        lambda u: -(Abs(u()) ** 2) * u() + 0.1 * u(1) ** 2 * conjugate(u()) + 0.2 * Abs(u(1)) ** 2 * u() + 0.05 * u(1)
    )
    given = CustomDissipation(mixed, 4)
    lattices = [lattice_of(g) for g in (written, given)]
    found = [TransportProcess(x).sample(np.full(3, 0.9 + 0.2j), [0.05], LANES, seed=5).amplitudes for x in lattices]
    assert np.abs(found[0] - found[1]).max() < 1e-13
    resonant = PolynomialDissipation(lambda u: -(Abs(u()) ** 2) * u() + 0.2 * Abs(u(1)) ** 2 * u())
    only = TransportProcess(lattice_of(resonant)).sample(np.full(3, 0.9 + 0.2j), [0.05], LANES, seed=5).amplitudes
    assert np.array_equal(found[0], only)
    assert written.separates(lattices[0].region) is False
    assert PolynomialDissipation(lambda u: -u() + 0.1 * u(1)).separates(lattices[0].region)


@pytest.mark.serial
@pytest.mark.parametrize("rule", [normal_rule, cubature_rule])
@pytest.mark.parametrize("scheme", ["split", "Heun"])
def test_weak_order_without_noise(scheme, rule):
    """Both schemes are of the declared weak order for p = 4, T = 1, with both kinds of noise."""

    def step(v, z, h):
        if scheme == "split":
            return radial_step(v, z, 4, 1.0, h)
        return heun_step(v, z, lambda v: -(np.abs(v) ** 2) * v, 1.0, h)

    exact = transferred(step, 1 / 1024, 1024, 0.8, normal_rule())
    counts = np.array([32, 64, 128])
    errors = np.array([np.abs(transferred(step, 1 / n, n, 0.8, rule()) - exact) for n in counts])
    for column in errors.T:
        slope = -np.polyfit(np.log(counts), np.log(column), 1)[0]
        assert abs(slope - TransportProcess.weak_order) < 0.2, errors
    assert errors[-1].max() < 2e-4


def test_linear_damping_is_exact_in_law_in_one_step():
    process = TransportProcess(alternating(2, 0.1, dissipation=LinearDissipation(0.2 + 0.1j)))
    found = process.sample(np.ones(2), [1.3], 50_000, seed=4, comm=WORLD)
    assert found.step == 1.3
    for j, t in enumerate((2.0, 0.5)):
        assert stats.kstest(found.actions[0, :, j], linear_law(t, 0.5, 1.3).cdf).pvalue >= ALPHA


def test_members_do_not_depend_on_workers_ranks_or_their_number():
    process = TransportProcess(lattice_of(DirectedDissipation()))
    one = process.sample(np.ones(3), [0.1, 0.3], 300, seed=2, workers=1)
    two = process.sample(np.ones(3), [0.1, 0.3], 300, seed=2, workers=2, comm=WORLD)
    assert np.array_equal(one.amplitudes, two.amplitudes)
    assert np.array_equal(one.amplitudes[:, :7], process.sample(np.ones(3), [0.1, 0.3], 7, seed=2).amplitudes)


@pytest.mark.serial
def test_a_thousand_sites():
    """1 000 sites by 10 000 members: the hundredth site does not see how long the chain is (uniformity in N), and its law
    is that of a chain of 200 sites, 5 standard errors; the flow through its bonds too.
    """
    start, found = np.ones(1000), {}
    for size, runs in ((200, 10_000), (1000, 10_000)):
        lattice = lattice_of(DirectedDissipation(), size, (2.0, 1.0))
        ensemble = TransportProcess(lattice).sample(start[:size], [0.5], runs, seed=size, step=0.05)
        middle = ensemble.actions[0, :, 100]
        flow = 2 * middle * ensemble.actions[0, :, 101]
        found[size] = np.array([[x.mean(), x.std() / np.sqrt(runs)] for x in (middle, flow)])
        theta = lattice.dissipation.flow(lattice.region, ensemble.actions[0])
        assert theta.shape == (runs, size - 1)
        bond = np.flatnonzero(lattice.region.bonds[:, 0] == 100)[0]
        assert np.abs(theta[:, bond] - flow).max() == 0
    a, b = found[200], found[1000]
    assert_mean(a[:, 0] - b[:, 0], 0.0, np.hypot(a[:, 1], b[:, 1]))
