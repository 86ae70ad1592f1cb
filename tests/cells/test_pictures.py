"""Pictures of tensors and correctors: what is refused before anything is drawn. The example draws them."""

import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.cells import correctors
from scaling_limits.cells.pictures import corrector_fields, tensor_ellipses
from scaling_limits.particles import InvalidArgument, egg_carton

LINES = np.linspace(0, 1, 5), np.linspace(0, 1, 4)


@pytest.mark.parametrize(
    ("points", "tensors", "field"),
    [
        (np.zeros((3, 2)), np.zeros((2, 2, 2)), np.zeros((5, 4))),
        (np.zeros((1, 3)), np.eye(2)[None], np.zeros((5, 4))),
        (np.zeros((1, 2)), np.eye(2)[None], np.zeros((4, 5))),
        (np.zeros((1, 2)), np.full((1, 2, 2), np.nan), np.zeros((5, 4))),
    ],
)
def test_bad_tensors_are_refused(tmp_path, points, tensors, field):
    with pytest.raises(InvalidArgument):
        tensor_ellipses(tmp_path / "ellipses.png", points, tensors, (*LINES, field), size=0.1)
    assert not list(tmp_path.iterdir())


def test_correctors_in_other_dimensions_are_refused(tmp_path):
    (level,) = correctors(egg_carton(0.5, dim=1), [0.0], comm=MPI.COMM_SELF)
    with pytest.raises(InvalidArgument, match="plane"):
        corrector_fields(tmp_path / "correctors.png", level)
