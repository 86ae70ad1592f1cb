"""PinnedBalls and its ensembles: the same bits however they are made, right statistics, refusals."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from billiards import FREEZE, WAVE_SPEED, mean, small_std
from chance import Z, assert_mean
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument, PinnedBalls, load

TIMES = np.array([0.0, 0.0004, 0.002])


def balls(**changes):
    return PinnedBalls(**({"n": 60, "mean": mean, "std": lambda x: 1 + 0.5 * np.sin(3 * x)} | changes))


def same(a, b):
    for one, other in ((a.spec, b.spec), (a.sums, b.sums)):
        for name in one.__dataclass_fields__:
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_paper():
    paper = PinnedBalls(n=1000, mean=mean, std=small_std)
    assert paper.collisions(FREEZE) == 59_841
    assert paper.wave_speed == pytest.approx(WAVE_SPEED, rel=1e-15)
    assert balls(energy_exchange=False).collisions(1.0) == 59**3 // 2 + 1  # 59^3/2, rounded to even


@pytest.mark.parametrize("exchange", [True, False])
def test_same_bits_for_any_number_of_workers_and_ranks(exchange):
    model = balls(n=1200, energy_exchange=exchange)  # chunks of 83 runs
    times = TIMES / 400
    one = model.sample(times, runs=700, seed=3, lags=4, workers=1)
    for workers in (2, 3):
        same(one, model.sample(times, runs=700, seed=3, lags=4, workers=workers))
    same(one, model.sample(times, runs=700, seed=3, lags=4, comm=MPI.COMM_WORLD))


@pytest.mark.serial
def test_more_runs_are_the_same_as_at_once(shared_folder):
    model = balls(n=1200)
    times = TIMES / 400
    part = model.sample(times, runs=500, seed=3, lags=4)
    path = shared_folder / f"part{MPI.COMM_WORLD.rank}.npz"
    part.save(path)
    same(load(path), part)
    same(load(path).more(runs=800), model.sample(times, runs=800, seed=3, lags=4))
    assert not list(shared_folder.glob("*.partial"))


def test_later_times_are_the_same_as_at_once():
    model = balls()
    whole = model.sample(TIMES, runs=300, seed=8, lags=4, keep_states=True)
    part = model.sample(TIMES[:2], runs=300, seed=8, lags=4, keep_states=True)
    same(whole, part.more(times=TIMES[2:]))


def test_other_seeds_and_runs_differ():
    model = balls()
    a = model.sample(TIMES, runs=20, seed=1, keep_states=True).sums.states
    b = model.sample(TIMES, runs=20, seed=2, keep_states=True).sums.states
    assert np.unique(np.concatenate([a, b])[:, 0]).size == 40


def test_statistics_are_those_of_the_runs():
    """Against numpy on the runs that are kept whole, all of them here."""
    ensemble = balls().sample(TIMES, runs=200, seed=5, lags=12)
    v = np.moveaxis(ensemble.sums.kept, 0, 1)
    assert v.shape == (3, 200, 60)
    assert ensemble.mean == pytest.approx(v.mean(1), abs=1e-13)
    assert ensemble.std == pytest.approx(v.std(1, ddof=1), rel=1e-12)
    w = (v - v.mean(1, keepdims=True)) / v.std(1, ddof=1, keepdims=True)
    assert ensemble.skewness == pytest.approx((w**3).mean(1), abs=1e-11)
    assert ensemble.kurtosis == pytest.approx((w**4).mean(1), abs=1e-11)
    variance = v.var(1)
    fourth = ((v - v.mean(1, keepdims=True)) ** 4).mean(1)
    assert ensemble.std_error == pytest.approx(np.sqrt((fourth - variance**2) / 200 / variance) / 2, rel=1e-11)
    for lag in (1, 12):
        expected = (w[:, :, :-lag] * w[:, :, lag:]).mean(axis=(1, 2))
        assert ensemble.noise_correlation[:, lag - 1] == pytest.approx(expected, abs=1e-12)
    assert ensemble.noise == pytest.approx(w, abs=1e-10)
    assert ensemble.pair_noise == pytest.approx(w[:, :, 18:20], abs=1e-10)
    density, edges = ensemble.noise_histogram(20)
    assert density[1] == pytest.approx(np.histogram(w[1], edges)[0] / np.diff(edges) / w[1].size)


@pytest.mark.parametrize(("window", "detrend"), [(3, True), (9, True), (9, False), (2, False)])
def test_local_std_is_that_of_the_runs(window, detrend):
    ensemble = balls().sample(TIMES, runs=150, seed=5, lags=12)
    v = np.moveaxis(ensemble.sums.kept, 0, 1)
    x = np.arange(window)
    for site in (0, 7, 30, 59):
        first = min(max(site - window // 2, 0), 60 - window)
        part = v[:, :, first : first + window]
        degree = 1 if detrend else 0
        fit = np.polynomial.polynomial.polyfit(x, part.reshape(-1, window).T, degree)
        rest = part.reshape(-1, window) - np.polynomial.polynomial.polyval(x, fit)
        expected = np.sqrt((rest**2).sum(1).reshape(3, -1).mean(1) / (window - degree - 1))
        assert ensemble.local_std(window, detrend=detrend)[:, site] == pytest.approx(expected, rel=1e-10)


def test_initial_law():
    model = balls()
    ensemble = model.sample([0.0], runs=20_000, seed=4, lags=3)
    sigma = model.initial_std
    assert_mean(ensemble.mean[0], model.initial_mean, sigma / np.sqrt(20_000))
    assert_mean(ensemble.std[0], sigma, sigma / np.sqrt(40_000))
    assert_mean(ensemble.noise_correlation[0], 0, ensemble.noise_correlation_error[0])


def test_small_variance_on_a_large_mean_keeps_its_digits():
    model = balls(mean=lambda x: 1e6 + x, std=lambda x: 1e-6 * (1 + x))
    ensemble = model.sample([0.0], runs=4000, seed=4, lags=1)
    relative = ensemble.std[0] / model.initial_std - 1
    assert np.abs(relative).max() < Z * np.sqrt(1 / 8000) + 2e-4  # 1e6 * 2^-53/1e-6 of rounding in the velocities


def test_invariants():
    ensemble = PinnedBalls(n=1000, mean=mean, std=lambda x: 0 * x + 1).sample([FREEZE], runs=50, seed=1, lags=1)
    assert ensemble.momentum_drift < 1e-14  # 6.8e-13 in the sum of 1000 velocities of size 1 was seen elsewhere
    assert ensemble.energy_drift < 5e-14


def test_sorting_only_freezes_in_order():
    model = PinnedBalls(n=20, mean=lambda x: -x, std=lambda x: 0.1 + 0 * x, energy_exchange=False)
    ensemble = model.sample([0.0, 5.0], runs=300, seed=1, lags=1)
    first, last = np.moveaxis(ensemble.sums.kept, 0, 1)
    assert np.array_equal(np.sort(first, axis=1), last)


def test_noiseless_sites_are_left_out():
    ensemble = balls(std=lambda x: np.where(x < 0.5, 0.0, 1.0)).sample([0.0], runs=500, seed=1, lags=2)
    assert (ensemble.std[0, :30] == 0).all()
    assert np.isnan(ensemble.skewness[0, :30]).all()
    assert np.isfinite(ensemble.noise_correlation).all()
    assert not ensemble.noisy[0, :30].any()


# --- checkpoints -----------------------------------------------------------------------------------------


def test_checkpoint_is_finished_not_made_again(shared_folder):
    model, comm = balls(n=1200), MPI.COMM_WORLD
    path = shared_folder / "checkpoint.npz"
    whole = model.sample(TIMES / 400, runs=700, seed=3, lags=4)
    model.sample(TIMES / 400, runs=416, seed=3, lags=4, checkpoint=path, comm=comm)
    comm.barrier()
    assert load(path).runs == 416
    same(whole, model.sample(TIMES / 400, runs=700, seed=3, lags=4, checkpoint=path, comm=comm))
    with pytest.raises(InvalidArgument, match="checkpoint"):
        model.sample(TIMES / 400, runs=700, seed=4, lags=4, checkpoint=path)


KILLED = """
import sys
from test_support import model, times
model.sample(times, runs=10**6, seed=3, lags=4, checkpoint=sys.argv[1], workers=2)
"""


@pytest.mark.serial
def test_kill_loses_no_more_than_the_chunk_in_flight(tmp_path):
    (tmp_path / "test_support.py").write_text(
        "import numpy as np\nfrom scaling_limits.particles import PinnedBalls\n"
        "times = np.array([0.0, 0.00002])\n"
        "model = PinnedBalls(n=1000, mean=lambda x: x, std=lambda x: 1 + x)\n"
    )
    (tmp_path / "killed.py").write_text(
        "from scaling_limits.particles.sampling import saving\nsaving.SAVE_EVERY = 0.2\n" + KILLED
    )
    path = tmp_path / "ensemble.npz"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{os.environ['PYTHONPATH']}"}
    process = subprocess.Popen([sys.executable, "killed.py", str(path)], cwd=tmp_path, env=environment)
    deadline = time.time() + 120
    seen = 0
    while time.time() < deadline and seen < 1500:
        time.sleep(0.05)
        seen = load(path).runs if path.exists() else 0  # never half a file
    process.send_signal(signal.SIGKILL)
    process.wait()
    saved = load(path)
    assert saved.runs >= seen >= 1500
    model = PinnedBalls(n=1000, mean=lambda x: x, std=lambda x: 1 + x)
    expected = model.sample([0.0, 0.00002], runs=saved.runs, seed=3, lags=4)
    same(expected, saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not much of a zip", b"text"])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="path"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("n", 2),
        ("n", 10.5),
        ("n", "many"),
        ("mean", "3.0"),
        ("mean", lambda x: x[:-1]),
        ("mean", lambda x: x * np.nan),
        ("mean", lambda x: x * 1j),
        ("std", lambda x: -x),
        ("std", lambda x: np.inf * (1 + x)),
        ("std", lambda x: "sigma"),
        ("energy_exchange", 1),
        ("energy_exchange", "yes"),
    ],
)
def test_bad_models(argument, value):
    with pytest.raises(InvalidArgument, match=f"^{argument}:") as caught:
        balls(**{argument: value})
    assert caught.value.argument == argument
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("times", []),
        ("times", [-1.0]),
        ("times", [1.0, 0.5]),
        ("times", [np.nan]),
        ("times", [[0.0]]),
        ("times", "soon"),
        ("runs", 0),
        ("runs", 1.5),
        ("runs", 2**32),
        ("seed", -1),
        ("seed", 2**64),
        ("seed", None),
        ("lags", -1),
        ("lags", 2.5),
        ("workers", 0),
        ("pair_site", 59),
        ("progress", 1),
        ("keep_states", "all"),
    ],
)
def test_bad_requests(argument, value):
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        balls().sample(**({"times": [0.0], "runs": 2, "seed": 1, "lags": 2} | {argument: value}))


def test_bad_questions():
    ensemble = balls().sample([0.0, 1e-4], runs=3, seed=1, lags=5)
    for call in (
        lambda: ensemble.local_std(2),
        lambda: ensemble.local_std(7),
        lambda: ensemble.noise_histogram(0),
        lambda: ensemble.noise_histogram([1.0, 0.0]),
        lambda: ensemble.covariance(6),
        lambda: ensemble.more(runs=2),
        lambda: ensemble.more(times=[1.0]),
        lambda: balls().collisions(-1.0),
        lambda: balls().collisions(np.nan),
    ):
        with pytest.raises(InvalidArgument):
            call()
