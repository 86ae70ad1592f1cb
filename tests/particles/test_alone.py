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


@pytest.mark.serial
@pytest.mark.parametrize("package", ["meshes", "cells", "pdes"])
@pytest.mark.parametrize(("before", "found"), [(BLOCKER, "dolfinx is blocked"), (OLD, "dolfinx is 0.5.2 here")])
def test_the_others_say_where_to_get_fenicsx(package, before, found):
    name = {"meshes": "box", "cells": "effective_tensor", "pdes": "FokkerPlanck"}[package]
    code = f"{before}\nfrom scaling_limits.{package} import {name}"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr[done.stderr.rindex("ImportError: ") :]
    assert found in last
    assert "conda install" in last
    assert "apt install" in last
    assert "particles works without" in last


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
