"""Coupled scales against nested Fourier collocation; slow variables, sharing of cells, ranks, files."""

import numpy as np
import pytest
from fourier_cells import nested
from mpi4py import MPI
from sympy import cos, pi, sin, tanh

from scaling_limits.cells import EffectiveTensor, FiniteElements, FourierGalerkin, HarmonicMean, effective_tensor
from scaling_limits.cells.levels.scale_splitting import ScaleSplitting
from scaling_limits.particles import InvalidArgument, MultiscalePotential, fully_coupled


def wave(z):
    return cos(2 * pi * z)


def bowl(x):
    return x[0] ** 2 / 2


STRONG = MultiscalePotential(
    2, 2, 0.5, bowl,
    lambda x, y, z: wave(y[0]) * wave(z[0]) * (1 + tanh(x[0]) / 2)
    + (sin(2 * pi * y[1]) + wave(y[0] - y[1]) / 2) * wave(z[0] + z[1]) / 2 + wave(y[1]) / 2
    + sin(2 * pi * (z[1] - y[0])) / 3 * (1 + sin(x[1]) / 2),
)  # fmt: skip


def of_fast_variables(potential, x):
    def fluctuation(y, z):
        shape = np.broadcast_shapes(y.shape, z.shape)
        columns = [np.broadcast_to(part, shape).reshape(-1, 2) for part in (np.asarray(x), y, z)]
        return potential.fluctuation_at(*columns).reshape(shape[:-1])

    return fluctuation


@pytest.mark.serial
@pytest.mark.parametrize("potential", [fully_coupled(0.5), STRONG], ids=["gallery", "strong"])
def test_two_coupled_scales_against_nested_fourier(potential):
    """The route that is chosen, and elements."""
    x = np.array([[0.4, -0.7]])
    expected = nested(of_fast_variables(potential, x[0]), 0.5, 31, 23, 1e-7)
    check = nested(of_fast_variables(potential, x[0]), 0.5, 35, 25, 1e-7)
    assert np.abs(check - expected).max() < 1e-9  # the oracle has converged
    for route in (None, FiniteElements()):
        found = effective_tensor(potential, x, rtol=1e-8, route=route)
        np.testing.assert_allclose(found.value[0], check, rtol=0, atol=1e-8 * np.abs(check).max())
        assert found.cell_solves[0] == 1


@pytest.mark.serial
def test_three_coupled_scales_by_two_plans():
    """N = 3 has no oracle that ends: a loose and a tight tolerance, and both routes, must agree."""
    potential = fully_coupled(0.6, scales=3)
    x = [[0.5, 0.0]]
    tight = effective_tensor(potential, x, rtol=1e-8)
    loose = effective_tensor(potential, x, rtol=1e-6)
    elements = effective_tensor(potential, x, rtol=1e-6, route=FiniteElements())
    scale = 1e-6 * np.abs(tight.value).max()
    np.testing.assert_allclose(loose.value, tight.value, rtol=0, atol=scale)
    np.testing.assert_allclose(elements.value, tight.value, rtol=0, atol=scale)


@pytest.mark.serial
def test_many_points_are_as_good_as_one():
    """Four hundred points go through reduced bases; some of them alone do not."""
    potential = fully_coupled(0.5)
    points = np.random.default_rng(3).uniform(-1.5, 1.5, (400, 2))
    many = effective_tensor(potential, points, rtol=1e-6)
    for i in (0, 100, 399):
        one = effective_tensor(potential, points[i : i + 1], rtol=1e-8)
        np.testing.assert_allclose(many.value[i], one.value[0], rtol=0, atol=1e-6 * one.value.max())
        assert many.free_energy[i] == pytest.approx(one.free_energy[0], abs=1e-6)


def test_points_that_agree_in_what_matters_share_a_cell():
    potential = fully_coupled(0.5)  # V1 depends on x_0 alone
    points = np.array([[0.3, y] for y in np.linspace(-1, 1, 7)] + [[0.4, 0.0]])
    found = effective_tensor(potential, points, rtol=1e-5)
    assert found.cell_solves[0] == 2
    assert (found.value[:7] == found.value[0]).all()
    np.testing.assert_allclose(
        found.free_energy, potential.confining_at(points) - 0.5 * found.log_partition, rtol=1e-14
    )


def test_potentials_that_do_not_depend_on_a_scale():
    flat = MultiscalePotential(2, 3, 1.0, bowl, lambda x, u, v, w: wave(v[0]) + sin(x[0]))
    found = effective_tensor(flat, [[0.5, 0.0]])
    alone = effective_tensor(MultiscalePotential(2, 1, 1.0, bowl, lambda x, v: wave(v[0])), [[0.5, 0.0]])
    np.testing.assert_allclose(found.value, alone.value, rtol=1e-8, atol=1e-12)
    assert found.cell_solves.tolist() == [0, 1, 0]
    assert found.log_partition[0] == pytest.approx(alone.log_partition[0] - np.sin(0.5), rel=1e-8)
    nothing = effective_tensor(MultiscalePotential(3, 2, 1.0, bowl, lambda x, y, z: 0), np.zeros((2, 3)), bounds=True)
    np.testing.assert_allclose(nothing.value, np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-14)


