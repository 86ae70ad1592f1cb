"""Studies of epsilon: what they are made of, the rate of pairs, and what they refuse."""

import numpy as np
import pytest
from refusals import refused
from rotators import WORLD, alternating, no_coupling

import scaling_limits
from scaling_limits.particles import CoupledRotators, EpsilonStudy, Unresolved, epsilon_study, path_distance
from scaling_limits.particles.rotators.paths.rates import fitted_line

START, TIMES, EPSILONS = [1.0, 0.7], [0.25, 0.5], [0.1, 0.03, 0.01]


@pytest.fixture(scope="module")
def study():
    return epsilon_study(alternating(2, 0.5), EPSILONS, START, TIMES, 1000, 2)


@pytest.mark.serial
def test_made_of_path_distances(study):
    """Each epsilon has the pairs of the next seed; what is said of it is what `path_distance` says."""
    for k, epsilon in enumerate(EPSILONS):
        both = CoupledRotators(alternating(2, epsilon)).sample(START, TIMES, 1000, 2 + k, watch=True)
        found = path_distance(both, seed=2)
        np.testing.assert_array_equal(study.value[k], found.value)
        np.testing.assert_array_equal(study.lower[k], found.lower)
        assert (study.bound[k], study.p_value[k]) == (found.bound, found.p_value)
        value, error = both.strong_distance()
        np.testing.assert_allclose(study.site_bound[k], value[-1], rtol=1e-12)
        np.testing.assert_allclose(study.site_error[k], error[-1], rtol=1e-12)
    assert (study.at_least <= study.at_most).all()
    assert study.different.all()


@pytest.mark.serial
def test_rates(study):
    """Pairs approach like epsilon^(1/2), and so do laws at early times, where the canonical actions of u(0) count."""
    rate, error = study.rate
    assert error < 0.03
    assert abs(rate - 0.5) < 0.08
    assert study.bound[-1] < 0.15
    rate, error = study.law_rate("I_0(0.25)")
    assert abs(rate - 0.55) < 0.25
    small = study.epsilon_for(0.04)
    assert study.line.at(np.log(small))[0] == pytest.approx(0.04, rel=0.25)
    assert study.line.at(np.log(small))[0] < 0.04
    assert study.epsilon_for(0.1) > study.epsilon_for(0.06) > small


@pytest.mark.serial
def test_line_by_hand():
    """The slope of exact powers, and its error against that of repeated noise."""
    x, generator = np.log([0.2, 0.1, 0.05, 0.02]), np.random.default_rng(1)
    exact = 0.7 * np.exp(0.6 * x)
    line = fitted_line(x, exact, 0.1 * exact)
    assert (line.slope, line.constant) == pytest.approx((0.6, np.log(0.7)), rel=1e-12)
    slopes = [fitted_line(x, exact * np.exp(0.05 * generator.standard_normal(4)), 0.05 * exact).slope
              for _ in range(2000)]  # fmt: skip
    assert fitted_line(x, exact, 0.05 * exact).slope_error == pytest.approx(np.std(slopes), rel=0.1)
    assert np.mean(slopes) == pytest.approx(0.6, abs=6 * np.std(slopes) / np.sqrt(2000))
    # points off the line tell of a larger error than their own
    assert fitted_line(x, exact * [1, 1.2, 0.8, 1], 1e-9 * exact).slope_error > 0.1
    assert fitted_line(x[:1], exact[:1], exact[:1]) is None


@pytest.mark.serial
def test_nothing_to_see():
    """Without coupling the actions are those of the limit: W_1 is 0 and nothing is told apart."""
    study = epsilon_study(alternating(2, 0.5, coupling=no_coupling), [0.1, 0.02], START, [0.5], 200, 1)
    assert (study.at_most < 1e-11).all()
    assert (study.at_least == 0).all()
    assert not study.different.any()
    assert np.isnan(study.rate).all()
    refused("distance", "no falling line", lambda: study.epsilon_for(1e-3))
    study.plot()


def test_same_on_ranks():
    """Of all ranks together, and of each alone."""
    arguments = alternating(2, 0.5), [0.2, 0.1], START, [0.2], 100, 3
    shared, alone = epsilon_study(*arguments, comm=WORLD), epsilon_study(*arguments, workers=1)
    np.testing.assert_array_equal(shared.value, alone.value)
    np.testing.assert_array_equal(shared.bound, alone.bound)
    if WORLD is not None and WORLD.size > 1:
        lattice, *more = arguments
        # what is wrong on one rank is refused by all
        refused("epsilons", "positive", lambda: epsilon_study(lattice, [0.5 - WORLD.rank], *more[1:], comm=WORLD))
        refused("epsilons", "ranks", lambda: epsilon_study(lattice, [1.0 + WORLD.rank], *more[1:], comm=WORLD))
        refused("epsilons", "ranks", lambda: epsilon_study(lattice, [0.2, 0.1][WORLD.rank :], *more[1:], comm=WORLD))


