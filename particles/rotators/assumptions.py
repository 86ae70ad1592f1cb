"""The assumptions of Dymov's theorems, looked at where they can be: HG and Hg, and what HF needs (`turning`).

f and G' are looked at for |u|^2 in units of T^(2/p), the size of actions in equilibrium.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import AssumptionWarning, InvalidArgument, warn
from ..support.compiled_functions import values_of
from .dissipations.checks import dissipating
from .dissipations.dissipation import DiagonalDissipation, Dissipation
from .region import LatticeRegion


@dataclass(frozen=True)
class ProbeSettings:
    """Where f and G' are looked at, and what is taken for a violation.

    Tested with these: dips of f below 0 of a width of 2 % of their place are found for T from 1e-4 to 1e4, and nothing
    is said of powers, waves on a line and extrema for T from 1e-12 to 1e12.

    Args:
        span: the least and the largest |u|^2, in units of the coldest and the hottest site.
        points_per_decade: between them.
        far: |u|^2 from which on a law of growth shows, in some of the units.
        units: these units; f and G' may have scales of their own.
        growth: a ratio that should be bounded may grow so much from `far` to a hundred times that; the next power of
            |u| would make it ten times as large, or a hundred.
        zooms, zoom_points, places: closer looks at a function, the points of each, and at how many of its least values.
        flat_span: |u|^2 that matter, where f must not be constant ...
        flat_ratio: ... on an interval whose ends differ by more than this factor.
        rounding: relative changes of f below it are none.
    """

    span: tuple[float, float] = (1e-3, 1e4)
    points_per_decade: int = 400
    far: float = 1e2
    units: tuple[float, ...] = (1.0, 1e10, 1e20)
    growth: float = 4.0
    zooms: int = 6
    zoom_points: int = 33
    places: int = 4
    flat_span: tuple[float, float] = (0.3, 30.0)
    flat_ratio: float = 1.5
    rounding: float = 8 * float(np.finfo(float).eps)


SETTINGS = ProbeSettings()


@dataclass(frozen=True)
class Assumption:
    """What was found for one assumption.

    Args:
        name: as in the paper.
        holds: whether it seems to.
        detail: what was looked at.
    """

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class SquareScales:
    """The size of |u|^2 in equilibrium, T^(2/p).

    Args:
        power: p.
        coldest: the least of all sites.
        hottest: the largest.
    """

    power: int
    coldest: float
    hottest: float

    @classmethod
    def of(cls, power: int, temperature: np.ndarray) -> SquareScales:
        """Those of sites with temperatures (N,)."""
        return cls(power, temperature.min() ** (2 / power), temperature.max() ** (2 / power))

    def points(self) -> np.ndarray:
        """|u|^2 at which f and G' are looked at: from the coldest to the hottest site, and far around them."""
        low, high = SETTINGS.span[0] * self.coldest, SETTINGS.span[1] * self.hottest
        return np.geomspace(low, high, int(SETTINGS.points_per_decade * np.log10(high / low)) + 1)


def least_value(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, values: np.ndarray) -> float:
    """The least value of a function: values at increasing x are known, and the lowest of them are looked at closely."""
    best = float(values.min())
    inner = (values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])
    lowest = np.flatnonzero(np.concatenate([[True], inner, [True]]))
    for i in lowest[np.argsort(values[lowest])[: SETTINGS.places]]:
        low, high = x[max(i - 1, 0)], x[min(i + 1, len(x) - 1)]
        for _ in range(SETTINGS.zooms):
            closer = np.linspace(low, high, SETTINGS.zoom_points)
            nearby = function(closer)
            k = int(nearby.argmin())
            best = min(best, float(nearby[k]))
            low, high = closer[max(k - 1, 0)], closer[min(k + 1, SETTINGS.zoom_points - 1)]
    return best


def grows(ratio: Callable[[np.ndarray], np.ndarray], scale: float) -> bool:
    """Whether a ratio that should be bounded for all |u|^2 grows, in units of the hottest site and much farther out."""
    return all(_grows_there(ratio(scale * unit * SETTINGS.far * np.geomspace(1, 100, 41))) for unit in SETTINGS.units)


