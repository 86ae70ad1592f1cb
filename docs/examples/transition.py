r"""
A transition with a certified rate
==================================

A particle in the rugged landscape of Mueller and Brown goes from the upper to the lower well. How often, along which
way, and how well is that known? For the effective equation with its equilibrium :math:`\mu` and its committor :math:`q`
(the probability to reach the lower well before the upper one), the frequency of transitions and their current are

.. math:: \nu = \int \sigma\mu\,\nabla q\cdot M\nabla q, \qquad J = \sigma\mu M\nabla q .

Any trial function bounds :math:`\nu` from above (Dirichlet), any current that conserves mass from below (Thomson): the
interval between a finite element function and a Raviart-Thomas current is certain up to the quadrature, which is
measured.
"""

# %%
# The model: the landscape, ridges across (1, 0) and (0, 1) whose heights depend on where they are, and the two wells as
# discs.

import os

import matplotlib.pyplot as plt
import numpy as np
from sympy import cos, pi, sin

from scaling_limits.particles import MultiscalePotential, mueller_brown
from scaling_limits.pdes import EffectiveFokkerPlanck

cells = int(os.environ.get("SCALING_LIMITS_CELLS", 72))
box = [(-1.7, 1.2), (-0.6, 2.0)]
upper_well, lower_well = np.array([-0.558224, 1.441726]), np.array([0.623499, 0.028038])
third_well = np.array([-0.050011, 0.466694])
temperature, radius = 12.0, 0.15


def rugged(x, y):
    return 12 * ((1 + sin(2 * x[0])) * cos(2 * pi * y[0]) + (1 + sin(2 * x[1])) * cos(2 * pi * y[1]))


def upper(x):
    return ((x - upper_well) ** 2).sum(axis=1) < radius**2


def lower(x):
    return ((x - lower_well) ** 2).sum(axis=1) < radius**2


potential = MultiscalePotential(2, 1, temperature, mueller_brown(temperature).confining, rugged)
equation = EffectiveFokkerPlanck(potential, box, (cells, cells), rtol=1e-4)

# %%
# The frequency, its interval, both rates, and the mean time that a transition takes. The flux through any line between
# the wells is the frequency. A warning tells where fields are known badly: in corners that paths hardly ever reach.

found = equation.transition(upper, lower, bounds=True)
print(f"frequency {found.frequency:.5f} +- {found.error:.0e}, bounds {found.lower:.5f}, {found.upper:.5f}")
print(f"rates {found.rate:.5f} and {found.backward_rate:.5f}, mean duration {found.mean_duration:.4f}")
through = found.flux(lambda x: x[:, 1] > x[:, 0] + 0.6)
print(f"flux through the line x_2 = x_1 + 0.6: {through:.5f}")
assert found.lower <= found.frequency <= found.upper
assert found.upper - found.lower < 0.1 * found.frequency
assert abs(through / found.frequency - 1) < 1e-9

# %%
# One over the rate is the mean time to the lower well. Paths that start in the third well, between the two, soon decide
# for one of them: of those that have gone to A a part is left at each time.

law = equation.first_passage(lower)
time = float(law.mean.at([upper_well])[0])
print(f"mean time from the upper to the lower well {time:.4f}, one over the rate {1 / found.rate:.4f}")
assert abs(time * found.rate - 1) < 0.1
times = np.linspace(0.0, 3.0 / found.rate, 91)
survival = {"A": law.survival(times, upper_well), "the third well": law.survival(times, third_well)}

# %%
# The committor as colours where the landscape is below 14 temperatures, lines of equal height, the current as arrows
# where it is large, whose lengths grow like its fourth root, and the wells.

fine = [np.linspace(*ends, 241) for ends in box]
points = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1).reshape(-1, 2)
height = equation.coefficients.free_energy(points)
height = (height - height.min()).reshape(241, 241) / temperature
q = found.forward.at(points).reshape(241, 241)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.7), layout="constrained", width_ratios=(1.25, 1))
drawn = axes[0].contourf(*fine, np.where(height < 14, q, np.nan).T, levels=np.linspace(0, 1, 21), cmap="coolwarm")
axes[0].contour(*fine, height.T, levels=np.arange(1, 14, 1.5), colors="black", linewidths=0.4, alpha=0.6)
sparse = [np.linspace(*ends, 26)[1:-1] for ends in box]
at = np.stack(np.meshgrid(*sparse, indexing="ij"), axis=-1).reshape(-1, 2)
arrows = found.current.at(at)
length = np.linalg.norm(arrows, axis=1)
some = (length > 0.02 * length.max()) & ~upper(at) & ~lower(at)
size = arrows[some] / length[some, None] * (length[some, None] / length.max()) ** 0.25
axes[0].quiver(*at[some].T, *size.T, scale=24, width=0.0045, edgecolor="white", linewidth=0.5)
for place, name in ((upper_well, "A"), (lower_well, "B")):
    axes[0].add_patch(plt.Circle(place, radius, facecolor="white", edgecolor="black", linewidth=1.5, zorder=3))
    axes[0].annotate(name, place, ha="center", va="center", weight="bold", zorder=4)
interval = f"frequency {found.frequency:.5f}, bounds {found.lower:.5f}, {found.upper:.5f}"
axes[0].set(title=interval, xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
figure.colorbar(drawn, ax=axes[0], label="probability to reach B before A", ticks=[0, 0.5, 1])
for name, values in survival.items():
    axes[1].semilogy(times, values, label=f"from {name}")
axes[1].semilogy(times, np.exp(-found.rate * times), "k--", label="$e^{-kt}$, $k$ the rate")
axes[1].set(xlabel="time", ylabel="fraction of paths not yet in B", title=f"rate {found.rate:.5f}", ylim=(1e-2, 1.3))
axes[1].legend()
plt.show()
