"""The finite-size equations: exact expectations, the lattice, the limit, the ranks."""

import math

import numpy as np
import pytest
from billiards import FREEZE, mean, small_std
from chance import assert_mean
from mpi4py import MPI
from rates import assert_rate
from scipy.special import ive

from scaling_limits.particles import InvalidArgument, PinnedBalls
from scaling_limits.pdes import BilliardEquations, FiniteSizeEquations
from scaling_limits.pdes.pinned_balls.finite_size import LatticeSystem
from scaling_limits.pdes.pinned_balls.gaussian_expectations import correlated_expectations, expectations


@pytest.mark.parametrize("ratio", [0.0, 0.3, 3.0, 30.0])
def test_isotropic_triples_have_a_closed_form(ratio):
    """E |D| = sigma sqrt(pi/2) exp(-q/2) ((1 + q) I_0(q/2) + q I_1(q/2)), q = |delta|^2/(2 sigma^2): (5.53)."""
    means, sigma = ratio * np.array([-1.0, 0.2, 0.9]), 1.0
    q = np.sum((means - means.mean()) ** 2) / (2 * sigma**2)
    length = sigma * math.sqrt(math.pi / 2) * ((1 + q) * ive(0, q / 2) + q * ive(1, q / 2))
    r, ar = expectations(*means, *[sigma**2] * 3)
    assert r == pytest.approx(math.sqrt(2 / 3) * length, rel=1e-8)
    assert ar == pytest.approx(means.mean() * r, abs=1e-8 * r)


@pytest.mark.serial
@pytest.mark.parametrize("variances", [(0.5, 0.1, 0.9), (1.0, 0.0, 0.0), (0.0, 1.0, 0.5), (1e-4, 1.0, 1e-4)])
def test_expectations_against_samples(variances):
    means, n = np.array([0.3, -0.2, 0.5]), 2_000_000
    v = means + np.sqrt(variances) * np.random.default_rng(1).standard_normal((n, 3))
    a = v.mean(1)
    r = np.sqrt(2 / 3 * ((v - a[:, None]) ** 2).sum(1))
    for value, expected in zip((r, a * r), expectations(*means, *variances)):
        assert_mean(value.mean(), expected, value.std() / math.sqrt(n))


@pytest.mark.serial
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_correlated_expectations_against_samples(seed):
    rng, n = np.random.default_rng(seed), 2_000_000
    mixing, means = rng.standard_normal((3, 3)), rng.standard_normal(3)
    c = mixing @ mixing.T
    v = means + rng.standard_normal((n, 3)) @ mixing.T
    a = v.mean(1)
    plane = np.stack([(v[:, 2] - v[:, 0]) / 2**0.5, (v[:, 1] - (v[:, 0] + v[:, 2]) / 2) * (2 / 3) ** 0.5])
    length = np.sqrt((plane**2).sum(0))
    r, h = (2 / 3) ** 0.5 * length, (2 / 3) ** 0.5 * plane / length
    found = correlated_expectations(*means, *np.diag(c), c[0, 1], c[0, 2], c[1, 2])
    for value, expected in zip((r, a * r, *h), found):
        assert_mean(value.mean(), expected, value.std() / math.sqrt(n))


@pytest.mark.serial
def test_expectations_against_quadrature():
    """Gauss and Hermite in three dimensions, where the noise is small against the gaps and r is smooth."""
    g, w = np.polynomial.hermite_e.hermegauss(20)
    grid = np.stack(np.meshgrid(g, g, g, indexing="ij"), -1).reshape(-1, 3)
    weight = np.prod(np.stack(np.meshgrid(w, w, w, indexing="ij"), -1).reshape(-1, 3), 1) / (2 * math.pi) ** 1.5
    means, deviations = np.array([0.0, 1.1, 2.0]), np.array([0.1, 0.15, 0.08])
    v = means + deviations * grid
    a = v.mean(1)
    r = np.sqrt(2 / 3 * ((v - a[:, None]) ** 2).sum(1))
    assert expectations(*means, *deviations**2) == pytest.approx((weight @ r, weight @ (a * r)), rel=1e-10)


