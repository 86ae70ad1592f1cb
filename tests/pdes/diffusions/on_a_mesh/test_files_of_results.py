"""What is written is what was computed: files of ParaView read back, datasets, grids of pyvista, archives; on any rank."""

import os

import numpy as np
import pytest
from diffusions import Given, gaussian

from meshes import COMM, QUAD, cube, line, square, wobbled
from scaling_limits import load
from scaling_limits.meshes.files import writers
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import Density, FokkerPlanck, MeshDensity, MeshDensityEvolution, MeshField

pytestmark = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
TIMES = np.array([0.0, 0.05, 0.2])
SUFFIXES = [".bp", ".vtkhdf", ".pvd", ".xdmf"]


def given(dim, sigma=0.5):
    return Given(
        lambda x: np.broadcast_to(np.eye(dim), (len(x), dim, dim)).copy(), lambda x: 0.5 * (x**2).sum(axis=1), sigma
    )


def right(x):
    return x[:, 0] >= 0.71


def wall(x):
    return x[:, 0] >= 1 - 1e-9


def left(x):
    return x[:, 0] <= -0.7


MESHES = {
    "line": lambda: line(20, low=-1.0),
    "triangles": lambda: wobbled(square(8), 0.02),
    "quadrilaterals": lambda: wobbled(square(8, QUAD), 0.02),
    "tetrahedra": lambda: cube(4),
}


def evolution(name="triangles", **arguments):
    fp = FokkerPlanck(given(mesh_dim(name)), mesh=MESHES[name](), rtol=1e-3)
    return fp, fp.evolve(start, TIMES, **arguments)


def mesh_dim(name):
    return {"line": 1, "tetrahedra": 3}.get(name, 2)


def start(x):
    return gaussian([0.1] * x.shape[1], 0.2 * np.eye(x.shape[1]))(x)


def read(path):
    """Points (P, 3) and values (T, P) or (P,) by another reader than the writer; on rank 0, after all have written."""
    COMM.Barrier()
    if COMM.rank:
        return None
    return {".bp": read_bp, ".vtkhdf": read_vtkhdf, ".pvd": read_pvd, ".xdmf": read_xdmf}[path.suffix](path)


def read_bp(path):
    adios2 = pytest.importorskip("adios2.bindings.adios2_bindings_mpi", reason="Debian: python3-adios2-mpi")
    adios = adios2.ADIOS()
    io = adios.DeclareIO("read")
    io.SetEngine("BP4")
    engine = io.Open(str(path), adios2.Mode.ReadRandomAccess)
    name = next(n for n in io.AvailableVariables() if n in ("rho", "T", "q", "J"))
    steps = int(io.AvailableVariables()[name]["AvailableStepsCount"])

    def blocks(variable, step):
        found = []
        for block in engine.BlocksInfo(variable, step):
            one = io.InquireVariable(variable)
            one.SetBlockSelection(int(block["BlockID"]))
            one.SetStepSelection([step, 1])
            values = np.zeros([int(n) for n in block["Count"].split(",")])
            engine.Get(one, values, adios2.Mode.Sync)
            found.append(values)
        return np.concatenate(found)

    values = np.array([blocks(name, step) for step in range(steps)])
    result = blocks("geometry", 0), values[..., 0] if values.shape[-1] == 1 else values
    engine.Close()
    return result


def read_vtkhdf(path):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOHDF import vtkHDFReader

    reader = vtkHDFReader()
    reader.SetFileName(str(path))
    values = []
    for step in range(max(reader.GetNumberOfSteps() if reader.UpdateInformation() is None else 1, 1)):
        reader.SetStep(step)
        reader.Update()
        grid = reader.GetOutputDataObject(0)
        pieces = (
            [grid.GetPartition(k) for k in range(grid.GetNumberOfPartitions())]
            if hasattr(grid, "GetPartition")
            else [grid]
        )
        points = np.concatenate([vtk_to_numpy(piece.GetPoints().GetData()) for piece in pieces])
        values.append(np.concatenate([vtk_to_numpy(piece.GetPointData().GetArray(0)) for piece in pieces]))
        assert all(piece.GetNumberOfCells() > 0 for piece in pieces)
    return points, np.array(values)


