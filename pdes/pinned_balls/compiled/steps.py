"""Rosenbrock steps and their control in one compiled function, which returns to Python from time to time."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numba import njit

from ...time.integration import StepControl, factor_after_refusals, factor_after_step, in_vain, next_step
from ...time.rosenbrock import Rosenbrock
from . import operations
from .numba_options import COMPILED, FAST

# what `advance` returns
REACHED, INTERRUPTED, FAILED, UNSURE = range(4)
# why a step was refused
TAKEN, NOT_FINITE, TOO_LARGE, NEGATIVE, UNCERTAIN = range(5)


class Scheme(NamedTuple):
    """A Rosenbrock method: a and c (s, s), m and e (s,), and which stages evaluate f anew (s,)."""

    gamma: float
    a: np.ndarray
    c: np.ndarray
    m: np.ndarray
    e: np.ndarray
    fresh: np.ndarray


class Control(NamedTuple):
    """The numbers of a `StepControl`, and the first step that is tried."""

    order: int
    safety: float
    shrink: float
    grow: float
    refused: float
    smallest: float
    most: int
    vain: int
    first: float


class Room(NamedTuple):
    """Arrays that steps are computed in: stages (s, n), and vectors (3, n)."""

    stages: np.ndarray
    vectors: np.ndarray


class Clock(NamedTuple):
    """Where an integration stands.

    now (7,) has the time, the next step and the last error estimate, the last step taken, its error, how many were
    refused since, and how many at all for another reason than their error; counts (6,) steps, refused, evaluations,
    factorisations, the last reason, and the times that are kept; extremes (2,) the shortest and the longest step.
    """

    now: np.ndarray
    counts: np.ndarray
    extremes: np.ndarray


@functools.lru_cache(maxsize=8)
def scheme_arrays(method: Rosenbrock) -> Scheme:
    """Return the coefficients of a method as arrays."""
    s = method.stages
    a, c = np.zeros((s, s)), np.zeros((s, s))
    for i in range(s):
        a[i, : len(method.a[i])], c[i, : len(method.c[i])] = method.a[i], method.c[i]
    fresh = np.array([i > 0 and not method.repeats(i) for i in range(s)])
    return Scheme(method.gamma, a, c, np.array(method.m), np.array(method.e), fresh)


def control_numbers(control: StepControl, first: float) -> Control:
    """Return the numbers of a control, and the first step that is tried, for compiled code."""
    return Control(
        int(control.order), float(control.safety), float(control.shrink), float(control.grow), float(control.refused),
        float(control.smallest), int(control.most), int(control.vain), float(first),
    )  # fmt: skip


@njit(**FAST)
def combine(y, factors, count, stages, result):  # type: ignore[no-untyped-def]
    """Fill a result with y (None: 0) and so many stages by their factors."""
    for k in range(result.size):
        result[k] = 0.0 if y is None else y[k]
    # two at once; the last one may be without another
    for j in range(0, count, 2):
        one, a, b = stages[j], factors[j], factors[j + 1] if j + 1 < count else 0.0
        if b != 0.0:
            other = stages[j + 1]
            for k in range(result.size):
                result[k] += a * one[k] + b * other[k]
        elif a != 0.0:
            for k in range(result.size):
                result[k] += a * one[k]


@njit(inline="always", **COMPILED)
def attempt(system, scheme, limits, room, y, f, h, counts):  # type: ignore[no-untyped-def]
    """Fill the first of the vectors with y(t + h); return the size of its error, and why it is refused."""
    new, at, slope = room.vectors[0], room.vectors[1], room.vectors[2]
    shift, frequency, stages, mass = 1.0 / (scheme.gamma * h), 1.0 / h, room.stages, system.mass
    if not operations.factor(system, shift, y, f):
        return np.nan, NOT_FINITE
    n = y.size
    for k in range(n):
        slope[k] = f[k]
    for i in range(scheme.m.size):
        if scheme.fresh[i]:
            combine(y, scheme.a[i], i, stages, at)
            operations.rate(system, at, slope)
            counts[2] += 1
        x = stages[i]
        combine(None, scheme.c[i], i, stages, x)
        for k in range(n):
            x[k] = slope[k] + mass[k] * (frequency * x[k])
        operations.solve(system, shift, x)
        # the factors are those of all stages: the first solution tells of them
        if i == 0 and not operations.certain(system, shift, f, x):
            return np.nan, UNCERTAIN
    combine(y, scheme.m, scheme.m.size, stages, new)
    combine(None, scheme.e, scheme.m.size, stages, at)
    error = operations.error_of(system, new, at) / limits.rtol
    if not np.isfinite(error):
        return error, NOT_FINITE
    if error > 1.0:
        return error, TOO_LARGE
    return error, TAKEN if operations.accept(system, new, limits) else NEGATIVE


@njit(cache=True, **COMPILED)
def advance(system, scheme, control, limits, room, clock, y, f, targets, kept, budget):  # type: ignore[no-untyped-def]
    """Integrate y, in place, with its rate f, to the targets, with no more steps than `budget` in this call.

    The decisions are those of `integration.integrate`.

    Args:
        system: see `operations`.
        scheme: the method.
        control: of the step sizes.
        limits: of states.
        room: for the steps.
        clock: where the integration stands, changed.
        y: the state there, changed.
        f: its rate, likewise; it is filled first where no evaluation is counted yet.
        targets: times, of which the first ones have been reached, as the clock says.
        kept: room for the states there.
        budget: steps.
    """
    now, counts, extremes = clock.now, clock.counts, clock.extremes
    if counts[2] < 0:
        counts[2] = 0
        operations.rate(system, y, f)
    while counts[5] < targets.size:
        target = targets[counts[5]]
        if now[0] >= target:
            for k in range(y.size):
                kept[counts[5], k] = y[k]
            counts[5] += 1
            continue
        if budget == 0:
            return INTERRUPTED
        budget -= 1
        step, last = next_step(now[0], now[1], target)
        before = counts[2]
        error, reason = attempt(system, scheme, limits, room, y, f, step, counts)
        if reason == UNCERTAIN:
            counts[2] = before
            return UNSURE
        counts[3] += 1
        now[2] = error
        if reason != TAKEN:
            counts[1] += 1
            now[1] = step * factor_after_refusals(control, error, now[5])
            now[5] += 1.0
            now[6] += error <= 1.0
        else:
            counts[0] += 1
            extremes[0] = min(extremes[0], step)
            extremes[1] = max(extremes[1], step)
            now[0] = target if last else now[0] + step
            for k in range(y.size):
                y[k] = room.vectors[0, k]
            operations.rate(system, y, f)
            factor = factor_after_step(control, step, error, now[3], now[4])
            now[1] = step * min(factor, 1.0) if now[5] > 0 else max(now[1] if step < now[1] else 0.0, step * factor)
            now[3], now[4], now[5] = step, error, 0.0
        vain = in_vain(control, now[6], counts[0] + counts[1])
        small = reason != TAKEN and (vain or now[1] < control.smallest * max(now[0], control.first))
        if small or (now[0] < target and counts[0] + counts[1] > control.most):
            counts[4] = reason
            return FAILED
    return REACHED
