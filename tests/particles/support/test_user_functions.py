"""Compiled functions have the values that their globals have when a lattice is made, and are compiled once for them."""

import types

import numpy as np
import pytest
from numba import njit
from rotators import weak
from sympy import Symbol, cos, pi

from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    InvalidArgument,
    Langevin,
    MultiscalePotential,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.support.compiled_functions import function_of_square
from scaling_limits.particles.support.function_values import Unknown, key_of

pytestmark = pytest.mark.serial  # nothing here communicates

LEVEL, TABLE = 2.0, np.array([2.0, 7.0])
PARAMETERS = types.ModuleType("parameters")
PARAMETERS.level, PARAMETERS.inner = 2.0, types.ModuleType("parameters.inner")
PARAMETERS.inner.level = 2.0


@njit
def decorated(x):
    return LEVEL * x


@njit
def factorial(x):
    return LEVEL if x < 1.5 else x * factorial(x - 1.0)


PARAMETERS.decorated = decorated

READERS = {
    "a number": lambda x: LEVEL * x,
    "an array": lambda x: TABLE[0] * x,
    "an attribute of a module": lambda x: PARAMETERS.level * x,
    "an attribute of a module in a module": lambda x: PARAMETERS.inner.level * x,
    "a function that numba has compiled": lambda x: decorated(x),
    "one in a module": lambda x: PARAMETERS.decorated(x),
    "one that calls itself": lambda x: factorial(x),
    "in the decorated function itself": decorated,
}


def nested(x):
    def inner(y):
        return LEVEL * y

    return inner(x)


def level(value, monkeypatch):
    monkeypatch.setitem(globals(), "LEVEL", value)
    monkeypatch.setattr(PARAMETERS, "level", value)
    monkeypatch.setattr(PARAMETERS.inner, "level", value)
    TABLE[0] = value


@pytest.mark.parametrize("what", [*READERS, "a nested function"])
def test_values_of_globals(what, monkeypatch):
    """Each lattice has the value of when it was made; going back to a value compiles nothing."""
    function, found = READERS.get(what, nested), []
    for value in (2.0, 5.0, 2.0):
        level(value, monkeypatch)
        found.append(function_of_square("coupling", function))
        assert function_of_square("coupling", function) is found[-1]
    assert [f(1.0) for f in found] == [2.0, 5.0, 2.0]
    assert found[0] is found[2]
    assert [f(np.int64(1)) for f in found[:2]] == [2.0, 5.0]  # compiled only now, for another type


def test_what_is_written_alike_is_compiled_once():
    one, two = (function_of_square("frequency", lambda x: 1 + x**3) for _ in range(2))
    assert one is two
    assert function_of_square("frequency", lambda x: 1 + x**3.0) is not one  # 3.0 == 3, and is another constant


def test_what_cannot_be_told():
    """An object whose content may change has no key; what reads it would be compiled each time."""
    box = types.SimpleNamespace(value=2.0)
    with pytest.raises(Unknown):
        key_of(lambda x: x + box.value)
    assert key_of(lambda x: np.sqrt(x)) == key_of(lambda x: np.sqrt(x)) != key_of(lambda x: np.exp(x))


def test_lattices_follow_their_functions(monkeypatch):
    """f, G' and g of lattices that are made in a loop over a global: E I = T/(2 LEVEL) for g = -LEVEL u."""
    lattices = []
    for value in (1.0, 4.0):
        level(value, monkeypatch)
        g = CustomDissipation(lambda j, u: -LEVEL * u[j], 2, degree=0)
        lattices.append(RotatorLattice((2,), lambda x: LEVEL + x, lambda x: LEVEL, g, 1.0, 0.05))
    assert [x.compiled_frequency(0.0) for x in lattices] == [x.compiled_coupling(0.0) for x in lattices] == [1.0, 4.0]
    u = np.ones((1, 2))
    assert [x.dissipation.at(x.region, u)[0, 0] for x in lattices] == [-1.0, -4.0]
    means = [TransportProcess(x).sample(np.zeros(2), [3.0], 4096, 1).mean.mean() for x in lattices]
    # standard errors are below 0.006 and 0.0015, and the wrong value of the other is 0.375 away
    assert np.abs(np.array(means) - [0.5 * (1 - np.exp(-6)), 0.125]).max() < 5 * 0.006


def test_targets_follow_their_functions(monkeypatch):
    potential = MultiscalePotential(1, 1, 1.0, lambda x: x[0] ** 2 / 2, lambda x, y: cos(2 * pi * y[0]) / 10)
    beyond, found = (lambda x: x[:, 0] > LEVEL), []
    for value in (0.2, 1.5):
        level(value, monkeypatch)
        found.append(Langevin(potential, 0.5).first_passage_times([0.0], beyond, 64, 1, step=2e-3))
    assert (found[1] > found[0]).all()  # the same paths, and a farther target


def fluctuation(x, y):
    return LEVEL * cos(2 * pi * y[0])


def confining(x):
    return x[0] ** 2 / 2


def test_potentials_follow_their_functions(monkeypatch):
    """What is kept for a potential is kept for its expressions, not for the functions that gave them."""
    potentials, found = [], []
    for value in (0.1, 1.0):
        level(value, monkeypatch)
        potentials.append(MultiscalePotential(1, 1, 1.0, confining, fluctuation))
        found.append(Langevin(potentials[-1], 0.3).sample([0.1], [0.1], 8, 1, step=1e-3).positions)
    assert potentials[0] != potentials[1]
    assert np.abs(found[1] - found[0]).min() > 1e-6
    level(0.1, monkeypatch)
    again = MultiscalePotential(1, 1, 1.0, confining, fluctuation)
    assert again == potentials[0]
    assert hash(again) == hash(potentials[0])
    assert again != Symbol("x")


def test_values_are_those_of_when_the_dissipation_was_made(monkeypatch):
    level(1.0, monkeypatch)
    g = CustomDissipation(lambda j, u: -LEVEL * abs(u[j]) ** 2 * u[j], 4)
    level(3.0, monkeypatch)
    lattice = RotatorLattice((1,), lambda x: 1 + x * x, weak, g, 1.0, 0.1)
    assert g.at(lattice.region, np.ones((1, 1)))[0, 0] == -1.0


def test_functions_that_raise():
    """What a compiled function raises is said with the name of its argument."""

    def stops(x):
        if x > 30.0:
            raise ValueError("too far")
        return 1.0 + x

    with pytest.raises(InvalidArgument, match="frequency: must be defined for all.*too far"):
        RotatorLattice((2,), stops, weak, DiagonalDissipation(2), 1.0, 0.1)


def test_functions_that_raise_on_the_way():
    def stops(j, u):
        if abs(u[j]) == 0.123:
            raise ValueError("just there")
        return -u[j]

    lattice = RotatorLattice((1,), lambda x: 1 + x, weak, CustomDissipation(stops, 2), 1.0, 0.1)
    with pytest.raises(InvalidArgument, match=r"lattice: .*just there"):
        lattice.sample([0.123], [0.1], 1, 1)
