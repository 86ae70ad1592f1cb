"""Threads that share tasks, and errors that reach all ranks."""

import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from scaling_limits.particles import InvalidArgument, LongRun, RankEnded
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.sampling.workers import Stopped, in_order, warn_if_long

try:
    from mpi4py import MPI

    COMM = MPI.COMM_WORLD
except ImportError:
    COMM = None

RANK = 0 if COMM is None else COMM.rank
LAST = 0 if COMM is None else COMM.size - 1


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    def make(item, stop):
        time.sleep(0.01 * (item % 3))
        return item**2

    assert list(in_order(make, range(10), workers)) == [i**2 for i in range(10)]


@pytest.mark.serial
def test_an_error_stops_the_other_tasks_and_begins_no_new_one():
    begun, ended = [], []

    def make(item, stop):
        begun.append(item)
        if item == 0:
            time.sleep(0.05)
            raise ZeroDivisionError("task 0")
        try:
            for _ in stop.slices(10_000, 1):
                time.sleep(0.001)
        except Stopped:
            ended.append(item)
            raise

    before = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="task 0"):
        list(in_order(make, range(100), 3))
    assert time.monotonic() - before < 5  # 98 tasks of ten seconds each were left
    assert sorted(begun)[:1] == [0]
    assert len(begun) <= 4
    assert ended
    assert set(ended) == set(begun) - {0}


@pytest.mark.serial
def test_who_takes_no_more_results_stops_the_tasks():
    def make(item, stop):
        for _ in stop.slices(10_000 if item else 1, 1):
            time.sleep(0.001)
        return item

    before, threads = time.monotonic(), threading.active_count()
    with closing(in_order(make, range(8), 2)) as results:
        assert next(results) == 0
    assert time.monotonic() - before < 5
    assert threading.active_count() == threads


def test_slices_make_up_the_whole():
    from scaling_limits.particles.sampling.workers import Stop

    stop = Stop()
    assert list(stop.slices(10, 4)) == [(0, 4), (4, 4), (8, 2)]
    assert list(stop.slices(0, 4)) == []
    stop.set()
    with pytest.raises(Stopped):
        next(stop.slices(10, 4))


FIRST_CALLS = """
import time
from numba.core.dispatcher import _DispatcherBase
found = _DispatcherBase.typeof_pyval
def slowly(dispatcher, value):
    time.sleep(0.02)
    return found(dispatcher, value)
_DispatcherBase.typeof_pyval = slowly
from scaling_limits.particles import Langevin, PinnedBalls, fully_coupled
model = Langevin(fully_coupled(0.5), 0.3)
model.sample([0.0, 0.0], [0.001], 3000, 1, 1e-4, workers=3)
model.first_passages([0.0, 0.0], lambda x: x[:, 0] > 1, 3000, 1, limit=0.001, workers=3)
PinnedBalls(n=64, mean=lambda x: x, std=lambda x: 1 + x).sample([0.0, 0.001], runs=40, seed=1, lags=2, workers=3)
"""


@pytest.mark.serial
def test_threads_do_not_call_compiled_functions_for_the_first_time_together():
    """Numba ends the process where two threads find the type of an argument new; here finding it takes long."""
    done = subprocess.run([sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_the_other_tasks_begin_when_the_first_one_has_done_a_piece(looks):
    pieces = []

    def make(item, stop):
        if item:
            return len(pieces)
        for k in range(looks):
            stop.check()
            time.sleep(0.02)
            pieces.append(k)
        return None

    assert min(list(in_order(make, range(6), 3))[1:]) >= min(looks, 1)


def test_long_calls_are_announced():
    with pytest.warns(LongRun, match=r"^1e\+12 steps take about 1\.4 hours on 2 cores; take fewer"):
        warn_if_long("1e+12 steps", 1e4, 2, "take fewer")
    warn_if_long("few steps", 1e3, 2, "take fewer")


def test_an_error_on_one_rank_is_raised_on_all():
    def work():
        if RANK == LAST:
            raise InvalidArgument("initial", "is wrong on the last rank")
        return RANK

    with pytest.raises(InvalidArgument, match="^initial: is wrong on the last rank"):
        on_all_ranks(COMM, work)
    assert on_all_ranks(COMM, lambda: RANK) == RANK


def test_an_interrupt_on_one_rank_ends_all():
    def work():
        if RANK == LAST:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt if RANK == LAST else RankEnded):
        on_all_ranks(COMM, work)


class Unpicklable(Exception):
    """An error of a user's whose copy cannot be made: its arguments are not those of its constructor."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def test_an_error_that_cannot_be_sent_reaches_all_ranks_by_its_text():
    def work():
        if RANK == LAST:
            raise Unpicklable(1, lambda: 2)

    with pytest.raises((Unpicklable, RuntimeError), match="1 and <function"):
        on_all_ranks(COMM, work)


def test_arguments_that_differ_between_ranks():
    same_on_all_ranks(COMM, seed=3, times=np.arange(3.0))
    if LAST:
        with pytest.raises(InvalidArgument, match="^seed: must be the same on all ranks"):
            same_on_all_ranks(COMM, times=np.arange(3.0), seed=RANK)
        with pytest.raises(InvalidArgument, match="^times: must be the same on all ranks"):
            same_on_all_ranks(COMM, times=np.arange(3.0) + RANK, seed=1)
