"""Steps of any of the forms, with either ends: kernels of FFCx, and elimination with partial pivoting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import banded, ends, kernels, rules
from .kernels import Kernels


class Pivoted(NamedTuple):
    """A problem on a mesh with the nodes in the order of x; a state has both unknowns of a node side by side.

    mass has the weights of all entries of a state, and weights those of the nodes; the other arrays are room, of the
    matrix (`banded`) and of a cell (`kernels`).
    """

    forms: Kernels
    mass: np.ndarray
    weights: np.ndarray
    band: np.ndarray
    last: np.ndarray
    reach: np.ndarray
    pivots: np.ndarray
    lower: np.ndarray
    outflow_rows: np.ndarray
    w: np.ndarray
    local: np.ndarray


def pivoted(forms: Kernels, mass: np.ndarray) -> Pivoted:
    """Return the problem of kernels on a mesh, with room for its steps.

    Args:
        forms: the kernels.
        mass: weights of all entries of a state.
    """
    below, size = banded.band_size(forms.cells, forms.degree)
    last = banded.last_rows(forms.cells, forms.degree)
    nodes = forms.degree + 1
    return Pivoted(
        forms, mass, mass[: last.size : 2].copy(), np.empty(size), last, np.empty_like(last), np.empty_like(last),
        np.empty(last.size * below), np.empty((2, below + 1)), np.empty(3 * nodes), np.empty(4 * nodes**2),
    )  # fmt: skip


def rate(system, y, f):  # type: ignore[no-untyped-def]
    """Fill f(y)."""
    kernels.assemble_rate(system.forms, y, f, system.w, system.local)
    if system.forms.absorbing:
        ends.tie_rates(system.forms.kind, y, f)


def factor(system, shift, y, f):  # type: ignore[no-untyped-def]
    """Assemble and factor shift M - df/dy; False where that cannot be."""
    forms = system.forms
    below = 2 * forms.degree + 1
    system.band[:] = 0.0
    kernels.assemble_matrix(forms, shift, y, system.band, system.w, system.local)
    if forms.absorbing:
        ends.tie_rows(forms.kind, shift, system.mass, y, f, system.band, below, system.outflow_rows)
    return banded.factor(system.band, below, system.last, system.reach, system.pivots, system.lower)


def solve(system, shift, x):  # type: ignore[no-untyped-def]
    """Solve in place, from the right-hand side to the solution."""
    below = 2 * system.forms.degree + 1
    banded.solve(system.band, below, system.last, system.reach, system.pivots, system.lower, x)
    if system.forms.absorbing:
        x[x.size - 1] = ends.outflow(shift, x, system.outflow_rows)


def error_of(system, new, difference):  # type: ignore[no-untyped-def]
    """Return the relative size of an error estimate."""
    n = 2 * system.weights.size
    return rules.error_of(
        system.forms.kind, system.weights, new[0:n:2], new[1:n:2], difference[0:n:2], difference[1:n:2]
    )


def accept(system, new, limits):  # type: ignore[no-untyped-def]
    """Make a state that is kept of a new one, in place; False where it is refused."""
    kind, n = system.forms.kind, 2 * system.weights.size
    outflow = 0.0
    if system.forms.absorbing:
        ends.empty(kind, system.mass, new)
        outflow = new[-1]
    return rules.accept(kind, system.weights, new[0:n:2], new[1:n:2], outflow, limits)


def certain(system, shift, right, x):  # type: ignore[no-untyped-def]
    """Whether x is known to be a solution: rows change places, so that it is one."""
    return True
