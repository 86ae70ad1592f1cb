"""Hitting problems on a line: formulas by quadrature, in which nothing cancels.

Between two sets, or a set and a wall, the solution of -(sigma pi M T')' = pi h, h >= 0, T = 0 at the sets, is

    T(x) = int_x^b R(y) P(y) dy                                   wall at a, set at b,  P(y) = int_a^y pi h,
    T(x) = [R_b(x) int_a^x R_a pi h + R_a(x) int_x^b R_b pi h] / R_ab                   sets at a and b,

with the resistance R(y) = 1/(sigma pi M), R_a(x) = int_a^x R, R_b(x) = int_x^b R, R_ab = R_a(b); committors are
R_a/R_ab. Times of any length have their digits. A point is a set too: on a line it is hit with probability one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.ranks import on_all_ranks

from ..problem import ReversibleDiffusion
from ..scharfetter_gummel import HIGHEST
from ..storage.kept_functions import OnPanels
from .coarser_grids import GIVEN
from .fields import ScalarField
from .line_panels import WEIGHTS, Integrals, Panels, tail
from .target_sets import SETTINGS, TargetSet, intervals

# relative error that sums of logarithms leave
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Gap:
    """A run of panels between two ends.

    Args:
        panels: their numbers, from left to right, around a ring too (K,).
        left: the number of the set at the left end; None for a wall.
        right: that at the right end.
    """

    panels: np.ndarray
    left: int | None
    right: int | None


class Line:
    """A line with sets, cut into panels and gaps; the same on all ranks.

    Args:
        equation: gives Psi, M and the interval.
        sets: in which solutions are given.

    Raises:
        InvalidArgument: an empty set, one that covers the box, sets that meet, or that no path reaches.
    """

    def __init__(self, equation: ReversibleDiffusion, sets: tuple[TargetSet, ...]) -> None:
        self.equation, self.grid, self.sets = equation, equation.grid, sets
        self.parts = intervals(self.grid, sets)
        lowest = equation.generator.lowest
        for one, part in zip(sets, self.parts):
            if (equation.exponent(part.reshape(-1, 1)) >= lowest + HIGHEST).all():
                reason = f"is where exp(-Psi/sigma) is below exp(-{HIGHEST:g}) of its maximum: no path gets there"
                raise InvalidArgument(one.name, reason)
        ends = np.concatenate([np.zeros(0), *[part.ravel() for part in self.parts]])
        breaks = _break_points(self.grid, ends)
        self.panels = on_all_ranks(self.grid.comm, lambda: Panels.of(equation.coefficients, lowest, breaks))
        middles = 0.5 * (self.panels.ends[1:] + self.panels.ends[:-1])
        # the set that each panel is in, else -1
        self.place = np.full(len(middles), -1)
        for number, part in enumerate(self.parts):
            self.place[((middles[:, None] > part[:, 0]) & (middles[:, None] < part[:, 1])).any(axis=1)] = number

    @property
    def inflated(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of exp(-Psi/sigma) and of the resistance, larger by the relative error of their integrals."""
        more = np.log1p(np.minimum(self.panels.error, 1.0) + ROUNDING)[:, None]
        return self.panels.weight + more, self.panels.resistance + more

    @cached_property
    def gaps(self) -> list[Gap]:
        """The gaps between sets, walls, and places where no path goes."""
        count, tiny = len(self.place), SETTINGS.tiny * self.grid.spacing[0]

        def set_at(end: float) -> int | None:
            for number, part in enumerate(self.parts):
                if ((end >= part[:, 0] - 1e-3 * tiny) & (end <= part[:, 1] + 1e-3 * tiny)).any():
                    return number
            return None

        runs: list[Gap] = []
        free = (self.place < 0) & ~self.panels.closed
        ends = [set_at(end) for end in self.panels.ends]
        if self.grid.periodic[0]:
            # both ends are one point
            ends[0] = ends[-1] = ends[-1] if ends[0] is None else ends[0]
        first: int | None = None
        for panel in range(count):
            if free[panel] and first is None:
                first = panel
            if first is not None and (panel + 1 == count or not free[panel + 1] or ends[panel + 1] is not None):
                last = panel + 1 if free[panel] else panel
                runs.append(Gap(np.arange(first, last), ends[first], ends[last]))
                first = None
        seam = self.grid.periodic[0] and ends[0] is None and ends[-1] is None and free[0] and free[-1]
        if seam and len(runs) > 1:
            head, rest = runs[0], runs.pop()
            runs[0] = Gap(np.concatenate([rest.panels, head.panels]), rest.left, head.right)
        return runs

    @property
    def closed_ring(self) -> bool:
        """Whether all panels are one gap that closes around the ring."""
        return bool(self.grid.periodic[0]) and len(self.gaps) == 1 and len(self.gaps[0].panels) == len(self.place)

    def times(self, weight: np.ndarray, resistance: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log T and log |T'| at the nodes (N, n), -inf where they are 0.

        Args:
            weight: log of exp(-Psi/sigma) (N, n).
            resistance: log of 1/(sigma exp(-Psi/sigma) M) (N, n).
            source: log h (N, n).

        Raises:
            InvalidArgument: a gap between walls, from which the sets are not reached.
        """
        time, slope = np.full(weight.shape, -np.inf), np.full(weight.shape, -np.inf)
        for gap in self.gaps:
            k = gap.panels
            half, load, r = self.panels.half[k], (weight + source)[k], resistance[k]
            if gap.left is None and gap.right is None:
                x = self.panels.nodes[k].mean()
                raise InvalidArgument(self.sets[0].name, f"is not reached from x = {x:.4g}: no path gets there")
            if gap.left is None:
                flow = Integrals.of(load, half).left
                time[k] = Integrals.of(r + flow, half).right
            elif gap.right is None:
                flow = Integrals.of(load, half).right
                time[k] = Integrals.of(r + flow, half).left
            else:
                ways = Integrals.of(r, half)
                left = Integrals.of(ways.left + load, half).left
                right = Integrals.of(ways.right + load, half).right
                time[k] = np.logaddexp(ways.right + left, ways.left + right) - ways.whole
                larger = np.maximum(left, right)
                with np.errstate(divide="ignore"):
                    flow = larger + np.log(-np.expm1(np.minimum(left, right) - larger)) - ways.whole
            slope[k] = r + flow
        return time, slope

    def shares(self, resistance: np.ndarray, whole: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities (N, n) to reach the second set first, and to reach the first.

        Args:
            resistance: log of 1/(sigma exp(-Psi/sigma) M) (N, n).
            whole: another one for the integral from end to end.
        """
        forward, backward = (np.repeat((self.place == k).astype(float)[:, None], len(resistance[0]), 1) for k in (1, 0))
        for gap in self.gaps:
            k, known = gap.panels, [end for end in (gap.left, gap.right) if end is not None]
            if not known:
                x = self.panels.nodes[k].mean()
                raise InvalidArgument(self.sets[0].name, f"is not reached from x = {x:.4g}: no path gets there")
            if len(known) == 1 or known[0] == known[1]:
                forward[k], backward[k] = float(known[0] == 1), float(known[0] == 0)
                continue
            ways, half = Integrals.of(resistance[k], self.panels.half[k]), self.panels.half[k]
            total = ways.whole if whole is None else Integrals.of(whole[k], half).whole
            up, down = np.exp(ways.left - total), np.exp(ways.right - total)
            forward[k], backward[k] = (up, down) if gap.right == 1 else (down, up)
        return forward, backward

    def field(
        self,
        values: np.ndarray,
        errors: np.ndarray,
        held: tuple[float, ...],
        top: float = np.inf,
        given: float = GIVEN,
    ) -> ScalarField:
        """The field of values at the nodes of the panels.

        Args:
            values: f (N, n).
            errors: of f (N, n); what polynomials leave is added.
            held: the value in each set.
            top: bound of f from above, as 0 is from below where there are sets.
            given: the relative error of f over that of the coefficients.
        """
        scale = np.abs(values) if self.sets else np.abs(values).max()
        errors = errors + given * self.equation.error_of_coefficients * scale
        size = np.abs(values).max(axis=1)
        spread = (errors.max(axis=1) + tail(values) * size)[:, None] * np.ones(values.shape[1])
        interpolant = self._on_panels(values, held, (0.0, top) if self.sets else (-np.inf, np.inf))
        error = self._on_panels(spread, (0.0,) * len(held), (0.0, np.inf))
        return ScalarField(self.grid, interpolant, interpolant(self.grid.nodes), errors=error, breaks=self.panels.ends)

    def _on_panels(self, values: np.ndarray, held: tuple[float, ...], limits: tuple[float, float]) -> OnPanels:
        """The polynomials of values (N, n) at the nodes of the panels, and numbers in the sets."""
        parts = [np.zeros((0, 2)), *self.parts[: len(held)]]
        numbers = np.repeat(held, [len(part) for part in parts[1:]]) if held else np.zeros(0)
        panels = self.panels
        return OnPanels(
            panels.ends, panels.coefficients(values), panels.closed, np.array(limits), np.concatenate(parts), numbers
        )


def _break_points(grid: Grid, ends: np.ndarray) -> np.ndarray:
    """The nodes, but those that are almost the end of a set, and the ends."""
    low, high = grid.box[0]
    nodes = np.linspace(low, high, grid.cells[0] + 1)
    if not ends.size:
        return nodes
    far = np.abs(nodes[:, None] - ends[None, :]).min(axis=1) > SETTINGS.tiny * grid.spacing[0]
    far[[0, -1]] = True
    return np.unique(np.concatenate([nodes[far], ends]))


def _exp(what: str, logarithm: np.ndarray) -> np.ndarray:
    """exp of logarithms.

    Raises:
        NotConverged: one is no double.
    """
    largest = float(logarithm.max(initial=-np.inf))
    if largest > 700.0:
        raise NotConverged(what, f"it is exp({largest:.0f}), which is no double", "take a higher temperature")
    return np.exp(logarithm)


def mean_time(line: Line) -> ScalarField:
    """The mean time to reach the set of a line."""
    return moments(line)[0]


def moments(line: Line) -> tuple[ScalarField, ScalarField]:
    """Mean and variance of the time to reach the set of a line: L T = -1, L v = -2 sigma M (T')^2."""
    panels, none = line.panels, np.zeros(line.panels.weight.shape)
    time, slope = line.times(panels.weight, panels.resistance, none)
    more_time, more_slope = line.times(*line.inflated, none)
    spread, _ = line.times(panels.weight, panels.resistance, _source(panels, slope))
    more_spread, _ = line.times(*line.inflated, _source(panels, np.maximum(more_slope, slope)))
    fields = []
    for k, log, more in ((1, time, more_time), (2, spread, more_spread)):
        values = _exp("a mean first passage time", log)
        errors = np.maximum(_exp("its error", more) - values, 0.0)
        fields.append(line.field(values, errors, (0.0,), given=k * GIVEN))
    return fields[0], fields[1]


def _source(panels: Panels, slope: np.ndarray) -> np.ndarray:
    """log of 2 sigma M (T')^2."""
    return np.asarray(np.log(2.0 * panels.mobility) + 2.0 * slope)


def committors(line: Line) -> tuple[ScalarField, ScalarField]:
    """The probability to reach the second set of a line before the first, and that to reach the first before."""
    resistance, more = line.panels.resistance, line.inflated[1]
    pairs = line.shares(resistance)
    above, below = line.shares(more, resistance), line.shares(resistance, more)
    fields = []
    for k, held in ((0, (0.0, 1.0)), (1, (1.0, 0.0))):
        errors = np.maximum(np.abs(above[k] - pairs[k]), np.abs(below[k] - pairs[k]))
        fields.append(line.field(pairs[k], errors, held, 1.0))
    return fields[0], fields[1]


def poisson_on_a_line(line: Line, source: Callable[[np.ndarray], np.ndarray]) -> ScalarField:
    """The solution of -(sigma pi M f')' = pi (g - <g>), <f> = 0.

    The flow sigma pi M f' is minus the integral of pi (g - <g>) from the left end, or that to the right end: at every
    point the one of the smaller terms is taken.
    """
    panels = line.panels
    if len(line.gaps) > 1:
        raise NotConverged(
            "the Poisson equation", f"barriers of more than {HIGHEST:g} sigma cut the interval in parts",
            "take a smaller box, or a higher temperature",
        )  # fmt: skip
    k, half = line.gaps[0].panels, panels.half[line.gaps[0].panels]
    weight, resistance = panels.weight[k], panels.resistance[k]
    values = on_all_ranks(line.grid.comm, lambda: source(panels.nodes[k].reshape(-1, 1))).reshape(weight.shape)
    total = Integrals.of(weight, half).whole

    def mean(of: np.ndarray) -> float:
        # sum of weights exp(-Psi/sigma)/Z, none of them above 1
        return float((np.exp(weight - total) * of * (half[:, None] * WEIGHTS)).sum())

    centred = values - mean(values)
    blur = np.log(np.maximum(tail(values) * np.abs(values).max(axis=1), 1e-300))[:, None] + weight
    flow, sign, doubt = _flow(
        weight, centred, half, blur + np.log1p(panels.error[k])[:, None], line.closed_ring, resistance
    )
    up, down = (Integrals.of(np.where(sign == s, flow, -np.inf) + resistance, half).left for s in (1, -1))
    top = float(np.logaddexp(up, down).max())
    scale = _exp("a solution of the Poisson equation", np.array([top]))[0]
    result = np.exp(up - top) - np.exp(down - top)
    result -= mean(result)
    more = np.log1p(np.minimum(panels.error[k], 1.0) + ROUNDING)[:, None]
    with np.errstate(divide="ignore"):
        doubts = np.logaddexp(doubt, flow + np.log(np.expm1(more)))
    error = float(np.exp(Integrals.of(doubts + resistance, half).whole - top)) + ROUNDING
    full = np.zeros(panels.weight.shape)
    full[k] = scale * result
    return line.field(full, np.full(full.shape, scale * error), ())


def _flow(
    weight: np.ndarray, centred: np.ndarray, half: np.ndarray, blur: np.ndarray, ring: bool, resistance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log |sigma pi M f'|, its sign, and the log of what rounding and quadrature leave of it, at the nodes (K, n)."""
    with np.errstate(divide="ignore"):
        rise, fall = (Integrals.of(weight + np.log(np.maximum(s * centred, 0.0)), half) for s in (1, -1))
    noise = Integrals.of(blur, half)
    from_left = np.logaddexp(rise.left, fall.left) <= np.logaddexp(rise.right, fall.right)
    minus, plus = np.where(from_left, rise.left, fall.right), np.where(from_left, fall.left, rise.right)
    size = np.logaddexp(minus, plus)
    doubt = np.logaddexp(np.where(from_left, noise.left, noise.right), size + np.log(ROUNDING))
    value = np.exp(plus - size) - np.exp(minus - size)
    if ring:
        # around a ring f' has the integral 0, which says how large the flow at the seam is
        top = float((size + resistance).max())
        around = (np.exp(size + resistance - top) * value * (half[:, None] * WEIGHTS)).sum()
        seam = -around * np.exp(top - Integrals.of(resistance, half).whole)
        value, size = np.exp(size) * value + seam, np.zeros_like(size)
        doubt = np.logaddexp(doubt, np.log(ROUNDING * max(abs(seam), 1e-300)))
    with np.errstate(divide="ignore"):
        return size + np.log(np.abs(value)), np.sign(value), doubt
