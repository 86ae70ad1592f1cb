"""The unknowns of continuous elements of degree p on a tensor mesh, and the rows of their matrices.

Unknowns are the values at Gauss-Lobatto points of all elements, in C order. Two of them are joined where they share an
element, that is where they do so along each direction by itself: the places of the entries of an element's matrix in
its row are made of those along each direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse

from scaling_limits.meshes.backend.quadrature import lobatto_points

from ..capacity.tensor_mesh import TensorMesh

if TYPE_CHECKING:
    from mpi4py import MPI


@dataclass(frozen=True, eq=False)
class UnknownsOfLine:
    """The unknowns along one direction.

    Args:
        elements: n.
        degree: p.
        wraps: whether the last element is joined to the first one.
    """

    elements: int
    degree: int
    wraps: bool

    @property
    def size(self) -> int:
        """How many there are."""
        return self.degree * self.elements + (not self.wraps)

    @cached_property
    def numbers(self) -> np.ndarray:
        """Those of each element (n, p + 1)."""
        first = self.degree * np.arange(self.elements)[:, None]
        return (first + np.arange(self.degree + 1)) % self.size

    @cached_property
    def joins(self) -> scipy.sparse.csr_array:
        """Which are joined (size, size), by positive entries."""
        rows = np.repeat(np.arange(self.elements), self.degree + 1)
        ones = np.ones(rows.size)
        incidence = scipy.sparse.csr_array((ones, (rows, self.numbers.ravel())), shape=(self.elements, self.size))
        result = scipy.sparse.csr_array(incidence.T @ incidence)
        result.sort_indices()
        return result

    @cached_property
    def lengths(self) -> np.ndarray:
        """How many each is joined to (size,)."""
        return np.diff(self.joins.indptr).astype(np.int64)

    @cached_property
    def places(self) -> np.ndarray:
        """The places in its row of each entry of the matrices of the elements (n, p + 1, p + 1)."""
        joins, rows = self.joins, self.numbers[:, :, None]
        keys = np.repeat(np.arange(self.size), self.lengths) * self.size + joins.indices
        found = np.searchsorted(keys, rows * self.size + self.numbers[:, None, :])
        return np.asarray(found - joins.indptr[rows].astype(np.int64))


@dataclass(frozen=True, eq=False)
class BoxUnknowns:
    """All unknowns; each rank owns a run of them, and knows the values of those of its elements (a `Layout`).

    Args:
        mesh: of the elements.
        degree: p.
    """

    mesh: TensorMesh
    degree: int

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""
        return self.mesh.comm

    @cached_property
    def lines(self) -> list[UnknownsOfLine]:
        """Those along each direction."""
        return [UnknownsOfLine(n, self.degree, wraps) for n, wraps in zip(self.mesh.shape, self.mesh.periodic)]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """How many there are along each direction."""
        return tuple(line.size for line in self.lines)

    @property
    def size(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape))

    @cached_property
    def ends(self) -> np.ndarray:
        """The first of each rank, and behind them their number (ranks + 1,)."""
        return np.arange(self.comm.size + 1) * self.size // self.comm.size

    @property
    def own(self) -> slice:
        """Those of this rank."""
        return slice(int(self.ends[self.comm.rank]), int(self.ends[self.comm.rank + 1]))

    @cached_property
    def of_elements(self) -> np.ndarray:
        """The numbers of the unknowns of the elements of this rank (E, (p + 1)^d), in C order."""
        return self.mesh.nodes(self.mesh.own, self.degree)

    @cached_property
    def others(self) -> np.ndarray:
        """The numbers of those of this rank's elements that other ranks own, in order."""
        numbers = np.unique(self.of_elements)
        return numbers[(numbers < self.own.start) | (numbers >= self.own.stop)]

    @cached_property
    def local(self) -> np.ndarray:
        """The places of `of_elements` in values on this rank, which are its own and behind them those of `others`."""
        numbers, (first, last) = self.of_elements, (self.own.start, self.own.stop)
        here = (numbers >= first) & (numbers < last)
        return np.where(here, numbers - first, last - first + np.searchsorted(self.others, numbers))

    @cached_property
    def known(self) -> np.ndarray:
        """The numbers of all whose values this rank has."""
        return np.concatenate([np.arange(self.own.start, self.own.stop), self.others])

    @cached_property
    def _asked(self) -> list[np.ndarray]:
        """The places of what each other rank asks this one for; collective."""
        parts = np.split(self.others, np.searchsorted(self.others, self.ends[1:-1]))
        return [numbers - self.own.start for numbers in self.comm.alltoall(parts)]

    def with_others(self, values: np.ndarray) -> np.ndarray:
        """Values (m, ...) of this rank's own unknowns, and behind them those of `others`; collective."""
        asked = self._asked
        return np.concatenate([values, *self.comm.alltoall([values[places] for places in asked])])

    def points(self, numbers: np.ndarray) -> np.ndarray:
        """Coordinates (P, d) of unknowns, given by their numbers (P,)."""
        index = np.unravel_index(numbers, self.shape)
        return np.stack([ticks[i] for ticks, i in zip(self.ticks, index)], axis=1)

    @cached_property
    def ticks(self) -> list[np.ndarray]:
        """The coordinates along each direction."""
        result = []
        for ends, line in zip(self.mesh.breaks, self.lines):
            inner = ends[:-1, None] + np.diff(ends)[:, None] * lobatto_points(self.degree)[:-1]
            result.append(np.append(inner.ravel(), ends[-1])[: line.size])
        return result

    @cached_property
    def parts(self) -> np.ndarray:
        """The number of the element that each unknown of this rank is in, along each direction (m, d); those between
        two elements are in the lower one.
        """
        index = np.unravel_index(np.arange(self.own.start, self.own.stop), self.shape)
        return np.stack([-(-i // self.degree) for i in index], axis=1)


class ElementRows:
    """The rows of several matrices that are sums of matrices of elements.

    Args:
        unknowns: of the elements.
        count: of matrices.
    """

    def __init__(self, unknowns: BoxUnknowns, count: int) -> None:
        self._unknowns = unknowns
        index = np.unravel_index(unknowns.known, unknowns.shape)
        lengths = np.prod([line.lengths[i] for line, i in zip(unknowns.lines, index)], axis=0)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._entries = np.zeros((count, self._starts[-1]))

    def add(self, elements: np.ndarray, matrices: Sequence[np.ndarray]) -> None:
        """Add the matrices (E, N, N), one for each sum, of elements, given by their numbers on this rank (E,)."""
        places = self._places(elements).ravel()
        for entries, own in zip(self._entries, matrices):
            np.add.at(entries, places, own.ravel())

    def _places(self, elements: np.ndarray) -> np.ndarray:
        """Where the entries of elements belong (E, N, N)."""
        unknowns = self._unknowns
        index = unknowns.mesh.index(unknowns.mesh.own[elements])
        result = np.zeros((len(elements), 1, 1), dtype=np.int64)
        for line, i in zip(unknowns.lines, index.T):
            lengths, places = line.lengths[line.numbers[i]], line.places[i]
            result = result[:, :, None, :, None] * lengths[:, None, :, None, None] + places[:, None, :, None, :]
            result = result.reshape(len(i), result.shape[1] * result.shape[2], -1)
        return result + self._starts[unknowns.local[elements]][:, :, None]

    def finished(self) -> list[scipy.sparse.csr_array]:
        """The rows of this rank (m, size) of each matrix, with what other ranks have of them; collective."""
        unknowns, comm = self._unknowns, self._unknowns.comm
        count = unknowns.own.stop - unknowns.own.start
        begins, last = self._starts[:count], self._starts[count]
        owners = count + np.concatenate([[0], np.searchsorted(unknowns.others, unknowns.ends[1:])])
        sent = [
            (unknowns.known[first:end], self._entries[:, self._starts[first] : self._starts[end]])
            for first, end in pairwise(owners)
        ]
        lengths = np.diff(self._starts)
        for numbers, entries in comm.alltoall(sent):
            rows = numbers - unknowns.own.start
            if not rows.size:
                continue
            within = np.concatenate([np.arange(n) for n in lengths[rows]])
            # a rank sends each entry once
            self._entries[:, np.repeat(begins[rows], lengths[rows]) + within] += entries
        pattern = self._pattern()
        shape = (count, unknowns.size)
        return [
            scipy.sparse.csr_array((entries[:last], pattern.indices, pattern.indptr), shape=shape)
            for entries in self._entries
        ]

    def _pattern(self) -> scipy.sparse.csr_array:
        """Which entries the rows of this rank have (m, size)."""
        unknowns = self._unknowns
        first, *rest = (line.joins for line in unknowns.lines)
        many, own = int(np.prod(unknowns.shape[1:])), unknowns.own
        low, high = own.start // many, -(-own.stop // many)
        rows = reduce(lambda one, other: scipy.sparse.kron(one, other, format="csr"), rest, first[low:high])
        return scipy.sparse.csr_array(rows)[own.start - low * many : own.stop - low * many]
