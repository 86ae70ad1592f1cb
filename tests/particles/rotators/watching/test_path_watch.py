"""What is watched of every step: against laws known in closed form, or from an equation for the same number."""

import numpy as np
import pytest
from chance import assert_mean
from rotators import WORLD, alternating, lattice_of, linear_law
from scipy.integrate import quad
from scipy.interpolate import BarycentricInterpolator
from scipy.linalg import expm

import scaling_limits
from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    PathWatch,
    TransportProcess,
    Unresolved,
)

LEVELS = (0.05, 0.2)
WATCH = PathWatch(below=LEVELS, decay=0.8, power=3.0)


def survival(level, start, temperature, time, nodes=40):
    """P(sup I < level) for dI = (T - 2 I) d tau + sqrt(2 I T) dB: the backward equation in Chebyshev nodes."""
    k = np.arange(nodes + 1)
    x = np.cos(np.pi * k / nodes)
    c = np.where((k == 0) | (k == nodes), 2.0, 1.0) * (-1.0) ** k
    gap = x[:, None] - x[None, :] + np.eye(nodes + 1)
    d = np.outer(c, 1 / c) / gap
    d = (d - np.diag(d.sum(axis=1))) * 2 / level
    place = level * (x + 1) / 2
    generator = np.diag(temperature - 2 * place) @ d + np.diag(temperature * place) @ d @ d
    inside = expm(time * generator[1:, 1:]) @ np.ones(nodes)
    return float(BarycentricInterpolator(x, np.concatenate([[0.0], inside]))(2 * start / level - 1))


@pytest.mark.serial
def test_survival_is_resolved():
    assert abs(survival(2.0, 0.5, 1.0, 1.0, 20) - survival(2.0, 0.5, 1.0, 1.0, 28)) < 1e-8


def test_watching_changes_nothing():
    """The paths, to the last bit, for three kinds of rotators; and what is seen is the same for threads and ranks."""
    limits = [TransportProcess(lattice_of(g, (2.0, 1.0, 0.5))) for g in (DirectedDissipation(), DiagonalDissipation(4))]
    for rotators in (alternating(3, 0.05), *limits):
        arguments = {"initial": np.ones(3), "times": [0.0, 0.2, 0.2, 0.7], "runs": 300, "seed": 4}
        plain = rotators.sample(**arguments)
        first = rotators.sample(**arguments, watch=WATCH, comm=WORLD)
        second = rotators.sample(**arguments, watch=WATCH, workers=1)
        some = rotators.sample(**(arguments | {"runs": 130}), watch=WATCH)
        assert np.array_equal(plain.amplitudes, first.amplitudes)
        for name in ("step_maxima", "maxima", "integrals", "durations", "norms"):
            assert np.array_equal(getattr(first, name), getattr(second, name)), name
            assert np.array_equal(getattr(first, name)[:, :130], getattr(some, name)), name


@pytest.mark.serial
@pytest.mark.parametrize("p", [3, 4])
def test_steps_of_the_limit_are_seen_whole(p):
    """What a way of joined half flows shows is what its steps show one by one, but for rounding."""
    process, h = TransportProcess(lattice_of(DiagonalDissipation(p), (2.0, 1.0, 0.5))), 0.02
    arguments = {"initial": np.ones(3), "runs": 200, "seed": 4, "step": h}
    found = process.sample(times=[5 * h], **arguments, watch=PathWatch())
    actions = process.sample(times=h * np.arange(6), **arguments).actions
    assert np.abs(found.step_maxima[0] - actions.max(axis=0)).max() < 1e-13
    weights = h * np.array([0.5, 1, 1, 1, 1, 0.5])
    assert np.abs(found.integrals[0] - np.tensordot(weights, actions, 1)).max() < 1e-13


