"""Long samples of pinned balls: Ctrl-C, slices, checkpoints by the clock, files of others, warnings beforehand."""

import numpy as np
import pytest
from interrupts import seconds_to_end

from scaling_limits.particles import (
    DiagonalDissipation,
    InvalidArgument,
    Langevin,
    LongRun,
    MultiscalePotential,
    PinnedBalls,
    RotatorLattice,
    load,
)
from scaling_limits.particles.pinned_balls import accumulation, ensemble
from scaling_limits.particles.pinned_balls.running_sums import RunningSums
from scaling_limits.particles.sampling import saving as checkpoint


def balls(n=50):
    return PinnedBalls(n, lambda x: np.cos(2 * x), lambda x: 0.5 + x)


def same(a, b):
    for name in a.sums.__dataclass_fields__:
        assert np.array_equal(getattr(a.sums, name), getattr(b.sums, name)), name


SCRIPT = """
import sys
from scaling_limits.particles import PinnedBalls
balls = PinnedBalls(1000, lambda x: x, lambda x: 1 + x)
balls.sample([1e-7], runs=2, seed=1)
print("begins", flush=True)
"""


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore")
def test_one_interrupt_ends_runs_of_any_length():
    """Hours of collisions in each run: 2 seconds, and as many for a machine that is busy with other things."""
    assert seconds_to_end(SCRIPT + "balls.sample([50.0], runs=100, seed=1, workers=2)") < 4.0


@pytest.mark.serial
def test_an_interrupt_leaves_a_checkpoint_of_what_was_done(tmp_path):
    """Chunks of 100 runs take some hundredths of a second; the clock alone would have written the first of them."""
    path = tmp_path / "balls.npz"
    # several chunks are done in this time, on a busy machine too
    begun = 4.0
    code = SCRIPT + f"balls.sample([1e-5], runs=10**6, seed=1, workers=2, checkpoint={str(path)!r})"
    taken = seconds_to_end(code, begun)
    assert taken < 4.0
    found = load(path)
    assert found.runs > found.spec.runs_per_chunk
    assert not list(tmp_path.glob("*.partial"))
    model = PinnedBalls(1000, lambda x: x, lambda x: 1 + x)
    same(found, model.sample([1e-5], runs=found.runs, seed=1))


def test_an_interrupt_while_a_chunk_is_added_loses_that_chunk_alone(monkeypatch, tmp_path):
    """Adding takes a tenth of the time; the two chunks before it are in the file, whole."""
    path, added, add = tmp_path / "balls.npz", [], RunningSums.add

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    def adding(self, chunk, runs_per_chunk):
        added.append(chunk.first)
        if len(added) == 3:
            monkeypatch.setattr(np, "concatenate", interrupted)
        add(self, chunk, runs_per_chunk)

    monkeypatch.setattr(RunningSums, "add", adding)
    with pytest.raises(KeyboardInterrupt):
        balls().sample([1e-3], runs=4000, seed=2, lags=2, checkpoint=path)
    monkeypatch.undo()
    found = load(path)
    assert found.runs == 200
    same(found, balls().sample([1e-3], runs=200, seed=2, lags=2))


@pytest.mark.parametrize("exchange", [True, False])
def test_slices_change_no_bit(monkeypatch, exchange):
    model = PinnedBalls(30, lambda x: x, lambda x: 1 + x, exchange)
    times = [0.0, 0.1, 0.1, 0.45]
    whole = model.sample(times, runs=130, seed=4, lags=3, keep_states=True)
    later = whole.more(times=[0.5, 1.0])
    for size in (512, 1536, 2**13):  # of blocks of 512 random numbers
        monkeypatch.setattr(accumulation, "SLICE", size)
        part = model.sample(times, runs=130, seed=4, lags=3, keep_states=True)
        same(whole, part)
        same(later, part.more(times=[0.5, 1.0]))


class DiskFull(OSError):
    """Raised by the tests where a disk would be full."""


def counted(monkeypatch, fail_at=None):
    """The numbers of runs in each file that is written."""
    written, save = [], ensemble.Ensemble.save

    def counting(self, path):
        written.append(self.runs)
        if len(written) == fail_at:
            raise DiskFull(28, "No space left on device")
        save(self, path)

    monkeypatch.setattr(ensemble.Ensemble, "save", counting)
    return written


def test_checkpoints_are_written_by_the_clock(monkeypatch, tmp_path):
    """40 chunks in less than 30 seconds: the first, so that a full disk is seen early, and the last."""
    written = counted(monkeypatch)
    balls().sample([1e-3], runs=4000, seed=2, lags=2, checkpoint=tmp_path / "a.npz")
    assert written == [100, 4000]
    written.clear()
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "SAVE_SHARE", 1e9)
    balls().sample([1e-3], runs=1000, seed=3, lags=2, checkpoint=tmp_path / "b.npz")
    assert written == list(range(100, 1001, 100))
    written.clear()
    balls().sample([1e-3], runs=1000, seed=3, lags=2, checkpoint=tmp_path / "b.npz")
    assert written == []  # all is there


