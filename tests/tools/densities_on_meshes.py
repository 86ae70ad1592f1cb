"""Densities on meshes: what they conserve and dissipate, and rates of convergence; as tests check and tables print it.

`./in-env python tests/tools/densities_on_meshes.py` prints the tables of docs/theory/any_domain.md.
"""

import time
import warnings
from dataclasses import dataclass
from unittest import mock

import numpy as np
from diffusions import Given
from mpi4py import MPI
from scipy import linalg

from meshes import KIND, QUAD, TWENTY, cube, disc, mapped, square, wobbled
from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.diffusions.on_a_mesh.limits import StepLimiter

COMM = MPI.COMM_WORLD
TIMES = [0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]
WIDTH = 0.15
# of the terms of H, that rounding may change
NOISE = 1e-13


def turned_tensor(dim, ratio=1e-3, angle=0.6):
    """Eigenvalues 1 and `ratio`, turned in each plane."""
    rotation = np.eye(dim)
    for i in range(dim - 1):
        plane = np.eye(dim)
        c, s = np.cos(angle + i), np.sin(angle + i)
        plane[i, i], plane[i, i + 1], plane[i + 1, i], plane[i + 1, i + 1] = c, -s, s, c
        rotation = rotation @ plane
    return rotation @ np.diag([1.0, *[ratio] * (dim - 1)]) @ rotation.T


def with_tensor(tensor, energy, sigma=0.5):
    return Given(lambda x: np.broadcast_to(tensor, (len(x), *tensor.shape)).copy(), energy, sigma)


def hard(dim):
    """M of ratio 1000, turned, and a bowl with waves."""
    return with_tensor(turned_tensor(dim), lambda x: 2.0 * (x**2).sum(axis=1) + np.sin(3.0 * x[:, 0]))


def narrow(x):
    """Next to nothing outside of a ball whose radius is that of a cell or two."""
    return np.exp(-((x - 0.1) ** 2).sum(axis=1) / (2 * WIDTH**2))


@dataclass(frozen=True)
class Structure:
    """Of one evolution: the largest error of the mass, the least probability, the largest rise of H in a step that was
    kept, by what rounding may change of it, the equilibrium's drift, and the cost.
    """

    mass: float
    minimum: float
    rise: float
    drift: float
    steps: int
    refused: int
    limited: int
    seconds: float


def relative_entropy(equation, probabilities):
    """H in the plain way, and the size of its terms; another route than that of the package."""
    share = equation.pi / equation.partition
    r = probabilities[probabilities > 0]
    terms = r * np.log(r / share[probabilities > 0])
    return COMM.allreduce(terms.sum()), COMM.allreduce(np.abs(terms).sum())


def measured(fp, start, times, **choice):
    """An evolution, and (T, m) probabilities after each step that is kept."""
    kept, keep = [], StepLimiter.keep

    def recorded(limiter, step):
        kept.append(step.state * limiter.lumped.root)
        keep(limiter, step)

    with mock.patch.object(StepLimiter, "keep", recorded):
        run = fp.evolve(start, times, **choice)
    return run, np.array(kept)


def structure_of(name, times=TIMES, rtol=1e-5, **choice):
    """Of a narrow start on one of the twenty meshes."""
    mesh = TWENTY[name]()
    fp = FokkerPlanck(hard(mesh.geometry.dim), mesh=mesh, rtol=rtol)
    begin = time.perf_counter()
    run, steps = measured(fp, narrow, times, **choice)
    seconds = time.perf_counter() - begin
    found = np.array([relative_entropy(fp.on_mesh, r) for r in steps])
    mass = COMM.allreduce(steps.sum(axis=1))
    least = COMM.allreduce(steps.min(initial=np.inf), MPI.MIN)
    noise = NOISE * np.maximum(found[:, 1], 1.0)
    rise = float((np.diff(found[:, 0]) / noise[1:]).max(initial=-np.inf))
    drift = equilibrium_drift(fp)
    numbers = run.statistics
    return Structure(
        max(np.abs(mass - 1).max(), np.abs(run.mass - 1).max()), float(least), rise, drift, numbers.steps,
        numbers.refused, run.limited_steps, seconds,
    )  # fmt: skip


