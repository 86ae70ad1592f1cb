"""Steps of form (C) with closed ends: fluxes at the nodes, and elimination without an exchange of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..forms import EnergyForm
from . import condensation, fluxes, rules
from .condensation import Factors
from .fluxes import AT_ONCE, Fluxes
from .kernels import KNOWN

ENERGY = KNOWN.index(EnergyForm)


class Condensed(NamedTuple):
    """A problem on a mesh; a state has mu at all nodes, in the order of `Fluxes`, and then E.

    mass has the weights of all entries of a state, 0 where there is no node, weights those of the nodes; sure is the
    part by which entries may change for a solution to be one (`fluxes.solved`); room is for that.
    """

    form: Fluxes
    mass: np.ndarray
    weights: np.ndarray
    factors: Factors
    sure: float
    room: np.ndarray


def condensed(form: Fluxes, mass: np.ndarray, sure: float) -> Condensed:
    """Return the problem of a form on a mesh, with room for its steps.

    Args:
        form: on the mesh.
        mass: weights of the nodes (n,), 0 where there is none.
        sure: the part by which entries may change for a solution to be one.
    """
    return Condensed(
        form, np.concatenate([mass, mass]), mass, condensation.factors(form.cells, form.degree), sure,
        np.empty((4, mass.size)),
    )  # fmt: skip


def rate(system, y, f):  # type: ignore[no-untyped-def]
    """Fill f(y)."""
    fluxes.rate(system.form, y, f)


def factor(system, shift, y, f):  # type: ignore[no-untyped-def]
    """Factor shift M - df/dy; what cannot be factored leaves a solution that is not finite."""
    form, factors = system.form, system.factors
    fluxes.differentiate(form, y)
    for first in range(0, form.cells, AT_ONCE):
        count, local = min(AT_ONCE, form.cells - first), factors.local[first // AT_ONCE]
        fluxes.put_matrices(form, shift, first, count, local)
        condensation.eliminate_inside(local, count, form.degree)
    condensation.eliminate_ends(factors, form.cells, form.degree)
    return True


def solve(system, shift, x):  # type: ignore[no-untyped-def]
    """Solve in place, from the right-hand side to the solution."""
    form, factors = system.form, system.factors
    n, cells, degree = system.weights.size, form.cells, form.degree
    of_mu, other, mu = x[:n], x[n:], form.slopes[0]
    for k in range(n):
        other[k] -= mu[k] * of_mu[k]
    for first in range(0, cells, AT_ONCE):
        count, local = min(AT_ONCE, cells - first), factors.local[first // AT_ONCE]
        condensation.forward_inside(local, count, degree, first, of_mu, other)
    condensation.solve_ends(factors, cells, of_mu[: cells + 1], other[: cells + 1])
    for first in range(0, cells, AT_ONCE):
        count, local = min(AT_ONCE, cells - first), factors.local[first // AT_ONCE]
        condensation.backward_inside(local, count, degree, first, of_mu, other)
    for k in range(n):
        other[k] += mu[k] * of_mu[k]


def certain(system, shift, right, x):  # type: ignore[no-untyped-def]
    """Whether a solution is known to be one."""
    return fluxes.solved(system.form, shift, right, x, system.sure, system.room)


def error_of(system, new, difference):  # type: ignore[no-untyped-def]
    """Return the relative size of an error estimate."""
    n = system.weights.size
    return rules.error_of(ENERGY, system.weights, new[:n], new[n:], difference[:n], difference[n:])


def accept(system, new, limits):  # type: ignore[no-untyped-def]
    """Make a state that is kept of a new one, in place; False where it is refused."""
    n = system.weights.size
    return rules.accept(ENERGY, system.weights, new[:n], new[n:], 0.0, limits)
