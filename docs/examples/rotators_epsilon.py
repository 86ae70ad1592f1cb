r"""
Rotators as epsilon goes to 0: a measured rate, whatever the number of sites
============================================================================

A chain of hot and cold rotators in turn, with linear damping. At :math:`\tau=\varepsilon t=1` the limit of each
action is known in closed form (noncentral :math:`\chi^2`); the Wasserstein distance of the sampled actions from it
falls with :math:`\varepsilon`, in the same way for 4, 16 and 64 sites (Dymov, Theorem 2.2: uniformly in N). The
potential does not enter the limit, but it does enter the distance.

The canonical change of variables :math:`u\to v` of Theorem 3.1 explains why: along a trajectory without thermostats the
actions of :math:`u` wobble by order :math:`\sqrt\varepsilon`, those of :math:`v` by order :math:`\varepsilon` only.
"""

# %%
# The model, and the law of its limit: :math:`I = |v|^2/2` of an Ornstein-Uhlenbeck process v.

import os

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from scaling_limits.particles import DiagonalDissipation, RotatorLattice, canonical_variables

actions = int(os.environ.get("SCALING_LIMITS_ACTIONS", 131_072))  # sampled for each size and epsilon
temperatures = (2.0, 0.5)
grid = np.linspace(0, 14, 2801)


def frequency(x):
    return 1 + x / 2


def coupling(x):
    return 3 / (1 + x)


def chain(size, epsilon, temperatures=temperatures):
    temperature = np.resize(temperatures, size)
    return RotatorLattice((size,), frequency, coupling, DiagonalDissipation(2), temperature, epsilon)


def limit(temperature, start=0.5, time=1.0):
    variance = temperature * (1 - np.exp(-2 * time)) / 2
    return stats.ncx2(2, 2 * start * np.exp(-2 * time) / variance, scale=variance / 2)


def distance(sample, cdf):
    """The distance of Wasserstein, int |F_n - F| dI."""
    empirical = np.searchsorted(np.sort(sample.ravel()), grid, side="right") / sample.size
    return float(np.abs(empirical - cdf).sum() * (grid[1] - grid[0]))


# %%
# Distances from the limit, for three sizes; the number of members makes the number of actions the same.

epsilons, sizes = np.array([0.1, 0.03, 0.01, 0.003]), (4, 16, 64)
cdfs = [limit(t).cdf(grid) for t in temperatures]
found = np.empty((len(sizes), len(epsilons)))
for i, size in enumerate(sizes):
    for k, epsilon in enumerate(epsilons):
        sample = chain(size, epsilon).sample(np.ones(size), [1.0], actions // size, seed=3)
        found[i, k] = np.mean([distance(sample.actions[0, :, j::2], cdfs[j]) for j in (0, 1)])
    slope = np.polyfit(np.log(epsilons), np.log(found[i]), 1)[0]
    print(f"N = {size:3}: distances {np.round(found[i], 4)}, rate {slope:.2f}")
    assert 0.35 < slope < 1.05

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for size, row, mark in zip(sizes, found, "os^"):
    axis.loglog(epsilons, row, f"{mark}-", label=f"N = {size}")
axis.loglog(epsilons, found[0, 0] * np.sqrt(epsilons / epsilons[0]), ":", color="grey", label=r"$\sqrt{\varepsilon}$")
axis.set(xlabel=r"$\varepsilon$", ylabel="Wasserstein distance of actions from the limit")
axis.legend()
plt.show()

# %%
# One trajectory without thermostats, in u and in v.

epsilon, times = 0.0025, np.linspace(0, 8, 400)
lattice = chain(4, epsilon, temperatures=(1e-12,))
start = np.array([0.9, 0.5 + 0.7j, -0.6j, 0.3 - 0.8j])
u = lattice.sample(start, times * epsilon, 1, seed=1, step=0.02).amplitudes[:, 0] * np.exp(times * epsilon)[:, None]
v = canonical_variables(lattice, u)
plain, canonical = 0.5 * np.abs(u) ** 2, 0.5 * np.abs(v) ** 2
wobble = [np.ptp(one, axis=0).max() for one in (plain, canonical)]
print(f"no thermostats, epsilon = {epsilon}: actions of u wobble by {wobble[0]:.4f}, of v by {wobble[1]:.5f}")
assert wobble[1] < 0.2 * wobble[0]

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for j, colour in enumerate(("tab:blue", "tab:orange")):
    axis.plot(times, plain[:, j], color=colour, linewidth=0.8, label=f"$I_{j + 1}$, of u")
    axis.plot(times, canonical[:, j], "--", color=colour, label=f"$J_{j + 1}$, of v")
axis.set(xlabel="fast time t", ylabel="action", title="without thermostats")
axis.legend()
plt.show()
