"""HF, and HF' of Remark 2.5: what the frequencies of all sites must fulfil, looked at where it can be."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...errors import InvalidArgument
from ...support.compiled_functions import values_of
from ..assumptions import SETTINGS, Assumption, SquareScales, grows, least_value, slope
from ..region import LatticeRegion
from .frequencies import Function, SiteFrequencies


def flat_interval(x: np.ndarray, f: np.ndarray) -> tuple[float, float] | None:
    """The longest interval on which f does not change, if its ends differ enough; x is a geometric progression.

    There f' is 0, while HF and HF' (Remark 2.5) demand that its zeros are isolated.
    """
    width = int(np.log(SETTINGS.flat_ratio) / np.log(x[1] / x[0])) + 1  # x is geometric
    if len(f) < width:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(f, width)
    flat = np.ptp(windows, axis=1) <= SETTINGS.rounding * np.abs(windows).max(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    intervals = [(float(x[i]), float(x[k + width - 2])) for i, k in zip(edges[::2], edges[1::2])]
    return max(intervals, key=lambda ends: ends[1] / ends[0], default=None)


def frequency_assumption(
    frequencies: SiteFrequencies,
    scales: SquareScales,
    exponent: float,
    region: LatticeRegion,
    defects: np.ndarray,
    good: np.ndarray,
) -> Assumption:
    """HF: f_j = s_j f with alternated spins, f >= C (1 + x^(p/2)), |f'| x^(1/2) <= C f, isolated zeros of f'.

    For a >= 1 it is HF': the derivative of each f_j has isolated zeros, and nothing else.

    Args:
        frequencies: f_j.
        scales: of their argument.
        exponent: a.
        region: the sites.
        defects: whether a site is out of order (N,).
        good: whether a site is far enough from these (N,).

    Raises:
        InvalidArgument: an f_j that is not finite; one function for all sites that is not positive, for a < 1.
    """
    several, texts = frequencies.several, []
    for i, function in enumerate(frequencies.functions):
        least, text = _looked_at(function, scales, exponent, positive=not several)
        where = f"f_{int((frequencies.number == i).argmax())}: " if several else ""
        texts += [where + text] if text else []
    if exponent >= 1:
        which = "the derivative of each f_j" if several else "f'"
        return Assumption(
            "HF", not texts, "; ".join(texts) or f"for a >= 1 only: {which} has isolated zeros (Remark 2.5)"
        )
    count, near = int(defects.sum()), "" if good.any() else ", and no site at a distance of 3 from them (7.2)"
    if several:
        others = int((frequencies.number != frequencies.commonest).sum())
        texts.append(
            f"for a < 1 all f_j must be s_j f with one f and spins s_j, but {others} of {region.size} sites have "
            f"another function than the commonest; for these the limit is not known to hold{near}"
        )
    elif any(n % 2 for n in region.periods) and count:
        texts.append(
            f"spins cannot alternate around an odd number of sites: {count} sites are out of order{near}; take an even "
            "number"
        )
    elif count and near:
        texts.append(f"{count} sites with a spin out of order{near}")
    return Assumption("HF", not texts, "; ".join(texts) or f"f >= {least:.3g}; {count} sites with a spin out of order")


def signs(frequencies: SiteFrequencies, scales: SquareScales) -> np.ndarray:
    """Of f_j without spins (N,): 1, -1, or 0 where it changes; 1 of a single function, which HF is asked of."""
    if not frequencies.several:
        return np.ones(len(frequencies.number))
    x, found = scales.points(), []
    for function in frequencies.functions:
        sides = [partial(_times, function, side) for side in (1.0, -1.0)]
        positive, negative = (least_value(f, x, f(x)) > 0 and f(np.zeros(1))[0] > 0 for f in sides)
        found.append(float(positive) - float(negative))
    return np.array(found)[frequencies.number]


def _times(function: Function, factor: float, x: np.ndarray) -> np.ndarray:
    return factor * values_of(function, x, "frequency")


def _looked_at(function: Function, scales: SquareScales, exponent: float, *, positive: bool) -> tuple[float, str]:
    """The least |f| that was found, and what is wrong with f, if anything.

    Args:
        function: f.
        scales: of its argument.
        exponent: a.
        positive: whether f <= 0 is refused for a < 1.
    """
    frequency = partial(_times, function, 1.0)
    p, x, scale = scales.power, scales.points(), scales.hottest
    f, at_zero = frequency(x), float(frequency(np.zeros(1))[0])
    if not (np.isfinite(f).all() and np.isfinite(at_zero)):
        raise InvalidArgument("frequency", "must be finite for all |u|^2 >= 0 (HF)")
    inside = (x >= SETTINGS.flat_span[0] * scales.coldest) & (x <= SETTINGS.flat_span[1] * scale)
    flat = flat_interval(x[inside], f[inside])
    text = "" if flat is None else f"f' is 0 for {flat[0]:.3g} <= |u|^2 <= {flat[1]:.3g}, and must have isolated zeros"
    if exponent >= 1:
        return 0.0, text
    outside = frequency(x[-1] * np.geomspace(1, SETTINGS.units[-1], 400))
    least = min(least_value(frequency, x, f), at_zero, float(outside[np.isfinite(outside)].min(initial=np.inf)))
    if least <= 0 and positive:
        raise InvalidArgument("frequency", f"must be positive (HF), but it is {least:g} somewhere")
    if text:
        return least, text
    with np.errstate(all="ignore"):
        if grows(lambda x: (1 + (x / scale) ** (p / 2)) / np.abs(frequency(x)), scale):
            return least, f"f(x) grows more slowly than x^(p/2) = x^{p / 2:g}"
        if grows(lambda x: np.abs(slope(frequency, x)) * np.sqrt(x) / np.abs(frequency(x)), scale):
            return least, "|f'(x)| x^(1/2) grows faster than f(x)"
    return least, ""
