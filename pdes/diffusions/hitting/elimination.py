"""Elimination without subtraction: mean times and probabilities of a Markov chain, each to full relative accuracy.

A chain in detailed balance with the weights m jumps from x to y at the rate k_xy = a_xy sqrt(m_y/m_x), a_xy = a_yx >=
0, and is killed at the rate g_x. What is asked for solves

    (g_x + sum_y k_xy) f_x - sum_y k_xy f_y = b_x.

Elimination of a node z joins its neighbours, a_xy += a_xz a_zy/s_z, and hands on what it has, with s_z = g_z + sum_y
k_zy taken anew as a sum: no difference is ever formed, so that where b >= 0 every f_x has the relative error of a few
thousand roundings, however rare the events are. Elimination by the diagonal of the matrix loses all digits once the
slowest rate is 1e-16 of the fastest. Source: Grassmann, Taksar and Heyman, Regenerative analysis and steady state
distributions for Markov chains, Oper. Res. 33 (1985) 1107; O'Cinneide, Entrywise perturbation theory and error
analysis for Markov chains, Numer. Math. 65 (1993) 109. Fronts are dense (multifrontal elimination: Duff and Reid, ACM
TOMS 9 (1983) 302).
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse

from .dissection import fronts

# nodes of a front that are eliminated one by one before the rest of it is updated at once
BLOCK = 32


class EliminatedChain:
    """A chain, eliminated: solves for any b.

    Args:
        places: of the nodes (n, d).
        joins: a (n, n), symmetric, without a diagonal.
        root: sqrt(m) (n,) > 0.
        killing: g (n,) >= 0, in units of rate.
    """

    def __init__(
        self, places: np.ndarray, joins: scipy.sparse.csr_array, root: np.ndarray, killing: np.ndarray
    ) -> None:
        self._fronts = fronts(places, joins)
        order = self._fronts.order
        self._order, self._root = order, root[order]
        number = np.empty(len(order), dtype=np.int64)
        number[order] = np.arange(len(order))
        ordered = scipy.sparse.triu(joins[order][:, order], 1, format="csr")
        self._first, self._rows, self._row_first = self._fronts.first, self._fronts.rows, self._fronts.row_first
        widths = np.diff(self._first)
        heights = widths + np.diff(self._row_first)
        self._panel_first = np.concatenate([[0], np.cumsum(widths * heights)])
        self._panels = np.empty(self._panel_first[-1])
        self._sums = _eliminate(
            self._first, self._rows, self._row_first, self._fronts.children,
            self._fronts.child_first, self._panel_first, self._panels,
            ordered.indptr.astype(np.int64), ordered.indices.astype(np.int64), ordered.data,
            self._root, killing[order] * self._root,
        )  # fmt: skip

    @property
    def stuck(self) -> np.ndarray:
        """Whether a node is in a part of the chain that is never left, so that f is infinite there (n,)."""
        result = np.zeros(len(self._order), dtype=bool)
        result[self._order] = ~(self._sums > 0)
        return result

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return f (n, k) for b (n, k); infinite or NaN where a part of the chain is never left."""
        values = right_hand_side[self._order] * self._root[:, None]
        _substitute(self._first, self._rows, self._row_first, self._panel_first, self._panels, self._sums, values)
        result = np.empty_like(values)
        result[self._order] = values / self._root[:, None]
        return result


@numba.njit(cache=True)
def _eliminate(  # type: ignore[no-untyped-def]
    first, rows, row_first, child, child_first, panel_first, panels, start, column, value, root, killing
):
    """Fill the panels, and return the sums s (n,); killing is g sqrt(m)."""
    count, n = len(first) - 1, first[-1]
    sums, where = np.zeros(n), np.zeros(n, np.int64)
    # what each front leaves for the one that it is added to
    left: list[np.ndarray] = [np.zeros((0, 0)) for _ in range(count)]
    for k in range(count):
        begin, width = first[k], first[k + 1] - first[k]
        nodes = np.concatenate((np.arange(begin, begin + width), rows[row_first[k] : row_first[k + 1]]))
        for i in range(len(nodes)):
            where[nodes[i]] = i
        front = np.zeros((len(nodes), len(nodes)))
        for i in range(width):
            for e in range(start[begin + i], start[begin + i + 1]):
                j = where[column[e]]
                front[i, j] += value[e]
                front[j, i] += value[e]
        for c in child[child_first[k] : child_first[k + 1]]:
            _add(front, left[c], where[rows[row_first[c] : row_first[c + 1]]])
            left[c] = np.zeros((0, 0))
        _eliminate_front(front, width, nodes, root, killing, sums)
        panels[panel_first[k] : panel_first[k + 1]] = front[:width].copy().reshape(-1)
        left[k] = front[width:, width:].copy()
    return sums


@numba.njit(cache=True)
def _add(front, part, places):  # type: ignore[no-untyped-def]
    """Add what a front has left at its places in another one."""
    for i in range(len(places)):
        for j in range(len(places)):
            front[places[i], places[j]] += part[i, j]


@numba.njit(cache=True)
def _eliminate_front(front, width, nodes, root, killing, sums):  # type: ignore[no-untyped-def]
    """Eliminate the first `width` nodes of a dense front."""
    size = len(nodes)
    for low in range(0, width, BLOCK):
        high = min(low + BLOCK, width)
        for k in range(low, high):
            z = nodes[k]
            total = killing[z]
            for j in range(k + 1, size):
                total += front[k, j] * root[nodes[j]]
            total /= root[z]
            sums[z] = total
            if total > 0:
                for j in range(k + 1, size):
                    killing[nodes[j]] += front[k, j] / total * killing[z]
                for i in range(k + 1, high):
                    factor = front[k, i] / total
                    if factor > 0:
                        for j in range(k + 1, size):
                            front[i, j] += factor * front[k, j]
        if high < size:
            panel = front[low:high, high:].copy()
            scaled = panel.copy()
            for k in range(low, high):
                total = sums[nodes[k]]
                scaled[k - low] *= 1.0 / total if total > 0 else 0.0
            front[high:, high:] += np.dot(scaled.T, panel)


@numba.njit(cache=True)
def _substitute(first, rows, row_first, panel_first, panels, sums, values):  # type: ignore[no-untyped-def]
    """Turn b sqrt(m) (n, k) into f sqrt(m), in place."""
    count, many = len(first) - 1, values.shape[1]
    for f in range(count):
        begin, width = first[f], first[f + 1] - first[f]
        own = rows[row_first[f] : row_first[f + 1]]
        size = width + len(own)
        at = panel_first[f]
        for k in range(width):
            total = sums[begin + k]
            for c in range(many):
                share = values[begin + k, c] / total
                values[begin + k, c] = share
                for j in range(k + 1, width):
                    values[begin + j, c] += panels[at + k * size + j] * share
                for j in range(len(own)):
                    values[own[j], c] += panels[at + k * size + width + j] * share
    for f in range(count - 1, -1, -1):
        begin, width = first[f], first[f + 1] - first[f]
        own = rows[row_first[f] : row_first[f + 1]]
        size = width + len(own)
        at = panel_first[f]
        for k in range(width - 1, -1, -1):
            for c in range(many):
                gain = 0.0
                for j in range(k + 1, width):
                    gain += panels[at + k * size + j] * values[begin + j, c]
                for j in range(len(own)):
                    gain += panels[at + k * size + width + j] * values[own[j], c]
                values[begin + k, c] += gain / sums[begin + k]
