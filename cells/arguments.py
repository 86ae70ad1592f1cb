"""Arguments that the functions of this folder share: the potential, with what tells it from others, and rtol."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import sympy

from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.support.checks import number

LARGEST_RTOL = 0.1


def checked_potential(potential: Any) -> MultiscalePotential:
    """Return the potential, or raise InvalidArgument where it is none."""
    if not isinstance(potential, MultiscalePotential):
        raise InvalidArgument("potential", f"must be a MultiscalePotential, not {type(potential).__name__}")
    return potential


def checked_rtol(rtol: Any, least: float) -> float:
    """Return a relative tolerance between `least` and 0.1."""
    tolerance = number("rtol", rtol, least=least)
    if tolerance > LARGEST_RTOL:
        raise InvalidArgument("rtol", f"must be at most {LARGEST_RTOL:g}, not {tolerance:g}")
    return tolerance


@lru_cache(maxsize=64)
def fingerprint(potential: MultiscalePotential) -> str:
    """Hash of all that M and Z1 depend on: d, N, sigma, and V1 with the assumptions on its symbols."""
    expression = sympy.srepr(potential.fluctuation_expression)
    text = f"{potential.dim} {potential.scales} {potential.temperature!r} {expression}"
    return hashlib.sha256(text.encode()).hexdigest()
