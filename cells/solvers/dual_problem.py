"""Lower bounds of effective tensors: the energy of divergence-free fluxes, the dual of the corrector problem.

e . K_eff^-1 e = min over q with div q = 0 and mean e of int q . K^-1 q. In two dimensions q is a rotated gradient, and
the minimum is again a corrector problem, with K/det K (Keller's duality). In three, q = e + curl A.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling_limits.particles.sampling.workers import Stop

from ..spaces.tensor_space import LineSpace, TensorSpace, apply_along, apply_along_all, transpose
from .cell_problem import Field, add_unit_gradients, energy, flux, flux_of_unit_gradients
from .conjugate_gradients import minimise


def dual_fields(space: TensorSpace, potentials: np.ndarray) -> Field:
    """Divergence-free fluxes without their means e_j, at the points of a space with the same functions."""
    if space.dim == 3:
        return curl(space, potentials)
    x, y = space.gradient(potentials)
    # R grad psi_1 has the mean R e_1 = e_2 added to it, and -R grad psi_2 the mean -R e_2 = e_1; R = [[0, -1], [1, 0]]
    first = [y[:, 1], -x[:, 1]]
    second = [-y[:, 0], x[:, 0]]
    return [np.stack(pair, axis=1) for pair in zip(first, second)]


def rotated(tensor: np.ndarray) -> np.ndarray:
    """Rotated tensor R^T K R of a field in the plane, R a quarter turn."""
    if tensor.ndim == 3:
        return tensor
    result = np.empty_like(tensor)
    result[:, 0, 0], result[:, 1, 1] = tensor[:, 1, 1], tensor[:, 0, 0]
    result[:, 0, 1] = result[:, 1, 0] = -tensor[:, 0, 1]
    return result


def curl(space: TensorSpace, a: np.ndarray) -> Field:
    """Curl of A at the quadrature points, from the unknowns (B, L, 3, n, n, n) of A."""
    slope = space.line.edge_derivative
    result = []
    for i in range(3):
        first = apply_along(slope, a[:, :, (i + 2) % 3], _axis(i + 1))
        second = apply_along(slope, a[:, :, (i + 1) % 3], _axis(i + 2))
        result.append(_apply_by_direction(space.line.values, space.line.edge_values, first - second, i))
    return result


def curl_adjoint(space: TensorSpace, field: Field) -> np.ndarray:
    """The adjoint of `curl`: int field . curl phi for each basis function phi, the weights being in the field."""
    slope = transpose(space.line.edge_derivative)
    values, edge_values = transpose(space.line.values), transpose(space.line.edge_values)
    parts = [_apply_by_direction(values, edge_values, part, i) for i, part in enumerate(field)]
    components = [
        apply_along(slope, parts[(j + 1) % 3], _axis(j + 2)) - apply_along(slope, parts[(j + 2) % 3], _axis(j + 1))
        for j in range(3)
    ]
    return np.stack(components, axis=2)


@dataclass(frozen=True, eq=False)
class CurlProblem:
    """Dual cell problem in space: min over A of int (e_j + curl A) . K^-1 (e_j + curl A) on T^3, for each e_j.

    A_x is in the edge space in x and in the line space in y and z, and so on (Nedelec elements on boxes): curl A is
    then continuous in its normal components, and div curl A = 0 holds exactly.

    Args:
        space: the line space, and quadrature.
        inverse: K^-1 at the quadrature points, (B, q, q, q) or (B, 3, 3, q, q, q).
    """

    space: TensorSpace
    inverse: np.ndarray

    def solve(self, tolerance: float, iterations: int, stop: Stop | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return A (B, 3, 3, n, n, n), one for each direction, whose fluxes `dual_fields` gives, and convergence (B,).

        Args:
            tolerance: of the energies, relative.
            iterations: at most that many.
            stop: what ends the solve in a thread.
        """
        units, start = flux_of_unit_gradients(self._weighted, 3)
        load = -curl_adjoint(self.space, units)
        minimum = minimise(self.apply, self.precondition, load, self._energies, start, tolerance, iterations, stop=stop)
        return minimum.minimisers, minimum.converged

    def apply(self, a: np.ndarray) -> np.ndarray:
        """Apply the operator: int curl phi . K^-1 curl A for each basis function phi."""
        return curl_adjoint(self.space, flux(self._weighted, curl(self.space, a)))

    def _energies(self, a: np.ndarray) -> np.ndarray:
        return np.einsum("bii->bi", energy(self._weighted, add_unit_gradients(curl(self.space, a))))

    @cached_property
    def _weighted(self) -> np.ndarray:
        return self.inverse * self.space.weights

    def precondition(self, residual: np.ndarray) -> np.ndarray:
        """Precondition a residual: S (curl curl)^+ S r, the pseudo-inverse in the modes of the exact sequence."""
        own, others = self._edge_modes, self.space.line.modes
        scaled = self._scaling * residual
        modes = [_apply_by_direction(transpose(own), transpose(others), scaled[:, :, i], i) for i in range(3)]
        waves = np.sqrt(self.space.line.frequencies)
        along_waves = sum(_shaped(waves, i) * modes[i] for i in range(3))
        inverse = 1.0 / self.space.frequencies
        modes = [(modes[i] - _shaped(waves, i) * along_waves * inverse) * inverse for i in range(3)]
        return self._scaling * np.stack([_apply_by_direction(own, others, modes[i], i) for i in range(3)], axis=2)

    @cached_property
    def _edge_modes(self) -> np.ndarray:
        """Modes of the edge space, in columns: the unknowns of 1 and of v_i'/sqrt(lambda_i)."""
        line = self.space.line
        waves = np.sqrt(line.frequencies)
        modes = line.edge_derivative @ line.modes[:, 1:] / waves[1:]
        constant = np.ones((line.unknowns, 1))
        return np.concatenate([constant, modes], axis=1)

    @cached_property
    def _scaling(self) -> np.ndarray:
        """Diagonal scaling S (B, 1, 3, n, n, n): roots of the quotient of diagonals, without and with K^-1."""
        weights = self.space.weights
        ones = np.broadcast_to(weights, (1, 3, *weights.shape))
        if self.inverse.ndim == 4:
            local = np.repeat(self._weighted[:, None], 3, axis=1)
        else:
            local = np.einsum("bii...->bi...", self._weighted)
        return np.sqrt(self._diagonal(ones) / self._diagonal(local))[:, None]

    def _diagonal(self, weighted: np.ndarray) -> np.ndarray:
        """Diagonal of the operator, int |curl phi|^2 K^-1, without the terms that mix components."""
        line = self.space.line
        squares = [transpose(_squared(matrix, line)) for matrix in (line.values, line.derivatives, line.edge_values)]

        def part(own: int, slope: int) -> np.ndarray:
            kinds = [2 if axis == own else int(axis == slope) for axis in range(3)]
            return apply_along_all([squares[kind] for kind in kinds], weighted[:, 3 - own - slope])

        return np.stack([part(i, (i + 1) % 3) + part(i, (i + 2) % 3) for i in range(3)], axis=1)


def _apply_by_direction(
    own: np.ndarray | None, others: np.ndarray | None, part: np.ndarray, component: int
) -> np.ndarray:
    """Apply a matrix to a component of a field along its own direction, and another one along the two others."""
    return apply_along_all([own if axis == component else others for axis in range(3)], part)


def _axis(direction: int) -> int:
    return direction % 3 - 3


def _shaped(values: np.ndarray, direction: int) -> np.ndarray:
    return values.reshape([-1 if axis == direction else 1 for axis in range(3)])


def _squared(matrix: np.ndarray | None, line: LineSpace) -> np.ndarray:
    return np.eye(line.unknowns) if matrix is None else matrix**2
