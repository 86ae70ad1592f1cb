"""Which space is tried next for cells whose error is too large, and why there is none: decisions, without solving."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scaling_limits.particles.errors import NotConverged

from ..spaces.discretisations import Discretisation, FiniteElements, FourierGalerkin, after

MOST_ITERATIONS = 480  # of conjugate gradients
MOST_UNCONVERGED = 3  # spaces, one finer than the other, in which they do not converge: the coarsest resolve no wells
STALLED = 0.5  # part of the last error above which conjugate gradients are suspected of having stopped too early
TIGHTER = 0.01  # part of the tolerance that is then tried


@dataclass(frozen=True, eq=False)
class Place:
    """A space of a level, and how long conjugate gradients are waited for.

    Args:
        route: the sequence of spaces.
        refinement: which of them.
        part: of the usual tolerance of conjugate gradients.
        iterations: at most: where a space is too coarse, there are many.
    """

    route: Discretisation
    refinement: int
    part: float = 1.0
    iterations: int = 120

    def points(self, dim: int) -> int:
        """Number of quadrature points in a direction."""
        return self.route.space(self.refinement, dim).line.points.size

    def name(self, dim: int) -> str:
        """Name of the space."""
        return self.route.space(self.refinement, dim).line.name


@dataclass(frozen=True)
class Reason:
    """Why cells are not solved to the tolerance: what failed, the reason, and the remedy, as of `NotConverged`."""

    what: str
    reason: str
    remedy: str

    def error(self, known: str, rest: str = "", partial: object = None) -> NotConverged:
        """The exception.

        Args:
            known: what is known of the error.
            rest: what is good nevertheless.
            partial: all that was reached.
        """
        return NotConverged(self.what, f"{self.reason}; {known}", f"{self.remedy}{rest}", partial=partial)


@dataclass(eq=False)
class Search:
    """Decides which space is tried next, from the errors of those that were tried; it solves nothing.

    Args:
        route: the sequence of spaces, or None where it was chosen by contrast.
        allowed: relative error.
        level: k, for the reason.
        dim: d.
        last: the largest error in the space before.
        unconverged: number of the last spaces in which conjugate gradients did not converge.
        tried: points in a direction, and the largest error, of each space.
    """

    route: Discretisation | None
    allowed: float
    level: int
    dim: int
    last: float = np.inf
    unconverged: int = 0
    tried: list[tuple[int, float]] = field(default_factory=list)

    def after(self, place: Place, worst: float, converged: bool) -> Place | None:
        """The next space, or more iterations in this one; None where there is no way on.

        Args:
            place: what was tried.
            worst: the largest error there.
            converged: whether conjugate gradients converged in all cells.
        """
        if not converged and place.iterations < MOST_ITERATIONS:
            return replace(place, iterations=MOST_ITERATIONS)
        if STALLED * self.last < worst < np.inf and self.dim > 1 and place.part == 1.0:
            self.last = worst
            return replace(place, part=TIGHTER)
        self.unconverged = 0 if converged else self.unconverged + 1
        place = replace(place, part=1.0) if worst > STALLED * self.last else place  # less tolerance did not help
        self.last = worst
        self.tried.append((place.points(self.dim), worst))
        stuck = self.unconverged >= (MOST_UNCONVERGED if self.dim < 3 else 2)
        if stuck and self.route is None and isinstance(place.route, FourierGalerkin):
            return self._by_elements()
        return None if stuck or self._hopeless(place) else self._finer(place, worst)

    def _finer(self, place: Place, error: float) -> Place | None:
        """The space that promises to be fine enough; elements follow where Fourier-Galerkin is not enough."""
        refinement = after(place.route, place.refinement, error, self.allowed, self.dim)
        if refinement < place.route.size(self.dim):
            return replace(place, refinement=refinement)
        if self.route is None and isinstance(place.route, FourierGalerkin):
            return self._by_elements()
        return None

    def _by_elements(self) -> Place:
        self.tried.clear()  # rates are those of one sequence of spaces
        self.unconverged = 0
        return Place(FiniteElements(), FiniteElements().size(self.dim) // 2)

    def _hopeless(self, place: Place) -> bool:
        """Whether even the finest space of three dimensions, which takes minutes, would be too coarse.

        The error is taken to fall at twice the rate that it had.
        """
        if self.dim < 3 or len(self.tried) < 2 or not isinstance(place.route, FiniteElements):
            return False
        (first, before), (last, error) = self.tried[-2:]
        if not 0.0 < error < before < np.inf:
            return False
        rate = 2.0 * np.log(before / error) / np.log(last / first)
        finest = place.route.space(place.route.size(self.dim) - 1, self.dim).line.points.size
        return bool(error * (last / finest) ** rate > self.allowed)

    def reason(self, place: Place, error: float) -> Reason:
        """Why there is no way on."""
        name, what = place.name(self.dim), f"cells of level {self.level} by {place.route.name}"
        remedy = "take a larger rtol, raise the temperature, or give a route with finer spaces"
        if self.unconverged:
            still = f"the energy still fell after {place.iterations} iterations in {name}"
            return Reason(what, still, "raise the temperature, or take elements of another degree")
        if not np.isfinite(error):
            return Reason(what, f"the finest space, {name}, does not resolve V1, or its error is not known", remedy)
        if self._hopeless(place):
            return Reason(
                what, f"{name} leave an error of {error:.1e}, and finer ones would still be too coarse", remedy
            )
        allowed = f"{self.allowed:.1e} is allowed"
        return Reason(what, f"the finest space, {name}, leaves an error of {error:.1e}; {allowed}", remedy)


def explained(reasons: dict[int, Reason], known: str) -> Reason:
    """The reason of the fastest level that has one: errors go from there to the slower ones."""
    return reasons.get(max(reasons, default=0), Reason("the levels together", known, "take a larger rtol"))