def read_pvd(path):
    import pyvista

    reader, values = pyvista.PVDReader(str(path)), []
    for time in reader.time_values:
        reader.set_active_time_value(time)
        grid = reader.read()[0]
        values.append(np.array(grid.point_data[next(n for n in grid.array_names if not n.startswith("vtk"))]))
    return np.array(grid.points), np.array(values)


def read_xdmf(path):
    meshio = pytest.importorskip("meshio")
    h5py = pytest.importorskip("h5py")
    del h5py
    with meshio.xdmf.TimeSeriesReader(str(path)) as file:
        points, cells = file.read_points_cells()
        steps = [file.read_data(k) for k in range(file.num_steps)]
    values = [next(iter((point or cell).values())) for _, point, cell in steps]
    del cells
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1]))), np.array([np.ravel(one) for one in values])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["triangles", pytest.param("tetrahedra", marks=pytest.mark.serial)])
def test_evolutions_time_by_time(shared_folder, name, suffix):
    """A file for the run; its numbers are the densities at its points, at each time."""
    _, run = evolution(name)
    path = shared_folder / f"run{suffix}"
    run.write(path)
    found = read(path)
    if found is not None:
        points, values = found
        assert values.shape == (3, len(points))
        np.testing.assert_allclose(values, run.at(points[:, : mesh_dim(name)]), rtol=1e-9, atol=1e-13)
    COMM.Barrier()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("periodic", [pytest.param(False, marks=pytest.mark.serial), True])
def test_boxes_too(shared_folder, suffix, periodic):
    flat = Given(
        lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy(), lambda x: np.cos(np.pi * x).sum(axis=1), 0.5
    )
    run = FokkerPlanck(flat, [(-1, 1)] * 2, (8, 6), periodic=periodic, rtol=1e-3).evolve(start, TIMES)
    path = shared_folder / f"box{suffix}"
    run.write(path)
    found = read(path)
    if found is not None:
        points, values = found
        # on a torus both sides of the seam are drawn
        assert np.ptp(points[:, 0]) == pytest.approx(2)
        np.testing.assert_allclose(values, run.at(points[:, :2]), rtol=1e-9, atol=1e-13)
    COMM.Barrier()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dim", [1, pytest.param(2, marks=pytest.mark.serial)])
def test_fields_of_boxes(shared_folder, suffix, dim):
    """On a line with elements of high degree; currents are vectors."""
    fp = FokkerPlanck(given(dim), [(-1, 1)] * dim, (12,) * dim, rtol=1e-3)
    transition = fp.transition(left, lambda x: x[:, 0] >= 0.75)
    path = shared_folder / f"q{suffix}"
    transition.forward.write(path)
    # meshio does not know lines in .xdmf
    found = read(path) if dim > 1 or suffix != ".xdmf" else None
    if found is not None:
        points, values = found
        expected = transition.forward.at(np.clip(points[:, :dim], -1, 1))
        np.testing.assert_allclose(values[-1], expected, rtol=1e-7, atol=1e-9)
        # vertices, or on a line those of degree 8, with what ranks share
        assert suffix == ".xdmf" or (8 * 12 + 1 if dim == 1 else 13**2) <= len(points) < 13**2 + 40 * COMM.size
    COMM.Barrier()
    transition.current.write(shared_folder / f"J{suffix}")
    COMM.Barrier()
    assert (shared_folder / f"J{suffix}").exists()
    grid = transition.current.to_pyvista()
    assert (grid is None) == (COMM.rank > 0)
    if grid is not None:
        nodes = transition.current.at(np.clip(np.array(grid.points)[:, :dim], -1, 1))
        shown = grid.point_data["J"].reshape(len(nodes), -1)[:, :dim]
        np.testing.assert_allclose(shown, nodes, rtol=1e-6, atol=1e-9)
    COMM.Barrier()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fields(shared_folder, suffix):
    """Times and committors with elements of degree 2, on a mesh whose nodes were moved; a current that jumps."""
    fp = FokkerPlanck(given(2), mesh=MESHES["quadrilaterals"]())
    time = fp.mean_first_passage_time(right)
    transition = fp.transition(left, right)
    for number, field in enumerate((time, transition.forward)):
        path = shared_folder / f"field{number}{suffix}"
        field.write(path)
        found = read(path)
        if found is not None:
            points, values = found
            np.testing.assert_allclose(values[-1], field.at(points[:, :2]), rtol=1e-9, atol=1e-12)
            # midpoints of edges are there, but where only vertices are
            assert (len(np.unique(np.round(points, 9), axis=0)) > 200) == (suffix != ".xdmf")
        COMM.Barrier()
    current = transition.current
    current.write(shared_folder / f"current{suffix}")
    COMM.Barrier()
    assert (shared_folder / f"current{suffix}").exists()


