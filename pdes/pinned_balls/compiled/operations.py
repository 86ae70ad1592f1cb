"""What a step asks of a problem in compiled code; numba takes the functions of `pivoted` or of `condensed`."""

from __future__ import annotations

import numpy as np
from numba.extending import overload

from . import condensed, pivoted
from .condensed import Condensed
from .numba_options import FAST
from .pivoted import Pivoted
from .rules import Limits

System = Condensed | Pivoted


def rate(system: System, y: np.ndarray, f: np.ndarray) -> None:
    """Fill the rates f = M y' of a state."""
    raise NotImplementedError


def factor(system: System, shift: float, y: np.ndarray, f: np.ndarray) -> bool:
    """Factor shift M - df/dy at a state with rates f; False where that cannot be."""
    raise NotImplementedError


def solve(system: System, shift: float, x: np.ndarray) -> None:
    """Solve with what was factored last, in place."""
    raise NotImplementedError


def certain(system: System, shift: float, right: np.ndarray, x: np.ndarray) -> bool:
    """Whether x is known to be the solution of a right-hand side."""
    raise NotImplementedError


def error_of(system: System, new: np.ndarray, difference: np.ndarray) -> float:
    """Return the relative size of an error estimate, the difference of another state to the new one."""
    raise NotImplementedError


def accept(system: System, new: np.ndarray, limits: Limits) -> bool:
    """Make a state that is kept of a new one, in place; False where it is refused."""
    raise NotImplementedError


@overload(rate, jit_options=FAST)
def _rate(system, y, f):  # type: ignore[no-untyped-def]
    return pivoted.rate if system.instance_class is Pivoted else condensed.rate


@overload(factor, jit_options=FAST)
def _factor(system, shift, y, f):  # type: ignore[no-untyped-def]
    return pivoted.factor if system.instance_class is Pivoted else condensed.factor


@overload(solve, jit_options=FAST)
def _solve(system, shift, x):  # type: ignore[no-untyped-def]
    return pivoted.solve if system.instance_class is Pivoted else condensed.solve


@overload(certain, jit_options=FAST)
def _certain(system, shift, right, x):  # type: ignore[no-untyped-def]
    return pivoted.certain if system.instance_class is Pivoted else condensed.certain


@overload(error_of, jit_options=FAST)
def _error_of(system, new, difference):  # type: ignore[no-untyped-def]
    return pivoted.error_of if system.instance_class is Pivoted else condensed.error_of


@overload(accept, jit_options=FAST)
def _accept(system, new, limits):  # type: ignore[no-untyped-def]
    return pivoted.accept if system.instance_class is Pivoted else condensed.accept
