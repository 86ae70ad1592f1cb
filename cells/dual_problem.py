"""Lower bounds of effective tensors: the energy of divergence-free fluxes, the dual of the corrector problem.

e . K_eff^-1 e = min over q with div q = 0 and mean e of int q . K^-1 q. In two dimensions q is a rotated gradient, and
the minimum is again a corrector problem, with K/det K (Keller's duality). In three, q = e + curl A.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .cell_problem import ITERATIONS, CellProblem
from .energy_descent import minimise
from .errors import NotConverged
from .line_space import LineSpace
from .tensor_space import TensorSpace, along, transpose

ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


def lower_bound(
    space: TensorSpace, checking: TensorSpace, tensor: np.ndarray, tensor_checking: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bound K_eff from below, with the quadrature of the solve and with a better one.

    Args:
        space: trial functions and quadrature.
        checking: the same functions with a better quadrature.
        tensor: K at the points of `space`, (B, q, ...) or (B, d, d, q, ...).
        tensor_checking: K at the points of `checking`.
        tolerance: of the dual energy, relative.

    Returns:
        The bound (B, d, d) with each of the two quadratures.

    Raises:
        NotConverged: the dual energy still fell after the last iteration.
    """
    dim = space.dim
    inverse, inverse_checking = inverted(tensor, dim), inverted(tensor_checking, dim)
    if dim == 2:
        rotated, rotated_checking = _turned(inverse), _turned(inverse_checking)
        solution = CellProblem(space, rotated).solve(tolerance)
        potentials, converged = solution.correctors, solution.converged
        energies = solution.effective, CellProblem(checking, rotated_checking).effective(potentials)
        energies = tuple(ROTATION @ energy @ ROTATION.T for energy in energies)  # type: ignore[assignment]
    else:
        problem = CurlProblem(space, inverse)
        potentials, converged = problem.solve(tolerance)
        energies = problem.complementary(potentials), CurlProblem(checking, inverse_checking).complementary(potentials)
    if not converged:
        raise NotConverged("the dual of a cell", "the energy still fell", "take a finer space or a lower contrast")
    return np.linalg.inv(energies[0]), np.linalg.inv(energies[1])


def inverted(tensor: np.ndarray, dim: int) -> np.ndarray:
    """K^-1 of a scalar or a tensor field, up to a constant factor of each cell where it would overflow."""
    if tensor.ndim == dim + 1:
        return 1.0 / tensor
    return np.moveaxis(np.linalg.inv(np.moveaxis(tensor, (1, 2), (-2, -1))), (-2, -1), (1, 2))


def _turned(tensor: np.ndarray) -> np.ndarray:
    """R^T K R of a field in the plane."""
    if tensor.ndim == 3:
        return tensor
    return np.einsum("ki,bkl...,lj->bij...", ROTATION, tensor, ROTATION)


