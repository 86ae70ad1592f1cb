"""Bad input of the sampler of pinned balls and of its ensembles: each is refused by name, with what would be right."""

import math

import numpy as np
import pytest
from billiards import BAD_PROFILES
from refusals import refused

from scaling_limits.particles import (
    Ensemble,
    PinnedBalls,
    correlation_density,
    correlation_p_value,
    diagnostics,
    load,
    run_correlations,
)

pytestmark = pytest.mark.serial  # what one rank alone refuses; several ranks are tried elsewhere


def model(**changes):
    return PinnedBalls(**({"n": 30, "mean": lambda x: x, "std": lambda x: 1 + x} | changes))


@pytest.fixture(scope="module")
def ensemble():
    return model().sample([0.0, 1e-3], runs=5, seed=1, lags=4)


BAD_MODELS = [
    ("n", 2, "between 3"),
    ("n", -5, "between 3"),
    ("n", 1e3, "integer"),
    ("n", True, "integer"),
    ("n", None, "integer"),
    ("n", 2**31, "between 3 and"),
    ("n", [10], "integer"),
    *BAD_PROFILES,
    ("mean", lambda x: 1e-200 + 0 * x, "another unit"),
    ("std", lambda x: 1e-200 * (1 + x), "another unit"),
    ("std", lambda x: 1 / (0 * x + 0.0), ""),
    ("energy_exchange", 1, "True or False"),
    ("energy_exchange", None, "True or False"),
    ("energy_exchange", "no", "True or False"),
]


