"""Records of the benchmarks, one file of json for each run, and what was lost since the last one.

Files are in `.benchmarks` of the project, which git ignores; where there is none yet, `benchmarks/record.json`,
which is kept with the project, is the last run.
"""

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".benchmarks"
KEPT = Path(__file__).parents[1] / "benchmarks" / "record.json"
LOST = 0.8  # of the ratio to the peer
PACKAGES = ("numpy", "scipy", "numba", "petsc4py", "fenics-dolfinx")


def machine():
    """What tells machines apart."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def content(rows):
    """What a file holds: rows with their times and ratios, the machine, and versions."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {name: _version(name) for name in ("scaling-limits", *PACKAGES)},
        "rows": [_row(row) for row in rows],
    }


def _row(row):
    """A row with its ratio, as numbers of Python, which json writes; None where there is no peer."""
    alone = row.peer != row.peer
    ours, peer = float(row.ours), None if alone else float(row.peer)
    ratio = None if alone else peer / ours
    return asdict(row) | {"ours": ours, "peer": peer, "ratio": ratio, "met": bool(row.met)}


def save(rows, folder=FOLDER):
    """Write a file named after the time, whole or not at all; return its path."""
    made = content(rows)
    folder.mkdir(exist_ok=True)
    path = folder / f"{made['time'].replace(':', '')}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(made, indent=1, allow_nan=False))
    part.replace(path)
    return path


def last(folder=FOLDER, kept=KEPT):
    """The last record: of this project's folder, or else the one that is kept with it; None if there is neither."""
    files = sorted(folder.glob("*.json")) or ([kept] if kept.exists() else [])
    return json.loads(files[-1].read_text()) if files else None


def lost(rows, before):
    """Rows that are a fifth slower against their peer than before: (work, ratio before, ratio now).

    A row is known by its work and peer without their numbers, which are measured and differ from run to run. Rows without a
    peer are compared by their own times, and only on the same machine.
    """
    known = {_name(row["work"], row["peer_name"]): row for row in before["rows"]}
    same = before["machine"] == machine()
    found = []
    for row in rows:
        old = known.get(_name(row.work, row.peer_name))
        if old is None:
            continue
        if row.peer == row.peer and old["peer"] is not None:
            then, now = old["ratio"], row.peer / row.ours
        elif same and old["unit"] == row.unit:
            then, now = 1.0, old["ours"] / row.ours
        else:
            continue
        if now < LOST * then:
            found.append((row.work, then, now))
    return found


def _name(work, peer):
    """A row without what is measured: errors, noise and chosen steps."""
    text = f"{work} | {peer}"
    for word in ("error ", "noise ", "step ", "steps of ", "E "):
        parts = text.split(word)
        text = word.join([parts[0], *(part.lstrip("0123456789.e+-()") for part in parts[1:])])
    return text


def print_lost(rows, before):
    """Say which rows have lost since the last record."""
    if before is None:
        return
    found = lost(rows, before)
    where = before["machine"]["processor"]
    print(f"\nbeside the record of {before['time']} on {where}: {len(found)} of {len(rows)} rows lost 20 % or more")
    for work, then, now in found:
        print(f"LOST {work}: {then:.2f}x -> {now:.2f}x")
