"""Values on the rank that owns them: any rank reads any of them by itself, and what is dropped is freed."""

import gc
import time

import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.spread_values import ExposedMemory, SpreadRows, Uniform, WholeValues

COMM = MPI.COMM_WORLD


@pytest.fixture
def grid():
    return Grid.of([(0, 1), (0, 2)], (37, 29), False, COMM)


def field(grid):
    return np.stack([np.arange(grid.size) * 1.0, np.arange(grid.size) ** 2.0])


def test_any_values(grid):
    rows = SpreadRows.of(grid, field(grid)[:, grid.own])
    numbers = np.random.default_rng(COMM.rank).integers(0, grid.size, 400)
    for k in (0, 1):
        np.testing.assert_array_equal(rows.row(k).take(numbers), field(grid)[k, numbers])
        np.testing.assert_array_equal(rows.row(k).whole(), field(grid)[k])
        np.testing.assert_array_equal(rows.row(k).own, field(grid)[k, grid.own])
    assert rows.row(0).take(np.zeros(0, dtype=np.int64)).shape == (0,)


def test_one_rank_alone(grid):
    """Others wait in a collective call, and need not know."""
    rows = SpreadRows.of(grid, field(grid)[:, grid.own])
    if COMM.rank == 0:
        numbers = np.array([grid.size - 1, 0, grid.size // 2, grid.size - 1])
        np.testing.assert_array_equal(rows.row(1).take(numbers), field(grid)[1, numbers])
    COMM.Barrier()


def test_what_is_dropped_is_freed(grid):
    # other tests' equations may have theirs still
    earlier = set(ExposedMemory.of(COMM).arrays) if COMM.size > 1 else set()
    kept = SpreadRows.of(grid, field(grid)[:, grid.own])
    for k in range(50):
        rows = SpreadRows.of(grid, np.full((1, len(grid.points)), float(k)))
        assert (rows.row(0).take(np.array([0, grid.size - 1])) == k).all()
    del rows
    gc.collect()
    last = SpreadRows.of(grid, np.zeros((1, len(grid.points))))
    if COMM.size > 1:
        assert len(set(ExposedMemory.of(COMM).arrays) - earlier) <= 4
    np.testing.assert_array_equal(kept.row(0).whole(), field(grid)[0])
    assert (last.row(0).whole() == 0).all()


def test_values_that_all_ranks_have():
    for values in (Uniform(2.5, 7), WholeValues(np.full(7, 2.5))):
        assert (values.take(np.array([0, 6])) == 2.5).all()
        assert (values.whole() == np.full(7, 2.5)).all()


def test_what_was_spread_stays(grid):
    """An array that outlives its spreading is not written into by later ones."""
    kept = SpreadRows.of(grid, np.zeros((1, len(grid.points)))).own
    gc.collect()
    others = [SpreadRows.of(grid, np.ones((1, len(grid.points)))) for _ in range(3)]
    assert (kept == 0).all()
    assert (others[-1].row(0).whole() == 1).all()


@pytest.mark.parametrize("alone", [True, False])
def test_both_ways_to_other_ranks(grid, monkeypatch, alone):
    """By the system, while the other ranks compute, and by MPI."""
    memory = ExposedMemory.of(COMM)
    monkeypatch.setattr(memory.neighbours, "processes", dict(memory.neighbours.processes) if alone else {})
    rows = SpreadRows.of(grid, field(grid)[:, grid.own])
    if alone and COMM.rank and memory.neighbours.processes:
        # no call of MPI
        time.sleep(1.0)
    started = time.perf_counter()
    if COMM.rank == 0:
        numbers = np.arange(grid.size)[::-1].copy()
        np.testing.assert_array_equal(rows.row(1).take(numbers), field(grid)[1, numbers])
        np.testing.assert_array_equal(rows.row(0).whole(), field(grid)[0])
        assert not alone or not memory.neighbours.processes or time.perf_counter() - started < 0.9
    COMM.Barrier()
