"""Tensors and coefficients draw themselves: curves on a line, ellipses in the plane; datasets hold the same numbers."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from mpi4py import MPI
from sympy import cos, pi, tanh

from scaling_limits.cells import correctors, effective_coefficients, effective_tensor
from scaling_limits.particles import InvalidArgument, MultiscalePotential

pytestmark = pytest.mark.serial
X = np.linspace(-1, 1, 4)


def rough(dim):
    return MultiscalePotential(
        dim, 1, 0.5, lambda x: sum(c**2 for c in x) / 2, lambda x, y: (1 + tanh(x[0]) / 2) * cos(2 * pi * y[0]) / 2
    )


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_tensor_on_a_line_is_a_curve_with_bounds():
    tensor = effective_tensor(rough(1), X[::-1, None], rtol=1e-2, bounds=True)
    ax = tensor.plot()
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, tensor.value[::-1, 0, 0])
    assert len(ax.collections) == 1
    data = tensor.to_xarray()
    np.testing.assert_array_equal(data.M, tensor.value)
    np.testing.assert_array_equal(data.upper, tensor.upper)
    assert "<table>" in tensor._repr_html_()


def test_tensors_in_the_plane_are_ellipses_with_the_axes_of_their_roots():
    grid = np.stack(np.meshgrid(X, X), axis=-1).reshape(-1, 2)
    tensor = effective_tensor(rough(2), grid, rtol=1e-3)
    ax = tensor.plot(size=0.2)
    rims = [path.vertices for path in ax.collections[0].get_paths()]
    assert len(rims) == 16
    for rim, place, value in zip(rims, grid, tensor.value):
        u = np.linalg.solve(value, (rim - place).T).T
        np.testing.assert_allclose(((rim - place) * u).sum(axis=1), 0.04, rtol=1e-10)
    line = effective_tensor(rough(2), np.stack([X, -X], axis=1), rtol=1e-3).plot()
    assert len(line.lines) == 2
    np.testing.assert_allclose(line.lines[0].get_xdata()[-1], np.hypot(2, 2))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_coefficients_draw_themselves(dim):
    coefficients = effective_coefficients(rough(dim), [(-1, 1)] * dim, rtol=1e-2)
    for quantity in ("free_energy", "mobility"):
        assert coefficients.plot(quantity=quantity).has_data()
    data = coefficients.to_xarray(points=3)
    np.testing.assert_allclose(data.free_energy.values.ravel()[-1], coefficients.free_energy(np.ones((1, dim)))[0])
    assert data.M.shape == (3,) * dim + (dim, dim)
    with pytest.raises(InvalidArgument, match="quantity"):
        coefficients.plot(quantity="drift")


@pytest.mark.parametrize("dim", [1, 2])
def test_correctors_draw_themselves(dim):
    (level,) = correctors(rough(dim), np.zeros(dim), rtol=1e-2, comm=MPI.COMM_SELF)
    ax = level.plot(direction=dim - 1)
    assert ax.has_data()
    assert repr(level).startswith("CorrectorLevel 1")
    if dim == 1:
        x, values = ax.lines[0].get_data()
        assert (x[0], x[-1]) == (0.0, 1.0)
        np.testing.assert_allclose(values.mean(), 0.0, atol=0.05)
    with pytest.raises(InvalidArgument, match="direction"):
        level.plot(direction=dim)
