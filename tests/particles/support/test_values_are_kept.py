"""Functions of the user's keep the values of when an object is made, wherever they read them."""

import types

import numpy as np
import pytest
from numba import guvectorize, njit, vectorize
from numba.extending import register_jitable
from rotators import weak

from scaling_limits.particles import CustomDissipation, DiagonalDissipation, InvalidArgument, RotatorLattice

pytestmark = pytest.mark.serial  # nothing here communicates

VALUES = (np.array([2.0]), (1.0, np.array([3.0, 4.0])))
RATE = np.array([2.0])


@vectorize
def scaled(x):
    return RATE[0] * x


@register_jitable
def jitable(x):
    return RATE[0] * x


@guvectorize(["(float64[:], float64[:])"], "(n)->(n)")
def generalised(x, out):
    out[:] = x


def with_default(j, u, c=RATE):
    return -c[0] * u[j]


READERS = {
    "a tuple": (lambda j, u: -VALUES[0][0] * u[j], VALUES[0]),
    "a tuple within": (lambda j, u: -VALUES[1][1][1] * u[j], VALUES[1][1]),
    "a default": (with_default, RATE),
    "vectorize": (lambda j, u: -scaled(u[j].real) - 1j * scaled(u[j].imag), RATE),
    "register_jitable": (lambda j, u: -jitable(u[j]), RATE),
}


@pytest.mark.parametrize("name", READERS)
def test_arrays_that_change_afterwards(name):
    function, array = READERS[name]
    old = array.copy()
    lattice = RotatorLattice((1,), lambda x: 1 + x, weak, DiagonalDissipation(2), 1.0, 0.1)
    u = np.array([[0.5 - 0.3j]])
    try:
        g = CustomDissipation(function, 2)
        array[:] = 9.0
        changed = g.at(lattice.region, u)[0, 0]
        anew = CustomDissipation(function, 2).at(lattice.region, u)[0, 0]
    finally:
        array[:] = old
    assert abs(changed + old[-1] * u[0, 0]) < 1e-15
    assert abs(anew + 9.0 * u[0, 0]) < 1e-15


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(InvalidArgument, match="guvectorize"):
        CustomDissipation(lambda j, u: -u[j] * generalised(np.ones(1))[0], 2)


def test_a_module_with_two_readers():
    m = types.ModuleType("constants_of_mine")
    m.a, m.b, m.itself = 1.5, 0.25, m

    @njit
    def slope(x):
        return m.b * x

    lattice = RotatorLattice((1,), lambda x: m.itself.a + slope(x), weak, DiagonalDissipation(2), 1.0, 0.1)
    assert abs(lattice.rotation_energy([2.0])[0] - 0.5 * (1.5 * 4 + 0.25 * 8)) < 1e-12
