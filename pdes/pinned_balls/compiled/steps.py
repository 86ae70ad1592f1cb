"""Rosenbrock steps and their control in one compiled function, which returns to Python from time to time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ...time.integration import StepControl, factor_after_refusal, growth, next_step
from ...time.rosenbrock import Rosenbrock
from . import banded, ends, kernels, rules
from .kernels import COMPILED, Kernels

# what `advance` returns
REACHED, INTERRUPTED, FAILED = range(3)
# why a step was refused
TAKEN, NOT_FINITE, TOO_LARGE, NEGATIVE = range(4)


class Scheme(NamedTuple):
    """A Rosenbrock method: a and c (s, s), m and e (s,), and which stages evaluate f anew (s,)."""

    gamma: float
    a: np.ndarray
    c: np.ndarray
    m: np.ndarray
    e: np.ndarray
    fresh: np.ndarray


class Control(NamedTuple):
    """The numbers of a `StepControl`."""

    order: int
    safety: float
    shrink: float
    grow: float
    refused: float
    smallest: float
    most: int


class Room(NamedTuple):
    """Arrays that steps are computed in: of the matrix, of vectors, and of a cell."""

    mass: np.ndarray
    band: np.ndarray
    last: np.ndarray
    reach: np.ndarray
    pivots: np.ndarray
    lower: np.ndarray
    outflow_rows: np.ndarray
    stages: np.ndarray
    vectors: np.ndarray
    w: np.ndarray
    local: np.ndarray


class Clock(NamedTuple):
    """Where an integration stands.

    now (3,) has the time, the next step and the last error estimate; counts (5,) steps, refused, evaluations,
    factorisations and the last reason; extremes (2,) the shortest and the longest step.
    """

    now: np.ndarray
    counts: np.ndarray
    extremes: np.ndarray


def scheme_arrays(method: Rosenbrock) -> Scheme:
    """Return the coefficients of a method as arrays."""
    s = method.stages
    a, c = np.zeros((s, s)), np.zeros((s, s))
    for i in range(s):
        a[i, : len(method.a[i])], c[i, : len(method.c[i])] = method.a[i], method.c[i]
    fresh = np.array([i > 0 and not method.repeats(i) for i in range(s)])
    return Scheme(method.gamma, a, c, np.array(method.m), np.array(method.e), fresh)


def control_numbers(control: StepControl) -> Control:
    """Return the numbers of a control for compiled code."""
    return Control(
        int(control.order), float(control.safety), float(control.shrink), float(control.grow), float(control.refused),
        float(control.smallest), int(control.most),
    )  # fmt: skip


def room(forms: Kernels, mass: np.ndarray, stages: int) -> Room:
    """Return the arrays for steps of a method with so many stages."""
    below, size = banded.band_size(forms.cells, forms.degree)
    last = banded.last_rows(forms.cells, forms.degree)
    nodes = forms.degree + 1
    return Room(
        mass, np.empty(size), last, np.empty_like(last), np.empty_like(last),
        np.empty(last.size * below), np.empty((2, below + 1)),
        np.empty((stages, mass.size)), np.empty((3, mass.size)), np.empty(3 * nodes), np.empty(4 * nodes**2),
    )  # fmt: skip


@njit(**COMPILED)
def rate(forms, y, f, room):  # type: ignore[no-untyped-def]
    """Fill f(y)."""
    kernels.assemble_rate(forms, y, f, room.w, room.local)
    if forms.absorbing:
        ends.tie_rates(forms.kind, y, f)


@njit(**COMPILED)
def factor(forms, shift, y, f, room):  # type: ignore[no-untyped-def]
    """Assemble and factor shift M - df/dy; False where that cannot be."""
    below = 2 * forms.degree + 1
    room.band[:] = 0.0
    kernels.assemble_matrix(forms, shift, y, room.band, room.w, room.local)
    if forms.absorbing:
        ends.tie_rows(forms.kind, shift, room.mass, y, f, room.band, below, room.outflow_rows)
    return banded.factor(room.band, below, room.last, room.reach, room.pivots, room.lower)


@njit(**COMPILED)
def combine(y, factors, count, stages, result):  # type: ignore[no-untyped-def]
    """Fill a result with y (None: 0) and so many stages by their factors."""
    for k in range(result.size):
        result[k] = 0.0 if y is None else y[k]
    for j in range(count):
        factor = factors[j]
        if factor != 0.0:
            for k in range(result.size):
                result[k] += factor * stages[j, k]


@njit(**COMPILED)
def attempt(forms, scheme, limits, room, y, f, h, counts):  # type: ignore[no-untyped-def]
    """Fill the first of the vectors with y(t + h); return the size of its error, and why it is refused."""
    new, at, slope = room.vectors[0], room.vectors[1], room.vectors[2]
    below, shift = 2 * forms.degree + 1, 1.0 / (scheme.gamma * h)
    counts[3] += 1
    if not factor(forms, shift, y, f, room):
        return np.nan, NOT_FINITE
    n = y.size
    for k in range(n):
        slope[k] = f[k]
    stages = room.stages
    for i in range(scheme.m.size):
        if scheme.fresh[i]:
            combine(y, scheme.a[i], i, stages, at)
            rate(forms, at, slope, room)
            counts[2] += 1
        x = stages[i]
        combine(None, scheme.c[i], i, stages, x)
        for k in range(n):
            x[k] = slope[k] + room.mass[k] / h * x[k]
        banded.solve(room.band, below, room.last, room.reach, room.pivots, room.lower, x)
        if forms.absorbing:
            x[n - 1] = ends.outflow(shift, x, room.outflow_rows)
    combine(y, scheme.m, scheme.m.size, stages, new)
    combine(None, scheme.e, scheme.m.size, stages, at)
    error = rules.error_of(forms.kind, room.mass, new, at) / limits.rtol
    if not np.isfinite(error):
        return error, NOT_FINITE
    if error > 1.0:
        return error, TOO_LARGE
    accepted = rules.accept(forms.kind, forms.absorbing, room.mass, new, limits)
    return error, TAKEN if accepted else NEGATIVE


@njit(cache=True, **COMPILED)
def advance(forms, scheme, control, limits, room, clock, y, f, target, end, budget):  # type: ignore[no-untyped-def]
    """Integrate y, in place, with its rate f, to the time `target`, with no more steps than `budget` in this call.

    The decisions are those of `integration.integrate`.
    """
    now, counts, extremes = clock.now, clock.counts, clock.extremes
    if counts[2] < 0:
        counts[2] = 0
        rate(forms, y, f, room)
    while now[0] < target:
        if budget == 0:
            return INTERRUPTED
        budget -= 1
        step, last = next_step(now[0], now[1], target)
        error, reason = attempt(forms, scheme, limits, room, y, f, step, counts)
        now[2] = error
        if reason != TAKEN:
            counts[1] += 1
            now[1] = step * factor_after_refusal(control, error)
        else:
            counts[0] += 1
            extremes[0] = min(extremes[0], step)
            extremes[1] = max(extremes[1], step)
            now[0] = target if last else now[0] + step
            for k in range(y.size):
                y[k] = room.vectors[0, k]
            rate(forms, y, f, room)
            now[1] = max(now[1] if step < now[1] else 0.0, step * growth(control, error))
        small = reason != TAKEN and now[1] < control.smallest * (end - now[0])
        if small or (now[0] < target and counts[0] + counts[1] > control.most):
            counts[4] = reason
            return FAILED
    return REACHED
