"""The lowest modes of A f = lambda B f by SLEPc: shift and invert just below 0, with factors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from petsc4py import PETSc
from slepc4py import SLEPc

from scaling_limits.particles.errors import NotConverged

from .petsc_solvers import CHOLMOD_COLUMNS

# entries of a row, on average, up to which factors have small blocks of columns
SHORT_ROW = 20
# searches beside modes that were found
MOST_BESIDE = 50


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
    prefix: str, tolerance: float, most: int, what: str, remedy: str, apart: float,
) -> np.ndarray:  # fmt: skip
    """The modes (m, k) that have converged, by their rates, as `eigensolver` has its arguments; collective.

    None is missing of rates that several modes have: a search beside those that were found, from another start, has
    found none that is slower than the last.

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
        apart: by how much, relative, lambda + shift tells modes apart.

    Raises:
        NotConverged: SLEPc failed, or search after search has found further modes.
    """
    solver = eigensolver(energy, product, known, count, shift, prefix=prefix, tolerance=tolerance, most=most)
    found = _converged(solver, energy, what, remedy)
    # one sequence of Krylov vectors sees one mode of each rate but for rounding: those beside the others are looked for
    for _ in range(MOST_BESIDE):
        if len(found) < count or energy.getSize()[0] <= count + (known is not None) + 1:
            break
        found = sorted(found, key=lambda mode: mode.rate)[:count]
        last = found[-1].rate + shift
        solver.setDeflationSpace([*([] if known is None else [known]), *(mode.vector for mode in found)])
        solver.setDimensions(1)
        beside = _converged(solver, energy, what, remedy)
        if not any(mode.rate + shift < last * (1.0 - apart) for mode in beside):
            break
        found += beside
    else:
        solver.destroy()
        raise NotConverged(what, f"modes of close rates are still found after {MOST_BESIDE} searches", "ask for fewer")
    solver.destroy()
    size = energy.getLocalSize()[0]
    return np.stack([mode.vector.array for mode in found], axis=1) if found else np.empty((size, 0))


class Mode(NamedTuple):
    """A mode and its rate."""

    rate: float
    vector: PETSc.Vec


def _converged(solver: SLEPc.EPS, energy: PETSc.Mat, what: str, remedy: str) -> list[Mode]:
    """Solve; return what has converged."""
    try:
        solver.solve()
    # slepc4py 3.25 raises SystemError
    except (PETSc.Error, SystemError) as error:
        # SLEPc cannot take it apart in this state
        solver.incRef()
        raise NotConverged(what, "SLEPc gave up", remedy) from error
    found = []
    for i in range(solver.getConverged()):
        vector = energy.createVecRight()
        solver.getEigenvector(i, vector)
        found.append(Mode(float(solver.getEigenvalue(i).real), vector))
    return found
