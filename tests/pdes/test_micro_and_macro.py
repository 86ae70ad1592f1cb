"""Full particles, effective particles, densities: they agree; sections 3 and 4 of Duncan, Duong and Pavliotis."""

import numpy as np
import pytest
from chance import Z
from diffusions import Given
from mpi4py import MPI
from rates import assert_rate
from scipy.special import iv
from sympy import cos, pi, sin

from scaling_limits.particles import Langevin, MultiscalePotential, fully_coupled
from scaling_limits.pdes import EffectiveFokkerPlanck, FokkerPlanck

EPSILONS = (0.25, 0.125, 0.0625)
COUPLED = MultiscalePotential(
    1, 1, 0.5, lambda x: x[0] ** 2 / 2, lambda x, y: (0.6 + 0.2 * sin(2 * x[0])) * cos(2 * pi * y[0])
)
OBSERVABLES = (lambda x: x[:, 0], lambda x: x[:, 0] ** 2)


def full_equation(potential, epsilon, box, cells):
    """The Fokker-Planck equation at finite epsilon: M = 1, Psi = V_epsilon, on a mesh that resolves it."""
    given = Given(
        lambda x: np.repeat(np.eye(potential.dim)[None], len(x), axis=0),
        lambda x: potential.full_at(x, epsilon),
        potential.temperature,
    )
    return FokkerPlanck(given, box, cells, rtol=1e-7)


def at_node(start):
    return lambda x: 1.0 * (np.abs(x[:, 0] - start) < 1e-9)


def averages(run):
    nodes = run[0].nodes
    return np.array([[p @ f(nodes) for f in OBSERVABLES] for p in run.probabilities])


@pytest.mark.serial
def test_particles_and_densities_agree_and_converge():
    """From a point x0 + epsilon/4, where the corrector is largest, E f(X_t) at finite epsilon, three ways.

    Full particles against the full density: 5 standard errors and the error of the two meshes and steps. Full density
    against the effective one: C epsilon, with the slope fitted without noise.
    """
    times = [0.1, 0.25]
    gaps = []
    for epsilon in EPSILONS:
        start = 0.5 + epsilon / 4
        fine = full_equation(COUPLED, epsilon, [(-3.0, 3.5)], (6656,))
        full = averages(fine.evolve(at_node(start), times))
        effective = EffectiveFokkerPlanck(COUPLED, [(-3.0, 3.5)], (1664,), rtol=1e-7)
        macro = averages(effective.evolve(at_node(start), times))
        gaps.append(np.abs(full - macro).max())
        found = Langevin(COUPLED, epsilon).sample([start], times, 20_000, 7, comm=MPI.COMM_WORLD)
        for i, f in enumerate(OBSERVABLES):
            mean, error = found.average(f)
            assert (np.abs(mean - full[:, i]) < 5 * error + 1e-3).all()  # 1e-3: meshes and steps
            assert (np.abs(mean - macro[:, i]) < 5 * error + 1e-3 + 0.25 * epsilon).all()
    assert_rate(EPSILONS, gaps, 1.0, slack=0.25, cap=0.02)


@pytest.mark.serial  # samplers and solvers run on two ranks in their own tests
def test_effective_particles_agree_with_the_density():
    """M depends on x: the mean, the square and the histogram of effective particles, false alarm 1e-6 each."""
    fp = EffectiveFokkerPlanck(fully_coupled(1.0, dim=2, scales=2), [(-4, 4)] * 2, (96, 96), rtol=1e-5)
    start = np.array([1.0, -1.0])
    found = fp.particles().sample(start, [0.5, 1.5], 8192, 3, 0.03, comm=MPI.COMM_WORLD)
    run = fp.evolve(lambda x: 1.0 * (np.abs(x - start) < 1e-9).all(axis=1), [0.5, 1.5])
    nodes = run[0].nodes
    tests = (lambda x: x[:, 0], lambda x: x[:, 1], lambda x: x[:, 0] * x[:, 1], lambda x: np.cos(2 * x[:, 0]))
    for f in tests:
        mean, error = found.average(f)
        expected = run.probabilities @ f(nodes)
        assert (np.abs(mean - expected) < Z * error + 2e-3).all()  # 2e-3: h^2 of mesh and step


