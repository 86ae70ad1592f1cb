"""What a mesh makes of the layers of width sqrt(t) at the ends, which no comparison of nodal values sees on coarse cells.

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
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, erfc

from scaling_limits.meshes.backend.quadrature import composite_gauss, lagrange_basis, lobatto_points, lobatto_weights

from .initial_data import InitialData

# cells of the half-line
CELLS = 8
# sqrt(t) in cells from which on the nodes see the layers
SEEN = 2.0
# the equations are not linear: the layers of order one were seen to be predicted to 2 %
SAFETY = 1.2
# parts of the quadrature, in units of sqrt(t), and points in each
PARTS = np.array([0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
POINTS = 8
# the distance over which the slopes of the data are taken, in units of sqrt(t), and the least one
STEP, LEAST = 0.1, 1e-7


class Responses(NamedTuple):
    """Errors (P,) of a half-line's cells at points (P,) with weights (P,), in cells: to flux, step and source."""

    points: np.ndarray
    weights: np.ndarray
    flux: np.ndarray
    step: np.ndarray
    source: np.ndarray


@dataclass(frozen=True, eq=False)
class HalfLine:
    """The first cells of a half-line with lumped mass, decoupled into modes; the far end is closed.

    Args:
        degree: of the elements.
    """

    degree: int

    @functools.cached_property
    def _mass(self) -> NDArray[np.float64]:
        weights = lobatto_weights(self.degree)
        mass = np.zeros(CELLS * self.degree + 1)
        for cell in range(CELLS):
            mass[cell * self.degree : (cell + 1) * self.degree + 1] += weights
        return mass

    @functools.cached_property
    def _stiffness(self) -> NDArray[np.float64]:
        slopes = lagrange_basis(self.degree, lobatto_points(self.degree), derivative=1)
        own = slopes.T @ (lobatto_weights(self.degree)[:, None] * slopes)
        stiffness = np.zeros((self._mass.size, self._mass.size))
        for cell in range(CELLS):
            nodes = slice(cell * self.degree, (cell + 1) * self.degree + 1)
            stiffness[nodes, nodes] += own
        return stiffness

    @functools.cached_property
    def _closed(self) -> tuple[np.ndarray, np.ndarray]:
        return self._modes(0)

    @functools.cached_property
    def _fixed(self) -> tuple[np.ndarray, np.ndarray]:
        return self._modes(1)

    def _modes(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """The rates (k,) and the modes (k, k) of the nodes from the first one on."""
        root = np.sqrt(self._mass[first:])
        rates, modes = np.linalg.eigh(self._stiffness[first:, first:] / np.outer(root, root))
        return np.maximum(rates, 0.0), modes

    def responses(self, t: float) -> Responses:
        """The errors at a time t > 0, in units of a squared cell."""
        points, weights = composite_gauss(np.union1d(np.arange(CELLS + 1.0), _below(np.sqrt(t) * PARTS)), POINTS)
        points, weights = points.ravel(), weights.ravel()
        flux, step, source = self._at_nodes(t)
        cell = np.minimum(points.astype(int), CELLS - 1)
        basis = lagrange_basis(self.degree, points - cell)
        nodes = cell[:, None] * self.degree + np.arange(self.degree + 1)
        z = points / (2.0 * np.sqrt(t))
        bell, tail = np.exp(-(z**2)) / np.sqrt(np.pi), erfc(z)
        return Responses(
            points,
            weights,
            np.sum(basis * flux[nodes], axis=1) - 2.0 * np.sqrt(t) * (bell - z * tail),
            np.sum(basis * step[nodes], axis=1) - erf(z),
            np.sum(basis * source[nodes], axis=1) - t * (1.0 - (1.0 + 2.0 * z**2) * tail + 2.0 * z * bell),
        )

    def _at_nodes(self, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        root = np.sqrt(self._mass)
        rates, modes = self._closed
        flux = modes @ (_grown(rates, t) * modes[0]) / (root * root[0])
        rates, modes = self._fixed
        ones = modes.T @ root[1:]
        step = modes @ (np.exp(-rates * t) * ones) / root[1:]
        source = modes @ (_grown(rates, t) * ones) / root[1:]
        return flux, np.append(0.0, step), np.append(0.0, source)


def _below(places: np.ndarray) -> np.ndarray:
    return places[places < CELLS]


def _grown(rates: np.ndarray, t: float) -> np.ndarray:
    """The integral of exp(-rate s) over 0 < s < t."""
    return np.where(rates * t > 1e-12, -np.expm1(-rates * t) / np.maximum(rates, 1e-300), t)


@functools.lru_cache(maxsize=8)
def half_line(degree: int) -> HalfLine:
    """The half-line of a degree, perhaps that of another solve."""
    return HalfLine(degree)


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
        found = np.zeros(times.size)
        for k in np.flatnonzero((times > 0) & (np.sqrt(times) * self.cells < SEEN)):
            of_mean, of_std = self._squares(float(times[k]))
            tiny = np.finfo(float).tiny
            found[k] = SAFETY * np.sqrt(of_mean / (size_mean[k] ** 2 + tiny) + of_std / (size_std[k] ** 2 + tiny))
        return found

    def _squares(self, t: float) -> tuple[float, float]:
        """Return the integrals of the squared errors of mu and of sigma at both ends."""
        away = max(STEP * np.sqrt(t), LEAST)
        mu, sigma = self.data.at(np.array([0.0, away, 1.0 - away, 1.0]))
        slopes = np.diff(mu)[[0, 2]] / away
        response, cell = half_line(self.degree).responses(t * self.cells**2), 1.0 / self.cells
        of_mean = of_std = 0.0
        for slope, (at_end, inside) in zip(slopes, ((sigma[0], sigma[1]), (sigma[3], sigma[2]))):
            flux = abs(slope) + self.wave_speed * at_end if self.absorbing else abs(slope - self.wave_speed * at_end)
            of_mean += cell**3 * flux**2 * float(response.weights @ response.flux**2)
            off = self._of_std(response, t, slope, flux, at_end, (inside - at_end) / away)
            of_std += cell * float(response.weights @ off**2)
        return of_mean, of_std

    def _of_std(
        self, response: Responses, t: float, slope: float, flux: float, sigma: float, sigma_slope: float
    ) -> NDArray[np.float64]:
        """Return the error (P,) of sigma next to an end: of its own layer, and of the energy that mu gives or keeps."""
        cell = 1.0 / self.cells
        variance = np.maximum(sigma + sigma_slope * cell * response.points, 0.0) ** 2
        step: np.ndarray | float = 0.0
        given = flux * (abs(slope) + flux) * np.sqrt(t) * cell * np.abs(response.flux)
        if self.absorbing:
            exact = np.maximum(variance - sigma**2 * erfc(0.5 * cell * response.points / np.sqrt(t)), 0.0)
            step = np.abs(np.sqrt(np.maximum(exact + sigma**2 * response.step, 0.0)) - np.sqrt(exact))
            given = given + (sigma_slope**2 + slope**2) * cell**2 * np.abs(response.source)
        else:
            given = given + abs(sigma * sigma_slope) * cell * np.abs(response.flux)
        return np.asarray(step + np.sqrt(variance + 2.0 * given) - np.sqrt(variance))


def sizes(nodes: np.ndarray, mean: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes (T,) in L2 of mu, without its mean and with sigma, and of sigma, of nodal values (T, m)."""
    variance = np.trapezoid(2.0 * w, nodes)
    centred = mean - np.trapezoid(mean, nodes)[:, None]
    return np.sqrt(np.trapezoid(centred**2, nodes) + variance), np.sqrt(variance)
