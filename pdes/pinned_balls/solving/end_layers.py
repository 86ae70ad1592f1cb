"""What a mesh makes of the layers of width sqrt(t) at the ends: on coarse cells comparing nodal values tells nothing.

Data need not have the fluxes of the ends. Each end then sends out, from t = 0 on, the solution of a heat equation on
the half-line, v_t = v_xx, and where sqrt(t) is below the distance of the nodes these hardly notice. The same problem is
solved here on the first cells of a half-line, in the units of a cell, and compared with its exact solution: the error
depends on the degree and on t/cell^2 alone.

    flux:    -v_x(0) = 1, v(x, 0) = 0      v = 2 sqrt(t) ierfc(z),        z = x/(2 sqrt(t))
    step:    v(0) = 0, v(x, 0) = 1         v = erf(z)
    source:  v(0) = 0, v_t = v_xx + 1      v = t (1 - 4 i2erfc(z))

Source: Carslaw and Jaeger, Conduction of Heat in Solids (1959), sections 2.4, 2.9 and appendix II.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import erf, erfc

from scaling_limits.meshes.backend.quadrature import composite_gauss, lagrange_basis, lobatto_points, lobatto_weights

from ..energy_norm import TINY
from ..initial_data import InitialData

# cells of the half-line: a layer of SEEN cells comes to 1e-9 at the far end
CELLS = 16
# sqrt(t) in cells from which on the nodes see the layers
SEEN = 2.0
# part of the largest error that is left out, far from an end
NEGLIGIBLE = 1e-9
# times of which responses are kept, in squared cells, are powers of it
RATIO = 1.1
# the equations are not linear: layers of order one were seen to err by 2 % more than the table says
SAFETY = 1.2
# what is left at an end of sigma^2 = 2 t mu_x (mu_x - lambda sigma), while the flux becomes that of the end
LASTING = 0.3
# parts of the quadrature, in units of sqrt(t), and points in each
PARTS = np.array([0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
POINTS = 8
# the distance over which the slopes of the data are taken, in units of sqrt(t), and the least one
STEP, LEAST = 0.1, 1e-7


class Responses(NamedTuple):
    """Errors (P,) at points (P,) with weights (P,), for flux, step and source, in units of a cell and its square."""

    points: np.ndarray
    weights: np.ndarray
    flux: np.ndarray
    step: np.ndarray
    source: np.ndarray


class HalfLine:
    """The first cells of a half-line with lumped mass, decoupled into modes; the far end is closed.

    Args:
        degree: of the elements.
    """

    def __init__(self, degree: int) -> None:
        self._degree = degree
        weights, size = lobatto_weights(degree), CELLS * degree + 1
        slopes = lagrange_basis(degree, lobatto_points(degree), derivative=1)
        mass, stiffness = np.zeros(size), np.zeros((size, size))
        for cell in range(CELLS):
            nodes = slice(cell * degree, (cell + 1) * degree + 1)
            mass[nodes] += weights
            stiffness[nodes, nodes] += slopes.T @ (weights[:, None] * slopes)
        self._root = np.sqrt(mass)
        scaled = stiffness / np.outer(self._root, self._root)
        self._closed, self._fixed = np.linalg.eigh(scaled), np.linalg.eigh(scaled[1:, 1:])

    def at_nodes(self, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return v at the nodes for flux, step and source, at a time t > 0 in squared cells."""
        root = self._root
        rates, modes = self._closed
        flux = modes @ (_grown(rates, t) * modes[0]) / (root * root[0])
        rates, modes = self._fixed
        ones = modes.T @ root[1:]
        step = modes @ (np.exp(-rates * t) * ones) / root[1:]
        source = modes @ (_grown(rates, t) * ones) / root[1:]
        return flux, np.append(0.0, step), np.append(0.0, source)

    def responses(self, t: float) -> Responses:
        """Return the errors at a time t > 0, in squared cells."""
        width = np.sqrt(t)
        breaks = np.union1d(np.arange(CELLS + 1.0), np.minimum(width * PARTS, CELLS))
        x, weights = (part.ravel() for part in composite_gauss(breaks, POINTS))
        cell = np.minimum(x.astype(int), CELLS - 1)
        basis = lagrange_basis(self._degree, x - cell)
        nodes = cell[:, None] * self._degree + np.arange(self._degree + 1)
        flux, step, source = (np.sum(basis * values[nodes], axis=1) for values in self.at_nodes(t))
        z = x / (2.0 * width)
        bell, tail = np.exp(-(z**2)) / np.sqrt(np.pi), erfc(z)
        flux -= 2.0 * width * (bell - z * tail)
        source -= t * (1.0 - (1.0 + 2.0 * z**2) * tail + 2.0 * z * bell)
        step -= erf(z)
        # far away there is nothing
        seen = [np.abs(errors) > NEGLIGIBLE * np.abs(errors).max() for errors in (flux, step, source)]
        last = int(np.flatnonzero(np.any(seen, axis=0))[-1]) + 1
        return Responses(*(values[:last].copy() for values in (x, weights, flux, step, source)))


def _grown(rates: np.ndarray, t: float) -> np.ndarray:
    """The integral of exp(-rate s) over 0 < s < t."""
    decaying = rates * t > 1e-12
    return np.where(decaying, -np.expm1(-rates * t) / np.where(decaying, rates, 1.0), t)


@functools.lru_cache(maxsize=16)
def half_line(degree: int) -> HalfLine:
    """The half-line of a degree, perhaps that of another solve."""
    return HalfLine(degree)


@functools.lru_cache(maxsize=512)
def _kept(degree: int, number: int) -> Responses:
    return half_line(degree).responses(RATIO**number)


