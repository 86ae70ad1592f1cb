"""Densities in time: implicit steps that keep mass, sign and equilibrium, and never raise the free energy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.support.checks import number

from .resolvent_schemes import ResolventScheme
from .resolvents import Resolvents
from .rosenbrock import Statistics

MOST_STEPS = 2**60  # between two snapshots
MOST_TRIED = 2**17  # steps that are chosen, kept or refused, between two snapshots
EXACT = 1e-3  # of rtol: what linear solves may leave of the mass
EXACT_STEPS = 1e-9  # of the mass, where steps have a given size
EVEN = 1e-20  # relative entropies below it are rounding (of 1e-10); a state so close to equilibrium is left alone
ROUNDING = 1e-12  # of sum r |log(r/r_eq)|: what a solve leaves in a relative entropy that is not small
SAFETY = 0.8


@dataclass(frozen=True)
class Clock:
    """Where a solve is: after `position` of `count` equal steps between snapshots `interval` - 1 and `interval`."""

    interval: int = 0
    count: int = 0
    position: int = 0

    def halved(self, times: int) -> Clock:
        """The same place, with steps 2^times times shorter."""
        return replace(self, count=self.count << times, position=self.position << times)

    def doubled(self) -> Clock:
        """The same place, with steps twice as long, where that is possible."""
        if self.count % 2 or self.position % 2:
            return self
        return replace(self, count=self.count // 2, position=self.position // 2)


@dataclass(frozen=True)
class Stepper:
    """How steps are chosen.

    Args:
        scheme: of the steps.
        rtol: largest error of a step, in total variation; None takes steps of the given size.
        step: largest size of all steps, or None.
    """

    scheme: ResolventScheme
    rtol: float | None
    step: float | None

    @classmethod
    def chosen(cls, scheme: Any, step: Any, rtol: float, *, exact: bool = False) -> Stepper:
        """Steps of the given size, or chosen by rtol where none is given.

        Args:
            scheme: of the steps.
            step: their largest size, or None.
            rtol: error of a step, if they are chosen.
            exact: whether time is exact, so that no step is needed whatever the scheme.

        Raises:
            InvalidArgument: not a scheme, one that cannot estimate its error without a step, or a step <= 0.
        """
        if not isinstance(scheme, ResolventScheme):
            raise InvalidArgument("scheme", f"must be a ResolventScheme, not {scheme!r}")
        if step is not None:
            return cls(scheme, None, number("step", step, above=0.0))
        if scheme.order < 2 and not exact:
            raise InvalidArgument("step", f"must be given for {scheme.name}, which cannot estimate its error")
        return cls(scheme, rtol, None)


@dataclass
class Journey:
    """The state between two steps, and what has been seen so far: all that a checkpoint holds.

    Args:
        state: s = r/sqrt(m) on this rank.
        clock: the place in time.
        length: size of the last step kept, 0 for none.
        entropy: H of the state.
        seen: for each snapshot behind, the probabilities r at the nodes of this rank.
        entropies: H there.
        statistics: steps kept and refused.
    """

    state: np.ndarray
    clock: Clock = field(default_factory=Clock)
    length: float = 0.0
    entropy: float = np.inf
    seen: list[np.ndarray] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    statistics: Statistics = field(default_factory=Statistics)


class Generator(Protocol):
    """S = D^(1/2) L D^(-1/2) of a reversible Markov process on nodes, D = diag m, with m >= 0 its equilibrium."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def dim(self) -> int:
        """Dimension d of space."""

    @property
    def root(self) -> np.ndarray:
        """sqrt(m) at the nodes of this rank."""

    def matrix(self) -> PETSc.Mat:
        """S, symmetric."""


