"""The sampler against a plain numba loop, and its kernel against the same algorithm in C."""

import ctypes
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from billiards import FREEZE, mean, small_std
from numba import njit
from table import REPEATS, Row, faster, median_time

from scaling_limits.particles import PinnedBalls
from scaling_limits.particles.pinned_balls.collisions import advance_exchanging
from scaling_limits.particles.sampling.philox import key_words

BALLS = PinnedBalls(n=1000, mean=mean, std=small_std)
TIMES = np.array([0.01, 0.2, 0.4, 0.6, 0.8, 0.99]) * FREEZE


@njit
def plain_loop(mu, sigma, stops, runs, sums):
    """The model as one would write it down: a loop over collisions, numpy's generator, cos and sin."""
    n = mu.size
    v = np.empty(n)
    for _ in range(runs):
        for i in range(n):
            v[i] = mu[i] + sigma[i] * np.random.normal()
        t = 0
        for k in range(stops.size):
            while t < stops[k]:
                x = np.random.randint(1, n - 1)
                a = (v[x - 1] + v[x] + v[x + 1]) / 3
                r = math.sqrt(2 / 3 * ((v[x - 1] - a) ** 2 + (v[x] - a) ** 2 + (v[x + 1] - a) ** 2))
                angle = 2 * math.pi * np.random.random()
                p, q = a + r * math.sin(angle), a + r * math.sin(angle + 2 * math.pi / 3)
                s = 3 * a - p - q
                if np.random.random() < 0.5:
                    if p > q:
                        p, q = q, p
                elif q > s:
                    q, s = s, q
                v[x - 1], v[x], v[x + 1] = p, q, s
                t += 1
            for i in range(n):
                sums[k, 0, i] += v[i]
                sums[k, 1, i] += v[i] * v[i]


def c_kernel():
    folder = tempfile.mkdtemp()
    library = Path(folder) / "pinned_balls.so"
    source = Path(__file__).with_name("pinned_balls.c")
    subprocess.run(["gcc", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    function = ctypes.CDLL(str(library)).advance
    function.argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * 2, *[ctypes.c_uint64] * 3]
    return function


def rows():
    stops = np.array([BALLS.collisions(t) for t in TIMES])
    collisions = stops[-1]
    ours = median_time(lambda: BALLS.sample(TIMES, runs=4000, seed=1)) / (4000 * collisions) * 1e9
    sums = np.zeros((6, 2, 1000))
    plain = median_time(lambda: plain_loop(BALLS.initial_mean, BALLS.initial_std, stops, 50, sums)) / (50 * collisions)
    yield faster(
        "paper's ensemble, a collision, 2 cores, statistics", "plain numba loop, 1 core", ours, plain * 1e9, "ns", 18
    )
    start, key = BALLS.initial_mean + BALLS.initial_std, key_words(7)
    buffers = np.empty((2, 512), np.uint64), np.empty(512, np.uint32), np.empty(512), np.empty(512)
    function = c_kernel()
    runs = 40

    def in_numba(v):
        for run in range(runs):
            advance_exchanging(v, 0, collisions, np.uint64(run), *key, *buffers)

    def in_c(v):
        for run in range(runs):
            function(v.ctypes.data, v.size, int(collisions), run, int(key[0]), int(key[1]))

    a, b = start.copy(), start.copy()
    in_numba(a), in_c(b)
    difference = np.abs(a - b).max()
    assert difference < 1e-12, f"C and numba differ by {difference}"
    numba_time, c_time = (median_time(lambda f=f: f(start.copy()), 2 * REPEATS + 1) for f in (in_numba, in_c))
    scale = 1e9 / (runs * collisions)
    yield Row(
        "same kernel, a collision, 1 core, no statistics", "the same in C, gcc -O3 -march=native",
        numba_time * scale, c_time * scale, "ns", ">= 0.77x", numba_time <= 1.3 * c_time,
    )  # fmt: skip
