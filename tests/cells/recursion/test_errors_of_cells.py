"""The error of each cell covers the true one, and every cell gets what it needs: patches, waves, wells, couplings.

Exact tensors: 1/(Z Zhat) on a line by quadrature, products of lines in the plane.
"""

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from scipy.special import iv
from sympy import cos, exp, pi, sin, tanh

from scaling_limits.cells import FiniteElements, NotConverged, effective_tensor
from scaling_limits.cells.levels.cells import Cells, CellSpace
from scaling_limits.cells.levels.fields import LevelFields
from scaling_limits.cells.levels.results import Samples, empty
from scaling_limits.cells.levels.scale_splitting import ScaleSplitting
from scaling_limits.cells.levels.scan import look_at, scan_points, unseen
from scaling_limits.cells.solvers.cell_problem import CellProblem, add_unit_gradients
from scaling_limits.cells.solvers.residual_estimates import RicherSpace
from scaling_limits.cells.spaces.discretisations import FourierGalerkin, after
from scaling_limits.cells.spaces.interpolation import grid
from scaling_limits.cells.spaces.tensor_space import TensorSpace, elements, equidistant, fourier
from scaling_limits.particles import MultiscalePotential
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of
from scaling_limits.particles.errors import Unresolved
from scaling_limits.particles.sampling.workers import Stop


def wave(p):
    return cos(2 * pi * p)


def nothing(x):
    return 0 * x[0]


def line(v, count=1201, scales=1):
    """1/(Z Zhat) of v(y) or v(y, z), arrays in and out."""
    ticks = np.arange(count) / count
    values = v(ticks) if scales == 1 else v(ticks[:, None], ticks)
    return 1.0 / (np.exp(-values).mean() * np.exp(values).mean())


def cosine(p):
    return np.cos(2 * np.pi * p)


def checked(potential, points, exact, rtol):
    """Without bounds every error is below rtol and covered; with them the truth is inside."""
    found = effective_tensor(potential, points, rtol)
    errors = np.abs(np.log(np.einsum("pii->pi", found.value) / exact)).max(axis=1)
    assert found.error.shape == (len(points),)
    assert (found.error <= rtol).all()
    assert (errors <= found.error).all()
    bounded = effective_tensor(potential, points, max(rtol, 1e-6), bounds=True)
    assert (np.einsum("pii->pi", bounded.lower) <= exact * (1 + 1e-12)).all()
    assert (np.einsum("pii->pi", bounded.upper) >= exact * (1 - 1e-12)).all()
    assert (bounded.error <= max(rtol, 1e-6)).all()


@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("sharpness", [20.0, 300.0])
def test_a_patch_among_a_thousand_cells(sharpness, rtol):
    """A few of 1024 cells are rough; the basis of the others does not fit them."""
    amplitude = lambda x: 1 + 2 * exp(-sharpness * ((x[0] - 0.3) ** 2 + (x[1] + 0.4) ** 2))  # noqa: E731
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: amplitude(x) * (wave(y[0]) + wave(y[1])))
    ticks = np.linspace(-1, 1, 32)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    strength = 1 + 2 * np.exp(-sharpness * ((points - [0.3, -0.4]) ** 2).sum(axis=1))
    checked(potential, points, np.repeat(1 / iv(0, strength)[:, None] ** 2, 2, axis=1), rtol)


@pytest.mark.parametrize("rtol", [1e-2, 1e-6])
@pytest.mark.parametrize("number", [48, 96, 144])
def test_a_wave_at_one_of_many_points(number, rtol):
    """Coarse rules alias it to a slower one."""
    potential = MultiscalePotential(
        1, 1, 1.0, nothing, lambda x, y: wave(y[0]) / 2 + exp(-40000 * (x[0] - 0.5) ** 2) * wave(number * y[0])
    )
    x = np.linspace(0, 1, 101)
    exact = [line(lambda y, a=a: cosine(y) / 2 + np.exp(-40000 * (a - 0.5) ** 2) * cosine(number * y)) for a in x]
    checked(potential, x[:, None], np.reshape(exact, (-1, 1)), rtol)


@pytest.mark.serial
@pytest.mark.parametrize("rtol", [1e-3, 1e-7])
@pytest.mark.parametrize("depth", [-5, 4])
def test_narrow_wells_and_barriers(depth, rtol):
    """Of width 0.02, times a wave across."""
    shape = lambda p: exp(60 * (wave(p - 0.27) - 1))  # noqa: E731
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: depth * shape(y[0]) + wave(y[1]) / 2)
    well = line(lambda y: depth * np.exp(60 * (cosine(y - 0.27) - 1)), 8001)
    checked(potential, np.zeros((1, 2)), np.array([[well, 1 / iv(0, 0.5) ** 2]]), rtol)


