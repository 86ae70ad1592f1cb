"""Finite elements for the pinned-billiard equations on the unit interval, with lumped mass and nodal fluxes.

Degree 1 on a mesh with lambda h <= 2 keeps w >= 0 in continuous time: at a node where w = 0 its rate is
sum (sigma_j^2 + D_j^2 -+ lambda h sigma_j D_j)/(2 h) >= 0, with D_j the difference of mu to the neighbour j. Where the
mesh is coarser the diffusion is raised to lambda h/2, which is upwinding: bounded and positive, but smeared.
Higher degrees take the nodes of Gauss, Lobatto and Legendre, which are also the points of the quadrature.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import basix.ufl
import dolfinx
import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from scaling_limits.meshes.backend.direct_solver import DirectSolver

from .energy_norm import ROUNDING_OF_SOLVES, relative_error, restored
from .forms import BilliardForm, EnergyForm, deviation
from .mesh_choice import resolving


@dataclass(frozen=True)
class Source:
    """Right-hand sides of a manufactured solution: UFL expressions of (x, t), and their derivatives in t."""

    values: Any  # (x, t) -> (s_mu, s_second)
    slopes: Any


class BilliardSystem:
    """M y' = f(y) for y = (mu, second) at the nodes, in the numbering of the form's space (a `rosenbrock.System`)."""

    def __init__(
        self,
        comm: MPI.Comm,
        cells: int,
        degree: int,
        form: BilliardForm,
        absorbing: bool,
        petsc_options: dict[str, Any] | None = None,
        source: Source | None = None,
    ) -> None:
        self.comm, self.form, self._cells, self._degree = comm, form, cells, degree
        self.mesh = dolfinx.mesh.create_interval(comm, cells, [0.0, 1.0])
        self.space = fem.functionspace(self.mesh, basix.ufl.element("Lagrange", "interval", degree, shape=(2,)))
        self._time, self._shift, self._floor, self._speed, self._diffusion = (
            fem.Constant(self.mesh, value) for value in (0.0, 1.0, 0.0, 1.0, 1.0)
        )
        self._compile(source, absorbing)
        self._vector = fem.Function(self.space).x
        self._values, self._entries = self._u.x.array, self._vector.array  # views, made once
        self.owned = 2 * self.space.dofmap.index_map.size_local
        self.nodal = slice(0, self.owned, 2), slice(1, self.owned, 2)  # mu and the second unknown within a state
        mass = self._assembled(fem.form(ufl.inner(ufl.as_vector((1.0, 1.0)), self._test) * self._dx))
        self.mass = np.append(mass, 1.0) if absorbing else mass
        self._linear = DirectSolver(self._jacobian, "billiards_", petsc_options)
        self._ends: AbsorbingEnds | None = None
        if absorbing:
            self._ends = AbsorbingEnds(self)

    def configure(self, speed: float, rtol: float) -> None:
        """Set lambda and the tolerance; nothing is compiled anew."""
        needed = speed / (self._cells * self._degree) / resolving(self._degree)
        self.resolved = needed <= 1.0
        self._speed.value, self._diffusion.value = speed, max(1.0, needed)
        self.rtol = rtol
        # degree 1 keeps w >= 0 but for the error in time; higher degrees also have one in space
        self._limit = rtol if self._degree == 1 else max(rtol, 1e-4)
        self._frame = 0.0
        self._momentum: float | None = None  # of the initial state, where they are invariants, ...
        self._energy: float | None = None  # ... together with the outflow

    def _compile(self, source: Source | None, absorbing: bool) -> None:
        self._u, self._test = fem.Function(self.space), ufl.TestFunction(self.space)
        u, v, mesh = self._u, self._test, self.mesh
        rule = {"quadrature_rule": "GLL", "quadrature_degree": 2 * self._degree - 1}
        self._dx = ufl.dx(domain=mesh, metadata=rule)
        variance = self.form.variance(u[0], u[1])
        noisy = 1.0
        if absorbing:  # sigma = 0 at the ends, whatever the stages of a step make of their second unknown
            noisy = fem.Function(fem.functionspace(mesh, ("Lagrange", self._degree)))
            noisy.interpolate(lambda x: np.where((x[0] < 1e-12) | (x[0] > 1 - 1e-12), 0.0, 1.0))

        def residual(floor: Any) -> Any:
            sigma = noisy * deviation(variance, floor)
            return self.form.residual(u[0], u[1], sigma, v, self._diffusion, self._speed) * self._dx

        exact = residual(self._floor if self.form.label == "A" else 0.0)
        self._slope = None
        if source is not None:
            x = ufl.SpatialCoordinate(mesh)[0]
            exact -= ufl.inner(ufl.as_vector(source.values(x, self._time)), v) * self._dx
            self._slope = fem.form(ufl.inner(ufl.as_vector(source.slopes(x, self._time)), v) * self._dx)
        self._residual = fem.form(exact)
        increment = ufl.TrialFunction(self.space)
        jacobian = ufl.derivative(residual(self._floor), u, increment)
        self._jacobian = fem.form(self._shift * ufl.inner(increment, v) * self._dx + jacobian)

    # --- states ------------------------------------------------------------------------------------------

    def points(self) -> np.ndarray:
        """Return the coordinates of the owned nodes, shape (m,)."""
        return self.space.tabulate_dof_coordinates()[: self.owned // 2, 0]

    def state(self, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return y of the nodal values mu (m,) and sigma (m,)."""
        y = np.zeros(self.mass.size)
        if self._ends is not None:
            sigma = sigma.copy()
            sigma[self._ends.nodes] = 0.0
        weights = self.mass[self.nodal[0]]
        # a constant added to mu changes nothing in the equations; without it the energy has the most digits to spare
        self._frame = float(self._sums(np.array([weights @ mu]))[0]) if self._slope is None else 0.0
        mu = mu - self._frame
        y[self.nodal[0]], y[self.nodal[1]] = mu, self.form.second(mu, sigma)
        largest = self._maximum(np.abs(mu) + sigma)
        if isinstance(self.form, EnergyForm) and self._slope is None:
            self._momentum, self._energy = self._integrals(y)
        self._floor.value = max(1e-13 * largest**2, np.finfo(float).tiny)
        return y

    def moments(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu, w) at the owned nodes in the frame of the solve, w >= 0."""
        mu, second = (y[part] for part in self.nodal)
        return mu, np.maximum(0.5 * self.form.variance(mu, second), 0.0)

    def totals(self, y: np.ndarray) -> tuple[float, float, float]:
        """Return the momentum, the energy, and the energy that has left: integrals of mu and (mu^2 + sigma^2)/2."""
        momentum, energy = self._integrals(y)
        energy += self._frame * momentum + 0.5 * self._frame**2
        return momentum + self._frame, energy, self._outflow(y)

    def velocities(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu, w) at the owned nodes, with the constant that was taken off mu."""
        mu, w = self.moments(y)
        return mu + self._frame, w

    def _integrals(self, y: np.ndarray) -> tuple[float, float]:
        mu, second = (y[part] for part in self.nodal)
        energy = second if isinstance(self.form, EnergyForm) else 0.5 * mu**2 + self.moments(y)[1]
        weights = self.mass[self.nodal[0]]
        momentum, energy = self._sums(np.array([weights @ mu, weights @ energy]))
        return float(momentum), float(energy)

    def _outflow(self, y: np.ndarray) -> float:
        return 0.0 if self._ends is None else float(self._sums(y[-1:])[0])

    # --- the system of the time scheme -------------------------------------------------------------------

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        """Return f(t, y); the time matters to manufactured sources only."""
        self._put(t, y)
        f = -self._assembled(self._residual)
        return f if self._ends is None else self._ends.rate(y, f)

    def rate_in_time(self, t: float, y: np.ndarray) -> np.ndarray | None:
        """Return df/dt, or None where there is no source."""
        if self._slope is None:
            return None
        self._time.value = t
        return self._assembled(self._slope)

    def factor(self, t: float, y: np.ndarray, shift: float) -> None:
        """Assemble shift M - df/dy, with sigma bounded from below in its derivative, and factor it when first used."""
        self._put(t, y)
        self._shift.value = shift
        self._linear.assemble()
        if self._ends is not None:
            self._ends.replace_rows(self._linear, y, -self._assembled(self._residual), shift)

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of the factored system."""
        if self._ends is None:
            return self._linear.solve(right_hand_side)
        x = self._linear.solve(right_hand_side[:-1])
        self._put(0.0, x)
        return np.append(x, self._ends.solve(self._values, right_hand_side[-1], self._shift.value))

    def error(self, y: np.ndarray, new: np.ndarray, difference: np.ndarray) -> float:
        """Return the error estimate in mu and sigma, each in L2 relative to its own size, over rtol."""
        other = self.moments(new - difference)
        return relative_error(self.mass[self.nodal[0]], self.moments(new), other, self.comm) / self.rtol

    def accept(self, t: float, new: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the state with w >= 0: where w is negative it becomes 0, and the rest is scaled to the same energy.

        That scaling is refused, and the step with it, where it would change w by more than rtol.
        """
        if self._ends is not None:
            new = self._ends.emptied(new)
        mu, second = (new[part] for part in self.nodal)
        w = 0.5 * self.form.variance(mu, second)
        mu = mu + self._momentum_lost(mu)
        energy = None if self._energy is None else self._energy - self._outflow(new)
        kept, reason = restored(self.mass[self.nodal[0]], mu, w, energy, self._limit, self.comm)
        new = new.copy()
        new[self.nodal[0]], new[self.nodal[1]] = mu, self.form.second(mu, np.sqrt(2 * kept)) if not reason else second
        return new, reason

    def _momentum_lost(self, mu: np.ndarray) -> float:
        """Return what rounding in the solves has taken of the momentum; 0 where more is amiss than rounding."""
        if self._momentum is None:
            return 0.0
        weights = self.mass[self.nodal[0]]
        now, size = self._sums(np.array([weights @ mu, weights @ np.abs(mu)]))
        return float(self._momentum - now) if abs(self._momentum - now) <= ROUNDING_OF_SOLVES * size else 0.0

    # --- assembly ----------------------------------------------------------------------------------------

    def _put(self, t: float, y: np.ndarray) -> None:
        if self._slope is not None:
            self._time.value = t
        self._values[: self.owned] = y[: self.owned]
        if self.comm.size > 1:
            self._u.x.scatter_forward()

    def _assembled(self, form: fem.Form) -> np.ndarray:
        self._entries[:] = 0.0
        fem.assemble_vector(self._entries, form)
        if self.comm.size > 1:
            self._vector.scatter_reverse(dolfinx.la.InsertMode.add)
        return self._entries[: self.owned].copy()

    def _sums(self, values: np.ndarray) -> np.ndarray:
        return self.comm.allreduce(values) if self.comm.size > 1 else values

    def _maximum(self, values: np.ndarray) -> float:
        largest = float(np.max(values, initial=0.0))
        return float(self.comm.allreduce(largest, MPI.MAX)) if self.comm.size > 1 else largest


