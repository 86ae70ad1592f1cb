"""Derivatives of M, log Z and Psi by parameters and temperature: closed forms, differences, every route, errors."""

import numpy as np
import pytest
import sympy as sp
from scipy.special import i0e, i1e
from sympy import cos, exp, pi, sin

from scaling_limits.cells import (
    EffectiveTensor,
    FiniteElements,
    FourierGalerkin,
    PETScElements,
    effective_tensor,
)
from scaling_limits.cells.levels.results import weighted
from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.errors import NotConverged, Unresolved

A, B = sp.symbols("a b", real=True)
POINTS = np.array([[0.3, 0.1], [-0.2, 0.5]])
ALL = ("a", "b", "temperature")


def wave(y):
    return cos(2 * pi * y)


def plane(**options):
    return MultiscalePotential(
        2, 1, 0.5, lambda x: A * x[0] ** 2, lambda x, y: A * wave(y[0]) * wave(y[1]) + B * sin(4 * pi * y[0] + x[0]),
        parameters={"a": 1.0, "b": 0.5} | options,
    )  # fmt: skip


def coupled(b=0.5):
    return MultiscalePotential(
        2, 2, 0.5, lambda x: A * x[0] ** 2,
        lambda x, y, z: A * wave(y[0]) * wave(y[1]) + B * sin(2 * pi * z[0] + x[0]) * wave(y[1])
        + B * wave(z[1]) * (1 + wave(y[0]) / 3),
        parameters={"a": 1.0, "b": b},
    )  # fmt: skip


def skewed():
    def mobility(x, y):
        other = B * sin(2 * pi * y[1]) / 5
        return [[1 + B * wave(y[0]) / 2, other], [other, 2 + A * sin(2 * pi * y[0]) * wave(y[1])]]

    return MultiscalePotential(
        2, 1, 0.5, lambda x: A * x[0] ** 2, lambda x, y: A * wave(y[0]) * wave(y[1]), mobility,
        lattice=[[1, 0.5], [0, 0.8]], parameters={"a": 1.0, "b": 0.5},
    )  # fmt: skip


def constant_mobility():
    return MultiscalePotential(
        2, 1, 0.5, lambda x: x[0] ** 2, lambda x, y: A * wave(y[0]) * wave(y[1]),
        lambda x, y: [[1 + B * x[0] ** 2, A / 5], [A / 5, 2 + A * B]], parameters={"a": 1.0, "b": 0.5},
    )  # fmt: skip


def differences(potential, name, solve):
    """Of fourth order, of M, log Z and Psi, at steps small enough for 1e-9 and large enough for rtol = 1e-12."""
    start = potential.temperature if name == "temperature" else potential.parameters[name]
    step = 1e-3 * max(abs(start), 0.1)
    found = [solve(potential.replace(**{name: start + k * step})) for k in (-2, -1, 1, 2)]
    return [
        np.tensordot([1.0, -8.0, 8.0, -1.0], [getattr(tensor, kind) for tensor in found], axes=1) / (12 * step)
        for kind in ("value", "log_partition", "free_energy")
    ]


def check(tensor, potential, name, solve, accuracy):
    value, partition, energy = differences(potential, name, solve)
    assert np.linalg.solve(tensor.value, tensor.derivatives[name] - value) == pytest.approx(0.0, abs=accuracy)
    assert tensor.log_partition_derivatives[name] == pytest.approx(partition, abs=1e-8)
    assert tensor.free_energy_derivatives[name] == pytest.approx(energy, abs=1e-8)


@pytest.mark.parametrize("bounds", [False, True])
def test_closed_forms_on_a_line(bounds):
    """V1 = a cos(2 pi y): M = I0(a/sigma)^-2 and Z = I0(a/sigma)."""
    a, sigma = 1.3, 0.4
    potential = MultiscalePotential(1, 1, sigma, lambda x: A * x[0], lambda x, y: A * wave(y[0]), parameters={"a": a})
    tensor = effective_tensor(potential, [[0.7]], 1e-10, bounds, derivatives=("temperature", "a"))
    ratio = i1e(a / sigma) / i0e(a / sigma)
    value = tensor.value[0, 0, 0]
    assert value == pytest.approx(np.exp(-2 * a / sigma) / i0e(a / sigma) ** 2, rel=1e-10)
    assert tensor.derivatives["a"][0, 0, 0] == pytest.approx(-2 * ratio / sigma * value, rel=1e-9)
    assert tensor.derivatives["temperature"][0, 0, 0] == pytest.approx(2 * a * ratio / sigma**2 * value, rel=1e-9)
    assert tensor.log_partition_derivatives["a"] == pytest.approx(ratio / sigma, rel=1e-11)
    assert tensor.free_energy_derivatives["a"] == pytest.approx(0.7 - ratio, rel=1e-11)


