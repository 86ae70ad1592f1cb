"""Tensor products of B-splines in one to three variables, evaluated in compiled code, with their derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.interpolate import make_interp_spline

MOST_DEGREE = 15


@dataclass(frozen=True, eq=False)
class TensorSpline:
    """Spline sum_ij c_ij B_i(x_0) B_j(x_1) of a degree p in each of d variables.

    Args:
        degree: p.
        knots: of each direction (m_i + p + 1,), increasing.
        coefficients: c (m_0, ..., m_{d-1}).
        periodic: whether it has the period 1 in each variable; else it is NaN outside its knots.
    """

    degree: int
    knots: tuple[np.ndarray, ...]
    coefficients: np.ndarray
    periodic: bool

    def __post_init__(self) -> None:
        for array in (*self.knots, self.coefficients):
            array.setflags(write=False)

    def __call__(self, *variables: np.ndarray, orders: tuple[int, ...] | None = None) -> np.ndarray:
        """Values, or the derivative of some orders in each variable, for arrays that broadcast."""
        arrays = np.broadcast_arrays(*[np.asarray(variable, dtype=np.float64) for variable in variables])
        places = np.stack([array.ravel() for array in arrays], axis=1)
        out, orders = np.empty(len(places)), orders or (0,) * len(arrays)
        evaluate = _EVALUATORS[len(arrays)]
        with np.errstate(invalid="ignore"):
            evaluate(places, out, self.degree, *self.knots, self.coefficients, self.periodic, *orders)
        return out.reshape(arrays[0].shape)


def periodic_spline(values: np.ndarray, degree: int) -> TensorSpline:
    """The spline of odd degree p and period 1 that interpolates values (n, ...) on an equidistant grid: order p + 1."""
    shape, spectrum = values.shape, np.fft.fftn(values)
    for axis, count in enumerate(shape):
        at_nodes = np.zeros(count)
        shifts = np.arange(-(degree // 2), degree // 2 + 1)
        np.add.at(at_nodes, shifts % count, _cardinal(shifts + (degree + 1) / 2, degree))
        spectrum = spectrum / np.fft.fft(at_nodes).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return _periodic(np.fft.ifftn(spectrum).real, degree)


def trigonometric_spline(values: np.ndarray, degree: int, oversampling: int) -> TensorSpline:
    """The trigonometric polynomial through values (n, ...) as a spline on a finer grid, equal to it up to rounding.

    The transform of a B-spline is sinc^(p+1): its coefficients are those of the polynomial over it. What is left are
    waves outside of the finer grid, (2 s - 1)^-(p+1) of those of the data, s being the oversampling.
    """
    spectrum = np.fft.fftn(values) / values.size
    for axis, count in enumerate(values.shape):
        numbers = np.fft.fftfreq(count, 1 / count)
        finer = oversampling * count
        padded = np.zeros([finer if a == axis else n for a, n in enumerate(spectrum.shape)], dtype=complex)
        factors = np.sinc(numbers / finer) ** -(degree + 1)
        shaped = [-1 if a == axis else 1 for a in range(values.ndim)]
        part = np.moveaxis(spectrum * factors.reshape(shaped), axis, 0)
        target = np.moveaxis(padded, axis, 0)
        target[numbers.astype(int)] += part
        if count % 2 == 0:
            # the last wave is a cosine, half of it of either sign
            target[-count // 2] *= 0.5
            target[count // 2] = target[-count // 2]
        spectrum = padded
    return _periodic(np.fft.ifftn(spectrum).real * spectrum.size, degree)


def regular_spline(axes: tuple[np.ndarray, ...], values: np.ndarray, degree: int) -> TensorSpline:
    """The spline of odd degree p and order p + 1 that interpolates values (n_0, ...) on a grid, not-a-knot."""
    coefficients, knots = values, []
    for axis, ticks in enumerate(axes):
        spline = make_interp_spline(ticks, np.moveaxis(coefficients, axis, 0), k=degree)
        coefficients = np.moveaxis(spline.c, 0, axis)
        knots.append(np.ascontiguousarray(spline.t))
    return TensorSpline(degree, tuple(knots), np.ascontiguousarray(coefficients), False)


def _periodic(coefficients: np.ndarray, degree: int) -> TensorSpline:
    """The spline with B-splines centred at the nodes of an equidistant grid, whose coefficients are continued."""
    knots, half = [], degree // 2
    for axis, count in enumerate(coefficients.shape):
        places = np.arange(-half, count + half + 1) % count
        coefficients = np.take(coefficients, places, axis=axis)
        knots.append(np.arange(-degree, count + degree + 1) / count)
    return TensorSpline(degree, tuple(knots), np.ascontiguousarray(coefficients), True)


def _cardinal(places: np.ndarray, degree: int) -> np.ndarray:
    """The B-spline with knots 0, 1, ..., p + 1 at places."""
    values = np.where(
        (places[:, None] >= np.arange(degree + 1)) & (places[:, None] < np.arange(1, degree + 2)), 1.0, 0.0
    )
    for p in range(1, degree + 1):
        i = np.arange(degree + 1 - p)
        left, right = places[:, None] - i, i + p + 1 - places[:, None]
        values = (left * values[:, :-1] + right * values[:, 1:]) / p
    return values[:, 0]


@njit(cache=True, error_model="numpy", boundscheck=False)
def basis_at(x, degree, knots, periodic, order, weights):  # type: ignore[no-untyped-def]
    """Derivatives of an order of the p + 1 B-splines that are not 0 at x; the number of the first, or -1 outside."""
    last = knots.size - degree - 1
    if not math.isfinite(x):
        return -1
    if periodic:
        count = last - degree
        x -= math.floor(x)
        span = degree + min(int(x * count), count - 1)
    else:
        if not (knots[degree] <= x <= knots[last]):
            return -1
        span = min(max(np.searchsorted(knots, x, side="right") - 1, degree), last - 1)
    weights[0] = 1.0
    for p in range(1, degree + 1):
        below = 0.0
        for i in range(p):
            left, right = knots[span + 1 + i - p], knots[span + 1 + i]
            part = weights[i] / (right - left)
            if p <= degree - order:
                weights[i] = below + (right - x) * part
                below = (x - left) * part
            else:
                weights[i] = below - p * part
                below = p * part
        weights[p] = below
    return span - degree


@njit(cache=True, error_model="numpy", boundscheck=False)
def value_1(x, degree, knots, c, periodic, order):  # type: ignore[no-untyped-def]
    """Value of a spline in one variable."""
    weights = np.empty(MOST_DEGREE + 1)
    first = basis_at(x, degree, knots, periodic, order, weights)
    if first < 0:
        return np.nan
    total = 0.0
    for i in range(degree + 1):
        total += weights[i] * c[first + i]
    return total


@njit(cache=True, error_model="numpy", boundscheck=False)
def value_2(x, y, degree, knots, more_knots, c, periodic, order, more):  # type: ignore[no-untyped-def]
    """Value of a spline in two variables."""
    weights, others = np.empty(MOST_DEGREE + 1), np.empty(MOST_DEGREE + 1)
    first = basis_at(x, degree, knots, periodic, order, weights)
    second = basis_at(y, degree, more_knots, periodic, more, others)
    if first < 0 or second < 0:
        return np.nan
    total = 0.0
    for i in range(degree + 1):
        row = 0.0
        for j in range(degree + 1):
            row += others[j] * c[first + i, second + j]
        total += weights[i] * row
    return total


@njit(cache=True, error_model="numpy", boundscheck=False)
def value_3(x, y, z, degree, kx, ky, kz, c, periodic, ox, oy, oz):  # type: ignore[no-untyped-def]
    """Value of a spline in three variables."""
    wx, wy, wz = np.empty(MOST_DEGREE + 1), np.empty(MOST_DEGREE + 1), np.empty(MOST_DEGREE + 1)
    first = basis_at(x, degree, kx, periodic, ox, wx)
    second = basis_at(y, degree, ky, periodic, oy, wy)
    third = basis_at(z, degree, kz, periodic, oz, wz)
    if first < 0 or second < 0 or third < 0:
        return np.nan
    total = 0.0
    for i in range(degree + 1):
        for j in range(degree + 1):
            row = 0.0
            for k in range(degree + 1):
                row += wz[k] * c[first + i, second + j, third + k]
            total += wx[i] * wy[j] * row
    return total


@njit(cache=True, error_model="numpy", boundscheck=False)
def values_1(places, out, degree, knots, c, periodic, order):  # type: ignore[no-untyped-def]
    """Values (P,) at places (P, 1)."""
    for p in range(len(places)):
        out[p] = value_1(places[p, 0], degree, knots, c, periodic, order)


@njit(cache=True, error_model="numpy", boundscheck=False)
def values_2(places, out, degree, knots, more_knots, c, periodic, order, more):  # type: ignore[no-untyped-def]
    """Values (P,) at places (P, 2)."""
    for p in range(len(places)):
        out[p] = value_2(places[p, 0], places[p, 1], degree, knots, more_knots, c, periodic, order, more)


@njit(cache=True, error_model="numpy", boundscheck=False)
def values_3(places, out, degree, kx, ky, kz, c, periodic, ox, oy, oz):  # type: ignore[no-untyped-def]
    """Values (P,) at places (P, 3)."""
    for p in range(len(places)):
        out[p] = value_3(places[p, 0], places[p, 1], places[p, 2], degree, kx, ky, kz, c, periodic, ox, oy, oz)


_EVALUATORS = {1: values_1, 2: values_2, 3: values_3}
POINT_VALUES = {1: value_1, 2: value_2, 3: value_3}
