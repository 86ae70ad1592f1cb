"""What one process needs of MPI, without mpi4py: the same as of mpi4py's communicator of one rank."""

import os
import subprocess
import sys

import numpy as np
import pytest

from scaling_limits.particles.sampling import mpi, one_process
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks

pytestmark = pytest.mark.serial
MPI = pytest.importorskip("mpi4py.MPI")
ALONE = one_process.COMM_SELF
VALUES = (3.5, (2.0, 0), np.arange(4.0), {"a": np.ones((2, 2))}, None, "text")


def test_mpi4py_is_taken_where_it_is():
    assert mpi.MPI is MPI
    assert mpi.has_mpi()


@pytest.mark.parametrize("name", ["allreduce", "reduce", "bcast", "allgather", "gather", "scatter", "alltoall"])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_collective_calls_are_those_of_mpi4py(name, value):
    sent = [value] if name in ("scatter", "alltoall") else value
    ours, theirs = (getattr(comm, name)(sent) for comm in (ALONE, MPI.COMM_SELF))
    np.testing.assert_equal(ours, theirs)
    assert type(ours) is type(theirs)
    assert not isinstance(value, np.ndarray | dict) or ours is not value


@pytest.mark.parametrize("name", ["SUM", "MAX", "MIN", "PROD", "LAND", "LOR", "MINLOC", "MAXLOC"])
def test_operations(name):
    value = (1.5, 0) if name.endswith("LOC") else True if name.startswith("L") else 1.5
    ours, theirs = (one.COMM_SELF.allreduce(value, getattr(one, name)) for one in (one_process, MPI))
    assert ours == theirs


def test_arrays_in_place_and_not():
    for one in (one_process, MPI):
        receive = np.arange(3.0)
        one.COMM_WORLD.Allreduce(one.IN_PLACE, receive, one.MAX)
        assert np.array_equal(receive, np.arange(3.0))
        one.COMM_SELF.Allreduce(np.full(3, 7.0), receive, one.SUM)
        assert np.array_equal(receive, np.full(3, 7.0))
        one.COMM_SELF.Barrier()


def test_files_are_written_alike(tmp_path):
    written = []
    for number, one in enumerate((one_process, MPI)):
        path = tmp_path / str(number)
        path.write_bytes(bytes(40))
        file = one.File.Open(one.COMM_SELF, os.fspath(path), one.MODE_RDWR)
        file.Write_at(4, np.arange(3, dtype=np.uint8))
        file.Write_at_all(36, np.array([1.0, 2.0]).view(np.uint8))
        file.Close()
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) == 52


def test_it_serves_as_a_communicator():
    assert communicator(ALONE) is ALONE
    assert on_all_ranks(ALONE, lambda: 3) == 3
    same_on_all_ranks(ALONE, a=1.0)
    with pytest.raises(ValueError, match="rank 1 is not there"):
        ALONE.bcast(1, root=1)


@pytest.mark.parametrize(("rank", "size", "said"), [("0", "2", True), ("1", "2", False), ("0", "1", False)])
def test_several_processes_without_mpi4py_are_told(rank, size, said):
    code = "import sys; sys.modules['mpi4py'] = None\nfrom scaling_limits.particles.sampling.mpi import MPI, has_mpi\n"
    started = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_COMM", "PMI_", "PMIX_"))}
    started |= {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": size}
    command = [sys.executable, "-c", code + "print(MPI.COMM_WORLD.size, has_mpi())"]
    done = subprocess.run(command, env=started, capture_output=True, text=True)
    assert done.stdout == "1 False\n", done.stderr
    assert ("each computes everything by itself" in done.stderr) is said
