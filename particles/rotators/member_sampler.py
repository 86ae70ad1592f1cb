"""How rotators are sampled: checks that all ranks agree, tiles of members, slices between interrupts."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument, Unstable
from ..sampling.noise import GAUSSIAN, Noise, warn_of_points
from ..sampling.philox import key_words
from ..sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ..sampling.samples import different_starts, runs_or_paths, start_of_each
from ..sampling.statistics.growing import Runs
from ..sampling.statistics.reduced_ensemble import ReducedEnsemble
from ..sampling.statistics.reduction import AskedStatistics, Reduction
from ..sampling.statistics.request import EnsembleStatistics
from ..sampling.workers import Stop, over_tiles, thread_count, warn_if_long
from ..support import checks
from .dissipations.kernels import LANES
from .ensemble import ACTION, RotatorEnsemble, complex_amplitudes
from .region import LatticeRegion
from .slice_length import SliceLength
from .stationary.sample import StationarySample
from .stationary.sampler import Asked, stationary
from .step_size import ChosenStep
from .watching.watch import PathWatch, WatchedTile, Watcher
from .watching.watched import WatchedRotators

if TYPE_CHECKING:
    from mpi4py import MPI

LEAST_SECONDS = 2e-9  # of a step of a site of a member
LEAST_TOTAL = 0.5  # seconds; calls that fast steps would end sooner are not timed beforehand
TRIED = 10_000_000  # steps of sites and lanes whose time is taken: at most a tenth of a second or so
FAR_AWAY = 1e6  # amplitudes beyond it, in units of their scale, are taken for an instability
Keys = tuple[np.uint64, np.uint64]
Step = TypeVar("Step", bound=ChosenStep)


@dataclass(frozen=True)
class MemberSampler:
    """Takes all members through the snapshots, in tiles of LANES members that threads and ranks share.

    Args:
        start: u(0) (R, N).
        counts: the numbers of steps (T,) before each snapshot.
        noises: the numbers of noises (T,) that they use.
        advance: advance(x, y, k, first, some, noise_step, member, *watched) takes x + i y (N, LANES) in place through
            the steps first, .., first + some - 1 before snapshot k; noise_step: noises used before; member: the tile's
            first; watched: what a `watched_stepper` takes, nothing where nobody watches.
        step: size of the steps.
        block: steps after which all parts of the scheme have had their turn.
        scale: the size of amplitudes.
        remedy: what helps where a member leaves all bounds.
        watcher: looks at every step, or None.
    """

    start: NDArray[np.complex128]
    counts: NDArray[np.int64]
    noises: NDArray[np.int64]
    advance: Callable[..., None]
    step: float
    block: int
    scale: float
    remedy: str
    watcher: Watcher | None = None

    def sampled(self, workers: int | None, progress: bool, comm: MPI.Comm | None) -> list[NDArray[Any]]:
        """The amplitudes (T, R, N) of all members, tile by tile, in slices between which an interrupt is seen; and what
        was watched of each way to a snapshot, (T, R, ...).

        Args:
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the members, or None.
        """
        if self.counts.any():
            on_all_ranks(comm, lambda: self._begin(workers, comm))
        tiles = over_tiles(self._tile, len(self.start), workers, progress, comm, LANES)
        return [np.concatenate(parts, axis=1) for parts in zip(*tiles)]

    def _begin(self, workers: int | None, comm: MPI.Comm | None) -> None:
        """Compile, and warn of a call that will take very long, judged by the time of its first steps.

        Compiled here, in the main thread, so that Ctrl-C is heard meanwhile. Steps are not timed where even fast ones
        could not make the call long.
        """
        threads = thread_count(workers, comm)
        k, (members, sites) = int(self.counts.argmax()), self.start.shape
        x, y = np.zeros((2, sites, LANES))
        tile = None if self.watcher is None else self.watcher.tile()
        self._advance(tile, x, y, k, 1, 0, 0, 0)
        if float(self.counts.sum()) * sites * members * LEAST_SECONDS < LEAST_TOTAL:
            return
        x[:], y[:] = self.start[0].real[:, None], self.start[0].imag[:, None]
        tried = min(self.block, int(self.counts[k]), max(1, TRIED // (sites * LANES)))
        begun = time.perf_counter()
        self._advance(tile, x, y, k, int(tried + 1 < self.block), tried, 0, 0)
        seconds = (time.perf_counter() - begun) * float(self.counts.sum()) / tried * -(-members // LANES)
        what = f"{float(self.counts.sum()):.2g} steps of {self.step:.2g} of {members} members of {sites} sites"
        warn_if_long(what, seconds, threads, "take fewer members, shorter times or a larger epsilon", comm)

    def _tile(self, index: int, stop: Stop) -> list[NDArray[Any]]:
        chosen, watched = self.start[index * LANES : (index + 1) * LANES], []
        result = np.empty((len(self.counts), *chosen.shape), dtype=np.complex128)
        for k, (x, y, found) in enumerate(self.amplitudes(index, stop)):
            result[k].real, result[k].imag = x, y
            watched += [] if found is None else [found]
        return [result, *(np.stack(parts) for parts in zip(*watched))]

    def amplitudes(self, index: int, stop: Stop) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
        """Both parts of the amplitudes (n, N) of a tile at each time, written over afterwards, and what was watched."""
        chosen = self.start[index * LANES : (index + 1) * LANES]
        x, y = np.empty((2, self.start.shape[1], LANES))
        # lanes that are left over repeat the last member
        x[:], y[:] = chosen[-1].real[:, None], chosen[-1].imag[:, None]
        x[:, : len(chosen)], y[:, : len(chosen)] = chosen.real.T, chosen.imag.T
        used, length = 0, SliceLength()
        tile = None if self.watcher is None else self.watcher.tile()
        for k, (count, noises) in enumerate(zip(self.counts, self.noises)):
            if tile is not None:
                tile.begin(x, y, k)
            for first, some in length.slices(int(count), stop):
                self._advance(tile, x, y, k, first, some, used, index * LANES)
                self._check(x, y)
            used += int(noises)
            yield x[:, : len(chosen)].T, y[:, : len(chosen)].T, None if tile is None else tile.found(len(chosen))

    def reduced(
        self, asked: AskedStatistics, about: tuple[np.ndarray, float, int], model: dict[str, str], workers: int | None,
        progress: bool, comm: MPI.Comm | None,
    ) -> ReducedEnsemble:  # fmt: skip
        """Statistics of the actions of all members, of which none is kept.

        Args:
            asked: statistics, and a checkpoint or None.
            about: the times (T,), the longest step, and the seed.
            model: texts by which the model and the noise are told from others, by what they are called.
            workers: threads, or None.
            progress: whether to show a progress bar.
            comm: the ranks that share the members, or None.
        """
        assert asked.statistics is not None

        def runs(start: np.ndarray) -> Runs:
            some = replace(self, start=start)

            def actions(index: int, stop: Stop) -> Iterator[np.ndarray]:
                for x, y, _ in some.amplitudes(index, stop):
                    yield 0.5 * (x**2 + y**2)

            return Runs(len(start), LANES, actions, len(self.counts))

        def warn(number: int, threads: int) -> None:
            if self.counts.any() and number:
                on_all_ranks(comm, lambda: replace(self, start=self.start[:number])._begin(threads, comm))

        return Reduction(asked.statistics, ACTION.name, self.start, *about, runs, model, warn).made(
            asked.checkpoint, workers, progress, comm
        )

    def _advance(
        self, tile: WatchedTile | None, x: np.ndarray, y: np.ndarray, k: int, first: int, some: int, noise_step: int,
        member: int,
    ) -> None:  # fmt: skip
        watched = () if tile is None else tile.arguments(k, noise_step, member)
        try:
            self.advance(x, y, k, first, some, noise_step, member, *watched)
        except Exception as error:  # compiled kernels raise what the functions of the user raise
            raise InvalidArgument(
                "lattice", f"one of its functions raises {type(error).__name__} at amplitudes of the sample: {error}"
            ) from error

    def _check(self, x: np.ndarray, y: np.ndarray) -> None:
        """Raise Unstable if an amplitude is not finite, or absurdly large against the scale."""
        if not (np.maximum(np.abs(x), np.abs(y)) < FAR_AWAY * self.scale).all():
            raise Unstable(f"a member has left all bounds with the time step {self.step:.3g}. Remedy: {self.remedy}.")


class SampledRotators(ABC, Generic[Step]):
    """Rotators of which members can be sampled: a lattice, or its limit.

    HALVED: whether the first and the last noise before a snapshot act for half as long as the others.
    """

    HALVED: ClassVar[bool] = False

    @property
    @abstractmethod
    def heated(self) -> tuple[LatticeRegion, NDArray[np.float64]]:
        """The sites, and their temperatures T_j (N,)."""

    @property
    @abstractmethod
    def equilibrium_actions(self) -> NDArray[np.float64]:
        """About the actions (N,) that temperatures make, see `equilibrium.equilibrium_actions`."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number N of sites."""

    @abstractmethod
    def identity(self) -> str:
        """What tells the equation from others."""

    @abstractmethod
    def _chosen(self, start: NDArray[np.complex128], step: float | None) -> Step:
        """The step for a start (R, N): that of the user, or one that is chosen."""

    @abstractmethod
    def _sampler(
        self,
        start: NDArray[np.complex128],
        snapshots: NDArray[np.float64],
        keys: Keys,
        step: Step,
        watched: bool,
        noise: Noise,
    ) -> tuple[MemberSampler, float]:
        """The sampler from a start, with random numbers of the keys, and the longest step that it takes."""

    def _watcher(
        self, watch: PathWatch, weights: np.ndarray, sampler: MemberSampler, snapshots: np.ndarray, keys: Keys
    ) -> Watcher:
        """Who looks at every step of a sampler."""
        lengths = np.diff(snapshots, prepend=0.0) / np.maximum(sampler.counts, 1)
        return Watcher(watch, weights, self.heated[1], lengths, sampler.counts, sampler.block, self.HALVED, keys)

    @overload
    def sample(
        self, initial: ArrayLike, times: ArrayLike, runs: int | None = None, seed: int | None = None,
        step: float | None = None, *, paths: int | None = None, workers: int | None = None,
        watch: PathWatch | None = None, noise: Noise = GAUSSIAN, statistics: None = None, checkpoint: None = None,
        progress: bool = False, comm: MPI.Comm | None = None,
    ) -> RotatorEnsemble: ...  # fmt: skip

    @overload
    def sample(
        self, initial: ArrayLike, times: ArrayLike, runs: int | None = None, seed: int | None = None,
        step: float | None = None, *, paths: int | None = None, workers: int | None = None, watch: None = None,
        noise: Noise = GAUSSIAN, statistics: EnsembleStatistics, checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False, comm: MPI.Comm | None = None,
    ) -> ReducedEnsemble: ...  # fmt: skip

    @ends_on_all_ranks
    def sample(
        self,
        initial: ArrayLike,
        times: ArrayLike,
        runs: int | None = None,
        seed: int | None = None,
        step: float | None = None,
        *,
        paths: int | None = None,
        workers: int | None = None,
        watch: PathWatch | None = None,
        noise: Noise = GAUSSIAN,
        statistics: EnsembleStatistics | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> RotatorEnsemble | ReducedEnsemble:
        """Amplitudes of independent members at slow times, by the scheme that the class names; weak order 2.

        Args:
            initial: u(0), complex, of all members (N,) or of each (R, N); for the limit only moduli matter for actions.
            times: snapshots tau (T,), not negative, not decreasing.
            runs: number of independent members R.
            seed: of the random numbers; a member has the same ones whatever the number of members, threads and ranks.
            step: largest time step. Of a lattice: h of the fast time t; None lets neighbours turn by a radian against
                one another, and thermostats act after every few steps, as often as their rate needs. Of the limit: of
                the slow time; None takes 0.04 of the time scale of the dissipation. Both follow the hottest of all
                members at the start, so that a member goes the same way among others that start colder.
            paths: another name of `runs`.
            workers: threads; None takes the cores that this process may use.
            watch: what to look at in every step: suprema and integrals of the actions, time at small ones, norms. It
                does not change the paths, but that the limit of linear damping, which otherwise has one step from a
                snapshot to the next, takes those of other dissipations.
            noise: `GaussianNoise()`, or `CubatureNoise()` for smooth means at less cost.
            statistics: what is added up over the members instead of keeping them, of actions; memory does not grow with
                their number, and the result is a `ReducedEnsemble` then.
            checkpoint: for statistics, a file that is written from time to time and when the call ends, however it
                does; where it is there, sampling goes on from it, also to more members.
            progress: show a progress bar, at a terminal or in a notebook, on rank 0.
            comm: communicator whose ranks share the members; all get the whole result.

        Returns:
            The amplitudes (T, R, N), with actions and angles, and the step that was taken; `WatchedRotators` where
            something is watched.

        Raises:
            InvalidArgument: an argument out of range; a step that is too large; a checkpoint of another ensemble.
            Unstable: a member has left all bounds; the message says what helps.

        Warns:
            LongRun: it will take more than ten minutes; said before it begins.
        """

        def checked() -> tuple[NDArray[np.complex128], NDArray[np.float64], int, Step, Any]:
            number = checks.integer(*runs_or_paths("runs", runs, paths), 1, 2**31)
            start = start_of_each(complex_amplitudes("initial", initial), number, self.size)
            if watch is not None:
                checks.instance("watch", watch, PathWatch)
            checks.instance("noise", noise, Noise)
            if watch is not None and not noise.normal:
                raise InvalidArgument("noise", "must be `GaussianNoise()` where paths are watched, for the bridges")
            if watch is not None and statistics is not None:
                raise InvalidArgument("watch", "is not for statistics=: what is watched is kept of each member")
            weights = None if watch is None else watch.weights(self.heated[0])
            chosen = self._chosen(different_starts(start), step)
            return start, checks.times(times), checks.seed(seed), chosen, weights

        start, snapshots, number, chosen, weights = on_all_ranks(communicator(comm, optional=True), checked)
        same_on_all_ranks(
            comm, initial=np.asarray(initial), times=snapshots, runs=len(start), seed=number, step=chosen.h,
            noise=repr(noise), lattice=self.identity(), watch=None if watch is None else watch.identity(),
        )  # fmt: skip
        asked = AskedStatistics(statistics, checkpoint)
        asked.check(comm, ACTION.name, 0.5 * np.abs(different_starts(start)) ** 2)
        keys = key_words(number)
        sampler, longest = self._sampler(start, snapshots, keys, chosen, watch is not None, noise)
        if watch is not None:
            sampler = replace(sampler, watcher=self._watcher(watch, weights, sampler, snapshots, keys))
        if statistics is not None:
            lattice = f"{self.identity()} {asked.digest(comm, 'the lattice', self)}"
            model = {"model": type(self).__name__, "lattice": lattice, "noise": repr(noise)}
            warn_of_points(noise, snapshots, sampler.noises, comm)
            return sampler.reduced(asked, (snapshots, longest, number), model, workers, progress, comm)
        amplitudes, *watched = sampler.sampled(workers, progress, comm)
        if watch is None:
            return RotatorEnsemble(snapshots, amplitudes, longest, number)
        return WatchedRotators.of(watch, (snapshots, amplitudes, longest, number), watched)

    @ends_on_all_ranks
    def sample_stationary(
        self,
        runs: int,
        seed: int,
        *,
        snapshots: int = 1,
        spacing: float | None = None,
        rtol: float = 1e-3,
        longest: float | None = None,
        step: float | None = None,
        noise: Noise = GAUSSIAN,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> StationarySample:
        """Amplitudes of independent members in the stationary law, after a burn-in chosen from what is measured.

        Members (1024 at least) start in four groups: all sites cold (no action), all hot (four times the action that
        the noise makes), half of the sites, drawn at random, hot, and the other half hot. The differences between the
        groups in the means of I_j, I_j^2 and of the sum of actions are seen to fall; the burn-in ends when they are
        within their noise, and, continued with the slowest rate seen (less two of its errors), below `rtol`. A slow
        mode that no start excites by more than the noise stays unseen.

        Args:
            runs: members R.
            seed: of the random numbers.
            snapshots: number T of them, evenly spaced.
            spacing: slow time between them; None takes half of 1/relaxation.
            rtol: what may be left of the differences between starts, in standard deviations of the same quantities.
            longest: most slow time of the burn-in; None takes a thousand times that in which noise makes the actions.
            step: as of `sample`.
            noise: as of `sample`.
            workers: as of `sample`.
            progress: as of `sample`.
            comm: as of `sample`.

        Raises:
            InvalidArgument: an argument out of range.
            NotConverged: the groups have not met by then, or the rate is not seen.
            Unstable: as `sample`.
        """

        def checked() -> Asked:
            return Asked(
                checks.integer("runs", runs, 1, 2**31),
                checks.integer("snapshots", snapshots, 1, 2**24),
                None if spacing is None else checks.number("spacing", spacing, above=0.0),
                checks.number("rtol", rtol, above=0.0),
                None if longest is None else checks.number("longest", longest, above=0.0),
                None if step is None else checks.number("step", step, above=0.0),
                checks.seed(seed),
                checks.instance("noise", noise, Noise),
            )

        asked = on_all_ranks(communicator(comm, optional=True), checked)
        said = {name: repr(value) for name, value in vars(asked).items()}
        same_on_all_ranks(comm, **said, lattice=self.identity())
        return stationary(self, self.equilibrium_actions, self.heated[1], asked, workers, progress, comm)
