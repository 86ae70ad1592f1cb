"""Docstrings here are plain text, with equations as one writes them in a comment: no character of them is markup.

What is between backticks is a name or an expression, as everywhere. Stars, bars and underscores at the ends of words
are escaped, so that |u|^2 and u_ are what they seem.
"""

import re

from sphinx.application import Sphinx

# in Google's style a line such as "Args:" opens a section
SECTIONS = {"Args:", "Attributes:", "Returns:", "Raises:", "Warns:", "Yields:"}


def escaped(line: str) -> str:
    """The line with what would be markup outside of backticks escaped."""
    parts = re.split(r"(`[^`]*`)", line)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*|\\])", r"\\\1", parts[i])
        parts[i] = re.sub(r"_(?!\w)", r"\\_", parts[i])
    return "".join(parts)


def joined_backticks(lines: list[str]) -> list[str]:
    """Lines whose backticks are closed: an expression that goes on in the next line is brought into one."""
    found: list[str] = []
    for line in lines:
        if found and found[-1].count("`") % 2:
            found[-1] = f"{found[-1]} {line.strip()}"
        else:
            found.append(line)
    return found


def aligned(lines: list[str]) -> list[str]:
    """Lines without the indentation that no section opened: it would be a quotation."""
    found, section = [], False
    for line in lines:
        if line.strip() in SECTIONS and not line.startswith(" "):
            section = True
        elif line and not line.startswith(" "):
            section = False
        found.append(line if section else line.lstrip())
    return found


def plain(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Replace the lines of a docstring of ours; those that a base class of another package wrote are left alone."""
    if not name.startswith("scaling_limits"):
        return
    lines[:] = [escaped(line) for line in joined_backticks(aligned(lines))]
    if what in ("attribute", "data", "property"):
        lines.insert(0, r"\ ")  # or napoleon takes what is before a colon in the first line for a type


def readable(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A signature as it stands in the source: aliases by their names, defaults that are made as three dots."""

    def replaced(text: str | None) -> str | None:
        if text is None:
            return None
        text = re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)
        return text.replace("<factory>", "...").replace("~typing.", "")

    return replaced(signature), replaced(returned)


def setup(app: Sphinx) -> dict[str, bool]:
    """Before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", plain, priority=400)
    app.connect("autodoc-process-signature", readable)
    return {"parallel_read_safe": True}
