"""The coupling of neighbours averaged over their angles, <G(|v_j - v_k|^2)>, and its gradients.

With |u - w|^2 = A - B cos(theta), A = |u|^2 + |w|^2, B = 2 |u| |w|, means over equidistant angles are exact but for the
highest Fourier coefficients of G; angles are doubled until two doublings change nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import InvalidArgument
from ...support.compiled_functions import values_of
from ..resolved_functions import ResolvedFunction

# angles of the rule to begin with
ANGLES = 32
MOST_ANGLES = 2**14
SETTLED = 1e-13  # change of the means, relative to the largest value
ROUGH = 1e-9  # the same with the most angles, where G' has kinks

Coupling = Callable[[float], float]  # G', compiled
Values = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of |u - w|^2 and cos(theta) (P, A), to (K, P, A)


def mean_of_bond(potential: ResolvedFunction, size: np.ndarray, other: np.ndarray) -> np.ndarray:
    """<G> of bonds (P,) of ends with moduli |u|, |w| (P,).

    Args:
        potential: G, resolved up to the largest |u - w|^2.
        size: |u|.
        other: |w|.

    Raises:
        InvalidArgument: G' is too narrow for the most angles.
    """
    return _means(lambda squares, cosines: potential.integral(squares)[None], size, other)[0]


def gradients_of_bond(coupling: Coupling, u: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients 2 d<G>/d conj(u) and 2 d<G>/d conj(w) (P,) of bonds of the ends u, w (P,).

    Raises:
        InvalidArgument: G' is too narrow for the most angles.
    """

    def values(squares: np.ndarray, cosines: np.ndarray) -> np.ndarray:
        slopes = values_of(coupling, squares, "coupling")
        return np.stack([slopes, slopes * cosines])

    size, other = np.abs(u), np.abs(w)
    in_sum, in_product = _means(values, size, other)
    along, across = (np.where(m > 0, z / np.where(m > 0, m, 1.0), 1.0) for z, m in ((u, size), (w, other)))
    # A has the gradient 2 u, and B that of 2 |w| |u|
    first = 2 * in_sum * u - 2 * in_product * other * along
    second = 2 * in_sum * w - 2 * in_product * size * across
    return first, second


def _means(values: Values, size: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Means over the angle (K, P) of values that are even in it."""

    def means(left: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cosines = np.cos(2 * np.pi * turns)
        product = 2 * size[left, None] * other[left, None]
        squares = np.maximum((size[left, None] - other[left, None]) ** 2 + product * (1 - cosines), 0.0)
        found = values(squares, cosines)
        # the mirror images of angles have the same values
        share = np.where((turns == 0) | (turns == 0.5), 1.0, 2.0)
        return found @ (share / share.sum()), np.abs(found).max(axis=(0, 2), initial=1e-300)

    left: np.ndarray = np.arange(len(size))
    count = ANGLES
    now, largest = means(left, np.arange(count // 2 + 1) / count)
    calm: np.ndarray = np.zeros(len(size), dtype=int)
    result: np.ndarray = np.empty((len(now), len(size)))
    while True:
        between, top = means(left, (np.arange(count // 2) + 0.5) / count)
        finer, largest = 0.5 * (now + between), np.maximum(largest, top)
        change = np.abs(finer - now).max(axis=0)
        calm = np.where(change <= SETTLED * largest, calm + 1, 0)
        count *= 2
        ended = (calm >= 2) | ((count >= MOST_ANGLES) & (change <= ROUGH * largest))
        result[:, left[ended]] = finer[:, ended]
        if ended.all():
            return result
        if count >= MOST_ANGLES:
            raise InvalidArgument(
                "coupling",
                f"G' is too narrow: {count} angles do not resolve <G(|v_j - v_k|^2)> at these amplitudes; give a wider "
                "one",
            )
        left, now, largest, calm = left[~ended], finer[:, ~ended], largest[~ended], calm[~ended]
