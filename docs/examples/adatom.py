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
"""

# %%
# The microscopic model, stated once. Functions are written in the coordinates of the lattice, of period 1.

import os

import matplotlib.pyplot as plt
import numpy as np
from sympy import cos, pi

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import Langevin, MultiscalePotential

paths = int(os.environ.get("SCALING_LIMITS_PATHS", 2000))
moire, carbon, coupling = 0.05, 0.06, 0.015
hexagonal = np.array([[1.0, 0.5], [0.0, np.sqrt(3) / 2]])
origin = [[0.0, 0.0]]


def hexagons(y):
    return cos(2 * pi * y[0]) + cos(2 * pi * y[1]) + cos(2 * pi * (y[0] + y[1]))


def surface(temperature, lattice=hexagonal):
    return MultiscalePotential(
        2, 2, temperature, lambda x: 0 * x[0],
        lambda x, y, z: -moire * hexagons(y) - (carbon + coupling * hexagons(y)) * hexagons(z),
        lattice=lattice,
    )  # fmt: skip


x = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 500), np.linspace(-0.6, 0.6, 500)), axis=-1)
heights = surface(1.0).full_at(x.reshape(-1, 2), 0.25).reshape(500, 500)
figure, axis = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
image = axis.imshow(heights, origin="lower", extent=(-0.6, 0.6, -0.6, 0.6), cmap="viridis")
figure.colorbar(image, ax=axis, label="V", shrink=0.9)
axis.set(title=r"the surface, $\varepsilon$ = 1/4", xlabel="$x_0$", ylabel="$x_1$")
plt.show()

# %%
# The diffusivity :math:`D = \sigma M` and the apparent activation energy
# :math:`E = -d\log M/d(1/\sigma) = \sigma^2 M^{-1}dM/d\sigma`. M is isotropic to the digits that are asked for.

rows = []
for sigma in (0.08, 0.1, 0.125, 0.16, 0.22, 0.35):
    tensor = effective_tensor(surface(sigma), origin, rtol=1e-5, derivatives=("temperature",))
    value, slope = tensor.value[0], tensor.derivatives["temperature"][0]
    rows.append((sigma, sigma * value[0, 0], sigma**2 * slope[0, 0] / value[0, 0]))
    print(f"sigma = {sigma}: D = {rows[-1][1]:.5e}, activation energy {rows[-1][2]:.4f}")
    assert np.abs(value / value[0, 0] - np.eye(2)).max() < 1e-5
rows = np.array(rows)

# %%
# A difference of two temperatures agrees with the derivative.

sides = [effective_tensor(surface(0.16 * factor), origin, rtol=1e-7).value[0, 0, 0] for factor in (0.99, 1.01)]
difference = np.log(sides[1] / sides[0]) / (1 / (0.16 * 0.99) - 1 / (0.16 * 1.01))
print(f"activation energy at sigma = 0.16: derivative {rows[3, 2]:.5f}, difference {difference:.5f}")
assert abs(rows[3, 2] - difference) < 1e-3 * rows[3, 2]

# %%
# Paths of the full dynamics: their mean square displacement over 4 t is D. How far it is at finite
# :math:`\varepsilon` is part of the answer. The first half of each path, some periods of the moire long, forgets the
# start.

warm = 0.35
exact = warm * effective_tensor(surface(warm), origin, rtol=1e-6).value[0, 0, 0]
found = []
for epsilon in (1 / 3, 1 / 5):
    half = 6 * epsilon**2 / exact
    run = Langevin(surface(warm), epsilon).sample([0.0, 0.0], [half, 2 * half], paths, 1)
    steps = np.sum(run.positions[1] ** 2 - run.positions[0] ** 2, axis=1) / (4 * half)
    found.append((epsilon, steps.mean() / exact, steps.std(ddof=1) / np.sqrt(paths) / exact))
    print(f"epsilon = {epsilon:.3f}: D of {paths} paths over the limit {found[-1][1]:.3f} +- {found[-1][2]:.3f}")
found = np.array(found)

figure, axis = plt.subplots(figsize=(6, 4.2), layout="constrained")
axis.semilogy(1 / rows[:, 0], rows[:, 1], "o-", label=r"$D = \sigma M$")
for epsilon, ratio, error in found:
    label = rf"paths, $\varepsilon$ = 1/{round(1 / epsilon)}"
    axis.errorbar([1 / warm], [ratio * exact], [3 * error * exact], fmt="x", capsize=3, label=label)
axis.set(title="Arrhenius' plot", xlabel=r"$1/\sigma$", ylabel="diffusivity")
energies = axis.twinx()
energies.plot(1 / rows[:, 0], rows[:, 2], "k--", label="activation energy (right)")
energies.set(ylabel="activation energy of M", ylim=(0, None))
lines = [line for one in (axis, energies) for line in one.get_legend_handles_labels()[0]]
axis.legend(handles=lines, loc="upper center", fontsize="small")
plt.show()

# %%
# Strain along the first axis: lattice vectors are stretched, the energies stay, and :math:`M = L M_y L^T`.

strains, ratios = (0.0, 0.05, 0.1, 0.15), []
figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for sigma in (0.08, 0.16):
    lattices = [np.diag([1 + strain, 1 - 0.2 * strain]) @ hexagonal for strain in strains]
    tensors = [effective_tensor(surface(sigma, lattice), origin, rtol=1e-6).value[0] for lattice in lattices]
    ratios.append([tensor[0, 0] / tensor[1, 1] for tensor in tensors])
    print(f"sigma = {sigma}: " + ", ".join(f"{s:.0%}: {r:.4f}" for s, r in zip(strains, ratios[-1])))
    axis.plot(strains, ratios[-1], "o-", label=rf"$\sigma$ = {sigma}")
axis.set(title="under strain", xlabel="strain along $x_0$", ylabel="$M_{11}/M_{22}$")
axis.legend()
plt.show()
