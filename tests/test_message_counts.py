"""Messages and bytes, counted before MPI by tests/benchmarks/growth/counts.c: the counts, and what must not go to all."""

import shutil
import sys
from pathlib import Path

import pytest

GROWTH = Path(__file__).parent / "benchmarks" / "growth"
sys.path.append(str(GROWTH))
import cluster  # noqa: E402
from counting import counts, library, run  # noqa: E402

needed = all(map(shutil.which, ("mpicc", "mpirun"))) and sys.platform == "linux"
pytestmark = [pytest.mark.serial, pytest.mark.skipif(not needed, reason="counting needs mpicc and mpirun")]
KNOWN = """
import ctypes
import numpy as np
from mpi4py import MPI
comm, part = MPI.COMM_WORLD, ctypes.CDLL(None).counts_part
part(1)
comm.Allgather(np.zeros(5), np.zeros((comm.size, 5)))
comm.Bcast(np.zeros(7), 0)
part(2)
if comm.rank == 0:
    comm.Send(np.zeros(11), 1)
if comm.rank == 1:
    comm.Recv(np.zeros(11), 0)
request = comm.Send_init(np.zeros(3), MPI.PROC_NULL if comm.rank else 2)
other = comm.Recv_init(np.zeros(3), MPI.PROC_NULL if comm.rank != 2 else 0)
for _ in range(4):
    MPI.Prequest.Startall([request, other])
    MPI.Request.Waitall([request, other])
part(0)
"""
SLOW = """
import ctypes, sys
sys.path.append(sys.argv[1])
import numpy as np
from density_cases import box
from mpi4py import MPI
from scaling_limits.pdes.diffusions.hitting.killed_chain import KilledChain
from scaling_limits.pdes.diffusions.slow_modes import _ritz
part, comm = ctypes.CDLL(None).counts_part, MPI.COMM_WORLD
for number, edge in enumerate((40, 80), 1):
    equation = box(edge, 2, comm=comm, petsc_options={"pc_type": "jacobi"})
    chain = KilledChain.of(equation.generator, ())
    vectors = np.random.default_rng(comm.rank).normal(size=(len(equation.grid.index), 8))
    matrix = equation.generator.matrix()
    left, right = matrix.createVecs()
    matrix.mult(left, right)
    part(number)
    _ritz(chain, vectors / np.sqrt(comm.allreduce((vectors**2).sum(axis=0))), None)
    part(2 + number)
    matrix.mult(left, right)
    part(0)
"""

SET_UP = """
import ctypes, sys
import numpy as np
from mpi4py import MPI
from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.diffusions.hitting.jumps import jump
from scaling_limits.pdes.diffusions.hitting.killed_chain import KilledChain
from scaling_limits.pdes.diffusions.hitting.target_sets import TargetSet
from scaling_limits.pdes.diffusions.hitting.refined_resolvents import EdgeDifferences
part, comm = ctypes.CDLL(None).counts_part, MPI.COMM_WORLD
disc = TargetSet("target", lambda x: (x**2).sum(axis=1) < 1.0, 0.0)
for number, edge in enumerate((40, 80), 1):
    equation = FokkerPlanck.of(
        mobility=lambda x: np.broadcast_to([[0.85, 0.355], [0.355, 0.16]], (len(x), 2, 2)), free_energy=lambda x: (x**2).sum(axis=1),
        temperature=0.5, box=[(-3, 3)] * 2, cells=(edge, edge), comm=comm,
    )
    part(number)
    generator = equation.generator
    assert generator.edges.widest > 1
    part(10 + number)
    generator.turning
    part(20 + number)
    jump(generator)
    part(30 + number)
    differences = EdgeDifferences.of(KilledChain.of(generator, ()))
    differences.applied(generator.root)
    part(0)
    chain = KilledChain.of(generator, (disc,))
    part(40 + number)
    chain.heads
    chain.at_nodes(chain.out, chain.back)
    part(0)
"""
AGREED = """
import ctypes, sys
from scaling_limits.particles.errors import InvalidArgument
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from mpi4py import MPI
part, comm = ctypes.CDLL(None).counts_part, MPI.COMM_WORLD
part(1)
on_all_ranks(comm, lambda: None)
part(2)
same_on_all_ranks(comm, seed=3, name="a" * 10_000)
part(3)
try:
    same_on_all_ranks(comm, seed=comm.rank)
except InvalidArgument:
    on_all_ranks(comm, lambda: None)
part(0)
"""


def counted(text, ranks, folder):
    script = folder / "script.py"
    script.write_text(text)
    run([str(script), str(GROWTH)], ranks, folder, library(folder))
    return counts(folder, ranks)


def total(rows, part, what="given"):
    return sum(row[what] for row in rows if row["part"] == part)


def test_known_messages(tmp_path):
    found = [
        {(row["part"], row["kind"]): (row["calls"], row["messages"], row["given"], row["got"]) for row in rows}
        for rows in counted(KNOWN, 3, tmp_path)
    ]
    for rank, rows in enumerate(found):
        assert rows[1, "Allgather"] == (1, 0, 40, 120)
        assert rows[1, "Bcast"] == ((1, 0, 56, 0) if rank == 0 else (1, 0, 0, 56))
        assert rows.get((2, "Send")) == ((1, 1, 88, 0) if rank == 0 else None)
        assert rows.get((2, "Start")) == ((4, 4, 96, 0) if rank == 0 else None)


def test_slow_modes_and_products_send_halos(tmp_path):
    found = counted(SLOW, 4, tmp_path)
    for rows in found:
        small, large = (total(rows, part) + total(rows, part, "got") for part in (1, 2))
        # all nodes, eight modes, would be four times as many
        assert large < 2.2 * small
        assert large < 8 * 8 * 81**2
    for part, edge in ((3, 40), (4, 80)):
        model = cluster.halo_of_all(edge + 1, 2, 4)
        assert 0.8 * model <= sum(total(rows, part) for rows in found) <= 1.2 * model


def test_agreement_takes_one_sum_of_a_few_bytes(tmp_path):
    """Nothing from all ranks on all, unless something differs."""
    for rows in counted(AGREED, 3, tmp_path):
        for part, most in ((1, 8), (2, 64)):
            own = {row["kind"]: row["calls"] for row in rows if row["part"] == part}
            assert own == {"Allreduce": 1}
            assert total(rows, part) == most
        assert "Allgather" in {row["kind"][:9] for row in rows if row["part"] == 3}


def test_set_up_of_a_density_sends_halos(tmp_path):
    """Set-up, where M turns, where it jumps, products by differences, sums at nodes: four times the nodes, twice the bytes."""
    for rows in counted(SET_UP, 4, tmp_path):
        for begin in (0, 10, 20, 30, 40):
            small, large = (total(rows, begin + k) + total(rows, begin + k, "got") for k in (1, 2))
            assert 0 < large < 2.2 * small
