"""From a user's functions of sympy symbols to expressions, and from expressions to functions of arrays."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef
from sympy.printing.pycode import PythonCodePrinter

from ..errors import InvalidArgument
from .checks import shown
from .grid_expressions import Interpolated, on_arrays

Symbols = tuple[sympy.Symbol, ...]

# what numpy computes: all other functions are looked for in scipy
ORDINARY = {
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp",
    "log", "Abs", "sign",
}  # fmt: skip
FAR = 30.0  # log of a factor of an exponential from which on it is put back into the exponent
UNEVALUATED = (sympy.Derivative, sympy.Integral, sympy.Limit, sympy.Product, sympy.Sum, sympy.Subs)


def expression_of(name: str, function: object, arguments: tuple[Symbols, ...]) -> sympy.Expr:
    """Return the expression that a user's function makes of tuples of symbols x, y1, ..., yN.

    Raises:
        InvalidArgument: not callable, it raises, or it returns no expression; the message says what would be right.
    """
    result = result_of(name, function, arguments, "to one sympy expression")
    if isinstance(result, numbers.Complex | np.number) and not isinstance(result, bool | np.bool_):
        result = sympy.sympify(result)
    # a text is not parsed, since that would run it; matrices of one entry are expressions for sympy in some places
    if not isinstance(result, sympy.Expr) or getattr(result, "is_Matrix", False):
        more = "; x is a tuple of symbols, take x[0]" if isinstance(result, tuple) else ""
        raise InvalidArgument(name, f"must return one sympy expression, not {type(result).__name__}{more}")
    return result


def result_of(name: str, function: object, arguments: tuple[Symbols, ...], what: str) -> Any:
    """Return what a user's function makes of tuples of symbols x, y1, ..., yN.

    Raises:
        InvalidArgument: not callable, it raises, or it returns None; the message says what would be right.
    """
    dim, words = len(arguments[0]), ["x", *[f"y{k}" for k in range(1, len(arguments))]]
    right = f"must map {', '.join(words)}, each a tuple of {dim} sympy symbols, {what}"
    if not callable(function):
        raise InvalidArgument(name, f"must be a callable from sympy symbols to an expression, not {shown(function)}")
    if not _takes(function, arguments):
        scales = f" (scales = {len(words) - 1})" if len(words) > 1 else ""
        raise InvalidArgument(name, f"{right}{scales}, but it takes {inspect.signature(function)}")
    if "x" in _names(function)[1:]:
        raise InvalidArgument(name, f"{right}; x comes first, but its arguments are {', '.join(_names(function))}")
    try:
        result = function(*arguments)
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidArgument(
            name, f"{right}, but it raises {type(error).__name__}: {text}{_hint(error, dim)}"
        ) from error
    if result is None:
        raise InvalidArgument(name, f"{right}, but it returns None; is a return missing?")
    return result


def _takes(function: Callable[..., object], arguments: tuple[Symbols, ...]) -> bool:
    """Whether a function can be called with so many arguments; functions that do not say are tried."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _names(function: Callable[..., object]) -> list[str]:
    """The names of a function's arguments, where it says them."""
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        return []


def _hint(error: Exception, dim: int) -> str:
    """What would help against the usual mistakes in functions of symbols."""
    text = str(error)
    if "ufunc" in text or "Cannot convert expression to float" in text or "must be real number" in text:
        return "; use sympy's functions in it, such as sympy.cos, instead of numpy's or math's"
    if isinstance(error, TypeError) and ("tuple" in text or "sequence" in text):
        return "; x is a tuple of symbols, also for dim = 1: its first component is x[0]"
    if isinstance(error, IndexError):
        return f"; x and each y have {dim} components, for dim = {dim}"
    if "truth value" in text:
        return "; a comparison of symbols is neither true nor false, and the expression must be smooth anyway"
    return ""


