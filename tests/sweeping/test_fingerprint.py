"""Two functions that read different things have different fingerprints, or a warning names what cannot be read."""

import functools
import io
import sys
import types

import numba
import numpy as np
import pytest
from scipy import stats

from scaling_limits.particles.support.fingerprint import digest_of, fingerprint_of

pytestmark = pytest.mark.serial


def of(value):
    """The fingerprint of a function that captures a value."""
    found = fingerprint_of(lambda a: (a, value))
    return found.parts["the captured value value"], found.unknown


def line(slope):
    return lambda x: slope * x


def cached(slope, typed=False):
    return functools.lru_cache(typed=typed)(line(slope))


def dispatched(slope):
    @functools.singledispatch
    def chosen(x):
        return x

    chosen.register(float, line(slope))
    return chosen


def masked(mask):
    return np.ma.masked_array([1.0, 2.0], [False, mask])


class Tagged(np.ndarray):
    """An array with an attribute."""


def tagged(tag):
    made = np.zeros(2).view(Tagged)
    made.tag = tag
    return made


def of_metaclass(number):
    return type("Meta", (type,), {"number": number})("Made", (), {})


def with_property(number):
    return type("Made", (), {"it": property(lambda self: number), "other": staticmethod(line(number))})()


def with_attribute(number):
    made = line(1)
    made.number = number
    return made


def compiled(**options):
    # never called, thus not compiled
    return numba.njit(lambda x: x, **options)


def frame(number):
    return pytest.importorskip("pandas").DataFrame({"a": [1.0, number], "b": ["x", "y"]})


class Ball:
    """Its name ends as that of a lock."""


class Block(Ball):
    def __init__(self, size):
        self.size = size


def wrapped_sine(slope):
    return functools.wraps(np.linspace)(line(slope))


PAIRS = {
    "lru_cache": (lambda: cached(1), lambda: cached(2)),
    "typed cache": (lambda: cached(1), lambda: cached(1, typed=True)),
    "cache in partial": (lambda: functools.partial(cached(1)), lambda: functools.partial(cached(2))),
    "singledispatch": (lambda: dispatched(1), lambda: dispatched(2)),
    "a cell of a frame": (lambda: frame(1.0), lambda: frame(2.0)),
    "mask": (lambda: masked(False), lambda: masked(True)),
    "names of fields": (lambda: np.zeros(2, [("a", "f8")]), lambda: np.zeros(2, [("b", "f8")])),
    "objects in fields": (lambda: np.array([(1,)], [("a", "O")]), lambda: np.array([(2,)], [("a", "O")])),
    "attribute": (lambda: with_attribute(1), lambda: with_attribute(2)),
    "options of numba": (lambda: compiled(), lambda: compiled(fastmath=True)),
    "subclass of arrays": (lambda: tagged("a"), lambda: tagged("b")),
    "metaclass": (lambda: of_metaclass(1), lambda: of_metaclass(2)),
    "property": (lambda: with_property(1), lambda: with_property(2)),
    "name like that of a lock": (lambda: Block(1), lambda: Block(2)),
    "name of a library's": (lambda: wrapped_sine(1), lambda: wrapped_sine(2)),
    "made by a library": (lambda: types.new_class("A", (), {}), lambda: types.new_class("B", (), {})),
    "text in memory": (lambda: io.StringIO("a"), lambda: io.StringIO("b")),
    "order of arguments": (lambda: lambda a, b: a - b, lambda: lambda b, a: b - a),
    "function of a library": (lambda: __import__("math").sqrt, lambda: __import__("cmath").sqrt),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_what_differs_is_told(pair):
    first, second = pair
    assert of(first()) == of(first())
    assert of(first())[0] != of(second())[0]
    assert not of(first())[1]


def test_the_parts_of_a_cached_function_have_names():
    first, second = fingerprint_of(cached(1)).parts, fingerprint_of(functools.partial(cached(2))).parts
    assert [name for name in first if first[name] != second[name]] == ["the captured value slope"]


@pytest.mark.parametrize(("value", "name"), [
    (lambda: np.frompyfunc(lambda x: x, 1, 1), "numpy.ufunc"), (lambda: {(x for x in [1])}, "builtins.generator"),
    (lambda: {(x for x in [1]): 1}, "builtins.generator"), (lambda: [types.ModuleType("own")], "builtins.module"),
    (lambda: memoryview(b"a"), "builtins.memoryview"),
])  # fmt: skip
def test_what_cannot_be_read_is_named(value, name):
    assert of(value())[1] == (f"the captured value value ({name})",)


def test_files_that_are_open(tmp_path):
    """Known by their names; of those that can be read, the content is not known."""
    (tmp_path / "a").write_text("a")
    with open(tmp_path / "a") as a, open(tmp_path / "b", "w") as b, open(tmp_path / "c", "w") as c:
        assert of(a)[1] == ("the captured value value (_io.TextIOWrapper)",)
        assert not of(b)[1]
        assert of(b)[0] != of(c)[0]
    assert not of(sys.stdout)[1]


def test_caches_of_what_was_called_do_not_count():
    function, choosing = cached(1), dispatched(1)
    before = of(function), of(choosing)
    function(2.0), choosing(2.0)
    assert (of(function), of(choosing)) == before


def test_imports_inside_a_package(monkeypatch):
    """`from .numbers import slope` in a function is that of its package, not Python's module of this name."""
    package, numbers = types.ModuleType("own_package"), types.ModuleType("own_package.numbers")
    package.__path__, numbers.slope = [], 1.0
    monkeypatch.setitem(sys.modules, "own_package", package)
    monkeypatch.setitem(sys.modules, "own_package.numbers", numbers)
    names = {"__name__": "own_package.lines", "__package__": "own_package"}
    exec("def line(x):\n    from .numbers import slope\n    return slope * x", names)
    first = digest_of(names["line"])
    numbers.slope = 2.0
    assert digest_of(names["line"])[0] != first[0]


def test_frozen_distributions():
    """They hold numpy's shared generator, whose state has nothing to do with what they are."""
    before = digest_of(stats.norm(0, 1))
    np.random.random(3)  # noqa: NPY002 - this very generator
    assert digest_of(stats.norm(0, 1)) == before
    assert before[1] == []
    assert digest_of(stats.norm(0, 2)) != before
