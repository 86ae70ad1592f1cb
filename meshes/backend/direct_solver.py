"""Direct solves with a matrix that is assembled again and again from one form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from .options import checked_options
from .petsc_solvers import configured, lu_options


class DirectSolver:
    """A matrix that is assembled again and again from one form, and its factors.

    Args:
        form: the compiled bilinear form.
        prefix: of the PETSc options of this solver.
        petsc_options: options that take precedence, without the prefix.
    """

    def __init__(self, form: fem.Form, prefix: str, petsc_options: Mapping[str, object] | None = None) -> None:
        self._form = form
        self.matrix = fem_petsc.create_matrix(form)
        self.matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_ALLOCATION_ERR, True)
        self._right, self._left = self.matrix.createVecs()
        self._prefix, self._options = prefix, checked_options(petsc_options)

    @cached_property
    def ksp(self) -> PETSc.KSP:
        """The solver, made when the matrix has values."""
        # matrices of an interval have a narrow band in their natural order, and no ordering is better
        options = lu_options(self.matrix, pc_factor_mat_ordering_type="natural", pc_factor_shift_type="none")
        return configured(self.matrix, self._prefix, options, self._options)

    def assemble(self) -> None:
        """Assemble the matrix anew."""
        self.matrix.zeroEntries()
        fem_petsc.assemble_matrix(self.matrix, self._form)
        self.matrix.assemble()

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution on the rows of this rank; NaN where the solver failed.

        Args:
            right_hand_side: on the rows of this rank.
        """
        self._right.array[:] = right_hand_side
        self.ksp.solve(self._right, self._left)
        if self.ksp.getConvergedReason() < 0:
            return np.full(right_hand_side.shape, np.nan)
        return self._left.array.copy()

    def row(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns (numbered over all ranks) and the values of a row of this rank."""
        columns, values = self.matrix.getRow(row + self.matrix.getOwnershipRange()[0])
        return columns.copy(), values.copy()

    def replace_rows(self, rows: list[int], values: list[np.ndarray]) -> None:
        """Put new values on the pattern of some rows of this rank; collective, with none on most ranks."""
        patterns = [self.row(row)[0] for row in rows]
        for row, pattern, new in zip(rows, patterns, values):
            self.matrix.setValues(row + self.matrix.getOwnershipRange()[0], pattern, new)
        self.matrix.assemble()
