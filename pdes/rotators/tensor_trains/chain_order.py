"""The sites of a region in the order of a chain, where it is one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.rotators.region import LatticeRegion

SAMPLES = "TransportProcess samples any region"


def chain_order(region: LatticeRegion) -> NDArray[np.int64]:
    """The numbers of the sites along the chain (N,): neighbours stand next to one another.

    A region of several parts is a chain if each of them is; the parts stand one after another.

    Args:
        region: the sites.

    Raises:
        InvalidArgument: a site with three neighbours or more, or a ring.
    """
    near = region.neighbours
    most = max(map(len, near))
    if most > 2:
        site = int(np.argmax([len(one) for one in near]))
        message = f"must be a chain for tensor trains, but site {site} has {most} neighbours; {SAMPLES}"
        raise InvalidArgument("lattice", message)
    order: list[int] = []
    seen = np.zeros(region.size, dtype=bool)
    for end in (j for j in range(region.size) if len(near[j]) < 2):
        site = -1 if seen[end] else end
        while site >= 0:
            seen[site] = True
            order.append(site)
            site = next((int(k) for k in near[site] if not seen[k]), -1)
    if len(order) < region.size:
        site = int(np.flatnonzero(~seen)[0])
        raise InvalidArgument("lattice", f"must be a chain for tensor trains, but site {site} is on a ring; {SAMPLES}")
    return np.array(order, dtype=np.int64)
