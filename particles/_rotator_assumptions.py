"""The assumptions of Dymov's theorems, looked at where they can be: HF, HG and Hg."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._user_functions import values_of
from .dissipations import LinearDissipation
from .errors import InvalidArgument

if TYPE_CHECKING:
    from .rotator_lattice import RotatorLattice

SQUARES = np.geomspace(1e-3, 1e4, 141)  # |u|^2 at which f and G' are looked at
FAR = SQUARES >= 1e2  # where a law of growth shows
GROWTH = (
    4.0  # a ratio that should be bounded may grow so much between 1e2 and 1e4, a hundredth of what the next power would
)
SAMPLES = 256
MOST_AMPLITUDES = 4_000_000
WEIGHT = 0.9  # gamma of the weighted norms


class AssumptionWarning(UserWarning):
    """An assumption of the theorems seems to be violated: the limit may be another one, or none."""


@dataclass(frozen=True)
class Assumption:
    """What was found for one assumption.

    Args:
        name: as in the paper.
        holds: whether it seems to.
        detail: what was looked at.
    """

    name: str
    holds: bool
    detail: str


def _grows(ratio: np.ndarray) -> bool:
    """Whether a ratio that should be bounded grows with |u|^2."""
    with np.errstate(invalid="ignore"):
        far = ratio[FAR]
        return not (np.isfinite(ratio).all() and far[-1] <= GROWTH * max(far[0], ratio.max() * 1e-6, 1e-300))


def frequency_assumption(lattice: RotatorLattice) -> Assumption:
    """HF: f >= C (1 + x^(p/2)), |f'| x^(1/2) <= C f, and spins that alternate, away from defects."""
    p, x = lattice.dissipation.power, SQUARES
    f = values_of(lattice.compiled_frequency, x)
    at_zero = float(values_of(lattice.compiled_frequency, np.zeros(1))[0])
    if not (np.isfinite(f).all() and np.isfinite(at_zero)):
        raise InvalidArgument("frequency", "must be finite for all |u|^2 >= 0 (HF)")
    if lattice.coupling_exponent >= 1:
        return Assumption("HF", True, "not needed for a >= 1")
    if min(f.min(), at_zero) <= 0:
        raise InvalidArgument("frequency", f"must be positive (HF), but it is {min(f.min(), at_zero):g} somewhere")
    slope = (values_of(lattice.compiled_frequency, x * 1.001) - values_of(lattice.compiled_frequency, x * 0.999)) / (
        0.002 * x
    )
    if _grows((1 + x ** (p / 2)) / f):
        return Assumption("HF", False, f"f(x) grows more slowly than x^(p/2) = x^{p / 2:g}")
    if _grows(np.abs(slope) * np.sqrt(x) / f):
        return Assumption("HF", False, "|f'(x)| x^(1/2) grows faster than f(x)")
    count = int(lattice.defects.sum())
    return Assumption("HF", True, f"f >= {min(f.min(), at_zero):.3g}; {count} sites with a spin out of order")


def coupling_assumption(lattice: RotatorLattice) -> Assumption:
    """HG: |G'(x)| x^(1/2) + |G''(x)| x <= C (1 + x^((p-1)/2))."""
    p, x = lattice.dissipation.power, SQUARES
    g = values_of(lattice.compiled_coupling, x)
    if not (np.isfinite(g).all() and np.isfinite(values_of(lattice.compiled_coupling, np.zeros(1))).all()):
        raise InvalidArgument("coupling", "G' must be finite for all |u|^2 >= 0 (HG)")
    slope = (values_of(lattice.compiled_coupling, x * 1.001) - values_of(lattice.compiled_coupling, x * 0.999)) / (
        0.002 * x
    )
    growth = (np.abs(g) * np.sqrt(x) + np.abs(slope) * x) / (1 + x ** ((p - 1) / 2))
    if _grows(growth):
        return Assumption("HG", False, f"G'(x) x^(1/2) grows faster than x^((p-1)/2) = x^{(p - 1) / 2:g}")
    return Assumption("HG", True, "G' and G'' are bounded by powers as they should")


def dissipation_assumption(lattice: RotatorLattice) -> Assumption:
    """Hg(ii): (g(u) . u)_j <= -C |u|^p_{j,p} + C(gamma), at large random amplitudes and their worst for linear g."""
    region, g = lattice.region, lattice.dissipation
    generator = np.random.Generator(np.random.Philox(key=region.size))
    samples = int(np.clip(MOST_AMPLITUDES // region.size, 1, SAMPLES))
    heavy = generator.standard_gamma(0.5, (samples, region.size))  # a few sites dominate
    phases = np.exp(2j * np.pi * generator.random((samples, region.size)))
    u = 1e3 * heavy * phases
    centre = region.sites[generator.integers(0, region.size, samples)]
    distance = np.abs(region.sites[None, :, :] - centre[:, None, :]).sum(axis=2)
    weights = WEIGHT**distance
    with np.errstate(over="ignore", invalid="ignore"):
        work = (weights * (g.at(region, u) * np.conj(u)).real).sum(axis=1)
        worst = float((work / (weights * np.abs(u) ** g.power).sum(axis=1)).max())
    detail = f"(g . u)_j <= {worst:.3g} |u|^p at {samples} large random amplitudes"
    if isinstance(g, LinearDissipation):
        constant = 1 / (8 * region.dim * (2 * region.dim + 1) ** 2)
        largest = float(np.abs(g.b).max(initial=0.0))
        relation = "below" if largest < constant else "above"
        detail += f"; |b| = {largest:.3g} is {relation} the constant {constant:.3g} of Example 2.4"
        if region.size <= 512:
            matrix = np.zeros((region.size, region.size), dtype=np.complex128)
            rows, columns, values = g.entries(region)
            matrix[rows, columns] = values
            worst = float(np.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T)).max()) - 1.0
            detail += f"; exactly, g . u <= {worst:.3g} |u|^2"
    return Assumption("Hg", bool(worst < 0), detail)


def checked_assumptions(lattice: RotatorLattice) -> tuple[Assumption, ...]:
    """Look at all of them, and warn of those that seem to be violated.

    Raises:
        InvalidArgument: f is not positive, f or G' is not finite, or g of power p > 2 does not dissipate.
    """
    found = (frequency_assumption(lattice), coupling_assumption(lattice), dissipation_assumption(lattice))
    if not found[2].holds and lattice.dissipation.power > 2:
        raise InvalidArgument("dissipation", f"does not dissipate (Hg): {found[2].detail}")
    for one in found:
        if not one.holds:
            rest = "; for p = 2 the limit holds on finite times only (section 7.1)" if one.name == "Hg" else ""
            warnings.warn(f"assumption {one.name} does not hold: {one.detail}{rest}", AssumptionWarning, stacklevel=5)
    return found
