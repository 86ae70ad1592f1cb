"""Every example runs as the notebook that one downloads, prints its numbers, shows its figures, and asserts what it says."""

import contextlib
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from nbclient.exceptions import DeadKernelError
from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
from sphinx_gallery.notebook import jupyter_notebook
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

pytestmark = pytest.mark.serial
DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted(path.stem for path in (DOCS / "examples").glob("*.py"))
FEWER_CELLS = r"Unresolved: the (solution|survival) .*"  # on the meshes of these tests


# The kernel of all examples of a process, which starts with the first one: what they import, they import once.
KERNEL = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=300)
# A namespace without names, an environment and a folder as if no example had been before; warnings are given once more.
FRESH = """
import os, sys, warnings
for name in [name for name in os.environ if name.startswith("SCALING_LIMITS_") and name not in {kept!r}]:
    del os.environ[name]
os.environ.update({sizes!r})
os.chdir({out!r})
warnings.filters[:] = [one for one in warnings.filters if not one[2].__module__.startswith("scaling_limits")]
for module in list(sys.modules.values()):
    getattr(module, "__warningregistry__", {{}}).clear()
get_ipython().run_line_magic("reset", "-f")
"""


@pytest.fixture(scope="module", autouse=True)
def end_of_the_kernel():
    yield
    end_kernel()


def end_kernel():
    if KERNEL.km is not None:
        KERNEL.nb = nbformat.v4.new_notebook()
        with contextlib.suppress(DeadKernelError):
            KERNEL.execute()


def run(name, out, check=None, **sizes):
    """Run the notebook of an example, with no names of others, and then `check` on its variables; the notebook.

    Args:
        name: of the example.
        out: the folder for its files, where it runs too.
        check: a function whose arguments are variables of the example.
        sizes: what the environment says, SCALING_LIMITS_<NAME>.
    """
    _, blocks = split_code_and_text_blocks(str(DOCS / "examples" / f"{name}.py"))
    text = json.dumps(jupyter_notebook(blocks, DEFAULT_GALLERY_CONF, str(DOCS / "examples")))
    notebook = nbformat.reads(text, as_version=4)
    if check is not None:
        source = textwrap.dedent(inspect.getsource(check))
        call = f"{check.__name__}({', '.join(inspect.signature(check).parameters)})"
        notebook.cells.append(nbformat.v4.new_code_cell(f"import numpy as np\n\n{source}\n{call}"))
    sizes = {f"SCALING_LIMITS_{size.upper()}": str(value) for size, value in sizes.items()}
    sizes["SCALING_LIMITS_OUT"] = str(out)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FRESH.format(kept=list(os.environ), sizes=sizes, out=str(out))))
    KERNEL.nb = notebook
    try:
        KERNEL.execute(cleanup_kc=False, env={k: v for k, v in os.environ.items() if k != "MPLBACKEND"})
    except BaseException:
        end_kernel()  # the next example has another one
        raise
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook, stream="stdout"):
    return "".join(one.text for one in outputs(notebook) if one.output_type == "stream" and one.name == stream)


def figures(notebook):
    return sum("image/png" in one.get("data", {}) for one in outputs(notebook))


def shown(notebook, number):
    """The notebook shows so many figures, and nothing but figures, tables and what one expects to be warned of."""
    assert figures(notebook) == number
    said = printed(notebook, "stderr")
    assert not re.sub(rf".*{FEWER_CELLS}\n.*\n", "", said), said


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_can_be_read_and_copied(name):
    """No option of a command line, no choice of a backend, cells that do their work where they stand."""
    text = (DOCS / "examples" / f"{name}.py").read_text()
    for word in ("argparse", "Agg", "__main__", "savefig", "plt.close", "def main"):
        assert word not in text
    _, blocks = split_code_and_text_blocks(str(DOCS / "examples" / f"{name}.py"))
    assert sum(kind == "code" for kind, *_ in blocks) >= 3
    assert "plt.show()" in text
    assert f"test_{name}" in globals(), "each has a test"


def test_pinned_billiards(tmp_path):
    """The differences that the paper's rescaled curves hide: 7-10 % of the PDE, 3-5 % of the finite-size equations."""

    def check(columns, late, picture):
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
        assert picture.stat().st_size > 10_000

    notebook = run("pinned_billiards", tmp_path, check, runs=3000)
    assert "relative L2 differences" in printed(notebook)
    shown(notebook, 4)


