"""grad V_epsilon for many positions at once, as code that the compiler turns into vector instructions.

Sines and cosines, which are what periodic potentials are made of, become polynomials after the whole periods have been
taken off; calls of a mathematical library would stop the vectorisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import sympy
from numba import njit
from sympy.printing.pycode import PythonCodePrinter

from ..sampling.philox import FAST
from ..sampling.simd_math import cos_2pi, cos_sin_2pi, exponential, sin_2pi
from ..support.grid_expressions import on_numbers
from ..support.symbolic import check_compilable, with_shifted_exponents
from .multiscale_potential import MultiscalePotential


class _Printer(PythonCodePrinter):
    def _print_exp(self, expression: sympy.Expr) -> str:
        return f"exponential({self._print(expression.args[0])})"


@lru_cache(maxsize=32)
def gradient_of(potential: MultiscalePotential) -> Callable[..., None]:
    """A compiled function gradient(x, out, count, scales) for positions x (d, n), of which the first `count` are done.

    scales are (epsilon^-1, ..., epsilon^-N). With a mobility, out (d + d (d + 1)/2, n) has B grad V - sigma div B and
    then the lower triangle of B, row by row.

    Raises:
        InvalidArgument: the compiler does not know a function in the gradient.
    """
    scales = sympy.symbols(f"scale1:{potential.scales + 1}", positive=True)
    slow = potential.slow
    positions = slow if potential.lattice is None else sympy.Matrix(potential.inverse_lattice) * sympy.Matrix(slow)
    on_diagonal = {
        symbol: position * scale
        for variables, scale in zip(potential.fast, scales)
        for symbol, position in zip(variables, positions)
    }
    full = potential.confining_expression + potential.fluctuation_expression.subs(on_diagonal, simultaneous=True)
    components = [sympy.diff(full, symbol) for symbol in slow]
    if potential.mobility_expression is not None:
        mobility = potential.mobility_expression.subs(on_diagonal, simultaneous=True)
        components = _against_drift(components, mobility, slow, potential.temperature)
        components += [mobility[i, j] for i in range(potential.dim) for j in range(i + 1)]
    check_compilable(components)
    together, shifts = with_shifted_exponents(sympy.Tuple(*components))
    source = _source(list(together), slow, scales, shifts)
    namespace: dict[str, object] = {"math": math, "exponential": exponential}
    namespace |= {"cos_sin_2pi": cos_sin_2pi, "cos_2pi": cos_2pi, "sin_2pi": sin_2pi} | on_numbers(together)
    exec(compile(source, f"<gradient of {potential!r}>", "exec"), namespace)
    gradient = njit(fastmath=FAST, error_model="numpy", boundscheck=False)(namespace["gradient"])
    return gradient if potential.domain is None else _fenced(gradient, np.array(potential.domain))


def _fenced(gradient: Callable[..., None], box: np.ndarray) -> Callable[..., None]:
    """The same gradient, NaN at positions outside of a box (d, 2), so that a path which leaves it is always seen."""

    @njit(fastmath=FAST, error_model="numpy", boundscheck=False)
    def fenced(x, out, count, scales):  # type: ignore[no-untyped-def]
        gradient(x, out, count, scales)
        for i in range(len(box)):
            for j in range(count):
                if not (box[i, 0] <= x[i, j] <= box[i, 1]):
                    out[:, j] = np.nan

    return fenced


def _against_drift(
    gradient: list[sympy.Expr], mobility: sympy.Matrix, slow: tuple[sympy.Symbol, ...], sigma: float
) -> list[sympy.Expr]:
    """B grad V - sigma div B."""
    result = []
    for i in range(len(slow)):
        terms = [mobility[i, j] * slope for j, slope in enumerate(gradient)]
        terms += [-sigma * sympy.diff(mobility[i, j], symbol) for j, symbol in enumerate(slow)]
        result.append(sympy.Add(*terms))
    return result


def _source(
    components: list[sympy.Expr], slow: tuple[sympy.Symbol, ...], scales: tuple[sympy.Symbol, ...],
    shifts: dict[sympy.Symbol, float],
) -> str:  # fmt: skip
    """Python code of the loop over positions; each wave is evaluated once, and so is what several terms share."""
    waves = sorted(
        {wave.args[0] for c in components for wave in c.atoms(sympy.sin, sympy.cos)}, key=sympy.default_sort_key
    )
    if any(argument.has(sympy.sin, sympy.cos) for argument in waves):
        # waves of waves are left to the mathematical library
        waves = []
    swap: dict[sympy.Expr, sympy.Symbol] = {}
    for i, argument in enumerate(waves):
        swap |= {sympy.cos(argument): sympy.Symbol(f"cos{i}"), sympy.sin(argument): sympy.Symbol(f"sin{i}")}
    show = _Printer({"fully_qualified_modules": True}).doprint
    body = []
    shared, periods = sympy.cse([argument / (2 * sympy.pi) for argument in waves], sympy.numbered_symbols("p"))
    body += [f"{symbol} = {show(expression)}" for symbol, expression in shared]
    swapped = [component.xreplace(swap) for component in components]
    used = {symbol.name for component in swapped for symbol in component.free_symbols}
    for i, expression in enumerate(periods):
        # most gradients take the sine of a wave only, and one alone costs half
        names = [name for name in ("cos", "sin") if f"{name}{i}" in used]
        targets = ", ".join(f"{name}{i}" for name in names)
        body.append(f"{targets} = {'_'.join(names)}_2pi({show(expression)})")
    shared, reduced = sympy.cse(swapped, sympy.numbered_symbols("t"))
    body += [f"{symbol} = {show(expression)}" for symbol, expression in shared]
    body += [f"out[{i}, j] = {show(expression)}" for i, expression in enumerate(reduced)]
    lines = ["def gradient(x, out, count, scales):"]
    lines += [f"    {scale} = scales[{k}]" for k, scale in enumerate(scales)]
    lines += [f"    {shift} = {value!r}" for shift, value in shifts.items()]
    lines += ["    for j in range(count):"]
    lines += [f"        {symbol} = x[{i}, j]" for i, symbol in enumerate(slow)]
    return "\n".join(lines + [f"        {line}" for line in body]) + "\n"
