"""The pages are built without a warning, and are whole: links, searches, formulas in a browser, nothing from elsewhere."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import browser
import pytest

pytestmark = pytest.mark.serial
DOCS = Path(__file__).parents[2] / "docs"
MADE = shutil.ignore_patterns("_build", "gallery", "generated", "__pycache__")
SOME = ("PinnedBalls", "effective_tensor", "EffectiveFokkerPlanck")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The pages, without running the gallery, which has tests of its own; once for all processes of a run."""
    several = "PYTEST_XDIST_WORKER" in os.environ
    place = tmp_path_factory.getbasetemp().parent / "site" if several else tmp_path_factory.mktemp("site")
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits, and finds the pages
        if not (place / "whole").exists():
            shutil.copytree(DOCS, place / "docs", ignore=MADE, dirs_exist_ok=True)
            command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-D", "plot_gallery=0", "docs", "html"]  # fmt: skip
            done = subprocess.run(command, cwd=place, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            (place / "whole").touch()
    return place / "html"


def test_links_and_what_pages_load(site):
    assert browser.broken_links(site) == []


def test_sections_and_the_source_are_there(site):
    pages = {path.relative_to(site).as_posix() for path in browser.pages(site)}
    assert {f"{name}/index.html" for name in ("tutorial", "how_to", "gallery", "reference", "theory", "trust")} <= pages
    assert len(pages) > 150
    text = (site / "reference/generated/scaling_limits.pdes.FokkerPlanck.html").read_text()
    assert "_modules/scaling_limits/pdes/diffusions/fokker_planck.html" in text
    theory = (site / "theory/effective_tensors.html").read_text()
    assert "reference/generated/scaling_limits.cells.effective_tensor.html" in theory
    assert "MultiscalePotential" in (site / "searchindex.js").read_text()


def test_links_that_are_broken_are_seen(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html">b</a><a href="#y">y</a><a href="#x">x</a></p>')
    (tmp_path / "c.html").write_text('<script src="https://example.org/x.js"></script><a href="a.html#x">x</a>')
    assert browser.broken_links(tmp_path) == [
        "a.html links to a place that a.html has not: y",
        "a.html links to b.html",
        "c.html loads https://example.org/x.js",
    ]


@pytest.mark.skipif(
    browser.chromium() is None,
    reason="no chromium here; beside the environment: apt-get install chromium, python3 tests/tools/browser.py docs/_build",
)
def test_in_a_browser(site):
    """All pages but most of the reference, which has no formulas."""
    wrong, formulas = browser.look(
        site, browser.chromium(), lambda page: "generated" not in page or page.rpartition(".")[0].endswith(SOME)
    )
    assert wrong == []
    assert formulas > 300
