"""The kernels that FFCx made of the forms, called for one cell after the other from compiled code.

The cells are equal and nothing depends on x, so that every cell has the same coordinates. A kernel is passed by its
address: what numba compiles and keeps on disk then serves every form and every run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from scaling_limits.meshes.backend.quadrature import lobatto_points

from ..elements import Compiled, CompiledForms
from ..forms import BilliardForm, DeviationForm, EnergyForm, VarianceForm
from .numba_options import COMPILED

# the forms that compiled code knows the variance of, in the order of their numbers
KNOWN = (DeviationForm, VarianceForm, EnergyForm)


@intrinsic
def _call(typing, address, matrix, state, constants, coordinates):  # type: ignore[no-untyped-def]
    """Call void f(A, w, c, x, entities, permutations, data) at an address, with the last three null."""
    number = types.uintp

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = context.get_value_type(number)
        kind = ir.FunctionType(ir.VoidType(), [word] * 7)
        null = ir.Constant(word, 0)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [*arguments[1:], null, null, null])
        return context.get_dummy_value()

    return types.void(number, number, number, number, number), code


class Kernels(NamedTuple):
    """The forms on a mesh, for one solve.

    residual and jacobian are addresses; the constants (lambda, diffusion, floor, shift) are in the order of each
    kernel, the shift at the number shift_at; order (2 degree+2,) has the places of a cell's unknowns, as the kernels
    number them, in a state, and entries those of its matrix in a band, both from the cell's first node; kind is the
    number of the form in KNOWN; absorbing is whether sigma = 0 at the ends.
    """

    residual: int
    jacobian: int
    residual_constants: np.ndarray
    jacobian_constants: np.ndarray
    shift_at: int
    coordinates: np.ndarray
    order: np.ndarray
    entries: np.ndarray
    cells: int
    degree: int
    kind: int
    absorbing: bool


def known(form: BilliardForm) -> bool:
    """Whether compiled code knows the form."""
    return type(form) in KNOWN


def kernels(forms: CompiledForms, cells: int, speed: float, diffusion: float, floor: float) -> Kernels:
    """Return the kernels of the forms for a mesh and a problem.

    Args:
        forms: compiled, one of KNOWN, without a source.
        cells: number of equal cells.
        speed: lambda.
        diffusion: 1, or more where the mesh does not resolve 1/lambda.
        floor: of sigma^2 in the derivatives.
    """
    values = {forms.speed: speed, forms.diffusion: diffusion, forms.floor: floor, forms.shift: 0.0}
    of_residual, of_jacobian = (np.array([values[c] for c in one[2]]) for one in (forms.residual, forms.jacobian))
    coordinates = np.zeros(6)
    coordinates[3] = 1.0 / cells
    place = np.array([0, forms.degree, *range(1, forms.degree)])
    order = (2 * place[:, None] + np.arange(2)).ravel()
    below = 2 * forms.degree + 1
    entries = (order[:, None] * 3 * below + below + order).ravel()
    shift_at = forms.jacobian[2].index(forms.shift)
    return Kernels(
        _address(forms.residual), _address(forms.jacobian), of_residual, of_jacobian, shift_at, coordinates, order,
        entries, cells, forms.degree, KNOWN.index(type(forms.form)), forms.absorbing,
    )  # fmt: skip


def _address(compiled: Compiled) -> int:
    form = compiled[0]
    kernel = form.ufcx_form.form_integrals[0].tabulate_tensor_float64
    return int(form.module.ffi.cast("uintptr_t", kernel))


def node_positions(cells: int, degree: int) -> np.ndarray:
    """The nodes of the elements in the order of x, (cells degree + 1,)."""
    inside = lobatto_points(degree)[:-1]
    return np.append(((np.arange(cells)[:, None] + inside) / cells).ravel(), 1.0)


@njit(**COMPILED)
def _put(kernels, cell, y, w):  # type: ignore[no-untyped-def]
    """Fill what a kernel reads of a cell: the state, and 1 inside or 0 at an end; return where the cell begins."""
    size, start = kernels.degree + 1, 2 * cell * kernels.degree
    for i in range(2 * size):
        w[i] = y[start + kernels.order[i]]
    if kernels.absorbing:
        for i in range(size):
            at = start + kernels.order[2 * i]
            w[2 * size + i] = 0.0 if at == 0 or at == 2 * kernels.cells * kernels.degree else 1.0
    return start


@njit(**COMPILED)
def assemble_rate(kernels, y, f, w, local):  # type: ignore[no-untyped-def]
    """Fill the rates f = M y' at all nodes; w (3 degree + 3,) and local ((2 degree + 2)^2,) are room."""
    size = 2 * kernels.degree + 2
    f[:] = 0.0
    for cell in range(kernels.cells):
        start = _put(kernels, cell, y, w)
        local[:size] = 0.0
        _call(
            np.uint64(kernels.residual), np.uint64(local.ctypes.data), np.uint64(w.ctypes.data),
            np.uint64(kernels.residual_constants.ctypes.data), np.uint64(kernels.coordinates.ctypes.data),
        )  # fmt: skip
        for i in range(size):
            f[start + kernels.order[i]] -= local[i]


@njit(**COMPILED)
def assemble_matrix(kernels, shift, y, band, w, local):  # type: ignore[no-untyped-def]
    """Add shift M - df/dy to a band that is 0; see `banded`."""
    kernels.jacobian_constants[kernels.shift_at] = shift
    for cell in range(kernels.cells):
        start = _put(kernels, cell, y, w) * (6 * kernels.degree + 4)
        local[:] = 0.0
        _call(
            np.uint64(kernels.jacobian), np.uint64(local.ctypes.data), np.uint64(w.ctypes.data),
            np.uint64(kernels.jacobian_constants.ctypes.data), np.uint64(kernels.coordinates.ctypes.data),
        )  # fmt: skip
        for i in range(local.size):
            band[start + kernels.entries[i]] += local[i]
