"""The slowest modes of a chain: on several ranks, which know one another's nodes at the cuts only, as on one."""

import numpy as np
from mpi4py import MPI

from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.diffusions.hitting.killed_chain import KilledChain
from scaling_limits.pdes.diffusions.slow_modes import slowest_modes


def rates(comm):
    equation = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: 1.5 * np.cos(2 * x).sum(axis=1), temperature=0.2,
        box=[(-3, 3), (0, np.pi)], cells=(40, 12), periodic=(False, True), comm=comm,
    )  # fmt: skip
    generator = equation.generator
    found = slowest_modes(KilledChain.of(generator, ()), equation.matrix(generator.rows(
        generator.edges.tail, generator.edges.head, *generator.rates())), 5)  # fmt: skip
    return found.rates


def test_ranks_find_the_same_rates():
    alone = rates(MPI.COMM_SELF)
    assert alone[0] == 0.0
    assert alone[1] > 0.0
    assert np.allclose(rates(MPI.COMM_WORLD), alone, rtol=1e-8, atol=0.0)
