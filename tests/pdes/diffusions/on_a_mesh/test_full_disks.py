"""Files of ParaView where a disk is full: an error, the old file as it was, and a process that goes on."""

import resource
import signal

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from refusals import refused

from meshes import square
from scaling_limits.meshes.files.writers import available
from scaling_limits.pdes import FokkerPlanck

PLAIN = Given(lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy(), lambda x: (x**2).sum(axis=1), 1.0)
SUFFIXES = [suffix for suffix, here in available().items() if here]
pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def run():
    fp = FokkerPlanck(PLAIN, mesh=square(24, comm=MPI.COMM_SELF), rtol=1e-3)
    return fp.evolve(lambda x: np.exp(-4 * (x**2).sum(axis=1)), [0.01, 0.02, 0.1])


@pytest.fixture
def full():
    """No file may have more than 4 KiB."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def content(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_new_files(run, tmp_path, full, suffix):
    for _ in range(2):
        with pytest.raises(OSError, match="needed|disk full"):
            run.write(tmp_path / f"run{suffix}")
    assert not (tmp_path / f"run{suffix}").exists()


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".pvd"])
def test_old_files_stay(run, tmp_path, suffix, request):
    run.write(tmp_path / f"run{suffix}")
    before = content(tmp_path)
    request.getfixturevalue("full")
    with pytest.raises(OSError, match="bytes are needed"):
        run.write(tmp_path / f"run{suffix}")
    assert content(tmp_path) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_are_replaced(run, tmp_path, suffix):
    """Also one that is not of this kind."""
    (tmp_path / f"run{suffix}").write_text("something else")
    run.write(tmp_path / f"run{suffix}")
    run.write(tmp_path / f"run{suffix}")
    assert len(content(tmp_path)) > 0


def test_long_names(run, tmp_path):
    refused("path", "too long", lambda: run.write(tmp_path / ("a" * 300 + ".pvd")))
    refused("path", "too long", lambda: run.save(tmp_path / ("a" * 300 + ".npz")))
