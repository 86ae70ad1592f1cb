"""Potentials made to mislead a plan, against quadrature and closed forms: the answer is right, or it is refused."""

import time

import numpy as np
import pytest
from fourier_cells import effective, grid
from mpi4py import MPI
from scipy.special import iv
from sympy import Mul, Rational, cos, exp, pi, sin, tanh

from scaling_limits.cells import FourierGalerkin, NotConverged, effective_coefficients, effective_tensor
from scaling_limits.cells.levels.scale_splitting import ScaleSplitting
from scaling_limits.particles import MultiscalePotential


def nothing(x):
    return 0 * x[0]


def wave(z):
    return cos(2 * pi * z)


def on_a_line(potential, x, count):
    """1/(Z Zhat) for each x (P,), by the trapezoidal rule in all fast variables."""
    ticks = np.arange(count) / count
    fast = [grid.ravel()[:, None] for grid in np.meshgrid(*[ticks] * potential.scales)]
    rows = [potential.fluctuation_at(np.full((fast[0].size, 1), xi), *fast) for xi in x]
    exponents = np.array(rows) / potential.temperature
    return 1 / (np.exp(-exponents).mean(axis=1) * np.exp(exponents).mean(axis=1))


ONE_POINT = {
    "product": MultiscalePotential(1, 2, 0.8, nothing, lambda x, y, z: sin(2 * pi * y[0]) * (1 + 5 * wave(z[0]))),
    "phase": MultiscalePotential(1, 2, 1.0, nothing, lambda x, y, z: 3 * wave(y[0] + z[0]) + 2 * sin(2 * pi * z[0])),
    "gentle": MultiscalePotential(1, 2, 0.5, nothing, lambda x, y, z: wave(y[0]) * (1 + wave(z[0]) / 2)),
}  # fmt: skip


@pytest.mark.parametrize("rtol", [0.1, 1e-4, 1e-7])
@pytest.mark.parametrize("name", ONE_POINT)
def test_bounds_of_one_point_hold_what_the_interpolation_errs(name, rtol):
    potential = ONE_POINT[name]
    (exact,) = on_a_line(potential, [0.0], 400)
    found = effective_tensor(potential, [[0.0]], rtol, bounds=True, comm=MPI.COMM_SELF)
    assert found.lower.item() <= exact * (1 + 1e-13)
    assert found.upper.item() >= exact * (1 - 1e-13)
    assert found.upper.item() / found.lower.item() - 1 <= 2 * rtol
    assert found.error == pytest.approx(np.log(found.upper.item() / found.lower.item()), rel=1e-6)


def bump(height):
    """The faster scale is strong where the slower one is weak: near x = 1, and in the other case near y = 1/3."""
    return MultiscalePotential(
        1, 2, 1.0, nothing,
        lambda x, y, z: (2 + cos(2 * x[0])) * wave(y[0]) + height * exp(-3 * (x[0] - 1) ** 2) * wave(y[0]) * sin(2 * pi * z[0]),
    )  # fmt: skip


def inner_bump(height):
    return MultiscalePotential(
        1, 3, 1.0, nothing,
        lambda x, u, y, z: wave(u[0]) * wave(y[0]) + wave(u[0])
        + height * exp(5 * (cos(2 * pi * (u[0] - Rational(1, 3))) - 1)) * wave(y[0]) * wave(z[0]),
    )  # fmt: skip


@pytest.mark.parametrize("rtol", [1e-2, 1e-6])
@pytest.mark.parametrize(
    ("potential", "x", "count"),
    [(bump(2), np.linspace(-2, 2, 11), 300), (bump(5), np.linspace(-2, 2, 11), 300), (inner_bump(5), [0.0], 96)],
    ids=["bump 2", "bump 5", "inner bump"],
)
def test_cells_that_the_contrast_of_a_level_does_not_betray(potential, x, count, rtol):
    exact = on_a_line(potential, x, count)
    points = np.reshape(x, (-1, 1))
    found = effective_tensor(potential, points, rtol)
    assert np.abs(found.value.ravel() / exact - 1).max() <= rtol
    bounded = effective_tensor(potential, points, rtol, bounds=True)
    assert (bounded.lower.ravel() <= exact * (1 + 1e-12)).all()
    assert (bounded.upper.ravel() >= exact * (1 - 1e-12)).all()
    assert (bounded.error <= rtol).all()


def patch(x):
    return 1 + 2 * exp(-40 * ((x[0] - Rational(3, 10)) ** 2 + (x[1] + Rational(1, 2)) ** 2))


@pytest.mark.parametrize("rtol", [1e-3, 1e-7])
def test_a_patch_that_few_of_many_cells_see(rtol):
    """V1 = a(x) (cos 2 pi y_0 + cos(2 pi y_1)/2): M = diag(1/I_0(a)^2, 1/I_0(a/2)^2), at 35 x 35 points."""
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: patch(x) * (wave(y[0]) + wave(y[1]) / 2))
    ticks = np.linspace(-2, 2, 35)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    height = 1 + 2 * np.exp(-40 * ((points - [0.3, -0.5]) ** 2).sum(axis=1))
    found = effective_tensor(potential, points, rtol).value
    for i, part in enumerate((1.0, 0.5)):
        assert np.abs(found[:, i, i] * iv(0, part * height) ** 2 - 1).max() <= rtol


@pytest.mark.parametrize("number", [640, 768, 1024, 2048, 3072])
def test_waves_of_powers_of_two_are_not_taken_for_constants(number):
    """Both quadratures of the harmonic mean had numbers of points that divide one another."""
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: wave(number * y[0]) / 2)
    try:
        found = effective_tensor(potential, [[0.0]], 1e-6, bounds=True, comm=MPI.COMM_SELF)
    except NotConverged:
        return
    exact = 1 / iv(0, 0.5) ** 2
    assert found.lower.item() <= exact <= found.upper.item()