def test_effective_tensor(tmp_path):
    """The certificate of a coupled two-scale potential, and contrasts to 6e27; asserted in the example itself."""

    def check(found, rows, out):
        assert (np.linalg.eigvalsh(found.upper - found.lower) > 0).all()
        assert (rows[:, 1:] < 1e-5).all()
        assert rows[-1, 0] > 6e27
        pictures = {p.name: p.stat().st_size for p in out.glob("*.png")}
        assert {"tensor_ellipses.png", "correctors_1.png", "correctors_2.png"} <= set(pictures)
        assert min(pictures.values()) > 10_000

    notebook = run("effective_tensor", tmp_path, check, lines=6)
    assert "interval of relative width" in printed(notebook)
    shown(notebook, 4)


def test_mueller_brown(tmp_path):
    """Density, rates and the passage time against samples; asserted in the example itself."""

    def check(slow, expected, times, out):
        assert slow[1] > 1 / expected  # both ways count
        assert np.isfinite(times).all()
        assert {"mueller_tensor.png", "mueller_density.gif", "mueller_density.png"} <= {p.name for p in out.iterdir()}

    notebook = run("mueller_brown", tmp_path, check, paths=64, frames=6, cells=48)
    assert "mean first passage time" in printed(notebook)
    shown(notebook, 5)


def test_transition(tmp_path):
    """The interval, the flux and the mean time are asserted in the example; the survival is exponential."""

    def check(found, survival):
        assert abs(survival["A"][-1] / np.exp(-3) - 1) < 0.1
        # after the first steps, paths from the third well are those of the committor, which is small there
        assert 0.02 < survival["the third well"][2] < 0.2
        assert found.upper - found.lower < 0.05 * found.frequency

    notebook = run("transition", tmp_path, check, cells=48)
    assert "bounds " in printed(notebook)
    shown(notebook, 1)


def test_zwanzig(tmp_path):
    def check(rows, found):
        assert (rows[:, 2] > rows[:, 1]).all()
        assert len(found) == 3

    shown(run("zwanzig", tmp_path, check, paths=256), 1)


def test_adatom(tmp_path):
    """Isotropy and the slope against a difference are asserted in the example; here the paths and the strain."""

    def check(rows, found, ratios):
        assert (np.diff(rows[:, 1]) > 0).all()
        assert (np.diff(rows[:, 2]) < 0).all()
        # errors of 0.055; 6 of them, and the effect of epsilon
        assert (np.abs(found[:, 1] - 1) < 6 * found[:, 2]).all()
        assert np.abs(np.array(ratios)[:, 0] - 1).max() < 1e-6
        assert (np.diff(ratios, axis=1) > 0.005).all()

    shown(run("adatom", tmp_path, check, paths=1000), 3)


def test_potential_from_data(tmp_path):
    """The two errors of data, asserted in the example too."""

    def check(rows):
        assert rows[3, 1] < 1e-6
        # splines of degree 5 converge with the sixth power, or faster
        assert (np.log(rows[2:-1, 2] / rows[3:, 2]) / np.log(rows[3:, 0] / rows[2:-1, 0]) > 5.0).all()

    shown(run("potential_from_data", tmp_path, check, paths=500), 2)


def test_inverse_design(tmp_path):
    """Quadratic convergence by derivatives; with differences several times as many tensors."""

    def check(exact_slopes, differences, wanted):
        errors = np.array([np.abs(tensor - wanted).max() for tensor in exact_slopes.history])
        assert errors[-1] < 1e-12
        # each error is of the order of the square of the one before
        assert (errors[2:5] < 100 * errors[1:4] ** 2).all()
        assert len(differences.history) > 2 * len(exact_slopes.history)

    shown(run("inverse_design", tmp_path, check), 1)


def test_hot_cold_chain(tmp_path):
    """Densities, samples and the balance of flows; asserted in the example itself."""

    def check(rho, sample, flow):
        assert rho.mean().shape == (2,)
        assert sample.actions.shape == (1, 4096, 2)
        assert (np.diff(flow)[2:] < 0).all()

    notebook = run("hot_cold_chain", tmp_path, check, runs=4096, size=8)
    assert "rates" in printed(notebook)
    shown(notebook, 3)


def test_rotators_epsilon(tmp_path):
    def check(found):
        assert (found[:, -1] < 0.5 * found[:, 0]).all()

    shown(run("rotators_epsilon", tmp_path, check, actions=32_768), 2)


def test_rotators_correction(tmp_path):
    def check(change, series):
        assert (change[:, 0] < 0).all()
        assert series.leading == 0.5

    notebook = run("rotators_correction", tmp_path, check, runs=2048, points=3)
    assert "of order epsilon^1" in printed(notebook)
    shown(notebook, 1)


