"""The finite-size equations on two ranks against one; run by mpirun as well, to print its time."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

BALLS = 100_000


def measure():
    """Median time of a few hundred rate evaluations' worth of the paper's data with 100 000 balls."""
    from billiards import FREEZE, mean, small_std
    from mpi4py import MPI

    from scaling_limits.pdes import FiniteSizeEquations

    equations = FiniteSizeEquations(BALLS, mean, small_std)
    equations.solve([1e-13], rtol=1e-3)
    times = []
    for _ in range(5):
        MPI.COMM_WORLD.barrier()
        start = time.perf_counter()
        equations.solve([FREEZE / 2e4], rtol=1e-3)
        times.append(time.perf_counter() - start)
    if MPI.COMM_WORLD.rank == 0:
        print(np.median(times))


def rows():
    from table import Row

    script = [sys.executable, str(Path(__file__).resolve()), "measure"]
    one, two = (
        float(subprocess.run([*prefix, *script], capture_output=True, text=True, check=True).stdout.split()[-1])
        for prefix in (["mpirun", "-n", "1"], ["mpirun", "-n", "2"])
    )
    yield Row(
        f"finite-size equations, n = {BALLS}: 2 ranks", "1 rank", two, one, "s", ">= 1.6x", one / two >= 1.6
    )  # efficiency 0.8


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
    measure()
