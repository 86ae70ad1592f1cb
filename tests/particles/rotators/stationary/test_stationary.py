"""The stationary law, autocorrelations and averages over time: against processes that are known in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from chance import ALPHA, Z, assert_mean
from rotators import WORLD, alternating, diagonal_law, lattice_of, weak
from scipy import stats
from sympy import Abs

import scaling_limits
from scaling_limits.particles import (
    AssumptionWarning,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LinearDissipation,
    PolynomialDissipation,
    RotatorEnsemble,
    RotatorLattice,
    StationarySample,
    TimeAverage,
    TransportProcess,
    Unresolved,
)
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.rotators.stationary.relaxation import Meeting

TEMPERATURES = np.array([2.0, 0.5])


def linear():
    return TransportProcess(lattice_of(DiagonalDissipation(2), TEMPERATURES))


@pytest.fixture(scope="module")
def sample():
    return linear().sample_stationary(4000, 1, snapshots=41, spacing=0.1)


@pytest.mark.serial
def test_law_of_linear_damping(sample):
    """Exponential with the mean T/2 from the first snapshot on; the burn-in is some relaxation times, of the rate 2."""
    for actions in (sample.actions[0], sample.actions[-1]):
        for j, t in enumerate(TEMPERATURES):
            assert stats.kstest(actions[:, j], stats.expon(scale=t / 2).cdf).pvalue > ALPHA
    # the slowest of many that are seen for a short while
    assert 1 < sample.relaxation < 2.6
    assert 3 < sample.burn_in < 20
    assert sample.bias <= 1e-3


@pytest.mark.serial
def test_autocorrelation_of_linear_damping(sample):
    """exp(-2 tau), of I^2 a mixture with exp(-4 tau): Laguerre polynomials; integrated times 1/2 and 0.45."""
    rho, error = sample.autocorrelation()
    assert_mean(rho[1:21], np.exp(-2 * sample.times[1:21])[:, None] * np.ones(2), error[1:21])
    assert (error[1:21] < 0.03).all()
    value, error = sample.integrated_time()
    # what the window leaves out, and the trapezoidal rule
    assert_mean(value, 0.5, error + 0.005)
    assert (error < 0.05).all()
    # I^2 = T^2/4 (2 - 4 L_1 + 2 L_2): 16 parts of e^-2 tau, 4 of e^-4 tau
    value, error = sample.integrated_time(lambda actions, angles: actions**2)
    assert_mean(value, 0.8 / 2 + 0.2 / 4, error + 0.005)
    value = sample.effective_size()
    exact = np.exp(-0.2 * np.arange(1, 41))
    size = 4000 * 41 / (1 + 2 * ((1 - np.arange(1, 41) / 41) * exact).sum())
    assert np.allclose(value, size, rtol=0.15)


@pytest.mark.serial
def test_other_dissipations():
    """p = 4, whose colder sites are slower; and a lattice at small epsilon with angles that are uniform."""
    temperatures = np.array([2.0, 0.2])
    found = TransportProcess(lattice_of(DiagonalDissipation(4), temperatures)).sample_stationary(4000, 3)
    assert_mean(found.mean[0], diagonal_law(4, temperatures)[1], found.standard_error[0])
    found = alternating(4, 0.01).sample_stationary(2000, 4)
    exact = np.resize([1.0, 0.25], 4)
    assert (np.abs(found.mean[0] - exact) < Z * found.standard_error[0] + 0.03 * exact).all()
    angles = (found.angles[0] / (2 * np.pi)) % 1.0
    assert all(stats.kstest(angles[:, j], "uniform").pvalue > ALPHA for j in range(4))


@pytest.mark.serial
def test_starts_that_have_not_met():
    with pytest.raises(NotConverged, match="hot and cold"):
        linear().sample_stationary(100, 1, longest=0.3)
    with pytest.raises(NotConverged, match="rtol"):
        linear().sample_stationary(100, 1, longest=4.0, rtol=1e-9)


@pytest.mark.serial
def test_rate_of_differences_that_are_known():
    """Groups whose means differ by 8 exp(-0.7 tau) of one site: the rate, and what is left of it."""
    generator, meeting = np.random.default_rng(5), Meeting()
    group = np.arange(4000) % 4
    for time in np.linspace(0, 12, 25):
        noise = generator.exponential(size=(4000, 2))
        noise[:, 0] += np.where(group == 1, 8 * np.exp(-0.7 * time), 0.0)
        meeting.see(time, noise)
    rate, error = meeting.rate()
    assert abs(rate - 0.7) < 5 * error
    assert error < 0.05
    assert meeting.met(4)
    assert 8 * np.exp(-0.7 * 12) / 4 < meeting.left(rate) < 8 * np.exp(-0.7 * 12) * 6


def test_same_for_ranks_and_workers():
    first = linear().sample_stationary(50, 7, snapshots=3, spacing=0.2, comm=WORLD)
    second = linear().sample_stationary(50, 7, snapshots=3, spacing=0.2, workers=1)
    assert np.array_equal(first.amplitudes, second.amplitudes)
    assert first.burn_in == second.burn_in


@pytest.mark.serial
def test_time_averages_with_a_weight():
    """h = 2 tau, from far away: int h E I in closed form, and its quadrature error; angles are uniform (Theorem 4.8)."""
    times = np.linspace(0, 1, 21)
    found = linear().sample(np.ones(2), times, 20_000, 3)
    average = found.time_average(lambda actions, angles: actions, weight=lambda tau: 2 * tau)
    t, fine = TEMPERATURES / 2, np.linspace(0, 1, 20_001)
    exact = np.array([np.trapezoid(2 * fine * (m + (0.5 - m) * np.exp(-2 * fine)), fine) for m in t])
    assert_mean(average.value, exact, average.standard_error + 1e-3)
    assert (average.quadrature < 5e-3).all()
    lattice = alternating(2, 0.004)
    found = lattice.sample(np.ones(2), times[10:], 8000, 3)
    limit = TransportProcess(lattice).sample(np.ones(2), times[10:], 8000, 3).time_average(lambda i, phi: i)
    joint = found.time_average(lambda i, phi: np.stack([i * np.cos(phi), i * np.cos(phi) ** 2], axis=-1))
    assert joint.value.shape == (2, 2)
    error = np.hypot(joint.standard_error, 0.5 * limit.standard_error[:, None])
    exact = np.stack([np.zeros(2), limit.value / 2], axis=1)
    assert (np.abs(joint.value - exact) < Z * error + 0.02).all()


@pytest.mark.serial
def test_block_errors(sample):
    """Of one member each: the deviations from the mean, over the errors from blocks of time, have the variance 1."""
    process, spacing = linear(), 0.25
    start = sample.amplitudes[0, :128]
    found = process.sample(start, spacing * np.arange(2049), 128, 11)
    scores = []
    for r in range(128):
        one = RotatorEnsemble(found.times, found.amplitudes[:, r : r + 1], found.step, 11)
        average = one.time_average(lambda i, phi: i[:, 0])
        assert average.blocks == 32
        scores.append((average.value - 1.0) / average.standard_error)
    # 32 blocks of 16 correlation times, the larger one of two errors
    assert 0.6 < np.var(scores) < 1.5
    few = RotatorEnsemble(found.times[:40], found.amplitudes[:40, :1], found.step, 11)
    assert np.isinf(few.time_average(lambda i, phi: i[:, 0]).standard_error)
    near = process.sample(start[:1], 0.005 * np.arange(257), 1, 11)
    with pytest.warns(Unresolved, match="blocks"):
        near.time_average(lambda i, phi: i[:, 0])


@pytest.mark.serial
def test_what_is_not_resolved(sample):
    short = linear().sample_stationary(200, 2, snapshots=5, spacing=0.05)
    with pytest.warns(Unresolved, match="more of them"):
        short.integrated_time()
    sparse = linear().sample_stationary(200, 2, snapshots=9, spacing=4.0)
    with pytest.warns(Unresolved, match="smaller spacing"):
        sparse.integrated_time()


def test_files(tmp_path):
    found = linear().sample_stationary(20, 1, snapshots=2)
    found.save(tmp_path / "s.npz")
    again = scaling_limits.load(tmp_path / "s.npz")
    assert type(again) is type(found)
    assert again.burn_in == found.burn_in
    assert "burn-in" in repr(found)
    assert "standard error" in repr(found.time_average(lambda i, phi: i))


ONE = RotatorEnsemble(np.zeros(1), np.ones((1, 3, 2), dtype=complex), 0.1, 1)
TWO = RotatorEnsemble(np.array([0.0, 1.0]), np.ones((2, 3, 2), dtype=complex), 0.1, 1)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("times", lambda: ONE.time_average(lambda i, phi: i)),
        ("observable", lambda: TWO.time_average(3.0)),
        ("observable", lambda: TWO.time_average(lambda i: i)),
        ("weight", lambda: TWO.time_average(lambda i, phi: i, weight=[1.0, -1.0])),
        ("weight", lambda: TWO.time_average(lambda i, phi: i, weight=lambda tau: 0 * tau)),
        ("weight", lambda: TWO.time_average(lambda i, phi: i, weight=[1.0, 1.0, 1.0])),
        ("runs", lambda: linear().sample_stationary(0, 1)),
        ("snapshots", lambda: linear().sample_stationary(2, 1, snapshots=0)),
        ("spacing", lambda: linear().sample_stationary(2, 1, spacing=-1.0)),
        ("rtol", lambda: linear().sample_stationary(2, 1, rtol=0.0)),
        ("longest", lambda: linear().sample_stationary(2, 1, longest="long")),
        ("seed", lambda: linear().sample_stationary(2, None)),
        ("times", lambda: linear().sample_stationary(2, 1).autocorrelation()),
        ("runs", lambda: linear().sample_stationary(1, 1, snapshots=3).autocorrelation()),
    ],
)
def test_bad_input(name, make):
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert caught.value.argument == name


def pair(seed, runs=40, times=11):
    """Independent exponential actions of two sites, at evenly spaced times."""
    made = np.random.Generator(np.random.Philox(key=seed))
    amplitudes = np.sqrt(made.exponential(1.0, (times, runs, 2))) * np.exp(2j * np.pi * made.random((times, runs, 2)))
    return StationarySample(0.1 * np.arange(times), amplitudes, 0.01, seed, 3.0, 2.0, 0.1, 1e-4)


@pytest.mark.serial
@pytest.mark.parametrize(
    "observable", [lambda i, phi: i[:, 0], lambda i, phi: i, lambda i, phi: i[:, :, None] * i[:, None]]
)
def test_averages_are_kept_and_shown(observable, tmp_path):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    average = pair(1).time_average(observable)
    average.save(tmp_path / "it.npz")
    for again in (TimeAverage.load(tmp_path / "it.npz"), scaling_limits.load(tmp_path / "it.npz")):
        for name in ("value", "standard_error", "quadrature"):
            np.testing.assert_array_equal(getattr(again, name), getattr(average, name))
            assert np.shape(getattr(again, name)) == np.shape(getattr(average, name))
        assert again.blocks == average.blocks
        assert repr(again) == repr(average)
    data = average.to_xarray()
    np.testing.assert_array_equal(data.value, average.value)
    np.testing.assert_array_equal(data.standard_error, average.standard_error)
    ax = average.plot()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), np.ravel(average.value))
    (bars,) = ax.collections
    lengths = np.array([np.ptp(one[:, 1]) for one in bars.get_segments()])
    np.testing.assert_allclose(lengths, 4 * np.ravel(average.standard_error))
    plt.close("all")


@pytest.mark.serial
def test_files_of_averages_with_other_shapes_are_refused(tmp_path):
    TimeAverage(np.ones(2), np.ones(3), np.full(2, np.nan), 0).save(tmp_path / "it.npz")
    with pytest.raises(InvalidArgument, match="shapes"):
        TimeAverage.load(tmp_path / "it.npz")
    few = TimeAverage(np.ones(2), np.full(2, np.inf), np.full(2, np.nan), 0)
    few.save(tmp_path / "few.npz")
    assert np.isinf(TimeAverage.load(tmp_path / "few.npz").standard_error).all()


@pytest.mark.serial
def test_pictures_of_autocorrelations():
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    found = pair(2)
    ax = found.plot_autocorrelation()
    rho, _ = found.autocorrelation()
    for j, line in enumerate(ax.lines[:2]):
        np.testing.assert_array_equal(line.get_ydata(), rho[:6, j])
        np.testing.assert_allclose(line.get_xdata(), found.times[:6])
    assert len(found.plot_autocorrelation(lambda i, phi: i[:, 0], lags=11).lines[0].get_xdata()) == 11
    figures = plt.get_fignums()
    for bad in (1, 12):
        with pytest.raises(InvalidArgument, match="lags"):
            found.plot_autocorrelation(lags=bad)
    with pytest.raises(InvalidArgument, match="times"):
        pair(2, times=1).plot_autocorrelation()
    assert plt.get_fignums() == figures
    many = lambda i, phi: np.repeat(i, 6, axis=1)  # noqa: E731
    legend = found.plot_autocorrelation(many).get_legend()
    assert legend.get_title().get_text() == "the first 10 of 12 numbers"
    _, bare = plt.subplots()
    assert found.plot_autocorrelation(many, bare).get_legend()._ncols == 2
    data = found.to_xarray()
    assert data.attrs["kind"] == "StationarySample"
    assert data.attrs["burn_in"] == 3.0
    plt.close("all")


@pytest.mark.serial
@pytest.mark.parametrize("snapshots", [9, 17, 33])
@pytest.mark.parametrize("shape", ["decay", "peak", "constant"])
def test_weights_that_change_between_snapshots(snapshots, shape):
    """h that falls within one spacing, or has a peak there: E I = 1/2 + 7/2 exp(-2 tau), within what `quadrature` says."""
    weight = {
        "decay": lambda t: np.exp(-5 * t),
        "peak": lambda t: np.exp(-200 * (t - 1.03) ** 2),
        "constant": lambda t: 1 + 0 * t,
    }[shape]
    lattice = alternating(1, 0.1, dissipation=LinearDissipation(0.0), temperatures=(1.0,))
    times = np.linspace(0, 4, snapshots)
    found = (
        TransportProcess(lattice).sample([np.sqrt(8.0)], times, 20_000, 1).time_average(lambda i, phi: i[:, 0], weight)
    )
    fine = np.linspace(0, 4, 400_001)
    exact = np.trapezoid(weight(fine) * (0.5 + 3.5 * np.exp(-2 * fine)), fine) / np.trapezoid(weight(fine), fine)
    assert abs(found.value - exact) < found.quadrature + Z * found.standard_error


def test_weights_that_nobody_can_integrate():
    found = linear().sample(np.ones(2), [0.0, 0.5, 1.0], 20, 1)
    with pytest.raises(InvalidArgument, match="weight: changes too fast"):
        found.time_average(lambda i, phi: i, weight=lambda t: np.exp(-1e8 * (t - 0.3) ** 2))


@pytest.mark.serial
def test_slow_sites_among_fast_ones():
    """g = -u and -u/100: means 1/2 and 50. Hot starts are hot for the slow site too, which tells how long it takes."""
    damping = PolynomialDissipation([lambda u: -u(), lambda u: -0.01 * u()], power=2)
    lattice = RotatorLattice((2,), lambda x: 1 + x, weak, damping, 1.0, 0.1)
    scale = lattice.equilibrium_actions
    assert (scale >= [0.5, 50.0]).all()
    assert (scale <= [2.0, 101.0]).all()
    found = TransportProcess(lattice).sample_stationary(1024, 1)
    assert found.burn_in > 100
    assert_mean(found.mean[0], [0.5, 50.0], found.standard_error[0])
    growing = PolynomialDissipation([lambda u: -u(), lambda u: 0.01 * u()], power=2)
    with pytest.warns(AssumptionWarning, match="Hg"):
        lattice = RotatorLattice((2,), lambda x: 1 + x, weak, growing, 1.0, 0.1)
    with pytest.raises(NotConverged, match="site 1"):
        TransportProcess(lattice).sample_stationary(1024, 1)


def test_equilibrium_actions():
    """By closed forms, within the factor 2: diagonal, example 2 (I_j^2 = T_j alone), conduction (all together), a plane."""

    def of(g, temperature, shape=(2,)):
        return RotatorLattice(shape, lambda x: 1 + x * x, weak, g, temperature, 0.1).equilibrium_actions

    for p in (2, 3, 4):
        exact = 0.5 * np.array([2.0, 0.5]) ** (2 / p)
        assert (np.abs(np.log2(of(DiagonalDissipation(p), [2.0, 0.5]) / exact)) <= 1.01).all()
    end = [lambda u, s=s: -0.0025 * Abs(u()) ** 2 * u() + (Abs(u(s)) ** 2 - Abs(u()) ** 2) * u() for s in (1, -1)]
    # sum of R_j: -0.01 I^2 each, and T = 1
    assert (np.abs(np.log2(of(PolynomialDissipation(end), 1.0) / 10.0)) <= 1.01).all()
    plane = of(DirectedDissipation(), 1.0, (3, 4))
    assert plane.shape == (12,)
    assert np.isfinite(plane).all()


def test_autocorrelations_of_few_members_and_of_constants(sample):
    with pytest.warns(Unresolved, match="from 8 members"):
        replace(sample, amplitudes=sample.amplitudes[:, :8]).autocorrelation()
    with pytest.raises(InvalidArgument, match="observable: does not change"):
        sample.autocorrelation(lambda i, phi: 0 * i + 3.0)
