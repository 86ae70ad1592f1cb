"""Laws y = C x^r or y = C exp(-r x) fitted to numbers with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# relative, of what is fitted: corrections of higher order are seldom less
LEAST_ERROR = 1e-3
# what is less is rounding
LEAST = 1e-11


@dataclass(frozen=True)
class Line:
    """log y = constant + slope x, fitted by least squares.

    Args:
        slope: of the line.
        constant: log y at x = 0.
        covariance: of (slope, constant) (2, 2), by the errors of y, or by how far the points are from the line where
            that is more.
        points: how many.
    """

    slope: float
    constant: float
    covariance: NDArray[np.float64]
    points: int

    @property
    def slope_error(self) -> float:
        """The standard error of the slope."""
        return float(np.sqrt(self.covariance[0, 0]))

    def at(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """exp of the line, and its relative standard error."""
        x = np.asarray(x, dtype=np.float64)
        (a, b), (_, c) = self.covariance
        return np.exp(self.constant + self.slope * x), np.sqrt(np.maximum(a * x**2 + 2 * b * x + c, 0.0))


def fitted_line(x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64]) -> Line | None:
    """The line of log y; None for fewer than two y above rounding.

    Args:
        x: places, all different (P,).
        y: numbers (P,).
        error: their standard errors (P,).
    """
    good = y > LEAST
    if good.sum() < 2:
        return None
    x, y, error = x[good], y[good], error[good]
    relative = np.maximum(error / y, LEAST_ERROR)
    fitted, covariance = np.polyfit(x, np.log(y), 1, w=1.0 / relative, cov="unscaled")
    misfit = (np.log(y) - np.polyval(fitted, x)) / relative
    spread = float((misfit**2).sum()) / max(len(x) - 2, 1)
    return Line(float(fitted[0]), float(fitted[1]), covariance * max(1.0, spread), len(x))
