"""What bounds of the frequency refuse, and what they warn of."""

import numpy as np
import pytest
from diffusions import Given
from refusals import refused

from scaling_limits.pdes import FokkerPlanck, NotConverged, Unresolved
from scaling_limits.pdes.diffusions.capacity.frequency_bounds import frequency_bounds

unit = lambda x: np.repeat(np.eye(2)[None], len(x), 0)  # noqa: E731
flat = lambda x: np.zeros(len(x))  # noqa: E731
left = lambda x: x[:, 0] < 0.2  # noqa: E731
right = lambda x: x[:, 0] > 0.7  # noqa: E731


def bounds(a=left, b=right, cells=8, psi=flat, **arguments):
    return frequency_bounds(FokkerPlanck(Given(unit, psi), [(0, 1), (0, 1)], (cells, cells)), a, b, **arguments)


def test_sets():
    for wrong in (None, 3, "a", lambda x: x[:, 0], lambda x: np.ones((2, 2), dtype=bool), lambda x: 1 / 0):
        refused("a", "", lambda wrong=wrong: bounds(wrong))
        refused("b", "", lambda wrong=wrong: bounds(b=wrong))
    nowhere, everywhere = (lambda x, v=v: np.full(len(x), v) for v in (False, True))
    refused("a", "more cells", lambda: bounds(nowhere))
    refused("b", "covers", lambda: bounds(b=everywhere))
    refused("b", "more cells", lambda: bounds(left, left))
    refused("b", "meets or touches", lambda: bounds(b=lambda x: x[:, 0] >= 0.2))
    # two discs with a gap of a twentieth of a cell
    discs = [lambda x, c=c: ((x - c) ** 2).sum(axis=1) < 0.2**2 for c in ([0.3, 0.5], [0.702, 0.51])]
    refused("b", "more cells", lambda: bounds(*discs))
    # corner to corner
    corners = (lambda x: (x < 0.5).all(axis=1)), (lambda x: (x > 0.5).all(axis=1))
    refused("b", "touches", lambda: bounds(*corners))


def test_degrees():
    for wrong in (0, -1, 7, 1.5, "2", True):
        refused("degree", "", lambda wrong=wrong: bounds(degree=wrong))
    refused("degree", "lower degree", lambda: bounds(degree=6, cells=120))


def test_coefficients():
    refused("free_energy", "", lambda: bounds(psi=lambda x: np.where(x[:, 0] > 0.45, np.nan, 0.0)))
    for wrong in (-0.1, "much", np.nan, 0.7):
        given = Given(unit, flat)
        object.__setattr__(given, "error", wrong)
        fp = FokkerPlanck(given, [(0, 1), (0, 1)], (4, 4))
        with pytest.raises(ValueError, match="error"):
            frequency_bounds(fp, left, right)


def test_passes_that_are_too_high():
    with pytest.raises(NotConverged, match="higher temperature"):
        bounds(psi=lambda x: 900 * np.sin(np.pi * x[:, 0]) ** 2)


@pytest.mark.serial  # rank 0 alone warns
def test_a_set_without_a_cell():
    """The upper bound is good, the lower one 0, and that is said."""
    small = lambda x: ((x - [0.31, 0.52]) ** 2).sum(axis=1) < 0.03**2  # noqa: E731
    with pytest.warns(Unresolved, match="a holds no cell.*more cells"):
        found = bounds(small, degree=1)
    assert found.lower == 0
    assert 0 < found.upper < np.inf
    assert found.width == 1
    fine = bounds(small, cells=60)
    assert 0 < fine.lower < fine.upper < found.upper
