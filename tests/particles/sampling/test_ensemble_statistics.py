"""Statistics made while an ensemble is sampled: the same as of kept paths, for any threads and ranks; none is kept."""

import numpy as np
import pytest
from refusals import refused
from scipy.stats import binom, norm

from scaling_limits.particles import (
    CubatureNoise,
    DiagonalDissipation,
    EffectiveLangevin,
    EnsembleStatistics,
    Langevin,
    ReducedEnsemble,
    RotatorLattice,
    TransportProcess,
    Unresolved,
    egg_carton,
)
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.statistics.histogram import Histogram
from scaling_limits.particles.sampling.statistics.request import Tallied
from scaling_limits.particles.sampling.statistics.tally import Tally, counted

EDGES = np.linspace(-0.5, 1.0, 7)
TIMES = [0.0, 0.01, 0.03]
COMM = MPI.COMM_WORLD


def squares(x):
    return (x**2).sum(axis=1)


def products(x):
    return x[:, :, None] * x[:, None, :]


def asked(coordinate, covariance=True):
    return EnsembleStatistics(
        {"square": squares, "products": products}, {coordinate: EDGES, "square": [0.0, 0.05, 0.1]}, covariance
    )


def particles():
    return Langevin(egg_carton(1.0), 0.5), np.zeros(2), 0.002


def effective():
    def noise(x):
        return np.eye(2) * np.sqrt(2.0 + np.sin(x[:, 0]))[:, None, None]

    return EffectiveLangevin(lambda x: -x, noise, [(-3, 3), (-3, 3)]), np.full(2, 0.3), 0.01


def lattice():
    return RotatorLattice(
        shape=(2,), frequency=lambda x: 1 + x**2, coupling=lambda x: 1 / (1 + x), dissipation=DiagonalDissipation(4),
        temperature=1.0, epsilon=0.1,
    )  # fmt: skip


def rotators():
    return lattice(), np.ones(2), None


def transport():
    return TransportProcess(lattice()), np.ones(2), 0.01


MODELS = [particles, effective, rotators, transport]


def kept(model, runs, comm=None):
    sampler, start, step = model()
    return sampler.sample(start, TIMES, runs, 3, step, comm=comm).values


def made(model, runs, statistics=None, **options):
    sampler, start, step = model()
    name = "positions" if model in (particles, effective) else "actions"
    return sampler.sample(start, TIMES, runs, 3, step, statistics=statistics or asked(name), **options)


