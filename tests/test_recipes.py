"""Workflows, images and recipes: they call what exists, and their packages are those of the lists; the draft of a paper."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import scaling_limits

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]
TABLE = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = TABLE["project"]


def shell(script, **environment):
    command = ["bash", "-c", f'here={ROOT}; . "$here/.ci/environment.sh"\n{script}']
    path = environment.pop("PATH", "/usr/bin:/bin")
    return subprocess.run(command, env={"HOME": "/nowhere", "PATH": path} | environment, capture_output=True, text=True)


# --- workflows and compose -------------------------------------------------------------------------------

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


def targets():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())
    assert phony == set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
    return phony


def commands(workflow):
    """The lines that a workflow runs, with every value of its matrices."""
    for job in workflow["jobs"].values():
        assert {"runs-on", "steps", "timeout-minutes"} <= job.keys()
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            assert len({"run", "uses"} & step.keys()) == 1, step
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step
            lines = [step["run"]] if "run" in step else []
            for name, values in matrix.items():
                used = f"${{{{ matrix.{name} }}}}"
                lines = [
                    line.replace(used, value) for line in lines for value in (values if used in line else values[:1])
                ]
            assert not [line for line in lines if "${{ matrix" in line]
            yield from lines


def called(lines):
    made = [words for line in lines for words in re.findall(r"(?:^|&& |\n)make ([^&;|\n]+)", line)]
    return {word for words in made for word in words.split()}


def test_workflows_call_targets_that_exist():
    lines = [line for path in WORKFLOWS for line in commands(yaml.safe_load(path.read_text()))]
    assert called(lines) <= targets()
    assert {"lint", "check", "test", "docs", "dist"} <= called(lines)
    services = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]
    for line in lines:
        assert set(re.findall(r"docker compose (?:build|run --rm) ([\w-]+)", line)) <= set(services), line
    assert called(["make env && make lint", "apt-get install make\nmake bench docs"]) == {
        "env",
        "lint",
        "bench",
        "docs",
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_whole(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert {"push", "pull_request"} <= workflow[True].keys()  # YAML 1.1 reads the key "on" so
    kept = {
        word
        for job in workflow["jobs"].values()
        for step in job["steps"]
        for word in step.get("with", {}).get("path", "").split()
    }
    assert kept == {"docs/_build", "dist"}
    assert f"image: debian:{shell('echo $suite').stdout.strip()}" in path.read_text()


def test_services_call_targets_that_exist():
    services = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]
    lines = [service["command"] for service in services.values()]
    assert called(lines) <= targets()
    assert all(line.startswith(("make ", "./in-env ")) for line in lines)
    assert {service["build"] for service in services.values()} == {"."}


# --- the image -------------------------------------------------------------------------------------------


def instructions():
    text = (ROOT / "Dockerfile").read_text()
    return [
        tuple(line.split(None, 1))
        for line in text.replace("\\\n", " ").splitlines()
        if line and not line.startswith("#")
    ]


STEPS = """
here=$PWD; . .ci/environment.sh
os_release() { case $1 in ID) echo debian;; VERSION_ID) echo 13;; esac; }
id() { echo 0; }
fenicsx_version() { [ -e "$HOME/apt" ] && echo 0.9.0; }
make_tools() { mkdir -p "$1"; requirements python3 > "$HOME/pip"; }
SCALING_LIMITS_INSTALL=yes
ensure_environment
echo "$chosen"
mark
"""


def test_image_has_the_packages_of_the_lists(tmp_path):
    """The set-up runs on the files that the image has by then, with programs that only note what they are asked."""
    lines = instructions()
    assert lines[0] == ("FROM", f"debian:{shell('echo $suite').stdout.strip()}-slim")
    assert "SCALING_LIMITS_INSTALL=yes" in dict(lines)["ENV"].split()
    set_up = next(number for number, (_, rest) in enumerate(lines) if "./in-env --set-up" in rest)
    named = [rest.split(" -") for name, rest in lines if name == "RUN" and "apt-get install" in rest]
    assert named == [named[0]]
    assert " ca-certificates make " in named[0][-1]
    project, programs = tmp_path / "project", tmp_path / "bin"
    for name, rest in lines[:set_up]:
        for source in rest.split()[:-1] if name == "COPY" else ():
            copied = project / source
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.symlink_to(ROOT / source)
    programs.mkdir()
    stand_in = (
        '#!/bin/sh\nfor word; do case $word in python3*|*-*|*++|gcc|x*) echo "$word";; esac; done >> "$HOME/apt"\n'
    )
    (programs / "apt-get").write_text(stand_in)
    (programs / "apt-get").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{programs}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", STEPS], cwd=project, env=environment, capture_output=True, text=True)
    assert "FEniCSx 0.9.0 of this machine" in done.stdout, done.stderr
    # the whole checkout asks for the same environment, which is not made a second time
    assert done.stdout.split()[-1] == shell("mark").stdout.strip()
    asked = {word for word in (tmp_path / "apt").read_text().split() if not word.startswith("-") and "=" not in word}
    assert asked == set(shell("echo $debian_packages").stdout.split())
    extras = [item for name in ("test", "bench", "docs") for item in PROJECT["optional-dependencies"][name]]
    assert set(extras) <= set((tmp_path / "pip").read_text().splitlines())


def test_image_leaves_out_what_runs_make():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", "out", "build", "dist", "docs/_build", "docs/gallery"} <= set(ignored)
    assert not [name for name in ignored if name.startswith(("src", "tests", "docs/examples", ".ci"))]


# --- the lists -------------------------------------------------------------------------------------------

# where the names differ; None: comes with another package of the list
IN_DEBIAN = {
    "python": "python3-dev", "pip": "python3-pip", "fenics-dolfinx": "python3-dolfinx-real", "petsc": None, "numpy": None,
    "petsc4py": "python3-petsc4py-real", "slepc4py": "python3-slepc4py-real", "openmpi": "openmpi-bin", "python-gmsh": "python3-gmsh",
    "c-compiler": "gcc", "cxx-compiler": "g++",
}  # fmt: skip
# what conda brings along with others, or has no need of
DEBIAN_ONLY = {"python3-adios2-mpi", "python3-venv", "xvfb", "xauth", "libgl1-mesa-dri", "libopenblas0-pthread"}
IN_CONDA = {"gmsh": "python-gmsh"}
# comes with fenics-dolfinx there, of the same version
WITH_DOLFINX = {"fenics-basix"}
NOT_IN_PYPI = {
    "python",
    "pip",
    "fenics-dolfinx",
    "petsc",
    "petsc4py",
    "slepc4py",
    "mpi4py",
    "openmpi",
    "c-compiler",
    "cxx-compiler",
}


def bounds(items):
    """{name: what follows it} of requirements as pip, conda and recipes write them."""
    return {re.match(r"[\w-]+", item)[0]: re.sub(r"^[\w-]+| |(?<![<>])=", "", item) for item in items}


def conda():
    return bounds(yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"])


def pypi():
    extras = PROJECT["optional-dependencies"]
    asked = bounds([*PROJECT["dependencies"], *extras["pictures"], *extras["files"]])
    return {IN_CONDA.get(name, name): bound for name, bound in asked.items() if name not in WITH_DOLFINX}


def recipe():
    return yaml.safe_load((ROOT / ".ci" / "recipe.yaml").read_text())


def test_debian_has_what_conda_has():
    debian = shell("echo $debian_packages").stdout.split()
    wanted = {IN_DEBIAN.get(name, f"python3-{name}") for name in conda()} - {None}
    assert wanted | DEBIAN_ONLY == set(debian)
    assert len(debian) == len(set(debian))


def test_conda_has_what_pip_asks_for():
    assert set(pypi()) == set(conda()) - NOT_IN_PYPI


def test_recipe_has_what_the_lists_have():
    run = bounds(recipe()["requirements"]["run"])
    environment = {name: bound for name, bound in conda().items() if name != "pip"}
    assert run.keys() == environment.keys()
    for name, bound in run.items():
        known = {environment[name], pypi().get(name, "")} - {""}
        assert {bound} - {""} == known, name
    assert run["python"] == PROJECT["requires-python"]
    host = bounds(recipe()["requirements"]["host"])
    assert {"python", "pip", "setuptools"} == host.keys()
    assert host["setuptools"] == bounds(TABLE["build-system"]["requires"])["setuptools"]


def test_recipe_is_that_of_the_package():
    said = recipe()
    assert said["schema_version"] == 1
    assert said["context"]["version"] == scaling_limits.__version__
    assert (said["package"]["name"], said["about"]["summary"]) == (PROJECT["name"], PROJECT["description"])
    assert said["about"]["license"] == PROJECT["license"]
    root = ROOT / ".ci" / said["source"]["path"]
    assert (root / said["about"]["license_file"]).is_file()
    imports = said["tests"][0]["python"]["imports"]
    assert set(imports) == {"scaling_limits"} | {
        f"scaling_limits.{p}" for p in ("cells", "meshes", "particles", "pdes")
    }


# --- the paper -------------------------------------------------------------------------------------------


def entries(path):
    return {re.match(r"@\w+\{(\w+),", entry)[1]: entry for entry in path.read_text().strip().split("\n\n")}


def test_paper():
    _, header, text = re.split(r"^---$", (ROOT / "paper" / "paper.md").read_text(), maxsplit=2, flags=re.MULTILINE)
    head = yaml.safe_load(header)
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= head.keys()
    assert {one["affiliation"] for one in head["authors"]} <= {one["index"] for one in head["affiliations"]}
    assert 700 <= len(text.split()) <= 1000
    sections = re.findall(r"^# (.*)$", text, re.MULTILINE)
    wanted = (
        "Summary",
        "Statement of need",
        "What it does",
        "Comparison with others",
        "Verification",
        "Limits",
        "References",
    )
    assert sections == list(wanted)
    known = entries(ROOT / "paper" / head["bibliography"])
    assert set(re.findall(r"@(\w+)", text)) == known.keys()
    ours = entries(ROOT / "src" / "scaling_limits" / "references.bib")
    assert {"burdzy2022", "duncan2023", "dymov2014"} <= known.keys() & ours.keys()
    for key, entry in known.items():
        assert entry == ours.get(key, entry).strip(), key
        assert entry.count("{") == entry.count("}"), key
        assert key == "hairer1996" or re.search(r"\b(doi|eprint) = ", entry), key
