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
from numpy.typing import NDArray
from scipy.special import erf, erfc

from scaling_limits.meshes.backend.quadrature import composite_gauss, lagrange_basis, lobatto_points, lobatto_weights

from ..initial_data import InitialData

# cells of the half-line: a layer of SEEN cells comes to 1e-9 at the far end
CELLS = 16
# sqrt(t) in cells from which on the nodes see the layers
SEEN = 2.0
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
        return Responses(x, weights, flux, step - erf(z), source)


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


def responses(degree: int, t: float) -> Responses:
    """Return the responses at a time t > 0, in squared cells: those of a time near by, scaled."""
    number = round(math.log(t) / math.log(RATIO))
    near = _kept(degree, number)
    scale = t / RATIO**number
    return Responses(near.points, near.weights, math.sqrt(scale) * near.flux, near.step, scale * near.source)


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

    def error(self, times: np.ndarray, size_mean: np.ndarray, size_std: np.ndarray) -> NDArray[np.float64]:
        """Return the error (T,) of mu and sigma in L2 relative to their sizes; 0 at times whose layers the nodes see.

        Args:
            times: (T,).
            size_mean: of mu, with sigma, in L2 (T,).
            size_std: of sigma, likewise.
        """
        found, tiny = np.zeros(times.size), np.finfo(float).tiny
        for k in np.flatnonzero((times > 0) & (np.sqrt(times) * self.cells < SEEN)):
            of_mean, of_std = self._squares(float(times[k]))
            found[k] = math.sqrt(of_mean / (size_mean[k] ** 2 + tiny) + of_std / (size_std[k] ** 2 + tiny))
        return SAFETY * found

    def _squares(self, t: float) -> tuple[float, float]:
        """Return the integrals of the squared errors of mu and of sigma at both ends."""
        away, cell = max(STEP * math.sqrt(t), LEAST), 1.0 / self.cells
        mu, sigma = self.data.at(np.array([0.0, away, 1.0 - away, 1.0]))
        response = responses(self.degree, t * self.cells**2)
        of_mean = of_std = 0.0
        for end, inside, way in ((0, 1, 1.0), (3, 2, -1.0)):
            slope, drift = way * (mu[inside] - mu[end]) / away, self.wave_speed * sigma[end]
            flux = slope + math.copysign(drift, slope) if self.absorbing else slope - drift
            of_mean += cell**3 * flux**2 * float(response.weights @ response.flux**2)
            off = self._of_std(response, t, flux, slope, sigma[end], (sigma[inside] - sigma[end]) / away)
            of_std += cell * float(response.weights @ off**2)
        return of_mean, of_std

    def _of_std(
        self, response: Responses, t: float, flux: float, slope: float, sigma: float, sigma_slope: float
    ) -> NDArray[np.float64]:
        """Return the error (P,) of sigma next to an end: of its own layer, and of the energy that mu gives or keeps."""
        cell, width = 1.0 / self.cells, math.sqrt(t)
        x = cell * response.points
        variance = np.maximum(sigma + sigma_slope * x, 0.0) ** 2
        # w_t has the term mu_x times the flux
        given = abs(flux) * (abs(slope) + abs(flux)) * width * cell * np.abs(response.flux)
        if not self.absorbing:
            given = given + abs(sigma * sigma_slope) * cell * np.abs(response.flux)
            return _of_root(variance + LASTING * t * max(slope * flux, 0.0), given)
        curved, z = sigma_slope**2 + slope**2, 0.5 * x / width
        exact = np.maximum(variance - sigma**2 * erfc(z), 0.0)
        step = np.abs(np.sqrt(np.maximum(exact + sigma**2 * response.step, 0.0)) - np.sqrt(exact))
        grown = 2.0 * t * curved * (1.0 - (1.0 + 2.0 * z**2) * erfc(z) + 2.0 * z * np.exp(-(z**2)) / math.sqrt(math.pi))
        return step + _of_root(exact + grown, given + curved * cell**2 * np.abs(response.source))


def _of_root(variance: np.ndarray, off: np.ndarray) -> NDArray[np.float64]:
    """The error of sigma of an error of w, of either sign."""
    return np.asarray(np.sqrt(variance + 2.0 * off) - np.sqrt(variance))


def sizes(nodes: np.ndarray, mean: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes (T,) in L2 of mu, without its mean and with sigma, and of sigma, of nodal values (T, m)."""
    variance = np.trapezoid(2.0 * w, nodes)
    centred = mean - np.trapezoid(mean, nodes)[:, None]
    return np.sqrt(np.trapezoid(centred**2, nodes) + variance), np.sqrt(variance)
