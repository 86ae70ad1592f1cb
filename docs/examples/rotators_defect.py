r"""
A lattice with a defect: what a rotator of the wrong spin does to its surroundings
==================================================================================

In a sheet of rotators with alternated spins one turns the wrong way: with its neighbours. The two are in resonance, the
potential of order :math:`\sqrt\varepsilon` acts between them on a time much shorter than that of the thermostats,
and their actions mix. Far enough away, on the sites :math:`\mathcal C_G` at a distance of at least 3 from the defect
and its neighbours, the transport equation holds as if nothing had happened (Dymov, section 7.2, Theorem 7.1).

Run it as ``python docs/examples/rotators_defect.py --out out``.
"""

# %%
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI

from scaling_limits.particles import DiagonalDissipation, LatticeRegion, RotatorLattice

RANK = MPI.COMM_WORLD.rank


def frequency(x):
    return 1 + x / 2


def coupling(x):
    return 3 / (1 + x)


# %%
# A checkerboard of hot and cold sites: hot ones turn to the left, cold ones to the right, but for one in the middle.
# Linear damping, so that each action relaxes to T/2 in the limit, whatever the others do.


def sheet(width, epsilon, defect=True):
    region = LatticeRegion.box((width, width))
    spins = region.parity.copy()
    middle = int(np.flatnonzero((region.sites == width // 2).all(axis=1))[0])
    if defect:
        spins[middle] *= -1
    temperature = np.where(region.parity > 0, 2.0, 0.5)
    lattice = RotatorLattice(
        (width, width), frequency, coupling, DiagonalDissipation(2), temperature, epsilon, spins=spins
    )  # fmt: skip
    return lattice, middle


def main(out, members=2048, width=9, epsilon=0.003, time=1.0):
    deviations = {}
    for name, defect in (("with", True), ("without", False)):
        lattice, middle = sheet(width, epsilon, defect)
        sample = lattice.sample(np.ones(lattice.size), [time], members, seed=4, comm=MPI.COMM_WORLD)
        limit = lattice.temperature / 2 + (0.5 - lattice.temperature / 2) * np.exp(-2 * time)
        deviations[name] = (sample.mean[0] - limit) / limit, sample.standard_error[0] / limit, lattice
    relative, error, lattice = deviations["with"]
    near = lattice.region.within(np.array([middle]), 1)
    good = lattice.good_sites
    if RANK == 0:
        print(f"relative deviation of E I from the limit, epsilon = {epsilon}:")
        print(f"  the defect {relative[middle]:+.2f}, with its neighbours up to {relative[near].max():+.2f}")
        print(f"  good sites at most {np.abs(relative[good]).max():.2f} (statistical error {error.mean():.2f})")
    assert (np.abs(relative[good]) < 5 * error[good] + 0.04).all()
    assert np.abs(relative[middle]) > 10 * error[middle]
    if RANK == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained", sharey=True)
        for ax, name in zip(axes, ("without", "with")):
            values = deviations[name][0].reshape(width, width)
            image = ax.imshow(values, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
            ax.set(title=f"{name} a defect", xticks=[], yticks=[])
        figure.colorbar(image, ax=axes, label="relative deviation of E I from the limit")
        marked = np.argwhere(lattice.good_sites.reshape(width, width))
        axes[1].plot(marked[:, 1], marked[:, 0], "k.", markersize=3)
        axes[1].set_xlabel("dots: sites where the limit holds")
        figure.savefig(out / "rotators_defect.png", dpi=120)
        plt.close(figure)
    return relative, error, lattice


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A lattice of rotators with a defect.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    parser.add_argument("--members", type=int, default=2048)
    main(**vars(parser.parse_args()))
