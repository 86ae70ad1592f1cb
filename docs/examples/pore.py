"""
A pore with obstacles
=====================

How long does a particle take through a pore? A mesh of gmsh that fits the obstacles, a drift along the pore, passage
times to a tagged end, and files for ParaView.
"""

# %%
# gmsh cuts the obstacles out of the pore. The right end gets a tag; with it a set is given by facets of the mesh
# instead of a function of the points. `mesh_of_gmsh` is `model_to_mesh` of dolfinx, whose module and result change with
# its version.

import argparse
from pathlib import Path

import gmsh
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.backend.compat import mesh_of_gmsh
from scaling_limits.pdes import FokkerPlanck

CENTRES, RADIUS, LENGTH, END = [(0.8, 0.35), (1.6, 0.7), (2.4, 0.3)], 0.22, 3.2, 7


def pore(size, comm):
    """[0, 3.2] x [0, 1] without three discs, and the tags of its facets."""
    if comm.rank == 0:
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        box = gmsh.model.occ.addRectangle(0.0, 0.0, 0.0, LENGTH, 1.0)
        discs = [gmsh.model.occ.addDisk(x, y, 0.0, RADIUS, RADIUS) for x, y in CENTRES]
        gmsh.model.occ.cut([(2, box)], [(2, disc) for disc in discs])
        gmsh.model.occ.synchronize()
        end = gmsh.model.getEntitiesInBoundingBox(LENGTH - 1e-6, -1, -1, LENGTH + 1e-6, 2, 1, 1)
        gmsh.model.addPhysicalGroup(2, [tag for _, tag in gmsh.model.getEntities(2)], 1)
        gmsh.model.addPhysicalGroup(1, [tag for _, tag in end], END)
        gmsh.model.mesh.generate(2)
    mesh, _, facets = mesh_of_gmsh(gmsh.model, comm, 2)
    if comm.rank == 0:
        gmsh.finalize()
    return mesh, facets


class Drift:
    """A constant force along the pore, and an isotropic mobility."""

    temperature = 1.0

    def mobility(self, x):
        """M (P, 2, 2)."""
        return np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy()

    def free_energy(self, x):
        """Psi (P,)."""
        return -2.0 * x[:, 0]


# %%
# The mean time to the right end, and how much the obstacles cost: without them it is known in closed form. Then a cloud
# of particles on its way, and what has not left after a while. Each file holds all times, of all ranks.


def main(size=0.05, out=None, comm=MPI.COMM_WORLD):
    """The mean time through the pore, its error, that without obstacles, and the part that is left at three times."""
    mesh, facets = pore(size, comm)
    fp = FokkerPlanck(Drift(), mesh=mesh, rtol=1e-4)
    time = fp.mean_first_passage_time((facets, END))
    start = np.array([[0.0, 0.5]])
    found, error = time.at(start)[0], time.error_at(start)[0]
    free = LENGTH / 2 - (1 - np.exp(-2 * LENGTH)) / 4
    assert error < 0.1 * (found - free)
    cloud = lambda x: np.exp(-((x - [0.2, 0.5]) ** 2).sum(axis=1) / 0.02)  # noqa: E731
    run = fp.evolve(cloud, [0.5, 1.0, 1.5], absorbing=(facets, END))
    if comm.rank == 0:
        print(f"mean time through the pore {found:.4f} +- {error:.4f}, without obstacles {free:.4f}")
        for t, part in zip(run.times, run.survival):
            print(f"t = {t}: {part:.4f} are still in the pore")
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        run.write(Path(out) / "pore.vtkhdf")
        time.write(Path(out) / "pore_time.pvd")
    picture(time.to_xarray(), run.to_xarray(), out)
    return found, error, free, run.survival


# %%
# Datasets are whole on rank 0, with the corners of the cells, which is all that a picture needs.


def picture(time, run, out):
    """The mean time, and the cloud at three times; on rank 0."""
    if time is None:
        return
    axes = plt.subplots(4, 1, figsize=(6, 8.5), layout="constrained", sharex=True)[1]
    shown = [(time, time["T"], "mean time to the right end")]
    shown += [(run, run["rho"].sel(time=t), f"density at t = {float(t):.1f}") for t in run["time"]]
    for ax, (data, values, title) in zip(axes, shown):
        drawn = ax.tripcolor(data["x"], data["y"], data["cell_nodes"], values, shading="gouraud", rasterized=True)
        ax.set(title=title, ylabel="y", aspect="equal")
        plt.colorbar(drawn, ax=ax)
    axes[-1].set_xlabel("x")
    if out is not None:
        plt.savefig(Path(out) / "pore.png", dpi=120)
        plt.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=float, default=0.05, help="of the cells")
    parser.add_argument("--out", type=Path, default=None, help="a folder for the picture and the files of ParaView")
    options = parser.parse_args()
    main(options.size, options.out)