@pytest.mark.serial
def test_lemma_5_1_with_the_misprints_put_right():
    """E r = (2/3) I_1, E[a r] = (2/9) I_2; I_2 has beta, not beta^2, and eps^2 sqrt(3 pi) d1 d2: the rest is O(eps^3)."""
    alpha, beta, d1, d2, g1, g2 = 0.7, 1.3, 0.9, 0.5, 0.4, 0.3
    errors, sizes = [], np.array([0.08, 0.04, 0.02])
    for e in sizes:
        means = alpha + np.array([-e * d1 + e**2 * g1, -2 * e**2 * g1, e * d1 + e**2 * g1])
        std = beta + np.array([-e * d2 + e**2 * g2, -2 * e**2 * g2, e * d2 + e**2 * g2])
        r, ar = expectations(*means, *std**2)
        i1 = math.sqrt(3 * math.pi) * beta / 2 * (1 + e**2 / (2 * beta**2) * (d1**2 + d2**2 / 2))
        i2 = 3 * alpha * i1 + e**2 * math.sqrt(3 * math.pi) * d1 * d2
        errors.append(abs(r - 2 / 3 * i1) + abs(ar - 2 / 9 * i2))
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] > 2.8


@pytest.mark.serial
def test_rates_are_those_of_one_collision():
    """d mu, d e against the mean change in one collision of sampled Gaussian states, times n - 2."""
    n, runs = 7, 400_000
    x = np.arange(n) / (n - 1)
    balls = PinnedBalls(n, mean=lambda x: np.sin(4 * x), std=lambda x: 0.3 + 0.4 * x)
    step = 2.0 / ((n - 1) ** 2 * (n - 2))
    ensemble = balls.sample([0.0, step], runs=runs, seed=5, lags=1, keep_states=False)
    assert list(ensemble.collisions) == [0, 1]
    system = LatticeSystem(n, 1e-3, MPI.COMM_SELF)
    mu, sigma = np.sin(4 * x), 0.3 + 0.4 * x
    rate = system.rate(0.0, np.stack([mu, mu**2 + sigma**2])) / (n - 2)
    error = ensemble.mean_error[1]
    assert_mean(ensemble.mean[1] - mu, rate[0], error)
    energy = ensemble.std[1] ** 2 * (runs - 1) / runs + ensemble.mean[1] ** 2
    spread = np.sqrt(2 * ensemble.std[1] ** 4 + 4 * (ensemble.mean[1] * ensemble.std[1]) ** 2)
    assert_mean(energy - mu**2 - sigma**2, rate[1], 1.3 * spread / math.sqrt(runs))


def collided(v, rng):
    """One collision of every state (R, n), as the paper describes it: circle, then sorting."""
    v = v.copy()
    runs, n = v.shape
    rows, x = np.arange(runs), rng.integers(1, n - 1, runs)
    triple = v[rows[:, None], x[:, None] + np.arange(-1, 2)]
    a = triple.mean(1, keepdims=True)
    r = np.sqrt(2 / 3 * ((triple - a) ** 2).sum(1, keepdims=True))
    triple = a + r * np.sin(rng.uniform(0, 2 * np.pi, (runs, 1)) + 2 * np.pi / 3 * np.arange(3))
    left = rng.random(runs) < 0.5
    triple[left, :2] = np.sort(triple[left, :2], axis=1)
    triple[~left, 1:] = np.sort(triple[~left, 1:], axis=1)
    v[rows[:, None], x[:, None] + np.arange(-1, 2)] = triple
    return v


@pytest.mark.serial
def test_correlated_rates_are_those_of_one_collision():
    """All first and second moments of correlated Gaussian states, before and after one collision, every distance."""
    n, runs = 6, 1_500_000
    rng = np.random.default_rng(8)
    mixing = rng.standard_normal((n, n)) * 0.4 + np.eye(n)
    covariance, mu = mixing @ mixing.T, np.linspace(-1, 1.5, n)
    before = mu + rng.standard_normal((runs, n)) @ mixing.T
    after = collided(before, rng)
    system = LatticeSystem(n, 1e-3, MPI.COMM_SELF, n - 1)
    state = np.zeros((n + 1, n))
    state[0], state[1] = mu, mu**2 + np.diag(covariance)
    for k in range(1, n):
        state[1 + k, : n - k] = np.diag(covariance, k)
    rate = system.rate(0.0, state) / (n - 2)
    change = after - before
    assert_mean(change.mean(0), rate[0], change.std(0) / math.sqrt(runs))
    for k in range(n):
        product = after[:, : n - k] * after[:, k:] - before[:, : n - k] * before[:, k:]
        left, right = slice(0, n - k), slice(k, n)
        expected = rate[1]
        if k:
            expected = rate[1 + k, : n - k] + rate[0, left] * mu[right] + mu[left] * rate[0, right]
        assert_mean(product.mean(0), expected, product.std(0) / math.sqrt(runs))


