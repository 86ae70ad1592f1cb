"""What tells one problem from another: on disk, and between ranks."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import sympy

from scaling_limits.particles import MultiscalePotential


@lru_cache(maxsize=64)
def fingerprint(potential: MultiscalePotential) -> str:
    """All that M and Z1 depend on: d, N, sigma and the expression of V1 with the assumptions on its symbols."""
    expression = sympy.srepr(potential.fluctuation_expression)
    text = f"{potential.dim} {potential.scales} {potential.temperature!r} {expression}"
    return hashlib.sha256(text.encode()).hexdigest()
