"""scaling_limits.particles needs numpy and numba only."""

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'dolfinx', 'petsc4py', 'mpi4py', 'ufl', 'basix', 'pyvista', 'matplotlib', 'tqdm'}:
            raise ImportError(name + ' is blocked')
sys.meta_path.insert(0, Blocker())
"""
SAMPLE = """
from scaling_limits.particles import PinnedBalls
print(PinnedBalls(n=50, mean=lambda x: x, std=lambda x: 1 + x).sample([0.001], runs=10, seed=1).mean.shape)
"""


@pytest.mark.serial
def test_particles_without_fenicsx():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER + SAMPLE], env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 50)"


OLD = """
import sys, types
sys.modules["dolfinx"] = types.ModuleType("dolfinx")
sys.modules["dolfinx"].__version__ = "0.5.2"
"""


WITHOUT = """
import sys
for name in ("dolfinx", "ufl", "ffcx", "petsc4py", "slepc4py", "mpi4py"):
    sys.modules[name] = None
"""
NEEDS_FENICSX = {
    "meshes": ["torus((3, 3))", "box([(0, 1)], (4,))", "evaluate", "Grid.of([(0, 1)], 4, False, torus.__kwdefaults__['comm']).space"],
    "cells": ["CorrectorProblem", "correctors(V, [0.0, 0.0])", "effective_tensor(V, [[0.0, 0.0]], route=PETScElements(2, 8))",
              "effective_coefficients(V, [(-1, 1)] * 2, 1e-2).functions(None)"],
    "pdes": ["BilliardEquations"],
}  # fmt: skip
TRIED = """
import scaling_limits, scaling_limits.cells, scaling_limits.meshes, scaling_limits.pdes
from scaling_limits.particles import egg_carton
from scaling_limits.particles.errors import MissingFEniCSx
class Names(dict):
    def __missing__(self, name): return getattr(package, name)
for name, texts in {needs}.items():
    package = getattr(scaling_limits, name)
    for text in texts:
        try:
            eval(text, {{}}, Names(V=egg_carton(1.0)))
        except MissingFEniCSx as error:
            assert isinstance(error, ImportError)
            print(text, "|", str(error).replace(chr(10), " "))
"""


@pytest.mark.serial
@pytest.mark.parametrize(("before", "found"), [(WITHOUT, "import of dolfinx halted"), (OLD, "dolfinx is 0.5.2 here")])
def test_what_needs_fenicsx_says_where_to_get_it(before, found):
    """All packages in one process."""
    code = f"{before}\n{TRIED.format(needs=NEEDS_FENICSX)}"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert [line.split(" | ")[0] for line in lines] == [text for texts in NEEDS_FENICSX.values() for text in texts], (
        done.stderr
    )
    for line in lines:
        for part in (found, "conda install", "apt install", "work without it"):
            assert part in line


HEAVY = ("sympy", "numba", "scipy", "dolfinx", "petsc4py", "mpi4py", "pyvista", "matplotlib")


@pytest.mark.serial
@pytest.mark.parametrize("package", ["", ".particles", ".pdes"])
def test_packages_import_what_is_asked_for_only(package):
    code = f"import scaling_limits{package}, sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.serial
@pytest.mark.parametrize("package", ["particles", "pdes"])
def test_names_of_packages(package):
    module = importlib.import_module(f"scaling_limits.{package}")
    modules = {found.name for found in pkgutil.iter_modules(module.__path__)}
    # a module of that name would be found in the place of what is meant
    assert not modules & set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is vars(module)[name]
    assert importlib.import_module(f"scaling_limits.{package}.{min(modules)}") is getattr(module, min(modules))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018
