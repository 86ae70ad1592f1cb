"""Discrete noise of diffusions: its moments and streams, weak orders without statistical noise, laws, refusals."""

import math
from itertools import product

import numpy as np
import pytest
from chance import assert_counts, assert_mean
from rotators import WORLD
from schemes import schemes_of
from scipy import linalg
from sympy import cos, pi, sin
from weak_errors import line_rule, normal_moment

from scaling_limits.particles import (
    LEIMKUHLER_MATTHEWS,
    STOCHASTIC_HEUN,
    CubatureNoise,
    EffectiveLangevin,
    GaussianNoise,
    InvalidArgument,
    Langevin,
    MultiscalePotential,
)
from scaling_limits.particles.diffusions.langevin_schemes import LangevinScheme
from scaling_limits.particles.sampling.normal_tiles import TILE
from scaling_limits.particles.sampling.philox import Purpose, key_words
from scaling_limits.particles.sampling.quadrature_tiles import fill_tile_with_points

CUBATURE = CubatureNoise()
POINTS, SHARES = line_rule()
PLANE = MultiscalePotential(
    2, 1, 0.5, lambda x: (x[0] ** 2 + x[1] ** 2) / 2, lambda x, y: cos(2 * pi * y[0]) * sin(2 * pi * y[1]) / 4
)


