"""Initial data of the pinned-billiard equations on a mesh: interpolated where it resolves them, averaged where not.

At points between the nodes, no further apart than 1/65536 of the interval, the data are compared with what the mesh
makes of them: mu and w interpolated in a cell. Narrower features can go unseen. Where the data jump, or vary faster
than the cells, the nodes receive averages of mu and of E = (mu^2 + sigma^2)/2 over their control volumes, whose lengths
are the weights of the quadrature: momentum and energy are then those of the data, and w = E - mu^2/2 >= 0 by Jensen's
inequality. At a jump this is of first order.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.meshes.backend.quadrature import lagrange_basis, lobatto_points, lobatto_weights
from scaling_limits.particles import InvalidArgument, PinnedBalls
from scaling_limits.particles.pinned_balls.velocities import LARGEST, check_size, velocities
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support import checks
from scaling_limits.particles.support.checks import Profile, shown
from scaling_limits.particles.support.function_values import Unknown, key_of

from .compiled import scan
from .energy_norm import TINY

GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


@dataclass(frozen=True)
class ScanSettings:
    """How data are compared with their interpolant.

    Args:
        points: at which they are compared, at the least.
        at_once: points handed to a user's function in one call: their arrays stay in the cache, and below 128 kB, above
            which the system is asked for new memory each time.
        unresolved: error in a cell that does not resolve the data, as a part of their variation around it; a continuous
            interpolant errs by half of it at a jump.
        negligible: error that is rounding, as a part of the size of mu or sigma.
        averaged: error of averages at a jump over that of an interpolant, at most.
        wider: cells from which on a jump of mu is wide.
        finest: points in an unresolved cell.
        remembered: misfits.
        nodes_remembered: of a mesh, where the data are kept with a misfit.
    """

    points: int = 2**16
    at_once: int = 15_000
    unresolved: float = 0.4
    negligible: float = 1e-9
    averaged: float = 1.5
    wider: float = 2.0
    finest: int = 4096
    remembered: int = 16
    nodes_remembered: int = 2**14


SETTINGS = ScanSettings()


class Scan(NamedTuple):
    """What is seen of the data in some cells, in columns for mu (without the velocity of a frame) and sigma.

    integrals (m, 3) of mu, mu^2 and sigma^2; squares and sizes (m, 2), the integrals of the squared and of the absolute
    errors; low and high (m, 2), the least and the largest values; largest (m, 2), the largest errors.
    """

    integrals: np.ndarray
    squares: np.ndarray
    sizes: np.ndarray
    low: np.ndarray
    high: np.ndarray
    largest: np.ndarray


@dataclass(frozen=True)
class Misfit:
    """How far the interpolant of the data on a mesh is from the data.

    Args:
        smooth: in L2, relative to the sizes of mu and sigma, over the cells that resolve the data.
        jumps: in L1, likewise, over the other cells.
        sharp: in L2, likewise.
        cells: the numbers of those other cells.
        range_of_mean: half the difference between the largest and the least mu.
        largest_std: the largest sigma.
        heat: the part of w, an integral, that averages over nodes make of mu: over cells where mu does not jump, and
            where it does.
        width: of a cell.
        least_std: the least sigma.
        size_std: of sigma in L2; that of mu where sigma is 0.
        nodal: what `InitialData.projected` has made of the data at all nodes, once it has; kept with the misfit while
            the functions read the same values.
    """

    smooth: float
    jumps: float
    sharp: float
    cells: NDArray[np.int64]
    range_of_mean: float
    largest_std: float
    heat: tuple[float, float]
    width: float
    least_std: float
    size_std: float
    nodal: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list, repr=False, compare=False)

    def after(self, times: ArrayLike) -> NDArray[np.float64]:
        """The error in L2 that is left of it at times (T,): the heat kernel takes e to at most |e|_1/(8 pi t)^(1/4).

        What averages add to w is e >= 0, and |sqrt(2 w + 2 e) - sqrt(2 w)| is at most sqrt(2 e) and e/sigma. Where mu
        jumps, the equations make as much of it as soon as the jump is wider than the cells.
        """
        if not self.jumps:
            return np.asarray(self.smooth)
        times = np.asarray(times, dtype=float)
        with np.errstate(divide="ignore", over="ignore"):
            spread = 1.0 / (8.0 * np.pi * times) ** 0.25
            heat = self.heat[0] + np.where(times < (SETTINGS.wider * self.width) ** 2, self.heat[1], 0.0)
            added = np.minimum(np.sqrt(2.0 * heat), heat * np.minimum(spread, LARGEST) / (self.least_std + TINY))
        left = np.minimum(SETTINGS.averaged * self.sharp, self.jumps * spread)
        return np.asarray(self.smooth + left + added / self.size_std)


def _over_neighbours(values: np.ndarray, pick: np.ufunc) -> np.ndarray:
    """Return the largest or least of the values (C, K) of each cell and its two neighbours."""
    result = values.copy()
    pick(result[:-1], values[1:], out=result[:-1])
    pick(result[1:], values[:-1], out=result[1:])
    return result


def _heat(integrals: np.ndarray, cells: int, degree: int) -> np.ndarray:
    """How much of mu averages over the volumes of the nodes turn into w, an integral over each cell (C,).

    It is half of the variance of mu in each volume: of that in the cell, the part that the largest volume has of it,
    where mu is a step, and less where it is straight.

    Args:
        integrals: over the cells, of mu in a frame and mu^2 (C, 2 or more).
        cells: number of equal cells.
        degree: of the elements.
    """
    variance = np.maximum(integrals[:, 1] * cells - (integrals[:, 0] * cells) ** 2, 0.0)
    weights = lobatto_weights(degree)
    # volumes of nodes at the ends of a cell go on in the next one
    largest = max(2.0 * weights[0], weights.max())
    return np.asarray(0.5 * largest * variance / cells)


@functools.lru_cache(maxsize=8)
def _places(degree: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a cell is looked at, its nodes first (p+1+P,), and the polynomials of the nodes at the others (p+1, P)."""
    j = np.arange(points)
    inside = (j + (0.5 + j * GOLDEN) % 1.0) / points
    return np.concatenate([lobatto_points(degree), inside]), lagrange_basis(degree, inside).T.copy()


