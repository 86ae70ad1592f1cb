"""Convergence rates, two-sided, with a cap on the last error."""

import numpy as np


def assert_rate(sizes, errors, expected, *, slack=0.15, cap):
    """The slope of log(error) over log(size) is the expected one, and the last error is below the cap."""
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(slope - expected) <= slack, f"rate {slope:.3f} instead of {expected}; errors {errors}"
    assert errors[-1] <= cap, f"error {errors[-1]:.2e} above {cap:.2e}"
