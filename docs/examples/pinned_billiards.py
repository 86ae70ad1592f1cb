r"""
Pinned billiard balls: the paper's experiment
=============================================

A thousand balls touch on a line and do not move; they only exchange momentum and energy when a random triple collides.
Burdzy, Hoskins and Steinerberger conjecture that their velocities look like modulated white noise,

.. math:: v(x, t) = \mu(x, t) + \sigma(x, t) W(x, t),

and derive for :math:`\lambda = (n-1)/(2\sqrt\pi)` the effective equations

.. math:: \mu_t = (\mu_x - \lambda \sigma)_x, \qquad
          w_t = w_{xx} + \mu_x (\mu_x - \lambda \sigma), \qquad w = \sigma^2/2 .

This page runs the experiment of their section 3: :math:`\mu_0 = \mathrm{erf}(27 (x - 1/2)^3)`,
:math:`\sigma_0 = (1 - \cos 2\pi x)/1000`, n = 1000, up to the apparent freeze T = 0.000120162, which is 59 841
collisions in each run. Three descriptions are compared without any rescaling of the curves: the ensemble of runs, the
effective equations, and the finite-size equations (the one-step equations (5.13), (5.15) with exact Gaussian
expectations).

Run it as ``python docs/examples/pinned_billiards.py --runs 100000 --out out``.
"""

# %%
# The microscopic model is stated once; both sets of equations are made from it.

import argparse
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from scipy.special import erf

from scaling_limits.particles import PinnedBalls, diagnostics, run_correlations
from scaling_limits.pdes import BilliardEquations, FiniteSizeEquations
from scaling_limits.pdes.pictures import space_time_surface

T = 0.000120162
WAVE_SPEED = 999 / (2 * math.sqrt(math.pi))
FRACTIONS = np.array([0.01, 0.2, 0.37, 0.4, 0.6, 0.8, 0.99])
SHOWN = [0, 1, 3, 4, 5, 6]  # the times of figure 5; 0.37 T is that of figures 2 to 4
NOISE = 2


def mean(x):
    return erf(27 * (x - 0.5) ** 3)


def small_std(x):
    return (1 - np.cos(2 * np.pi * x)) / 1000


def order_one_std(x):
    return 1 - np.cos(2 * np.pi * x)


def relative(a, b):
    """Relative L2 difference, row by row."""
    return np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)


# %%
# The experiment: an ensemble, the effective equations (C) solved with finite elements, and the finite-size equations,
# with independent neighbours as in the paper, and with the covariances of neighbours up to distance 30 carried along.


def experiment(runs, seed=1, progress=False, comm=None):
    balls = PinnedBalls(n=1000, mean=mean, std=small_std)
    times = FRACTIONS * T
    ensemble = balls.sample(times, runs=runs, seed=seed, lags=50, progress=progress, comm=comm)
    solution = BilliardEquations.of(balls).solve(times, rtol=1e-5)
    lattice, correlated = (FiniteSizeEquations.of(balls, k).solve(times) for k in (0, 30))
    return ensemble, solution, lattice, correlated


def table(ensemble, solution, lattice, correlated):
    """Relative L2 differences at each time, with the statistical error of the ensemble."""
    x = ensemble.positions
    columns = {
        "t/T": ensemble.times / T,
        "PDE sigma": relative(solution.std_at(x), ensemble.std),
        "finite-size sigma": relative(lattice.std, ensemble.std),
        "correlated sigma": relative(correlated.std, ensemble.std),
        "error of sigma": np.linalg.norm(ensemble.std_error, axis=1) / np.linalg.norm(ensemble.std, axis=1),
        "PDE mu": relative(solution.mean_at(x), ensemble.mean),
        "finite-size mu": relative(lattice.mean, ensemble.mean),
        "error of mu": np.linalg.norm(ensemble.standard_error, axis=1) / np.linalg.norm(ensemble.mean, axis=1),
    }
    lines = ["  ".join(f"{name:>17}" for name in columns)]
    lines += ["  ".join(f"{value:17.5f}" for value in row) for row in zip(*columns.values())]
    return columns, "\n".join(lines)


