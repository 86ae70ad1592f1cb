"""Hg: how a dissipation grows, and whether it dissipates, judged at amplitudes that are large against their own scale.

Hg(ii) has a constant, (g(u) . u)_j <= -C |u|^p_{j,p} + C(gamma), so that what is of lower order does not count. It is
looked at with all weights 1, to which they tend with gamma on a finite lattice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InvalidArgument
from ..region import LatticeRegion
from .dissipation import Dissipation, LinearDissipation
from .perturbation import allowed_constant, perturbation_constant

SAMPLES = 256
MOST_AMPLITUDES = 4_000_000
FAR = 1e6  # amplitudes against their scale, where |u|^p can be represented
LARGEST_POWER = 1e250  # of |u|^p
CHAINS, PROPOSALS, CLIMBS = 6, 7, 30  # of the ascent from the worst samples
CLIMBED_AMPLITUDES = 500_000
GROWS = 3.0  # a ratio of lower order is a tenth at most of what it was at a tenth of the amplitudes
FADES = 0.5
ROUNDING = 1e-10  # of |g| |u|: work below it is none
LARGEST_MATRIX = 512


@dataclass(frozen=True)
class Dissipating:
    """How (g . u) compares with |u|^p at large amplitudes.

    Args:
        worst: the largest ratio that was found.
        fades: whether it tends to 0, so that g is weaker than |u|^(p-1) somewhere.
        detail: what was looked at.
    """

    worst: float
    fades: bool
    detail: str


def dissipating(g: Dissipation, region: LatticeRegion, temperature: float) -> Dissipating:
    """What was found of Hg.

    Args:
        g: the dissipation.
        region: its sites.
        temperature: the largest of them, T; actions are of the size of T^(2/p).

    Raises:
        InvalidArgument: g grows faster than |u|^(p-1), or is not finite.
    """
    far = temperature ** (1 / g.power) * min(FAR, LARGEST_POWER ** (1 / g.power))
    u = _directions(region, g.power)
    _check_growth(g, region, u, far)
    near_ratio, ratio = _ratio(g, region, 0.1 * far * u), _ratio(g, region, far * u)
    worst, place = float(ratio.max()), int(ratio.argmax())
    fades = bool(worst < 0 and near_ratio[place] < 0 and worst > FADES * near_ratio[place])
    climbed = _climbed(g, region, u[np.argsort(ratio)[-CHAINS:]], far)
    worst = max(worst, climbed)
    detail = f"(g . u)_j <= {worst:.3g} |u|^p at {len(u)} large amplitudes and on ascents from the worst of them"
    constant, allowed = perturbation_constant(g, region), allowed_constant(region)
    if constant is not None and np.isfinite(constant):
        relation = "below" if constant < allowed else "above"
        detail += f"; C <= {constant:.3g} is {relation} the constant {allowed:.3g} of Example 2.4"
    if isinstance(g, LinearDissipation):
        worst, detail = _linear(g, region, worst, detail)
    return Dissipating(worst, fades, detail)


def _directions(region: LatticeRegion, power: int) -> np.ndarray:
    """Amplitudes (S, N), the largest of modulus 1: a few sites that dominate, all alike, waves, every other site."""
    generator = np.random.Generator(np.random.Philox(key=region.size))
    samples = int(np.clip(MOST_AMPLITUDES // region.size, 1, SAMPLES))
    heavy = generator.standard_gamma(0.5, (samples, region.size))
    phases = np.exp(2j * np.pi * generator.random((samples, region.size)))
    place = region.sites[:, 0] - region.sites[:, 0].min()
    length = place.max() + 2
    waves = [np.abs(np.sin(np.pi * k * (place + 1) / length)) for k in range(1, 5)]
    waves += [wave ** (2 / power) for wave in waves]  # of |u| and of |u|^(p/2)
    moduli = [np.ones(region.size), *waves, 1.0 * (region.parity > 0), 1.0 * (region.parity < 0)]
    regular = np.array([m for m in moduli if m.max() > 1e-9])
    u = np.concatenate([regular, (regular * phases[0]), heavy * phases])
    return u / np.abs(u).max(axis=1, keepdims=True)


def _check_growth(g: Dissipation, region: LatticeRegion, u: np.ndarray, far: float) -> None:
    """Hg(i): |g| is at most of the order of |u|^(p-1)."""
    with np.errstate(over="ignore", invalid="ignore"):
        near_size, size = (float(np.abs(g.at(region, r * u)).max() / r ** (g.power - 1)) for r in (0.1 * far, far))
    if not (np.isfinite(near_size) and np.isfinite(size)):
        raise InvalidArgument("dissipation", f"is not finite, or grows too fast, at amplitudes of {far:.1e}")
    if size > GROWS * near_size:
        growth = g.power - 1 + np.log10(size / max(near_size, 1e-300))
        raise InvalidArgument(
            "dissipation",
            f"grows like |u|^{growth:.3g}, faster than |u|^(p-1) with its power p = {g.power} (Hg(i)); give its power",
        )


def _ratio(g: Dissipation, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
    """g . u / |u|^p (S,), the sums over all sites; work that is rounding counts as 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        slope = g.at(region, u)
        terms = (slope * np.conj(u)).real
        work, size = terms.sum(axis=1), (np.abs(slope) * np.abs(u)).sum(axis=1)
        work = np.where(np.abs(work) > ROUNDING * size, work, 0.0)
        return work / (np.abs(u) ** g.power).sum(axis=1)


def _climbed(g: Dissipation, region: LatticeRegion, u: np.ndarray, far: float) -> float:
    """The largest ratio on random ascents from amplitudes (C, N)."""
    generator = np.random.Generator(np.random.Philox(key=region.size + 2**32))
    climbs = int(min(CLIMBS, CLIMBED_AMPLITUDES // (len(u) * (PROPOSALS + 1) * region.size)))
    best = -np.inf
    for i in range(climbs):
        length = 0.5 / (1 + i / 8)
        moves = length * generator.standard_normal((len(u), PROPOSALS, region.size, 2)).view(np.complex128)[..., 0]
        moves[:, ::2] *= generator.random((len(u), len(moves[0, ::2]), region.size)) < 0.3  # a few sites only
        tried = np.concatenate([u[:, None], u[:, None] * np.exp(moves)], axis=1)
        tried /= np.abs(tried).max(axis=2, keepdims=True)
        ratio = _ratio(g, region, far * tried.reshape(-1, region.size)).reshape(len(u), -1)
        chosen = ratio.argmax(axis=1)
        u, best = tried[np.arange(len(u)), chosen], max(best, float(ratio.max()))
    return best


def _linear(g: LinearDissipation, region: LatticeRegion, worst: float, detail: str) -> tuple[float, str]:
    """The same for linear dissipation, exactly where the matrix is small."""
    if region.size <= LARGEST_MATRIX:
        matrix = np.zeros((region.size, region.size), dtype=np.complex128)
        rows, columns, values = g.entries(region)
        matrix[rows, columns] = values
        worst = float(np.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T)).max()) - 1.0
        detail += f"; exactly, g . u <= {worst:.3g} |u|^2"
    return worst, detail
