"""The pinned-billiard equations as a system of ordinary differential equations, with its invariants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles.sampling.mpi import MPI

from .absorbing_ends import AbsorbingEnds
from .elements import BoundForms, ElementNodes
from .energy_norm import TINY, EnergyNorm, momentum_lost
from .forms import EnergyForm


class BilliardStates:
    """States y = (mu, second) at the nodes, with their invariants; absorbing ends add the energy that has left.

    Args:
        elements: the mesh of this rank: `BilliardElements`, or `CompiledElements` in the order of x.
        rtol: the tolerance.
        mu: initial mu at the nodes of this rank, shape (m,).
        sigma: initial sigma there, shape (m,).
        invariant: whether nothing comes from outside; False with a manufactured source.
    """

    def __init__(
        self, elements: ElementNodes, rtol: float, mu: np.ndarray, sigma: np.ndarray, invariant: bool = True
    ) -> None:
        self.comm, self.form, self.nodal, self.rtol = elements.comm, elements.form, elements.nodal, rtol
        self._absorbing = elements.absorbing
        self.mass = np.append(elements.mass, 1.0) if elements.absorbing else elements.mass
        self._norm = EnergyNorm(self.mass[self.nodal[0]], self.comm)
        # degree 1 keeps w >= 0 but for the error in time; higher degrees also have one in space
        self.limit = rtol if elements.degree == 1 else max(rtol, 1e-4)
        # a constant added to mu changes nothing in the equations; without it the energy has the most digits to spare
        self._frame = float(self._norm.integrals(mu)[0]) if invariant else 0.0
        sigma = sigma.copy()
        sigma[elements.ends] = 0.0
        self.start = np.zeros(self.mass.size)
        self.start[self.nodal[0]] = mu - self._frame
        self.start[self.nodal[1]] = self.form.second(mu - self._frame, sigma)
        largest = float(np.max(np.abs(mu - self._frame) + sigma, initial=0.0))
        self.floor = max(1e-13 * self.comm.allreduce(largest, MPI.MAX) ** 2, TINY)
        # momentum, and energy with the outflow, where the form keeps them
        conserving = isinstance(self.form, EnergyForm) and invariant
        self.invariants = tuple(float(one) for one in self._integrals(self.start)) if conserving else None

    def moments(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu, w) at the owned nodes in the frame of the solve, w >= 0, of states (..., n)."""
        mu, second = (y[..., part] for part in self.nodal)
        return mu, np.maximum(0.5 * self.form.variance(mu, second), 0.0)

    def totals(self, y: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the momenta, the energies, and what has left of them (T,): integrals of mu and (mu^2 + sigma^2)/2.

        Args:
            y: states (T, n).
        """
        momentum, energy = self._integrals(y)
        energy = energy + self._frame * momentum + 0.5 * self._frame**2
        return momentum + self._frame, energy, self._outflow(y) + np.zeros(momentum.shape)

    def velocities(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (mu, w) at the owned nodes, with the constant that was taken off mu, of states (..., n)."""
        mu, w = self.moments(y)
        return mu + self._frame, w

    def _integrals(self, y: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mu, second = (y[..., part] for part in self.nodal)
        energy = second if isinstance(self.form, EnergyForm) else 0.5 * mu**2 + self.moments(y)[1]
        momentum, energy = self._norm.integrals(mu, energy)
        return momentum, energy

    def _outflow(self, y: np.ndarray) -> float | NDArray[np.float64]:
        return self.comm.allreduce(y[..., -1]) if self._absorbing else 0.0


class BilliardSystem(BilliardStates):
    """M y' = f(y) for y numbered as in the form's space (`integration.ImplicitSystem`), assembled and solved by PETSc.

    Args:
        bound: the forms on a mesh and their linear solver, which belong to this system while it is used.
        speed: lambda.
        rtol: the tolerance.
        mu: initial mu at the nodes of this rank, shape (m,).
        sigma: initial sigma there, shape (m,).
    """

    def __init__(self, bound: BoundForms, speed: float, rtol: float, mu: np.ndarray, sigma: np.ndarray) -> None:
        elements = bound.elements
        super().__init__(elements, rtol, mu, sigma, not bound.has_source)
        self._bound, self._linear = bound, bound.linear
        self._bound.speed.value, self._bound.diffusion.value = speed, elements.diffusion(speed)
        self._bound.floor.value = self.floor
        self._ends = AbsorbingEnds(elements) if elements.absorbing else None

    def rate(self, t: float, y: np.ndarray) -> np.ndarray:
        """Return f(t, y); the time matters to manufactured sources only."""
        self._bound.put(t, y)
        f = self._bound.rate()
        return f if self._ends is None else self._ends.rate(y, f)

    def rate_in_time(self, t: float, y: np.ndarray) -> np.ndarray | None:
        """Return df/dt, or None where there is no source."""
        return self._bound.rate_in_time(t)

    def factor(self, t: float, y: np.ndarray, shift: float) -> None:
        """Assemble shift M - df/dy, with sigma bounded from below in its derivative, and factor it when first used."""
        self._bound.put(t, y)
        self._bound.shift.value = shift
        self._linear.assemble()
        if self._ends is not None:
            self._ends.replace_rows(self._linear, y, self._bound.rate(), shift)

    def solve(self, right_hand_side: np.ndarray) -> np.ndarray:
        """Return the solution of the factored system."""
        if self._ends is None:
            return self._linear.solve(right_hand_side)
        x = self._linear.solve(right_hand_side[:-1])
        shift = float(self._bound.shift.value)
        return np.append(x, self._ends.solve(self._bound.put(0.0, x), right_hand_side[-1], shift))

    def error(self, y: np.ndarray, new: np.ndarray, difference: np.ndarray) -> float:
        """Return the error estimate in mu and sigma, each in L2 relative to its own size, over rtol."""
        return self._norm.relative_error(self.moments(new), self.moments(new - difference)) / self.rtol

    def accept(self, t: float, new: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the state with w >= 0: where w is negative it becomes 0, and the rest is scaled to the same energy.

        That scaling is refused, and the step with it, where it would change w by more than rtol.
        """
        if self._ends is not None:
            new = self._ends.emptied(new)
        mu, second = (new[part] for part in self.nodal)
        w = 0.5 * self.form.variance(mu, second)
        mu = mu + self._momentum_lost(mu)
        energy = None if self.invariants is None else self.invariants[1] - float(self._outflow(new))
        w, reason = self._norm.restored(mu, w, energy, self.limit)
        new = new.copy()
        new[self.nodal[0]], new[self.nodal[1]] = mu, self.form.second(mu, np.sqrt(2 * w)) if not reason else second
        return new, reason

    def _momentum_lost(self, mu: np.ndarray) -> float:
        """Return the momentum lost by rounding in the linear solves."""
        if self.invariants is None:
            return 0.0
        now, size = self._norm.integrals(mu, np.abs(mu))
        return float(momentum_lost(self.invariants[0], now, size))
