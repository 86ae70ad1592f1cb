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
"""

# %%
# A coupled and a separable potential.

import os

import matplotlib.pyplot as plt
import numpy as np
from sympy import cos, pi, sqrt

from scaling_limits.particles import Langevin, MultiscalePotential
from scaling_limits.pdes import EffectiveFokkerPlanck

paths = int(os.environ.get("SCALING_LIMITS_PATHS", 1024))
a, epsilon, box = 1.5, 0.1, [(-5.0, 5.0)]
x = np.linspace(-3, 3, 2401)[:, None]


def coupled(temperature):
    return MultiscalePotential(
        1, 1, temperature, lambda x: x[0] ** 2 / 2, lambda x, y: a * x[0] / sqrt(1 + x[0] ** 2) * cos(2 * pi * y[0])
    )


def separable(temperature):
    return MultiscalePotential(1, 1, temperature, lambda x: x[0] ** 2 / 2, lambda x, y: a / 2 * cos(2 * pi * y[0]))


# %%
# The states are the minima of the free energy. At :math:`\sigma_c = a^2/2` one becomes two as the temperature goes
# down.


def states(temperature):
    psi = EffectiveFokkerPlanck(coupled(temperature), box, 200, rtol=1e-8).coefficients.free_energy(x)
    low = np.flatnonzero((psi[1:-1] < psi[:-2]) & (psi[1:-1] <= psi[2:])) + 1
    return x[low, 0]


critical = a**2 / 2
below, above = states(0.98 * critical), states(1.02 * critical)
print(f"sigma_c = {critical:.4f}: minima {below.round(3).tolist()} just below, {above.round(3).tolist()} above")
assert len(below) == 2
assert len(above) == 1

temperatures = np.linspace(0.25, 1.4, 24)
minima = [states(sigma) for sigma in temperatures]
figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for sigma, places in zip(temperatures, minima):
    axis.plot([sigma] * len(places), places, "ko", markersize=4)
axis.axvline(critical, color="grey", linewidth=1)
axis.set(title="states of the coupled potential", xlabel=r"$\sigma$", ylabel=r"minima of $\Psi$")
plt.show()

# %%
# Samples of the full dynamics see it: the averages of :math:`|x|` at equilibrium agree with the effective density; in
# the coupled potential they are far from those of the parabola.

temperature, rows = 0.5, {}
for name, potential in (("coupled", coupled(temperature)), ("separable", separable(temperature))):
    density = EffectiveFokkerPlanck(potential, box, 400, rtol=1e-8).stationary().at(x)
    expected = float((density * np.abs(x[:, 0])).sum() * (x[1, 0] - x[0, 0]))
    found = Langevin(potential, epsilon).equilibrium([0.5], [15.0], paths, 5)
    mean, error = found.average(lambda x: np.abs(x[:, 0]))
    rows[name] = density, found.positions[0, :, 0], expected
    print(f"{name}: E |x| = {expected:.4f} in the limit, {mean[0]:.4f} +- {error[0]:.4f} at epsilon = {epsilon}")
    assert abs(mean[0] - expected) < 5 * error[0] + 0.3 * epsilon
assert rows["coupled"][2] > 1.3 * rows["separable"][2]

figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, colour in (("coupled", "tab:orange"), ("separable", "tab:blue")):
    density, positions, _ = rows[name]
    axis.plot(x, density, color=colour, label=f"{name}, effective")
    bars = {"bins": 30, "range": (-3, 3), "density": True, "color": colour, "alpha": 0.35}
    axis.hist(positions, label=f"{name}, samples", **bars)
axis.set(title=rf"equilibrium at $\sigma$ = {temperature}", xlabel="x", ylabel="density")
axis.legend()
plt.show()