@dataclass(frozen=True)
class InitialData:
    """mu0 and sigma0, functions from points (P,) of [0, 1] to velocities (P,)."""

    mean: Profile
    std: Profile
    _known: dict[Hashable, Misfit] = field(default_factory=dict, repr=False, compare=False)

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu0, sigma0) at points of this rank, checked."""
        return velocities(self.mean, self.std, x, whole=False)

    def misfit(self, cells: int, degree: int, comm: MPI.Comm) -> Misfit:
        """Compare the data with their interpolant on a mesh; collective, each rank looks at its share of the cells.

        What has been found for functions that still read the same values is not looked for again.

        Args:
            cells: number of equal cells.
            degree: of the elements.
            comm: the ranks.
        """
        key = self._key(cells, degree)
        if not comm.allreduce(key in self._known, MPI.LAND):
            misfit = self._misfit(cells, degree, comm)
            if key is None:
                return misfit
            if len(self._known) >= SETTINGS.remembered:
                self._known.clear()
            self._known[key] = misfit
        return self._known[key]

    def _key(self, cells: int, degree: int) -> Hashable:
        """What a misfit depends on; None where it cannot be told what the functions read."""
        try:
            return key_of(self.mean), key_of(self.std), cells, degree
        except Unknown:
            return None

    def _misfit(self, cells: int, degree: int, comm: MPI.Comm) -> Misfit:
        mine = range(cells * comm.rank // comm.size, cells * (comm.rank + 1) // comm.size)
        middle = np.array([0.5])
        frame = comm.bcast(on_all_ranks(comm, lambda: float(checks.profile("mean", self.mean, middle)[0])))
        seen = on_all_ranks(comm, lambda: self._scanned(mine, cells, degree, frame))
        momentum, of_mean, of_std = comm.allreduce(seen.integrals.sum(0))
        sizes = np.sqrt([max(of_mean - momentum**2, 0.0) + of_std, of_std]) + TINY
        low, high = (np.concatenate(comm.allgather(part)) for part in (seen.low, seen.high))
        least, most = low.min(0), high.max(0)
        for k, (name, at_rest) in enumerate((("mean", frame), ("std", 0.0))):
            check_size(name, float(max(abs(most[k] + at_rest), abs(least[k] + at_rest))))
        variation = (_over_neighbours(high, np.maximum) - _over_neighbours(low, np.minimum))[mine.start : mine.stop]
        jumping = (seen.largest > SETTINGS.unresolved * variation) & (seen.largest > SETTINGS.negligible * sizes)
        everywhere = _over_neighbours(np.concatenate(comm.allgather(jumping.any(1))), np.logical_or)
        rough = everywhere[mine.start : mine.stop]
        wide = _over_neighbours(np.concatenate(comm.allgather(jumping[:, 0])), np.logical_or)[mine.start : mine.stop]
        warm = np.zeros(2)
        if rough.any():
            heat = _heat(seen.integrals, cells, degree)
            warm[:] = heat[rough & ~wide].sum(), heat[rough & wide].sum()
        parts = seen.squares[~rough], seen.sizes[rough], seen.squares[rough]
        smooth, jumps, sharp, warm = comm.allreduce(np.stack([*(part.sum(0) for part in parts), warm]))
        return Misfit(
            float(np.sum(np.sqrt(smooth) / sizes)),
            float(np.sum(jumps / sizes)),
            float(np.sum(np.sqrt(sharp) / sizes)),
            np.flatnonzero(everywhere),
            0.5 * float(most[0] - least[0]),
            float(most[1]),
            (float(warm[0]), float(warm[1])),
            1.0 / cells,
            float(least[1]),
            float(sizes[1] if of_std > 0 else sizes[0]),
        )

    def _scanned(self, mine: range, cells: int, degree: int, frame: float) -> Scan:
        found = self._seen(self._unchecked, mine, cells, degree, frame)
        most = LARGEST - abs(frame)
        if not (
            np.isfinite(found).all()
            and np.abs(found[:, 7:11]).max(initial=0.0) < most
            and found[:, 8].min(initial=0.0) >= 0.0
        ):
            # says what is wrong with them
            found = self._seen(self.at, mine, cells, degree, frame)
        found[:, :7] /= cells
        return Scan(*(found[:, first:end] for first, end in itertools.pairwise((0, 3, 5, 7, 9, 11, 13))))

    def _seen(
        self, values: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], mine: range, cells: int, degree: int,
        frame: float,
    ) -> np.ndarray:  # fmt: skip
        """What `scan.compare` finds of some cells, with values of the data at points (P,)."""
        places, basis = _places(degree, max(2 * degree + 3, math.ceil(SETTINGS.points / cells)))
        found = np.empty((len(mine), scan.COLUMNS))
        block = max(1, SETTINGS.at_once // places.size)
        for first in range(mine.start, mine.stop, block):
            here = found[first - mine.start :][:block]
            points = np.empty((len(here), places.size))
            scan.put_places(first, places, cells, points)
            mu, sigma = (v.reshape(points.shape) for v in values(points.ravel()))
            scan.compare(mu, sigma, basis, frame, here)
        return found

    def _unchecked(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `at`, at points that are not used again; what is not finite, too large or negative passes."""
        mu = checks.unseen_profile("mean", self.mean, x)
        sigma = checks.unseen_profile("std", self.std, x, nonnegative=True, lent=False)
        if np.may_share_memory(mu, sigma):
            # both functions give the same array, of which the first values are lost
            mu = np.full(x.size, np.nan)
        return mu, sigma

    def at_all_nodes(self, x: np.ndarray, cells: int, degree: int, misfit: Misfit) -> tuple[np.ndarray, np.ndarray]:
        """As `projected`, at all nodes of the mesh that a misfit has been found for; not to be written into."""
        if misfit.nodal:
            return misfit.nodal[0]
        values = self.projected(x, cells, degree, misfit.cells)
        if x.size <= SETTINGS.nodes_remembered:
            misfit.nodal.append(values)
        return values

    def projected(self, x: np.ndarray, cells: int, degree: int, rough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return nodal (mu, sigma) at nodes x (m,) of this rank: of the data, or averages next to unresolved cells.

        Args:
            x: nodes of the mesh.
            cells: number of equal cells.
            degree: of the elements.
            rough: numbers of the cells that do not resolve the data.
        """
        mu, sigma = self.at(x)
        if not rough.size:
            return mu, sigma
        weights = lobatto_weights(degree) / cells
        index = np.rint(x * (cells * degree)).astype(np.int64)
        place = np.full(cells * degree + 1, -1)
        place[index] = np.arange(x.size)
        mass = np.where(index % degree == 0, 2 * weights[0], weights[index % degree])
        mass[(index == 0) | (index == cells * degree)] = weights[0]
        frame = float(mu.mean()) if mu.size else 0.0
        sums = np.zeros((3, x.size))  # lengths, and integrals of mu and of E, over the unresolved parts of the volumes
        near = rough[np.isin(rough, np.concatenate([(index - 1) // degree, index // degree]))]
        for cell in near:
            nodes = place[cell * degree + np.arange(degree + 1)]
            here = nodes >= 0
            sums[:, nodes[here]] += self._integrals(int(cell), cells, degree, frame, near.size)[:, here]
        rest = np.maximum(mass - sums[0], 0.0)
        rest[rest < 1e-9 * mass] = 0.0
        averaged = (sums[1] + rest * (mu - frame)) / mass
        energy = (sums[2] + 0.5 * rest * ((mu - frame) ** 2 + sigma**2)) / mass
        touched = sums[0] > 0
        variance = np.maximum(2 * energy - averaged**2, 0.0)
        return np.where(touched, averaged + frame, mu), np.where(touched, np.sqrt(variance), sigma)

    def _integrals(self, cell: int, cells: int, degree: int, frame: float, among: int) -> np.ndarray:
        """Return lengths and integrals of mu - frame and its energy over the volumes (3, degree+1) in a cell."""
        weights = lobatto_weights(degree)
        points = int(np.clip(2**22 // max(among, 1) // (degree + 1), 16, SETTINGS.finest // (degree + 1) + 1))
        inside = (np.arange(points) + 0.5) / points
        starts = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
        x = (cell + starts[:, None] + weights[:, None] * inside) / cells
        mu, sigma = (v.reshape(x.shape) for v in self.at(np.minimum(x.ravel(), 1.0)))
        mu = mu - frame
        length = weights / cells
        return np.stack([length, length * mu.mean(1), 0.5 * length * (mu**2 + sigma**2).mean(1)])


def exchanging(balls: PinnedBalls) -> PinnedBalls:
    """Return balls that exchange energy, which have equations.

    Raises:
        InvalidArgument: they do not, or these are no balls.
    """
    if not isinstance(balls, PinnedBalls):
        raise InvalidArgument("balls", f"must be PinnedBalls, not {shown(balls)}")
    if not balls.energy_exchange:
        raise InvalidArgument("balls", "without exchange of energy the balls have no equations of this kind")
    return balls
