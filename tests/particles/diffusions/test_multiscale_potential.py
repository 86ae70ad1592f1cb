"""Multiscale potentials: values and exact gradients in numpy and numba, and what is refused."""

import numpy as np
import pytest
import sympy
from sympy import Abs, Symbol, cos, exp, log, pi, sin, sqrt, tan, tanh

from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of

EPSILON = 0.1


def wave(z):
    return cos(2 * pi * z)


def bowl(x):
    return x[0] ** 2 / 2


def make(**changes):
    arguments = {"dim": 1, "scales": 1, "temperature": 1.0, "confining": bowl, "fluctuation": lambda x, y: wave(y[0])}
    return MultiscalePotential(**(arguments | changes))


COUPLED = MultiscalePotential(
    2, 2, 0.5, lambda x: x[0] ** 2 / 2 + x[0] * x[1],
    lambda x, y, z: wave(y[0]) * wave(z[0]) * (1 + tanh(x[0]) / 2) + sin(2 * pi * (z[1] + y[1])),
)  # fmt: skip


def test_values_are_those_of_the_formula():
    rng = np.random.default_rng(1)
    x, y, z = rng.normal(size=(3, 50, 2))
    w = lambda u: np.cos(2 * np.pi * u)  # noqa: E731
    by_hand = w(y[:, 0]) * w(z[:, 0]) * (1 + np.tanh(x[:, 0]) / 2) + np.sin(2 * np.pi * (z[:, 1] + y[:, 1]))
    np.testing.assert_allclose(COUPLED.fluctuation_at(x, y, z), by_hand, atol=1e-13)
    np.testing.assert_allclose(COUPLED.confining_at(x), x[:, 0] ** 2 / 2 + x[:, 0] * x[:, 1], rtol=1e-14)
    full = COUPLED.confining_at(x) + COUPLED.fluctuation_at(x, x / EPSILON, x / EPSILON**2)
    np.testing.assert_allclose(COUPLED.full_at(x, EPSILON), full, rtol=1e-14)


def test_gradients_are_exact():
    """Complex steps differ from the derivative by rounding alone."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 2))
    step = 1e-30
    gradient = COUPLED.full_gradient_at(x, EPSILON)
    full = COUPLED.confining_expression + COUPLED.fluctuation_expression.subs(
        {s: p / EPSILON ** (k + 1) for k, scale in enumerate(COUPLED.fast) for s, p in zip(scale, COUPLED.slow)}
    )
    function = sympy.lambdify(COUPLED.slow, full, "numpy")
    for i in range(2):
        moved = x.astype(complex)
        moved[:, i] += 1j * step
        np.testing.assert_allclose(gradient[:, i], function(*moved.T).imag / step, rtol=1e-10)  # of the phase 600
    compiled = np.empty((2, 20))
    gradient_of(COUPLED)(np.ascontiguousarray(x.T), compiled, 20, (1 / EPSILON, 1 / EPSILON**2))
    np.testing.assert_allclose(compiled.T, gradient, rtol=1e-10, atol=1e-10)
    parts = COUPLED.fluctuation_gradient_at(x, x / EPSILON, x / EPSILON**2)
    total = sum(parts[:, k] / EPSILON**k for k in range(3)) + np.stack([x[:, 0] + x[:, 1], x[:, 0]], axis=1)
    np.testing.assert_allclose(total, gradient, rtol=1e-12)


@pytest.mark.parametrize("dim", [1, 3])
def test_compiled_gradient_in_other_dimensions(dim):
    potential = MultiscalePotential(
        dim, 1, 1.0, lambda x: sum(c**2 for c in x), lambda x, y: sum(wave(c) for c in y) * sin(x[0])
    )
    x = np.linspace(0.1, 0.5, dim)
    out = np.empty((dim, 1))
    gradient_of(potential)(x[:, None].copy(), out, 1, (1 / 0.3,))
    np.testing.assert_allclose(out[:, 0], potential.full_gradient_at(x[None], 0.3)[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("fluctuation", "reason"),
    [
        (lambda x, y: cos(y[0]), "1-periodic in y1\\[0\\]"),
        (lambda x, y: y[0], "1-periodic"),
        (lambda x, y: x[0] * wave(y[0]), "grows with x"),
        (lambda x, y: log(1 + x[0] ** 2) * wave(y[0]), "grows with x"),
        (lambda x, y: exp(x[0]) * wave(y[0]), "bounded"),
        (lambda x, y: 1 / (wave(y[0]) - sympy.Rational(3, 10)), "pole"),
        (lambda x, y: log((wave(y[0]) - sympy.Rational(3, 10)) ** 2), "pole"),
        (lambda x, y: tan(pi * y[0]), "fluctuation"),
        (lambda x, y: sqrt(x[0]) * wave(y[0]), "finite"),
        (lambda x, y: float("nan") * wave(y[0]), "finite"),
        (lambda x, y: Abs(wave(y[0])), "smooth"),
        (lambda x, y: sympy.sqrt(1 - wave(y[0] - 0.2851)), "smooth, but sqrt.* has a kink"),
        (lambda x, y: (1 + wave(y[0])) ** sympy.Rational(1, 4), "has a kink"),
        (lambda x, y: sympy.acos(wave(y[0])), "has a kink where"),
        (lambda x, y: sympy.atan(sympy.tan(sympy.pi * y[0])), "jumps"),
        (lambda x, y: sympy.atan2(sympy.sin(2 * sympy.pi * y[0]), wave(y[0])), "jumps"),
        (lambda x, y: sympy.I * wave(y[0]), "real"),
        (lambda x, y: Symbol("q"), "symbols"),
        (lambda x: 3, "sympy symbols"),
        (lambda x, y: [wave(y[0])], "one sympy expression"),
        (3, "callable"),
    ],
)
def test_bad_fluctuations_are_refused(fluctuation, reason):
    with pytest.raises(InvalidArgument, match=reason) as caught:
        make(fluctuation=fluctuation)
    assert caught.value.argument == "fluctuation"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("temperature", 0.0), ("temperature", -1.0), ("temperature", float("nan")), ("dim", 4), ("dim", 1.5),
        ("scales", 0), ("confining", lambda x: sympy.nan), ("confining", lambda x: Abs(x[0])),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(argument, value):
    with pytest.raises(InvalidArgument) as caught:
        make(**{argument: value})
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "fluctuation",
    [
        lambda x, y: exp(20 * wave(y[0])),
        lambda x, y: exp(-(x[0] ** 2)) * wave(y[0]),
        lambda x, y: x[0] ** 2 / (1 + x[0] ** 2) * wave(y[0]),
        lambda x, y: 0,
        lambda x, y: 1 / (2 + wave(y[0])),
    ],
)
def test_good_fluctuations_are_taken(fluctuation):
    assert np.isfinite(make(fluctuation=fluctuation).fluctuation_at([[0.3]], [[0.2]])).all()


def test_shapes_are_checked():
    for call in (
        lambda: COUPLED.confining_at([1.0, 2.0]),
        lambda: COUPLED.confining_at([[1.0, np.nan]]),
        lambda: COUPLED.fluctuation_at([[0.0, 0.0]], [[0.0, 0.0]]),
        lambda: COUPLED.fluctuation_at(np.zeros((3, 2)), np.zeros((2, 2)), np.zeros((2, 2))),
        lambda: COUPLED.full_at([[0.0, 0.0]], 0.0),
        lambda: COUPLED.full_gradient_at([[0.0, 0.0]], -1.0),
    ):
        with pytest.raises(InvalidArgument):
            call()
