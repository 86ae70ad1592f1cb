"""Distances of path laws against stationary means at finite epsilon, which elements of Hermite have without samples."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_limits.particles import LinearDissipation, RotatorLattice, epsilon_study
from scaling_limits.pdes import RotatorFokkerPlanck

pytestmark = pytest.mark.serial


def test_late_laws_are_as_far_apart_as_stationary_means():
    """W_1 is at least the difference of the means, c_1 sqrt(epsilon) + ..; here one law lies below the other."""
    lattice = RotatorLattice((2,), lambda x: 1 + x, lambda x: 1.0, LinearDissipation(0.3), (2.0, 0.5), 0.1)
    epsilons = np.array([0.2, 0.05])
    study = epsilon_study(lattice, epsilons, [1.0, 0.7], [6.0], 4096, 2)
    limit = RotatorFokkerPlanck(lattice, rtol=1e-6).expansion().limit
    laws = [RotatorFokkerPlanck(replace(lattice, epsilon=epsilon), rtol=1e-6).stationary() for epsilon in epsilons]
    exact = np.abs(np.array([law.mean for law in laws]) - limit)
    for j in (0, 1):
        k = study.of(f"I_{j}(6)")
        assert (np.abs(study.value[:, k] - exact[:, j]) < 5 * study.error[:, k]).all()
        assert (study.lower[:, k] < exact[:, j]).all()
        assert (study.upper[:, k] > exact[:, j]).all()
        rate, error = study.law_rate(f"I_{j}(6)")
        known = np.log(exact[0, j] / exact[1, j]) / np.log(4)
        assert abs(rate - known) < 5 * error
    assert (study.at_most > exact.max(axis=1)).all()
    assert (study.at_least > 0.5 * exact.max(axis=1)).all()
