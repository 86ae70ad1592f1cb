"""Where sums over runs would lose digits, or are of something else than asked: right, or said."""

import warnings

import numpy as np
import pytest
from refusals import refused

from scaling_limits.particles import (
    CubatureNoise,
    EffectiveLangevin,
    EnsembleStatistics,
    Langevin,
    ReducedEnsemble,
    Unresolved,
    egg_carton,
)
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.statistics.request import Tallied
from scaling_limits.particles.sampling.statistics.tally import Tally

COMM = MPI.COMM_WORLD


def free():
    """Brownian motion on a line."""
    return EffectiveLangevin(lambda x: 0 * x, lambda x: np.ones((len(x), 1, 1)), [(-9, 9)])


def made(observables=(), runs=600, step=0.05, times=(0.1,), **options):
    wanted = EnsembleStatistics(dict(observables), options.pop("histograms", {}))
    return free().sample([0.0], times, runs, 1, step, statistics=wanted, **options)


def test_many_tiles_lose_no_digits_of_a_large_mean():
    """Of 2000 tiles of numbers about 1e10, whose spacing is 2e-6: the exact mean to one half of that."""
    tiles, width = 2000, 8
    noise = np.random.Generator(np.random.Philox(key=5)).standard_normal((tiles, width, 1))
    values = 1e10 + 1e-3 * noise
    what = Tallied("x", None, (1,), None, False)
    sums = Tally.empty(what, 1)
    for some in values:
        tile = Tally.empty(what, 1)
        tile.fill(0, some, None)
        sums = sums.joined(tile.of(width))
    # the values less 1e10 are numbers of 64 bits, and their sum has digits to spare
    away = values - 1e10
    assert sums.mean[0, 0] == 1e10 + away.mean()
    assert (sums.mean - 1e10 + sums.rest)[0, 0] == pytest.approx(away.mean(), abs=1e-15)
    assert sums.second[0, 0, 0] == pytest.approx(((away - away.mean()) ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize("size", [1e-60, 1.0, 1e60])
def test_units_do_not_matter_between_their_limits(size):
    one, plain = made({"f": lambda x: size * x[:, 0]})["f"], made({"f": lambda x: x[:, 0]})["f"]
    for name, power in (("std", 1), ("variance_error", 2), ("kurtosis", 0)):
        np.testing.assert_allclose(getattr(one, name), getattr(plain, name) * size**power, rtol=1e-12)


def test_values_too_large_for_fourth_powers_are_refused():
    refused("observables['f']", "take another unit", lambda: made({"f": lambda x: 1e78 * x[:, 0]}, comm=COMM))


@pytest.mark.parametrize(("size", "has_spread"), [(1e-80, True), (1e-170, False)])
def test_values_too_small_for_powers_are_not_known(size, has_spread, shared_folder):
    with pytest.warns(Unresolved, match="f: values differ by less than 1e-70.*take another unit"):
        one = made({"f": lambda x: size * x[:, 0]})
    one.save(shared_folder / f"small-{COMM.rank}.npz")
    for found in (one["f"], ReducedEnsemble.load(shared_folder / f"small-{COMM.rank}.npz")["f"]):
        assert np.isnan(found.kurtosis).all()
        assert np.isnan(found.variance_error).all()
        assert np.isfinite(found.std).all() == has_spread
        assert np.isfinite(found.mean).all()


def test_integers_that_are_rounded_are_refused():
    refused("observables['f']", "2^53", lambda: made({"f": lambda x: np.full(len(x), 2**53 + 1)}))
    exact = made({"f": lambda x: np.full(len(x), 2**53)})["f"]
    assert exact.maximum[0] == 2**53


# --- observables of each run alone ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[:, 0] - x[:, 0].mean(),
        lambda x: x[:, 0] > x[:, 0].mean(),
        lambda x: np.cumsum(x[:, 0]),
        lambda x: np.arange(len(x)) * x[:, 0],
        lambda x: np.random.default_rng(1).random(len(x)),
    ],
)
def test_observables_of_other_runs_or_of_chance_are_refused(function):
    refused("observables['f']", "its own state alone", lambda: made({"f": function}, comm=COMM))


def test_chance_is_refused():
    """By ranks already where they compare values, of what cannot be read."""
    function = {"f": lambda x: np.random.default_rng().random(len(x))}
    refused("observables['f']", "random numbers", lambda: made(function))


def test_observables_that_round_otherwise_among_others_are_taken():
    turn = np.linspace(0.1, 0.9, 4).reshape(1, 4)
    assert made({"f": lambda x: np.exp(x @ turn), "g": lambda x: 0.0 * x[:, 0], "h": lambda x: x[:, 0] > 0}).runs == 600


# --- discrete noise ---------------------------------------------------------------------------------------


def test_few_steps_of_discrete_noise_are_said():
    with pytest.warns(Unresolved, match="up to the time 0.1 there are 2 steps or fewer"):
        found = made(noise=CubatureNoise())
    # the far points of two steps
    assert found.maximum[0, 0] == pytest.approx(2 * 2.3344 * 0.05**0.5, rel=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(noise=CubatureNoise(), step=0.1 / 64)
        made(noise=CubatureNoise(), times=[0.0])
        made()


# --- how it is asked, and said ----------------------------------------------------------------------------


def test_levels_of_quantiles_may_be_an_array():
    found = made(histograms={"positions": [-1.0, 0.0, 1.0]})["positions"]
    low, high = found.quantile([0.1, 0.9])
    assert low.shape == high.shape == (2, 1, 1)
    for k, level in enumerate((0.1, 0.9)):
        one = found.quantile(level)
        assert (low[k], high[k]) == one
    refused("level", "at most 1", lambda: found.quantile([0.1, 1.1]))
    refused("level", "truth values", lambda: found.quantile([True]))


def test_observables_may_be_called_like_what_an_ensemble_says_of_itself():
    names = ("runs", "times", "step", "seed")
    text = repr(made({name: lambda x: x[:, 0] for name in names}))
    for line in (
        "runs: 600, none kept",
        "times: 1 from",
        "step: 0.05",
        "seed: 1",
        *(f"observable {n}:" for n in names),
    ):
        assert f"\n    {line}" in text


def test_a_box_must_be_given():
    refused("box", "must be given", lambda: EffectiveLangevin(lambda x: x, lambda x: x))


def test_times_may_be_equal_and_must_not_decrease():
    found = made(times=[0.1, 0.1])
    assert np.array_equal(found.mean[0], found.mean[1])
    refused("times", "must not decrease", lambda: made(times=[0.1, 0.05]))


def test_values_that_are_not_finite_have_a_sentence():
    refused("observables['f']", "must return finite values; they contain NaN",
            lambda: made({"f": lambda x: np.where(x[:, 0] == 0, 0, np.nan)}))  # fmt: skip


def test_errors_of_langevin_name_both_values(shared_folder):
    place, start = shared_folder / "both.npz", [0.0, 0.0]
    wanted = EnsembleStatistics()

    def sample(epsilon, seed):
        model = Langevin(egg_carton(1.0), epsilon)
        return model.sample(start, [0.002], 600, seed, 0.002, statistics=wanted, checkpoint=place, comm=COMM)

    sample(0.5, 1)
    COMM.Barrier()
    refused("checkpoint", "epsilon: 0.5 there, 0.4 here; seed: 1 there, 2 here", lambda: sample(0.4, 2))
