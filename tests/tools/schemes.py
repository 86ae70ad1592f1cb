"""The schemes of a kind that the package has: the tests of orders go through all of them."""

import sys
from typing import Any


def schemes_of(kind: type) -> list[Any]:
    """All schemes of a class in the module of that class, in their order there."""
    found = [value for value in vars(sys.modules[kind.__module__]).values() if isinstance(value, kind)]
    assert found, f"{kind.__module__} has no {kind.__name__}"
    return found