@pytest.mark.serial
@pytest.mark.parametrize(
    ("potential", "names", "accuracy"),
    [
        (plane(), ALL, 1e-8),
        (plane(b=0.0), ALL, 1e-8),
        (skewed(), ALL, 1e-8),
        (constant_mobility(), ALL, 1e-8),
        (coupled(), ALL, 1e-8),
        (coupled(b=0.0), ("b",), 1e-8),
    ],
    ids=["plane", "a term of strength 0", "mobility on a lattice", "constant mobility", "two scales", "a scale of strength 0"],
)  # fmt: skip
def test_derivatives_are_differences(potential, names, accuracy):
    tensor = effective_tensor(potential, POINTS, derivatives=names)
    assert set(tensor.derivatives) == set(names)
    for name in names:
        check(tensor, potential, name, lambda p: effective_tensor(p, POINTS, 1e-12), accuracy)
        assert (tensor.derivative_errors[name] < 1e-6).all()


@pytest.mark.serial
@pytest.mark.parametrize("potential", [plane(), skewed()], ids=["plane", "mobility on a lattice"])
def test_with_bounds(potential):
    tensor = effective_tensor(potential, POINTS, bounds=True, derivatives=ALL)
    assert tensor.lower is not None
    for name in ALL:
        check(tensor, potential, name, lambda p: effective_tensor(p, POINTS, 1e-12), 1e-7)


@pytest.mark.serial
def test_bounds_of_two_scales():
    tensor = effective_tensor(coupled(), POINTS[:1], 1e-6, True, derivatives=("a",))
    check(tensor, coupled(), "a", lambda p: effective_tensor(p, POINTS[:1], 1e-12), 1e-6)


@pytest.mark.serial
def test_in_space():
    potential = MultiscalePotential(
        3, 1, 0.5, lambda x: x[0] ** 2, lambda x, y: A * wave(y[0]) * wave(y[1]) + B * sin(2 * pi * y[2]) * wave(y[0]),
        parameters={"a": 1.0, "b": 0.5},
    )  # fmt: skip
    tensor = effective_tensor(potential, np.zeros((1, 3)), 1e-6, derivatives=("b",))
    check(tensor, potential, "b", lambda p: effective_tensor(p, np.zeros((1, 3)), 1e-10), 1e-6)


@pytest.mark.parametrize("route", [FiniteElements(2, (6,)), FourierGalerkin((7,))], ids=["elements", "Fourier"])
def test_derivatives_are_those_of_the_discrete_tensor(route):
    """In a coarse space M and its derivatives are wrong by 1e-3 and more; the latter are those of this M, exactly."""

    def coarse(potential, **options):
        with pytest.warns(Unresolved):
            return effective_tensor(potential, POINTS, route=route, **options)

    tensor, fine = coarse(plane(), derivatives=ALL), effective_tensor(plane(), POINTS, derivatives=ALL)
    for name in ALL:
        check(tensor, plane(), name, coarse, 1e-9)
        missed = np.linalg.norm(
            np.linalg.solve(fine.value, tensor.derivatives[name] - fine.derivatives[name]), axis=(1, 2)
        )
        assert (missed > 1e-4).all()
        assert (missed <= tensor.derivative_errors[name]).all()


def test_by_petsc():
    """Another discretisation, solver and quadrature; each within its own claim."""
    for potential, route, rtol in ((plane(), PETScElements(4, 12), 1e-4), (skewed(), PETScElements(4, 10), 1e-4)):
        other = effective_tensor(potential, POINTS, rtol, route=route, derivatives=ALL)
        tensor = effective_tensor(potential, POINTS, derivatives=ALL)
        for name in ALL:
            missed = np.linalg.solve(tensor.value, other.derivatives[name] - tensor.derivatives[name])
            missed = np.linalg.norm(missed, axis=(1, 2))
            assert (missed <= other.derivative_errors[name] + tensor.derivative_errors[name]).all()
            assert (missed < 1e-5).all()
            partition = other.log_partition_derivatives[name] - tensor.log_partition_derivatives[name]
            assert (np.abs(partition) < 1e-7).all()


@pytest.mark.serial
def test_two_scales_by_petsc():
    other = effective_tensor(coupled(), POINTS[:1], 1e-3, route=PETScElements(3, 8), derivatives=("b",))
    tensor = effective_tensor(coupled(), POINTS[:1], derivatives=("b",))
    missed = np.linalg.norm(np.linalg.solve(tensor.value, other.derivatives["b"] - tensor.derivatives["b"]))
    assert missed <= other.derivative_errors["b"][0]
    assert missed < 2e-4


