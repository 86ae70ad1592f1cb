r"""
An adatom on a hexagonal surface with a moire: diffusion, activation energy, strain
===================================================================================

A layer of graphene on a metal is rugged on two scales: the hexagons of carbon, and the moire that they make with the
atoms below, ten times wider. An atom that diffuses on it sees, in units of the moire's period and with
:math:`y = L^{-1}x/\varepsilon`, :math:`z = L^{-1}x/\varepsilon^2`,

.. math:: V_1(y, z) = -u\,h(y) - \big(a + b\,h(y)\big)\,h(z), \qquad
          h(y) = \cos 2\pi y_0 + \cos 2\pi y_1 + \cos 2\pi(y_0 + y_1),

where the columns of L are the periods of a hexagonal lattice: the sites of carbon are deeper where the moire is deep.
By symmetry M is a multiple of I. The diffusivity :math:`\sigma M` follows Arrhenius' law at low temperature; its slope,
the apparent activation energy, is a derivative by the temperature, which comes with M. Strain makes M anisotropic.

Run it as ``python docs/examples/adatom.py --out out``.
"""

# %%
# The microscopic model, stated once. Functions are written in the coordinates of the lattice, of period 1.

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from sympy import cos, pi

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import Langevin, MultiscalePotential

MOIRE, CARBON, COUPLING = 0.05, 0.06, 0.015
HEXAGONAL = np.array([[1.0, 0.5], [0.0, np.sqrt(3) / 2]])
TEMPERATURES = (0.08, 0.1, 0.125, 0.16, 0.22, 0.35)
STRAINS = (0.0, 0.05, 0.1, 0.15)
ORIGIN = [[0.0, 0.0]]


def hexagons(y):
    return cos(2 * pi * y[0]) + cos(2 * pi * y[1]) + cos(2 * pi * (y[0] + y[1]))


def surface(temperature, lattice=HEXAGONAL):
    return MultiscalePotential(
        2, 2, temperature, lambda x: 0 * x[0],
        lambda x, y, z: -MOIRE * hexagons(y) - (CARBON + COUPLING * hexagons(y)) * hexagons(z),
        lattice=lattice,
    )  # fmt: skip


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# The diffusivity :math:`D = \sigma M` and the apparent activation energy
# :math:`E = -d\log M/d(1/\sigma) = \sigma^2 M^{-1}dM/d\sigma`. A difference of two temperatures agrees, and M is
# isotropic to the digits that are asked for.


def arrhenius():
    rows = []
    for sigma in TEMPERATURES:
        found = effective_tensor(surface(sigma), ORIGIN, rtol=1e-5, derivatives=("temperature",))
        value, slope = found.value[0], found.derivatives["temperature"][0]
        assert np.abs(value / value[0, 0] - np.eye(2)).max() < 1e-5
        rows.append((sigma, sigma * value[0, 0], sigma**2 * slope[0, 0] / value[0, 0]))
        say(f"sigma = {sigma}: D = {rows[-1][1]:.5e}, activation energy {rows[-1][2]:.4f}")
    sides = [effective_tensor(surface(0.16 * factor), ORIGIN, rtol=1e-7).value[0, 0, 0] for factor in (0.99, 1.01)]
    difference = np.log(sides[0] / sides[1]) / (1 / (0.16 * 0.99) - 1 / (0.16 * 1.01))
    assert abs(rows[3][2] + difference) < 1e-3 * rows[3][2]
    return np.array(rows)


# %%
# Paths of the full dynamics: their mean square displacement over 4 t is D. How far it is at finite epsilon is part of
# the answer.


def samples(paths, epsilons=(1 / 3, 1 / 5), sigma=0.35):
    exact = sigma * effective_tensor(surface(sigma), ORIGIN, rtol=1e-6).value[0, 0, 0]
    found = []
    for epsilon in epsilons:
        final = 12 * epsilon**2 / exact  # some periods of the moire
        run = Langevin(surface(sigma), epsilon).sample([0.0, 0.0], [0.5 * final, final], paths, 1)
        # the first half forgets the start
        steps = np.sum(run.positions[1] ** 2 - run.positions[0] ** 2, axis=1) / (4 * 0.5 * final)
        found.append((epsilon, steps.mean() / exact, steps.std(ddof=1) / np.sqrt(paths) / exact))
        say(f"epsilon = {epsilon:.3f}: D of {paths} paths over the limit {found[-1][1]:.3f} +- {found[-1][2]:.3f}")
    return np.array(found)


# %%
# Strain along the first axis: lattice vectors are stretched, the energies stay, and M = L M_y L^T.


def strained(temperatures=(0.08, 0.16)):
    ratios = []
    for sigma in temperatures:
        lattices = [np.diag([1 + strain, 1 - 0.2 * strain]) @ HEXAGONAL for strain in STRAINS]
        tensors = [effective_tensor(surface(sigma, lattice), ORIGIN, rtol=1e-6).value[0] for lattice in lattices]
        ratios.append([tensor[0, 0] / tensor[1, 1] for tensor in tensors])
        say(f"sigma = {sigma}: " + ", ".join(f"{s:.0%}: {r:.4f}" for s, r in zip(STRAINS, ratios[-1])))
    return temperatures, np.array(ratios)


# %%
# The picture: the surface, Arrhenius' plot with its slope and the samples, anisotropy under strain.


def draw(out, rows, found, strains):
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    x = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 500), np.linspace(-0.6, 0.6, 500)), axis=-1)
    heights = surface(1.0).full_at(x.reshape(-1, 2), 0.25).reshape(500, 500)
    image = axes[0].imshow(heights, origin="lower", extent=(-0.6, 0.6, -0.6, 0.6), cmap="viridis")
    figure.colorbar(image, ax=axes[0], label="V", shrink=0.9)
    axes[0].set(title="the surface, epsilon = 1/4", xlabel="$x_0$", ylabel="$x_1$")
    axes[1].semilogy(1 / rows[:, 0], rows[:, 1], "o-", label=r"$D = \sigma M$")
    axes[1].set(title="Arrhenius", xlabel=r"$1/\sigma$", ylabel="diffusivity")
    for epsilon, ratio, error in found:
        exact = np.interp(1 / 0.35, 1 / rows[::-1, 0], rows[::-1, 1])
        label = f"paths, $\\epsilon$ = 1/{round(1 / epsilon)}"
        axes[1].errorbar([1 / 0.35], [ratio * exact], [3 * error * exact], fmt="x", capsize=3, label=label)
    energies = axes[1].twinx()
    energies.plot(1 / rows[:, 0], rows[:, 2], "k--", label="activation energy (right)")
    energies.set(ylabel="activation energy of M", ylim=(0, None))
    lines = [line for axis in (axes[1], energies) for line in axis.get_legend_handles_labels()[0]]
    axes[1].legend(handles=lines, loc="upper center", fontsize="small")
    for sigma, ratios in zip(*strains):
        axes[2].plot(STRAINS, ratios, "o-", label=f"$\\sigma$ = {sigma}")
    axes[2].set(title="under strain", xlabel="strain along $x_0$", ylabel="$M_{11}/M_{22}$")
    axes[2].legend()
    figure.savefig(out / "adatom.png", dpi=110)
    plt.close(figure)


def main(out, paths=2000):
    rows = arrhenius()
    found = samples(paths)
    strains = strained()
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, rows, found, strains)
    return rows, found, strains[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Diffusion of an adatom on a hexagonal surface with a moire.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    parser.add_argument("--paths", type=int, default=2000, help="samples of the full dynamics")
    main(**vars(parser.parse_args()))