@pytest.mark.serial
@pytest.mark.parametrize("rtol", [1e-2, 1e-6])
@pytest.mark.parametrize("strength", [3, 6])
def test_couplings_that_the_slower_scale_does_not_betray(strength, rtol):
    """U_1 is large where the coupling of the scales is nothing, on a line and in the plane; a layer besides."""
    coupled = lambda x, y, z: (3 + 2 * cos(x)) * wave(y) + strength * sin(x) ** 8 * wave(y) * wave(z)  # noqa: E731
    x = np.linspace(0, np.pi, 9)
    values = lambda a: line(  # noqa: E731
        lambda y, z: (3 + 2 * np.cos(a)) * cosine(y) + strength * np.sin(a) ** 8 * cosine(y) * cosine(z), 301, 2
    )
    exact = np.array([values(a) for a in x])
    plain = MultiscalePotential(1, 2, 1.0, nothing, lambda x, y, z: coupled(x[0], y[0], z[0]))
    checked(plain, x[:, None], exact[:, None], rtol)
    plane = MultiscalePotential(2, 2, 1.0, nothing, lambda x, y, z: coupled(x[0], y[0], z[0]) + tanh(2 * wave(y[1])))
    points = np.stack([x, 0 * x], axis=1)
    layer = line(lambda y: np.tanh(2 * cosine(y)))
    checked(plane, points, np.stack([exact, np.full(9, layer)], axis=1), max(rtol, 1e-4))


@pytest.mark.parametrize("rtol", [1e-2, 1e-6])
def test_one_point_of_two_scales(rtol):
    """The error between the samples is part of the interval of a single point."""
    potential = MultiscalePotential(1, 2, 1.0, nothing, lambda x, y, z: wave(y[0]) * (1 + 8 * wave(z[0])))
    exact = line(lambda y, z: cosine(y) * (1 + 8 * cosine(z)), 901, 2)
    checked(potential, np.zeros((1, 1)), np.array([[exact]]), rtol)


@pytest.mark.serial
def test_the_point_that_fails_is_named_and_the_others_are_kept():
    """A wave that no space resolves at one of five points."""
    potential = MultiscalePotential(
        2, 1, 1.0, nothing, lambda x, y: wave(y[0]) + exp(-1e4 * (x[0] - 0.5) ** 2) * wave(700 * y[1])
    )
    points = np.array([[0.0, 0.0], [0.1, 0.0], [0.5, 0.0], [0.7, 0.0], [0.9, 0.0]])
    with pytest.raises(NotConverged, match=r"x = \[0.5, 0.0\]") as caught:
        effective_tensor(potential, points, 1e-6)
    partial = caught.value.partial
    assert (partial.error <= 1e-6).tolist() == [True, True, False, True, True]
    assert partial.error[2] > 0.1
    np.testing.assert_allclose(partial.value[[0, 1, 3, 4], 0, 0], 1 / iv(0, 1.0) ** 2, rtol=1e-6)


# --- the parts -------------------------------------------------------------------------------------------


def random_shape(rng):
    amplitudes, waves = rng.normal(size=4), rng.integers(-2, 3, (4, 2))
    return lambda y: sum(a * cosine(m[0] * y[0] + m[1] * y[1] + a) for a, m in zip(amplitudes, waves))


@pytest.mark.serial
@pytest.mark.parametrize(
    ("route", "refinements"), [(FourierGalerkin(), range(4, 12, 2)), (FiniteElements(), range(5)), (FiniteElements(3), range(2, 8))],
    ids=["Fourier", "degree 8", "degree 3"],
)  # fmt: skip
def test_residual_estimates_cover_the_error(route, refinements):
    """At least the true error, 50 times as large at most in half of all cases, and where aliasing cancels 3000 times."""
    rng, ratios = np.random.default_rng(5), []
    fine = TensorSpace(fourier(81), 2)
    for _ in range(8):
        shape = random_shape(rng)
        exact = CellProblem(fine, np.exp(-shape(fine.nodes))[None]).solve(1e-14, 400).effective[0]
        for refinement in refinements:
            space, richer = route.space(refinement, 2), RicherSpace(*route.richer(refinement, 2), route.safety)
            solution = CellProblem(space, np.exp(-shape(space.nodes))[None]).solve(1e-13, 400)
            field = add_unit_gradients(richer.trial.gradient(solution.correctors))
            estimate = richer.error(np.exp(-shape(richer.test.nodes))[None], field, solution.effective)[0]
            error = np.abs(np.log(np.linalg.eigvals(np.linalg.solve(exact, solution.effective[0])).real)).max()
            if 1e-10 < error < 0.1:
                ratios.append(estimate / error)
    assert len(ratios) > 10
    assert min(ratios) >= 0.9
    assert np.median(ratios) <= 50
    assert max(ratios) <= 3000


