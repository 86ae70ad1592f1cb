"""Which sites turn like a neighbour: there the coupling does not average out, a resonance of the first order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_bipartite_matching

from ..region import LatticeRegion


def resonant_sites(region: LatticeRegion, directions: np.ndarray) -> NDArray[np.bool_]:
    """Sites without which all neighbours turn in opposite directions (N,).

    The denominators f_j - f_k of (6.6) are away from 0 on all bonds that are left, which is what section 7.2 needs of
    C_D. In each connected part these are the fewer of the two halves of it that would make the spins (-1)^|j| or
    -(-1)^|j|, or a least set of ends of the bonds whose sites turn alike, if that is smaller (it is where two parts of
    a chain alternate, each in its own way) or if there is no alternation (around an odd ring).

    Args:
        region: the sites.
        directions: 1, -1, or 0 for a site that may turn either way, which counts as resonant (N,).

    Source: Dymov, section 7.2.
    """
    undecided = directions == 0
    odd = any(n % 2 for n in region.periods)
    if not odd and (np.array_equal(directions, region.parity) or np.array_equal(directions, -region.parity)):
        return undecided
    flipped = undecided | _fewer(region, directions)
    ends = undecided | _ends_of(region, directions)
    bonds, parts = region.bonds, region.parts
    still = bonds[_alike(bonds, np.where(flipped, 0.0, directions))]
    count, size = (np.bincount(parts, chosen, minlength=parts.max() + 1) for chosen in (flipped, ends))
    by_ends = size < count
    by_ends[parts[still[:, 0]]] = True
    return np.where(by_ends[parts], ends, flipped)


def _fewer(region: LatticeRegion, directions: np.ndarray) -> np.ndarray:
    """In each part the sites (N,) that do not follow the parity of coordinates, up to its sign, as most of them do.

    Of as many on both sides the first site is in order.
    """
    wrong, right = directions == -region.parity, directions == region.parity
    parts, decided = region.parts, wrong | right
    excess = np.bincount(parts, wrong) - np.bincount(parts, right)
    part, first = np.unique(parts[decided], return_index=True)
    excess[part] += 0.5 * (wrong[decided][first] * 2.0 - 1.0)
    return (wrong != (excess > 0)[parts]) & decided


def _alike(bonds: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Whether both sites of each bond (B,) turn in one direction."""
    return directions[bonds[:, 0]] * directions[bonds[:, 1]] > 0


def _ends_of(region: LatticeRegion, directions: np.ndarray) -> np.ndarray:
    """A set of sites (N,) with an end of each bond whose sites turn alike: a least one where no period is odd."""
    chosen = np.zeros(region.size, dtype=bool)
    bonds = region.bonds[_alike(region.bonds, directions)]
    closing = region.parity[bonds[:, 0]] == region.parity[bonds[:, 1]]  # around an odd period
    chosen[bonds[closing, 0]] = True
    left = bonds[~chosen[bonds].any(axis=1)]
    chosen[_least_cover(region.size, np.where(region.parity[left[:, :1]] > 0, left, left[:, ::-1]))] = True
    return chosen


def _least_cover(size: int, pairs: np.ndarray) -> np.ndarray:
    """A least set of sites with one of each pair (B, 2) of an even and an odd site (Koenig, by a largest matching)."""
    if not len(pairs):
        return np.empty(0, dtype=np.int64)
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(size, size)).tocsr()
    partner = maximum_bipartite_matching(graph, perm_type="column")
    matched = np.flatnonzero(partner >= 0)
    even, source = np.unique(pairs[:, 0]), size
    alone = even[partner[even] < 0]
    # from the even sites that are alone, along pairs to odd ones and back along matched pairs
    tails = np.concatenate([pairs[:, 0], partner[matched], np.full(len(alone), source)])
    heads = np.concatenate([pairs[:, 1], matched, alone])
    walks = coo_array((np.ones(len(tails), dtype=np.int8), (tails, heads)), shape=(size + 1, size + 1)).tocsr()
    reached = np.zeros(size + 1, dtype=bool)
    reached[breadth_first_order(walks, source, return_predecessors=False)] = True
    odd = np.unique(pairs[:, 1])
    return np.concatenate([even[~reached[even]], odd[reached[odd]]])
