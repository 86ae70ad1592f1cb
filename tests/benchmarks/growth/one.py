"""One measure: a call in a process of its own, branched off from one that has made the smallest call before."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from registry import CASES

# seconds: a call that takes less is made again, at most so often; one that takes more is given up
SHORT, MOST, LONGEST = 1.0, 5, 120


def memory(kind: str) -> int:
    """Bytes: VmRSS of now, VmHWM at most."""
    found = re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def branched(work: Callable[[], Any], longest: int = LONGEST) -> Any:
    """What some work gives, done in a copy of this process; None where it failed or took too long."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            signal.alarm(longest)
            with os.fdopen(write, "w") as file:
                json.dump(work(), file)
        finally:
            # no end of MPI, which is the parent's
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def measured(name: str, size: float) -> dict[str, float]:
    """Seconds of this process on all its cores, and bytes at most above what it had."""
    case = CASES[name]
    call = case.made(size)
    gc.collect()
    # the maximum from now on
    Path("/proc/self/clear_refs").write_text("5")
    before, seconds, most = memory("VmRSS"), [], 0
    while not seconds or (sum(seconds) < SHORT and len(seconds) < MOST):
        begin = time.process_time()
        result = call()
        seconds.append(time.process_time() - begin)
        most = most or memory("VmHWM") - before
        del result
    return {"size": case.unit(size), "seconds": min(seconds), "bytes": most}


def measures(name: str) -> Iterator[dict[str, float]]:
    """Of all sizes, from small to large; it ends before one that fails or takes too long."""
    case = CASES[name]
    case.made(case.sizes[0])()
    for size in case.sizes:
        found = branched(lambda size=size: measured(name, size))
        if found is None:
            return
        print(f"  {name} {size:g}: {found['seconds']:.3g} s, {found['bytes'] / 2**20:.1f} MiB", flush=True)
        yield found