@pytest.mark.serial
@pytest.mark.parametrize("anisotropy", [0.0, 6.0, 14.0])
@pytest.mark.parametrize("route", [FiniteElements(), FiniteElements(4, (4, 6, 8, 10))], ids=["degree 8", "degree 4"])
def test_residual_estimates_of_anisotropic_tensors(route, anisotropy):
    """At least the true error and at most 60 times as large, for diag(exp a, exp(b - anisotropy)), a and b cosines."""
    rng, fine = np.random.default_rng(3), TensorSpace(elements(8, 8), 2)
    for _ in range(3):
        first, second = random_shape(rng), random_shape(rng)

        def tensor(space, first=first, second=second):
            result = np.zeros((1, 2, 2, *space.weights.shape))
            result[0, 0, 0], result[0, 1, 1] = np.exp(first(space.nodes)), np.exp(second(space.nodes) / 2 - anisotropy)
            return result

        exact = CellProblem(fine, tensor(fine)).solve(1e-13, 400).effective[0]
        for refinement in range(4):
            space, richer = route.space(refinement, 2), RicherSpace(*route.richer(refinement, 2), route.safety)
            solution = CellProblem(space, tensor(space)).solve(1e-13, 400)
            field = add_unit_gradients(richer.trial.gradient(solution.correctors))
            estimate = richer.error(tensor(richer.test), field, solution.effective)[0]
            error = np.abs(np.log(np.linalg.eigvals(np.linalg.solve(exact, solution.effective[0])).real)).max()
            if 1e-9 < error < 0.1:
                assert error <= estimate <= 60 * error


@pytest.mark.serial
def test_cells_for_which_no_laplacian_preconditions_are_factorised():
    """K_1 of contrast e^19, and as anisotropic, by a coupling that sin(x)^12 switches on; exact as two lines."""
    x = np.array([[0.0, 0.0], [1.3464, 0.0], [np.pi / 2, 0.0]])
    strength = lambda s: 6 * s**12  # noqa: E731
    potential = MultiscalePotential(
        2, 2, 1.0, nothing,
        lambda x, y, z: (3 + 2 * cos(x[0])) * wave(y[0])
        + strength(sin(x[0])) * wave(y[0]) * wave(z[0]) + wave(y[1]) / 2 + 0 * z[1],
    )  # fmt: skip
    values = lambda a: line(  # noqa: E731
        lambda y, z: (3 + 2 * np.cos(a)) * cosine(y) + strength(np.sin(a)) * cosine(y) * cosine(z), 401, 2
    )
    checked(potential, x, np.array([[values(a), 1 / iv(0, 0.5) ** 2] for a in x[:, 0]]), 1e-5)


def fields_of(potential, level=1, samples=None):
    splitting = ScaleSplitting(potential)
    none = samples or Samples(empty(1, splitting.dim), 1, (), np.zeros(1))
    return LevelFields(splitting, level, np.zeros((1, level * splitting.dim)), none)


def largest_unseen(fields, space):
    how = CellSpace(space, None, None, 1e-6, 1e-6, 100)
    values = Cells(fields, np.array([0]), how, False, Stop()).diagonal(np.array([0]))
    return unseen(fields, np.array([0]), space, values, look_at(1, space.dim, 0), np.zeros(1)).largest[0]


def test_scans_see_waves_that_a_grid_takes_for_slower_ones():
    fields = fields_of(MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: wave(17 * y[0]) + wave(y[1])))
    missed = lambda space: largest_unseen(fields, space)  # noqa: E731
    assert missed(TensorSpace(fourier(17), 2)) > 1.0
    assert missed(TensorSpace(fourier(35), 2)) < 1e-12
    assert missed(TensorSpace(elements(8, 2), 2)) > 1.0
    assert missed(TensorSpace(elements(8, 40), 2)) < 1e-3
    assert missed(TensorSpace(equidistant(16), 2)) > 0.5


