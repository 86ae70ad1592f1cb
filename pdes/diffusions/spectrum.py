"""The slowest modes of a reversible diffusion, with elements of growing degree on cells of several sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from scipy import ndimage

from scaling_limits.meshes.box import Grid
from scaling_limits.meshes.linear_algebra.sparse_matrix import ModeSearch
from scaling_limits.meshes.spread_values import SpreadRows
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.logs import say

from .coefficients import exponent_at, mobility_at
from .elements.box_elements import NEGLIGIBLE, BoxElements
from .elements.box_functions import BoxFunctions
from .elements.element_sequence import Member, growth, left, on_large_cells, on_own_cells, witness
from .elements.modes import TINY, Modes
from .problem import ReversibleDiffusion
from .scharfetter_gummel import HIGHEST


@dataclass(frozen=True)
class SpectrumSettings:
    """How rates are computed and judged.

    Args:
        rtol: relative error of the rates at most, where the elements can do it.
        rounding: relative error of the rates at least.
        last_digits: relative rounding of a function at its nodes.
        hopeful: a change of this power that is below the aim makes cells half as large worth while.
        flat: relative height below which a dent in Psi is no well.
        beside: sigmas below the height from which cells are left out, where modes are looked at.
        shift: how far below 0 the shift is, in units of the diffusive rate sigma M/L^2.
    """

    rtol: float = 1e-8
    rounding: float = 1e-13
    last_digits: float = 8 * float(np.finfo(float).eps)
    hopeful: int = 2
    flat: float = 1e-6
    beside: float = 7.0
    shift: float = 1e-6


SETTINGS = SpectrumSettings()
# of an eigensolver, but for the number of modes, the shift and what is known
SEARCH = ModeSearch(
    1, 1.0, 1e-11, 500, "fokker_planck_spectrum_", "the eigenvalue problem",
    "exp(-Psi/sigma) varies too much in a cell: take more cells",
)  # fmt: skip


def slowest(equation: ReversibleDiffusion, k: int) -> Modes:
    """The modes by elements of high degree on large cells if the user's own cells agree, else on these; collective.

    Each space contains the one before, and the changes of a rate tell its error. Large cells could miss a mode that
    needs the user's cells, such as one behind a thin layer: none of their rates may be above that of elements of low
    degree on the user's cells, as they are where nothing is missed (min-max principle). See `FokkerPlanck.spectrum`.
    """
    grid = equation.grid
    if k > grid.size // 2:
        raise InvalidArgument("k", f"must be at most half the number of nodes, {grid.size // 2}, not {k}")
    _warn_of_high_wells(equation)
    aim = min(equation.rtol, SETTINGS.rtol)
    solve = cache(lambda member: _modes_in(equation, member, k))
    own = on_own_cells(grid)
    # what one degree on the user's cells can do is worse than what is known to rtol
    enough = equation.rtol if own[-1].degree == own[0].degree else aim
    found: list[Modes] = []
    for members in on_large_cells(grid, k):
        modes = _on_large(grid, members, solve, aim, enough)
        if modes is not None and (modes.rates <= solve(witness(grid)).rates * (1 + aim)).all():
            found.append(modes)
            if modes.worst <= enough:
                break
    if not found or min(modes.worst for modes in found) > enough:
        found.append(_along(grid, own, solve, aim))
    best = min(found, key=lambda modes: modes.worst)
    elements = "x".join(map(str, best.elements))
    say(grid.comm, "spectrum: %d rates, degree %d on %s cells, error %.1e", k, best.degree, elements, best.worst)
    if best.worst > equation.rtol and grid.comm.rank == 0:
        message = f"rates are known to about {best.worst:.1e} only, with degree {best.degree}; take more cells"
        warn(message, Unresolved)
    return _with_left_out(equation, best)


def _along(grid: Grid, members: list[Member], solve: Callable[[Member], Modes], aim: float, last: float = 0.0) -> Modes:
    """The modes of the first member of a sequence whose errors are below `aim`, or of the last one that can be solved.

    Where the errors are above `last`, the sequence ends after the second member.
    """
    modes = solve(members[0])
    changes: list[np.ndarray] = []
    growths: list[float] = []
    for before, member in pairwise(members):
        try:
            finer = solve(member)
        except NotConverged:
            break
        changes.append(np.abs(finer.rates - modes.rates))
        growths.append(growth(grid, before, member))
        modes = replace(finer, errors=np.maximum(left(changes, growths), finer.rounding))
        if modes.worst <= aim or (last and modes.worst > last):
            break
    return modes


def _on_large(
    grid: Grid, members: list[Member], solve: Callable[[Member], Modes], aim: float, enough: float
) -> Modes | None:
    """The same on large cells, from the first member that can be solved; None if they are not as good as own cells.

    In the plane, where degrees can be raised on the user's cells, that is what has no error below `enough`.
    """
    last = aim ** (1 / SETTINGS.hopeful) if grid.dim == 2 else 0.0
    for first in range(len(members) - 1):
        try:
            modes = _along(grid, members[first:], solve, aim, last)
        except NotConverged:
            continue
        return modes if modes.worst <= enough or (grid.dim == 3 and np.isfinite(modes.worst)) else None
    return None


def _warn_of_high_wells(equation: ReversibleDiffusion) -> None:
    """Warn of wells where pi is negligible: elements leave them out, and with them their slow modes."""
    grid = equation.grid
    exponent = np.where(equation.generator.alive, equation.generator.exponent, HIGHEST).reshape(grid.shape)
    modes = ["wrap" if wraps else "nearest" for wraps in grid.periodic]
    around = ndimage.minimum_filter(exponent, size=3, mode=modes)
    within = ndimage.maximum_filter(exponent, size=3, mode=modes)
    wells = (exponent > -np.log(NEGLIGIBLE)) & (exponent <= around) & (within > exponent * (1 + SETTINGS.flat))
    if wells.any() and grid.comm.rank == 0:
        index = np.argwhere(wells)[0]
        place = [float(f"{x:.4g}") for x in grid.box[:, 0] + index * grid.spacing]
        message = f"Psi has a well at x = {place}, {exponent[tuple(index)]:.3g} sigma above its minimum"
        warn(
            f"{message}: modes in wells higher than {-np.log(NEGLIGIBLE):.0f} sigma are left out; "
            "take a higher temperature, or evolve",
            Unresolved,
        )


def _modes_in(equation: ReversibleDiffusion, member: Member, k: int) -> Modes:
    """The modes in one space, with errors that are not known."""
    grid = equation.grid
    elements = BoxElements(grid, member.levels, member.degree, equation.coefficients, equation.generator.lowest)
    rates, values, rounding = _solved(elements, k, equation, member)
    unknown = np.r_[0.0, np.full(k - 1, np.inf)]
    own = elements.unknowns.own
    spread = SpreadRows.of(elements.unknowns, np.ascontiguousarray(values[:, : own.stop - own.start]))
    numbers = tuple(member.elements(grid))
    left_out = rates * _at_the_cut(elements, values, equation.generator.partition)
    given = BoxFunctions(grid, elements.unknowns, spread)
    return Modes(rates, given, unknown, member.degree, numbers, rounding, left_out)


def _at_the_cut(elements: BoxElements, values: np.ndarray, partition: float) -> np.ndarray:
    """The largest pi f^2 beside cells that are left out, by its mean over the box (k,): how far modes reach into them.

    Args:
        elements: of the modes.
        values: of the modes (k, n), with int pi f^2 = int pi.
        partition: int pi.
    """
    grid, unknowns, height = elements.grid, elements.unknowns, -np.log(NEGLIGIBLE)
    points = unknowns.points(unknowns.known)
    exponents = on_all_ranks(grid.comm, lambda: exponent_at(elements.coefficients, points)) - elements.lowest
    beside = exponents > height - SETTINGS.beside
    densities = np.exp(-np.minimum(exponents[beside], height)) * values[:, beside] ** 2
    found = np.append(densities.max(axis=1, initial=0.0), exponents.max(initial=0.0) > height)
    largest = np.max(grid.comm.allgather(found), axis=0)
    volume = float(np.prod(grid.box[:, 1] - grid.box[:, 0]))
    return largest[:-1] * largest[-1] * volume / partition


def _with_left_out(equation: ReversibleDiffusion, modes: Modes) -> Modes:
    """The modes with errors that count what is left out, which a warning names."""
    part = float((modes.left_out / np.maximum(modes.rates, TINY)).max(initial=0.0))
    if part > equation.rtol and equation.comm.rank == 0:
        height = f"{-np.log(NEGLIGIBLE):.0f} sigma above the minimum of Psi"
        message = f"modes reach to where Psi is more than {height}, which elements leave out: rates may be wrong by a"
        remedy = "take a smaller box or a higher temperature, or evolve"
        warn(f"{message} part of {min(part, 1.0):.1e}; {remedy}", Unresolved)
    return replace(modes, errors=modes.errors + modes.left_out)


def _solved(
    elements: BoxElements, k: int, equation: ReversibleDiffusion, member: Member
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates, values (k, n) at the unknowns that this rank knows, and what rounding (and a solver that is not direct)
    leaves of the rates.
    """
    values = np.ones((1, len(elements.unknowns.known)))
    rates, rounding = np.zeros(1), np.zeros(1)
    if k > 1:
        try:
            vectors, lost = _vectors(elements, k - 1, equation, member.affordable_by_factors(equation.grid))
        except NotConverged:
            # rates too far apart for LOBPCG
            if member.affordable_by_factors(equation.grid) or not member.affordable_at_last(equation.grid):
                raise
            vectors, lost = _vectors(elements, k - 1, equation, True)
        values = np.concatenate([values, elements.unknowns.with_others(vectors).T])
        noise = _noise(elements, vectors)
        products, energies = elements.integrals(list(values), [*values[1:], *noise])
        sizes = _normalised(values, products)
        # the quotient of energies keeps the digits of small rates, which eigenvalues lose
        found = energies[: k - 1] / sizes
        rates = np.r_[rates, found]
        rounding = np.r_[rounding, SETTINGS.rounding * found + energies[k - 1 :] / sizes + lost]
    order = np.argsort(rates, kind="stable")
    return rates[order], values[order], rounding[order]


