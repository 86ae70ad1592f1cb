"""M(x) and Psi(x) as functions of the macroscopic position: interpolated in a box, with a measured error."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from mpi4py import MPI
from numpy.polynomial import chebyshev
from scipy import fft

from ..meshes.box import checked_bounds
from ..particles import InvalidArgument, MultiscalePotential
from ..particles._checks import flag, number
from ..particles._files import load_arrays, save_arrays
from ..particles.multiscale_potential import points as checked_points
from ..particles.potential_expressions import lambdified
from ..particles.ranks import on_all_ranks
from .effective_tensor import effective_tensor
from .errors import NotConverged
from .symmetric import logarithm, packed, relative_distance, unpacked

FIRST_DEGREE = 8
MOST_POINTS = 20_000  # cells solved, all directions together
CHECKS = 8  # random points at which the interpolant is held against the cells themselves
KIND = "EffectiveCoefficients"
FORMAT = 1  # of the cached files
LINE_RTOL = 1e-11  # in one dimension, where tensors are quadratures and cost next to nothing


@dataclass(frozen=True, eq=False)
class EffectiveCoefficients:
    """M(x), Psi(x) = V0(x) - sigma log Z1(x), the drift and the noise of the effective equation in a box.

    V0 is taken as it is; log M and log Z1 are Chebyshev polynomials in the components of x on which V1 depends.

    Args:
        potential: V0, V1, sigma.
        bounds: of the box (d, 2).
        axes: the components of x on which M and Z1 depend.
        polynomials: coefficients of the entries of log M (i <= j) and of log Z1 (F, n_1, ..., n_k).
        error: the measured relative error of M and Z1, that of the cell problems included.

    Source: Duncan, Duong and Pavliotis (2023), equations (12) to (18).
    """

    potential: MultiscalePotential
    bounds: np.ndarray
    axes: tuple[int, ...]
    polynomials: np.ndarray
    error: float

    @property
    def dim(self) -> int:
        """D."""
        return self.potential.dim

    @property
    def temperature(self) -> float:
        """Sigma, in the unit of energy."""
        return self.potential.temperature

    def mobility(self, points: Any) -> np.ndarray:
        """M(x).

        Args:
            points: x (P, d), in the box.

        Returns:
            M (P, d, d), symmetric positive definite, without unit.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        values, vectors = self._log_mobility(self._checked(points))
        return (vectors * np.exp(values)[:, None, :]) @ vectors.swapaxes(-1, -2)

    def free_energy(self, points: Any) -> np.ndarray:
        """Psi(x) = V0(x) - sigma log Z1(x).

        Args:
            points: x (P, d), in the box.

        Returns:
            Psi (P,), in the unit of energy.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.
        """
        x = self._checked(points)
        return self.potential.confining_at(x) - self.temperature * self._fields(x)[-1]

    def drift(self, points: Any) -> np.ndarray:
        """b(x) = -M(x) grad Psi(x) + sigma div M(x), the drift of the Ito equation dX = b dt + sqrt(2 sigma M) dW.

        Args:
            points: x (P, d), in the box.

        Returns:
            b (P, d), in units of length over time.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.

        Source: Duncan, Duong and Pavliotis (2023), equation (18).
        """
        x = self._checked(points)
        values, vectors = self._log_mobility(x)
        mobility = (vectors * np.exp(values)[:, None, :]) @ vectors.swapaxes(-1, -2)
        gradient = np.stack([function(*x.T) * np.ones(len(x)) for function in self._confining_gradient], axis=1)
        divergence = np.zeros_like(gradient)
        for axis in self.axes:
            slopes = self._fields(x, along=axis)
            gradient[:, axis] -= self.temperature * slopes[-1]
            divergence += _derivative_of_exponential(values, vectors, unpacked(slopes[:-1].T, self.dim))[:, axis]
        return self.temperature * divergence - np.einsum("pij,pj->pi", mobility, gradient)

    def noise(self, points: Any) -> np.ndarray:
        """sqrt(2 sigma M(x)), the symmetric root.

        Args:
            points: x (P, d), in the box.

        Returns:
            The matrix in front of dW (P, d, d), in units of length over the root of time.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the box.

        Source: Duncan, Duong and Pavliotis (2023), equation (18).
        """
        values, vectors = self._log_mobility(self._checked(points))
        root = np.sqrt(2 * self.temperature) * np.exp(0.5 * values)
        return (vectors * root[:, None, :]) @ vectors.swapaxes(-1, -2)

    def _checked(self, points: Any) -> np.ndarray:
        x = checked_points("points", points, self.dim)
        slack = 1e-9 * (self.bounds[:, 1] - self.bounds[:, 0])
        if ((x < self.bounds[:, 0] - slack) | (x > self.bounds[:, 1] + slack)).any():
            raise InvalidArgument("points", f"must be in the box {self.bounds.tolist()}")
        return x

    @cached_property
    def _confining_gradient(self) -> list[Any]:
        slow = self.potential.slow
        return [lambdified(slow, sympy.diff(self.potential.confining_expression, symbol)) for symbol in slow]

    def _log_mobility(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (P, d) of log M and eigenvectors (P, d, d)."""
        values, vectors = np.linalg.eigh(unpacked(self._fields(x)[:-1].T, self.dim))
        return values, vectors

    def _fields(self, x: np.ndarray, along: int | None = None) -> np.ndarray:
        """Entries of log M and log Z1 (F, P), or their derivatives along an axis."""
        polynomials = self.polynomials
        if not self.axes:
            return np.repeat(polynomials[:, None], len(x), axis=1)
        low, high = self.bounds[list(self.axes)].T
        scaled = np.clip(2 * (x[:, list(self.axes)] - low) / (high - low) - 1, -1.0, 1.0)
        if along is not None:
            place = self.axes.index(along)
            polynomials = chebyshev.chebder(polynomials, scl=2 / (high[place] - low[place]), axis=1 + place)
        result = np.empty((len(polynomials), len(x)))
        for start in range(0, len(x), 65536):
            part = slice(start, start + 65536)
            bases = [chebyshev.chebvander(scaled[part, i], n - 1) for i, n in enumerate(polynomials.shape[1:])]
            value = np.tensordot(bases[0], polynomials, axes=(1, 1))  # (P, F, ...)
            for base in bases[1:]:
                value = np.einsum("pn,pfn...->pf...", base, value, optimize=True)
            result[:, part] = value.T
        return result

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the polynomials to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.
        """
        content = {
            "kind": KIND,
            "format": FORMAT,
            "bounds": self.bounds,
            "axes": np.array(self.axes, dtype=int),
            "error": self.error,
        }
        save_arrays(path, content | {"polynomials": self.polynomials, "problem": _fingerprint(self.potential)})

    @classmethod
    def load(cls, path: str | os.PathLike[str], potential: MultiscalePotential) -> EffectiveCoefficients:
        """Read what `save` wrote.

        Args:
            path: the file.
            potential: the potential that they were computed for.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or it belongs to another potential.
        """
        content = load_arrays(path, KIND, FORMAT, {"bounds", "axes", "error", "polynomials", "problem"})
        if str(content["problem"]) != _fingerprint(potential):
            raise InvalidArgument("path", f"{path} belongs to another potential")
        axes = tuple(int(axis) for axis in content["axes"])
        return cls(potential, content["bounds"], axes, content["polynomials"], float(content["error"]))


def effective_coefficients(
    potential: MultiscalePotential,
    box: Any,
    rtol: float = 1e-6,
    *,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> EffectiveCoefficients:
    """M(x) and Psi(x) in a box, from cell problems at Chebyshev points.

    The degree along each axis grows until the last third of the coefficients is below the tolerance; then the
    interpolant is held against cell problems at random points.

    Args:
        potential: V0, V1, sigma.
        box: (a_i, b_i) for each direction (d, 2).
        rtol: relative error of M and of Z1, between 1e-12 and 0.1.
        cache: a folder; what has been computed for the same V1, sigma, box and rtol is read from there, or written.
        progress: show a progress bar, at a terminal, on rank 0.
        comm: the ranks that share the cell problems.

    Returns:
        The coefficients, the same on all ranks.

    Raises:
        InvalidArgument: an argument out of range.
        NotConverged: the coefficients vary too much for polynomials in this box.
    """
    if not isinstance(potential, MultiscalePotential):
        raise InvalidArgument("potential", f"must be a MultiscalePotential, not {type(potential).__name__}")
    bounds = checked_bounds("box", box)
    if len(bounds) != potential.dim:
        raise InvalidArgument("box", f"must have {potential.dim} directions, like the potential, not {len(bounds)}")
    rtol = number("rtol", rtol, least=1e-12)
    if rtol > 0.1:
        raise InvalidArgument("rtol", f"must be at most 0.1, not {rtol:g}")
    path = None if cache is None else _cached_file(Path(cache), potential, bounds, rtol, comm)
    if path is not None:
        kept = _read(path, potential, comm)
        if kept is not None:
            return kept
    found = _computed(potential, bounds, rtol, flag("progress", progress), comm)
    if path is not None:
        on_all_ranks(comm, lambda: found.save(path) if comm.rank == 0 else None)
    return found


def _computed(
    potential: MultiscalePotential, bounds: np.ndarray, rtol: float, progress: bool, comm: MPI.Comm
) -> EffectiveCoefficients:
    axes = tuple(
        i for i, symbol in enumerate(potential.slow) if symbol in potential.fluctuation_expression.free_symbols
    )
    aim = min(rtol, LINE_RTOL) if potential.dim == 1 else rtol
    low, high = bounds[list(axes)].T if axes else (np.zeros(0), np.zeros(0))
    cell_error = 0.0

    def sampled(x: np.ndarray) -> np.ndarray:
        nonlocal cell_error
        found = effective_tensor(potential, x, max(0.5 * aim, 1e-13), progress=progress, comm=comm)
        cell_error = max(cell_error, found.error)
        return np.concatenate([packed(logarithm(found.value)), found.log_partition[:, None]], axis=1).T

    def placed(scaled: np.ndarray) -> np.ndarray:
        x = np.repeat(bounds.mean(axis=1)[None], len(scaled), axis=0)
        x[:, list(axes)] = low + 0.5 * (scaled + 1) * (high - low)
        return x

    degrees = [FIRST_DEGREE] * len(axes)
    while True:
        if np.prod(degrees) > MOST_POINTS:
            raise _too_many(bounds, rtol, degrees)
        nodes = [np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in degrees]
        grid = (
            np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, len(axes)) if axes else np.zeros((1, 0))
        )
        values = sampled(placed(grid)).reshape(-1, *degrees)
        polynomials = _coefficients(values)
        tails = [_tail(polynomials, i) for i in range(len(axes))]
        slow = [i for i, tail in enumerate(tails) if tail > 0.25 * aim]
        if not slow:
            found = EffectiveCoefficients(potential, bounds, axes, polynomials, 0.0)
            error = _measured(found, sampled, comm) if axes else 0.0
            if error <= aim:
                return EffectiveCoefficients(potential, bounds, axes, polynomials, error + cell_error)
            slow = list(range(len(axes)))
        for i in slow:
            degrees[i] = 3 * degrees[i] // 2


def _coefficients(values: np.ndarray) -> np.ndarray:
    """Chebyshev coefficients of values at Chebyshev points (F, n_1, ...)."""
    for axis in range(1, values.ndim):
        n = values.shape[axis]
        values = fft.dct(values, type=2, axis=axis) / n
        values[(slice(None),) * axis + (0,)] *= 0.5
    return values


def _tail(polynomials: np.ndarray, axis: int) -> float:
    """The largest coefficient among the last third along an axis, summed over the others."""
    n = polynomials.shape[1 + axis]
    last = np.take(np.abs(polynomials), range(2 * n // 3, n), axis=1 + axis)
    return float(last.reshape(len(polynomials), -1).max())


def _measured(found: EffectiveCoefficients, sampled: Any, comm: MPI.Comm) -> float:
    """The largest relative error of M and Z1 at random points of the box."""
    generator = np.random.Generator(np.random.Philox(key=CHECKS))
    low, high = found.bounds.T
    x = low + (high - low) * generator.random((CHECKS, found.dim))
    exact, interpolated = sampled(x), found._fields(x)
    matrices = (unpacked(entries[:-1].T, found.dim) for entries in (exact, interpolated))
    error = max(relative_distance(*matrices).max(), np.abs(exact[-1] - interpolated[-1]).max())
    return float(comm.bcast(error))


def _too_many(bounds: np.ndarray, rtol: float, degrees: list[int]) -> NotConverged:
    return NotConverged(
        "interpolation of the effective coefficients",
        f"polynomials with {degrees} coefficients are not enough for rtol = {rtol:g} in the box {bounds.tolist()}",
        "take a smaller box or a larger rtol",
    )


def _derivative_of_exponential(values: np.ndarray, vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """D exp(L)[E] for L = Q diag(values) Q^T and symmetric E (P, d, d)."""
    first, second = values[:, :, None], values[:, None, :]
    half = 0.5 * (first - second)
    sinhc = np.divide(np.sinh(half), half, out=np.ones_like(half), where=np.abs(half) > 1e-8)
    turned = vectors.swapaxes(-1, -2) @ direction @ vectors
    return vectors @ (turned * np.exp(0.5 * (first + second)) * sinhc) @ vectors.swapaxes(-1, -2)


def _fingerprint(potential: MultiscalePotential) -> str:
    text = (
        f"{potential.dim} {potential.scales} {potential.temperature!r} {sympy.srepr(potential.fluctuation_expression)}"
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _cached_file(folder: Path, potential: MultiscalePotential, bounds: np.ndarray, rtol: float, comm: MPI.Comm) -> Path:
    if comm.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
    text = f"{_fingerprint(potential)} {bounds.tolist()} {rtol!r} {FORMAT}"
    return folder / f"coefficients-{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _read(path: Path, potential: MultiscalePotential, comm: MPI.Comm) -> EffectiveCoefficients | None:
    """What rank 0 finds; the others need not see the same disk. None where there is nothing or it is damaged."""
    parts = None
    if comm.rank == 0:
        try:
            kept = EffectiveCoefficients.load(path, potential)
            parts = (kept.bounds, kept.axes, kept.polynomials, kept.error)
        except (FileNotFoundError, InvalidArgument):
            parts = None
    parts = comm.bcast(parts)
    return None if parts is None else EffectiveCoefficients(potential, *parts)
