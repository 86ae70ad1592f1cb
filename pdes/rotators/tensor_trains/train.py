"""A density w u of the actions of a chain: a tensor train and the polynomials of its sites, as arrays and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .site_basis import SiteBasis
from .tensor_algebra import Contractions

# points along each action at which densities are compared
LOOKED = 60


@dataclass(frozen=True, eq=False)
class Train:
    """u in polynomials of each action, in the order of the chain.

    Args:
        bases: of the sites.
        cores: (a, n, b) of each.
    """

    bases: Sequence[SiteBasis]
    cores: Sequence[np.ndarray]

    @cached_property
    def contractions(self) -> Contractions:
        """Of the cores."""
        return Contractions(self.cores)

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Of the tensor train (N - 1,)."""
        return np.array([len(core) for core in self.cores[1:]], dtype=np.int64)

    @property
    def numbers(self) -> np.ndarray:
        """All numbers of the cores, one after another."""
        return np.concatenate([core.ravel() for core in self.cores])

    @property
    def sites(self) -> np.ndarray:
        """What the polynomials of the sites are made of (N, M + 3): T, L, the end, and the coefficients c_m."""
        return np.array([[one.temperature, one.dilation, one.end, *one.own] for one in self.bases])

    @classmethod
    def of(cls, numbers: np.ndarray, sites: np.ndarray, ranks: NDArray[np.int64], functions: int) -> Train:
        """From `numbers`, `sites`, `ranks` and the number of polynomials.

        Raises:
            ValueError: they do not belong together.
        """
        bases = [SiteBasis(row[3:], float(row[0]), float(row[1]), functions, float(row[2])) for row in sites]
        ends = [1, *map(int, ranks), 1]
        shapes = [(a, functions, b) for a, b in pairwise(ends)]
        if len(shapes) != len(bases) or sum(map(np.prod, shapes)) != numbers.size:
            raise ValueError("a tensor train whose ranks are not those of its cores")
        places = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        return cls(bases, [part.reshape(shape) for part, shape in zip(np.split(numbers, places), shapes)])

    def marginal(self, places: Sequence[int], points: np.ndarray) -> np.ndarray:
        """The density (P,) of the actions of some sites of the chain, in increasing order, at points (P, K)."""
        result: np.ndarray = self.contractions.several(places)[None]
        for place, x in zip(places, points.T):
            basis = self.bases[place]
            inside = x <= basis.upper
            # beyond the end nothing is, and polynomials are large there
            near = np.where(inside, x, 0.0)
            row = basis.values(near)[0] * (inside * basis.weight(near))[:, None]
            result = np.einsum("pi...,pi->p...", np.broadcast_to(result, (len(x), *result.shape[1:])), row)
        return result


def density_change(fine: Train, coarse: Train) -> float:
    """The largest difference of the densities of one site, and of two neighbours, over the largest value of each."""
    result = 0.0
    for k, basis in enumerate(fine.bases):
        ends = basis.upper * (np.arange(LOOKED) + 0.5) / LOOKED
        result = max(result, _change(fine, coarse, [k], ends[:, None]))
        if k + 1 < len(fine.bases):
            other = fine.bases[k + 1].upper * (np.arange(LOOKED) + 0.5) / LOOKED
            pairs = np.stack(np.meshgrid(ends[::2], other[::2]), axis=-1).reshape(-1, 2)
            result = max(result, _change(fine, coarse, [k, k + 1], pairs))
    return result


def _change(fine: Train, coarse: Train, places: list[int], points: np.ndarray) -> float:
    density = fine.marginal(places, points)
    return float(np.abs(density - coarse.marginal(places, points)).max() / density.max())
