"""Every example runs, asserts its number and draws its pictures."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.serial
def test_pinned_billiards(shared_folder, capsys):
    """The differences that the paper's rescaled curves hide: 7-10 % of the PDE, 3-5 % of the finite-size equations."""
    columns = example("pinned_billiards").main(runs=3000, order_one_runs=40, out=shared_folder, progress=False)
    late = columns["t/T"] >= 0.199
    noise = columns["error of sigma"][late]
    assert (noise < 0.02).all()
    pde, lattice = columns["PDE sigma"][late], columns["finite-size sigma"][late]
    # the statistical error adds in squares; 4 of its standard deviations, which are noise/sqrt(2000 sites), are < 0.001
    assert (np.sqrt(pde**2 - noise**2) > 0.068).all()
    assert (np.sqrt(pde**2 - noise**2) < 0.100).all()
    assert (np.sqrt(lattice**2 - noise**2) > 0.025).all()
    assert (np.sqrt(lattice**2 - noise**2) < 0.050).all()
    assert (np.sqrt(np.maximum(columns["correlated sigma"][late] ** 2 - noise**2, 0)) < 0.018).all()
    assert (columns["PDE mu"] < 5e-4).all()
    printed = capsys.readouterr().out
    pictures = {p.name for p in shared_folder.glob("*.png")}
    from mpi4py import MPI

    if MPI.COMM_WORLD.rank == 0:
        assert "relative L2 differences" in printed
        assert {"billiards_moments.png", "billiards_noise.png", "billiards_order_one.png"} <= pictures
        assert min(p.stat().st_size for p in shared_folder.glob("*.png")) > 10_000
    else:
        assert printed == ""


def test_effective_tensor(shared_folder, capsys):
    """The certificate of a coupled two-scale potential, and contrasts to 6e27; asserted in the example itself."""
    found, rows = example("effective_tensor").main(shared_folder)
    assert (np.linalg.eigvalsh(found.upper - found.lower) > 0).all()
    assert (rows[:, 1:] < 1e-5).all()
    assert rows[-1, 0] > 6e27
    printed = capsys.readouterr().out
    from mpi4py import MPI

    if MPI.COMM_WORLD.rank == 0:
        assert "interval of relative width" in printed
        pictures = {p.name: p.stat().st_size for p in shared_folder.glob("*.png")}
        assert {"tensor_ellipses.png", "correctors_1.png", "correctors_2.png", "certificate.png"} <= set(pictures)
        assert min(pictures.values()) > 10_000
    else:
        assert printed == ""


SURFACE = """
import numpy as np, sys
from scaling_limits.pdes.pictures import space_time_surface
x, t = np.linspace(0, 1, 20), np.linspace(0, 2, 10)
print(space_time_surface(sys.argv[1], x, t, np.sin(3 * x) * t[:, None], label="u"))
"""


