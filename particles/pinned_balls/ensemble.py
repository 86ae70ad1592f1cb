"""Ensembles of pinned balls: the statistics of independent runs at snapshot times, kept on disk and added to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ..sampling.samples import Samples
from ..sampling.workers import thread_count
from ..support import checks
from ..support.archive import ANOTHER_FILE, full_path, target
from .accumulation import Runs, add_runs, pilot_mean
from .collisions import POWERS
from .profiles import VelocityProfiles
from .running_sums import RunningSums
from .spec import EnsembleSpec
from .velocities import positions

if TYPE_CHECKING:
    from mpi4py import MPI

# what a file holds, by the beginnings of the names
PARTS: dict[str, Any] = {"request_": EnsembleSpec, "tally_": RunningSums}
# sites whose std is below this part of the largest carry no noise to speak of
NOISELESS = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Samples, VelocityProfiles):
    """Statistics of R independent runs of n balls at T times: v = mu + sigma W, (2.5) of the paper.

    Made by `PinnedBalls.sample` or `load`. Velocities are in the unit of the initial profiles, times in that of the
    effective equations. Every array has the time as its first axis.

    Args:
        spec: what was asked for.
        sums: over the runs.
    """

    spec: EnsembleSpec
    sums: RunningSums

    @property
    def request(self) -> EnsembleSpec:
        """An older name of `spec`."""
        return self.spec

    @property
    def tally(self) -> RunningSums:
        """An older name of `sums`."""
        return self.sums

    @property
    def times(self) -> NDArray[np.float64]:
        """Snapshot times, shape (T,)."""
        return self.spec.times

    @property
    def seed(self) -> int:
        """Key of the random numbers."""
        return self.spec.seed

    @property
    def collisions(self) -> NDArray[np.int64]:
        """Collisions in a run up to each snapshot, shape (T,)."""
        return self.spec.collisions

    @property
    def positions(self) -> NDArray[np.float64]:
        """Positions (i-1)/(n-1) of the balls, shape (n,)."""
        return positions(self.spec.n)

    @property
    def runs(self) -> int:
        """Number of runs R."""
        return self.sums.runs

    @property
    def values(self) -> NDArray[np.float64]:
        """The velocities of the runs that are kept whole, the first of all, shape (T, kept, n)."""
        return np.moveaxis(self.sums.kept, 0, 1)

    @property
    def _places(self) -> NDArray[np.float64]:
        return self.positions

    def _profile(self, quantity: str) -> NDArray[np.float64]:
        return self.mean if quantity == "mean" else self.std

    def _said(self) -> dict[str, Any]:
        return {"runs": self.runs, "seed": str(self.seed)}

    def _moment(self, row: int) -> NDArray[np.float64]:
        return (self.sums.closed[:, row] + self.sums.partial[:, row]) / self.runs

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean mu(x, t) = E v(x, t) over the runs, shape (T, n)."""
        return self.sums.reference + self._moment(0)

    @property
    def std(self) -> NDArray[np.float64]:
        """The standard deviation sigma(x, t) over the runs (of R-1 degrees of freedom), shape (T, n)."""
        return np.sqrt(self.covariance(0) * (self.runs / max(self.runs - 1, 1)))

    @property
    def mean_error(self) -> NDArray[np.float64]:
        """An older name of `standard_error`, sigma/sqrt(R), shape (T, n)."""
        return self.standard_error

    @property
    def std_error(self) -> NDArray[np.float64]:
        """Standard error of `std`, from the fourth moment, shape (T, n); 0 where there is no noise.

        The fourth moment is that of the same runs, so that the error is itself known to some per cent only: with 20
        runs an interval of two errors covers sigma in 87 % of cases, with 200 in 94 %.
        """
        variance = self.covariance(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(np.maximum(self._central(4) - variance**2, 0.0) / self.runs) / (2.0 * np.sqrt(variance))
        return np.where(variance > 0, error, 0.0)

    def _central(self, power: int) -> NDArray[np.float64]:
        m1, m2, m3, m4 = (self._moment(row) for row in range(POWERS))
        if power == 3:
            return m3 - 3 * m1 * m2 + 2 * m1**3
        return m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4

    @property
    def skewness(self) -> NDArray[np.float64]:
        """Skewness E W^3, 0 for white noise, shape (T, n); NaN where there is no noise."""
        return self._standardised(self._central(3), 3)

    @property
    def kurtosis(self) -> NDArray[np.float64]:
        """Kurtosis E W^4, 3 for white noise, shape (T, n); NaN where there is no noise."""
        return self._standardised(self._central(4), 4)

    def _standardised(self, moment: np.ndarray, power: int) -> NDArray[np.float64]:
        return np.divide(moment, self.std**power, out=np.full_like(moment, np.nan), where=self.noisy)

    @property
    def noisy(self) -> NDArray[np.bool_]:
        """Where std is not negligible (above 1e-6 of its largest value at that time), shape (T, n)."""
        std = self.std
        return (std > NOISELESS * std.max(axis=1, keepdims=True)) & (std > 0)

    def covariance(self, lag: int) -> NDArray[np.float64]:
        """Cov(v(x, t), v(x+k, t)) over the runs (dividing by R), shape (T, n-k).

        Args:
            lag: distance k, 0 .. lags.
        """
        lag = checks.integer("lag", lag, 0, self.spec.lags)
        n = self.spec.n
        u = self._moment(0)
        product = self._moment(1 if lag == 0 else POWERS - 1 + lag)[:, : n - lag]
        covariance = product - u[:, : n - lag] * u[:, lag:]
        return np.maximum(covariance, 0.0) if lag == 0 else covariance

    @property
    def noise_correlation(self) -> NDArray[np.float64]:
        """Average over the sites of the correlation of W(x) and W(x+k), k = 1 .. lags, shape (T, lags). Figure 3."""
        std = self.std
        result = np.zeros((self.times.size, self.spec.lags))
        for lag, both in enumerate(self._noisy_pairs(), start=1):
            scale = np.where(both, std[:, :-lag] * std[:, lag:], 1.0)
            result[:, lag - 1] = (self.covariance(lag) / scale * both).sum(1) / np.maximum(both.sum(1), 1)
        return result

    def _noisy_pairs(self) -> Iterator[NDArray[np.bool_]]:
        """Where both sites x and x+k have noise, shape (T, n-k), for k = 1, 2, .. lags."""
        noisy = self.noisy
        return (noisy[:, :-lag] & noisy[:, lag:] for lag in range(1, self.spec.lags + 1))

    @property
    def noise_correlation_error(self) -> NDArray[np.float64]:
        """Standard error of `noise_correlation` for independent noise, shape (T, lags).

        1/sqrt(R P) for the P pairs of sites at that distance that both have noise; infinite where there is none.
        """
        pairs = np.array([both.sum(1) for both in self._noisy_pairs()], dtype=float)
        with np.errstate(divide="ignore"):
            return 1.0 / np.sqrt(self.runs * pairs.reshape(self.spec.lags, self.times.size).T)

    def _standardised_noise(self, velocities: np.ndarray, sites: slice) -> NDArray[np.float64]:
        """(v - mean)/std (T, R, sites); NaN where there is no noise."""
        deviation = velocities - self.mean[:, None, sites]
        scale = np.broadcast_to(self.std[:, None, sites], deviation.shape)
        where = np.broadcast_to(self.noisy[:, None, sites], deviation.shape)
        return np.divide(deviation, scale, out=np.full_like(deviation, np.nan), where=where)

    @property
    def noise(self) -> NDArray[np.float64]:
        """The noise W = (v - mean)/std of the runs that are kept whole (T, kept, n); NaN where there is none."""
        return self._standardised_noise(self.values, slice(None))

    @property
    def pair_noise(self) -> NDArray[np.float64]:
        """(W(x), W(x+1)) at the pair site, in every run, shape (T, R, 2); NaN where there is no noise. Figure 4."""
        site = slice(self.spec.pair_site, self.spec.pair_site + 2)
        return self._standardised_noise(np.moveaxis(self.sums.pairs, 0, 1), site)

    def noise_histogram(self, bins: ArrayLike = 60) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Histogram of W over the sites of the runs that are kept whole. Figure 2.

        Args:
            bins: number of bins between -4 and 4, or their edges (B+1,).

        Returns:
            The densities (T, B) and the edges (B+1,).
        """
        if np.ndim(bins) == 0:
            edges = np.linspace(-4.0, 4.0, checks.integer("bins", bins, 1) + 1)
        else:
            edges = checks.real_array("bins", bins)
            if edges.ndim != 1 or edges.size < 2 or (np.diff(edges) <= 0).any():
                raise InvalidArgument("bins", "edges must be an increasing list of at least two numbers")
        noise = [values[np.isfinite(values)] for values in self.noise]
        density = [np.histogram(values, edges)[0] / (np.diff(edges) * max(values.size, 1)) for values in noise]
        return np.array(density), np.asarray(edges, dtype=np.float64)

    def local_std(self, window: int, *, detrend: bool = True) -> NDArray[np.float64]:
        """Standard deviation among neighbouring sites within a run, root mean square over the runs, shape (T, n).

        sigma_loc^2(x) = E |(1 - P) v|^2/(w - rank P) over the w sites around x, with P the projection on the linear
        (or constant) functions. For modulated white noise it is sigma up to the curvature of mu; in a frozen state,
        where the runs differ from each other but each is smooth, it is much smaller than `std`.

        Args:
            window: number w of sites, from 3 (2 without detrending) to lags + 1; it is shifted inwards at the ends.
            detrend: whether the slope within the window is removed, not only the mean.
        """
        rank, n = 2 if checks.flag("detrend", detrend) else 1, self.spec.n
        window = checks.integer("window", window, rank + 1, min(self.spec.lags + 1, n))
        basis, _ = np.linalg.qr(np.vander(np.arange(window) - (window - 1) / 2, rank, increasing=True))
        form = (np.eye(window) - basis @ basis.T) / (window - rank)
        starts = n - window + 1
        variance = np.zeros((self.times.size, starts))
        for lag in range(window):
            weight = np.diag(form, lag) * (1 if lag == 0 else 2)
            covariance = self.covariance(lag)
            for i, factor in enumerate(weight):
                variance += factor * covariance[:, i : i + starts]
        means = np.lib.stride_tricks.sliding_window_view(self.mean, window, axis=1)
        variance += np.einsum("txi,ij,txj->tx", means - means.mean(-1, keepdims=True), form, means, optimize=True)
        first = np.clip(np.arange(n) - window // 2, 0, starts - 1)
        return np.sqrt(np.maximum(variance, 0.0))[:, first]

    @property
    def momentum_drift(self) -> float:
        """Largest |sum v(t) - sum v(0)| of all runs and snapshots, divided by sqrt(n sum v(0)^2)."""
        return float(self.sums.drift[0])

    @property
    def energy_drift(self) -> float:
        """Largest |sum v(t)^2/sum v(0)^2 - 1| of all runs and snapshots."""
        return float(self.sums.drift[1])

    @ends_on_all_ranks
    def more(
        self,
        *,
        runs: int | None = None,
        times: ArrayLike | None = None,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> Ensemble:
        """Go on: an ensemble with more runs, or at later times too, bitwise the same as if made at once.

        Args:
            runs: total number of runs, not below the present one.
            times: further times, not before the last; needs an ensemble made with `keep_states=True`.
            workers: threads.
            progress: whether to show a progress bar.
            comm: communicator whose ranks share the runs.

        Raises:
            InvalidArgument: fewer runs, earlier times, or no states to go on from.
        """
        if times is None and runs is None:
            raise InvalidArgument("runs", "nothing is asked for; give the total number of runs, or further times")
        if times is not None and runs is not None:
            raise InvalidArgument("runs", "add runs and times in two calls")
        comm = communicator(comm, optional=True)
        threads = _threads(workers, progress, comm)
        if times is not None:
            return self._later(on_all_ranks(comm, lambda: checks.times(times)), threads, progress, comm)
        total = on_all_ranks(comm, lambda: checks.integer("runs", runs, self.runs, 2**32 - 1))
        same_on_all_ranks(comm, runs=total, ensemble=self.runs, **self.spec.arguments())
        self.spec.warn_if_long(total - self.runs, threads, comm)
        sums = add_runs(Runs(self.spec), self.sums, total, workers=threads, progress=progress, comm=comm)
        return Ensemble(self.spec, sums)

    def _later(self, times: np.ndarray, workers: int, progress: bool, comm: MPI.Comm | None) -> Ensemble:
        if not self.spec.keep_states:
            raise InvalidArgument("times", "this ensemble was made without keep_states=True; sample it again with it")
        if times[0] < self.times[-1]:
            raise InvalidArgument("times", f"must not be before the last snapshot, {self.times[-1]:g}")
        later, start = self.spec.at(times), int(self.collisions[-1])
        same_on_all_ranks(comm, ensemble=self.runs, **later.arguments())
        later.warn_if_long(self.runs, workers, comm, start)
        reference = pilot_mean(later, workers, comm)
        making, none = Runs(later, start, self.sums.states), RunningSums.empty(later, reference)
        sums = add_runs(making, none, self.runs, workers=workers, progress=progress, comm=comm)
        return Ensemble(self.spec.joined(later), self.sums.joined(sums))

    @classmethod
    def _names(cls) -> set[str]:
        return {f"{prefix}{field.name}" for prefix, part in PARTS.items() for field in fields(part) if field.init}

    def _content(self) -> dict[str, Any]:
        parts: dict[str, Any] = dict(zip(PARTS, (self.spec, self.sums)))
        return {f"{prefix}{field.name}": getattr(part, field.name)
                for prefix, part in parts.items() for field in fields(part) if field.init}  # fmt: skip

    @classmethod
    def _made(cls, content: dict[str, Any]) -> Self:
        spec, sums = (
            part(**{name.removeprefix(prefix): v for name, v in content.items() if name.startswith(prefix)})
            for prefix, part in PARTS.items()
        )
        if not sums.fits(spec):
            raise ValueError("its arrays do not belong together")
        return cls(spec, sums)


def load(path: str | os.PathLike[str]) -> Ensemble:
    """Read an ensemble that `Ensemble.save` or a checkpoint has written; the same as `Ensemble.load`."""
    return Ensemble.load(path)


def _threads(workers: int | None, progress: bool, comm: MPI.Comm | None) -> int:
    def checked() -> int:
        checks.flag("progress", progress)
        return thread_count(workers, comm)

    return on_all_ranks(comm, checked)


def _in_checkpoint(checkpoint: str | os.PathLike[str], spec: EnsembleSpec, runs: int) -> RunningSums | None:
    """Return what a checkpoint holds of what is asked for; None where there is no file yet."""
    place = target("checkpoint", checkpoint)
    if not place.exists():
        return None
    ensemble = Ensemble.read(place, "checkpoint")
    if not ensemble.spec.same_as(spec):
        text = f"{place} belongs to another ensemble: {spec.difference(ensemble.spec)}; {ANOTHER_FILE}"
        raise InvalidArgument("checkpoint", text)
    if ensemble.runs > runs:
        raise InvalidArgument(
            "checkpoint",
            f"{place} holds {ensemble.runs} runs, more than the {runs} asked for; ask for as many, or load it",
        )
    return ensemble.sums


def sample_ensemble(
    spec: EnsembleSpec,
    runs: int,
    *,
    workers: int | None,
    progress: bool,
    checkpoint: str | os.PathLike[str] | None,
    comm: MPI.Comm | None,
) -> Ensemble:
    """Make an ensemble, or finish the one that a checkpoint holds; see `PinnedBalls.sample`."""
    threads = _threads(workers, progress, comm)
    sums = None
    same_on_all_ranks(comm, checkpoint=on_all_ranks(comm, lambda: full_path("checkpoint", checkpoint)))
    if checkpoint is not None:
        # on all ranks before anybody writes
        sums = on_all_ranks(comm, lambda: _in_checkpoint(checkpoint, spec, runs))
        same_on_all_ranks(comm, checkpoint=0 if sums is None else sums.runs)
    spec.warn_if_long(runs - (0 if sums is None else sums.runs), threads, comm)
    if sums is None:
        sums = RunningSums.empty(spec, pilot_mean(spec, threads, comm))

    def write(grown: RunningSums) -> None:
        Ensemble(spec, grown).save(checkpoint or "")

    writer = None if checkpoint is None else write
    sums = add_runs(Runs(spec), sums, runs, workers=threads, progress=progress, write=writer, comm=comm)
    return Ensemble(spec, sums)
