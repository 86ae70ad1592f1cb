r"""
A lattice with a defect: what a rotator of the wrong spin does to its surroundings
==================================================================================

In a sheet of rotators with alternated spins one turns the wrong way: with its neighbours. The two are in resonance, the
potential of order :math:`\sqrt\varepsilon` acts between them on a time much shorter than that of the thermostats,
and their actions mix. Far enough away, on the sites :math:`\mathcal C_G` at a distance of at least 3 from the defect
and its neighbours, the transport equation holds as if nothing had happened (Dymov, section 7.2, Theorem 7.1).
"""

# %%
# A checkerboard of hot and cold sites: hot ones turn to the left, cold ones to the right, but for one in the middle.
# Linear damping, so that each action relaxes to T/2 in the limit, whatever the others do.

import os

import matplotlib.pyplot as plt
import numpy as np

from scaling_limits.particles import DiagonalDissipation, LatticeRegion, RotatorLattice

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 2048))
width, epsilon, time = 9, 0.003, 1.0


def frequency(x):
    return 1 + x / 2


def coupling(x):
    return 3 / (1 + x)


region = LatticeRegion.box((width, width))
middle = int(np.flatnonzero((region.sites == width // 2).all(axis=1))[0])
temperature = np.where(region.parity > 0, 2.0, 0.5)
spins = region.parity.copy()
spins[middle] *= -1
lattices = {
    name: RotatorLattice(
        (width, width), frequency, coupling, DiagonalDissipation(2), temperature, epsilon, spins=chosen
    )
    for name, chosen in (("without", region.parity), ("with", spins))
}

# %%
# How far the mean actions are from their limit at :math:`\tau = 1`.

limit = temperature / 2 + (0.5 - temperature / 2) * np.exp(-2 * time)
samples = {name: one.sample(np.ones(one.size), [time], runs, seed=4) for name, one in lattices.items()}
deviations = {name: (sample.mean[0] - limit) / limit for name, sample in samples.items()}
relative, error, lattice = deviations["with"], samples["with"].standard_error[0] / limit, lattices["with"]
near, good = lattice.region.within(np.array([middle]), 1), lattice.good_sites
print(f"relative deviation of E I from the limit, epsilon = {epsilon}:")
print(f"  the defect {relative[middle]:+.2f}, with its neighbours up to {relative[near].max():+.2f}")
print(f"  good sites at most {np.abs(relative[good]).max():.2f} (statistical error {error.mean():.2f})")
assert (np.abs(relative[good]) < 5 * error[good] + 0.04).all()
assert np.abs(relative[middle]) > 10 * error[middle]

# %%
# Only the defect and its neighbours have left the limit.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained", sharey=True)
for axis, (name, values) in zip(axes, deviations.items()):
    image = axis.imshow(values.reshape(width, width), cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    axis.set(title=f"{name} a defect", xticks=[], yticks=[])
figure.colorbar(image, ax=axes, label="relative deviation of E I from the limit")
marked = np.argwhere(good.reshape(width, width))
axes[1].plot(marked[:, 1], marked[:, 0], "k.", markersize=3)
axes[1].set_xlabel("dots: sites where the limit holds")
plt.show()
