"""Samples of rotators: amplitudes of all members at times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..sampling.samples import Samples
from ..support import checks


@dataclass(frozen=True, eq=False, repr=False)
class RotatorEnsemble(Samples):
    """Amplitudes of N rotators in R independent members at T slow times; `values` are the actions.

    Args:
        times: tau (T,).
        amplitudes: u (T, R, N), complex.
        step: the time step that was taken, of the fast time t for a lattice, of the slow time for its limit.
        seed: of the random numbers.
    """

    times: NDArray[np.float64]
    amplitudes: NDArray[np.complex128]
    step: float
    seed: int
    WORD: ClassVar[str] = "members"

    @cached_property
    def actions(self) -> NDArray[np.float64]:
        """Actions I = |u|^2/2 (T, R, N)."""
        return 0.5 * (self.amplitudes.real**2 + self.amplitudes.imag**2)

    @property
    def values(self) -> NDArray[np.float64]:
        """The actions I (T, R, N)."""
        return self.actions

    @property
    def angles(self) -> NDArray[np.float64]:
        """Phases phi = arg u in (-pi, pi] (T, R, N)."""
        return np.asarray(np.angle(self.amplitudes), dtype=np.float64)


def complex_amplitudes(name: str, value: ArrayLike) -> NDArray[np.complex128]:
    """Amplitudes u as a new array of complex numbers, all finite.

    Raises:
        InvalidArgument: texts, None and the like, or numbers that are not finite.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biufcO" or np.ma.is_masked(value):
            raise TypeError
        amplitudes = np.array(given, dtype=np.complex128)
    except (TypeError, ValueError):
        raise InvalidArgument(name, f"must be an array of complex numbers, not {checks.shown(value)}") from None
    if not np.isfinite(amplitudes).all():
        raise InvalidArgument(name, "must be finite; it contains NaN or infinity")
    return amplitudes
