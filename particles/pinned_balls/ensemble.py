"""Ensembles of pinned balls: the statistics of independent runs at snapshot times, kept on disk and added to."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ..sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from ..sampling.workers import default_workers
from ..support import checks
from ..support.archive import load_arrays, save_arrays, target
from .accumulation import Request, Tally, add_runs, collision_numbers, joined, pilot, warn_of_long_runs
from .collisions import POWERS

PARTS: dict[str, Any] = {"request_": Request, "tally_": Tally}  # what a file holds, by the beginnings of the names
FORMAT = 1  # of the files; raised when a file of the old kind can no longer be read
NOISELESS = 1e-6  # sites whose std is below this part of the largest carry no noise to speak of


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Statistics of R independent runs of n balls at T times: v = mu + sigma W, (2.5) of the paper.

    Made by `PinnedBalls.sample` or `load`. Velocities are in the unit of the initial profiles, times in that of the
    effective equations. Every array has the time as its first axis.
    """

    request: Request
    tally: Tally

    @property
    def times(self) -> np.ndarray:
        """Snapshot times, shape (T,)."""
        return self.request.times

    @property
    def collisions(self) -> np.ndarray:
        """Collisions in a run up to each snapshot, shape (T,)."""
        return self.request.collisions

    @property
    def positions(self) -> np.ndarray:
        """Positions (i-1)/(n-1) of the balls, shape (n,)."""
        return np.arange(self.request.n) / (self.request.n - 1)

    @property
    def runs(self) -> int:
        """Number of runs R."""
        return self.tally.runs

    def _moment(self, row: int) -> np.ndarray:
        return (self.tally.closed[:, row] + self.tally.partial[:, row]) / self.runs

    @property
    def mean(self) -> np.ndarray:
        """mu(x, t) = E v(x, t), the average over the runs, shape (T, n)."""
        return self.tally.reference + self._moment(0)

    @property
    def std(self) -> np.ndarray:
        """sigma(x, t), the standard deviation over the runs (of R-1 degrees of freedom), shape (T, n)."""
        return np.sqrt(self.covariance(0) * (self.runs / max(self.runs - 1, 1)))

    @property
    def mean_error(self) -> np.ndarray:
        """Standard error of `mean`, sigma/sqrt(R), shape (T, n)."""
        return self.std / np.sqrt(self.runs)

    @property
    def std_error(self) -> np.ndarray:
        """Standard error of `std`, from the fourth moment, shape (T, n); 0 where there is no noise.

        The fourth moment is that of the same runs, so that the error is itself known to some per cent only: with 20
        runs an interval of two errors covers sigma in 87 % of cases, with 200 in 94 %.
        """
        variance = self.covariance(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(np.maximum(self._central(4) - variance**2, 0.0) / self.runs) / (2.0 * np.sqrt(variance))
        return np.where(variance > 0, error, 0.0)

    def _central(self, power: int) -> np.ndarray:
        m1, m2, m3, m4 = (self._moment(row) for row in range(POWERS))
        if power == 3:
            return m3 - 3 * m1 * m2 + 2 * m1**3
        return m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4

    @property
    def skewness(self) -> np.ndarray:
        """E W^3, 0 for white noise, shape (T, n); NaN where there is no noise."""
        return self._standardised(self._central(3), 3)

    @property
    def kurtosis(self) -> np.ndarray:
        """E W^4, 3 for white noise, shape (T, n); NaN where there is no noise."""
        return self._standardised(self._central(4), 4)

    def _standardised(self, moment: np.ndarray, power: int) -> np.ndarray:
        return np.divide(moment, self.std**power, out=np.full_like(moment, np.nan), where=self.noisy)

    @property
    def noisy(self) -> np.ndarray:
        """Where std is not negligible (above 1e-6 of its largest value at that time), shape (T, n)."""
        std = self.std
        return (std > NOISELESS * std.max(axis=1, keepdims=True)) & (std > 0)

    def covariance(self, lag: int) -> np.ndarray:
        """Cov(v(x, t), v(x+k, t)) over the runs (dividing by R), shape (T, n-k).

        Args:
            lag: distance k, 0 .. lags.
        """
        lag = checks.integer("lag", lag, 0, self.request.lags)
        n = self.request.n
        u = self._moment(0)
        product = self._moment(1 if lag == 0 else POWERS - 1 + lag)[:, : n - lag]
        covariance = product - u[:, : n - lag] * u[:, lag:]
        return np.maximum(covariance, 0.0) if lag == 0 else covariance

    @property
    def noise_correlation(self) -> np.ndarray:
        """Average over the sites of the correlation of W(x) and W(x+k), k = 1 .. lags, shape (T, lags). Figure 3."""
        n, std, noisy = self.request.n, self.std, self.noisy
        result = np.zeros((self.times.size, self.request.lags))
        for lag in range(1, self.request.lags + 1):
            both = noisy[:, : n - lag] & noisy[:, lag:]
            scale = np.where(both, std[:, : n - lag] * std[:, lag:], 1.0)
            result[:, lag - 1] = (self.covariance(lag) / scale * both).sum(1) / np.maximum(both.sum(1), 1)
        return result

    @property
    def noise_correlation_error(self) -> np.ndarray:
        """Standard error of `noise_correlation` for independent noise, shape (T, lags).

        1/sqrt(R P) for the P pairs of sites at that distance that both have noise; infinite where there is none.
        """
        noisy, lags = self.noisy, self.request.lags
        pairs = [(noisy[:, :-lag] & noisy[:, lag:]).sum(1) for lag in range(1, lags + 1)]
        with np.errstate(divide="ignore"):
            return 1.0 / np.sqrt(self.runs * np.array(pairs, dtype=float).reshape(lags, self.times.size).T)

    @property
    def noise(self) -> np.ndarray:
        """W = (v - mean)/std of the runs that are kept whole, shape (T, kept, n); NaN where there is no noise."""
        kept = np.moveaxis(self.tally.kept, 0, 1)
        deviation = kept - self.mean[:, None]
        scale = np.broadcast_to(self.std[:, None], deviation.shape)
        where = np.broadcast_to(self.noisy[:, None], deviation.shape)
        return np.divide(deviation, scale, out=np.full_like(deviation, np.nan), where=where)

    @property
    def pair_noise(self) -> np.ndarray:
        """(W(x), W(x+1)) at the pair site, in every run, shape (T, R, 2); NaN where there is no noise. Figure 4."""
        site = slice(self.request.pair_site, self.request.pair_site + 2)
        deviation = np.moveaxis(self.tally.pairs, 0, 1) - self.mean[:, None, site]
        scale = np.broadcast_to(self.std[:, None, site], deviation.shape)
        where = np.broadcast_to(self.noisy[:, None, site], deviation.shape)
        return np.divide(deviation, scale, out=np.full_like(deviation, np.nan), where=where)

    def noise_histogram(self, bins: Any = 60) -> tuple[np.ndarray, np.ndarray]:
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
        width = np.diff(edges)
        density = [
            np.histogram(values, edges)[0] / (width * max(values.size, 1))
            for values in (noise[np.isfinite(noise)] for noise in self.noise)
        ]
        return np.array(density), edges

    def local_std(self, window: int, *, detrend: bool = True) -> np.ndarray:
        """Standard deviation among neighbouring sites within a run, root mean square over the runs, shape (T, n).

        sigma_loc^2(x) = E |(1 - P) v|^2/(w - rank P) over the w sites around x, with P the projection on the linear
        (or constant) functions. For modulated white noise it is sigma up to the curvature of mu; in a frozen state,
        where the runs differ from each other but each is smooth, it is much smaller than `std`.

        Args:
            window: number w of sites, from 3 (2 without detrending) to lags + 1; it is shifted inwards at the ends.
            detrend: whether the slope within the window is removed, not only the mean.
        """
        rank = 2 if checks.flag("detrend", detrend) else 1
        window = checks.integer("window", window, rank + 1, min(self.request.lags + 1, self.request.n))
        basis, _ = np.linalg.qr(np.vander(np.arange(window) - (window - 1) / 2, rank, increasing=True))
        form = (np.eye(window) - basis @ basis.T) / (window - rank)
        n = self.request.n
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
        return float(self.tally.drift[0])

    @property
    def energy_drift(self) -> float:
        """Largest |sum v(t)^2/sum v(0)^2 - 1| of all runs and snapshots."""
        return float(self.tally.drift[1])

    def more(
        self,
        *,
        runs: int | None = None,
        times: Any = None,
        workers: int | None = None,
        progress: bool = False,
        comm: Any = None,
    ) -> Ensemble:
        """Go on: an ensemble with more runs, or at later times too, bitwise the same as if made at once.

        Args:
            runs: total number of runs, not below the present one.
            times: further times, not before the last; needs an ensemble made with `keep_states=True`.
            workers: threads.
            progress: whether to show a progress bar.
            comm: an mpi4py communicator whose ranks share the runs.

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
        runs = on_all_ranks(comm, lambda: checks.integer("runs", runs, self.runs, 2**32 - 1))
        same_on_all_ranks(comm, runs=runs, ensemble=self.runs, **self.request.arguments())
        warn_of_long_runs(self.request, runs - self.runs, threads, comm)
        tally = add_runs(self.request, self.tally, runs, workers=threads, progress=progress, comm=comm)
        return Ensemble(self.request, tally)

    def _later(self, times: np.ndarray, workers: int, progress: bool, comm: Any) -> Ensemble:
        if not self.request.keep_states:
            raise InvalidArgument("times", "this ensemble was made without keep_states=True; sample it again with it")
        if times[0] < self.times[-1]:
            raise InvalidArgument("times", f"must not be before the last snapshot, {self.times[-1]:g}")
        collisions = collision_numbers(times, self.request.n, self.request.energy_exchange)
        later = replace(self.request, times=times, collisions=collisions)
        same_on_all_ranks(comm, ensemble=self.runs, **later.arguments())
        warn_of_long_runs(later, self.runs, workers, comm, int(self.collisions[-1]))
        tally = add_runs(
            later,
            Tally.empty(later, pilot(later, workers)),
            self.runs,
            start=int(self.collisions[-1]),
            entry=self.tally.states,
            workers=workers,
            progress=progress,
            comm=comm,
        )
        whole = replace(
            self.request,
            times=np.concatenate([self.times, times]),
            collisions=np.concatenate([self.collisions, later.collisions]),
        )
        return Ensemble(whole, joined(self.tally, tally))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Ensemble:
        """Read an ensemble from a file; the same as the function `load`."""
        return load(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ensemble to a file (npz); the file appears under its name only when it is whole.

        Args:
            path: name of the file, taken as it is.

        Raises:
            InvalidArgument: not the path of a file, or in a folder that is not there.
        """
        path = target("path", path)
        parts: Any = zip(PARTS, (self.request, self.tally))
        fields = {f"{prefix}{name}": value for prefix, part in parts for name, value in asdict(part).items()}
        save_arrays(path, {"kind": "Ensemble", "format": FORMAT} | fields)


def load(path: str | os.PathLike[str]) -> Ensemble:
    """Read an ensemble that `Ensemble.save` or a checkpoint has written.

    Args:
        path: name of the file.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: the file is no ensemble, is damaged, or is of another format.
    """
    return _read(path, "path")


def _read(path: str | os.PathLike[str], argument: str) -> Ensemble:
    names = {f"{prefix}{name}" for prefix, part in PARTS.items() for name in part.__dataclass_fields__}
    data = load_arrays(path, "Ensemble", FORMAT, names, argument=argument)

    def fields(prefix: str) -> dict[str, Any]:
        chosen = {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}
        return {k: v.item() if v.shape == () else v for k, v in chosen.items()}

    ensemble = Ensemble(*(part(**fields(prefix)) for prefix, part in PARTS.items()))
    if not ensemble.request.fits(ensemble.tally):
        raise InvalidArgument(argument, f"{os.fspath(path)} is damaged: its arrays do not belong together")
    return ensemble


def _threads(workers: Any, progress: Any, comm: Any) -> int:
    def checked() -> int:
        checks.flag("progress", progress)
        return default_workers(comm) if workers is None else checks.integer("workers", workers, 1)

    return on_all_ranks(comm, checked)


def _found(checkpoint: Any, request: Request, runs: int) -> Tally | None:
    """Return what a checkpoint holds of a request; None where there is no file yet."""
    place = target("checkpoint", checkpoint)
    if not place.exists():
        return None
    found = _read(place, "checkpoint")
    if not found.request.same_as(request):
        raise InvalidArgument("checkpoint", f"{place} belongs to another request; remove or rename it")
    if found.runs > runs:
        raise InvalidArgument(
            "checkpoint",
            f"{place} holds {found.runs} runs, more than the {runs} asked for; ask for as many, or load it",
        )
    return found.tally


def sample_ensemble(
    request: Request,
    runs: int,
    *,
    workers: int | None,
    progress: bool,
    checkpoint: str | os.PathLike[str] | None,
    comm: Any,
) -> Ensemble:
    """Make an ensemble, or finish the one that a checkpoint holds; see `PinnedBalls.sample`."""
    threads = _threads(workers, progress, comm)
    tally = None
    if checkpoint is not None:
        tally = on_all_ranks(comm, lambda: _found(checkpoint, request, runs))  # before anybody writes
        same_on_all_ranks(comm, checkpoint=0 if tally is None else tally.runs)
    warn_of_long_runs(request, runs - (0 if tally is None else tally.runs), threads, comm)
    if tally is None:
        tally = Tally.empty(request, pilot(request, threads))

    def write(grown: Tally) -> None:
        Ensemble(request, grown).save(checkpoint or "")

    write_to = None if checkpoint is None else write
    tally = add_runs(request, tally, runs, workers=threads, progress=progress, write=write_to, comm=comm)
    return Ensemble(request, tally)