@pytest.mark.parametrize(("argument", "value", "word"), BAD_MODELS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_models(argument, value, word):
    refused(argument, word, lambda: model(**{argument: value}))


BAD_REQUESTS = [
    ("times", None, "real numbers"),
    ("times", [], "non-empty"),
    ("times", [[0.0, 1.0]], "non-empty list"),
    ("times", [-1e-9], "negative"),
    ("times", [2e-3, 1e-3], "not decrease"),
    ("times", [math.inf], "finite"),
    ("times", [math.nan], "finite"),
    ("times", ["now"], "real numbers"),
    ("times", [1j], "complex"),
    ("times", [1e18], "unit of the effective equations"),
    ("times", [1e308], "unit of the effective equations"),
    ("times", np.ma.masked_greater([0.0, 1.0], 0.5), "masked"),
    ("runs", 0, "between 1"),
    ("runs", -1, "between 1"),
    ("runs", 10.0, "integer"),
    ("runs", True, "integer"),
    ("runs", 2**32, "between 1"),
    ("seed", -1, "between 0"),
    ("seed", 2**64, "between 0"),
    ("seed", 1.5, "integer"),
    ("seed", None, "integer"),
    ("seed", "one", "integer"),
    ("lags", -1, "at least 0"),
    ("lags", 2.0, "integer"),
    ("lags", None, "integer"),
    ("workers", 0, "at least 1"),
    ("workers", "all", "integer"),
    ("workers", 1.5, "integer"),
    ("progress", 3, "True or False"),
    ("progress", None, "True or False"),
    ("pair_site", -1, "between 0 and 28"),
    ("pair_site", 29, "between 0 and 28"),
    ("pair_site", 0.5, "integer"),
    ("keep_states", 1, "True or False"),
    ("keep_states", None, "True or False"),
    ("comm", 3, "mpi4py communicator"),
    ("comm", "world", "mpi4py communicator"),
    ("checkpoint", 5, "path of a file"),
    ("checkpoint", "", "path of a file"),
    ("checkpoint", ["a.npz"], "path of a file"),
    ("checkpoint", "no/such/folder/a.npz", "folder that is there"),
    ("checkpoint", "/proc/a.npz", "folder where files can be written"),
    ("checkpoint", "/", "path of a file"),
]


@pytest.mark.parametrize(("argument", "value", "word"), BAD_REQUESTS)
def test_requests(argument, value, word):
    given = {"times": [0.0], "runs": 2, "seed": 1, "lags": 2} | {argument: value}
    refused(argument, word, lambda: model().sample(**given))


def test_what_balls_start_from_cannot_be_changed():
    balls = model()
    for values in (balls.initial_mean, balls.initial_std):
        with pytest.raises(ValueError, match="read-only"):
            values[:] = 0.0


QUESTIONS = [
    ("lag", "between 0 and 4", lambda e: e.covariance(5)),
    ("lag", "integer", lambda e: e.covariance(1.5)),
    ("window", "between 3 and 5", lambda e: e.local_std(2)),
    ("window", "between 3 and 5", lambda e: e.local_std(6)),
    ("detrend", "True or False", lambda e: e.local_std(3, detrend="yes")),
    ("bins", "at least 1", lambda e: e.noise_histogram(0)),
    ("bins", "increasing", lambda e: e.noise_histogram([0.0, 0.0])),
    ("bins", "real numbers", lambda e: e.noise_histogram(["a", "b"])),
    ("runs", "give the total number", lambda e: e.more()),
    ("runs", "between 5", lambda e: e.more(runs=4)),
    ("runs", "two calls", lambda e: e.more(runs=9, times=[1.0])),
    ("runs", "integer", lambda e: e.more(runs="more")),
    ("workers", "at least 1", lambda e: e.more(runs=9, workers=0)),
    ("progress", "True or False", lambda e: e.more(runs=9, progress=1)),
    ("comm", "mpi4py", lambda e: e.more(runs=9, comm=1)),
    ("times", "keep_states=True", lambda e: e.more(times=[1.0])),
    ("path", "path of a file", lambda e: e.save("")),
    ("path", "path of a file", lambda e: e.save(None)),
    ("path", "folder that is there", lambda e: e.save("no/such/folder/a.npz")),
    ("path", "path of a file", lambda e: load(3)),
    ("path", "path of a file", lambda e: Ensemble.load(None)),
    ("ensemble", "must be an Ensemble", lambda e: diagnostics(5, 0)),
    ("time", "between -2 and 1", lambda e: diagnostics(e, 2)),
    ("time", "integer", lambda e: diagnostics(e, 0.5)),
    ("run", "between 0 and 4", lambda e: diagnostics(e, 0, 5)),
    ("n", "at least 3", lambda e: correlation_density(0.1, 2)),
    ("n", "at least 3", lambda e: correlation_p_value(0.1, 2)),
    ("r", "between -1 and 1", lambda e: correlation_p_value(1.5, 20)),
    ("r", "real numbers", lambda e: correlation_density("r", 20)),
    ("noise", "of one run", lambda e: run_correlations(np.ones((3, 3)), 1)),
    ("lags", "between 1 and 8", lambda e: run_correlations(np.arange(10.0), 9)),
    ("t", "at least 0", lambda e: model().collisions(-1.0)),
    ("t", "finite", lambda e: model().collisions(math.inf)),
    ("t", "too long", lambda e: model().collisions(1e305)),
    ("t", "number", lambda e: model().collisions("1")),
]


@pytest.mark.parametrize(("argument", "word", "call"), QUESTIONS)
def test_ensembles(ensemble, argument, word, call):
    refused(argument, word, lambda: call(ensemble))


def test_diagnostics_say_what_is_missing(ensemble):
    without = model().sample([0.0], runs=5, seed=1, lags=0)
    refused("ensemble", "lags=1", lambda: diagnostics(without, 0))
    small = model(n=10).sample([0.0], runs=5, seed=1, lags=2)
    refused("time", "10 of 10 sites have noise", lambda: diagnostics(small, 0))
    assert without.noise_correlation.shape == without.noise_correlation_error.shape == (1, 0)


def test_checkpoints(tmp_path):
    path = tmp_path / "a.npz"
    request = {"times": [0.0], "runs": 8, "seed": 1, "lags": 2}
    model().sample(**request, checkpoint=path)
    refused("checkpoint", "holds 8 runs", lambda: model().sample(**(request | {"runs": 5}), checkpoint=path))
    for name, value in (("seed", 2), ("times", [1e-4]), ("lags", 3), ("pair_site", 1), ("keep_states", True)):
        other = request | {name: value}
        refused(
            "checkpoint", "belongs to another ensemble", lambda given=other: model().sample(**given, checkpoint=path)
        )
        refused("checkpoint", f"{name} differs", lambda given=other: model().sample(**given, checkpoint=path))
    both = request | {"seed": 2, "lags": 3}
    refused("checkpoint", "seed: 1 there, 2 here; lags: 2 there, 3 here",
            lambda: model().sample(**both, checkpoint=path))  # fmt: skip
    refused(
        "checkpoint",
        "belongs to another ensemble",
        lambda: model(std=lambda x: 2 + x).sample(**request, checkpoint=path),
    )
    whole = path.read_bytes()
    for content in (b"", b"junk", whole[: len(whole) // 2], whole[:-200] + b"\0" * 200):
        path.write_bytes(content)
        refused("checkpoint", "", lambda: model().sample(**request, checkpoint=path))
        refused("path", "", lambda: load(path))
    assert model().sample(**request).runs == 8
