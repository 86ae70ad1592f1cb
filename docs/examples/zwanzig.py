r"""
Zwanzig's rough potential: how ruggedness slows diffusion
=========================================================

Zwanzig (1988) asked how a rough potential, :math:`V^\varepsilon(x) = V_0(x) + a\cos(2\pi x/\varepsilon)`, changes
the time it takes to go from one well of :math:`V_0` to the other. The free energy is :math:`V_0` itself, and the
mobility is

.. math:: M = \frac{1}{Z_1 \hat Z_1} = \frac{1}{I_0(a/\sigma)^2}, \qquad
          Z_1 = \int_0^1 e^{-a\cos(2\pi y)/\sigma}\,dy, \quad \hat Z_1 = \int_0^1 e^{a\cos(2\pi y)/\sigma}\,dy,

so every time is multiplied by :math:`I_0(a/\sigma)^2`, at low temperature by :math:`e^{2a/\sigma}\sigma/(2\pi a)`: more
than any barrier of the smooth potential would tell.

Run it as ``python docs/examples/zwanzig.py --out out``.
"""

# %%
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from scipy.special import iv
from sympy import cos, pi

from scaling_limits.particles import Langevin, MultiscalePotential
from scaling_limits.pdes import EffectiveFokkerPlanck

HEIGHT, EPSILON = 0.5, 0.1
TEMPERATURES = (0.25, 0.35, 0.5, 0.75, 1.0)
BOX = [(-2.5, 2.5)]


def double_well(temperature, height):
    return MultiscalePotential(
        1, 1, temperature, lambda x: (x[0] ** 2 - 1) ** 2, lambda x, y: height * cos(2 * pi * y[0])
    )


def right(x):
    return x[:, 0] > 1.0


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# The mean first passage time from -1 to 1, smooth and rough: their ratio is I_0(a/sigma)^2.


def passage_times():
    rows = []
    for sigma in TEMPERATURES:
        smooth, rough = (
            EffectiveFokkerPlanck(double_well(sigma, height), BOX, (200,), rtol=1e-8)
            .mean_first_passage_time(right)
            .at([[-1.0]])[0]
            for height in (0.0, HEIGHT)
        )
        rows.append((sigma, smooth, rough))
        assert abs(rough / smooth / iv(0, HEIGHT / sigma) ** 2 - 1) < 1e-6
        say(f"sigma = {sigma}: smooth {smooth:.4f}, rough {rough:.4f}, ratio {rough / smooth:.6f}")
    return np.array(rows)


# %%
# Samples of the full dynamics at finite epsilon agree.


def samples(rows, paths):
    found = []
    for sigma, _, rough in rows[2:]:
        times = Langevin(double_well(sigma, HEIGHT), EPSILON).first_passage_times(
            [-1.0], right, paths, 3, comm=MPI.COMM_WORLD
        )
        found.append((sigma, times.mean(), times.std(ddof=1) / np.sqrt(paths)))
        say(f"sigma = {sigma}: {paths} samples at epsilon = {EPSILON}: {found[-1][1]:.4f} +- {found[-1][2]:.4f}")
        assert abs(found[-1][1] - rough) < 5 * found[-1][2] + 0.5 * EPSILON * rough
    return np.array(found)


def draw(out, rows, found):
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    axis.semilogy(1 / rows[:, 0], rows[:, 1], "o-", label="smooth potential")
    axis.semilogy(1 / rows[:, 0], rows[:, 2], "s-", label="effective equation of the rough one")
    axis.errorbar(
        1 / found[:, 0], found[:, 1], 5 * found[:, 2], fmt="k.", capsize=3, label=f"samples, epsilon = {EPSILON}"
    )
    axis.set(xlabel=r"$1/\sigma$", ylabel="mean first passage time from -1 to 1")
    axis.legend()
    figure.savefig(out / "zwanzig.png", dpi=120)
    plt.close(figure)


def main(out, paths=1024):
    rows = passage_times()
    found = samples(rows, paths)
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, rows, found)
    return rows, found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Passage times in a rough double well.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    parser.add_argument("--paths", type=int, default=1024, help="samples of the full dynamics")
    main(**vars(parser.parse_args()))
