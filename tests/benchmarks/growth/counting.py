"""Messages and bytes of programs on several ranks, by a library that stands before MPI; times on one rank and two."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RANKS = {"few": (2, 4, 8, 16), "more": (2, 4)}
# ranks, and the factor of the work
ROUND = ((1, 1), (2, 1), (2, 2))
# seconds
LONGEST = 1500


def library(folder: Path) -> Path:
    """Compile counts.c into a folder."""
    result = folder / "counts.so"
    command = ["mpicc", "-O1", "-shared", "-fPIC", "-o", str(result), str(HERE / "counts.c"), "-lmpi_mpifh"]
    subprocess.run(command, check=True)
    return result


def run(program: list[str], ranks: int, folder: Path, counted: Path | None = None) -> None:
    """Run a program on ranks, more than there are cores; with a library its counts are in the folder then."""
    # reads of memory go through MPI, as on several machines
    options = ["--mca", "smsc", "^cma,xpmem"] if counted else []
    before = ["env", f"LD_PRELOAD={counted}", f"COUNTS_FOLDER={folder}"] if counted else []
    command = ["mpirun", "--oversubscribe", *options, "-n", str(ranks), *before, sys.executable, *program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=os.environ)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])


def counts(folder: Path, ranks: int) -> list[list[dict[str, float]]]:
    """For each rank rows {part, kind, calls, messages, given, got}."""
    result = []
    for rank in range(ranks):
        with (folder / f"{rank}.csv").open() as file:
            rows = csv.reader(file)
            names = ("part", "kind", "calls", "messages", "given", "got")
            result.append([dict(zip(names, [int(p), kind, *map(float, rest)])) for p, kind, *rest in rows])
    return result


def counted(ranks: int, what: str) -> dict:
    """The parts "few" or "more" on a number of ranks: {"ranks", "parts": {name: {kind: [calls, messages, given, got]}}}.

    Numbers are sums over ranks; under "most" stands, for the rank with most, what it gives and gets.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run([str(HERE / "parts.py"), str(folder / "said.json"), what], ranks, folder, library(folder))
        said = json.loads((folder / "said.json").read_text())
        every = counts(folder, ranks)
    parts: dict[str, dict[str, list[float]]] = {}
    for k, part in enumerate(said["names"], 1):
        kinds: dict[str, list[float]] = {}
        for rows in every:
            own = [row for row in rows if row["part"] == k]
            for row in own:
                total = kinds.setdefault(row["kind"], [0.0] * 4)
                for i, what in enumerate(("calls", "messages", "given", "got")):
                    total[i] += row[what]
            largest = kinds.setdefault("most", [0.0] * 4)
            for i, what in enumerate(("calls", "messages", "given", "got")):
                largest[i] = max(largest[i], sum(row[what] for row in own))
        parts[part] = kinds
    return {"ranks": ranks, "parts": parts}


def scaling() -> list[dict]:
    """Times of all ranks with one rank, two, and two with twice the work: a round, of which there should be several."""
    result = []
    for ranks, factor in ROUND:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "said.json"
            run([str(HERE / "parts.py"), str(file), str(factor)], ranks, Path(name))
            result.append({"ranks": ranks, "factor": factor} | json.loads(file.read_text()))
    return result
