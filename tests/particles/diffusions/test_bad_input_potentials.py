"""What is wrong with a potential is said by the name of the argument, with what would be right."""

import math

import numpy as np
import pytest
import sympy
from refusals import refused
from sympy import Function, Symbol, cos, pi, sin

from scaling_limits.particles import (
    MultiscalePotential,
    egg_carton,
    fully_coupled,
    laminate,
    mueller_brown,
    self_similar,
)

pytestmark = pytest.mark.serial  # what one rank alone refuses; several ranks are tried elsewhere


def wave(z):
    return cos(2 * pi * z)


def bowl(x):
    return x[0] ** 2 / 2


def make(dim=1, scales=1, temperature=1.0, confining=bowl, fluctuation=lambda x, y: wave(y[0])):
    return MultiscalePotential(dim, scales, temperature, confining, fluctuation)


def divided(x, y):
    return wave(y[0]) / 0


def looked_up(x, y):
    return {}["height"] * wave(y[0])


def misspelt(x, y):
    return waev(y[0])  # noqa: F821


def stopped(x, y):
    raise RuntimeError("no data")


def forgotten(x, y):
    wave(y[0])


def branching(x, y):
    return wave(y[0]) if x[0] > 0 else 2 * wave(y[0])


class Callable:
    def __call__(self, x):
        return x[0] ** 2


