"""How far the actions reach: boxes that hold the stationary law, and boxes that hold an initial density."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.errors import NotConverged, Unresolved, warn

from .discretisation import CUT, REFUSED, TransportDiscretisation, mass_beyond_box
from .elements.weights import ExponentialWeights, SingleSiteWeights
from .initial import density_on_grid, mass_outside

TAIL = 1e-24  # mass beyond the box: rates of modes that grow like powers need it so small
COUPLED_TAIL = 1e-14  # the same where sites act on one another
COARSE = {2: (8, 4), 3: (6, 2)}  # cells and degree, for N, of the trial solves that look for a box
WIDENINGS = 12  # times that a box is made wider before the search is given up
BEYOND = 1e-10  # initial mass outside of a box that was chosen
WIDTHS = 25.0  # ends of the box, in units of the widths theta of exponential weights


def box_of_sites(sites: SingleSiteWeights, *, separable: bool) -> np.ndarray:
    """The ends U (N,) of a box beyond which the laws of the sites alone have less than 1e-24 (1e-14 if coupled).

    Raises:
        InvalidArgument: the law of a site alone is not integrable.
    """
    tail = TAIL if separable else COUPLED_TAIL
    return np.array([sites.tail_quantile(j, tail) for j in range(len(sites.temperature))])


def box_of_coupled_sites(sites: SingleSiteWeights, upper: np.ndarray) -> np.ndarray:
    """The ends U (N,) of a box, wider than a first one until a coarse stationary law decays within it.

    Every rank solves the coarse problems by itself: the box is not collective, and the same for any number of ranks.

    Args:
        sites: R, T and the laws of sites alone.
        upper: ends of the first box, shape (N,).

    Raises:
        NotConverged: no box within twelve widenings holds the law.
    """
    cells, degree = COARSE[len(upper)]
    for _ in range(WIDENINGS):
        # what a trial box cuts off, or too coarse cells do, says nothing of the box that will be taken
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = TransportDiscretisation(
                sites, sites, upper, (cells,) * len(upper), degree, False, False, MPI.COMM_SELF
            )
            tails = mass_beyond_box(trial.density)
        if (tails <= COUPLED_TAIL).all():
            return upper
        upper = np.where(tails > COUPLED_TAIL, 1.15 * upper, upper)
    raise NotConverged(
        "the search for a box of the actions",
        f"there are tails of {tails.max():.1e} beyond U = {np.round(upper, 2)}",
        "check that the dissipation confines the actions (Hg), or give `upper`",
    )


def exponential_weights(sites: SingleSiteWeights, upper: np.ndarray) -> ExponentialWeights:
    """Weights for densities that fill the box [0, U_1] x ... x [0, U_N]."""
    return ExponentialWeights(sites.dissipation, sites.temperature, upper / WIDTHS)


def holding(
    found: TransportDiscretisation, initial: Callable[[np.ndarray], Any], values: np.ndarray
) -> tuple[TransportDiscretisation, np.ndarray]:
    """A discretisation whose box holds an initial density, and its values on the grid there.

    Args:
        found: of the stationary law; where its box was chosen, and is too small, a wider one with exponential weights
            is taken in its place.
        initial: the density, from points (P, N) to values (P,).
        values: of the density on the grid of `found`.

    Raises:
        InvalidArgument: a given box does not hold the density; a density that no box holds, or that is none.

    Warns:
        Unresolved: a given box cuts off a little of it.
    """
    outside = mass_outside(found.space, initial, values)
    if outside <= (BEYOND if found.sized else CUT):
        return found, values
    if not found.sized:
        message = f"has {outside:.1e} of its mass outside of [0, U], U = {np.round(found.upper, 3)}"
        if outside > REFUSED:
            raise InvalidArgument("initial", f"{message}; give a larger `upper`, or none")
        if found.comm.rank == 0:
            warn(f"the initial density {message}, which is cut off", Unresolved)
        return found, values
    upper = found.upper
    for _ in range(WIDENINGS):
        upper = 1.5 * upper
        wider = replace(found, upper=upper, weights=exponential_weights(found.sites, upper))
        values = density_on_grid(wider.space, initial)
        if mass_outside(wider.space, initial, values) <= BEYOND:
            return wider, values
    raise InvalidArgument("initial", f"has mass beyond U = {np.round(upper, 3)}; is it integrable?")
