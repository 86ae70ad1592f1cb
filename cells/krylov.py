"""PETSc solvers with options of their own: a prefix, and nothing left in the global database."""

from __future__ import annotations

from typing import Any

from petsc4py import PETSc


def configured(
    matrix: PETSc.Mat, prefix: str, options: dict[str, Any], petsc_options: dict[str, Any] | None
) -> PETSc.KSP:
    """Make a solver for a matrix.

    Args:
        matrix: the operator.
        prefix: of the options.
        options: defaults, without the prefix.
        petsc_options: options that take precedence, likewise.
    """
    solver = PETSc.KSP().create(matrix.getComm())
    solver.setOptionsPrefix(prefix)
    database = PETSc.Options(prefix)
    chosen = options | (petsc_options or {})
    for name, value in chosen.items():
        database[name] = value
    solver.setOperators(matrix)
    solver.setFromOptions()
    for name in chosen:
        del database[name]
    return solver
