"""Brownian particles in an N-scale potential at finite scale separation: samples of the full dynamics."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument, Unstable
from ..sampling.noise import GAUSSIAN, Noise
from ..sampling.normal_tiles import TILE
from ..sampling.philox import Key, Purpose, key_words
from ..sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, same_on_all_ranks
from ..sampling.samples import different_starts, runs_or_paths
from ..sampling.statistics.reduced_ensemble import ReducedEnsemble
from ..sampling.statistics.reduction import AskedStatistics
from ..sampling.statistics.request import EnsembleStatistics
from ..sampling.steps import check_bounded
from ..sampling.workers import Stop
from ..showing.described import Described
from ..support import checks
from .compiled_gradient import gradient_of
from .langevin_schemes import LEIMKUHLER_MATTHEWS, STOCHASTIC_HEUN, LangevinScheme
from .multiscale_potential import MultiscalePotential
from .passages.first_passages import FirstPassages
from .passages.kernels import CompiledSteps, heun_mover, platen_mover
from .passages.sampler import PassageSampler, even_limit, whole_steps
from .passages.targets import Functions, Target, agreed_targets, check_agreed, indicator_target
from .paths import Advance, Paths, PathSampler, checked_start
from .step_choice import check_step_on_paths, checked_step, is_looked_at
from .steppers.heun import tile_stepper
from .steppers.platen import platen_tile_stepper

if TYPE_CHECKING:
    from mpi4py import MPI

# from points (P, d) to truth values (P,)
Indicator = Callable[[np.ndarray], np.ndarray]
# of the largest curvature
DECIMALS = 250
# of a step of one path, for each dimension
SECONDS = 8e-9
# steps of a tile between two looks at an interrupt
SLICE = 1024


@dataclass(frozen=True, repr=False)
class Langevin(Described):
    """Brownian particles in an N-scale potential V_epsilon(x) = V0(x) + V1(x, x/epsilon, ..., x/epsilon^N).

        dX = -grad V_epsilon(X) dt + sqrt(2 sigma) dW.

    With a mobility B(x, y_1, ..., y_N) of the potential, taken at y_k = x/epsilon^k, the equation is, as Ito reads it,

        dX = (-B grad V_epsilon + sigma div B)(X) dt + sqrt(2 sigma B(X)) dW,

    whose equilibrium is exp(-V_epsilon/sigma), too; paths then follow Platen's scheme of weak order 2.

    Args:
        potential: V0, V1, sigma.
        epsilon: the scale separation, positive.

    Raises:
        InvalidArgument: not a potential, or epsilon is not positive.

    Source: Duncan, Duong and Pavliotis (2023), equation (8).
    """

    potential: MultiscalePotential
    epsilon: float

    def __post_init__(self) -> None:
        checks.instance("potential", self.potential, MultiscalePotential)
        epsilon = checks.number("epsilon", self.epsilon, above=0.0)
        if 2 * self.potential.scales * abs(math.log10(epsilon)) > DECIMALS:
            raise InvalidArgument("epsilon", f"must be such that epsilon^-2N is a number, not {epsilon:g}")
        object.__setattr__(self, "epsilon", epsilon)

    @overload
    def sample(
        self, initial: ArrayLike, times: ArrayLike, paths: int | None = None, seed: int | None = None,
        step: float | None = None, *, runs: int | None = None, scheme: LangevinScheme = STOCHASTIC_HEUN,
        noise: Noise = GAUSSIAN, statistics: None = None, checkpoint: None = None, workers: int | None = None,
        progress: bool = False, comm: MPI.Comm | None = None,
    ) -> Paths: ...  # fmt: skip

    @overload
    def sample(
        self, initial: ArrayLike, times: ArrayLike, paths: int | None = None, seed: int | None = None,
        step: float | None = None, *, runs: int | None = None, scheme: LangevinScheme = STOCHASTIC_HEUN,
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
        scheme: LangevinScheme = STOCHASTIC_HEUN,
        noise: Noise = GAUSSIAN,
        statistics: EnsembleStatistics | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> Paths | ReducedEnsemble:
        """Positions X at times.

        Args:
            initial: X(0), of all paths (d,) or of each (R, d).
            times: snapshots (T,), not negative, not decreasing.
            paths: number of independent paths R.
            seed: of the random numbers; a path has the same ones whatever the number of paths, threads and ranks.
            step: largest time step; None takes 0.2 of the smallest time scale 1/max |Hessian V_epsilon| around
                all starts: where each path has its own, give the step, so that it does not change with the paths.
            runs: another name of `paths`.
            scheme: STOCHASTIC_HEUN, of weak order 2 (Platen's with a mobility), or LEIMKUHLER_MATTHEWS, see
                `equilibrium`.
            noise: `GaussianNoise()`, or `CubatureNoise()` for smooth means: the orders of all schemes stay, at two
                thirds of the cost of a step or less; the law of a path after few steps is one of points.
            statistics: what is added up over the paths instead of keeping them, in memory that does not grow with their
                number; the result is a `ReducedEnsemble` then.
            checkpoint: for statistics, a file that is written from time to time and when the call ends, however it
                does; where it is there, sampling goes on from it, also to more paths.
            workers: threads; None takes the cores that this process may use.
            progress: show a progress bar, at a terminal or in a notebook, on rank 0.
            comm: communicator whose ranks share the paths; all get the whole result.

        Returns:
            The positions (T, R, d), and the step that was taken; or their statistics.

        Raises:
            InvalidArgument: an argument out of range; a step that is not stable; a checkpoint of another ensemble.
            Unstable: a path has left all bounds, or has come to where the potential is too steep for the step.

        Source: of the second scheme, Leimkuhler and Matthews, Appl. Math. Res. Express (2013) 34.
        """
        communicator(comm, optional=True)
        same_on_all_ranks(comm, **self._model)
        start, keys, h = on_all_ranks(comm, lambda: self._checked(initial, runs, paths, seed, step))
        snapshots = on_all_ranks(comm, lambda: checks.times(times))
        scheme = on_all_ranks(comm, lambda: self._checked_scheme(scheme))
        on_all_ranks(comm, lambda: checks.instance("noise", noise, Noise))
        some = different_starts(start)
        same_on_all_ranks(
            comm, initial=some, paths=len(start), times=snapshots, seed=seed, step=h, scheme=scheme.name,
            noise=repr(noise),
        )  # fmt: skip
        asked = AskedStatistics(statistics, checkpoint)
        asked.check(comm, "positions", some)
        stepper = platen_tile_stepper if self._has_mobility else tile_stepper
        step_tile = stepper(gradient_of(self.potential), noise)
        fill_tile, purpose = noise.fill_tile, np.uint64(noise.purpose(Purpose.LANGEVIN))

        def begin(index: int, some: np.ndarray, stop: Stop) -> Advance:
            x, slices = np.empty((self.potential.dim, TILE)), itertools.count(1)
            x[:] = some[-1][:, None]
            x[:, : len(some)] = some.T
            old, work = np.empty_like(x), (np.empty(TILE // 2), np.empty(TILE // 2))
            for i in range(len(x)):
                fill_tile(old[i], 0, i, index, purpose, *keys, *work)

            def advance(first: int, count: int, size: float) -> np.ndarray:
                for done, number in stop.slices(count, SLICE):
                    step_tile(
                        x, old, scheme.averages_noise, first + done, number, size, self.potential.temperature,
                        self._scales, index, purpose, *keys,
                    )  # fmt: skip
                    self._look(x[:, : len(some)].T, size, next(slices))
                check_bounded(x[:, : len(some)], h)
                return x[:, : len(some)].T

            return advance

        seconds = SECONDS * (1 if scheme.averages_noise else 2) * self.potential.dim
        sampler = PathSampler(start, snapshots, h, checks.seed(seed), begin, seconds)
        if statistics is None:
            return sampler.sampled(workers, progress, comm)
        model = {name: str(value) for name, value in self._model.items()}
        return sampler.reduced(asked, model | {"scheme": scheme.name}, noise, workers, progress, comm)

    def equilibrium(self, *arguments: Any, **named: Any) -> Paths:
        """Positions X at late times, for averages over the stationary law only: `sample` with LEIMKUHLER_MATTHEWS.

        It evaluates the gradient once a step, and its stationary averages are of order 2; on the way there it is of
        order 1 only, so use `sample` for anything that depends on time. Times should be past the relaxation time. With
        a mobility it is refused, as its noise depends on the position.
        """
        return self.sample(*arguments, scheme=LEIMKUHLER_MATTHEWS, **named)

    @ends_on_all_ranks
    def first_passage_times(
        self,
        initial: ArrayLike,
        target: Indicator,
        paths: int | None = None,
        seed: int | None = None,
        step: float | None = None,
        *,
        runs: int | None = None,
        limit: float = math.inf,
        workers: int | None = None,
        progress: bool = False,
        comm: MPI.Comm | None = None,
    ) -> NDArray[np.float64]:
        """First passage times inf {t : X(t) in the target}, by the stochastic Heun scheme.

        A path between two steps may enter the target and leave it unseen, so that boundaries seem farther away by about
        0.58 sqrt(2 sigma step): the times are too long by a part of order sqrt(step). The noise is normal: no order is
        known for discrete numbers, whose laws at single steps count here.

        The arguments are those of `sample`, without times and scheme, and:

        * target: the set, from points (P, d) to truth values (P,); numpy functions that numba can compile.
        * limit: time after which a path is given up.

        Returns:
            The times (R,); infinite for paths that did not arrive before the limit.

        Raises:
            InvalidArgument: an argument out of range; a step that is not stable; a target that cannot be compiled.
            Unstable: a path has left all bounds, or has come to where the potential is too steep for the step.
        """
        communicator(comm, optional=True)
        same_on_all_ranks(comm, **self._model)
        start, keys, h = on_all_ranks(comm, lambda: self._checked(initial, runs, paths, seed, step))
        steps = on_all_ranks(comm, lambda: whole_steps(limit, h))
        same_on_all_ranks(comm, initial=start, seed=seed, step=h, limit=limit)
        entered = on_all_ranks(comm, lambda: indicator_target(target, start))
        check_agreed(comm, target, (entered,), start)
        taken, _ = self._passages((entered,), start, h, steps, keys).arrivals(workers, progress, comm)
        return np.where(taken < 0, np.inf, taken * h)

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
        """When paths hit the first of several targets, and which one, by the stochastic Heun scheme.

        A target is a level function phi, negative inside and smooth near its boundary: then a path that is outside
        before and after a step, at x and y, has hit it with the probability exp(-2 phi(x) phi(y)/(step n.A n)), with
        n = grad phi, A = 2 sigma B at x, and errors are of order step; T is the middle of the step. Or it is an
        indicator: then it is looked at after every step, and errors are of order sqrt(step), as in
        `first_passage_times`. The noise is normal, which the probability of a hit takes. Where several are hit in one
        step, the one that is reached first counts, and of those that are alike, or at the start, the first in the list.

        The arguments are those of `sample`, without times and scheme, and:

        * targets: one, a list (K,), or functions by their names: from points (P, d) to levels (P,), or to truth values
          (P,); numpy functions that numba can compile.
        * limit: time until which paths are observed; a whole number of steps, which are made shorter for that. How long
          a call without it takes is not known beforehand.

        Returns:
            T (R,), the numbers of the targets (R,), and what they tell.

        Raises:
            InvalidArgument: an argument out of range; a step that is not stable; a target that cannot be compiled, or
                whose level is not finite at the start or where a path comes to.
            Unstable: a path has left all bounds, or has come to where the potential is too steep for the step.

        Warns:
            Unresolved: no path has hit a target before the limit.

        Source: Gobet, Stochastic Processes and their Applications 87 (2000) 167-197.
        """
        communicator(comm, optional=True)
        same_on_all_ranks(comm, **self._model)
        start, keys, largest = on_all_ranks(comm, lambda: self._checked(initial, runs, paths, seed, step))
        h, steps = on_all_ranks(comm, lambda: even_limit(limit, largest))
        same_on_all_ranks(comm, initial=start, seed=seed, step=h, limit=limit)
        sampler = self._passages(agreed_targets(targets, start, comm), start, h, steps, keys)
        return sampler.sampled(checks.seed(seed), limit, workers, progress, comm)

    def _passages(
        self, targets: tuple[Target, ...], start: np.ndarray, step: float, steps: int, key: Key
    ) -> PassageSampler:
        mover = platen_mover if self._has_mobility else heun_mover
        kernel = CompiledSteps(mover(gradient_of(self.potential)), self.potential.temperature, self._scales, key)
        return PassageSampler(kernel, targets, start, step, steps, lambda x, number: self._look(x, step, number))

    @property
    def _has_mobility(self) -> bool:
        return self.potential.mobility_expression is not None

    def _checked_scheme(self, scheme: LangevinScheme) -> LangevinScheme:
        checks.instance("scheme", scheme, LangevinScheme)
        if scheme.averages_noise and self._has_mobility:
            raise InvalidArgument(
                "scheme", f"must not be {scheme.name} with a mobility; take STOCHASTIC_HEUN, the default"
            )
        return scheme

    @property
    def _model(self) -> dict[str, object]:
        """What ranks that share paths must agree on: the text of V, of which its compiled code has the same digits."""
        v = self.potential
        expressions = f"{v.confining_expression} {v.fluctuation_expression} {v.temperature!r} {v.mobility_expression}"
        expressions += f" {v.lattice} {v.domain}"
        return {"potential": expressions, "epsilon": self.epsilon}

    @property
    def _scales(self) -> tuple[float, ...]:
        return tuple(self.epsilon ** -(k + 1) for k in range(self.potential.scales))

    def _checked(
        self, initial: ArrayLike, runs: int | None, paths: int | None, seed: int | None, step: float | None
    ) -> tuple[np.ndarray, Key, float]:
        """The starts, the keys of the random numbers, and the time step."""
        start = checked_start(initial, runs_or_paths("paths", runs, paths), self.potential.dim)
        some = different_starts(start)
        self.potential.check_inside("initial", some)
        with np.errstate(all="ignore"):
            lost = np.flatnonzero(~np.isfinite(self.potential.full_at(some, self.epsilon)))
        if lost.size:
            place = some[lost[0]].tolist()
            raise InvalidArgument("initial", f"must be where V0 and V1 are finite; they are not at {place}")
        keys = key_words(checks.seed(seed))
        # a potential that cannot be compiled is refused before its step is looked for
        gradient_of(self.potential)
        return start, keys, checked_step(self.potential, self.epsilon, step, start)

    def _check_inside(self, x: np.ndarray) -> None:
        try:
            self.potential.check_inside("paths", x)
        except InvalidArgument as error:
            raise Unstable(
                "a path, or what its scheme looks at ahead of it, has left the domain of the potential: "
                f"{error}. Remedy: a larger domain, or a V0 that confines."
            ) from None

    def _look(self, x: np.ndarray, h: float, slices: int) -> None:
        """Look, after some of the slices, whether the step is small enough where paths (P, d) are.

        Raises:
            Unstable: it is not, or a path has left the domain of the potential.
        """
        self._check_inside(x)
        if len(x) and is_looked_at(slices) and np.isfinite(x).all():
            check_step_on_paths(self.potential, self.epsilon, h, x)