def test_coefficients_see_a_narrow_bump():
    """8 Chebyshev points and 8 random ones see nothing of it; where V1 is interpolated worst, M is checked."""
    potential = MultiscalePotential(
        1, 1, 1.0, nothing, lambda x, y: (Rational(1, 2) + exp(-900 * (x[0] + Rational(6, 5)) ** 2)) * wave(y[0])
    )
    found = effective_coefficients(potential, [(-6, 6)], 1e-5)
    x = np.linspace(-1.4, -1.0, 41)
    exact = 1 / iv(0, 0.5 + np.exp(-900 * (x + 1.2) ** 2)) ** 2
    assert np.abs(found.mobility(x[:, None]).ravel() / exact - 1).max() <= 1e-5


def test_coefficients_on_a_line_take_rtol_where_more_is_too_much():
    """A layer of width 0.005 needs over 5000 polynomials for 1e-11, and a third of that for a tenth of a percent."""
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: (2 + tanh(400 * x[0])) / 4 * wave(y[0]))
    found = effective_coefficients(potential, [(-1, 1)], 1e-3)
    assert 1e-11 < found.error <= 2e-3
    x = np.linspace(-0.02, 0.02, 41)
    exact = 1 / iv(0, (2 + np.tanh(400 * x)) / 4) ** 2
    assert np.abs(found.mobility(x[:, None]).ravel() / exact - 1).max() <= 1e-3


@pytest.mark.serial
def test_a_loose_tolerance_is_granted_where_a_tight_one_is():
    """A narrow well: conjugate gradients that stop too early may not keep the bounds apart on all meshes."""
    potential = MultiscalePotential(
        2, 1, 1.0, nothing,
        lambda x, y: wave(y[1]) / 2
        - 8 * exp(179 * (wave(y[0] - Rational(17, 40)) + wave(y[1] - Rational(1, 4)) - 2)),
    )  # fmt: skip
    found = effective_tensor(potential, [[0.0, 0.0]], 1e-2, bounds=True, comm=MPI.COMM_SELF)
    assert found.error <= 1e-2
    y = np.stack(np.broadcast_arrays(*grid(401)), axis=-1).reshape(-1, 2)
    weight = np.exp(-potential.fluctuation_at(np.zeros_like(y), y)).reshape(1, 401, 401)
    exact = effective(weight, 1e-4)[0] / weight.mean()
    assert np.linalg.eigvalsh(exact - found.lower[0]).min() >= 0
    assert np.linalg.eigvalsh(found.upper[0] - exact).min() >= 0


def test_products_are_not_multiplied_out():
    """Twenty factors: V1 is the sum of its parts, M is right, and both take no time; 2^20 terms would take for ever."""
    factors = lambda y: Mul(*[1 + wave(j * y[0] + Rational(1, j + 2)) / 15 for j in range(1, 21)])  # noqa: E731
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: factors(y))
    begin = time.process_time()
    found = effective_tensor(potential, [[0.0]], 1e-9, comm=MPI.COMM_SELF)
    assert time.process_time() - begin < 5.0
    assert found.value.item() == pytest.approx(on_a_line(potential, [0.0], 2048)[0], rel=1e-9)


def test_the_parts_of_products_go_to_their_scales():
    """(x + u + y) and the like: sums of parts are V1, and no part depends on a faster variable than its own."""
    potential = MultiscalePotential(
        1, 3, 1.0, nothing,
        lambda x, u, y, z: (tanh(x[0]) + wave(u[0])) * (1 + wave(y[0])) * (2 + wave(u[0]) + wave(z[0])) * Rational(1, 3) + sin(x[0]),
    )  # fmt: skip
    splitting = ScaleSplitting(potential)
    rng = np.random.default_rng(2)
    columns = rng.random((50, 4))
    total = sum(splitting.exponent(k, columns[:, : k + 1], ()) * np.ones(50) for k in range(4))
    np.testing.assert_allclose(-total, potential.fluctuation_at(*columns.T), rtol=1e-13)
    assert [splitting.has_terms(k) for k in range(4)] == [True] * 4
    separate = ScaleSplitting(
        MultiscalePotential(1, 2, 1.0, nothing, lambda x, y, z: (wave(y[0]) + wave(z[0])) * (3 + sin(x[0])))
    )
    assert separate.sampled_axes(1) == ()  # as multiplied out: nothing of the faster scale depends on y_1


def test_a_hot_and_a_frozen_potential():
    """Temperatures of 1e300 and 1e-300: no barrier, and a refusal of one line."""
    make = lambda temperature: MultiscalePotential(1, 1, temperature, nothing, lambda x, y: wave(y[0]))  # noqa: E731
    assert effective_tensor(make(1e300), [[0.0]]).value.item() == pytest.approx(1.0, rel=1e-12)
    for cold in (1e-4, 1e-300, 1e-309):
        with pytest.raises(NotConverged, match="raise the temperature") as caught:
            effective_tensor(make(cold), [[0.0]])
        assert len(str(caught.value)) < 200


def test_refusals_name_their_reason():
    """A route without the points that waves of V1 need; a V0 that is not finite where it is asked for."""
    fast = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: wave(30 * y[0]))
    with pytest.raises(NotConverged, match="finest space, Fourier 11"):
        effective_tensor(fast, [[0.0, 0.0]], 1e-4, route=FourierGalerkin((7, 9, 11)))
