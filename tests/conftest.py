"""What all tests share: no hang is endless, ranks stay together, a temporary folder that all ranks see."""

import faulthandler
import gc

import pytest

try:
    from mpi4py import MPI
except ImportError:  # particles alone, without FEniCSx
    MPI = None


@pytest.fixture(autouse=True)
def no_endless_hang():
    """A collective call that only some ranks make shows where it hangs, and ends."""
    faulthandler.dump_traceback_later(300, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    gc.collect()  # PETSc objects are destroyed collectively
    if MPI is not None:
        MPI.COMM_WORLD.barrier()


@pytest.fixture
def shared_folder(tmp_path):
    """The temporary folder of rank 0, on all ranks."""
    return tmp_path if MPI is None else MPI.COMM_WORLD.bcast(tmp_path)
