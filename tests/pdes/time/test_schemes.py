"""The time schemes converge with the order that they declare."""

from dataclasses import FrozenInstanceError, replace

import mpmath
import numpy as np
import pytest
from rates import assert_rate
from schemes import schemes_of

from scaling_limits.particles import EffectiveLangevin, TransportProcess
from scaling_limits.particles.diffusions.langevin_schemes import LangevinScheme
from scaling_limits.pdes import NotConverged
from scaling_limits.pdes.time.chebyshev import RungeKuttaChebyshev
from scaling_limits.pdes.time.integration import (
    Statistics,
    StepControl,
    factor_after_refusals,
    factor_after_step,
    growth,
    in_vain,
    integrate,
)
from scaling_limits.pdes.time.relative_entropy import entropy_terms
from scaling_limits.pdes.time.resolvents import ResolventScheme
from scaling_limits.pdes.time.rosenbrock import RODAS3, Rosenbrock


def test_nobody_changes_an_order():
    """The orders themselves are measured: here, in test_evolution.py of diffusions and in test_langevin.py."""
    for kind, names in (
        (ResolventScheme, ["order"]),
        (Rosenbrock, ["order"]),
        (LangevinScheme, ["weak_order", "equilibrium_order"]),
    ):
        for scheme in schemes_of(kind):
            for name in names:
                assert getattr(scheme, name) in range(1, 10)
                with pytest.raises(FrozenInstanceError):
                    setattr(scheme, name, 5)
    with pytest.raises(FrozenInstanceError):
        RungeKuttaChebyshev().order = 5
    with pytest.raises(TypeError, match="order"):
        RungeKuttaChebyshev(order=5)
    assert RungeKuttaChebyshev().order == EffectiveLangevin.weak_order == TransportProcess.weak_order == 2


class Pendulum:
    """2 q'' + sin q + q'/5 = cos 3t as a system with masses, f depending on time."""

    mass = np.array([1.0, 2.0])

    def rate(self, t, y):
        return np.array([y[1], np.cos(3 * t) - np.sin(y[0]) - 0.2 * y[1]])

    def rate_in_time(self, t, y):
        return np.array([0.0, -3 * np.sin(3 * t)])

    def factor(self, t, y, shift):
        self.matrix = np.diag(shift * self.mass) - np.array([[0.0, 1.0], [-np.cos(y[0]), -0.2]])

    def solve(self, right_hand_side):
        return np.linalg.solve(self.matrix, right_hand_side)

    def error(self, y, new, difference):
        return 0.0

    def accept(self, t, new):
        return new, ""


@pytest.mark.parametrize("scheme", schemes_of(Rosenbrock), ids=lambda s: s.name)
def test_rosenbrock_order(scheme):
    from scipy.integrate import solve_ivp

    system, start = Pendulum(), np.array([0.5, 0.0])
    exact = solve_ivp(
        lambda t, y: system.rate(t, y) / system.mass, (0, 2), start, rtol=1e-13, atol=1e-14, method="DOP853"
    ).y[:, -1]
    sizes = 2.0 / np.array([16, 32, 64, 128])
    errors = []
    for h in sizes:
        even = replace(scheme.control, grow=1.0, safety=1.0)
        steps = integrate(scheme, system, start, np.array([2.0]), Statistics(), first=h, control=even)
        errors.append(np.abs(next(steps) - exact).max())
    assert_rate(sizes, errors, scheme.order, cap=2e-6)


@pytest.mark.parametrize("scheme", schemes_of(Rosenbrock), ids=lambda s: s.name)
def test_rosenbrock_coefficients_are_consistent(scheme):
    """Row sums in the usual form: alpha_i = sum alpha_ij, and gammas = sum gamma_ij; stiffly accurate, L-stable."""
    s = scheme.stages
    c, a = np.zeros((s, s)), np.zeros((s, s))
    for i in range(s):
        c[i, :i], a[i, :i] = scheme.c[i], scheme.a[i]
    gamma = np.linalg.inv(np.eye(s) / scheme.gamma - c)
    alpha, b = a @ gamma, np.asarray(scheme.m) @ gamma
    assert alpha.sum(1) == pytest.approx(scheme.alpha, abs=1e-12)
    assert gamma.sum(1) == pytest.approx(scheme.gammas, abs=1e-12)
    assert b.sum() == pytest.approx(1.0, abs=1e-12)
    beta = alpha + gamma
    assert b @ beta.sum(1) == pytest.approx(0.5, abs=1e-12)
    assert b == pytest.approx(beta[-1], abs=1e-12)
    z = -1e9
    stability = 1 + z * b @ np.linalg.solve(np.eye(s) - z * beta, np.ones(s))
    assert abs(stability) < 1e-6


