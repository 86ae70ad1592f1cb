"""Nested dissection of a graph whose nodes have places: an order of elimination in which factors fill up little.

A part is cut in two by the nodes on one side of a plane that are joined to the other side, and each half likewise; so
periods and joins between nodes that are no neighbours are seen. Source: George, Nested dissection of a regular finite
element mesh, SIAM J. Numer. Anal. 10 (1973) 345.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

# nodes of a part that is not cut any more
SMALLEST = 64


def dissected_graph(places: np.ndarray, graph: scipy.sparse.csr_array, smallest: int = SMALLEST) -> list[np.ndarray]:
    """The nodes of all parts and separators in the order of elimination: a separator is behind what it separates.

    Args:
        places: of the nodes (n, d); nodes that are joined are near to one another, but for periods.
        graph: which nodes are joined (n, n), symmetric.
        smallest: number of nodes of a part that is not cut any more.
    """
    right_side = np.zeros(len(places), dtype=bool)
    result: list[np.ndarray] = []
    waiting = [np.arange(len(places))]
    while waiting:
        part = waiting.pop()
        cut = _cut(places, graph, part, right_side) if len(part) > smallest else None
        if cut is None:
            result.append(part)
            continue
        separator, left, right = cut
        result.append(separator)
        waiting += [left, right]
    # built from the last to the first
    return result[::-1]


def _cut(
    places: np.ndarray, graph: scipy.sparse.csr_array, part: np.ndarray, right_side: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """A separator of a part, and its two sides; None where no cut leaves two sides.

    Args:
        places: of all nodes.
        graph: of all nodes.
        part: the nodes to be cut.
        right_side: False for all nodes, as it is left.
    """
    along = places[part]
    axis = int(np.ptp(along, axis=0).argmax())
    beyond = along[:, axis] > (np.median(along[:, axis]) if np.ptp(along[:, axis]) > 0 else 0)
    if not beyond.any():
        beyond = along[:, axis] >= along[:, axis].max()
    left, right = part[~beyond], part[beyond]
    right_side[right] = True
    rows = graph[left]
    touches = np.add.reduceat(np.append(right_side[rows.indices], False), rows.indptr[:-1].clip(max=rows.nnz)) > 0
    touches &= np.diff(rows.indptr) > 0
    right_side[right] = False
    separator, left = left[touches], left[~touches]
    return (separator, left, right) if left.size and right.size else None
