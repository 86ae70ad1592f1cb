"""The equilibrium exp(-Psi/sigma)/Z on a mesh, by quadrature in its cells."""

from __future__ import annotations

import numpy as np
import ufl

from scaling_limits.meshes.spread_values import Uniform
from scaling_limits.particles.errors import Unresolved, warn

from .density import MeshDensity
from .forms import MeshForms
from .lumped import LumpedEquation
from .problem import DiffusionOnMesh

# of the two rules for Z, by the dimension of space
DEGREES = {1: (10, 12), 2: (6, 8), 3: (4, 6)}


def _moments(equation: DiffusionOnMesh, degree: int) -> tuple[float, np.ndarray, np.ndarray]:
    """int pi, int x pi (d,) and int x x^T pi (d, d) of pi = exp(lowest - Psi/sigma); collective."""
    forms = MeshForms(equation.space, equation.coefficients, equation.lowest, degree)
    pi = forms.equilibrium
    x, dim = ufl.SpatialCoordinate(equation.mesh), equation.dim
    total = forms.integral(pi * forms.dx)
    first = np.array([forms.integral(x[i] * pi * forms.dx) for i in range(dim)]) / total
    away = [x[i] - float(first[i]) for i in range(dim)]
    second = np.array([[forms.integral(away[i] * away[j] * pi * forms.dx) for j in range(dim)] for i in range(dim)])
    return total, first, second / total


def stationary(equation: DiffusionOnMesh) -> MeshDensity:
    """The stationary density; see `FokkerPlanck.stationary`."""
    low, high = DEGREES[equation.dim]
    coarse = _moments(equation, low)[0]
    total, mean, covariance = _moments(equation, high)
    error = abs(1.0 - coarse / total)
    if error > max(equation.rtol, 1e-12) and equation.comm.rank == 0 and not equation.quiet:
        message = f"exp(-Psi/sigma) varies too much in a cell: its integral is known to {error:.1e} only"
        warn(f"{message}; refine the mesh", Unresolved)
    log_partition = float(np.log(total)) - equation.lowest
    lumped = LumpedEquation(equation)
    ratio = Uniform(-log_partition, equation.size)
    highest = equation.largest_exponent
    return MeshDensity(
        lumped, ratio, coarse / total, mean, covariance, 0.0, -equation.temperature * log_partition,
        float(np.exp(-highest - log_partition)), lambda: error,
    )  # fmt: skip
