"""Averages over angles of functions that need more angles the larger the actions are: a closed form."""

import numpy as np
import pytest
from rotators import weak

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import CustomDissipation, InvalidArgument, RotatorLattice, TransportProcess

pytestmark = pytest.mark.serial  # nothing here communicates


def lattice_of(a):
    g = CustomDissipation(lambda j, u: -u[j] * (1 + a * a / (a + abs(u[j] - u[1 - j]) ** 2)), 2)
    return RotatorLattice((2,), lambda x: 1 + x, weak, g, 1.0, 0.1)


@pytest.mark.parametrize("actions", [[0.3, 0.7], [40.0, 45.0], [300.0, 300.0]])
def test_closed_form(actions):
    """<1/(c - b cos)> = 1/sqrt(c^2 - b^2), c = a + 2 I_1 + 2 I_2, b = 4 sqrt(I_1 I_2)."""
    a, actions = 8.0, np.array([actions])
    c, b = a + 2 * actions.sum(), 4 * np.sqrt(actions.prod())
    expected = -2 * actions * (1 + a * a / np.sqrt(c * c - b * b))
    assert np.abs(averaged_dissipation(lattice_of(a))(actions) / expected - 1).max() < 1e-10


def test_too_many_angles_are_refused():
    """Near equal actions of 1e8 the angles that matter are 1e-4 wide."""
    with pytest.raises(InvalidArgument, match="dissipation: .* does not settle"):
        averaged_dissipation(lattice_of(8.0))([[1e8, 1e8]])
    with pytest.raises(InvalidArgument, match="dissipation: .* does not settle"):
        TransportProcess(lattice_of(8.0)).sample([1e4, 1e4], [0.0, 1e-4], 1, seed=1)
