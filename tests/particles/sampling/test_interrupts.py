"""Ctrl-C on ranks that compute together: whenever it comes, all of them end."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from scaling_limits.particles import InvalidArgument, RankEnded
from scaling_limits.particles.sampling.interrupts import Looks, interrupts_heard, interrupts_kept
from scaling_limits.particles.sampling.ranks import ends_on_all_ranks, on_all_ranks
from scaling_limits.particles.sampling.workers import in_order_on_all_ranks, over_tiles

MPI = pytest.importorskip("mpi4py.MPI")
COMM = MPI.COMM_WORLD
RANK, LAST = COMM.rank, COMM.size - 1
several = pytest.mark.skipif(COMM.size == 1, reason="needs another rank")


@pytest.fixture(autouse=True)
def default_handler():
    """Whatever the shell does with Ctrl-C of processes in the background; and no test leaves another handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def interrupt():
    signal.raise_signal(signal.SIGINT)


def interrupt_last():
    if RANK == LAST:
        interrupt()


def kept_then_heard(done):
    with interrupts_kept():
        interrupt()
        done.append("kept")
        with interrupts_heard():
            done.append("not here")


def heard_at_once(done):
    with interrupts_kept(), interrupts_heard():
        done.append("heard")
        interrupt()
        done.append("not here")


def heard_by_nobody(done):
    with interrupts_kept():
        interrupt()
        done.append("kept")


def blocks_in_blocks(done):
    with interrupts_kept(), interrupts_heard():
        with interrupts_kept():
            interrupt()
            done.append("kept")
        done.append("not here")


@pytest.mark.parametrize(
    ("block", "steps"),
    [
        (kept_then_heard, ["kept"]),
        (heard_at_once, ["heard"]),
        (heard_by_nobody, ["kept"]),
        (blocks_in_blocks, ["kept"]),
    ],
)
def test_where_an_interrupt_is_raised(block, steps):
    done = []
    with pytest.raises(KeyboardInterrupt):
        block(done)
    assert done == steps


def test_a_handler_that_raises_nothing_is_called_once():
    calls = []
    before = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    with interrupts_kept():
        interrupt()
        assert not calls
        with interrupts_heard():
            assert calls == [signal.SIGINT]
            interrupt()
        interrupt()
    signal.signal(signal.SIGINT, before)
    assert calls == [signal.SIGINT] * 3


def test_a_thread_of_its_own_keeps_nothing():
    found = []

    def work():
        with interrupts_kept(), interrupts_heard():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


@several
@pytest.mark.parametrize("where", ["between", "at the end"])
def test_an_interrupt_between_two_collective_calls_ends_all(where):
    @ends_on_all_ranks
    def call(comm):
        on_all_ranks(comm, lambda: None)
        interrupt_last()
        # else the last rank would not come here, and the others would wait for it
        assert comm.allreduce(1) == comm.size
        if where == "between":
            on_all_ranks(comm, lambda: pytest.fail("heard before") if RANK == LAST else None)
            pytest.fail("raised before")

    with pytest.raises(KeyboardInterrupt if RANK == LAST else RankEnded):
        call(comm=COMM)
    assert COMM.allreduce(1) == COMM.size


@several
def test_an_interrupt_on_all_ranks():
    @ends_on_all_ranks
    def call(comm):
        interrupt()
        on_all_ranks(comm, lambda: None)

    with pytest.raises(KeyboardInterrupt):
        call(comm=COMM)
    assert COMM.allreduce(1) == COMM.size


def long_task(item, stop):
    """Of a minute on the other ranks; the last one has an error, or an interrupt, meanwhile."""
    if RANK < LAST:
        for _ in stop.slices(60_000, 1):
            time.sleep(0.001)
    return np.zeros(1)


@several
@pytest.mark.parametrize("way", ["in order", "tiles"])
def test_who_works_for_long_ends_soon_after_an_interrupt_of_another(way):
    """The last rank has done its part, and waits for the others when the interrupt comes."""
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    before = time.monotonic()

    @ends_on_all_ranks
    def call(comm):
        if RANK == LAST:
            timer.start()
        if way == "tiles":
            return over_tiles(long_task, comm.size, 1, False, comm, 1)
        return list(in_order_on_all_ranks(long_task, range(comm.size), 1, comm))

    with pytest.raises(KeyboardInterrupt if RANK == LAST else RankEnded):
        call(comm=COMM)
    assert time.monotonic() - before < 20  # of sixty seconds
    assert COMM.allreduce(1) == COMM.size


@several
def test_who_works_for_long_ends_soon_after_an_error_of_another():
    def task(item, stop):
        if RANK == LAST:
            raise InvalidArgument("drift", "is wrong on the last rank")
        return long_task(item, stop)

    before = time.monotonic()
    with pytest.raises(InvalidArgument, match="^drift: is wrong on the last rank"):
        over_tiles(task, COMM.size, 1, False, COMM, 1)
    assert time.monotonic() - before < 20


def test_looks_change_no_result():
    def work(looks):
        begun = time.monotonic()
        while time.monotonic() < begun + 1.2 * RANK:
            looks.look()
            time.sleep(0.01)
        return RANK

    if LAST:
        looks = Looks(COMM)
        for _ in range(2):
            assert on_all_ranks(COMM, lambda: work(looks), looks) == RANK


SAMPLERS = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
from mpi4py import MPI
from sympy import cos, pi
from scaling_limits.particles import EnsembleStatistics, Langevin, MultiscalePotential, PinnedBalls
comm, both = MPI.COMM_WORLD, sys.argv[1] == "both"
wells = MultiscalePotential(1, 1, 0.5, lambda x: (x[0] ** 2 - 1) ** 2, lambda x, y: 0.3 * cos(2 * pi * y[0]))
balls = PinnedBalls(n=400, mean=lambda x: 0.3 * np.sin(6 * x), std=lambda x: 1 + 0 * x)
def sample(kind, much):
    # of some minutes where there is much
    if kind == "balls":
        balls.sample([1e-2 * much], runs=20000 if much == 1 else 200, seed=1, workers=1, comm=comm)
        return
    statistics = EnsembleStatistics() if kind == "statistics" else None
    Langevin(wells, 0.1).sample([-1.0], [50.0 * much], paths=200000, seed=1, statistics=statistics, workers=1, comm=comm)
for kind in ("statistics", "paths", "balls"):
    sample(kind, 1e-6)  # compiled
    timer = threading.Timer(0.8, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        comm.barrier()
        if comm.rank == 0 or both:
            timer.start()
        sample(kind, 1)
        said = "finished"
    except BaseException as error:
        timer.cancel()
        said = type(error).__name__
    print(*(comm.gather(said) or []), flush=True)
"""


@pytest.mark.serial
@pytest.mark.parametrize("which", ["one", "both"])
def test_an_interrupt_ends_samplers_on_two_ranks(tmp_path, which):
    (tmp_path / "script.py").write_text(SAMPLERS)
    command = ["mpirun", "-n", "2", sys.executable, str(tmp_path / "script.py"), which]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    ends = done.stdout.split()
    assert len(ends) == 6, done.stdout
    # of two interrupts the first may end both
    assert ends == ["KeyboardInterrupt", "RankEnded"] * 3 or (
        which == "both" and set(ends) <= {"KeyboardInterrupt", "RankEnded"}
    )
