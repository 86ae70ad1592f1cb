"""Effective Fokker-Planck equations: equilibrium, evolution and its structure, against exact solutions and quadrature."""

import math

import numpy as np
import pytest
from diffusions import Given, double_well, rotated
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate, linalg
from sympy import cos, pi, sin

from scaling_limits.particles import InvalidArgument, MultiscalePotential, egg_carton, fully_coupled
from scaling_limits.pdes import (
    IMPLICIT_EULER,
    RESOLVENT2,
    RESOLVENT3,
    RESOLVENT4,
    EffectiveFokkerPlanck,
    FokkerPlanck,
    NotConverged,
    Unresolved,
)
from scaling_limits.pdes.diffusions.evolution import ReversibleSystem
from scaling_limits.pdes.time.density_integrator import StepChoice

LINE = fully_coupled(0.5, dim=1, scales=2)


def gaussian(mean, covariance):
    inverse, size = np.linalg.inv(covariance), np.sqrt(np.linalg.det(2 * np.pi * np.asarray(covariance)))
    return lambda x: np.exp(-0.5 * np.einsum("pi,ij,pj->p", x - mean, inverse, x - mean)) / size


def test_equilibrium_is_not_divided_by_the_mobility():
    """x-dependent M: exp(-Psi/sigma)/Z to 1e-10, by the constructor's own quadrature and by evolving; not .../M."""
    fp = EffectiveFokkerPlanck(LINE, [(-4, 4)], (400,), rtol=1e-10)
    x = np.linspace(-3, 3, 41)[:, None]
    rho = fp.stationary()
    boltzmann = lambda t: np.exp(-fp.coefficients.free_energy([[t]])[0] / 0.5)  # noqa: E731
    partition = integrate.quad(boltzmann, -4, 4, epsabs=1e-13, limit=200)[0]
    expected = np.array([boltzmann(t) for t in x[:, 0]]) / partition
    np.testing.assert_allclose(rho.at(x), expected, rtol=1e-10)
    assert abs(rho.mass - 1) < 1e-12
    assert rho.mean()[0] == pytest.approx(
        integrate.quad(lambda t: t * boltzmann(t), -4, 4, limit=200)[0] / partition, rel=1e-10
    )
    late = fp.evolve(gaussian([1.0], [[0.1]]), [1e6])
    np.testing.assert_allclose(late.at(x)[0], expected, rtol=1e-8)
    mobility = fp.coefficients.mobility(x)[:, 0, 0]
    ito = expected / mobility
    assert (
        np.abs(late.at(x)[0] / ito / (late.at(x)[0] / ito).mean() - 1).max() > 0.1
    )  # the wrong law is seen to be wrong


def test_equilibrium_is_stationary():
    """Evolving exp(-Psi/sigma) changes nothing: 1e-12, for a tensor that turns and is anisotropic."""
    fp = FokkerPlanck(TWISTED, [(0, 1), (0, 1)], (24, 20), periodic=True)
    start = lambda x: np.exp(-TWISTED.free_energy(x) / TWISTED.temperature)  # noqa: E731
    run = fp.evolve(start, [0.0, 1.0], scheme=IMPLICIT_EULER, step=0.1)
    assert np.abs(run.probabilities[1] / run.probabilities[0] - 1).max() < 1e-12
    run = fp.evolve(start, [0.0, 1.0])
    assert np.abs(run.probabilities[1] / run.probabilities[0] - 1).max() < 1e-12


TWISTED = Given(
    lambda x: rotated(2 * np.pi * np.sin(2 * np.pi * x[:, 0]) + 0.3, np.ones(len(x)), 1e-3 * np.ones(len(x))),
    lambda x: np.cos(2 * np.pi * x[:, 0]) + np.sin(2 * np.pi * (x[:, 0] + x[:, 1])),
    0.1,
)
TURNING = Given(
    lambda x: np.stack([np.diag([1.0, 0.03, 0.001])] * len(x)) + 0.02 * np.cos(x[:, 0] + x[:, 1])[:, None, None] ** 2,
    lambda x: 3 * x[:, 0] ** 2 - 2 * x[:, 1] * x[:, 2],
    0.2,
)


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


