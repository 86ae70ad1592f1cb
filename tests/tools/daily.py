"""The tests of `make check`: a rule, so that no list has to be kept."""

from collections.abc import Iterable

import pytest

# what was collected, before some of it was chosen
COLLECTED = pytest.StashKey[list[pytest.Item]]()


def daily(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Some tests of every module, chosen by what is quick.

    All of test_bad_input_*.py and of the modules beside the folders; elsewhere the first case of every test that runs on
    two ranks too, since what is long is marked serial; where a module has none of these, its first test. No examples.
    """
    modules: dict[object, list[pytest.Item]] = {}
    for item in (item for item in items if item.path.parent.name != "docs"):
        modules.setdefault(item.path, []).append(item)
    return [item for path, tests in modules.items() for item in _of_module(path, tests)]


def _of_module(path, tests: list[pytest.Item]) -> list[pytest.Item]:
    if path.name.startswith("test_bad_input_") or path.parent.name == "tests":
        return tests
    first = {item.originalname: item for item in reversed(tests) if item.get_closest_marker("serial") is None}
    return sorted(first.values(), key=tests.index) or tests[:1]
