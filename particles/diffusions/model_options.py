"""What a multiscale potential may have besides V0 and V1: parameters, lattice vectors, a domain, a mobility."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from ..support import checks
from ..support.symbolic import Symbols, check_computable, lambdified, result_of
from .potential_checks import Potential, check_smooth, followed, sample_of

Matrix = tuple[tuple[float, ...], ...]
Box = tuple[tuple[float, float], ...]

KINKS = sympy.Abs, sympy.sign, sympy.Heaviside, sympy.DiracDelta
INFINITE = sympy.nan, sympy.zoo, sympy.oo, sympy.S.NegativeInfinity
SYMMETRY = 1e-12  # largest difference of B_ij and B_ji, relative
LEAST = 1e-9  # smallest eigenvalue of B over its largest one
LARGEST_CONDITION = 1e6  # of lattice vectors


def checked_parameters(parameters: object, variables: Symbols) -> dict[str, float]:
    """Parameters by name; their names are those of no variable.

    Raises:
        InvalidArgument: not a mapping of names to numbers, or a name that cannot be one.
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        example = "such as {'a': 1.0}"
        raise InvalidArgument("parameters", f"must map names to numbers, {example}, not {checks.shown(parameters)}")
    taken = {str(symbol) for symbol in variables} | {"temperature"}
    for name in parameters:
        if not isinstance(name, str) or not name:
            raise InvalidArgument("parameters", f"must have texts as names, not {checks.shown(name)}")
        if name in taken:
            raise InvalidArgument("parameters", f"must not be named {name!r}, which is taken; use another name")
    return {name: checks.number(f"parameters[{name!r}]", value) for name, value in parameters.items()}


def check_used(parameters: Mapping[str, float], expressions: list[Any], variables: Symbols) -> None:
    """Raise where a parameter is in none of the expressions."""
    used = {str(symbol) for expression in expressions for symbol in expression.free_symbols - set(variables)}
    unused = [name for name in parameters if name not in used]
    if unused:
        others = f"; the symbols in it are {', '.join(sorted(used))}" if used else ""
        raise InvalidArgument("parameters", f"has {unused[0]!r}, which is no symbol of the potential{others}")


def with_numbers(expression: Any, parameters: Mapping[str, float], variables: Symbols) -> Any:
    """An expression with numbers in place of its parameters: whole ones where they are whole, as exponents may be."""
    numbers = {}
    for symbol in expression.free_symbols - set(variables):
        if str(symbol) in parameters:
            value = parameters[str(symbol)]
            numbers[symbol] = sympy.Integer(int(value)) if value == int(value) else sympy.Float(value)
    return expression.xreplace(numbers) if numbers else expression


def derivative_by(name: str, expression: Any, parameters: Mapping[str, float], variables: Symbols) -> Any:
    """The derivative of an expression, or of a matrix, by the parameter of this name, with numbers for all of them.

    Raises:
        InvalidArgument: there is none, such as that of |a| at a = 0.
    """
    symbols = [symbol for symbol in expression.free_symbols - set(variables) if str(symbol) == name]
    parts = [sympy.diff(expression, symbol) for symbol in symbols]
    result = sum(parts, 0 * expression)
    kinks = [kink.args[0] for part in parts for kink in part.atoms(*KINKS)]
    found = with_numbers(result, parameters, variables)
    if found.has(*INFINITE) or any(with_numbers(kink, parameters, variables) == 0 for kink in kinks):
        raise InvalidArgument("derivatives", f"must not have {name!r}: there is none at {parameters[name]}")
    return found


def checked_lattice(lattice: ArrayLike | None, dim: int) -> Matrix | None:
    """Lattice vectors as rows of a matrix L whose columns they are.

    Raises:
        InvalidArgument: not of the shape (d, d), or so close to a plane that L^-1 is lost in rounding.
    """
    if lattice is None:
        return None
    matrix = checks.real_array("lattice", lattice, (dim, dim))
    if not np.abs(matrix).max() > 0 or np.linalg.cond(matrix) > LARGEST_CONDITION:
        raise InvalidArgument("lattice", f"must have linearly independent columns, not {matrix.tolist()}")
    return tuple(tuple(float(entry) for entry in row) for row in matrix)


def checked_domain(domain: object, dim: int) -> Box | None:
    """A box (a, b) in each direction.

    Raises:
        InvalidArgument: not d pairs of numbers a < b.
    """
    if domain is None:
        return None
    box = checks.real_array("domain", domain)
    if box.shape != (dim, 2):
        raise InvalidArgument("domain", f"must be {dim} pairs (a, b), not of shape {box.shape}")
    if not (box[:, 0] < box[:, 1]).all():
        raise InvalidArgument("domain", f"must be pairs a < b, not {box.tolist()}")
    return tuple((float(a), float(b)) for a, b in box)


@dataclass(frozen=True)
class OfSymbols:
    """An expression as a function of tuples of symbols, which, unlike a lambda, can be pickled."""

    expression: Any
    symbols: Symbols

    def __call__(self, *arguments: Symbols) -> Any:
        """The expression in other symbols."""
        given = [symbol for group in arguments for symbol in group]
        return self.expression.xreplace(dict(zip(self.symbols, given)))


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
        raise InvalidArgument("mobility", f"{right}, not {checks.shown(result)}") from error
    if entries.shape != (dim, dim):
        raise InvalidArgument("mobility", f"{right}, not of shape {entries.shape}")
    if not all(isinstance(entry, sympy.Expr) for entry in matrix):
        raise InvalidArgument("mobility", f"{right}, not {checks.shown(result)}")
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
