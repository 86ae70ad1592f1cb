"""The largest curvature of an N-scale potential where paths go, which decides on the time step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from .multiscale_potential import MultiscalePotential, lambdified

SAMPLES = 4096
HIGH = 20.0  # in units of sigma: how far above its start a path may climb
STARTS = 16
RAYS = 60  # doublings of the reach along an axis


@lru_cache(maxsize=32)
def _hessian(potential: MultiscalePotential) -> Any:
    """The entries of the Hessian of V_epsilon as a function of x, y_1, ..., y_N and the scales epsilon^-k."""
    scales = sympy.symbols(f"scale1:{potential.scales + 1}", positive=True)
    full = potential.confining_expression + potential.fluctuation_expression

    def along(expression: sympy.Expr, i: int) -> sympy.Expr:
        terms = [sympy.diff(expression, potential.slow[i])]
        terms += [scale * sympy.diff(expression, y[i]) for scale, y in zip(scales, potential.fast)]
        return sympy.Add(*terms)

    entries = [along(along(full, i), j) for i in range(potential.dim) for j in range(potential.dim)]
    return lambdified([*potential.variables, *scales], sympy.Tuple(*entries))


def largest_curvature(potential: MultiscalePotential, epsilon: float, initial: np.ndarray) -> float:
    """The largest norm of the Hessian of V_epsilon at random points where V0 is at most 20 sigma above the start.

    Args:
        potential: V0, V1, sigma.
        epsilon: the scale separation.
        initial: positions (P, d).
    """
    generator = np.random.Generator(np.random.Philox(key=SAMPLES))
    starts = initial[generator.integers(len(initial), size=STARTS)]
    low, high = _reach(potential, starts)
    x = low + (high - low) * generator.random((SAMPLES, potential.dim))
    level = potential.confining_at(starts).max() + HIGH * potential.temperature
    x = np.concatenate([x[potential.confining_at(x) <= level], starts])
    fast = generator.random((len(x), potential.dim * potential.scales))
    scales = [epsilon ** -(k + 1) for k in range(potential.scales)]
    entries = _hessian(potential)(*x.T, *fast.T, *scales)
    matrices = np.stack([np.broadcast_to(entry, len(x)) for entry in entries], axis=1)
    norms = np.linalg.norm(matrices.reshape(-1, potential.dim, potential.dim), ord=2, axis=(1, 2))
    return float(norms.max())


def _reach(potential: MultiscalePotential, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A box (d,), (d,) around the starts that ends where V0 has risen by 20 sigma along an axis."""
    low, high = starts.min(axis=0).copy(), starts.max(axis=0).copy()
    level = potential.confining_at(starts).max() + HIGH * potential.temperature
    for i in range(potential.dim):
        for side, bound in ((1.0, high), (-1.0, low)):
            distance = 1e-3
            for _ in range(RAYS):
                moved = starts.copy()
                moved[:, i] += side * distance
                values = potential.confining_at(moved)
                if not (values < level).any() or distance > 1e3:
                    break
                distance *= 1.3
            bound[i] += side * distance
    return low, high