def equilibrium_drift(fp):
    """In total variation, after any time."""
    run = fp.evolve(lambda x: np.exp(-fp.exponent(x)), [0.0, 0.1, 100.0])
    return float(COMM.allreduce(np.abs(run.probabilities - run.probabilities[0]).sum(axis=1)).max())


# kinds of meshes of a cube of half a width, n cells along each edge
FAMILIES = {
    "triangles, wobbled": lambda n, half: wobbled(square(n, half=half), 0.2 * half / n),
    "quadrilaterals, wobbled": lambda n, half: wobbled(square(n, QUAD, half=half), 0.2 * half / n),
    "obtuse triangles": lambda n, half: mapped(square(n, half=half), lambda x: x @ [[1.0, 0.6], [0.0, 1.0]]),
    "disc": lambda n, half: disc(n // 2, half),
    "tetrahedra, wobbled": lambda n, half: wobbled(mapped(cube(n), lambda x: half * x), 0.2 * half / n),
    "hexahedra": lambda n, half: mapped(cube(n, KIND.hexahedron), lambda x: half * x),
}


def gaussian_errors(family, sizes, ratio, half=4.0, width=0.6, sigma=0.5, times=(0.2, 0.5, 1.0), rtol=1e-5):
    """Total variation of the errors of an Ornstein-Uhlenbeck process, M turned, at nodes; and steps that were limited."""
    dim = FAMILIES[family](2, half).geometry.dim
    tensor = turned_tensor(dim, ratio)
    centre = np.array([0.5, 0.2, -0.3])[:dim]
    errors, limited = [], []
    for n in sizes:
        coefficients = with_tensor(tensor, lambda x: 0.5 * (x**2).sum(axis=1), sigma)
        fp = FokkerPlanck(coefficients, mesh=FAMILIES[family](n, half), rtol=rtol)
        run = fp.evolve(lambda x: np.exp(-((x - centre) ** 2).sum(axis=1) / (2 * width**2)), list(times))
        nodes, volumes, away = fp.on_mesh.nodes, fp.on_mesh.volumes, []
        for t, probabilities in zip(times, run.probabilities):
            decay = linalg.expm(-tensor * t)
            covariance = sigma * np.eye(dim) + (width**2 - sigma) * decay @ decay
            x = nodes - decay @ centre
            norm = np.sqrt(np.linalg.det(2 * np.pi * covariance))
            exact = np.exp(-0.5 * np.einsum("ni,ij,nj->n", x, np.linalg.inv(covariance), x)) / norm
            away.append(COMM.allreduce(np.abs(probabilities - exact * volumes).sum()))
        errors.append(max(away))
        limited.append(run.limited_steps)
    return np.array(errors), limited


def structure_table():
    rows = [["mesh", "mass", "least r", "rise of H", "drift", "steps", "refused", "limited", "seconds"]]
    for name in TWENTY:
        s = structure_of(name)
        numbers = (f"{value:.0e}" for value in (s.mass, s.minimum, max(s.rise, 0.0) * NOISE, s.drift))
        rows.append([name, *numbers, s.steps, s.refused, s.limited, f"{s.seconds:.1f}"])
    return rows


def rates_table():
    rows = [["mesh", "ratio of M", "width", "cells along an edge", "errors", "rates", "steps limited"]]
    for family in FAMILIES:
        for ratio, width in ((1.0, 0.6), (1e-3, 0.6), (1e-3, 0.3)):
            sizes = [20, 40, 80, 160] if "hedra" not in family else [8, 16, 24]
            errors, limited = gaussian_errors(family, sizes, ratio, width=width)
            rates = -np.diff(np.log(errors)) / np.diff(np.log(sizes))
            texts = (sizes, [f"{e:.1e}" for e in errors], [f"{r:.2f}" for r in rates], limited)
            rows.append([family, f"{1 / ratio:.0f}", width, *(", ".join(map(str, text)) for text in texts)])
    return rows


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for table in (structure_table, rates_table):
        head, *rows = table()
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in rows:
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
        print()
