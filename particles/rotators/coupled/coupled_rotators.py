"""A lattice of rotators beside its limit, driven by the same noise: what finite epsilon changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...sampling.noise import Noise
from ...sampling.philox import Purpose
from ...sampling.steps import even_steps, longest_step
from ...showing.described import Described
from ...support import checks
from ..kernels import lattice_stepper, thermostat_stepper
from ..lattice import RotatorLattice
from ..member_sampler import Keys, MemberSampler, SampledRotators
from ..region import LatticeRegion
from ..step_size import RotatorStep
from ..transport_process import SlowStep, TransportProcess
from ..watching.kernels import watched_stepper
from ..watching.watch import PathWatch
from ..watching.watched import WatchedRotators
from .coupled_ensemble import CoupledEnsemble
from .kernels import gap_stepper, steps_of_first, thermostats_of_both, turned_noise
from .watched_pairs import PairWatcher, WatchedPairs

if TYPE_CHECKING:
    from mpi4py import MPI


# Steps in units of those of a lattice: at epsilon = 0.2 whole ones change the correction by 2.4 %, five standard errors
# of 16 384 members, halves and quarters by less than one
SHORTER = 0.5


@dataclass(frozen=True)
class PairStep(RotatorStep):
    """A step of the lattice, and that of the limit, which takes the thermostats of the lattice."""

    slow: SlowStep


@dataclass(frozen=True)
class _Pair(SampledRotators[PairStep]):
    """u and v in one state (2 N,)."""

    lattice: RotatorLattice
    limit: TransportProcess
    HALVED: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Number N of sites."""
        return self.lattice.size

    @property
    def heated(self) -> tuple[LatticeRegion, NDArray[np.float64]]:
        """See `SampledRotators`."""
        return self.lattice.heated

    @property
    def equilibrium_actions(self) -> NDArray[np.float64]:
        """See `SampledRotators`."""
        return self.lattice.equilibrium_actions

    def identity(self) -> str:
        """That of the lattice."""
        return self.lattice.identity()

    def _chosen(self, start: NDArray[np.complex128], step: float | None) -> PairStep:
        """The lattice's, or half of it, with thermostats as often as the limit needs them."""
        fast, slow = self.lattice._chosen(start, step), self.limit._chosen(start, None)
        if step is None:
            fast = self.lattice._chosen(start, SHORTER * fast.h)
        h = min(fast.h, slow.h / self.lattice.epsilon)
        between = max(1, min(fast.between, int(slow.h / (self.lattice.epsilon * h))))
        return PairStep(h, max(fast.scale, slow.scale), between, slow)

    def _sampler(
        self,
        start: NDArray[np.complex128],
        snapshots: NDArray[np.float64],
        keys: Keys,
        step: PairStep,
        watched: bool,
        noise: Noise,
    ) -> tuple[MemberSampler, float]:
        lattice, between = self.lattice, step.between
        spans, blocks = even_steps(snapshots / lattice.epsilon, step.h * between)
        g, k = lattice.dissipation.compiled(lattice.region), step.slow.averaged.compiled(lattice.region)
        steps, hamiltonian = lattice.hamiltonian
        thermostats = thermostats_of_both(
            thermostat_stepper(g.kernel, g.radial), thermostat_stepper(k.kernel, k.radial, turned_noise)
        )
        advance = lattice_stepper(steps_of_first(steps), thermostats)
        run = watched_stepper(gap_stepper(advance)) if watched else advance
        parameters = g.int_params, g.float_params, k.int_params, k.float_params
        purpose = np.uint64(Purpose.ROTATORS)

        def advanced(
            x: np.ndarray, y: np.ndarray, i: int, first: int, some: int, noise_step: int, member: int, *watching: Any
        ) -> None:
            heat = lattice.temperature, member, purpose, *keys, *parameters
            count, h = int(blocks[i]), spans[i] / (blocks[i] * between)
            run(x, y, first, some, *watching, count, between, h, lattice.epsilon, hamiltonian, noise_step, heat)

        noises = np.where(blocks > 0, blocks + 1, 0)
        both = np.concatenate([start, start], axis=1)
        sampler = MemberSampler(
            both, blocks * between, noises, advanced, step.h, between, np.sqrt(2 * step.scale), lattice.remedy
        )
        return sampler, longest_step(spans, blocks) / between or step.h

    def _watcher(
        self, watch: PathWatch, weights: np.ndarray, sampler: MemberSampler, snapshots: np.ndarray, keys: Keys
    ) -> PairWatcher:
        """Who looks at every step of both."""
        one = super()._watcher(watch, np.empty((0, 2 * self.size)), sampler, snapshots, keys)
        return PairWatcher(**(vars(one) | {"temperature": np.tile(one.temperature, 2)}))


