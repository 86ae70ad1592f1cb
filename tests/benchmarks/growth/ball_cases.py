"""Balls: samples, the equations of n balls, and the limiting equations."""

import numpy as np
from case import Case


def mean(x):
    return np.tanh(4 * (x - 0.5))


def std(x):
    return 1.2 - np.cos(2 * np.pi * x)


def ensemble(n, runs):
    from scaling_limits.particles import PinnedBalls

    balls = PinnedBalls(n=int(n), mean=mean, std=std)
    return lambda: balls.sample([2e-4], runs=int(runs), seed=1, lags=10, workers=1)


def closure(n):
    from scaling_limits.pdes import FiniteSizeEquations

    equations = FiniteSizeEquations(int(n), mean, std)
    return lambda: equations.solve([20.0 / n**2], rtol=1e-3)


def limit(cells):
    from scaling_limits.pdes import BilliardEquations

    equations = BilliardEquations(20.0, mean, std)
    return lambda: equations.solve([0.02, 0.05], rtol=1e-3, cells=int(cells), quiet=True)


CASES = {
    "balls_n": Case(
        "ensemble of balls", "balls n", (200, 400, 800, 1600, 2400), lambda n: ensemble(n, 128), 3, 1,
        "a unit of time has (n-1)^2 (n-2)/2 collisions; runs are held some at a time, of n velocities each",
    ),
    "balls_runs": Case(
        "ensemble of balls", "runs", (8000, 32000, 64000, 128000, 256000), lambda runs: ensemble(200, runs), 1, 1,
        "runs are independent; sums are kept, and of each run the two velocities of `pair_noise`, 16 bytes for each time",
    ),
    "closure_n": Case(
        "finite-size equations, t = 20/n^2", "balls n", (8000, 16000, 32000, 64000, 128000), closure, 1, 1,
        "as many collisions of each site, so as many stages; n sites in each",
    ),
    "limit_cells": Case(
        "PDE of the balls", "cells", (500, 1000, 2000, 4000, 8000, 16000), limit, 1, 1,
        "banded Jacobians, steps that accuracy chooses",
    ),
    "limit_pivots": Case(
        "PDE of the balls, finer cells", "cells", (24000, 32000, 64000, 128000), limit, 1, 1,
        "the same with pivots, six times as long: elimination without fails its check of rounding from some 20 000 cells on",
    ),
}  # fmt: skip
