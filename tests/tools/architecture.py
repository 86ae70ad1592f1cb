"""What imports what, read from the sources: modules of the four packages, with imports for types alone counted too."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("particles", "meshes", "cells", "pdes")


def sources() -> dict[str, Path]:
    """The modules by name without "scaling_limits."; a package is its __init__."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def origin(module: str, path: Path, node: ast.ImportFrom) -> str | None:
    """The module or package that an import is from, without "scaling_limits."; None for others' packages."""
    if node.level == 0:
        name = node.module or ""
        return name.removeprefix("scaling_limits.") if name.startswith("scaling_limits.") else None
    base = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = base[: len(base) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(known: dict[str, Path]) -> dict[str, set[str]]:
    """For each module the modules that it imports; a name that a package hands on counts as the package's."""
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        graph[module] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name.removeprefix("scaling_limits.") for alias in node.names]
                graph[module] |= {name for name in names if name in known}
            if isinstance(node, ast.ImportFrom) and (source := origin(module, path, node)) is not None:
                for alias in node.names:
                    whole = f"{source}.{alias.name}"
                    graph[module].add(whole if whole in known else source)
    return graph


def handed_on(known: dict[str, Path]) -> dict[str, str]:
    """Names that packages hand on, such as particles.Langevin, and the modules that they are from."""
    result = {}
    for module, path in known.items():
        if path.name == "__init__.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (source := origin(module, path, node)) is not None:
                    result |= {f"{module}.{alias.asname or alias.name}": source for alias in node.names}
    return result


def origins(known: dict[str, Path]) -> set[tuple[str, str]]:
    """Pairs of a module and one from which it takes a name, even where a package hands that on."""
    names, pairs = handed_on(known), set()
    for module, path in known.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (source := origin(module, path, node)) is not None:
                for alias in node.names:
                    whole = f"{source}.{alias.name}"
                    pairs.add((module, whole if whole in known else names.get(whole, source)))
    return pairs


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in graph:
        if node not in index:
            visit(node)
    return found
