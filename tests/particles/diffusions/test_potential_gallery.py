"""The gallery: known values of Mueller and Brown's landscape, and what is refused. Its tensors are tested in cells."""

import numpy as np
import pytest

from scaling_limits.particles import InvalidArgument, egg_carton, fully_coupled, laminate, mueller_brown, self_similar

MINIMA = [(-0.558224, 1.441726), (0.623499, 0.028038), (-0.050011, 0.466694)]
HEIGHTS = [-146.6995, -108.1667, -80.7678]


def test_mueller_browns_minima_are_the_published_ones():
    potential = mueller_brown(20.0, ruggedness=0.0)
    np.testing.assert_allclose(potential.confining_at(MINIMA), HEIGHTS, atol=1e-3)
    assert np.abs(potential.full_gradient_at(MINIMA, 1.0)).max() < 0.01


def test_gallery_has_the_dimensions_it_is_asked_for():
    assert (egg_carton(1.0, dim=3).dim, self_similar(1.0, (1, 2, 3)).scales) == (3, 3)
    assert (laminate(1.0, ((1, 0), (1, 1))).scales, fully_coupled(1.0, dim=1, scales=4).scales) == (2, 4)
    at = np.full((1, 2), 0.25)
    np.testing.assert_allclose(egg_carton(1.0).fluctuation_at(at, np.zeros((1, 2))), 2.0)
    np.testing.assert_allclose(laminate(1.0, ((1, 0), (1, 1))).fluctuation_at(at, 0 * at, 0 * at), 2.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mueller_brown(1.0, coupling=1.0), lambda: mueller_brown(0.0), lambda: mueller_brown(1.0, ruggedness=-1),
        lambda: laminate(1.0, ((0, 0),)), lambda: laminate(1.0, ((1, 0), (1,))), lambda: laminate(1.0, modulation=2),
        lambda: self_similar(1.0, (np.nan,)), lambda: fully_coupled(1.0, coupling=-0.1),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make):
    with pytest.raises(InvalidArgument):
        make()
