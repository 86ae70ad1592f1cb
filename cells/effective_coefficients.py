"""M(x) and Psi(x) as functions of the macroscopic position: interpolated in a box, with a measured error."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.meshes.box import checked_bounds
from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.diffusions.multiscale_potential import points as checked_points
from scaling_limits.particles.errors import NotConverged
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target
from scaling_limits.particles.support.checks import flag, instance, integer, relative_tolerance, shown
from scaling_limits.particles.support.logs import timed
from scaling_limits.particles.support.symbolic import lambdified

from .drawing import ShownCoefficients
from .effective_tensor import effective_tensor
from .levels.scale_splitting import fingerprint
from .solvers.symmetric import composed, derivative_of_exponential, logarithm, packed, relative_distance, unpacked
from .spaces.interpolation import chebyshev_coefficients, chebyshev_points, chebyshev_tail, chebyshev_values
from .tensor_result import EffectiveTensor

if TYPE_CHECKING:
    from dolfinx import fem
    from dolfinx.mesh import Mesh

FIRST_DEGREE, MOST_POINTS = 8, 20_000  # Chebyshev points: degree in each direction, all directions together
MOST_ON_A_LINE = 5_000  # in one dimension, for more than was asked for
KIND, FORMAT = "EffectiveCoefficients", 1  # of the cached files
METHOD = 4  # of computing what they hold; a file that another method made is not read
LINE_RTOL = 1e-11  # in one dimension, where tensors are quadratures and cost next to nothing

Tensors = Callable[..., EffectiveTensor]  # from points (P, d) and rtol


@dataclass(frozen=True)
class CheckSettings:
    """Settings of the points at which an interpolant is compared with cell problems.

    Measured with a bump of width w in V1, in a box of side 2 and for rtol = 1e-2: with the random points alone the
    coefficients err by 2e-2 for w = 0.1, and by 2.2 for w = 0.05, where 8 x 8 Chebyshev points miss the bump; with the
    suspicious points besides by 5e-4 and by 9e-3.

    Args:
        random: number of random points.
        suspicious: number of points at which V1 is interpolated worst.
        candidates: number of random points among which these are found.
        fast_positions: values of the fast variables at which V1 is interpolated there.
        safety: factor on the largest error found at all these points.
    """

    random: int = 16
    suspicious: int = 12
    candidates: int = 20_000
    fast_positions: int = 8
    safety: float = 3.0


SETTINGS = CheckSettings()


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveCoefficients(ShownCoefficients):
    """Coefficients of the effective equation in a box: M(x), Psi(x) = V0(x) - sigma log Z1(x), drift and noise.

    V0 is taken as it is; log M and log Z1 are Chebyshev polynomials in the components of x on which V1 depends.
    Each of the four is a method of points x (P, d), which must be in the box: others raise InvalidArgument.

    Args:
        potential: V0, V1, sigma.
        bounds: of the box (d, 2).
        axes: the components of x on which M and Z1 depend.
        polynomials: coefficients of the entries of log M (i <= j) and of log Z1 (F, n_1, ..., n_k).
        error: the measured relative error of M and Z1, that of the cell problems included.

    Source: Duncan, Duong and Pavliotis (2023), equations (12) to (18).
    """

    potential: MultiscalePotential
    bounds: NDArray[np.float64]
    axes: tuple[int, ...]
    polynomials: NDArray[np.float64]
    error: float

    def _summary(self) -> tuple[str, dict[str, Any]]:
        box = " x ".join(f"[{low:g}, {high:g}]" for low, high in self.bounds)
        size = " x ".join(str(n) for n in self.polynomials.shape[1:]) or "one coefficient"
        names = ", ".join(f"x{axis}" for axis in self.axes) or "no component of x"
        said = {"temperature": self.temperature, "error": f"{self.error:.1e}"}
        return f"EffectiveCoefficients in {box}", said | {"Chebyshev polynomials": f"in {names}: {size}"}

    @property
    def dim(self) -> int:
        """Dimension d of space."""
        return self.potential.dim

    @property
    def temperature(self) -> float:
        """Temperature sigma, in the unit of energy."""
        return self.potential.temperature

    def mobility(self, points: ArrayLike) -> NDArray[np.float64]:
        """Mobility M(x) (P, d, d), symmetric positive definite, without unit."""
        values, vectors = self._log_mobility(self._checked(points))
        return composed(np.exp(values), vectors)

    def free_energy(self, points: ArrayLike) -> NDArray[np.float64]:
        """Free energy Psi(x) = V0(x) - sigma log Z1(x) (P,), in the unit of energy."""
        x = self._checked(points)
        return self.potential.confining_at(x) - self.temperature * self._fields(x)[-1]

    def drift(self, points: ArrayLike) -> NDArray[np.float64]:
        """Drift b(x) = -M grad Psi + sigma div M (P, d) of the Ito equation dX = b dt + sqrt(2 sigma M) dW.

        Its unit is that of length over time.

        Source: Duncan, Duong and Pavliotis (2023), equation (18).
        """
        x = self._checked(points)
        values, vectors = self._log_mobility(x)
        gradient = np.stack([function(*x.T) * np.ones(len(x)) for function in self._confining_gradient], axis=1)
        divergence = np.zeros_like(gradient)
        for axis in self.axes:
            slopes = self._fields(x, along=axis)
            gradient[:, axis] -= self.temperature * slopes[-1]
            divergence += derivative_of_exponential(values, vectors, unpacked(slopes[:-1].T, self.dim))[:, axis]
        return self.temperature * divergence - np.einsum("pij,pj->pi", composed(np.exp(values), vectors), gradient)

    def noise(self, points: ArrayLike) -> NDArray[np.float64]:
        """Noise sqrt(2 sigma M(x)) (P, d, d), the symmetric root in front of dW.

        Its unit is that of length over the root of time.

        Source: Duncan, Duong and Pavliotis (2023), equation (18).
        """
        values, vectors = self._log_mobility(self._checked(points))
        return composed(np.sqrt(2 * self.temperature) * np.exp(0.5 * values), vectors)

    def functions(self, mesh: Mesh, degree: int = 1) -> tuple[fem.Function, fem.Function]:
        """M, with values (d, d), and Psi as functions of continuous elements of a degree on a mesh in the box,
        for forms of one's own; collective.

        Raises:
            MissingFEniCSx: it is not here.
        """
        with needed_by("functions of dolfinx"):
            from scaling_limits.meshes.tensor_functions import tensor_and_scalar
        return tensor_and_scalar(mesh, degree, self.mobility, self.free_energy)

    def _checked(self, points: ArrayLike) -> NDArray[np.float64]:
        x = checked_points("points", points, self.dim)
        slack = 1e-9 * (self.bounds[:, 1] - self.bounds[:, 0])
        if ((x < self.bounds[:, 0] - slack) | (x > self.bounds[:, 1] + slack)).any():
            raise InvalidArgument("points", f"must be in the box {self.bounds.tolist()}")
        return x

    @cached_property
    def _confining_gradient(self) -> list[Callable[..., np.ndarray]]:
        slow = self.potential.slow
        return [lambdified(slow, sympy.diff(self.potential.confining_expression, symbol)) for symbol in slow]

    def _log_mobility(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (P, d) of log M and eigenvectors (P, d, d)."""
        values, vectors = np.linalg.eigh(unpacked(self._fields(x)[:-1].T, self.dim))
        return values, vectors

    def _fields(self, x: np.ndarray, along: int | None = None) -> np.ndarray:
        """Entries of log M and log Z1 (F, P), or their derivatives along an axis."""
        return chebyshev_values(self.polynomials, self.bounds, self.axes, x, along)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the polynomials to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.

        Raises:
            InvalidArgument: no path, or one in a folder that is not there.
        """
        content = {"kind": KIND, "format": FORMAT, "bounds": self.bounds, "axes": np.array(self.axes, dtype=int)}
        content |= {"error": self.error, "polynomials": self.polynomials, "problem": fingerprint(self.potential)}
        save_arrays(target("path", path), content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], potential: MultiscalePotential) -> EffectiveCoefficients:
        """Read what `save` wrote.

        Args:
            path: the file.
            potential: the potential that they were computed for.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or it belongs to another potential; or `potential` is none.
        """
        instance("potential", potential, MultiscalePotential)
        content = load_arrays(path, KIND, FORMAT, {"bounds", "axes", "error", "polynomials", "problem"})
        if str(content["problem"]) != fingerprint(potential):
            raise InvalidArgument("path", f"{path} belongs to another potential")
        bounds, axes, polynomials, error = (content[name] for name in ("bounds", "axes", "polynomials", "error"))
        fields = 1 + potential.dim * (potential.dim + 1) // 2
        good = bounds.shape == (potential.dim, 2) and axes.ndim == 1 and error.shape == ()
        good = good and polynomials.shape[:1] == (fields,) and polynomials.ndim == 1 + len(axes)
        if not good or not all(np.isfinite(values).all() for values in (bounds, polynomials, error)):
            raise InvalidArgument("path", f"{path} is damaged: its arrays do not belong together")
        return cls(potential, bounds, tuple(int(axis) for axis in axes), polynomials, float(error))


def effective_coefficients(
    potential: MultiscalePotential,
    box: ArrayLike,
    rtol: float = 1e-6,
    *,
    cache: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> EffectiveCoefficients:
    """Compute M(x) and Psi(x) in a box, from cell problems at Chebyshev points.

    The degree along each axis grows until the last third of the coefficients is below the tolerance; then the
    interpolant is compared with cell problems at random points, and at those of many where V1 itself, at some fast
    positions, is interpolated worst. In one dimension 1e-11 is aimed at, and rtol where that is too much.

    Args:
        potential: V0, V1, sigma.
        box: (a_i, b_i) for each direction (d, 2).
        rtol: relative error of M and of Z1, between 1e-12 and 0.1.
        cache: a folder; what has been computed for the same V1, sigma, box and rtol is read from there, or written.
        workers: threads; None takes the cores that this process may use, shared among the ranks of `comm`.
        progress: show a progress bar, at a terminal or in a notebook, on rank 0.
        comm: the ranks that share the cell problems.

    Returns:
        The coefficients, the same on all ranks.

    Raises:
        InvalidArgument: an argument out of range, or not the same on all ranks; a cache that cannot be written.
        NotConverged: the coefficients vary too much for polynomials in this box.
    """

    def checked() -> tuple[np.ndarray, float, Path | None, Tensors]:
        instance("potential", potential, MultiscalePotential)
        bounds = checked_bounds("box", box)
        if len(bounds) != potential.dim:
            raise InvalidArgument("box", f"must have {potential.dim} directions, like the potential, not {len(bounds)}")
        potential.check_inside("box", bounds.T)
        tolerance = relative_tolerance(rtol, least=1e-12)
        path = None if cache is None else _cached_file(cache, potential, bounds, tolerance, comm)
        threads = None if workers is None else integer("workers", workers, 1)
        tensors = partial(effective_tensor, potential, workers=threads, progress=flag("progress", progress), comm=comm)
        return bounds, tolerance, path, tensors

    bounds, tolerance, path, tensors = on_all_ranks(communicator(comm), checked)
    same_on_all_ranks(
        comm, potential=fingerprint(potential), confining=sympy.srepr(potential.confining_expression), box=bounds,
        rtol=tolerance, cache=None if path is None else path.name,
    )  # fmt: skip
    stored = None if path is None else _read(path, potential, bounds, comm)
    if stored is not None:
        return stored
    with timed(comm, "effective coefficients") as said:
        computed = _computed(potential, bounds, tolerance, tensors, comm)
        said |= {"polynomials": list(computed.polynomials.shape[1:]), "error": f"{computed.error:.1e}"}
    if path is not None:
        on_all_ranks(comm, lambda: computed.save(path) if comm.rank == 0 else None)
    return computed


def _computed(
    potential: MultiscalePotential, bounds: np.ndarray, rtol: float, tensors: Tensors, comm: MPI.Comm
) -> EffectiveCoefficients:
    if potential.dim == 1 and rtol > LINE_RTOL:
        try:
            return _interpolated(potential, bounds, LINE_RTOL, MOST_ON_A_LINE, tensors, comm)
        except NotConverged:  # more than was asked for
            pass
    return _interpolated(potential, bounds, rtol, MOST_POINTS, tensors, comm)


def _interpolated(
    potential: MultiscalePotential, bounds: np.ndarray, rtol: float, most: int, tensors: Tensors, comm: MPI.Comm
) -> EffectiveCoefficients:
    matrix = potential.mobility_expression
    symbols = potential.fluctuation_expression.free_symbols | (set() if matrix is None else matrix.free_symbols)
    axes = tuple(i for i, symbol in enumerate(potential.slow) if symbol in symbols)
    low, high = bounds[list(axes)].T if axes else (np.zeros(0), np.zeros(0))
    cell_error = 0.0

    def sampled(x: np.ndarray) -> np.ndarray:
        nonlocal cell_error
        tensor = tensors(x, max(0.5 * rtol, 1e-13))
        cell_error = max(cell_error, float(tensor.error.max()))
        return np.concatenate([packed(logarithm(tensor.value)), tensor.log_partition[:, None]], axis=1).T

    degrees = [FIRST_DEGREE] * len(axes)
    while np.prod(degrees) <= most:
        scaled = chebyshev_points(degrees)
        x = np.repeat(bounds.mean(axis=1)[None], len(scaled), axis=0)
        x[:, list(axes)] = low + 0.5 * (scaled + 1) * (high - low)
        polynomials = chebyshev_coefficients(sampled(x).reshape(-1, *degrees))
        unresolved = [i for i in range(len(axes)) if chebyshev_tail(polynomials, i) > 0.25 * rtol]
        if not unresolved:
            interpolant = EffectiveCoefficients(potential, bounds, axes, polynomials, 0.0)
            error = _measured(interpolant, x, sampled, comm) if axes else 0.0
            if error + cell_error <= rtol:
                return replace(interpolant, error=error + cell_error)
            unresolved = list(range(len(axes)))
        for i in unresolved:
            degrees[i] = 3 * degrees[i] // 2
    raise NotConverged(
        "interpolation of the effective coefficients",
        f"polynomials with {degrees} coefficients are not enough for {rtol = :g} in the box {bounds.tolist()}",
        "take a smaller box or a larger rtol",
    )


def _measured(
    interpolant: EffectiveCoefficients, nodes: np.ndarray, sampled: Callable[[np.ndarray], np.ndarray], comm: MPI.Comm
) -> float:
    """Largest relative error of M and Z1 at random points of the box, and at suspicious ones."""
    x, _ = _random_points(interpolant, SETTINGS.random)
    x = np.concatenate([x, comm.bcast(_suspicious(interpolant, nodes))])
    exact, approximate = sampled(x), interpolant._fields(x)
    matrices = (unpacked(entries[:-1].T, interpolant.dim) for entries in (exact, approximate))
    errors = relative_distance(*matrices) + np.abs(exact[-1] - approximate[-1])
    return float(comm.bcast(SETTINGS.safety * errors.max()))


def _suspicious(interpolant: EffectiveCoefficients, nodes: np.ndarray) -> np.ndarray:
    """Points (S, d), of many, at which V1 or B at some fast positions is interpolated worst from the same nodes."""
    potential = interpolant.potential
    x, generator = _random_points(interpolant, SETTINGS.candidates)
    fast = generator.random((SETTINGS.fast_positions, potential.scales, potential.dim))
    exact, at_nodes = (np.concatenate([_fast_fields(potential, at, y) for y in fast]) for at in (x, nodes))
    polynomials = chebyshev_coefficients(at_nodes.reshape(-1, *interpolant.polynomials.shape[1:]))
    errors = np.abs(chebyshev_values(polynomials, interpolant.bounds, interpolant.axes, x) - exact).max(axis=0)
    return x[np.argsort(-errors, kind="stable")[: SETTINGS.suspicious]]


def _fast_fields(potential: MultiscalePotential, x: np.ndarray, fast: np.ndarray) -> np.ndarray:
    """V1/sigma, and the logarithms of the diagonal of B where there is a mobility, at one fast position (F, P)."""
    fields = [potential.fluctuation_at(x, *fast[:, None])[None] / potential.temperature]
    if potential.mobility_expression is not None:
        fields.append(np.log(np.einsum("pii->ip", potential.mobility_at(x, *fast[:, None]))))
    return np.concatenate(fields)


def _random_points(interpolant: EffectiveCoefficients, count: int) -> tuple[np.ndarray, np.random.Generator]:
    """Random points (count, d) of the box, and the generator that they come from."""
    generator = np.random.Generator(np.random.Philox(key=count))
    low, high = interpolant.bounds.T
    return low + (high - low) * generator.random((count, interpolant.dim)), generator


def _cached_file(
    cache: str | os.PathLike[str], potential: MultiscalePotential, bounds: np.ndarray, rtol: float, comm: MPI.Comm
) -> Path:
    """The file of a problem in a folder, which rank 0 makes and tries to write in before any work."""
    try:
        folder = Path(os.fspath(cache))
        if comm.rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except (TypeError, ValueError, OSError) as error:
        raise InvalidArgument("cache", f"must be a folder that can be written, not {shown(cache)}: {error}") from error
    text = f"{fingerprint(potential)} {bounds.tolist()} {rtol!r} {FORMAT} {METHOD}"
    return folder / f"coefficients-{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _read(
    path: Path, potential: MultiscalePotential, bounds: np.ndarray, comm: MPI.Comm
) -> EffectiveCoefficients | None:
    """Read a cached file on rank 0, for all, whose disks may differ; None for no file or one of another problem."""

    def read() -> tuple[np.ndarray, tuple[int, ...], np.ndarray, float] | None:
        try:
            stored = EffectiveCoefficients.load(path, potential)
        except (OSError, InvalidArgument):
            return None
        same = np.array_equal(stored.bounds, bounds)
        return (stored.bounds, stored.axes, stored.polynomials, stored.error) if same else None

    parts = comm.bcast(on_all_ranks(comm, lambda: read() if comm.rank == 0 else None))
    return None if parts is None else EffectiveCoefficients(potential, *parts)
