"""Averaged dissipation of a chain as a polynomial, read off from its values and compared with them.

R_j(I) = I_j sum_m c_jm I_j^(m/2) + sum_abc C_jabc I_{j-1}^a I_j^b I_{j+1}^c,    b >= 1, a + c >= 1
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scaling_limits.cells.averaged_dissipation import AveragedDissipation, averaged_dissipation
from scaling_limits.particles import DiagonalDissipation, InvalidArgument, RotatorLattice

from .chain_order import chain_order

# powers of g beyond which a polynomial is not found from values
MOST_POWER = 12
# relative: coefficients below are rounding, and values that differ by more are those of no polynomial
ROUNDING, DIFFERENT = 1e-10, 1e-10
# points at which it is read off, for each coefficient, and those where it is compared
EACH, COMPARED = 4, 40

Powers = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class PolynomialDrift:
    """R_j(I) of the sites of a chain, in its order.

    Args:
        order: the numbers of the sites in the lattice (N,).
        temperature: T (N,), in the order of the chain.
        own: the coefficients c_jm (N, M) of what a site does by itself, m = 0 .. M-1.
        products: for each site the products C_jabc by their powers (a, b, c).
    """

    order: NDArray[np.int64]
    temperature: np.ndarray
    own: np.ndarray
    products: tuple[dict[Powers, float], ...]

    @property
    def size(self) -> int:
        """Number N of sites."""
        return len(self.order)

    @property
    def highest(self) -> int:
        """The highest power of an action in the products."""
        return max((power for one in self.products for powers in one for power in powers), default=0)

    @classmethod
    def of(cls, lattice: RotatorLattice) -> PolynomialDrift:
        """Read off the coefficients.

        Args:
            lattice: the rotators.

        Raises:
            InvalidArgument: the region is no chain; R is no polynomial, or does not confine a site alone.
        """
        order = chain_order(lattice.region)
        averaged = averaged_dissipation(lattice)
        temperature = lattice.temperature[order]
        power = int(lattice.dissipation.power)
        kind = lattice.dissipation.averaged(lattice.region)
        if isinstance(kind, DiagonalDissipation):
            own = np.zeros((len(order), kind.p - 1))
            own[:, -1] = -(2.0 ** (kind.p / 2))
            return cls(order, temperature, own, ({},) * len(order))
        if power > MOST_POWER:
            message = f"grows like |u|^{power - 1}; tensor trains take powers up to {MOST_POWER - 1}"
            raise InvalidArgument("dissipation", message)
        values = _Values(averaged, order, float(np.mean(temperature)) ** (2.0 / power), power)
        own = values.own()
        result = cls(order, temperature, own, values.products(own))
        values.compare(result)
        _check_confinement(own, order)
        return result

    def __call__(self, actions: np.ndarray) -> np.ndarray:
        """R (P, N) at actions I (P, N), both in the order of the chain."""
        root = np.sqrt(actions)
        result = actions * np.array([np.polyval(c[::-1], root[:, j]) for j, c in enumerate(self.own)]).T
        wide = np.pad(actions, ((0, 0), (1, 1)))
        for j, one in enumerate(self.products):
            for powers, coefficient in one.items():
                result[:, j] += coefficient * np.prod(wide[:, j : j + 3] ** np.array(powers), axis=1)
        return result


def _check_confinement(own: np.ndarray, order: np.ndarray) -> None:
    for site, row in zip(order, own):
        high = np.flatnonzero(row)
        if not high.size or row[high[-1]] >= 0:
            message = f"site {site} alone has no stationary law: R_j does not confine it (Hg)"
            raise InvalidArgument("dissipation", message)


class _Values:
    """Values of R_j/I_j at actions x times a scale, x in [0, 1], from which coefficients are found."""

    def __init__(self, averaged: AveragedDissipation, order: np.ndarray, scale: float, power: int) -> None:
        self._averaged, self._order, self._scale, self._power = averaged, order, 2.0 * scale, power
        self._random = np.random.Generator(np.random.Philox(key=len(order)))

    def _rate(self, x: np.ndarray) -> np.ndarray:
        actions = np.empty_like(x)
        actions[:, self._order] = self._scale * x
        return self._averaged.rate(actions)[:, self._order]

    def own(self) -> np.ndarray:
        """The coefficients (N, M) of sites alone: every third site at a time, so that none has a neighbour."""
        count, size = self._power - 1, len(self._order)
        points = 0.5 - 0.5 * np.cos(np.pi * (np.arange(EACH * count) + 0.5) / (EACH * count))
        table = points[:, None] ** (np.arange(count) / 2.0)
        result = np.zeros((size, count))
        for first in range(min(3, size)):
            x = np.zeros((len(points), size))
            x[:, first::3] = points[:, None]
            result[first::3] = _fitted(table, self._rate(x)[:, first::3]).T
        return result / self._scale ** (np.arange(count) / 2.0)

    def products(self, own: np.ndarray) -> tuple[dict[Powers, float], ...]:
        """The products of neighbours of each site."""
        degree, size = -(-self._power // 2), len(self._order)
        # of R_j/I_j, so that the power of the site itself is one less
        powers = [p for p in product(range(degree), repeat=3) if sum(p) < degree and p[0] + p[2]]
        x = self._random.random((EACH * len(powers) + EACH, size))
        rest = self._rate(x) - _of_own(own, self._scale * x)
        wide = np.pad(x, ((0, 0), (1, 1)))
        result = []
        for j in range(size):
            here = [p for p in powers if (j or not p[0]) and (j < size - 1 or not p[2])]
            table = np.array([np.prod(wide[:, j : j + 3] ** np.array(p), axis=1) for p in here]).reshape(-1, len(x))
            found: np.ndarray = _fitted(table.T, rest[:, [j]], np.abs(own[j]).max())[:, 0] if here else np.empty(0)
            one = {(a, b + 1, c): v / self._scale ** (a + b + c) for (a, b, c), v in zip(here, found) if v}
            result.append({powers: float(v) for powers, v in one.items()})
        return tuple(result)

    def compare(self, drift: PolynomialDrift) -> None:
        """Raise where the polynomial has other values than R."""
        x = 1.5 * self._random.random((COMPARED, len(self._order)))
        expected, found = self._rate(x) * self._scale * x, drift(self._scale * x)
        wrong = np.abs(found - expected).max(axis=0) / np.maximum(np.abs(expected).max(axis=0), 1e-300)
        if wrong.max() > DIFFERENT:
            site = int(self._order[np.argmax(wrong)])
            message = (
                f"R_{site} is no polynomial of degree {-(-self._power // 2)} in its action and its neighbours', "
                "which tensor trains need; TransportProcess samples any dissipation; is its `power` right?"
            )
            raise InvalidArgument("dissipation", message)


def _of_own(own: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The part of R_j/I_j (P, N) that sites alone have."""
    return np.array([np.polyval(c[::-1], np.sqrt(actions[:, j])) for j, c in enumerate(own)]).T


def _fitted(table: np.ndarray, values: np.ndarray, size: float = 0.0) -> np.ndarray:
    """The coefficients (K, S) of values (P, S) in the columns of a table (P, K); those that are rounding are 0."""
    result: np.ndarray = np.linalg.lstsq(table, values, rcond=None)[0]
    for column, found, target in zip(range(values.shape[1]), result.T, values.T):
        kept = np.abs(found) > ROUNDING * max(float(np.abs(found).max()), size)
        result[:, column] = 0.0
        if kept.any():
            result[kept, column] = np.linalg.lstsq(table[:, kept], target, rcond=None)[0]
    return result
