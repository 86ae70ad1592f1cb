"""Integrals of exp(-Psi/sigma) and of 1/(sigma exp(-Psi/sigma) M) along a line, to full relative accuracy everywhere.

The line is cut into panels, each with Gauss-Legendre nodes, until both integrands are polynomials on every panel to
rounding. What is integrated is positive, and its logarithm is what is kept: sums are sums of exponentials, in which
nothing cancels and nothing overflows, though the integrands range over exp(+-1300).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre

from scaling_limits.particles.errors import InvalidArgument

from ..coefficients import Coefficients, exponent_at, mobility_at
from ..scharfetter_gummel import HIGHEST


@dataclass(frozen=True)
class PanelSettings:
    """How a line is cut.

    Args:
        order: Gauss-Legendre nodes of a panel.
        resolved: of the last two Legendre coefficients, relative to the largest one.
        steepest: range of Psi/sigma on a panel at most, so that the least values keep their digits.
        most_halvings: of a cell, which are as many panels about each jump of a coefficient.
        most_panels: in all.
    """

    order: int = 12
    resolved: float = 1e-11
    steepest: float = 4.0
    most_halvings: int = 36
    most_panels: int = 60_000


SETTINGS = PanelSettings()
# relative difference of a polynomial and its function at the end of a panel that is put down to rounding
AT_ENDS = 1e-9
NODES, WEIGHTS = legendre.leggauss(SETTINGS.order)
# from values at the nodes to Legendre coefficients
TO_COEFFICIENTS = (np.arange(SETTINGS.order) + 0.5)[:, None] * legendre.legvander(NODES, SETTINGS.order - 1).T * WEIGHTS


# the nodes, and points almost at the ends: a jump beyond the last node shows there
LOOKS = np.concatenate([[-1.0 + 1e-9], NODES, [1.0 - 1e-9]])
TO_ENDS = (legendre.legvander(LOOKS[[0, -1]], SETTINGS.order - 1) @ TO_COEFFICIENTS).T


def _integrals_to_nodes() -> np.ndarray:
    """The matrix (n, n) from values at the nodes to the integrals from -1 to each node."""
    each = np.eye(SETTINGS.order)
    parts = [legendre.legval(NODES, legendre.legint(one, lbnd=-1.0)) for one in each]
    return np.stack(parts, axis=1) @ TO_COEFFICIENTS


TO_NODE = _integrals_to_nodes()
FROM_NODE = np.ascontiguousarray(TO_NODE[::-1, ::-1])


def tail(values: np.ndarray) -> np.ndarray:
    """The last two Legendre coefficients of values (N, n) on panels, relative to the largest one (N,)."""
    coefficients = np.abs(values @ TO_COEFFICIENTS.T)
    return (coefficients[:, -2:].sum(axis=1)) / np.maximum(coefficients.max(axis=1), 1e-300)


@dataclass(frozen=True, eq=False)
class Panels:
    """The panels of a line, in order.

    Args:
        ends: of the panels (N + 1,).
        weight: log of exp(-Psi/sigma) at the nodes, relative to its largest value (N, n).
        mobility: sigma M at the nodes (N, n).
        error: relative, of the integrals on the panels (N,).
    """

    ends: np.ndarray
    weight: np.ndarray = field(repr=False)
    mobility: np.ndarray = field(repr=False)
    error: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, coefficients: Coefficients, lowest: float, breaks: np.ndarray) -> Panels:
        """Cut intervals until the coefficients are resolved.

        Args:
            coefficients: M, Psi, sigma.
            lowest: the least Psi/sigma, or about it.
            breaks: where panels end at least, in order.

        Raises:
            InvalidArgument: on all ranks alike, wrong values of M or Psi.
        """
        sigma = float(coefficients.temperature)
        low, high = breaks[:-1], breaks[1:]
        parts: list[tuple[np.ndarray, ...]] = []
        for halvings in range(SETTINGS.most_halvings + 1):
            x = (0.5 * (low + high))[:, None] + 0.5 * (high - low)[:, None] * LOOKS
            exponent = exponent_at(coefficients, x.reshape(-1, 1)).reshape(x.shape) - lowest
            mobility = sigma * mobility_at(coefficients, x.reshape(-1, 1)).reshape(x.shape)
            error = _unresolved(exponent, mobility)
            exponent, mobility = exponent[:, 1:-1], mobility[:, 1:-1]
            flat = (np.ptp(exponent, axis=1) <= SETTINGS.steepest) | (exponent.min(axis=1) > HIGHEST)
            enough = flat & (error <= SETTINGS.resolved)
            count = sum(len(part[0]) for part in parts) + len(low)
            if halvings == SETTINGS.most_halvings or count > SETTINGS.most_panels:
                enough[:] = True
            parts.append(tuple(each[enough] for each in (low, high, -exponent, mobility, error)))
            if enough.all():
                break
            low, high = low[~enough], high[~enough]
            middle = 0.5 * (low + high)
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        low, high, weight, mobility, error = (np.concatenate(column) for column in zip(*parts))
        order = np.argsort(low)
        return cls(np.append(low[order], high[order[-1]]), weight[order], mobility[order], error[order])

    @cached_property
    def half(self) -> np.ndarray:
        """Half of the width of each panel (N,)."""
        return 0.5 * np.diff(self.ends)

    @cached_property
    def nodes(self) -> np.ndarray:
        """The nodes (N, n)."""
        return (0.5 * (self.ends[1:] + self.ends[:-1]))[:, None] + self.half[:, None] * NODES

    @cached_property
    def resistance(self) -> np.ndarray:
        """log of 1/(sigma exp(-Psi/sigma) M) at the nodes (N, n)."""
        return np.asarray(-self.weight - np.log(self.mobility))

    @property
    def closed(self) -> np.ndarray:
        """Whether a panel is where no path goes (N,)."""
        return np.asarray(self.weight.max(axis=1) < -HIGHEST)

    def coefficients(self, values: np.ndarray) -> np.ndarray:
        """The Legendre coefficients (N, n) of values at the nodes (N, n)."""
        return np.asarray(values @ TO_COEFFICIENTS.T)


def _unresolved(exponent: np.ndarray, mobility: np.ndarray) -> np.ndarray:
    """How far exp(-Psi/sigma) and 1/(exp(-Psi/sigma) M) at `LOOKS` are from polynomials on each panel (N,)."""
    low, high = exponent.min(axis=1, keepdims=True), exponent.max(axis=1, keepdims=True)
    # ranges beyond what is cut anyway must not overflow
    rise, fall = np.maximum(exponent - high, -50.0), np.maximum(low - exponent, -50.0)
    result: np.ndarray = np.zeros(len(exponent))
    for values in (np.exp(fall), np.exp(rise) / mobility):
        inner, ends = values[:, 1:-1], values[:, [0, -1]]
        # polynomials are continued to the ends with less accuracy
        miss = np.abs(inner @ TO_ENDS - ends).max(axis=1) / np.abs(values).max(axis=1)
        result = np.maximum(result, np.maximum(tail(inner), np.where(miss > AT_ENDS, miss, 0.0)))
    return np.where(exponent.min(axis=1) > HIGHEST, 0.0, result)


@dataclass(frozen=True, eq=False)
class Integrals:
    """log of the integrals of a positive function, from the left end of a run of panels and to its right end.

    Args:
        left: from the left end to the nodes (K, n).
        right: from the nodes to the right end (K, n).
        whole: from end to end.
    """

    left: np.ndarray
    right: np.ndarray
    whole: float

    @classmethod
    def of(cls, logarithm: np.ndarray, half: np.ndarray) -> Integrals:
        """Integrate.

        Args:
            logarithm: of the function at the nodes (K, n); -inf where it is 0.
            half: half of the width of each panel (K,).
        """
        top = logarithm.max(axis=1)
        top = np.where(np.isfinite(top), top, 0.0)
        values = np.exp(logarithm - top[:, None])
        width = half[:, None]
        with np.errstate(divide="ignore"):
            up = np.log(np.maximum(values @ TO_NODE.T * width, 0.0)) + top[:, None]
            down = np.log(np.maximum(values @ FROM_NODE.T * width, 0.0)) + top[:, None]
            each = np.log(values @ WEIGHTS * half) + top
        before = np.concatenate([[-np.inf], np.logaddexp.accumulate(each)])
        after = np.concatenate([np.logaddexp.accumulate(each[::-1])[::-1], [-np.inf]])
        left, right = np.logaddexp(before[:-1, None], up), np.logaddexp(after[1:, None], down)
        return cls(left, right, float(before[-1]))


def checked_range(name: str, logarithm: np.ndarray) -> np.ndarray:
    """exp of a logarithm.

    Raises:
        InvalidArgument: it is not a double.
    """
    largest = float(np.max(logarithm, initial=-np.inf))
    if largest > 700.0:
        raise InvalidArgument(name, f"is reached after a time of exp({largest:.0f}), which is no double")
    return np.exp(logarithm)
