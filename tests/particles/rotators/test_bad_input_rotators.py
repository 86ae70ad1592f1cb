"""Wrong arguments of rotators: each is refused with its name and what would be right."""

import functools
import math
import re

import numpy as np
import pytest
from numba import njit
from rotators import slow, weak
from sympy import Abs

from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    InvalidArgument,
    LatticeRegion,
    LinearDissipation,
    PolynomialDissipation,
    RotatorEnsemble,
    RotatorLattice,
    TransportProcess,
    canonical_variables,
)

pytestmark = pytest.mark.serial  # nothing here communicates

GOOD = {
    "shape": (3,), "frequency": slow, "coupling": weak, "dissipation": DiagonalDissipation(2), "temperature": 1.0,
    "epsilon": 0.1,
}  # fmt: skip
LATTICE = RotatorLattice(**GOOD)
U = np.ones(3)


def refused(argument, words, call):
    with pytest.raises(InvalidArgument) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{argument}: "), message
    assert re.search(words, message), message


class Callable:
    def __call__(self, x):
        return 1 + x

    def method(self, x):
        return 1 + x


@njit
def mistyped(x):
    return x.shape[0]


@njit
def raising(x):
    if x > 5.0:
        raise ValueError("large x")
    return 1 + x


def power(x, k):
    return 1 + x**k


FUNCTIONS = {
    "a number": (3.0, "callable"), "None": (None, "callable"), "a text": ("1+x", "callable"),
    "a ufunc": (np.exp, "lambda x: exp"), "a builtin": (math.exp, "lambda x: exp"),
    "a partial": (functools.partial(power, k=2), "lambda or def"), "a method": (Callable().method, "lambda or def"),
    "an object": (Callable(), "formula"), "np.vectorize": (np.vectorize(slow), "formula"),
    "np.poly1d": (np.poly1d([1, 1]), "formula"), "Polynomial": (np.polynomial.Polynomial([1, 1]), "formula"),
    "mistyped": (mistyped, "numba can compile"), "it raises": (raising, "large x"),
    "it raises in Python": (lambda x: int("a") + x, "numba can compile"), "no such name": (lambda x: nothing * x, "nothing"),  # noqa: F821
    "two arguments": (lambda x, y: x, "numba can compile"), "no argument": (lambda: 1.0, "numba can compile"),
    "a text is returned": (lambda x: "a", "real number"), "nothing is returned": (lambda x: None, "real number"),
    "a truth value": (lambda x: x > 0, "real number"), "a complex number": (lambda x: 1 + 1j * x, "real number"),
    "an array": (lambda x: np.ones(2), "real number"), "NaN": (lambda x: x * np.nan, "finite"),
    "a pole at 0": (lambda x: 1 / x, "finite"),
}  # fmt: skip


