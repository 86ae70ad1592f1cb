"""Parameters, lattice vectors and domains of potentials, and mobilities: what they do, and what is refused."""

import dataclasses
import pickle

import numpy as np
import pytest
import sympy
from sympy import Symbol, atan, cos, exp, log, pi, sin, sqrt, tanh

from scaling_limits.particles import InvalidArgument, Langevin, MultiscalePotential, Unstable
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of
from scaling_limits.particles.diffusions.curvature import curvatures_on_paths

HEXAGONAL = np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)]])
a, b = Symbol("a"), Symbol("b", positive=True)


def wave(p):
    return cos(2 * pi * p)


def bowl(x):
    return sum(c**2 for c in x) / 2


def fitted(**options):
    given = {"parameters": {"a": 2.0, "b": 1}} | options
    return MultiscalePotential(2, 1, 0.5, lambda x: b * bowl(x), lambda x, y: a * wave(y[0]) + wave(y[1]) ** a, **given)


def test_parameters_are_numbers():
    potential = fitted()
    plain = MultiscalePotential(2, 1, 0.5, bowl, lambda x, y: 2 * wave(y[0]) + wave(y[1]) ** 2)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 9, 2))
    assert potential.fluctuation_expression == plain.fluctuation_expression
    assert (potential.fluctuation_at(x, y) == plain.fluctuation_at(x, y)).all()
    assert potential != plain  # that has no parameters
    other = potential.replace(a=4.0, temperature=1.0)
    assert other.parameters == {"a": 4.0, "b": 1.0}
    assert other.temperature == 1.0
    assert other.fluctuation_at(x, y) == pytest.approx(
        4 * np.cos(2 * np.pi * y[:, 0]) + np.cos(2 * np.pi * y[:, 1]) ** 4
    )
    assert other.replace(a=2.0, temperature=0.5) == potential
    assert "parameters={'a': 2.0, 'b': 1.0}" in repr(potential)


def test_potentials_can_be_pickled():
    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: b * bowl(x), lambda x, y: wave(y[0]) * x[0], lambda x, y: [[2, a / 3], [a / 3, 1 + x[1] ** 2]],
        HEXAGONAL, [(-1, 1), (0, 2)], {"a": 1.0, "b": 2.0},
    )  # fmt: skip
    again = pickle.loads(pickle.dumps(potential))
    assert again == potential
    assert hash(again) == hash(potential)
    x, y = np.random.default_rng(0).uniform(0, 1, (2, 9, 2))
    assert (again.full_at(x, 0.1) == potential.full_at(x, 0.1)).all()
    assert (again.mobility_at(x, y) == potential.mobility_at(x, y)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"a": 2.0}}, r"symbols that are not its arguments: \['b'\]; give their numbers as parameters"),
        ({"parameters": {"a": 2.0, "b": 1.0, "c": 1.0}}, "has 'c', which is no symbol"),
        ({"parameters": {"a": 2.0, "b": 1.0, "x0": 1.0}}, "taken"),
        ({"parameters": {"a": 2.0, "b": 1.0, "temperature": 1.0}}, "taken"),
        ({"parameters": 3}, "must map names to numbers"),
        ({"parameters": {"a": "2", "b": 1.0}}, "must be a number"),
        ({"parameters": {"a": np.nan, "b": 1.0}}, "must be finite"),
        ({"parameters": {1: 2.0}}, "texts as names"),
        ({"lattice": [[1, 2], [2, 4]]}, "linearly independent"),
        ({"lattice": [[0, 0], [0, 0]]}, "linearly independent"),
        ({"lattice": [1, 2]}, "must have shape"),
        ({"lattice": [[1, np.inf], [0, 1]]}, "finite"),
        ({"domain": [(1, 0), (0, 1)]}, "pairs a < b"),
        ({"domain": [(0, 1)]}, "2 pairs"),
        ({"domain": 3}, "2 pairs"),
        ({"mobility": lambda x, y: [[1, 2], [2, 1]]}, "positive definite"),
        ({"mobility": lambda x, y: [[1, 0.5], [0, 1]]}, "symmetric"),
        ({"mobility": lambda x, y: 0}, "positive definite"),
        ({"mobility": lambda x, y: x[0] ** 2}, "positive definite"),
        ({"mobility": lambda x, y: 1 + wave(y[0])}, "positive definite"),
        ({"mobility": lambda x, y: [1, 2]}, "2 rows of 2 entries"),
        ({"mobility": lambda x, y: [[1, 0, 0], [0, 1, 0]]}, "2 rows of 2 entries"),
        ({"mobility": lambda x, y: "1"}, "must be a number"),
        ({"mobility": lambda x, y: [["1", 0], [0, 1]]}, "must be a number"),
        ({"mobility": lambda x, y: None}, "returns None"),
        ({"mobility": lambda x: 1}, "it takes"),
        ({"mobility": 3}, "callable"),
        ({"mobility": lambda x, y: [[1, 0], [0, y[0] + 2]]}, "1-periodic in y1"),
        ({"mobility": lambda x, y: 2 + sympy.Abs(x[0])}, "smooth"),
        ({"mobility": lambda x, y: 2 + Symbol("c")}, "parameters"),
        ({"mobility": lambda x, y: True}, "must be a number"),
        ({"mobility": lambda x, y: 2 + sqrt(1 - wave(y[0]))}, "mobility: must be smooth, but .* kink"),
        ({"mobility": lambda x, y: 5 + atan(sympy.tan(pi * y[0] - 0.5))}, "mobility: must be smooth, but .* jumps"),
        ({"mobility": lambda x, y: 1 + 1 / sin(2 * pi * y[0] - 1) ** 2}, "mobility: must be .*(pole|finite)"),
        ({"mobility": lambda x, y: [[1, 0.1], [0.1 + exp(-40 + 4 * x[0]), 1]]}, r"symmetric.*x = \["),
        ({"mobility": lambda x, y: 1.5 - exp(-99 * (1 - wave(y[0] - 0.123)))}, None),
        ({"mobility": lambda x, y: 1 - 1.5 * exp(-9 * (1 - wave(y[0] - 0.123)))}, r"definite.*y1 = \[0.123"),
        ({"lattice": [[1e200, 0], [0, 1e200]]}, "lattice: must have periods between"),
        ({"lattice": [[1e-320, 0], [0, 1e-320]]}, "lattice: must have periods between"),
        ({"parameters": {"a": 2.0, "b": -1.0}}, "'b' = -1, which its symbol says is positive"),
    ],
)  # fmt: skip
def test_bad_options(options, message):
    if message is None:
        fitted(**options)
        return
    with pytest.raises(InvalidArgument, match=message):
        fitted(**options)