@dataclass(frozen=True, eq=False)
class CurlProblem:
    """min over A of int (e_j + curl A) . K^-1 (e_j + curl A) on T^3, for each direction e_j.

    A_x is in the edge space in x and in the line space in y and z, and so on (Nedelec's elements on boxes): curl A is
    then continuous in its normal components, and div curl A = 0 holds exactly.

    Args:
        space: the line space, and quadrature.
        inverse: K^-1 at the quadrature points, (B, q, q, q) or (B, 3, 3, q, q, q).
    """

    space: TensorSpace
    inverse: np.ndarray

    def solve(self, tolerance: float, iterations: int = ITERATIONS) -> tuple[np.ndarray, bool]:
        """Return A (B, 3, 3, n, n, n), one for each direction, and whether the energies settled."""
        cells = len(self.inverse)
        shape = (cells, 3, 3, *self.space.unknowns)
        start = np.einsum("bii->bi", self.complementary(np.zeros(shape))).copy()
        unit = np.zeros((cells, 3, 3, *self.space.weights.shape))
        for j in range(3):
            unit[:, j, j] = 1.0
        pull = self._adjoint(self._flux(unit))
        descent = minimise(
            lambda a: self._adjoint(self._flux(self.curl(a))), self.precondition, -pull,
            lambda a: np.einsum("bii->bi", self.complementary(a)), start, tolerance, iterations,
        )  # fmt: skip
        return descent.minimisers, descent.converged

    def complementary(self, potentials: np.ndarray) -> np.ndarray:
        """int (e_i + curl A_i) . K^-1 (e_j + curl A_j) (B, 3, 3)."""
        flux = self.curl(potentials)
        for j in range(3):
            flux[:, j, j] += 1.0
        weighted = self._flux(flux)
        rows = len(flux), 3, -1
        return np.matmul(weighted.reshape(rows), flux.reshape(rows).swapaxes(1, 2))

    def curl(self, a: np.ndarray) -> np.ndarray:
        """curl A (B, L, 3, q, q, q) at the quadrature points, from unknowns (B, L, 3, n, n, n)."""
        slope = self.space.line.edge_derivative
        parts = [
            along(slope, a[:, :, (i + 2) % 3], _axis(i + 1)) - along(slope, a[:, :, (i + 1) % 3], _axis(i + 2))
            for i in range(3)
        ]
        return np.stack([self._evaluate(part, i) for i, part in enumerate(parts)], axis=2)

    def _evaluate(self, part: np.ndarray, normal: int) -> np.ndarray:
        """Values of a component of a flux: line space in its own direction, edge space across."""
        for axis in range(3):
            part = along(self.space.line.values if axis == normal else self.space.line.edge_values, part, _axis(axis))
        return part

    def _adjoint(self, flux: np.ndarray) -> np.ndarray:
        """The adjoint of `curl`."""
        slope = transpose(self.space.line.edge_derivative)
        parts = []
        for i in range(3):
            part = flux[:, :, i]
            for axis in range(3):
                matrix = self.space.line.values if axis == i else self.space.line.edge_values
                part = along(transpose(matrix), part, _axis(axis))
            parts.append(part)
        return np.stack(
            [
                along(slope, parts[(j + 1) % 3], _axis(j + 2)) - along(slope, parts[(j + 2) % 3], _axis(j + 1))
                for j in range(3)
            ],
            axis=2,
        )

    def _flux(self, flux: np.ndarray) -> np.ndarray:
        weighted = self.inverse * self.space.weights
        if weighted.ndim == 4:
            return weighted[:, None, None] * flux
        return np.einsum("bij...,blj...->bli...", weighted, flux)

    def precondition(self, residual: np.ndarray) -> np.ndarray:
        """S (curl curl)^+ S r, the pseudo-inverse in the modes of the exact sequence."""
        modes = np.stack([self._to_modes(self._scaling[:, :, i] * residual[:, :, i], i) for i in range(3)], axis=2)
        waves = np.sqrt(self.space.line.frequencies)
        along_waves = sum(_shaped(waves, i) * modes[:, :, i] for i in range(3))
        inverse = self.space.inverse_frequencies
        modes = np.stack(
            [(modes[:, :, i] - _shaped(waves, i) * along_waves * inverse) * inverse for i in range(3)], axis=2
        )
        return np.stack([self._scaling[:, :, i] * self._from_modes(modes[:, :, i], i) for i in range(3)], axis=2)

    @cached_property
    def _edge_modes(self) -> np.ndarray:
        """Unknowns in the edge space of v_i'/sqrt(lambda_i), and of 1."""
        line = self.space.line
        waves = np.sqrt(line.frequencies)
        modes = line.edge_derivative @ line.modes[:, 1:] / waves[1:]
        constant = np.ones((line.unknowns, 1))
        return np.concatenate([constant, modes], axis=1)

    def _to_modes(self, part: np.ndarray, component: int) -> np.ndarray:
        for axis in range(3):
            matrix = self._edge_modes if axis == component else self.space.line.modes
            part = along(transpose(matrix), part, _axis(axis))
        return part

    def _from_modes(self, part: np.ndarray, component: int) -> np.ndarray:
        for axis in range(3):
            part = along(self._edge_modes if axis == component else self.space.line.modes, part, _axis(axis))
        return part

    @cached_property
    def _scaling(self) -> np.ndarray:
        """S (B, 1, 3, n, n, n): square roots of the diagonals of the operator without and with K^-1."""
        weights = self.space.weights
        ones = np.broadcast_to(weights, (1, 3, *weights.shape))
        if self.inverse.ndim == 4:
            mine = np.repeat((self.inverse * weights)[:, None], 3, axis=1)
        else:
            mine = np.einsum("bii...->bi...", self.inverse) * weights
        return np.sqrt(self._diagonal(ones) / self._diagonal(mine))[:, None]

    def _diagonal(self, weighted: np.ndarray) -> np.ndarray:
        """int |curl phi|^2 K^-1 for each basis function, without the terms that mix components."""
        line = self.space.line
        squares = [transpose(_squared(matrix, line)) for matrix in (line.values, line.derivatives, line.edge_values)]
        result = []
        for component in range(3):
            total = np.zeros(())
            for differentiated in range(3):
                if differentiated != component:
                    part = weighted[:, 3 - component - differentiated]
                    for axis in range(3):
                        kind = 2 if axis == component else int(axis == differentiated)
                        part = along(squares[kind], part, _axis(axis))
                    total = total + part
            result.append(total)
        return np.stack(result, axis=1)


def _axis(direction: int) -> int:
    return direction % 3 - 3


def _shaped(values: np.ndarray, direction: int) -> np.ndarray:
    return values.reshape([-1 if axis == direction else 1 for axis in range(3)])


def _squared(matrix: np.ndarray | None, line: LineSpace) -> np.ndarray:
    return np.eye(line.unknowns) if matrix is None else matrix**2
