"""The slowest modes on a mesh: -div(sigma pi M grad f) = lambda pi f with elements of degree 2 and 1, by SLEPc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dolfinx import fem
from petsc4py import PETSc

from scaling_limits.meshes.backend.shift_and_invert import found_modes
from scaling_limits.meshes.linear_algebra.sparse_matrix import APART
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from ...generator_forms import scaled
from ...spectrum import SETTINGS
from ..forms import MeshForms
from ..problem import DiffusionOnMesh
from .held_unknowns import held_unknowns
from .mesh_modes import MeshFunctions, MeshModes

# of the elements; the others tell the error
DEGREES = (3, 2)
# unknowns from which on they are one lower, by the dimension of space
LARGE = {1: 10**6, 2: 100_000, 3: 20_000}
# part of the power of the error that is counted on
ROUNDING = 1e-13
WHAT = "the eigenvalue problem"


@dataclass(frozen=True, eq=False)
class SlowModes:
    """Modes in one space.

    Args:
        rates: lambda (k,), not decreasing.
        functions: f, with int pi f^2 = int pi.
        rounding: of the rates (k,).
    """

    rates: np.ndarray
    functions: list[fem.Function]
    rounding: np.ndarray


def degrees(equation: DiffusionOnMesh) -> tuple[int, int]:
    """Of the elements that a mesh of this size can have."""
    high = DEGREES[0] if equation.size * DEGREES[0] ** equation.dim <= LARGE[equation.dim] else DEGREES[1]
    return high, high - 1


def modes(equation: DiffusionOnMesh, k: int) -> MeshModes:
    """The k slowest modes; see `FokkerPlanck.modes`."""
    if k > equation.size // 2:
        raise InvalidArgument("k", f"must be at most half the number of nodes, {equation.size // 2}, not {k}")
    high, low = degrees(equation)
    fine, coarse = (slow_modes(equation, k, degree, None) for degree in (high, low))
    errors = np.abs(fine.rates - coarse.rates) + fine.rounding
    found = MeshModes(
        fine.rates, MeshFunctions(equation, fine.functions), errors, high, (equation.cells,), fine.rounding
    )
    if found.worst > equation.rtol and equation.comm.rank == 0 and not equation.quiet:
        warn(f"rates are known to about {found.worst:.1e} only, with degree {high}; refine the mesh", Unresolved)
    return found


def slow_modes(equation: DiffusionOnMesh, k: int, degree: int, place: np.ndarray | None) -> SlowModes:
    """The k slowest modes with elements of a degree; collective.

    Args:
        equation: on its mesh.
        k: how many; the one of rate 0 is among them where no path is killed.
        degree: of the elements.
        place: the set that each node of this rank and of its ghosts is in, -1 for none (n,); None kills no path.

    Raises:
        NotConverged: SLEPc failed.
    """
    forms = equation.forms_of(degree, 2 * degree + 2)
    held = held_unknowns(equation, forms.space, place) if place is not None else []
    zero = fem.Function(forms.space)
    bcs = [fem.dirichletbc(zero, unknowns) for unknowns in held]
    energy = forms.matrix(forms.stiffness, bcs)
    # held unknowns: modes with a rate above all others
    product = forms.matrix(forms.mass, bcs)
    _lift(energy, product, held)
    roots = scaled(energy, product)
    one = roots.copy()
    if not held:
        applied = product.createVecLeft()
        product.mult(one, applied)
        one.scale(1.0 / np.sqrt(one.dot(applied)))
    return _solved(equation, forms, (energy, product, roots), None if held else one, k)


def _lift(energy: PETSc.Mat, product: PETSc.Mat, held: list[np.ndarray]) -> None:
    """Give held unknowns the largest rate of the diagonal."""
    if not held:
        return
    top, mass = energy.getDiagonal(), product.getDiagonal()
    ratio = top.copy()
    own = np.ones(len(top.array), dtype=bool)
    for unknowns in held:
        own[unknowns[unknowns < len(own)]] = False
    ratio.array[:] = np.where(own, top.array / mass.array, 0.0)
    largest = ratio.max()[1]
    top.array[~own] = largest
    mass.array[~own] = 1.0
    energy.setDiagonal(top)
    product.setDiagonal(mass)


def _solved(
    equation: DiffusionOnMesh, forms: MeshForms, matrices: tuple[PETSc.Mat, PETSc.Mat, PETSc.Vec],
    one: PETSc.Vec | None, k: int,
) -> SlowModes:  # fmt: skip
    energy, product, roots = matrices
    functions: list[fem.Function] = []
    rates, noise = [0.0] if one is not None else [], [0.0] if one is not None else []
    unit = fem.Function(forms.space, name="f_0")
    unit.x.array[:] = 1.0
    norm = forms.integral(forms.product(unit, unit))
    if one is not None:
        functions.append(unit)
    count = k - len(functions)
    if count:
        found = found_modes(
            energy, product, one, count, SETTINGS.shift * equation.diffusive_rate, prefix="lowest_modes_by_factors_",
            tolerance=1e-11, most=500, what=WHAT, remedy="refine the mesh where exp(-Psi/sigma) varies", apart=APART,
        )  # fmt: skip
        if found.shape[1] < count:
            raise NotConverged(WHAT, f"SLEPc found {found.shape[1]} of {count} modes", "ask for fewer modes")
        for values in found.T[:count]:
            function, rate, lost = _mode(forms, values / roots.array, unit if one is not None else None, norm)
            function.name = f"f_{len(functions)}"
            functions.append(function)
            rates.append(rate)
            noise.append(lost)
    order = np.argsort(rates, kind="stable")
    return SlowModes(np.array(rates)[order], [functions[i] for i in order], np.array(noise)[order])


def _mode(
    forms: MeshForms, values: np.ndarray, unit: fem.Function | None, norm: float
) -> tuple[fem.Function, float, float]:
    """A function of the norm of 1, orthogonal to it; its rate by its energy, which keeps the digits of small rates; and
    the energy of random errors of its last digits.
    """
    function = fem.Function(forms.space)
    function.x.array[: values.size] = values
    function.x.scatter_forward()
    if unit is not None:
        function.x.array[:] -= forms.integral(forms.product(function, unit)) / norm
    size = forms.integral(forms.product(function, function))
    function.x.array[:] *= np.sqrt(norm / size)
    rate = forms.integral(forms.energy(function, function)) / norm
    noise = function.copy()
    random = np.random.Generator(np.random.Philox(key=0))
    noise.x.array[:] *= 8 * np.finfo(float).eps * random.uniform(-1, 1, noise.x.array.size)
    noise.x.scatter_forward()
    return function, rate, ROUNDING * rate + forms.integral(forms.energy(noise, noise)) / norm
