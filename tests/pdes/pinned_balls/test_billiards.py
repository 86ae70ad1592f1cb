"""The pinned-billiard equations: exact solutions, rates of convergence, the three forms, files, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy
import ufl
from billiards import POINTS, coarse, l2, mean, order_one_std
from mpi4py import MPI
from rates import assert_rate

import scaling_limits
from scaling_limits.particles import InvalidArgument, PinnedBalls
from scaling_limits.pdes import (
    RODAS3,
    RODAS4,
    BilliardEquations,
    BilliardSolution,
    DeviationForm,
    EnergyForm,
    NotConverged,
    VarianceForm,
    linear_wave,
)
from scaling_limits.pdes.pinned_balls.discretisation import BilliardSystem
from scaling_limits.pdes.pinned_balls.elements import BoundForms, Source, billiard_elements
from scaling_limits.pdes.time.integration import Statistics, integrate

# --- exact solutions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_frozen_state_stays_to_round_off(degree):
    """mu = lambda sigma x + c with constant sigma: stationary, and in the space of every degree."""
    frozen = BilliardEquations(7.0, mean=lambda x: 7.0 * 0.3 * x - 1.0, std=lambda x: 0.3 + 0 * x)
    solution = frozen.solve([0.0, 0.1, 10.0], rtol=1e-4, cells=33, degree=degree)
    assert solution.mean_at(POINTS) == pytest.approx(np.tile(2.1 * POINTS - 1.0, (3, 1)), abs=1e-12)
    assert solution.std_at(POINTS) == pytest.approx(0.3, abs=1e-12)


@coarse
@pytest.mark.parametrize(
    ("degree", "cells", "cap"), [(1, (16, 32, 64), 3e-4), (2, (8, 16, 32), 2e-5), (4, (2, 4, 8), 2e-6)]
)
def test_heat_limit(degree, cells, cap):
    """As lambda -> 0, mu and E obey heat equations: an exact solution of the whole system, in closed form."""
    equations = BilliardEquations(
        1e-12, mean=lambda x: np.cos(np.pi * x), std=lambda x: np.sqrt(2.0 + np.sin(np.pi * x) ** 2)
    )
    t = 0.02
    mu = math.exp(-(np.pi**2) * t) * np.cos(np.pi * POINTS)
    sigma = np.sqrt(3.0 - mu**2)  # E = 3/2 is constant
    errors = []
    for n in cells:
        solution = equations.solve([t], rtol=1e-9, cells=n, degree=degree, scheme=RODAS4)
        errors.append(l2(solution.mean_at(POINTS)[0], mu) + l2(solution.std_at(POINTS)[0], sigma))
    assert_rate(1 / np.array(cells), errors, degree + 1, slack=0.35, cap=cap)


@coarse
def test_uniform_shear():
    """mu = a x, sigma(t) uniform, away from the ends: sigma' = a^2/sigma - lambda a, integrated independently."""
    from scipy.integrate import solve_ivp

    speed, a, end = 60.0, 2.0, 4e-4
    exact = solve_ivp(lambda t, s: a**2 / s - speed * a, (0, end), [0.2], rtol=1e-12, atol=1e-13).y[0, -1]
    equations = BilliardEquations(speed, mean=lambda x: a * x, std=lambda x: 0.2 + 0 * x)
    solution = equations.solve([end], rtol=1e-8, cells=200, degree=2)
    middle = np.linspace(0.4, 0.6, 11)  # the ends reach sqrt(4 t) = 0.04 and lambda t = 0.024
    assert abs(exact - 0.2) > 0.03
    assert solution.std_at(middle)[0] == pytest.approx(exact, rel=1e-8)
    assert solution.mean_at(middle)[0] == pytest.approx(a * middle, rel=1e-8)


@coarse
def test_linear_wave_packet():
    """A small bump on sigma = 1 splits into two, mu +- sigma moving with +-lambda and spreading like heat."""
    speed, end, eps, width = 1000.0, 1e-4, 1e-4, 0.04

    def bump(x, t):
        spread = width**2 + 2 * t
        return width / math.sqrt(spread) * np.exp(-((x - 0.5) ** 2) / (2 * spread))

    equations = BilliardEquations(speed, mean=lambda x: 0 * x, std=lambda x: 1 + eps * bump(x, 0))
    solution = equations.solve([end], rtol=1e-7, cells=300, degree=4)
    x = np.linspace(0.25, 0.75, 101)  # beyond, the closed ends send their own waves
    right, left = (0.5 * bump(x - s * speed * end, end) for s in (1, -1))
    assert (solution.mean_at(x)[0]) / eps == pytest.approx(right - left, abs=3e-6)
    assert (solution.std_at(x)[0] - 1) / eps == pytest.approx(right + left, abs=3e-6)


