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

Run it as ``python docs/examples/hot_cold_chain.py --out out``.
"""

# %%
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI

from scaling_limits.particles import DirectedDissipation, RotatorLattice, TransportProcess
from scaling_limits.pdes import TransportFokkerPlanck
from scaling_limits.pdes.pictures import action_surface

RANK = MPI.COMM_WORLD.rank


def say(text):
    if RANK == 0:
        print(text)


def frequency(x):
    return 1 + x**2


def coupling(x):
    return 1 / (1 + x)


def chain(size, epsilon, hot=2.0, cold=0.5):
    temperature = np.linspace(hot, cold, size)
    return RotatorLattice((size,), frequency, coupling, DirectedDissipation(), temperature, epsilon)


# %%
# Two sites. The Fokker-Planck equation of their actions gives the stationary density, which is no product; the lattice
# at a small epsilon, simulated from a single point until it is stationary, has the same marginals.


def two_actions(out, members, epsilon):
    lattice = chain(2, epsilon)
    equation = TransportFokkerPlanck(lattice)
    rho = equation.stationary()
    rates = equation.spectrum(3)
    say(f"two sites: E I = {np.round(rho.mean(), 5)}, covariance {rho.covariance()[0, 1]:.4f}")
    say(f"  slowest rates {np.round(rates, 4)}")
    sample = lattice.sample(np.ones(2), [3.0], members, seed=1, comm=MPI.COMM_WORLD)
    say(f"  {members} members of the lattice at epsilon = {epsilon}: {np.round(sample.mean[0], 4)}"
        f" +- {np.round(sample.standard_error[0], 4)}")  # fmt: skip
    assert np.abs(rho.mean() - [1.23647515, 0.29651006]).max() < 1e-6
    assert (np.abs(sample.mean[0] - rho.mean()) < 5 * sample.standard_error[0] + 2 * epsilon).all()
    if RANK == 0:
        action_surface(out / "rotators_density.png", rho)
        figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
        for j, ax in enumerate(axes):
            x = np.linspace(0, (4.5, 1.6)[j], 400)
            ax.hist(sample.actions[0, :, j], bins=60, range=(0, x[-1]), density=True, color="tab:orange", alpha=0.45,
                    label=rf"lattice, $\varepsilon$ = {epsilon}")  # fmt: skip
            ax.plot(x, rho.marginal(j, x), color="tab:blue", label="Fokker-Planck equation")
            ax.set(xlabel=f"$I_{j + 1}$", ylabel="density", title=f"T = {lattice.temperature[j]:g}")
            ax.legend()
        figure.savefig(out / "rotators_marginals.png", dpi=120)
        plt.close(figure)
    return rho, sample


# %%
# A long chain: the profile of actions, and the flow through its bonds, by samples of the transport equation. In the
# stationary state each site balances: half the difference of flows is what its thermostat takes up, E I^2 - T.


def long_chain(out, size, members):
    lattice = chain(size, 0.01)
    scale = np.sqrt(lattice.temperature) + 0j
    times = [12.0, 14.0, 16.0]
    sample = TransportProcess(lattice).sample(scale, times, members, seed=2, step=0.05, comm=MPI.COMM_WORLD)
    actions = sample.actions
    flow = lattice.dissipation.flow(lattice.region, actions).mean(axis=(0, 1))
    padded = np.concatenate([[0.0], flow, [0.0]])
    uptake = (actions**2).mean(axis=(0, 1)) - lattice.temperature
    error = (actions**2).mean(axis=0).std(axis=0) / np.sqrt(members)
    balance = 0.5 * np.diff(padded) - uptake
    say(f"{size} sites: E I from {actions.mean(axis=(0, 1))[0]:.3f} to {actions.mean(axis=(0, 1))[-1]:.3f},"
        f" flow from {flow[0]:.3f} to {flow[-1]:.3f}; largest imbalance {np.abs(balance).max():.3f}")  # fmt: skip
    assert (np.abs(balance) < 6 * error + 0.03).all()
    if RANK == 0:
        figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
        sites = np.arange(1, size + 1)
        axes[0].plot(sites, actions.mean(axis=(0, 1)), "o-", markersize=3, label="E I")
        axes[0].plot(sites, np.sqrt(2 * lattice.temperature / np.pi), "--", color="grey", label="without flow")
        axes[0].set(xlabel="site j", ylabel="action", title="profile between hot and cold", ylim=(0, None))
        axes[0].legend()
        axes[1].plot(sites[:-1] + 0.5, flow, "o-", markersize=3, label=r"$E\,\Theta_j = 2E\,I_{j+1}I_j$")
        axes[1].plot(sites, 2 * uptake, "s", markersize=3, color="tab:red", label=r"taken up: $2(E\,I_j^2 - T_j)$")
        axes[1].set(xlabel="bond, site", title="flow of actions")
        axes[1].legend()
        figure.savefig(out / "rotators_chain.png", dpi=120)
        plt.close(figure)
    return flow


def main(out, members=16_384, epsilon=0.01, size=32, chain_members=4096):
    out = Path(out)
    if RANK == 0:
        out.mkdir(parents=True, exist_ok=True)
    rho, sample = two_actions(out, members, epsilon)
    flow = long_chain(out, size, chain_members) if size else None
    return rho, sample, flow


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rotators between a hot and a cold end.")
    parser.add_argument("--out", default="out", help="folder for the pictures")
    parser.add_argument("--members", type=int, default=16_384, help="of the lattice of two sites")
    parser.add_argument("--epsilon", type=float, default=0.01)
    parser.add_argument("--size", type=int, default=32, help="sites of the long chain; 0 leaves it out")
    parser.add_argument("--chain-members", type=int, default=4096)
    main(**vars(parser.parse_args()))
