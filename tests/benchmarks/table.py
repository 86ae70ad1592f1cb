"""Rows of the one table that the benchmarks print."""

import time
from dataclasses import dataclass

import numpy as np

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """ours and peer in the unit given; the ratio is of their times unless `ratio` is set."""

    work: str
    peer_name: str
    ours: float
    peer: float
    unit: str
    target: str
    met: bool


def median_time(call, repeats=REPEATS):
    """Median wall time of a call, after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def median_times(calls, rounds=9, turn=0.03):
    """Median wall times of calls by their names, which take turns: what slows the machine for a while slows all of them.

    A turn is one call that warms up and is not counted, and then calls for `turn` seconds, one at the least.
    """
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            begun = start = time.perf_counter()
            while not times[name] or start == begun or start < begun + turn:
                call()
                end = time.perf_counter()
                times[name].append(end - start)
                start = end
    return {name: float(np.median(each)) for name, each in times.items()}


def faster(work, peer_name, ours, peer, unit, least):
    """A row whose target is peer/ours >= least; None: no target."""
    target = "" if least is None else f">= {least:g}x"
    return Row(work, peer_name, ours, peer, unit, target, least is None or peer / ours >= least)


def no_slower(work, peer_name, ours, peer, unit, most):
    """A row whose target is ours <= most times the peer; None: no target."""
    return faster(work, peer_name, ours, peer, unit, None if most is None else 1.0 / most)


def print_table(rows):
    print(f"{'work':58} {'ours':>11} {'peer':>11}  {'ratio':>7} {'target':>9}      peer")
    for r in rows:
        ours, peer = (f"{v:.4g} {r.unit}" for v in (r.ours, r.peer))
        mark = "" if not r.target else "met" if r.met else "MISSED"
        print(f"{r.work:58} {ours:>11} {peer:>11} {r.peer / r.ours:7.2f}x {r.target:>9} {mark:>6} {r.peer_name}")
