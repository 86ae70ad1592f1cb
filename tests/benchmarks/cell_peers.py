"""Peers for one cell in the plane, K = exp(-V1/sigma): muGrid, scikit-fem, dolfinx used the obvious way."""

import sys
from types import SimpleNamespace

import muGrid
import numpy as np
import scipy.sparse.linalg as linear
import skfem
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from muGrid.Preconditioners import FourierPreconditioner, GreenJacobiPreconditioner
from muGrid.Solvers import conjugate_gradients
from petsc4py import PETSc

from scaling_limits.meshes import torus


class Writable:
    """What numpy before 2.3 makes of muGrid's memory, which it hands out as read-only."""

    def __init__(self, field):
        self.field, view = field, np.from_dlpack(field)
        self.__array_interface__ = view.__array_interface__ | {"data": (view.ctypes.data, False)}


sys.modules["muGrid.Field"].np = SimpleNamespace(**vars(np) | {"from_dlpack": lambda f: np.asarray(Writable(f))})

TWO_PI = 2.0 * np.pi
GAUSS = 0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5


def q1_symbol(engine):
    """Inverse of the symbol of the bilinear stiffness on square pixels, 0 for the mean."""
    x, y = np.cos(TWO_PI * np.array(engine.fftfreq))
    symbol = 8 / 3 - 2 / 3 * (x + y) - 4 / 3 * x * y
    return np.divide(1.0, symbol, out=np.zeros_like(symbol), where=symbol > 1e-12)


def mugrid(coefficient, count, rtol):
    """K_eff by bilinear elements on count^2 pixels, conjugate gradients with the Green-Jacobi preconditioner."""
    communicator = muGrid.Communicator()
    spacing = 1.0 / count
    gradient = muGrid.FEMGradientOperator(2, (spacing, spacing))
    weights, points = list(gradient.quadrature_weights), gradient.nb_quad_pts
    engine = muGrid.FFTEngine(
        (count, count), communicator, nb_ghosts_left=(1, 1), nb_ghosts_right=(1, 1), nb_sub_pts={"quad": points}
    )
    fields = engine.real_space_collection
    corrector, right = (fields.real_field(name) for name in ("corrector", "right"))
    slopes, diagonal = fields.real_field("slopes", (2,), "quad"), fields.real_field("diagonal")
    x, y = engine.coords
    local = np.stack([coefficient(x + a * spacing, y + b * spacing) for b in GAUSS for a in GAUSS])

    def slope(u):
        engine.communicate_ghosts(u)
        gradient.apply(u, slopes)

    def adjoint(out):
        engine.communicate_ghosts(slopes)
        out.pg[...] = 0.0
        gradient.transpose(slopes, out, weights)

    def stiffness(u, out):
        slope(u)
        slopes.s[...] *= local
        adjoint(out)

    diagonal.s[...] = coefficient(x, y)
    preconditioner = GreenJacobiPreconditioner(FourierPreconditioner(engine, q1_symbol), diagonal)
    totals = np.empty((2, 2, points, count, count))
    for direction in range(2):
        slopes.s[...] = 0.0
        slopes.s[direction] = -local
        adjoint(right)
        corrector.pg[...] = 0.0
        conjugate_gradients(
            communicator, fields, right, corrector, hessp=stiffness, prec=preconditioner, rtol=rtol, maxiter=5000
        )
        slope(corrector)
        totals[direction] = slopes.s.reshape(2, points, count, count)
        totals[direction, direction] += 1.0
    return np.einsum("kdqij,ldqij,qij,q->kl", totals, totals, local, np.array(weights), optimize=True)


def mugrid_extrapolated(coefficient, coarse, fine, rtol):
    """Richardson's extrapolation of an error of second order."""
    first, second = mugrid(coefficient, coarse, rtol), mugrid(coefficient, fine, rtol)
    ratio = (fine / coarse) ** 2
    return (ratio * second - first) / (ratio - 1)


def scikit_fem(coefficient, count):
    """K_eff by triangles of degree 4 and a sparse LU factorisation."""
    ticks = np.linspace(0, 1, count + 1)
    mesh = skfem.MeshTri.init_tensor(ticks, ticks)
    labels = np.round((mesh.p % 1.0) * 1e6).astype(int) % 10**6
    keys = labels[0] * 10**6 + labels[1]
    first, copies, originals = {}, [], []
    for i in np.argsort(mesh.p.sum(axis=0), kind="stable"):
        if keys[i] in first:
            copies.append(i)
            originals.append(first[keys[i]])
        else:
            first[keys[i]] = i
    periodic = skfem.MeshTri1DG.periodic(mesh, np.array(copies), np.array(originals))
    basis = skfem.Basis(periodic, skfem.ElementTriP4(), intorder=10)
    local = skfem.BilinearForm(lambda u, v, w: coefficient(*w.x) * (u.grad[0] * v.grad[0] + u.grad[1] * v.grad[1]))
    matrix = skfem.asm(local, basis)
    pulls = np.stack(
        [skfem.asm(skfem.LinearForm(lambda v, w, k=k: coefficient(*w.x) * v.grad[k]), basis) for k in range(2)], axis=1
    )
    keep = np.unique(matrix.nonzero()[0])[1:]
    reduced = matrix[keep][:, keep].tocsc()
    factors = linear.splu(reduced, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    mean = skfem.asm(skfem.Functional(lambda w: coefficient(*w.x)), basis)
    return mean * np.eye(2) - pulls[keep].T @ factors.solve(pulls[keep])


class ObviousDolfinx:
    """For each cell the forms with its own K, a matrix, a factorisation, two solves, four integrals; one mesh for all."""

    def __init__(self, cells, degree):
        self.mesh = torus((cells, cells), comm=MPI.COMM_SELF)
        self.space = fem.functionspace(self.mesh, ("Lagrange", degree))

    def effective(self, potential):
        """K_eff for V1/sigma as a UFL expression of the coordinates."""
        u, v, x = ufl.TrialFunction(self.space), ufl.TestFunction(self.space), ufl.SpatialCoordinate(self.mesh)
        local = ufl.exp(-potential(x))
        matrix = fem_petsc.assemble_matrix(fem.form(local * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx))
        matrix.assemble()
        constants = PETSc.NullSpace().create(constant=True, comm=MPI.COMM_SELF)
        matrix.setNullSpace(constants)
        solver = PETSc.KSP().create(MPI.COMM_SELF)
        solver.setType("cg")
        solver.getPC().setType("jacobi")
        solver.setTolerances(rtol=1e-6)
        solver.setOperators(matrix)
        units = [ufl.as_vector([1.0, 0.0]), ufl.as_vector([0.0, 1.0])]
        correctors = []
        for unit in units:
            right = fem_petsc.assemble_vector(fem.form(-local * ufl.inner(unit, ufl.grad(v)) * ufl.dx))
            corrector = fem.Function(self.space)
            solver.solve(right, corrector.x.petsc_vec)
            correctors.append(corrector)
        totals = [unit + ufl.grad(corrector) for unit, corrector in zip(units, correctors)]
        return np.array(
            [[fem.assemble_scalar(fem.form(local * ufl.inner(a, b) * ufl.dx)) for b in totals] for a in totals]
        )
