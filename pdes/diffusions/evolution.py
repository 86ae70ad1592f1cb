"""The evolution of a density: its start at the nodes, what steps must keep, and the checkpoint."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.grid_order import dissected
from scaling_limits.meshes.spread_values import SpreadRows
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.sampling.workers import warn_if_long
from scaling_limits.particles.support.archive import full_path
from scaling_limits.particles.support.checks import flag, number
from scaling_limits.particles.support.checks import times as checked_times

from ..time.checkpoint import Checkpoint
from ..time.density_integrator import WHAT, DensityIntegrator, IntegratorState, StepChoice
from ..time.relative_entropy import entropy_of_states, finite_log
from ..time.resolvents import Resolvents, ResolventScheme
from .density_evolution import TURNING, DensityEvolution
from .hitting.killed_chain import KilledChain
from .hitting.target_sets import Indicator, TargetSet
from .problem import ReversibleDiffusion
from .scharfetter_gummel import ScharfetterGummel
from .slow_modes import DeflatedResolvents
from .snapshots.moments import Moments
from .snapshots.stream import DensityStream, FileRows, streamed
from .starts.density_start import Initial, start_probabilities


@dataclass(frozen=True)
class EvolutionSettings:
    """What an evolution allows, beside rtol.

    Args:
        exact: part of rtol that linear solves may leave of the mass.
        exact_steps: part of the mass that they may leave where steps have a given size.
        rounding: of sum r |log(r/r_eq)|: what solves, and its own evaluation, leave in a relative entropy.
        noise: a rise of the relative entropy by less, relative to 1 plus the entropy, is put down to rounding in
            solves.
        even: relative entropies below it are rounding (of 1e-10); a state so close to equilibrium is left alone.
        same_field: change of Psi/sigma, log M_ii and M_ij/sqrt(M_ii M_jj) at a node that leaves a checkpoint's problem
            the same.
        same_start: change of the initial density, in total variation, that does so.
        same_killing: change of the rates into absorbing sets, relative, that does so.
        long_way: binary logarithm of the ratio of two stops on a long way, from its start on.
        most_steps: steps of a given size at most.
        seconds: of a linear solve, for each node.
    """

    exact: float = 1e-3
    exact_steps: float = 1e-9
    rounding: float = 1e-12
    noise: float = 1e-9
    even: float = 1e-20
    same_field: float = 1e-10
    same_start: float = 1e-12
    same_killing: float = 1e-6
    long_way: float = 22.0
    most_steps: int = 2**40
    seconds: float = 2e-7


SETTINGS = EvolutionSettings()
# below which what has survived is 0
LEAST_MASS = 1e-290


class ReversibleSystem:
    """The equation d_t s = -S s, with the probabilities r = sqrt(m) s >= 0 (a `density_integrator.DensitySystem`).

    Args:
        equation: whose library solves, with its options.
        chain: S and m; its sets kill, so that the mass falls.
        choice: of the steps, which says how exact the solves must be.
        solves: with each matrix, as far as is known before.
    """

    def __init__(
        self, equation: ReversibleDiffusion, chain: KilledChain, choice: StepChoice, solves: float = 0.0
    ) -> None:
        generator = chain.generator
        self._choice, self._comm, self._root = choice, generator.grid.comm, generator.root
        allowed = SETTINGS.exact_steps if choice.rtol is None else SETTINGS.exact * choice.rtol
        matrix = equation.matrix(chain.rows())
        self._remedy = matrix.remedy("let the linear solver be more exact, by petsc_options")
        grid = generator.grid
        # on a line the natural order is the best, and on several ranks the solver has its own
        order = dissected(grid.shape) if grid.dim > 1 and grid.comm.size == 1 else None
        resolvents = Resolvents(
            matrix, generator.root, grid.dim, "fokker_planck_", equation.petsc_options, allowed=allowed,
            order=order, solves=solves,
        )  # fmt: skip
        self.resolvents = DeflatedResolvents(chain, matrix, resolvents)
        self._partition, self._kills = self._sum(self._root**2), bool(chain.sets)
        self._log_root = finite_log(self._root)
        # of the state that a step was last tried from: errors are relative to it
        self._mass = 1.0

    def _sum(self, values: np.ndarray) -> float:
        return float(self._comm.allreduce(float(values.sum())))

    def norm(self, state: np.ndarray) -> float:
        """Return sum sqrt(m) |s|, relative to the mass that is left."""
        return self._sum(np.abs(state) * self._root) / self._mass

    def entropy(self, state: np.ndarray) -> tuple[float, float]:
        """Return the relative entropy H = sum r log(r/r_eq) >= 0, which keeps its digits near 0, and what rounding in
        the solves and in the logarithms may change of it.
        """
        sums = entropy_of_states(state, self._root, self._log_root, self._partition)
        value, size = self._comm.allreduce(np.array(sums))
        return float(value), SETTINGS.rounding * float(size)

    def start(self, probabilities: np.ndarray) -> IntegratorState:
        """Return the state of probabilities r at the nodes of this rank, which add up to 1."""
        state = np.where(self._root > 0, probabilities / np.where(self._root > 0, self._root, 1.0), 0.0)
        return IntegratorState(state=state, entropy=self.entropy(state)[0])

    def accept(self, old: IntegratorState, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """Return the new state with r >= 0 and mass 1, its entropy, and why it is refused (empty if not).

        Where a sum of resolvents is negative, it is so by less than the error of the step; it becomes 0 there, and the
        rest is scaled to the mass that was there. Where sets kill, the mass is that of the sum, and falls.
        """
        positive, mine = new, float((new * self._root).sum())
        mine_positive = mine
        if new.min(initial=0.0) < 0.0:
            positive = np.maximum(new, 0.0)
            mine_positive = float((positive * self._root).sum())
        total, positive_mass = (float(each) for each in self._comm.allreduce(np.array([mine, mine_positive])))
        if self._kills:
            return self._accept_killed(old, new, positive, total, positive_mass)
        if not positive_mass - total <= (self._choice.rtol or 1e-3) or not abs(total - 1.0) <= 1e-6:
            return new, np.inf, f"the density is negative on {positive_mass - total:.1e} of its mass"
        positive = positive / positive_mass
        # implicit Euler cannot raise H: it is computed at snapshots only
        if self._choice.scheme.order == 1:
            return positive, old.entropy, ""
        entropy, noise = self.entropy(positive)
        # the lowest value so far is what later ones are held against, so that noise never adds up
        if entropy <= old.entropy + noise:
            return positive, min(entropy, old.entropy), ""
        # as even as the solves are exact
        if entropy <= max(SETTINGS.even, 16.0 * self.resolvents.left**2):
            return old.state, old.entropy, ""
        # solves leave noise in metastable states, unless their modes are known
        if entropy <= old.entropy + SETTINGS.noise * (1.0 + abs(old.entropy)):
            self.resolvents.learned = True
        return new, np.inf, f"the relative entropy rises from {old.entropy:.6e} to {entropy:.6e}"

    def _accept_killed(
        self, old: IntegratorState, new: np.ndarray, positive: np.ndarray, total: float, positive_mass: float
    ) -> tuple[np.ndarray, float, str]:
        """The same where sets kill."""
        before = self._mass = max(self._sum(old.state * self._root), LEAST_MASS)
        if not positive_mass - total <= (self._choice.rtol or 1e-3) * before:
            return new, np.inf, f"the density is negative on {positive_mass - total:.1e} of its mass"
        if not 0.0 <= total <= before * (1.0 + (SETTINGS.noise if self.resolvents.learned else SETTINGS.rounding)):
            # as above
            if total <= before * (1.0 + 1e-3):
                self.resolvents.learned = True
            return new, np.inf, f"the mass rises from {before:.6e} to {total:.6e}"
        total = min(total, before)
        return positive * (total / positive_mass if positive_mass > 0 else 0.0), old.entropy, ""

    def snapshot(self, old: IntegratorState) -> tuple[np.ndarray, float]:
        """Return the probabilities r on this rank, and H.

        Raises:
            NotConverged: steps of implicit Euler have raised H, which exact solves cannot.
        """
        density = old.state * self._root
        if self._kills:
            return density, self.entropy(old.state)[0]
        if self._choice.scheme.order > 1:
            return density, old.entropy
        entropy = self.entropy(old.state)[0]
        if entropy <= old.entropy or entropy <= SETTINGS.even:
            return density, min(entropy, old.entropy)
        raise NotConverged(
            WHAT, f"the relative entropy rose from {old.entropy:.6e} to {entropy:.6e}",
            self._remedy,
        )  # fmt: skip


def evolve(
    equation: ReversibleDiffusion, initial: Initial, times: ArrayLike,
    scheme: ResolventScheme, step: float | None, checkpoint: str | os.PathLike[str] | None, every: float,
    progress: bool, absorbing: Indicator | None = None, stream: str | os.PathLike[str] | None = None,
) -> DensityEvolution:  # fmt: skip
    """The densities at times; see `FokkerPlanck.evolve`."""
    comm, grid = equation.comm, equation.grid
    snapshots, choice = on_all_ranks(comm, lambda: _chosen(equation, times, scheme, step))
    every, shown = on_all_ranks(
        comm, lambda: (number("checkpoint_every", every, least=0.0), flag("progress", progress))
    )
    files = on_all_ranks(
        comm, lambda: {"checkpoint": full_path("checkpoint", checkpoint), "stream": full_path("stream", stream)}
    )
    same_on_all_ranks(
        comm, times=snapshots, step=choice.step, scheme=scheme.name, checkpoint_every=every,
        absorbing=absorbing is None, **files,
    )  # fmt: skip
    sets = () if absorbing is None else (TargetSet("absorbing", absorbing, 0.0),)
    chain = KilledChain.of(equation.generator, sets)
    probabilities = start_probabilities(equation, initial, chain)
    turning = _turning(equation.generator, probabilities)
    keeper = None
    if checkpoint is not None:
        traits = np.concatenate([
            (equation.generator.traits / (SETTINGS.same_field * np.sqrt(grid.size))).ravel(),
            grid.signed_sums(probabilities[:, None]).ravel() / SETTINGS.same_start,
            grid.signed_sums(np.log1p(chain.killing)).ravel() / SETTINGS.same_killing,
        ])  # fmt: skip
        keeper = Checkpoint(checkpoint, every, grid, _problem(equation, snapshots, choice), traits)
    system = ReversibleSystem(equation, chain, choice, _solves(snapshots, choice))
    integrator = DensityIntegrator(system, choice)
    stops, kept = _with_stops(snapshots, system.resolvents.fastest)
    start = system.start(probabilities)
    sink = None if stream is None else DensityStream(equation, stream, snapshots, kept)
    try:
        end = integrator.integrated(start, stops, keeper, shown and comm.rank == 0, sink)
    except Exception:
        if sink is not None:
            sink.close()
        raise

    def again(other: ReversibleDiffusion) -> DensityEvolution:
        return evolve(other, initial, snapshots, scheme, None, None, every, False, absorbing)

    if sink is None:
        own = np.empty((len(kept), len(grid.points)))
        for row, i in zip(own, kept):
            # not kept twice
            row[:], end.snapshots[i] = end.snapshots[i], row
        rows: SpreadRows | FileRows = SpreadRows.of(grid, own)
        moments = Moments.of(comm, grid.points, grid.volumes, own)
    else:
        sink.close(end.statistics)
        assert stream is not None
        _, rows, moments, *_ = streamed(equation, stream)
    return DensityEvolution(
        equation, snapshots, rows, moments, np.array(end.entropies)[kept], end.statistics, absorbing,
        again if choice.step is None else None, turning,
    )  # fmt: skip


def _solves(times: np.ndarray, choice: StepChoice) -> float:
    """The number of solves with each matrix: where steps have a given size, there is one for each interval at most."""
    if choice.step is None:
        return 0.0
    intervals = len(np.unique(np.diff(times, prepend=0.0).round(12)))
    return float(choice.scheme.order * times[-1] / choice.step / intervals)


def _turning(generator: ScharfetterGummel, probabilities: np.ndarray) -> float:
    """The part of the mass, of equilibrium or of the start, at nodes where M turns along edges; with a warning where
    densities are not what they are on finer grids, and coarser ones do not tell by how much.
    """
    part = max(generator.turning, generator.turning_part(probabilities))
    if part > TURNING and generator.grid.comm.rank == 0 and not generator.quiet:
        warn(
            f"M turns or changes within its edges of up to {generator.edges.widest} cells at nodes with {part:.2g} "
            "of the mass: the error of the densities is not known (coarser cells do not tell it); take more cells, or "
            "turn the axes along M",
            Unresolved,
        )
    return part


def _with_stops(times: np.ndarray, fastest: float) -> tuple[np.ndarray, np.ndarray]:
    """The times with stops on each long way, and the places of the times among them.

    Steps are dyadic parts of the way between two stops: at the start of a long one they must be below 2^-60 of it.

    Raises:
        InvalidArgument: times whose number of fastest relaxations is no double.
    """
    longest = np.finfo(float).max / max(fastest, 1.0)
    if times[-1] > longest:
        raise InvalidArgument("times", f"must be at most {longest:.2g} here, not {times[-1]:g}")
    starts = np.concatenate([[0.0], times[:-1]])
    stops = [times]
    for start, end in zip(starts, times):
        count = int(np.log2(max((end - start) * fastest, 1.0)) / SETTINGS.long_way)
        stops.append(start + 2.0 ** (SETTINGS.long_way * np.arange(1, count)) / fastest)
    every = np.unique(np.concatenate(stops))
    return every, np.searchsorted(every, times)


def _chosen(
    equation: ReversibleDiffusion, times: ArrayLike, scheme: ResolventScheme, step: float | None
) -> tuple[np.ndarray, StepChoice]:
    snapshots, choice = checked_times(times), StepChoice.of(scheme, step, equation.rtol)
    if choice.step is None:
        return snapshots, choice
    if snapshots[-1] > SETTINGS.most_steps * choice.step:
        reason = f"{choice.step:g} makes more than {SETTINGS.most_steps} steps to {snapshots[-1]:g}"
        raise InvalidArgument("step", reason)
    solves = choice.scheme.order * float(snapshots[-1]) / choice.step
    seconds = SETTINGS.seconds * solves * equation.grid.size
    warn_if_long(f"{solves:.2g} solves of the evolution", seconds, 1, "take a larger step, or none", equation.comm)
    return snapshots, choice


def _problem(equation: ReversibleDiffusion, times: np.ndarray, choice: StepChoice) -> str:
    """A hash of what two runs of one problem share to the last digit. Fields are compared by their traits instead, and
    options of the linear solver not at all: its solves are held to rtol.
    """
    grid = equation.grid
    parts = [grid.box, np.array(grid.cells), np.array(grid.periodic), times]
    text = f"{choice} {equation.coefficients.temperature!r}".encode()
    return hashlib.sha256(text + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