def same(one, other):
    """Bit by bit."""
    assert one.runs == other.runs
    assert one.identity == other.identity
    for a, b in zip(one.sums.tallies, other.sums.tallies, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.arrays, b.arrays, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_statistics_are_those_of_kept_runs(model):
    """1300 runs: several tiles, the last not full."""
    values, found = kept(model, 1300), made(model, 1300)
    of_squares = (values**2).sum(axis=2)
    np.testing.assert_allclose(found.mean, values.mean(axis=1), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(found.std, values.std(axis=1, ddof=1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.standard_error * np.sqrt(1300), found.std, rtol=1e-14)
    assert np.array_equal(found.minimum, values.min(axis=1))
    assert np.array_equal(found.maximum, values.max(axis=1))
    for k, at in enumerate(values):
        np.testing.assert_allclose(found.covariance()[0][k], np.cov(at.T), rtol=1e-11, atol=1e-15)
        for i in range(2):
            counts = np.histogram(at[:, i], EDGES)[0]
            assert np.array_equal(found[found.names[0]].histogram.counts[k, i], counts)
    one = found["square"]
    np.testing.assert_allclose(one.mean, of_squares.mean(axis=1), rtol=1e-13, atol=1e-15)
    assert np.array_equal(one.histogram.above, (of_squares > 0.1).sum(axis=1))
    assert np.array_equal(one.histogram.counts.sum(axis=1) + one.histogram.below + one.histogram.above, [1300] * 3)
    assert found["products"].mean.shape == (3, 2, 2)
    np.testing.assert_allclose(found["products"].mean, np.einsum("tri,trj->tij", values, values) / 1300, rtol=1e-12)


def test_errors_of_covariances_are_those_of_kept_members():
    sampler, start, step = transport()
    ensemble = sampler.sample(start, TIMES[1:], 700, 3, step)
    found = sampler.sample(start, TIMES[1:], 700, 3, step, statistics=EnsembleStatistics(covariance=True))
    for mine, its in zip(found.covariance(), ensemble.covariance()):
        np.testing.assert_allclose(mine, its, rtol=1e-11)
    plain = sampler.sample(start, TIMES[1:], 700, 3, step, statistics=EnsembleStatistics())
    for one in (found, plain):
        np.testing.assert_allclose(
            one["actions"].variance_error, np.diagonal(ensemble.covariance()[1], axis1=1, axis2=2), rtol=1e-11
        )
    refused("covariance", "sample with EnsembleStatistics(covariance=True)", plain.covariance)


@pytest.mark.parametrize("model", [particles, transport])
def test_no_bit_depends_on_threads_or_on_when_runs_are_made(model):
    whole = made(model, 1300, workers=1)
    same(whole, made(model, 1300, workers=3))
    part = made(model, 700, workers=2)
    same(whole, part.more(1100).more(1300))
    same(part, part.more(700))
    refused("runs", "between 700", lambda: part.more(600))


@pytest.mark.parametrize("model", [particles, rotators])
def test_ranks_share_the_tiles(model):
    same(made(model, 1300), made(model, 1300, comm=COMM))


def test_means_that_are_large_beside_the_spread():
    """Sums of fourth powers of 1e8 + noise have no digit of the noise left; these have all that the values have."""
    generator = np.random.Generator(np.random.Philox(key=1))
    noise = np.round(generator.standard_normal((5000, 2)) * 2**20) / 2**20
    what = Tallied("x", None, (2,), None, True)

    def of(values):
        sums = Tally.empty(what, 1)
        for first in range(0, 5000, 512):
            some = values[first : first + 512]
            tile = Tally.empty(what, 1)
            tile.fill(0, some, None)
            sums = sums.joined(tile.of(len(some)))
        return sums

    plain, far = of(noise), of(noise + 1e8)
    # the mean of numbers of this size is right to 1e-8, and moments to that of the spread
    np.testing.assert_allclose(far.mean - 1e8, plain.mean, atol=3e-8)
    for name in ("second", "fourth"):
        np.testing.assert_allclose(getattr(far, name), getattr(plain, name), rtol=1e-7, atol=1e-3)
    centred = noise - noise.mean(axis=0)
    np.testing.assert_allclose(plain.second[0], centred.T @ centred, rtol=1e-12)
    np.testing.assert_allclose(plain.third[0], (centred**2).T @ centred, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(plain.fourth[0], (centred**2).T @ centred**2, rtol=1e-12)


def test_values_without_spread_have_their_value_and_no_spread():
    found = made(particles, 1300, EnsembleStatistics({"third": lambda x: np.full(len(x), 1 / 3)}))
    assert (found["third"].mean == 1 / 3).all()
    assert (found["third"].std == 0).all()
    assert np.isnan(found["third"].kurtosis).all()
    assert (found.std[0] == 0).all()


def test_counts_at_edges_and_outside():
    values = np.array([-2.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.1])
    edges = np.array([0.0, 1.0, 2.0])
    found = counted(values, edges)
    assert found.tolist() == [1, 2, 4, 1]
    assert found[1:-1].tolist() == np.histogram(values, edges)[0].tolist()


def test_quantiles_are_between_their_bounds():
    values = kept(particles, 1300)
    found = made(particles, 1300)["positions"]
    for level in (0.0, 0.01, 0.5, 0.9, 1.0):
        low, high = found.quantile(level)
        exact = np.quantile(values, level, axis=1, method="inverted_cdf")
        assert (low <= exact).all()
        assert (exact <= high).all()
    assert (np.subtract(*found.quantile(0.5)[::-1]) <= 0.25 + 1e-12).all()
    refused("level", "at most 1", lambda: found.quantile(1.5))


def test_densities_have_errors():
    found = made(particles, 1300)["positions"].histogram
    assert found.runs == 1300
    inside = (found.density * np.diff(found.edges)).sum(axis=-1)
    np.testing.assert_allclose(inside, 1 - (found.below + found.above) / 1300, rtol=1e-14)
    part = found.counts[1, 0] / 1300
    some = (part > 0) & (part < 1)
    np.testing.assert_allclose(
        found.density_error[1, 0][some], np.sqrt(part * (1 - part) / 1300)[some] / 0.25, rtol=1e-14
    )


@pytest.mark.parametrize("runs", [1, 12, 5000])
def test_bins_without_runs_have_errors(runs):
    """What no run tells is not known to be 0: P(no run) is 16 % at the error, and (1 - confidence)/2 at the upper bound."""
    counts = np.array([[0, runs]])
    found = Histogram(np.array([0.0, 0.5, 1.0]), counts, np.zeros(1, int), np.zeros(1, int))
    assert found.runs == runs
    chance = (1 - 0.5 * found.density_error[0]) ** runs
    np.testing.assert_allclose(chance, norm.sf(1), rtol=1e-5)
    low, high = found.density_bounds(0.9)
    np.testing.assert_allclose((1 - 0.5 * high[0, 0]) ** runs, 0.05, rtol=1e-12)
    np.testing.assert_allclose((0.5 * low[0, 1]) ** runs, 0.05, rtol=1e-12)
    assert (low[0, 0], high[0, 1]) == (0.0, 2.0)


def test_bounds_of_densities():
    """By the sums of the binomial law itself; that errors of empty bins go over into those of others."""
    counts = np.array([[0, 1, 7, 92]])
    found = Histogram(np.arange(5.0), counts, np.zeros(1, int), np.zeros(1, int))
    low, high = (bound[0] for bound in found.density_bounds(0.95))
    np.testing.assert_allclose(binom.cdf(counts[0], 100, high), 0.025, rtol=1e-10)
    np.testing.assert_allclose(binom.sf(counts[0][1:] - 1, 100, low[1:]), 0.025, rtol=1e-10)
    assert (low <= found.density[0]).all()
    assert (found.density[0] <= high).all()
    refused("confidence", "below 1", lambda: found.density_bounds(1.0))
    refused("confidence", "above 0", lambda: found.density_bounds(0.0))


def test_one_run():
    found = made(transport, 1)
    assert np.isinf(found.std).all()
    assert np.isinf(found.covariance()[1]).all()
    assert np.array_equal(found.minimum, found.mean)


def test_noise_of_other_kinds_is_another_ensemble():
    one = made(rotators, 200)
    with pytest.warns(Unresolved, match="5 steps or fewer"):
        other = made(rotators, 200, noise=CubatureNoise())
    assert [k for k in one.identity if one.identity[k] != other.identity[k]] == ["noise"]
    sampler, start, _ = rotators()
    values = sampler.sample(start, TIMES, 200, 3, noise=CubatureNoise()).actions
    np.testing.assert_allclose(other.mean, values.mean(axis=1), rtol=1e-13)


def test_starts_of_each_run():
    sampler, _, step = particles()
    starts = np.linspace(0, 1, 1200).reshape(600, 2)
    found = sampler.sample(starts, TIMES, 600, 3, step, statistics=EnsembleStatistics())
    np.testing.assert_allclose(found.mean[0], starts.mean(axis=0), rtol=1e-14)
    refused("runs", "where each run has a start", lambda: found.more(700))


# --- what is refused -------------------------------------------------------------------------------------


def test_what_is_asked_for_is_looked_at():
    refused("observables", "by their names", lambda: EnsembleStatistics({"a": 3}))
    refused("observables", "dict", lambda: EnsembleStatistics([squares]))
    refused("observables", "identifiers", lambda: EnsembleStatistics({"a b": squares}))
    refused("histograms", "increasing", lambda: EnsembleStatistics(histograms={"positions": [1.0, 0.0]}))
    refused("covariance", "True or False", lambda: EnsembleStatistics(covariance=1))
    for wrong, word in (
        (EnsembleStatistics(histograms={"actions": EDGES}), "one of 'positions'"),
        (EnsembleStatistics({"positions": squares}), "there in any case"),
    ):
        argument = "histograms" if wrong.histograms else "observables"
        refused(argument, word, lambda wrong=wrong: made(particles, 10, wrong))
    for function, word in (
        (lambda x: x[:, 7], "IndexError"),
        (lambda x: x[0], "as many values"),
        (lambda x: None, "None"),
    ):
        refused("observables['f']", word, lambda f=function: made(particles, 10, EnsembleStatistics({"f": f})))
    refused("statistics", "EnsembleStatistics", lambda: made(particles, 10, {"f": squares}))


def test_values_that_are_not_finite_are_refused():
    """At the start the logarithm is finite; where paths come to it is not."""

    def logarithm(x):
        with np.errstate(invalid="ignore"):
            return np.log(0.001 + x[:, 0])

    for comm in (None, COMM):
        refused(
            "observables['f']", "finite",
            lambda comm=comm: made(particles, 600, EnsembleStatistics({"f": logarithm}), comm=comm),
        )  # fmt: skip


def test_checkpoints_are_of_statistics(tmp_path):
    sampler, start, step = particles()
    refused("checkpoint", "statistics=", lambda: sampler.sample(start, TIMES, 9, 3, step, checkpoint=tmp_path / "a"))


def test_they_show_themselves():
    found = made(particles, 600)
    assert "600, none kept" in repr(found)
    assert "values outside" in repr(found)
    assert "square" in repr(found["square"])
    assert list(found) == ["positions", "square", "products"]
    refused("name", "one of positions", lambda: found["other"])
    data = found.to_xarray()
    assert data.positions_mean.dims == ("time", "positions_0")
    assert data.positions_mean.attrs["units"] == "length"
    assert int(data.square_counts.sum() + data.square_below.sum() + data.square_above.sum()) == 1800
    assert isinstance(found, ReducedEnsemble)
