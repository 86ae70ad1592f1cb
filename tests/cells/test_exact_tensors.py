"""Effective tensors that are known: in one dimension, egg-cartons, laminates of any rank, duality, the benchmark cell."""

import numpy as np
import pytest
from scipy.special import iv, ive
from sympy import cos, pi

from scaling_limits.cells import FiniteElements, FourierGalerkin, NotConverged, effective_tensor
from scaling_limits.particles import MultiscalePotential, egg_carton, fully_coupled, laminate, self_similar

ROUTES = [None, FiniteElements(), FourierGalerkin()]
names = [route.name if route else "chosen" for route in ROUTES]
BENCHMARK_TENSOR = np.array([[0.420893029144806, -0.017756073904773], [-0.017756073904773, 0.420893029144806]])
BENCHMARK_PARTITION = 3.846148559147554


def wave(z):
    return cos(2 * pi * z)


def nothing(x):
    return 0 * x[0]


def benchmark(sigma=0.5):
    return MultiscalePotential(2, 1, sigma, nothing, lambda x, y: wave(y[0]) + wave(y[1]) + wave(y[0] + y[1]) / 2)


def assert_tensor(found, expected, tolerance):
    np.testing.assert_allclose(found.value[0], expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert (found.error <= tolerance).all()


def lifson_jackson(potential, x, count):
    """1/(Z Zhat) by the trapezoidal rule in all fast variables at once."""
    ticks = np.arange(count) / count
    fast = np.stack(np.meshgrid(*[ticks] * potential.scales), axis=-1).reshape(-1, potential.scales)
    values = potential.fluctuation_at(np.full((len(fast), 1), x), *[column[:, None] for column in fast.T])
    exponents = values / potential.temperature
    return 1.0 / (np.exp(-exponents).mean() * np.exp(exponents).mean())


@pytest.mark.parametrize("scales", [4, 12])
def test_anisotropic_scales_are_no_contrast(scales):
    """V1 = sum of a_i cos(2 pi y_k,i): M_ii = I0(a_i/sigma)^(-2 N), here of condition 2.4^N, by Fourier-Galerkin on all."""
    heights, sigma = np.array([0.75, 0.25]), 0.5
    waves = lambda *fast: sum(heights[i] * wave(y[i]) for y in fast for i in range(2))  # noqa: E731
    potential = MultiscalePotential(2, scales, sigma, nothing, lambda x, *fast: waves(*fast))
    found = effective_tensor(potential, [[0.0, 0.0]], 1e-6)
    expected = iv(0, heights / sigma) ** (-2.0 * scales)
    np.testing.assert_allclose(np.diag(found.value[0]), expected, rtol=1e-6)
    assert set(found.routes) == {"Fourier-Galerkin"}
    assert (found.error <= 1e-6).all()


@pytest.mark.parametrize(("scales", "count"), [(1, 96), (2, 64), (3, 48), (4, 36)])
def test_one_dimension_is_lifson_and_jackson(scales, count):
    potential = fully_coupled(0.7, dim=1, scales=scales)
    points = np.array([[-0.8], [0.1], [1.3]])
    found = effective_tensor(potential, points, rtol=1e-10)
    expected = [lifson_jackson(potential, x, count) for x in points[:, 0]]
    np.testing.assert_allclose(found.value[:, 0, 0], expected, rtol=1e-10)
    assert found.routes == ("harmonic mean",) * scales


def test_value_of_the_literature_in_one_dimension():
    potential = laminate(0.5, ((1,), (1,)))
    assert_tensor(effective_tensor(potential, [[0.0]], rtol=1e-11), [[0.030656307605151388]], 1e-11)


@pytest.mark.parametrize("route", ROUTES, ids=names)
@pytest.mark.parametrize("sigma", [1.0, 0.5, 0.25])
def test_egg_carton(route, sigma):
    found = effective_tensor(egg_carton(sigma), [[0.3, -2.0]], route=route)
    assert_tensor(found, np.eye(2) / iv(0, 1 / sigma) ** 2, 1e-8)
    assert found.partition[0] == pytest.approx(iv(0, 1 / sigma) ** 2, rel=1e-10)


@pytest.mark.parametrize("route", ROUTES, ids=names)
def test_laminates(route):
    along, across = 1 / iv(0, 2.0) ** 2, 1.0
    assert_tensor(effective_tensor(laminate(0.5), [[0.0, 0.0]], route=route), np.diag([along, across]), 1e-8)
    mean, half = 0.5 * (along + across), 0.5 * (along - across)
    rotated = effective_tensor(laminate(0.5, ((1, 1),)), [[0.0, 0.0]], route=route)
    assert_tensor(rotated, [[mean, half], [half, mean]], 1e-8)


def laminate_of_rank_two(sigma, modulation, count=400):
    """M of layers across (1, 1) within layers across (1, 0), by one-dimensional quadrature alone."""
    c = np.cos(2 * np.pi * np.arange(count) / count)
    height = 1 + modulation * c
    low, high = np.exp(-c / sigma) / iv(0, height / sigma), np.exp(-c / sigma) * iv(0, height / sigma)
    k11, k12 = 0.5 * (low + high), 0.5 * (low - high)
    first = 1 / np.mean(1 / k11)
    second = np.mean(k12 / k11) * first
    third = np.mean(k11 - k12**2 / k11) + np.mean(k12 / k11) ** 2 * first
    return np.array([[first, second], [second, third]]) / high.mean()


@pytest.mark.parametrize("route", ROUTES, ids=names)
def test_laminate_of_rank_two(route):
    expected = laminate_of_rank_two(0.5, 0.5)
    np.testing.assert_allclose(expected[0], [0.2508701792464989, -0.15620791564515704], rtol=1e-13)
    found = effective_tensor(laminate(0.5, ((1, 0), (1, 1))), [[0.0, 0.0]], route=route)
    assert_tensor(found, expected, 1e-8)


def test_laminate_of_rank_two_to_eleven_digits():
    found = effective_tensor(laminate(0.5, ((1, 0), (1, 1))), [[0.0, 0.0]], rtol=1e-11)
    assert_tensor(found, laminate_of_rank_two(0.5, 0.5), 1e-11)


@pytest.mark.parametrize("route", [FiniteElements(), FourierGalerkin()], ids=["elements", "Fourier"])
def test_benchmark_cell_to_ten_digits_by_both_routes(route):
    found = effective_tensor(benchmark(), [[0.0, 0.0]], rtol=1e-10, route=route)
    assert_tensor(found, BENCHMARK_TENSOR, 1e-10)
    assert found.partition[0] == pytest.approx(BENCHMARK_PARTITION, rel=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
def test_self_similar_scales_multiply(dim):
    amplitudes = (1.0, 0.5, 0.7)
    found = effective_tensor(self_similar(0.6, amplitudes, dim=dim), np.zeros((2, dim)))
    expected = np.prod([1 / iv(0, a / 0.6) ** 2 for a in amplitudes]) * np.eye(dim)
    assert_tensor(found, expected, 1e-8)
    assert found.cell_solves.tolist() == [1, 1, 1]  # a sum of functions of one scale each: a cell for each level


def test_three_dimensions_agree_with_two():
    """A potential of (y_0, y_1) plus one of y_2: the plane's tensor, and Lifson and Jackson across."""
    potential = MultiscalePotential(
        3, 1, 0.5, nothing, lambda x, y: wave(y[0]) + wave(y[1]) + wave(y[0] + y[1]) / 2 + wave(y[2])
    )
    expected = np.zeros((3, 3))
    expected[:2, :2] = BENCHMARK_TENSOR
    expected[2, 2] = 1 / iv(0, 2.0) ** 2
    assert_tensor(effective_tensor(potential, np.zeros((1, 3)), rtol=1e-7), expected, 1e-7)


def test_duality_of_keller():
    """(1/K)_eff = K_eff / det K_eff: turning V1 over is a relation between two independent solves."""
    up = effective_tensor(benchmark(), [[0.0, 0.0]], rtol=1e-11)
    down = MultiscalePotential(2, 1, 0.5, nothing, lambda x, y: -(wave(y[0]) + wave(y[1]) + wave(y[0] + y[1]) / 2))
    below = effective_tensor(down, [[0.0, 0.0]], rtol=1e-11)
    tensor, inverse = up.value[0] * up.partition[0], below.value[0] * below.partition[0]
    np.testing.assert_allclose(inverse, tensor / np.linalg.det(tensor), rtol=1e-10)


@pytest.mark.parametrize("sigma", [0.125, 0.0625])
def test_duality_at_low_temperature(sigma):
    """V1 = 2 cos cos is turned over by a shift, so K_eff = I, at contrasts of 8e13 and 6e27; bounds hold it."""
    potential = MultiscalePotential(2, 1, sigma, nothing, lambda x, y: 2 * wave(y[0]) * wave(y[1]))
    rtol = 1e-6
    found = effective_tensor(potential, [[0.0, 0.0]], rtol=rtol, bounds=True)
    expected = 1 / iv(0, 1 / sigma) ** 2
    assert_tensor(found, expected * np.eye(2), rtol)
    assert (np.linalg.eigvalsh(found.upper[0]) >= expected).all()
    assert (np.linalg.eigvalsh(found.lower[0]) <= expected).all()
    assert np.linalg.norm(found.upper[0] - found.lower[0], 2) <= 3 * rtol * expected
    assert found.routes == ("finite elements",)


@pytest.mark.serial
def test_many_wells_at_low_temperature():
    """Six wells at a contrast of 3e21: conjugate gradients alone stop four times too high. The interval is the proof."""
    potential = MultiscalePotential(
        2, 1, 0.1, nothing, lambda x, y: wave(2 * y[0]) + wave(3 * y[1]) + wave(y[0] + y[1]) / 2
    )
    origin = [[0.0, 0.0]]
    certified = effective_tensor(potential, origin, rtol=1e-3, bounds=True)
    width = certified.upper[0] - certified.lower[0]
    assert np.linalg.norm(width, 2) <= 2e-3 * certified.value[0].max()
    alone = effective_tensor(potential, origin, rtol=1e-3).value[0]
    assert np.abs(alone - certified.value[0]).max() <= 2e-3 * alone.max()


def test_low_temperature_egg_carton_keeps_its_digits():
    """osc V1/sigma = 80, a contrast of 5e34."""
    found = effective_tensor(egg_carton(0.05), [[0.0, 0.0]], rtol=1e-5)
    assert_tensor(found, np.eye(2) / iv(0, 20.0) ** 2, 1e-5)
    assert found.log_partition[0] == pytest.approx(2 * np.log(iv(0, 20.0)), abs=1e-8)


def test_contrast_beyond_double_precision_raises():
    with pytest.raises(NotConverged, match="contrast") as caught:
        effective_tensor(egg_carton(0.002), [[0.0, 0.0]])
    assert "temperature" in caught.value.remedy


def test_one_dimension_does_not_overflow():
    """osc V1/sigma = 4000: Z and 1/M are beyond the range of numbers, their logarithms are not."""
    with pytest.raises(NotConverged, match="contrast"):
        effective_tensor(egg_carton(0.0005, dim=1), [[0.0]])
    sigma = 0.01
    found = effective_tensor(egg_carton(sigma, dim=1), [[0.0]], rtol=1e-9)
    expected = np.log(ive(0, 1 / sigma)) + 1 / sigma
    assert np.log(found.value[0, 0, 0]) == pytest.approx(-2 * expected, rel=1e-10)
    assert found.log_partition[0] == pytest.approx(expected, rel=1e-10)


def test_spaces_that_are_too_coarse_are_not_enough():
    with pytest.raises(NotConverged, match="finest space"):
        effective_tensor(benchmark(), [[0.0, 0.0]], rtol=1e-8, route=FiniteElements(2, (2, 3, 4)))