@pytest.mark.parametrize("argument", ["frequency", "coupling"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(argument, name):
    function, words = FUNCTIONS[name]
    refused(argument, words, lambda: RotatorLattice(**GOOD | {argument: function}))


LATTICES = [
    ("shape", 2.5, "integer"), ("shape", (True,), "integer"), ("shape", (3, -1), "at least|between"), ("shape", (), "1, 2 or 3"),
    ("shape", (2**20, 2**20), "at most"), ("temperature", 0.0, "positive"), ("temperature", [1.0, -1.0, 1.0], "positive"),
    ("temperature", [1.0, 2.0], "shape"), ("temperature", [1.0, np.inf, 1.0], "finite"), ("temperature", 1j, "real"),
    ("temperature", "warm", "real"), ("temperature", None, "real"), ("epsilon", 0.0, "above 0"), ("epsilon", -1.0, "above 0"),
    ("epsilon", np.nan, "finite"), ("epsilon", True, "number"), ("epsilon", [0.1, 0.2], "number"), ("spins", "down", "alternated"),
    ("spins", [1, -1], "shape"), ("spins", [1, 0, 1], "not be 0"), ("spins", [1, 1j, 1], "real"), ("spins", None, "real"),
    ("coupling_exponent", 0.49, "at least"), ("coupling_exponent", "1", "number"), ("dissipation", None, "Dissipation"),
    ("dissipation", lambda j, u: -u[j], "Dissipation"), ("dissipation", DiagonalDissipation, "Dissipation"),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "value", "words"), LATTICES)
def test_lattices(argument, value, words):
    refused(argument, words, lambda: RotatorLattice(**GOOD | {argument: value}))


SITES = [
    ([[0, 0], [1]], "as many"), ([[0.5]], "integers"), ([[0], [0]], "different"), ([], "coordinates"), ("ab", "coordinates"),
    (np.array([0, 2**63 + 5], dtype=np.uint64), "between"), ([[0, 0, 0, 0]], "coordinates"), ([[True], [False]], "integers"),
    ([[2**40]], "between"), (None, "coordinates|integers"),
]  # fmt: skip


@pytest.mark.parametrize(("sites", "words"), SITES)
def test_regions(sites, words):
    refused("sites", words, lambda: LatticeRegion(sites))


DISSIPATIONS = [
    ("p", lambda: DiagonalDissipation(1)), ("p", lambda: DiagonalDissipation(65)), ("p", lambda: DiagonalDissipation(True)),
    ("b", lambda: LinearDissipation("a")), ("b", lambda: LinearDissipation([1.0])), ("b", lambda: LinearDissipation(np.inf)),
    ("b", lambda: LinearDissipation(None)), ("b", lambda: LinearDissipation(np.ones((2, 3)))),
    ("polynomial", lambda: PolynomialDissipation("u")), ("polynomial", lambda: PolynomialDissipation(3)),
    ("polynomial", lambda: PolynomialDissipation([lambda u: -u(), None])), ("polynomial", lambda: PolynomialDissipation(lambda: 1)),
    ("polynomial", lambda: PolynomialDissipation(lambda u: "u")), ("polynomial", lambda: PolynomialDissipation(lambda u: u)),
    ("polynomial", lambda: PolynomialDissipation(lambda u: u(0.5))), ("polynomial", lambda: PolynomialDissipation(lambda u: u(1, 1))),
    ("polynomial", lambda: PolynomialDissipation(lambda u: [u()])), ("polynomial", lambda: PolynomialDissipation(lambda u: u().real)),
    ("polynomial", lambda: PolynomialDissipation(lambda u: u() if u() > 0 else 0)), ("polynomial", lambda: PolynomialDissipation(None)),
    ("power", lambda: PolynomialDissipation(lambda u: -u(), power=1)), ("power", lambda: CustomDissipation(lambda j, u: -u[j], 1)),
    ("power", lambda: CustomDissipation(lambda j, u: -u[j], 2.5)), ("degree", lambda: CustomDissipation(lambda j, u: -u[j], 2, degree=-1)),
    ("function", lambda: CustomDissipation(3, 2)), ("function", lambda: CustomDissipation(Callable(), 2)),
    ("function", lambda: CustomDissipation(np.exp, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "make"), DISSIPATIONS)
def test_dissipations(argument, make):
    refused(argument, "must|reaches", make)


@njit
def badly_typed(j, u):
    return u[j].shape


CUSTOM = [
    (lambda j, u: None, "one number"), (lambda j, u: u, "one number"), (lambda j, u: u[: j + 1], "one number"),
    (lambda j, u: "a", "one number"), (lambda j, u: True, "one number"), (lambda u: -u[0], "numba can compile"),
    (badly_typed, "numba can compile"), (lambda j, u: -u[j] * np.nan, "finite"), (lambda j, u: -u[j - 1], r"u\[-1\]"),
    (lambda j, u: -u[j + 1], r"u\[3\]"), (lambda j, u: -u[j] - 0.1 * u[2 - j], "no neighbours"), (lambda j, u: 1 / 0, "finite"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), CUSTOM)
def test_functions_of_sites(function, words):
    refused("function", words, lambda: RotatorLattice(**GOOD | {"dissipation": CustomDissipation(function, 2)}))


def test_dissipations_of_other_lattices():
    for argument, g in (
        ("b", LinearDissipation(np.eye(3))), ("b", LinearDissipation(np.zeros((2, 2)))),
        ("polynomial", PolynomialDissipation([lambda u: -u()] * 2)), ("polynomial", PolynomialDissipation(lambda u: -u() + u(0, 1) / 9)),
        ("dissipation", PolynomialDissipation(lambda u: Abs(u()) ** 2 * u())),
    ):  # fmt: skip
        refused(argument, ".", lambda g=g: RotatorLattice(**GOOD | {"dissipation": g}))


SAMPLES = [
    ("initial", np.ones(4)), ("initial", np.ones((3, 4))), ("initial", [1, np.nan, 1]), ("initial", "abc"), ("initial", None),
    ("initial", ["a", "b", "c"]), ("initial", np.ma.masked_array(U, [0, 1, 0])), ("times", [0.2, 0.1]), ("times", -1.0), ("times", []),
    ("times", [1j]), ("times", np.nan), ("times", "now"), ("times", [[0.1]]), ("runs", 0), ("runs", 2.0), ("runs", True), ("runs", "2"),
    ("seed", -1), ("seed", 1.5), ("seed", None), ("seed", True), ("step", 0.0), ("step", -0.1), ("step", "a"), ("step", 1e3),
    ("step", np.nan), ("workers", 0), ("workers", 1.5), ("progress", 1), ("progress", None), ("comm", "world"), ("comm", 1),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "value"), SAMPLES)
@pytest.mark.parametrize("sampler", [LATTICE, TransportProcess(LATTICE)], ids=["lattice", "process"])
def test_samples(sampler, argument, value):
    good = {"initial": U, "times": [0.01], "runs": 2, "seed": 1}
    refused(argument, ".", lambda: sampler.sample(**good | {argument: value}))


QUESTIONS = [
    ("amplitudes", lambda: LATTICE.local_energy("ab")), ("amplitudes", lambda: LATTICE.local_energy(np.ones(2))),
    ("amplitudes", lambda: LATTICE.local_energy([1, 2, np.nan])), ("amplitudes", lambda: LATTICE.local_energy(None)),
    ("actions", lambda: LATTICE.rotation_energy(np.ones(2))), ("actions", lambda: LATTICE.rotation_energy([-1.0, 1, 1])),
    ("actions", lambda: LATTICE.rotation_energy([1j, 1, 1])), ("actions", lambda: LATTICE.rotation_energy([np.nan] * 3)),
    ("amplitudes", lambda: canonical_variables(LATTICE, np.ones(2))), ("amplitudes", lambda: canonical_variables(LATTICE, [np.inf] * 3)),
    ("lattice", lambda: canonical_variables(None, U)), ("steps", lambda: canonical_variables(LATTICE, U, steps=0)),
    ("inverse", lambda: canonical_variables(LATTICE, U, inverse=1)), ("lattice", lambda: TransportProcess("chain")),
    ("path", lambda: RotatorEnsemble.load(3)), ("dissipation", lambda: CustomDissipation(lambda j, u: -u[j], 2).flow(LATTICE.region, U)),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "call"), QUESTIONS)
