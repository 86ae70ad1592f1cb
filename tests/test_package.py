"""The package as a user has it: import, versions, citations, one reader for all files; installed, checked, uninstalled."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import scaling_limits
from scaling_limits import cite, load, show_versions
from scaling_limits.particles import InvalidArgument, Langevin, PinnedBalls, RotatorLattice, egg_carton

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]
PACKAGES = ("particles", "meshes", "cells", "pdes")


def run(code, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = {"PYTHONPATH": environment.pop("path", os.environ["PYTHONPATH"])}
    command = [environment.pop("python", sys.executable), "-c", code]
    return subprocess.run(command, env=kept | path | environment, capture_output=True, text=True)


# --- import ----------------------------------------------------------------------------------------------


def test_importing_it_imports_nothing():
    done = run(
        "import sys, scaling_limits as s; print(s.__version__, *(m for m in sys.modules if m.startswith(s.__name__)))"
    )
    assert done.stdout.split() == [scaling_limits.__version__, "scaling_limits"], done.stderr


def test_packages_are_attributes():
    done = run("import scaling_limits as s; print(s.particles.PinnedBalls.__name__, s.cells.effective_tensor.__name__)")
    assert done.stdout.split() == ["PinnedBalls", "effective_tensor"], done.stderr
    assert set(PACKAGES) < set(dir(scaling_limits))
    with pytest.raises(AttributeError, match="nothing"):
        scaling_limits.nothing  # noqa: B018


def test_particles_need_no_fenicsx():
    code = "import sys; sys.modules['dolfinx'] = None\nimport scaling_limits as s; print(s.particles.PinnedBalls)\ns.pdes.BilliardEquations"
    done = run(code)
    assert "PinnedBalls" in done.stdout
    assert "conda install" in done.stderr


# --- versions and citations ------------------------------------------------------------------------------


def test_versions(capsys):
    show_versions()
    said = capsys.readouterr().out
    for name in ("scaling-limits", "python", "numpy", "numba", "fenics-dolfinx", "petsc4py", "PETSc", "MPI"):
        assert name in said
    assert "missing" not in said
    assert f"numpy           {np.__version__}" in said


def classes():
    for package in PACKAGES:
        module = getattr(scaling_limits, package)
        yield from ((name, getattr(module, name)) for name in module.__all__)


@pytest.mark.parametrize("name", [name for name, _ in classes()])
def test_all_that_is_public_can_be_cited(name):
    said = cite(dict(classes())[name])
    assert said.count("{") == said.count("}")
    assert said.count("@") >= 1


def test_citations_name_the_right_paper():
    papers = {
        "burdzy2022": (PinnedBalls, scaling_limits.pdes.BilliardEquations, scaling_limits.pdes.FiniteSizeEquations),
        "duncan2023": (
            Langevin,
            egg_carton(1.0),
            scaling_limits.cells.effective_tensor,
            scaling_limits.pdes.FokkerPlanck,
        ),
        "dymov2014": (RotatorLattice, scaling_limits.cells.averaged_dissipation, scaling_limits.pdes.EffectivePlane),
    }
    for paper, things in papers.items():
        for thing in things:
            assert [other for other in papers if other in cite(thing)] == [paper], thing
    assert "scharfetter1969" in cite(scaling_limits.pdes.EffectiveFokkerPlanck)
    assert "baratta2023" not in cite(PinnedBalls)
    assert cite().count("@") >= 10
    for other in (3, np.mean, "PinnedBalls", os):
        with pytest.raises(InvalidArgument, match="thing: must be something of scaling_limits"):
            cite(other)


# --- files -----------------------------------------------------------------------------------------------


def results():
    from scaling_limits.cells import effective_coefficients, effective_tensor
    from scaling_limits.particles import (
        DiagonalDissipation,
        DirectedDissipation,
        EnsembleStatistics,
        LinearDissipation,
        TransportProcess,
        action_currents,
        conductivity_by_difference,
    )
    from scaling_limits.pdes import RotatorFokkerPlanck

    potential = egg_carton(1.0)
    balls = PinnedBalls(n=20, mean=lambda x: x, std=lambda x: 1 + x)
    rotators = RotatorLattice(
        shape=(2,), frequency=lambda x: 1 + x, coupling=lambda x: 1 / (1 + x), dissipation=DiagonalDissipation(2),
        temperature=1.0, epsilon=0.1,
    )  # fmt: skip
    start = np.zeros(potential.dim)
    chain = RotatorLattice(
        shape=(2,), frequency=lambda x: 1 + x**2, coupling=lambda x: 1 / (1 + x), dissipation=DirectedDissipation(),
        temperature=1.0, epsilon=0.01,
    )  # fmt: skip
    turning, currents = TransportProcess(chain).sample(np.ones(2), [3.0, 4.0], 64, 1), action_currents(chain)
    exchanging = LinearDissipation([[0.0, 0.3], [0.3, 0.0]])
    linear = replace(rotators, coupling=lambda x: 0.4 + 0.0 * x, dissipation=exchanging)
    return {
        "Ensemble": (balls.sample([1e-3], runs=5, seed=1), {}, "mean"),
        "Paths": (Langevin(potential, 0.3).sample(start, [0.01], 4, 1), {}, "positions"),
        "ReducedEnsemble": (
            Langevin(potential, 0.3).sample(start, [0.01], 4, 1, statistics=EnsembleStatistics()), {}, "mean"
        ),
        "FirstPassages": (Langevin(potential, 0.3).first_passages(start, lambda x: x[:, 0] > 0.01, 4, 1), {}, "times"),
        "RotatorEnsemble": (rotators.sample(np.ones(2), [0.01], 3, 1), {}, "actions"),
        "MeanCurrents": (currents.mean(turning), {}, "flow"),
        "EntropyProduction": (currents.entropy_production(turning), {}, "heat"),
        "Conductivity": (conductivity_by_difference(chain, 1024, 1), {}, "response"),
        "RotatorMoments": (RotatorFokkerPlanck(linear).stationary(), {}, "covariance"),
        "EpsilonExpansion": (RotatorFokkerPlanck(linear).expansion(), {}, "limit"),
        "EffectiveTensor": (effective_tensor(potential, start[None], 1e-3), {}, "value"),
        "EffectiveCoefficients": (
            effective_coefficients(potential, [(-1, 1)] * potential.dim, rtol=1e-2), {"potential": potential}, "polynomials"
        ),
    }  # fmt: skip


@cache
def found():
    return results()


def test_one_reader_for_all_files(tmp_path):
    for kind, (result, context, field) in found().items():
        path = tmp_path / f"{kind}.npz"
        result.save(path)
        again = load(path, **context)
        assert type(again) is type(result)
        assert np.array_equal(getattr(again, field), getattr(result, field))
        # those of version 0.1 named no kind, and those of tensors no format
        without = ("kind", "format") if kind == "EffectiveTensor" else ("kind",)
        with np.load(path) as file:
            old = {name: file[name] for name in file.files if name not in without}
        assert str(np.load(path)["kind"]) == kind
        if kind.startswith("Effective"):
            np.savez(tmp_path / "old.npz", **old)
            assert np.array_equal(getattr(load(tmp_path / "old.npz", **context), field), getattr(result, field))
            with pytest.raises(InvalidArgument):
                load(tmp_path / "old.npz", equation=3)
        wrong = {} if context else {"potential": 3}
        with pytest.raises(InvalidArgument, match="context: .* asks for"):
            load(path, **wrong)


@pytest.mark.parametrize("kind", [
    "Ensemble", "Paths", "FirstPassages", "RotatorEnsemble", "MeanCurrents", "EntropyProduction", "Conductivity",
    "RotatorMoments", "EpsilonExpansion",
])  # fmt: skip
def test_results_show_themselves(kind):
    """A few lines, a picture with labels, and a dataset of its kind; after reading too."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    result = found()[kind][0]
    assert repr(result).startswith(kind)
    assert 1 < len(repr(result).splitlines()) < 10
    ax = result.plot()
    assert ax.has_data()
    assert ax.get_xlabel()
    plt.close("all")
    assert result.to_xarray().attrs["kind"] == kind


