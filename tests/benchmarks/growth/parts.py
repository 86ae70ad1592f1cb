"""`mpirun -n R python parts.py RESULT WHAT` goes through the parts and writes names, processor and clock times of all ranks.

WHAT is "few" or "more", parts to be counted, or a factor of the work whose time is taken.
"""

import ctypes
import json
import sys
import time
import warnings
from pathlib import Path

import rank_cases
from mpi4py import MPI

WORLD = MPI.COMM_WORLD


class Marks:
    """The parts so far: part k of the counts is names[k - 1]; part 0 is what lies between."""

    def __init__(self):
        self.names, self.seconds, self._begin = [], [], None
        # of counts.c, where it is preloaded
        self._count = getattr(ctypes.CDLL(None), "counts_part", lambda number: None)

    def __call__(self, name):
        self._end()
        if not name:
            return
        if name not in self.names:
            self.names.append(name)
            self.seconds.append([0.0, 0.0])
        self._now = self.names.index(name)
        WORLD.barrier()
        self._count(self._now + 1)
        self._begin = time.process_time(), time.perf_counter()

    def _end(self):
        self._count(0)
        if self._begin is not None:
            for kind, now in enumerate((time.process_time(), time.perf_counter())):
                self.seconds[self._now][kind] += now - self._begin[kind]
        self._begin = None

    def finished(self):
        """Names and the times (processor, clock) of all ranks, on rank 0."""
        self._end()
        every = WORLD.gather(self.seconds)
        return None if every is None else {"names": self.names, "seconds": every}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    marks = Marks()
    if sys.argv[2] in ("few", "more"):
        getattr(rank_cases, sys.argv[2])(marks)
    else:
        rank_cases.timed(marks, float(sys.argv[2]))
    found = marks.finished()
    if found is not None:
        Path(sys.argv[1]).write_text(json.dumps(found))
