"""Densities in time: mass, sign and free energy, the declared orders of schemes, and how steps are chosen."""

import math

import numpy as np
import pytest
from diffusions import TURNING, TWISTED, Given, double_well, gaussian
from rates import assert_rate
from schemes import schemes_of
from scipy import linalg

from scaling_limits.particles import InvalidArgument, fully_coupled
from scaling_limits.pdes import (
    IMPLICIT_EULER,
    RESOLVENT4,
    EffectiveFokkerPlanck,
    FokkerPlanck,
    NotConverged,
)
from scaling_limits.pdes.diffusions.evolution import ReversibleSystem
from scaling_limits.pdes.diffusions.hitting.killed_chain import KilledChain
from scaling_limits.pdes.time.density_integrator import StepChoice
from scaling_limits.pdes.time.resolvents import ResolventScheme

LINE = fully_coupled(0.5, dim=1, scales=2)
FLAT = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: 0 * x[:, 0])


@pytest.mark.filterwarnings("ignore:M turns or changes")  # these tensors vary from node to node
@pytest.mark.filterwarnings("ignore:the integral of the initial density")  # rough data; it is said
@pytest.mark.parametrize("scheme", [IMPLICIT_EULER, RESOLVENT4], ids=["euler", "adaptive"])
@pytest.mark.parametrize(
    ("coefficients", "box", "cells", "periodic"),
    [
        (TWISTED, [(0, 1)] * 2, (16, 16), True),
        (TWISTED, [(0, 1), (0.2, 1.1)], (9, 30), (True, False)),
        (TURNING, [(-1, 1), (0, 1), (-1, 0)], (8, 7, 6), False),
    ],
)  # fmt: skip
def test_structure(coefficients, box, cells, periodic, scheme):
    """Mass to 1e-13, no negative density, a free energy that never rises: coarse meshes, any tensor, rough data."""
    fp = FokkerPlanck(coefficients, box, cells, periodic=periodic)
    assert fp.generator.edges.widest > 1  # neighbours alone would not be monotone
    middle = fp.grid.box.mean(axis=1)
    times = [0, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]
    step = 0.01 if scheme.order == 1 else None
    run = fp.evolve(lambda x: 1.0 * (np.abs(x - middle).max(axis=1) < 0.2), times, scheme=scheme, step=step)
    assert np.abs(run.mass - 1).max() <= 1e-13
    assert run.minimum.min() >= 0
    assert (np.diff(run.free_energy) <= 0).all()
    assert (np.diff(run.entropy) <= 0).all()
    assert run.minimum[1:].min() > 0 or scheme.order > 1
    assert run.entropy[-1] < run.entropy[0] / 5
    equilibrium = fp.grid.whole(fp.generator.root**2)
    equilibrium /= equilibrium.sum()
    r = run.probabilities[3]
    assert run.entropy[3] == pytest.approx((r[r > 0] * np.log(r[r > 0] / equilibrium[r > 0])).sum(), rel=1e-10)
    rho = r / fp.grid.whole(fp.grid.volumes)
    psi = fp.grid.whole(coefficients.free_energy(fp.grid.points))
    expected = r @ psi + coefficients.temperature * (r[r > 0] * np.log(rho[r > 0])).sum()
    assert run.free_energy[3] == pytest.approx(expected, rel=1e-10)


def test_cell_peclet_ten():
    """The table of peers: M = 1 + 0.8 sin, Psi = cos, sigma = 0.02, 32 cells; plain elements give -1.2 and 0.25 there."""
    steep = Given(
        lambda x: (1 + 0.8 * np.sin(2 * np.pi * x[:, 0]))[:, None, None], lambda x: np.cos(2 * np.pi * x[:, 0]), 0.02
    )
    fp = FokkerPlanck(steep, [(0, 1)], (32,), periodic=True)
    run = fp.evolve(lambda x: 1 + 0.9 * np.cos(2 * np.pi * x[:, 0]), [0.01, 1e4])
    gibbs = np.exp(-(np.cos(2 * np.pi * np.arange(32) / 32) + 1) / 0.02)
    gibbs /= gibbs.sum()
    assert run.minimum.min() >= 0
    assert np.abs(run.probabilities[1] - gibbs).sum() <= 1e-12
    seen = gibbs > 1e-8 * gibbs.max()
    assert np.abs(run.probabilities[1][seen] / gibbs[seen] - 1).max() <= 1e-12
    rho = fp.evolve(lambda x: gibbs[np.rint(x[:, 0] * 32).astype(int) % 32], [0.0])
    assert rho.at([[0.5]])[0] == pytest.approx(32 * gibbs.max(), rel=1e-12)


