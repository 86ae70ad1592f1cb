"""The number of cells that the pinned-billiard equations need: for their layers, the data and the first time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks

from .initial_data import InitialData, Misfit

# by which quotients of a wave speed may be off
ROUNDING = 1e-12


# next to the ends, where slopes are taken, and everywhere, where sizes are
PLACES = np.array([0.0, 1e-5, 1.0 - 1e-5, 1.0, *np.linspace(0.0, 1.0, 65)])


@dataclass(frozen=True)
class MeshSettings:
    """What steers the choice of a mesh, and the factors from an interpolation error to the error of a solution.

    Measured on smooth random data, wave speeds 1 to 100, against elements of degree 8 on fine meshes; factors by degree
    hold for the last degree that is listed and for all above it.

    Args:
        most_nodes: of a mesh that is chosen.
        most_for_data: nodes that are spent to resolve data alone.
        most_for_jumps: the same where the data jump, which would take any number.
        fewest: cells of a mesh.
        layers: cells for each unit of lambda at rtol = 1e-3, by degree.
        ends: cells in units of rtol^(-1/2) with absorbing ends, where w_x > 0 gives mu a term of distance^(3/2).
        most_of_ends: cells with absorbing ends, since the steps become short there.
        resolving: the largest lambda times the distance of nodes that resolves 1/lambda, by degree: exact for degree 1;
            the others were seen to keep the layers at the ends free of ripples. From degree 5 on ripples come at 0.95,
            and what they leave in sigma cannot be seen at later times.
        safety: error of the solution over that of interpolation, by degree, on fine meshes.
        coarse: the same for degrees above 1 grows by 1 + coarse q^4 towards meshes that just resolve 1/lambda, q = 1.
        remembered: by this much it grows for degree 1 with each crossing of the waves, since layers leave traces.
        most_remembered: up to this.
    """

    most_nodes: int = 2**19
    most_for_data: int = 2**14
    most_for_jumps: int = 2**13
    fewest: int = 32
    layers: tuple[float, ...] = (20.0, 2.2, 0.9, 0.4)
    ends: float = 0.4
    most_of_ends: int = 500
    resolving: tuple[float, ...] = (2.0, 1.5, 1.1, 1.1, 0.8)
    safety: tuple[float, ...] = (5.0, 3.0, 2.0, 1.5)
    coarse: float = 3.0
    remembered: float = 80.0
    most_remembered: float = 200.0


SETTINGS = MeshSettings()


def _by_degree(values: tuple[float, ...], degree: int) -> float:
    return values[min(degree, len(values)) - 1]


@dataclass(frozen=True)
class Mesh:
    """Equal cells, their degree, and how well they resolve the data."""

    cells: int
    degree: int
    misfit: Misfit

    def resolves(self, wave_speed: float) -> bool:
        """Return whether it resolves 1/lambda, so that the diffusion is that of the equations."""
        return least_diffusion(self.cells, self.degree, wave_speed) == 1.0

    def check_wave_speed(self, wave_speed: float) -> None:
        """Refuse a wave speed that the largest mesh does not resolve.

        Raises:
            InvalidArgument: it does not.
        """
        if not self.resolves(wave_speed):
            raise InvalidArgument(
                "cells",
                f"must be given, since wave_speed = {wave_speed:.3g} takes at least "
                f"{cells_for(wave_speed, self.degree)} cells of degree {self.degree}, and no more than {self.cells} "
                "are chosen; with fewer the solution is smeared, and it is not known how far it is off",
            )


@dataclass(frozen=True)
class Choice:
    """What a mesh is chosen from.

    Args:
        wave_speed: lambda.
        absorbing: whether energy leaves through the ends.
        data: the initial data.
        rtol: the tolerance.
        first: the first positive time of the result, 0 where there is none.
        comm: the ranks.
    """

    wave_speed: float
    absorbing: bool
    data: InitialData
    rtol: float
    first: float
    comm: MPI.Comm

    def mesh(self, cells: int | None, degree: int | None) -> Mesh:
        """Return the mesh of the cells and the degree that are given, or of those that are needed; collective."""
        if cells is not None:
            degree = degree or 1
            return Mesh(cells, degree, self.data.misfit(cells, degree, self.comm))
        degree = degree or 4
        most = SETTINGS.most_nodes // degree
        needed = on_all_ranks(self.comm, lambda: self._needed(degree))
        cells = math.ceil(min(self.comm.allreduce(needed, MPI.MAX), most))
        misfit = self.data.misfit(cells, degree, self.comm)
        while misfit.after(self.first) > self.rtol:
            if 2 * cells * degree > (SETTINGS.most_for_jumps if misfit.cells.size else SETTINGS.most_for_data):
                break
            cells *= 2
            misfit = self.data.misfit(cells, degree, self.comm)
        return Mesh(cells, degree, misfit)

    def finer(self, mesh: Mesh, error: float) -> Mesh | None:
        """Return a mesh for another solve where the error (estimated on this one) is above rtol; collective.

        None where it is not, or where no more cells may be chosen.

        Args:
            mesh: that was chosen and solved on.
            error: the largest estimate on it.
        """
        jumps = mesh.misfit.cells.size > 0
        most = min(SETTINGS.most_nodes, SETTINGS.most_for_jumps if jumps else SETTINGS.most_for_data) // mesh.degree
        most = min(most, SETTINGS.most_of_ends if self.absorbing else most)
        if error <= self.rtol or mesh.cells >= most:
            return None
        growth = 1.2 * (error / self.rtol) ** (0.5 if jumps else 1.0 / (mesh.degree + 1))
        cells = min(math.ceil(mesh.cells * min(max(growth, 1.5), 4.0)), most)
        return Mesh(cells, mesh.degree, self.data.misfit(cells, mesh.degree, self.comm))

    def _needed(self, degree: int) -> float:
        layers = _by_degree(SETTINGS.layers, degree) * self.wave_speed * (1e-3 / self.rtol) ** (1.0 / (degree + 1))
        ends = min(SETTINGS.ends / math.sqrt(self.rtol), SETTINGS.most_of_ends) if self.absorbing else 0.0
        resolved = self.wave_speed / (degree * resolving(degree))
        return max(SETTINGS.fewest, layers, ends, self._of_first_time(degree), resolved)

    def _of_first_time(self, degree: int) -> float:
        """Cells for the layers of width sqrt(t) that form at once where mu_x = lambda sigma does not hold at an end."""
        if self.first == 0.0 or self.absorbing:
            return 0.0
        mu, sigma = self.data.at(PLACES.copy())
        size = math.sqrt(mu[4:].var() + sigma[4:] @ sigma[4:] / (PLACES.size - 4)) + np.finfo(float).tiny
        slopes = (mu[1] - mu[0]) / 1e-5, (mu[3] - mu[2]) / 1e-5
        layer = max(abs(slopes[0] - self.wave_speed * sigma[0]), abs(slopes[1] - self.wave_speed * sigma[3]))
        layer *= self.first**0.75 / size
        if layer <= self.rtol:
            return 0.0
        return (0.3 * 20.0 ** (1 - degree) * layer / self.rtol) ** (1.0 / (degree + 1)) / math.sqrt(self.first)


def resolving(degree: int) -> float:
    """The largest lambda times the distance of nodes that resolves 1/lambda."""
    return _by_degree(SETTINGS.resolving, degree)


def least_diffusion(cells: int, degree: int, wave_speed: float) -> float:
    """The diffusion that a mesh needs: 1, or more where it does not resolve 1/lambda."""
    needed = wave_speed / (cells * degree) / resolving(degree)
    # the cells that are chosen may just resolve it
    return needed if needed > 1.0 + 2 * ROUNDING else 1.0


def cells_for(wave_speed: float, degree: int) -> int:
    """The least number of cells that resolves 1/lambda."""
    return math.ceil(wave_speed / (degree * resolving(degree)) * (1.0 - ROUNDING))


def spatial_error(estimate: np.ndarray, mesh: Mesh, times: np.ndarray, wave_speed: float) -> np.ndarray:
    """Return the error (T,) of mu and sigma that an interpolation error stands for; that of the data where t = 0.

    Args:
        estimate: of the interpolation error, (T,).
        mesh: the mesh.
        times: (T,).
        wave_speed: lambda.
    """
    safety = _by_degree(SETTINGS.safety, mesh.degree)
    if mesh.degree == 1:
        error = np.minimum(safety + SETTINGS.remembered * wave_speed * times, SETTINGS.most_remembered) * estimate
    else:
        resolved = wave_speed / (mesh.cells * mesh.degree) / resolving(mesh.degree)
        error = safety * (1.0 + SETTINGS.coarse * min(resolved, 1.0) ** 4) * estimate
    # what has become smooth is still off by what the mesh made of the data
    data = mesh.misfit.after(times)
    return np.where(times > 0, np.maximum(error, (2.0 if mesh.degree == 1 else 1.0) * data), data)


def unresolved(mesh: Mesh, wave_speed: float, layers: bool, rtol: float, worst: float) -> str:
    """Return everything that the mesh does not resolve, as the text of a warning; empty where it resolves all.

    Args:
        mesh: the mesh and how well it resolves the data.
        wave_speed: lambda.
        layers: whether the mesh resolves 1/lambda.
        rtol: the tolerance that was asked for.
        worst: the largest estimate at the times after 0, inf where the layers are not resolved.
    """
    reasons = []
    if not layers:
        reasons.append(
            f"{mesh.cells} cells of degree {mesh.degree} do not resolve 1/lambda = {1 / wave_speed:.3g}: the solution "
            "is smeared, and it is not known how far it is off; take at least "
            f"{cells_for(wave_speed, mesh.degree)} cells of this degree, or give no cells"
        )
    jumps, smooth = mesh.misfit.cells.size, mesh.misfit.smooth
    more = "take more cells with degree=4" if mesh.degree == 1 else "take more cells"
    if worst > rtol and jumps:
        reach = f"about {worst:.1g} is within reach, and " if layers else ""
        reasons.append(
            f"the data jump, or vary faster than the cells, in {jumps} of {mesh.cells} cells, where "
            f"averages are taken: of first order there, {reach}rtol is {rtol:.1g}"
        )
    elif smooth > rtol:
        reasons.append(
            f"elements of degree {mesh.degree} on {mesh.cells} cells are {smooth:.1g} off the initial data, and "
            f"rtol is {rtol:.1g}; {more}"
        )
    elif worst > rtol and layers:
        reasons.append(
            f"elements of degree {mesh.degree} on {mesh.cells} cells err by about {worst:.1g}, and rtol is {rtol:.1g}; "
            f"{more} or a larger rtol"
        )
    return "; ".join(reasons)
