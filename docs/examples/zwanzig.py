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
"""

# %%
# One potential for each temperature, smooth or rough. A set is a function from points (P, d) to truth values (P,).

import os

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import iv
from sympy import cos, pi

from scaling_limits.particles import Langevin, MultiscalePotential
from scaling_limits.pdes import EffectiveFokkerPlanck

paths = int(os.environ.get("SCALING_LIMITS_PATHS", 512))
height, epsilon, box = 0.5, 0.1, [(-2.5, 2.5)]


def double_well(temperature, height):
    return MultiscalePotential(
        1, 1, temperature, lambda x: (x[0] ** 2 - 1) ** 2, lambda x, y: height * cos(2 * pi * y[0])
    )


def right(x):
    return x[:, 0] > 1.0


# %%
# The mean first passage time from -1 to 1, smooth and rough: their ratio is :math:`I_0(a/\sigma)^2`.

rows = []
for sigma in (0.25, 0.35, 0.5, 0.75, 1.0):
    smooth, rough = (
        EffectiveFokkerPlanck(double_well(sigma, a), box, 200, rtol=1e-8).mean_first_passage_time(right).at([[-1.0]])[0]
        for a in (0.0, height)
    )
    rows.append((sigma, smooth, rough))
    print(f"sigma = {sigma}: smooth {smooth:.4f}, rough {rough:.4f}, ratio {rough / smooth:.6f}")
    assert abs(rough / smooth / iv(0, height / sigma) ** 2 - 1) < 1e-6
rows = np.array(rows)

# %%
# Samples of the full dynamics at finite :math:`\varepsilon` agree, up to their statistical error and what is of order
# :math:`\varepsilon`.

found = []
for sigma, _, rough in rows[2:]:
    times = Langevin(double_well(sigma, height), epsilon).first_passage_times([-1.0], right, paths, 3)
    mean, error = times.mean(), times.std(ddof=1) / np.sqrt(paths)
    found.append((sigma, mean, error))
    print(f"sigma = {sigma}: {paths} samples at epsilon = {epsilon}: {mean:.4f} +- {error:.4f}")
    assert abs(mean - rough) < 5 * error + 0.5 * epsilon * rough
found = np.array(found)

# %%
# The lower the temperature, the more the ruggedness costs.

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.semilogy(1 / rows[:, 0], rows[:, 1], "o-", label="smooth potential")
axis.semilogy(1 / rows[:, 0], rows[:, 2], "s-", label="effective equation of the rough one")
label = rf"samples, $\varepsilon$ = {epsilon}"
axis.errorbar(1 / found[:, 0], found[:, 1], 5 * found[:, 2], fmt="k.", capsize=3, label=label)
axis.set(xlabel=r"$1/\sigma$", ylabel="mean first passage time from -1 to 1")
axis.legend()
plt.show()
