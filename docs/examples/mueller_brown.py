r"""
Rugged Mueller-Brown landscape: density, rates, passage times
=============================================================

A Brownian particle in the landscape of Mueller and Brown, made rugged at the scale :math:`\varepsilon` (figure 1 of
Duncan, Duong and Pavliotis, 2023), has for small :math:`\varepsilon` the density of

.. math:: \partial_t \rho = \nabla\cdot\big(M\,(\rho\,\nabla\Psi + \sigma\,\nabla\rho)\big),

with the tensor :math:`M(x)` and the free energy :math:`\Psi(x)` of its cell problems. Here that equation is solved:
the density that starts in the upper well and finds the lower one, the slowest rates, and the mean first passage time
between the two, which samples of the full dynamics are held against.

Run it as ``python docs/examples/mueller_brown.py --out out``.
"""

# %%
# The model, stated once.

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from sympy import cos, pi, sin

from scaling_limits.cells.pictures import tensor_ellipses
from scaling_limits.particles import Langevin, MultiscalePotential, mueller_brown
from scaling_limits.pdes import EffectiveFokkerPlanck
from scaling_limits.pdes.pictures import density_animation, density_surface

EPSILON = 0.2
BOX = [(-1.8, 1.4), (-0.7, 2.3)]
UPPER, LOWER = np.array([[-0.558224, 1.441726]]), np.array([[0.623499, 0.028038]])


def rugged(x, y):
    """Ridges across (1, 0), (0, 1) and (1, 1), whose heights depend on where they are."""
    ridges = (1 + sin(2 * x[0])) * cos(2 * pi * y[0]) + (1 + sin(2 * x[1])) * cos(2 * pi * y[1])
    return 20 * (ridges + cos(2 * pi * (y[0] + y[1])))


def landscape(temperature=20.0):
    return MultiscalePotential(2, 1, temperature, mueller_brown(temperature).confining, rugged)


def in_lower_well(x):
    """A disc of radius 0.2 about the bottom of the lower well."""
    return (x[:, 0] - 0.623499) ** 2 + (x[:, 1] - 0.028038) ** 2 < 0.04


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# The effective equation. Mass is conserved to the last digit, no density is negative, and the free energy decreases in
# every step.


def evolve(equation, frames):
    start = lambda x: np.exp(-((x - UPPER) ** 2).sum(axis=1) / (2 * 0.05**2))  # noqa: E731
    run = equation.evolve(start, np.geomspace(1e-3, 2.0, frames))
    assert np.abs(run.mass - 1).max() < 1e-13
    assert run.minimum.min() >= 0
    assert (np.diff(run.free_energy) <= 0).all()
    say(f"{run.statistics.steps} steps; free energy from {run.free_energy[0]:.2f} to {run.free_energy[-1]:.2f}")
    return run


# %%
# The three slowest rates. The slowest is far below the others: the particle forgets where in a well it started long
# before it leaves.


def rates(equation):
    found = equation.spectrum(4)
    say(f"slowest rates: {', '.join(f'{rate:.3f}' for rate in found[1:])}")
    assert found[0] == 0
    assert found[2] > 10 * found[1]
    return found


# %%
# The mean time from the upper to the lower well: from the effective equation, and from samples of the full dynamics at
# finite epsilon. They differ by the statistical error and by what is of order epsilon.


def passage_time(equation, paths):
    expected = float(equation.mean_first_passage_time(in_lower_well).at(UPPER)[0])
    sampler = Langevin(equation.coefficients.potential, EPSILON)
    times = sampler.first_passage_times(UPPER[0], in_lower_well, paths, 1, comm=MPI.COMM_WORLD)
    mean, error = times.mean(), times.std(ddof=1) / np.sqrt(paths)
    say(f"mean first passage time: effective equation {expected:.4f}, {paths} samples at epsilon = {EPSILON}: "
        f"{mean:.4f} +- {error:.4f}")  # fmt: skip
    assert abs(mean - expected) < 5 * error + 0.5 * EPSILON * expected
    return expected, times


# %%
# The pictures: the landscape and its rugged version, M as ellipses, the density as an animation and at the end as a
# surface, the law of the passage times, which is exponential.


def draw(out, equation, run, found, times, expected):
    x, y = (np.linspace(*ends, n) for ends, n in zip(BOX, run[0].grid.shape))
    plane = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    potential = equation.coefficients.potential
    smooth = np.minimum(potential.confining_at(plane), 120.0).reshape(x.size, y.size)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
    fine = [np.linspace(*ends, 400) for ends in BOX]
    points = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1).reshape(-1, 2)
    heights = potential.confining_at(points), potential.full_at(points, EPSILON)
    for axis, field, title in zip(axes, heights, ("V0", f"V at epsilon = {EPSILON}")):
        drawn = axis.contourf(*fine, np.minimum(field, 120.0).reshape(400, 400).T, levels=40, cmap="viridis")
        axis.set(title=title, xlabel="x")
    figure.colorbar(drawn, ax=axes)
    figure.savefig(out / "mueller_landscape.png", dpi=120)
    plt.close(figure)
    centres = np.stack(np.meshgrid(np.linspace(-1.5, 1.1, 11), np.linspace(-0.5, 2.0, 11)), -1).reshape(-1, 2)
    tensor_ellipses(
        out / "mueller_tensor.png", centres, equation.coefficients.mobility(centres), (x, y, smooth), size=0.12
    )
    density_animation(out / "mueller_density.gif", run, smooth)
    density_surface(out / "mueller_density.png", found)
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    axis.hist(
        times, bins=30, density=True, color="tab:orange", alpha=0.6, label=f"{len(times)} samples, epsilon = {EPSILON}"
    )
    t = np.linspace(0, times.max(), 200)
    axis.semilogy(t, np.exp(-t / expected) / expected, "k", label="exponential, mean of the effective equation")
    axis.set(xlabel="first passage time", ylabel="density")
    axis.legend()
    figure.savefig(out / "mueller_passage.png", dpi=120)
    plt.close(figure)


def main(out, paths=1024, frames=40, cells=(96, 90)):
    equation = EffectiveFokkerPlanck(landscape(), BOX, cells, rtol=1e-5)
    run = evolve(equation, frames)
    slow = rates(equation)
    expected, times = passage_time(equation, paths)
    late = run[len(run) - 1]
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, equation, run, late, times, expected)
    return slow, expected, times


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Density, rates and passage times in a rugged landscape.")
    parser.add_argument("--out", default="out", help="folder for the pictures")
    parser.add_argument("--paths", type=int, default=1024, help="samples of the full dynamics")
    parser.add_argument("--frames", type=int, default=40, help="frames of the animation")
    main(**vars(parser.parse_args()))