def ornstein_uhlenbeck(tensor, stiffness, temperature, mean, covariance, t):
    """Mean and covariance of dX = -M A X dt + sqrt(2 sigma M) dW."""
    flow = linalg.expm(-tensor @ stiffness * t)
    equilibrium = temperature * np.linalg.inv(stiffness)
    return flow @ mean, equilibrium + flow @ (covariance - equilibrium) @ flow.T


@pytest.mark.parametrize("contrast", [0.25, 0.02], ids=["neighbours", "wide steps"])
def test_gaussians_at_second_order(contrast):
    """A quadratic Psi and a constant anisotropic M have Gaussian solutions; both with neighbours and with wide steps."""
    tensor = rotated(np.array([0.5]), np.ones(1), np.full(1, contrast))[0]
    stiffness = np.array([[1.0, 0.3], [0.3, 2.0]])
    given = Given(
        lambda x: np.repeat(tensor[None], len(x), axis=0),
        lambda x: 0.5 * np.einsum("pi,ij,pj->p", x, stiffness, x),
        0.3,
    )
    mean, covariance = np.array([0.6, -0.4]), np.array([[0.3, 0.1], [0.1, 0.25]])
    end = gaussian(*ornstein_uhlenbeck(tensor, stiffness, 0.3, mean, covariance, 0.5))
    points = np.random.default_rng(3).uniform(-1, 1, (200, 2))
    sizes, errors = (24, 48, 96), []
    for n in sizes:
        fp = FokkerPlanck(given, [(-4, 4), (-3, 3)], (n, n), rtol=1e-7)
        assert (fp.generator.edges.widest > 1) == (contrast < 0.1)
        run = fp.evolve(gaussian(mean, covariance), [0.5])
        errors.append(np.abs(run.at(points)[0] - end(points)).max() / end(points).max())
    assert_rate(sizes, errors, -2.0, slack=0.25, cap=3e-3)


def manufactured(n):
    """-div(sigma pi M grad f) = pi g on a torus with f = sin(2 pi x) cos(2 pi y), by sympy; the error of f."""
    import sympy

    x, y = sympy.symbols("x y")
    psi = sympy.cos(2 * pi * x) / 2 + sympy.sin(2 * pi * (x - y)) / 4
    tensor = sympy.Matrix(
        [
            [2 + sympy.sin(2 * pi * y), sympy.cos(2 * pi * x) / 2],
            [sympy.cos(2 * pi * x) / 2, 1 + sympy.cos(2 * pi * (x + y)) / 3],
        ]
    )
    f = sympy.sin(2 * pi * x) * sympy.cos(2 * pi * y)
    weight = sympy.exp(-psi / sympy.Rational(1, 2))
    flux = weight * tensor * sympy.Matrix([f.diff(x), f.diff(y)]) / 2
    source = -(flux[0].diff(x) + flux[1].diff(y)) / weight
    numbers = [sympy.lambdify((x, y), e, "numpy") for e in (psi, source, f, weight)]
    entries = [[sympy.lambdify((x, y), tensor[i, j], "numpy") for j in range(2)] for i in range(2)]
    at = lambda g: lambda p: g(p[:, 0], p[:, 1]) * np.ones(len(p))  # noqa: E731
    given = Given(
        lambda p: np.stack([np.stack([at(e)(p) for e in row], -1) for row in entries], -2), at(numbers[0]), 0.5
    )
    fp = FokkerPlanck(given, [(0, 1), (0, 1)], (n, n), periodic=True)
    found = fp.poisson(at(numbers[1]))
    nodes = np.stack(np.meshgrid(*[np.arange(64) / 64] * 2, indexing="ij"), -1).reshape(-1, 2)
    exact, weights = at(numbers[2])(nodes), at(numbers[3])(nodes)
    exact -= (exact * weights).sum() / weights.sum()
    lattice_nodes = np.stack(np.meshgrid(*[np.arange(n) / n] * 2, indexing="ij"), -1).reshape(-1, 2)
    shift = (at(numbers[2])(nodes) * weights).sum() / weights.sum()
    return np.abs(found.values.ravel() - at(numbers[2])(lattice_nodes) + shift).max()


def test_manufactured_solution():
    sizes = (16, 32, 64, 128)
    assert_rate(sizes, [manufactured(n) for n in sizes], -2.0, slack=0.1, cap=2e-3)