@pytest.mark.serial
def test_what_only_the_derivative_has_is_resolved():
    """The tensor is that of cos cos; a narrow well of strength 0 is in its derivative alone."""
    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: x[0] ** 2,
        lambda x, y: wave(y[0]) * wave(y[1]) + B * exp(300 * (wave(y[0]) + wave(y[1] - sp.Rational(3, 10)) - 2)),
        parameters={"b": 0.0},
    )  # fmt: skip
    tensor = effective_tensor(potential, POINTS[:1], 1e-8, derivatives=("b",))
    check(tensor, potential, "b", lambda p: effective_tensor(p, POINTS[:1], 1e-11), 1e-7)


@pytest.mark.serial
@pytest.mark.parametrize("temperature", [0.1, 0.5, 5.0])
def test_errors_cover_what_is_missed(temperature):
    """At loose tolerances, where errors can be seen."""
    potential = coupled().replace(temperature=max(temperature, 0.3))
    single = plane().replace(temperature=temperature)
    for model, points in ((potential, POINTS[:1]), (single, POINTS)):
        best = effective_tensor(model, points, 1e-9, derivatives=ALL)
        for rtol in (1e-2, 1e-4):
            tensor = effective_tensor(model, points, rtol, derivatives=ALL)
            for name in ALL:
                missed = np.linalg.solve(best.value, tensor.derivatives[name] - best.derivatives[name])
                assert (np.linalg.norm(missed, axis=(1, 2)) <= tensor.derivative_errors[name] * (1 + rtol)).all()


def test_what_errors_of_derivatives_count():
    """A tenth of them over their scale, nothing below the floor; what is not known is not nothing."""
    errors = np.array([1e-2, 1e-12, 0.0, np.inf, np.nan, 1.0])
    found = weighted(errors, np.array([2.0, 1.0, 0.0, 1.0, 1.0, 0.0]))
    assert found[:3] == pytest.approx([5e-4, 0.0, 0.0])
    assert not (found[3:] <= 1e-2).any()


def test_points_that_are_not_solved_have_no_derivatives():
    """The contrast grows with x beyond double precision: there NaN, with an infinite error."""
    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: x[0] ** 2, lambda x, y: A * 10 ** (2 * sp.tanh(x[0])) * wave(y[0]) * wave(y[1]),
        parameters={"a": 1.0},
    )  # fmt: skip
    with pytest.raises(NotConverged) as caught:
        effective_tensor(potential, [[0.0, 0.0], [3.0, 0.0]], 1e-6, derivatives=("a",))
    partial = caught.value.partial
    assert np.isfinite(partial.derivatives["a"][0]).all()
    assert partial.derivative_errors["a"][0] < 1e-4
    assert np.isnan(partial.derivatives["a"][1]).all()
    assert partial.derivative_errors["a"][1] == np.inf


def test_tensors_are_the_same_with_derivatives():
    plain, tensor = effective_tensor(plane(), POINTS), effective_tensor(plane(), POINTS, derivatives=ALL)
    assert tensor.value == pytest.approx(plain.value, rel=1e-8)
    assert plain.derivatives == {}
    assert plain.free_energy_derivatives == {}


def test_saved_and_loaded(tmp_path):
    tensor = effective_tensor(plane(), POINTS, derivatives=("b", "temperature"))
    tensor.save(tmp_path / "tensor.npz")
    again = EffectiveTensor.load(tmp_path / "tensor.npz")
    for kind in ("derivatives", "log_partition_derivatives", "free_energy_derivatives", "derivative_errors"):
        mine, other = getattr(tensor, kind), getattr(again, kind)
        assert list(mine) == list(other)
        assert all((mine[name] == other[name]).all() for name in mine)


@pytest.mark.serial
@pytest.mark.parametrize("rtol", [1e-2, 1e-3])
def test_errors_of_derivatives_are_small_enough_together(rtol):
    """What a scan adds to an error of nearly what is allowed sends the cell to a finer space."""
    potential = MultiscalePotential(
        2, 1, 1.0, lambda x: 0 * x[0],
        lambda x, y: 0.7 * cos(2 * pi * y[0] + 1) + 0.4 * cos(2 * pi * y[1] + 2)
        + A * exp(-300 * (2 - wave(y[0] - 0.31) - wave(y[1] - 0.77))),
        parameters={"a": 0.0},
    )  # fmt: skip
    best = effective_tensor(potential, [[0.0, 0.0]], 1e-8, derivatives=("a",))
    tensor = effective_tensor(potential, [[0.0, 0.0]], rtol, derivatives=("a",))
    missed = np.linalg.solve(best.value, tensor.derivatives["a"] - best.derivatives["a"])
    assert np.linalg.norm(missed) <= tensor.derivative_errors["a"][0]


