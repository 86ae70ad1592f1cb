"""Central differences of order 8 in all amplitudes, with those of order 6 beside them for the error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# weights of f(x + n h) - f(x - n h) over h, and of f(x + n h) + f(x - n h) over h^2 with that of f(x), n = 1 .. 4
FIRST = {8: np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280]), 6: np.array([3 / 4, -3 / 20, 1 / 60, 0.0])}
SECOND = {8: np.array([8 / 5, -1 / 5, 8 / 315, -1 / 560]), 6: np.array([3 / 2, -3 / 20, 1 / 90, 0.0])}
CENTRE = {8: -205 / 72, 6: -49 / 18}
REACH = 4

Function = Callable[[np.ndarray], np.ndarray]  # of amplitudes (P, N), to arrays (P, ...)


def moved(v: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The points (2, N, 8, P, N) around v (P, N) that differences with steps h (P,) take.

    The real and the imaginary part of each amplitude, moved by h, -h, 2 h, -2 h, ...
    """
    count, size = v.shape
    result = np.broadcast_to(v, (2, size, 2 * REACH, count, size)).copy()
    shifts = np.array([sign * n for n in range(1, REACH + 1) for sign in (1, -1)])
    for k in range(size):
        for part, direction in enumerate((1.0, 1j)):
            result[part, k, :, :, k] += direction * shifts[:, None] * h
    return result


def around(function: Function, v: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Values of a function at those points (2, N, 8, P, ...)."""
    points = moved(v, h)
    values = function(points.reshape(-1, v.shape[1]))
    return values.reshape(*points.shape[:4], *values.shape[1:])


def slopes(values: np.ndarray, h: np.ndarray, order: int) -> np.ndarray:
    """The derivatives (2, N, P, ...) in both parts of each amplitude, of values `around` v."""
    differences = values[:, :, 0::2] - values[:, :, 1::2]
    result = np.tensordot(FIRST[order], differences, axes=(0, 2))
    return result / h.reshape(-1, *[1] * (result.ndim - 3))


def curvatures(values: np.ndarray, centre: np.ndarray, h: np.ndarray, order: int) -> np.ndarray:
    """The second derivatives (2, N, P, ...) in both parts of each amplitude, of values `around` v and those at v."""
    sums = values[:, :, 0::2] + values[:, :, 1::2]
    result = np.tensordot(SECOND[order], sums, axes=(0, 2)) + CENTRE[order] * centre
    return result / (h**2).reshape(-1, *[1] * (result.ndim - 3))


def gradient(values: np.ndarray, h: np.ndarray, order: int) -> np.ndarray:
    """2 d/d conj(v_j) = d/dx_j + i d/dy_j (P, N) of real values `around` v (2, N, 8, P)."""
    by_part = slopes(values, h, order)
    return np.asarray((by_part[0] + 1j * by_part[1]).T)