@pytest.mark.parametrize("scheme", [IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4], ids=lambda s: s.name)
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
    counts = {1: (64, 128, 256), 2: (16, 32, 64), 3: (16, 32, 64), 4: (16, 32, 64)}[scheme.order]
    errors = [
        np.abs(fp.evolve(start, [2.0], scheme=scheme, step=2.0 / n).probabilities[0] - exact).sum() for n in counts
    ]
    assert_rate(counts, errors, -float(scheme.order), slack=0.15, cap=1e-3)


@pytest.mark.parametrize("scheme", [IMPLICIT_EULER, RESOLVENT2, RESOLVENT3, RESOLVENT4], ids=lambda s: s.name)
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


def test_walls_and_periods():
    """A flat torus: the n-th wave decays with n^2; with walls, cosines do with (n/2)^2."""
    flat = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: np.zeros(len(x)))
    torus = FokkerPlanck(flat, [(0, 2 * np.pi)], (32,), periodic=True)
    np.testing.assert_allclose(torus.spectrum(5), [0, 1, 1, 4, 4], atol=1e-8)
    box = FokkerPlanck(flat, [(0, 2 * np.pi)], (32,))
    np.testing.assert_allclose(box.spectrum(5), [0, 0.25, 1, 2.25, 4], atol=1e-8)
    tilted = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: 0.1 * x[:, 0])
    with pytest.raises(InvalidArgument, match=r"periodic.*Psi"):
        FokkerPlanck(tilted, [(0, 1)], (32,), periodic=True)
    with pytest.raises(InvalidArgument, match=r"periodic.*M "):
        FokkerPlanck(Given(lambda x: (1 + x[:, :1])[:, :, None], lambda x: 0 * x[:, 0]), [(0, 1)], (32,), periodic=True)


def test_functions_and_means():
    """The field as dolfinx sees it, the mean, the values at the nodes and between them."""
    fp = EffectiveFokkerPlanck(egg_carton(0.4), [(-3, 3), (-3, 3)], (40, 30))
    run = fp.evolve(gaussian([0.5, -0.25], 0.2 * np.eye(2)), [0.0, 0.7])
    rate = fp.coefficients.mobility(np.zeros((1, 2)))[0, 0, 0]
    np.testing.assert_allclose(run[1].mean(), np.array([0.5, -0.25]) * np.exp(-0.7 * rate), atol=2e-3)
    u = run[1].function
    x = u.function_space.tabulate_dof_coordinates()[:, :2]
    np.testing.assert_allclose(u.x.array, run[1].at(x), rtol=1e-9)
    assert run[1].values.shape == (41, 31)
    if fp.comm.rank == 0:  # what is read of a result needs no other rank
        assert run[0].values.max() > 0
        assert run[0].at([[0.1, 0.2]])[0] > 0
        assert np.isfinite(run.free_energy).all()
        assert run.minimum[0] >= 0
    assert len(run) == 2
    nodes = np.array([[0.0, 0.0], [0.15, 0.2]])
    np.testing.assert_allclose(run.at(nodes)[1], [run[1].values[20, 15], run[1].values[21, 16]], rtol=1e-10)