def test_scans_see_what_faster_scales_do_between_the_points():
    """K_1 = exp(cos(2 pi 9 y_1)) I from samples, where U_1 is 0: a grid of 9 points takes it for a constant."""
    ticks = grid(21, (0,), 2)
    results = empty(21, 2)
    results.log_tensor[:] = results.log_lower[:] = cosine(9 * ticks[:, 0])[:, None, None] * np.eye(2)
    samples = Samples(results, 21, (0,), np.zeros(1))
    coupled = MultiscalePotential(2, 2, 1.0, nothing, lambda x, y, z: wave(y[0]) * wave(z[0]))
    fields = fields_of(coupled, 1, samples)
    assert largest_unseen(fields, TensorSpace(fourier(9), 2)) > 1.0
    assert largest_unseen(fields, TensorSpace(fourier(21), 2)) < 1e-10


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_points_of_a_scan_are_spread_evenly(dim):
    """Every box of a grid of about a tenth as many boxes has one."""
    points = scan_points(4096, dim)
    boxes = int(400 ** (1 / dim))
    assert len(np.unique((points * boxes).astype(int), axis=0)) == boxes**dim
    assert not np.array_equal(points[:10], scan_points(10, dim, 10))


def test_the_next_space_is_the_one_that_an_error_promises():
    route = FourierGalerkin((7, 9, 11, 13, 17, 25))
    assert after(route, 0, 1e-4, 1e-5, 2) == 1  # 7 points give 1e-4, 8.75 would give 1e-5
    assert after(route, 0, np.inf, 1e-5, 2) == 2  # half as many more
    assert after(route, 4, np.inf, 1e-5, 2) == 5
    assert after(route, 5, 1e-4, 1e-5, 2) == 6  # there is none
    assert after(FiniteElements(4, (4, 6, 8, 10)), 0, 1e-3, 1e-5, 2) == 2  # 4 (100)^(1/8) = 7.1 cells


# --- found by others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_waves_of_the_difference_of_two_components(sign):
    """A grid that is moved by the same part in each direction is blind to functions of y_0 - y_1."""
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: 4 * wave(y[0] + sign * y[1]))
    along, across = np.array([1.0, -sign]) / np.sqrt(2), np.array([1.0, sign]) / np.sqrt(2)
    exact = np.outer(along, along) + np.outer(across, across) / iv(0, 4.0) ** 2
    with pytest.warns(Unresolved):
        found = effective_tensor(potential, [[0.0, 0.0]], 1e-3, route=FourierGalerkin((9,)))
    error = np.abs(np.log(np.linalg.eigvals(np.linalg.solve(exact, found.value[0])).real)).max()
    assert error <= found.error[0]
    assert 1e-4 < abs(found.log_partition[0] - np.log(iv(0, 4.0))) <= found.error[0]


@pytest.mark.parametrize(("amplitude", "rtol"), [(1.45, 0.1), (0.45, 1e-2), (0.014, 1e-5), (1e-4, 1e-3)])
@pytest.mark.parametrize("number", [408, 1176])
def test_waves_that_several_rules_take_for_constants(number, amplitude, rtol):
    """Multiples of 8, 12, 17, 24 and 49; small ones change M by the square of their amplitude."""
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: amplitude * wave(number * y[0] - 0.25))
    checked(potential, np.zeros((1, 1)), np.array([[1 / iv(0, amplitude) ** 2]]), rtol)


@pytest.mark.serial
@pytest.mark.parametrize("width", [0.02, 0.012])
def test_couplings_in_a_small_part_of_both_scales(width):
    """A well in y_2 of that width, where y_1 is in a part as wide, at a place that moves with y_1."""
    bump = lambda p: exp((wave(p) - 1) / (2 * pi * width) ** 2)  # noqa: E731
    narrow = lambda p: np.exp((cosine(p) - 1) / (2 * np.pi * width) ** 2)  # noqa: E731
    potential = MultiscalePotential(
        1, 2, 1.0, nothing, lambda x, y, z: -5 * bump(y[0] - 0.371) * bump(z[0] - 0.2 - y[0]) + wave(y[0]) / 2
    )
    value = line(lambda y, z: -5 * narrow(y - 0.371) * narrow(z - 0.2 - y) + cosine(y) / 2, 2400, 2)
    checked(potential, np.zeros((1, 1)), np.array([[value]]), 1e-3)


def test_a_contrast_that_no_iteration_can_follow_is_refused_at_once():
    deep = 1 + 1000 * tanh(0.5) ** 2
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: deep * wave(y[0]) * wave(y[1]))
    with pytest.raises(NotConverged, match=r"contrast exp\(429.1\).*raise the temperature"):
        effective_tensor(potential, [[0.0, 0.0]], 1e-4)


def test_tight_tolerances_are_reached_where_rounding_leaves_them():
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: wave(y[0]))
    found = effective_tensor(potential, [[0.0]], 1e-13)
    assert abs(found.value[0, 0, 0] * iv(0, 1.0) ** 2 - 1) <= found.error[0] <= 1e-13