@pytest.mark.serial
def test_surface_without_a_display(tmp_path):
    """A virtual display is found; without one there is a warning and no picture, never an abort."""
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
    picture = tmp_path / "surface.png"
    command = [sys.executable, "-c", SURFACE, str(picture)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 5000
    picture.unlink()
    environment["PATH"] = str(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if not picture.exists():  # VTK itself draws without a display on some machines
        assert "install xvfb" in done.stderr  # and not swallowed by ffcx
        assert done.stdout.strip() == "None"


def test_surface_refuses_what_it_cannot_draw(tmp_path):
    from scaling_limits.particles import InvalidArgument
    from scaling_limits.pdes.pictures import space_time_surface

    for values in (np.zeros((2, 4)), np.full((2, 3), np.nan)):
        with pytest.raises(InvalidArgument, match="values"):
            space_time_surface(tmp_path / "x.png", np.arange(3.0), np.arange(2.0), values, label="u")


def drawn(folder, names):
    """The pictures are there, and not empty; only rank 0 looks."""
    from mpi4py import MPI

    if MPI.COMM_WORLD.rank == 0:
        sizes = {p.name: p.stat().st_size for p in folder.iterdir()}
        assert names <= set(sizes)
        assert min(sizes[name] for name in names) > 10_000


@pytest.mark.serial  # its equation and its samples run on two ranks in their own tests
@pytest.mark.filterwarnings("ignore:the solution is known")  # on fewer cells than the example has
def test_mueller_brown(shared_folder, capsys):
    """Density, rates and the passage time against samples; asserted in the example itself."""
    rates, expected, times = example("mueller_brown").main(shared_folder, paths=64, frames=6, cells=(48, 45))
    assert rates[1] > 1 / expected  # both ways count
    assert np.isfinite(times).all()
    drawn(shared_folder, {"mueller_landscape.png", "mueller_tensor.png", "mueller_density.gif", "mueller_density.png", "mueller_passage.png"})  # fmt: skip
    from mpi4py import MPI

    assert ("mean first passage time" in capsys.readouterr().out) == (MPI.COMM_WORLD.rank == 0)


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore:the solution is known")  # on fewer cells than the example has
@pytest.mark.filterwarnings("ignore:the survival at late")
def test_transition(shared_folder, capsys):
    """The interval, the flux and the mean time are asserted in the example; the survival is exponential."""
    found, survival = example("transition").main(shared_folder, cells=48)
    assert "certainly in" in capsys.readouterr().out
    assert survival["A"][-1] == pytest.approx(np.exp(-3), rel=0.1)
    # after the first steps, paths from the third well are those of the committor, which is small there
    assert 0.02 < survival["the third well"][2] < 0.2
    assert found.upper - found.lower < 0.05 * found.frequency
    drawn(shared_folder, {"transition.png"})


@pytest.mark.serial
def test_zwanzig(shared_folder):
    rows, found = example("zwanzig").main(shared_folder, paths=256)
    assert (rows[:, 2] > rows[:, 1]).all()
    assert len(found) == 3
    drawn(shared_folder, {"zwanzig.png"})


RECIPES = [
    recipe
    for page in ("how_to/models.md", "how_to/first_passages.md", "theory/transitions.md")
    for recipe in (EXAMPLES.parent / page).read_text().split("```python")[1:]
]


@pytest.mark.serial
@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_recipes_run(number, tmp_path, monkeypatch):
    """Each block of the how-to pages by itself."""
    monkeypatch.chdir(tmp_path)
    exec(compile(RECIPES[number].split("```")[0], f"recipe {number}", "exec"), {})


@pytest.mark.serial
def test_adatom(shared_folder):
    """Isotropy and the slope against a difference are asserted in the example; here the paths and the strain."""
    rows, found, ratios = example("adatom").main(shared_folder, paths=1000)
    assert (np.diff(rows[:, 1]) > 0).all()
    assert (np.diff(rows[:, 2]) < 0).all()
    # errors of 0.055; 6 of them, and the effect of epsilon
    assert (np.abs(found[:, 1] - 1) < 6 * found[:, 2]).all()
    assert np.abs(ratios[:, 0] - 1).max() < 1e-6
    assert (np.diff(ratios, axis=1) > 0.005).all()
    drawn(shared_folder, {"adatom.png"})


@pytest.mark.serial
def test_potential_from_data(shared_folder):
    """The two errors of data, asserted in the example too."""
    rows, _, _ = example("potential_from_data").main(shared_folder, paths=500)
    assert rows[3, 1] < 1e-6
    # splines of degree 5 converge with the sixth power, or faster
    assert (np.log(rows[2:-1, 2] / rows[3:, 2]) / np.log(rows[3:, 0] / rows[2:-1, 0]) > 5.0).all()
    drawn(shared_folder, {"potential_from_data.png"})


@pytest.mark.serial
def test_inverse_design(shared_folder):
    """Quadratic convergence by derivatives; with differences several times as many tensors."""
    _, design, by_differences = example("inverse_design").main(shared_folder)
    errors = np.array([np.abs(tensor - design.target).max() for tensor in design.history])
    assert errors[-1] < 1e-12
    # each error is of the order of the square of the one before
    assert (errors[2:5] < 100 * errors[1:4] ** 2).all()
    assert len(by_differences.history) > 2 * len(design.history)
    drawn(shared_folder, {"inverse_design.png"})


def test_hot_cold_chain(shared_folder, capsys):
    """Densities, samples and the balance of flows; asserted in the example itself."""
    rho, sample, flow = example("hot_cold_chain").main(shared_folder, members=4096, size=8, chain_members=2048)
    assert rho.mean().shape == (2,)
    assert sample.actions.shape == (1, 4096, 2)
    assert (np.diff(flow)[2:] < 0).all()
    drawn(shared_folder, {"rotators_density.png", "rotators_marginals.png", "rotators_chain.png"})
    from mpi4py import MPI

    assert ("rates" in capsys.readouterr().out) == (MPI.COMM_WORLD.rank == 0)


@pytest.mark.serial
def test_rotators_epsilon(shared_folder):
    found = example("rotators_epsilon").main(shared_folder, actions=32_768, sizes=(4, 16))
    assert (found[:, -1] < 0.5 * found[:, 0]).all()
    drawn(shared_folder, {"rotators_epsilon.png"})


@pytest.mark.serial
def test_rotators_defect(shared_folder):
    relative, _, lattice = example("rotators_defect").main(shared_folder, members=512)
    assert relative.shape == (81,)
    assert lattice.defects.sum() == 1
    drawn(shared_folder, {"rotators_defect.png"})


@pytest.mark.serial
def test_noise_induced_transition(shared_folder):
    minima, rows = example("noise_induced_transition").main(shared_folder, paths=512)
    assert [len(places) for places in minima] == [2] * 18 + [1] * 6
    assert set(rows) == {"coupled", "separable"}
    drawn(shared_folder, {"noise_induced_transition.png"})


@pytest.mark.serial
def test_pore(shared_folder):
    """Obstacles cost time; meshes of two sizes agree to their errors, and ParaView's files are there."""
    pytest.importorskip("gmsh", reason="gmsh is not here: apt install python3-gmsh, or pip install gmsh")
    fine, coarse = example("pore").main(0.05, shared_folder), example("pore").main(0.08)
    assert fine[2] * 1.1 < fine[0] < fine[2] * 1.3
    assert abs(fine[0] - coarse[0]) < fine[1] + coarse[1]
    assert (np.diff(fine[3]) < 0).all()
    assert (shared_folder / "pore.vtkhdf").stat().st_size > 10_000
    assert (shared_folder / "pore_time.pvd").stat().st_size > 100
    drawn(shared_folder, {"pore.png"})