def test_one_rank_or_many():
    """Results do not depend on the number of ranks: each rank alone computes what all do together."""
    arguments = LINE, [(-4, 4)], (100,)
    together, alone = EffectiveFokkerPlanck(*arguments), EffectiveFokkerPlanck(*arguments, comm=MPI.COMM_SELF)
    start = gaussian([1.0], [[0.1]])
    a, b = (fp.evolve(start, [0.1, 1.0]).probabilities for fp in (together, alone))
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(together.spectrum(3), alone.spectrum(3), rtol=1e-8)
    target = lambda x: x[:, 0] > 1.0  # noqa: E731
    x = np.linspace(-3, 3, 11)[:, None]
    times = [fp.mean_first_passage_time(target).at(x) for fp in (together, alone)]
    np.testing.assert_allclose(*times, rtol=1e-8)
    twisted = [
        FokkerPlanck(TWISTED, [(0, 1)] * 2, (16, 12), periodic=True, comm=c) for c in (MPI.COMM_WORLD, MPI.COMM_SELF)
    ]
    a, b = (fp.evolve(lambda x: 1.0 * (x[:, 0] < 0.3), [0.1, 1.0]).probabilities for fp in twisted)
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_a_coarse_mesh_is_reported():
    narrow = EffectiveFokkerPlanck(egg_carton(0.01, dim=1, amplitude=1e-3), [(-4, 4)], (8,))
    if MPI.COMM_WORLD.rank == 0:
        with pytest.warns(Unresolved, match="more cells"):
            narrow.stationary()
    else:
        narrow.stationary()


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
        ({"box": [(1, 1)]}, "box"),
        ({"cells": (10, 10)}, "cells"),
        ({"cells": (0,)}, "cells"),
        ({"cells": (2.5,)}, "cells"),
        ({"rtol": 0}, "rtol"),
        ({"rtol": np.nan}, "rtol"),
        ({"periodic": "yes"}, "periodic"),
        ({"potential": None}, "potential"),
    ],
)
def test_wrong_problems(arguments, name):
    with pytest.raises(InvalidArgument, match=name):
        EffectiveFokkerPlanck(**({"potential": LINE, "box": [(-4, 4)], "cells": (20,)} | arguments))


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
        ({"checkpoint": "x", "checkpoint_every": -1}, "every"),
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


def test_noise_induced_wells():
    """Coupling to x makes two wells where V0 has one: Psi is not V0, and the density goes there."""
    coupled = MultiscalePotential(
        1, 1, 0.3, lambda x: x[0] ** 2 / 2, lambda x, y: 2 * cos(pi * x[0] / 3) ** 2 * sin(2 * pi * y[0])
    )
    fp = EffectiveFokkerPlanck(coupled, [(-3, 3)], (300,))
    separable = EffectiveFokkerPlanck(egg_carton(0.3, dim=1), [(-3, 3)], (300,))
    x = np.linspace(-3, 3, 601)[:, None]
    rho, plain = fp.stationary().at(x), separable.stationary().at(x)
    peaks = lambda f: int(((f[1:-1] > f[:-2]) & (f[1:-1] > f[2:])).sum())  # noqa: E731
    assert peaks(plain) == 1
    assert np.abs(rho / rho.max() - plain / plain.max()).max() > 0.05


def test_boxes_of_any_size():
    """Where exp(-Psi/sigma) is nothing there is a wall: a box far too large gives the same, and mass there is refused."""
    potential = double_well(0.05)
    small, large = (EffectiveFokkerPlanck(potential, [(-a, a)], (n,)) for a, n in ((2, 400), (4, 800)))
    assert small.generator.alive.all()
    assert not large.generator.alive.all()
    x = np.linspace(-1.5, 1.5, 7)[:, None]
    np.testing.assert_allclose(small.stationary().at(x), large.stationary().at(x), rtol=1e-9)
    np.testing.assert_allclose(small.spectrum(3), large.spectrum(3), rtol=1e-6)
    runs = [fp.evolve(gaussian([-1.0], [[0.01]]), [1.0]).at(x)[0] for fp in (small, large)]
    np.testing.assert_allclose(*runs, rtol=1e-6, atol=1e-9)
    with pytest.raises(InvalidArgument, match="initial"):
        large.evolve(gaussian([3.9], [[0.01]]), [1.0])
    small, large = (EffectiveFokkerPlanck(double_well(0.1), [(-a, a)], (n,)) for a, n in ((2.5, 250), (5, 500)))
    times = [fp.mean_first_passage_time(lambda x: x[:, 0] > 0.9) for fp in (small, large)]
    np.testing.assert_allclose(times[0].at(x), times[1].at(x), rtol=1e-6)
    assert np.isnan(times[1].at([[-4.5]])).all()


FLAT = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: 0 * x[:, 0])


def test_negative_sums_of_resolvents_are_cut():
    """Loose tolerances and a density at one node: the bare sums are negative, what is kept is not, and has mass 1."""
    fp = FokkerPlanck(FLAT, [(0, 1)], (64,), rtol=0.05)
    start = lambda x: 1.0 * (np.abs(x[:, 0] - 0.5) < 1e-9)  # noqa: E731
    system = ReversibleSystem(fp.generator, StepChoice(RESOLVENT4, 0.05, None), None)
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
    system = ReversibleSystem(fp.generator, StepChoice(RESOLVENT4, 1e-6, None), None)
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