def check_computable(name: str, expression: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> None:
    """Raise unless numpy or scipy compute the expression."""
    undefined = sorted({str(function.func) for function in expression.atoms(AppliedUndef)})
    if undefined:
        raise InvalidArgument(name, f"has functions without a definition: {', '.join(undefined)}")
    lambdified(symbols, expression, name)


def lambdified(symbols: Sequence[sympy.Symbol], expression: Any, name: str = "potential") -> Callable[..., Any]:
    """Return a vectorised function of an expression, by numpy and scipy; what several terms share is computed once.

    Args:
        symbols: its arguments.
        expression: in these symbols.
        name: of the argument that carries it, for the message.

    Raises:
        InvalidArgument: numpy and scipy do not compute it.
    """
    expression, shifts = with_shifted_exponents(expression)
    used = {type(function).__name__ for function in expression.atoms(sympy.Function)} - {Interpolated.__name__}
    modules: Any = "numpy" if used <= ORDINARY else [_elliptic(), "scipy", "numpy"]
    if data := on_arrays(expression):
        modules = [data, "numpy"] if modules == "numpy" else [data, *modules]
    try:
        plain = sympy.lambdify([*symbols, *shifts], expression, modules=modules, cse=True)
        function = partial_last(plain, tuple(shifts.values())) if shifts else plain
        with np.errstate(all="ignore"):  # only names and shapes are looked at
            function(*[np.array([0.25, 0.75]) for _ in symbols])
    except Exception as error:
        kinds = [kind.__name__ for kind in UNEVALUATED if expression.has(kind)]
        if kinds:
            reason = f"has an unevaluated {kinds[0]}; call .doit() on it, or give what it is equal to"
        elif used - ORDINARY:
            reason = f"has {', '.join(sorted(used - ORDINARY))} or derivatives of it, not all of which scipy computes"
        else:
            reason = f"cannot be computed by numpy: {type(error).__name__}: {str(error).strip()[:100]}"
        raise InvalidArgument(name, reason) from error
    if used <= ORDINARY:
        return function
    return lambda *values: _real(function(*values))


def with_shifted_exponents(expression: Any) -> tuple[Any, dict[sympy.Symbol, float]]:
    """An expression in which large or small factors of exponentials are symbols in their exponents, and their values.

    Of exp(1000.0 (cos y - 1)), sympy makes exp(-1000) exp(1000 cos y), whose factors are no numbers of a computer.
    """
    shifts: dict[sympy.Symbol, float] = {}

    def shifted(product: sympy.Mul) -> sympy.Expr:
        number = sympy.Mul(*[factor for factor in product.args if factor.is_number])
        factors = [factor for factor in product.args if not factor.is_number]
        powers = [factor for factor in factors if isinstance(factor, sympy.exp)]
        if not powers or number == 0 or abs(float(sympy.log(abs(number)).evalf())) < FAR:
            return product
        shift = sympy.Symbol(f"shift{len(shifts)}", real=True)
        shifts[shift] = float(sympy.log(abs(number)).evalf())
        others = [factor for factor in factors if factor is not powers[0]]
        return sympy.sign(number) * sympy.Mul(sympy.exp(powers[0].args[0] + shift), *others)

    shifted_expression = expression.replace(lambda part: isinstance(part, sympy.Mul), shifted)
    return shifted_expression, shifts


def partial_last(function: Callable[..., Any], last: tuple[float, ...]) -> Callable[..., Any]:
    """The function with its last arguments given."""
    return lambda *values: function(*values, *last)


def _real(values: Any) -> Any:
    """Real parts of what scipy returns as complex numbers; NaN where these are not real."""
    if isinstance(values, tuple | list):
        return [_real(value) for value in values]
    return np.where(np.imag(values) == 0, np.real(values), np.nan) if np.iscomplexobj(values) else values


def check_compilable(components: Sequence[sympy.Expr]) -> None:
    """Raise unless the compiler knows all functions in the components of a gradient."""
    printer = PythonCodePrinter({"fully_qualified_modules": True})
    try:
        for component in components:
            printer.doprint(component)
    except Exception as error:
        used = {type(f).__name__ for component in components for f in component.atoms(sympy.Function)}
        strange = ", ".join(sorted(used - ORDINARY)) or type(error).__name__
        raise InvalidArgument(
            "potential",
            f"has a gradient with {strange}, which compiled paths cannot compute; its tensors and its densities can be",
        ) from error


def _elliptic() -> dict[str, Callable[..., Any]]:
    """Elliptic integrals, which sympy does not print for scipy; both take the parameter m = k^2."""
    from scipy import special

    return {
        "elliptic_k": special.ellipk,
        "elliptic_f": special.ellipkinc,
        "elliptic_e": lambda *a: special.ellipe(*a) if len(a) == 1 else special.ellipeinc(*a),
    }
