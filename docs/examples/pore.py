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

import os
from pathlib import Path

import gmsh
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI

from scaling_limits.meshes.backend.compat import mesh_of_gmsh
from scaling_limits.pdes import FokkerPlanck

size = float(os.environ.get("SCALING_LIMITS_SIZE", 0.05))
out = Path(os.environ.get("SCALING_LIMITS_OUT", "out"))
length, end = 3.2, 7

gmsh.initialize(interruptible=False)
gmsh.option.setNumber("General.Terminal", 0)
gmsh.option.setNumber("Mesh.MeshSizeMax", size)
box = gmsh.model.occ.addRectangle(0.0, 0.0, 0.0, length, 1.0)
discs = [gmsh.model.occ.addDisk(x, y, 0.0, 0.22, 0.22) for x, y in ((0.8, 0.35), (1.6, 0.7), (2.4, 0.3))]
gmsh.model.occ.cut([(2, box)], [(2, disc) for disc in discs])
gmsh.model.occ.synchronize()
right = gmsh.model.getEntitiesInBoundingBox(length - 1e-6, -1, -1, length + 1e-6, 2, 1, 1)
gmsh.model.addPhysicalGroup(2, [tag for _, tag in gmsh.model.getEntities(2)], 1)
gmsh.model.addPhysicalGroup(1, [tag for _, tag in right], end)
gmsh.model.mesh.generate(2)
mesh, _, facets = mesh_of_gmsh(gmsh.model, MPI.COMM_WORLD, 2)
gmsh.finalize()

# %%
# A constant force along the pore, and an isotropic mobility.


class Drift:
    temperature = 1.0

    def mobility(self, x):
        """M (P, 2, 2)."""
        return np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy()

    def free_energy(self, x):
        """Psi (P,)."""
        return -2.0 * x[:, 0]


fp = FokkerPlanck(Drift(), mesh=mesh, rtol=1e-4)

# %%
# The mean time to the right end, and how much the obstacles cost: without them it is known in closed form.

time = fp.mean_first_passage_time((facets, end))
start = np.array([[0.0, 0.5]])
found, error = time.at(start)[0], time.error_at(start)[0]
free = length / 2 - (1 - np.exp(-2 * length)) / 4
print(f"mean time through the pore {found:.4f} +- {error:.4f}, without obstacles {free:.4f}")
assert error < 0.1 * (found - free)

# %%
# A cloud of particles on its way, and what has not left after a while.


def cloud(x):
    return np.exp(-((x - [0.2, 0.5]) ** 2).sum(axis=1) / 0.02)


run = fp.evolve(cloud, [0.5, 1.0, 1.5], absorbing=(facets, end))
for t, part in zip(run.times, run.survival):
    print(f"t = {t}: {part:.4f} are still in the pore")

# %%
# Files for ParaView: each holds all times.

out.mkdir(parents=True, exist_ok=True)
run.write(out / "pore.vtkhdf")
time.write(out / "pore_time.pvd")

# %%
# Datasets have the corners of the cells, which is all that a picture needs.

times, densities = time.to_xarray(), run.to_xarray()
axes = plt.subplots(4, 1, figsize=(6, 8.5), layout="constrained", sharex=True)[1]
shown = [(times, times["T"], "mean time to the right end")]
shown += [(densities, densities["rho"].sel(time=t), f"density at t = {float(t):.1f}") for t in densities["time"]]
for axis, (data, values, title) in zip(axes, shown):
    drawn = axis.tripcolor(data["x"], data["y"], data["cell_nodes"], values, shading="gouraud", rasterized=True)
    axis.set(title=title, ylabel="y", aspect="equal")
    plt.colorbar(drawn, ax=axis)
axes[-1].set_xlabel("x")
plt.show()
