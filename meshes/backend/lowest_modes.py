"""The lowest modes of A f = lambda B f: by LOBPCG with multigrid, where factors would not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc
from slepc4py import SLEPc

from scaling_limits.particles.errors import NotConverged

WHAT = "the eigenvalue problem"


@dataclass(frozen=True)
class ModeSettings:
    """How modes are found without factors.

    Args:
        shift: added to all eigenvalues, in units of their scale, so that A is definite and can be preconditioned.
        tolerance: of the residual |A s - lambda B s|, in the same units, with the diagonal of B 1 and s^T B s = 1.
        guard: modes that are iterated besides those that are asked for, at least, and as a part of these: one of a
            cluster that was cut would converge slowly.
        most: iterations.
        unknowns: for each vector of the search space, at least; SLEPc may not return from smaller problems.
    """

    shift: float = 1.0
    tolerance: float = 1e-7
    guard: tuple[int, float] = (3, 0.25)
    most: int = 200
    unknowns: int = 10


SETTINGS = ModeSettings()


@dataclass(frozen=True, eq=False)
class LowestModes:
    """Vectors s of norm 1, s^T B s = 1, and how well they solve the problem.

    Args:
        vectors: on the rows of this rank (m, k).
        values: their Rayleigh quotients lambda (k,), as far as rounding leaves them.
        residuals: |A s - lambda B s| (k,), Euclidean.
    """

    vectors: np.ndarray
    values: np.ndarray
    residuals: np.ndarray

    def errors(self, scale: float) -> np.ndarray:
        """What the residuals leave of each eigenvalue (k,): min(r, r^2/gap), with r = 3 |A s - lambda B s| >= the
        norm of B^-1 (the least eigenvalue of B is 1/8 or more for elements of degree 1 and 2 in space), and the
        distance to the next other eigenvalue that was found for the gap.

        Source: Parlett, The Symmetric Eigenvalue Problem (1998), theorem 11.7.1; Wathen, IMA J. Numer. Anal. 7 (1987).

        Args:
            scale: of eigenvalues; those that differ by less than 1e-6 of it are one.
        """
        apart = np.abs(self.values[:, None] - self.values[None, :])
        # 0 is one of them, and was left out
        apart = np.concatenate([np.where(apart > 1e-6 * scale, apart, np.inf), np.abs(self.values)[:, None]], axis=1)
        size = 3.0 * self.residuals
        return np.asarray(np.minimum(size, size**2 / apart.min(axis=1)))


def preconditioned(energy: PETSc.Mat, product: PETSc.Mat, kernel: PETSc.Vec, count: int, scale: float) -> LowestModes:
    """The lowest modes beside the one of eigenvalue 0, by LOBPCG with algebraic multigrid; collective.

    Factors would take memory like N^(4/3) in space; this takes some matrices' worth. Source: Knyazev, Toward the
    optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23 (2001) 517; Hernandez, Roman and Vidal, SLEPc, ACM TOMS
    31 (2005) 351.

    Args:
        energy: A, symmetric and positive semidefinite; it is A + shift B afterwards.
        product: B, symmetric and positive definite, with ones on the diagonal.
        kernel: the vector that A takes to 0, of norm 1.
        count: how many.
        scale: of the eigenvalues.

    Raises:
        NotConverged: residuals do not become small enough.
    """
    if energy.getSize()[0] < SETTINGS.unknowns * 3 * _block(count):
        raise NotConverged(WHAT, f"{count} modes of so few unknowns are no matter of LOBPCG", "take a direct solver")
    energy.axpy(SETTINGS.shift * scale, product, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
    energy.setOption(PETSc.Mat.Option.SPD, True)
    energy.setNearNullSpace(PETSc.NullSpace().create(vectors=[kernel], comm=energy.getComm()))
    solver = _configured(energy, product, kernel, count, SETTINGS.tolerance * scale)
    try:
        solver.solve()
    # slepc4py 3.25 raises SystemError
    except (PETSc.Error, SystemError) as error:
        # SLEPc cannot take it apart in this state
        solver.incRef()
        raise NotConverged(WHAT, "SLEPc gave up", "take fewer cells, or a higher temperature") from error
    found = solver.getConverged()
    if found < count:
        solver.destroy()
        reason = f"{found} of {count} modes have converged after {SETTINGS.most} iterations of LOBPCG"
        raise NotConverged(WHAT, reason, "ask for fewer modes or take fewer cells, so that a direct solver fits")
    modes = _judged(solver, energy, product, found, SETTINGS.shift * scale)
    solver.destroy()
    if (modes.residuals[:count] > 10 * SETTINGS.tolerance * scale).any():
        raise NotConverged(
            WHAT, f"a residual is {modes.residuals.max():.1e}", "take fewer cells, so that a direct solver fits"
        )
    return modes


def _configured(energy: PETSc.Mat, product: PETSc.Mat, kernel: PETSc.Vec, count: int, tolerance: float) -> SLEPc.EPS:
    solver = SLEPc.EPS().create(energy.getComm())
    solver.setOptionsPrefix("lowest_modes_")
    solver.setOperators(energy, product)
    solver.setProblemType(SLEPc.EPS.ProblemType.GHEP)
    solver.setType(SLEPc.EPS.Type.LOBPCG)
    solver.setDimensions(count)
    solver.setLOBPCGBlockSize(_block(count))
    solver.setDeflationSpace([kernel])
    solver.setWhichEigenpairs(SLEPc.EPS.Which.SMALLEST_REAL)
    solver.setConvergenceTest(SLEPc.EPS.Conv.ABS)
    solver.setTolerances(tol=tolerance, max_it=SETTINGS.most)
    transform = solver.getST()
    transform.setType(SLEPc.ST.Type.PRECOND)
    transform.getKSP().setType("preonly")
    transform.getKSP().getPC().setType("gamg")
    return solver


def _block(count: int) -> int:
    """Vectors that are iterated."""
    return count + max(SETTINGS.guard[0], int(np.ceil(SETTINGS.guard[1] * count)))


def _judged(solver: SLEPc.EPS, energy: PETSc.Mat, product: PETSc.Mat, found: int, shift: float) -> LowestModes:
    vector, left, right = (energy.createVecRight() for _ in range(3))
    columns, values, residuals = [], [], []
    for i in range(found):
        solver.getEigenvector(i, vector)
        product.mult(vector, right)
        size = np.sqrt(vector.dot(right))
        vector.scale(1.0 / size)
        right.scale(1.0 / size)
        energy.mult(vector, left)
        value = vector.dot(left)
        left.axpy(-value, right)
        columns.append(vector.array.copy())
        values.append(value - shift)
        residuals.append(left.norm())
    return LowestModes(np.stack(columns, axis=1), np.array(values), np.array(residuals))
