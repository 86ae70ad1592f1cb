"""The coefficients M(x), Psi(x) and sigma as functions of a user's own, or constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.support.checks import number, shown

if TYPE_CHECKING:
    from dolfinx import fem
    from dolfinx.mesh import Mesh

Function = Callable[[np.ndarray], ArrayLike]
Equation = TypeVar("Equation")


@dataclass(frozen=True, eq=False, repr=False)
class GivenCoefficients(Described):
    """M, Psi and sigma, which is all that `FokkerPlanck` asks of its coefficients.

    Args:
        mobility: M, from points (P, d) to tensors (P, d, d), or to numbers (P,) for multiples of the identity; or one
            tensor (d, d), or one number.
        free_energy: Psi, from points (P, d) to values (P,), or one number.
        temperature: sigma > 0, in the units of Psi.

    Raises:
        InvalidArgument: neither a callable nor such a constant. What callables return is checked where it is used.
    """

    mobility_given: Function | ArrayLike
    free_energy_given: Function | float
    temperature: float

    def __post_init__(self) -> None:
        number("temperature", self.temperature, above=0.0)
        if not callable(self.free_energy_given):
            number("free_energy", self.free_energy_given)
        if callable(self.mobility_given):
            return
        try:
            constant = np.asarray(self.mobility_given, dtype=float)
        except (TypeError, ValueError):
            constant = np.zeros(3)
        square = constant.ndim == 2 and constant.shape[0] == constant.shape[1]
        if not (constant.ndim == 0 or square) or not np.isfinite(constant).all():
            message = "must be a callable from points (P, d) to tensors (P, d, d) or numbers (P,), or one of them"
            raise InvalidArgument("mobility", f"{message}, not {shown(self.mobility_given)}")

    def mobility(self, points: np.ndarray) -> np.ndarray:
        """M (P, d, d) at points (P, d)."""
        given, (count, dim) = self.mobility_given, points.shape
        values = np.asarray(given(points) if callable(given) else np.asarray(given, dtype=float))
        if not callable(given):
            values = np.broadcast_to(values, (count, *values.shape))
        return values[:, None, None] * np.eye(dim) if values.shape == (count,) else values

    def free_energy(self, points: np.ndarray) -> np.ndarray:
        """Psi (P,) at points (P, d)."""
        given = self.free_energy_given
        return np.asarray(given(points)) if callable(given) else np.full(len(points), float(given))

    def functions(self, mesh: Mesh, degree: int = 1) -> tuple[fem.Function, fem.Function]:
        """M and Psi as finite element functions on any mesh, see `FokkerPlanck.functions`; collective."""
        with needed_by("functions of dolfinx"):
            from .on_a_mesh.functions import functions
        return functions(self, mesh, degree)


def equation_of(
    cls: Callable[..., Equation], *, mobility: Function | ArrayLike, free_energy: Function | float, temperature: float,
    **domain: Any,
) -> Equation:  # fmt: skip
    """The equation of M, Psi and sigma that are given as callables or constants.

    Args:
        cls: of the equation.
        mobility: M, from points (P, d) to tensors (P, d, d), or to numbers (P,) for multiples of the identity; or one
            tensor (d, d), or one number.
        free_energy: Psi, from points (P, d) to values (P,), or one number.
        temperature: sigma > 0, in the units of Psi.
        domain: box= and cells=, or mesh=, and the other arguments of the equation.

    Raises:
        InvalidArgument: an argument out of range.
    """
    return cls(GivenCoefficients(mobility, free_energy, temperature), **domain)
