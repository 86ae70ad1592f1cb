"""Any executor gives the same dataset: threads, processes, mpi4py.futures, dask; with errors and warnings of its points."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from refusals import refused
from sweeps import awkward, fails, plain, samples, warns

from scaling_limits import sweep
from scaling_limits.particles import NotConverged, Unresolved

pytest.importorskip("xarray")
pytestmark = pytest.mark.serial
TOOLS = Path(__file__).parents[1] / "tools"


class Backwards(Executor):
    """The smallest executor there is: it computes when it is asked, and says so when three wait, the last one first."""

    def __init__(self):
        self.waiting = []

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        self.waiting.append((future, function, args, kwargs))
        threading.Timer(0.01, self.work).start()
        return future

    def work(self):
        while self.waiting:
            future, function, args, kwargs = self.waiting.pop()
            if future.set_running_or_notify_cancel():
                future.set_result(function(*args, **kwargs))


def processes():
    # threads of numba and of MPI do not survive a fork
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


@pytest.fixture(params=[Backwards, lambda: ThreadPoolExecutor(3), processes], ids=["backwards", "threads", "processes"])
def pool(request):
    executor = request.param()
    yield executor
    executor.shutdown()


@pytest.mark.filterwarnings("default")
def test_any_executor(pool, tmp_path):
    """Numbers to the last bit; warnings with their own points; errors with their own types; files that all can read."""
    over = {"scale": [1.0, 2.0], "seed": range(5)}
    assert sweep(samples, over, pool, tmp_path / "f").identical(sweep(samples, over))
    assert sweep(samples, over, path=tmp_path / "f").identical(sweep(samples, over))
    over = {"a": range(6), "late": [0.01, 0.0]}
    with pytest.warns(Unresolved) as caught:
        found = sweep(warns, over, pool)
    with pytest.warns(Unresolved) as expected:
        assert found.identical(sweep(warns, over))
    assert [str(one.message) for one in caught] == [str(one.message) for one in expected]
    with pytest.raises(NotConverged, match="too hard") as error:
        sweep(fails, {"a": [2]}, pool)
    assert error.value.__notes__[-1] == "This is the point a = 2 of a sweep"
    with pytest.warns(Unresolved, match="nearly"):
        kept = sweep(fails, {"a": [1, 2, 3]}, pool, errors="keep")
    with pytest.warns(Unresolved, match="nearly"):
        assert kept.identical(sweep(fails, {"a": [1, 2, 3]}, errors="keep"))


def test_what_processes_cannot_read():
    """An error that breaks a pool comes as a text; a function that cannot be sent is no failure of a point."""
    with processes() as pool:
        with pytest.raises(RuntimeError, match="Awkward: one two"):
            sweep(awkward, {"a": [1]}, pool)
        with pytest.raises(Exception, match="pickle|local") as caught:
            sweep(lambda a: a, {"a": [1]}, pool, errors="keep")
        assert "no lambda" in caught.value.__notes__[0]
        assert sweep(plain, {"a": [1.0]}, pool).total.item() == 11.0


def test_a_process_that_dies_is_told_from_a_function_that_cannot_be_sent():
    with processes() as pool:
        with pytest.raises(BrokenExecutor) as caught:
            sweep(os._exit, {"status": [3]}, pool)
        assert "has ended in the middle" in caught.value.__notes__[0]
        assert "pickled" not in caught.value.__notes__[0]


def test_threads_work_at_the_same_time():
    """Four points wait for one another, which one after the other they never could."""
    barrier = threading.Barrier(4, timeout=30)

    def meet(a):
        barrier.wait()
        return a

    with ThreadPoolExecutor(4) as pool:
        assert sweep(meet, {"a": range(8)}, pool).value.sum() == 28


def test_after_an_error_nothing_is_begun(tmp_path):
    begun, ended = [], []

    def point(a):
        begun.append(a)
        if a == 0:
            time.sleep(0.1)
            raise ValueError("first")
        time.sleep(0.3)
        ended.append(a)
        return a

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(ValueError, match="first"):
            sweep(point, {"a": range(50)}, pool, tmp_path / "f", version="1")
        # what was under way has ended and is kept
        assert set(begun) == {0, *ended}
        assert len(begun) < 5
    assert len(list((tmp_path / "f").glob("[!.]*.npz"))) == 1 + len(ended)


def test_an_executor_that_is_closed():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        sweep(plain, {"a": [1.0]}, pool)


POOL = """
from mpi4py.futures import MPIPoolExecutor
from mpi4py import MPI
from scaling_limits import sweep
from scaling_limits.particles import InvalidArgument
from sweeps import samples
over = {"scale": [1.0, 2.0], "seed": range(5)}
def ranks(a):
    return MPI.COMM_WORLD.rank
def within(a):
    return sweep(ranks, {"a": [a]}).value.values
if __name__ == "__main__":
    with MPIPoolExecutor() as pool:
        assert sweep(samples, over, pool).identical(sweep(samples, over, comm=MPI.COMM_SELF))
        print("by rank", *sweep(ranks, {"a": [1, 2]}, pool).value.values)
        for call in (lambda: sweep(samples, over), lambda: sweep(within, {"a": [1]}, pool)):
            try:
                call()
            except InvalidArgument as error:
                assert error.argument == "comm" and "give comm=MPI.COMM_SELF" in error.reason
            else:
                raise AssertionError("not refused")
"""
ON_RANKS = """
from mpi4py.futures import MPICommExecutor
from mpi4py import MPI
from scaling_limits import sweep
from sweeps import samples
over = {"scale": [1.0, 2.0], "seed": range(5)}
with MPICommExecutor(MPI.COMM_WORLD, root=0) as pool:
    if pool is not None:
        found = sweep(samples, over, pool)
together = sweep(samples, over)
if MPI.COMM_WORLD.rank == 0:
    assert found.identical(together)
    print("by rank 1 1")
"""


@pytest.mark.parametrize(("script", "how"), [(POOL, ["-m", "mpi4py.futures"]), (ON_RANKS, [])], ids=["pool", "ranks"])
def test_mpi4py_futures(tmp_path, script, how):
    (tmp_path / "script.py").write_text(script)
    command = ["mpirun", "-n", "2", sys.executable, *how, str(tmp_path / "script.py")]
    # mpi4py puts the folder of the script in the first place of the path, where safe paths have ours
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = os.pathsep.join((str(TOOLS), environment["PYTHONPATH"]))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "by rank 1 1", done.stderr


def test_dask():
    """Where it is installed: a client of worker processes on this machine, and its executor."""
    distributed = pytest.importorskip("distributed")
    over = {"scale": [1.0, 2.0], "seed": range(5)}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(sys.path.insert, 0, str(TOOLS))
        refused("executor", "client.get_executor()", lambda: sweep(samples, over, client))
        pool = client.get_executor()
        assert sweep(samples, over, pool).identical(sweep(samples, over))
        with pytest.raises(NotConverged, match="too hard"):
            sweep(fails, {"a": [2]}, pool)
        with pytest.warns(Unresolved, match=r"coarse 2 \(at a = 2\)"):
            assert sweep(warns, {"a": [1, 2]}, pool).warned.values.tolist() == ["", "Unresolved: coarse 2"]