@pytest.mark.parametrize("name", MESHES)
def test_datasets_and_grids(name):
    fp, run = evolution(name)
    if COMM.size == 1:
        xarray = pytest.importorskip("xarray")
        assert isinstance(run.to_xarray(), xarray.Dataset)
    dim = mesh_dim(name)
    for result in (run, fp.stationary(), fp.mean_first_passage_time(wall)):
        data, grids = result.to_xarray(), result.to_pyvista()
        if COMM.rank:
            assert data is None
            assert grids is None
            COMM.Barrier()
            continue
        symbol = "T" if isinstance(result, MeshField) else "rho"
        points = np.stack([data[axis].values for axis in "xyz"[:dim]], axis=1)
        np.testing.assert_allclose(data[symbol].values, result.at(points), rtol=1e-9, atol=1e-13)
        units = ("1/length", "1/area", "1/volume")[dim - 1]
        assert data[symbol].attrs["units"] == ("time" if symbol == "T" else units)
        assert data.attrs["kind"] == type(result).__name__
        assert data.attrs["version"]
        cells = data["cell_nodes"].values
        assert data["mesh"].attrs["topology_dimension"] == dim
        if name != "quadrilaterals":
            sizes = np.abs(np.linalg.det(points[cells][:, 1:] - points[cells][:, :1])) / [1, 1, 2, 6][dim]
            assert sizes.sum() == pytest.approx(2.0**dim, rel=1e-9)
        grid = grids if data[symbol].dims == ("node",) else grids[-1]
        found = result.at(np.array(grid.points)[:, :dim])
        np.testing.assert_allclose(
            grid.point_data[symbol], found if found.ndim == 1 else found[-1], rtol=1e-9, atol=1e-13
        )
        COMM.Barrier()


def test_datasets_of_boxes():
    fp = FokkerPlanck(given(2), [(-1, 1)] * 2, (8, 6), rtol=1e-3)
    run, time = fp.evolve(start, TIMES), fp.mean_first_passage_time(right)
    data, field = run.to_xarray(), time.to_xarray()
    assert dict(data.sizes) == {"time": 3, "x": 9, "y": 7}
    at = data["rho"].sel(x=0.25, y=1.0).values
    np.testing.assert_allclose(at, run.at([[0.25, 1.0]])[:, 0], rtol=1e-9)
    np.testing.assert_allclose(data["mass"], 1.0, rtol=1e-12)
    assert field["T"].attrs["units"] == "time"
    np.testing.assert_allclose(field["T"].sel(x=0.0, y=0.0), time.at([[0.0, 0.0]])[0])
    np.testing.assert_allclose(field["error"].sel(x=0.0, y=0.0), time.error_at([[0.0, 0.0]])[0])
    assert isinstance(run[0], Density)
    assert dict(run[0].to_xarray().sizes) == {"x": 9, "y": 7}