def test_expressions_belong_to_their_dimensions():
    """A potential that was pickled holds expressions, which say nothing about other dimensions or scales."""
    again = pickle.loads(pickle.dumps(fitted()))
    for change in ({"dim": 1}, {"scales": 2}):
        with pytest.raises(InvalidArgument, match="state the model anew"):
            dataclasses.replace(again, **change)
    assert dataclasses.replace(again, temperature=0.7) == fitted().replace(temperature=0.7)


def test_parameters_cannot_be_written_into():
    with pytest.raises(TypeError):
        fitted().parameters["a"] = 3.0
    with pytest.raises(InvalidArgument, match="self: must be a parameter"):
        fitted().replace(self=1.0)
    assert "mobility" in repr(fitted(mobility=lambda x, y: 2))


@pytest.mark.serial
def test_large_whole_numbers_are_compiled():
    potential = MultiscalePotential(
        1, 1, 0.5, lambda x: bowl(x) + 1 / (a**2 + x[0] ** 2), lambda x, y: wave(y[0]), parameters={"a": 1e10}
    )
    assert np.isfinite(Langevin(potential, 0.5).sample([0.0], [0.01], 4, 1).positions).all()


@pytest.mark.serial
def test_paths_that_leave_a_domain_and_return_are_seen():
    """Every step is looked at: 50 paths, of which some are outside for a few steps long before the end."""
    model = (1, 1, 1.0, bowl, lambda x, y: 0.02 * wave(y[0]))
    free = Langevin(MultiscalePotential(*model), 1.0).sample([0.0], 0.1 * np.arange(1, 201), 50, 0, step=0.1).positions
    assert (np.abs(free) > 2).any()
    assert (np.abs(free[-1]) < 2).all()
    confined = Langevin(MultiscalePotential(*model, domain=[(-2, 2)]), 1.0)
    with pytest.raises(Unstable, match="domain"):
        confined.sample([0.0], [20.0], 50, 0, step=0.1)
    for target in (lambda x: x[:, 0] > 2.5, lambda x: ~(x[:, 0] < 2.5)):
        with pytest.raises(Unstable, match="domain"):
            confined.first_passage_times([0.0], target, 50, 0, step=0.1)
    wide = Langevin(MultiscalePotential(*model, domain=[(-9, 9)]), 1.0)
    assert (wide.sample([0.0], 0.1 * np.arange(1, 201), 50, 0, step=0.1).positions == free).all()


def test_starts_where_there_is_no_potential_are_refused():
    with pytest.raises(InvalidArgument, match="initial: must be where V0 and V1 are finite"):
        Langevin(
            MultiscalePotential(1, 1, 1.0, lambda x: log(x[0] + 2), lambda x, y: wave(y[0])), 0.1
        ).sample([-3.0], [0.1], 4, 1)  # fmt: skip


