r"""
A ring of rotators with one hot site: action flows both ways around
===================================================================

A chain whose ends meet (``periodic=True``) has as many bonds as sites. One site is hot; thermostats of one lower
temperature hold the others. With conduction, :math:`J = 2k\,(I_j^2-I_{j+1}^2)`, action leaves the hot site in both
directions alike, and dies away with the distance, since all sites dissipate. Example 2 of the paper (Dymov, section
4.4) carries action one way, :math:`J=-I_jI_{j+1}`, and around the whole ring.
"""

# %%
# Twelve sites, so that spins alternate around the ring; and rings of three, small enough for the density. Around an odd
# number of sites spins cannot alternate; a coupling of order :math:`\varepsilon` (:math:`a=1`) does not need it (Remark
# 2.5).

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sympy import Abs

from scaling_limits.particles import (
    DirectedDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
    Unresolved,
    action_currents,
)
from scaling_limits.pdes import TransportFokkerPlanck, density_currents

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 2048))
size = 12


def frequency(x):
    return 1 + x**2


def coupling(x):
    return 1 / (1 + x)


def conduction(u):
    return -0.1 * Abs(u()) ** 2 * u() + 0.1 * (Abs(u(1)) ** 2 + Abs(u(-1)) ** 2 - 2 * Abs(u()) ** 2) * u()


kinds = {"conduction": PolynomialDissipation(conduction), "example 2": DirectedDissipation()}


def ring(kind, temperature):
    return RotatorLattice(
        (len(temperature),), frequency, coupling, kinds[kind], temperature, 0.1, periodic=True, coupling_exponent=1.0
    )


# both ends of a bond that conducts lose action besides the flow, which is said of each lattice
warnings.filterwarnings("ignore", "(?s).*neither flow through bonds.*", Unresolved)

# %%
# Rings of three: mean flows by quadrature of the density, and by samples of the process. The last bond goes around the
# end.

for kind in kinds:
    lattice = ring(kind, [2.0, 0.5, 0.5])
    options = {"cells": 5, "degree": 3}
    if kind == "conduction":
        options = {"upper": 8.0, "cells": 7, "degree": 3, "wide": True}
    exact = density_currents(TransportFokkerPlanck(lattice, **options))
    samples = TransportProcess(lattice).sample(np.sqrt(2 * exact.actions), [8.0, 10.0, 12.0, 14.0], runs, seed=1)
    mean = action_currents(lattice).mean(samples)
    print(f"{kind}, three sites: bonds {lattice.region.bonds.tolist()}")
    print(f"  by the density {exact.flow.round(4)} +- {exact.flow_error.max():.0e}")
    print(f"  by samples     {mean.flow.round(4)} +- {mean.flow_error.round(4)}")
    assert (np.abs(mean.flow - exact.flow) < 5 * np.hypot(mean.flow_error, exact.flow_error)).all()

# %%
# Twelve sites. What leaves the hot site is what others take up: each site balances, :math:`E R_j+T_j=0`.

temperature = np.where(np.arange(size) == 3, 3.0, 0.5)
means = {}
for kind in kinds:
    lattice = ring(kind, temperature)
    samples = TransportProcess(lattice).sample(np.ones(size), [12.0, 14.0, 16.0, 18.0], runs, seed=2)
    means[kind] = action_currents(lattice).mean(samples)
    print(f"{kind}: {means[kind]}")
    assert means[kind].imbalance < 6

# the flow from each site to the next one: a bond may begin with the later site
around = {}
for kind, mean in means.items():
    around[kind] = np.empty((size, 2))
    for (j, k), flow, error in zip(mean.bonds, mean.flow, mean.flow_error):
        forward = (j + 1) % size == k
        around[kind][j if forward else k] = (flow if forward else -flow), error
conducted = around["conduction"]
# from site 3 on, and against the numbering: the same flows outwards
outwards, backwards = conducted[(3 + np.arange(6)) % size], conducted[(2 - np.arange(6)) % size]
print(f"conduction, outwards by bonds: {outwards[:, 0].round(3)} and {(-backwards[:, 0]).round(3)}")
assert (np.abs(outwards[:, 0] + backwards[:, 0]) < 5 * np.hypot(outwards[:, 1], backwards[:, 1])).all()
assert (around["example 2"][:, 0] < 0).all()

# %%
# The currents as arrows.

figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
for axis, (kind, mean) in zip(axes, means.items()):
    mean.plot(axis)
    axis.set_title(f"{kind}\n{axis.get_title()}", fontsize="medium")
plt.show()
