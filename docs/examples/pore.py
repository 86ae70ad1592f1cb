"""
A pore with obstacles
=====================

How long does a particle take through a pore? A mesh that fits the obstacles, a drift along the pore, and passage times.
"""

# %%
# The mesh: nodes on the circles of the obstacles and on a lattice between them, joined by Delaunay's triangulation. A
# mesh of gmsh (``dolfinx.io.gmshio``) does as well.

import argparse
from pathlib import Path

import basix.ufl
import numpy as np
import ufl
from dolfinx.io import XDMFFile
from mpi4py import MPI
from scipy.spatial import Delaunay

from scaling_limits.meshes.backend.compat import create_mesh
from scaling_limits.pdes import FokkerPlanck

CENTRES, RADIUS, LENGTH = np.array([[0.8, 0.35], [1.6, 0.7], [2.4, 0.3]]), 0.22, 3.2


def pore(size):
    """Triangles of [0, 3.2] x [0, 1] outside of three discs."""
    n, m = round(LENGTH / size), round(1.0 / size)
    lattice = np.stack(np.meshgrid(np.linspace(0, LENGTH, n + 1), np.linspace(0, 1, m + 1)), -1).reshape(-1, 2)
    away = np.linalg.norm(lattice[:, None] - CENTRES, axis=2).min(axis=1)
    angles = 2 * np.pi * np.arange(round(2 * np.pi * RADIUS / size)) / round(2 * np.pi * RADIUS / size)
    circle = RADIUS * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([lattice[away > RADIUS + 0.4 * size], *(centre + circle for centre in CENTRES)])
    cells = Delaunay(points).simplices
    middle = points[cells].mean(axis=1)
    outside = np.linalg.norm(middle[:, None] - CENTRES, axis=2).min(axis=1) > RADIUS * np.cos(0.5 * (angles[1]))
    area = np.abs(np.linalg.det(points[cells][:, 1:] - points[cells][:, :1]))
    return points, cells[outside & (area > 1e-6 * size**2)]


class Drift:
    """A constant force along the pore, and an isotropic mobility."""

    temperature = 1.0

    def mobility(self, x):
        """M (P, 2, 2)."""
        return np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy()

    def free_energy(self, x):
        """Psi (P,)."""
        return -2.0 * x[:, 0]


def end(x):
    """Whether points are at the right end."""
    return x[:, 0] >= LENGTH - 1e-9


# %%
# The mean time to the right end, and how much the obstacles cost: without them it is known in closed form. Then a cloud
# of particles on its way, what has not left after a while, and a file for ParaView.


def main(size=0.06, out=None, comm=MPI.COMM_WORLD):
    """The mean time through the pore, its error, that without obstacles, and the part that is left at three times."""
    points, cells = pore(size)
    if comm.rank:
        points, cells = points[:0], cells[:0]
    domain = ufl.Mesh(basix.ufl.element("Lagrange", "triangle", 1, shape=(2,)))
    mesh = create_mesh(comm, cells.astype(np.int64), points, domain)
    fp = FokkerPlanck(Drift(), mesh=mesh, rtol=1e-4)
    time = fp.mean_first_passage_time(end)
    start = np.array([[0.0, 0.5]])
    found, error = time.at(start)[0], time.error_at(start)[0]
    free = LENGTH / 2 - (1 - np.exp(-2 * LENGTH)) / 4
    run = fp.evolve(lambda x: np.exp(-((x - [0.2, 0.5]) ** 2).sum(axis=1) / 0.02), [0.5, 1.0, 2.0], absorbing=end)
    if comm.rank == 0:
        print(f"mean time through the pore {found:.4f} +- {error:.4f}, without obstacles {free:.4f}")
        for t, part in zip(run.times, run.survival):
            print(f"t = {t}: {part:.4f} are still in the pore")
    if out is not None:
        density = run[0].function
        with XDMFFile(comm, str(Path(out) / "pore.xdmf"), "w") as file:
            file.write_mesh(density.function_space.mesh)
            file.write_function(density, 0.5)
    return found, error, free, run.survival


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=float, default=0.06, help="of the cells")
    parser.add_argument("--out", type=Path, default=None, help="a folder for a file of ParaView")
    options = parser.parse_args()
    main(options.size, options.out)
