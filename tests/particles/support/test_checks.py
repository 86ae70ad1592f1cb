"""What is said of values and functions that are not what an argument asks for."""

import math

import numpy as np
import pytest
import sympy

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support import checks

LINE = np.linspace(0, 1, 5)
PLANE = np.stack([LINE, LINE**2, LINE**3], axis=1)[:, :2]


@pytest.mark.parametrize(
    ("function", "points", "words"),
    [
        (None, LINE, r"must be a callable from points \(P,\) to values \(P,\), not None"),
        ("sin", LINE, "must be a callable"),
        (lambda x: None, LINE, "returns None; is a return missing"),
        (lambda x: math.sin(x), LINE, "use numpy's functions instead of math's"),
        (lambda x: 1 if x < 0.5 else 0, LINE, "use numpy.where instead of if"),
        (lambda x: sympy.sin(x), LINE, "instead of sympy's"),
        (lambda x: sympy.Symbol("y") * x, LINE, "use numpy's functions in it instead of sympy's"),
        (lambda x: x[0] ** 2 + x[1] ** 2, np.random.default_rng(1).random((7, 2)), r"\(7,\), not \(2,\)"),
        (lambda x: np.exp(-x[0]) * x[:, 0], np.ones((7, 2)), r"points are \(P, d\): the first coordinate is x\[:, 0\]"),
        (lambda x: x[:, 2], PLANE, r"points are \(P, d\)"),
        (lambda x: 1j * x, LINE, "real numbers"),
        (lambda x: x / 0 if False else x * np.nan, LINE, "must return finite|must be finite"),
        (lambda x: np.array(["a"] * len(x)), LINE, "real numbers"),
        (lambda x: x[:2], LINE, "as many values as it is given points"),
        (lambda x: {}["key"], LINE, "raises KeyError"),
        (lambda x: x - 0.5, LINE, r"must not be negative, but it is -0.5 at x = 0$"),
    ],
)
def test_functions_that_are_not_right(function, points, words):
    with pytest.raises(InvalidArgument, match=words) as caught:
        checks.evaluated("initial", function, points, nonnegative=True)
    assert caught.value.argument == "initial"


def test_the_error_of_the_function_is_the_cause():
    with pytest.raises(InvalidArgument) as caught:
        checks.evaluated("mean", lambda x: 1 / 0, LINE)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_functions_that_are_right():
    np.testing.assert_array_equal(checks.evaluated("mean", lambda x: x**2, LINE), LINE**2)
    np.testing.assert_array_equal(checks.evaluated("mean", lambda x: 3, LINE), np.full(5, 3.0))
    np.testing.assert_array_equal(checks.evaluated("mean", 3, LINE), np.full(5, 3.0))
    np.testing.assert_array_equal(
        checks.evaluated("M", lambda x: np.eye(2), PLANE, (2, 2)), np.tile(np.eye(2), (5, 1, 1))
    )
    assert np.isnan(checks.evaluated("V", lambda x: x * np.nan, LINE, finite=False)).all()


@pytest.mark.parametrize("function", [None, lambda x: x[:, 0], lambda x: np.array([True]), lambda x: [True] * 4])
def test_sets_that_are_not_right(function):
    with pytest.raises(InvalidArgument, match="^target: must"):
        checks.mask("target", function, PLANE)


def test_sets_that_are_right():
    assert checks.mask("target", lambda x: x[:, 0] > 0.5, PLANE).sum() == 2
    assert checks.mask("target", lambda x: True, PLANE).all()


@pytest.mark.parametrize("value", [True, "1", None, 1.0, np.True_, [1]])
def test_what_is_no_integer(value):
    with pytest.raises(InvalidArgument, match="^runs: must be an integer"):
        checks.integer("runs", value, 0)


@pytest.mark.parametrize("value", [True, "1", None, 1j, math.nan, 10**400, [1, 2]])
def test_what_is_no_number(value):
    with pytest.raises(InvalidArgument, match="^step: must be"):
        checks.number("step", value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [None],
        "1",
        ["1"],
        [1j],
        [[1], [1, 2]],
        [np.inf],
        np.ma.masked_array([1.0, 2.0], [0, 1]),
        [10**400],
        {1: 2},
    ],
)
def test_what_is_no_array_of_reals(value):
    with pytest.raises(InvalidArgument, match="^times: must"):
        checks.real_array("times", value)


def test_arrays_of_reals():
    values = checks.real_array("times", [sympy.Rational(1, 2), sympy.pi])
    np.testing.assert_allclose(values, [0.5, np.pi], rtol=1e-15)
    np.testing.assert_array_equal(checks.real_array("times", np.ma.masked_array([1.0, 2.0])), [1, 2])


def test_long_values_are_not_printed_whole():
    with pytest.raises(InvalidArgument) as caught:
        checks.number("step", np.ones((100, 3)))
    assert str(caught.value) == "step: must be a number, not an array of shape (100, 3)"


@pytest.mark.parametrize(
    "function", [lambda x: x[0], lambda x: np.sum(x**2), lambda x: x.mean(), lambda x: x.max() * 1j.real + x[-1]]
)
def test_one_value_for_all_points_may_not_depend_on_them(function):
    for points in (LINE, PLANE[:, 0] + 0.1):
        with pytest.raises(InvalidArgument, match="^mean: must return as many values .* not x\\[0\\]"):
            checks.evaluated("mean", function, points)
