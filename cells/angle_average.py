"""The average of an observable over all angles of rotators, <h>(I), equation (2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.showing.datasets import Variable, dataset
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.support import checks
from scaling_limits.particles.support.saved import Saved

from .angle_rules import Observable, angles_needed, by_samples, by_trapezoids

MOST_COMBINATIONS = 2**18  # of angles, for each point
LARGEST = 0.1  # rtol
SAMPLES = 2**14
TRAPEZOIDS, SAMPLED = "trapezoidal rule", "samples"


@dataclass(frozen=True, eq=False, repr=False)
class AngleAverage(Saved, Described):
    """<h>(I) at points, and how it was found.

    Args:
        actions: I (..., N).
        value: <h> (..., ...), in the unit of h.
        error: of the same shape: for the trapezoidal rule what another number of angles changes, and rounding; of
            samples the standard error, of 16 independent means.
        angles: for each site into how many angles its circle was cut (N,), 1 where h does not depend on its angle, or
            that of another site can stand for it; for samples 0 at the sites whose angles were sampled.
        method: "trapezoidal rule", or "samples".
    """

    actions: NDArray[np.float64]
    value: NDArray[Any]
    error: NDArray[np.float64]
    angles: NDArray[np.int64]
    method: str

    def to_xarray(self) -> Any:
        """Actions, averages and errors as a `xarray.Dataset` with the dimensions point and site, and those of h."""
        size = self.actions.shape[-1]
        more = self.value.shape[self.actions.ndim - 1 :]
        names = ("point", *(f"component{n}" for n in range(len(more))))
        flat = self.value.reshape(-1, *more)
        parts = [("value_real", flat.real), ("value_imag", flat.imag)] if np.iscomplexobj(flat) else [("value", flat)]
        variables: list[Variable] = [(Quantity(name, "average over angles", ""), names, part) for name, part in parts]
        variables.append((Quantity("error", "error of the average", ""), names, self.error.reshape(-1, *more)))
        actions = Quantity("actions", "action", "action")
        variables.append((actions, ("point", "site"), self.actions.reshape(-1, size)))
        variables.append((Quantity("angles", "angles of the rule", ""), ("site",), self.angles))
        return dataset("AngleAverage", variables, [], {"method": self.method})

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {
            "value": self.value if self.value.ndim else self.value.item(),
            "largest error": float(self.error.max(initial=0.0)),
            "angles": self.angles,
            "method": self.method,
        }
        return type(self).__name__, said


def angle_average(
    observable: Callable[[np.ndarray], ArrayLike],
    actions: ArrayLike,
    *,
    rtol: float = 1e-10,
    samples: int | None = None,
    seed: int | None = None,
) -> AngleAverage:
    """The average of h over the angles of all sites, <h>(I) = int h(I, phi) dphi, with dphi of mass 1.

    By the trapezoidal rule in the angles on which h is found to depend; where h does not change when all angles turn
    together, one of them stays. It is exact to rounding where h is a trigonometric polynomial, thus for polynomials in
    u and its conjugate; otherwise angles are doubled until an independent rule agrees. Where that takes more than
    262144 combinations of angles, angles are sampled: 16 independently scrambled Sobol' sequences tell the value and
    its standard error. Parts of h that turn faster than 64 times around, or are seen in a small part of the torus only,
    may stay unseen.

    Args:
        observable: h, from amplitudes u (P, N), complex, to real or complex values (P,) or (P, ...).
        actions: I (..., N), not negative.
        rtol: the error, relative to the largest |h| that was met at a point; not of samples.
        samples: how many angles of samples, for which it takes samples in any case; None decides by itself.
        seed: of samples; it must be given where these are taken.

    Returns:
        <h> (..., ...) with its error.

    Raises:
        InvalidArgument: not such an observable, as one value for all points that depends on them; actions that are
            negative or not finite, a seed that is missing.
        NotConverged: a trapezoidal sum that the most combinations do not bring below `rtol`.

    Source: Dymov, before equation (2.4); Appendix B.
    """
    points = checks.real_array("actions", actions)
    if points.ndim < 1 or points.shape[-1] < 1:
        raise InvalidArgument("actions", f"must have the shape (..., N), not {points.shape}")
    if (points < 0).any():
        raise InvalidArgument("actions", f"must not be negative, but the least is {points.min():g}")
    tolerance = checks.relative_tolerance(rtol, LARGEST, least=1e-14)
    count = None if samples is None else checks.integer("samples", samples, 32, 2**26)
    key = None if seed is None else checks.seed(seed)
    h = Observable(observable, points.shape[-1])
    flat = points.reshape(-1, points.shape[-1])
    if not len(flat):
        raise InvalidArgument("actions", "must be at least one point")
    needed = angles_needed(h, np.sqrt(2.0 * flat))
    if count is not None or np.prod(needed.astype(float)) > MOST_COMBINATIONS:
        if key is None:
            several = f"h depends on {int((needed > 1).sum())} angles, which are sampled"
            raise InvalidArgument("seed", f"must be given: {several}" if count is None else "must be given for samples")
        value, error = by_samples(h, np.sqrt(2.0 * flat), needed > 1, count or SAMPLES, key)
        angles, method = np.where(needed > 1, 0, 1), SAMPLED
    else:
        value, error, angles = _settled(h, np.sqrt(2.0 * flat), needed, tolerance)
        method = TRAPEZOIDS
    shape = (*points.shape[:-1], *value.shape[1:])
    return AngleAverage(points, value.reshape(shape), error.reshape(shape), angles.astype(np.int64), method)


def _settled(
    h: Observable, moduli: np.ndarray, needed: np.ndarray, rtol: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Averages (P, ...), their errors and the numbers of angles (N,) that bring these below `rtol`.

    Raises:
        NotConverged: more combinations than there may be.
    """
    angles = needed.copy()
    while True:
        before, _ = by_trapezoids(h, moduli, angles, 0.0)
        # no frequency but the common multiples of both is wrong in both, and another start sees these as well
        finer = np.where(angles > 1, angles + 1, 1)
        value, size = by_trapezoids(h, moduli, finer, 0.37)
        error = np.abs(value - before) + 4e-16 * size
        if (error <= np.maximum(rtol, 1e-14) * size).all():
            return value, error, finer
        angles = np.where(angles > 1, 2 * angles, 1)
        if np.prod(angles.astype(float)) > MOST_COMBINATIONS:
            raise NotConverged(
                "the average over angles",
                f"{' x '.join(map(str, finer[finer > 1]))} angles leave an error of {error.max():.1e}",
                f"give a larger rtol than {rtol:.1e}, a smoother observable, or samples= and seed=",
            )
