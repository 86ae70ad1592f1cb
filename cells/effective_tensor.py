"""The effective tensor M(x) = K_0(x)/Z_1(x) of an N-scale potential, its free energy, and bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass, replace

import numpy as np
import sympy
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.sampling.workers import default_workers
from scaling_limits.particles.support.checks import flag, instance, integer, relative_tolerance, shown
from scaling_limits.particles.support.logs import timed

from .derivatives import checked_derivatives, derivatives_of
from .fenicsx.petsc_elements import PETScElements
from .levels.results import LevelResult, joined
from .levels.scale_splitting import ScaleSplitting, fingerprint, splitting_of
from .recursion.recursion import Recursion
from .recursion.search import Reason, explained
from .recursion.settings import Allowances
from .solvers.symmetric import exponential
from .spaces.discretisations import Discretisation, FourierGalerkin, HarmonicMean
from .tensor_result import EffectiveTensor

LEAST, LEAST_WITH_BOUNDS = 1e-13, 1e-11  # rtol that rounding leaves


def effective_tensor(
    potential: MultiscalePotential,
    points: ArrayLike,
    rtol: float = 1e-8,
    bounds: bool = False,
    *,
    derivatives: Iterable[str] = (),
    route: Discretisation | PETScElements | None = None,
    workers: int | None = None,
    progress: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> EffectiveTensor:
    """Compute the effective tensor M(x) = K_0(x)/Z_1(x) of an N-scale potential at points x.

    K_N = exp(-V1/sigma) I, div_{y_k}( K_k (grad theta_k + I) ) = 0 on the torus T^d, and
    K_{k-1} = int K_k (I + grad theta_k) dy_k for k = N, ..., 1.

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
        derivatives: names of parameters of the potential, or "temperature", by which M, log Z_1 and Psi are
            differentiated: the derivatives of the discrete tensor, which need no others of correctors. Their errors
            are at most ten times rtol, or 1e-8, times how far d log K_k/dp varies in the cells.
        route: `FiniteElements(...)` or `FourierGalerkin(...)` for all levels; None chooses by contrast, for each level.
            Where a route has one space, that is taken whatever its error. `PETScElements(...)` is the whole recursion
            by UFL forms and PETSc, slow and independent: all ranks share each cell, and none is done by numpy. It
            needs FEniCSx, as no other does.
        workers: threads; None takes the cores that this process may use, shared among the ranks of `comm`.
        progress: show a progress bar, at a terminal or in a notebook, on rank 0.
        comm: communicator.

    Returns:
        The tensor, and what belongs to it.

    Raises:
        InvalidArgument: points of a wrong shape or not finite; rtol or another argument out of range; one of them is
            not the same on all ranks; V0 is not finite at a point.
        NotConverged: no space is fine enough for rtol, or the contrast is beyond the range of double precision; its
            `partial` is the tensor at all points, with its errors, and NaN where nothing is known.
        MissingFEniCSx: `PETScElements` are asked for, and it is not here.

    Warns:
        Unresolved: the only space of a route leaves an error above rtol, or one that is not known.

    Source: Duncan, Duong and Pavliotis (2023), Theorem 1: (13) to (17); bounds after Lemma 2 and its dual.
    """
    request = on_all_ranks(
        communicator(comm),
        lambda: _checked(potential, points, rtol, bounds, derivatives, route, workers, progress, comm),
    )
    given, route_given = request.splitting.potential, request.route
    same_on_all_ranks(
        comm, potential=fingerprint(given), confining=sympy.srepr(given.confining_expression), points=request.points,
        rtol=request.rtol, bounds=request.bounds, derivatives=request.splitting.parameters,
        route=route_given if is_dataclass(route_given) else type(route_given).__name__,
    )  # fmt: skip
    with timed(comm, "effective tensor") as said:
        tensor, reasons = _computed(request, comm)
        said |= {"points": len(tensor.points), "route": " and ".join(dict.fromkeys(tensor.routes))}
        said |= {"space": " and ".join(dict.fromkeys(tensor.spaces)), "cells": tensor.cell_solves.tolist()}
        said["error"] = f"{tensor.error.max():.1e}"
    if not (tensor.errors_compared() <= request.rtol).all():
        if not request.forced:
            raise _not_converged(tensor, request.rtol, reasons)
        warn(_unresolved(tensor, request.rtol), Unresolved)
    return tensor


def _not_converged(tensor: EffectiveTensor, rtol: float, reasons: dict[int, Reason]) -> NotConverged:
    """The error that names the worst point, and holds what is known of the others."""
    errors = tensor.errors_compared()
    worst, good = int(np.argmax(errors)), int((errors <= rtol).sum())
    place, error, what = np.round(tensor.points[worst], 6).tolist(), tensor.error[worst], "an error"
    if error <= rtol and tensor.sensitivities is not None:
        error, what = tensor.sensitivities.relative_error[worst], "of the derivatives, an error"
    known = f"{what} of {error:.1e} is left" if np.isfinite(error) else f"{what} that is not known is left"
    unknown = np.where(np.isfinite(tensor.error), 1.0, np.nan)
    numbers = {name: getattr(tensor, name) for name in ("value", "lower", "upper", "log_partition", "free_energy")}
    known_ones = {name: array for name, array in numbers.items() if array is not None}
    tensor = replace(tensor, **{name: (unknown.T * array.T).T for name, array in known_ones.items()})
    if tensor.sensitivities is not None:
        tensor = replace(tensor, sensitivities=tensor.sensitivities.known_at(np.isfinite(errors)))
    rest = f"; {good} of {len(errors)} points are as asked, see `partial`" if good else ""
    return explained(reasons, known).error(f"at x = {place} {known} for {rtol = :g}", rest, tensor)


def _unresolved(tensor: EffectiveTensor, rtol: float) -> str:
    error, space = tensor.error.max(), tensor.spaces[0]
    known = f"a relative error of about {error:.1e} in M" if np.isfinite(error) else "an error in M that is not known"
    if error <= rtol and tensor.sensitivities is not None:
        known = f"errors of {tensor.sensitivities.relative_error.max():.1e} in its derivatives"
    return (
        f"the only space of the route, {space}, leaves {known}; rtol is {rtol:g}. Give the route finer spaces, or none"
    )


@dataclass(frozen=True, eq=False)
class _Request:
    """The arguments of `effective_tensor`, checked."""

    splitting: ScaleSplitting
    points: np.ndarray
    rtol: float
    bounds: bool
    route: Discretisation | PETScElements | None
    workers: int
    progress: bool

    @property
    def forced(self) -> bool:
        """Whether there is no choice of a space; without bounds its error is no reason to refuse."""
        if isinstance(self.route, PETScElements):
            return True
        return self.route is not None and not self.bounds and self.route.size(self.splitting.dim) == 1


def _checked(
    potential: MultiscalePotential, points: ArrayLike, rtol: float, bounds: bool, derivatives: Iterable[str],
    route: Discretisation | PETScElements | None,
    workers: int | None, progress: bool, comm: MPI.Comm,
) -> _Request:  # fmt: skip
    positions = checked_points("points", points, instance("potential", potential, MultiscalePotential).dim)
    positions = potential.check_inside("points", positions)
    if not len(positions):
        raise InvalidArgument("points", "must not be empty")
    tolerance = relative_tolerance(rtol, least=LEAST_WITH_BOUNDS if flag("bounds", bounds) else LEAST)
    threads = default_workers(comm) if workers is None else integer("workers", workers, 1)
    if isinstance(route, PETScElements):
        if bounds:
            raise InvalidArgument("route", "must be finite elements where bounds are wanted, not those of PETSc")
    elif route is not None:
        fits = isinstance(route, Discretisation) and not isinstance(route, type)
        if not fits or (isinstance(route, HarmonicMean) and potential.dim > 1):
            raise InvalidArgument("route", f"must be a route for {potential.dim} dimensions, not {shown(route)}")
        if route.size(potential.dim) < 1:
            what = f"has no space that fits into memory in {potential.dim} dimensions: {route!r}"
            raise InvalidArgument("route", what)
        if bounds and isinstance(route, FourierGalerkin):
            raise InvalidArgument("route", "must be finite elements where bounds are wanted")
    progress = flag("progress", progress)
    splitting = splitting_of(potential, checked_derivatives(derivatives, potential))
    return _Request(splitting, positions, tolerance, bool(bounds), route, threads, progress)


def _computed(request: _Request, comm: MPI.Comm) -> tuple[EffectiveTensor, dict[int, Reason]]:
    """Solve on each rank for its share of the distinct points; the tensor, and why it is not better where it is not."""
    splitting, points = request.splitting, request.points
    first, numbers = splitting.distinct(1, points)
    mine = points[first][comm.rank :: comm.size]
    if isinstance(request.route, PETScElements):
        with needed_by(request.route.name):
            from .fenicsx.petsc_recursion import PETScRecursion
        petsc = PETScRecursion(splitting, request.route, request.rtol, comm)
        result, names = (
            petsc.effective(1, points),
            [(request.route.name, request.route.description())] * splitting.levels,
        )
        solves = np.array(list(petsc.solves.values()))
        return on_all_ranks(comm, lambda: _assembled(request, result, solves, names)), {}
    allowances = Allowances(request.rtol, splitting.levels, request.bounds)
    bar = comm if request.progress else None
    recursion = Recursion(splitting, allowances, request.route, request.workers, bar)
    result = _gathered(on_all_ranks(comm, lambda: recursion.effective(1, mine)), len(first), comm).rows(numbers)
    spaces = [recursion.names_of(k) for k in range(1, splitting.levels + 1)]
    said = recursion.reasons, spaces, list(recursion.solves.values())
    reasons_of_all, spaces_of_all, solves_of_all = zip(*(comm.allgather(said) if comm.size > 1 else [said]))
    reasons: dict[int, Reason] = {}
    for others in reasons_of_all:
        reasons |= others
    finest = [max(names)[1:] for names in zip(*spaces_of_all)]
    solves = np.sum(solves_of_all, axis=0)
    return on_all_ranks(comm, lambda: _assembled(request, result, solves, finest)), reasons


def _gathered(result: LevelResult, count: int, comm: MPI.Comm) -> LevelResult:
    """Results of all points on all ranks, from those of rank r for the points r, r + size, ..."""
    if comm.size == 1:
        return result
    places = np.concatenate([np.arange(rank, count, comm.size) for rank in range(comm.size)])
    return joined(comm.allgather(result)).rows(np.argsort(places))


def _assembled(
    request: _Request, result: LevelResult, solves: np.ndarray, spaces: list[tuple[str, str]]
) -> EffectiveTensor:
    points, potential, identity = request.points, request.splitting.potential, np.eye(request.splitting.dim)
    with np.errstate(all="ignore"):
        confining = potential.confining_at(points)
    if not np.isfinite(confining).all():
        place = points[np.flatnonzero(~np.isfinite(confining))[0]].tolist()
        raise InvalidArgument("points", f"must be where V0 is finite and real; it is not at x = {place}")
    in_space = request.splitting.in_space
    ratio, slack = (values[:, None, None] * identity for values in (result.log_partition, result.slack))
    value = exponential(result.log_tensor - ratio)
    value = 0.5 * (value + value.swapaxes(-1, -2))
    log_partition = result.log_partition + request.splitting.exponent(0, points, ())
    return EffectiveTensor(
        points=points,
        value=in_space(value),
        lower=in_space(exponential(result.log_lower - ratio - slack)) if request.bounds else None,
        upper=in_space(exponential(result.log_tensor - ratio + slack)) if request.bounds else None,
        log_partition=log_partition,
        free_energy=confining - potential.temperature * log_partition,
        cell_solves=solves,
        error=result.error,
        sensitivities=derivatives_of(request.splitting, points, result, log_partition),
        routes=tuple(route for route, _ in spaces),
        spaces=tuple(space for _, space in spaces),
    )
