"""Polynomials in amplitudes and their conjugates, read from functions that are written in sympy.

re, im, conjugate and Abs of sums, products and powers are polynomials too, |z|^2 = z conj(z); what is none is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from ...errors import InvalidArgument
from ...support import checks

ROUNDING = 1e-9  # relative: the same polynomial as an expression and with numbers
POINTS = 4  # at which both are compared

# from u, a function of offsets, to an expression of sympy
Polynomial = Callable[[Callable[..., Any]], Any]


@dataclass(frozen=True)
class Monomial:
    """c prod_k u_{j+k}^a_k conj(u_{j+k})^b_k.

    Args:
        coefficient: c.
        factors: for each offset k the powers (a_k, b_k).
    """

    coefficient: complex
    factors: tuple[tuple[tuple[int, ...], tuple[int, int]], ...]

    @property
    def degree(self) -> int:
        """Of the monomial."""
        return sum(a + b for _, (a, b) in self.factors)

    @property
    def resonant(self) -> bool:
        """Whether exp(-i theta_j) times it does not depend on angles: a_k - b_k is 1 for the site itself and else 0."""
        turns = {offset: a - b for offset, (a, b) in self.factors}
        here = turns.pop(next((offset for offset in turns if not any(offset)), ()), 0)
        return here == 1 and not any(turns.values())

    def at(self, amplitudes: dict[tuple[int, ...], complex]) -> complex:
        """Its value where the site j + k has the amplitude of k."""
        value = self.coefficient
        for offset, (a, b) in self.factors:
            value *= amplitudes[offset] ** a * np.conj(amplitudes[offset]) ** b
        return value


def monomials_of(polynomial: Polynomial) -> tuple[Monomial, ...]:
    """The monomials of g_j, a function from u to a sympy expression, where u(k) is the amplitude at the site j + k.

    Raises:
        InvalidArgument: not such a function, no polynomial, or one that reaches beyond the neighbours.
    """
    if not callable(polynomial):
        raise InvalidArgument(
            "polynomial", f"must be a function such as lambda u: -Abs(u())**2 * u(), not {checks.shown(polynomial)}"
        )
    form = _Form()
    expression = _expression(polynomial, form.amplitude)
    generators = [symbol for pair in form.symbols.values() for symbol in pair]
    try:
        plain = form.without_moduli(form.rewritten(expression, False))
        terms = sympy.Poly(plain, *generators).terms() if generators else []
        if not generators and plain != 0:
            terms = [((), plain)]
        monomials = tuple(_monomial(powers, complex(c), form) for powers, c in terms)
    except (sympy.PolynomialError, TypeError, ValueError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument("polynomial", f"must be a polynomial in u and conjugate(u): {error}") from None
    if not all(np.isfinite(m.coefficient) for m in monomials):
        raise InvalidArgument("polynomial", f"must have finite coefficients, but is {expression}")
    _compare_with_numbers(polynomial, monomials, list(form.symbols))
    return tuple(m for m in monomials if m.coefficient != 0)


def _monomial(powers: tuple[int, ...], coefficient: complex, form: _Form) -> Monomial:
    pairs = zip(form.symbols, zip(powers[::2], powers[1::2]))
    return Monomial(coefficient, tuple((key, (int(a), int(b))) for key, (a, b) in pairs if a or b))


def _expression(polynomial: Polynomial, amplitude: Callable[..., sympy.Symbol]) -> sympy.Expr:
    try:
        result = polynomial(amplitude)
    except InvalidArgument:
        raise
    except Exception as error:
        hint = "; write u(1) for the amplitude of the next site, not u[1]" if "subscriptable" in str(error) else ""
        raise InvalidArgument(
            "polynomial", f"must be a function of u in sympy, but it raises {type(error).__name__}: {error}{hint}"
        ) from error
    if result is None:
        raise InvalidArgument("polynomial", "must return an expression, but it returns None; is a return missing?")
    try:
        expression = sympy.sympify(result, strict=True)
    except (sympy.SympifyError, TypeError, ValueError):
        expression = None
    if not isinstance(expression, sympy.Expr):
        raise InvalidArgument("polynomial", f"must return an expression of sympy, not {checks.shown(result)}")
    if expression.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo):
        raise InvalidArgument("polynomial", f"must have finite coefficients, but is {expression}")
    return expression


def _offset(offset: tuple[Any, ...]) -> tuple[int, ...]:
    numbers = offset or (0,)
    if not all(isinstance(k, int | np.integer | sympy.Integer) and abs(k) <= 1 for k in numbers):
        raise InvalidArgument("polynomial", f"reaches the site j + {offset}, which is no neighbour of j (Hg(i))")
    key = tuple(int(k) for k in numbers)
    while len(key) > 1 and key[-1] == 0:
        key = key[:-1]
    if sum(abs(k) for k in key) > 1 or len(key) > 3:
        raise InvalidArgument("polynomial", f"reaches the site j + {offset}, which is no neighbour of j (Hg(i))")
    return key


class _Form:
    """Expressions in u_k and conj(u_k) as polynomials in two symbols for each k, and in moduli that are no polynomials.

    Attributes:
        symbols: for each offset the symbols of u_k and conj(u_k).
    """

    def __init__(self) -> None:
        self.symbols: dict[tuple[int, ...], tuple[sympy.Symbol, sympy.Symbol]] = {}
        self._bars: dict[sympy.Symbol, sympy.Symbol] = {}
        self._moduli: dict[sympy.Expr, sympy.Symbol] = {}
        self._squares: dict[sympy.Symbol, sympy.Expr] = {}

    def amplitude(self, *offset: int) -> sympy.Symbol:
        """u(offset), which the user's function calls."""
        key = _offset(offset)
        if key not in self.symbols:
            name = "_".join(map(str, key))
            pair = sympy.Symbol(f"u{name}"), sympy.Symbol(f"c{name}")
            self.symbols[key], self._bars[pair[0]] = pair, pair[1]
        return self.symbols[key][0]

    def rewritten(self, e: sympy.Expr, bar: bool) -> sympy.Expr:
        """e, or its conjugate, without conjugate, re, im and Abs.

        Raises:
            InvalidArgument: it is no polynomial.
        """
        if not e.free_symbols & set(self._bars):
            return self._constant(e, bar)
        if e in self._bars:
            return self._bars[e] if bar else e
        if isinstance(e, sympy.Add | sympy.Mul):
            return e.func(*(self.rewritten(part, bar) for part in e.args))
        if isinstance(e, sympy.Pow) and (power := _whole(e.exp)) is not None:
            return self.rewritten(e.base, bar) ** power
        if isinstance(e, sympy.conjugate):
            return self.rewritten(e.args[0], not bar)
        if isinstance(e, sympy.re | sympy.im):
            z, conjugated = (self.rewritten(e.args[0], which) for which in (False, True))
            return (z + conjugated) / 2 if isinstance(e, sympy.re) else (z - conjugated) / (2 * sympy.I)
        if isinstance(e, sympy.Abs):
            return self._modulus(e.args[0])
        raise InvalidArgument("polynomial", f"must be a polynomial in u and conjugate(u), but has {e}")

    @staticmethod
    def _constant(e: sympy.Expr, bar: bool) -> sympy.Expr:
        if e.free_symbols:
            raise InvalidArgument("polynomial", f"has symbols besides the amplitudes: {e}; give them values")
        return sympy.conjugate(e) if bar else e

    def _modulus(self, e: sympy.Expr) -> sympy.Expr:
        """|e|, of products and powers by their factors."""
        if not e.free_symbols & set(self._bars):
            return sympy.Abs(self._constant(e, False))
        if isinstance(e, sympy.Mul):
            return sympy.Mul(*(self._modulus(part) for part in e.args))
        if isinstance(e, sympy.Pow) and (power := _whole(e.exp)) is not None:
            return self._modulus(e.base) ** power
        if isinstance(e, sympy.conjugate):
            return self._modulus(e.args[0])
        z = sympy.expand(self.rewritten(e, False))
        if z not in self._moduli:
            self._moduli[z] = sympy.Symbol(f"m{len(self._moduli)}")
            self._squares[self._moduli[z]] = z * sympy.expand(self.rewritten(e, True))
        return self._moduli[z]

    def without_moduli(self, e: sympy.Expr) -> sympy.Expr:
        """e with m^2 = z conj(z) for each modulus m = |z|.

        Raises:
            InvalidArgument: an odd power is left.
        """
        while self._squares.keys() & e.free_symbols:
            m = next(m for m in reversed(self._squares) if m in e.free_symbols)  # moduli may hold earlier ones
            terms = sympy.Poly(e, m).terms()
            if any(power % 2 for (power,), _ in terms):
                z = next(z for z, symbol in self._moduli.items() if symbol == m)
                raise InvalidArgument("polynomial", f"has an odd power of |{z}|, which is no polynomial in u, conj(u)")
            e = sympy.Add(*(c * self._squares[m] ** (power // 2) for (power,), c in terms))
        return e


def _whole(power: sympy.Expr) -> int | None:
    """A power as an integer >= 0, or None."""
    if not power.is_number or not power.is_real or power < 0 or not float(power).is_integer():
        return None
    return int(power)


def _compare_with_numbers(
    polynomial: Polynomial, monomials: tuple[Monomial, ...], offsets: list[tuple[int, ...]]
) -> None:
    """Raise where the function has other values with numbers for u, as when numpy's functions do not see symbols."""
    generator = np.random.Generator(np.random.Philox(key=len(offsets)))
    for _ in range(POINTS):
        numbers = {offset: complex(*generator.standard_normal(2)) for offset in offsets}
        try:
            value, again = (complex(polynomial(lambda *offset, at=numbers: at[_offset(offset)])) for _ in range(2))
        except Exception:
            return  # it does with expressions what numbers cannot
        if value != again:
            return  # its coefficients are others at each call
        terms = [monomial.at(numbers) for monomial in monomials]
        if not abs(sum(terms) - value) <= ROUNDING * (sum(map(abs, terms)) + abs(value)):
            raise InvalidArgument(
                "polynomial",
                f"is {sum(terms):.6g} as an expression, but {value:.6g} with numbers for u; use sympy's re, im, Abs "
                "and conjugate instead of numpy's, and no conditions on u",
            )