@pytest.mark.serial
def test_thousands_of_cells_in_a_span():
    """Spans hold derivatives of correctors, too: the same as by whole solves, within what both claim."""
    points = np.random.default_rng(3).uniform(-1, 1, (6, 2))
    tensor = effective_tensor(coupled(), points, 1e-5, derivatives=ALL)
    assert tensor.cell_solves[1] > 500
    one_by_one = [effective_tensor(coupled(), point[None], 1e-8, derivatives=ALL) for point in points]
    for name in ALL:
        for k, other in enumerate(one_by_one):
            missed = np.linalg.solve(other.value[0], tensor.derivatives[name][k] - other.derivatives[name][0])
            assert np.linalg.norm(missed) <= tensor.derivative_errors[name][k]
            assert np.linalg.norm(missed) < 1e-4


@pytest.mark.parametrize("part", ["fluctuation", "mobility"])
def test_parameters_that_set_a_period_are_refused(part):
    """d cos(2 pi n y)/dn is not periodic."""
    turning = lambda x, y: cos(2 * pi * A * y[0]) / 2  # noqa: E731
    still = lambda x, y: wave(y[0]) * wave(y[1])  # noqa: E731
    fluctuation, mobility = (turning, None) if part == "fluctuation" else (still, lambda x, y: 2 + turning(x, y))
    potential = MultiscalePotential(2, 1, 0.5, lambda x: x[0] ** 2, fluctuation, mobility, parameters={"a": 1.0})
    with pytest.raises(InvalidArgument, match=r"period 1 in y1\[0\]"):
        effective_tensor(potential, POINTS, derivatives=("a",))


@pytest.mark.parametrize(
    "damage",
    [
        {"derivatives_value": lambda a: a * np.nan},
        {"derivatives_value": lambda a: a + 1j},
        {"derivatives_value": lambda a: a + np.array([[0, 1], [0, 0]])},
        {"derivatives_error": lambda a: -a},
        {"derivatives_scale": lambda a: a[:, :1]},
        {"derivatives_parameters": lambda a: np.array(["b", "b"])},
        {"derivatives_parameters": lambda a: np.array("ab")},
        {"derivatives_parameters": lambda a: np.array([1, 2])},
        {"value": lambda a: -a},
    ],
)
def test_damaged_files_are_refused(tmp_path, damage):
    effective_tensor(plane(), POINTS, 1e-4, derivatives=("b", "temperature")).save(tmp_path / "tensor.npz")
    with np.load(tmp_path / "tensor.npz") as file:
        content = dict(file)
    for name, change in damage.items():
        content[name] = change(content[name])
    np.savez(tmp_path / "tensor.npz", **content)
    with pytest.raises(InvalidArgument, match="damaged"):
        EffectiveTensor.load(tmp_path / "tensor.npz")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("c",), "must be of a, b, temperature"),
        ("a", "must be names"),
        (3, "must be names"),
        (("a", "a"), "once"),
        ((1,), "must be of"),
        ((np.array(["a"]),), "must be of"),
    ],
)
def test_bad_names(names, message):
    with pytest.raises(InvalidArgument, match=message):
        effective_tensor(plane(), POINTS, derivatives=names)


def test_derivatives_of_complex_symbols_are_refused():
    a = sp.Symbol("a")
    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: x[0] ** 2, lambda x, y: sp.Abs(a) * wave(y[0]), parameters={"a": 1.0}
    )
    with pytest.raises(InvalidArgument, match="real=True"):
        effective_tensor(potential, POINTS, derivatives=("a",))


@pytest.mark.parametrize("strength", [sp.Abs(B), sp.sqrt(B)], ids=["kink", "root"])
def test_derivatives_that_do_not_exist_are_refused(strength):
    root = MultiscalePotential(
        2, 1, 0.5, lambda x: x[0] ** 2, lambda x, y: strength * wave(y[0]) * wave(y[1]) / 2 + wave(y[0]),
        parameters={"b": 0.0},
    )  # fmt: skip
    effective_tensor(root.replace(b=0.1), POINTS, derivatives=("b",))
    with pytest.raises(InvalidArgument, match="derivative"):
        effective_tensor(root, POINTS, derivatives=("b",))
