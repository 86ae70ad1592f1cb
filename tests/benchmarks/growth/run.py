"""Growth: `make growth`, or `python run.py [NAME ...]` for some cases; `--ranks`, `--ranks=few` or `--ranks=more` for messages, `--times` for
times on ranks (three rounds anew; `--times=more` adds a round), `--page` to draw and write only.

Each measure is a short process of its own; what is measured goes to measured.json beside this file as it comes, so that an
interrupted run has not been for nothing. Time is that of the processor (user and system, all threads), which other
work on the machine changes less than it does the time of a clock.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECORD = HERE / "measured.json"


def record():
    """What is known: {"growth": {name: measures}, "counts": {ranks: parts}, "times": {"all": runs}}."""
    return json.loads(RECORD.read_text()) if RECORD.is_file() else {"growth": {}, "counts": {}, "times": {}}


def keep(part, name, value):
    """Write one more thing down."""
    known = record()
    known[part][name] = value
    RECORD.write_text(json.dumps(known) + "\n")


def growth(names):
    """Measure cases, each in a process that has imported everything."""
    from one import branched, measures

    import scaling_limits.cells
    import scaling_limits.pdes  # noqa: F401

    for name in names:
        keep("growth", name, branched(lambda name=name: list(measures(name)), longest=600))


def ranks(only=None):
    """Count messages: the parts "few" and "more", or one of them."""
    from counting import RANKS, counted

    for what in (only,) if only else RANKS:
        for count in RANKS[what]:
            keep("counts", f"{what} {count}", counted(count, what))
            print(f"  {what}: {count} ranks counted", flush=True)


def times(rounds, before):
    """Measure times on one rank and two, so many rounds, and keep them with those before."""
    from counting import scaling

    for _ in range(rounds):
        before = before + scaling()
        keep("times", "all", before)


def main(arguments):
    from registry import CASES

    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    warnings.simplefilter("ignore")
    begin = time.monotonic()
    names = [one for one in arguments if not one.startswith("--")]
    if not arguments or names:
        growth(names or CASES)
    for one in arguments or ["--ranks"]:
        if one.startswith("--ranks"):
            ranks(one[8:])
    if not arguments or "--times" in arguments:
        times(3, [])
    if "--times=more" in arguments:
        times(1, record()["times"].get("all", []))
    from page import write

    write(record())
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
