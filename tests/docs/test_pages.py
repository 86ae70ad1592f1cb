"""The code of every tutorial and recipe runs, and prints what the page says."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

pytestmark = pytest.mark.serial
DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["index", "../README"] + [
    str(path.relative_to(DOCS).with_suffix(""))
    for folder in ("tutorial", "how_to", "theory")
    for path in sorted((DOCS / folder).glob("*.md"))
    if "```python" in path.read_text() and path.stem != "any_domain"  # which lists calls, without their arguments
]


def runner():
    spec = importlib.util.spec_from_file_location("run_pages", DOCS / "run_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_prints_what_stands_there(page):
    """Block after block, with no names but its own; of the first page by the command, in a process of its own."""
    if page == PAGES[0]:
        command = [sys.executable, str(DOCS / "run_pages.py"), page]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return
    run_pages = runner()
    plt.close("all")
    assert run_pages.differences(page, run_pages.outputs(page)) == []
    plt.close("all")


WHOLE = [
    block.split("```")[0]
    for block in (DOCS / "theory" / "any_domain.md").read_text().split("```python")[1:]
    # others are in the words of one that was before
    if "import" in block.split("```")[0]
]


@pytest.mark.parametrize("number", range(len(WHOLE)))
def test_whole_programs_of_the_page_on_meshes_run(number, tmp_path, monkeypatch):
    """Each by itself."""
    monkeypatch.chdir(tmp_path)
    exec(compile(WHOLE[number], f"any_domain.md, program {number + 1}", "exec"), {})


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("tutorial")])
def test_tutorials_have_output_and_a_picture(page):
    text = (DOCS / f"{page}.md").read_text()
    assert "](pictures/" in text
    assert "```text" in text
    assert "**What we have.**" in text
    assert "**What we get.**" in text


def test_programs_of_the_page_on_ranks_run_on_two(tmp_path):
    """Its whole program, under mpirun."""
    code = "\n".join(code for code, _ in runner().blocks("how_to/ranks"))
    (tmp_path / "mine.py").write_text(code)
    command = ["mpirun", "-n", "2", sys.executable, "mine.py"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    expected = [output for _, output in runner().blocks("how_to/ranks") if output]
    assert runner().agree(done.stdout, "".join(expected).replace("1 rank", "2 ranks"))


@pytest.mark.parametrize(
    ("found", "same"),
    [("a 1.234", True), ("a 1.236", True), ("a 1.237", False), ("b 1.234", False), ("a 1.234 5", False), ("a -1.234", False)],
)  # fmt: skip
def test_outputs_agree_to_the_last_digit(found, same):
    assert runner().agree(found, "a 1.234\n") is same
    assert runner().agree("n = 12", "n = 12")
    assert not runner().agree("n = 13", "n = 12")
    assert runner().agree("error 3e-05", "error 2e-05")
