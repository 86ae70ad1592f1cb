"""The whole recursion in UFL, solved with PETSc: every K_k by correctors on meshes of tori, shared by all ranks.

Slow, and independent of the cells in numpy: what both agree on has been computed twice. Only the splitting of V1, and
the interpolation of log K_k between samples of y_k, are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from dolfinx import fem
from dolfinx.mesh import Mesh
from mpi4py import MPI

from scaling_limits.meshes import torus
from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature
from scaling_limits.particles.errors import NotConverged

from ..levels.cells import largest_contrast
from ..levels.results import LevelResult, Samples, Sensitivities, differences, joined
from ..levels.scale_splitting import ScaleSplitting, extended
from ..solvers.symmetric import derivative_of_logarithm, logarithm, relative_distance
from ..spaces.interpolation import grid, trial_points
from .corrector_problem import CorrectorProblem
from .level_tensor import LevelTensor
from .petsc_elements import PETScElements

COUNTS = (5, 7, 9, 11, 13, 15, 17, 21, 25, 33)  # samples in a sampled component of y_k
TRIALS = 3  # points between the samples at which the interpolation is tried
SAFETY = 2.0  # factor on measured errors
SMALLEST = 1e-20  # tolerance of conjugate gradients where derivatives are wanted: its root is the error of theta
SOLVER = 0.01  # part of rtol that conjugate gradients may leave

ScalarField = Callable[[np.ndarray], np.ndarray]


class PETScRecursion:
    """The recursion (15), (16), cell by cell; all its methods are collective.

    Args:
        splitting: the potential, split into levels.
        route: degree, mesh and options.
        rtol: relative error of the tensor that samples and solvers aim at; the mesh is as it is given.
        comm: its ranks share every mesh.

    Attributes:
        solves: counts of the distinct cells solved at each level, by k.

    Source: Duncan, Duong and Pavliotis (2023), (14) to (17).
    """

    def __init__(self, splitting: ScaleSplitting, route: PETScElements, rtol: float, comm: MPI.Comm) -> None:
        self.splitting, self.rtol, self._comm = splitting, rtol, comm
        self.solves = dict.fromkeys(range(1, splitting.levels + 1), 0)
        self.mesh = torus((route.cells,) * splitting.dim, comm=comm)
        degrees = route.degree, route.degree + 1
        self.problems = [CorrectorProblem(self.mesh, p, petsc_options=route.petsc_options) for p in degrees]
        self._averages = [_Average(self.mesh, 2 * p + 2) for p in degrees]
        self._known: dict[tuple[int, bytes], LevelResult] = {}

    def effective(self, level: int, slow: np.ndarray) -> LevelResult:
        """K_{k-1} at (x, y_1, ..., y_{k-1}) (B, k d); points that agree in the components that matter share a cell."""
        if level > self.splitting.levels:
            return self.splitting.beyond_fastest(slow)
        first, numbers = self.splitting.distinct(level, slow)
        return joined([self._one(level, row) for row in slow[first]]).rows(numbers)

    def samples(self, level: int, slow: np.ndarray) -> Samples:
        """Samples of K_k in y_k for one cell (k d,): so many that the interpolation is as good as the samples are."""
        axes, dim = self.splitting.sampled_axes(level), self.splitting.dim
        if not axes:
            return self._sampled(level, slow, 1)
        trials = trial_points(TRIALS, axes, dim)
        true = self.effective(level + 1, extended(slow[None], trials))
        for count in COUNTS:
            samples = self._sampled(level, slow, count)
            error = SAFETY * float(differences(samples.at(trials), true).max())
            missed = None
            if true.sensitivities is not None:
                missed = SAFETY * samples.missed_derivatives(true.sensitivities, trials)
            if error <= max(0.5 * self.rtol / self.splitting.levels, 0.1 * float(samples.inherited.max())):
                break
        return replace(samples, widening=np.array([error]), missed=missed)

    def tensor(self, level: int, slow: np.ndarray) -> LevelTensor:
        """K_k as a function of y_k, for one cell (k d,)."""
        return LevelTensor(self.splitting, level, slow, self.samples(level, slow))

    def _one(self, level: int, slow: np.ndarray) -> LevelResult:
        key = level, slow[list(self.splitting.columns[level])].tobytes()
        if key not in self._known:
            self._known[key] = self._solved(level, slow)
        return self._known[key]

    def _solved(self, level: int, slow: np.ndarray) -> LevelResult:
        if self.splitting.is_trivial(level):
            return self.effective(level + 1, extended(slow[None], np.zeros((1, self.splitting.dim))))
        self.solves[level] += 1
        tensor = self.tensor(level, slow)
        if not tensor.log_contrast <= largest_contrast(self.splitting.dim):
            reason = f"the contrast exp({tensor.log_contrast:.4g}) is beyond the range of double precision"
            raise NotConverged(f"level {level}", reason, "raise the temperature")
        # the error of a derivative is that of theta, not its square
        solver = max((SOLVER * self.rtol) ** 2, SMALLEST) if self.splitting.parameters else SOLVER * self.rtol
        found = [problem.solve(tensor, solver).effective for problem in self.problems]
        logs = [logarithm(matrix)[None] + tensor.log_scale * np.eye(self.splitting.dim) for matrix in found]
        partitions = [average.logarithm(tensor.log_partition) for average in self._averages]
        error = self.own_error(*found) + SAFETY * abs(partitions[1] - partitions[0]) + tensor.error
        derivatives = self._derivatives(tensor, found) if self.splitting.parameters else None
        return LevelResult(logs[0], np.array([partitions[0]]), logs[0], np.zeros(1), np.array([error]), derivatives)

    def _derivatives(self, tensor: LevelTensor, effective: list[np.ndarray]) -> Sensitivities:
        """Derivatives by the parameters, after the solves, and what the next degree changes in them."""
        tensors, partitions = [], []
        for problem, average, matrix in zip(self.problems, self._averages, effective):
            tensors.append(derivative_of_logarithm(matrix[None], problem.energies_of(tensor.changes)))
            partitions.append(average.means(tensor.log_partition, lambda y: tensor.derivatives(y)[1]))
        error = np.linalg.norm(tensors[1] - tensors[0], axis=(1, 2)) + np.abs(partitions[1] - partitions[0])
        inherited, scale = tensor.samples.sensitivities
        error = SAFETY * error + inherited[0] + (0.0 if tensor.samples.missed is None else tensor.samples.missed[0])
        scale = np.maximum(tensor.derivative_scale, scale[0])
        return Sensitivities(tensors[0][None], partitions[0][None], error[None], scale[None])

    def own_error(self, effective: np.ndarray, better: np.ndarray) -> float:
        """Relative error of an effective tensor (d, d), from that with elements of the next degree."""
        return SAFETY * float(relative_distance(logarithm(effective), logarithm(better)))

    def _sampled(self, level: int, slow: np.ndarray, count: int) -> Samples:
        axes, dim = self.splitting.sampled_axes(level), self.splitting.dim
        results = self.effective(level + 1, extended(slow[None], grid(count, axes, dim)))
        return Samples(results, count, axes, np.zeros(1))


class _Average:
    """Averages over the torus of exponentials of functions, by the quadrature of a mesh."""

    def __init__(self, mesh: Mesh, degree: int) -> None:
        self._quadrature = MeshQuadrature(mesh, degree)
        self._function = self._quadrature.function()
        self._form = fem.form(self._function * self._quadrature.dx)
        self._comm = mesh.comm

    def means(self, exponent: ScalarField, functions: ScalarField) -> np.ndarray:
        """Averages (p,) of functions, from points (P, d) to (P, p), by the weight exp(f)."""
        points, total = self._quadrature.points, self.logarithm(exponent)
        weights, result = np.exp(exponent(points) - total), []
        for values in functions(points).T:
            self._quadrature.assign(self._function, weights * values)
            result.append(self._comm.allreduce(fem.assemble_scalar(self._form)))
        return np.array(result)

    def logarithm(self, exponent: ScalarField) -> float:
        """Log of the integral of exp(f), for f from points (P, d) to (P,)."""
        values = exponent(self._quadrature.points)
        largest = self._comm.allreduce(float(values.max(initial=-np.inf)), MPI.MAX)
        self._quadrature.assign(self._function, np.exp(values - largest))
        return float(largest + np.log(self._comm.allreduce(fem.assemble_scalar(self._form))))
