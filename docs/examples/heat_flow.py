r"""
Fourier's law: flows of action through chains of growing length
===============================================================

Between a hot and a cold end a chain of rotators carries a flow of action from site to site,

.. math:: dI_j = (R_j(I)+T_j)\,d\tau + \sqrt{2 I_j T_j}\,dB_j,\qquad R_j = J_{j-1} - J_j + S_j(I_j) + r_j(I).

Fourier's law says that the flow is a conductivity times the gradient of the temperature,
:math:`E J = -\kappa\,\partial T`: twice the length, half the flow. It is asked here of two dissipations: conduction,
:math:`J = 2k\,(I_j^2-I_{j+1}^2)`, and example 2 of the paper (Dymov, section 4.4), whose flow :math:`J=-I_jI_{j+1}` has
a direction of its own.

The conductivity is found once more from rings, which have no ends: temperatures :math:`T+\delta\cos(2\pi j/N)` make
flows :math:`\kappa_N` times their gradient, and :math:`\kappa_N\to\kappa` for long waves. At the ends of a chain sites
have one neighbour instead of two, larger actions, and flows of their own: the conductivity over all bonds of a chain,
which is the default, has them in it.
"""

# %%
# Chains and rings of both kinds.

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
    conductivity_by_difference,
    conductivity_by_green_kubo,
)
from scaling_limits.pdes import TransportFokkerPlanck, density_conductivity

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 192))
longest = int(os.environ.get("SCALING_LIMITS_SIZE", 64))
lengths = [n for n in (8, 16, 32, 64) if n <= longest]


def frequency(x):
    return 1 + x**2


def coupling(x):
    return 1 / (1 + x)


def conduction(near, k=0.25):
    """g_j = -0.05 |u_j|^2 u_j + k sum (|u_i|^2 - |u_j|^2) u_j over the neighbours i = j + 1, j - 1 that are there."""
    return lambda u: -0.05 * Abs(u()) ** 2 * u() + k * sum(Abs(u(i)) ** 2 - Abs(u()) ** 2 for i in near) * u()


def rotators(kind, temperature, periodic):
    size = len(temperature)
    dissipation = DirectedDissipation()
    if kind == "conduction":
        of_sites = [conduction([i for i in (-1, 1) if periodic or 0 <= j + i < size]) for j in range(size)]
        dissipation = PolynomialDissipation(of_sites[1] if periodic else of_sites)
    return RotatorLattice((size,), frequency, coupling, dissipation, temperature, 0.1, periodic=periodic)


kinds = ("conduction", "example 2")
# both ends of a bond that conducts lose 2k (I_j - I_k)^2, which is no flow, and is said of each lattice
warnings.filterwarnings("ignore", "(?s).*neither flow through bonds.*", Unresolved)

# %%
# The flow between :math:`T = 1.2` and :math:`0.8`. The sum of :math:`I_j^2-I_{j+1}^2` over bonds is what its two ends
# make: a mean over the bonds with weights that begin and end smoothly has a smaller error. Thermostats act on all
# sites, so that it takes the same time to become stationary whatever the length.

gap, flows = 0.4, {}
for kind in kinds:
    for size in lengths:
        lattice = rotators(kind, np.linspace(1 + gap / 2, 1 - gap / 2, size), periodic=False)
        currents = action_currents(lattice)
        start = np.sqrt(2 * (1.3 if kind == "conduction" else 0.65) * np.sqrt(lattice.temperature))
        samples = TransportProcess(lattice).sample(start, [12.0, 14.0, 16.0, 18.0], runs, seed=1)
        weights = np.sin(np.pi * (np.arange(size - 1) + 0.5) / (size - 1)) ** 2
        of_members = np.mean([currents.flow(some) for some in samples.actions], axis=0) @ weights / weights.sum()
        flows[kind, size] = of_members.mean(), of_members.std(ddof=1) / np.sqrt(runs)
        imbalance = currents.mean(samples).imbalance
        print(f"{kind}, {size} sites: E J = {flows[kind, size][0]:.4f} +- {flows[kind, size][1]:.4f}; "
              f"sites balance to {imbalance:.1f} errors")  # fmt: skip
        assert imbalance < 6

# %%
# Rings at :math:`T = 1`: the answer to a wave of temperatures. Paths at temperatures that differ a little have the same
# noise, so that the error of their difference is much smaller than that of the flows.


def ring(kind, size):
    return rotators(kind, np.ones(size), periodic=True), np.cos(2 * np.pi * np.arange(size) / size)


found = {kind: {} for kind in kinds}
for kind in kinds:
    for size in (4, 8, 16, 32):
        if size <= longest:
            lattice, wave = ring(kind, size)
            found[kind][size] = conductivity_by_difference(lattice, runs, seed=2, profile=wave, difference=0.1)
    print(f"{kind}: {', '.join(f'N = {n}: {one.value:.4f} +- {one.error:.4f}' for n, one in found[kind].items())}")

# %%
# Two sites, where three routes know the conductivity: the density has it to six digits, a small difference to some
# percent, and so the time integral of Green and Kubo, which takes many more members.