@pytest.mark.serial
def test_waves_are_not_taken_for_slower_ones():
    """cos 32 pi y looks like cos 2 pi y on 15 points, and on 17 as well; on 5 and 7 samples of y_1, cos 12 pi y does."""
    fast = MultiscalePotential(2, 1, 1.0, bowl, lambda x, y: wave(16 * y[0]) + wave(y[0]))
    found = effective_tensor(fast, [[0.0, 0.0]], rtol=1e-4).value[0]
    ticks = np.arange(4000) / 4000
    exponents = np.cos(32 * np.pi * ticks) + np.cos(2 * np.pi * ticks)
    expected = 1 / (np.exp(exponents).mean() * np.exp(-exponents).mean())
    np.testing.assert_allclose(found, np.diag([expected, 1.0]), atol=1e-4)
    coupled = MultiscalePotential(
        1, 2, 0.5, bowl, lambda x, y, z: (1 + wave(6 * y[0]) / 2 + wave(y[0]) / 2) * wave(z[0])
    )
    y, z = np.meshgrid(np.arange(400) / 400, np.arange(64) / 64, indexing="ij")
    height = 1 + np.cos(12 * np.pi * y) / 2 + np.cos(2 * np.pi * y) / 2
    exponents = 2 * height * np.cos(2 * np.pi * z)
    expected = 1 / (np.exp(exponents).mean() * np.exp(-exponents).mean())
    found = effective_tensor(coupled, [[0.0]], rtol=1e-8).value
    np.testing.assert_allclose(found, [[[expected]]], rtol=1e-8)


def test_terms_go_to_the_level_of_their_fastest_variable():
    splitting = ScaleSplitting(STRONG)
    assert splitting.columns[2] == (0, 1, 2, 3)
    assert splitting.columns[1] == (0, 1)
    assert splitting.sampled_axes(1) == (0, 1)
    additive = ScaleSplitting(
        MultiscalePotential(2, 2, 1.0, bowl, lambda x, y, z: wave(y[0]) + (1 + wave(y[1])) * wave(z[0]))
    )
    assert additive.columns[1:3] == [(), (3,)]
    assert additive.sampled_axes(1) == (1,)


def test_ranks_share_the_points():
    """The result is the same on all ranks, and that of one rank within the errors of both."""
    points = np.random.default_rng(4).uniform(-1, 1, (9, 2))
    shared = effective_tensor(fully_coupled(0.5), points, rtol=1e-6)
    alone = effective_tensor(fully_coupled(0.5), points, rtol=1e-6, comm=MPI.COMM_SELF)
    relative = np.linalg.eigvals(np.linalg.solve(alone.value, shared.value)).real
    assert (np.abs(np.log(relative)).max(axis=1) <= shared.error + alone.error).all()
    assert (shared.error <= 1e-6).all()
    assert shared.cell_solves[0] == alone.cell_solves[0]
    same = MPI.COMM_WORLD.bcast(shared.value)
    np.testing.assert_array_equal(shared.value, same)


def test_fewer_points_than_ranks():
    found = effective_tensor(fully_coupled(0.5), [[0.1, 0.2]], rtol=1e-5)
    assert found.cell_solves[0] == 1
    two = effective_tensor(fully_coupled(0.5), [[0.1, 0.2], [0.3, 0.2]], rtol=1e-5)
    np.testing.assert_allclose(two.value[0], found.value[0], atol=1e-5)


def test_workers_do_not_change_the_result():
    points = np.random.default_rng(5).uniform(-1, 1, (20, 2))
    results = [effective_tensor(fully_coupled(0.5), points, rtol=1e-5, workers=w).value for w in (1, 2, 3)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_results_are_saved_and_loaded(shared_folder):
    found = effective_tensor(fully_coupled(0.5), [[0.1, 0.2]], rtol=1e-5, bounds=True)
    path = shared_folder / f"tensor-{MPI.COMM_WORLD.rank}.npz"
    found.save(path)
    read = EffectiveTensor.load(path)
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(read, name), value)
    assert [p.name for p in shared_folder.glob(".*")] == []
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidArgument, match="not a file"):
        EffectiveTensor.load(path)


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"points": [0.0, 0.0]}, "points"), ({"points": [[0.0]]}, "points"), ({"points": [[np.nan, 0.0]]}, "points"),
        ({"points": np.zeros((0, 2))}, "points"), ({"rtol": 0.0}, "rtol"), ({"rtol": 1.0}, "rtol"),
        ({"route": "elements"}, "route"), ({"route": HarmonicMean()}, "route"), ({"progress": 1}, "progress"),
        ({"route": FourierGalerkin(), "bounds": True}, "route"), ({"bounds": "yes"}, "bounds"), ({"workers": 0}, "workers"), ({"potential": 3}, "potential"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(changes, argument):
    arguments = {"potential": fully_coupled(0.5), "points": [[0.0, 0.0]]} | changes
    with pytest.raises(InvalidArgument) as caught:
        effective_tensor(**arguments)
    assert caught.value.argument == argument
