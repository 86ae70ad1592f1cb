"""How steps are chosen: conduction of actions, hot and cold members; long ways and interrupts."""

import textwrap

import numpy as np
import pytest
from chance import assert_mean, detects
from interrupts import seconds_to_end
from rotators import WORLD, alternating, fast, slow, weak
from sympy import Abs

from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LongRun,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.rotators import member_sampler
from scaling_limits.particles.rotators.step_size import SETTINGS


def conducting(kappa, damping=0.05):
    """g_j = -damping |u_j|^2 u_j + kappa sum_k (|u_k|^2 - |u_j|^2) u_j, which vanishes but for damping at equal |u_j|."""

    def end(u, k):
        return -damping * Abs(u()) ** 2 * u() + kappa * (Abs(u(k)) ** 2 - Abs(u()) ** 2) * u()

    def inner(u):
        return end(u, 1) + kappa * (Abs(u(-1)) ** 2 - Abs(u()) ** 2) * u()

    return PolynomialDissipation([lambda u: end(u, 1), inner, inner, lambda u: end(u, -1)])


CONDUCTION_T = np.array([1.4, 0.9, 0.5, 0.3])


def reference(kappa, tau, step, members, seed):
    """Heun's scheme for four sites with steps of a given, small size, written with arrays of numpy: E I and its error."""

    def g(u):
        square = np.pad(np.abs(u) ** 2, ((0, 0), (1, 1)), mode="edge")
        return (-0.05 * square[:, 1:-1] + kappa * (square[:, 2:] + square[:, :-2] - 2 * square[:, 1:-1])) * u

    generator, u = np.random.default_rng(seed), np.full((members, 4), 0.8 + 0j)
    for _ in range(round(tau / step)):
        noise = generator.standard_normal((members, 4, 2)).view(complex)[..., 0] * np.sqrt(CONDUCTION_T * step)
        slope = g(u)
        u = u + noise + 0.5 * step * (slope + g(u + noise + step * slope))
    actions = 0.5 * np.abs(u) ** 2
    return actions.mean(axis=0), actions.std(axis=0) / np.sqrt(members)


@pytest.mark.serial
@pytest.mark.parametrize("kappa", [0.3, 1.2])
def test_conduction_of_actions(kappa):
    """Automatic steps of the process and of the lattice against tiny ones: false alarm 1e-6; a bias of 6 % of the hottest
    action is seen with 99 % (with steps that look at equal moduli only it is 8 % and more, or members leave all bounds).
    """
    expected, error = reference(kappa, 0.6, 0.002, 20_000, 7)
    lattice = RotatorLattice((4,), fast, weak, conducting(kappa), CONDUCTION_T, 0.004)
    found = TransportProcess(lattice).sample(np.full(4, 0.8), [0.6], 40_000, seed=1)
    errors = np.hypot(error, found.standard_error[0])
    assert_mean(found.mean[0], expected, errors)
    assert detects(0.06 * expected[0], errors[0])
    if kappa < 1:
        sample = lattice.sample(np.full(4, 0.8), [0.6], 2048, seed=2)
        bias = 0.02  # of order epsilon
        assert (np.abs(sample.mean[0] - expected) < 5 * np.hypot(error, sample.standard_error[0]) + bias).all()


@pytest.mark.serial
def test_steps_follow_the_hottest_member():
    """Among many cold members a hot one turns by less than in resonance, and a step that would alias it is refused."""
    lattice = alternating(2, 0.02)
    start = np.full((300, 2), 0.2 + 0j)
    start[17] = 6.0, 4.0
    found = lattice.sample(start, [1e-4], 300, seed=1)
    assert found.step * slow(36.0) <= SETTINGS.phase * 1.0001
    with pytest.raises(InvalidArgument, match="step: the phases of neighbours would alias"):
        lattice.sample(start, [1e-3], 300, seed=1, step=1.01 * SETTINGS.largest_phase / slow(36.0))
    alone = lattice.sample(start[:17], [1e-4], 17, seed=1, step=found.step)
    assert np.array_equal(alone.amplitudes, found.amplitudes[:, :17])  # with the same step, the same paths
    process = TransportProcess(RotatorLattice((2,), fast, weak, DirectedDissipation(), 1.0, 0.1))
    cold, hot = process.sample(start[:17], [0.1], 17, seed=1), process.sample(start, [0.1], 300, seed=1)
    assert hot.step < 0.2 * cold.step