@pytest.mark.serial
def test_datasets_go_to_netcdf(tmp_path):
    xarray = pytest.importorskip("xarray")
    _, run = evolution()
    data = run.to_xarray()
    data.to_netcdf(tmp_path / "run.nc")
    with xarray.open_dataset(tmp_path / "run.nc") as again:
        np.testing.assert_array_equal(again["rho"].values, data["rho"].values)


PLACES = np.array([[0.3, 0.2], [-0.5, 0.4], [0.7, -0.9], [0.98, 0.1]])


@pytest.mark.parametrize("absorbing", [None, right])
def test_archives_of_densities(shared_folder, absorbing):
    fp, run = evolution("quadrilaterals", absorbing=absorbing)
    for number, result in enumerate((run, run[-1], fp.stationary())):
        path = shared_folder / f"{number}.npz"
        result.save(path)
        again = load(path, equation=fp)
        assert type(again) is type(result)
        np.testing.assert_allclose(again.at(PLACES), result.at(PLACES), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(again.mass, result.mass, rtol=1e-13)
        np.testing.assert_allclose(again.free_energy, result.free_energy, rtol=1e-13)
    other = FokkerPlanck(given(2, 0.6), mesh=fp.mesh)
    for kind, number in ((MeshDensityEvolution, 0), (MeshDensity, 1)):
        with pytest.raises(InvalidArgument, match="belongs to another"):
            kind.load(shared_folder / f"{number}.npz", other)
    with pytest.raises(InvalidArgument, match="holds MeshDensityEvolution"):
        MeshDensity.load(shared_folder / "0.npz", fp)
    FokkerPlanck(fp.coefficients, [(-1, 1)] * 2, (6, 6)).stationary().save(shared_folder / "box.npz")
    with pytest.raises(InvalidArgument, match="equation: must have a box"):
        load(shared_folder / "box.npz", equation=fp)


def test_archives_of_fields(shared_folder):
    fp = FokkerPlanck(given(2), mesh=MESHES["triangles"]())
    field = fp.mean_first_passage_time(right)
    field.save(shared_folder / "T.npz")
    again = load(shared_folder / "T.npz")
    np.testing.assert_allclose(again.at(PLACES), field.at(PLACES), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(again.error_at(PLACES), field.error_at(PLACES), rtol=1e-12, atol=1e-13)
    assert again.quantity == field.quantity
    assert again.error == pytest.approx(field.error)


def test_one_rank_asks():
    """Evaluation is local: the last rank asks for all there is, and the others need not know."""
    fp, run = evolution(absorbing=right)
    time = fp.mean_first_passage_time(right)
    current = fp.transition(left, right).current
    if COMM.rank == COMM.size - 1:
        inner = PLACES[:2]
        np.testing.assert_allclose(run[1].at(inner), run.at(inner)[1], rtol=1e-13)
        assert (time.at(inner) > time.error_at(inner)).all()
        assert current.at(inner).shape == (2, 2)
        for ask in (run.at, time.at, time.error_at, current.at):
            with pytest.raises(InvalidArgument, match="in the mesh"):
                ask([[3.0, 0.0]])
    COMM.Barrier()
    assert (time.at(PLACES) == COMM.bcast(time.at(PLACES))).all()


def test_what_cannot_be_written(shared_folder, monkeypatch):
    _, run = evolution("line")
    for path in (shared_folder / "run.txt", shared_folder / "run", 3, shared_folder / "no" / "run.pvd"):
        with pytest.raises(InvalidArgument, match="path"):
            run.write(path)
    there = {".bp": False, ".vtkhdf": True, ".pvd": True, ".xdmf": True}
    monkeypatch.setattr(writers, "available", lambda: there)
    with pytest.raises(InvalidArgument, match=r"\.bp needs ADIOS2.*there are \.vtkhdf, \.pvd, \.xdmf"):
        run.write(shared_folder / "run.bp")
    assert not [name for name in os.listdir(shared_folder) if name.startswith(".")]