def test_every_result_that_can_be_saved_is_known_to_the_reader():
    from scaling_limits import archives, cells, particles, pdes

    public = [
        value for package in (particles, cells, pdes) for value in vars(package).values() if isinstance(value, type)
    ]
    saved = {kind.__name__ for kind in public if hasattr(kind, "save") and hasattr(kind, "load")}
    assert set(archives.KINDS) == saved


def test_files_that_are_none(tmp_path):
    with pytest.raises(InvalidArgument, match="path: must be the path of a file, not ''"):
        scaling_limits.load("")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "later.npz", kind="Surface", format=1)
    for name, word in (("text", "not a file of a result"), ("other", "a result was saved in"), ("later", "Surface")):
        with pytest.raises(InvalidArgument, match=f"path: .*{word}"):
            load(tmp_path / f"{name}.npz")
    with (tmp_path / "text.npz").open() as file:
        with pytest.raises(InvalidArgument, match="path: "):
            load(file.fileno())
        # a number is no path: the file that it stands for is left open
        assert file.read() == "no archive"


# --- installed -------------------------------------------------------------------------------------------

SCRIPT = """
from scaling_limits.particles import PinnedBalls
import scaling_limits
balls = PinnedBalls(n=50, mean=lambda x: x, std=lambda x: 1 + x)
print(balls.sample([0.001], runs=10, seed=1).mean.shape, scaling_limits.__file__)
"""
IMPORTS = """
from scaling_limits.particles import PinnedBalls
import scaling_limits
balls = PinnedBalls(n=50, mean=lambda x: x, std=lambda x: 1 + x)
print(balls.n == 50, scaling_limits.__file__)
"""
WRONG = "from scaling_limits.particles import PinnedBalls\nPinnedBalls(n=50, mine=lambda x: x, std=lambda x: x)\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A virtual environment, and a copy of the sources that pip may write into."""
    folder = tmp_path_factory.mktemp("installed")
    for name in (*PACKAGES, "src"):
        shutil.copytree(
            ROOT / name, folder / "source" / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", folder / "venv"], check=True
    )
    python = folder / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True
    )
    ours = [path for path in sys.path if path.endswith("site-packages") or path.endswith("dist-packages")]
    (Path(site.stdout.strip()) / "tests.pth").write_text("\n".join(ours))  # what the tests themselves run with
    return folder / "source", python


