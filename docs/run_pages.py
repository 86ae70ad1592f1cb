"""Run the code of pages, block after block in one process, and compare what it prints with what stands below it.

`python docs/run_pages.py tutorial/rotators` compares; with `--write` in front the page gets what is printed, and its
figures. A block ```python may be followed by a block ```text with its output: what is printed, and warnings. Numbers
agree when they differ by at most two in the last digit that is shown. Figures that are open at the end of a page are
its pictures: `pictures/rotators_1.png` and so on, beside it. The page ../README has them among those of docs.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parent
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
README = "../README"
BY_THEMSELVES = "Each block of code runs by itself"


def blocks(page: str) -> list[tuple[str, str | None]]:
    """Pairs of code and output of a page."""
    return [(match[1], match[2]) for match in BLOCK.finditer((DOCS / f"{page}.md").read_text())]


def agree(found: str, expected: str) -> bool:
    """Whether two outputs are the same but for the last digits of numbers, and white space."""
    if NUMBER.sub("#", found).split() != NUMBER.sub("#", expected).split():
        return False
    return all(_near(a, b) for a, b in zip(NUMBER.findall(found), NUMBER.findall(expected)))


def _near(a: str, b: str) -> bool:
    mantissa, _, exponent = b.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - digits)
    return abs(float(a) - float(b)) <= (2.001 * unit if "." in b or exponent else 0.0)


def _shown(message: object, category: type[Warning], *rest: object) -> None:
    print(f"{category.__name__}: {message}")


def outputs(page: str) -> list[str]:
    """Run all blocks of a page in a folder of their own, and return what each prints."""
    printed, names = [], {"__name__": "__main__"}
    alone = BY_THEMSELVES in (DOCS / f"{page}.md").read_text()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        os.chdir(folder)
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        warnings.showwarning = _shown
        try:
            for number, (code, _) in enumerate(blocks(page), 1):
                names = {"__name__": "__main__"} if alone else names
                with contextlib.redirect_stdout(io.StringIO()) as text:
                    exec(compile(code, f"{page}, block {number}", "exec"), names)
                printed.append(text.getvalue())
        finally:
            os.chdir(here)
    return printed


def pictures(page: str) -> list[Path]:
    """Where the pictures of a page are, of the figures that are open now."""
    folder, name = (DOCS / page).parent / "pictures", (DOCS / page).name
    if page == README:
        folder = DOCS / "pictures"
    return [folder / f"{name}_{number}.png" for number in range(1, 1 + len(plt.get_fignums()))]


def write(page: str, printed: list[str]) -> None:
    """Bring the outputs in a page, and its pictures, up to date."""
    path, rest = DOCS / f"{page}.md", iter(printed)

    def renewed(match: re.Match[str]) -> str:
        text = next(rest).rstrip()
        return f"```python\n{match[1]}```\n" + (f"\n```text\n{text}\n```\n" if text else "")

    path.write_text(BLOCK.sub(renewed, path.read_text()))
    for number, picture in zip(plt.get_fignums(), pictures(page)):
        picture.parent.mkdir(exist_ok=True)
        plt.figure(number).savefig(picture, dpi=100)


def differences(page: str, printed: list[str]) -> list[str]:
    """What does not agree with a page."""
    found = []
    for number, ((_, expected), text) in enumerate(zip(blocks(page), printed), 1):
        if expected is not None and not agree(text, expected):
            found.append(f"{page}, block {number} prints\n{text}\nand not\n{expected}")
    said = (DOCS / f"{page}.md").read_text()
    for picture in pictures(page):
        if not picture.is_file() or f"pictures/{picture.name})" not in said:
            found.append(f"{page} does not show {picture.name}")
    return found


def main(arguments: list[str]) -> int:
    """Run the pages; the number of differences."""
    writing, pages = "--write" in arguments, [name for name in arguments if name != "--write"]
    wrong = []
    for page in pages:
        printed = outputs(page)
        if writing:
            write(page, printed)
        wrong += differences(page, printed)
        plt.close("all")
    print("\n".join(wrong), end="")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