@pytest.mark.serial
def test_every_step_by_hand():
    """Snapshots at every step see the same: the trapezoidal rule, extrema, and the norms of Lemma 3.2."""
    process = TransportProcess(lattice_of(DirectedDissipation(), (2.0, 1.0, 0.5)))
    h, steps = 0.01, 20
    times = h * np.arange(steps + 1)
    whole = process.sample(np.ones(3), [times[-1]], 64, 3, h, watch=WATCH)
    fine = process.sample(np.ones(3), times, 64, 3, h, watch=WATCH)
    actions = fine.actions
    assert np.allclose(whole.amplitudes[0], fine.amplitudes[-1], rtol=1e-12)
    assert np.allclose(whole.step_maxima[0], actions.max(axis=0), rtol=1e-12)
    assert np.allclose(whole.integrals[0], h * (actions[1:] + actions[:-1]).sum(axis=0) / 2, rtol=1e-12)
    seen = (actions[..., None] < LEVELS).astype(float)
    assert np.allclose(whole.durations[0], h * (seen[1:] + seen[:-1]).sum(axis=0) / 2, rtol=1e-12)
    weights = 0.8 ** np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    norms = (np.abs(fine.amplitudes) ** 3 @ weights).max(axis=0) ** (1 / 3)
    assert np.allclose(whole.norms[0], norms, rtol=1e-12)
    assert (whole.maxima > whole.step_maxima).mean() > 0.5
    assert (whole.maxima >= whole.step_maxima).all()
    assert np.array_equal(fine.maxima[0], actions[0])


STEPS = (0.04, 0.01)


@pytest.mark.serial
def test_maxima_of_linear_damping():
    """P(sup I < c): bridges to order d, steps from below to order sqrt(d), with the constant 0.5826 (2 I T d)^(1/2)."""
    lattice, runs = lattice_of(DiagonalDissipation(2), (1.0, 1.0)), 60_000
    level, start, time = 1.2, 0.5, 1.0
    exact = survival(level, start, 1.0, time)
    error = np.sqrt(exact * (1 - exact) / (2 * runs))
    shift = 1e-3
    slope = (survival(level + shift, start, 1.0, time) - survival(level - shift, start, 1.0, time)) / (2 * shift)
    gaps = []
    for step in STEPS:
        found = TransportProcess(lattice).sample(np.ones(2), [0.5, time], runs, 7, step, watch=PathWatch())
        assert_mean(np.mean(found.running_maximum[-1] < level), exact, error)
        gaps.append(np.mean(np.maximum.accumulate(found.step_maxima)[-1] < level) - exact)
        assert abs(gaps[-1] / (0.5826 * np.sqrt(2 * level * found.step) * slope) - 1) < 0.15 + 5 * error / gaps[-1]
    rate = np.log(gaps[0] / gaps[1]) / np.log(STEPS[0] / STEPS[1])
    assert 0.35 < rate < 0.65


@pytest.mark.serial
def test_occupation_and_integrals_of_linear_damping():
    lattice, start, time, runs = lattice_of(DiagonalDissipation(2), (2.0, 0.5)), 0.5, 1.0, 40_000
    found = TransportProcess(lattice).sample(np.ones(2), [0.4, time], runs, 9, 0.01, watch=PathWatch(below=LEVELS))
    value, error = found.occupation()
    for j, t in enumerate((2.0, 0.5)):
        exact = [quad(lambda s, t=t, c=c: linear_law(t, start, s).cdf(c), 1e-6, time, epsabs=1e-8)[0] for c in LEVELS]
        assert_mean(value[-1, j], exact, error[-1, j])
    value, error = found.integrated()
    t = np.array([2.0, 0.5])
    assert_mean(value[-1], t / 2 * time + (start - t / 2) * (1 - np.exp(-2 * time)) / 2, error[-1])


@pytest.mark.serial
def test_lattice_follows_the_limit():
    """(4.32) at finite epsilon: the maximum and the time at small actions tend to those of the limit."""
    start, time, runs, level = 0.5, 1.0, 10_000, 1.2
    exact = survival(level, start, 2.0, time), survival(level, start, 0.5, time)
    gaps = []
    for epsilon in (0.1, 0.004):
        found = alternating(4, epsilon).sample(np.ones(4), [time], runs, 3, watch=PathWatch())
        gaps.append([np.mean(found.maxima[0][:, k::2] < level) - exact[k] for k in (0, 1)])
    assert np.abs(gaps[0]).max() > 0.04
    assert np.abs(gaps[1]).max() < 0.02


