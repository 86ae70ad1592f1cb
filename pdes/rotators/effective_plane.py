"""The effective equation of one rotator in the plane of its amplitude: d_tau rho = -div(K rho) + (T/2) Laplace rho."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.cells.averaged_dissipation import averaged_dissipation
from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.rotators.assumptions import warn_of_bad_sites
from scaling_limits.particles.support.checks import integer, number, real_array

from ..diffusions.density import Density
from ..diffusions.fokker_planck import FokkerPlanck
from .elements.weights import SingleSiteWeights

TAIL = 1e-14
LEAST_ANGLES = 64


@dataclass(frozen=True, eq=False)
class RadialPotential:
    """Psi(v) = -int_0^I R/(2 I') dI', I = |v|^2/2, whose gradient is minus the radial part of K; mobility 1, sigma =
    T/2.

    Args:
        laws: of the one rotator.
    """

    laws: SingleSiteWeights

    @property
    def temperature(self) -> float:
        """The temperature sigma = T/2, a variance over slow time."""
        return 0.5 * float(self.laws.temperature[0])

    def mobility(self, points: np.ndarray) -> np.ndarray:
        """The unit matrix (P, 2, 2)."""
        return np.repeat(np.eye(2)[None], len(points), axis=0)

    def free_energy(self, points: np.ndarray) -> np.ndarray:
        """Psi (P,) at v (P, 2)."""
        actions = 0.5 * (np.asarray(points) ** 2).sum(axis=1)
        return -self.temperature * self.laws.logarithm(0, actions)


class EffectivePlane(FokkerPlanck):
    """d_tau rho = -div(K rho) + (T/2) Laplace rho for the amplitude v of one rotator, in the plane.

    Its image under I = |v|^2/2 is the transport equation (Proposition 4.9). K turns with v; the part of it along
    circles moves mass around them only, and is left out.

    Args:
        lattice: one rotator; only its dissipation and temperature matter.
        radius: half the width of the box; None takes one whose tails have less than 1e-14.
        cells: number of cells along each direction.
        rtol: relative error of rates, and of each step of an evolution.
        comm: the ranks that share the work.
        petsc_options: of the linear solver, without prefix.

    Raises:
        InvalidArgument: more than one site, or an argument out of range.

    Source: Dymov, equation (4.35).
    """

    def __init__(
        self, lattice: RotatorLattice, radius: float | None = None, cells: int = 128, rtol: float = 1e-6, *,
        comm: MPI.Comm = MPI.COMM_WORLD, petsc_options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(lattice, RotatorLattice) or lattice.size != 1:
            raise InvalidArgument("lattice", "must be a RotatorLattice of one site")
        warn_of_bad_sites(lattice, "the effective equation")
        laws = SingleSiteWeights(averaged_dissipation(lattice), lattice.temperature)
        if radius is None:
            radius = float(np.sqrt(2.0 * laws.tail_quantile(0, TAIL)))
        half = number("radius", radius, above=0.0)
        count = integer("cells", cells, 2)
        box = [(-half, half)] * 2
        super().__init__(RadialPotential(laws), box, (count, count), rtol, comm=comm, petsc_options=petsc_options)

    def action_distribution(self, density: Density, actions: Any) -> np.ndarray:
        """P(|v|^2/2 <= I) under a density of v.

        Args:
            density: rho.
            actions: I (P,), not negative.

        Returns:
            The probabilities (P,), by quadrature in polar coordinates.
        """
        x = real_array("actions", actions)
        half = float(self.lattice.bounds[0, 1])
        radii = np.sqrt(2.0 * x)
        if x.ndim != 1 or (x < 0).any() or (radii > half).any():
            raise InvalidArgument("actions", f"must be (P,), between 0 and {half**2 / 2:g}")
        nodes, weights = np.polynomial.legendre.leggauss(4)
        fine = np.linspace(0.0, half, 2 * self.lattice.cells[0] + 1)
        width = fine[1]
        r = (fine[:-1, None] + 0.5 * width * (nodes + 1)).ravel()
        counts = np.maximum(LEAST_ANGLES, np.ceil(2 * np.pi * r / width)).astype(int)  # 2 to a cell along each circle
        turns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5
        angles = 2 * np.pi * turns / np.repeat(counts, counts)
        points = np.repeat(r, counts)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        sums = np.add.reduceat(density.at(points), np.cumsum(counts) - counts)
        values = sums / counts * 2 * np.pi * r
        pieces = (values.reshape(-1, 4) * weights).sum(axis=1) * 0.5 * width
        return np.interp(radii, fine, np.concatenate([[0.0], np.cumsum(pieces)])) / pieces.sum()
