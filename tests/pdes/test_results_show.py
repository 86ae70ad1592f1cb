"""Densities, fields, transitions and solutions draw themselves on rank 0: what is drawn is what they hold."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

import scaling_limits
from scaling_limits.particles import DiagonalDissipation, InvalidArgument, PinnedBalls, RotatorLattice
from scaling_limits.pdes import (
    BilliardEquations,
    FiniteSizeEquations,
    FokkerPlanck,
    TransportFokkerPlanck,
    picard_iteration,
)
from scaling_limits.pdes.pictures import density_animation

COMM = MPI.COMM_WORLD


def height(x):
    return (x[:, 0] ** 2 - 1) ** 2 + (x[:, 1:] ** 2).sum(axis=1)


def left(x):
    return x[:, 0] < -0.8


def right(x):
    return x[:, 0] > 0.8


def start(x):
    return np.exp(-10 * ((x + 1) ** 2).sum(axis=1))


def equation(dim, on_mesh):
    given = {"mobility": 1.0, "free_energy": height, "temperature": 0.4}
    if not on_mesh:
        return FokkerPlanck.of(**given, box=[(-2, 2)] * dim, cells=(16, 10, 6)[:dim], rtol=1e-2)
    corners = [np.full(dim, -2.0), np.full(dim, 2.0)]
    if dim == 1:
        return FokkerPlanck.of(**given, mesh=mesh.create_interval(COMM, 20, [-2.0, 2.0]), rtol=1e-2)
    make = mesh.create_rectangle if dim == 2 else mesh.create_box
    return FokkerPlanck.of(**given, mesh=make(COMM, corners, (12, 8, 6)[:dim]), rtol=1e-2)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn_on_rank_0(result, **options):
    ax = result.plot(**options)
    assert (ax is None) == (COMM.rank > 0)
    if ax is not None:
        assert ax.has_data()
        assert ax.get_xlabel() == "position along x (length)"
        ax.figure.canvas.draw()
    assert len(repr(result).splitlines()) < 8
    assert "<table>" in result._repr_html_()
    return ax


@pytest.mark.parametrize("on_mesh", [False, True])
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")
def test_densities_and_evolutions_draw_themselves(dim, on_mesh, tmp_path):
    equation_ = equation(dim, on_mesh)
    density = equation_.stationary()
    ax = drawn_on_rank_0(density)
    units = ("1/length", "1/area", "1/volume")[dim - 1]
    data = density.to_xarray()
    if COMM.rank == 0:
        assert ax.get_aspect() == ("auto" if dim == 1 else 1.0)
        assert data.rho.attrs["units"] == units
    if ax is not None:
        bars = [one.get_ylabel() for one in ax.figure.axes]
        assert f"probability density ({units})" in bars
    if ax is not None and dim == 3:
        assert ax.get_title() == "z = 0"
    run = equation_.evolve(start, [0.05, 0.5], step=0.05)
    ax = drawn_on_rank_0(run)
    if ax is not None and dim == 1:
        for line, density in zip(ax.lines, run):
            x, values = line.get_data()
            np.testing.assert_allclose(values, density.at(x[:, None]), rtol=1e-12, atol=1e-200)
    path = run.animate(COMM.bcast(tmp_path) / "run.gif")
    if COMM.rank == 0:
        from PIL import Image

        with Image.open(path) as image:
            assert image.n_frames == 2
    with pytest.raises(InvalidArgument, match="path"):
        run.animate(COMM.bcast(tmp_path) / "run.png")
    with pytest.raises(InvalidArgument, match="index"):
        run.plot(index=2)
    if COMM.size > 1:
        folder = COMM.bcast(tmp_path)
        with pytest.raises(InvalidArgument, match="frames_per_second"):
            run.animate(folder / "run.gif", frames_per_second=4 + COMM.rank)
        with pytest.raises(InvalidArgument, match="path"):
            run.animate(folder / f"run_{COMM.rank}.gif")
        with pytest.raises(InvalidArgument, match="level"):
            run.plot(level=0.1 * COMM.rank)
    if dim == 3:
        with pytest.raises(InvalidArgument, match="level"):
            run.plot(level=3.0)


@pytest.mark.parametrize("on_mesh", [False, True])
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")
def test_fields_transitions_and_passages_draw_themselves(dim, on_mesh):
    equation_ = equation(dim, on_mesh)
    transition = equation_.transition(left, right)
    for one in (transition, transition.forward, equation_.first_passage(right), equation_.quasi_stationary(right)):
        drawn_on_rank_0(one)
    if dim == 2:
        ax = drawn_on_rank_0(transition.current)
        if ax is not None and on_mesh:
            (arrows,) = (one for one in ax.collections if hasattr(one, "U"))
            tails = np.column_stack([arrows.X, arrows.Y])
            heads = 0.5 * np.column_stack([arrows.U, arrows.V]) / arrows.scale
            assert np.linalg.norm(heads, axis=1).max() < 0.11
            assert np.allclose(ax.get_xlim(), (-2, 2))
            assert len(np.unique(tails.round(6), axis=0)) == len(tails)
    data = transition.to_xarray()
    whole = COMM.rank == 0 or not on_mesh
    assert (data is not None) == whole
    if whole:
        assert {"q", "q_back", "rho_ab", "error_q"} <= set(data.data_vars)
        assert data.attrs["rate"] == transition.rate
        assert data.q.attrs["units"] == "1"
        assert data.x.attrs["units"] == "length"
        assert float(abs(data.q + data.q_back - 1).max()) < 1e-6
    passage = equation_.first_passage(right).to_xarray()
    assert not whole or {"T", "v"} <= set(passage.data_vars)


@pytest.mark.parametrize("cells", ["quadrilateral", "hexahedron", "periodic box"])
@pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")
def test_other_cells_and_periodic_boxes_draw_themselves(cells):
    dim = 3 if cells == "hexahedron" else 2
    given = {"mobility": 1.0, "temperature": 0.4, "rtol": 1e-2}
    corners = [np.full(dim, -2.0), np.full(dim, 2.0)]
    if cells == "periodic box":
        periodic = {"free_energy": lambda x: np.cos(0.5 * np.pi * x).sum(axis=1), "periodic": True}
        equation_ = FokkerPlanck.of(**given, **periodic, box=[(-2, 2)] * 2, cells=(16, 12))
    else:
        kind = mesh.CellType[cells]
        make = mesh.create_rectangle if dim == 2 else mesh.create_box
        equation_ = FokkerPlanck.of(**given, free_energy=height, mesh=make(COMM, corners, (12, 8, 6)[:dim], kind))
    density = equation_.stationary()
    ax = drawn_on_rank_0(density)
    if ax is not None:
        assert np.allclose([ax.get_xlim(), ax.get_ylim()], [(-2, 2), (-2, 2)])
        (colours,) = ax.collections
        points = np.array([[0.1, 0.2, 0.0], [-1.0, 0.4, 0.0]])[:, :dim]
        low, high = colours.get_clim()
        assert low <= density.at(points).min()
        assert density.at(points).max() <= 1.05 * high
        if cells == "periodic box":
            # the first line of nodes is the last one too
            values = colours.get_array().reshape(13, 17)
            np.testing.assert_array_equal(values[:, 0], values[:, -1])
            np.testing.assert_array_equal(values[0], values[-1])
    transition = equation_.transition(left, right) if cells != "periodic box" else None
    if transition is not None:
        drawn_on_rank_0(transition)
        drawn_on_rank_0(transition.current)


@pytest.mark.serial
def test_films_have_what_is_drawn_over_them(tmp_path):
    """The former function writes the same frames as `animate`."""
    from matplotlib.colors import LogNorm
    from PIL import Image

    equation_ = equation(2, False)
    run = equation_.evolve(start, [0.05, 0.5], step=0.05)
    x, y = (np.linspace(-2, 2, count) for count in equation_.grid.shape)
    landscape = np.add.outer(x**2, y**2)
    seen = []

    def over(ax):
        seen.append(ax)
        ax.contour(x, y, landscape.T, levels=14, colors="white", linewidths=0.5, alpha=0.5)

    top = run.at(equation_.grid.nodes).max()
    norm = LogNorm(1e-5 * top, top, clip=True)
    new = run.animate(tmp_path / "new.gif", cmap="magma", norm=norm, over=over)
    with pytest.warns(DeprecationWarning, match="animate"):
        old = density_animation(tmp_path / "old.gif", run, landscape)
    assert len(seen) == 1
    with Image.open(new) as one, Image.open(old) as other:
        assert one.n_frames == other.n_frames == 2
        for k in range(2):
            one.seek(k)
            other.seek(k)
            np.testing.assert_array_equal(np.array(one.convert("RGB")), np.array(other.convert("RGB")))


def test_rates_draw_themselves():
    modes = equation(1, False).modes(4)
    ax = modes.plot()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), modes.rates[1:])
    np.testing.assert_array_equal(modes.to_xarray().rates, modes.rates)
    assert "degree" in repr(modes)


@pytest.mark.parametrize("sites", [1, 2, 3])
@pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")
def test_densities_of_actions_draw_themselves(sites, tmp_path):
    lattice = RotatorLattice(
        (sites,), frequency=lambda x: 1 + x**2, coupling=lambda x: 1 / (1 + x),
        dissipation=DiagonalDissipation(p=4), temperature=1.0, epsilon=0.05,
    )  # fmt: skip
    transport = TransportFokkerPlanck(lattice, cells=8, degree=4)
    density = transport.stationary()
    assert density.plot().has_data()
    run = transport.evolve(lambda x: np.exp(-x.sum(axis=1)), [0.1, 1.0])
    ax = run.plot()
    assert ax.has_data()
    texts = [ax.get_title(), *(one.get_text() for one in ax.get_legend().texts)] if sites == 1 else [ax.get_title()]
    assert "tau = 1" in texts
    assert ax.get_xlabel() in ("action", "action of site 0")
    assert run.animate(COMM.bcast(tmp_path) / "actions.gif").name == "actions.gif"
    data = run.to_xarray()
    np.testing.assert_array_equal(data.p[1], run[1].values)
    assert density.to_xarray().p.shape == density.values.shape
    grid, blocks = density.to_pyvista(), run.to_pyvista()
    run.write(COMM.bcast(tmp_path) / "actions.xdmf")
    if COMM.rank == 0:
        assert grid.point_data["p"].max() == pytest.approx(density.values.max())
        assert len(blocks) == 2
        assert (tmp_path / "actions.h5").is_file()
    assert len(repr(run).splitlines()) < 6


def test_solutions_of_balls_draw_themselves(tmp_path):
    balls = PinnedBalls(n=24, mean=lambda x: x, std=lambda x: 1 + 0 * x)
    times = [0.0, 0.01]
    for solution in (BilliardEquations.of(balls).solve(times, rtol=1e-2), FiniteSizeEquations.of(balls).solve(times)):
        ax = solution.plot(quantity="mean")
        x, values = ax.lines[1].get_data()
        np.testing.assert_allclose(values, solution.mean_at(x)[1], atol=1e-12)
        data = solution.to_xarray()
        assert data["std"].shape == data["mean"].shape == (2, len(x))
        assert len(repr(solution).splitlines()) < 6
        assert solution.animate(tmp_path / "it.gif").is_file()
        solution.save(tmp_path / "it.npz")
        again = scaling_limits.load(tmp_path / "it.npz")
        assert repr(again) == repr(solution)
        np.testing.assert_array_equal(again.std_at([0.3]), solution.std_at([0.3]))


@pytest.mark.serial
def test_iterates_draw_themselves():
    found = picard_iteration(
        BilliardEquations(2.0, lambda x: x, lambda x: 1 + 0 * x), 0.01, iterations=2, cells=20, steps=5
    )
    ax = found.plot()
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), np.sqrt(2 * found.w[-1]))
    assert "last changes" in repr(found)
