"""Distances of path laws: against scipy's, against laws known in closed form, and how often they are mistaken."""

from functools import partial

import numpy as np
import pytest
from chance import ALPHA
from interrupts import seconds_to_end
from refusals import refused
from rotators import alternating, linear_law, no_coupling
from scipy import stats
from scipy.integrate import quad

import scaling_limits
from scaling_limits.particles import (
    CoupledRotators,
    PathDistance,
    PathWatch,
    RotatorEnsemble,
    TransportProcess,
    Unresolved,
    path_distance,
)

TIMES = np.array([0.2, 0.5, 1.0])


def ensemble(amplitudes, times=TIMES, seed=0):
    """Members with given amplitudes (T, R, N)."""
    return RotatorEnsemble(np.asarray(times), np.asarray(amplitudes, dtype=complex), 0.1, seed)


def damped(runs, temperature, generator, times=TIMES):
    """Exact paths of dv = -v d tau + sqrt(T) d beta from 1, one site for each temperature."""
    v, found, before = np.ones((runs, len(temperature)), dtype=complex), [], 0.0
    for time in times:
        d, before = time - before, time
        noise = generator.standard_normal((2, *v.shape))
        spread = np.sqrt(np.array(temperature) * (1 - np.exp(-2 * d)) / 2)
        v = v * np.exp(-d) + spread * (noise[0] + 1j * noise[1])
        found.append(v)
    return ensemble(found, times)


def apart_by(one, other):
    """int |F - G| of two laws of scipy."""
    return quad(lambda x: abs(one.cdf(x) - other.cdf(x)), 0, 40, limit=200)[0]


@pytest.fixture(scope="module")
def coupled():
    return CoupledRotators(alternating(2, 0.1)).sample([1.0, 0.7], [0.0, 0.5, 1.0], 500, 2, watch=True)


@pytest.mark.serial
def test_functionals_by_hand():
    """scipy's distances of marginals, suprema and means over snapshots; slices are no farther apart than paths."""
    generator = np.random.default_rng(1)
    a, b = damped(300, (2.0, 0.5), generator), damped(200, (1.5, 0.5), generator)
    found = path_distance(a, b, functionals={"last less first": lambda paths: paths[:, -1, 0] - paths[:, 0, 0]})
    one, two = a.actions, b.actions
    expected = {
        "I_0(0.2)": (one[0, :, 0], two[0, :, 0]),
        "I_1(1)": (one[2, :, 1], two[2, :, 1]),
        "sup I_0": (one.max(axis=0)[:, 0], two.max(axis=0)[:, 0]),
        "sup of all": (one.max(axis=(0, 2)), two.max(axis=(0, 2))),
        "time mean of I_1": [(0.3 * (i[0] + i[1]) + 0.5 * (i[1] + i[2]))[:, 1] / 1.6 for i in (one, two)],
        "last less first": (one[2, :, 0] - one[0, :, 0], two[2, :, 0] - two[0, :, 0]),
    }
    for name, (u, v) in expected.items():
        assert found.value[found.of(name)] == pytest.approx(stats.wasserstein_distance(u, v), rel=1e-12)
    assert found.names.tolist().count("last less first") == 1
    assert found.lipschitz.sum() == len(found.names) - 1
    assert found.value[found.of("all, sliced")] < found.bound
    only = path_distance(a, b, sites=[1])
    assert not [name for name in only.names if "_0" in name]
    assert only.value[only.of("I_1(1)")] == pytest.approx(found.value[found.of("I_1(1)")], rel=1e-12)


@pytest.mark.serial
def test_every_step_where_watched(coupled):
    found, u, v = path_distance(coupled), coupled.lattice, coupled.limit
    assert found.every_step
    assert found.paired
    top = [one.running_maximum[-1, :, 0] for one in (u, v)]
    assert found.value[found.of("sup I_0")] == pytest.approx(stats.wasserstein_distance(*top), rel=1e-12)
    means = [one.integrals.sum(axis=0)[:, 1] for one in (u, v)]
    assert found.value[found.of("time mean of I_1")] == pytest.approx(stats.wasserstein_distance(*means), rel=1e-12)
    gaps = coupled.gaps.max(axis=(0, 2))
    assert found.bound == pytest.approx(gaps.mean(), rel=1e-12)
    assert found.bound_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(500), rel=1e-12)
    assert found.at_least <= found.bound
    given = path_distance(u, v, paired=True)
    np.testing.assert_allclose(given.value, found.value, rtol=1e-12)
    assert given.bound <= found.bound


