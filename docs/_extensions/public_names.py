"""Public names are links wherever a page or a docstring writes them as code, such as `effective_tensor(V, x)`."""

import re
from importlib import import_module

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

PACKAGES = ("particles", "meshes", "cells", "pdes")
ERRORS = (
    "InvalidArgument", "NotConverged", "RankEnded", "MissingFEniCSx", "Unstable",
    "Unresolved", "AssumptionWarning", "LongRun", "NoDisplay",
)  # fmt: skip
CALL = re.compile(r"([A-Za-z_]\w*)(\(.*\))?$", re.DOTALL)


def public_names() -> dict[str, str]:
    """From each public name to where it is documented: the first package that has it."""
    found = {name: f"scaling_limits.{name}" for name in ("cite", "load", "show_versions", "sweep")}
    for package in PACKAGES:
        for name in import_module(f"scaling_limits.{package}").__all__:
            found.setdefault(name, f"scaling_limits.{package}.{name}")
    found |= {name: f"scaling_limits.particles.errors.{name}" for name in ERRORS}
    return found


def linked(app: Sphinx, tree: nodes.document) -> None:
    """Code in a page that is a public name, or a call of one, becomes a link."""
    page = app.env.docname
    if page.startswith(("reference/generated", "gallery/")):
        return
    for literal in list(tree.findall(nodes.literal)):
        match = CALL.match(literal.astext())
        if match is None or isinstance(literal.parent, nodes.reference | addnodes.pending_xref):
            continue
        target = app.config.names_of_the_package.get(match[1])
        if target is not None and not isinstance(literal.parent, nodes.title):
            link = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refdoc=page, refwarn=True
            )
            literal.replace_self(link)
            link += literal


def missing(app: Sphinx, env: object, node: addnodes.pending_xref, content: nodes.Element) -> nodes.Element | None:
    """A bare name in a docstring of another package: found by itself."""
    if node.get("refdomain") != "py":
        return None
    match = CALL.match(node.get("reftarget", ""))
    target = app.config.names_of_the_package.get(match[1]) if match else None
    if target is None or target == node["reftarget"]:
        return None
    domain = app.env.get_domain("py")
    return domain.resolve_xref(app.env, node["refdoc"], app.builder, "obj", target, node, content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Names are looked up once."""
    app.add_config_value("names_of_the_package", public_names(), "env", dict)
    app.connect("doctree-read", linked)
    app.connect("missing-reference", missing)
    return {"parallel_read_safe": True}
