"""`error_at` at every point beside the true error: also where two degrees agree by chance."""

import numpy as np
import pytest
from diffusions import Given

from meshes import KIND, QUAD, square, wobbled
from scaling_limits.pdes import FokkerPlanck

HEIGHT, END = 6.0, 0.83


def passage_time(x):
    """E T from x to END for Psi = HEIGHT (s^2 - 1)^2, s = 1.5 x, on (-1, 1), sigma = M = 1, by Simpson's rule."""
    s, h = np.linspace(-1.0, 1.0, 20001, retstep=True)
    psi = HEIGHT * ((1.5 * s) ** 2 - 1) ** 2
    mass = np.concatenate([[0.0], np.cumsum(np.exp(-psi)[1:] + np.exp(-psi)[:-1]) * h / 2])
    slope = np.exp(psi) * mass
    T = np.concatenate([[0.0], np.cumsum(slope[1:] + slope[:-1]) * h / 2])
    return np.maximum(np.interp(END, s, T) - np.interp(x, s, T), 0.0)


@pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
@pytest.mark.parametrize("kind", [KIND.triangle, QUAD])
def test_at_every_point(kind):
    """At 4000 points, on cells of about a third of a well."""
    one = Given(
        lambda x: np.repeat(np.eye(2)[None], len(x), axis=0),
        lambda x: HEIGHT * ((1.5 * x[:, 0]) ** 2 - 1) ** 2 + x[:, 1] ** 2,
        1.0,
    )
    T = FokkerPlanck(one, mesh=wobbled(square(10, kind), 0.04)).mean_first_passage_time(lambda x: x[:, 0] >= END)
    points = np.random.default_rng(1).uniform(-0.999, 0.999, (4000, 2))
    away, stated = np.abs(T.at(points) - passage_time(points[:, 0])), T.error_at(points)
    free = points[:, 0] < END
    assert (away[free] < 4 * stated[free]).all()
    assert (away[~free] == 0).all()
    assert (away < T.error).all()
