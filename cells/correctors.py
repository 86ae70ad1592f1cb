"""Correctors of all levels at one point: K_N, theta_N, K_{N-1}, ..., theta_1, K_0, on meshes of tori."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.errors import Unresolved, warn
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import instance, real_array, relative_tolerance, shown

from .fenicsx.corrector_picture import ShownCorrectors
from .fenicsx.level_tensor import LevelTensor
from .fenicsx.petsc_elements import PETScElements
from .levels.scale_splitting import fingerprint, splitting_of
from .recursion.recursion import Recursion
from .recursion.settings import Allowances

if TYPE_CHECKING:
    from dolfinx import fem

COARSE = 0.5  # relative error of a level that is no result


@dataclass(frozen=True, eq=False, repr=False)
class CorrectorLevel(ShownCorrectors):
    """One level of the recursion at given slow variables.

    Args:
        level: k.
        slow: the slow variables x, y_1, ..., y_{k-1} (k d,); also called `prefix`.
        tensor: K_k exp(-log_scale) as a function of y_k, from points (P, d) to (P, d, d).
        correctors: theta_k^j, a dolfinx function for each direction j, of mean 0.
        effective: K_{k-1} exp(-log_scale) (d, d), from the finite elements on this mesh.
        log_scale: a number that keeps K_k in the range of double precision.
        error: estimated relative error of `effective`: what elements of the next degree change, and the error of K_k.
    """

    level: int
    slow: NDArray[np.float64]
    tensor: LevelTensor
    correctors: tuple[fem.Function, ...]
    effective: NDArray[np.float64]
    log_scale: float
    error: float

    def _summary(self) -> tuple[str, dict[str, Any]]:
        space = self.correctors[0].function_space
        said = {"correctors": f"{len(self.correctors)} of degree {space.ufl_element().degree}", "slow": self.slow}
        return f"CorrectorLevel {self.level}", said | {"error": self.error}

    @property
    def prefix(self) -> NDArray[np.float64]:
        """The same as `slow`."""
        return self.slow


def correctors(
    potential: MultiscalePotential,
    point: ArrayLike,
    fast: Sequence[ArrayLike] | None = None,
    *,
    rtol: float = 1e-8,
    cells: int | None = None,
    degree: int | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
    petsc_options: Mapping[str, object] | None = None,
    route: PETScElements | None = None,
) -> list[CorrectorLevel]:
    """Solve the cell problems of all levels, at one x and given y_1, ..., y_{N-1}.

    div_{y_k}( K_k (grad theta_k + I) ) = 0 for k = N, ..., 1.

    Args:
        potential: V0, V1, sigma.
        point: x (d,).
        fast: y_1, ..., y_{N-1} (N - 1 arrays of d numbers), where the cells of the faster scales are; None: 0.
        rtol: of the tensors K_k that the levels are made of, between 1e-13 and 0.1.
        cells: number of cells of the mesh of each torus in each direction, at least 3; None: 16.
        degree: of the Lagrange elements on it; None: 4.
        comm: its ranks share each mesh.
        petsc_options: see `CorrectorProblem`.
        route: `PETScElements(...)` to compute every K_k by finite elements, too, with its own degree, mesh and options;
            None takes the faster route of `effective_tensor` for K_1, ..., K_{N-1}.

    Returns:
        The levels k = 1, ..., N, in this order.

    Raises:
        InvalidArgument: wrong shapes or numbers out of range, or not the same on all ranks; a route together with
            cells, degree or options.
        NotConverged: a solve, or a tensor K_k, did not reach its tolerance.
        MissingFEniCSx: it is not here.

    Warns:
        Unresolved: the error of a level on this mesh is above 0.5.

    Source: Duncan, Duong and Pavliotis (2023), (15) to (17).
    """

    def checked() -> tuple[list[np.ndarray], float, PETScElements]:
        dim = instance("potential", potential, MultiscalePotential).dim
        parts = [_position("point", point, dim), *_fast_positions(potential, fast)]
        potential.check_inside("point", parts[0][None])
        own = PETScElements(4 if degree is None else degree, 16 if cells is None else cells, petsc_options)
        if route is not None:
            instance("route", route, PETScElements)
            if (cells, degree, petsc_options) != (None, None, None):
                raise InvalidArgument("route", "has its own cells, degree and petsc_options; leave the others out")
        return parts, relative_tolerance(rtol, least=1e-13), own if route is None else route

    parts, tolerance, ours = on_all_ranks(communicator(comm), checked)
    same_on_all_ranks(
        comm, potential=fingerprint(potential), point=parts[0], fast=np.array(parts), rtol=tolerance, cells=ours.cells,
        degree=ours.degree, recursion="fast" if route is None else ours.name,
        petsc_options=sorted((str(key), repr(value)) for key, value in (ours.petsc_options or {}).items()),
    )  # fmt: skip
    with needed_by("correctors"):
        from .fenicsx.petsc_recursion import PETScRecursion
    splitting = splitting_of(potential)
    recursion = PETScRecursion(splitting, ours, tolerance, comm)
    fast_route = Recursion(splitting, Allowances(tolerance, splitting.levels, False)) if route is None else None
    result = []
    for k in range(1, potential.scales + 1):
        slow = np.concatenate(parts[:k])
        tensor = _level_tensor(fast_route, k, slow, comm) if fast_route else recursion.tensor(k, slow)
        solution, better = (problem.solve(tensor, 0.1 * tolerance) for problem in recursion.problems)
        error = recursion.own_error(solution.effective, better.effective) + tensor.error
        parts_of = solution.correctors, solution.effective, tensor.log_scale, error
        result.append(CorrectorLevel(k, slow, tensor, *parts_of))
    worst = max(result, key=lambda level: level.error)
    if not worst.error <= max(tolerance, COARSE):
        warn(
            f"level {worst.level} has a relative error of about {worst.error:.1e} on this mesh; take more cells, or a "
            "higher degree", Unresolved,
        )  # fmt: skip
    return result


def _level_tensor(recursion: Recursion, level: int, slow: np.ndarray, comm: MPI.Comm) -> LevelTensor:
    """K_k by the cells in numpy, the same on all ranks."""
    samples = comm.bcast(on_all_ranks(comm, lambda: recursion.samples(level, slow[None])))
    return LevelTensor(recursion.splitting, level, slow, samples)


def _position(name: str, value: ArrayLike, dim: int) -> np.ndarray:
    """One position (d,)."""
    position = real_array(name, value).ravel()
    if position.shape != (dim,):
        raise InvalidArgument(name, f"must be a position of {dim} numbers, not {shown(value)}")
    return position


def _fast_positions(potential: MultiscalePotential, fast: Sequence[ArrayLike] | None) -> list[np.ndarray]:
    """y_1, ..., y_{N-1}."""
    count = potential.scales - 1
    if fast is None:
        return [np.zeros(potential.dim)] * count
    positions = list(fast) if hasattr(fast, "__iter__") and not isinstance(fast, str) else None
    if positions is None or len(positions) != count:
        raise InvalidArgument("fast", f"must be {count} positions, for all scales but the last, not {shown(fast)}")
    return [_position("fast", y, potential.dim) for y in positions]
