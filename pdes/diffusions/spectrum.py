"""The slowest modes of a reversible diffusion, with elements of growing degree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dolfinx import fem
from petsc4py import PETSc
from scipy import ndimage
from slepc4py import SLEPc

from scaling_limits.meshes.box import Grid, box
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from .coefficients import mobility_at
from .generator_forms import NEGLIGIBLE, GeneratorForms
from .problem import ReversibleDiffusion
from .scharfetter_gummel import HIGHEST

# of the elements, by the dimension of space
MOST_UNKNOWNS = {1: 400_000, 2: 200_000, 3: 20_000}


@dataclass(frozen=True)
class SpectrumSettings:
    """How rates are computed and judged.

    Args:
        degrees: of the elements, one after the other.
        low_degree: the only one where the higher ones would be too expensive.
        rtol: relative error of the rates at most, where the elements can do it.
        flat: relative height below which a dent in Psi is no well.
        shift: how far below 0 the shift is, in units of the diffusive rate sigma M/L^2.
    """

    degrees: tuple[int, ...] = (2, 4, 6, 8)
    low_degree: int = 2
    rtol: float = 1e-8
    flat: float = 1e-6
    shift: float = 1e-6


SETTINGS = SpectrumSettings()


@dataclass(frozen=True, eq=False)
class Modes:
    """The slowest modes f_k and their rates: -L f_k = lambda_k f_k.

    Args:
        rates: lambda (k,), 0 first, in units of 1/time.
        functions: f_k, with int pi f_k^2 = int pi, the first of them 1.
        errors: of the rates, by their change from the last degree but one, or from larger cells (k,).
        degree: of the elements.
    """

    rates: np.ndarray
    functions: list[fem.Function]
    errors: np.ndarray
    degree: int


def slowest(equation: ReversibleDiffusion, k: int) -> Modes:
    """Raise the degree until the rates agree, or there are too many unknowns; see `FokkerPlanck.spectrum`."""
    grid = equation.grid
    if k > grid.size // 2:
        raise InvalidArgument("k", f"must be at most half the number of nodes, {grid.size // 2}, not {k}")
    aim = min(equation.rtol, SETTINGS.rtol)
    _warn_of_high_wells(equation)
    modes: Modes | None = None
    for cells, degree in _sequence(grid):
        mesh = box(grid.box, cells, periodic=grid.periodic, comm=grid.comm)
        forms = GeneratorForms(mesh, equation.coefficients, equation.generator.lowest, degree)
        try:
            rates, functions = _solved(forms, k, equation)
        except NotConverged:
            if modes is None:
                raise
            break
        errors = np.full(k, np.inf) if modes is None else np.abs(rates - modes.rates)
        errors[0] = 0.0
        modes = Modes(rates, functions, errors, degree)
        if (errors <= aim * rates).all():
            return modes
    assert modes is not None
    worst = float((modes.errors[1:] / modes.rates[1:]).max(initial=0.0))
    if worst > equation.rtol and grid.comm.rank == 0:
        message = f"rates are known to about {worst:.1e} only, with degree {modes.degree}; take more cells"
        warn(message, Unresolved)
    return modes


def _warn_of_high_wells(equation: ReversibleDiffusion) -> None:
    """Warn of wells where pi is negligible: elements leave them out, and with them their slow modes."""
    grid = equation.grid
    exponent = np.where(equation.generator.alive, equation.generator.exponent, HIGHEST).reshape(grid.shape)
    modes = ["wrap" if wraps else "nearest" for wraps in grid.periodic]
    around = ndimage.minimum_filter(exponent, size=3, mode=modes)
    within = ndimage.maximum_filter(exponent, size=3, mode=modes)
    wells = (exponent > -np.log(NEGLIGIBLE)) & (exponent <= around) & (within > exponent * (1 + SETTINGS.flat))
    if wells.any() and grid.comm.rank == 0:
        index = np.argwhere(wells)[0]
        place = [float(f"{x:.4g}") for x in grid.box[:, 0] + index * grid.spacing]
        message = f"Psi has a well at x = {place}, {exponent[tuple(index)]:.3g} sigma above its minimum"
        warn(
            f"{message}: modes in wells higher than {-np.log(NEGLIGIBLE):.0f} sigma are left out; "
            "take a higher temperature, or evolve",
            Unresolved,
        )


def _sequence(grid: Grid) -> list[tuple[list[int], int]]:
    """Cells and the degree of elements, one after the other: the change of a rate stands for its error.

    Where the higher degrees would be too expensive, degree 2 on cells twice as large comes before degree 2: it costs no
    more than degree 1, whose error would say little about that of degree 2.
    """
    affordable = [p for p in SETTINGS.degrees if np.prod(grid.cells) * float(p) ** grid.dim <= MOST_UNKNOWNS[grid.dim]]
    if len(affordable) > 1:
        return [(list(grid.cells), degree) for degree in affordable]
    coarse = [max(-(-n // 2), 3 if wraps else 1) for n, wraps in zip(grid.cells, grid.periodic)]
    return [(coarse, SETTINGS.low_degree), (list(grid.cells), SETTINGS.low_degree)]


def _solved(forms: GeneratorForms, k: int, equation: ReversibleDiffusion) -> tuple[np.ndarray, list[fem.Function]]:
    energy, product, roots = forms.matrices()
    one = roots.copy()
    one.array[np.isinf(one.array)] = 0.0
    product_of_one = product.createVecLeft()
    product.mult(one, product_of_one)
    one.scale(1.0 / np.sqrt(one.dot(product_of_one)))
    functions = [fem.Function(forms.space, name="f_0")]
    functions[0].x.array[:] = 1.0
    rates = [0.0]
    if k > 1:
        solver = eigensolver(energy, product, one, k - 1, diffusive_rate(equation))
        try:
            solver.solve()
        # slepc4py 3.25 raises SystemError
        except (PETSc.Error, SystemError) as error:
            # SLEPc cannot take it apart in this state
            solver.incRef()
            raise NotConverged(
                "the eigenvalue problem", "SLEPc gave up; exp(-Psi/sigma) varies too much in a cell",
                "take more cells",
            ) from error  # fmt: skip
        if solver.getConverged() < k - 1:
            raise NotConverged(
                "the eigenvalue problem", f"SLEPc found {solver.getConverged()} of {k - 1} modes", "ask for fewer modes"
            )
        norm = forms.integral(forms.product(functions[0], functions[0]))
        vector = energy.createVecRight()
        for i in range(k - 1):
            solver.getEigenvector(i, vector)
            function, rate = _mode(forms, vector.array / roots.array, functions[0], norm, f"f_{i + 1}")
            functions.append(function)
            rates.append(rate)
        solver.destroy()
    order = np.argsort(rates, kind="stable")
    return np.array(rates)[order], [functions[i] for i in order]


def _mode(
    forms: GeneratorForms, values: np.ndarray, one: fem.Function, norm: float, name: str
) -> tuple[fem.Function, float]:
    """The function of the values on this rank, orthogonal to 1 and of the norm of 1, and its rate."""
    function = fem.Function(forms.space, name=name)
    function.x.array[: values.size] = values
    function.x.scatter_forward()
    # SLEPc deflates in another inner product
    function.x.array[:] -= forms.integral(forms.product(function, one)) / norm
    size = forms.integral(forms.product(function, function))
    # the quotient of energies keeps the digits of small rates, which eigenvalues lose
    rate = forms.integral(forms.energy(function, function)) / size
    function.x.array[:] *= np.sqrt(norm / size)
    return function, rate


def diffusive_rate(equation: ReversibleDiffusion) -> float:
    """The diffusive rate sigma M/L^2, a scale for the slow rates."""
    grid = equation.grid
    mobility = mobility_at(equation.coefficients, grid.box.mean(axis=1)[None])[0]
    length = float((grid.box[:, 1] - grid.box[:, 0]).max())
    return float(equation.coefficients.temperature * np.trace(mobility) / grid.dim / length**2)


def eigensolver(energy: PETSc.Mat, product: PETSc.Mat, one: PETSc.Vec, count: int, rate: float) -> SLEPc.EPS:
    """Shift and invert just below 0, with the mode of rate 0 known beforehand."""
    comm = energy.getComm()
    solver = SLEPc.EPS().create(comm)
    solver.setOptionsPrefix("fokker_planck_spectrum_")
    solver.setOperators(energy, product)
    solver.setProblemType(SLEPc.EPS.ProblemType.GHEP)
    solver.setDimensions(count)
    solver.setDeflationSpace([one])
    solver.setTarget(-SETTINGS.shift * rate)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
    solver.setTolerances(tol=1e-11, max_it=500)
    transform = solver.getST()
    transform.setType(SLEPc.ST.Type.SINVERT)
    factors = transform.getKSP()
    factors.setType("preonly")
    if comm.size == 1 and PETSc.Sys.hasExternalPackage("cholmod"):
        factors.getPC().setType("cholesky")
        factors.getPC().setFactorSolverType("cholmod")
    else:
        factors.getPC().setType("lu")
        factors.getPC().setFactorSolverType("mumps")
    return solver
