"""Mobility tensors B(x, y_1, ..., y_N) of Brownian particles: inverse friction, symmetric and positive definite."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy

from ..errors import InvalidArgument
from ..support.checks import shown
from ..support.symbolic import Symbols, check_computable, lambdified, result_of
from .potential_checks import Potential, check_smooth, followed, sample_of

SYMMETRY = 1e-12  # largest difference of B_ij and B_ji, relative
LEAST = 1e-9  # smallest eigenvalue of B over its largest one


def mobility_of(function: object, arguments: tuple[Symbols, ...]) -> sympy.ImmutableMatrix:
    """B (d, d) as a matrix of expressions, from a user's function of symbols that returns a number or d x d entries.

    Raises:
        InvalidArgument: not callable, it raises, or what it returns is neither.
    """
    dim = len(arguments[0])
    right = f"must be a number, or {dim} rows of {dim} entries"
    result = result_of("mobility", function, arguments, f"to one sympy expression or {dim} x {dim} of them")
    try:
        entries = np.asarray(result, dtype=object)
        if entries.ndim == 0:
            entries = entries * np.eye(dim, dtype=int)
        matrix = [sympy.sympify(entry, strict=True) for entry in entries.ravel()]
    except (sympy.SympifyError, ValueError, TypeError) as error:
        raise InvalidArgument("mobility", f"{right}, not {shown(result)}") from error
    if entries.shape != (dim, dim):
        raise InvalidArgument("mobility", f"{right}, not of shape {entries.shape}")
    if not all(isinstance(entry, sympy.Expr) for entry in matrix):
        raise InvalidArgument("mobility", f"{right}, not {shown(result)}")
    return sympy.ImmutableMatrix(dim, dim, matrix)


def check_mobility(potential: Potential, matrix: sympy.ImmutableMatrix) -> None:
    """Raise unless B is smooth, periodic in each y_k, symmetric and positive definite where it is looked at."""
    symbols = potential.variables
    for entry in matrix:
        check_smooth("mobility", entry, symbols)
        check_computable("mobility", entry, symbols)
    values = mobility_function(matrix, symbols)
    sample = sample_of(potential)
    found = values(sample)
    if not np.isfinite(found).all():
        raise InvalidArgument("mobility", "must be finite and real, but is NaN or infinite at some points")
    scale = np.abs(found).max()
    if np.abs(found - found.swapaxes(1, 2)).max() > SYMMETRY * scale:
        raise InvalidArgument("mobility", f"must be symmetric, not {found[0].tolist()} at one point")
    least = lambda places: -np.linalg.eigvalsh(np.nan_to_num(values(places)))[:, 0]  # noqa: E731
    centre, largest = followed(potential, least, sample, 40, 0.7, 3)
    if -largest[-1] <= LEAST * scale:
        place = np.round(centre[: potential.dim], 6).tolist()
        raise InvalidArgument(
            "mobility", f"must be positive definite, but has the eigenvalue {-largest[-1]:.3g} near x = {place}"
        )
    for column in range(potential.dim, sample.shape[1]):
        shifted = sample.copy()
        shifted[:, column] += 1.0
        if np.abs(values(shifted) - found).max() > 1e-8 * scale:
            level, component = divmod(column - potential.dim, potential.dim)
            raise InvalidArgument("mobility", f"must be 1-periodic in y{level + 1}[{component}]")


def mobility_function(matrix: sympy.ImmutableMatrix, symbols: Symbols) -> Callable[[np.ndarray], np.ndarray]:
    """B as a function from values of all variables (P, (N + 1) d) to (P, d, d)."""
    entries, dim = [lambdified(symbols, entry, "mobility") for entry in matrix], matrix.shape[0]

    def values(variables: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            columns = [np.broadcast_to(entry(*variables.T), len(variables)) for entry in entries]
        return np.stack(columns, axis=1).astype(np.float64).reshape(-1, dim, dim)

    return values