class AbsorbingEnds:
    """The paper's ends, mu_x = 0 and w = 0: energy reaches them by w_x and is gone.

    At an end node the second unknown follows mu: its rate is s(mu) times that of mu, with s = mu for the energy and
    0 for the variance. The energy that arrives and is not kept is one more unknown of the time scheme, the last entry
    of the state on every rank, so that energy + outflow is an invariant.
    """

    def __init__(self, system: BilliardSystem) -> None:
        x = system.points()
        self.nodes = np.flatnonzero((np.abs(x) < 1e-12) | (np.abs(x - 1) < 1e-12))
        self._system = system
        self._energy = isinstance(system.form, EnergyForm)
        self._lost: list[tuple[np.ndarray, np.ndarray]] = []

    def _slope(self, y: np.ndarray) -> np.ndarray:
        return y[2 * self.nodes] if self._energy else np.zeros(self.nodes.size)

    def rate(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return the rates with those of the ends tied, and that of the outflow."""
        kept = self._slope(y) * f[2 * self.nodes]
        outflow = float(np.sum(f[2 * self.nodes + 1] - kept))
        f[2 * self.nodes + 1] = kept
        return np.append(f, outflow)

    def replace_rows(self, linear: DirectSolver, y: np.ndarray, f: np.ndarray, shift: float) -> None:
        """Tie the rows of the ends in shift M - df/dy, and keep the row of the outflow."""
        first = linear.matrix.getOwnershipRange()[0]
        rows, values = [], []
        self._lost = []
        for node, slope in zip(self.nodes, self._slope(y)):
            mean, second = 2 * int(node), 2 * int(node) + 1
            mass = shift * self._system.mass[mean]
            columns, of_mean = linear.row(mean)
            same, of_second = linear.row(second)
            if not np.array_equal(columns, same):
                raise RuntimeError("the two rows of a node have different patterns")
            at_mean, at_second = columns == mean + first, columns == second + first
            tied = slope * of_mean - (slope * mass + (f[mean] if self._energy else 0.0)) * at_mean
            self._lost.append((columns, mass * at_second - of_second + tied))  # d(outflow)/dy
            rows.append(second)
            values.append(tied + mass * at_second)
        linear.replace_rows(rows, values)

    def solve(self, x: np.ndarray, right: float, shift: float) -> float:
        """Return the outflow's stage, from the stages x of the nodes (ghosts included)."""
        index_map = self._system.space.dofmap.index_map
        for columns, values in self._lost:
            nodes = index_map.global_to_local(np.asarray(columns // 2, dtype=np.int64))
            right += float(values @ x[2 * nodes + columns % 2])
        return right / shift

    def emptied(self, y: np.ndarray) -> np.ndarray:
        """Return the state with w = 0 at the ends to the last digit, the difference counted as outflow."""
        y = y.copy()
        rows = 2 * self.nodes + 1
        kept = self._system.form.second(y[2 * self.nodes], np.zeros(self.nodes.size))
        y[-1] += float(self._system.mass[rows] @ (y[rows] - kept))
        y[rows] = kept
        return y


def billiard_system(comm: MPI.Comm, cells: int, degree: int, form: Any, absorbing: bool) -> BilliardSystem:
    """Return a system, perhaps one that was used before: making one takes as long as many steps."""
    for known in (MPI.COMM_WORLD, MPI.COMM_SELF):  # any other may be freed while its systems are kept
        if comm == known:
            return _kept_system(known is MPI.COMM_WORLD, cells, degree, form, absorbing)
    return BilliardSystem(comm, cells, degree, form, absorbing)


@functools.lru_cache(maxsize=8)
def _kept_system(world: bool, cells: int, degree: int, form: Any, absorbing: bool) -> BilliardSystem:
    return BilliardSystem(MPI.COMM_WORLD if world else MPI.COMM_SELF, cells, degree, form, absorbing)
