"""Freezing, Propositions 4.2 and 4.3, and the Picard iteration of section 6.4."""

import numpy as np
import pytest
from billiards import WAVE_SPEED, mean, order_one_std, small_std

from scaling_limits.particles import PinnedBalls
from scaling_limits.pdes import BilliardEquations, constancy_gap, ordering_time, picard_iteration

coarse = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")  # meshes that are coarse on purpose


def l2(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_freeze_time_of_order_one_noise():
    """About lambda t = 0.5 for n = 1000 (t = 0.00175), by the count of the excess."""
    freeze = BilliardEquations.of(PinnedBalls(1000, mean, order_one_std)).freeze_time()
    assert freeze == pytest.approx(0.00177, abs=2e-5)
    assert freeze * WAVE_SPEED == pytest.approx(0.5, abs=0.01)


def test_nothing_to_freeze():
    assert BilliardEquations(10.0, lambda x: x, lambda x: 0 * x).freeze_time() == 0.0


@coarse
def test_noise_that_has_nowhere_to_go_does_not_freeze_soon():
    """mu = 0, sigma = 1 in a closed interval: it orders itself into the frozen state by waves and diffusion."""
    freeze = BilliardEquations(30.0, lambda x: 0 * x, lambda x: 1 + 0 * x).freeze_time(cells=100)
    assert 0.3 / 30.0 < freeze < 3.0 / 30.0


@coarse
def test_proposition_4_2():
    """sigma = 0 and mu not constant: mu does not become constant, the gap of the invariants stays."""
    equations = BilliardEquations(5.0, lambda x: np.cos(np.pi * x), lambda x: 0 * x)
    solution = equations.solve([0.0, 0.1, 1.0, 30.0], rtol=1e-4, cells=100)
    gap = constancy_gap(solution)
    assert gap[0] == pytest.approx(0.5, abs=1e-3)
    assert gap == pytest.approx(gap[0], rel=1e-11)
    assert np.ptp(solution.nodal_mean[-1]) > 0.5


@coarse
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_proposition_4_3(epsilon):
    found = ordering_time(BilliardEquations(5.0, lambda x: np.cos(np.pi * x), lambda x: 0 * x), epsilon, cells=100)
    assert found.bound == pytest.approx(1 / epsilon, rel=1e-6)
    assert 0 < found.time <= found.bound


@coarse
def test_picard_iteration_contracts_to_the_solution():
    equations = BilliardEquations(WAVE_SPEED, mean, small_std, "absorbing")
    picard = picard_iteration(equations, 4e-6, iterations=10, cells=200, steps=200)
    assert (picard.contraction_factors[1:] < 0.5).all()
    assert (np.diff(picard.contraction_factors[1:]) < 0.02).all()
    assert picard.w_changes[-1] < 1e-7 * picard.w_changes[0]
    solution = equations.solve(picard.times[[100, 200]], rtol=1e-7, cells=200)
    assert l2(picard.mean[[100, 200]], solution.nodal_mean) < 1e-6
    assert l2(picard.w[[100, 200]], solution.nodal_w) < 1e-2  # implicit Euler in 200 steps


def test_picard_iteration_does_not_contract_on_long_intervals():
    """Lemma 6.4 asks for a short T: on a long one the first factors exceed 1."""
    picard = picard_iteration(BilliardEquations(WAVE_SPEED, mean, small_std), 5e-5, iterations=6)
    assert picard.contraction_factors.max() > 1
