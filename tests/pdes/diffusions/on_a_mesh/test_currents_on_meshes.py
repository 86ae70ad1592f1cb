"""On meshes: currents between two sets against closed forms, and as datasets."""

import pickle

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from rates import assert_rate
from scipy import integrate

from meshes import KIND, QUAD, line, square, wobbled
from scaling_limits.pdes import FokkerPlanck

quiet = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")


def two_wells(dim, sigma):
    """Psi = (x^2 - 1)^2 + y^2/2."""
    return Given(
        lambda x: np.broadcast_to(np.eye(dim), (len(x), dim, dim)).copy(),
        lambda x: (x[:, 0] ** 2 - 1) ** 2 + 0.5 * (x[:, 1:] ** 2).sum(axis=1), sigma,
    )  # fmt: skip


def left(x):
    return x[:, 0] < -0.9


def right(x):
    return x[:, 0] > 0.9


@quiet
@pytest.mark.parametrize(("sigma", "n"), [(0.5, 20), (0.05, 40), (0.05, 80)])
def test_on_a_line(sigma, n):
    """The current is the frequency everywhere, behind barriers too."""
    found = FokkerPlanck(two_wells(1, sigma), mesh=line(n, low=-1.6, high=1.6)).transition(left, right)
    current = found.current.at(np.linspace(-0.89, 0.89, 101)[:, None])[:, 0]
    np.testing.assert_allclose(current, found.frequency, rtol=1e-10)


@quiet
@pytest.mark.parametrize("kind", [KIND.triangle, QUAD])
def test_in_the_plane(kind):
    """J_x = nu exp(-y^2/(2 sigma))/int and J_y = 0, with order 2."""
    sigma, half, sizes, errors = 0.4, 1.6, [12, 24, 48], []
    x = np.random.default_rng(1).uniform(-0.85, 0.85, (400, 2))
    across = integrate.quad(lambda y: np.exp(-y * y / (2 * sigma)), -half, half)[0]
    wells = integrate.quad(lambda y: np.exp(-((y * y - 1) ** 2) / sigma), -half, half)[0]
    barrier = integrate.quad(lambda y: np.exp((y * y - 1) ** 2 / sigma), -0.9, 0.9)[0]
    exact = sigma / (wells * barrier * across) * np.exp(-(x[:, 1] ** 2) / (2 * sigma))
    for n in sizes:
        mesh = wobbled(square(n, kind, half=half), 0.3 / n)
        current = FokkerPlanck(two_wells(2, sigma), mesh=mesh).transition(left, right).current.at(x)
        errors.append((np.abs(current[:, 0] - exact) + np.abs(current[:, 1])).sum() / exact.sum())
    assert_rate(sizes, errors, -2, slack=0.4, cap=2e-3)


@quiet
@pytest.mark.parametrize("kind", [KIND.triangle, QUAD])
def test_datasets(kind):
    """Values at the corners of cells, and in the middle of them what `at` says; the same from one rank."""
    datasets = []
    for comm in (MPI.COMM_WORLD, MPI.COMM_SELF):
        fp = FokkerPlanck(two_wells(2, 0.5), mesh=square(8, kind, comm=comm, half=1.6), comm=comm)
        current = fp.transition(left, right).current
        datasets.append(current.to_xarray())
    with pytest.raises(pickle.PicklingError, match="MeshVectorField"):
        pickle.dumps(current)
    assert "cells" in repr(current)
    if MPI.COMM_WORLD.rank:
        assert datasets[0] is None
        return
    data, alone = datasets
    assert list(data["direction"].values) == ["x", "y"]
    assert data["J"].attrs["units"] == "1/(time length)"
    middle = np.stack([data["x"], data["y"]], axis=1)[data["cell_nodes"].values].mean(axis=1)
    values = data["J"].values[data["cell_nodes"].values].mean(axis=1)
    np.testing.assert_allclose(values, current.at(middle), atol=1e-9)
    np.testing.assert_allclose(data["J"], alone["J"], atol=1e-9)
    np.testing.assert_array_equal(data["cell_nodes"], alone["cell_nodes"])


@quiet
def test_datasets_of_boxes(tmp_path):
    """By direction too, and to a file and back; fields on meshes have their errors as those of boxes have."""
    xarray = pytest.importorskip("xarray")
    found = FokkerPlanck(two_wells(2, 0.5), [(-1.6, 1.6)] * 2, (12, 12)).transition(left, right)
    data = found.current.to_xarray()
    np.testing.assert_array_equal(data["J"].sel(direction="x"), found.current.values[..., 0])
    data.to_netcdf(tmp_path / "J.nc")
    with xarray.open_dataset(tmp_path / "J.nc") as again:
        assert again["J"].dims == ("x", "y", "direction")
        np.testing.assert_array_equal(again["J"], data["J"])
    field = FokkerPlanck(two_wells(2, 0.5), mesh=square(8, half=1.6)).committor(left, right)
    whole = field.to_xarray()
    if whole is not None:
        assert 0 < whole["error"].max() == pytest.approx(field.error)
        assert whole["error"].attrs["long_name"] == "estimated error of q"
