r"""
Is my epsilon small enough for path laws?
=========================================

The theorem on rotators speaks of whole paths: as :math:`\varepsilon\to0` the law of the actions
:math:`I^\varepsilon` on :math:`C([0, T])` tends to that of the transport equation, for any sites that are looked at,
whatever the size of the lattice. Whoever has one :math:`\varepsilon` and one lattice asks how far the two laws are from
one another there:

.. math:: W_1 = \inf E\,\max_j\sup_{\tau\le T} |I_j^\varepsilon(\tau) - I_j^0(\tau)|

over all ways to pair both. Pairs with the same noise bound it from above, the distances of suprema, time means and
values at single times from below; and chance alone makes distances between samples of one law.
"""

# %%
# A chain in which actions are carried from one site to the next (example 2 of the paper), hot at its ends. The two
# sites in the middle are looked at.

import os

import matplotlib.pyplot as plt
import numpy as np

from scaling_limits.particles import (
    DirectedDissipation,
    PathWatch,
    RotatorLattice,
    TransportProcess,
    epsilon_study,
    path_distance,
    window_study,
)

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 2048))
size, middle = 10, [4, 5]


def frequency(x):
    return 1 + x**2


def coupling(x):
    return 1 / (1 + x)


temperature = np.interp(np.arange(size), [0, 5, 9], [2.0, 0.5, 2.0])
start, times = np.ones(size), np.linspace(0.0, 1.5, 7)
lattice = RotatorLattice((size,), frequency, coupling, DirectedDissipation(), temperature, epsilon=0.1)

# %%
# Two independent samples, as anybody has them: what they tell, and what chance would.

independent = path_distance(
    lattice.sample(start, times, runs, seed=1, watch=PathWatch()),
    TransportProcess(lattice).sample(start, times, runs, seed=2, watch=PathWatch()),
    sites=middle,
)
print(independent)

# %%
# Pairs with the same noise see far more, and for several epsilon tell the rate.

epsilons = np.array([0.1, 0.03, 0.01, 0.003])
study = epsilon_study(lattice, epsilons, start, times, runs, seed=3, sites=middle)
print(study)
wanted = 0.05
enough = study.epsilon_for(wanted)
print(f"paths are at most {wanted} apart for epsilon = {enough:.2g}; rate {study.rate[0]:.2f} +- {study.rate[1]:.2f}")
assert (study.at_least <= study.at_most).all()
assert 0.3 < study.rate[0] < 0.7

# %%
# The lattice has ends. The middle of boxes around it, with the same noise at the same sites, feels them the less the
# farther they are: a further site on either side leaves about a quarter. So ten sites are a few thousandths away from
# infinitely many.

window = window_study(lattice, middle, [0, 1, 2, 3], start, np.linspace(0.0, 1.5, 16), runs, seed=4)
print(window.verdict)
assert window.at_most[-1] < 0.1 * window.at_most[0]

# %%
# Both in a picture: where the curve from above is below what you need, epsilon is small enough.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
study.plot(axes[0])
axes[0].axhline(wanted, color="0.6", linewidth=0.8)
axes[0].axvline(enough, color="0.6", linewidth=0.8)
axes[0].set_title("laws of the paths of the middle sites", fontsize="medium")
window.plot(axes[1])
axes[1].set_title("how far the ends of the lattice are felt", fontsize="medium")
plt.show()