def fails_on_last(paths):
    if WORLD is not None and WORLD.rank == WORLD.size - 1:
        raise KeyError("here alone")
    return paths[:, -1, 0]


@pytest.mark.skipif(WORLD is None or WORLD.size == 1, reason="of several ranks")
@pytest.mark.parametrize("bad", [
    {"runs": None}, {"runs": 3}, {"runs": 101}, {"paths": 5}, {"seed": 4}, {"seed": -1}, {"times": [0.3]}, {"times": "x"},
    {"initial": [1.0]}, {"initial": [1.0, 0.5]}, {"step": -1.0}, {"step": 0.02}, {"sites": [0]}, {"sites": [True, False]},
    {"level": 0.6}, {"level": 0.02}, {"resamples": 3}, {"resamples": 300}, {"functionals": [np.max]}, {"workers": 0},
    {"functionals": {"own": fails_on_last}}, {"functionals": {"other": lambda paths: paths[:, -1, 0]}},
    {"functionals": {"own": lambda paths: paths[:, -1, 1]}}, {"progress": 3}, {"lattice": 3},
    {"lattice": alternating(2, 0.5, temperatures=(1.0, 3.0))},
])  # fmt: skip
def test_one_rank_alone(bad):
    """Every argument that is wrong, or another, on the last rank alone is refused by all, by its name."""
    good = {"lattice": alternating(2, 0.5), "epsilons": [0.2], "initial": START, "times": [0.2], "runs": 100, "seed": 3}
    good |= {"step": 0.05, "functionals": {"own": lambda paths: paths[:, -1, 0]}, "comm": WORLD}
    (name,) = bad
    refused(name, "", lambda: epsilon_study(**good | (bad if WORLD.rank == WORLD.size - 1 else {})))


@pytest.mark.serial
def test_files_pictures_and_datasets(study, tmp_path):
    study.save(tmp_path / "study.npz")
    for read in (EpsilonStudy.load(tmp_path / "study.npz"), scaling_limits.load(tmp_path / "study.npz")):
        assert repr(read) == repr(study)
        assert read.rate == study.rate
    assert "epsilon = 0.03" in repr(study)
    assert "epsilon^(" in study.verdict
    data = study.to_xarray()
    assert data["value"].dims == ("epsilon", "functional")
    assert data["site_bound"].dims == ("epsilon", "site")
    ax = study.plot()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.serial
def test_bad_input(study):
    lattice = alternating(2, 0.1)
    refused("lattice", "RotatorLattice", lambda: epsilon_study(3, [0.1], START, [0.5], 10, 1))
    refused("epsilons", "positive", lambda: epsilon_study(lattice, [0.1, -1.0], START, [0.5], 10, 1))
    refused("epsilons", "different", lambda: epsilon_study(lattice, [0.1, 0.1], START, [0.5], 10, 1))
    refused("epsilons", "", lambda: epsilon_study(lattice, [], START, [0.5], 10, 1))
    refused("seed", "integer", lambda: epsilon_study(lattice, [0.1], START, [0.5], 10))
    refused("runs", "must be given", lambda: epsilon_study(lattice, [0.1], START, [0.5], seed=1))
    refused("sites", "from 0 to 1", lambda: epsilon_study(lattice, [0.1], START, [0.5], 10, 1, sites=[2]))
    refused("distance", "add epsilons", lambda: study.epsilon_for(1e-6))
    refused("distance", "above", lambda: study.epsilon_for(0.0))
    refused("name", "one of", lambda: study.law_rate("nothing"))
    refused("runs", "at least 8", lambda: epsilon_study(lattice, [0.1], START, [0.5], 7, 1))
    refused("epsilons", "truth values", lambda: epsilon_study(lattice, [True], START, [0.5], 10, 1))
    refused("name", "one of", lambda: study.of([]))
    with pytest.warns(Unresolved, match="with 10 members"):
        alone = epsilon_study(lattice, [0.1], START, [0.5], 10, 1)
    assert np.isnan(alone.rate).all()
    refused("distance", "add smaller epsilons", lambda: alone.epsilon_for(0.1))