def test_questions(argument, call):
    refused(argument, ".", call)


def test_one_member_has_no_known_error():
    assert np.isinf(LATTICE.sample(U, [0.01], 1, 1).standard_error).all()


FOUR = GOOD | {"shape": (4,)}


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("shape", ()), ("shape", (0,)), ("shape", (2, 2, 2, 2)), ("shape", None), ("temperature", -1.0),
        ("temperature", [1, 2]), ("temperature", np.nan), ("epsilon", 0.0), ("epsilon", "x"), ("frequency", 3),
        ("frequency", lambda x: x - 1.0), ("frequency", lambda x: "a"), ("coupling", lambda x, y: x),
        ("coupling", lambda x: 1 / x), ("dissipation", "linear"), ("spins", "up"), ("spins", [1, -1, 1]),
        ("spins", [1, -1, 0, 1]), ("coupling_exponent", 0.3), ("sites", [[0]]), ("b", LinearDissipation(np.ones((4, 4)))),
        ("b", LinearDissipation(np.zeros((3, 3)))), ("dissipation", CustomDissipation(lambda j, u: abs(u[j]) ** 2 * u[j], 4)),
        ("function", CustomDissipation(lambda j, u: -u[0] - u[j], 2)),
    ],
)  # fmt: skip
def test_bad_lattices(argument, value):
    given = {"b": "dissipation", "function": "dissipation"}.get(argument, argument)
    with pytest.raises(InvalidArgument, match="shape" if argument == "sites" else argument):
        RotatorLattice(**FOUR | {given: value})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("initial", np.ones(3)), ("initial", [np.nan] * 4), ("initial", "x"), ("times", [-1.0]), ("times", [0.2, 0.1]),
        ("times", []), ("runs", 0), ("runs", 1.5), ("seed", -1), ("seed", 2**64), ("step", 0.0), ("step", 1.5),
        ("step", np.inf), ("workers", 0), ("progress", 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sampler", [RotatorLattice(**FOUR), TransportProcess(RotatorLattice(**FOUR))])
def test_bad_samples(sampler, argument, value):
    good = {"initial": np.ones(4), "times": [0.1], "runs": 4, "seed": 1}
    with pytest.raises(InvalidArgument, match=argument):
        sampler.sample(**good | {argument: value})


def test_a_process_needs_a_lattice():
    with pytest.raises(InvalidArgument, match="lattice"):
        TransportProcess(None)
    for make in (lambda: DiagonalDissipation(1), lambda: DiagonalDissipation(2.5)):
        with pytest.raises(InvalidArgument, match="p:"):
            make()
    with pytest.raises(InvalidArgument, match="b"):
        LinearDissipation(np.nan)
    for bad in (lambda u: u(2), lambda u: 1 / u()):
        with pytest.raises(InvalidArgument, match=r"polynomial|offset"):
            PolynomialDissipation(bad)
