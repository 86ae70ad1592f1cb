"""The largest curvature (norm of the Hessian) that paths in an N-scale potential meet: it sets the time step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument
from ..support.symbolic import lambdified
from .multiscale_potential import MultiscalePotential

# from columns of variables (P,) to several fields, each (P,) or one number
Entries = Callable[..., Sequence[ArrayLike]]


@dataclass(frozen=True)
class SearchSettings:
    """How the largest curvature is looked for.

    Tested with these: narrow wells, tails, cusps, steps and products of narrow functions, whose largest curvature is
    known in closed form, are found within a factor 1.6; random points alone find them on a line at best.

    Args:
        samples: random points.
        height: how far above its start a path may climb, in units of sigma: more has the probability exp(-20).
        starts: of all starts of paths; also how many of the steepest points are followed.
        rays: enlargements of the reach along an axis, by 1.3.
        seeds: points from which the centres of narrow features are looked for.
        approaches: steps towards such a centre; each halves the way at least where a feature is even.
        ascents: halvings of the distance at which something steeper is looked for, around the steepest points.
        trials: points around each of them.
        high_power: from which on f^n is taken to be narrow where f is extreme.
        narrow: the curvature at random points is taken, unless there is so many times more elsewhere.
    """

    samples: int = 4096
    height: float = 20.0
    starts: int = 16
    rays: int = 60
    seeds: int = 64
    approaches: int = 48
    ascents: int = 40
    trials: int = 4
    high_power: int = 4
    narrow: float = 1.25


SETTINGS = SearchSettings()


@lru_cache(maxsize=32)
def hessian(potential: MultiscalePotential) -> Entries:
    """The entries of the Hessian of V_epsilon as a function of x, y_1, ..., y_N and the scales epsilon^-k.

    With a mobility, those of the Jacobian of B grad V - sigma div B, of B, and of its d derivatives.
    """
    scales = sympy.symbols(f"scale1:{potential.scales + 1}", positive=True)
    full = potential.confining_expression + potential.fluctuation_expression

    inverse = np.eye(potential.dim, dtype=int) if potential.lattice is None else potential.inverse_lattice

    def along(expression: sympy.Expr, i: int) -> sympy.Expr:
        terms = [sympy.diff(expression, potential.slow[i])]
        for scale, y in zip(scales, potential.fast):
            terms += [scale * part[i] * sympy.diff(expression, symbol) for part, symbol in zip(inverse, y) if part[i]]
        return sympy.Add(*terms)

    d, mobility = range(potential.dim), potential.mobility_expression
    if mobility is None:
        entries = [along(along(full, i), j) for i in d for j in d]
        return lambdified([*potential.variables, *scales], sympy.Tuple(*entries))
    slopes = [along(full, i) for i in d]
    drift = [
        sympy.Add(*[mobility[i, j] * slopes[j] - potential.temperature * along(mobility[i, j], j) for j in d])
        for i in d
    ]
    entries = [along(drift[i], j) for i in d for j in d]
    entries += [mobility[i, j] for i in d for j in d] + [along(mobility[i, j], k) for k in d for i in d for j in d]
    return lambdified([*potential.variables, *scales], sympy.Tuple(*entries))


def curvatures(potential: MultiscalePotential, epsilon: float, variables: np.ndarray) -> NDArray[np.float64]:
    """The norms (P,) of the Hessian of V_epsilon; with a mobility, rates at which drift and noise change along a path.

    Args:
        potential: V0, V1, sigma.
        epsilon: the scale separation.
        variables: x, y_1, ..., y_N (P, d (N + 1)).
    """
    scales = [epsilon ** -(k + 1) for k in range(potential.scales)]
    with np.errstate(all="ignore"):  # what is not finite is left out below
        entries = hessian(potential)(*variables.T, *scales)
    matrices = np.stack([np.broadcast_to(entry, len(variables)) for entry in entries], axis=1).astype(float)
    matrices = np.where(np.isfinite(matrices).all(axis=1, keepdims=True), matrices, 0.0)
    matrices = matrices.reshape(len(variables), -1, potential.dim, potential.dim)
    if potential.mobility_expression is None:
        return _norms(matrices[:, 0])
    return np.linalg.norm(matrices[:, 0], 2, axis=(1, 2)) + _of_noise(matrices[:, 1], matrices[:, 2:], potential)


def _of_noise(mobility: np.ndarray, slopes: np.ndarray, potential: MultiscalePotential) -> NDArray[np.float64]:
    """The rate sigma |grad B|^2/(2 lambda) (P,) at which sqrt(2 sigma B) changes, lambda the least eigenvalue of B."""
    least = np.linalg.eigvalsh(mobility)[:, 0]
    squares = np.linalg.norm(slopes, axis=(2, 3)) ** 2
    rates = 0.5 * potential.temperature * squares.sum(axis=1)
    return np.asarray(np.divide(rates, least, out=np.zeros_like(rates), where=least > 0))


def _norms(matrices: np.ndarray) -> np.ndarray:
    """The largest |eigenvalue| (P,) of symmetric matrices (P, d, d)."""
    if matrices.shape[-1] == 1:
        return np.asarray(np.abs(matrices[:, 0, 0]))
    return np.asarray(np.abs(np.linalg.eigvalsh(matrices)).max(axis=-1))


def curvatures_on_paths(potential: MultiscalePotential, epsilon: float, x: np.ndarray) -> NDArray[np.float64]:
    """The norms (P,) of the Hessian of V_epsilon at positions x (P, d), with y_k = x/epsilon^k."""
    phases = [np.mod(y, 1.0) for y in potential.fast_variables(x, epsilon)]
    return curvatures(potential, epsilon, np.concatenate([x, *phases], axis=1))


def largest_curvature(potential: MultiscalePotential, epsilon: float, initial: np.ndarray) -> float:
    """The largest norm of the Hessian of V_epsilon where V0 is at most 20 sigma above the start.

    It is looked for at random points; at the centres of narrow features, which are where the arguments of the functions
    in V0 and V1 vanish or are least; and around the steepest of all these points.

    Args:
        potential: V0, V1, sigma.
        epsilon: the scale separation.
        initial: positions (P, d).

    Raises:
        InvalidArgument: epsilon is so small that curvatures are no numbers.
    """
    generator = np.random.Generator(np.random.Philox(key=SETTINGS.samples))
    starts = initial[generator.integers(len(initial), size=SETTINGS.starts)]
    return _largest(potential, epsilon, len(initial), starts.tobytes())


@lru_cache(maxsize=32)
def _largest(potential: MultiscalePotential, epsilon: float, paths: int, of_starts: bytes) -> float:
    starts = np.frombuffer(of_starts).reshape(SETTINGS.starts, potential.dim)
    generator = np.random.Generator(np.random.Philox(key=SETTINGS.samples))
    # those of the starts
    generator.integers(paths, size=SETTINGS.starts)
    low, high = _reach(potential, starts)
    x = low + (high - low) * generator.random((SETTINGS.samples, potential.dim))
    level = potential.confining_at(starts).max() + SETTINGS.height * potential.temperature

    def reached(variables: np.ndarray) -> NDArray[np.float64]:
        position = variables[:, : potential.dim]
        within: np.ndarray = np.all((position >= low) & (position <= high), axis=1)
        within[within] = potential.confining_at(position[within]) <= level
        return np.asarray(variables[within])

    x = np.concatenate([x[potential.confining_at(x) <= level], starts])
    fast = generator.random((len(x), potential.dim * potential.scales))
    plain = np.concatenate([x, fast], axis=1)
    norms = curvatures(potential, epsilon, plain)
    sampled = float(norms.max())
    seeds = plain[generator.integers(len(plain), size=SETTINGS.seeds)]
    centres = reached(np.concatenate([seeds, *(_towards(f, seeds) for f in _features(potential))]))
    points, norms = np.concatenate([plain, centres]), np.append(norms, curvatures(potential, epsilon, centres))
    best = _ascended(potential, epsilon, points, norms, high - low, reached, generator)
    largest = best if best > SETTINGS.narrow * sampled else sampled
    if largest == 0.0:
        # a force that does not change: any step is stable
        return 0.0
    if not largest < np.inf:
        raise InvalidArgument("epsilon", f"must be such that curvatures like 1/epsilon^2 are numbers, not {epsilon:g}")
    return largest


@lru_cache(maxsize=32)
def _features(potential: MultiscalePotential) -> tuple[tuple[Entries, ...], ...]:
    """Groups of features with their gradients, as functions of x, y_1, ..., y_N: each by itself, and all those of a
    term of V0 or V1 together, since a product of functions is narrow where all of them are.

    Features are the arguments of functions and of powers, and the slopes of functions that are raised to high powers.
    """
    full = potential.confining_expression + potential.fluctuation_expression
    if potential.mobility_expression is not None:
        full += sympy.Add(*set(potential.mobility_expression))
    # waves of something linear are no narrower than they are long
    waves = (sympy.sin, sympy.cos)
    flat = {node.args[0] for node in full.atoms(*waves)}
    groups: dict[tuple[sympy.Expr, ...], None] = {}
    for term in sympy.Add.make_args(full):
        narrow = {a for a in _narrowing(term) if a.free_symbols & set(potential.variables) and a not in flat}
        group = tuple(sorted(narrow, key=sympy.default_sort_key))
        groups |= dict.fromkeys([(a,) for a in group]) | ({group: None} if len(group) > 1 else {})

    def with_gradient(a: sympy.Expr) -> Entries:
        return lambdified(potential.variables, sympy.Tuple(a, *(sympy.diff(a, v) for v in potential.variables)))

    return tuple(tuple(with_gradient(a) for a in group) for group in groups)


def _narrowing(term: sympy.Expr) -> set[sympy.Expr]:
    """Expressions that vanish, or are least in size, where a term may be narrow."""
    powers = term.atoms(sympy.Pow)
    natural = {p for p in powers if p.exp.is_Integer and p.exp.is_positive}
    arguments = {node.args[0] for node in term.atoms(sympy.Function)}
    # the argument of a function that is a base is there already
    arguments |= {p.base for p in powers - natural if p.base != sympy.E and not p.base.is_Function}
    arguments |= {p.exp for p in powers if p.base == sympy.E}
    return arguments | {
        p.base.fdiff() for p in natural if p.exp >= SETTINGS.high_power and p.base.is_Function and p.base.nargs == {1}
    }


def _towards(features: tuple[Entries, ...], seeds: np.ndarray) -> np.ndarray:
    """The points of Newton's method from seeds (P, n) to where features, in turn, vanish or are least in size."""
    points, visited = seeds.copy(), []
    for _ in range(SETTINGS.approaches):
        for feature in features:
            with np.errstate(all="ignore"):
                entries = [np.broadcast_to(entry, len(points)) for entry in feature(*points.T)]
                values = np.stack(entries, axis=1).astype(float)
                value, slope = values[:, 0], values[:, 1:]
                step = value[:, None] * slope / (slope**2).sum(axis=1)[:, None]
            points = points - np.where(np.isfinite(step), step, 0.0)
        visited.append(points)
    everywhere = np.concatenate(visited)
    return np.asarray(everywhere[np.isfinite(everywhere).all(axis=1)])


