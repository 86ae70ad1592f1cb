"""What a multiscale potential must satisfy, checked when it is made: smooth, real, bounded, periodic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import sympy

from ..errors import InvalidArgument
from ..support.checks import shown
from ..support.symbolic import lambdified

KINKS = (
    sympy.Abs, sympy.sign, sympy.floor, sympy.ceiling, sympy.frac, sympy.Mod, sympy.Heaviside, sympy.DiracDelta,
    sympy.Piecewise, sympy.Max, sympy.Min, sympy.arg,
)  # fmt: skip
BOUNDED = "a bounded function in place of x, such as L*tanh(x/L), which is close to x for |x| well below L"


@dataclass(frozen=True)
class CheckSettings:
    """Where V0 and V1 are looked at, and what is too much.

    Args:
        samples: random points of each check.
        rational: half of the fast variables are multiples of 1/24, where poles of trigonometric functions often are.
        near: size of x for all checks but that of growth, where there is no domain.
        far: sizes of x between which a function that is not bounded grows each time, whatever its scale of length.
        growth: relative, from one of them to the next: log |x| has 0.5 in the last step.
        overflows: points at which double precision overflows, and numbers of a larger range are tried.
        zooms: halvings of a box around the largest value, to see a pole.
        rounding: relative difference of a periodic function one period apart.
        descents: boxes, each 0.7 times the one before, in which the argument of a root is followed downhill.
        root: part of its largest value below which such an argument is taken for 0.
    """

    samples: int = 512
    rational: int = 24
    near: float = 1.0
    far: tuple[float, ...] = (1e3, 1e6, 1e12, 1e25, 1e50, 1e100, 1e200, 1e300)
    growth: float = 0.1
    overflows: int = 64
    zooms: int = 40
    rounding: float = 1e-8
    descents: int = 60
    root: float = 1e-9


SETTINGS = CheckSettings()


class Potential(Protocol):
    """What is looked at of a potential."""

    @property
    def dim(self) -> int:
        """Dimension d of space."""

    @property
    def scales(self) -> int:
        """Number N of fast scales."""

    @property
    def domain(self) -> Any:
        """Pairs (a, b), a box for x; None for all of space."""

    @property
    def variables(self) -> tuple[sympy.Symbol, ...]:
        """The symbols of x, y1, ..., yN."""

    @property
    def fluctuation_expression(self) -> sympy.Expr:
        """V1 in these symbols."""

    @property
    def mobility_expression(self) -> Any:
        """B in these symbols, or None."""

    @property
    def expressions(self) -> Any:
        """V0, V1 and B with symbols for parameters, and their derivatives by these."""

    def confining_values(self, positions: np.ndarray) -> np.ndarray:
        """V0 (P,) at positions (P, d)."""

    def fluctuation_values(self, variables: np.ndarray) -> np.ndarray:
        """V1 (P,) at values (P, (N + 1) d) of all variables."""


def check_smooth(name: str, expression: sympy.Expr, symbols: tuple[sympy.Symbol, ...]) -> None:
    """Raise unless an expression is real, smooth and in the given symbols alone."""
    if strange := expression.free_symbols - set(symbols):
        names = sorted(map(str, strange))
        known = "; give their numbers as parameters={" + f"{names[0]!r}: ..." + "}"
        raise InvalidArgument(name, f"has symbols that are not its arguments: {names}{known}")
    if expression.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo):
        raise InvalidArgument(name, f"must be finite, not {shown(expression)}")
    if expression.has(sympy.I):
        raise InvalidArgument(name, "must be real")
    kinks = [kind.__name__ for kind in KINKS if expression.has(kind)]
    if kinks:
        raise InvalidArgument(name, f"must be smooth, but has {', '.join(kinks)}")


def check_roots(potential: Potential, name: str, expression: sympy.Expr) -> None:
    """Raise where V1 or B has a root, or an inverse function, at an argument that reaches the end of its range.

    sqrt(1 - cos y) and acos(cos y) have kinks, atan(tan y) and atan2(sin y, cos y) have jumps, though all their parts
    are smooth. The argument is looked at in random places, and followed downhill from the lowest ones.

    Args:
        potential: whose variables these are.
        name: of the argument that carries the expression.
        expression: V1, or an entry of B.
    """
    symbols = potential.variables
    cuts = [
        (one, sympy.sqrt(one.args[0] ** 2 + one.args[1] ** 2) + one.args[1]) for one in expression.atoms(sympy.atan2)
    ]
    for one in expression.atoms(sympy.atan):
        cuts += [(one, sympy.cos(part.args[0])) for part in one.atoms(sympy.tan)]
        cuts += [(one, sympy.sin(part.args[0])) for part in one.atoms(sympy.cot)]
    for angle, argument in cuts:
        if _reaches_zero(potential, lambdified(symbols, argument)):
            raise InvalidArgument(name, f"must be smooth, but {shown(angle)} jumps")
    powers = [one for one in expression.atoms(sympy.Pow) if not one.exp.is_integer and one.base.free_symbols]
    ends = [(one, one.base) for one in powers]
    ends += [(one, 1 - one.args[0] ** 2) for one in expression.atoms(sympy.acos, sympy.asin) if one.free_symbols]
    for root, argument in ends:
        if _reaches_zero(potential, lambdified(symbols, argument)):
            raise InvalidArgument(name, f"must be smooth, but {shown(root)} has a kink where {argument} is 0")


def _reaches_zero(potential: Potential, function: Callable[..., np.ndarray]) -> bool:
    sample = _sample(potential, SETTINGS.near)
    size = lambda places: -np.broadcast_to(np.abs(function(*places.T)), len(places))  # noqa: E731
    with np.errstate(all="ignore"):
        scale = -size(sample).min()
    _, largest = followed(potential, size, sample, SETTINGS.descents, 0.7, 2)
    return bool(-largest[-1] <= SETTINGS.root * scale)


def followed(
    potential: Potential, function: Callable[[np.ndarray], np.ndarray], sample: np.ndarray, steps: int, shrink: float,
    key: int,
) -> tuple[np.ndarray, list[float]]:  # fmt: skip
    """Follow the largest value of a function uphill, in boxes that shrink: where it ends, and the largest of each box.

    Args:
        potential: whose domain the places stay in.
        function: from places (P, m) to values (P,).
        sample: places at the best of which it begins.
        steps: number of boxes.
        shrink: factor from one box to the next.
        key: of the random places in them.
    """
    with np.errstate(all="ignore"):
        centre, box, largest = sample[function(sample).argmax()], 0.1, []
        offsets = 2.0 * np.random.Generator(np.random.Philox(key=key)).random((64, sample.shape[1])) - 1.0
        for _ in range(steps):
            near = _within(potential, np.concatenate([centre[None], centre + box * offsets]))
            values = function(near)
            centre, box = near[values.argmax()], shrink * box
            largest.append(float(values.max()))
    return centre, largest


def check_bounded(potential: Potential) -> None:
    """Raise unless V0 is finite near the origin and V1 is finite and bounded, as Assumption 1 of the paper demands.

    A V1 that is bounded may rise over any number of decades of x, but not over all of `SETTINGS.far`. With a domain, V0
    and V1 are only looked at in it.
    """
    start = _sample(potential, SETTINGS.near)
    with np.errstate(all="ignore"):
        _finite("confining", potential.confining_values(start[:, : potential.dim]))
    if potential.domain is not None:
        with np.errstate(all="ignore"):
            _finite("fluctuation", potential.fluctuation_values(start))
        return no_pole(potential, start, "fluctuation", potential.fluctuation_values)
    near, *far = [_largest(potential, _sample(potential, radius)) for radius in (SETTINGS.near, *SETTINGS.far)]
    if far[-1] == np.inf or all(after > (1.0 + SETTINGS.growth) * before for before, after in pairwise(far)):
        raise InvalidArgument(
            "fluctuation",
            f"must be bounded, but grows with x: {near:.3g} at |x| = 1, {far[0]:.3g} at {SETTINGS.far[0]:g}; where it "
            f"is not needed everywhere, give a domain, or write it with {BOUNDED}",
        )
    no_pole(potential, start, "fluctuation", potential.fluctuation_values)


def check_periodic(potential: Potential) -> None:
    """Raise unless V1 is 1-periodic in each component of each fast variable."""
    sample = _sample(potential, SETTINGS.near)
    values = potential.fluctuation_values(sample)
    scale = np.abs(values).max() + np.ptp(values)
    if (found := not_periodic(potential, potential.fluctuation_values, sample, values, scale)) is not None:
        variable, difference = found
        raise InvalidArgument(
            "fluctuation",
            f"must be 1-periodic in {variable}, but differs by {difference:.3g} one period further; "
            f"cos(2*pi*{variable}) is",
        )


def not_periodic(
    potential: Potential, function: Callable[[np.ndarray], np.ndarray], sample: np.ndarray, values: np.ndarray,
    scale: float,
) -> tuple[str, float] | None:  # fmt: skip
    """The first component of a fast variable in which a function has not the period 1, and how far it is off.

    Args:
        potential: whose variables these are.
        function: from places (P, (N + 1) d) to values (P, ...).
        sample: places.
        values: at these.
        scale: of which differences are relative to.
    """
    for column in range(potential.dim, sample.shape[1]):
        shifted = sample.copy()
        shifted[:, column] += 1.0
        difference = float(np.abs(function(shifted) - values).max())
        if difference > SETTINGS.rounding * scale:
            level, component = divmod(column - potential.dim, potential.dim)
            return f"y{level + 1}[{component}]", difference
    return None


def _sample(potential: Potential, radius: float) -> np.ndarray:
    """Return variables (P, (N + 1) d): x of that size, fast ones on the torus; half of the latter rational."""
    columns = (potential.scales + 1) * potential.dim
    uniform = np.random.Generator(np.random.Philox(key=0)).random((SETTINGS.samples, columns))
    x, fast = uniform[:, : potential.dim], uniform[:, potential.dim :]
    fast[::2] = np.floor(SETTINGS.rational * fast[::2]) / SETTINGS.rational
    if potential.domain is not None:
        low, high = np.array(potential.domain).T
        # also at its walls and in its corners
        x[: len(x) // 4] = np.where(x[: len(x) // 4] < 0.4, 0.0, np.where(x[: len(x) // 4] > 0.6, 1.0, 0.5))
        x[len(x) // 4 : len(x) // 2, 0] = np.round(x[len(x) // 4 : len(x) // 2, 0])
        return np.concatenate([np.clip(low + (high - low) * x, low, high), fast], axis=1)
    return np.concatenate([radius * (2.0 * x - 1.0), fast], axis=1)


def sample_of(potential: Potential) -> np.ndarray:
    """Random variables (P, (N + 1) d): x near the origin or in the domain."""
    return _sample(potential, SETTINGS.near)


def _within(potential: Potential, places: np.ndarray) -> np.ndarray:
    """Places (P, (N + 1) d) with their x moved into the domain."""
    if potential.domain is not None:
        low, high = np.array(potential.domain).T
        places[:, : potential.dim] = np.clip(places[:, : potential.dim], low, high)
    return places


def _finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        more = f"; where it is not needed everywhere, give a domain, or write it with {BOUNDED}"
        more = more if name == "fluctuation" else ""
        raise InvalidArgument(name, f"must be finite and real, but is NaN or infinite at some points{more}")


def _largest(potential: Potential, sample: np.ndarray) -> float:
    """The largest |V1|; what overflows on the way to a finite value, such as exp(x)/(1 + exp(x)), is finite."""
    with np.errstate(all="ignore"):
        values = potential.fluctuation_values(sample)
    lost = np.flatnonzero(~np.isfinite(values))
    if lost.size:
        lost = lost[:: -(-lost.size // SETTINGS.overflows)]
        again = np.array([_with_wide_exponents(potential, sample[row]) for row in lost])
        _finite("fluctuation", np.where(np.isinf(again), 0.0, again))
        values = np.append(values[np.isfinite(values)], again)
    return float(np.abs(values).max())


def _with_wide_exponents(potential: Potential, place: np.ndarray) -> float:
    """V1 at one place by sympy, whose numbers do not overflow; infinite beyond double precision, NaN if not real."""
    numbers = {symbol: sympy.Float(float(value)) for symbol, value in zip(potential.variables, place)}
    try:
        return float(potential.fluctuation_expression.evalf(subs=numbers))
    except (ArithmeticError, TypeError, ValueError, NotImplementedError):
        return float("nan")


def no_pole(potential: Potential, sample: np.ndarray, name: str, function: Callable[[np.ndarray], np.ndarray]) -> None:
    """Zoom in on the largest value of |V1| or |B|: of a bounded function it settles, at a pole it goes on growing.

    Args:
        potential: whose domain the places stay in.
        sample: places (P, (N + 1) d) at which it is finite.
        name: of the argument that carries the function.
        function: from places to values (P,).
    """

    def size(places: np.ndarray) -> np.ndarray:
        values = np.abs(function(places))
        if places is not sample:  # that was looked at before
            _finite(name, values)
        return values

    centre, largest = followed(potential, size, sample, SETTINGS.zooms, 0.5, 1)
    if largest[-1] > 1.001 * largest[SETTINGS.zooms // 2]:
        raise InvalidArgument(name, f"must be bounded, but has a pole near {np.round(centre, 6).tolist()}")
