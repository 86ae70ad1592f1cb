"""Boxes around a window of a lattice, with the same noise at the same sites."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...support import checks
from ..dissipations.dissipation import DiagonalDissipation, DirectedDissipation, Dissipation, LinearDissipation
from ..dissipations.general import PolynomialDissipation
from ..lattice import RotatorLattice


def distance_from(lattice: RotatorLattice, window: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distance |k - Lambda| of each site from the window (N,)."""
    sites = lattice.region.sites
    nearest = np.full(len(sites), np.iinfo(np.int64).max)
    for j in window:
        np.minimum(nearest, np.abs(sites - sites[j]).sum(axis=1), out=nearest)
    return nearest


def checked_lattice(lattice: Any) -> RotatorLattice:
    """A lattice of which boxes can be cut out.

    Raises:
        InvalidArgument: another thing, a lattice with closed directions, or a dissipation that numbers its sites.
    """
    checks.instance("lattice", lattice, RotatorLattice)
    if lattice.region.periodic:
        raise InvalidArgument("lattice", "must be open; around a ring both ends of a box are at one place")
    if not _knows_offsets(lattice.dissipation):
        raise InvalidArgument(
            "lattice", f"its {type(lattice.dissipation).__name__} goes by the numbers of its sites, which boxes do not "
            "keep; write it as a PolynomialDissipation of one function for all sites"
        )  # fmt: skip
    return lattice


def _knows_offsets(dissipation: Dissipation) -> bool:
    """Whether g_j is said by the places of neighbours, the same for all sites."""
    if isinstance(dissipation, LinearDissipation):
        return bool(dissipation.b.ndim == 0)
    if isinstance(dissipation, PolynomialDissipation):
        return len(dissipation.monomials) == 1
    return isinstance(dissipation, DiagonalDissipation | DirectedDissipation)


def box_around(
    lattice: RotatorLattice, distance: NDArray[np.int64], margin: int
) -> tuple[RotatorLattice, NDArray[np.int64]]:
    """The lattice of the sites at most a margin away from the window, and their numbers.

    The sites are numbered from the window outwards. Noise goes by these numbers: a site has the same one in all boxes.

    Args:
        lattice: all sites.
        distance: from the window (N,).
        margin: of the box.
    """
    order = np.argsort(distance, kind="stable")
    order = order[: int((distance <= margin).sum())]
    frequency = lattice.frequency
    if not callable(frequency):
        frequency = [frequency[j] for j in order]
    part = replace(
        lattice, shape=None, sites=lattice.region.sites[order], frequency=frequency,
        temperature=lattice.temperature[order], spins=lattice.spins[order],
    )  # fmt: skip
    return part, order
