"""Meshes of gmsh with tagged facets, on any number of ranks, against closed forms."""

import numpy as np
import pytest
from diffusions import Given

from meshes import COMM
from scaling_limits.meshes.backend.compat import mesh_of_gmsh
from scaling_limits.pdes import FokkerPlanck

gmsh = pytest.importorskip("gmsh", reason="gmsh is not here: apt install python3-gmsh, or pip install gmsh")
SIGMA, RADIUS, WALL = 0.5, 0.8, 3


def made(dim, size, recombined=False):
    """A disc or a ball with a tagged boundary."""
    if COMM.rank == 0:
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        gmsh.option.setNumber("Mesh.RecombineAll", int(recombined))
        gmsh.option.setNumber("Mesh.SubdivisionAlgorithm", int(recombined))
        occ = gmsh.model.occ
        whole = occ.addDisk(0, 0, 0, RADIUS, RADIUS) if dim == 2 else occ.addSphere(0, 0, 0, RADIUS)
        occ.synchronize()
        gmsh.model.addPhysicalGroup(dim, [whole], 1)
        wall = gmsh.model.getBoundary([(dim, whole)], oriented=False)
        gmsh.model.addPhysicalGroup(dim - 1, [tag for _, tag in wall], WALL)
        gmsh.model.mesh.generate(dim)
    mesh, _, facets = mesh_of_gmsh(gmsh.model, COMM, dim)
    if COMM.rank == 0:
        gmsh.finalize()
    return mesh, facets


@pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
@pytest.mark.parametrize(("dim", "size", "recombined"), [(2, 0.08, False), (2, 0.1, True), (3, 0.3, False)])
def test_times_to_a_tagged_boundary(dim, size, recombined):
    """T = (R^2 - |x|^2)/(2 d sigma), to the second order of the boundary."""
    mesh, facets = made(dim, size, recombined)
    flat = Given(lambda x: np.broadcast_to(np.eye(dim), (len(x), dim, dim)).copy(), lambda x: np.zeros(len(x)), SIGMA)
    fp = FokkerPlanck(flat, mesh=mesh, rtol=1e-3)
    time = fp.mean_first_passage_time((facets, WALL))
    x = np.array([[0.0] * dim, [0.3] + [0.1] * (dim - 1)])
    exact = (RADIUS**2 - (x**2).sum(axis=1)) / (2 * dim * SIGMA)
    assert np.abs(time.at(x) - exact).max() < (size / RADIUS) ** 2 * exact.max()
    run = fp.evolve(lambda x: np.exp(-8 * (x**2).sum(axis=1)), [0.05, 0.2], absorbing=(facets, WALL))
    assert (np.diff(run.survival) < 0).all()
