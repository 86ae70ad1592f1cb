"""Functions of symbols: special functions by scipy and in compiled gradients, boundedness, equality of potentials."""

import numpy as np
import pytest
import sympy
from sympy import (
    Si,
    atan2,
    besseli,
    besselj,
    cos,
    elliptic_e,
    elliptic_k,
    erf,
    erfc,
    exp,
    gamma,
    loggamma,
    pi,
    sin,
    sqrt,
    tanh,
)

from scaling_limits.particles import InvalidArgument, Langevin, MultiscalePotential
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of


def wave(z):
    return cos(2 * pi * z)


def make(shape, modulation=lambda x: 1 + tanh(x) / 3, dim=1):
    return MultiscalePotential(dim, 1, 0.7, lambda x: x[0] ** 2 / 2, lambda x, y: modulation(x[0]) * shape(wave(y[0])))


COMPILED = {
    "erf": lambda c: erf(2 * c), "erfc": lambda c: erfc(c - 1),
    "two arguments": lambda c: atan2(c, 2 + c),
}  # fmt: skip
BY_SCIPY = {
    "gamma": lambda c: gamma(sympy.Rational(5, 2) + c), "log gamma": lambda c: loggamma(3 + c),
    "Bessel J": lambda c: besselj(1, 4 * c), "Bessel I": lambda c: besseli(0, 2 * c),
    "elliptic K": lambda c: elliptic_k(c / 3), "elliptic E": lambda c: elliptic_e(c / 2),
    "sine integral": lambda c: Si(3 * c), "Lambert W": lambda c: sympy.LambertW(2 + c),
}  # fmt: skip


@pytest.mark.parametrize("name", [*COMPILED, *BY_SCIPY])
def test_special_functions_are_those_of_sympy(name):
    """Values against sympy's own, of 30 digits; gradients against central differences of these."""
    potential = make({**COMPILED, **BY_SCIPY}[name])
    x, y = np.array([[-0.6], [0.1], [1.3]]), np.array([[0.07], [0.4], [0.81]])
    values, slopes = potential.fluctuation_at(x, y), potential.fluctuation_gradient_at(x, y)[:, :, 0]
    for row in range(3):
        numbers = {potential.slow[0]: sympy.Float(x[row, 0], 30), potential.fast[0][0]: sympy.Float(y[row, 0], 30)}
        expected = float(potential.fluctuation_expression.evalf(30, subs=numbers))
        assert values[row] == pytest.approx(expected, rel=1e-12)
        for column, symbol in enumerate(numbers):
            step = sympy.Float("1e-8", 30)
            sides = [
                potential.fluctuation_expression.evalf(30, subs={**numbers, symbol: numbers[symbol] + sign * step})
                for sign in (1, -1)
            ]
            difference = float((sides[0] - sides[1]) / (2 * step))
            assert slopes[row, column] == pytest.approx(difference, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_gradients_agree(name):
    potential, epsilon = make(COMPILED[name]), 0.3
    x = np.linspace(-1.2, 1.1, 9)
    expected = potential.full_gradient_at(x[:, None], epsilon)[:, 0]
    found = np.empty((1, x.size))
    gradient_of(potential)(x[None].copy(), found, x.size, (1 / epsilon,))
    np.testing.assert_allclose(found[0], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", BY_SCIPY)
def test_what_cannot_be_compiled_is_refused(name):
    potential = make(BY_SCIPY[name])
    with pytest.raises(InvalidArgument, match="potential: has a gradient with .* compiled paths cannot"):
        Langevin(potential, epsilon=0.3).sample([0.0], [0.01], paths=2, seed=1, step=1e-5)
    with pytest.raises(InvalidArgument, match="potential: has a gradient with"):
        gradient_of(potential)


BOUNDED = {
    "slow wave": lambda x: sin(x / 700), "late step": lambda x: tanh(x / 2000), "late rational": lambda x: x**2 / (9e5 + x**2),
    "overflow on the way": lambda x: exp(x) / (1 + exp(x)), "ratio of large ones": lambda x: x**44 / (2 + x**44),
    "capped": lambda x: (500 * tanh(x / 500)) ** 2 / 1e5, "wave of x^2": lambda x: sin(x**2), "decay": lambda x: 1 / sympy.cosh(x),
}  # fmt: skip
GROWING = {
    "x": lambda x: x, "slowly": lambda x: sympy.log(2 + x**2), "late": lambda x: 1 + x / 50,
    "root": lambda x: (1 + x**2) ** sympy.Rational(1, 12), "with a wave": lambda x: x * sin(x),
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("dim", [1, 2])
def test_bounded_potentials_are_taken_however_far_out_they_saturate(name, dim):
    potential = make(lambda c: c, BOUNDED[name], dim)
    assert np.isfinite(potential.fluctuation_at(np.full((1, dim), 0.4), np.full((1, dim), 0.2))).all()


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("dim", [1, 2])
def test_growing_potentials_are_refused_with_a_way_out(name, dim):
    with pytest.raises(InvalidArgument, match=r"^fluctuation: must be bounded, but grows with x.*L\*tanh\(x/L\)"):
        make(lambda c: c, GROWING[name], dim)


def test_the_way_out_works():
    """x^2 where |x| is small, level far out: taken, and close to x^2 at 0.1."""
    capped = make(lambda c: c, lambda x: (100 * tanh(x / 100)) ** 2)
    assert capped.fluctuation_at([[0.1]], [[0.0]])[0] == pytest.approx(0.01, rel=1e-6)
    with pytest.raises(InvalidArgument, match="finite and real"):
        make(lambda c: c, lambda x: sqrt(4 - x**2))
    make(lambda c: c, lambda x: sqrt(4 - (sympy.Rational(19, 10) * tanh(x)) ** 2))


def test_equal_potentials_are_those_of_equal_expressions():
    """The same function object that gives another expression later makes another potential."""
    height = [1]

    def fluctuation(x, y):
        return height[0] * wave(y[0])

    def bowl(x):
        return x[0] ** 2

    first = MultiscalePotential(1, 1, 1.0, bowl, fluctuation)
    height[0] = 3
    second = MultiscalePotential(1, 1, 1.0, bowl, fluctuation)
    third = MultiscalePotential(1, 1, 1.0, lambda x: x[0] ** 2, lambda x, y: 3 * wave(y[0]))
    assert first != second
    assert (second, hash(second)) == (third, hash(third))
    assert first != "another thing"
    slopes = []
    for potential in (first, second):
        out = np.empty((1, 1))
        gradient_of(potential)(np.array([[0.1]]), out, 1, (1.0,))
        slopes.append(out[0, 0] - 0.2)
    assert slopes[1] == pytest.approx(3 * slopes[0], rel=1e-12)


def test_points_of_a_line_need_no_second_axis():
    potential = make(lambda c: c)
    x = np.array([0.1, 0.7])
    np.testing.assert_array_equal(potential.confining_at(x), potential.confining_at(x[:, None]))
    np.testing.assert_array_equal(potential.fluctuation_at(x, x), potential.fluctuation_at(x[:, None], x[:, None]))
