"""The arrows of the house: which package, which room and which family may import which, and that nothing goes round."""

import ast
from pathlib import Path
from runpy import run_path

import pytest
from architecture import circles, imports, origin, origins, sources

pytestmark = pytest.mark.serial
SOURCES = sources()
GRAPH = imports(SOURCES)

# a room may import those before it in its line, and every room of the packages before its own
PACKAGES = ("particles", "meshes", "cells", "pdes")
ROOMS = {
    "particles": ("errors", "support", "showing", "sampling", ("pinned_balls", "diffusions", "rotators"), "top"),
    "meshes": ("backend", "linear_algebra", "top", "files"),
    "cells": ("spaces", "solvers", "levels", ("recursion", "fenicsx"), "top"),
    "pdes": ("time", ("pinned_balls", "diffusions", "rotators"), "comparison", "top"),
}
# the plane of one rotator is a diffusion
ALLOWED = {("pdes.rotators.effective_plane", "pdes.diffusions")}
FAMILIES = ("pinned_balls", "diffusions", "rotators")


def package(module):
    return module.split(".")[0]


def room(module):
    """The folder of a module in its package; particles.errors is a room by itself."""
    parts = module.split(".")
    inside = len(parts) > 2 or (len(parts) == 2 and SOURCES[module].name == "__init__.py")
    return parts[1] if inside or module == "particles.errors" else "top"


def floor(module):
    for number, rooms in enumerate(ROOMS[package(module)]):
        if room(module) in ((rooms,) if isinstance(rooms, str) else rooms):
            return number
    raise AssertionError(f"{module} is in a room without a place in ROOMS")


ARROWS = [(one, other) for one, others in GRAPH.items() for other in others]


def test_what_is_read():
    assert len(SOURCES) > 120
    assert len(ARROWS) > 400
    assert ("pdes.diffusions.problem", "pdes.diffusions.scharfetter_gummel") in ARROWS


def test_no_import_goes_round():
    """Type-only imports counted; a package whose __init__ collects its modules is not an import of these from it."""
    assert circles(GRAPH) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_packages_are_layers():
    for one, other in ARROWS:
        assert PACKAGES.index(package(other)) <= PACKAGES.index(package(one)), f"{one} imports {other}"


def test_rooms_are_layers():
    for one, other in ARROWS:
        if package(one) == package(other) and room(one) != room(other):
            if any(one == here and other.startswith(f"{there}.") for here, there in ALLOWED):
                continue
            assert floor(other) < floor(one), f"{one} imports {other}"


def test_the_picture_shows_every_room():
    folder = Path(__file__).parents[1] / "docs" / "pictures"
    made = run_path(str(folder / "architecture.py"))["picture"]()
    assert made == (folder / "architecture.svg").read_text(), "run python docs/pictures/architecture.py"
    for name, rooms in ROOMS.items():
        floor_of = made[made.index(f">{name}<") :]
        for one in rooms:
            for title in (one,) if isinstance(one, str) else one:
                shown = {"top": ">", "errors": ">errors<"}.get(title, f">{title}/<")
                assert shown in floor_of, f"{name}/{title}"


def test_families_do_not_know_one_another():
    """Across packages too, and through what a package hands on: pdes.rotators does not import particles.diffusions."""
    for one, other in sorted({*ARROWS, *origins(SOURCES)}):
        if room(one) in FAMILIES and room(other) in FAMILIES and room(one) != room(other):
            assert any(one == here and other.startswith(f"{there}.") for here, there in ALLOWED), f"{one} -> {other}"


def test_the_package_is_not_needed_by_its_parts():
    """They import one another by name, never through scaling_limits itself."""
    for path in SOURCES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                first, _, rest = (node.module or "").partition(".")
                assert node.level or first != "scaling_limits" or rest.partition(".")[0] in PACKAGES, path
            if isinstance(node, ast.Import):
                assert all(not alias.name.startswith("scaling_limits") for alias in node.names), f"{path}: use from"


FENICSX = {"dolfinx", "ufl", "petsc4py", "slepc4py"}


def imported_with(path):
    """The libraries that a module imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_what_needs_fenicsx_stays_in_its_rooms():
    """Elsewhere pip's packages are enough: mpi4py too comes from particles.sampling.mpi there."""
    for module, path in SOURCES.items():
        libraries = imported_with(path)
        if module.startswith("particles") or (module.startswith("cells") and not module.startswith("cells.fenicsx")):
            assert not libraries & (FENICSX | {"mpi4py"}), module
        assert "mpi4py" not in libraries or libraries & FENICSX, f"{module}: take MPI from particles.sampling.mpi"
    assert imported_with(SOURCES["meshes.evaluation"]) >= {"dolfinx", "mpi4py"}


def test_private_names_stay_at_home():
    """No module imports a name with an underscore from another one."""
    for module, path in SOURCES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and origin(module, path, node) is not None:
                assert not [alias.name for alias in node.names if alias.name.startswith("_")], path


# of other people's libraries, where they have no public way
FOREIGN = {("particles.errors", "_getframe"), ("particles.support.function_values", "_dispatcher"),
           ("meshes.backend.compat", "_cpp_object")}  # fmt: skip


def test_private_attributes_are_of_oneself():
    """x._y is read only in the file that makes _y."""
    for module, path in SOURCES.items():
        tree = ast.parse(path.read_text())
        made = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        made |= {node.target.id for node in ast.walk(tree)
                 if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}  # fmt: skip
        made |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and own(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
                assert own(node) or node.attr in made or (module, node.attr) in FOREIGN, f"{module}: {node.attr}"


def own(node):
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def test_folders_have_a_sentence():
    for module, path in SOURCES.items():
        if path.name == "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text()))
            assert text, module
            assert text.endswith("."), module
