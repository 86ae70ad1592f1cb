r"""
Rotators between a hot and a cold end: two coupled actions, and a chain
=======================================================================

Neighbouring rotators of a lattice turn in opposite directions, fast; a potential of order :math:`\sqrt\varepsilon`
couples them, and thermostats and dissipation of order :math:`\varepsilon` act on each,

.. math:: \dot u_j = \pm i f(|u_j|^2) u_j + i\sqrt\varepsilon \sum_{|k-j|=1} G'(|u_j-u_k|^2)(u_j-u_k)
          + \varepsilon g_j(u) + \sqrt{\varepsilon T_j}\,\dot\beta_j .

On times of order :math:`1/\varepsilon` the actions :math:`I_j=|u_j|^2/2` follow the transport equation

.. math:: dI_j = (R_j(I)+T_j)\,d\tau + \sqrt{2 I_j T_j}\,dB_j,\qquad R_j = \langle g_j(u)\cdot u_j\rangle,

which has forgotten the potential (Dymov, Theorem 2.2). With the dissipation of example 2 of section 4.4,
:math:`R_j = I_{j+1}I_j - I_{j-1}I_j - I_j^2`, it carries a flow of actions :math:`\Theta_j = 2I_{j+1}I_j`.
"""

# %%
# The model: a hot end, a cold end, temperatures between them.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from scaling_limits.particles import DirectedDissipation, RotatorLattice, TransportProcess
from scaling_limits.pdes import TransportFokkerPlanck
from scaling_limits.pdes.pictures import action_surface

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 8192))
size = int(os.environ.get("SCALING_LIMITS_SIZE", 32))
out = Path(os.environ.get("SCALING_LIMITS_OUT", "out"))
epsilon = 0.01


def frequency(x):
    return 1 + x**2


def coupling(x):
    return 1 / (1 + x)


def chain(size, hot=2.0, cold=0.5):
    temperature = np.linspace(hot, cold, size)
    return RotatorLattice((size,), frequency, coupling, DirectedDissipation(), temperature, epsilon)


# %%
# Two sites. The Fokker-Planck equation of their actions gives the stationary density, which is no product.

two = chain(2)
equation = TransportFokkerPlanck(two)
rho = equation.stationary()
print(f"E I = {np.round(rho.mean(), 5)}, covariance {rho.covariance()[0, 1]:.4f}")
print(f"slowest rates {np.round(equation.spectrum(3), 4)}")
assert np.abs(rho.mean() - [1.23647515, 0.29651006]).max() < 1e-6

out.mkdir(parents=True, exist_ok=True)
picture = action_surface(out / "rotators_density.png", rho)
plt.figure(figsize=(8, 6), layout="constrained")
if picture is not None:  # pyvista can draw here
    plt.imshow(plt.imread(picture))
plt.axis("off")
plt.show()

# %%
# The lattice at a small :math:`\varepsilon`, simulated from a single point until it is stationary, has the same
# marginals.

sample = two.sample(np.ones(2), [3.0], runs, seed=1)
print(
    f"{runs} runs of the lattice at epsilon = {epsilon}: {np.round(sample.mean[0], 4)}"
    f" +- {np.round(sample.standard_error[0], 4)}"
)
assert (np.abs(sample.mean[0] - rho.mean()) < 5 * sample.standard_error[0] + 2 * epsilon).all()

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
for j, axis in enumerate(axes):
    x = np.linspace(0, (4.5, 1.6)[j], 400)
    bars = {"bins": 60, "range": (0, x[-1]), "density": True, "color": "tab:orange", "alpha": 0.45}
    axis.hist(sample.actions[0, :, j], label=rf"lattice, $\varepsilon$ = {epsilon}", **bars)
    axis.plot(x, rho.marginal(j, x), color="tab:blue", label="Fokker-Planck equation")
    axis.set(xlabel=f"$I_{j + 1}$", ylabel="density", title=f"T = {two.temperature[j]:g}")
    axis.legend()
plt.show()

# %%
# A long chain: the profile of actions, and the flow through its bonds, by samples of the transport equation. In the
# stationary state each site balances: half the difference of flows is what its thermostat takes up,
# :math:`E I^2 - T`.

lattice = chain(size)
members = max(2048, runs // 2)
start = np.sqrt(lattice.temperature) + 0j
actions = TransportProcess(lattice).sample(start, [12.0, 14.0, 16.0], members, seed=2, step=0.05).actions
profile = actions.mean(axis=(0, 1))
flow = lattice.dissipation.flow(lattice.region, actions).mean(axis=(0, 1))
uptake = (actions**2).mean(axis=(0, 1)) - lattice.temperature
error = (actions**2).mean(axis=0).std(axis=0) / np.sqrt(members)
balance = 0.5 * np.diff(np.concatenate([[0.0], flow, [0.0]])) - uptake
print(
    f"{size} sites: E I from {profile[0]:.3f} to {profile[-1]:.3f}, flow from {flow[0]:.3f} to {flow[-1]:.3f}; "
    f"largest imbalance {np.abs(balance).max():.3f}"
)
assert (np.abs(balance) < 6 * error + 0.03).all()

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
sites = np.arange(1, size + 1)
axes[0].plot(sites, profile, "o-", markersize=3, label="E I")
axes[0].plot(sites, np.sqrt(2 * lattice.temperature / np.pi), "--", color="grey", label="without flow")
axes[0].set(xlabel="site j", ylabel="action", title="profile between hot and cold", ylim=(0, None))
axes[0].legend()
axes[1].plot(sites[:-1] + 0.5, flow, "o-", markersize=3, label=r"$E\,\Theta_j = 2E\,I_{j+1}I_j$")
axes[1].plot(sites, 2 * uptake, "s", markersize=3, color="tab:red", label=r"taken up: $2(E\,I_j^2 - T_j)$")
axes[1].set(xlabel="bond, site", title="flow of actions")
axes[1].legend()
plt.show()