@pytest.mark.serial
def test_known_distances_are_in_their_intervals():
    """Two laws of noncentral chi squared: int |F - G| by quadrature, 60 pairs of samples; all at once in 99 %."""
    generator, temperatures = np.random.default_rng(2), ((2.0, 0.5), (1.6, 0.6))
    exact = {}
    for time in TIMES:
        for j in range(2):
            laws = [linear_law(t[j], 0.5, time) for t in temperatures]
            exact[f"I_{j}({time:.4g})"] = apart_by(*laws)
    missed, apart, values, errors = 0, 0, [], []
    for _ in range(60):
        a, b = (damped(400, t, generator) for t in temperatures)
        found = path_distance(a, b, resamples=200)
        rows = [found.of(name) for name in exact]
        distance = np.array(list(exact.values()))
        missed += int(((found.lower[rows] > distance) | (found.upper[rows] < distance)).any())
        apart += found.different
        values.append(found.value[rows])
        errors.append(found.error[rows])
    assert stats.binom.sf(missed - 1, 60, 0.01) > ALPHA
    # the farthest laws are five standard errors apart, and seen nearly always
    assert apart > 20
    spread = np.std(values, axis=0, ddof=1)
    clear = np.mean(values, axis=0) > 4 * spread
    np.testing.assert_allclose(np.mean(errors, axis=0)[clear], spread[clear], rtol=0.35)


@pytest.mark.serial
def test_one_law_is_taken_for_two_as_often_as_said():
    """Exchanged labels are as likely as those that are there: p is uniform."""
    generator = np.random.default_rng(3)
    found = [path_distance(damped(100, (2.0, 0.5), generator), damped(150, (2.0, 0.5), generator), resamples=200)
             for _ in range(300)]  # fmt: skip
    p = np.array([one.p_value for one in found])
    assert stats.kstest(p - generator.random(300) / 201, "uniform").pvalue > ALPHA
    assert stats.binom.sf(sum(one.different for one in found) - 1, 300, 0.01) > ALPHA
    assert stats.binom.sf(sum(one.at_least > 0 for one in found) - 1, 300, 0.01) > ALPHA


@pytest.mark.serial
def test_pairs_of_one_law():
    """Pairs that cannot be exchanged, of equal marginal laws: y is x turned by a third of the unit interval."""
    generator, alarms, seen = np.random.default_rng(4), 0, 0
    for _ in range(120):
        x = generator.random((1, 300, 1))
        parts = [ensemble(np.sqrt(2 * part), [1.0]) for part in (x, (x + 1 / 3) % 1.0)]
        found = path_distance(*parts, paired=True, resamples=200)
        alarms += found.different
        seen += found.at_least > 0
    assert stats.binom.sf(alarms - 1, 120, 0.01) > ALPHA
    assert stats.binom.sf(seen - 1, 120, 0.01) > ALPHA


@pytest.mark.serial
def test_bounds_hold_the_distance_of_paths():
    """Actions that are c more: the paths are c apart, in whatever way members are matched."""
    generator, c = np.random.default_rng(5), 0.3
    a, b = damped(2000, (1.0,), generator), damped(2000, (1.0,), generator)
    apart = ensemble(np.sqrt(2 * (b.actions + c)))
    found = path_distance(a, apart)
    assert found.different
    assert 0.6 * c < found.at_least <= c
    assert c <= found.at_most < 2 * c
    same = path_distance(b, apart, paired=True)
    assert same.bound == pytest.approx(c, rel=1e-12)
    assert same.bound_error < 1e-12
    np.testing.assert_allclose(same.value[same.of("I_0(1)")], c, rtol=1e-12)


@pytest.mark.serial
def test_lattice_and_limit_that_are_the_same():
    """Without coupling and with linear damping the actions have the law of the limit for every epsilon."""
    lattice, arguments = alternating(2, 0.1, coupling=no_coupling), ([1.0, 0.7], [0.5, 1.0], 1000)
    a = lattice.sample(*arguments, seed=1, watch=PathWatch())
    b = TransportProcess(lattice).sample(*arguments, seed=2, watch=PathWatch())
    found = path_distance(a, b)
    assert found.p_value > 1e-2
    assert "not resolved" in found.verdict
    both = path_distance(CoupledRotators(lattice).sample(*arguments, seed=1))
    assert both.bound < 1e-12
    assert both.p_value == 1