def test_writing_takes_a_small_part_of_the_time(monkeypatch):
    """The next state waits twenty times as long as the last took to write, so that bytes grow with the time, not its square."""
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    spec = balls()._checked([0.0], 1, None, 1, 1, None, False)[0]
    growing = RunningSums.empty(spec, np.zeros((1, 50))).with_room(spec, 10**6)
    writing = []

    def write(sums):
        writing.append(now[0])
        now[0] += 1e-5 * sums.runs  # as the file grows

    by_the_clock = checkpoint.Saving(write, growing, None)
    for _ in range(20_000):
        now[0] += 1.0
        growing.runs += 100
        by_the_clock.now_and_then()
    spent = now[0] - 20_000.0
    assert len(writing) >= 10
    assert spent < 0.06 * now[0]
    assert np.diff(writing).min() > 30.0


def test_an_error_leaves_a_checkpoint_of_what_was_done(monkeypatch, tmp_path):
    make = accumulation.Runs.chunk

    def failing(self, reference, first, *rest):
        if first == 700:
            raise MemoryError("no room")
        return make(self, reference, first, *rest)

    monkeypatch.setattr(accumulation.Runs, "chunk", failing)
    path = tmp_path / "a.npz"
    with pytest.raises(MemoryError):
        balls().sample([1e-3], runs=2000, seed=2, lags=2, checkpoint=path)
    assert load(path).runs == 700
    monkeypatch.undo()
    same(
        balls().sample([1e-3], runs=1000, seed=2, lags=2, checkpoint=path), balls().sample([1e-3], 1000, seed=2, lags=2)
    )


def test_a_full_disk_is_seen_at_once(monkeypatch, tmp_path):
    written = counted(monkeypatch, fail_at=1)
    with pytest.raises(DiskFull):
        balls().sample([1e-3], runs=4000, seed=2, lags=2, checkpoint=tmp_path / "a.npz")
    assert written[0] == 100


@pytest.fixture
def other_files(tmp_path):
    """What the other samplers save."""
    potential = MultiscalePotential(1, 1, 1.0, lambda x: x[0] ** 2 / 2, lambda x, y: 0 * y[0])
    Langevin(potential, 0.5).sample([0.0], [0.1], 4, 1).save(tmp_path / "paths.npz")
    lattice = RotatorLattice((2,), lambda s: 1.0 + s, lambda s: 1.0 + 0 * s, DiagonalDissipation(2), [1.0, 1.0], 0.1)
    lattice.sample(np.ones(2) + 0j, [0.01], 4, 1).save(tmp_path / "rotators.npz")
    np.savez(tmp_path / "own.npz", format=1, values=np.ones(3))
    return [tmp_path / name for name in ("paths.npz", "rotators.npz", "own.npz")]


@pytest.mark.serial
def test_files_of_others_are_told_apart(other_files):
    for path in other_files:
        with pytest.raises(InvalidArgument, match=f"^path: .*{path.name} holds .*, not Ensemble"):
            load(path)
        with pytest.raises(InvalidArgument, match="^checkpoint: .* holds .*, not Ensemble"):
            balls().sample([0.0], runs=3, seed=1, checkpoint=path)


def test_arrays_that_do_not_belong_together_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    balls().sample([0.0, 1e-4], runs=7, seed=1, lags=2).save(path)
    with np.load(path) as file:
        content = dict(file)
    for name, value in (("tally_runs", 9), ("tally_closed", np.zeros((2, 5, 50))), ("request_times", np.zeros(3)),
                        ("request_initial_std", np.zeros(4)), ("tally_kept", np.zeros((7, 2, 49)))):  # fmt: skip
        np.savez(path, **(content | {name: value}))
        with pytest.raises(InvalidArgument, match="^path: .*damaged"):
            load(path)


def test_a_forgotten_unit_of_time_is_said_beforehand():
    """Warnings are errors here, so that nothing is sampled."""
    model = PinnedBalls(1000, lambda x: x, lambda x: 1 + x)
    with pytest.raises(LongRun, match=r"1000 runs of 3e\+08 collisions.*freezes near .* 0\.0018"):
        model.sample([0.2, 0.6], seed=1)
    small = balls().sample([0.0], runs=2, seed=1, keep_states=True)
    with pytest.raises(LongRun, match="collisions"):
        small.more(times=[1e8])
    with pytest.raises(LongRun, match="runs of 1.2e"):
        balls().sample([0.2], runs=2, seed=1, keep_states=True).more(runs=2**31)
