"""Small multiples, time and memory over what grows, with the expected powers beside what was measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from fits import LARGEST_ERROR, above_the_smallest, exponent, line
from matplotlib.ticker import EngFormatter, LogLocator

TIME, MEMORY = "#1f5fa8", "#c2571a"
MIB = 2.0**20
# MiB, below which memory is that of the allocator
LEAST = 1.0


def panels(count: int, columns: int = 5):
    """A figure with so many axes."""
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.35 * rows), layout="constrained")
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    return figure, list(axes.flat[:count])


def one(ax, case, measures) -> None:
    """Time, and memory where there is some, with the expected powers dashed."""
    sizes = [found["size"] for found in measures]
    seconds = [found["seconds"] for found in measures]
    mebibytes = [found["bytes"] / MIB for found in measures]
    drawn = [(seconds, case.time, TIME, "o")]
    if max(mebibytes) > LEAST:
        drawn.append((mebibytes, case.memory, MEMORY, "s"))
    for values, expected, colour, mark in drawn:
        kept = [(x, y) for x, y in zip(sizes, values) if y > 0]
        x, y = zip(*kept)
        ax.loglog(x, y, mark + "-", color=colour, markersize=3.5, linewidth=1.2)
        if expected is not None:
            ax.loglog(x, line(x, y, expected), "--", color=colour, linewidth=0.9, alpha=0.7)
        fit = above_the_smallest(x, y) if colour == MEMORY else (x, y)
        if len(fit[0]) >= 3 and (colour == TIME or max(y) - y[0] > LEAST):
            slope, error = exponent(*fit)
            ax.annotate(
                f"{slope:.2f}" if round(error, 2) <= LARGEST_ERROR else "?",
                (x[-1], y[-1]),
                (-3, 4),
                textcoords="offset points",
                color=colour,
                fontsize=7,
                ha="right",
            )
    ax.set_title(case.title, fontsize=7.5)
    ax.set_xlabel(case.against, fontsize=7.5)
    ax.set_xticks([sizes[0], sizes[-1]], [f"{sizes[0]:g}", f"{sizes[-1]:g}"])
    ax.tick_params(labelsize=6.5)
    ax.minorticks_off()
    ax.margins(y=0.15)


def growth(cases, found, path: Path) -> None:
    """All cases that were measured."""
    names = [name for name in cases if found.get(name)]
    figure, axes = panels(len(names))
    for ax, name in zip(axes, names):
        one(ax, cases[name], found[name])
    figure.suptitle(
        "processor seconds (blue, circles) and MiB (orange, squares); dashed: as expected, through the last point; "
        "numbers: exponents of the upper half, of memory above that of the smallest size; ?: not resolved", fontsize=8.5,
    )  # fmt: skip
    save(figure, path)


def bytes_of_ranks(curves, path: Path) -> None:
    """Bytes that the rank with most gets and gives, over the number of ranks: {title: {label: (ranks, bytes)}}."""
    figure, axes = panels(len(curves), min(4, len(curves)))
    for ax, (title, lines) in zip(axes, curves.items()):
        for (label, (ranks, values)), mark in zip(lines.items(), "osd^v"):
            ax.loglog(ranks, values, mark + "-", markersize=3.5, linewidth=1.2, label=label, base=2)
        ax.set_yscale("log", base=10)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(EngFormatter("B"))
        ax.set_xticks(ranks, [str(r) for r in ranks])
        ax.set_title(title, fontsize=7.5)
        ax.set_xlabel("ranks", fontsize=7.5)
        ax.tick_params(labelsize=6.5)
        ax.minorticks_off()
        every = [value for _, values in lines.values() for value in values]
        # room for the legend above
        ax.set_ylim(0.6 * min(every), 6 * max(every))
        ax.legend(fontsize=6, frameon=False, loc="upper left")
    figure.suptitle("bytes of the rank with most, given and got", fontsize=8.5)
    save(figure, path)


def speedups(curves, path: Path) -> None:
    """What the model says: {title: {label: (ranks, speedup)}}."""
    figure, axes = panels(len(curves), min(4, len(curves)))
    for ax, (title, lines) in zip(axes, curves.items()):
        for label, (ranks, values) in lines.items():
            ax.loglog(ranks, values, linewidth=1.2, label=label)
            ax.loglog(ranks, ranks, ":", color="0.5", linewidth=0.8)
        ax.set_title(title, fontsize=7.5)
        ax.set_xlabel("ranks", fontsize=7.5)
        ax.tick_params(labelsize=6.5)
        ax.minorticks_off()
        ax.legend(fontsize=6, frameon=False)
    figure.suptitle("a model: one rank's time over that of several", fontsize=8.5)
    save(figure, path)


def save(figure, path: Path) -> None:
    """As png, beside the page."""
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