def responses(degree: int, t: float) -> tuple[Responses, float]:
    """Return the responses at a time near t > 0, in squared cells, and t as part of it.

    Those at t are about the same for steps, those for fluxes times the square root of the part, those for sources times
    the part.
    """
    number = round(math.log(t) / math.log(RATIO))
    return _kept(degree, number), t / RATIO**number


@dataclass(frozen=True, eq=False)
class EndLayers:
    """The layers of the pinned-billiard equations on a mesh.

    Args:
        data: the initial data.
        wave_speed: lambda.
        absorbing: whether sigma = 0 at the ends.
        cells: number of equal cells.
        degree: of the elements.
    """

    data: InitialData
    wave_speed: float
    absorbing: bool
    cells: int
    degree: int

    def error(self, times: np.ndarray, nodes: np.ndarray, mean: np.ndarray, w: np.ndarray) -> NDArray[np.float64]:
        """Return the error (T,) of mu and sigma in L2 relative to their sizes; 0 at times whose layers the nodes see.

        Args:
            times: (T,).
            nodes: (m,), increasing.
            mean: mu there (T, m).
            w: sigma^2/2 there, likewise.
        """
        found = np.zeros(times.size)
        early = np.flatnonzero((times > 0) & (np.sqrt(times) * self.cells < SEEN))
        if early.size == 0:
            return found
        away, left = np.maximum(STEP * np.sqrt(times[early]), LEAST), np.zeros(early.size)
        at_ends = self.data.at(np.concatenate([left, away, left + 1.0, 1.0 - away]))
        mu, sigma = (values.reshape(4, -1) for values in at_ends)
        squares = np.empty((early.size, 2))
        for i, k in enumerate(early):
            t = float(times[k])
            _squares(
                *responses(self.degree, t * self.cells**2), t, 1.0 / self.cells, self.wave_speed, self.absorbing, i,
                away, mu, sigma, squares,
            )  # fmt: skip
        found[early] = np.sqrt((squares / (_squared_sizes(nodes, mean[early], w[early]) + TINY)).sum(1))
        return SAFETY * found


@njit(inline="always", error_model="numpy")
def _of_root(variance, off):  # type: ignore[no-untyped-def]
    """The error of sigma of an error of w, of either sign."""
    return math.sqrt(variance + 2.0 * off) - math.sqrt(variance)


@njit(cache=True, error_model="numpy")
def _squares(response, part, t, cell, wave_speed, absorbing, i, away, mu, sigma, squares):  # type: ignore[no-untyped-def]
    """Fill row i of squares (E, 2), the integrals of the squared errors of mu and of sigma at both ends, at a time.

    Args:
        response: errors for unit data, at points and with weights in units of a cell.
        part: see `responses`.
        t: the time.
        cell: length of a cell.
        wave_speed: lambda.
        absorbing: whether sigma = 0 at the ends.
        i: number of the time.
        away: distances over which the slopes of the data are taken (E,).
        mu: initial mean (4, E): at the left end and next to it, at the right end and next to it.
        sigma: initial deviation, likewise.
        squares: to be filled.
    """
    of_mean = of_std = 0.0
    for end, way in ((0, 1.0), (2, -1.0)):
        slope, at_end = way * (mu[end + 1, i] - mu[end, i]) / away[i], sigma[end, i]
        drift, sigma_slope = wave_speed * at_end, (sigma[end + 1, i] - at_end) / away[i]
        flux = slope + math.copysign(drift, slope) if absorbing else slope - drift
        for q in range(response.points.size):
            x, weight = cell * response.points[q], cell * response.weights[q]
            of_flux = cell * math.sqrt(part) * response.flux[q]
            of_mean += weight * (flux * of_flux) ** 2
            variance = max(at_end + sigma_slope * x, 0.0) ** 2
            # w_t has the term mu_x times the flux
            given = abs(flux) * (abs(slope) + abs(flux)) * math.sqrt(t) * abs(of_flux)
            if not absorbing:
                given += abs(at_end * sigma_slope * of_flux)
                of_std += weight * _of_root(variance + LASTING * t * max(slope * flux, 0.0), given) ** 2
                continue
            # sigma has a layer of its own, and takes part in the energy that mu gives or keeps
            curved, z = sigma_slope**2 + slope**2, 0.5 * x / math.sqrt(t)
            tail = math.erfc(z)
            exact = max(variance - at_end**2 * tail, 0.0)
            step = abs(math.sqrt(max(exact + at_end**2 * response.step[q], 0.0)) - math.sqrt(exact))
            bell = 2.0 * z * math.exp(-(z**2)) / math.sqrt(math.pi)
            grown = 2.0 * t * curved * (1.0 - (1.0 + 2.0 * z**2) * tail + bell)
            off = given + curved * cell**2 * part * abs(response.source[q])
            of_std += weight * (step + _of_root(exact + grown, off)) ** 2
    squares[i, 0], squares[i, 1] = of_mean, of_std


def _squared_sizes(nodes: np.ndarray, mean: np.ndarray, w: np.ndarray) -> NDArray[np.float64]:
    """Return the squared sizes (T, 2) in L2 of mu, without its mean and with sigma, and of sigma, of values (T, m)."""
    # of the trapezoidal rule
    half, weights = 0.5 * np.diff(nodes), np.zeros(nodes.size)
    weights[:-1] += half
    weights[1:] += half
    variance = 2.0 * w @ weights
    centred = mean - (mean @ weights)[:, None]
    return np.stack([centred**2 @ weights + variance, variance], axis=1)