@pytest.mark.parametrize("scheme", schemes_of(ResolventScheme), ids=lambda s: s.name)
def test_declared_orders(scheme):
    """Against the exponential of the matrix; the slope is the order that the scheme declares."""
    fp = FokkerPlanck(
        Given(lambda x: np.ones((len(x), 1, 1)), lambda x: np.cos(x[:, 0])), [(0, 2 * np.pi)], (16,), periodic=True
    )
    matrix = fp.generator.matrix()
    rows = np.arange(*matrix.getOwnershipRange(), dtype=np.int32)
    whole = np.concatenate(fp.comm.allgather(matrix.getValues(rows, np.arange(16, dtype=np.int32))))
    start = lambda x: 1 + 0.5 * np.sin(x[:, 0])  # noqa: E731
    root = fp.grid.whole(fp.generator.root)
    nodes = np.arange(16)[:, None] * 2 * np.pi / 16
    initial = start(nodes) / start(nodes).sum()
    exact = root * (linalg.expm(-2.0 * whole) @ (initial / root))
    counts = (64, 128, 256) if scheme.order == 1 else (16, 32, 64)
    errors = [
        np.abs(fp.evolve(start, [2.0], scheme=scheme, step=2.0 / n).probabilities[0] - exact).sum() for n in counts
    ]
    assert_rate(counts, errors, -float(scheme.order), slack=0.15, cap=1e-3)


@pytest.mark.parametrize("scheme", schemes_of(ResolventScheme), ids=lambda s: s.name)
def test_schemes_are_stable(scheme):
    """|R| <= 1 on the imaginary axis and R(-infinity) = 0, so L-stable; the weights add up to 1, those of the estimate to 0."""
    values = lambda z: sum(b * (1 - scheme.gamma * z) ** -(j + 1) for j, b in enumerate(scheme.weights))  # noqa: E731
    assert np.abs(values(1j * np.linspace(0, 1e4, 200_001))).max() <= 1 + 1e-12
    assert abs(values(-1e9)) < 1e-7
    assert scheme.weights.sum() == pytest.approx(1, abs=1e-14)
    assert scheme.estimate.sum() == pytest.approx(0, abs=1e-12)
    for h in (0.1, 0.05):
        assert abs(values(-h) - np.exp(-h)) < h ** (scheme.order + 1)
    last = (
        sum(b * math.comb(j + scheme.order, scheme.order) for j, b in enumerate(scheme.weights))
        * scheme.gamma**scheme.order
    )
    assert last == pytest.approx(1 / math.factorial(scheme.order), abs=1e-12)  # what the choice of the pole is for


def test_adaptive_steps_meet_the_tolerance():
    fp = {r: EffectiveFokkerPlanck(LINE, [(-4, 4)], (200,), rtol=r) for r in (1e-3, 1e-5, 1e-9)}
    start = gaussian([1.0], [[0.05]])
    runs = {r: equation.evolve(start, [10.0, 100.0, 1000.0]) for r, equation in fp.items()}
    for r in (1e-3, 1e-5):
        assert np.abs(runs[r].probabilities - runs[1e-9].probabilities).sum(axis=1).max() < 10 * r
    assert runs[1e-3].statistics.steps < runs[1e-5].statistics.steps < runs[1e-9].statistics.steps


def test_evolution_against_the_slow_modes():
    """The density of steps and the modes of elements of high degree are two discretisations of one equation."""
    potential = double_well(0.3)
    fp = EffectiveFokkerPlanck(potential, [(-2, 2)], (1600,), rtol=1e-8)
    run = fp.evolve(gaussian([-1.0], [[0.02]]), [20.0, 30.0])
    left = lambda p: p.reshape(-1)[:801].sum() - 0.5 * p.reshape(-1)[800]  # noqa: E731
    limit = left(fp.evolve(gaussian([-1.0], [[0.02]]), [1e5]).probabilities[0])
    excess = [left(p) - limit for p in run.probabilities]
    assert np.log(excess[0] / excess[1]) / 10 == pytest.approx(fp.spectrum(2)[1], rel=2e-5)


