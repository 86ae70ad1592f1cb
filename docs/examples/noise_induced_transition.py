r"""
A noise-induced transition: ruggedness that depends on the position
===================================================================

A parabola with fluctuations, :math:`V^\varepsilon(x) = x^2/2 + h(x)\cos(2\pi x/\varepsilon)`. If the height :math:`h`
is constant (a *separable* potential), the equilibrium density for :math:`\varepsilon\to 0` is the Gaussian of the
parabola, and only the mobility knows of the fluctuations. If it is not (a *coupled* potential), the free energy is

.. math:: \Psi(x) = \frac{x^2}{2} - \sigma \log I_0\Big(\frac{h(x)}{\sigma}\Big).

With :math:`h(x) = a x/\sqrt{1+x^2}` it is a single well above :math:`\sigma_c = a^2/2` and a double well below: the
number of states of the particle is a matter of temperature (sections 3.1 and 4 of Duncan, Duong and Pavliotis, 2023;
Duncan, Kalliadasis, Pavliotis and Pradas, 2016).

Run it as ``python docs/examples/noise_induced_transition.py --out out``.
"""

# %%
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from sympy import cos, pi, sqrt

from scaling_limits.particles import Langevin, MultiscalePotential
from scaling_limits.pdes import EffectiveFokkerPlanck

A, EPSILON = 1.5, 0.1
BOX = [(-5.0, 5.0)]
X = np.linspace(-3, 3, 2401)[:, None]


def coupled(temperature):
    return MultiscalePotential(
        1, 1, temperature, lambda x: x[0] ** 2 / 2, lambda x, y: A * x[0] / sqrt(1 + x[0] ** 2) * cos(2 * pi * y[0])
    )


def separable(temperature):
    return MultiscalePotential(1, 1, temperature, lambda x: x[0] ** 2 / 2, lambda x, y: A / 2 * cos(2 * pi * y[0]))


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# The states: minima of the free energy, as the temperature goes down. At sigma_c = a^2/2 one becomes two.


def states(temperature):
    """The minima of Psi in (-3, 3)."""
    psi = EffectiveFokkerPlanck(coupled(temperature), BOX, (200,), rtol=1e-8).coefficients.free_energy(X)
    low = np.flatnonzero((psi[1:-1] < psi[:-2]) & (psi[1:-1] <= psi[2:])) + 1
    return X[low, 0]


def diagram():
    critical = A**2 / 2
    below, above = states(0.98 * critical), states(1.02 * critical)
    assert len(below) == 2
    assert len(above) == 1
    places = [np.round(found, 3).tolist() for found in (below, above)]
    say(f"sigma_c = {critical:.4f}: minima {places[0]} just below, {places[1]} above")
    temperatures = np.linspace(0.25, 1.4, 24)
    return temperatures, [states(sigma) for sigma in temperatures]


# %%
# Samples of the full dynamics see it: the averages of abs(x) at equilibrium agree with the effective density, in the
# coupled potential they are far from those of the parabola.


def samples(temperature, paths):
    rows = {}
    for name, make in (("coupled", coupled), ("separable", separable)):
        potential = make(temperature)
        rho = EffectiveFokkerPlanck(potential, BOX, (400,), rtol=1e-8).stationary()
        found = Langevin(potential, EPSILON).equilibrium([0.5], [15.0], paths, 5, comm=MPI.COMM_WORLD)
        mean, error = found.average(lambda x: np.abs(x[:, 0]))
        density = rho.at(X)
        expected = float((density * np.abs(X[:, 0])).sum() * (X[1, 0] - X[0, 0]))
        say(f"{name}: E |x| = {expected:.4f} in the limit, {mean[0]:.4f} +- {error[0]:.4f} at epsilon = {EPSILON}")
        assert abs(mean[0] - expected) < 5 * error[0] + 0.3 * EPSILON
        rows[name] = density, found.positions[0, :, 0], expected
    assert rows["coupled"][2] > 1.3 * rows["separable"][2]
    return rows


def draw(out, temperatures, minima, rows, temperature):
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, colour in (("coupled", "tab:orange"), ("separable", "tab:blue")):
        density, positions, _ = rows[name]
        axes[0].plot(X, density, color=colour, label=f"{name}, effective")
        axes[0].hist(
            positions, bins=30, range=(-3, 3), density=True, color=colour, alpha=0.35, label=f"{name}, samples"
        )
    axes[0].set(title=rf"equilibrium at $\sigma$ = {temperature}", xlabel="x", ylabel="density")
    axes[0].legend()
    for sigma, places in zip(temperatures, minima):
        axes[1].plot([sigma] * len(places), places, "ko", markersize=4)
    axes[1].axvline(A**2 / 2, color="grey", linewidth=1)
    axes[1].set(title="states of the coupled potential", xlabel=r"$\sigma$", ylabel=r"minima of $\Psi$")
    figure.savefig(out / "noise_induced_transition.png", dpi=120)
    plt.close(figure)


def main(out, paths=2048, temperature=0.5):
    temperatures, minima = diagram()
    rows = samples(temperature, paths)
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, temperatures, minima, rows, temperature)
    return minima, rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Separable against coupled fluctuations.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    parser.add_argument("--paths", type=int, default=2048, help="samples of the full dynamics")
    main(**vars(parser.parse_args()))
