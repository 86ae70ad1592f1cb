"""Potentials from arrays: trigonometric polynomials are their formula, splines are of their order, bad data are refused.

Splines against scipy's NdBSpline, trigonometric polynomials against sums of exponentials.
"""

import pickle

import numpy as np
import pytest
from scipy.interpolate import NdBSpline
from sympy import Symbol, cos, eye, pi, sin, tanh

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import InvalidArgument, MultiscalePotential, PeriodicGrid, RegularGrid
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of
from scaling_limits.particles.support.splines import periodic_spline, regular_spline, trigonometric_spline


def wave(p):
    return cos(2 * pi * p)


def bowl(x):
    return sum(c**2 for c in x) / 2


def cosine(p):
    return np.cos(2 * np.pi * p)


TICKS = np.arange(8) / 8
VALUES = cosine(TICKS)[:, None] + cosine(TICKS) / 2 + cosine(TICKS[:, None] + TICKS) / 3


def trigonometric(values, places, orders):
    """The trigonometric polynomial through values and its derivatives, by sums; the last wave of even n is a cosine."""
    total = np.fft.fftn(values) / values.size
    result = np.zeros(len(places))
    for row, place in enumerate(places):
        part = total
        for count, x, order in zip(values.shape, place, orders):
            numbers = np.fft.fftfreq(count, 1 / count)
            factors = (2j * np.pi * numbers) ** order * np.exp(2j * np.pi * numbers * x)
            if count % 2 == 0:
                factors[count // 2] = (factors[count // 2] + factors[count // 2].conj()) / 2
            part = np.tensordot(factors, part, axes=(0, 0))
        result[row] = part.real
    return result


@pytest.mark.parametrize("shape", [(9,), (8,), (7, 6), (5, 4, 7)])
def test_trigonometric_polynomials(shape):
    """Noise as data: values and derivatives to 1e-11 of the largest one; period 1."""
    values = np.random.default_rng(0).normal(size=shape)
    spline = trigonometric_spline(values, 13, 4)
    places = np.random.default_rng(1).uniform(-2, 2, (30, len(shape)))
    for orders in [(0,) * len(shape), *np.eye(len(shape), dtype=int), 2 * np.eye(len(shape), dtype=int)[0]]:
        exact = trigonometric(values, places, orders)
        found = spline(*places.T, orders=tuple(orders))
        assert found == pytest.approx(exact, abs=1e-11 * 10 ** max(orders) * np.abs(exact).max())
    nodes = np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij")
    assert spline(*nodes) == pytest.approx(values, abs=1e-11)
    assert spline(*(places + 1.0).T) == pytest.approx(spline(*places.T), abs=1e-10)


def test_splines_are_of_order_6():
    """Periodic ones and those on a grid; the rate between 16 and 64 points, and the values of scipy's evaluation."""
    smooth, places = lambda x: np.exp(np.sin(2 * np.pi * x)), np.random.default_rng(0).random(2000)
    errors = [np.abs(periodic_spline(smooth(np.arange(n) / n), 5)(places) - smooth(places)).max() for n in (32, 64)]
    assert 5.5 < np.log2(errors[0] / errors[1]) < 7.0
    assert errors[1] < 1e-8
    for n in (32, 64):
        ticks = np.linspace(0, 1, n) ** 1.5
        spline = regular_spline((ticks, ticks), np.sin(3 * ticks)[:, None] * np.exp(ticks), 5)
        x, y = np.random.default_rng(1).random((2, 500))
        errors.append(np.abs(spline(x, y) - np.sin(3 * x) * np.exp(y)).max())
        slope = np.abs(spline(x, y, orders=(1, 0)) - 3 * np.cos(3 * x) * np.exp(y)).max()
        theirs = NdBSpline(spline.knots, spline.coefficients, 5)
        for orders in ((0, 0), (1, 0), (2, 1)):
            expected = theirs(np.stack([x, y], axis=1), nu=orders)
            assert spline(x, y, orders=orders) == pytest.approx(expected, abs=1e-10 * np.abs(expected).max())
    assert 5.0 < np.log2(errors[2] / errors[3]) < 7.5
    assert errors[3] < 1e-8
    assert slope < 1e-6
    assert np.isnan(spline(1.5, 0.5))
    assert spline(1.0, 1.0) == pytest.approx(np.sin(3) * np.exp(1))


@pytest.mark.serial
def test_data_of_a_trigonometric_polynomial_are_its_formula():
    """Values, gradients in numpy and compiled, and effective tensors with bounds, to 1e-10."""
    surface = PeriodicGrid(VALUES)
    potentials = [
        MultiscalePotential(
            2, 1, 0.7, bowl, lambda x, y, f=f: f(y) * (1 + tanh(x[0]) / 2), lattice=[[1, 0.5], [0, 0.9]]
        )
        for f in (surface, lambda y: wave(y[0]) + wave(y[1]) / 2 + wave(y[0] + y[1]) / 3)
    ]
    x = np.random.default_rng(0).normal(size=(20, 2))
    data, formula = potentials
    assert data.full_at(x, 0.1) == pytest.approx(formula.full_at(x, 0.1), abs=1e-11)
    slopes = formula.full_gradient_at(x, 0.1)
    assert data.full_gradient_at(x, 0.1) == pytest.approx(slopes, abs=1e-10 * np.abs(slopes).max())
    out = np.empty((2, len(x)))
    gradient_of(data)(np.ascontiguousarray(x.T), out, len(x), (10.0,))
    assert pytest.approx(slopes, abs=1e-10 * np.abs(slopes).max()) == out.T
    for rtol, bounds in ((1e-9, False), (1e-6, True)):
        first, second = (effective_tensor(potential, x, rtol, bounds) for potential in potentials)
        assert first.value == pytest.approx(second.value, rel=1e-10, abs=1e-10)


def test_a_landscape_from_a_table():
    """V0 on a grid that is not equidistant, V1 by splines: both within the error of the data."""
    axes = [np.sinh(np.linspace(-2, 2, 80)), np.linspace(-4, 4, 70)]
    first, second = axes[0][:, None], axes[1]
    table = RegularGrid(axes, (first**2 + second**2) / 2 + np.sin(first) * np.cos(second) / 3)
    ticks = np.arange(48) / 48
    values = np.exp(cosine(ticks)[:, None] / 2) * cosine(ticks)
    data = MultiscalePotential(
        2, 1, 0.7, table, lambda x, y: PeriodicGrid(values, "spline")(y), domain=[(-3, 3), (-3, 3)]
    )
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 50, 2))
    exact = (x**2).sum(axis=1) / 2 + np.sin(x[:, 0]) * np.cos(x[:, 1]) / 3
    assert data.confining_at(x) == pytest.approx(exact, abs=1e-5)
    assert data.fluctuation_at(x, y) == pytest.approx(np.exp(cosine(y[:, 0]) / 2) * cosine(y[:, 1]), abs=1e-5)
    again = pickle.loads(pickle.dumps(data))
    assert again == data
    assert (again.full_at(x, 0.1) == data.full_at(x, 0.1)).all()


