"""Kinds and shapes of what is in files: every result that is kept says its own, and no other ones are read."""

from dataclasses import fields

import numpy as np
import pytest

from scaling_limits.particles import CanonicalEquation, InvalidArgument, MeanCurrents, Paths, RotatorEnsemble
from scaling_limits.particles.support import layout
from scaling_limits.particles.support.layout import misfit
from scaling_limits.particles.support.saved import Saved

pytestmark = pytest.mark.serial


def currents():
    """Of a chain of four sites."""
    rng = np.random.default_rng(1)
    bonds = np.array([[0, 1], [1, 2], [2, 3]])
    of_sites, of_bonds = rng.normal(size=(6, 4)), rng.normal(size=(2, 3))
    return MeanCurrents(np.arange(4)[:, None], bonds, *of_sites[:2], *of_bonds, *of_sites[2:], "samples")


def equation():
    """At two states of three sites, numbers of no meaning."""
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=(2, 3, *more)) + 1j for more in [()] * 6 + [(3,)] * 2]
    return CanonicalEquation(*parts, rng.random(2), 0.1, 0.25)


RESULTS = [
    currents(),
    equation(),
    Paths(np.arange(3.0), np.ones((3, 4, 2)), 0.1, 1),
    RotatorEnsemble(np.arange(3.0), np.ones((3, 4, 2)) + 1j, 0.1, 1),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_every_array_of_another_shape_or_kind_is_refused(tmp_path, result):
    """Each array in turn with one row more, with one dimension less, and as text; each number as an array."""
    path, names = tmp_path / "a.npz", [field.name for field in fields(result)]
    result.save(path)
    whole = dict(np.load(path))
    again = type(result).load(path)
    assert all(np.array_equal(getattr(result, name), getattr(again, name)) for name in names)
    for name in names:
        value = whole[name]
        damaged = [value.astype(str) if value.dtype.kind != "U" else np.array(3.0)]
        if value.shape:
            damaged += [np.concatenate([value, value[-1:]]), value[0]]
        else:
            damaged.append(np.array([value, value]))
        for other in damaged:
            np.savez(path, **(whole | {name: other}))
            with pytest.raises(InvalidArgument, match=r"^path: .* is damaged: "):
                type(result).load(path)


def kinds_of_results():
    """All classes that are kept in files, with those that are made from others."""
    found, left = [], [Saved]
    while left:
        below = left.pop().__subclasses__()
        found, left = found + below, left + below
    return found


def test_shapes_name_fields():
    """A name that no field has would check nothing."""
    for kind in kinds_of_results():
        if kind.SHAPES:
            assert set(kind.SHAPES) <= {field.name for field in fields(kind)}, kind


@pytest.mark.parametrize(
    ("names", "shapes", "fit"),
    [
        ({"a": "T N", "b": "N"}, {"a": (3, 4), "b": (4,)}, True),
        ({"a": "T N", "b": "N"}, {"a": (3, 4), "b": (3,)}, False),
        ({"a": "N N"}, {"a": (3, 4)}, False),
        ({"a": "B 2"}, {"a": (5, 2)}, True),
        ({"a": "B 2"}, {"a": (2, 5)}, False),
        ({"a": "... N", "b": "..."}, {"a": (7, 3, 4), "b": (7, 3)}, True),
        ({"a": "... N", "b": "..."}, {"a": (4,), "b": ()}, True),
        ({"a": "... N", "b": "..."}, {"a": (7, 3, 4), "b": (7,)}, False),
        ({"a": "... N N"}, {"a": (4,)}, False),
    ],
)
def test_shapes_belong_together(names, shapes, fit):
    content = {name: np.zeros(shape) for name, shape in shapes.items()}
    assert (misfit(content, {}, names) == "") == fit


def test_annotations_are_those_that_numpy_has():
    """What an annotation is read as is what an array of this type is saved as."""
    for written, dtype in (("NDArray[np.float64]", float), ("NDArray[np.int64]", int), ("NDArray[np.bool_]", bool),
                           ("NDArray[np.str_]", str), ("NDArray[np.complex128]", complex)):  # fmt: skip
        assert np.zeros(1, dtype).dtype.kind in layout.ARRAYS[written]
