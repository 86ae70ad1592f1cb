"""What a cluster would give: a model of latency, bandwidth and work, whose bytes are compared with what was counted.

A product with the matrix of a grid with N^d nodes on R ranks takes
    T(R) = 2 z N^d / (R F) + m (alpha + H(R)/m beta),        m the neighbours, H the bytes of the halo,
a sum over all ranks ceil(log2 R) alpha, and an iteration of conjugate gradients a product, two sums and 10 N^d/(R F) more.
Source: Hockney (1994), The communication challenge for MPP; Thakur, Rabenseifner, Gropp (2005) for collectives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Machine:
    """Assumed, not measured.

    Args:
        latency: alpha, seconds for a message.
        bandwidth: bytes a second of a rank to another.
        speed: F, operations a second of a rank with sparse matrices, which memory bounds.
    """

    latency: float = 2e-6
    bandwidth: float = 1e9
    speed: float = 1e9


def halo(nodes: int, dim: int, ranks: int, slabs: bool) -> tuple[float, float]:
    """Neighbours and bytes sent by an inner rank for one product: of slabs along the first axis, or of cubes."""
    if ranks == 1:
        return 0.0, 0.0
    if slabs:
        return 2.0, 2 * 8.0 * nodes ** (dim - 1)
    edge = nodes / ranks ** (1 / dim)
    return 2.0 * dim, 2 * dim * 8.0 * edge ** (dim - 1)


def halo_of_all(nodes: int, dim: int, ranks: int) -> float:
    """Bytes that all ranks send for a product, in slabs: both ways across each of the R - 1 cuts.

    Nodes are cut in C order anywhere within a row of the last axes, and the stencil of a full tensor reaches one node
    further than a row: N^(d-1) + N^(d-2) + ... nodes on a side.
    """
    return (ranks - 1) * 2 * 8.0 * sum(nodes**k for k in range(dim))


def iteration(machine: Machine, nodes: int, dim: int, ranks: np.ndarray, slabs: bool) -> np.ndarray:
    """Seconds of an iteration of conjugate gradients for each number of ranks."""
    z = {2: 7, 3: 13}[dim]
    times = []
    for count in ranks:
        neighbours, sent = halo(nodes, dim, int(count), slabs)
        work = (2 * z + 10) * nodes**dim / (count * machine.speed)
        sums = 2 * math.ceil(math.log2(count)) * machine.latency if count > 1 else 0.0
        times.append(work + sums + neighbours * machine.latency + sent / machine.bandwidth)
    return np.array(times)


def speedup(machine: Machine, nodes: int, dim: int, ranks: np.ndarray, slabs: bool) -> np.ndarray:
    """T(1)/T(R)."""
    return iteration(machine, nodes, dim, np.array([1]), slabs)[0] / iteration(machine, nodes, dim, ranks, slabs)


def of_points(machine: Machine, count: int, seconds: float, size: float, ranks: np.ndarray) -> np.ndarray:
    """Speedup of work at points that are independent, whose results, of a size in bytes, all go to all ranks."""
    one = count * seconds
    return one / (one / ranks + np.ceil(np.log2(ranks)) * machine.latency + count * size / machine.bandwidth)
