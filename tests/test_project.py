"""The project itself: what is installed, what the set-up chooses, what the repository must not hold."""

import ast
import collections
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from architecture import origin, sources
from daily import COLLECTED, daily

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]


def test_bare_checkout_is_not_importable():
    for name in ("particles", "pdes", "cells", "meshes"):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True)
        assert done.returncode != 0, f"{name} can be imported by its bare name"


def test_wheel_has_everything(tmp_path):
    for name in ("particles", "pdes", "cells", "meshes", "src"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / "source" / name, symlinks=True, ignore=skipped)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    subprocess.run(command, cwd=tmp_path / "source", check=True, capture_output=True)
    (wheel,) = (tmp_path / "source").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {n for n in names if not n.split("/")[0].endswith(".dist-info")}
    assert {n.split("/")[0] for n in ours} == {"scaling_limits"}
    assert {f"scaling_limits/{name}" for name in ("__init__.py", "py.typed", "references.bib")} <= names
    for package in ("particles", "pdes", "cells", "meshes"):
        modules = {f"scaling_limits/{p.relative_to(ROOT)}" for p in (ROOT / package).rglob("*.py")}
        assert modules <= names
        assert f"scaling_limits/{package}/py.typed" in names
    target = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(target)], check=True)
    code = "import scaling_limits.pdes as p, sys; print(p.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(target)}, capture_output=True, text=True
    )
    assert done.stdout.startswith(str(target)), done.stderr


def test_no_registry_stands_in_the_repository():
    names = "|".join(
        ("deb" + "ian.org", "py" + "pi.org", "python" + "hosted", "ana" + "conda.org", "npm" + "js", "ubun" + "tu.com")
    )
    made = {".git", "out", "build", "dist", "_build", "gallery", "__pycache__", ".mypy_cache", ".ruff_cache"}
    files = [p for p in ROOT.rglob("*") if not made & set(p.relative_to(ROOT).parts)]
    for file in files:
        if file.suffix not in (".png", ".gif") and file.is_file():
            assert not re.search(names, file.read_text()), file


def test_no_merge_is_left_half_done():
    mark = re.compile("^(<{7} |>{7} )", re.MULTILINE)
    for pattern in ("*.md", "*.py", "*.toml", "*.rst", "Makefile", ".ci/*.sh"):
        for file in ROOT.rglob(pattern):
            assert not mark.search(file.read_text()), file


def test_benchmarks_and_tools_have_names_of_their_own():
    """Both are imported by their bare names, in the benchmarks together."""
    names = [{path.name for path in (ROOT / "tests" / folder).rglob("*.py")} for folder in ("benchmarks", "tools")]
    assert not names[0] & names[1]


@pytest.mark.parametrize("folder", ["particles", "meshes", "cells", "pdes"])
def test_rooms_are_small(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path
        assert len(list(path.parent.glob("*.py"))) <= 16, path.parent


def compiled_names(tree):
    """The names that functions compiled by numba read, and what constants of their file are made of."""
    made = {
        t.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for t in node.targets
        if isinstance(t, ast.Name)
    }
    kernels = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(one) for one in node.decorator_list)
    ]
    names, queue = set(), list(kernels)
    while queue:
        for node in ast.walk(queue.pop()):
            if isinstance(node, ast.Name) and node.id not in names:
                names.add(node.id)
                queue += [made[node.id]] if node.id in made else []
    return names


def test_compiled_functions_read_files_that_speak_of_numba_only():
    """In-env keys numba's cache by the text of these files: numba itself does not see that a function which is called changed."""
    known = sources()
    keyed = {path for path in known.values() if "numba" in path.read_text()}
    seen = 0
    for module, path in known.items():
        if path not in keyed:
            continue
        tree = ast.parse(path.read_text())
        names = compiled_names(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (source := origin(module, path, node)) is not None:
                for one in node.names:
                    if (one.asname or one.name) in names:
                        file = known.get(f"{source}.{one.name}", known[source])
                        assert file in keyed, f"{path.name} compiles {one.name} of {file}, which the key does not hold"
                        seen += 1
    assert seen > 10


def count(items):
    return collections.Counter(item.path.relative_to(ROOT / "tests").as_posix() for item in items)


def test_daily_tests_cover_every_module(request):
    """Of what this run collects: every module when it is the whole suite, and these modules in `make check`."""
    collected = request.config.stash[COLLECTED]
    every, quick = count(collected), count(daily(collected))
    assert set(quick) == {name for name in every if not name.startswith("docs/")}
    for name, number in quick.items():
        if "test_bad_input_" in name or "/" not in name:
            assert number == every[name]
    if set(every) >= {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}:
        assert {name.split("/")[0] for name in quick} >= {"particles", "meshes", "cells", "pdes", "test_environment.py"}
        assert 100 < sum(quick.values()) < sum(every.values())