# %%
# Figures 2, 3 and 4: the noise at 0.37 T.


def noise_figure(ensemble):
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.4))
    density, edges = ensemble.noise_histogram(60)
    left.stairs(density[NOISE], edges, fill=True, alpha=0.5, label="noise of the balls")
    grid = np.linspace(-4, 4, 200)
    left.plot(grid, np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi), "r", label="standard normal")
    left.set(title="Figure 2: values of W at 0.37 T", xlabel="W")
    left.legend()
    noise = ensemble.noise[NOISE, 0]
    noise = noise[np.isfinite(noise)]
    lags = np.arange(1, 51)
    middle.plot(lags, run_correlations(noise, 50), "o", ms=3, label="one run")
    middle.plot(lags, ensemble.noise_correlation[NOISE], "k.-", ms=4, label=f"mean of {ensemble.runs} runs")
    middle.axhspan(-1 / math.sqrt(noise.size), 1 / math.sqrt(noise.size), alpha=0.2, label="one standard deviation")
    middle.set(title="Figure 3: correlation of W at distance k", xlabel="k")
    middle.legend(loc="lower right")
    pairs = ensemble.pair_noise[NOISE][:20_000]
    right.scatter(*pairs.T, s=1, c=np.linspace(0, 1, len(pairs)), cmap="coolwarm")
    right.set(title="Figure 4: (W(300), W(301)), every run a point", aspect="equal", xlim=(-5, 5), ylim=(-5, 5))
    figure.tight_layout()
    return figure


# %%
# Figure 5: the moments at six times, not rescaled.


def moments_figure(ensemble, solution, lattice, correlated):
    x = ensemble.positions
    figure, axes = plt.subplots(2, 3, figsize=(15, 8), sharex=True)
    for axis, k in zip(axes.flat, SHOWN):
        twin = axis.twinx()
        axis.plot(x, solution.mean_at(x)[k], "b", lw=1, label=r"$\mu$, effective equations")
        axis.plot(x, ensemble.mean[k], "r:", lw=2, label=r"$\mu$, balls")
        twin.plot(x, ensemble.std[k], color="orange", lw=3, alpha=0.6, label=r"$\sigma$, balls")
        twin.plot(x, solution.std_at(x)[k], "g", lw=1, label=r"$\sigma$, effective equations")
        twin.plot(x, lattice.std[k], "k--", lw=1, label=r"$\sigma$, finite-size equations")
        twin.plot(x, correlated.std[k], "m:", lw=1.5, label=r"$\sigma$, the same with correlations")
        axis.set(title=f"t = {ensemble.times[k] / T:.2f} T", xlabel="x", ylabel=r"$\mu$")
        twin.set(ylim=(0, None), ylabel=r"$\sigma$")
    figure.suptitle("Figure 5: mean and standard deviation of the velocities, not rescaled")
    figure.legend(handles=[*axis.get_lines(), *twin.get_lines()], loc="lower center", ncol=6)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    return figure


# %%
# The same system with noise of order one really freezes, at about :math:`\lambda t = 1/2`. After that the runs differ
# from each other, though each of them is smooth: the standard deviation over the ensemble is no longer that of
# neighbours within a run, and it is the latter that the equations speak of.


def order_one(runs, seed=2, progress=False, comm=None):
    balls = PinnedBalls(n=1000, mean=mean, std=order_one_std)
    times = np.array([0.0004, 0.0008, 0.0012, 0.0016, 0.0018, 0.002])
    ensemble = balls.sample(times, runs=runs, seed=seed, lags=20, progress=progress, comm=comm)
    equations = BilliardEquations.of(balls)
    return ensemble, equations.solve(times, rtol=1e-5), equations.freeze_time()


