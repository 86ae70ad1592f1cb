"""What ranks do together, in parts: `mark` begins a part, whose messages are counted and whose time is taken."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from ball_cases import mean, std
from cell_cases import places, potential
from density_cases import box, start, triangles
from mpi4py import MPI

WORLD = MPI.COMM_WORLD
JACOBI = {"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-8}


def steps(name, equation, mark):
    """Set-up and one step, four steps more, equilibrium, and values at points."""
    from scaling_limits.pdes import IMPLICIT_EULER

    mark(f"{name}: set-up and a step")
    equation.evolve(start, [0.1], scheme=IMPLICIT_EULER, step=0.1)
    mark(f"{name}: four steps")
    equation.evolve(start, [0.4], scheme=IMPLICIT_EULER, step=0.1)
    mark(f"{name}: equilibrium")
    density = equation.stationary()
    mark(f"{name}: values at 100 points")
    density.at(places(100) / 2)


def on_mesh(edge, mark):
    """Triangles, with the solver that is the default."""
    mark(f"mesh {edge}^2: the mesh")
    mesh = triangles(edge, WORLD)
    steps(f"mesh {edge}^2", box(0, 2, box=None, cells=None, mesh=mesh), mark)


def in_box(edge, mark):
    """The same in a box, with conjugate gradients, whose messages are halos and sums."""
    steps(f"box {edge}^2", box(edge, 2, comm=WORLD, petsc_options=JACOBI), mark)


def checkpoints(edge, mark):
    """Four steps that write a checkpoint each."""
    from scaling_limits.pdes import IMPLICIT_EULER

    equation = box(edge, 2, comm=WORLD, petsc_options=JACOBI)
    with tempfile.TemporaryDirectory() as folder:
        path = WORLD.bcast(str(Path(folder) / "checkpoint.npz"))
        mark(f"box {edge}^2: four steps, four checkpoints")
        equation.evolve(start, [0.4], scheme=IMPLICIT_EULER, step=0.1, checkpoint=path, checkpoint_every=0)
        WORLD.barrier()


def products(edge, dim, mark):
    """Ten products with the matrix of a box: halos and nothing else."""
    matrix = box(edge, dim, comm=WORLD, petsc_options=JACOBI).generator.matrix()
    left, right = matrix.createVecs()
    left.set(1.0)
    matrix.mult(left, right)
    mark(f"box {edge}^{dim}: 10 products")
    for _ in range(10):
        matrix.mult(left, right)


def passages(edge, mark):
    """Mean first passage times."""
    equation = box(edge, 2, comm=WORLD)
    mark(f"box {edge}^2: mean first passage times")
    equation.mean_first_passage_time(lambda x: x[:, 0] > 1.5)


def limit(cells, mark):
    """The PDE of the balls."""
    from scaling_limits.pdes import BilliardEquations

    mark(f"PDE of the balls, {cells} cells")
    BilliardEquations(20.0, mean, std).solve([0.005], rtol=1e-2, cells=cells, quiet=True)


def closure(n, mark):
    """The equations of n balls."""
    equations = closure_of(n)
    mark(f"finite-size equations, n = {n}")
    equations()


def tensors(count, mark):
    """Effective tensors at points."""
    from scaling_limits.cells import effective_tensor

    one = potential(2, 1)
    mark(f"effective tensor at {count} points")
    effective_tensor(one, places(count), 1e-6, workers=1, comm=WORLD)


def samples(paths, mark):
    """Paths, rotators, balls."""
    from path_cases import fast, weak

    from scaling_limits.particles import DiagonalDissipation, Langevin, PinnedBalls, RotatorLattice

    langevin = Langevin(potential(2, 1), epsilon=0.2)
    rotators = RotatorLattice((4,), fast, weak, DiagonalDissipation(4), [2.0, 0.5, 2.0, 0.5], 0.1)
    mark(f"Langevin, {paths} paths")
    langevin.sample(np.zeros(2), [0.001], paths=paths, seed=1, step=1e-4, workers=1, comm=WORLD)
    mark(f"rotators, {paths} runs")
    rotators.sample(np.ones(4, dtype=complex), [0.002], paths, 1, 1e-3, workers=1, comm=WORLD)
    mark(f"balls, {paths} runs")
    PinnedBalls(n=50, mean=mean, std=std).sample([1e-4], runs=paths, seed=1, lags=10, workers=1, comm=WORLD)


def few(mark):
    """Parts that take seconds on 16 ranks too."""
    work = [partial(in_box, 96), partial(checkpoints, 96)]
    work += [partial(products, edge, 2) for edge in (64, 128, 256)] + [partial(products, edge, 3) for edge in (16, 32)]
    through([*work, partial(closure, 2000), partial(tensors, 200)], mark)


def more(mark):
    """Parts that compile forms and kernels, or factor with MUMPS, on each rank."""
    through([partial(on_mesh, 64), partial(passages, 96), partial(limit, 1000), partial(samples, 16000)], mark)


def through(work, mark):
    """One after the other; the set-up of the next is no part of the one before."""
    for one in work:
        one(mark)
        mark("")


def timed(mark, factor):
    """Parts whose time is taken on one rank and two; `factor` times the work."""
    # the first calls import and compile
    for once, times in ((True, 0.02), (False, factor)):
        for name, call in (
            ("density, box: assembly, 10 steps", densities_of(384 * times**0.5, False)),
            ("density, mesh: assembly, 10 steps", densities_of(192 * times**0.5, True)),
            ("effective tensor, points", tensors_of(round(20_000 * times))),
            ("Langevin, paths", paths_of(round(300_000 * times))),
            ("finite-size equations, balls", closure_of(round(64_000 * times))),
        ):
            mark("first calls" if once else name)
            call()


def densities_of(edge, on_triangles):
    from scaling_limits.pdes import IMPLICIT_EULER

    kind = {"mesh": triangles(edge, WORLD), "box": None, "cells": None} if on_triangles else {"comm": WORLD}
    return lambda: box(edge, 2, **kind).evolve(start, [1.0], scheme=IMPLICIT_EULER, step=0.1)


def tensors_of(count):
    from scaling_limits.cells import effective_tensor

    one = potential(2, 1)
    return lambda: effective_tensor(one, places(count), 1e-8, workers=1, comm=WORLD)


def paths_of(count):
    from scaling_limits.particles import Langevin

    equation = Langevin(potential(2, 1), epsilon=0.2)
    return lambda: equation.sample(np.zeros(2), [0.02], paths=count, seed=1, step=1e-4, workers=1, comm=WORLD)


def closure_of(n):
    from scaling_limits.pdes import FiniteSizeEquations

    equations = FiniteSizeEquations(n, mean, std)
    return lambda: equations.solve([20.0 / n**2], rtol=1e-3)
