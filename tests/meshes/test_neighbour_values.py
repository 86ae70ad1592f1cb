"""Values that ranks ask of one another, against the field that all of them know."""

import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.neighbour_values import NearValues, NeighbourValues

COMM = MPI.COMM_WORLD


def test_values_are_those_of_the_whole_field():
    grid = Grid.of([(0, 1), (0, 2)], (7, 5), (False, True), COMM)
    everywhere = np.random.default_rng(1).normal(size=(grid.size, 2))
    numbers = np.random.default_rng(2 + COMM.rank).integers(0, grid.size, 40)
    found = NeighbourValues.of(COMM, grid.ends, numbers).at(everywhere[grid.own])
    assert np.array_equal(found, everywhere[numbers])


def test_none_own_ones_and_all_of_others():
    grid = Grid.of([(0, 1)], 10, False, COMM)
    everywhere = np.arange(grid.size, dtype=float)
    own = np.arange(grid.size)[grid.own]
    for numbers in (own[:0], own, np.setdiff1d(np.arange(grid.size), own)[::-1]):
        found = NeighbourValues.of(COMM, grid.ends, numbers).at(everywhere[grid.own])
        assert np.array_equal(found, numbers)


def test_what_is_added_arrives_once():
    """As one sum over all ranks does it."""
    grid = Grid.of([(0, 1), (0, 2)], (7, 5), (False, True), COMM)
    rng = np.random.default_rng(5 + COMM.rank)
    numbers, values = rng.integers(0, grid.size, 60), rng.integers(-9, 9, 60).astype(float)
    expected = COMM.allreduce(np.bincount(numbers, values, grid.size))[grid.own]
    found = NeighbourValues.of(COMM, grid.ends, numbers).added(values, len(grid.points))
    assert np.array_equal(found, expected)
    # the last rank has nothing to add
    few = numbers[:0] if COMM.rank == COMM.size - 1 else numbers
    found = NeighbourValues.of(COMM, grid.ends, few).added(np.ones(len(few)), len(grid.points))
    assert np.array_equal(found, COMM.allreduce(np.bincount(few, minlength=grid.size))[grid.own])


def test_near_values_are_those_of_the_whole_field():
    grid = Grid.of([(0, 1), (0, 2)], (7, 5), (False, True), COMM)
    for shape in ((), (2, 2)):
        everywhere = np.random.default_rng(1).normal(size=(grid.size, *shape))
        asked = np.random.default_rng(2 + COMM.rank).integers(0, grid.size, (3, 20))
        near = NearValues.of(COMM, grid.ends, everywhere[grid.own], asked)
        numbers = np.concatenate([np.arange(grid.size)[grid.own], asked.ravel()[::-1]])
        assert np.array_equal(near.take(numbers), everywhere[numbers])
        assert len(near.numbers) == len(np.setdiff1d(asked, np.arange(grid.size)[grid.own]))