def _grows_there(ratio: np.ndarray) -> bool:
    return not (np.isfinite(ratio).all() and ratio[-1] <= SETTINGS.growth * max(ratio[0], 1e-6 * ratio.max(), 1e-300))


def slope(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """The derivative, roughly."""
    return (function(x * 1.001) - function(x * 0.999)) / (0.002 * x)


def coupling_assumption(compiled: Callable[[float], float], scales: SquareScales, exponent: float) -> Assumption:
    """HG: |G'| x^(1/2) + |G''| x <= C (1 + x^((p-1)/2)); for an exponent a >= 1 HG', without G''."""

    def coupling(x: np.ndarray) -> np.ndarray:
        return values_of(compiled, x, "coupling")

    p, scale = scales.power, scales.hottest
    if not (np.isfinite(coupling(scales.points())).all() and np.isfinite(coupling(np.zeros(1))).all()):
        raise InvalidArgument("coupling", "G' must be finite for all |u|^2 >= 0 (HG)")

    def ratio(x: np.ndarray) -> np.ndarray:
        curvature = np.abs(slope(coupling, x)) * x if exponent < 1 else 0.0
        return (np.abs(coupling(x)) * np.sqrt(x) + curvature) / (1 + (x / scale) ** ((p - 1) / 2))

    with np.errstate(all="ignore"):
        if grows(ratio, scale):
            return Assumption("HG", False, f"G'(x) x^(1/2) grows faster than x^((p-1)/2) = x^{(p - 1) / 2:g}")
    return Assumption("HG", True, "G' and G'' are bounded by powers as they should")


def dissipation_assumption(g: Dissipation, region: LatticeRegion, temperature: float) -> Assumption:
    """Hg(i): |g| <= C (1 + |u|^(p-1)), and Hg(ii): (g(u) . u)_j <= -C |u|^p_{j,p} + C(gamma), at large amplitudes.

    Args:
        g: the dissipation.
        region: its sites.
        temperature: the largest of them.

    Raises:
        InvalidArgument: g grows faster, or (for p > 2) does not dissipate.
    """
    if isinstance(g, DiagonalDissipation):
        return Assumption("Hg", True, "(g . u)_j <= -1 |u|^p, exactly")
    growth = dissipating(g, region, temperature)
    if growth.worst >= 0 and g.power > 2:
        raise InvalidArgument("dissipation", f"does not dissipate (Hg): {growth.detail}")
    detail = growth.detail
    if growth.fades:
        detail += f"; somewhere g is weaker than |u|^(p-1) = |u|^{g.power - 1}, and another power p may be right"
    return Assumption("Hg", bool(growth.worst < 0 and not growth.fades), detail)


def warn_of_violations(assumptions: tuple[Assumption, ...], power: int) -> None:
    """Warn of assumptions that do not seem to hold, for a dissipation of power p."""
    for assumption in assumptions:
        if not assumption.holds:
            linear = assumption.name == "Hg" and power == 2
            rest = "; for p = 2 the limit holds on finite times only (section 7.1)" if linear else ""
            warn(f"assumption {assumption.name} does not hold: {assumption.detail}{rest}", AssumptionWarning)


def warn_of_bad_sites(good: np.ndarray, what: str, *, separates: bool = True) -> None:
    """Warn where the limit is asked of a lattice some of whose sites are not good ones (section 7.2).

    Args:
        good: C_G (N,).
        what: what is asked for.
        separates: whether R_j is known to depend on I_j only; else good sites have the actions of others in (7.3).
    """
    if not good.all():
        bad = np.flatnonzero(~good)
        shown = ", ".join(map(str, bad[:8])) + (", ..." if len(bad) > 8 else "")
        others = (
            "" if separates else ", and R_j of good sites has the actions of others, whose limit is not known (7.3)"
        )
        warn(
            f"{what} is not the limit of this lattice at the sites {shown}: they are defects, or closer than 3 to the "
            f"neighbours of one (section 7.2){others}; good_sites says where it is",
            AssumptionWarning,
        )
