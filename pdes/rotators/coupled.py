"""Actions that act on one another: the stationary law and the slowest rates of a generator without detailed balance."""

from __future__ import annotations

from typing import Any

import numpy as np
from petsc4py import PETSc
from slepc4py import SLEPc

from scaling_limits.meshes.backend.petsc_solvers import configured
from scaling_limits.particles.errors import NotConverged

from ..time.resolvents import general_options
from .elements.space import ActionSpace

SHIFT = 1e-8  # of the size of the entries of A
ITERATIONS = 6  # of inverse iteration
ROUNDING = 1e-8  # of the entries of A: where the law of sites alone is stationary, its outflow is rounding
STATIONARY_RTOL = 1e-11  # of the outflow A u, against that of u = 1
COMPLEX = 1e-9  # a rate whose imaginary part is smaller counts as real


def stationary(
    space: ActionSpace, outflow: PETSc.Mat, product: PETSc.Mat, roots: np.ndarray, petsc_options: dict[str, Any] | None
) -> np.ndarray:
    """The field u (size,) with A u = 0: by inverse iteration where A + delta B can be factored, else u = 1 + d, A d
    = -A 1.

    Raises:
        NotConverged: the linear solver failed.
    """
    options = general_options(space.comm, space.dim, space.size)
    direct = {**options, **(petsc_options or {})}.get("pc_type") == "lu"
    matrix = outflow.copy()
    if direct:
        matrix.axpy(_shift(outflow), product, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
    solver = configured(matrix, "transport_stationary_", options, petsc_options)
    one, right = outflow.createVecs()
    one.array[:] = roots
    state, flow = one.duplicate(), one.duplicate()
    outflow.mult(one, right)
    scale = right.norm() + ROUNDING * outflow.norm(PETSc.NormType.NORM_INFINITY) * one.norm()
    if direct:
        one.copy(state)
        for _ in range(ITERATIONS):
            product.mult(state, right)
            solver.solve(right, state)
            state.scale(one.norm() / state.norm())
            outflow.mult(state, flow)
            if flow.norm() <= STATIONARY_RTOL * scale:
                break
    else:
        right.scale(-1.0)
        solver.solve(right, state)
        state.axpy(1.0, one)
        outflow.mult(state, flow)
    allowed = STATIONARY_RTOL * 1e3 * scale
    reason = solver.getConvergedReason()
    if reason < 0 or not flow.norm() <= allowed or not np.isfinite(state.norm()):
        said = f"outflow {flow.norm() / max(scale, 1e-300):.1e} of that of the product law"
        if reason < 0:
            said += f", PETSc reason {reason} after {solver.getIterationNumber()} iterations"
        remedy = "try petsc_options of a direct solver, or fewer cells"
        if direct or reason > 0:
            remedy = "give an `upper` and wide=True, or check that the dissipation confines the actions (Hg)"
        raise NotConverged("the stationary law of the actions", said, remedy)
    solver.destroy()
    return space.whole(state.array / roots)


def _shift(outflow: PETSc.Mat) -> float:
    return SHIFT * float(outflow.norm(PETSc.NormType.NORM_INFINITY))


def rates(space: ActionSpace, outflow: PETSc.Mat, product: PETSc.Mat, count: int) -> np.ndarray:
    """The rates of smallest real part (count,), by shift and invert; complex where some are. Where the last would be
    one of a complex pair, the other is there too (count + 1,).

    Raises:
        NotConverged: SLEPc did not find enough of them.
    """
    asked = min(2 * count + 4, space.size - 1)
    shift = -1e-3 * abs(float(outflow.norm(PETSc.NormType.NORM_INFINITY))) / space.size ** (2 / space.dim)
    solver = SLEPc.EPS().create(outflow.getComm())
    solver.setOptionsPrefix("transport_spectrum_")
    solver.setOperators(outflow, product)
    solver.setProblemType(SLEPc.EPS.ProblemType.GNHEP)
    solver.setDimensions(asked)
    solver.setTarget(shift)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
    solver.setTolerances(1e-11, 500)
    transform = solver.getST()
    transform.setType(SLEPc.ST.Type.SINVERT)
    transform.setShift(shift)
    ksp = transform.getKSP()
    ksp.setType("preonly")
    ksp.getPC().setType("lu")
    package = general_options(space.comm, 1, 1)["pc_factor_mat_solver_type"]
    ksp.getPC().setFactorSolverType(package)
    try:
        solver.solve()
    except (PETSc.Error, SystemError) as error:
        solver.incRef()  # SLEPc cannot take it apart in this state
        raise NotConverged("the rates of the actions", "SLEPc gave up", "take fewer cells") from error
    found = np.array([solver.getEigenvalue(i) for i in range(solver.getConverged())], dtype=complex)
    solver.destroy()
    size = np.abs(found).max(initial=1.0)
    order = np.lexsort((found.imag, np.abs(found.imag), np.round(found.real / size, 9)))  # a pair stays together
    found = found[order]
    pair = len(found) > count and _split(found, count, size)
    if len(found) < count or (len(found) == count and _split(found, count, size)):
        raise NotConverged("the rates of the actions", f"SLEPc found {len(found)} of {count}", "ask for fewer rates")
    found = found[: count + pair]
    found[0] = 0.0
    return found.real if (np.abs(found.imag) <= COMPLEX * size).all() else found


def _split(found: np.ndarray, count: int, size: float) -> bool:
    """Whether the first `count` rates hold one of a complex pair without the other."""
    return bool(abs(found[:count].imag.sum()) > COMPLEX * size)