def test_only_parameters_are_replaced():
    with pytest.raises(InvalidArgument, match="c: must be a parameter of the potential; there are a, b"):
        fitted().replace(c=1.0)
    with pytest.raises(InvalidArgument, match="which has none"):
        MultiscalePotential(1, 1, 1.0, bowl, lambda x, y: wave(y[0])).replace(a=1.0)


@pytest.mark.parametrize(
    "amplitude",
    [
        lambda x: tanh(x / 1e13), lambda x: tanh(x / 1e40), lambda x: atan(x / 1e8), lambda x: sin(x / 1e20),
        lambda x: x**2 / (1 + x**2), lambda x: x / sqrt(1 + x**2), lambda x: exp(-(x**2)), lambda x: 1 / (1 + exp(-x)),
    ],
)  # fmt: skip
def test_bounded_functions_may_vary_slowly(amplitude):
    MultiscalePotential(1, 1, 1.0, bowl, lambda x, y: amplitude(x[0]) * wave(y[0]))


@pytest.mark.parametrize(
    "amplitude",
    [
        lambda x: x,
        lambda x: x**5,
        exp,
        lambda x: log(1 + x**2),
        lambda x: sqrt(1 + log(1 + x**2)),
        lambda x: x * tanh(x),
    ],
)
def test_functions_that_grow_need_a_domain(amplitude):
    with pytest.raises(InvalidArgument, match="must be bounded, but grows with x.*give a domain"):
        MultiscalePotential(1, 1, 1.0, bowl, lambda x, y: amplitude(x[0]) * wave(y[0]))
    MultiscalePotential(1, 1, 1.0, bowl, lambda x, y: amplitude(x[0]) * wave(y[0]), domain=[(-2, 2)])


def test_functions_are_looked_at_in_their_domain():
    for start, right in ((0.5, True), (-0.5, False)):
        make = lambda: MultiscalePotential(1, 1, 1.0, bowl, lambda x, y: log(x[0]) * wave(y[0]), domain=[(start, 2)])  # noqa: B023, E731
        if right:
            make()
        else:
            with pytest.raises(InvalidArgument, match="finite and real"):
                make()
    with pytest.raises(InvalidArgument, match="pole near"):
        MultiscalePotential(1, 1, 1.0, bowl, lambda x, y: wave(y[0]) / (x[0] - 1), domain=[(-0.5, 2)])


@pytest.mark.serial
def test_paths_stay_in_the_domain():
    grows = MultiscalePotential(
        1, 1, 0.1, lambda x: 10 * x[0] ** 2, lambda x, y: x[0] * wave(y[0]) / 9, domain=[(-1, 1)]
    )
    Langevin(grows, 0.2).sample([0.2], [0.1], paths=64, seed=1)
    with pytest.raises(InvalidArgument, match="initial: must be in the domain"):
        Langevin(grows, 0.2).sample([1.5], [0.1], paths=64, seed=1)
    away = MultiscalePotential(1, 1, 0.1, lambda x: -10 * x[0], lambda x, y: x[0] * wave(y[0]) / 9, domain=[(-1, 1)])
    with pytest.raises(Unstable, match="left the domain"):
        Langevin(away, 0.2).sample([0.2], [1.0], paths=64, seed=1)


def test_gradients_and_curvatures_with_lattice_vectors():
    """Against differences; the potential has the periods epsilon L."""
    lattice, epsilon, h = 1.3 * HEXAGONAL, 0.2, 1e-6
    potential = MultiscalePotential(
        2, 2, 0.5, bowl, lambda x, y, z: wave(y[0]) * sin(2 * pi * z[1]) + wave(y[1]) + tanh(x[0]) * wave(z[0] - z[1]),
        lattice=lattice,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(20, 2))

    def slopes(function):
        return np.stack(
            [(function(x + h * e, epsilon) - function(x - h * e, epsilon)) / (2 * h) for e in np.eye(2)], axis=1
        )

    gradient = potential.full_gradient_at(x, epsilon)
    assert gradient == pytest.approx(slopes(potential.full_at), abs=1e-5)
    out = np.empty((2, len(x)))
    gradient_of(potential)(np.ascontiguousarray(x.T), out, len(x), (1 / epsilon, 1 / epsilon**2))
    assert pytest.approx(gradient, abs=1e-9) == out.T
    hessian = slopes(potential.full_gradient_at)
    norms = np.abs(np.linalg.eigvalsh(0.5 * (hessian + hessian.swapaxes(1, 2)))).max(axis=1)
    assert curvatures_on_paths(potential, epsilon, x) == pytest.approx(norms, rel=1e-6)
    periodic = MultiscalePotential(
        2, 1, 0.5, lambda x: 0 * x[0], lambda x, y: wave(y[0]) * sin(2 * pi * y[1]), lattice=lattice
    )
    moved = x + epsilon * (lattice @ [2, -1])
    assert periodic.full_at(moved, epsilon) == pytest.approx(periodic.full_at(x, epsilon), abs=1e-13)