@coarse
def test_linear_wave_limit():
    """d'Alembert with sigma = 0 at the ends, against the equations at large lambda before the noise is spent."""
    equations = BilliardEquations(
        2e4, mean=lambda x: 0.1 * np.cos(np.pi * x), std=lambda x: np.sin(np.pi * x), boundary="absorbing"
    )
    t = 0.1 / 2e4
    mu, sigma = linear_wave(equations, [0.0, t], POINTS)
    assert mu[0] == pytest.approx(0.1 * np.cos(np.pi * POINTS), abs=1e-14)
    assert sigma[0] == pytest.approx(np.sin(np.pi * POINTS), abs=1e-14)
    phase = 0.1 * np.pi
    assert mu[1] == pytest.approx((0.1 * math.cos(phase) - math.sin(phase)) * np.cos(np.pi * POINTS), abs=1e-12)
    assert sigma[1] == pytest.approx((math.cos(phase) + 0.1 * math.sin(phase)) * np.sin(np.pi * POINTS), abs=1e-12)
    inner = (POINTS > 0.15) & (POINTS < 0.85)
    errors = []
    for speed in (500.0, 1000.0, 2000.0):
        again = BilliardEquations(speed, equations.mean, equations.std, "absorbing")
        solution = again.solve([0.1 / speed], rtol=1e-4, cells=2400, degree=1)
        errors.append(l2(solution.mean_at(POINTS)[0][inner], mu[1][inner]))
    assert_rate(1 / np.array([500.0, 1000.0, 2000.0]), errors, 1.0, slack=0.2, cap=5e-3)


# --- a manufactured solution -----------------------------------------------------------------------------


def manufactured(form, speed=3.0):
    """mu, sigma with mu_x = lambda sigma and sigma_x = 0 at the ends, and the sources that make them a solution."""
    x, t = sympy.symbols("x t")
    sigma = 1 + sympy.Rational(1, 4) * sympy.cos(2 * sympy.pi * x) * sympy.cos(5 * t)
    mu = sympy.sin(sympy.pi * x) ** 2 * sympy.exp(-t) + speed * (1 + sympy.cos(5 * t) / 4) * x
    second = {"A": sigma, "B": sigma**2 / 2, "C": (mu**2 + sigma**2) / 2}[form.label]
    flux = sympy.diff(mu, x) - speed * sigma
    rate = {
        "A": sympy.diff(sigma, x, 2) - speed * sympy.diff(mu, x) + (sympy.diff(sigma, x) ** 2 + sympy.diff(mu, x) ** 2) / sigma,
        "B": sympy.diff(second, x, 2) + sympy.diff(mu, x) * flux,
        "C": sympy.diff(sympy.diff(second, x) - speed * mu * sigma, x),
    }[form.label]  # fmt: skip
    sources = sympy.diff(mu, t) - sympy.diff(flux, x), sympy.diff(second, t) - rate
    in_ufl = [{"sin": ufl.sin, "cos": ufl.cos, "exp": ufl.exp, "pi": math.pi, "sqrt": ufl.sqrt}]
    values, slopes = (sympy.lambdify((x, t), [sympy.diff(s, t, k) for s in sources], in_ufl) for k in (0, 1))
    exact = sympy.lambdify((x, t), [mu, sigma], "numpy")
    return exact, Source(values, slopes), speed


@coarse
@pytest.mark.parametrize("form", [DeviationForm(), VarianceForm(), EnergyForm()], ids=lambda f: f.label)
@pytest.mark.parametrize(("degree", "cells", "cap"), [(1, (16, 32, 64), 8e-4), (2, (8, 16, 32), 3e-5)])
def test_rate_in_space(form, degree, cells, cap):
    exact, source, speed = manufactured(form)
    equations = BilliardEquations(speed, lambda x: exact(x, 0.0)[0], lambda x: exact(x, 0.0)[1])
    errors = []
    for n in cells:
        solution = equations.solve([0.1], rtol=1e-8, cells=n, degree=degree, form=form, source=source, scheme=RODAS4)
        mu, sigma = exact(POINTS, 0.1)
        errors.append(l2(solution.mean_at(POINTS)[0], mu) + l2(solution.std_at(POINTS)[0], sigma))
    assert_rate(1 / np.array(cells), errors, degree + 1, slack=0.3, cap=cap)


@pytest.mark.parametrize("scheme", [RODAS3, RODAS4], ids=lambda s: s.name)
def test_rate_in_time(scheme):
    exact, source, speed = manufactured(EnergyForm())
    elements = billiard_elements(MPI.COMM_WORLD, 10, 4, EnergyForm(), False, source)
    system = BilliardSystem(BoundForms(elements), speed, 1e9, *exact(elements.points, 0.0))
    start = system.start
    end = np.array([0.4])

    def at_end(h, scheme=scheme):
        even = replace(scheme.control, grow=1.0, safety=1.0)
        return next(integrate(scheme, system, start, end, Statistics(), first=h, control=even))

    best = at_end(end[0] / 512, RODAS4)
    sizes = end[0] / np.array({3: [16, 32, 64, 128], 4: [8, 16, 32]}[scheme.order])
    weights = system.mass
    errors = []
    for h in sizes:
        parts = MPI.COMM_WORLD.allreduce(np.array([weights @ (at_end(h) - best) ** 2, weights @ best**2]))
        errors.append(math.sqrt(parts[0] / parts[1]))
    assert_rate(sizes, errors, scheme.order, slack=0.3, cap=1e-6)