def drawn(step, component, tile, seed=3, purpose=Purpose.LANGEVIN_CUBATURE):
    z = np.empty(TILE)
    fill_tile_with_points(
        z, step, component, tile, np.uint64(purpose), *key_words(seed), np.empty(TILE // 2), np.empty(TILE // 2)
    )
    return z


# --- the numbers ---------------------------------------------------------------------------------------------


def test_moments():
    """Up to the declared degree to rounding, of degree six to 1e-4 of itself, of degree seven again."""
    for k in range(8):
        found, normal = SHARES @ POINTS**k, normal_moment(k)
        assert abs(found - normal) < (1e-4 * normal if k == 6 else 1e-13), k


def test_numbers_are_drawn_with_their_weights():
    """Alone, and in pairs of neighbours, of paths of one block, of following steps and of components: alarm 1e-6."""
    rows = [
        np.concatenate([drawn(step, component, tile) for tile in range(256)]) for step, component in ((1, 2), (2, 2), (1, 1))
    ]  # fmt: skip
    numbers = []
    for z in rows:
        distance = np.abs(z[:, None] - POINTS)
        numbers.append(distance.argmin(axis=1))
        assert distance.min(axis=1).max() < 1e-14
        assert_counts(np.bincount(numbers[-1], minlength=4), len(z) * SHARES)
    first = numbers[0]
    for other in (numbers[1], numbers[2], np.roll(first, 1), np.roll(first, TILE // 8), np.roll(first, TILE // 2)):
        together = np.histogram2d(first, other, bins=np.arange(5) - 0.5)[0]
        assert_counts(together.ravel(), len(first) * np.outer(SHARES, SHARES).ravel())


def test_streams_have_all_bits_of_their_counters():
    seen = {
        drawn(step, component, tile, seed, purpose).tobytes()
        for step, component, tile, seed in product((0, 5, 2**32 + 5, 2**33), (0, 1, 7), (0, 1, 2**22), (3, 2**40 + 3))
        for purpose in (Purpose.LANGEVIN_CUBATURE, Purpose.EFFECTIVE_LANGEVIN_CUBATURE, Purpose.SIGNS_CUBATURE)
    }
    assert len(seen) == 4 * 3 * 3 * 2 * 3


# --- weak orders by transfer operators -----------------------------------------------------------------------

N = 64
NODES = 2 * np.pi * np.arange(N) / N
WAVES = np.fft.fftfreq(N, 1 / N)
HERMITE, NORMAL = np.polynomial.hermite_e.hermegauss(40)
RULES = {"discrete": (POINTS, SHARES), "normal": (HERMITE, NORMAL / NORMAL.sum())}
POTENTIAL = lambda x: np.cos(x) + 0.5 * np.sin(2 * x)  # noqa: E731
SLOPE = lambda x: -np.sin(x) + np.cos(2 * x)  # noqa: E731
OBSERVABLE = np.cos(NODES) + np.sin(NODES)
GIBBS = np.exp(-POTENTIAL(NODES)) / np.exp(-POTENTIAL(NODES)).sum()


def transported(y):
    """The matrix that evaluates a trigonometric polynomial at y (N,)."""
    return ((np.exp(1j * np.outer(y, WAVES)) @ np.exp(-1j * np.outer(WAVES, NODES))) / N).real


def derivative():
    symbol = 1j * np.where(np.abs(WAVES) == N / 2, 0, WAVES)
    return np.fft.ifft(symbol[:, None] * np.fft.fft(np.eye(N), axis=0), axis=0).real


def invariant(operator):
    system = operator.T - np.eye(N)
    system[0] = 1.0
    return np.linalg.solve(system, np.eye(N)[0])


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def scheme_errors(scheme, rule, counts):
    """Errors of E f(X_0.8), the largest over X_0, and of the stationary E f: the mean over the noise is a sum."""
    d = derivative()
    exact = linalg.expm(0.8 * (-np.diag(SLOPE(NODES)) @ d + d @ d)) @ OBSERVABLE
    transient, stationary = [], []
    for count in counts:
        h = 0.8 / count
        a = math.sqrt(2 * h)
        mean = lambda y: sum(w * transported(y(z)) for z, w in zip(*rule))  # noqa: E731
        zero = np.zeros(N)
        if scheme.averages_noise:
            # Y_n = X_n - a z_n/2 is a Markov chain; X_0 is given, so Y_1 = X_0 + a z_0/2 - h V'(X_0)
            operator = mean(lambda z: scheme.step(SLOPE, NODES + 0.5 * a * z, np.full(N, z), zero, h, 1.0))  # noqa: B023
            reading = mean(lambda z: NODES + 0.5 * a * z)  # noqa: B023
            first = mean(lambda z: NODES - h * SLOPE(NODES) + 0.5 * a * z)  # noqa: B023
        else:
            operator = first = mean(lambda z: scheme.step(SLOPE, NODES, np.full(N, z), zero, h, 1.0))  # noqa: B023
            reading = np.eye(N)
        found = first @ np.linalg.matrix_power(operator, count - 1) @ reading @ OBSERVABLE
        transient.append(np.abs(found - exact).max())
        stationary.append(abs(invariant(operator) @ reading @ OBSERVABLE - GIBBS @ OBSERVABLE))
    return transient, stationary


@pytest.mark.serial
@pytest.mark.parametrize("scheme", schemes_of(LangevinScheme), ids=lambda s: s.name)
def test_schemes_keep_their_orders(scheme):
    """Two-sided, with a cap; and errors are nearly those with normal noise."""
    transient, stationary = scheme_errors(scheme, RULES["discrete"], (64, 128, 256))
    assert abs(orders(transient)[-1] - scheme.weak_order) < 0.07
    assert abs(orders(stationary)[-1] - scheme.equilibrium_order) < 0.07
    assert stationary[-1] < 1e-4
    for found, normal in zip((transient, stationary), scheme_errors(scheme, RULES["normal"], (64, 128, 256))):
        assert abs(found[-1] / normal[-1] - 1) < 0.1


def multiplicative():
    mobility = lambda x: 1 + 0.6 * np.sin(x)  # noqa: E731
    drift = lambda x: -mobility(x) * SLOPE(x) + 0.6 * np.cos(x)  # noqa: E731
    return drift, mobility


@pytest.mark.serial
def test_platens_scheme_keeps_its_order():
    """Noise that depends on the position, on a torus: order 2 of E f(X_0.8) and of the stationary E f."""
    drift, mobility = multiplicative()
    sampler = EffectiveLangevin(drift, lambda x: np.sqrt(2 * mobility(x))[:, :, None], [(0, 2 * np.pi)], [True])
    d = derivative()
    exact = linalg.expm(0.8 * (np.diag(drift(NODES)) @ d + np.diag(mobility(NODES)) @ d @ d)) @ OBSERVABLE
    transient, stationary = [], []
    for count in (64, 128, 256):
        operator = sum(
            w * transported(sampler.step(NODES[:, None], np.full((N, 1), z), np.zeros((N, 0)), 0.8 / count)[:, 0])
            for z, w in zip(POINTS, SHARES)
        )
        transient.append(np.abs(np.linalg.matrix_power(operator, count) @ OBSERVABLE - exact).max())
        stationary.append(abs((invariant(operator) - GIBBS) @ OBSERVABLE))
    assert abs(orders(transient)[-1] - sampler.weak_order) < 0.1
    assert abs(orders(stationary)[-1] - sampler.weak_order) < 0.1
    assert transient[-1] < 1e-3
    assert stationary[-1] < 1e-4


@pytest.mark.serial
def test_walls_keep_their_order():
    """Reflected at both walls of [0, pi]: of even trigonometric polynomials, by their values on the doubled torus.

    E f(X_1) to order one at least, as with normal noise, and the same size of error.
    """
    half = np.pi * (np.arange(N) + 0.5) / N
    cosines = np.cos(np.outer(half, np.arange(N)))
    back = np.linalg.inv(cosines)
    sampler = EffectiveLangevin(
        lambda x: np.sin(2 * x) + 0.5, lambda x: np.full((len(x), 1, 1), math.sqrt(2)), [(0, np.pi)]
    )
    fine, found = None, {}
    for name, counts in (("normal", (1024, 32, 64, 128)), ("discrete", (32, 64, 128))):
        values = []
        for count in counts:
            operator = sum(
                w * np.cos(np.outer(sampler.step(half[:, None], np.full((N, 1), z), np.zeros((N, 0)), 1 / count)[:, 0], np.arange(N))) @ back
                for z, w in zip(*RULES[name])
            )  # fmt: skip
            values.append(np.linalg.matrix_power(operator, count) @ np.cos(half))
        if fine is None:
            fine = values.pop(0)
        found[name] = [np.abs(v - fine).max() for v in values]
    assert (orders(found["discrete"]) > 0.8).all()
    assert found["discrete"][-1] < 2 * found["normal"][-1] + 1e-4


# --- samples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", [STOCHASTIC_HEUN, LEIMKUHLER_MATTHEWS], ids=lambda s: s.name)
def test_kernels_do_what_the_schemes_say(scheme):
    """The compiled steps are those of `LangevinScheme.step`, with the numbers of each path."""
    found = Langevin(PLANE, 0.5).sample([0.3, -0.2], [0.02], 600, 7, 0.005, scheme=scheme, noise=CUBATURE, comm=WORLD)
    x = np.tile([0.3, -0.2], (600, 1))
    at = lambda n: np.stack([np.concatenate([drawn(n, i, t, 7) for t in (0, 1)])[:600] for i in (0, 1)], axis=1)  # noqa: E731
    for n in range(4):
        x = scheme.step(lambda y: PLANE.full_gradient_at(y, 0.5), x, at(n), at(n + 1), 0.005, 0.5)
    np.testing.assert_allclose(found.positions[0], x, rtol=0, atol=1e-12)


@pytest.mark.serial
def test_a_linear_problem_has_its_moments():
    """V = x^2/2: the first four moments of X(t) are those of the scheme with normal noise: false alarm 1e-6."""
    flat = MultiscalePotential(1, 1, 1.0, lambda x: x[0] ** 2 / 2, lambda x, y: 0 * y[0])
    paths, h, count = 100_000, 0.1, 10
    x = Langevin(flat, 0.5).sample([1.0], [h * count], paths, 3, h, noise=CUBATURE).positions[0, :, 0]
    # a step of Heun's is x -> r x + s z
    r, s = 1 - h + h * h / 2, math.sqrt(2 * h) * (1 - h / 2)
    moments = np.array([1.0, 1.0, 1.0, 1.0, 1.0])
    for _ in range(count):
        moments = np.array(
            [sum(math.comb(k, j) * r**j * s ** (k - j) * moments[j] * normal_moment(k - j) for j in range(k + 1)) for k in range(5)]
        )  # fmt: skip
    powers = x[:, None] ** np.arange(1, 5)
    assert_mean(powers.mean(axis=0), moments[1:], powers.std(axis=0) / math.sqrt(paths))


def test_paths_do_not_depend_on_workers_ranks_or_their_number():
    sampler = Langevin(PLANE, 0.5)
    one = sampler.sample([0.0, 0.0], [0.02, 0.05], 1100, seed=2, workers=1, noise=CUBATURE)
    two = sampler.sample([0.0, 0.0], [0.02, 0.05], 1100, seed=2, workers=2, comm=WORLD, noise=CUBATURE)
    assert np.array_equal(one.positions, two.positions)
    few = sampler.sample([0.0, 0.0], [0.02, 0.05], 7, seed=2, noise=CUBATURE)
    assert np.array_equal(one.positions[:, :7], few.positions)
    normal = sampler.sample([0.0, 0.0], [0.02, 0.05], 7, seed=2)
    assert np.array_equal(normal.positions, sampler.sample([0, 0], [0.02, 0.05], 7, seed=2, noise=GaussianNoise()).positions)  # fmt: skip
    assert not np.array_equal(normal.positions, few.positions)


@pytest.mark.serial
def test_mobility_and_effective_equation_take_it():
    """Compiled steps with a mobility and those of the effective sampler: the same numbers, by Platen's scheme."""
    full = MultiscalePotential(
        2, 1, 0.5, lambda x: (x[0] ** 2 + x[1] ** 2) / 2, lambda x, y: 0 * y[0],
        mobility=lambda x, y: [[1 + x[0] ** 2 / 9, x[1] / 9], [x[1] / 9, 1]],
    )  # fmt: skip

    def square(x):
        rows = [[1 + x[:, 0] ** 2 / 9, x[:, 1] / 9], [x[:, 1] / 9, np.ones(len(x))]]
        return np.stack([np.stack(row, -1) for row in rows], -2)

    divergence = lambda x: np.stack([2 * x[:, 0] / 9 + 1 / 9, np.zeros(len(x))], -1)  # noqa: E731
    drift = lambda x: -(square(x) @ x[:, :, None])[:, :, 0] + 0.5 * divergence(x)  # noqa: E731
    effective = EffectiveLangevin(drift, lambda x: np.linalg.cholesky(square(x)), [(-9, 9)] * 2)
    found = [
        s.sample([0.3, 0.1], [0.5], 20_000, 5, 0.05, noise=CUBATURE).positions[0]
        for s in (Langevin(full, 0.5), effective)
    ]
    means, errors = (np.array([f(x, axis=0) for x in found]) for f in (np.mean, lambda x, axis: np.std(x, axis=axis) / math.sqrt(len(x))))  # fmt: skip
    assert_mean(means[0], means[1], np.hypot(*errors))
    normal = effective.sample([0.3, 0.1], [0.5], 20_000, 6, 0.05).positions[0]
    assert_mean(found[1].mean(axis=0), normal.mean(axis=0), np.hypot(errors[1], normal.std(axis=0) / math.sqrt(20_000)))


def test_refusals():
    """A noise of another kind, and one that differs between ranks; typed on all ranks."""
    box = EffectiveLangevin(lambda x: -x, lambda x: np.ones((len(x), 1, 1)), [(-4, 4)])
    for call in (lambda **a: Langevin(PLANE, 0.5).sample([0.0, 0.0], [0.1], 4, 1, comm=WORLD, **a),
                 lambda **a: box.sample([0.0], [0.1], 4, 1, 0.01, comm=WORLD, **a)):  # fmt: skip
        with pytest.raises(InvalidArgument, match="noise: must be a Noise, not str"):
            call(noise="cubature")
        if WORLD is not None and WORLD.size > 1:
            with pytest.raises(InvalidArgument, match="noise: must be the same on all ranks"):
                call(noise=CUBATURE if WORLD.rank else GaussianNoise())
