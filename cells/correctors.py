"""Correctors of all levels at one point: K_N, theta_N, K_{N-1}, ..., theta_1, K_0, on meshes of tori."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike, NDArray

from scaling_limits.meshes import torus
from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import instance, integer, real_array, relative_tolerance, shown

from .adaptivity.planning import Planner
from .fenicsx.corrector_problem import CorrectorProblem
from .recursion.recursion import Recursion
from .recursion.scale_splitting import fingerprint, splitting_of
from .solvers.symmetric import exponential, packed, unpacked
from .spaces.interpolation import interpolate_at, on_grid


@dataclass(frozen=True, eq=False)
class CorrectorLevel:
    """One level of the recursion at given slow variables.

    Args:
        level: k.
        slow: the slow variables x, y_1, ..., y_{k-1} (k d,); also called `prefix`.
        tensor: K_k exp(-log_scale) as a function of y_k, from points (P, d) to (P, d, d).
        correctors: theta_k^j, a dolfinx function for each direction j, of mean 0.
        effective: K_{k-1} exp(-log_scale) (d, d), from the finite elements on this mesh, whose error `rtol` does not
            bound.
        log_scale: a number that keeps K_k in the range of double precision.
    """

    level: int
    slow: NDArray[np.float64]
    tensor: LevelTensor
    correctors: tuple[fem.Function, ...]
    effective: NDArray[np.float64]
    log_scale: float

    @property
    def prefix(self) -> NDArray[np.float64]:
        """The same as `slow`."""
        return self.slow


class LevelTensor:
    """Coefficient K_k exp(-log_scale) of a level as a function of y_k (P, d) -> (P, d, d)."""

    def __init__(self, recursion: Recursion, level: int, slow: np.ndarray) -> None:
        self._splitting, self._level, self._slow = recursion.splitting, level, slow[None]
        axes, dim, count = self._splitting.sampled_axes(level), self._splitting.dim, recursion.plans[level].samples
        samples = recursion.samples_of(level, self._slow, count)
        self._samples = on_grid(packed(samples.log_tensor)[None], count, axes, dim)
        ticks = np.random.Generator(np.random.Philox(key=0)).random((512, dim))
        self.log_scale = 0.0
        self.log_scale = float(np.einsum("pii->pi", self.logarithm(ticks)).max())

    def logarithm(self, y: np.ndarray) -> np.ndarray:
        """Logarithm of the tensor, log K_k - log_scale (P, d, d)."""
        own = self._splitting.exponent(self._level, self._slow, tuple(y.T))
        entries = interpolate_at(self._samples, y)
        tensor = np.moveaxis(unpacked(entries, self._splitting.dim)[0], -1, 0)
        shift = np.broadcast_to(own[0] - self.log_scale, len(y))
        return tensor + shift[:, None, None] * np.eye(self._splitting.dim)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Tensor K_k exp(-log_scale) (P, d, d) at points y_k (P, d)."""
        return exponential(self.logarithm(y))


def correctors(
    potential: MultiscalePotential,
    point: ArrayLike,
    fast: Sequence[ArrayLike] | None = None,
    *,
    rtol: float = 1e-8,
    cells: int = 16,
    degree: int = 4,
    comm: MPI.Comm = MPI.COMM_WORLD,
    petsc_options: Mapping[str, object] | None = None,
) -> list[CorrectorLevel]:
    """Solve the cell problems of all levels, at one x and given y_1, ..., y_{N-1}.

    div_{y_k}( K_k (grad theta_k + I) ) = 0 for k = N, ..., 1.

    Args:
        potential: V0, V1, sigma.
        point: x (d,).
        fast: y_1, ..., y_{N-1} (N - 1 arrays of d numbers), where the cells of the faster scales are; None: 0.
        rtol: of the tensors K_k that the levels are made of, between 1e-13 and 0.1.
        cells: number of cells of the mesh of each torus in each direction, at least 3.
        degree: of the Lagrange elements on it.
        comm: its ranks share each mesh.
        petsc_options: see `CorrectorProblem`.

    Returns:
        The levels k = 1, ..., N, in this order.

    Raises:
        InvalidArgument: wrong shapes or numbers out of range, or not the same on all ranks.
        NotConverged: a solve did not reach its tolerance.

    Source: Duncan, Duong and Pavliotis (2023), (15) to (17).
    """

    def checked() -> tuple[list[np.ndarray], float, int, int]:
        dim = instance("potential", potential, MultiscalePotential).dim
        parts = [_position("point", point, dim), *_fast_positions(potential, fast)]
        return parts, relative_tolerance(rtol, least=1e-13), integer("cells", cells, 3), integer("degree", degree, 1)

    parts, tolerance, number_of_cells, order = on_all_ranks(communicator(comm), checked)
    same_on_all_ranks(
        comm, potential=fingerprint(potential), point=parts[0], fast=np.array(parts), rtol=tolerance,
        cells=number_of_cells, degree=order,
    )  # fmt: skip
    mesh = torus((number_of_cells,) * potential.dim, comm=comm)
    problem = CorrectorProblem(mesh, order, petsc_options=petsc_options)
    splitting = splitting_of(potential)
    plan = comm.bcast(on_all_ranks(comm, Planner(splitting, parts[0][None], tolerance, False, None, 1).plan))
    recursion = Recursion(splitting, plan.levels)
    result = []
    for k in range(1, potential.scales + 1):
        slow = np.concatenate(parts[:k])
        tensor = on_all_ranks(comm, lambda: LevelTensor(recursion, k, slow))  # noqa: B023 - called at once
        solution = problem.solve(tensor, 0.1 * tolerance)
        result.append(CorrectorLevel(k, slow, tensor, solution.correctors, solution.effective, tensor.log_scale))
    return result


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
