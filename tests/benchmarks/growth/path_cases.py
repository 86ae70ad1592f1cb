"""Paths of diffusions, and rotators: paths, scales, separation of scales, sites."""

import numpy as np
from case import Case
from cell_cases import potential


def langevin(paths, scales=1, epsilon=0.1, step=1e-4):
    from scaling_limits.particles import Langevin

    equation = Langevin(potential(2, int(scales)), epsilon=epsilon)
    return lambda: equation.sample(np.zeros(2), [0.02], paths=int(paths), seed=1, step=step, workers=1)


def many_scales(count):
    """Compiled beforehand: each potential has its own gradient. With this epsilon one step serves 16 scales."""
    langevin(16, count, 0.9)()
    return langevin(20000, count, 0.9)


def separated(inverse):
    """The step that the method chooses itself."""
    return langevin(512, epsilon=1 / inverse, step=None)


def kept_times(count):
    from scaling_limits.particles import Langevin

    equation = Langevin(potential(2, 1), epsilon=0.2)
    times = np.linspace(0, 0.05, int(count) + 1)[1:]
    return lambda: equation.sample(np.zeros(2), times, paths=2048, seed=1, step=5e-5, workers=1)


def fast(s):
    return 1 + s * s


def weak(s):
    return 1 / (1 + s)


def rotators(sites, runs=256, epsilon=0.05, step=1e-3, limit=False):
    from scaling_limits.particles import DiagonalDissipation, RotatorLattice, TransportProcess

    heat = np.resize([2.0, 0.5], int(sites))
    lattice = RotatorLattice((int(sites),), fast, weak, DiagonalDissipation(4), heat, epsilon)
    one = np.ones(int(sites), dtype=complex)
    model = TransportProcess(lattice) if limit else lattice
    return lambda: model.sample(one, [0.05], int(runs), 1, step, workers=1)


CASES = {
    "langevin_paths": Case(
        "Langevin paths, 1 scale in 2-D", "paths", (2000, 6000, 20000, 60000, 200000), langevin, 1, 1,
        "paths are independent, and kept",
    ),
    "langevin_scales": Case(
        "Langevin paths", "scales", (1, 2, 4, 8, 16), many_scales, 1, 0,
        "each scale adds as many terms to the gradient; the noise is the same, so less than 1 where there are few",
    ),
    "langevin_epsilon": Case(
        "Langevin paths, steps chosen", "1/epsilon", (20, 40, 80, 160, 320), separated, 2, 0,
        "steps resolve the wells, of width epsilon: h ~ epsilon^2",
    ),
    "langevin_times": Case(
        "Langevin paths, kept times", "times kept", (10, 30, 100, 300, 1000), kept_times, 1, 1,
        "the same steps, and a pause at each time, where all paths are written; so less than 1 where there are few",
    ),
    "rotator_sites": Case(
        "rotators, a chain", "sites", (16, 50, 160, 500, 1600), rotators, 1, 1, "neighbours only; all sites are kept",
    ),
    "rotator_runs": Case(
        "rotators, 4 sites", "runs", (2000, 6000, 20000, 60000, 200000), lambda runs: rotators(4, runs, step=2e-3), 1, 1,
        "runs are independent, and kept",
    ),
    "rotator_epsilon": Case(
        "rotators, steps chosen", "1/epsilon", (20, 60, 200, 600, 2000),
        lambda inverse: rotators(4, 512, 1 / inverse, None), 1, 0, "steps resolve the rotation, of angle t/epsilon",
    ),
    "limit_sites": Case(
        "limit of rotators", "sites", (16, 50, 160, 500, 1600), lambda sites: rotators(sites, limit=True), 1, 1,
        "R(I) of a site has to do with its neighbours only",
    ),
}  # fmt: skip
