"""M(x) and Psi(x) in a box: against cell problems at other points, against differences, and on disk."""

import numpy as np
import pytest
from sympy import cos, pi, tanh

from scaling_limits import cells
from scaling_limits.cells import EffectiveCoefficients, NotConverged, effective_coefficients, effective_tensor
from scaling_limits.particles import InvalidArgument, MultiscalePotential, fully_coupled, laminate, mueller_brown

CASES = [
    (fully_coupled(0.5, dim=1, scales=2), [(-3, 3)]),
    (fully_coupled(0.5, dim=2, scales=2), [(-2, 2), (-1, 2)]),
    (mueller_brown(15.0, ruggedness=20.0, coupling=0.5), [(-1.6, 1.2), (-0.4, 2.1)]),
    (fully_coupled(0.5, dim=3, scales=1), [(-2, 2)] * 3),
    (laminate(0.5, ((1, 0), (1, 1))), [(-2, 2)] * 2),
]


def random_points(box, count=6):
    low, high = np.array(box, dtype=float).T
    return low + (high - low) * np.random.default_rng(4).random((count, len(box)))


@pytest.mark.parametrize(("potential", "box"), CASES)
def test_between_the_samples(potential, box):
    found = effective_coefficients(potential, box, 1e-6)
    assert found.error <= 1e-6
    x = random_points(box)
    exact = effective_tensor(potential, x, rtol=1e-8)
    root = np.linalg.inv(np.linalg.cholesky(exact.value))
    relative = np.linalg.eigvalsh(root @ found.mobility(x) @ root.swapaxes(1, 2))
    assert np.abs(relative - 1).max() < 1e-6
    assert np.abs(found.free_energy(x) - exact.free_energy).max() < 1e-6 * potential.temperature


@pytest.mark.parametrize(("potential", "box"), CASES)
def test_drift_and_noise(potential, box):
    """b = -M grad Psi + sigma div M by central differences; B B^T = 2 sigma M."""
    found = effective_coefficients(potential, box, 1e-4)
    x, h, d = random_points(box), 1e-5, potential.dim
    expected = np.zeros_like(x)
    for i in range(d):
        step = h * np.eye(d)[i]
        tensors, energies = ([f(x + step), f(x - step)] for f in (found.mobility, found.free_energy))
        expected += potential.temperature * (tensors[0] - tensors[1])[:, i] / (2 * h)
        expected -= found.mobility(x)[:, :, i] * ((energies[0] - energies[1]) / (2 * h))[:, None]
    scale = np.abs(expected).max()
    assert np.abs(found.drift(x) - expected).max() < 1e-8 * scale
    noise = found.noise(x)
    assert np.abs(noise @ noise.swapaxes(1, 2) - 2 * potential.temperature * found.mobility(x)).max() < 1e-12


def test_threads_change_nothing():
    """More threads solve the same cells; what is told of them is short, and has no arrays."""
    one, two = (effective_coefficients(*CASES[1], 1e-3, workers=workers) for workers in (1, 2))
    np.testing.assert_allclose(one.polynomials, two.polynomials, atol=1e-12)
    assert "[-2, 2] x [-1, 2]" in repr(one)
    tensor = effective_tensor(CASES[1][0], [[0.0, 0.0], [1.0, 1.0]], 1e-3, bounds=True)
    assert "2 points in 2 dimensions, with bounds" in repr(tensor)
    for text in (repr(one), repr(tensor)):
        assert "array" not in text
        assert len(text) < 500


def test_separable_potentials_need_one_cell():
    found = effective_coefficients(laminate(0.5), [(-2, 2)] * 2, 1e-8)
    assert found.axes == ()
    assert found.polynomials.shape == (4,)
    assert found.drift([[1.0, 2.0]])[0] == pytest.approx(-found.mobility([[1.0, 2.0]])[0] @ [1.0, 2.0], rel=1e-12)


@pytest.mark.serial
def test_a_layer_that_is_too_thin_is_refused():
    thin = MultiscalePotential(2, 1, 1.0, lambda x: x[0] ** 2 + x[1] ** 2,
        lambda x, y: (1 + tanh(1e4 * x[0]) + tanh(1e4 * x[1])) * cos(2 * pi * y[0]) * cos(2 * pi * y[1]))  # fmt: skip
    with pytest.raises(NotConverged, match="smaller box"):
        effective_coefficients(thin, [(-1, 1)] * 2, 1e-8)


def test_cache(shared_folder, monkeypatch):
    """The second time nothing is solved; a damaged file is made anew; other problems have other files."""
    potential, box = CASES[0]
    first = effective_coefficients(potential, box, cache=shared_folder / "kept")
    module = cells.effective_coefficients.__globals__
    with monkeypatch.context() as patch:
        patch.setitem(module, "effective_tensor", lambda *a, **k: pytest.fail("solved again"))
        again = effective_coefficients(potential, box, cache=shared_folder / "kept")
    assert (again.polynomials == first.polynomials).all()
    from mpi4py import MPI

    MPI.COMM_WORLD.barrier()
    (file,) = (shared_folder / "kept").glob("*.npz")
    if MPI.COMM_WORLD.rank == 0:
        file.write_bytes(file.read_bytes()[:200])
    MPI.COMM_WORLD.barrier()
    with pytest.raises(InvalidArgument, match="path"):
        EffectiveCoefficients.load(file, potential)
    MPI.COMM_WORLD.barrier()
    anew = effective_coefficients(potential, box, cache=shared_folder / "kept")
    assert np.abs(anew.polynomials - first.polynomials).max() < 1e-12
    MPI.COMM_WORLD.barrier()
    with pytest.raises(InvalidArgument, match="another potential"):
        EffectiveCoefficients.load(file, fully_coupled(0.4, dim=1, scales=2))
    effective_coefficients(fully_coupled(0.4, dim=1, scales=2), box, cache=shared_folder / "kept")
    MPI.COMM_WORLD.barrier()
    assert len(list((shared_folder / "kept").glob("*.npz"))) == 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"box": [(1, 0)]}, "box"),
        ({"box": [(0, 1), (0, 1)]}, "box"),
        ({"box": [(0, np.nan)]}, "box"),
        ({"rtol": 0.5}, "rtol"),
        ({"rtol": 1e-14}, "rtol"),
        ({"potential": 3}, "potential"),
        ({"progress": 1}, "progress"),
        ({"workers": 0}, "workers"),
        ({"workers": 1.5}, "workers"),
    ],
)
def test_wrong_arguments(arguments, name):
    with pytest.raises(InvalidArgument, match=name):
        effective_coefficients(**({"potential": CASES[0][0], "box": CASES[0][1]} | arguments))


def test_points_outside_of_the_box():
    found = effective_coefficients(*CASES[0])
    with pytest.raises(InvalidArgument, match="points"):
        found.mobility([[4.0]])
    with pytest.raises(InvalidArgument, match="points"):
        found.drift([[0.0, 0.0]])
