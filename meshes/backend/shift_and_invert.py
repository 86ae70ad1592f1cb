"""The lowest modes of A f = lambda B f by SLEPc: shift and invert just below 0, with factors."""

from __future__ import annotations

import numpy as np
from petsc4py import PETSc
from slepc4py import SLEPc

from scaling_limits.particles.errors import NotConverged

from .petsc_solvers import CHOLMOD_COLUMNS

# entries of a row, on average, up to which factors have small blocks of columns
SHORT_ROW = 20


def eigensolver(
    energy: PETSc.Mat, product: PETSc.Mat | None, known: PETSc.Vec | None, count: int, shift: float, *,
    prefix: str = "lowest_modes_by_factors_", tolerance: float = 1e-11, most: int = 500,
) -> SLEPc.EPS:  # fmt: skip
    """A solver that inverts A + shift B, with the mode of rate 0 known beforehand, where there is one.

    Args:
        energy: A, symmetric and positive semidefinite.
        product: B, symmetric and positive definite; None for 1.
        known: a mode that is not looked for; None where there is none.
        count: how many modes are asked for.
        shift: > 0.
        prefix: of the options.
        tolerance: of the modes.
        most: iterations.
    """
    comm, kinds = energy.getComm(), SLEPc.EPS.ProblemType
    solver = SLEPc.EPS().create(comm)
    solver.setOptionsPrefix(prefix)
    solver.setOperators(energy, product)
    solver.setProblemType(kinds.HEP if product is None else kinds.GHEP)
    solver.setDimensions(count)
    if known is not None:
        solver.setDeflationSpace([known])
    solver.setTarget(-shift)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
    solver.setTolerances(tol=tolerance, max_it=most)
    transform = solver.getST()
    transform.setType(SLEPc.ST.Type.SINVERT)
    factors = transform.getKSP()
    factors.setType("preonly")
    if comm.size == 1 and PETSc.Sys.hasExternalPackage("cholmod"):
        factors.getPC().setType("cholesky")
        factors.getPC().setFactorSolverType("cholmod")
        # what it has to say comes as an exception
        options: dict[str, object] = {"mat_cholmod_print": 0}
        if energy.getInfo()["nz_used"] <= SHORT_ROW * energy.getSize()[0]:
            # elements of low degree in the plane; CHOLMOD takes its own order where that is better
            factors.getPC().setFactorOrdering("nd")
            options |= CHOLMOD_COLUMNS
        database = PETSc.Options(factors.getOptionsPrefix() or "")
        for name, value in options.items():
            database[name] = value
    else:
        factors.getPC().setType("lu")
        factors.getPC().setFactorSolverType("mumps")
    return solver


def found_modes(
    energy: PETSc.Mat, product: PETSc.Mat | None, known: PETSc.Vec | None, count: int, shift: float, *,
    prefix: str, tolerance: float, most: int, what: str, remedy: str,
) -> np.ndarray:  # fmt: skip
    """The modes (m, k) that have converged, as `eigensolver` has its arguments; collective.

    Args:
        energy: A.
        product: B, or None.
        known: a mode that is known, or None.
        count: how many.
        shift: > 0.
        prefix: of the options.
        tolerance: of the modes.
        most: iterations.
        what: is solved, for messages.
        remedy: for them.

    Raises:
        NotConverged: SLEPc failed.
    """
    solver = eigensolver(energy, product, known, count, shift, prefix=prefix, tolerance=tolerance, most=most)
    try:
        solver.solve()
    # slepc4py 3.25 raises SystemError
    except (PETSc.Error, SystemError) as error:
        # SLEPc cannot take it apart in this state
        solver.incRef()
        raise NotConverged(what, "SLEPc gave up", remedy) from error
    vector = energy.createVecRight()
    columns = []
    for i in range(solver.getConverged()):
        solver.getEigenvector(i, vector)
        columns.append(vector.array.copy())
    solver.destroy()
    return np.stack(columns, axis=1) if columns else np.empty((vector.getLocalSize(), 0))