def test_data_are_known_by_their_numbers():
    make = lambda values: MultiscalePotential(2, 1, 1.0, bowl, lambda x, y: PeriodicGrid(values)(y))  # noqa: E731
    assert make(VALUES) == make(VALUES.copy())
    assert make(VALUES) != make(VALUES + 1e-9)


SYMBOLS = MultiscalePotential(2, 1, 1.0, bowl, lambda x, y: 0 * y[0]).fast[0]
AXIS = np.linspace(-2, 2, 20)
TABLE = AXIS[:, None] + AXIS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PeriodicGrid([1.0]), "values: must have at least 2 points"),
        (lambda: PeriodicGrid(3.0), "values: must be an array of 1, 2 or 3 dimensions"),
        (lambda: PeriodicGrid([[1, 2], [np.nan, 3]]), "values: must be finite"),
        (lambda: PeriodicGrid("abc"), "values: must be an array"),
        (lambda: PeriodicGrid([1j, 2]), "values: must be an array of real numbers"),
        (lambda: PeriodicGrid(np.zeros((2, 2, 2, 2))), "values: must be an array of 1, 2 or 3"),
        (lambda: PeriodicGrid(VALUES, "cubic"), "method: must be one of"),
        (lambda: PeriodicGrid(VALUES[:4], "spline"), "values: must have more than 5 points"),
        (lambda: PeriodicGrid(VALUES)(SYMBOLS[:1]), "y: must be 2 symbols"),
        (lambda: PeriodicGrid(VALUES)(3), "y: must be 2 symbols"),
        (lambda: RegularGrid([AXIS], TABLE), "axes: must be 2 arrays"),
        (lambda: RegularGrid(AXIS, TABLE), "axes: must be 2 arrays"),
        (lambda: RegularGrid([AXIS, AXIS[::-1]], TABLE), r"axes\[1\]: must be increasing"),
        (lambda: RegularGrid([AXIS[:4], AXIS], TABLE[:4]), r"axes\[0\]: must have more than 5 points"),
        (lambda: RegularGrid([AXIS[:10], AXIS], TABLE), r"axes\[0\]: must have shape"),
        (lambda: RegularGrid([AXIS, AXIS], TABLE + np.inf), "values: must be finite"),
        (lambda: MultiscalePotential(2, 1, 1.0, RegularGrid([AXIS + 5, AXIS], TABLE), lambda x, y: wave(y[0])), "NaN"),
        (lambda: MultiscalePotential(2, 1, 1.0, bowl, lambda x, y: PeriodicGrid(VALUES)([y[0] / 2, y[1]])), "1-periodic"),
        (lambda: MultiscalePotential(2, 1, 1.0, bowl, lambda x, y: sin(2 * pi * y[0]) * RegularGrid([AXIS], AXIS)(x)), "1 symbols"),
    ],
)  # fmt: skip
def test_bad_data(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


@pytest.mark.parametrize("argument", [("y",), (None,), (True,), (Symbol("y") > 0,), (eye(2),), (np.zeros(2),), 3, ()])
def test_bad_arguments_of_data(argument):
    with pytest.raises(InvalidArgument, match="y: must be 1 symbols"):
        PeriodicGrid(cosine(TICKS))(argument)
    with pytest.raises(InvalidArgument, match="x: must be 1 symbols"):
        RegularGrid([np.arange(8.0)], cosine(TICKS))(argument)


@pytest.mark.parametrize("axis", [np.arange(8) * 1e-320, np.arange(8) * 1e299, np.append(np.arange(7.0), 6.0 + 1e-9)])
def test_axes_beyond_double_precision(axis):
    with pytest.raises(InvalidArgument, match=r"axes\[0\]"):
        RegularGrid([axis], cosine(TICKS))


def test_grids_too_large_for_memory_name_the_remedy():
    with pytest.raises(InvalidArgument, match="method='spline'"):
        PeriodicGrid(np.broadcast_to(0.0, (200, 200, 200)))


def test_data_cannot_be_written_into():
    for data in (PeriodicGrid(cosine(TICKS)), RegularGrid([np.arange(8.0)], cosine(TICKS))):
        for array in (data.values, data.spline.coefficients, *data.spline.knots):
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0.0


def test_data_end_before_the_domain():
    """A domain that is longer than the table by a little is refused, not extrapolated into."""
    x = np.linspace(-2, 2, 41)
    table = RegularGrid([x], np.sin(x))
    for end in (-2.0004, -2 - 1e-6):
        with pytest.raises(InvalidArgument, match="must be finite and real"):
            MultiscalePotential(1, 1, 0.5, bowl, lambda x, y: table(x) * wave(y[0]), domain=[(end, 2)])


def test_places_that_are_no_numbers():
    """Compiled splines do not look for coefficients at NaN."""
    for spline in (periodic_spline(cosine(TICKS), 5), trigonometric_spline(VALUES, 13, 4)):
        places = [np.array([np.nan, np.inf, -np.inf])] * spline.coefficients.ndim
        assert np.isnan(spline(*places)).all()
