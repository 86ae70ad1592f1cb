"""Whether members tell the error of their mean, or a few of them make it.

The standard error s of the mean of R members has itself the relative error

    (1/2) (sum y^4/(sum y^2)^2 - 1/R)^(1/2),    y = x - mean,

(for normal members 1/(2 R)^(1/2)). Correlations of flows with what happened along paths have fourth moments of 10 to 20
times the square of the second ones, so that the errors of some hundred members hang on a few of them.

Source: Cramer, Mathematical methods of statistics (1946), section 27.4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import Unresolved, warn

# relative error of a standard error
LARGEST = 0.2


def error_of_error(values: NDArray[np.float64]) -> float:
    """The relative error of the standard error of the mean of values (R,), not less than that of normal ones.

    Infinite for one member; 0 where all values are the same.
    """
    runs = len(values)
    if runs == 1:
        return float("inf")
    # against the largest one, so that powers are neither too large nor too small
    around = values - values.mean()
    largest = float(np.abs(around).max())
    if largest <= 1e-14 * float(np.abs(values).max()):
        return 0.0
    squares = (around / largest) ** 2
    share = float((squares**2).sum() / squares.sum() ** 2)
    return max(0.5 * float(np.sqrt(max(share - 1 / runs, 0.0))), float(np.sqrt(0.5 / (runs - 1))))


def warn_of_tails(values: NDArray[np.float64]) -> None:
    """Warn where the standard error of the conductivity of members (R,) is itself known to a fifth at best.

    Warns:
        Unresolved: few members, or a few that make most of the error.
    """
    error = error_of_error(values)
    if error > LARGEST:
        squares = (values - values.mean()) ** 2
        share = float(squares.max() / max(float(squares.sum()), 1e-300))
        known = f"is known to {100 * error:.0f} % only" if np.isfinite(error) else "is not known"
        message = (
            f"the standard error of the conductivity {known}: of {len(values)} members one makes "
            f"{100 * share:.0f} % of its square; take more runs"
        )
        warn(message, Unresolved)
