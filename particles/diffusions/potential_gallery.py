"""Potentials with N scales: those of the literature, and families with known effective tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import sympy

from ..errors import InvalidArgument
from ..support import checks
from ..support.symbolic import Symbols
from .multiscale_potential import MultiscalePotential

Entry = TypeVar("Entry")

# Mueller-Brown potential (1979): V0 = sum_i A_i exp(a_i (x - x_i)^2 + b_i (x - x_i)(y - y_i) + c_i (y - y_i)^2)
MUELLER_HEIGHTS = (-200, -100, -170, 15)
MUELLER_SHAPES = ((-1, 0, -10), (-1, 0, -10), (sympy.Rational(-13, 2), 11, sympy.Rational(-13, 2)))
MUELLER_LAST_SHAPE = (sympy.Rational(7, 10), sympy.Rational(3, 5), sympy.Rational(7, 10))
MUELLER_CENTRES = ((1, 0), (0, sympy.Rational(1, 2)), (sympy.Rational(-1, 2), sympy.Rational(3, 2)), (-1, 1))


def wave(*phases: sympy.Expr) -> sympy.Expr:
    """cos(2 pi (sum of the arguments)), of period 1 in each."""
    return sympy.cos(2 * sympy.pi * sympy.Add(*phases))


def mueller_brown(temperature: float, *, ruggedness: float = 10.0, coupling: float = 0.0) -> MultiscalePotential:
    """Mueller-Brown potential V0; V1 = a (1 + c sin(x_0)) (cos 2 pi y_0 + cos 2 pi y_1 + cos 2 pi (y_0 + y_1)/2).

    Args:
        temperature: sigma, in the unit of V0, whose barriers are about 100.
        ruggedness: a, in the same unit.
        coupling: c in [0, 1); 0 is a separable potential, whose tensor M does not depend on x.

    Returns:
        The potential, d = 2, N = 1.

    Raises:
        InvalidArgument: an argument out of range.

    Source: Duncan, Duong and Pavliotis (2023), Fig. 1 (which leaves the perturbation open); Mueller and Brown, Theor.
    Chim. Acta 53 (1979) 75.
    """
    a = checks.number("ruggedness", ruggedness, least=0.0)
    c = _fraction("coupling", coupling)

    def landscape(x: Symbols) -> sympy.Expr:
        terms = []
        for height, shape, centre in zip(MUELLER_HEIGHTS, (*MUELLER_SHAPES, MUELLER_LAST_SHAPE), MUELLER_CENTRES):
            u, v = x[0] - centre[0], x[1] - centre[1]
            terms.append(height * sympy.exp(shape[0] * u**2 + shape[1] * u * v + shape[2] * v**2))
        return sympy.Add(*terms)

    def rugged(x: Symbols, y: Symbols) -> sympy.Expr:
        return a * (1 + c * sympy.sin(x[0])) * (wave(y[0]) + wave(y[1]) + wave(y[0], y[1]) / 2)

    return MultiscalePotential(2, 1, temperature, landscape, rugged)


def egg_carton(temperature: float, *, dim: int = 2, amplitude: float = 1.0) -> MultiscalePotential:
    """The potential with V1 = a sum_i cos 2 pi y_i, whose tensor is M = I / I_0(a/sigma)^2; V0 = |x|^2/2.

    Args:
        temperature: sigma.
        dim: dimension d of space.
        amplitude: a.

    Raises:
        InvalidArgument: an argument out of range.
    """
    return self_similar(temperature, (amplitude,), dim=dim)


def self_similar(temperature: float, amplitudes: Sequence[float], *, dim: int = 2) -> MultiscalePotential:
    """V1 = sum_k a_k sum_i cos 2 pi y_k,i, whose tensor is M = I prod_k 1 / I_0(a_k/sigma)^2; V0 = |x|^2/2.

    Args:
        temperature: sigma.
        amplitudes: a_1, ..., a_N.
        dim: dimension d of space.

    Raises:
        InvalidArgument: an argument out of range.
    """
    heights = [checks.number("amplitudes", a) for a in _listed("amplitudes", amplitudes, "numbers")]

    def fluctuation(_: Symbols, *y: Symbols) -> sympy.Expr:
        return sympy.Add(*[a * wave(component) for a, scale in zip(heights, y) for component in scale])

    return MultiscalePotential(dim, len(heights), temperature, _bowl, fluctuation)


def laminate(
    temperature: float, directions: Sequence[Sequence[int]] = ((1, 0),), *, modulation: float = 0.5
) -> MultiscalePotential:
    """V1 = sum_k (1 + c cos 2 pi m_{k-1}.y_{k-1}) cos 2 pi m_k.y_k: layers across m_k at scale k; V0 = |x|^2/2.

    The tensor of a laminate of any rank N follows from one-dimensional integrals. For one scale, M has the eigenvalue
    1/I_0(1/sigma)^2 along m_1, and 1 across.

    Args:
        temperature: sigma.
        directions: m_1, ..., m_N, integer vectors (N, d).
        modulation: c in [0, 1), how strongly a scale acts on the next.

    Raises:
        InvalidArgument: an argument out of range.
    """
    vectors = [_listed("directions", entry, "vectors") for entry in _listed("directions", directions, "vectors")]
    normals = [tuple(checks.integer("directions", m, -100, 100) for m in vector) for vector in vectors]
    if len({len(normal) for normal in normals}) != 1 or any(not any(normal) for normal in normals):
        raise InvalidArgument("directions", "must be vectors of one dimension that are not 0")
    if len(normals[0]) > 3:
        raise InvalidArgument("directions", f"must be vectors of dimension 1, 2 or 3, not {len(normals[0])}")
    c = _fraction("modulation", modulation)

    def fluctuation(_: Symbols, *y: Symbols) -> sympy.Expr:
        layers = [wave(*[m * component for m, component in zip(normal, scale)]) for normal, scale in zip(normals, y)]
        return layers[0] + sympy.Add(*[(1 + c * layers[k - 1]) * layers[k] for k in range(1, len(layers))])

    return MultiscalePotential(len(normals[0]), len(normals), temperature, _bowl, fluctuation)


def fully_coupled(temperature: float, *, dim: int = 2, scales: int = 2, coupling: float = 0.5) -> MultiscalePotential:
    """V1 = sum_k (1 + c sin(x_0)/k) S_k + c sum_k S_{k-1} C_k: every scale acts on the next, and x on all of them.

    Here S_k = (sum_i cos 2 pi y_k,i + cos 2 pi sum_i y_k,i / 2)/d, C_k = sin 2 pi y_k,d, and V0 = |x|^2/2.

    Args:
        temperature: sigma.
        dim: dimension d of space.
        scales: number N of scales.
        coupling: c in [0, 1); 0 is a sum of functions of one scale each.

    Raises:
        InvalidArgument: an argument out of range.
    """
    c = _fraction("coupling", coupling)

    def fluctuation(x: Symbols, *y: Symbols) -> sympy.Expr:
        sums = [(sympy.Add(*[wave(component) for component in scale]) + wave(*scale) / 2) / len(scale) for scale in y]
        sines = [sympy.sin(2 * sympy.pi * scale[-1]) for scale in y]
        single = [(1 + c * sympy.sin(x[0]) / (k + 1)) * term for k, term in enumerate(sums)]
        return sympy.Add(*single, *[c * sums[k - 1] * sines[k] for k in range(1, len(sums))])

    return MultiscalePotential(dim, scales, temperature, _bowl, fluctuation)


def _bowl(x: Symbols) -> sympy.Expr:
    return sympy.Add(*[component**2 for component in x]) / 2


def _fraction(name: str, value: float) -> float:
    number = checks.number(name, value, least=0.0)
    if number >= 1.0:
        raise InvalidArgument(name, f"must be below 1, not {number:g}")
    return number


def _listed(name: str, values: Iterable[Entry], kind: str) -> list[Entry]:
    """The entries of a list that is not empty."""
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise InvalidArgument(name, f"must be a list of {kind}, not {checks.shown(values)}")
    entries = list(values)
    if not entries:
        raise InvalidArgument(name, f"must be a list of {kind}, at least one")
    return entries
