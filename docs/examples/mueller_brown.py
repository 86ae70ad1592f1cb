r"""
Rugged Mueller-Brown landscape: density, rates, passage times
=============================================================

A Brownian particle in the landscape of Mueller and Brown, made rugged at the scale :math:`\varepsilon` (figure 1 of
Duncan, Duong and Pavliotis, 2023), has for small :math:`\varepsilon` the density of

.. math:: \partial_t \rho = \nabla\cdot\big(M\,(\rho\,\nabla\Psi + \sigma\,\nabla\rho)\big),

with the tensor :math:`M(x)` and the free energy :math:`\Psi(x)` of its cell problems. Here that equation is solved:
the density that starts in the upper well and finds the lower one, the slowest rates, and the mean first passage time
between the two, which samples of the full dynamics are held against.
"""

# %%
# The model, stated once: ridges across (1, 0), (0, 1) and (1, 1), whose heights depend on where they are.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from sympy import cos, pi, sin

from scaling_limits.cells.pictures import tensor_ellipses
from scaling_limits.particles import Langevin, MultiscalePotential, mueller_brown
from scaling_limits.pdes import EffectiveFokkerPlanck
from scaling_limits.pdes.pictures import density_surface

paths = int(os.environ.get("SCALING_LIMITS_PATHS", 256))
frames = int(os.environ.get("SCALING_LIMITS_FRAMES", 24))
cells = int(os.environ.get("SCALING_LIMITS_CELLS", 96))
out = Path(os.environ.get("SCALING_LIMITS_OUT", "out"))
epsilon, temperature, box = 0.2, 20.0, [(-1.8, 1.4), (-0.7, 2.3)]
upper_well, lower_well = np.array([[-0.558224, 1.441726]]), np.array([[0.623499, 0.028038]])


def rugged(x, y):
    ridges = (1 + sin(2 * x[0])) * cos(2 * pi * y[0]) + (1 + sin(2 * x[1])) * cos(2 * pi * y[1])
    return 20 * (ridges + cos(2 * pi * (y[0] + y[1])))


potential = MultiscalePotential(2, 1, temperature, mueller_brown(temperature).confining, rugged)
equation = EffectiveFokkerPlanck(potential, box, (cells, cells), rtol=1e-5)

fine = [np.linspace(*ends, 400) for ends in box]
points = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
heights = potential.confining_at(points), potential.full_at(points, epsilon)
for axis, field, title in zip(axes, heights, ("$V_0$", rf"V at $\varepsilon$ = {epsilon}")):
    drawn = axis.contourf(*fine, np.minimum(field, 120.0).reshape(400, 400).T, levels=40, cmap="viridis")
    axis.set(title=title, xlabel="x")
figure.colorbar(drawn, ax=axes)
plt.show()

# %%
# What is left of the ridges: a mobility that depends on the place and on the direction.

x, y = (np.linspace(*ends, cells + 1) for ends in box)
plane = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
smooth = np.minimum(potential.confining_at(plane), 120.0).reshape(cells + 1, cells + 1)
centres = np.stack(np.meshgrid(np.linspace(-1.5, 1.1, 11), np.linspace(-0.5, 2.0, 11)), axis=-1).reshape(-1, 2)
tensors = equation.coefficients.mobility(centres)


def show(picture, figsize):
    plt.figure(figsize=figsize, layout="constrained")
    if picture is not None:  # pyvista can draw here
        plt.imshow(plt.imread(picture))
    plt.axis("off")
    plt.show()


out.mkdir(parents=True, exist_ok=True)
show(tensor_ellipses(out / "mueller_tensor.png", centres, tensors, (x, y, smooth), size=0.12), (8, 6.5))

# %%
# The effective equation. Mass is conserved to the last digit, no density is negative, and the free energy decreases in
# every step.


def start(x):
    return np.exp(-((x - upper_well) ** 2).sum(axis=1) / (2 * 0.05**2))


run = equation.evolve(start, np.geomspace(1e-3, 2.0, frames))
print(f"{run.statistics.steps} steps; free energy from {run.free_energy[0]:.2f} to {run.free_energy[-1]:.2f}")
assert np.abs(run.mass - 1).max() < 1e-13
assert run.minimum.min() >= 0
assert (np.diff(run.free_energy) <= 0).all()
contours = {"levels": 14, "colors": "white", "linewidths": 0.4, "alpha": 0.5}
figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained", sharey=True)
for axis, k in zip(axes, np.linspace(0, len(run) - 1, 4).astype(int)):
    density = np.log10(np.maximum(run[int(k)].at(plane), 1e-6)).reshape(cells + 1, cells + 1)
    drawn = axis.pcolormesh(x, y, density.T, vmin=-4, vmax=1.5, cmap="magma", rasterized=True)
    axis.contour(x, y, smooth.T, **contours)
    axis.set(title=f"t = {run.times[k]:.3g}", xlabel="x")
figure.colorbar(drawn, ax=axes, label=r"$\log_{10}\rho$")
colours = {"cmap": "magma", "norm": LogNorm(1e-4, 30.0, clip=True)}
run.animate(out / "mueller_density.gif", over=lambda ax: ax.contour(x, y, smooth.T, **contours), **colours)
plt.show()

# %%
# The density at the end as a surface.

show(density_surface(out / "mueller_density.png", run[len(run) - 1]), (8, 6))

# %%
# The three slowest rates. The slowest is far below the others: the particle forgets where in a well it started long
# before it leaves.

slow = equation.spectrum(4)
print(f"slowest rates: {', '.join(f'{rate:.3f}' for rate in slow[1:])}")
assert slow[0] == 0
assert slow[2] > 10 * slow[1]

# %%
# The mean time from the upper to the lower well: from the effective equation, and from samples of the full dynamics at
# finite :math:`\varepsilon`. They differ by the statistical error and by what is of order :math:`\varepsilon`. The law
# of the passage times is exponential.


def in_lower_well(x):
    return (x[:, 0] - 0.623499) ** 2 + (x[:, 1] - 0.028038) ** 2 < 0.04


expected = float(equation.mean_first_passage_time(in_lower_well).at(upper_well)[0])
times = Langevin(potential, epsilon).first_passage_times(upper_well[0], in_lower_well, paths, 1)
mean, error = times.mean(), times.std(ddof=1) / np.sqrt(paths)
print(f"mean first passage time: effective equation {expected:.4f}, {paths} samples {mean:.4f} +- {error:.4f}")
assert abs(mean - expected) < 5 * error + 0.5 * epsilon * expected
figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
label = rf"{paths} samples, $\varepsilon$ = {epsilon}"
axis.hist(times, bins=30, density=True, color="tab:orange", alpha=0.6, label=label)
t = np.linspace(0, times.max(), 200)
axis.semilogy(t, np.exp(-t / expected) / expected, "k", label="exponential, mean of the effective equation")
axis.set(xlabel="first passage time", ylabel="density")
axis.legend()
plt.show()
