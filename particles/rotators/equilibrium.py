"""How large the actions of each site become: where what thermostats put in is what dissipation takes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dissipations.dissipation import Dissipation
from .region import LatticeRegion

# phases over which the work of the dissipation is averaged
PHASES = 256
# of amplitudes that are evaluated at once
AT_ONCE = 2_000_000
# factors of the action that thermostats would make with g = -|u|^(p-2) u
LEAST, LARGEST, FACTOR = 1e-4, 1e8, 2.0


def equilibrium_actions(
    dissipation: Dissipation, region: LatticeRegion, temperature: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Actions (N,) from which on R_j(I) + T_j < 0, within a factor 2; infinite for none.

    Each site is looked at by itself, among others at the actions (2 I_k)^(p/2) = T_k, and all of them together, hotter
    and hotter by the same factor, for the sum of R_j + T_j: neighbours that exchange fast may cool slowly together.
    The larger of both counts. R_j = <g_j . u_j> is an average over random phases.

    Args:
        dissipation: g.
        region: the sites.
        temperature: T_j (N,).
    """
    base = 0.5 * temperature ** (2.0 / dissipation.power)
    factors = LEAST * FACTOR ** np.arange(int(np.log(LARGEST / LEAST) / np.log(FACTOR)) + 1)
    alone, together = np.full(region.size, np.inf), np.inf
    parity = _apart(region)
    for factor in factors:
        if np.isinf(together) and (_work(dissipation, region, factor * base) + temperature).sum() < 0:
            together = factor
        # sites that do not act on one another are heated at once
        for part in parity:
            heated = np.where(part, factor * base, base)
            cooled = part & np.isinf(alone) & (_work(dissipation, region, heated) + temperature < 0)
            alone[cooled] = factor
        if np.isfinite(together) and np.isfinite(alone).all():
            break
    return np.maximum(alone, together) * base


def _apart(region: LatticeRegion) -> list[NDArray[np.bool_]]:
    """Sets of sites, of which no two are closer than three (g_j has neighbours): of a few colours, greedily."""
    colour = np.full(region.size, -1)
    near = region.neighbours
    for j in range(region.size):
        around = {int(colour[k]) for i in near[j] for k in (i, *near[i])}
        colour[j] = next(c for c in range(region.size + 1) if c not in around)
    return [colour == c for c in range(int(colour.max()) + 1)]


def _work(dissipation: Dissipation, region: LatticeRegion, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """R_j (N,) at actions (N,), by random phases, the same for all actions."""
    generator = np.random.Generator(np.random.Philox(key=region.size))
    rounds = int(np.clip(AT_ONCE // region.size, 8, PHASES))
    u = np.sqrt(2 * actions) * np.exp(2j * np.pi * generator.random((rounds, region.size)))
    with np.errstate(all="ignore"):
        work = (dissipation.at(region, u) * np.conj(u)).real.mean(axis=0)
    return np.asarray(np.nan_to_num(work, nan=np.inf, posinf=np.inf, neginf=-np.inf))