integrals, exact = {}, {}
for kind in kinds:
    lattice = rotators(kind, np.ones(2), periodic=False)
    options = {"upper": 11.0, "cells": 20, "degree": 5, "wide": True} if kind == "conduction" else {}
    exact[kind] = density_conductivity(TransportFokkerPlanck(lattice, **options))
    integrals[kind] = conductivity_by_green_kubo(lattice, max(2 * runs, 256), seed=3)
    difference = conductivity_by_difference(lattice, 4 * runs, seed=4)
    print(f"{kind}, two sites: {exact[kind].value:.6f} +- {exact[kind].error:.0e} by the density, "
          f"{difference.value:.4f} +- {difference.error:.4f} by a difference, "
          f"{integrals[kind].value:.3f} +- {integrals[kind].error:.3f} by the integral")  # fmt: skip
    for one in (difference, integrals[kind]):
        assert abs(one.value - exact[kind].value) < 5 * one.error
# each site's balance gives it for conduction
assert abs(exact["conduction"].value - 0.5 / 1.2) < 1e-6

# %%
# A wave of temperatures that is short dies away by what sites dissipate by themselves: at :math:`q=2\pi/N`,
# :math:`1/\kappa_N\approx(1+\xi^2\,4\sin^2(q/2))/\kappa`, a line in :math:`4\sin^2(q/2)`, of which the longest two
# waves give :math:`\kappa`.

sizes = np.array(list(found["conduction"]))
values = np.array([[one.value, one.error] for one in found["conduction"].values()])
squares = 4 * np.sin(np.pi / sizes) ** 2
share = squares[-1] / (squares[-2] - squares[-1])
inverse = (1 + share) / values[-1, 0] - share / values[-2, 0]
kappa = 1 / inverse
relative = values[:, 1] / values[:, 0] ** 2
kappa_error = kappa**2 * np.hypot((1 + share) * relative[-1], share * relative[-2])
print(f"conduction: kappa = {kappa:.3f} +- {kappa_error:.3f} by rings of {sizes[-2]} and {sizes[-1]} sites")
scaled = np.array([[(n - 1) / gap * x for x in flows["conduction", n]] for n in lengths])
for n, (value, error) in zip(lengths, scaled):
    print(f"  a chain of {n} sites: E J (N - 1)/(T_1 - T_N) = {value:.3f} +- {error:.3f}")

# %%
# The flow of conduction is a difference of one function of the actions, and its law at one temperature is known,
# :math:`\pi\propto e^{-V/T}` with :math:`V = 0.1\sum I_j^2 + 2k\sum(I_j-I_{j+1})^2`. Long waves of temperature take
# each place through such laws, so that :math:`\kappa = 2k\,E I_j^2/T` of a long chain: the eigenvector of a transfer
# operator has it, without samples.

nodes, parts = np.polynomial.legendre.leggauss(60)
actions, parts = 4.5 * (nodes + 1), 4.5 * parts
transfer = np.exp(-0.05 * np.add.outer(actions**2, actions**2) - 0.5 * np.subtract.outer(actions, actions) ** 2)
vector = np.linalg.eigh(transfer * np.sqrt(np.outer(parts, parts)))[1][:, -1]
known = 0.5 * vector**2 @ actions**2
print(f"conduction: kappa = {known:.6f} by the transfer operator")
if longest >= 32:  # else the waves are short
    assert abs(kappa - known) < 5 * kappa_error
    assert (np.abs(scaled[1:, 0] - known) < 5 * scaled[1:, 1]).all()

# %%
# Conduction keeps Fourier's law to these errors: the flow falls like :math:`1/(N-1)`, with that conductivity. The
# flow of example 2 does not fall with the length: it is carried along, where temperatures are equal too.

figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
for kind, colour in zip(kinds, ("tab:red", "tab:blue")):
    of_kind = np.array([flows[kind, n] for n in lengths])
    axes[0].errorbar(lengths, np.abs(of_kind[:, 0]), 2 * of_kind[:, 1], fmt="o", capsize=3, color=colour, label=kind)
n = np.array([lengths[0], lengths[-1]])
axes[0].plot(n, known * gap / (n - 1), "k--", linewidth=1, label=r"$\kappa\,\Delta T/(N-1)$")
axes[0].set(xscale="log", yscale="log", xlabel="sites N of a chain", ylabel="|mean flow| (action/slow time)")
axes[0].legend()
axes[0].set_xticks(lengths, [str(n) for n in lengths])
for shift, name, where, one, marker in (
    (1.0, "rings, small difference", sizes, values, "ks"),
    (1.04, r"chains, $E J\,(N-1)/\Delta T$", np.array(lengths), scaled, "ro"),
):
    axes[1].errorbar(where * shift, one[:, 0], 2 * one[:, 1], fmt=marker, markersize=5, capsize=3, label=name)
axes[1].errorbar(80, kappa, 2 * kappa_error, fmt="kd", markersize=5, capsize=3, label="rings, to long waves")
axes[1].axhline(known, color="k", linestyle="--", linewidth=1, label="transfer operator")
axes[1].set(xscale="log", xlabel="sites N", ylabel="conductivity", title="conduction", ylim=(0, None))
axes[1].legend()
axes[1].set_xticks([4, *lengths], [str(n) for n in [4, *lengths]])
for axis in axes:
    axis.minorticks_off()
plt.show()

# %%
# How the integrals grow to the conductivity of two sites, with bands of two standard errors.

figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.6), layout="constrained")
for axis, (kind, integral) in zip(axes, integrals.items()):
    integral.plot(axis)
    axis.axhline(exact[kind].value, color="k", linestyle="--", linewidth=1)
    axis.set(title=f"{kind}, two sites; dashed: by the density", ylim=(0, None))
plt.show()