@pytest.mark.serial
@pytest.mark.parametrize("rtol", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("cells", [12, 24])
def test_steps_of_the_energy_do_not_end_conjugate_gradients(cells, rtol):
    """A deep, thin layer across the diagonal: the energy falls in steps, of which one is 1e-2 of it."""
    layer = lambda s: wave(s) / 2.2 - 6.137 * exp(-((sin(pi * (s - 0.618)) / (0.04 * pi)) ** 2))  # noqa: E731
    potential = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: layer(y[0] + y[1]))
    ticks = np.arange(4001) / 4001
    values = cosine(ticks) / 2.2 - 6.137 * np.exp(-((np.sin(np.pi * (ticks - 0.618)) / (0.04 * np.pi)) ** 2))
    mean, inverse = np.exp(-values).mean(), np.exp(values).mean()
    # across the layers the harmonic mean, along them the mean, over Z
    across = np.array([[1, 1], [1, 1]]) / 2
    exact = (across / inverse + (np.eye(2) - across) * mean) / mean
    with pytest.warns(Unresolved) if (cells, rtol) == (12, 1e-3) else nullcontext():
        found = effective_tensor(potential, [[0.0, 0.0]], rtol, route=FiniteElements(cells=(cells,)))
    roots = np.sqrt(np.linalg.eigvals(np.linalg.solve(exact, found.value[0])))
    assert np.abs(2 * np.log(roots)).max() <= found.error[0]


@pytest.mark.serial
@pytest.mark.parametrize("place", np.arange(16) / 16 / 33)
def test_phases_for_which_two_rules_alias_the_same(place):
    """Wells at 16 places between two points of the grid of 33: some hide what it aliases in Z from the moved one."""
    well = lambda p: -1.55 * exp(20 * (wave(p - place) - 1))  # noqa: E731
    potential = MultiscalePotential(3, 1, 1.0, nothing, lambda x, y: well(y[0]) + (wave(y[1]) + wave(y[2])) / 9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        found = effective_tensor(potential, np.zeros((1, 3)), 1e-6, route=FourierGalerkin((33,)))
    ticks = np.arange(4001) / 4001
    true = np.exp(1.55 * np.exp(20 * (cosine(ticks - place) - 1))).mean() * iv(0, 1 / 9) ** 2
    assert abs(np.log(found.partition[0] / true)) <= found.error[0]


@pytest.mark.serial
@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("numbers", [(4, 4), (4, 3), (7, 4), (5, 10), (3, 6)])
def test_samples_take_short_waves_for_long_ones(numbers, rtol):
    """Scales of period 1/4 and the like: what 13 samples miss, they hold as waves that U_1 does not weigh."""
    first, second = numbers
    values = lambda wave, y, z: 2 * wave(first * y) - wave(second * y) * wave(z) / 2 + wave(first * y + z) / 3  # noqa: E731
    potential = MultiscalePotential(1, 2, 1.0, nothing, lambda x, y, z: values(wave, y[0], z[0]))
    exact = line(lambda y, z: values(cosine, y, z), 384, 2)
    found = effective_tensor(potential, [[0.0]], rtol)
    assert abs(np.log(found.value.item() / exact)) <= found.error[0] <= rtol


@pytest.mark.parametrize("sharpness", [897.0, 1097.0, 5000.0])
def test_exponents_that_sympy_splits_into_numbers_beyond_double_precision(sharpness):
    """exp(1097.0 (cos y - 1)) is exp(-1097) exp(1097 cos y) for sympy; both the tensor and the gradient are right."""
    values = lambda wave, exp, y: wave(y) / 3 - 3.1 * exp(sharpness * (wave(y - 0.343) - 1))  # noqa: E731
    potential = MultiscalePotential(1, 1, 1.0, nothing, lambda x, y: values(wave, exp, y[0]))
    found = effective_tensor(potential, [[0.0]], 1e-8)
    assert abs(np.log(found.value.item() / line(lambda y: values(cosine, np.exp, y), 20001))) <= found.error[0]
    x = np.linspace(0.02, 0.98, 97)[None]
    out = np.empty_like(x)
    gradient_of(potential)(x, out, x.size, (1.0,))
    angle = 2 * np.pi * (x[0] - 0.343)
    slope = 3.1 * sharpness * np.sin(angle) * np.exp(sharpness * (np.cos(angle) - 1)) - np.sin(2 * np.pi * x[0]) / 3
    assert out[0] == pytest.approx(2 * np.pi * slope, abs=1e-9 * sharpness)
