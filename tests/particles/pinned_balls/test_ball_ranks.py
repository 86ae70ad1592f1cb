"""Pinned balls on several ranks: what fails on one is raised on all, and none waits for ever."""

import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument, PinnedBalls
from scaling_limits.particles.pinned_balls import ensemble
from scaling_limits.pdes import BilliardEquations, FiniteSizeEquations, ordering_time

COMM = MPI.COMM_WORLD
LAST = COMM.rank == COMM.size - 1
several = pytest.mark.skipif(COMM.size == 1, reason="what one rank alone does")


def balls():
    return PinnedBalls(40, lambda x: x, lambda x: 1 + x)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    with pytest.raises(InvalidArgument, match="^checkpoint: must be in a folder that is there"):
        balls().sample([0.0], runs=10**9, seed=1, comm=COMM, checkpoint=tmp_path / "none" / "a.npz")


def test_a_full_disk_ends_all_ranks(monkeypatch, shared_folder):
    """Rank 0 writes, the others wait for nothing."""

    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ensemble.Ensemble, "save", full)
    with pytest.raises(OSError, match="No space"):
        balls().sample([1e-3], runs=500, seed=1, comm=COMM, checkpoint=shared_folder / "full.npz")


@several
@pytest.mark.parametrize("argument", ["seed", "runs", "times", "lags", "pair_site", "keep_states"])
def test_arguments_that_differ_between_ranks_are_refused(argument):
    given = {"seed": 1, "runs": 30, "times": [0.0, 1e-4], "lags": 3, "pair_site": 5, "keep_states": False}
    other = {"seed": 2, "runs": 31, "times": [0.0, 2e-4], "lags": 4, "pair_site": 6, "keep_states": True}
    chosen = given | ({argument: other[argument]} if LAST else {})
    with pytest.raises(InvalidArgument, match=f"^{argument}: must be the same on all ranks"):
        balls().sample(**chosen, comm=COMM)


@several
def test_balls_that_differ_between_ranks_are_refused():
    mine = PinnedBalls(40, lambda x: x + COMM.rank, lambda x: 1 + x)
    with pytest.raises(InvalidArgument, match="^mean: must be the same"):
        mine.sample([0.0], runs=3, seed=1, comm=COMM)


@several
@pytest.mark.parametrize("argument", ["seed", "workers", "times", "progress"])
def test_a_bad_argument_on_one_rank_is_refused_on_all(argument):
    bad = {argument: "bad"} if LAST else {}
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        balls().sample(**({"times": [0.0], "runs": 3, "seed": 1} | bad), comm=COMM)


@several
def test_a_chunk_that_fails_on_one_rank_ends_all(monkeypatch):
    from scaling_limits.particles.pinned_balls import accumulation

    make = accumulation.Runs.chunk

    def failing(*arguments):
        if LAST:
            raise MemoryError("no room")
        return make(*arguments)

    monkeypatch.setattr(accumulation.Runs, "chunk", failing)
    with pytest.raises(MemoryError, match="no room"):
        balls().sample([1e-4], runs=600, seed=1, comm=COMM)


class Failing:
    """A profile that fails on the last rank, from the second call on."""

    def __init__(self, how):
        self.how, self.calls = how, 0

    def __call__(self, x):
        self.calls += 1
        if not LAST or self.calls < 2:
            return 1.0 + x
        if self.how == "raises":
            raise ZeroDivisionError("by chance")
        return {"NaN": np.nan, "negative": -1.0, "None": None, "wrong shape": np.ones(3)}[self.how]


@several
@pytest.mark.parametrize("how", ["raises", "NaN", "negative", "None", "wrong shape"])
def test_a_profile_that_fails_on_one_rank_ends_all_solves(how):
    for solve in (
        lambda std: BilliardEquations(10.0, lambda x: x, std).solve([1e-3], rtol=1e-3),
        lambda std: BilliardEquations(10.0, lambda x: x, std).solve([1e-3], rtol=1e-3, cells=20),
        lambda std: BilliardEquations(10.0, lambda x: x, std).freeze_time(rtol=1e-3),
        lambda std: ordering_time(BilliardEquations(10.0, lambda x: -x, std), 0.1),
        lambda std: FiniteSizeEquations(50, lambda x: x, std).solve([1e-3]),
    ):
        with pytest.raises(InvalidArgument, match="^std: must"):
            solve(Failing(how))


def test_a_negative_std_at_a_few_points_is_refused_on_all_ranks():
    """At nodes of one rank alone, which the constructor has not looked at."""
    equations = BilliardEquations(10.0, lambda x: x, lambda x: np.where(np.abs(x - 0.1234) < 4e-4, -1.0, 1.0))
    with pytest.raises(InvalidArgument, match="^std: must not be negative.* at x = 0.12"):
        equations.solve([1e-3], cells=1000)


@several
def test_solves_that_differ_between_ranks_are_refused():
    equations = BilliardEquations(10.0, lambda x: x, lambda x: 1 + x)
    for name, one, other in (("times", [0.1], [0.2]), ("rtol", 1e-3, 1e-4), ("cells", 20, 30), ("degree", 2, 3)):
        given = {"times": [0.1], "rtol": 1e-3} | {name: other if LAST else one}
        with pytest.raises(InvalidArgument, match=f"^{name}: must be the same"):
            equations.solve(**given)
    lattice = FiniteSizeEquations(50, lambda x: x, lambda x: 1 + x)
    with pytest.raises(InvalidArgument, match="^rtol: must be the same"):
        lattice.solve([0.1], rtol=1e-4 if LAST else 1e-3)