@pytest.mark.serial
def test_exponential_moments():
    """E exp(2 alpha sup I) from the survival function; a moment that is not there is warned of."""
    lattice = lattice_of(DiagonalDissipation(2), (1.0,))
    found = TransportProcess(lattice).sample(np.ones(1), [1.0], 40_000, 5, watch=PathWatch())
    alpha, start = 0.2, 0.5
    exact, _ = quad(
        lambda c: 2 * alpha * np.exp(2 * alpha * c) * (1 - survival(c, start, 1.0, 1.0)), start + 1e-9, 14, epsabs=1e-6
    )
    value, error = found.exponential_moment(alpha)
    assert_mean(value, np.exp(2 * alpha * start) + exact, error)
    with pytest.warns(Unresolved, match="one member"):
        found.exponential_moment(8.0)
    with pytest.raises(InvalidArgument, match="alpha"):
        found.exponential_moment(1000.0)
    with pytest.raises(InvalidArgument, match="watch"):
        found.norm_moment(0.1)


@pytest.mark.serial
def test_covariance():
    """Independent sites in equilibrium: T^2/4 on the diagonal, 0 beside it; and errors that 300 samples confirm."""
    temperatures = np.array([2.0, 1.0, 0.5])
    process = TransportProcess(lattice_of(DiagonalDissipation(2), temperatures))
    found = process.sample(np.zeros(3), [8.0], 30_000, 2)
    value, error = found.covariance()
    assert value.shape == error.shape == (1, 3, 3)
    assert_mean(value, np.diag(temperatures**2 / 4)[None], error)
    assert np.allclose(value[0], np.cov(found.actions[0].T), rtol=1e-12)
    parts = found.actions[0].reshape(300, 100, 3)
    spread = np.std([np.cov(part.T) for part in parts], axis=0)
    assert np.allclose(spread / np.sqrt(300), error[0], rtol=0.25)
    assert np.isinf(process.sample(np.zeros(3), [1.0], 1, 2).covariance()[1]).all()


def test_files_and_pictures(tmp_path):
    lattice = alternating(2, 0.1)
    found = lattice.sample(np.ones(2), [0.1, 0.2], 20, 1, watch=WATCH)
    found.save(tmp_path / "w.npz")
    again = scaling_limits.load(tmp_path / "w.npz")
    assert type(again) is type(found)
    assert np.array_equal(again.durations, found.durations)
    assert np.array_equal(again.levels, LEVELS)
    assert "largest action" in repr(found)
    data = found.to_xarray()
    assert data.durations.dims == ("time", "member", "site", "level")
    assert data.attrs["kind"] == "WatchedRotators"
    assert "site" in found.to_xarray().actions.dims
    assert len(found.plot().get_lines()) == 4


def test_files_without_norms(tmp_path):
    """`decay` is NaN then, which is no damage."""
    found = alternating(2, 0.1).sample(np.ones(2), [0.1], 20, 1, watch=PathWatch(below=0.2))
    found.save(tmp_path / "w.npz")
    again = scaling_limits.load(tmp_path / "w.npz")
    assert np.isnan(again.decay)
    assert np.array_equal(again.maxima, found.maxima)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("below", lambda: PathWatch(below=[0.1, -1.0])),
        ("below", lambda: PathWatch(below="low")),
        ("below", lambda: PathWatch(below=True)),
        ("below", lambda: PathWatch(below=[0.1, True])),
        ("decay", lambda: PathWatch(decay=1.5)),
        ("decay", lambda: PathWatch(decay=0.0)),
        ("power", lambda: PathWatch(decay=0.5, power=0.5)),
        ("watch", lambda: alternating(2, 0.1).sample(np.ones(2), [0.1], 2, 1, watch=True)),
        ("decay", lambda: alternating(4096, 0.1).sample(np.ones(4096), [0.01], 2, 1, watch=PathWatch(decay=0.5))),
    ],
)
def test_bad_input(name, make):
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert caught.value.argument == name
