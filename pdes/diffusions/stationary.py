"""The stationary density of a reversible diffusion in a box: rho = exp(-Psi/sigma)/Z."""

from __future__ import annotations

import numpy as np

from scaling_limits.meshes.spread_values import Uniform
from scaling_limits.particles.errors import Unresolved, warn

from .density import FLOOR, Density
from .problem import ReversibleDiffusion, integral, points_per_direction


def stationary(equation: ReversibleDiffusion) -> Density:
    """The stationary density; see `FokkerPlanck.stationary`."""
    (log_partition, error), centre = _log_partition(equation), equation.grid.box.mean(axis=1)

    def moments(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        # about the middle of the box, so that the covariance keeps its digits
        powers = np.concatenate([np.ones((len(x), 1)), x - centre], axis=1)
        return powers.T @ (powers * (weights * np.exp(-equation.exponent(x) - log_partition))[:, None])

    sums = integral(equation.grid, moments, points_per_direction(equation.grid) + 1)
    mass, away, second = float(sums[0, 0]), sums[0, 1:], sums[1:, 1:]
    energy = -float(equation.coefficients.temperature) * log_partition
    uniform = Uniform(-log_partition, equation.grid.size)
    mean, covariance = mass * centre + away, second - np.outer(away, away)
    uncertain = min(error + abs(mass - 1.0), 2.0)
    return Density(
        equation.grid, equation.exponent, uniform, mass, mean, covariance, 0.0, energy, estimate=lambda: uncertain
    )


def _log_partition(equation: ReversibleDiffusion) -> tuple[float, float]:
    """log Z, Z = int exp(-Psi/sigma) over the box, and the relative error of Z by another rule."""
    lowest, order = equation.generator.lowest, points_per_direction(equation.grid)

    def boltzmann(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return weights @ np.exp(-np.maximum(equation.exponent(x) - lowest, FLOOR))

    partition, coarser = (float(integral(equation.grid, boltzmann, n)) for n in (order, order - 1))
    error = abs(1.0 - coarser / partition)
    if error > max(equation.rtol, 1e-12) and equation.comm.rank == 0:
        message = f"exp(-Psi/sigma) varies too much in a cell: its integral is known to {error:.1e} only"
        warn(f"{message}; take more cells", Unresolved)
    return float(np.log(partition)) - lowest, error
