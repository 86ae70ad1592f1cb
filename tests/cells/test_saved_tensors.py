"""Files of effective tensors that are damaged, and places that are no files."""

import os

import numpy as np
import pytest

from scaling_limits.cells import EffectiveTensor, effective_tensor
from scaling_limits.particles import InvalidArgument, egg_carton

pytestmark = pytest.mark.serial


def changed(found, path, **arrays):
    """A file of a tensor with some of its arrays replaced."""
    found.save(path)
    with np.load(path) as content:
        everything = dict(content) | arrays
    np.savez(path, **everything)
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"error": np.zeros(5)}, {"error": np.array([np.nan, 0.0])}, {"points": np.float64(3.0)}, {"points": np.zeros((3, 2))},
        {"value": np.full((2, 2, 2), np.nan)}, {"value": np.eye(2, dtype=complex)[None].repeat(2, 0)},
        {"lower": np.eye(2)[None].repeat(2, 0) * 9}, {"routes": np.array(["a", "b"])}, {"cell_solves": np.zeros(3, dtype=int)},
    ],
    ids=str,
)  # fmt: skip
def test_files_whose_arrays_do_not_belong_together(tmp_path, arrays):
    found = effective_tensor(egg_carton(1.0), [[0.0, 0.0], [0.3, 0.1]], 1e-4, bounds=True)
    with pytest.raises(InvalidArgument, match="do not belong together"):
        EffectiveTensor.load(changed(found, tmp_path / "tensor.npz", **arrays))


def test_pipes_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InvalidArgument, match="a device or a pipe"):
        effective_tensor(egg_carton(1.0), [[0.0, 0.0]], 1e-4).save(pipe)
    assert pipe.is_fifo()
