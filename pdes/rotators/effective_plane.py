"""The effective equation of one rotator in the plane of its amplitude: d_tau rho = -div(K rho) + (T/2) Laplace rho."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.cells.averaged_dissipation import averaged_dissipation
from scaling_limits.meshes.backend.quadrature import composite_gauss
from scaling_limits.meshes.box import Grid
from scaling_limits.particles import InvalidArgument, RotatorLattice
from scaling_limits.particles.rotators.assumptions import warn_of_bad_sites
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.support.checks import integer, number, real_array

from ..diffusions.density import Density
from ..diffusions.fokker_planck import ReversibleFokkerPlanck
from .weights import SingleSiteWeights

TAIL = 1e-14
LEAST_ANGLES = 64
ORDER = 4  # of the quadrature along the radius, in each of its parts


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


@dataclass(frozen=True, eq=False, repr=False)
class EffectivePlane(ReversibleFokkerPlanck):
    """The Fokker-Planck equation of the amplitude v of one rotator, in the plane.

        d_tau rho = -div(K rho) + (T/2) Laplace rho.

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

    lattice: RotatorLattice
    radius: float | None = None
    cells: int = 128
    rtol: float = 1e-6
    _: KW_ONLY
    comm: MPI.Comm = field(default_factory=lambda: MPI.COMM_WORLD, repr=False)
    petsc_options: dict[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.lattice, RotatorLattice) or self.lattice.size != 1:
            raise InvalidArgument("lattice", "must be a RotatorLattice of one site")
        warn_of_bad_sites(self.lattice.good_sites, "the effective equation")
        if self.radius is not None:
            number("radius", self.radius, above=0.0)
        integer("cells", self.cells, 2)
        on_all_ranks(communicator(self.comm), self._check_arguments)
        self._compare_ranks(self.coefficients.temperature)

    @cached_property
    def coefficients(self) -> RadialPotential:  # type: ignore[override]
        """Mobility 1, the radial potential, and sigma = T/2."""
        return RadialPotential(SingleSiteWeights(averaged_dissipation(self.lattice), self.lattice.temperature))

    @cached_property
    def box(self) -> list[tuple[float, float]]:  # type: ignore[override]
        """(a_i, b_i) for each direction."""
        half = self.radius
        if half is None:
            half = float(np.sqrt(2.0 * self.coefficients.laws.tail_quantile(0, TAIL)))
        return [(-half, half)] * 2

    @cached_property
    def grid(self) -> Grid:
        """The nodes."""
        return Grid.of(self.box, (self.cells, self.cells), False, self.comm)

    def action_distribution(self, density: Density, actions: ArrayLike) -> np.ndarray:
        """P(|v|^2/2 <= I) under a density of v.

        Args:
            density: rho.
            actions: I (P,), not negative.

        Returns:
            The probabilities (P,), by quadrature in polar coordinates.
        """
        x = real_array("actions", actions)
        half = float(self.grid.box[0, 1])
        radii = np.sqrt(2.0 * x)
        if x.ndim != 1 or (x < 0).any() or (radii > half).any():
            raise InvalidArgument("actions", f"must be (P,), between 0 and {half**2 / 2:g}")
        fine = np.linspace(0.0, half, 2 * self.cells + 1)
        width = fine[1]
        rule, weights = composite_gauss(fine, ORDER)
        r = rule.ravel()
        counts = np.maximum(LEAST_ANGLES, np.ceil(2 * np.pi * r / width)).astype(int)  # 2 to a cell along each circle
        turns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5
        angles = 2 * np.pi * turns / np.repeat(counts, counts)
        points = np.repeat(r, counts)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        sums = np.add.reduceat(density.at(points), np.cumsum(counts) - counts)
        values = sums / counts * 2 * np.pi * r
        pieces = (values.reshape(weights.shape) * weights).sum(axis=1)
        return np.interp(radii, fine, np.concatenate([[0.0], np.cumsum(pieces)])) / pieces.sum()
