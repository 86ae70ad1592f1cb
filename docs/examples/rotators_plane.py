r"""
A plane of rotators with a hot corner: mean actions as colours, currents as arrows
==================================================================================

Actions on a square lattice exchange with their neighbours by conduction, :math:`J = 2k\,(I_j^2-I_k^2)`, dissipate
:math:`0.04 I_j^2` each, and are held by thermostats, of which those in one corner are hot. With 64 sites there is no
density to compute; samples of the transport process have the mean currents, with standard errors, and tell whether each
site balances:

.. math:: E R_j + T_j = \sum_{b\to j} E J_b - \sum_{j\to b} E J_b + E S_j + E r_j + T_j = 0.
"""

# %%
# A square of sites, with a hot corner.

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sympy import Abs

from scaling_limits.particles import (
    LatticeRegion,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
    Unresolved,
    action_currents,
)

runs = int(os.environ.get("SCALING_LIMITS_RUNS", 1024))
width, hot, cold, damping, k = 8, 3.0, 0.3, 0.01, 0.1


def frequency(x):
    return 1 + x**2


def coupling(x):
    return 1 / (1 + x)


region = LatticeRegion.box((width, width))


def of_site(place):
    """g of the site at a place, which exchanges with the neighbours that are there."""
    steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    near = [s for s in steps if all(0 <= p + d < width for p, d in zip(place, s))]
    return lambda u: -damping * Abs(u()) ** 2 * u() + k * sum(Abs(u(*s)) ** 2 - Abs(u()) ** 2 for s in near) * u()


dissipation = PolynomialDissipation([of_site(place) for place in region.sites])
temperature = np.where(region.sites.sum(axis=1) <= 2, hot, cold)
lattice = RotatorLattice((width, width), frequency, coupling, dissipation, temperature, 0.1)

# %%
# Its stationary state, and the currents. Both ends of a bond lose :math:`2k(I_j-I_k)^2` besides the flow: the residual.

# which is said of each lattice
warnings.filterwarnings("ignore", "(?s).*neither flow through bonds.*", Unresolved)
samples = TransportProcess(lattice).sample(2 * np.ones(lattice.size), [20.0, 24.0, 28.0], runs, seed=1)
currents = action_currents(lattice)
mean = currents.mean(samples)
production = currents.entropy_production(samples)
print(mean)
print(f"entropy production {production.rate:.3f} +- {production.error:.3f}, heats that are lost in all "
      f"{production.heat.sum():.1g} of {np.abs(production.heat).sum():.1f}")  # fmt: skip
assert mean.imbalance < 6
assert production.rate > 3 * production.error
# forces of conduction have a potential: what hot thermostats give, cold ones take up
assert abs(production.heat.sum()) < production.heat_error.sum()

# %%
# Each site's balance in units of its error: normal numbers; and what makes it up, along the diagonal.

score = mean.balance / mean.balance_error
print(f"balance of {lattice.size} sites: mean square {np.mean(score**2):.2f}, largest {np.abs(score).max():.1f} errors")
first, second = mean.bonds.T
flowing = np.zeros(lattice.size)
np.add.at(flowing, second, mean.flow)
np.add.at(flowing, first, -mean.flow)
parts = {"flows": flowing, "own dissipation": mean.local, "lost in bonds": mean.residual, "thermostat": temperature}
assert np.abs(sum(parts.values()) - mean.balance).max() < 1e-10

# %%
# Currents leave the hot corner and die away; far from it flows are next to nothing, and
# each thermostat gives what the bonds of its site lose and its own dissipation takes.

figure, axes = plt.subplots(1, 2, figsize=(11.5, 4.8), layout="constrained")
mean.plot(axes[0])
diagonal = np.flatnonzero(region.sites[:, 0] == region.sites[:, 1])
bottom = {sign: np.zeros(width) for sign in (-1, 1)}
for (name, values), colour in zip(parts.items(), ("tab:blue", "tab:orange", "tab:green", "tab:red")):
    heights = values[diagonal]
    for sign in (-1, 1):
        some = np.where(np.sign(heights) == sign, heights, 0.0)
        axes[1].bar(np.arange(width), some, bottom=bottom[sign], color=colour, label=name if sign < 0 else None)
        bottom[sign] += some
axes[1].axhline(0, color="k", linewidth=0.8)
axes[1].set(xlabel="site on the diagonal, from the hot corner", ylabel="action/slow time",
            title="what makes up the balance of a site")  # fmt: skip
axes[1].legend()
plt.show()
