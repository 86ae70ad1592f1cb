r"""
What finite epsilon changes: stationary means of two rotators
=============================================================

The theorem says that actions of rotators tend to those of the transport equation; it does not say how far from it a
lattice at :math:`\varepsilon = 0.05` is. For two rotators with polynomial data the stationary law at finite
:math:`\varepsilon` is computed here without samples, and expanded:

.. math:: E I_j = c_0 + c_1\sqrt\varepsilon + c_2\,\varepsilon + \dots

For radial damping :math:`c_1 = 0`: the change is of order :math:`\varepsilon`. Damping that exchanges amplitudes
between the sites turns with their angles, as the coupling does; together they change means by order
:math:`\sqrt\varepsilon`.
Samples of the lattice and of its limit with the same noise see both, with a hundred times fewer members than
independent ones.
"""

# %%
# A hot and a cold rotator, with two kinds of damping.

import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

from scaling_limits.particles import CoupledRotators, DiagonalDissipation, LinearDissipation, RotatorLattice
from scaling_limits.pdes import RotatorFokkerPlanck

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 16_384))
points = int(os.environ.get("SCALING_LIMITS_POINTS", 9))  # of the curves


def frequency(x):
    return 1 + x


def coupling(x):
    return 1.0


lattices = {
    "radial damping": RotatorLattice((2,), frequency, coupling, DiagonalDissipation(2), (2.0, 0.5), 0.1),
    "damping that exchanges": RotatorLattice((2,), frequency, coupling, LinearDissipation(0.3), (2.0, 0.5), 0.1),
}

# %%
# The terms of the expansion.

expansions = {name: RotatorFokkerPlanck(lattice, rtol=1e-6).expansion() for name, lattice in lattices.items()}
for name, series in expansions.items():
    print(f"{name}: c_1 = {series.first.round(4)}, c_2 = {series.second.round(4)}, of order epsilon^{series.leading:g}")

# %%
# The change of the hot site's mean: computed, expanded, and sampled with common noise.

fine, sampled = np.geomspace(3e-3, 0.3, points), np.array([0.2, 0.05, 0.0125])
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for axis, (name, lattice) in zip(axes, lattices.items()):
    series = expansions[name]
    laws = [RotatorFokkerPlanck(replace(lattice, epsilon=epsilon), rtol=1e-6).stationary() for epsilon in fine]
    change = np.array([law.mean - series.limit for law in laws])
    axis.loglog(fine, -change[:, 0], label="computed")
    axis.loglog(fine, [-(series.at(epsilon) - series.limit)[0] for epsilon in fine], "--", label="first terms")
    for epsilon in sampled:
        both = CoupledRotators(lattice).at(epsilon).sample([1.0, 0.7], np.linspace(0, 12, 33), runs, seed=2)
        mean, error = both.time_average(after=4.0)
        exact = RotatorFokkerPlanck(replace(lattice, epsilon=epsilon), rtol=1e-6).stationary().mean - series.limit
        print(f"{name}, epsilon = {epsilon}: {mean[0]:.5f} +- {error[0]:.5f}, computed {exact[0]:.5f}, "
              f"members saved: {both.gain[-1].min():.0f} times")  # fmt: skip
        assert np.abs(mean - exact).max() < 5.5 * error.max()
        axis.errorbar(epsilon, -mean[0], 2 * error[0], fmt="ko", markersize=4, capsize=3)
    axis.set(title=f"{name}: order $\\varepsilon^{{{series.leading:g}}}$", xlabel=r"$\varepsilon$")
    axis.legend()
axes[0].set_ylabel("by how much the hot site's mean action is lower")
plt.show()