@pytest.mark.serial
def test_files_pictures_and_datasets(coupled, tmp_path):
    found = path_distance(coupled)
    found.save(tmp_path / "distance.npz")
    for read in (PathDistance.load(tmp_path / "distance.npz"), scaling_limits.load(tmp_path / "distance.npz")):
        assert repr(read) == repr(found)
        np.testing.assert_array_equal(read.names, found.names)
        assert read.paired is True
    assert "different" in repr(found)
    assert found.to_xarray()["value"].dims == ("functional",)
    assert len(found.plot().get_yticklabels()) == len(found.names)


@pytest.mark.serial
def test_bad_input(coupled):
    u, v = coupled.lattice, coupled.limit
    refused("samples", "RotatorEnsemble", lambda: path_distance(3, v))
    refused("limit", "RotatorEnsemble", lambda: path_distance(u))
    refused("limit", "give samples alone", lambda: path_distance(coupled, v))
    refused("limit", "another seed", lambda: path_distance(u, u))
    refused("limit", "times", lambda: path_distance(u, ensemble(v.amplitudes[1:], v.times[1:])))
    refused("limit", "sites", lambda: path_distance(u, ensemble(v.amplitudes[:, :, :1], v.times)))
    refused("limit", "8 members", lambda: path_distance(u, ensemble(v.amplitudes[:, :1], v.times)))
    refused("samples", "after 0", lambda: path_distance(*(ensemble(i.amplitudes[:1], [0.0]) for i in (u, v))))
    refused("paired", "must be False", lambda: path_distance(u, ensemble(v.amplitudes[:, :9], v.times), paired=True))
    for sites in ([2], [0, 0], [0.5], [], "a"):
        refused("sites", "", partial(path_distance, coupled, sites=sites))
    for mask in ([True, False], np.array([False, True]), [True, 0]):
        refused("sites", "not truth values", partial(path_distance, coupled, sites=mask))
    refused("level", "below", lambda: path_distance(coupled, level=0.6))
    refused("resamples", "between", lambda: path_distance(coupled, resamples=100))
    refused("functionals", "by name", lambda: path_distance(coupled, functionals=[np.max]))
    refused("functionals", "values", lambda: path_distance(coupled, functionals={"all": lambda paths: paths}))
    refused("name", "one of", lambda: path_distance(coupled).of("sup I_7"))
    refused("name", "one of", lambda: path_distance(coupled).of([]))


@pytest.mark.serial
def test_few_members():
    """Intervals by few members are not of the level that they have: this is said, or refused."""
    generator = np.random.default_rng(6)
    few, many = (damped(runs, (2.0,), generator) for runs in (20, 200))
    for pair in ((few, many), (many, few)):
        with pytest.warns(Unresolved, match="with 20 members"):
            path_distance(*pair)
    refused("samples", "at least 8 members, not 7", lambda: path_distance(damped(7, (2.0,), generator), many))


@pytest.mark.serial
def test_equal_members_are_not_apart():
    """Pairs that are the same, many of them tied: distances are 0, not what is left of sums of 1/R."""
    actions = np.repeat([0.1, 0.2, 0.7, 1.9], [150, 3, 77, 70])[None, :, None]
    same = ensemble(np.sqrt(2 * actions), [1.0]), ensemble(-np.sqrt(2 * actions), [1.0])
    found = path_distance(*same, paired=True)
    assert (found.value == 0).all()
    assert (found.lower == 0).all()
    assert found.p_value == 1
    assert not found.different


INTERRUPTED = """
import numpy as np
from scaling_limits.particles import RotatorEnsemble, path_distance
generator = np.random.default_rng(1)
times = np.linspace(0.1, 1, 10)
one, two = (RotatorEnsemble(times, generator.random((10, 20000, 100)) + 0j, 0.1, 1) for _ in range(2))
print("begins", flush=True)
path_distance(one, two, resamples=10**6)
"""


@pytest.mark.serial
def test_interrupts():
    """One Ctrl-C ends the drawing of many members and sites within 2 s."""
    assert seconds_to_end(INTERRUPTED, 6.0) < 2.0