class Oscillator:
    """A nonlinear oscillation, with a rate bound of 10."""

    spectral_radius = 10.0

    def rate(self, t, y):
        return np.array([y[1], -np.sin(y[0]) - 2.0 * y[1]])


@pytest.mark.parametrize("stages", [2, 5, 20])
def test_chebyshev_order(stages):
    from scipy.integrate import solve_ivp

    system, scheme, start = Oscillator(), RungeKuttaChebyshev(), np.array([1.0, 0.0])
    exact = solve_ivp(system.rate, (0, 1), start, rtol=1e-13, atol=1e-14, method="DOP853").y[:, -1]
    sizes, errors = 1.0 / np.array([16, 32, 64, 128]), []
    for h in sizes:
        y = start
        for _ in range(round(1 / h)):
            y = scheme.step(system, 0.0, y, system.rate(0.0, y), h, stages)
        errors.append(np.abs(y - exact).max())
    assert_rate(sizes, errors, scheme.order, cap=2e-5)


class Decay:
    """y' = -r y for rates r up to the bound."""

    spectral_radius = 400.0

    def rate(self, t, y):
        return -np.linspace(0, 400, y.size) * y


def test_chebyshev_stability():
    """Steps as long as the scheme says are stable for every rate up to the bound; one and a half times that is not."""
    system, scheme, start = Decay(), RungeKuttaChebyshev(), np.ones(2001)
    for step in (0.01, 0.1, scheme.longest(system)):
        stages = scheme.stages(step, 400.0)
        assert np.abs(scheme.step(system, 0.0, start, system.rate(0.0, start), step, stages)).max() <= 1.0
        beyond = scheme.step(system, 0.0, start, system.rate(0.0, start), 1.5 * step, max(stages - 1, 2))
        assert np.abs(beyond).max() > 1.0


def test_the_next_step_is_predicted_from_the_last_two():
    """Of order 4: an error that grows like C(t) h^4 with C sixteen times larger asks for half of the step that it did."""
    control = StepControl(4)
    assert factor_after_step(control, 0.1, 0.5, 0.0, 0.0) == growth(control, 0.5)
    assert factor_after_step(control, 0.1, 0.5, 0.1, 0.5) == growth(control, 0.5)
    assert factor_after_step(control, 0.1, 0.8, 0.1, 0.05) == pytest.approx(0.5 * growth(control, 0.8))
    # as h^4 says, or less: no more than the error allows
    assert factor_after_step(control, 0.2, 0.8, 0.1, 0.05) == pytest.approx(growth(control, 0.8))
    assert factor_after_step(control, 0.1, 0.05, 0.1, 0.8) == growth(control, 0.05)
    # what is far below the tolerance predicts nothing, and no factor is below the least
    assert factor_after_step(control, 0.1, 0.01, 0.1, 1e-12) == growth(control, 0.01)
    assert factor_after_step(control, 1e-6, 0.9, 1.0, 0.9) == control.shrink
    assert factor_after_refusals(control, 2.0, 0) == pytest.approx(0.9 * 2.0**-0.25)
    assert factor_after_refusals(control, 2.0, 1) == 0.4
    assert factor_after_refusals(control, 1e9, 3) == control.shrink
    assert not in_vain(control, control.vain, control.vain)
    assert in_vain(control, control.vain + 1, 3 * control.vain)
    assert not in_vain(control, control.vain + 1, 3 * control.vain + 3)


class Stubborn(Pendulum):
    def error(self, y, new, difference):
        return np.nan


def test_giving_up_says_where_and_why():
    steps = integrate(RODAS3, Stubborn(), np.ones(2), np.array([1.0]), Statistics(), first=0.1)
    with pytest.raises(NotConverged, match="not finite.*Remedy") as caught:
        next(steps)
    assert caught.value.time == 0.0
    assert caught.value.step < 1e-12


def test_terms_of_a_relative_entropy_keep_their_digits():
    """Against 50 digits, on both sides of the change from series to logarithm, and at density 0."""
    excess = np.array([-1 + 1e-9, -0.3, *(s * 10.0**-k for s in (1, -1) for k in range(16)), 1.001e-3, 0.999e-3, 5.0])
    excess = excess[excess > -1]
    ratio = 1.0 + excess
    terms = entropy_terms(0.25 * ratio, np.full(ratio.size, 0.25), ratio, np.log(ratio))
    with mpmath.workdps(50):
        u = [mpmath.mpf(float(r)) for r in ratio]
        exact = [float((x * mpmath.log(x) - x + 1) / 4) for x in u]
    np.testing.assert_allclose(terms, exact, rtol=1e-12)
    zero = np.zeros(1)
    assert entropy_terms(zero, np.array([0.25]), zero, zero)[0] == 0.25
