"""One call says whether samples tell a system from its limit: not where they are the same, surely where they are far."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from chance import assert_mean
from mpi4py import MPI
from scipy import stats
from sympy import Integer, cos, pi

import scaling_limits
from scaling_limits.particles import (
    DiagonalDissipation,
    InvalidArgument,
    MultiscalePotential,
    PinnedBalls,
    RotatorLattice,
)
from scaling_limits.pdes import compare
from scaling_limits.pdes.comparison import chances

COMM = MPI.COMM_WORLD


def potential(dim=1, size=0.5):
    return MultiscalePotential(
        dim, 1, 0.5, lambda x: sum(c**2 for c in x) / 2,
        lambda x, y: Integer(0) if size == 0 else size * sum(cos(2 * pi * c) for c in y),
    )  # fmt: skip


def paths(dim=1, size=0.5, epsilon=0.1, runs=2000, **more):
    given = {"box": [(-4, 4)] * dim, "initial": [1.0] * dim} | more
    return compare(potential(dim, size), [0.2, 1.0], runs, seed=3, epsilon=epsilon, **given)


def lattice(epsilon, coupling):
    return RotatorLattice(
        (2,), frequency=lambda x: 1 + x**2, coupling=coupling, dissipation=DiagonalDissipation(p=4),
        temperature=[2.0, 0.5], epsilon=epsilon,
    )  # fmt: skip


def free(x):
    return 0.0 * x


def strong(x):
    return 30.0 / (1 + x)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("dim", [1, 2])
def test_paths_without_roughness_are_their_limit(dim):
    """An Ornstein-Uhlenbeck process, of known mean and variance."""
    found = paths(dim, size=0.0, runs=4000)
    assert not found.told_apart
    assert "cannot tell" in " ".join(found.verdict.split())
    mean, shares = found.differences
    start = (4.0 - 1.0) / 8.0
    assert_mean(mean.sampled, np.exp(-found.times)[:, None], start * np.ones(dim) / np.sqrt(4000) * 2)
    np.testing.assert_allclose(mean.limit, np.exp(-found.times)[:, None] * np.ones(dim), atol=1e-3)
    np.testing.assert_allclose(shares.limit.sum(axis=tuple(range(1, dim + 1))), 1.0)
    # the local equilibrium of no roughness is the limit
    np.testing.assert_allclose(shares.finite, shares.limit, atol=1e-3)


def test_bins_have_the_probabilities_of_a_normal_law():
    found = paths(size=0.0, epsilon=0.5)
    (_, middles), shares = found.differences[1].places[0], found.differences[1].limit[0]
    variance = 0.375**2 * np.exp(-0.4) + 0.5 * (1 - np.exp(-0.4))
    edges = np.concatenate([[-np.inf], [], found.finite.bins.edges[0][1:-1], [np.inf]])
    exact = np.diff(stats.norm.cdf(edges, np.exp(-0.2), np.sqrt(variance)))
    assert len(middles) == len(exact)
    np.testing.assert_allclose(shares, exact, atol=1e-4)


def test_a_large_epsilon_is_told_and_its_local_equilibrium_is_nearer():
    found = paths(epsilon=1.0)
    assert found.told_apart
    assert found.chance < 1e-6
    assert "tell the system from its limit" in " ".join(found.verdict.split())
    shares = found.differences[1]
    assert np.abs(shares.deviations).max() > 8
    assert (shares.relative_finite < 0.6 * shares.relative).all()


@pytest.mark.serial
def test_what_is_not_known_is_said():
    found = paths(epsilon=0.02, runs=50, cells=40)
    assert found.finite is None
    assert found.differences[1].finite is None
    assert "too small for the local equilibrium" in " ".join(found.verdict.split())
    hot = compare(potential(), [3.0], 500, seed=1, epsilon=0.5, box=[(-1.2, 1.2)], initial=[0.0])
    said = " ".join(hot.verdict.split())
    assert "This need not be epsilon = 0.5: 12 % of the paths are outside of the box" in said
    assert "depends on whether" not in said
    coarse = paths(epsilon=0.1, cells=12)
    said = " ".join(coarse.verdict.split())
    assert "Whether epsilon = 0.1 is enough is not known: the limit is known to" in said
    assert "small enough for what they see" not in said


def test_few_paths_cannot_tell_what_many_can():
    assert not paths(epsilon=0.5, runs=20).told_apart
    assert paths(epsilon=0.5, runs=20_000).told_apart


@pytest.mark.serial
def test_rotators_without_coupling_are_their_limit_and_those_with_much_are_not():
    same = compare(lattice(0.05, free), [0.0, 0.5, 1.0], 1000, seed=2, initial=[1, 1])
    assert not same.told_apart
    far = compare(lattice(0.5, strong), [0.0, 0.5, 1.0], 1000, seed=2, initial=[2, 0.1])
    assert far.told_apart
    assert " tau = " in far.verdict


def balls(n):
    return PinnedBalls(n=n, mean=lambda x: np.tanh(3 * (x - 0.5)), std=lambda x: 1 + 0 * x)


def test_balls_are_told_from_their_limit_when_they_are_few():
    assert compare(balls(30), [0.0, 0.05], 2000, seed=1, comm=COMM).told_apart
    early = compare(balls(30), [0.0], 2000, seed=1, comm=COMM)
    assert not early.told_apart


@pytest.mark.parametrize("family", ["paths", "plane", "balls", "rotators"])
def test_comparisons_show_themselves(family):
    made = {
        "paths": paths, "plane": lambda: paths(2), "balls": lambda: compare(balls(12), [0.01], 50, seed=1),
        "rotators": lambda: compare(lattice(0.1, free), [0.5], 50, seed=1, initial=[1, 1]),
    }  # fmt: skip
    found = made[family]()
    axes = found.plot()
    assert (axes is None) == (COMM.rank > 0)
    if COMM.rank == 0:
        assert [ax.get_title().split(",")[0] for ax in axes] == ["particles", "limit", "difference"]
        assert all(ax.has_data() for ax in axes)
        axes[0].figure.canvas.draw()
    data = found.to_xarray()
    one = found.differences[0]
    np.testing.assert_array_equal(data.mean_samples, one.sampled)
    np.testing.assert_array_equal(data.mean_chance, one.chance)
    assert data.attrs["verdict"] == found.verdict
    assert len(plt.get_fignums()) == (COMM.rank == 0)
    plt.close("all")
    assert len(repr(found).splitlines()) < 6
    assert "..." not in repr(found)
    assert "<table>" in found._repr_html_()


@pytest.mark.serial
@pytest.mark.parametrize("family", ["paths", "plane", "balls", "rotators"])
def test_comparisons_are_read_again(family, tmp_path):
    """With numbers, verdict and a picture of these, and without samples."""
    made = {
        "paths": lambda: paths(runs=50, cells=40), "plane": lambda: paths(2, runs=50, cells=(24, 24)),
        "balls": lambda: compare(balls(12), [0.01], 50, seed=1),
        "rotators": lambda: compare(lattice(0.1, free), [0.5], 50, seed=1, initial=[1, 1]),
    }  # fmt: skip
    found = made[family]()
    found.save(tmp_path / "it.npz")
    again = scaling_limits.load(tmp_path / "it.npz")
    assert again.verdict == found.verdict
    assert repr(again) == repr(found)
    assert again.to_xarray().identical(found.to_xarray())
    assert again.samples is None
    axes = again.plot()
    assert all(ax.has_data() and ax.get_xlabel() for ax in axes)
    with np.load(tmp_path / "it.npz") as file:
        content = {key: file[key] for key in file.files}
    np.savez(tmp_path / "it.npz", **(content | {"error_0": content["error_0"][..., :-1]}))
    with pytest.raises(InvalidArgument, match="path: .* is damaged: its arrays do not belong together"):
        scaling_limits.load(tmp_path / "it.npz")


def test_the_package_has_it_too():
    assert scaling_limits.compare is compare


@pytest.mark.parametrize(
    ("change", "argument"),
    [({"epsilon": None}, "epsilon"), ({"box": None}, "box"), ({"initial": None}, "initial"), ({"epsilon": -1}, "epsilon"),
     ({"initial": [9.0]}, "initial"), ({"width": 3.0}, "width"), ({"runs": 1}, "runs"), ({"paths": 5}, "paths"),
     ({"false_alarm": 1.0}, "false_alarm"), ({"seed": -1}, "seed"), ({"times": [-1.0]}, "times"), ({"model": 3}, "model"),
     ({"model": balls(5)}, "epsilon")],
)  # fmt: skip
def test_arguments_are_named(change, argument):
    given = {
        "model": potential(),
        "times": [0.1],
        "runs": 10,
        "seed": 1,
        "epsilon": 0.5,
        "box": [(-4, 4)],
        "initial": [0],
    }
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        compare(**(given | change))


# --- probabilities ---------------------------------------------------------------------------------------


GENERATOR = np.random.Generator(np.random.Philox(key=11))
DRAWS, RUNS = 200_000, 400


def tails_are_right(chance, least):
    """Of values below a level there are as many as the level says, and not fewer than a part of them."""
    for level in (1e-1, 1e-2, 1e-3):
        count = int((chance < level).sum())
        assert stats.binom.sf(count - 1, DRAWS, level * 1.15) > 1e-6, f"{count} of {level:g}"
        assert count > least * level * DRAWS


@pytest.mark.serial
def test_chances_of_means_of_skew_numbers():
    means = GENERATOR.gamma(RUNS, 1.0 / RUNS, DRAWS)
    error = np.full(DRAWS, 1 / np.sqrt(RUNS))
    # its longer side counts for both
    tails_are_right(chances.of_skew_means(means - 1.0, error, RUNS, np.full(DRAWS, 2.0)), 0.5)


@pytest.mark.serial
def test_chances_of_means_and_deviations_of_normal_numbers():
    squares = GENERATOR.chisquare(RUNS - 1, DRAWS) / (RUNS - 1)
    tails_are_right(chances.of_deviations(np.sqrt(squares), np.ones(DRAWS), RUNS, np.full(DRAWS, 3.0)), 0.85)
    means = GENERATOR.standard_normal(DRAWS) / np.sqrt(RUNS)
    tails_are_right(chances.of_means(means, np.sqrt(squares / RUNS), RUNS), 0.85)


@pytest.mark.serial
def test_chances_of_counts():
    p = np.full(DRAWS, 0.3)
    first, second = GENERATOR.binomial(RUNS, 0.3, (2, DRAWS))
    tails_are_right(chances.of_counts(first, RUNS, p), 0.5)
    tails_are_right(chances.of_two_counts(first, second, RUNS, RUNS), 0.3)
    assert chances.of_counts(np.array([0]), RUNS, np.array([0.0]))[0] == 1.0
    assert chances.of_counts(np.array([130]), RUNS, np.array([0.25]), 0.1)[0] > 0.5


@pytest.mark.parametrize("runs", [2, 5, 10, 20])
def test_few_runs_of_balls_are_not_told_from_their_own_law(runs):
    """At time 0 the law of the samples is that of the limit. With level 0.1 the verdicts of 20 seeds are wrong more than
    10 times with probability 7e-7."""
    balls = PinnedBalls(n=30, mean=lambda x: 0 * x, std=lambda x: 1 + 0 * x)
    found = [compare(balls, [0.0], runs, seed=seed, rtol=1e-2, false_alarm=0.1) for seed in range(20)]
    assert sum(one.told_apart for one in found) <= 10
    assert min(one.chance for one in found) > 1e-8


def test_axes_and_cells_are_looked_at():
    with pytest.raises(InvalidArgument, match="cells"):
        paths(cells=0)
    found = paths(runs=10)
    for axes in (plt.subplots(1, 2)[1], plt.subplots(2, 2)[1], plt.gca(), "three"):
        with pytest.raises(InvalidArgument, match="axes"):
            found.plot(axes)


def test_an_epsilon_of_one_rank_alone():
    last = COMM.rank == COMM.size - 1
    with pytest.raises(InvalidArgument, match="epsilon"):
        paths(epsilon=-1.0 if last else 0.1, runs=10)


def test_nothing_where_there_is_no_noise():
    assert chances.of_deviations(np.zeros(1), np.zeros(1), 10, np.array([np.nan]))[0] == 1.0
    assert chances.of_means(np.zeros(1), np.zeros(1), 10)[0] == 1.0
    assert chances.of_means(np.ones(1), np.zeros(1), 10)[0] < 1e-100
