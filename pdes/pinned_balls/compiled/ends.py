"""The paper's ends in compiled code, as in `absorbing_ends`: the second unknown follows mu; the outflow is one more."""

from __future__ import annotations

from numba import njit

from ..forms import EnergyForm
from .kernels import COMPILED, KNOWN
from .rules import second_of

ENERGY = KNOWN.index(EnergyForm)


@njit(**COMPILED)
def tie_rates(kind, y, f):  # type: ignore[no-untyped-def]
    """Tie the rates of both ends, and fill that of the outflow, the last entry."""
    outflow = 0.0
    for mean in (0, f.size - 3):
        slope = y[mean] if kind == ENERGY else 0.0
        tied = slope * f[mean]
        outflow += f[mean + 1] - tied
        f[mean + 1] = tied
    f[-1] = outflow


@njit(**COMPILED)
def tie_rows(kind, shift, mass, y, f, band, below, outflow_rows):  # type: ignore[no-untyped-def]
    """Tie the rows of both ends in shift M - df/dy, and fill the row of the outflow (2, below + 1)."""
    for end in range(2):
        mean = 0 if end == 0 else mass.size - 3
        first = 0 if end == 0 else mean + 1 - below
        slope = y[mean] if kind == ENERGY else 0.0
        own = shift * mass[mean]
        of_mean, of_second = mean * 3 * below + below, (mean + 1) * 3 * below + below
        for i in range(below + 1):
            column = first + i
            tied = slope * band[of_mean + column]
            if column == mean:
                tied -= slope * own + (f[mean] if kind == ENERGY else 0.0)
            kept = own if column == mean + 1 else 0.0
            outflow_rows[end, i] = kept - band[of_second + column] + tied
            band[of_second + column] = tied + kept


@njit(**COMPILED)
def outflow(shift, x, outflow_rows):  # type: ignore[no-untyped-def]
    """Return the stage of the outflow, from those of the nodes and the right-hand side in the last entry."""
    width = outflow_rows.shape[1]
    value = x[-1]
    for i in range(width):
        value += outflow_rows[0, i] * x[i] + outflow_rows[1, i] * x[x.size - 1 - width + i]
    return value / shift


@njit(**COMPILED)
def empty(kind, mass, new):  # type: ignore[no-untyped-def]
    """Take what noise the stages left at both ends out of a new state, and add it to the outflow."""
    for at in (0, mass.size - 3):
        noiseless = second_of(kind, new[at], 0.0)
        new[-1] += mass[at + 1] * (new[at + 1] - noiseless)
        new[at + 1] = noiseless
