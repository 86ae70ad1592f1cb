"""Run examples of the gallery as scripts: `python docs/run_examples.py zwanzig transition` prints their tables.

Their figures are written to the folder SCALING_LIMITS_OUT ("out" where it is not set). Other variables of the
environment that an example reads at its top, such as SCALING_LIMITS_RUNS, make it larger or smaller.
"""

import os
import runpy
import sys
import warnings
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"
import matplotlib.pyplot as plt

EXAMPLES = Path(__file__).resolve().parent / "examples"


def run(name: str, out: Path) -> list[Path]:
    """Run an example, and write each of its figures; their files."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    pictures = []
    for number in plt.get_fignums():
        pictures.append(out / f"{name}_{number}.png")
        plt.figure(number).savefig(pictures[-1], dpi=120)
    plt.close("all")
    return pictures


def main(names: list[str]) -> None:
    """Run all of them in turn."""
    out = Path(os.environ.setdefault("SCALING_LIMITS_OUT", "out"))
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"\n== {name} ==")
        pictures = run(name, out)
        print(f"pictures: {', '.join(picture.name for picture in pictures)} in {out}/")


if __name__ == "__main__":
    known = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    if not sys.argv[1:] or set(sys.argv[1:]) - set(known):
        sys.exit(f"usage: python docs/run_examples.py NAME..., of {', '.join(known)}")
    main(sys.argv[1:])
