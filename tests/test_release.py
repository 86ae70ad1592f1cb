"""What a release consists of: the source distribution, the wheel made from it, metadata, the README elsewhere, the citation."""

import datetime
import email
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

import scaling_limits

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[1]
PACKAGES = ("particles", "meshes", "cells", "pdes")
FOLDERS = (*PACKAGES, "src", "tests", "docs", "paper", ".ci", ".github")
FILES = (
    "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md", "environment.yml", "in-env",
    "pyproject.toml", "setup.py", "Dockerfile", "compose.yml", ".dockerignore", ".gitignore", ".pre-commit-config.yaml",
)  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MADE = ("__pycache__", "_build", "gallery", "*.egg-info", "sg_execution_times.rst", ".*_cache")


def setup_script():
    spec = importlib.util.spec_from_file_location("setup_of_the_project", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the checkout with what runs leave in it, its source distribution unpacked, and the wheel built from that."""
    folder = tmp_path_factory.mktemp("release")
    source = folder / "source"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns(*MADE))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    here = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() or path.is_symlink())
    for left in (
        "docs/_build/index.html",
        "docs/gallery/zwanzig.rst",
        "tests/__pycache__/a.pyc",
        "out/a.png",
        "pdes/a.nbi",
    ):
        (source / left).parent.mkdir(parents=True, exist_ok=True)
        (source / left).write_text("left by a run")
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked", filter="data")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(archive)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (unpacked,) = (folder / "unpacked").iterdir()
    return here, unpacked, wheel


# --- the source distribution and the wheel ---------------------------------------------------------------


def test_source_distribution_is_the_checkout(built):
    here, unpacked, _ = built
    found = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file() or path.is_symlink()}
    assert set(here) - found == set()
    assert found - set(here) == {"PKG-INFO", "setup.cfg"}  # what the standard and setuptools add
    for name in PACKAGES:
        assert (unpacked / "src" / "scaling_limits" / name).readlink() == Path(f"../../{name}")
    for name in ("in-env", ".ci/run", ".ci/enter_root"):
        assert os.access(unpacked / name, os.X_OK), name


def test_tests_run_in_the_source_distribution(built):
    _, unpacked, _ = built
    environment = os.environ | {"PYTHONPATH": str(unpacked / "src"), "NUMBA_CACHE_DIR": str(unpacked / "numba")}
    command = [sys.executable, "-m", "pytest", "tests/test_architecture.py"]
    done = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_wheel_from_the_source_distribution(built):
    here, _, wheel = built
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {name for name in here if name.endswith((".py", "py.typed")) and name.startswith(PACKAGES)}
    own = {name.removeprefix("src/") for name in here if name.startswith("src/scaling_limits/")} - {
        f"scaling_limits/{name}" for name in PACKAGES
    }
    assert names == {f"scaling_limits/{name}" for name in modules} | own


def test_metadata(built):
    archive = zipfile.ZipFile(built[2])
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Version"] == scaling_limits.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    addresses = dict(one.split(", ", 1) for one in metadata.get_all("Project-URL"))
    assert addresses == PROJECT["urls"]
    assert len(addresses) >= 3
    assert all(address.startswith("https://") for address in addresses.values())
    classifiers = metadata.get_all("Classifier")
    assert classifiers == PROJECT["classifiers"]
    assert not [one for one in classifiers if one.startswith("License ::")]  # PEP 639: not beside an expression
    assert "Programming Language :: Python :: " + metadata["Requires-Python"].removeprefix(">=") in classifiers
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload(decode=True).decode().strip() == setup_script().description().strip()


# --- the README on the page of a registry ----------------------------------------------------------------


class Addresses(HTMLParser):
    """Of links and of pictures."""

    def __init__(self, markdown):
        super().__init__()
        self.links, self.pictures = [], []
        self.feed(MarkdownIt().render(markdown))

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.links.append(dict(attributes)["href"])
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])


def code(text):
    return re.findall(r"```.*?```", text, re.DOTALL)


def test_links_of_the_readme():
    text = (ROOT / "README.md").read_text()
    here = Addresses(text)
    assert len(here.links) > 5
    assert len(here.pictures) >= 1
    local = [path for path in here.links + here.pictures if not path.startswith("https://")]
    assert all((ROOT / path).exists() for path in local), local
    absolute = setup_script().absolute
    elsewhere = Addresses(absolute(text, "https://code.example/group/name/", "v1.2.3"))
    start = "https://code.example/group/name"
    assert elsewhere.links == [p if p.startswith("https:") else f"{start}/blob/v1.2.3/{p}" for p in here.links]
    assert elsewhere.pictures == [p if p.startswith("https:") else f"{start}/raw/v1.2.3/{p}" for p in here.pictures]
    nowhere = absolute(text, None, "v1.2.3")
    assert [one for one in Addresses(nowhere).links + Addresses(nowhere).pictures if one in local] == []
    assert code(nowhere) == code(text) == code(absolute(text, start, "v1.2.3"))
    assert absolute("[a](#b) [c](https://d.example/e)", None, "v1") == "[a](#b) [c](https://d.example/e)"


# --- the citation ----------------------------------------------------------------------------------------

DOI = r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-\.\(\)\[\]\\]+"
OF_WORKS = {
    "abstract", "authors", "date-released", "doi", "identifiers", "keywords", "license", "repository-code", "title", "type", "url", "version"
}  # fmt: skip
OF_REFERENCES = OF_WORKS | {"journal", "volume", "issue", "start", "end", "year", "month", "publisher", "notes"}


def faults(citation):
    """What version 1.2.0 of the Citation File Format asks of the keys that are used here, and does not find."""
    found = [f"{key} is missing" for key in ("cff-version", "message") if not isinstance(citation.get(key), str)]
    found += [] if citation.get("cff-version") == "1.2.0" else ["cff-version"]
    found += [] if citation.get("type") in (None, "software", "dataset") else ["type"]
    works = [(citation, OF_WORKS | {"cff-version", "message", "references"})]
    for work, known in works + [(one, OF_REFERENCES) for one in citation.get("references", [])]:
        found += [f"{key} is not known" for key in work.keys() - known]
        found += [] if isinstance(work.get("title"), str) and work["title"] else ["title"]
        found += [] if work.get("authors") else ["authors"]
        for author in work.get("authors") or []:
            person = author.keys() & {"family-names", "given-names"} and "name" not in author
            found += [] if person or set(author) == {"name"} else [f"author {author}"]
            found += [] if all(isinstance(value, str) for value in author.values()) else [f"author {author}"]
        found += [] if re.fullmatch(DOI, work.get("doi", "10.1000/1")) else ["doi"]
        found += [] if re.match(r"https?://", work.get("url", "https://")) else ["url"]
        found += [] if isinstance(work.get("date-released", datetime.date(2026, 1, 1)), datetime.date) else ["date"]
        for one in work.get("identifiers", []):
            whole = {"type", "value"} <= one.keys() <= {"type", "value", "description"}
            found += [] if whole and one["type"] in ("doi", "url", "swh", "other") else [f"identifier {one}"]
    found += [
        "type of a reference"
        for one in citation.get("references", [])
        if one.get("type") not in ("article", "software")
    ]
    return found


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_citation_is_valid():
    assert faults(citation()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("message"),
        lambda c: c.pop("authors"),
        lambda c: c.update({"cff-version": "1.1.0"}),
        lambda c: c.update({"arxiv": "2209.01503"}),
        lambda c: c["references"][0].pop("type"),
        lambda c: c["references"][0]["authors"].append({"name": "A", "family-names": "B"}),
        lambda c: c["references"][1].update({"doi": "https://doi.org/10.1007/s10955-023-03092-9"}),
        lambda c: c["references"][2]["identifiers"].append({"type": "arxiv", "value": "1403.1219"}),
    ],
)
def test_faults_of_citations_are_found(change):
    wrong = citation()
    change(wrong)
    assert len(faults(wrong)) >= 1


def bibliography(path):
    entries = {}
    for entry in path.read_text().strip().split("\n\n"):
        fields = dict(re.findall(r"(\w+) = \{(.*?)\}(?:,?\n)", entry, re.DOTALL))
        plain = {name: re.sub(r"\s+", " ", re.sub(r"[{}]", "", value)) for name, value in fields.items()}
        entries[re.match(r"@\w+\{(\w+),", entry)[1]] = plain
    return entries


def test_citation_is_that_of_the_package():
    said = citation()
    assert said["version"] == scaling_limits.__version__
    assert said["license"] == PROJECT["license"]
    assert said["title"] == PROJECT["name"]
    assert said["abstract"] == PROJECT["description"]
    assert said["keywords"] == PROJECT["keywords"]
    assert said["authors"] == PROJECT["authors"]
    assert said.get("repository-code") == PROJECT["urls"].get("Repository")
    released = re.findall(r"^## \[?(\d+\.\d+\.\d+)\]? - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert str(said.get("date-released")) == str(dict(released).get(said["version"]))


def test_papers_are_cited_alike_everywhere():
    entries = bibliography(ROOT / "src" / "scaling_limits" / "references.bib")
    for paper, key in zip(citation()["references"], ("burdzy2022", "duncan2023", "dymov2014"), strict=True):
        entry = entries[key]
        names = [f"{one['family-names']}, {one['given-names']}" for one in paper["authors"]]
        assert names == entry["author"].split(" and ")
        assert (paper["title"], str(paper["year"])) == (entry["title"], entry["year"])
        assert paper.get("doi") == entry.get("doi")
        if "eprint" in entry:
            assert [one["value"] for one in paper["identifiers"]] == [f"arXiv:{entry['eprint']}"]
            assert paper["url"] == f"https://arxiv.org/abs/{entry['eprint']}"
        else:
            assert [str(paper[name]) for name in ("volume", "issue", "start")] == [
                entry[n] for n in ("volume", "number", "pages")
            ]
        assert (paper.get("url") or f"https://doi.org/{paper['doi']}") in PROJECT["urls"].values()