@pytest.mark.serial
def test_independence_is_the_case_without_covariances():
    balls = PinnedBalls(60, mean=lambda x: np.sin(4 * x), std=lambda x: 0.3 + 0.4 * x)
    plain, carried = LatticeSystem(60, 1e-3, MPI.COMM_SELF), LatticeSystem(60, 1e-3, MPI.COMM_SELF, 3)
    state = np.stack([balls.initial_mean, balls.initial_mean**2 + balls.initial_std**2])
    assert carried.rate(0.0, np.concatenate([state, np.zeros((3, 60))]))[:2] == pytest.approx(
        plain.rate(0.0, state), abs=1e-14
    )


def test_correlations_close_most_of_the_gap():
    """n = 200, frozen: the difference to the balls falls to less than half when covariances are carried along."""
    balls = PinnedBalls(200, mean, small_std)
    times = [2e-4, 6e-4]
    ensemble = balls.sample(times, runs=20_000, seed=3, lags=1)
    inner = slice(30, 170)
    noise = np.linalg.norm(ensemble.std_error[:, inner]) / np.linalg.norm(ensemble.std[:, inner])
    errors = []
    for k in (0, 20):
        solution = FiniteSizeEquations.of(balls, k).solve(times)
        errors.append(np.linalg.norm((solution.std - ensemble.std)[:, inner]) / np.linalg.norm(ensemble.std[:, inner]))
    assert noise < 0.01
    assert errors[0] > 0.025
    assert errors[1] < 0.5 * errors[0]


def test_invariants_positivity_and_silence():
    for std in (small_std, lambda x: 0 * x, lambda x: 1 - np.cos(2 * np.pi * x)):
        solution = FiniteSizeEquations(300, mean, std).solve([0.0, FREEZE, 10 * FREEZE], rtol=1e-4)
        assert np.ptp(solution.momentum) < 1e-14
        assert np.ptp(solution.energy) < 1e-12 * solution.energy[0]
        assert solution.std.min() >= 0
    still = FiniteSizeEquations(50, lambda x: 2 + 0 * x, lambda x: 0 * x).solve([1.0])
    assert still.mean == pytest.approx(2.0, abs=1e-5)  # sigma of the rounding in mu^2 is 1e-7, and is sorted
    assert np.abs(still.std).max() < 1e-5


def test_limit_is_the_pde():
    """In smooth data with noise of order one the finite-size equations tend to the PDE, like 1/n^2 inside."""
    sizes = np.array([100, 200, 400])
    x = np.linspace(0.25, 0.75, 51)
    errors = []
    for n in sizes:
        balls = PinnedBalls(n, mean=lambda x: 0.2 * np.sin(np.pi * x), std=lambda x: 1 + 0.3 * np.cos(2 * np.pi * x))
        t = [0.05 / balls.wave_speed]
        lattice = FiniteSizeEquations.of(balls).solve(t, rtol=1e-7)
        pde = BilliardEquations.of(balls).solve(t, rtol=1e-7, cells=200, degree=4)
        errors.append(np.abs(np.interp(x, lattice.positions, lattice.std[0]) - pde.std_at(x)[0]).max())
    assert_rate(1.0 / sizes, errors, 2.0, slack=0.35, cap=1e-4)


def test_tolerance_and_ranks():
    equations = FiniteSizeEquations(400, mean, small_std)
    times = [FREEZE / 3, FREEZE]
    best = equations.solve(times, rtol=1e-8, comm=MPI.COMM_SELF)
    for rtol in (1e-4, 1e-6):
        coarse = equations.solve(times, rtol=rtol, comm=MPI.COMM_SELF)
        assert np.linalg.norm(coarse.std - best.std) < 30 * rtol * np.linalg.norm(best.std)
    correlated = FiniteSizeEquations(400, mean, small_std, correlations=15)
    one, more = (correlated.solve(times, rtol=1e-5, comm=c) for c in (MPI.COMM_SELF, MPI.COMM_WORLD))
    assert more.std == pytest.approx(one.std, abs=1e-7)
    assert more.covariance == pytest.approx(one.covariance, abs=1e-9)
    assert one.energy[-1] == pytest.approx(one.energy[0], rel=1e-12)
    shared = equations.solve(times, rtol=1e-8)
    assert shared.mean == pytest.approx(best.mean, abs=1e-9)
    assert shared.std == pytest.approx(best.std, abs=1e-8)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("n", 2), ("n", "ten"), ("mean", "0.0"), ("std", lambda x: -1.0 - x), ("std", lambda x: x * np.nan)],
)
def test_bad_equations(argument, value):
    arguments = {"n": 50, "mean": lambda x: x, "std": lambda x: 1 + x}
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        FiniteSizeEquations(**(arguments | {argument: value}))
    with pytest.raises(InvalidArgument, match="^times:"):
        FiniteSizeEquations(**arguments).solve([1.0, 0.0])
