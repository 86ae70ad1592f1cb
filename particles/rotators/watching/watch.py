"""What to watch during a simulation, and the arrays of one tile of members in which it is gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...sampling.philox import Purpose
from ...showing.described import Described
from ...support import checks
from ..dissipations.kernels import LANES
from ..region import LatticeRegion
from .kernels import observe

# sites of lattices whose weighted norms are watched: each looks at all others
MOST_SITES = 2048
MOST_LEVELS = 64


@dataclass(frozen=True, eq=False, repr=False)
class PathWatch(Described):
    """What is watched of every step of a path, and not only at snapshots: nothing of the paths is kept for it.

        sup I_j(s),   int I_j(s) ds,   int 1(I_j(s) < delta) ds,   sup ||u(s)||_{j,q},
        ||u||_{j,q}^q = sum_k gamma^|k-j| |u_k|^q,

    over the slow times s between one snapshot and the next. Suprema and integrals of the actions are always watched.

    Args:
        below: levels delta > 0 (L,), actions.
        decay: gamma in (0, 1], of the norm; None does not watch it.
        power: q >= 1, of the norm.

    Raises:
        InvalidArgument: an argument out of range.

    Source: Dymov, (4.12), (4.32); Lemma 3.2 and section 3.1 for the norms.
    """

    below: Any = ()
    decay: float | None = None
    power: float = 2.0

    def __post_init__(self) -> None:
        levels = np.atleast_1d(checks.numbers("below", self.below))
        if levels.ndim != 1 or len(levels) > MOST_LEVELS or (levels <= 0).any():
            raise InvalidArgument("below", f"must be at most {MOST_LEVELS} positive actions, not {self.below!r}")
        object.__setattr__(self, "below", levels)
        object.__setattr__(self, "power", checks.number("power", self.power, least=1.0))
        if self.decay is not None:
            decay = checks.number("decay", self.decay, above=0.0)
            if decay > 1:
                raise InvalidArgument("decay", f"must be at most 1, not {decay:g}")
            object.__setattr__(self, "decay", decay)

    def weights(self, region: LatticeRegion) -> NDArray[np.float64]:
        """gamma^|k-j| (N, N), or (0, N) where the norms are not watched.

        Raises:
            InvalidArgument: too many sites.
        """
        if self.decay is None:
            return np.empty((0, region.size))
        if region.size > MOST_SITES:
            raise InvalidArgument("decay", f"norms are watched of at most {MOST_SITES} sites, not of {region.size}")
        return np.asarray(self.decay ** region.distances())

    def identity(self) -> tuple[Any, ...]:
        """What tells it from others."""
        return tuple(self.below.tolist()), self.decay, self.power


@dataclass(frozen=True)
class Watcher:
    """Watches the members of a sample, tile by tile.

    Args:
        watch: what is watched.
        weights: of its norms.
        temperature: T_j (N,).
        lengths: slow times (T,) of a step before each snapshot.
        counts: numbers of steps (T,).
        between: steps between two noises.
        halved: whether the first and the last noise before a snapshot act for half as long.
        keys: of the random numbers.
    """

    watch: PathWatch
    weights: NDArray[np.float64]
    temperature: NDArray[np.float64]
    lengths: NDArray[np.float64]
    counts: NDArray[np.int64]
    between: int
    halved: bool
    keys: tuple[np.uint64, np.uint64]

    def tile(self) -> WatchedTile:
        """The arrays of a tile."""
        return WatchedTile(self)


class WatchedTile:
    """What is found of one tile of members, between one snapshot and the next."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        watch, sites = watcher.watch, len(watcher.temperature)
        top, high, last, integral = np.zeros((4, sites, LANES))
        below, norms = np.zeros((len(watch.below), sites, LANES)), np.zeros((len(watcher.weights), LANES))
        self._state = top, high, last, integral, below, watch.below, norms, watcher.weights, watch.power

    def begin(self, x: np.ndarray, y: np.ndarray, k: int) -> None:
        """Forget what was, and look at the amplitudes (N, LANES) from which the way to snapshot k begins."""
        top, high, last, integral, below, _, norms, _, _ = self._state
        for array in (top, high, integral, below, norms):
            array[:] = 0.0
        last[:] = np.sqrt(x * x + y * y)
        observe(x, y, 0.5 * float(self._watcher.lengths[k]), self._state)

    def arguments(self, k: int, noise_step: int, member: int) -> tuple[Any, ...]:
        """What a watched stepper takes for steps to snapshot k; noise_step: noises used before that way."""
        one = self._watcher
        clock = float(one.lengths[k]), int(one.counts[k]), one.between, one.halved, noise_step
        return clock, (one.temperature, member, np.uint64(Purpose.BRIDGES), *one.keys), self._state

    def found(self, members: int) -> tuple[NDArray[np.float64], ...]:
        """Suprema at steps and of bridges, integrals, (members, N); times below (members, N, L); norms (members, M)."""
        top, high, _, integral, below, _, norms, _, power = self._state
        steps = 0.5 * top
        parts = steps, np.maximum(steps, 0.5 * high**2), integral, below, norms ** (1.0 / power)
        # the members first, and the levels last
        return tuple(part.T[:members].copy() for part in parts)
