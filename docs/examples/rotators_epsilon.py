r"""
Rotators as epsilon goes to 0: a measured rate, whatever the number of sites
============================================================================

A chain of hot and cold rotators in turn, with linear damping. At :math:`\tau=\varepsilon t=1` the limit of each
action is known in closed form (noncentral :math:`\chi^2`); the Wasserstein distance of the sampled actions from it
falls with :math:`\varepsilon`, in the same way for 4, 16 and 64 sites (Dymov, Theorem 2.2: uniformly in N). The
potential does not enter the limit, but it does enter the distance.

The canonical change of variables :math:`u\to v` of Theorem 3.1 explains why: along a trajectory without thermostats the
actions of :math:`u` wobble by order :math:`\sqrt\varepsilon`, those of :math:`v` by order :math:`\varepsilon` only.

Run it as ``python docs/examples/rotators_epsilon.py --out out``.
"""

# %%
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from scipy import stats

from scaling_limits.particles import DiagonalDissipation, RotatorLattice, canonical_variables

RANK = MPI.COMM_WORLD.rank
TEMPERATURES = (2.0, 0.5)
GRID = np.linspace(0, 14, 2801)


def frequency(x):
    return 1 + x / 2


def coupling(x):
    return 3 / (1 + x)


def chain(size, epsilon, temperatures=TEMPERATURES):
    return RotatorLattice(
        (size,), frequency, coupling, DiagonalDissipation(2), np.resize(temperatures, size), epsilon
    )  # fmt: skip


def limit(temperature, start=0.5, time=1.0):
    """The law of I(tau): I = |v|^2/2 of an Ornstein-Uhlenbeck process v."""
    variance = temperature * (1 - np.exp(-2 * time)) / 2
    return stats.ncx2(2, 2 * start * np.exp(-2 * time) / variance, scale=variance / 2)


def distance(sample, cdf):
    """int |F_n - F| dI."""
    empirical = np.searchsorted(np.sort(sample.ravel()), GRID, side="right") / sample.size
    return float(np.abs(empirical - cdf).sum() * (GRID[1] - GRID[0]))


# %%
# Distances from the limit, for three sizes; the number of members makes the number of actions the same.


def distances(epsilons, sizes, actions):
    cdfs = [limit(t).cdf(GRID) for t in TEMPERATURES]
    found = np.empty((len(sizes), len(epsilons)))
    for i, size in enumerate(sizes):
        for k, epsilon in enumerate(epsilons):
            sample = chain(size, epsilon).sample(np.ones(size), [1.0], actions // size, seed=3, comm=MPI.COMM_WORLD)
            found[i, k] = np.mean([distance(sample.actions[0, :, j::2], cdfs[j]) for j in (0, 1)])
        slope = np.polyfit(np.log(epsilons), np.log(found[i]), 1)[0]
        if RANK == 0:
            print(f"N = {size:3}: distances {np.round(found[i], 4)}, rate {slope:.2f}")
        assert 0.35 < slope < 1.05
    return found


# %%
# One trajectory without thermostats, in u and in v.


def trajectory(epsilon=0.0025):
    lattice = chain(4, epsilon, temperatures=(1e-12,))
    times = np.linspace(0, 8, 400)
    start = np.array([0.9, 0.5 + 0.7j, -0.6j, 0.3 - 0.8j])
    u = lattice.sample(start, times * epsilon, 1, seed=1, step=0.02).amplitudes[:, 0] * np.exp(times * epsilon)[:, None]
    v = canonical_variables(lattice, u)
    wobble = [np.ptp(0.5 * np.abs(z) ** 2, axis=0).max() for z in (u, v)]
    if RANK == 0:
        print(f"no thermostats, epsilon = {epsilon}: actions of u wobble by {wobble[0]:.4f}, of v by {wobble[1]:.5f}")
    assert wobble[1] < 0.2 * wobble[0]
    return times, 0.5 * np.abs(u) ** 2, 0.5 * np.abs(v) ** 2


def main(out, actions=131_072, sizes=(4, 16, 64)):
    epsilons = np.array([0.1, 0.03, 0.01, 0.003])
    found = distances(epsilons, sizes, actions)
    times, plain, canonical = trajectory()
    if RANK == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        for size, row, mark in zip(sizes, found, "os^"):
            axes[0].loglog(epsilons, row, f"{mark}-", label=f"N = {size}")
        root = found[0, 0] * np.sqrt(epsilons / epsilons[0])
        axes[0].loglog(epsilons, root, ":", color="grey", label=r"$\sqrt{\varepsilon}$")
        axes[0].set(xlabel=r"$\varepsilon$", ylabel="Wasserstein distance of actions from the limit")
        axes[0].legend()
        for j, colour in enumerate(("tab:blue", "tab:orange")):
            axes[1].plot(times, plain[:, j], color=colour, linewidth=0.8, label=f"$I_{j + 1}$, of u")
            axes[1].plot(times, canonical[:, j], "--", color=colour, label=f"$J_{j + 1}$, of v")
        axes[1].set(xlabel="fast time t", ylabel="action", title="without thermostats")
        axes[1].legend()
        figure.savefig(out / "rotators_epsilon.png", dpi=120)
        plt.close(figure)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rotators as epsilon goes to 0.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    parser.add_argument("--actions", type=int, default=131_072, help="sampled for each size and epsilon")
    main(**vars(parser.parse_args()))
