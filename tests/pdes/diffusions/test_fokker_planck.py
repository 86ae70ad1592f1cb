"""Effective Fokker-Planck equations: equilibrium and densities against exact solutions and quadrature, on many ranks."""

import numpy as np
import pytest
from diffusions import TWISTED, Given, double_well, gaussian, rotated
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate, linalg
from sympy import cos, pi, sin

from scaling_limits.particles import InvalidArgument, MultiscalePotential, egg_carton, fully_coupled
from scaling_limits.pdes import (
    IMPLICIT_EULER,
    EffectiveFokkerPlanck,
    FokkerPlanck,
    Unresolved,
)

LINE = fully_coupled(0.5, dim=1, scales=2)


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


@pytest.mark.filterwarnings("ignore:M turns or changes")  # these tensors vary from node to node
def test_equilibrium_is_stationary():
    """Evolving exp(-Psi/sigma) changes nothing: 1e-12, for a tensor that turns and is anisotropic."""
    fp = FokkerPlanck(TWISTED, [(0, 1), (0, 1)], (24, 20), periodic=True)
    start = lambda x: np.exp(-TWISTED.free_energy(x) / TWISTED.temperature)  # noqa: E731
    run = fp.evolve(start, [0.0, 1.0], scheme=IMPLICIT_EULER, step=0.1)
    assert np.abs(run.probabilities[1] / run.probabilities[0] - 1).max() < 1e-12
    run = fp.evolve(start, [0.0, 1.0])
    assert np.abs(run.probabilities[1] / run.probabilities[0] - 1).max() < 1e-12


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


@pytest.mark.filterwarnings("ignore:the solution is known")
def test_manufactured_solution():
    sizes = (16, 32, 64, 128)
    assert_rate(sizes, [manufactured(n) for n in sizes], -2.0, slack=0.1, cap=2e-3)


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


@pytest.mark.filterwarnings("ignore:M turns or changes")  # these tensors vary from node to node
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