def _vectors(
    elements: BoxElements, count: int, equation: ReversibleDiffusion, direct: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Values (m, count) of modes at the unknowns of this rank, and what the solver leaves of their rates (count,)."""
    energy, product, roots = elements.matrices(equation.library)
    one = np.where(np.isinf(roots), 0.0, roots)
    one /= np.sqrt(equation.comm.allreduce(float(one @ product.applied(one))))
    scale = diffusive_rate(equation)
    if direct:
        search = replace(SEARCH, count=count, shift=SETTINGS.shift * scale, known=one)
        vectors = energy.modes(product, search)[:, :count]
        lost: np.ndarray = np.zeros(count)
        if vectors.shape[1] < count:
            raise NotConverged(search.what, f"{vectors.shape[1]} of {count} modes were found", "ask for fewer modes")
    else:
        modes = energy.modes_by_multigrid(product, one, count, scale)
        vectors, lost = modes.vectors[:, :count], modes.errors(scale)[:count]
    for each in (energy, product):
        each.destroy()
    return vectors / roots[:, None], lost


def _normalised(values: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Make functions orthogonal to the first one, which is 1, and give them its norm.

    Args:
        values: of 1 and of others (n, ...), changed in place.
        products: int pi f_i f_j (n, n).

    Returns:
        The squares of the norms of the others (n - 1,), when they were orthogonal to 1.
    """
    # the eigensolver deflates in another inner product
    shares = products[0, 1:] / products[0, 0]
    squares = np.diagonal(products)[1:] - shares**2 * products[0, 0]
    values[1:] = (values[1:] - shares[:, None]) * np.sqrt(products[0, 0] / squares)[:, None]
    return np.asarray(squares)


def _noise(elements: BoxElements, vectors: np.ndarray) -> np.ndarray:
    """What rounding may have added to functions with values (m, k): random errors of their last digits (k, n)."""
    random = [np.random.Generator(np.random.Philox(key=0)).uniform(-1, 1, len(vectors)) for _ in vectors.T]
    noise = SETTINGS.last_digits * vectors * np.array(random).T.reshape(vectors.shape)
    return elements.unknowns.with_others(noise).T


def diffusive_rate(equation: ReversibleDiffusion) -> float:
    """The diffusive rate sigma M/L^2, a scale for the slow rates."""
    grid = equation.grid
    mobility = mobility_at(equation.coefficients, grid.box.mean(axis=1)[None])[0]
    length = float((grid.box[:, 1] - grid.box[:, 0]).max())
    return float(equation.coefficients.temperature * np.trace(mobility) / grid.dim / length**2)
