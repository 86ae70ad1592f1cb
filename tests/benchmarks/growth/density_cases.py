"""Densities: boxes and meshes; set-up, one step and the density of equilibrium."""

import numpy as np
from case import Case, power

HALF = 3.0


def energy(x):
    return 0.5 * (x**2).sum(axis=1) + 0.2 * np.sin(3 * x[:, 0])


def mobility(x):
    d = x.shape[1]
    return np.broadcast_to(0.5 * np.eye(d) + 0.1, (len(x), d, d))


def start(x):
    return np.exp(-((x - 0.5) ** 2).sum(axis=1))


def box(edge, dim, **more):
    from scaling_limits.pdes import FokkerPlanck

    kind = {"box": [(-HALF, HALF)] * dim, "cells": (int(edge),) * dim} | more
    return FokkerPlanck.of(mobility=mobility, free_energy=energy, temperature=0.5, **kind)


def stepped(equation, step=0.1):
    """Three steps of implicit Euler, with one matrix."""
    from scaling_limits.pdes import IMPLICIT_EULER

    return equation.evolve(start, [3 * step], scheme=IMPLICIT_EULER, step=step)


def box_steps(edge, dim, step=0.1):
    return lambda: stepped(box(edge, dim), step)


def saved_times(count):
    equation = box(64, 2)
    return lambda: equation.evolve(start, np.linspace(0, 1, int(count) + 1)[1:], step=0.1)


def triangles(edge, comm=None):
    from dolfinx.mesh import create_rectangle
    from mpi4py import MPI

    half = [HALF, HALF]
    return create_rectangle(comm or MPI.COMM_WORLD, [[-HALF, -HALF], half], [int(edge), int(edge)])


def mesh_steps(edge):
    return lambda: stepped(box(0, 2, box=None, cells=None, mesh=triangles(edge)))


def rates(edge):
    equation = box(edge, 2)
    return lambda: equation.spectrum(4)


def mean_times(edge):
    equation = box(edge, 2)
    return lambda: equation.mean_first_passage_time(lambda x: x[:, 0] > 1.5)


CASES = {
    "box_1d": Case(
        "density in 1-D: set-up, 3 steps of 1e-4", "unknowns", (20000, 40000, 80000, 160000, 320000),
        lambda n: box_steps(n, 1, 1e-4), 1, 1, "a band",
    ),
    "box_1d_slow": Case(
        "the same, steps of 0.1", "unknowns", (80000, 160000, 320000, 640000, 1280000), lambda n: box_steps(n, 1), 1, 1,
        "a band, and a second solve for what the first has left; the time of an unknown doubles from 320 000 to 640 000, where "
        "the cache ends, and is constant before and after",
    ),
    "box_2d": Case(
        "density in 2-D: set-up, 3 steps", "unknowns", (64, 100, 160, 256, 400, 512), lambda n: box_steps(n, 2), 1.5, 1,
        "assembly n, and a factor by nested dissection n^(3/2), which takes over at these sizes; n log n numbers",
        power(2),
    ),
    "box_3d": Case(
        "density in 3-D: set-up, 3 steps", "unknowns", (20, 28, 34, 42, 52), lambda n: box_steps(n, 3), 1, 1,
        "beyond 20 000 unknowns CG with GAMG: iterations do not depend on the grid", power(3),
    ),
    "mesh_2d": Case(
        "density on triangles: set-up, 3 steps", "unknowns", (48, 64, 96, 128, 192), mesh_steps, 1, 1,
        "assembly n, a factor as in boxes", power(2),
    ),
    "rates_2d": Case(
        "rates in 2-D", "cells", (384, 512, 640, 768), rates, 1, 1,
        "a shifted factor of elements of degree 1, n^(3/2) and n log n numbers in the end; beside them some 10 x 10 to 16 x 16 "
        "large cells of degree 8, however many n are", power(2),
    ),
    "passage_2d": Case(
        "mean first passage times in 2-D", "unknowns", (48, 64, 96, 128, 192), mean_times, 1.5, 1,
        "elimination by nested dissection: the last front is dense with n^(1/2) rows", power(2),
    ),
    "box_times": Case(
        "density 64 x 64, kept times", "times kept", (20, 60, 200, 600), saved_times, 1, 1,
        "at least a step for each time; each is kept where there is no stream",
    ),
}  # fmt: skip