def test_iterative_solvers_give_the_same():
    direct, iterative = (
        FokkerPlanck(TURNING, [(-1, 1), (0, 1), (-1, 0)], (8, 8, 8), petsc_options=options)
        for options in (None, {"ksp_type": "cg", "pc_type": "gamg", "ksp_rtol": 1e-13, "ksp_norm_type": "natural"})
    )
    start = lambda x: np.exp(-10 * (x**2).sum(axis=1))  # noqa: E731
    a, b = (fp.evolve(start, [0.1, 1.0]) for fp in (direct, iterative))
    assert np.abs(a.probabilities - b.probabilities).sum() < 1e-9
    assert np.abs(b.mass - 1).max() < 1e-13
    assert b.minimum.min() >= 0
    hopeless = FokkerPlanck(TURNING, [(-1, 1), (0, 1), (-1, 0)], (8, 8, 8), petsc_options={"ksp_type": "cg", "pc_type": "none", "ksp_max_it": 1, "ksp_rtol": 1e-13})  # fmt: skip
    with pytest.raises(NotConverged, match="petsc_options"):
        hopeless.evolve(start, [0.1])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"initial": 1.0}, "initial"),
        ({"initial": lambda x: -x[:, 0]}, "initial"),
        ({"initial": lambda x: x[:, 0] * np.nan}, "initial"),
        ({"initial": lambda x: 0 * x[:, 0]}, "initial"),
        ({"initial": lambda x: np.ones(3)}, "initial"),
        ({"times": [1.0, 0.5]}, "times"),
        ({"times": [-1.0]}, "times"),
        ({"times": []}, "times"),
        ({"scheme": "euler"}, "scheme"),
        ({"scheme": IMPLICIT_EULER}, "step"),
        ({"step": -1.0}, "step"),
        ({"progress": "no"}, "progress"),
        ({"checkpoint": "x", "checkpoint_every": -1}, "checkpoint_every"),
    ],
)
def test_wrong_evolutions(arguments, name):
    fp = EffectiveFokkerPlanck(LINE, [(-4, 4)], (20,))
    with pytest.raises(InvalidArgument, match=name):
        fp.evolve(**({"initial": lambda x: np.exp(-(x[:, 0] ** 2)), "times": [1.0]} | arguments))
    with pytest.raises(InvalidArgument, match="points"):
        fp.stationary().at([[5.0]])
    with pytest.raises(InvalidArgument, match="k"):
        fp.spectrum(0)
    with pytest.raises(InvalidArgument, match="k"):
        fp.spectrum(1000)


def test_negative_sums_of_resolvents_are_cut():
    """Loose tolerances and a density at one node: the bare sums are negative, what is kept is not, and has mass 1."""
    fp = FokkerPlanck(FLAT, [(0, 1)], (64,), rtol=0.05)
    start = lambda x: 1.0 * (np.abs(x[:, 0] - 0.5) < 1e-9)  # noqa: E731
    system = ReversibleSystem(fp, KilledChain.of(fp.generator, ()), StepChoice(RESOLVENT4, 0.05, None))
    state = system.start(start(fp.grid.points)).state
    stages = [state]
    for _ in range(4):
        stages.append(system.resolvents.solve(RESOLVENT4.gamma * 3e-4, stages[-1]))
    bare = fp.grid.whole(np.tensordot(RESOLVENT4.weights, stages[1:], axes=1))
    assert bare.min() < -1e-6 * bare.max()
    run = fp.evolve(start, np.geomspace(1e-5, 1, 40))
    assert run.minimum.min() >= 0
    assert np.abs(run.mass - 1).max() < 1e-13
    assert (np.diff(run.entropy) <= 0).all()
    assert fp.evolve(start, [3e-4], scheme=RESOLVENT4, step=3e-4).minimum[0] >= 0


def test_a_step_that_raises_the_free_energy_is_refused():
    fp = FokkerPlanck(FLAT, [(0, 1)], (16,))
    system = ReversibleSystem(fp, KilledChain.of(fp.generator, ()), StepChoice(RESOLVENT4, 1e-6, None))
    even = fp.grid.volumes.copy()
    old = system.start(even * (1 + 0.1 * np.cos(np.pi * fp.grid.points[:, 0])))
    worse = system.start(even * (1 + 0.2 * np.cos(np.pi * fp.grid.points[:, 0]))).state
    assert "entropy rises" in system.accept(old, worse)[2]
    kept, entropy, reason = system.accept(old, system.start(even).state)
    assert (reason, entropy < 1e-28) == ("", True)
    old.state, old.entropy = kept, entropy
    almost = system.start(even * (1 + 1e-14 * np.cos(np.pi * fp.grid.points[:, 0]))).state
    _, entropy, reason = system.accept(old, almost)
    assert reason == ""
    assert entropy <= old.entropy
