"""Stated errors of stationary densities of actions, beside the law exp(-V/T) of conduction at one temperature."""

import numpy as np
import pytest
from conduction import conducting
from rotators import fast, lattice_of, weak

from scaling_limits.particles import DiagonalDissipation, RotatorLattice
from scaling_limits.pdes import ActionDensity, TransportFokkerPlanck

pytestmark = pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")


def equation_of(sites, kappa, upper, **sizes):
    lattice = RotatorLattice((sites,), fast, weak, conducting(sites, kappa), 1.0, 0.1)
    return TransportFokkerPlanck(lattice, upper, wide=True, **sizes)


def law(points, kappa):
    """exp(-V), V = 0.1 sum I_j^2 + 2 kappa sum over bonds (I_j - I_k)^2, up to a factor."""
    return np.exp(-0.1 * (points**2).sum(axis=1) - 2 * kappa * (np.diff(points, axis=1) ** 2).sum(axis=1))


def exact(sites, kappa, count=80, upper=14.0):
    """The partition function and the mean actions of the whole law, by quadrature."""
    x, w = np.polynomial.legendre.leggauss(count)
    points = np.stack(np.meshgrid(*[0.5 * upper * (x + 1)] * sites, indexing="ij"), axis=-1).reshape(-1, sites)
    weights = np.stack(np.meshgrid(*[0.5 * upper * w] * sites, indexing="ij"), axis=-1).reshape(-1, sites).prod(axis=1)
    weights *= law(points, kappa)
    return weights.sum(), weights @ points / weights.sum()


def true_errors(density, kappa):
    """int |p - p_exact| on the box, and |E I - E_exact I|."""
    space = density.space
    total, mean = exact(space.dim, kappa)
    expected = space.on_grid(lambda points: law(points, kappa)) / total
    found = space.on_grid(space.weight) * space.grid_values(density.field)
    return space.plain_integral(np.abs(found - expected)), np.abs(np.asarray(density.mean) - mean)


@pytest.mark.parametrize(
    ("sites", "kappa", "upper", "cells", "degree"),
    [
        (2, 0.25, 11.0, 16, 6),
        (2, 0.25, 11.0, 12, 4),
        (2, 0.25, 11.0, 16, 2),
        (2, 0.25, 11.0, 20, 1),
        (2, 0.25, 7.0, 16, 6),
        (2, 1.0, 10.0, 8, 4),
        # the default, of which means are off by 1e-5
        (3, 0.25, 9.0, None, None),
    ],
)
def test_stated_errors_hold_the_true_ones(sites, kappa, upper, cells, degree):
    density = equation_of(sites, kappa, upper, cells=cells, degree=degree).stationary()
    variation, mean = true_errors(density, kappa)
    assert variation < density.error < 30 * variation
    assert (mean < density.mean_error).all()
    assert (density.mean_error < 40 * mean).all()


def test_errors_where_sites_do_not_act_on_one_another():
    """The weight is the density: nothing but rounding, and what a given box cuts off of exp(-2 I)."""
    whole, cut = (TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [1.0]), u).stationary() for u in (None, 6.0))
    assert whole.error < 1e-12
    assert cut.error == pytest.approx(2 * np.exp(-12.0), rel=1e-6)
    for density in (whole, cut):
        assert abs(float(density.mean[0]) - 0.5) < float(density.mean_error[0]) < 1e-4


def test_too_few_cells_to_tell():
    """On one cell of three quarters there is no density at all: as much as can be."""
    equation = equation_of(2, 0.25, 11.0, cells=3, degree=6)
    density = equation.discretisation.density
    assert density.error <= 2.0


def test_densities_of_evolutions_state_none(tmp_path):
    equation = TransportFokkerPlanck(lattice_of(DiagonalDissipation(2), [1.0]), cells=8)
    run = equation.evolve(lambda actions: np.exp(-actions[:, 0]), [0.1])
    assert run[0].error is None
    assert run[0].mean_error is None
    assert ActionDensity(run[0].space, run[0].field).error is None
