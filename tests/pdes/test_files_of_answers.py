"""Files of what is asked of sets and rates: read again, fields, currents, rates and modes are what they were."""

import numpy as np
import pytest

from scaling_limits import load
from scaling_limits.particles import DiagonalDissipation, InvalidArgument, RotatorLattice
from scaling_limits.pdes import (
    ActionDensity,
    EvolvedActions,
    FirstPassage,
    FokkerPlanck,
    Modes,
    QuasiStationary,
    ScalarField,
    Transition,
    TransportFokkerPlanck,
    VectorField,
)

pytestmark = [pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")]


def disk(x, y, radius=0.4):
    return lambda points: (points[:, 0] - x) ** 2 + (points[:, 1] - y) ** 2 < radius**2


def problems():
    """A line, a plane with walls and a torus: an equation, two sets, and points outside of them."""
    random = np.random.Generator(np.random.Philox(key=5))
    line = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: (x[:, 0] ** 2 - 1) ** 2, temperature=0.3, box=[(-2, 2)], cells=(40,)
    )
    plane = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: (x[:, 0] ** 2 - 1) ** 2 + x[:, 1] ** 2, temperature=0.3,
        box=[(-2, 2), (-1.5, 1.5)], cells=(32, 24),
    )  # fmt: skip
    torus = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: np.cos(2 * np.pi * x).sum(axis=1), temperature=0.5, box=[(0, 1), (0, 1)],
        cells=(24, 20), periodic=True,
    )  # fmt: skip
    found = {
        "line": (line, lambda x: x[:, 0] < -0.93, lambda x: x[:, 0] > 0.87),
        "plane": (plane, disk(-1, 0), disk(1.03, 0.05)),
        "torus": (torus, disk(0.05, 0.5, 0.2), disk(0.55, 0.5, 0.2)),
    }
    for name, (equation, a, b) in found.items():
        x = random.uniform(*equation.grid.box.T, (3000, equation.dim))
        yield name, (equation, a, b, x[~a(x) & ~b(x)])


CASES = dict(problems())


@pytest.fixture
def path(tmp_path_factory):
    """The same file on all ranks."""
    from scaling_limits.particles.sampling.mpi import MPI

    comm = MPI.COMM_WORLD
    folder = tmp_path_factory.mktemp("files") if comm.rank == 0 else None
    return comm.bcast(folder) / "result.npz"


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def same_field(one, other, x):
    np.testing.assert_allclose(other.at(x), one.at(x), rtol=0, atol=1e-14 * np.nanmax(np.abs(one.nodal)))
    np.testing.assert_array_equal(other.values, one.values)


def test_transitions(case, path):
    equation, a, b, x = case
    transition = equation.transition(a, b)
    transition.save(path)
    again = load(path, equation=equation)
    assert type(again) is Transition
    assert repr(again) == repr(transition)
    assert again.errors == transition.errors
    for name in ("forward", "backward", "density", "current"):
        same_field(getattr(transition, name), getattr(again, name), x)
    for name in ("forward", "backward", "density"):
        one, other = getattr(transition, name), getattr(again, name)
        np.testing.assert_allclose(other.error_at(x), one.error_at(x), rtol=1e-12)
        assert (other.quantity, other.error) == (one.quantity, one.error)
    with pytest.raises(InvalidArgument, match="^region: cannot be asked of a transition that was read"):
        again.flux(a)


def test_fields_alone(case, path):
    equation, a, b, x = case
    transition = equation.transition(a, b)
    transition.forward.save(path)
    same_field(transition.forward, ScalarField.load(path), x)
    transition.current.save(path)
    same_field(transition.current, VectorField.load(path), x)
    transition.density.save(path)
    if equation.dim > 1:
        with pytest.raises(InvalidArgument, match="^equation: must be given: between the nodes"):
            ScalarField.load(path)
    same_field(transition.density, ScalarField.load(path, equation), x)


def test_fields_go_on_into_sets_by_less_than_a_cell(path):
    equation, a, b, _ = CASES["plane"]
    committor = equation.committor(a, b)
    committor.save(path)
    inside = np.array([[-1.0, 0.0], [-1.3, 0.1], [1.0, 0.0], [1.3, 0.1]])
    np.testing.assert_array_equal(ScalarField.load(path).at(inside), [0, 0, 1, 1])


def test_first_passages_and_laws_that_last(case, path):
    equation, _, b, x = case
    passage = equation.first_passage(b)
    passage.save(path)
    again = load(path, equation=equation, target=b)
    assert type(again) is FirstPassage
    for name in ("mean", "variance"):
        same_field(getattr(passage, name), getattr(again, name), x)
    np.testing.assert_array_equal(again.survival([0.2], x[0]), passage.survival([0.2], x[0]))
    with pytest.raises(InvalidArgument, match="^target: is not the set"):
        FirstPassage.load(path, equation, lambda points: points[:, 0] > 0.2)
    law = equation.quasi_stationary(b)
    law.save(path)
    again = load(path, equation=equation, target=b)
    assert type(again) is QuasiStationary
    assert (again.rate, again.error, again.density.error) == (law.rate, law.error, law.density.error)
    # in cells that the set cuts too
    near = np.concatenate([x, equation.grid.nodes[::7]])
    np.testing.assert_array_equal(again.density.at(near), law.density.at(near))


