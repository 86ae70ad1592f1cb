"""Complex Hermite polynomials of the amplitudes of rotators, and operators that do not change when all angles turn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# u_j, its conjugate, and the derivatives by them
Letter = tuple[Literal["u", "conj", "by_u", "by_conj"], int]
# whether the first index that a letter changes is one of q, not of p
OF_Q = {"u": 0, "conj": 1, "by_u": 0, "by_conj": 1}


@dataclass(frozen=True, eq=False)
class ComplexHermite:
    """The polynomials h_pq = prod_j h_{p_j q_j}(u_j/s_j), with sum_j p_j = sum_j q_j <= K.

    They are orthonormal for complex Gaussian u_j with E|u_j|^2 = s_j^2, and closed under

        u h_pq = s (sqrt(p+1) h_{p+1,q} + sqrt(q) h_{p,q-1}),    d/du h_pq = sqrt(p)/s h_{p-1,q},

    and the conjugates of both. Those with sum p = sum q span the polynomials that do not change when all angles turn
    together.

    Args:
        scales: s (N,), square roots of actions.
        degree: K, half of the highest degree.

    Source: Ito, Complex multiple Wiener integral, Japanese Journal of Mathematics 22 (1952).
    """

    scales: tuple[float, ...]
    degree: int

    @property
    def sites(self) -> int:
        """Number N of amplitudes."""
        return len(self.scales)

    @cached_property
    def states(self) -> NDArray[np.int64]:
        """The indices p_1, .., p_N, q_1, .., q_N of each polynomial (S, 2 N), by degrees; the first is 1."""
        every = np.indices((self.degree + 1,) * self.sites).reshape(self.sites, -1).T
        parts = []
        for total in range(self.degree + 1):
            some = every[every.sum(axis=1) == total]
            parts.append(np.concatenate([np.repeat(some, len(some), axis=0), np.tile(some, (len(some), 1))], axis=1))
        return np.concatenate(parts)

    @property
    def size(self) -> int:
        """Number S of polynomials."""
        return len(self.states)

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        keys = self._keys(self.states)
        order = np.argsort(keys)
        return order, keys[order]

    def _keys(self, states: np.ndarray) -> np.ndarray:
        return np.asarray((states + 2) @ (self.degree + 6) ** np.arange(2 * self.sites))

    def places(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the polynomials of these indices (M, 2 N), -1 for those of a higher degree."""
        order, keys = self._order
        asked = self._keys(states)
        found = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        return np.where((keys[found] == asked) & (states >= 0).all(axis=1), order[found], -1)

    @cached_property
    def turns(self) -> NDArray[np.int64]:
        """p_j - q_j (S, N): how a polynomial turns with the angle of each site."""
        return self.states[:, : self.sites] - self.states[:, self.sites :]

    def operator(self, *letters: Letter) -> sparse.csr_array:
        """The product of letters as a matrix (S, S), whose column n has the coefficients of letters h_n.

        Args:
            letters: the last one acts first; together they do not change sum p - sum q. What leaves the space within
                the product is kept, and cut off after it.
        """
        rows, columns, values = [], [], []
        terms = [(self.states, np.ones(self.size))]
        for kind, site in reversed(letters):
            terms = [term for states, values in terms for term in self._applied(kind, site, states, values)]
        for states, coefficients in terms:
            place = self.places(states)
            kept = np.flatnonzero((place >= 0) & (coefficients != 0))
            rows.append(place[kept])
            columns.append(kept)
            values.append(coefficients[kept])
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return sparse.csr_array(entries, shape=(self.size, self.size))

    def _applied(
        self, kind: str, site: int, states: np.ndarray, values: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """One letter on polynomials of some indices with coefficients: at most two terms."""
        first = site + self.sites * OF_Q[kind]
        second = site + self.sites * (1 - OF_Q[kind])
        scale, up, down = self.scales[site], states.copy(), states.copy()
        if kind in ("by_u", "by_conj"):
            down[:, first] -= 1
            return [(down, values * np.sqrt(np.maximum(states[:, first], 0)) / scale)]
        up[:, first] += 1
        down[:, second] -= 1
        return [
            (up, values * np.sqrt(np.maximum(states[:, first] + 1, 0)) * scale),
            (down, values * np.sqrt(np.maximum(states[:, second], 0)) * scale),
        ]
