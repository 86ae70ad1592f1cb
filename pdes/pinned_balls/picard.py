"""The fixed-point iteration that proves local well-posedness of (B') (paper, section 6.4), carried out.

    d_t mu_{n+1} - mu_{n+1}'' = -lambda (sqrt(2 |w_n|))_x,
    d_t w_{n+1} - w_{n+1}'' = -lambda mu_n' sqrt(2 |w_n|) + (mu_n')^2,
    mu_{n+1}' = 0 and w_{n+1} = 0 at the ends, the initial data the same for all n,

with sqrt(2 w) where the paper writes sqrt(w). Linear elements with lumped mass, implicit Euler in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import basix.ufl
import dolfinx
import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import NDArray

from scaling_limits.meshes.backend.direct_solver import DirectSolver
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.pinned_balls.profiles import VelocityProfiles
from scaling_limits.particles.pinned_balls.velocities import velocities
from scaling_limits.particles.showing.described import times_text
from scaling_limits.particles.support import checks

from .equations import BilliardEquations


@dataclass(frozen=True, eq=False, repr=False)
class PicardIteration(VelocityProfiles):
    """The iterates of section 6.4 on a grid in space and time.

    nodes (m,) and times (K+1,) of the grid; mean, w (K+1, m) the last iterate; mean_changes (N,) the norms
    |mu_{n+1} - mu_n| of H^1_{x,T} and w_changes (N,) those |w_{n+1} - w_n| of L^1_{x,T}: a_{n+1} and b_{n+1}.
    """

    nodes: NDArray[np.float64]
    times: NDArray[np.float64]
    mean: NDArray[np.float64]
    w: NDArray[np.float64]
    mean_changes: NDArray[np.float64]
    w_changes: NDArray[np.float64]

    def _summary(self) -> tuple[str, dict[str, Any]]:
        last = f"{self.mean_changes[-1]:.3g} of mu, {self.w_changes[-1]:.3g} of w"
        return "PicardIteration", {"times": times_text(self.times), "nodes": self.nodes.size, "last changes": last}

    @property
    def _places(self) -> np.ndarray:
        return self.nodes

    def _profile(self, quantity: str) -> np.ndarray:
        return self.mean if quantity == "mean" else np.sqrt(2.0 * np.maximum(self.w, 0.0))

    @property
    def contraction_factors(self) -> NDArray[np.float64]:
        """b_{n+1}/b_n of (6.10), shape (N-1,); below 1 where the iteration contracts in L^1."""
        return self.w_changes[1:] / np.maximum(self.w_changes[:-1], np.finfo(float).tiny)


def picard_iteration(
    equations: BilliardEquations, end: float, *, iterations: int = 12, cells: int = 200, steps: int = 100
) -> PicardIteration:
    """Iterate (B') on [0, end], from the solution of the heat equations mu_0, w_0.

    Args:
        equations: lambda and the initial data.
        end: final time T of the space-time norms.
        iterations: number N of iterates.
        cells: elements in space.
        steps: steps in time.

    Returns:
        A `PicardIteration`.

    Raises:
        InvalidArgument: an argument out of its range.
        NotConverged: the iterates left the range of floating-point numbers; T is too long for a contraction.
    """
    if not isinstance(equations, BilliardEquations):
        raise InvalidArgument("equations", f"must be BilliardEquations, not {checks.shown(equations)}")
    end = checks.number("end", end, above=0.0)
    iterations = checks.integer("iterations", iterations, 2)
    grid = _HeatEquations(equations, end / checks.integer("steps", steps, 1), steps, checks.integer("cells", cells, 2))
    nothing = np.zeros((steps + 1, grid.nodes.size))
    mean, w = grid.solved(nothing, nothing)
    changes = []
    for n in range(iterations):
        with np.errstate(over="ignore", invalid="ignore"):
            new_mean, new_w = grid.solved(*grid.sources(mean, w))
            changes.append((grid.h1(new_mean - mean), grid.l1(new_w - w)))
        if not np.isfinite(changes[-1]).all():
            raise NotConverged(
                "the Picard iteration", f"iterate {n + 1} is not finite", "take a shorter interval", time=end
            )
        mean, w = new_mean, new_w
    a, b = np.array(changes).T
    order = np.argsort(grid.nodes)
    return PicardIteration(grid.nodes[order], grid.times, mean[:, order], w[:, order], a, b)


class _HeatEquations:
    """Implicit Euler for two heat equations with given sources; every rank has the whole line."""

    def __init__(self, equations: BilliardEquations, step: float, steps: int, cells: int) -> None:
        mesh = dolfinx.mesh.create_interval(MPI.COMM_SELF, cells, [0.0, 1.0])
        space = fem.functionspace(mesh, basix.ufl.element("Lagrange", "interval", 1))
        self._speed, self._step = equations.wave_speed, step
        self.times: np.ndarray = step * np.arange(steps + 1)
        self.nodes = space.tabulate_dof_coordinates()[:, 0]
        self._mean, self._w = fem.Function(space), fem.Function(space)
        trial, test = ufl.TrialFunction(space), ufl.TestFunction(space)
        dx = ufl.dx(domain=mesh, metadata={"quadrature_rule": "vertex", "quadrature_degree": 1})
        self._mass = fem.assemble_vector(fem.form(test * dx)).array.copy()
        operator = fem.form(trial * test * dx + fem.Constant(mesh, step) * trial.dx(0) * test.dx(0) * dx)
        self._neumann, self._dirichlet = (DirectSolver(operator, prefix) for prefix in ("picard_mean_", "picard_w_"))
        self._ends = np.flatnonzero((self.nodes == 0.0) | (self.nodes == 1.0))
        self._neumann.assemble()
        self._dirichlet.assemble()
        self._dirichlet.matrix.zeroRowsColumns(self._ends.astype(np.int32), diag=1.0)
        slope, sigma = self._mean.dx(0), ufl.sqrt(2 * abs(self._w))
        lam = fem.Constant(mesh, self._speed)
        self._mean_source = fem.form(lam * sigma * test.dx(0) * dx)
        self._w_source = fem.form(slope * (slope - lam * sigma) * test * dx)
        mu, sigma = velocities(equations.mean, equations.std, self.nodes, whole=False)
        self._first = mu, 0.5 * sigma**2
        self._first[1][self._ends] = 0.0

    def sources(self, mean: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the assembled right-hand sides (K+1, m) of both equations, of an iterate."""
        pairs = []
        for mu, variance in zip(mean, w):
            self._mean.x.array[:], self._w.x.array[:] = mu, variance
            pairs.append([fem.assemble_vector(form).array.copy() for form in (self._mean_source, self._w_source)])
        both = np.array(pairs)
        return both[:, 0], both[:, 1]

    def solved(self, mean_source: np.ndarray, w_source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu, w), each (K+1, m), of the heat equations with these sources."""
        mean, w = [self._first[0]], [self._first[1]]
        for f, g in zip(mean_source[1:], w_source[1:]):
            mean.append(self._neumann.solve(self._mass * mean[-1] + self._step * f))
            right = self._mass * w[-1] + self._step * g
            right[self._ends] = 0.0
            w.append(self._dirichlet.solve(right))
        return np.array(mean), np.array(w)

    def h1(self, values: np.ndarray) -> float:
        """Return the norm (4.7) of H^1 in x and L^2 in t."""
        order = np.argsort(self.nodes)
        slopes = np.diff(values[:, order], axis=1) / np.diff(self.nodes[order])
        squares = values**2 @ self._mass + slopes**2 @ np.diff(self.nodes[order])
        return float(np.sqrt(self._step * squares[1:].sum()))

    def l1(self, values: np.ndarray) -> float:
        """Return the norm (4.6) of L^1 in x and t."""
        return float(self._step * (np.abs(values) @ self._mass)[1:].sum())