def test_modes(case, path):
    equation, *_, x = case
    modes = equation.modes(3)
    modes.save(path)
    again = load(path)
    assert type(again) is Modes
    assert repr(again) == repr(modes)
    np.testing.assert_array_equal(again.at(x), modes.at(x))
    np.testing.assert_allclose(modes.at(x)[0], 1.0, rtol=1e-12)
    for name in ("rates", "errors", "rounding"):
        np.testing.assert_array_equal(getattr(again, name), getattr(modes, name))


def test_modes_at_points_are_their_functions():
    from scaling_limits.meshes import evaluate

    equation, *_, x = CASES["torus"]
    modes = equation.modes(3)
    values = np.array([np.ravel(evaluate(one, x)) for one in modes.functions])
    np.testing.assert_allclose(modes.at(x), values, atol=1e-12 * np.abs(values).max())
    with pytest.raises(InvalidArgument, match="^points: "):
        modes.at(np.zeros((3, 3)))


def test_modes_on_meshes(path):
    from dolfinx import mesh
    from mpi4py import MPI

    from scaling_limits.pdes import MeshModes

    square = mesh.create_unit_square(MPI.COMM_WORLD, 8, 8)
    free_energy = lambda x: 0.4 * np.cos(2 * np.pi * x[:, 0]) + x[:, 1]  # noqa: E731
    modes = FokkerPlanck.of(mobility=1.0, free_energy=free_energy, temperature=0.5, mesh=square).modes(3)
    modes.save(path)
    again = load(path)
    assert type(again) is MeshModes
    x = np.random.Generator(np.random.Philox(key=2)).uniform(0, 1, (200, 2))
    np.testing.assert_allclose(again.at(x), modes.at(x), atol=1e-13)
    np.testing.assert_array_equal(again.rates, modes.rates)


@pytest.mark.parametrize("sites", [1, 2])
def test_densities_of_actions(path, sites):
    def lattice(temperature):
        return RotatorLattice(
            shape=(sites,), frequency=lambda x: 1 + x, coupling=lambda x: 1 / (1 + x),
            dissipation=DiagonalDissipation(2), temperature=temperature, epsilon=0.1,
        )  # fmt: skip

    equation = TransportFokkerPlanck(lattice(1.0), cells=8)
    x = np.random.Generator(np.random.Philox(key=2)).uniform(0, 2, (100, sites))
    density = equation.stationary()
    # the second start is not held by the box of the stationary law
    runs = [equation.evolve(lambda i, c=c: np.exp(-(((i - c) / (0.3 + c / 6)) ** 2).sum(axis=1)), [0.0, 0.3])
            for c in (1.0, 12.0)]  # fmt: skip
    for result, kind in ((density, ActionDensity), (runs[0], EvolvedActions), (runs[1], EvolvedActions)):
        result.save(path)
        again = load(path, equation=equation)
        assert type(again) is kind
        np.testing.assert_array_equal(again.at(x), result.at(x))
        np.testing.assert_array_equal(again.mean, result.mean)
        assert repr(again) == repr(result)
    for other in (TransportFokkerPlanck(lattice(0.7), cells=8), 3):
        with pytest.raises(InvalidArgument, match="^equation: "):
            load(path, equation=other)


# --- refused ---------------------------------------------------------------------------------------------


def test_another_equation_or_none(path):
    line, a, b, _ = CASES["line"]
    plane = CASES["plane"][0]
    line.transition(a, b).save(path)
    for other in (plane, 3, None):
        with pytest.raises(InvalidArgument, match="^equation: "):
            load(path, equation=other)
    with pytest.raises(InvalidArgument, match="^context: Transition asks for equation="):
        load(path)
    line.stationary().save(path)
    with pytest.raises(InvalidArgument, match="^equation: must be the FokkerPlanck that was solved, not 3"):
        load(path, equation=3)


@pytest.mark.serial
def test_bytes_are_paths(path):
    line = CASES["line"][0]
    line.stationary().save(bytes(path))
    assert load(bytes(path), equation=line).mass == pytest.approx(1.0)


@pytest.mark.serial
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("times", lambda values: values[::-1], "its times must be finite and not decreasing"),
        ("times", lambda values: values * np.nan, "its times must be finite and not decreasing"),
        ("probabilities", lambda values: values * np.nan, "probabilities holds NaN"),
        ("probabilities", lambda values: values[:, :-1], "its arrays do not belong together"),
        ("relative_entropy", lambda values: values[:-1], "its arrays do not belong together"),
        ("relative_entropy", lambda values: values.astype(str), "relative_entropy must be numbers"),
    ],
)
def test_damaged_evolutions(path, name, change, words):
    line = CASES["line"][0]
    line.evolve(lambda x: np.exp(-(x[:, 0] ** 2)), [0.0, 0.1, 0.2]).save(path)
    with np.load(path) as file:
        content = {key: file[key] for key in file.files}
    np.savez(path, **(content | {name: change(content[name])}))
    with pytest.raises(InvalidArgument, match=f"^path: .* is damaged: {words}"):
        load(path, equation=line)


@pytest.mark.serial
@pytest.mark.parametrize("name", ["box", "nodal", "cut", "corners", "limits"])
def test_damaged_fields(path, name):
    equation, a, b, _ = CASES["plane"]
    equation.committor(a, b).save(path)
    with np.load(path) as file:
        content = {key: file[key] for key in file.files}
    np.savez(path, **(content | {name: content[name][::-1][1:]}))
    with pytest.raises(InvalidArgument, match="^path: .* is damaged"):
        ScalarField.load(path)
