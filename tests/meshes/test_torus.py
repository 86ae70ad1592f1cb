"""Tori: topology, geometry, and optimal rates for a periodic Poisson problem, for all cells and in parallel."""

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from dolfinx.mesh import CellType, exterior_facet_indices
from mpi4py import MPI
from petsc4py import PETSc
from rates import assert_rate

from scaling_limits.meshes import draw_space, torus
from scaling_limits.particles import InvalidArgument

GRADED = [0.0, 0.1, 0.3, 0.4, 1.5]
KINDS = [
    ((8,), CellType.interval), ((6, 5), CellType.triangle), ((6, 5), CellType.quadrilateral),
    ((4, 3, 5), CellType.tetrahedron), ((4, 3, 5), CellType.hexahedron),
]  # fmt: skip


def total(mesh, integrand):
    return mesh.comm.allreduce(fem.assemble_scalar(fem.form(integrand)))


def exterior_facets(mesh):
    dim = mesh.topology.dim
    mesh.topology.create_connectivity(dim - 1, dim)
    facets = exterior_facet_indices(mesh.topology)
    return mesh.comm.allreduce(int((facets < mesh.topology.index_map(dim - 1).size_local).sum()))


@pytest.mark.parametrize(("cells", "kind"), KINDS)
def test_topology_is_that_of_a_torus(cells, kind):
    mesh = torus(cells, cell_type=kind)
    dim = len(cells)
    assert exterior_facets(mesh) == 0
    counts = []
    for entity in range(dim + 1):
        mesh.topology.create_entities(entity)
        counts.append(mesh.topology.index_map(entity).size_global)
    assert sum((-1) ** k * n for k, n in enumerate(counts)) == 0  # Euler's characteristic
    assert counts[0] == np.prod(cells)
    assert total(mesh, fem.Constant(mesh, 1.0) * ufl.dx) == pytest.approx(1.0, rel=1e-13)
    expected = np.prod([2 * n for n in cells])
    assert fem.functionspace(mesh, ("Lagrange", 2)).dofmap.index_map.size_global == expected


def test_graded_meshes_have_their_lengths():
    mesh = torus((GRADED, [0.0, 0.5, 0.6, 2.0]))
    assert total(mesh, fem.Constant(mesh, 1.0) * ufl.dx) == pytest.approx(3.0, rel=1e-13)
    assert total(mesh, ufl.SpatialCoordinate(mesh)[0] * ufl.dx) == pytest.approx(1.5**2 / 2 * 2, rel=1e-13)


def test_walls_in_directions_that_are_not_periodic():
    assert exterior_facets(torus((5, 4), periodic=(True, False))) == 10
    assert exterior_facets(torus((5, 4), periodic=False)) == 18


def poisson_error(mesh, degree):
    """L2 error of -div grad u + u = f with the exact solution prod cos(2 pi x_i) + sin."""
    space = fem.functionspace(mesh, ("Lagrange", degree))
    u, v, x = ufl.TrialFunction(space), ufl.TestFunction(space), ufl.SpatialCoordinate(mesh)
    phase = 2 * ufl.pi * sum(x[i] for i in range(len(x)))
    exact = ufl.sin(phase) + ufl.cos(2 * ufl.pi * x[0])
    force = (1 + len(x) * 4 * ufl.pi**2) * ufl.sin(phase) + (1 + 4 * ufl.pi**2) * ufl.cos(2 * ufl.pi * x[0])
    form = fem.form((ufl.inner(ufl.grad(u), ufl.grad(v)) + u * v) * ufl.dx)
    matrix = fem_petsc.assemble_matrix(form)
    matrix.assemble()
    vector = fem_petsc.assemble_vector(fem.form(force * v * ufl.dx))
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    solver = PETSc.KSP().create(mesh.comm)
    solver.setType("cg")
    solver.getPC().setType("jacobi")
    solver.setTolerances(rtol=1e-12)
    solver.setOperators(matrix)
    solution = fem.Function(space)
    out = matrix.createVecRight()
    solver.solve(vector, out)
    solution.x.array[: out.getLocalSize()] = out.array
    solution.x.scatter_forward()
    return np.sqrt(total(mesh, (solution - exact) ** 2 * ufl.dx))


@pytest.mark.parametrize(
    ("kind", "degree", "sizes", "cap"),
    [
        (CellType.interval, 3, (8, 16, 32), 2e-6),
        (CellType.triangle, 1, (16, 32, 64), 1e-2),
        (CellType.quadrilateral, 2, (8, 16, 32), 2e-4),
        (CellType.tetrahedron, 2, (4, 8, 16), 2e-2),
        (CellType.hexahedron, 2, (4, 8, 12), 6e-3),
    ],
)
def test_rates_are_optimal(kind, degree, sizes, cap):
    dim = {"interval": 1, "triangle": 2, "quadrilateral": 2}.get(kind.name, 3)
    errors = [poisson_error(torus((n,) * dim, cell_type=kind), degree) for n in sizes]
    assert_rate([1 / n for n in sizes], errors, degree + 1, slack=0.35, cap=cap)


def test_facet_integrals_cross_the_seam():
    """The jump of a piecewise constant over all facets of a 5 x 4 torus: the seam counts once."""
    mesh = torus((5, 4))
    space = fem.functionspace(mesh, ("Discontinuous Lagrange", 0))
    u = fem.Function(space)
    u.interpolate(lambda x: x[0] < 0.4)  # cells [0, 0.2], [0.2, 0.4]
    assert total(mesh, ufl.jump(u) ** 2 * ufl.dS) == pytest.approx(2.0, rel=1e-12)


def test_fields_are_drawn_with_both_sides_of_the_seam():
    mesh = torus((4, 4))
    field = fem.Function(draw_space(mesh, 1))
    field.interpolate(lambda x: x[0])
    ends = mesh.comm.allreduce(field.x.array.max(initial=0.0), MPI.MAX)
    assert ends == pytest.approx(1.0)
    assert draw_space(mesh, 1, (2,)).dofmap.bs == 2
    assert basix.ufl.element("Lagrange", "quadrilateral", 1).degree == 1


@pytest.mark.parametrize(
    ("cells", "options", "argument"),
    [
        ((2, 4), {}, "cells"), ((4, 4, 4, 4), {}, "cells"), ((), {}, "cells"), ((4.5,), {}, "cells[0]"),
        (([0.0, 0.5, 0.4, 1.0],), {}, "cells[0]"), (([0.1, 0.5, 0.7, 1.0],), {}, "cells[0]"),
        (([0.0, np.nan, 0.7, 1.0],), {}, "cells[0]"),
        ((4, 4), {"cell_type": CellType.hexahedron}, "cell_type"), ((4, 4), {"periodic": (True,)}, "periodic"),
        ((4, 4), {"periodic": "yes!"}, "periodic"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(cells, options, argument):
    with pytest.raises(InvalidArgument) as caught:
        torus(cells, **options)
    assert caught.value.argument == argument