def order_one_figure(ensemble, solution):
    x = ensemble.positions
    figure, axes = plt.subplots(2, 3, figsize=(15, 8), sharex=True)
    local = ensemble.local_std(11)
    for k, axis in enumerate(axes.flat):
        axis.plot(x, ensemble.std[k], color="orange", lw=3, alpha=0.6, label=r"$\sigma$ over the ensemble")
        axis.plot(x, local[k], "b", lw=1, label=r"$\sigma$ of 11 neighbours in a run")
        axis.plot(x, solution.std_at(x)[k], "g--", lw=1.5, label=r"$\sigma$, effective equations")
        axis.set(title=f"t = {ensemble.times[k]:.4f}", xlabel="x", ylim=(0, None))
    axes[0, 0].legend(fontsize=8)
    figure.suptitle(r"$\sigma_0 = 1 - \cos 2\pi x$: ensemble, local and effective standard deviation")
    figure.tight_layout()
    return figure


# %%
# All of it, with a table; the asserted numbers are the agreement of the finite-size equations with the balls.


def main(runs=2000, order_one_runs=200, out="out", progress=True):
    comm = MPI.COMM_WORLD
    chief = comm.rank == 0
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    ensemble, solution, lattice, correlated = experiment(runs, progress=progress, comm=comm)
    columns, text = table(ensemble, solution, lattice, correlated)
    tests = diagnostics(ensemble, NOISE)
    second, second_solution, freeze = order_one(order_one_runs, progress=progress, comm=comm)
    if chief:
        print(f"{runs} runs of 1000 balls, {ensemble.collisions[-1]} collisions each: relative L2 differences\n{text}")
        print(
            f"white noise at 0.37 T, p-values: normality of a run {tests.normality:.3g}, its correlations "
            f"{tests.correlation:.3g}, isotropy of pairs {tests.isotropy:.3g}, all runs' correlation of neighbours "
            f"{tests.ensemble_correlation:.3g} (it is {ensemble.noise_correlation[NOISE, 0]:.4f})"
        )
        means = second.std[4].mean(), second.local_std(11)[4].mean(), second_solution.std_at(second.positions)[4].mean()
        print(
            f"noise of order one: freezes at t = {freeze:.5f}, lambda t = {freeze * WAVE_SPEED:.3f}; mean sigma "
            f"at t = 0.0018: {means[0]:.4f} over the ensemble, {means[1]:.4f} of neighbours, {means[2]:.4f} of the PDE"
        )
        noise_figure(ensemble).savefig(folder / "billiards_noise.png", dpi=110)
        moments_figure(ensemble, solution, lattice, correlated).savefig(folder / "billiards_moments.png", dpi=110)
        order_one_figure(second, second_solution).savefig(folder / "billiards_order_one.png", dpi=110)
        x, times = np.linspace(0, 1, 201), np.linspace(0, 0.002, 101)
        field = BilliardEquations(WAVE_SPEED, mean, order_one_std).solve(times, 1e-4, comm=MPI.COMM_SELF).std_at(x)
        drawn = space_time_surface(folder / "billiards_surface.png", x, times, field, label="sigma")
        print(f"pictures: {', '.join(sorted(p.name for p in folder.glob('billiards_*.png')))} in {folder}/"
              + ("" if drawn else " (no surface: pyvista has no display)"))  # fmt: skip
        plt.close("all")
    late = ensemble.times >= 0.2 * T
    assert columns["finite-size sigma"][late].max() < 0.06 + 3 * columns["error of sigma"][late].max()
    assert columns["correlated sigma"][late].max() < 0.02 + 3 * columns["error of sigma"][late].max()
    return columns


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The paper's experiment with pinned billiard balls")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--order-one-runs", type=int, default=2000)
    parser.add_argument("--out", default="out")
    options = parser.parse_args()
    main(options.runs, options.order_one_runs, options.out)