CALLS = {
    "dim is a truth value": (lambda: make(dim=True), "dim", "integer"),
    "dim is a text": (lambda: make(dim="1"), "dim", "integer"),
    "dim is too large": (lambda: make(dim=4), "dim", "between 1 and 3"),
    "dim is none": (lambda: make(dim=None), "dim", "integer"),
    "scales is a float": (lambda: make(scales=1.0), "scales", "integer"),
    "scales is 0": (lambda: make(scales=0), "scales", "between 1 and 64"),
    "scales is huge": (lambda: make(scales=10**400), "scales", "between 1 and 64"),
    "scales is False": (lambda: make(scales=False), "scales", "integer"),
    "temperature is a text": (lambda: make(temperature="1"), "temperature", "number"),
    "temperature is True": (lambda: make(temperature=True), "temperature", "number"),
    "temperature is complex": (lambda: make(temperature=1j), "temperature", "number"),
    "temperature is none": (lambda: make(temperature=None), "temperature", "number"),
    "temperature is infinite": (lambda: make(temperature=np.inf), "temperature", "finite"),
    "temperature is an array": (lambda: make(temperature=np.ones(2)), "temperature", "number"),
    "V0 is a number": (lambda: make(confining=3), "confining", "callable"),
    "V0 is a text": (lambda: make(confining="x**2"), "confining", "callable"),
    "V0 is an expression": (lambda: make(confining=Symbol("x") ** 2), "confining", "callable"),
    "V0 takes nothing": (lambda: make(confining=lambda: 0), "confining", "takes ()"),
    "V0 takes x and y": (lambda: make(confining=lambda x, y: x[0] * y[0]), "confining", "takes (x, y)"),
    "V0 takes x for a number": (lambda: make(confining=lambda x: x**2), "confining", "x[0]"),
    "V0 multiplies a tuple": (lambda: make(confining=lambda x: x * 0.5), "confining", "x[0]"),
    "V0 returns x": (lambda: make(confining=lambda x: x), "confining", "x[0]"),
    "V0 by numpy": (lambda: make(confining=lambda x: np.sin(x[0])), "confining", "sympy"),
    "V0 by math": (lambda: make(confining=lambda x: math.exp(x[0])), "confining", "sympy"),
    "V0 of a component that is not there": (lambda: make(confining=lambda x: x[1]), "confining", "1 components"),
    "V0 is NaN": (lambda: make(confining=lambda x: sympy.nan * x[0]), "confining", "finite"),
    "V0 is complex": (lambda: make(confining=lambda x: 1j * x[0]), "confining", "real"),
    "V0 is a logarithm of x": (lambda: make(confining=lambda x: sympy.log(x[0])), "confining", "finite"),
    "V0 has a kink": (lambda: make(confining=lambda x: sympy.Max(x[0], 0)), "confining", "smooth"),
    "V0 is a comparison": (lambda: make(confining=lambda x: x[0] > 0), "confining", "expression"),
    "V0 is True": (lambda: make(confining=lambda x: True), "confining", "expression"),
    "V0 is an array": (lambda: make(confining=lambda x: np.array([x[0]])), "confining", "ndarray"),
    "V0 is a matrix": (lambda: make(confining=lambda x: sympy.Matrix([[x[0]]])), "confining", "expression"),
    "V1 is a matrix of a symbol": (
        lambda: make(fluctuation=lambda x, y: sympy.MatrixSymbol("A", 1, 1) * wave(y[0])), "fluctuation", "expression"),
    "V1 by numpy": (lambda: make(fluctuation=lambda x, y: np.cos(2 * np.pi * y[0])), "fluctuation", "sympy.cos"),
    "V1 by the root of numpy": (lambda: make(fluctuation=lambda x, y: np.sqrt(2 + y[0])), "fluctuation", "sympy"),
    "V1 by math": (lambda: make(fluctuation=lambda x, y: math.cos(y[0])), "fluctuation", "sympy.cos"),
    "V1 takes y for a number": (lambda: make(fluctuation=lambda x, y: wave(y)), "fluctuation", "x[0]"),
    "V1 of one variable": (lambda: make(fluctuation=lambda y: wave(y[0])), "fluctuation", "x, y1"),
    "V1 of one scale for two": (lambda: make(scales=2), "fluctuation", "x, y1, y2"),
    "V1 of two scales for one": (
        lambda: make(fluctuation=lambda x, y, z: wave(z[0])), "fluctuation", "takes (x, y, z)"),
    "V1 takes y before x": (lambda: make(fluctuation=lambda y, x: wave(y[0])), "fluctuation", "x comes first"),
    "V1 of keywords": (lambda: make(fluctuation=lambda x, *, y: wave(y[0])), "fluctuation", "takes"),
    "V1 is a text": (lambda: make(fluctuation=lambda x, y: "cos(2*pi*y1_0)"), "fluctuation", "not str"),
    "V1 is code in a text": (
        lambda: make(fluctuation=lambda x, y: "__import__('os').getcwd()"), "fluctuation", "not str"),
    "V1 is a list": (lambda: make(fluctuation=lambda x, y: [wave(y[0])]), "fluctuation", "not list"),
    "V1 is a class": (lambda: make(fluctuation=lambda x, y: cos), "fluctuation", "expression"),
    "V1 returns nothing": (lambda: make(fluctuation=forgotten), "fluctuation", "return missing"),
    "V1 divides by 0": (lambda: make(fluctuation=lambda x, y: wave(y[0]) / sympy.Integer(0)), "fluctuation", "finite"),
    "V1 divides numbers by 0": (lambda: make(fluctuation=lambda x, y: 1 / 0), "fluctuation", "ZeroDivisionError"),
    "V1 divides by a float 0": (lambda: make(fluctuation=divided), "fluctuation", "finite"),
    "V1 looks something up": (lambda: make(fluctuation=looked_up), "fluctuation", "KeyError"),
    "V1 is misspelt": (lambda: make(fluctuation=misspelt), "fluctuation", "NameError"),
    "V1 raises": (lambda: make(fluctuation=stopped), "fluctuation", "RuntimeError: no data"),
    "V1 branches": (lambda: make(fluctuation=branching), "fluctuation", "neither true nor false"),
    "V1 has an undefined function": (
        lambda: make(fluctuation=lambda x, y: Function("f")(wave(y[0]))), "fluctuation", "without a definition: f"),
    "V1 has a derivative": (
        lambda: make(fluctuation=lambda x, y: sympy.Derivative(wave(y[0]), y[0])), "fluctuation", "doit"),
    "V1 has an integral": (
        lambda: make(fluctuation=lambda x, y: wave(y[0]) + sympy.Integral(sin(Symbol("t")), (Symbol("t"), 0, 1))),
        "fluctuation", "doit"),
    "V1 has a product without end": (
        lambda: make(fluctuation=lambda x, y: sympy.Product(1 + wave(y[0]) / Symbol("k"), (Symbol("k"), 2, 5))),
        "fluctuation", "doit"),
    "V1 has what scipy has not": (
        lambda: make(fluctuation=lambda x, y: sympy.dirichlet_eta(3 + wave(y[0]))), "fluctuation", "dirichlet_eta"),
    "V1 is a hypergeometric function": (
        lambda: make(fluctuation=lambda x, y: sympy.hyper((1, 2), (sympy.Rational(7, 2),), wave(y[0]) / 3)),
        "fluctuation", "scipy"),
    "V1 has symbols of its own": (lambda: make(fluctuation=lambda x, y: Symbol("a") * wave(y[0])), "fluctuation", "a"),
    "V1 has a period of 2": (lambda: make(fluctuation=lambda x, y: cos(pi * y[0])), "fluctuation", "1-periodic"),
    "V1 has a period of 2 in y2[1]": (
        lambda: make(2, 2, fluctuation=lambda x, y, z: wave(y[0]) * sin(pi * z[1])), "fluctuation", "y2[1]"),
    "V1 grows": (lambda: make(fluctuation=lambda x, y: x[0] * wave(y[0])), "fluctuation", "grows with x"),
    "V1 overflows": (lambda: make(fluctuation=lambda x, y: sympy.cosh(x[0]) * wave(y[0])), "fluctuation", "bounded"),
    "V1 has a pole": (
        lambda: make(fluctuation=lambda x, y: 1 / (wave(y[0]) - sympy.Rational(2, 7))), "fluctuation", "pole"),
    "V1 jumps": (lambda: make(fluctuation=lambda x, y: sympy.floor(y[0]) + wave(y[0])), "fluctuation", "smooth"),
    "V1 is infinite": (lambda: make(fluctuation=lambda x, y: sympy.oo), "fluctuation", "finite"),
    "x is masked": (
        lambda: make().confining_at(np.ma.masked_array([[1.0], [2.0]], [[False], [True]])), "x", "masked"),
    "x is a text": (lambda: make().confining_at("0.5"), "x", "real numbers"),
    "x is complex": (lambda: make().confining_at([[1j]]), "x", "complex"),
    "x is none": (lambda: make().confining_at(None), "x", "real numbers"),
    "x is ragged": (lambda: make(2).confining_at([[0.0, 1.0], [0.0]]), "x", "real numbers"),
    "x is a position in the plane": (lambda: make(2).confining_at([0.0, 1.0]), "x", "(P, 2)"),
    "x has another dimension": (lambda: make(2).confining_at([[0.0]]), "x", "(P, 2)"),
    "x is NaN": (lambda: make().confining_at([[np.nan]]), "x", "finite"),
    "x is a number": (lambda: make().confining_at(0.5), "x", "(P, 1)"),
    "y is missing": (lambda: make().fluctuation_at([[0.0]]), "y", "each of the 1 scales"),
    "y has two scales": (lambda: make().fluctuation_at([[0.0]], [[0.0]], [[0.0]]), "y", "not 2"),
    "y has fewer points": (lambda: make().fluctuation_at(np.zeros(3), np.zeros(2)), "y", "as many points"),
    "y1 is infinite": (lambda: make().fluctuation_at([[0.0]], [[np.inf]]), "y1", "finite"),
    "epsilon is 0": (lambda: make().full_at([[0.0]], 0.0), "epsilon", "above 0"),
    "epsilon is True": (lambda: make().full_gradient_at([[0.0]], True), "epsilon", "number"),
    "epsilon is a text": (lambda: make().full_at([[0.0]], "0.1"), "epsilon", "number"),
    "epsilon is NaN": (lambda: make().full_at([[0.0]], float("nan")), "epsilon", "finite"),
    "a gradient is not known": (
        lambda: make(fluctuation=lambda x, y: sympy.zeta(4 + wave(y[0]))).full_gradient_at([[0.2]], 0.1),
        "fluctuation", "Derivative"),
    "ruggedness is a text": (lambda: mueller_brown(1.0, ruggedness="10"), "ruggedness", "number"),
    "ruggedness is negative": (lambda: mueller_brown(1.0, ruggedness=-1.0), "ruggedness", "at least 0"),
    "coupling is 1": (lambda: fully_coupled(1.0, coupling=1.0), "coupling", "below 1"),
    "coupling is none": (lambda: mueller_brown(1.0, coupling=None), "coupling", "number"),
    "scales of the gallery": (lambda: fully_coupled(1.0, scales=0), "scales", "between 1 and 64"),
    "scales of the gallery as a float": (lambda: fully_coupled(1.0, scales=1.5), "scales", "integer"),
    "dim of the gallery": (lambda: egg_carton(1.0, dim=0), "dim", "between 1 and 3"),
    "amplitude is none": (lambda: egg_carton(1.0, amplitude=None), "amplitudes", "number"),
    "amplitudes are a number": (lambda: self_similar(1.0, 1.0), "amplitudes", "list"),
    "amplitudes are none": (lambda: self_similar(1.0, None), "amplitudes", "list"),
    "amplitudes are empty": (lambda: self_similar(1.0, ()), "amplitudes", "at least one"),
    "amplitudes are a text": (lambda: self_similar(1.0, "12"), "amplitudes", "list"),
    "directions are a number": (lambda: laminate(1.0, 3), "directions", "vectors"),
    "directions are empty": (lambda: laminate(1.0, ()), "directions", "vectors"),
    "directions are numbers": (lambda: laminate(1.0, (1, 0)), "directions", "vectors"),
    "directions are floats": (lambda: laminate(1.0, ((0.5, 1),)), "directions", "integer"),
    "directions of two dimensions": (lambda: laminate(1.0, ((1, 0), (1, 0, 0))), "directions", "one dimension"),
    "directions of length 0": (lambda: laminate(1.0, ((0, 0),)), "directions", "not 0"),
    "directions of four dimensions": (lambda: laminate(1.0, ((1, 0, 0, 0),)), "directions", "1, 2 or 3"),
    "modulation is negative": (lambda: laminate(1.0, modulation=-0.1), "modulation", "at least 0"),
    "temperature of the gallery": (lambda: egg_carton(0.0), "temperature", "above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_bad_input_is_refused(name):
    call, argument, word = CALLS[name]
    refused(argument, word, call)


def test_callable_objects_and_numbers_are_taken():
    assert make(confining=Callable()).confining_at([2.0])[0] == 4.0
    assert make(confining=lambda x: 2, fluctuation=lambda x, y: np.float64(0.5)).confining_at([2.0])[0] == 2.0