class Evolution:
    """d_t s = -S s, with the probabilities r = sqrt(m) s >= 0.

    Args:
        scheme: S and m.
        stepper: how steps are chosen.
        petsc_options: of the linear solver, without prefix.
    """

    def __init__(self, scheme: Generator, stepper: Stepper, petsc_options: dict[str, Any] | None) -> None:
        self._stepper, self._comm = stepper, scheme.comm
        self._root = scheme.root
        allowed = EXACT_STEPS if stepper.rtol is None else EXACT * stepper.rtol
        self._resolvents = Resolvents(
            scheme.matrix(), scheme.root, scheme.dim, "fokker_planck_", petsc_options, allowed=allowed
        )
        self._partition = self._sum(scheme.root**2)

    def _sum(self, values: np.ndarray) -> float:
        return float(self._comm.allreduce(float(values.sum())))

    def entropy(self, state: np.ndarray) -> float:
        """H = sum r log(r/r_eq) >= 0, the relative entropy; near 0 it keeps its digits."""
        return self._entropy(state)[0]

    def _entropy(self, state: np.ndarray) -> tuple[float, float]:
        """H, and what rounding in the solves and in the logarithms may change of it."""
        inside = self._root > 0
        root = np.where(inside, self._root, 1.0)
        with np.errstate(over="ignore"):
            ratio = np.where(inside, state * self._partition / root, 0.0)
        weight, share = self._root**2 / self._partition, state * self._root
        excess = ratio - 1.0
        small = np.abs(excess) < 1e-4
        x = np.where(small, excess, 0.0)
        series = x**2 * (0.5 - x / 6 + x**2 / 12 - x**3 / 20)  # of (1 + x) log(1 + x) - x
        logarithms = np.log(np.where(share > 0, state, 1.0)) + np.log(self._partition) - np.log(root)
        terms = np.where(share > 0, share * logarithms, 0.0)
        noise = np.abs(np.where(small, 0.0, terms))
        value = self._sum(np.where(small, weight * series, terms - (share - weight)))
        return value, ROUNDING * self._sum(noise)

    def start(self, probabilities: np.ndarray) -> Journey:
        """The journey of probabilities r at the nodes of this rank, which add up to 1."""
        state = np.where(self._root > 0, probabilities / np.where(self._root > 0, self._root, 1.0), 0.0)
        return Journey(state=state, entropy=self.entropy(state))

    def go(self, journey: Journey, times: np.ndarray, after_step: Any) -> None:
        """Take the journey to the last of the times; `after_step` is called after every step and snapshot.

        Raises:
            NotConverged: no step is small enough, or a step of the given size is too large for the scheme.
        """
        begins = np.concatenate([[0.0], times[:-1]])
        while journey.clock.interval < len(times):
            i = journey.clock.interval
            span = float(times[i] - begins[i])
            if journey.clock == Clock(i) and span > 0:
                journey.clock = Clock(i, self._first_count(journey, span))
            tried = journey.statistics.steps + journey.statistics.refused
            while span > 0 and journey.clock.position < journey.clock.count:
                self._advance(journey, span, float(times[i]))
                self._check_number(journey, tried, span, float(times[i]))
                after_step(journey)
            journey.entropy = self._at_snapshot(journey)
            journey.seen.append(self._shown(journey.state))
            journey.entropies.append(journey.entropy)
            journey.clock = Clock(i + 1)
            after_step(journey)
        journey.statistics.factorisations += self._resolvents.factorisations

    def _check_number(self, journey: Journey, before: int, span: float, until: float) -> None:
        """Give up if the steps that are chosen are too many."""
        tried = journey.statistics.steps + journey.statistics.refused - before
        if self._stepper.rtol is not None and tried >= MOST_TRIED:
            part = journey.clock.position / journey.clock.count
            raise NotConverged(
                "the evolution of the density",
                f"{tried} steps have led {part:.2g} of the way: fast rates hide the slow ones behind their rounding",
                "ask for earlier times, and for later ones take spectrum; or a larger rtol",
                time=until - (1.0 - part) * span, step=span / journey.clock.count,
            )  # fmt: skip

    def _shown(self, state: np.ndarray) -> np.ndarray:
        """What a snapshot keeps of a state: the probabilities."""
        return state * self._root

    def _at_snapshot(self, journey: Journey) -> float:
        """H of the state; the steps of implicit Euler cannot raise it, so it is looked at here only."""
        if self._stepper.scheme.order > 1:
            return journey.entropy
        entropy = self.entropy(journey.state)
        if entropy <= journey.entropy or entropy <= EVEN:
            return min(entropy, journey.entropy)
        raise NotConverged(
            "the evolution of the density", f"the relative entropy rose from {journey.entropy:.6e} to {entropy:.6e}",
            "let the linear solver be more exact, by petsc_options",
        )  # fmt: skip

    def _first_count(self, journey: Journey, span: float) -> int:
        """Steps of the given size; or 2^k of about the size of before, at the very start of an explicit guess."""
        if self._stepper.step is not None:
            return max(1, int(np.ceil(span / self._stepper.step * (1 - 1e-12))))
        guess = journey.length or self._explicit_guess(journey.state)
        return 2 ** int(np.clip(np.ceil(np.log2(span / guess) - 1e-9), 0, 50))

    def _explicit_guess(self, state: np.ndarray) -> float:
        rate = self._sum(np.abs(self._resolvents.applied(state)) * self._root)
        assert self._stepper.rtol is not None
        return float(self._stepper.rtol ** (1 / max(self._stepper.scheme.order, 2)) / max(rate, 1e-300))

    def _advance(self, journey: Journey, span: float, until: float) -> None:
        """Take one step, after as many halvings as it needs."""
        scheme, clock = self._stepper.scheme, journey.clock
        h = span / clock.count
        stages = [journey.state]
        for _ in range(scheme.order):
            stages.append(self._resolvents.solve(scheme.gamma * h, stages[-1]))
        new = np.tensordot(scheme.weights, stages[1:], axes=1)
        error = 0.0
        if self._stepper.rtol is not None:
            estimate = np.tensordot(scheme.estimate, stages, axes=1)
            error = self._sum(np.abs(estimate) * self._root) / self._stepper.rtol
        kept, entropy, reason = self._accepted(journey, new)
        if reason or error > 1.0:
            journey.statistics.refused += 1
            self._refuse(journey, error, reason, h, until)
            return
        journey.state, journey.entropy, journey.length = kept, entropy, h
        journey.statistics.keep(h)
        journey.clock = replace(clock, position=clock.position + 1)
        growth = SAFETY * max(error, 1e-30) ** (-1 / scheme.order)
        if self._stepper.rtol is not None and growth >= 2.0:
            journey.clock = journey.clock.doubled()

    def _refuse(self, journey: Journey, error: float, reason: str, h: float, until: float) -> None:
        if self._stepper.rtol is None or journey.clock.count >= MOST_STEPS:
            remedy = "take a smaller step, or IMPLICIT_EULER" if self._stepper.rtol is None else "take a larger rtol"
            raise NotConverged(
                "the evolution of the density", reason or f"the error is {error:.1g} times rtol", remedy,
                time=until, step=h,
            )  # fmt: skip
        halvings = 1 if error <= 1.0 else int(np.ceil(np.log2(error ** (1 / self._stepper.scheme.order) / SAFETY)))
        journey.clock = journey.clock.halved(min(max(halvings, 1), 8))

    def _accepted(self, journey: Journey, new: np.ndarray) -> tuple[np.ndarray, float, str]:
        """The new state with r >= 0 and mass 1, its entropy, and why it cannot be had.

        Where a sum of resolvents is negative, it is so by less than the error of the step; it becomes 0 there, and the
        rest is scaled to the mass that was there.
        """
        positive = np.maximum(new, 0.0)
        total, kept = self._sum(new * self._root), self._sum(positive * self._root)
        allowed = self._stepper.rtol or 1e-3
        if not kept - total <= allowed or not abs(total - 1.0) <= 1e-6:
            return new, np.inf, f"the density is negative on {kept - total:.1e} of its mass"
        positive /= kept
        if self._stepper.scheme.order == 1:
            return positive, journey.entropy, ""
        entropy, noise = self._entropy(positive)
        # the lowest value so far is what later ones are held against, so that noise never adds up
        if entropy <= journey.entropy + noise:
            return positive, min(entropy, journey.entropy), ""
        if entropy <= max(EVEN, 16.0 * self._resolvents.left**2):  # as even as the solves are exact
            return journey.state, journey.entropy, ""
        return new, np.inf, f"the relative entropy rises from {journey.entropy:.6e} to {entropy:.6e}"


def probabilities_of(initial: np.ndarray, volumes: np.ndarray, comm: MPI.Comm) -> tuple[np.ndarray, float]:
    """Probabilities r (m,) at the nodes, which add up to 1, and the integral of what was given."""
    total = float(comm.allreduce(float((initial * volumes).sum())))
    return (initial * volumes / total if total > 0 else initial), total