@dataclass(frozen=True, repr=False)
class CoupledRotators(Described):
    """A lattice u and its limit v, driven by the same noise, as control variates of one another.

        du_j = i f_j u_j dt + i epsilon^a sum G' (u_j - u_k) dt + epsilon g_j(u) dt + sqrt(epsilon T_j) dbeta_j,
        dv_j = K_j(v) d tau + sqrt(T_j) exp(i (arg v_j - arg u_j)) dbeta_j(tau),

    so that E f(I^epsilon) - E f(I^0) is the mean of differences that are small member by member. Each of them alone has
    the law that `RotatorLattice.sample` and `TransportProcess.sample` give it. Without coupling and with radial
    dissipation both moduli are the same.

    Args:
        lattice: the rotators.

    Raises:
        InvalidArgument: not a lattice; when it is sampled: its g has no average.

    Warns:
        AssumptionWarning: as for `TransportProcess`.

    Source: Dymov, equations (2.5), (4.35); synchronous coupling in law of the moduli.
    """

    lattice: RotatorLattice
    weak_order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checks.instance("lattice", self.lattice, RotatorLattice)
        object.__setattr__(self, "_limit", TransportProcess(self.lattice))

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
        watch: bool = False,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> CoupledEnsemble:
        """Amplitudes of the lattice and of its limit at slow times, from the same start.

        The noise is normal, and there is no choice of another one as in `RotatorLattice.sample`: the limit has that of
        the lattice, turned by the angle between both.

        Args:
            initial: u(0) = v(0), complex, of all members (N,) or of each (R, N).
            times: snapshots tau (T,), not negative, not decreasing.
            runs: number of independent members R.
            seed: of the random numbers.
            step: largest step h of the fast time t; None takes half of what a lattice takes. Its error is not in the
                standard errors: it was 2.4 % of the correction with whole steps at epsilon = 0.2, falls like its
                square, and is seen by halving `both.step`.
            paths: another name of `runs`.
            workers: threads; None takes the cores that this process may use.
            watch: look at every step: largest differences, suprema and integrals of the actions; it changes no path.
            progress: show a progress bar on rank 0.
            comm: communicator whose ranks share the members; all get the whole result.

        Returns:
            Both ensembles, with the mean of their difference and its standard error; `WatchedPairs` where they are
            watched.

        Raises:
            InvalidArgument: an argument out of range; a step that is too large.
            Unstable: a member has left all bounds.

        Warns:
            LongRun: it will take more than ten minutes.
        """
        options: dict[str, Any] = {"paths": paths, "workers": workers, "progress": progress, "comm": comm}
        options["watch"] = PathWatch() if checks.flag("watch", watch) else None
        both = _Pair(self.lattice, vars(self)["_limit"]).sample(initial, times, runs, seed, step, **options)
        u, v = np.split(both.amplitudes, 2, axis=2)
        found = both.times, u, v, both.step, both.seed, self.lattice.epsilon
        if isinstance(both, WatchedRotators):
            # a pair has its gaps where one alone has norms
            return WatchedPairs(*found, both.norms, both.step_maxima, both.maxima, both.integrals)
        return CoupledEnsemble(*found)

    def at(self, epsilon: float) -> CoupledRotators:
        """The same rotators at another epsilon."""
        return CoupledRotators(replace(self.lattice, epsilon=epsilon))
