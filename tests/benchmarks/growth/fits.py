"""Exponents: slopes of least squares through logarithms, of the upper part of what was measured, with their errors."""

from __future__ import annotations

import numpy as np

# errors above it say that an exponent is not resolved
LARGEST_ERROR = 0.15


def exponent(sizes, values) -> tuple[float, float]:
    """The slope of log(value) over log(size) of the upper half of the sizes, three at least, and its standard error.

    The error is the larger one of that of the residuals and of values that are wrong by 5 %, each by itself.
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.maximum(np.asarray(values, dtype=float), 1e-12))
    upper = np.argsort(x)[-max(3, -(-len(x) // 2)) :]
    x, y = x[upper], y[upper]
    slope, shift = np.polyfit(x, y, 1)
    spread = np.sqrt(((x - x.mean()) ** 2).sum())
    residual = np.sqrt(((y - slope * x - shift) ** 2).sum() / max(1, len(x) - 2))
    return float(slope), float(max(residual, 0.05) / spread)


def above_the_smallest(sizes, values) -> tuple[list[float], list[float]]:
    """Sizes and values above the smallest size and its value: what is constant goes, and a multiple of n stays one."""
    found = [(x - sizes[0], y - values[0]) for x, y in zip(sizes[1:], values[1:]) if y > values[0]]
    return [x for x, _ in found], [y for _, y in found]


def line(sizes, values, slope) -> np.ndarray:
    """The power with an expected exponent that goes through the largest value."""
    sizes, values = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    return values[-1] * (sizes / sizes[-1]) ** slope