@coarse
def test_the_three_forms_are_one_problem():
    """(A), (B) and (C) differ by what their discretisation errs, which falls like h^2."""
    equations = BilliardEquations(20.0, mean=lambda x: np.sin(3 * x), std=lambda x: 1 + 0.5 * np.cos(np.pi * x))
    cells = (50, 100, 200)
    for form in (DeviationForm(), VarianceForm()):
        errors = []
        for n in cells:
            one, other = (equations.solve([0.01], rtol=1e-7, cells=n, form=f) for f in (form, EnergyForm()))
            errors.append(l2(one.std_at(POINTS), other.std_at(POINTS)) + l2(one.mean_at(POINTS), other.mean_at(POINTS)))
        assert_rate(1 / np.array(cells), errors, 2.0, slack=0.3, cap=2e-4)


@pytest.mark.serial
def test_solutions_are_files(tmp_path):
    """Every field comes back, to the last digit, by the class and by the reader of all results."""
    solution = BilliardEquations(5.0, mean, order_one_std).solve([0.0, 0.01], rtol=1e-2, cells=20, degree=2)
    solution.save(tmp_path / "solution.npz")
    for found in (BilliardSolution.load(tmp_path / "solution.npz"), scaling_limits.load(tmp_path / "solution.npz")):
        assert found.statistics == solution.statistics
        assert np.array_equal(found.std_at(POINTS), solution.std_at(POINTS))
        assert np.array_equal(found.energy, solution.energy)
        assert (found.degree, found.resolved) == (solution.degree, solution.resolved)


@coarse
def test_solves_in_turn_do_not_touch_one_another():
    """Two integrations that take turns on the same elements are those that run alone, to the last digit."""
    elements = billiard_elements(MPI.COMM_SELF, 30, 2, EnergyForm(), False)
    x, times = elements.points, np.array([1e-4, 1e-3])

    def states(speed):
        system = BilliardSystem(BoundForms(elements), speed, 1e-4, np.sin(3 * x), 1 + x)
        return integrate(RODAS3, system, system.start, times, Statistics(), first=1e-5)

    alone = [list(states(speed)) for speed in (5.0, 20.0)]
    turns = list(zip(states(5.0), states(20.0)))
    assert np.array_equal(np.array(alone), np.moveaxis(np.array(turns), 1, 0))


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("wave_speed", 0.0),
        ("wave_speed", -1.0),
        ("wave_speed", np.nan),
        ("wave_speed", "fast"),
        ("mean", "1.0"),
        ("mean", lambda x: x[:1]),
        ("mean", lambda x: x / 0.0 * 0.0),
        ("std", lambda x: -1 + x),
        ("std", lambda x: np.nan * x),
        ("boundary", "open"),
        ("boundary", None),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_equations(argument, value):
    arguments = {"wave_speed": 10.0, "mean": lambda x: x, "std": lambda x: 1 + x, "boundary": "closed"}
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        BilliardEquations(**(arguments | {argument: value}))


@coarse
@pytest.mark.parametrize(
    ("argument", "value"),
    [("times", [1.0, 0.0]), ("times", [-1.0]), ("times", [np.inf]), ("rtol", 0.0), ("rtol", np.nan), ("cells", 1),
     ("cells", 2.5), ("degree", 0), ("degree", 9)],
)  # fmt: skip
def test_bad_solves(argument, value):
    equations = BilliardEquations(10.0, lambda x: x, lambda x: 1 + x)
    with pytest.raises(InvalidArgument, match=f"^{argument}:"):
        equations.solve(**({"times": [0.1], "cells": 10} | {argument: value}))


@coarse
def test_other_refusals():
    solution = BilliardEquations(10.0, lambda x: x, lambda x: 1 + x).solve([0.0], cells=10)
    for points in ([1.1], [-0.1], [np.nan], [[0.5]]):
        with pytest.raises(InvalidArgument, match="^x:"):
            solution.mean_at(points)
    with pytest.raises(InvalidArgument, match="^balls:"):
        BilliardEquations.of(PinnedBalls(10, lambda x: x, lambda x: x, energy_exchange=False))


def test_a_solve_that_cannot_go_on_says_so():
    equations = BilliardEquations(10.0, lambda x: x, lambda x: 1 + x)
    with pytest.raises(NotConverged, match=r"failed at t = .* with step .*Remedy") as caught:
        equations.solve([1.0], rtol=1e-6, cells=10, petsc_options={"pc_type": "none"})
    assert 0 < caught.value.step < 1e-10
