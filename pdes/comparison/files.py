"""Comparisons in files: the numbers and what was said of them; samples and limit have files of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from scaling_limits.particles.showing.axes import labelled
from scaling_limits.particles.showing.quantities import Quantity

from .difference import Difference, draw_deviations

PARTS = ("sampled", "limit", "error", "chance", "finite", "places")
# of the two differences that every comparison has
NAMES = {f"{part}_{k}" for part in PARTS for k in range(2)}


def content_of(differences: Sequence[Difference]) -> dict[str, Any]:
    """What a file holds of two differences, under `NAMES`, and in words under "quantities"."""
    content: dict[str, Any] = {}
    words = []
    for k, one in enumerate(differences):
        content |= {f"{part}_{k}": getattr(one, part) for part in PARTS[:4]}
        content[f"finite_{k}"] = np.empty(0) if one.finite is None else one.finite
        content[f"places_{k}"] = np.concatenate([values for _, values in one.places])
        places = [[*_words(quantity), len(values)] for quantity, values in one.places]
        words.append([_words(one.quantity), places])
    return content | {"quantities": json.dumps(words)}


def differences_of(content: dict[str, Any]) -> tuple[Difference, ...]:
    """The inverse.

    Raises:
        ValueError: its arrays do not belong together.
    """
    result = []
    for k, (words, places) in enumerate(json.loads(content["quantities"])):
        parts = {part: np.asarray(content[f"{part}_{k}"], dtype=float) for part in PARTS}
        sizes = [int(place[3]) for place in places]
        shape = (np.size(content["times"]), *sizes)
        finite = parts["finite"] if parts["finite"].size else None
        arrays = [parts[part] for part in PARTS[:4]] + ([] if finite is None else [finite])
        if any(one.shape != shape for one in arrays) or parts["places"].shape != (sum(sizes),):
            raise ValueError("its arrays do not belong together")
        along = np.split(parts["places"], np.cumsum(sizes)[:-1])
        named = tuple((Quantity(*place[:3]), values) for place, values in zip(places, along))
        result.append(Difference(Quantity(*words), named, arrays[0], arrays[1], arrays[2], arrays[3], finite))
    return tuple(result)


def _words(quantity: Quantity) -> list[str]:
    return [quantity.name, quantity.long_name, quantity.units]


def draw_numbers(axes: Any, differences: Sequence[Difference], threshold: float) -> None:
    """Draw, at the last time, a quantity over a line: in the samples, in the limit, and the difference."""
    one = next(each for each in reversed(differences) if len(each.places) == 1)
    ((place, x),) = one.places
    for ax, values in zip(axes, (one.sampled, one.limit)):
        ax.plot(x, values[-1], marker=".")
        labelled(ax, place.label, one.quantity.label)
    low, high = zip(*(ax.get_ylim() for ax in axes[:2]))
    for ax in axes[:2]:
        ax.set_ylim(min(low), max(high))
    draw_deviations(axes[2], x, one, threshold, place.label)
