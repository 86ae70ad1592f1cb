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
"""

# %%
# The microscopic model is stated once; both sets of equations are made from it. The paper has 100 000 runs, this page
# fewer: the variable SCALING_LIMITS_RUNS of the environment says how many.

import math
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import erf

from scaling_limits.particles import PinnedBalls, diagnostics, run_correlations
from scaling_limits.pdes import BilliardEquations, FiniteSizeEquations
from scaling_limits.pdes.pictures import space_time_surface

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 4000))
out = Path(os.environ.get("SCALING_LIMITS_OUT", "out"))
end = 0.000120162  # T
fractions = np.array([0.01, 0.2, 0.37, 0.4, 0.6, 0.8, 0.99])


def mean(x):
    return erf(27 * (x - 0.5) ** 3)


def small_std(x):
    return (1 - np.cos(2 * np.pi * x)) / 1000


balls = PinnedBalls(n=1000, mean=mean, std=small_std)

# %%
# The experiment: an ensemble, the effective equations (C) solved with finite elements, and the finite-size equations,
# with independent neighbours as in the paper, and with the covariances of neighbours up to distance 30 carried along.

times = fractions * end
ensemble = balls.sample(times, runs=runs, seed=1, lags=50)
solution = BilliardEquations.of(balls).solve(times, rtol=1e-5)
lattice = FiniteSizeEquations.of(balls).solve(times)
correlated = FiniteSizeEquations.of(balls, 30).solve(times)

# %%
# Relative L2 differences at each time, with the statistical error of the ensemble.


def relative(a, b):
    return np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)


x = ensemble.positions
columns = {
    "t/T": fractions,
    "PDE sigma": relative(solution.std_at(x), ensemble.std),
    "finite-size sigma": relative(lattice.std, ensemble.std),
    "correlated sigma": relative(correlated.std, ensemble.std),
    "error of sigma": np.linalg.norm(ensemble.std_error, axis=1) / np.linalg.norm(ensemble.std, axis=1),
    "PDE mu": relative(solution.mean_at(x), ensemble.mean),
    "finite-size mu": relative(lattice.mean, ensemble.mean),
    "error of mu": np.linalg.norm(ensemble.standard_error, axis=1) / np.linalg.norm(ensemble.mean, axis=1),
}
print(f"{runs} runs of 1000 balls, {ensemble.collisions[-1]} collisions each: relative L2 differences")
print("  ".join(f"{name:>17}" for name in columns))
for row in zip(*columns.values()):
    print("  ".join(f"{value:17.5f}" for value in row))
late = fractions >= 0.2
assert columns["finite-size sigma"][late].max() < 0.06 + 3 * columns["error of sigma"][late].max()
assert columns["correlated sigma"][late].max() < 0.02 + 3 * columns["error of sigma"][late].max()

# %%
# Figure 5 of the paper: the moments at six times, not rescaled. The mean agrees; the standard deviation of the
# effective equations is 7 to 9 % too large, for a reason that :doc:`/theory/pinned_billiards` explains.

figure, axes = plt.subplots(2, 3, figsize=(15, 8), sharex=True)
for axis, k in zip(axes.flat, [0, 1, 3, 4, 5, 6]):
    twin = axis.twinx()
    axis.plot(x, solution.mean_at(x)[k], "b", lw=1, label=r"$\mu$, effective equations")
    axis.plot(x, ensemble.mean[k], "r:", lw=2, label=r"$\mu$, balls")
    twin.plot(x, ensemble.std[k], color="orange", lw=3, alpha=0.6, label=r"$\sigma$, balls")
    twin.plot(x, solution.std_at(x)[k], "g", lw=1, label=r"$\sigma$, effective equations")
    twin.plot(x, lattice.std[k], "k--", lw=1, label=r"$\sigma$, finite-size equations")
    twin.plot(x, correlated.std[k], "m:", lw=1.5, label=r"$\sigma$, the same with correlations")
    axis.set(title=f"t = {fractions[k]:.2f} T", xlabel="x", ylabel=r"$\mu$")
    twin.set(ylim=(0, None), ylabel=r"$\sigma$")
figure.suptitle("Mean and standard deviation of the velocities, not rescaled")
figure.legend(handles=[*axis.get_lines(), *twin.get_lines()], loc="lower center", ncol=6)
figure.tight_layout(rect=(0, 0.04, 1, 1))
plt.show()

# %%
# Figures 2, 3 and 4: the noise at 0.37 T. In a single run it looks white; the ensemble sees that neighbours are
# anti-correlated.

at = 2  # the number of that time
tests = diagnostics(ensemble, at)
print(
    f"p-values: normality of a run {tests.normality:.3g}, its correlations {tests.correlation:.3g}, isotropy of pairs "
    f"{tests.isotropy:.3g}, all runs' correlation of neighbours {tests.ensemble_correlation:.3g} "
    f"(it is {ensemble.noise_correlation[at, 0]:.4f})"
)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
density, edges = ensemble.noise_histogram(60)
left.stairs(density[at], edges, fill=True, alpha=0.5, label="noise of the balls")
normal = np.linspace(-4, 4, 200)
left.plot(normal, np.exp(-(normal**2) / 2) / math.sqrt(2 * math.pi), "r", label="standard normal")
left.set(title="values of W at 0.37 T", xlabel="W")
left.legend()
noise = ensemble.noise[at, 0]
noise = noise[np.isfinite(noise)]
middle.plot(np.arange(1, 51), run_correlations(noise, 50), "o", ms=3, label="one run")
middle.plot(np.arange(1, 51), ensemble.noise_correlation[at], "k.-", ms=4, label=f"mean of {runs} runs")
middle.axhspan(-1 / math.sqrt(noise.size), 1 / math.sqrt(noise.size), alpha=0.2, label="one standard deviation")
middle.set(title="correlation of W at distance k", xlabel="k")
middle.legend(loc="lower right")
pairs = ensemble.pair_noise[at][:20_000]
right.scatter(*pairs.T, s=1, c=np.linspace(0, 1, len(pairs)), cmap="coolwarm")
right.set(title="(W(300), W(301)), every run a point", aspect="equal", xlim=(-5, 5), ylim=(-5, 5))
plt.show()

# %%
# The same system with noise of order one really freezes, at about :math:`\lambda t = 1/2`. After that the runs differ
# from each other, though each of them is smooth: the standard deviation over the ensemble is no longer that of
# neighbours within a run, and it is the latter that the equations speak of.


def order_one_std(x):
    return 1 - np.cos(2 * np.pi * x)


noisy = PinnedBalls(n=1000, mean=mean, std=order_one_std)
later = np.array([0.0004, 0.0008, 0.0012, 0.0016, 0.0018, 0.002])
second = noisy.sample(later, runs=max(40, runs // 40), seed=2, lags=20)
equations = BilliardEquations.of(noisy)
second_solution, freeze = equations.solve(later, rtol=1e-5), equations.freeze_time()
local, effective = second.local_std(11), second_solution.std_at(x)
print(f"noise of order one: freezes at t = {freeze:.5f}, lambda t = {freeze * noisy.wave_speed:.3f}")
print(
    f"mean sigma at t = 0.0018: {second.std[4].mean():.4f} over the ensemble, {local[4].mean():.4f} of neighbours, "
    f"{effective[4].mean():.4f} of the PDE"
)
figure, axes = plt.subplots(2, 3, figsize=(15, 8), sharex=True, layout="constrained")
for k, axis in enumerate(axes.flat):
    axis.plot(x, second.std[k], color="orange", lw=3, alpha=0.6, label=r"$\sigma$ over the ensemble")
    axis.plot(x, local[k], "b", lw=1, label=r"$\sigma$ of 11 neighbours in a run")
    axis.plot(x, effective[k], "g--", lw=1.5, label=r"$\sigma$, effective equations")
    axis.set(title=f"t = {later[k]:.4f}", xlabel="x", ylim=(0, None))
axes[0, 0].legend(fontsize=8)
figure.suptitle(r"$\sigma_0 = 1 - \cos 2\pi x$: ensemble, local and effective standard deviation")
plt.show()

# %%
# The effective standard deviation as a surface over space and time.

space, moments = np.linspace(0, 1, 201), np.linspace(0, 0.002, 101)
field = equations.solve(moments, rtol=1e-4).std_at(space)
out.mkdir(parents=True, exist_ok=True)
picture = space_time_surface(out / "billiards_surface.png", space, moments, field, label="sigma")
plt.figure(figsize=(8, 6), layout="constrained")
if picture is not None:  # pyvista can draw here
    plt.imshow(plt.imread(picture))
plt.axis("off")
plt.show()
