"""The effective tensor M(x) = K_0(x)/Z_1(x) of an N-scale potential, its free energy, and bounds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from ..particles import InvalidArgument, MultiscalePotential
from ..particles._checks import flag, integer, number
from ..particles._files import load_arrays, save_arrays
from ..particles.multiscale_potential import points as checked_points
from ..particles.ranks import on_all_ranks
from ..particles.workers import default_workers
from .coupling import Coupling, coupling_of
from .errors import NotConverged
from .levels import LevelResult, difference
from .planning import Plan, Planner
from .recursion import Recursion
from .routes import HarmonicMean, Route
from .symmetric import exponential

FORMAT = 1  # of the files; 0 had no number
REPLANS = 3  # times that a plan is made finer after a look at points that it was not made for
LOOKS = 4  # such points, shared by the ranks
FEW = 4  # one such point for so many, and none for fewer, which are all pilots


@dataclass(frozen=True, eq=False)
class EffectiveTensor:
    """M(x) at P points, with everything that the effective equation needs.

    Args:
        points: x (P, d).
        value: M (P, d, d), symmetric positive definite, without unit.
        lower: a lower bound of M (P, d, d) in the order of symmetric matrices, or None.
        upper: an upper bound, or None.
        log_partition: log Z_1 (P,).
        free_energy: Psi = V0 - sigma log Z_1 (P,), in the unit of energy.
        cell_solves: number of distinct cells solved at each level 1, ..., N (N,), all ranks together.
        error: the estimated relative error of M.
        routes: how the cells of each level were solved (N,).
        spaces: in which space, for each level (N,).
    """

    points: np.ndarray
    value: np.ndarray
    lower: np.ndarray | None
    upper: np.ndarray | None
    log_partition: np.ndarray
    free_energy: np.ndarray
    cell_solves: np.ndarray
    error: float
    routes: tuple[str, ...]
    spaces: tuple[str, ...]

    @property
    def partition(self) -> np.ndarray:
        """Z_1(x) = int exp(-V1/sigma) over all fast variables (P,); infinite where log Z_1 exceeds 709."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_partition)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.
        """
        content = {name: value for name, value in vars(self).items() if value is not None}
        save_arrays(path, {"kind": "EffectiveTensor", "format": FORMAT, **content})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EffectiveTensor:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        bounds = {"lower", "upper"}
        names = set(cls.__dataclass_fields__) - bounds
        content: dict[str, Any] = load_arrays(path, "EffectiveTensor", {0, FORMAT}, names, bounds)
        content |= {name: content.get(name) for name in bounds}
        content |= {name: tuple(content[name].tolist()) for name in ("routes", "spaces")}
        return cls(**content | {"error": float(content["error"])})


def effective_tensor(
    potential: MultiscalePotential,
    points: Any,
    rtol: float = 1e-8,
    bounds: bool = False,
    *,
    route: Route | None = None,
    workers: int | None = None,
    progress: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> EffectiveTensor:
    """M(x) = K_0(x)/Z_1(x), with K_N = exp(-V1/sigma) I, div_{y_k}( K_k (grad theta_k + I) ) = 0 on the torus T^d and
    K_{k-1} = int K_k (I + grad theta_k) dy_k.

    Spaces and samples are chosen by trial so that the estimated error of M is below `rtol`. Cells that differ by a
    constant factor are solved once: where V1 is a sum of a function of each scale, one cell for each level. The ranks
    of `comm` share the points; all of them get the whole result.

    Args:
        potential: V0, V1, sigma.
        points: macroscopic positions x (P, d).
        rtol: error of M, relative to M in the order of symmetric matrices, that is of each of its eigenvalues; between
            1e-13 (1e-11 with bounds) and 0.1.
        bounds: also return lower <= M <= upper. They come from the energies of admissible fields and of admissible
            fluxes, so the error of the solve is inside; they are widened by the measured errors of quadrature and of
            interpolation between samples.
        route: `FiniteElements(...)` or `FourierGalerkin(...)` for all levels; None chooses by contrast, for each level.
        workers: threads; None takes the cores that this process may use, shared among the ranks of `comm`.
        progress: show a progress bar, at a terminal, on rank 0.
        comm: communicator.

    Returns:
        The tensor, and what belongs to it.

    Raises:
        InvalidArgument: points of a wrong shape or not finite, rtol or another argument out of range.
        NotConverged: no space is fine enough for rtol, or the contrast is beyond the range of double precision.

    Source: Duncan, Duong and Pavliotis (2023), Theorem 1: (13) to (17); bounds after Lemma 2 and its dual.
    """
    if not isinstance(potential, MultiscalePotential):
        raise InvalidArgument("potential", f"must be a MultiscalePotential, not {type(potential).__name__}")
    positions = checked_points("points", points, potential.dim)
    if not len(positions):
        raise InvalidArgument("points", "must not be empty")
    flag("bounds", bounds)
    tolerance = number("rtol", rtol, least=1e-11 if bounds else 1e-13)
    if tolerance > 0.1:
        raise InvalidArgument("rtol", f"must be at most 0.1, not {tolerance:g}")
    threads = default_workers(comm) if workers is None else integer("workers", workers, 1)
    if route is not None and (not isinstance(route, Route) or (isinstance(route, HarmonicMean) and potential.dim > 1)):
        raise InvalidArgument("route", f"must be a route for {potential.dim} dimensions, not {route!r}")
    coupling = coupling_of(potential)
    result, plan, solves = _computed(
        coupling, positions, tolerance, bounds, route, threads, flag("progress", progress), comm
    )
    return _assembled(coupling, positions, result, plan, solves, bounds)


def _computed(
    coupling: Coupling,
    points: np.ndarray,
    rtol: float,
    bounds: bool,
    route: Route | None,
    workers: int,
    progress: bool,
    comm: MPI.Comm,
) -> tuple[LevelResult, Plan, np.ndarray]:
    """Plan, solve on each rank for its share of the distinct points, and look whether the plan was good enough."""
    columns = list(coupling.columns[1])
    _, first, inverse = np.unique(points[:, columns], axis=0, return_index=True, return_inverse=True)
    distinct = points[first] if columns else points[:1]
    inverse = inverse.ravel() if columns else np.zeros(len(points), dtype=int)
    mine = distinct[comm.rank :: comm.size]
    aim = rtol
    for _ in range(REPLANS):
        planner = Planner(coupling, distinct, aim, bounds, route, workers)
        plan = comm.bcast(on_all_ranks(comm, planner.plan))  # the same on all ranks, even where rounding differs
        recursion = Recursion(coupling, plan.levels, bounds, workers, progress=progress)

        def solved(recursion: Recursion = recursion, plan: Plan = plan) -> tuple[LevelResult, float]:
            if plan.result is not None:
                recursion.solves.update(plan.solves if comm.rank == 0 else {})
                return plan.result.rows(np.arange(len(mine))), 0.0
            result = recursion.effective(1, mine)
            if bounds:
                return result, result.gap()
            return result, _looked_at(coupling, mine, result, plan, workers, comm.size)

        result, change = on_all_ranks(comm, solved)
        error = max(plan.error, comm.allreduce(change, MPI.MAX))
        if error <= rtol:
            whole = _gathered(result, len(distinct), comm)
            solves = [comm.allreduce(recursion.solves.get(k, 0)) for k in range(1, coupling.levels + 1)]
            return whole.rows(inverse), Plan(plan.levels, plan.routes, plan.rungs, error), np.array(solves)
        aim *= min(0.5, rtol / error)
    raise NotConverged(
        "the effective tensor", f"the error is {error:.1e} at some points after {REPLANS} plans",
        "take a larger rtol, or fewer points at a time",
    )  # fmt: skip


def _looked_at(
    coupling: Coupling, points: np.ndarray, result: LevelResult, plan: Plan, workers: int, ranks: int
) -> float:
    """The change of the results at some points under a finer plan; each rank looks at its part of them."""
    looks = -(-min(LOOKS, len(points) * ranks // FEW) // ranks)
    some = np.random.Generator(np.random.Philox(key=0)).choice(len(points), min(looks, len(points)), replace=False)
    if not some.size:
        return 0.0
    finer = plan.refined(coupling)
    return difference(result.rows(some), Recursion(coupling, finer.levels, False, workers).effective(1, points[some]))


def _gathered(result: LevelResult, count: int, comm: MPI.Comm) -> LevelResult:
    parts = comm.allgather(result)
    whole = []
    for name in ("log_tensor", "log_partition", "log_lower", "slack"):
        arrays = [getattr(part, name) for part in parts]
        joined = np.empty((count, *arrays[0].shape[1:]))
        for rank, array in enumerate(arrays):
            joined[rank :: comm.size] = array
        whole.append(joined)
    return LevelResult(*whole)


def _assembled(
    coupling: Coupling, points: np.ndarray, result: LevelResult, plan: Plan, solves: np.ndarray, bounds: bool
) -> EffectiveTensor:
    potential = coupling.potential
    ratio = result.log_partition[:, None, None] * np.eye(coupling.dim)
    slack = result.slack[:, None, None] * np.eye(coupling.dim)
    value = exponential(result.log_tensor - ratio)
    value = 0.5 * (value + value.swapaxes(-1, -2))
    log_partition = result.log_partition + coupling.exponent(0, points, ())
    return EffectiveTensor(
        points=points,
        value=value,
        lower=exponential(result.log_lower - ratio - slack) if bounds else None,
        upper=exponential(result.log_tensor - ratio + slack) if bounds else None,
        log_partition=log_partition,
        free_energy=potential.confining_at(points) - potential.temperature * log_partition,
        cell_solves=solves,
        error=plan.error,
        routes=tuple(plan.routes[k].name for k in sorted(plan.routes)),
        spaces=tuple(plan.levels[k].space.line.name for k in sorted(plan.levels)),
    )
