"""The profiles mu0 and sigma0 of velocities, as they are given to every model of pinned balls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..support import checks
from ..support.checks import Profile

# fourth powers of velocities are added up; these limits keep them within the range of numbers
LARGEST, SMALLEST = 1e70, 1e-70


def positions(n: int) -> NDArray[np.float64]:
    """The positions (i-1)/(n-1) of n balls in [0, 1], shape (n,)."""
    return np.arange(n) / (n - 1)


def velocities(mean: Profile, std: Profile, points: np.ndarray, whole: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return mu0 and sigma0 (P,) at points (P,) of [0, 1].

    Args:
        mean: mu0, of the user's.
        std: sigma0, likewise.
        points: where.
        whole: whether these points show the size of the profiles; a part of them may have tails that vanish.

    Raises:
        InvalidArgument: a profile that is not callable, not finite, of the wrong shape, too large or too small for
            fourth powers; a negative std.
    """
    return _velocity("mean", mean, points, whole), _velocity("std", std, points, whole)


def _velocity(name: str, profile: Profile, points: np.ndarray, whole: bool) -> NDArray[np.float64]:
    """Return one of the two profiles at points (P,)."""
    values = checks.unseen_profile(name, profile, points, nonnegative=name == "std")
    if values.size:
        low, high = float(values.min()), float(values.max())
        largest = max(-low, high)
        # which holds for numbers only
        if largest <= LARGEST and (low >= 0.0 or name == "mean") and (largest >= SMALLEST or largest == 0 or not whole):
            return values.copy()
    # says what is wrong with them
    values = checks.profile(name, profile, points, nonnegative=name == "std")
    check_size(name, float(np.max(np.abs(values), initial=0.0)), whole)
    return values


def check_size(name: str, largest: float, whole: bool = True) -> None:
    """Refuse velocities whose fourth powers are no numbers.

    Args:
        name: of the profile.
        largest: of its absolute values.
        whole: whether it is that of the whole profile, and not of a part.
    """
    if largest > LARGEST or (whole and 0 < largest < SMALLEST):
        raise InvalidArgument(
            name,
            f"must be 0 or between {SMALLEST:g} and {LARGEST:g} in size, where its powers are numbers, not "
            f"{largest:.3g}; take another unit of velocity",
        )
