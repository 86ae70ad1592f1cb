"""Nested dissection: an order of elimination in which the factors of the matrix of a grid fill up little.

A part of the grid is cut in two by a separator, and each half likewise; halves are eliminated before their separator.
Source: George, Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10 (1973) 345.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse

from scaling_limits.meshes.linear_algebra.dissection import dissected_graph

# nodes of a part that is not cut any more: dense elimination of so few is faster than more fronts
SMALLEST = 120


@dataclass(frozen=True, eq=False)
class Fronts:
    """The parts and separators in the order of their elimination, and what each is joined to.

    Args:
        order: the old number of each node in the new order (n,).
        first: the first node of each front, and behind them n (F + 1,).
        rows: for each front the later nodes to which its elimination joins it, in order; one after the other.
        row_first: where those of each front begin (F + 1,).
        children: the fronts that are added to each front, one after the other.
        child_first: where those of each front begin (F + 1,).
    """

    order: np.ndarray
    first: np.ndarray
    rows: np.ndarray
    row_first: np.ndarray
    children: np.ndarray
    child_first: np.ndarray


def fronts(places: np.ndarray, graph: scipy.sparse.csr_array) -> Fronts:
    """Dissect a graph whose nodes have places.

    Args:
        places: of the nodes (n, d); nodes that are joined are near to one another, but for periods.
        graph: which nodes are joined (n, n), symmetric.
    """
    parts = dissected_graph(places, graph, SMALLEST)
    order = np.concatenate([part for part in parts if part.size])
    sizes = np.array([part.size for part in parts if part.size])
    first = np.concatenate([[0], np.cumsum(sizes)])
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    front = np.repeat(np.arange(len(sizes)), sizes)
    waiting: list[list[np.ndarray]] = [[] for _ in sizes]
    rows: list[np.ndarray] = []
    children: list[list[int]] = [[] for _ in sizes]
    for k, (start, end) in enumerate(pairwise(first)):
        joined = number[_neighbours(graph, order[start:end])]
        own = np.unique(np.concatenate([joined, *waiting[k]]))
        own = own[own >= end]
        waiting[k] = []
        rows.append(own)
        if own.size:
            children[front[own[0]]].append(k)
            waiting[front[own[0]]].append(own)
    row_first = np.concatenate([[0], np.cumsum([len(own) for own in rows])])
    child_first = np.concatenate([[0], np.cumsum([len(own) for own in children])])
    child = np.array([k for own in children for k in own], dtype=np.int64)
    return Fronts(order, first, np.concatenate(rows).astype(np.int64), row_first, child, child_first)


def _neighbours(graph: scipy.sparse.csr_array, nodes: np.ndarray) -> np.ndarray:
    return np.unique(graph[nodes].indices)
