"""The reference has every public name, and the text of a docstring reaches its page as it is."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import scaling_limits

pytestmark = pytest.mark.serial
DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ("particles", "meshes", "cells", "pdes")


def extension(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed():
    """Full names in the tables of the reference."""
    found = set()
    for page in (DOCS / "reference").glob("*.rst"):
        module = ""
        for line in page.read_text().splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
            elif re.fullmatch(r"   \w+", line) and module:
                found.add(f"{module}.{line.strip()}")
    return found


def test_every_public_name_is_in_the_reference():
    names = listed()
    bare = {name.rpartition(".")[2] for name in names}
    for package in PACKAGES:
        missing = set(getattr(scaling_limits, package).__all__) - bare
        assert not missing, f"of {package}"
    assert {"scaling_limits.cite", "scaling_limits.load", "scaling_limits.show_versions"} <= names
    assert "scaling_limits.sweep" in names
    for name in names:
        module, _, last = name.rpartition(".")
        importlib.import_module(module)
        assert hasattr(sys.modules[module], last), name


def test_links_by_name_lead_to_the_reference():
    assert set(extension("public_names").public_names().values()) <= listed()


def test_docstrings_are_plain_text():
    plain = extension("plain_docstrings")
    assert plain.escaped("|u|^2 = u* u_ with `f(*x)` and x_1") == r"\|u\|^2 = u\* u\_ with `f(*x)` and x_1"
    assert plain.joined_backticks(["see `f(a,", "    b)` there"]) == ["see `f(a, b)` there"]
    assert plain.aligned(["One:", "  two", "Args:", "    x: y"]) == ["One:", "two", "Args:", "    x: y"]
