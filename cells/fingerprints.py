"""What tells one problem from another: on disk, and between ranks."""

from __future__ import annotations

import hashlib
from typing import Any

import sympy
from mpi4py import MPI

from ..particles import InvalidArgument, MultiscalePotential
from ..particles._checks import shown


def fingerprint(potential: MultiscalePotential) -> str:
    """All that M and Z1 depend on: d, N, sigma and the expression of V1 with the assumptions on its symbols."""
    expression = sympy.srepr(potential.fluctuation_expression)
    text = f"{potential.dim} {potential.scales} {potential.temperature!r} {expression}"
    return hashlib.sha256(text.encode()).hexdigest()


def checked_comm(comm: Any) -> MPI.Comm:
    """Return a communicator.

    Raises:
        InvalidArgument: it is none, or the null communicator.
    """
    if not isinstance(comm, MPI.Intracomm) or comm == MPI.COMM_NULL:
        raise InvalidArgument("comm", f"must be a communicator of mpi4py, such as MPI.COMM_WORLD, not {shown(comm)}")
    return comm