def _ascended(
    potential: MultiscalePotential, epsilon: float, points: np.ndarray, norms: np.ndarray, width: np.ndarray,
    reached: Callable[[np.ndarray], np.ndarray], generator: np.random.Generator,
) -> float:  # fmt: skip
    """The largest norm around the steepest of some points, by random search at smaller and smaller distances."""
    order = np.argsort(norms)[::-1][: SETTINGS.starts]
    points, norms = points[order], norms[order]
    fast = points.shape[1] - len(width)
    scale = 0.1
    for _ in range(SETTINGS.ascents):
        shape = (len(points), SETTINGS.trials)
        # phases may be far where positions are near
        around = np.where(generator.random((*shape, 1)) < 0.5, scale, 0.1)
        steps = np.concatenate([np.broadcast_to(scale * width, (*shape, len(width))), around.repeat(fast, 2)], axis=2)
        moved = points[:, None, :] + steps * generator.normal(size=steps.shape)
        tried = np.concatenate([points, reached(moved.reshape(-1, points.shape[1]))])
        values = np.append(norms, curvatures(potential, epsilon, tried[len(points) :]))
        order = np.argsort(values)[::-1][: SETTINGS.starts]
        points, norms = tried[order], values[order]
        scale *= 0.5
    return float(norms.max())


def _reach(potential: MultiscalePotential, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A box (d,), (d,) around the starts that ends where V0 has risen by 20 sigma along an axis."""
    low, high = starts.min(axis=0).copy(), starts.max(axis=0).copy()
    level = potential.confining_at(starts).max() + SETTINGS.height * potential.temperature
    for i in range(potential.dim):
        for side, bound in ((1.0, high), (-1.0, low)):
            distance = 1e-3
            for _ in range(SETTINGS.rays):
                moved = starts.copy()
                moved[:, i] += side * distance
                values = potential.confining_at(moved)
                if not (values < level).any() or distance > 1e3:
                    break
                distance *= 1.3
            bound[i] += side * distance
    return low, high
