"""What pyproject.toml cannot say: the README as a registry shows it, and sources whose links stay links."""

import os
import re
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<path>[^)\s]+)\)")


def repository(root: Path = ROOT) -> str | None:
    """The address of the repository, `Repository` in [project.urls], where alone it stands; None if there is none."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"].get("Repository")


def absolute(text: str, address: str | None, tag: str) -> str:
    """Markdown whose links to files of the repository work outside of it.

    Args:
        text: markdown.
        address: of the repository; None: links become plain words, and a picture says where the file is.
        tag: of the release, so that old pages show old files.
    """

    def replaced(link: re.Match[str]) -> str:
        picture, words, path = link["picture"], link["text"], link["path"]
        if re.match(r"[a-z]+:|#", path):
            return link[0]
        if address is not None:
            return f"{picture}[{words}]({address.rstrip('/')}/{'raw' if picture else 'blob'}/{tag}/{path})"
        return f"*{words} (the picture is {path} of the sources)*" if picture else words

    return LINK.sub(replaced, text)


def description(root: Path = ROOT) -> str:
    """The README with links that work on the page of a registry."""
    package = (root / "src" / "scaling_limits" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    assert version is not None
    return absolute((root / "README.md").read_text(encoding="utf-8"), repository(root), f"v{version[1]}")


class LinkedSources(sdist):
    """Every file once: folders of the package that are links in the checkout are links in the distribution."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copies what is not behind a link and not setuptools' own, then makes the links."""
        links = [path for path in sorted(Path("src/scaling_limits").iterdir()) if path.is_symlink()]
        behind = tuple(f"{path}{os.sep}" for path in links)
        super().make_release_tree(base_dir, [f for f in files if not f.startswith(behind) and ".egg-info" not in f])
        for path in links:
            (Path(base_dir) / path).symlink_to(path.readlink())


if __name__ == "__main__":
    setup(
        cmdclass={"sdist": LinkedSources},
        long_description=description(),
        long_description_content_type="text/markdown",
    )
