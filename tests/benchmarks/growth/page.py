"""The tables of docs/trust/growth.md between their marks, and its pictures, from what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import cluster
import drawing
import numpy as np
from counting import ROUND
from fits import LARGEST_ERROR, above_the_smallest, exponent
from registry import CASES

TRUST = Path(__file__).resolve().parents[3] / "docs" / "trust"
PAGE, PICTURES = TRUST / "growth.md", TRUST / "pictures"
MIB = 2.0**20
MACHINE = cluster.Machine()
# what of the counts is drawn: the title, and the parts whose bytes are lines
DRAWN = {
    "halos: 10 products": ["box 256^2: 10 products", "box 32^3: 10 products"],
    "densities: four steps": [
        "box 96^2: set-up and a step",
        "box 96^2: four steps",
        "box 96^2: four steps, four checkpoints",
    ],
    "lattice, points": ["finite-size equations, n = 2000", "effective tensor at 200 points"],
}


def fitted(measures, key) -> str:
    """An exponent with its error, or that its error is too large, or a dash where there is nothing to fit; of memory that
    above the smallest size.
    """
    sizes, values = [found["size"] for found in measures], [found[key] for found in measures]
    most = max(values)
    if key == "bytes":
        if most - values[0] < MIB * drawing.LEAST:
            return "none"
        sizes, values = above_the_smallest(sizes, values)
    if len(sizes) < 3:
        return "-"
    slope, error = exponent(sizes, values)
    if round(error, 2) > LARGEST_ERROR:
        return "not resolved" + (f", {most / MIB:.0f} MiB at most" if key == "bytes" else "")
    return f"{slope:.2f} ± {error:.2f}"


def expected(value) -> str:
    return "-" if value is None else f"{value:.3g}"


def growth_table(found) -> str:
    """A row for each case."""
    rows = [
        "| call | against | from, to | time | expected | memory | expected | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        measures = found.get(name)
        if not measures:
            continue
        first, last = measures[0]["size"], measures[-1]["size"]
        rows.append(
            f"| {case.title} | {case.against} | {first:g}, {last:g} | {fitted(measures, 'seconds')} | {expected(case.time)} |"
            f" {fitted(measures, 'bytes')} | {expected(case.memory)} | {case.reason} |"
        )
    return "\n".join(rows)


def merged(known) -> list[dict]:
    """All parts of each number of ranks: [{"ranks", "parts"}], from few ranks to many."""
    result: dict[int, dict] = {}
    for one in known.values():
        result.setdefault(one["ranks"], {"ranks": one["ranks"], "parts": {}})["parts"].update(one["parts"])
    return [result[number] for number in sorted(result)]


def most(counts, part) -> tuple[list[int], list[float]]:
    """Ranks, and bytes that the rank with most gives and gets in a part."""
    seen = [one for one in counts if part in one["parts"]]
    return [one["ranks"] for one in seen], [sum(one["parts"][part].get("most", [0] * 4)[2:]) for one in seen]


def short(count: float) -> str:
    """Bytes, kB, MB."""
    for unit, name in ((1e6, " MB"), (1e3, " kB")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return f"{count:.0f} B"


def ranks_table(counts) -> str:
    """A row for each part: bytes of the rank with most, their exponent in the number of ranks, and its calls."""
    numbers = [one["ranks"] for one in counts]
    heads = [f"{r} ranks" for r in numbers]
    rows = [f"| part | {' | '.join(heads)} | exponent in ranks | messages, collectives of a rank |"]
    rows.append("|---|" + "---|" * (len(numbers) + 2))
    for part in dict.fromkeys(part for one in reversed(counts) for part in one["parts"]):
        ranks, sent = most(counts, part)
        if max(sent) == 0:
            continue
        last = [one for one in counts if part in one["parts"]][-1]["parts"][part]["most"]
        slope = f"{exponent(ranks, sent)[0]:.2f}" if len(ranks) > 2 and min(sent) > 0 else "-"
        cells = [short(sent[ranks.index(r)]) if r in ranks else "-" for r in numbers]
        name = re.sub(r"\^(\d)", r"<sup>\1</sup>", part)
        rows.append(f"| {name} | {' | '.join(cells)} | {slope} | {last[1]:.0f}, {last[0] - last[1]:.0f} |")
    return "\n".join(rows)


def halo_table(counts) -> str:
    """Bytes of halos, by the model and counted."""
    rows = [
        "| nodes | ranks | predicted, all ranks, a product | counted | counted over predicted |",
        "|---|---|---|---|---|",
    ]
    for one in counts:
        for part, kinds in one["parts"].items():
            if one["ranks"] == 1 or "products" not in part:
                continue
            edge, dim = (int(number) for number in re.findall(r"(\d+)\^(\d)", part)[0])
            sent = sum(row[2] for kind, row in kinds.items() if kind != "most") / 10
            model = cluster.halo_of_all(edge + 1, dim, one["ranks"])
            rows.append(
                f"| {edge + 1}<sup>{dim}</sup> | {one['ranks']} | {short(model)} | {short(sent)} | {sent / model:.3f} |"
            )
    return "\n".join(rows)


def least(runs) -> dict[str, np.ndarray]:
    """For each part the least of all runs of the time of the rank that takes longest (processor, clock)."""
    every = [{name: np.array(run["seconds"])[:, i].max(axis=0) for i, name in enumerate(run["names"])} for run in runs]
    return {name: np.min([one[name] for one in every], axis=0) for name in every[0]}


def scaling_table(times) -> str:
    """Strong and weak scaling on one rank and two: of several rounds the least time of the rank that takes longest."""
    one, two, twice = (least([run for run in times if (run["ranks"], run["factor"]) == kind]) for kind in ROUND)
    rows = [
        "| part | one rank: seconds, processor | strong: processor, clock | weak: processor, clock |",
        "|---|---|---|---|",
    ]
    for part in one:
        if part == "first calls":
            continue
        base, strong, weak = one[part], two[part], twice[part]
        rows.append(
            f"| {part} | {base[0]:.2g} | {base[0] / strong[0]:.2f}, {base[1] / strong[1]:.2f} | {base[0] / weak[0]:.2f}, {base[1] / weak[1]:.2f} |"
        )
    return "\n".join(rows)


def model_table() -> str:
    """Speed-ups of the model, of slabs as they are and of cubes."""
    ranks = np.array([2, 16, 128, 1024])
    rows = ["| nodes | parts | " + " | ".join(f"{r} ranks" for r in ranks) + " |", "|---|---|" + "---|" * len(ranks)]
    for nodes, dim in ((1024, 2), (4096, 2), (256, 3)):
        for slabs in (True, False):
            found = cluster.speedup(MACHINE, nodes, dim, ranks, slabs)
            rows.append(
                f"| {nodes}<sup>{dim}</sup> | {'slabs, as here' if slabs else 'cubes'} | "
                + " | ".join(f"{value:.3g}" for value in found) + " |"
            )  # fmt: skip
    return "\n".join(rows)


def put(text: str, mark: str, table: str) -> str:
    """A page with a table between two marks."""
    return re.sub(
        rf"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text, flags=re.DOTALL
    )


def pictures(known) -> None:
    """All pictures that there are measures for."""
    if known["growth"]:
        drawing.growth(CASES, known["growth"], PICTURES / "growth_1.png")
    counts = merged(known["counts"])
    if len(counts) > 1:
        curves = {title: {part: most(counts, part) for part in parts} for title, parts in DRAWN.items()}
        drawing.bytes_of_ranks(curves, PICTURES / "growth_2.png")
    ranks = 2.0 ** np.arange(11)
    curves = {
        f"{nodes}^{dim} nodes": {
            "slabs": (ranks, cluster.speedup(MACHINE, nodes, dim, ranks, True)),
            "cubes": (ranks, cluster.speedup(MACHINE, nodes, dim, ranks, False)),
        }
        for nodes, dim in ((1024, 2), (4096, 2), (256, 3))
    }
    drawing.speedups(curves, PICTURES / "growth_3.png")


def write(known) -> None:
    """Bring the page up to date."""
    text = put(PAGE.read_text(), "growth", growth_table(known["growth"]))
    if counts := merged(known["counts"]):
        text = put(put(text, "ranks", ranks_table(counts)), "halos", halo_table(counts))
    if known["times"]:
        text = put(text, "scaling", scaling_table(known["times"]["all"]))
    PAGE.write_text(put(text, "model", model_table()))
    pictures(known)
