"""Points at which ranks compare the functions that a user gave, which cannot be compared themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# on each side: starts, around them, and in the box
POINTS = 256
# powers of ten of distances from starts: in units of the box, and without one
IN_BOX, WITHOUT_BOX = (-4.0, 0.0), (-4.0, 2.0)


def spread(start: np.ndarray, box: np.ndarray | None = None) -> NDArray[np.float64]:
    """Starts, points around them at distances of many sizes, and points all over a box, (P, d); the same everywhere.

    Args:
        start: of some runs (R, d).
        box: pairs (a, b) (d, 2), which holds all points, or None.
    """
    generator = np.random.Generator(np.random.Philox(key=POINTS))
    some = np.asarray(start[:POINTS], dtype=np.float64)
    normal = generator.standard_normal((POINTS, some.shape[1]))
    powers = generator.uniform(*(WITHOUT_BOX if box is None else IN_BOX), (POINTS, 1))
    size = 1.0 if box is None else np.ptp(box, axis=1)
    around = np.resize(some, (POINTS, some.shape[1])) + size * 10.0**powers * normal
    if box is None:
        return np.concatenate([some, around])
    everywhere = box[:, 0] + np.ptp(box, axis=1) * generator.random(normal.shape)
    return np.concatenate([some, np.clip(around, box[:, 0], box[:, 1]), everywhere])


def told(function: Callable[[np.ndarray], Any], points: np.ndarray) -> str:
    """A text of the values of a function at points, or of the error that it raises there."""
    try:
        with np.errstate(all="ignore"):
            values = np.ascontiguousarray(function(points.copy(order="K")))
    except Exception as error:
        return type(error).__name__
    return f"{values.dtype}{values.shape}{hashlib.sha256(values.tobytes()).hexdigest()}"
