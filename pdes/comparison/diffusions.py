"""Langevin paths at finite epsilon beside the effective Fokker-Planck equation.

What is known of the finite system without paths is its local equilibrium: within a cell the law of paths follows
exp(-V1/sigma) at once, so that the density near x is rho(x) exp(-V1(x, x/epsilon, ...)/sigma)/Z1(x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_limits.particles import InvalidArgument, Langevin, MultiscalePotential, Paths
from scaling_limits.particles.sampling.normal_tiles import PAIRS, TILE, fill_tile
from scaling_limits.particles.sampling.philox import Purpose, key_words
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.showing.axes import axis_label, draw_histogram, labelled
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity, time_text
from scaling_limits.particles.support.checks import number, real_array

from ..diffusions.density_evolution import DensityEvolution
from ..diffusions.effective_fokker_planck import EffectiveFokkerPlanck
from . import chances
from .comparison import Comparison
from .difference import Difference, draw_deviations

if TYPE_CHECKING:
    from mpi4py import MPI

AXES = "xyz"
MEAN = Quantity("mean", "the mean position", "length")
SHARE = Quantity("distribution", "the part of the paths in a bin", "1")
DIRECTION = Quantity("direction", "number of the direction", "1")
# cells and bins along each direction, by the dimension, and quadrature points of a cell for the local equilibrium
CELLS, BINS, FINE = (400, 96, 32), (24, 12, 6), (24, 6, 2)
# from the middle of the start to a wall at least, if nothing is given
WIDTHS = 8.0
# factor on the estimated error of densities: true ones are seldom larger
SAFETY = 3.0
# error of the limit that is said
MUCH = 0.01
# points in a period of the finest scale, below which the local equilibrium is not summed
LEAST_IN_A_PERIOD = 5.0
# times 1/sqrt(R): part of the paths outside of the box that samples do not see
SEEN = 0.1
# part of the mass of the start that the box may leave out
OUTSIDE = 1e-9


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of a box, each of whole cells of the grid; what is outside of the box counts at its walls.

    Args:
        box: (d, 2).
        cells: of the grid, in each direction.
        count: of bins, likewise.
    """

    box: NDArray[np.float64]
    cells: tuple[int, ...]
    count: int

    @cached_property
    def edges(self) -> list[NDArray[np.float64]]:
        """The edges (B + 1,) of bins in each direction: halfway between nodes, and the walls."""
        result = []
        for (low, high), cells in zip(self.box, self.cells):
            places = np.unique(np.linspace(0, cells, self.count + 1).round()) + 0.5
            h = (high - low) / cells
            inner = low + h * places[1:-1]
            result.append(np.concatenate([[low], inner, [high]]))
        return result

    @property
    def middles(self) -> list[NDArray[np.float64]]:
        """The middles (B,) of bins in each direction."""
        return [0.5 * (edges[1:] + edges[:-1]) for edges in self.edges]

    def numbers(self, x: np.ndarray) -> NDArray[np.intp]:
        """The number of the bin of each point (P,), in C order."""
        parts = [np.searchsorted(edges[1:-1], c) for edges, c in zip(self.edges, x.T)]
        return np.asarray(np.ravel_multi_index(tuple(parts), self.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Bins in each direction."""
        return tuple(len(edges) - 1 for edges in self.edges)

    def sums(self, x: np.ndarray, weights: np.ndarray | None = None) -> NDArray[np.float64]:
        """Weights (P,) of points, or their number, in each bin, in the shape of the bins."""
        sums = np.bincount(self.numbers(x), weights, math.prod(self.shape))
        return np.asarray(sums.reshape(self.shape), dtype=np.float64)


def compare_diffusions(
    potential: MultiscalePotential, epsilon: float, box: ArrayLike, cells: int | Sequence[int] | None,
    initial: ArrayLike, width: float | None, times: ArrayLike, paths: int, seed: int, step: float | None,
    false_alarm: float, rtol: float, progress: bool, comm: MPI.Comm,
) -> Comparison:  # fmt: skip
    """The means of all directions, and the distribution in bins; see `compare`."""
    dim = potential.dim
    cells = (CELLS[dim - 1],) * dim if cells is None else cells
    equation = EffectiveFokkerPlanck(potential, box, cells, rtol=rtol, comm=comm)
    centre, spread = on_all_ranks(comm, lambda: _start(equation.grid.box, initial, width))
    starts = centre + spread * _normal(paths, dim, seed)
    samples = Langevin(potential, epsilon).sample(starts, times, paths, seed, step, progress=progress, comm=comm)
    limit = equation.evolve(lambda x: np.exp(-((x - centre) ** 2).sum(axis=1) / (2.0 * spread**2)), times)
    assert isinstance(limit, DensityEvolution)
    bins = Bins(equation.grid.box, tuple(equation.grid.cells), BINS[dim - 1])
    local: LocalEquilibrium | None = LocalEquilibrium(potential, epsilon, limit, bins)
    assert local is not None
    local = local if local.resolved else None
    differences = _differences(samples.positions, limit, bins, local)
    remarks, doubts, hidden = _remarks(samples, limit, bins, local)

    def draw(axes: Any) -> None:
        _draw(axes, samples, limit, differences[1], bins, comparison.threshold)

    comparison = Comparison(
        f"paths in a potential of {potential.scales} fast scale{'s' * (potential.scales > 1)}",
        f"epsilon = {epsilon:g}", paths, samples.times, samples, limit, local, differences, false_alarm,
        remarks, draw, comm, doubts=doubts, hidden=hidden,
    )  # fmt: skip
    return comparison


def _remarks(
    samples: Paths, limit: DensityEvolution, bins: Bins, local: LocalEquilibrium | None
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Sentences on what else may make a small difference, on what makes a large one, and on what hides them."""
    said, doubts = [f"paths have steps of {samples.step:.3g}, whose errors count as differences"], []
    hidden = []
    outside = (samples.positions < bins.box[:, 0]) | (samples.positions > bins.box[:, 1])
    lost = float(outside.any(axis=2).mean(axis=1).max())
    if lost > 0:
        away = f"{100 * lost:.2g} % of the paths are outside of the box, and count at its walls"
        if lost * math.sqrt(samples.positions.shape[1]) < SEEN:
            said.append(away)
        else:
            doubts.append(f"{away}, where the limit turns back: take a wider box")
    if limit.error is None:
        doubts.append("the error of the limit is not known, and counts as a difference: take more cells")
    elif (unknown := 0.5 * SAFETY * float(np.max(limit.error))) > MUCH:
        hidden.append(
            f"the limit is known to {100 * unknown:.2g} % of the paths in a bin only, and smaller differences count "
            "for nothing: take more cells"
        )
    if local is None:
        said.append("epsilon is too small for the local equilibrium on these cells")
    return tuple(said), tuple(doubts), tuple(hidden)


def _start(box: np.ndarray, initial: ArrayLike, width: float | None) -> tuple[np.ndarray, float]:
    """The middle and the width of a normal law that the box holds.

    Raises:
        InvalidArgument: not a point of the box, or a law that the box does not hold.
    """
    centre = np.atleast_1d(real_array("initial", initial))
    if centre.shape != (len(box),):
        raise InvalidArgument("initial", f"must be a point ({len(box)},), not of shape {centre.shape}")
    nearest = float(np.minimum(centre - box[:, 0], box[:, 1] - centre).min())
    if nearest <= 0:
        raise InvalidArgument("initial", f"must be inside of the box {box.tolist()}, not {centre.tolist()}")
    spread = nearest / WIDTHS if width is None else number("width", width, above=0.0)
    if math.erfc(nearest / spread / math.sqrt(2.0)) > OUTSIDE:
        raise InvalidArgument("width", f"must be at most {nearest / WIDTHS:.3g}, an eighth of the way to a wall")
    return centre, spread


def _normal(paths: int, dim: int, seed: int) -> np.ndarray:
    """Independent standard normal numbers (paths, d): of a path the same whatever the number of paths."""
    keys, tiles = key_words(seed), -(-paths // TILE)
    result, uniform, exponent = np.empty((dim, tiles, TILE)), np.empty(PAIRS), np.empty(PAIRS)
    for k, tile in np.ndindex(dim, tiles):
        fill_tile(result[k, tile], 0, k, tile, np.uint64(Purpose.INITIAL_STATE), *keys, uniform, exponent)
    return result.reshape(dim, -1).T[:paths].copy()


@dataclass(frozen=True, eq=False, repr=False)
class LocalEquilibrium(Described):
    """The limit with the equilibrium of its cells: rho(x) exp(-V1(x, x/epsilon, ...)/sigma)/Z1(x).

    Args:
        potential: V0, V1, sigma.
        epsilon: the scale separation.
        limit: rho at times.
        bins: in which it is summed.
    """

    potential: MultiscalePotential
    epsilon: float
    limit: DensityEvolution
    bins: Bins

    @property
    def resolved(self) -> bool:
        """Whether its sums see the finest scale."""
        lattice = np.eye(self.potential.dim) if self.potential.lattice is None else np.array(self.potential.lattice)
        period = self.epsilon**self.potential.scales * float(np.linalg.norm(lattice, axis=0).min())
        spacing = (self.bins.box[:, 1] - self.bins.box[:, 0]) / self.bins.cells / FINE[self.potential.dim - 1]
        return bool(period >= LEAST_IN_A_PERIOD * spacing.max())

    def density(self, points: ArrayLike) -> NDArray[np.float64]:
        """The density (T, P) at points (P, d), in units of 1/volume."""
        return self.limit.at(points) * self._factor(np.asarray(points, dtype=float))

    def _factor(self, x: np.ndarray) -> np.ndarray:
        """exp((Psi - V_epsilon)/sigma) (P,)."""
        free = self.limit.equation.coefficients.free_energy(x)
        return np.exp((free - self.potential.full_at(x, self.epsilon)) / self.potential.temperature)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """The probabilities of bins (T, ...), from the masses of cells around nodes."""
        x, weights = self._points
        masses = self.limit.at(x) * weights
        total = masses.sum(axis=1, keepdims=True)
        return np.array([self.bins.sums(x, row) for row in masses / total])

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """The mean position (T, d)."""
        x, weights = self._points
        masses = self.limit.at(x) * weights
        return np.asarray(masses @ x / masses.sum(axis=1, keepdims=True))

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points (P, d), evenly spaced in the cells, and the factor there (P,)."""
        fine = FINE[self.potential.dim - 1]
        lines = []
        for (low, high), cells in zip(self.bins.box, self.bins.cells):
            count = cells * fine
            lines.append(low + (high - low) * (np.arange(count) + 0.5) / count)
        x = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(lines))
        return x, self._factor(x)


def _differences(
    positions: np.ndarray, limit: DensityEvolution, bins: Bins, local: LocalEquilibrium | None
) -> tuple[Difference, Difference]:
    nodes, runs = limit.equation.grid.nodes, positions.shape[1]
    # the masses of cells around nodes, which are in one bin each
    probability = np.array([bins.sums(nodes, row) for row in limit.probabilities])
    counts = np.array([bins.sums(x) for x in positions])
    # of one bin at most half of the total variation
    known = np.zeros(len(limit)) if limit.error is None else 0.5 * SAFETY * np.asarray(limit.error)
    each = known.reshape(-1, *[1] * len(bins.shape))
    share = np.clip(probability, 0.0, 1.0)
    spread = np.sqrt(share * (1.0 - share) / runs)
    chance = chances.of_counts(counts, runs, share, each)
    names = [Quantity(name, f"position along {name}", "length") for name in AXES]
    places, finite = tuple(zip(names, bins.middles)), None if local is None else local.shares
    shares = Difference(SHARE, places, counts / runs, probability, spread, chance, finite)
    mean = np.asarray(limit.mean)
    variance = np.diagonal(limit.covariance, axis1=1, axis2=2)
    centred = positions - positions.mean(axis=1, keepdims=True)
    skewness = (centred**3).mean(axis=1) / np.maximum((centred**2).mean(axis=1), 1e-100) ** 1.5
    error = np.sqrt(variance / runs)
    extent = (bins.box[:, 1] - bins.box[:, 0]).max()
    chance = chances.of_skew_means(positions.mean(axis=1) - mean, error, runs, skewness, known[:, None] * extent)
    directions = ((DIRECTION, np.arange(mean.shape[1], dtype=float)),)
    finite = None if local is None else local.mean
    return Difference(MEAN, directions, positions.mean(axis=1), mean, error, chance, finite), shares


def _draw(axes: Any, samples: Any, limit: DensityEvolution, shares: Difference, bins: Bins, threshold: float) -> None:
    if axes is None:
        # its other part is on rank 0
        limit.plot(index=-1)
        return
    time = time_text(samples.times[-1])
    last = samples.positions[-1]
    if len(bins.box) == 1:
        draw_histogram(axes[0], last[:, 0], {"label": time, "bins": bins.edges[0]})
        labelled(axes[0], axis_label("x"), "density of paths (1/length)")
        limit.plot(axes[1], index=-1)
        axes[1].set_title("")
        draw_deviations(axes[2], bins.middles[0], shares, threshold, axis_label("x"))
        top = max(ax.get_ylim()[1] for ax in axes[:2])
        for ax in axes[:2]:
            ax.set(xlim=tuple(bins.box[0]), ylim=(0.0, top))
    else:
        samples.plot(axes[0], color="black", markersize=1, alpha=0.4)
        limit.plot(axes[1], index=-1)
        deviations = shares.scores[-1]
        if deviations.ndim == 3:
            deviations = deviations[:, :, deviations.shape[2] // 2]
        most = max(threshold, 1.0)
        mesh = axes[2].pcolormesh(*bins.edges[:2], deviations.T, cmap="RdBu_r", vmin=-most, vmax=most)
        axes[2].figure.colorbar(mesh, ax=axes[2], label="(samples - limit)/standard error")
        for ax in axes:
            ax.set(xlim=tuple(bins.box[0]), ylim=tuple(bins.box[1]))
            labelled(ax, axis_label("x"), axis_label("y"))
    for ax, name in zip(axes, ("particles", "limit", "difference")):
        ax.set_title(f"{name}, {time}")
