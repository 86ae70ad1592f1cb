"""What a multiscale potential may have besides V0 and V1: parameters, lattice vectors, a domain, a mobility."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike

from ..errors import InvalidArgument
from ..support import checks
from ..support.symbolic import Symbols, check_computable, lambdified, result_of
from .potential_checks import Potential, check_roots, check_smooth, followed, no_pole, not_periodic, sample_of

Matrix = tuple[tuple[float, ...], ...]
Box = tuple[tuple[float, float], ...]

REAL = "; declare it as sympy.Symbol(..., real=True) if it is"
BENT_AT_ZERO = sympy.Abs, sympy.sign, sympy.Heaviside, sympy.DiracDelta
INFINITE = sympy.nan, sympy.zoo, sympy.oo, sympy.S.NegativeInfinity
FARTHER = (1.0, 10.0, 100.0, 1e4)  # factors on positions at which a mobility is compared with its transpose
SYMMETRY = 1e-12  # largest difference of B_ij and B_ji, relative
LEAST = 1e-9  # smallest eigenvalue of B over its largest one
LEAST_SIZE = 1e-50  # of lattice vectors
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
    """Raise where a parameter is in none of the expressions, or contradicts what its symbol assumes."""
    used = {str(symbol) for expression in expressions for symbol in expression.free_symbols - set(variables)}
    for symbol in {symbol for expression in expressions for symbol in expression.free_symbols - set(variables)}:
        number = _as_number(parameters[str(symbol)]) if str(symbol) in parameters else symbol
        for assumption, value in symbol.assumptions0.items():
            if getattr(number, f"is_{assumption}", None) not in (None, value):
                what = f"has {str(symbol)!r} = {number}, which its symbol says is {'' if value else 'not '}{assumption}"
                raise InvalidArgument("parameters", what)
    unused = [name for name in parameters if name not in used]
    if unused:
        others = f"; the symbols in it are {', '.join(sorted(used))}" if used else ""
        raise InvalidArgument("parameters", f"has {unused[0]!r}, which is no symbol of the potential{others}")


def with_numbers(expression: Any, parameters: Mapping[str, float], variables: Symbols) -> Any:
    """An expression with numbers in place of its parameters: whole ones where they are whole, as exponents may be."""
    numbers = {}
    for symbol in expression.free_symbols - set(variables):
        if str(symbol) in parameters:
            numbers[symbol] = _as_number(parameters[str(symbol)])
    return expression.xreplace(numbers) if numbers else expression


def _as_number(value: float) -> sympy.Number:
    return sympy.Integer(int(value)) if value == int(value) and abs(value) < 2**31 else sympy.Float(value)


def derivative_by(name: str, expression: Any, parameters: Mapping[str, float], variables: Symbols) -> Any:
    """The derivative of an expression, or of a matrix, by the parameter of this name, with numbers for all of them.

    Raises:
        InvalidArgument: there is none, such as that of |a| at a = 0.
    """
    symbols = [symbol for symbol in expression.free_symbols - set(variables) if str(symbol) == name]
    try:
        parts = [sympy.diff(expression, symbol) for symbol in symbols]
    except (ValueError, TypeError) as error:
        raise InvalidArgument("derivatives", f"must not have {name!r}: sympy finds none ({error}){REAL}") from None
    if any(part.has(sympy.Derivative, sympy.Subs) for part in parts):
        raise InvalidArgument("derivatives", f"must not have {name!r}: sympy finds none{REAL}")
    result = sum(parts, 0 * expression)
    kinks = [kink.args[0] for part in parts for kink in part.atoms(*BENT_AT_ZERO)]
    found = with_numbers(result, parameters, variables)
    if found.has(*INFINITE) or any(with_numbers(kink, parameters, variables) == 0 for kink in kinks):
        raise InvalidArgument("derivatives", f"must not have {name!r}: there is none at {parameters[name]}")
    return found


@lru_cache(maxsize=64)
def check_derivative(potential: Potential, name: str) -> None:
    """Raise unless the derivatives of V1 and B by a parameter are finite and 1-periodic in each y_k.

    That of cos(2 pi n y) by n is not: n sets the period.
    """
    sample = sample_of(potential)
    expressions = {"fluctuation": potential.fluctuation_expression, "mobility": potential.mobility_expression}
    for part in [part for part, expression in expressions.items() if expression is not None]:
        derivative = potential.expressions.derivative_of(part, name)
        entries = derivative if part == "mobility" else [derivative]
        for function in [lambdified(potential.variables, entry, part) for entry in entries]:
            values = lambda places, function=function: np.broadcast_to(function(*places.T), len(places))  # noqa: E731
            with np.errstate(all="ignore"):
                found = values(sample)
            if not np.isfinite(found).all():
                raise InvalidArgument("derivatives", f"must not have {name!r}: that of the {part} is not finite")
            scale = np.abs(found).max() + np.ptp(found)
            if (turned := not_periodic(potential, values, sample, found, scale)) is not None:
                what = f"that of the {part} does not have the period 1 in {turned[0]}"
                raise InvalidArgument("derivatives", f"must not have {name!r}: {what}")


def checked_lattice(lattice: ArrayLike | None, dim: int) -> Matrix | None:
    """Lattice vectors as rows of a matrix L whose columns they are.

    Raises:
        InvalidArgument: not of the shape (d, d), or so close to a plane that L^-1 is lost in rounding.
    """
    if lattice is None:
        return None
    matrix = checks.real_array("lattice", lattice, (dim, dim))
    if np.abs(matrix).max() > 0 and not LEAST_SIZE < np.abs(matrix).max() < 1 / LEAST_SIZE:
        what = f"must have periods between {LEAST_SIZE:g} and {1 / LEAST_SIZE:g}, not {matrix.tolist()}"
        raise InvalidArgument("lattice", what)
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
        if len(given) != len(self.symbols):
            right = "must be those of the potential that this expression comes from; state the model anew for others"
            raise InvalidArgument("dim and scales", right)
        return self.expression.xreplace(dict(zip(self.symbols, given)))


def mobility_of(function: object, arguments: tuple[Symbols, ...]) -> sympy.ImmutableMatrix:
    """B (d, d) as a matrix of expressions, from a user's function of symbols that returns a number or d x d entries.

    Raises:
        InvalidArgument: not callable, it raises, or what it returns is neither.
    """
    dim = len(arguments[0])
    right = f"must be a number, or {dim} rows of {dim} entries"
    result = result_of("mobility", function, arguments, f"to one sympy expression or {dim} x {dim} of them")
    if isinstance(result, bool | np.bool_):
        raise InvalidArgument("mobility", f"{right}, not {result}")
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
    symbols, dim = potential.variables, potential.dim
    for entry in matrix:
        check_smooth("mobility", entry, symbols)
        check_computable("mobility", entry, symbols)
    values = mobility_function(matrix, symbols)
    sample = sample_of(potential)
    found = values(sample)
    if not np.isfinite(found).all():
        raise InvalidArgument("mobility", "must be finite and real, but is NaN or infinite at some points")
    scale = np.abs(found).max()
    if matrix != matrix.T:
        _check_symmetric(potential, values, sample)
    least = lambda places: -np.linalg.eigvalsh(np.nan_to_num(values(places)))[:, 0]  # noqa: E731
    centre, largest = followed(potential, least, sample, 40, 0.7, 3)
    if -largest[-1] <= LEAST * scale:
        raise InvalidArgument(
            "mobility",
            f"must be positive definite, but has the eigenvalue {-largest[-1]:.3g} near {_named(centre, dim)}",
        )
    for entry in set(matrix):
        check_roots(potential, "mobility", entry)
    no_pole(potential, sample, "mobility", lambda places: np.abs(values(places)).max(axis=(1, 2)))
    if (turned := not_periodic(potential, values, sample, found, scale)) is not None:
        raise InvalidArgument("mobility", f"must be 1-periodic in {turned[0]}")


def _check_symmetric(potential: Potential, values: Callable[[np.ndarray], np.ndarray], sample: np.ndarray) -> None:
    """Raise where B_ij and B_ji differ, near the origin or far from it, or in the domain."""
    for size in FARTHER if potential.domain is None else FARTHER[:1]:
        places = sample.copy()
        places[:, : potential.dim] *= size
        with np.errstate(all="ignore"):
            found = values(places)
            missed = np.abs(found - found.swapaxes(1, 2)).max(axis=(1, 2))
            wrong = np.flatnonzero(missed > SYMMETRY * np.abs(found).max(axis=(1, 2)))
        if wrong.size:
            where = _named(places[wrong[0]], potential.dim)
            raise InvalidArgument("mobility", f"must be symmetric, not {found[wrong[0]].tolist()} at {where}")


def _named(place: np.ndarray, dim: int) -> str:
    """The variables at one place by their names."""
    parts = [np.round(place[i : i + dim], 6).tolist() for i in range(0, len(place), dim)]
    return ", ".join(f"{name} = {part}" for name, part in zip(["x", *[f"y{k}" for k in range(1, len(parts))]], parts))


def mobility_function(matrix: sympy.ImmutableMatrix, symbols: Symbols) -> Callable[[np.ndarray], np.ndarray]:
    """B as a function from values of all variables (P, (N + 1) d) to (P, d, d)."""
    entries, dim = [lambdified(symbols, entry, "mobility") for entry in matrix], matrix.shape[0]

    def values(variables: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            columns = [np.broadcast_to(entry(*variables.T), len(variables)) for entry in entries]
        return np.stack(columns, axis=1).astype(np.float64).reshape(-1, dim, dim)

    return values