def test_rotators_path_laws(tmp_path):
    def check(study, window, independent):
        assert study.different.all()
        assert (np.diff(study.bound) < 0).all()
        assert (np.diff(window.at_most) < 0).all()
        assert not independent.paired

    notebook = run("rotators_path_laws", tmp_path, check, runs=512)
    assert "paths are at most 0.05 apart" in printed(notebook)
    shown(notebook, 1)


def test_rotators_defect(tmp_path):
    def check(relative, lattice):
        assert relative.shape == (81,)
        assert lattice.defects.sum() == 1

    shown(run("rotators_defect", tmp_path, check, runs=512), 1)


def test_heat_flow(tmp_path):
    """Routes agree, asserted in the example; here the flow of each kind, and what rings know."""

    def check(flows, found, exact):
        assert 0 < flows["conduction", 8][0] < 0.15
        assert flows["example 2", 8][0] < -0.5
        assert found["conduction"][8].value > found["conduction"][4].value
        assert exact["conduction"].error < 1e-3

    notebook = run("heat_flow", tmp_path, check, size=8)
    assert "by the density" in printed(notebook)
    shown(notebook, 2)


def test_rotators_ring(tmp_path):
    """Both ways alike, one way around, and three sites by the density: asserted in the example itself."""

    def check(around, means):
        assert set(around) == {"conduction", "example 2"}
        assert (around["conduction"][3:6, 0] > -0.05).all()
        assert len(means["conduction"].flow) == 12

    shown(run("rotators_ring", tmp_path, check, runs=512), 1)


def test_rotators_plane(tmp_path):
    """Balance and production of entropy, asserted in the example itself; flows leave the corner."""

    def check(mean, flowing):
        assert flowing[0] < -0.2
        assert mean.flow.max() > 0.5

    shown(run("rotators_plane", tmp_path, check, runs=256), 1)


def test_noise_induced_transition(tmp_path):
    def check(minima, rows):
        assert [len(places) for places in minima] == [2] * 18 + [1] * 6
        assert set(rows) == {"coupled", "separable"}

    shown(run("noise_induced_transition", tmp_path, check, paths=512), 2)


def test_pore(tmp_path):
    """Obstacles cost time; meshes of two sizes agree to their errors, and ParaView's files are there."""
    pytest.importorskip("gmsh", reason="gmsh is not here: apt install python3-gmsh, or pip install gmsh")

    def check(found, error, free, run):
        print("time", found, error)
        assert free * 1.1 < found < free * 1.3
        assert (np.diff(run.survival) < 0).all()

    times = []
    for size in (0.08, 0.11):
        notebook = run("pore", tmp_path, check, size=size)
        shown(notebook, 1)
        times.append([float(word) for word in printed(notebook).splitlines()[-1].split()[1:]])
    assert abs(times[0][0] - times[1][0]) < times[0][1] + times[1][1]
    assert (tmp_path / "pore.vtkhdf").stat().st_size > 10_000
    assert (tmp_path / "pore_time.pvd").stat().st_size > 100


def test_arrhenius(tmp_path):
    def check(found, barrier, times, heights):
        print("read", found.rate.shape, barrier.shape, times.time.shape)
        assert (found.warned == "").all()
        # what the ridges add to the barrier is below 2 a, and nearer to it when it is cold
        added = barrier - barrier.sel(height=0.0)
        assert (added.sel(height=0.4) < 0.8).all()
        assert (added.sel(height=0.4).sortby("inverse").diff("inverse") > 0).all()

    notebook = run("arrhenius", tmp_path, check, paths=128)
    shown(notebook, 1)
    assert printed(notebook).splitlines()[-1] == "read (3, 11) (3, 9) (3, 2)"


def test_run_as_scripts(tmp_path):
    """`make demo` prints tables and writes pictures."""
    environment = os.environ | {"SCALING_LIMITS_OUT": str(tmp_path), "SCALING_LIMITS_RUNS": "512"}
    command = [sys.executable, str(DOCS / "run_examples.py"), "rotators_defect"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "good sites at most" in done.stdout
    assert (tmp_path / "rotators_defect_1.png").stat().st_size > 10_000
    done = subprocess.run([*command, "nothing"], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "usage" in done.stderr


SURFACE = """
import numpy as np, sys
from scaling_limits.pdes.pictures import space_time_surface
x, t = np.linspace(0, 1, 20), np.linspace(0, 2, 10)
print(space_time_surface(sys.argv[1], x, t, np.sin(3 * x) * t[:, None], label="u"))
"""


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
