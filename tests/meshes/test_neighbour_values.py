"""Values that ranks ask of one another, against the field that all of them know."""

import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.neighbour_values import NeighbourValues

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
