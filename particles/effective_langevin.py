"""Particles of the effective equation: dX = b(X) dt + B(X) dW with noise that depends on the position."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from . import _checks
from ._normal_tiles import PAIRS, TILE, fill_tile
from ._philox import Purpose, key_words
from .errors import InvalidArgument
from .paths import Paths, Unstable, checked_start, even_steps, longest_step, over_tiles
from .workers import Stop

Field = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class EffectiveLangevin:
    """dX = b(X) dt + B(X) dW in a box, Ito; with b = -M grad Psi + sigma div M and B = sqrt(2 sigma M) this is
    Klimontovich's (kinetic) reading of dX = -M grad Psi dt + sqrt(2 sigma M) dW, whose equilibrium is exp(-Psi/sigma).

    Args:
        drift: b, from points (P, d) to values (P, d).
        noise: B, from points (P, d) to values (P, d, d).
        bounds: of the box (d, 2); paths are reflected at its walls (which is of first order only, and right for the
            equation without flux where M has no entries off the diagonal: take a box that paths hardly fill).
        periodic: for each direction whether there are no walls.

    Raises:
        InvalidArgument: bounds or periods of a wrong shape.

    Source: Duncan, Duong and Pavliotis (2023), equation (18); the scheme: Kloeden and Platen, Numerical Solution of
    Stochastic Differential Equations, section 15.1, (1.3).
    """

    drift: Field
    noise: Field
    bounds: Any = field(repr=False)
    periodic: Any = field(repr=False)
    weak_order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        bounds = _checks.real_array("bounds", self.bounds)
        if bounds.ndim != 2 or bounds.shape[1] != 2 or (bounds[:, 0] >= bounds[:, 1]).any():
            raise InvalidArgument("bounds", f"must be a pair (a, b), a < b, for each direction, not {self.bounds!r}")
        if len(self.periodic) != len(bounds):
            raise InvalidArgument("periodic", f"must be given for each of {len(bounds)} directions")
        object.__setattr__(self, "bounds", bounds)
        object.__setattr__(self, "periodic", np.array(self.periodic, dtype=bool))

    @property
    def dim(self) -> int:
        """D."""
        return len(self.bounds)

    def step(self, x: np.ndarray, z: np.ndarray, signs: np.ndarray, h: float) -> np.ndarray:
        """One step of weak order 2, before reflection.

        Args:
            x: positions (P, d).
            z: standard normal numbers (P, d).
            signs: for each pair of noises i < j a number +-1 (P, d (d - 1)/2).
            h: step.
        """
        root, w = math.sqrt(h), math.sqrt(h) * z
        b, noise = self.drift(self._within(x)), self.noise(self._within(x))
        ahead = self._within(x + h * b + np.einsum("pij,pj->pi", noise, w))
        new = x + 0.5 * h * (b + self.drift(ahead)) + 0.5 * np.einsum("pij,pj->pi", noise, w)
        pairs = self._pairs(signs, h)
        for j in range(self.dim):
            own = [self.noise(self._within(x + h * b + side * root * noise[:, :, j]))[:, :, j] for side in (1, -1)]
            new += 0.25 * (own[0] + own[1]) * w[:, j, None]
            new += 0.25 * (own[0] - own[1]) * ((w[:, j] ** 2 - h) / root)[:, None]
        for r in range(self.dim if self.dim > 1 else 0):
            beside = [self.noise(self._within(x + side * root * noise[:, :, r])) for side in (1, -1)]
            for j in range(self.dim):
                if j != r:
                    mean = beside[0][:, :, j] + beside[1][:, :, j] - 2.0 * noise[:, :, j]
                    difference = beside[0][:, :, j] - beside[1][:, :, j]
                    new += 0.25 * mean * w[:, j, None]
                    new += 0.25 * difference * ((w[:, j] * w[:, r] + pairs[:, r, j]) / root)[:, None]
        return new

    def _pairs(self, signs: np.ndarray, h: float) -> np.ndarray:
        """V_rj = -V_jr = +-h."""
        pairs = np.zeros((len(signs), self.dim, self.dim))
        upper = np.triu_indices(self.dim, 1)
        pairs[:, upper[0], upper[1]] = h * signs
        return pairs - pairs.swapaxes(1, 2)

    def _within(self, x: np.ndarray) -> np.ndarray:
        """Positions in the box: periods are taken off, and what is beyond a wall is reflected."""
        low, high = self.bounds.T
        length = high - low
        around = np.mod(x - low, np.where(self.periodic, length, 2 * length))
        return low + np.where(~self.periodic & (around > length), 2 * length - around, around)

    def sample(
        self,
        initial: Any,
        times: Any,
        paths: int,
        seed: int,
        step: float,
        *,
        workers: int | None = None,
        progress: bool = False,
        comm: Any = None,
    ) -> Paths:
        """X at times, by Platen's scheme of weak order 2.

        Args:
            initial: X(0) in the box, of all paths (d,) or of each (paths, d).
            times: snapshots (T,), not negative, not decreasing.
            paths: number of independent paths P.
            seed: of the random numbers; a path has the same ones whatever the number of paths, threads and ranks.
            step: largest time step.
            workers: threads; None takes the cores that this process may use.
            progress: show a progress bar, at a terminal, on rank 0.
            comm: an mpi4py communicator whose ranks share the paths; all get the whole result.

        Returns:
            The positions (T, P, d), in the box.

        Raises:
            InvalidArgument: an argument out of range, or a start outside of the box.
            Unstable: a position is not finite; take a smaller step.
        """
        start = checked_start(initial, paths, self.dim)
        number = len(start)
        if ((start < self.bounds[:, 0]) | (start > self.bounds[:, 1])).any():
            raise InvalidArgument("initial", f"must be in the box {self.bounds.tolist()}")
        snapshots, h = _checks.times(times), _checks.number("step", step, above=0.0)
        keys = key_words(_checks.seed(seed))
        spans, steps = even_steps(snapshots, h)

        def tile(index: int, stop: Stop) -> np.ndarray:
            members = slice(index * TILE, min((index + 1) * TILE, number))
            x, first = start[members].copy(), 0
            result = np.empty((len(snapshots), *x.shape))
            for k, (span, count) in enumerate(zip(spans, steps)):
                for n in range(first, first + count):
                    stop.check()
                    z, signs = self._numbers(n, index, len(x), keys)
                    x = self.step(x, z, signs, span / count)
                    Unstable.check(x, h)
                    x = self._within(x)
                first += count
                result[k] = x
            return result

        positions = np.concatenate(over_tiles(tile, number, workers, progress, comm), axis=1)
        return Paths(snapshots, positions, longest_step(spans, steps) or h, int(seed))

    def _numbers(
        self, step: int, tile: int, count: int, keys: tuple[np.uint64, np.uint64]
    ) -> tuple[np.ndarray, np.ndarray]:
        work = np.empty(PAIRS), np.empty(PAIRS)
        z, extra = np.empty((self.dim, TILE)), np.empty((self.dim * (self.dim - 1) // 2, TILE))
        for i in range(len(z)):
            fill_tile(z[i], step, i, tile, np.uint64(Purpose.EFFECTIVE_LANGEVIN), *keys, *work)
        for i in range(len(extra)):
            fill_tile(extra[i], step, i, tile, np.uint64(Purpose.SIGNS), *keys, *work)
        return z[:, :count].T, np.where(extra[:, :count] > 0, 1.0, -1.0).T