@pytest.mark.serial
def test_proposition_3():
    """Averages over mu_epsilon tend to those over mu_0: for indicators at the rate epsilon of the paper's proof, for
    smooth functions faster than any power (what is left are waves of length epsilon against smooth densities).
    """
    x = np.linspace(-5, 5, 2_000_001)
    fp = EffectiveFokkerPlanck(COUPLED, [(-5, 5)], (500,), rtol=1e-9)
    limit = fp.stationary().at(x[:, None])
    ends = np.linspace(0.3, 0.8, 173)
    places = np.searchsorted(x, ends)
    h = x[1] - x[0]
    indicator, smooth, epsilons = [], [], (0.2, 0.1, 0.05, 0.025)
    for epsilon in epsilons:
        rho = np.exp(-COUPLED.full_at(x[:, None], epsilon) / 0.5)
        rho /= rho.sum() * h
        indicator.append(np.abs(np.cumsum(rho - limit)[places]).max() * h)
        smooth.append(abs(((rho - limit) * (x**2 + np.cos(x))).sum()) * h)
    assert_rate(epsilons, indicator, 1.0, slack=0.1, cap=0.02)
    assert max(smooth) < 1e-9


@pytest.mark.serial
def test_example_1():
    """mu_epsilon for V = x^2/2 + alpha cos(2 pi x/epsilon): total variation does not vanish (37), the relative entropy
    tends to K(s) = s I1(s)/I0(s) - log I0(s), s = alpha/sigma (the printed sign would make it negative).
    """
    x = np.linspace(-8, 8, 1_600_001)
    h = x[1] - x[0]
    for alpha, sigma in ((0.5, 1.0), (1.0, 0.5), (2.0, 0.4)):
        s = alpha / sigma
        potential = MultiscalePotential(
            1, 1, sigma, lambda x: x[0] ** 2 / 2, lambda x, y, a=alpha: a * cos(2 * pi * y[0])
        )
        limit = EffectiveFokkerPlanck(potential, [(-8, 8)], (400,), rtol=1e-10).stationary().at(x[:, None])
        np.testing.assert_allclose(
            limit, np.exp(-(x**2) / (2 * sigma)) / np.sqrt(2 * np.pi * sigma), rtol=1e-8, atol=1e-300
        )
        entropies, variations = [], []
        for epsilon in (0.4, 0.1, 0.025):
            rho = np.exp(-potential.full_at(x[:, None], epsilon) / sigma)
            rho /= rho.sum() * h
            entropies.append((rho * np.log(rho / limit)).sum() * h)
            variations.append(np.abs(rho - limit).sum() * h)
        expected = s * iv(1, s) / iv(0, s) - np.log(iv(0, s))
        assert expected > 0
        assert entropies[-1] == pytest.approx(expected, rel=1e-6)
        y = np.arange(4096) / 4096
        assert variations[-1] == pytest.approx(
            np.abs(1 - np.exp(-s * np.cos(2 * np.pi * y)) / iv(0, s)).mean(), rel=1e-4
        )
        assert variations[-1] >= abs(1 - np.exp(-s / 2) / iv(0, s)) / 6  # (37)
        assert entropies[-1] >= 0.5 * variations[-1] ** 2  # Pinsker


def test_effective_rate_against_the_full_one():
    """The gap of the full equation tends to the effective one, at a measured rate of at least 1."""
    effective = EffectiveFokkerPlanck(COUPLED, [(-3.5, 3.5)], (200,)).spectrum(2)[1]
    gaps = [
        abs(full_equation(COUPLED, epsilon, [(-3.5, 3.5)], (int(448 / epsilon * 0.25),)).spectrum(2)[1] / effective - 1)
        for epsilon in EPSILONS
    ]
    slope = np.polyfit(np.log(EPSILONS), np.log(gaps), 1)[0]
    assert slope > 0.9
    assert gaps[-1] < 0.02