# ---- slices, interrupts and long ways -----------------------------------------------------------------------------------


@pytest.mark.serial
@pytest.mark.parametrize("g", [DiagonalDissipation(2), DiagonalDissipation(4), DirectedDissipation()])
def test_slices_change_nothing(g, monkeypatch):
    """Looking at interrupts after each step, or never: the same bits, in the lattice and in its limit."""
    lattice = RotatorLattice((3, 2), fast, weak, g, np.linspace(0.5, 1.5, 6), 0.05)
    found = []
    for size in (1, 5, 10**9):

        def slices(self, count, stop, size=size):
            return stop.slices(count, size)

        monkeypatch.setattr(member_sampler.SliceLength, "slices", slices)
        samplers = (lattice, TransportProcess(lattice))
        found.append([s.sample(np.ones(6), [0.0, 0.02, 0.02, 0.07], 130, seed=4).amplitudes for s in samplers])
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other))
    assert np.abs(found[0][0][3] - found[0][0][2]).min() > 0


INTERRUPTED = """
import warnings
import numpy as np
from scaling_limits.particles import DiagonalDissipation, DirectedDissipation, RotatorLattice, TransportProcess
warnings.simplefilter("ignore")
g = {dissipation}
lattice = RotatorLattice(({size},), lambda x: 1 + x * x, lambda x: 1 / (1 + x), g, 1.0, 1e-3)
sampler = {sampler}
sampler.sample(np.ones({size}), [1e-3], 2, 1)
print("begins", flush=True)
sampler.sample(np.ones({size}), [1e3], {members}, 1)
"""


@pytest.mark.serial
@pytest.mark.parametrize(
    ("sampler", "dissipation", "size", "members"),
    [("lattice", "DiagonalDissipation(4)", 4000, 300), ("TransportProcess(lattice)", "DirectedDissipation()", 64, 128)],
)  # fmt: skip
def test_interrupts(sampler, dissipation, size, members):
    """One Ctrl-C ends a sample, of few members over a long time or of many sites, within 2 s."""
    code = INTERRUPTED.format(sampler=sampler, dissipation=dissipation, size=size, members=members)
    assert seconds_to_end(textwrap.dedent(code)) < 2.0


class Said(Exception):
    pass


@pytest.mark.serial
def test_long_ways_are_said_beforehand(monkeypatch):
    """Very hot rotators turn very fast: the number of steps and the hours are said before the first tile."""

    def tile(self, index, stop):
        raise Said

    monkeypatch.setattr(member_sampler.MemberSampler, "_tile", tile)
    hot = RotatorLattice((2,), slow, weak, DiagonalDissipation(2), 1e9, 0.1)
    with pytest.warns(LongRun, match="steps of .* of 64 members of 2 sites take about .* hours"), pytest.raises(Said):
        hot.sample(np.ones(2), [1.0], 64, seed=1, workers=1)
    process = TransportProcess(RotatorLattice((2,), fast, weak, DirectedDissipation(), 1.0, 0.1))
    with pytest.warns(LongRun, match="take about"), pytest.raises(Said):
        process.sample(np.ones(2), [1e7], 64, seed=1, workers=1)
    with pytest.raises(Said):  # a short one is not
        process.sample(np.ones(2), [0.5], 64, seed=1, workers=1)


def test_errors_are_raised_on_all_ranks():
    """What is wrong on one rank only is said on all of them; and so are arguments that differ."""
    rank = 0 if WORLD is None else WORLD.rank
    last = 0 if WORLD is None else WORLD.size - 1
    lattice = alternating(2, 0.1)
    for sampler in (lattice, TransportProcess(lattice)):
        start = np.ones(2) if rank < last else np.ones(3)
        with pytest.raises(InvalidArgument, match="initial"):
            sampler.sample(start, [0.1], 4, seed=1, comm=WORLD)
        if last:
            for name, value in (("seed", rank), ("times", [0.1 + rank]), ("runs", 4 + rank), ("initial", [1, rank])):
                good = {"initial": np.ones(2), "times": [0.1], "runs": 4, "seed": 1}
                with pytest.raises(InvalidArgument, match=f"^{name}: must be the same on all ranks"):
                    sampler.sample(**good | {name: value}, comm=WORLD)
