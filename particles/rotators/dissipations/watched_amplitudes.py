"""Which places of u a user's dissipation reads: u[-1] is the last site to numpy, and compiled code reads beyond it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import InvalidArgument
from ..region import LatticeRegion

MOST_SITES = 4096  # that are looked at: the first and the last ones of more


class _Outside(Exception):
    """A place was asked for where no site is."""


class _Watched(np.ndarray):
    """Amplitudes (N,) that refuse places below 0 and beyond the end."""

    def __getitem__(self, place: Any) -> Any:
        try:
            index = operator.index(place)
        except TypeError:
            return np.asarray(self)[place]
        if not 0 <= index < self.size:
            raise _Outside(index)
        return complex(np.asarray(self)[index])


def check_places(function: Callable[[int, np.ndarray], complex], region: LatticeRegion) -> None:
    """Raise where a function(j, u), run in Python, asks for places of u that are not 0 .. N-1.

    Raises:
        InvalidArgument: it does; the message says where and what to write.
    """
    generator = np.random.Generator(np.random.Philox(key=region.size))
    u = generator.standard_normal((region.size, 2)).view(np.complex128)[:, 0].view(_Watched)
    remedy = "ask first whether the neighbour is there, as in `u[j - 1] if j > 0 else 0j`"
    if region.periodic:
        remedy = "around a ring write `u[(j - 1) % u.size]`"
    half = MOST_SITES // 2
    sites = range(region.size)
    for j in sites if region.size <= MOST_SITES else [*sites[:half], *sites[-half:]]:
        try:
            function(j, u)
        except _Outside as error:
            raise InvalidArgument(
                "function",
                f"g_{j} reads u[{error}], where no site is (sites are 0 .. {region.size - 1}); {remedy}",
            ) from None
        except Exception:
            return  # it works compiled only; its dependence on sites is looked at all the same
