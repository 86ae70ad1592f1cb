"""The quasi-stationary law of paths that are killed in a set, and the rate at which they are."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from scaling_limits.meshes.spread_values import WholeValues
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.support.not_pickled import NotPickled

from ..density import FLOOR, Density
from ..hitting.chain_solver import added
from ..hitting.coarser_grids import GIVEN, error_of, richardson, say_relative, solved
from ..hitting.on_grid import GridProblem
from ..hitting.target_sets import Indicator, TargetSet
from ..output.together import ShownField, estimates
from ..problem import ReversibleDiffusion
from ..slow_modes import slowest_modes
from ..storage.grid_files import check_equation, check_has_box, damaged, load_on_grid, save_on_grid
from ..storage.target_places import check_target

# steps of inverse iteration, which make every value of the mode right to its own size
ROUNDS = 4
# relative distance of the second rate below which the law depends on the start for longer than paths live
CLOSE = 1e-6
# of sqrt(m), relative to the largest, below which a mode by an eigensolver is noise
LEAST_ROOT = 1e-7
# part of its value by which the rate may change in the last step of inverse iteration
SETTLED = 0.02
# part of the error of the law that the relative error of the rate has at least
SHARED = 0.1
# relative error that sums leave
ROUNDING = 1e-11


@dataclass(frozen=True, eq=False, repr=False)
class QuasiStationary(NotPickled, ShownField):
    """The quasi-stationary law: the survival of paths that start by it is exp(-rate t).

    Args:
        density: rho = pi f, normalised.
        rate: lambda, in units of 1/time.
        error: the estimated error of the rate, likewise.
    """

    density: Density
    rate: float
    error: float
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path, equation, target) reads it"

    def _fields(self) -> dict[str, Any]:
        return {"density": self.density}

    def _numbers(self) -> dict[str, float | None]:
        return {"rate": self.rate, "error": self.error}

    def _summary(self) -> tuple[str, dict[str, Any]]:
        return "QuasiStationary", estimates(self, {"rate": self.error})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write density and rate to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        density = self.density

        def content() -> dict[str, Any]:
            held = TargetSet("target", density.sets[0], 0.0).holds(density.nodes)
            far = np.nan if density.error is None else density.error
            return density.content | {"rate": self.rate, "error": self.error, "far": far, "held": held}

        save_on_grid(density.grid, path, "QuasiStationary", content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: ReversibleDiffusion, target: Indicator) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0.
            equation: the one that was solved, which knows Psi between the nodes.
            target: the set, as it was given; beside it the density is linear, and no file has it.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation or set.
        """
        check_has_box(equation, path)
        names = {*Density.NAMES, "exponent", "rate", "error", "far", "held"}
        grid, content = load_on_grid(equation.comm, path, "QuasiStationary", names, set())
        check_equation(path, grid, content["exponent"], equation)
        check_target(path, grid, None, content["held"], target)
        rate, error, far = (float(content[name]) for name in ("rate", "error", "far"))
        ratio = content["log_ratio"]
        if ratio.shape != (grid.size,) or np.isnan(ratio).any() or not rate > 0:
            raise damaged(path)
        numbers: dict[str, Any] = {name: content[name] for name in ("first", "covariance")}
        numbers |= {name: float(content[name]) for name in ("mass", "relative_entropy", "free_energy")}
        killed = (TargetSet("target", target, 0.0).holds,)
        density = Density(
            grid, equation.exponent, WholeValues(ratio), **numbers, sets=killed,
            estimate=lambda: None if np.isnan(far) else far,
        )  # fmt: skip
        return cls(density, rate, error)


@dataclass(frozen=True, eq=False)
class Slowest:
    """The slowest mode of a killed chain.

    Args:
        problem: with the set.
        mode: f >= 0 at all nodes (size,).
        rate: lambda, in units of 1/time.
        second: the rate of the next mode, likewise.
    """

    problem: GridProblem
    mode: np.ndarray
    rate: float
    second: float

    @cached_property
    def density(self) -> Density:
        """The density pi f, normalised, with its moments."""
        return _density(self.problem, self.mode)

    def distance(self, other: Slowest) -> float:
        """The total variation of the difference from the density on another grid."""
        nodes, volumes = self.density.nodes, self.problem.equation.generator.volumes
        return float((np.abs(self.density.at(nodes) - other.density.at(nodes)) * volumes).sum())


