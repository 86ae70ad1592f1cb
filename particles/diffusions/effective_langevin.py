"""Particles of the effective equation: dX = b(X) dt + B(X) dW with noise that depends on the position."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument, Unstable
from ..sampling.noise import GAUSSIAN, Noise
from ..sampling.normal_tiles import PAIRS, TILE
from ..sampling.philox import Key, Purpose, key_words
from ..sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ..sampling.samples import different_starts, runs_or_paths
from ..sampling.spread import spread, told
from ..sampling.statistics.reduced_ensemble import ReducedEnsemble
from ..sampling.statistics.reduction import AskedStatistics
from ..sampling.statistics.request import EnsembleStatistics
from ..sampling.steps import check_bounded
from ..sampling.workers import Stop
from ..showing.described import Described
from ..support import checks
from .passages.effective_steps import EffectiveSteps
from .passages.first_passages import FirstPassages
from .passages.sampler import PassageSampler, even_limit
from .passages.targets import Functions, agreed_targets
from .paths import Advance, Paths, PathSampler, checked_start
from .reflection import Field, Walls

if TYPE_CHECKING:
    from mpi4py import MPI

# points at which a checkpoint knows drift and noise
AGREED = 64
# of a step of one path, for each entry of the noise
SECONDS = 6e-7


@dataclass(frozen=True)
class WatchSettings:
    """When steps are refused.

    Args:
        largest_step: in units of 1/rate, the rate at which the drift changes along a step, where paths start.
        largest_on_paths: the same wherever they come to.
        shortest_way: ways below this part of their root mean square tell nothing of the rate.
        few_paths: below this number the root mean square is not taken from the ways themselves.
        steps_between_looks: at the rate, after that many first steps which are all looked at.
    """

    largest_step: float = 1.0
    largest_on_paths: float = 1.5
    shortest_way: float = 0.3
    few_paths: int = 64
    steps_between_looks: int = 16


SETTINGS = WatchSettings()


class PlatenStep(NamedTuple):
    """A step before reflection.

    Args:
        new: positions after it (P, d).
        drift: b before it (P, d).
        noise: B before it (P, d, d).
        way: of a step of Euler's method (P, d).
        change: of b along that way (P, d).
    """

    new: NDArray[np.float64]
    drift: NDArray[np.float64]
    noise: NDArray[np.float64]
    way: NDArray[np.float64]
    change: NDArray[np.float64]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class EffectiveLangevin(Described):
    """Particles of the effective equation dX = b(X) dt + B(X) dW in a box, in the sense of Ito.

    With b = -M grad Psi + sigma div M and B = sqrt(2 sigma M) this is the kinetic (Klimontovich) reading of
    dX = -M grad Psi dt + sqrt(2 sigma M) dW, whose equilibrium is exp(-Psi/sigma).

    Args:
        drift: b, from points (P, d) to values (P, d).
        noise: B, from points (P, d) to values (P, d, d).
        box: pairs (a, b) (d, 2), which must be given; at its walls paths are reflected without flux, along M n, which
            is of weak order 1.
        periodic: for each direction, or for all, whether there are no walls.
        bounds: an older name of `box`.

    Raises:
        InvalidArgument: a box or periods of a wrong shape.

    Source: Duncan, Duong and Pavliotis (2023), equation (18); the scheme: Kloeden and Platen, Numerical Solution of
    Stochastic Differential Equations, section 15.1, (1.3); reflections: Bossy, Gobet and Talay (2004).
    """

    drift: Field
    noise: Field
    box: NDArray[np.float64] = field(repr=False)
    periodic: NDArray[np.bool_] = field(repr=False)
    weak_order: ClassVar[int] = 2

    def __init__(
        self, drift: Field, noise: Field, box: ArrayLike | None = None, periodic: ArrayLike = False,
        *, bounds: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        for name, function, shape in (("drift", drift, "(P, d)"), ("noise", noise, "(P, d, d)")):
            if not callable(function):
                text = f"must be a callable from points (P, d) to values {shape}, not {checks.shown(function)}"
                raise InvalidArgument(name, text)
        if box is not None and bounds is not None:
            raise InvalidArgument("bounds", "is an older name of box; give one of them, not both")
        if box is None and bounds is None:
            raise InvalidArgument("box", "must be given: a pair (a, b), a < b, for each direction, such as [(-3, 3)]")
        name, sides = ("bounds", bounds) if box is None else ("box", box)
        walls = checks.real_array(name, sides)
        if walls.ndim != 2 or walls.shape[1] != 2 or not len(walls) or (walls[:, 0] >= walls[:, 1]).any():
            raise InvalidArgument(name, f"must be a pair (a, b), a < b, for each direction, not {sides!r}")
        flags: Any = [periodic] * len(walls) if isinstance(periodic, bool | np.bool_) else periodic
        if not isinstance(flags, list | tuple | np.ndarray) or len(flags) != len(walls):
            raise InvalidArgument("periodic", f"must be given for each of {len(walls)} directions")
        periods = np.array([checks.flag("periodic", value) for value in flags])
        for name, value in {"drift": drift, "noise": noise, "box": walls, "periodic": periods}.items():
            object.__setattr__(self, name, value)

    bounds = property(attrgetter("box"), doc="An older name of `box`.")

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return len(self.box)

    @property
    def _walls(self) -> Walls:
        return Walls(self.box, self.periodic)

    def step(self, x: np.ndarray, z: np.ndarray, signs: np.ndarray, h: float) -> np.ndarray:
        """One step of weak order 2, before reflection.

        Args:
            x: positions (P, d).
            z: standard normal numbers (P, d).
            signs: for each pair of noises i < j a number +-1 (P, d (d - 1)/2).
            h: step.
        """
        return self._stepped(x, z, signs, h).new

    def _stepped(self, x: np.ndarray, z: np.ndarray, signs: np.ndarray, h: float) -> PlatenStep:
        root, w = math.sqrt(h), math.sqrt(h) * z
        here = self._walls.within(x)
        b, noise = self.drift(here), self.noise(here)
        ahead = self._walls.within(x + h * b + np.einsum("pij,pj->pi", noise, w))
        b_ahead = self.drift(ahead)
        new = x + 0.5 * h * (b + b_ahead) + 0.5 * np.einsum("pij,pj->pi", noise, w)
        pairs = self._pairs(signs, h)
        for j in range(self.dim):
            shifted = [self.noise(self._walls.within(x + h * b + side * root * noise[:, :, j])) for side in (1, -1)]
            plus, minus = shifted[0][:, :, j], shifted[1][:, :, j]
            new += 0.25 * (plus + minus) * w[:, j, None]
            new += 0.25 * (plus - minus) * ((w[:, j] ** 2 - h) / root)[:, None]
        for r in range(self.dim if self.dim > 1 else 0):
            plus, minus = (self.noise(self._walls.within(x + side * root * noise[:, :, r])) for side in (1, -1))
            for j in range(self.dim):
                if j != r:
                    second = plus[:, :, j] + minus[:, :, j] - 2.0 * noise[:, :, j]
                    difference = plus[:, :, j] - minus[:, :, j]
                    new += 0.25 * second * w[:, j, None]
                    new += 0.25 * difference * ((w[:, j] * w[:, r] + pairs[:, r, j]) / root)[:, None]
        return PlatenStep(new, b, noise, ahead - here, b_ahead - b)

    def _watched(self, x: np.ndarray, z: np.ndarray, signs: np.ndarray, h: float, n: int) -> PlatenStep:
        """The step with the number n, after a look at its rate, if it is time for one."""
        step = self._stepped(x, z, signs, h)
        if n < SETTINGS.steps_between_looks or n % SETTINGS.steps_between_looks == 0:
            self._check_rate(step, h, n)
        return step

    def _pairs(self, signs: np.ndarray, h: float) -> np.ndarray:
        """The two-point variables V_rj = -V_jr = +-h (P, d, d) of the scheme."""
        pairs = np.zeros((len(signs), self.dim, self.dim))
        upper = np.triu_indices(self.dim, 1)
        pairs[:, upper[0], upper[1]] = h * signs
        return pairs - pairs.swapaxes(1, 2)

    @overload
    def sample(
        self, initial: ArrayLike, times: ArrayLike, paths: int | None = None, seed: int | None = None,
        step: float | None = None, *, runs: int | None = None,
        noise: Noise = GAUSSIAN, statistics: None = None, checkpoint: None = None, workers: int | None = None,
        progress: bool = False, comm: MPI.Comm | None = None,
    ) -> Paths: ...  # fmt: skip

    @overload
    def sample(
        self, initial: ArrayLike, times: ArrayLike, paths: int | None = None, seed: int | None = None,
        step: float | None = None, *, runs: int | None = None,
        noise: Noise = GAUSSIAN, statistics: EnsembleStatistics, checkpoint: str | os.PathLike[str] | None = None,
        workers: int | None = None, progress: bool = False, comm: MPI.Comm | None = None,
    ) -> ReducedEnsemble: ...  # fmt: skip

    @ends_on_all_ranks
    def sample(
        self,
        initial: ArrayLike,
        times: ArrayLike,
        paths: int | None = None,
        seed: int | None = None,
        step: float | None = None,
        *,
        runs: int | None = None,
        noise: Noise = GAUSSIAN,
        statistics: EnsembleStatistics | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> Paths | ReducedEnsemble:
        """Positions X at times, by Platen's scheme of weak order 2, with reflections of weak order 1.

        The arguments are those of `Langevin.sample`, without the scheme; paths start in the box, and the largest time
        step must be given. `CubatureNoise()` keeps the orders; drift and noise take most of the time here, so it saves
        little. A checkpoint knows drift and noise by their code and by their values at points of the box; ranks compare
        them by values at some hundred points, so that what differs between these only is not seen.

        Returns:
            The positions (T, R, d), in the box; or their statistics.

        Raises:
            InvalidArgument: an argument out of range, a start outside of the box, or a step that is not stable there.
            Unstable: a position is not finite, or the drift changes too much in a step where paths have come to.

        Warns:
            LongRun: it takes more than ten minutes.
        """
        communicator(comm, optional=True)
        start, h, keys = on_all_ranks(comm, lambda: self._checked(initial, runs, paths, seed, step))
        snapshots = on_all_ranks(comm, lambda: checks.times(times))
        on_all_ranks(comm, lambda: checks.instance("noise", noise, Noise))
        some = different_starts(start)
        same_on_all_ranks(
            comm, initial=some, paths=len(start), times=snapshots, seed=seed, step=h, noise=repr(noise)
        )  # fmt: skip
        self._agree(comm, some)
        asked = AskedStatistics(statistics, checkpoint)
        asked.check(comm, "positions", some)

        def begin(index: int, x: np.ndarray, stop: Stop) -> Advance:
            x, walls = x.copy(), self._walls

            def advance(first: int, count: int, size: float) -> np.ndarray:
                for n in range(first, first + count):
                    stop.check()
                    new = self._watched(x, *self._numbers(noise, n, index, len(x), keys), size, n).new
                    check_bounded(new, h)
                    x[:] = walls.reflected(new, self.noise)
                    # a noise that is not finite at a wall
                    check_bounded(x, h)
                return x

            return advance

        sampler = PathSampler(start, snapshots, h, checks.seed(seed), begin, SECONDS * self.dim**2)
        if statistics is None:
            return sampler.sampled(workers, progress, comm)
        model = on_all_ranks(comm, lambda: self._model(asked, comm))
        return sampler.reduced(asked, model, noise, workers, progress, comm)

    def _model(self, asked: AskedStatistics, comm: MPI.Comm | None) -> dict[str, str]:
        """Texts by which files tell equations apart: drift and noise matrix, and their values at points in the box."""
        generator = np.random.Generator(np.random.Philox(key=AGREED))
        points = self.box[:, 0] + np.ptp(self.box, axis=1) * generator.random((AGREED, self.dim))
        values = {
            "drift": checks.called("drift", self.drift, points, points.shape),
            "matrix": checks.called("noise", self.noise, points, (*points.shape, self.dim)),
        }
        said = {name: hashlib.sha256(value.astype(float).tobytes()).hexdigest() for name, value in values.items()}
        said["drift"] += asked.digest(comm, "drift", self.drift)
        said["matrix"] += asked.digest(comm, "noise", self.noise)
        return said | {"box": repr(self.box.tolist()), "periodic": repr(self.periodic.tolist())}

    @ends_on_all_ranks
    def first_passages(
        self,
        initial: ArrayLike,
        targets: Functions,
        paths: int | None = None,
        seed: int | None = None,
        step: float | None = None,
        *,
        runs: int | None = None,
        limit: float = math.inf,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> FirstPassages:
        """When paths hit the first of several targets, and which one, by the scheme of `sample`.

        Targets, their orders and `limit` are those of `Langevin.first_passages`, with A = B B^T at x; the other
        arguments those of `sample`, whose random numbers it has. Targets may touch walls, or be parts of them: where a
        path meets a wall is looked at, too. In periodic directions levels must be periodic.

        Returns:
            T (R,), the numbers of the targets (R,), and what they tell.

        Raises:
            InvalidArgument: an argument out of range, a start outside of the box, or a step that is not stable there; a
                target that cannot be compiled, or whose level is not finite, or not periodic, where a path comes to.
            Unstable: a position is not finite, a step ends farther beyond a wall than the box is long, or the drift
                changes too much in a step where paths have come to.

        Warns:
            Unresolved: no path has hit a target before the limit.

        Source: Gobet, Stochastic Processes and their Applications 87 (2000) 167-197; with walls: `passages`.
        """
        communicator(comm, optional=True)
        start, largest, keys = on_all_ranks(comm, lambda: self._checked(initial, runs, paths, seed, step))
        h, steps = on_all_ranks(comm, lambda: even_limit(limit, largest))
        same_on_all_ranks(comm, initial=start, seed=seed, step=h, limit=limit)
        self._agree(comm, start)

        def move(x: np.ndarray, z: np.ndarray, signs: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
            moved = self._watched(x, z, signs, h, n)
            return moved.new, moved.noise

        kernel, sets = EffectiveSteps(move, self._walls, self.noise, keys), agreed_targets(targets, start, comm)
        # every step is looked at on its way
        sampler = PassageSampler(kernel, sets, start, h, steps, lambda x, number: None)
        return sampler.sampled(checks.seed(seed), limit, workers, progress, comm)

    def _checked(
        self, initial: ArrayLike, runs: int | None, paths: int | None, seed: int | None, step: float | None
    ) -> tuple[np.ndarray, float, Key]:
        """The starts, the largest step and the keys of the random numbers; drift and noise are tried."""
        start = checked_start(initial, runs_or_paths("paths", runs, paths), self.dim)
        some = different_starts(start)
        if ((some < self.box[:, 0]) | (some > self.box[:, 1])).any():
            raise InvalidArgument("initial", f"must be in the box {self.box.tolist()}")
        h, keys = checks.number("step", step, above=0.0), key_words(checks.seed(seed))
        checks.evaluated("drift", self.drift, start[:2], (self.dim,), broadcast=False)
        checks.evaluated("noise", self.noise, start[:2], (self.dim, self.dim), broadcast=False)
        checks.leaves_alone("drift", self.drift, start[:2])
        checks.leaves_alone("noise", self.noise, start[:2])
        return start, h, keys

    def _agree(self, comm: MPI.Comm | None, start: np.ndarray) -> None:
        """Refuse, on all ranks, equations that differ between them: in the box, or in values at some hundred points."""
        if comm is None or comm.size == 1:
            return
        points = spread(start, self.box)
        same_on_all_ranks(
            comm, box=self.box, periodic=self.periodic, drift=told(self.drift, points), noise=told(self.noise, points)
        )

    def _check_rate(self, step: PlatenStep, h: float, n: int) -> None:
        """Refuse a step in which the drift changes by more than the way that is gone, over h."""
        length, size = np.linalg.norm(step.way, axis=1), np.linalg.norm(step.change, axis=1)
        some = length > SETTINGS.shortest_way * self._usual_way(step, h)
        rate = float((size[some] / length[some]).max(initial=0.0))
        if h * rate > (SETTINGS.largest_step if n == 0 else SETTINGS.largest_on_paths):
            where = "where paths start" if n == 0 else "where a path has come to"
            text = (
                f"{h:.3g} is not stable: {where}, the drift has the rate {rate:.3g}, so take at most {0.2 / rate:.3g}"
            )
            raise InvalidArgument("step", text) if n == 0 else Unstable(f"the time step {text}.")

    def _usual_way(self, step: PlatenStep, h: float) -> float:
        """The root mean square of ways; of few paths, all of which may be short, as b, B and the box say it."""
        square = step.way**2
        if len(square) < SETTINGS.few_paths:
            square = h**2 * step.drift**2 + h * (step.noise**2).sum(axis=2)
            square = np.minimum(square, (np.ptp(self.box, axis=1) / 4) ** 2)
        return math.sqrt(square.sum(axis=1).mean())

    def _numbers(self, noise: Noise, step: int, tile: int, count: int, keys: Key) -> tuple[np.ndarray, np.ndarray]:
        work = np.empty(PAIRS), np.empty(PAIRS)
        purposes = [np.uint64(noise.purpose(p)) for p in (Purpose.EFFECTIVE_LANGEVIN, Purpose.SIGNS)]
        z, extra = np.empty((self.dim, TILE)), np.empty((self.dim * (self.dim - 1) // 2, TILE))
        for i in range(len(z)):
            noise.fill_tile(z[i], step, i, tile, purposes[0], *keys, *work)
        for i in range(len(extra)):
            noise.fill_tile(extra[i], step, i, tile, purposes[1], *keys, *work)
        return z[:, :count].T, np.where(extra[:, :count] > 0, 1.0, -1.0).T
