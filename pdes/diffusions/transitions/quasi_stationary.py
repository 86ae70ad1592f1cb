"""The quasi-stationary law of paths that are killed in a set, and the rate at which they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from ..density import FLOOR, Density
from ..hitting.chain_solver import added
from ..hitting.on_grid import GridProblem, richardson, scalar_errors, tells_order
from ..hitting.target_sets import Indicator, TargetSet
from ..problem import ReversibleDiffusion
from ..slow_modes import slowest_modes

# steps of inverse iteration, which make every value of the mode right to its own size
ROUNDS = 4
# relative distance of the second rate below which the law depends on the start for longer than paths live
CLOSE = 1e-6
# of sqrt(m), relative to the largest, below which a mode by an eigensolver is noise
LEAST_ROOT = 1e-7
# relative error of the rate from which a warning says so
SAID = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class QuasiStationary:
    """The quasi-stationary law: the survival of paths that start by it is exp(-rate t).

    Args:
        density: rho = pi f, normalised.
        rate: lambda, in units of 1/time.
        error: the estimated error of the rate, likewise.
    """

    density: Density
    rate: float
    error: float

    def __repr__(self) -> str:
        return f"<QuasiStationary: rate {self.rate:.6g} +- {self.error:.1e}>"


def quasi_stationary(equation: ReversibleDiffusion, target: Indicator) -> QuasiStationary:
    """The quasi-stationary law; see `FokkerPlanck.quasi_stationary`."""
    problem = GridProblem(equation, (TargetSet("target", target, 0.0),))
    mode, rate, second = _mode(problem)
    error = scalar_errors(problem, lambda other: {"rate": _mode(other)[1]})["rate"]
    density = _density(problem, mode)
    if equation.comm.rank == 0:
        if not error <= max(SAID, equation.rtol) * rate:
            known = f"known to about {error / rate:.0e} only" if error < rate else "not known"
            warn(f"the rate of the quasi-stationary law is {known}; take more cells", Unresolved)
        if second - rate <= CLOSE * rate:
            message = f"two rates, {rate:.6g} and {second:.6g}, are almost the same"
            warn(f"{message}: which law paths come to depends on where they start", Unresolved)
    return QuasiStationary(density, rate, error)


def _mode(problem: GridProblem) -> tuple[np.ndarray, float, float]:
    """The slowest mode f >= 0 at all nodes (size,), its rate, and the second rate."""
    chain, grid = problem.chain, problem.chain.grid
    modes = slowest_modes(chain, chain.matrix(), 2)
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
    if not (rate > 0 and abs(before - rate) <= SAID * rate):
        raise NotConverged("the quasi-stationary law", "inverse iteration has not settled", "take more cells")
    second = float(modes.rates[1]) if len(modes.rates) > 1 else np.inf
    return grid.whole(own), rate, second


def _distance(problem: GridProblem, density: Density) -> float | None:
    """The estimated error of the density in total variation, by that on coarser grids; collective."""
    changes: list[float] = []
    fine = density
    coarser = problem.coarser
    while coarser is not None and len(changes) < 2 and (not changes or tells_order(coarser.equation)):
        coarse = _density(coarser, _mode(coarser)[0])
        nodes, volumes = fine.nodes, problem.equation.generator.volumes
        changes.append(float((np.abs(fine.at(nodes) - coarse.at(nodes)) * volumes).sum()))
        problem, fine, coarser = coarser, coarse, coarser.coarser
    return richardson(changes) if changes else None


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
    density = Density(
        grid, equation.exponent, ratio, 1.0, mean, (away.T * weights) @ away, entropy, energy, killed,
        lambda: _distance(problem, density),
    )  # fmt: skip
    return density
