"""The project itself: what is installed, what the set-up chooses, what the repository must not hold."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]


def shell(script, **environment):
    """Run a script after the set-up's functions, in a clean shell."""
    text = f'set -u\nhere="{ROOT}"\n. "{ROOT}/.ci/environment.sh"\n{script}'
    return subprocess.run(
        ["bash", "-c", text], env=os.environ | {"SUITE": "trixie"} | environment, capture_output=True, text=True
    )


def test_bare_checkout_is_not_importable():
    for name in ("particles", "pdes", "cells", "meshes"):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True)
        assert done.returncode != 0, f"{name} can be imported by its bare name"


def test_wheel_has_everything(tmp_path):
    for name in ("particles", "pdes", "cells", "meshes"):
        shutil.copytree(ROOT / name, tmp_path / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    subprocess.run(command, cwd=tmp_path / "source", check=True, capture_output=True)
    (wheel,) = (tmp_path / "source").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {n for n in names if not n.split("/")[0].endswith(".dist-info")}
    assert {n.split("/")[0] for n in ours} == {"scaling_limits"}
    for package in ("particles", "pdes", "cells", "meshes"):
        modules = {f"scaling_limits/{package}/{p.name}" for p in (ROOT / package).glob("*.py")}
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


@pytest.mark.parametrize(
    ("name", "content", "mirror"),
    [
        ("sources.list", "# comment\ndeb http://one.example/debian bookworm main\n", "http://one.example/debian"),
        ("sources.list", "deb [signed-by=/k.gpg arch=amd64] https://two.example/d bookworm main\n", "https://two.example/d"),
        (
            "sources.list.d/debian.sources",
            "Types: deb\n# a comment\nURIs: http://three.example/debian\nSuites: bookworm bookworm-updates\n"
            "\nTypes: deb\nURIs: http://security.example\nSuites: bookworm-security\n",
            "http://three.example/debian",
        ),
        (
            "sources.list.d/other.sources",
            "Types: deb\nURIs: https://other.example/x\nSuites: nodistro\n\nTypes: deb\nURIs: http://four.example/debian\n"
            "Suites: bookworm\nComponents: main\n",
            "http://four.example/debian",
        ),
        ("sources.list", "deb http://other.example/y jammy main\n", ""),
    ],
)  # fmt: skip
def test_mirror_is_the_hosts_own(tmp_path, name, content, mirror):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(content)
    override = "os_release() { case $1 in ID) echo debian;; VERSION_CODENAME) echo bookworm;; esac; }\n"
    assert shell(override + "debian_mirror", APT_FOLDER=str(tmp_path)).stdout.strip() == mirror


NOWHERE = "try_host() { return 1; }; try_apt() { return 1; }; try_conda() { return 1; }\n"


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("debian_mirror() { return 1; }", "no Debian mirror"),
        ("debian_mirror() { echo http://x; }; id() { echo 1000; }", "rights of root"),
        ("debian_mirror() { echo http://x; }; id() { echo 0; }; unshare() { return 1; }", "mount namespace"),
        (
            "debian_mirror() { echo http://x; }; id() { echo 0; }; unshare() { :; }; debootstrap() { echo no route; return 1; }",
            "debootstrap failed: no route",
        ),
    ],
)
def test_set_up_says_what_is_missing(tmp_path, override, error):
    done = shell(NOWHERE + override + "\nensure_environment", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 69
    assert error in done.stderr
    assert "remedy:" in done.stderr
    assert not (tmp_path / "scaling-limits" / "trixie").exists()


def test_partial_root_is_never_taken_for_a_whole_one(tmp_path):
    """A build that stops half way leaves nothing under the final name, and the next one starts afresh."""
    cache = tmp_path / "scaling-limits"
    stubs = NOWHERE + (
        "debian_mirror() { echo http://x; }; id() { echo 0; }; unshare() { :; }\n"
        'debootstrap() { mkdir -p "$4/opt"; [ ! -e "$4/left-over" ]; touch "$4/left-over"; }\n'
        'bootstrap() { debootstrap - - - "$1"; }\n'
    )
    done = shell(stubs + "furnish() { kill -9 $$; }\nensure_environment", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode != 0
    assert (cache / "trixie.partial" / "left-over").exists()
    assert not (cache / "trixie").exists()
    done = shell(stubs + "furnish() { :; }\nensure_environment; echo $kind $built", XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout.strip() == "root yes", done.stderr
    assert (cache / "trixie" / "opt" / "whole").exists()
    again = shell(stubs + "furnish() { exit 9; }\nensure_environment; echo $kind $built", XDG_CACHE_HOME=str(tmp_path))
    assert again.stdout.strip() == "root"


def test_conda_is_taken_before_a_private_root(tmp_path):
    conda = tmp_path / "bin" / "mamba"
    conda.parent.mkdir()
    conda.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nmkdir -p "$6/bin"; ln -s /bin/true "$6/bin/python"\n')
    conda.chmod(0o755)
    script = "try_host() { return 1; }; try_apt() { return 1; }; requirements() { :; }\n"
    script += "ensure_environment; echo $kind; ensure_environment; echo $kind"
    path = {"PATH": f"{conda.parent}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path)}
    done = shell(script, **path)
    assert done.stdout.split() == ["conda", "conda"], done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 1  # the second time it was there
    assert "--file" in (tmp_path / "calls").read_text()


def test_command_runner_passes_everything_through():
    """Standard input, arguments with spaces, the exit status."""
    runner = str(ROOT / "in-env")
    done = subprocess.run([runner, "sh", "-c", 'cat; echo "$1"; exit 7', "-", "a  b"], input="in\n", text=True, capture_output=True)  # fmt: skip
    assert (done.stdout, done.returncode) == ("in\na  b\n", 7)
    assert subprocess.run([runner], capture_output=True).returncode == 64


@pytest.mark.parametrize("folder", ["particles", "meshes", "cells", "pdes"])
def test_rooms_are_small(folder):
    for path in (ROOT / folder).glob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path
