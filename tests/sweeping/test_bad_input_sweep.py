"""What a sweep refuses before any point is computed."""

import signal

import numpy as np
import pytest
from mpi4py import MPI
from refusals import refused
from sweeps import plain

from scaling_limits import sweep
from scaling_limits.particles import InvalidArgument, RankEnded
from scaling_limits.particles.sampling import ranks
from scaling_limits.sweeping import running

pytest.importorskip("xarray")


@pytest.mark.parametrize(("over", "word"), [
    (None, "must be a dictionary"), ({}, "must be a dictionary"), ([1, 2], "must be a dictionary"),
    ({1: [2]}, "names of arguments"), ({"a b": [2]}, "names of arguments"), ({"raised": [2]}, "the result uses"),
    ({"a": 3.0}, "a list of values"), ({"a": "text"}, "a list of values"), ({"a": []}, "no values"),
    ({"a": [1.0, np.nan]}, "NaN"), ({"a": [1, 1.0]}, "1.0 twice"), ({"a": [1, "x"]}, "all numbers"),
    ({"a": [True, 2]}, "all numbers"), ({"a": [None]}, 'give other objects labels, {"a"'),
    ({"a": [np.sin]}, "labels"), ({"a": np.zeros((2, 2))}, "shape (2, 2)"), ({"a": [1j]}, "all numbers"),
    ({"a": np.array([1j])}, "complex128"), ({"a": [10**30, 1]}, "object"), ({"a": {}}, "no values"),
    ({"a": {np.inf: 1}}, "finite labels"), ({"a": np.ma.masked_array([1.0], [True])}, "masked"),
    ({"a": [2**53 + 1, 0.5]}, "a has 9007199254740993 beside"),
])  # fmt: skip
def test_over(over, word):
    refused("over", word, lambda: sweep(plain, over))


def test_the_others(shared_folder):
    over = {"a": [1.0]}
    refused("function", "callable", lambda: sweep(3, over))
    refused("errors", '"raise" or "keep"', lambda: sweep(plain, over, errors="drop"))
    refused("version", "a text", lambda: sweep(plain, over, path=shared_folder / "x", version=1))
    refused("version", "path=", lambda: sweep(plain, over, version="1"))
    refused("progress", "True or False", lambda: sweep(plain, over, progress=1))
    refused("executor", "concurrent.futures", lambda: sweep(plain, over, 2))
    refused("comm", "communicator", lambda: sweep(plain, over, comm=None))
    for path in ("", 3, b""):
        refused("path", "path of a folder", lambda path=path: sweep(plain, over, path=path))
    refused("path", "folder that is there", lambda: sweep(plain, over, path=shared_folder / "none" / "x"))
    refused("path", "File name too long", lambda: sweep(plain, over, path=shared_folder / ("x" * 300)))
    MPI.COMM_WORLD.barrier()


def test_an_executor_of_one_of_several_ranks():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        if MPI.COMM_WORLD.size > 1:
            refused("executor", "must be None on several ranks", lambda: sweep(plain, {"a": [1.0]}, pool))
            # on one rank only, which the others learn
            some = pool if MPI.COMM_WORLD.rank == 0 else None
            refused("executor", "must be None on several ranks", lambda: sweep(plain, {"a": [1.0]}, some))
        assert sweep(plain, {"a": [1.0]}, pool, comm=MPI.COMM_SELF).total.item() == 11.0


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs another rank")
def test_a_rank_that_is_refused_alone_does_not_wait_for_ever(monkeypatch):
    """On a communicator of its own, since the others never come."""
    monkeypatch.setattr(ranks, "PATIENCE", 0.1)
    comm, refusal = MPI.COMM_WORLD.Dup(), InvalidArgument("executor", "is wrong")
    if comm.rank == 0:
        with pytest.raises(InvalidArgument, match="is wrong") as caught:
            ranks.refused_on_all_ranks(comm, refusal)
        assert "end the program" in caught.value.__notes__[0]
    MPI.COMM_WORLD.barrier()
    if comm.rank > 0:
        # what this rank would have said, so that nothing is left open
        comm.Iallreduce(np.ones(1, np.int64), np.empty(1, np.int64), MPI.MIN).Wait()
    MPI.COMM_WORLD.barrier()


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs another rank")
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_rank_that_leaves_ends_all(kind):
    def leaves(a):
        if MPI.COMM_WORLD.rank == 1:
            raise kind
        return a

    with pytest.raises(kind if MPI.COMM_WORLD.rank == 1 else RankEnded) as caught:
        sweep(leaves, {"a": [1.0, 2.0]}, errors="keep")
    if MPI.COMM_WORLD.rank != 1:
        assert str(caught.value).startswith(f"rank 1 was ended by {kind.__name__}")
    assert sweep(plain, {"a": [1.0]}).total.item() == 11.0


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs another rank")
def test_an_interrupt_after_a_point_ends_all(monkeypatch):
    """It comes while a rank waits for what others have found at the point."""

    before, calls = signal.signal(signal.SIGINT, signal.default_int_handler), []
    same = running._same

    def point(a):
        calls.append(a)
        return a

    def interrupted(one, other):
        if MPI.COMM_WORLD.rank == 1:
            signal.raise_signal(signal.SIGINT)
        return same(one, other)

    monkeypatch.setattr(running, "_same", interrupted)
    with pytest.raises(KeyboardInterrupt if MPI.COMM_WORLD.rank == 1 else RankEnded):
        sweep(point, {"a": [1.0, 2.0, 3.0]})
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    # the next point, or the file of the first one, is where it is heard
    assert calls[0] == 1.0
    assert len(calls) <= 2
    monkeypatch.undo()
    assert sweep(plain, {"a": [1.0]}).total.item() == 11.0