def quasi_stationary(equation: ReversibleDiffusion, target: Indicator) -> QuasiStationary:
    """The quasi-stationary law; see `FokkerPlanck.quasi_stationary`."""
    problem = GridProblem(equation, (TargetSet("target", target, 0.0),))
    laws = solved(problem, _slowest)
    rate, second = laws[0].rate, laws[0].second
    far = float(richardson([one.distance(other) for one, other in pairwise(laws)]))
    relative = error_of([law.rate for law in laws]) / rate
    # grids may agree by chance on a number that is made of all values
    relative = max(relative, SHARED * far)
    relative += max(GIVEN * equation.error_of_coefficients, ROUNDING)
    say_relative(equation.grid, "the rate of the quasi-stationary law is", relative, equation.rtol)
    if second - rate <= CLOSE * rate and equation.comm.rank == 0:
        message = f"two rates, {rate:.6g} and {second:.6g}, are almost the same"
        warn(f"{message}: which law paths come to depends on where they start", Unresolved)
    density = replace(laws[0].density, estimate=lambda: far if np.isfinite(far) else None)
    return QuasiStationary(density, rate, rate * relative)


def _slowest(problem: GridProblem) -> Slowest:
    """The slowest mode, by inverse iteration from that of an eigensolver; collective."""
    chain, grid = problem.chain, problem.chain.grid
    modes = slowest_modes(chain, problem.equation.matrix(chain.rows()), 2)
    root, comm = chain.generator.root, grid.comm
    # where there is next to no mass, inverse iteration fills it in
    top = comm.allreduce(float(root.max(initial=0.0)), MPI.MAX)
    counts = chain.free & (root > LEAST_ROOT * top)
    own = np.where(counts, np.abs(modes.vectors[:, 0]) / np.where(counts, root, 1.0), 0.0)
    killing = chain.killing.sum(axis=1)
    rate, before = 0.0, np.inf
    for _ in range(ROUNDS):
        terms, _ = problem.solver.solve(own[:, None])
        whole = np.maximum(np.nan_to_num(added(terms)[:, 0]), 0.0)
        own = whole[grid.own]
        flow, mass = comm.allreduce(np.array([(root**2 * killing * own).sum(), (root**2 * own).sum()]))
        before, rate = rate, float(flow / mass)
        own = own / comm.allreduce(float(own.max(initial=0.0)), MPI.MAX)
    if not (rate > 0 and abs(before - rate) <= SETTLED * rate):
        raise NotConverged("the quasi-stationary law", "inverse iteration has not settled", "take more cells")
    second = float(modes.rates[1]) if len(modes.rates) > 1 else np.inf
    return Slowest(problem, grid.whole(own), rate, second)


def _density(problem: GridProblem, mode: np.ndarray) -> Density:
    """The density pi f, normalised, with its moments."""
    equation = problem.equation
    grid, generator = equation.grid, equation.generator
    share = generator.volumes * np.exp(-generator.exponent) * mode
    total = float(share.sum())
    weights = share / total
    mean = weights @ grid.nodes
    away = grid.nodes - mean
    with np.errstate(divide="ignore"):
        ratio = np.maximum(np.log(mode) - np.log(total), FLOOR) + generator.lowest
    partition = float(generator.volumes @ np.exp(-generator.exponent))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = float(np.nansum(weights * np.log(mode * partition / total)))
    sigma = float(equation.coefficients.temperature)
    energy = sigma * (entropy - np.log(partition) + generator.lowest)
    killed = (problem.sets[0].holds,)
    return Density(
        grid, equation.exponent, WholeValues(ratio), 1.0, mean, (away.T * weights) @ away, entropy, energy, killed
    )