def pip(python, *arguments):
    command = [sys.executable, "-m", "pip", "--python", str(python), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("editable", [[], ["-e"]], ids=["a copy", "editable"])
def test_install_check_uninstall(installed, editable, tmp_path):
    source, python = installed
    pip(python, "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", *editable, str(source))
    where = str(source / "src") if editable else "site-packages"
    # kernels are kept beside the sources, as they are for a user; those of a checkout all other tests compile and call
    cache = {"NUMBA_CACHE_DIR": ""}
    done = run(IMPORTS if editable else SCRIPT, path="", python=str(python), **cache)
    assert done.stdout.startswith("True" if editable else "(1, 50)"), done.stderr
    assert where in done.stdout
    done = run("import particles", path="", python=str(python))
    assert "No module named 'particles'" in done.stderr  # no generic name reaches the user
    (tmp_path / "good.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    known = ["--python-executable", str(python), "--cache-dir", str(source.parent / "mypy")]
    command = [sys.executable, "-m", "mypy", *known, "good.py", "wrong.py"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(errors) >= 1, done.stdout + done.stderr
    assert all(line.startswith("wrong.py:2: ") for line in errors), done.stdout + done.stderr
    assert 'Unexpected keyword argument "mine"' in done.stdout
    pip(python, "uninstall", "--quiet", "--yes", "scaling-limits")
    other = tmp_path / "other" / "scaling_limits"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("mine = True")
    done = run(f"import sys; sys.path.append({str(other.parent)!r})\nimport scaling_limits; print(scaling_limits.mine)",
               path="", python=str(python))  # fmt: skip
    assert done.stdout == "True\n", done.stderr
