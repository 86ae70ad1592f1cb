"""Invariants, positivity and tolerance of the pinned-billiard equations, for any data, wave speed, mesh and ranks."""

import math
import warnings

import numpy as np
import pytest
from billiards import FREEZE, POINTS, WAVE_SPEED, coarse, l2, mean, order_one_std, small_std
from mpi4py import MPI

from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import BilliardEquations, EnergyForm, Unresolved
from scaling_limits.pdes.pinned_balls.discretisation import BilliardSystem
from scaling_limits.pdes.pinned_balls.elements import BoundForms, billiard_elements

HARD = {
    "paper": (mean, small_std),
    "order one": (mean, order_one_std),
    "no noise": (mean, lambda x: 0 * x),
    "nothing happens": (lambda x: 1 + 0 * x, lambda x: 0 * x),
    "noise in the middle": (lambda x: np.sin(6 * np.pi * x), lambda x: np.where(np.abs(x - 0.5) < 0.2, 1.0, 0.0)),
    "out of order": (lambda x: -x, lambda x: np.maximum(0.04 - (x - 0.5) ** 2, 0)),
    "jump": (lambda x: np.where(x < 0.5, -1.0, 1.0), lambda x: 0.1 + 0 * x),
}


@coarse
@pytest.mark.parametrize("boundary", ["closed", "absorbing"])
@pytest.mark.parametrize("data", HARD.values(), ids=HARD.keys())
@pytest.mark.parametrize(("cells", "degree"), [(300, 1), (80, 4)])
def test_invariants_and_positivity(data, boundary, cells, degree):
    equations = BilliardEquations(WAVE_SPEED, *data, boundary)
    solution = equations.solve([0.0, 1e-6, 1e-4, 1.6e-3, 4e-3], rtol=1e-3, cells=cells, degree=degree)
    scale = np.abs(solution.nodal_mean).max()
    assert np.abs(solution.momentum - solution.momentum[0]).max() <= 1e-12 * scale
    balance = solution.energy + solution.energy_outflow - solution.energy[0]
    if boundary == "closed":
        assert np.abs(solution.energy / solution.energy[0] - 1).max() <= 1e-12
        assert (solution.energy_outflow == 0).all()
    else:
        assert np.abs(balance).max() <= 1e-10 * solution.energy[0]
        assert np.diff(solution.energy_outflow).min() >= -1e-3 * 1e-3  # rtol, of the part near the ends
        assert (solution.nodal_w[:, [0, -1]] == 0).all()
    assert solution.nodal_w.min() >= 0
    assert solution.std_at(POINTS).min() >= 0
    assert np.isfinite(solution.nodal_mean).all()
    assert (
        np.abs(solution.nodal_mean).max()
        <= np.abs(solution.nodal_mean[0]).max() + math.sqrt(2 * solution.nodal_w[0].max()) + 1
    )


@coarse
@pytest.mark.parametrize("boundary", ["closed", "absorbing"])
def test_a_constant_velocity_changes_nothing(boundary):
    """mu + 1e4 moves with the same sigma, to round-off, and with the energy that belongs to it."""
    one, other = (
        BilliardEquations(20.0, lambda x, c=c: c + np.sin(3 * x), lambda x: np.sin(np.pi * x), boundary).solve(
            [0.0, 0.01, 0.2], rtol=1e-5, cells=60, degree=2
        )
        for c in (0.0, 1e4)
    )
    assert other.std_at(POINTS) == pytest.approx(one.std_at(POINTS), abs=1e-9)
    assert other.mean_at(POINTS) - 1e4 == pytest.approx(one.mean_at(POINTS), abs=1e-9)
    assert other.energy == pytest.approx(one.energy + 1e4 * one.momentum + 0.5e8, rel=1e-13)
    assert other.energy_outflow == pytest.approx(one.energy_outflow, abs=1e-10)


@pytest.mark.parametrize("degree", [1, 4])
def test_fluxes_cancel(degree):
    """The rates of both invariants vanish to round-off before any step: no correction could hide a flux that does not."""
    elements = billiard_elements(MPI.COMM_WORLD, 50, degree, EnergyForm(), False)
    x = elements.points
    system = BilliardSystem(BoundForms(elements), WAVE_SPEED, 1e-3, np.sin(7 * x), 1 + np.cos(5 * x))
    rate = system.rate(0.0, system.start)
    for part in system.nodal:
        total, size = MPI.COMM_WORLD.allreduce(np.array([rate[part].sum(), np.abs(rate[part]).sum()]))
        assert abs(total) < 1e-13 * size


@coarse
def test_outflow_is_that_of_the_flux():
    """The reported outflow against the integral of its rate, by Simpson's rule on the solution."""
    equations = BilliardEquations(20.0, mean=lambda x: x, std=lambda x: np.sin(np.pi * x), boundary="absorbing")
    times = np.linspace(0.01, 0.05, 41)
    solution = equations.solve(times, rtol=1e-5, cells=100)
    elements = billiard_elements(MPI.COMM_SELF, 100, 1, EnergyForm(), True)
    order = np.argsort(np.argsort(elements.points))
    systems = [
        BilliardSystem(BoundForms(elements), 20.0, 1e-5, mu[order], np.sqrt(2 * w[order]))
        for mu, w in zip(solution.nodal_mean, solution.nodal_w)
    ]
    rates = [system.rate(0.0, system.start)[-1] for system in systems]
    from scipy.integrate import simpson

    assert simpson(rates, x=times) == pytest.approx(solution.energy_outflow[-1] - solution.energy_outflow[0], rel=1e-4)


@coarse
def test_closed_ends_become_absorbing_in_name_only():
    """The paper's ends let energy out, and the closed ones do not; inside they agree before the ends are felt."""
    both = [BilliardEquations(50.0, mean=lambda x: x, std=lambda x: np.sin(np.pi * x), boundary=b).solve([1e-4, 0.02], 1e-4, 400) for b in ("closed", "absorbing")]  # fmt: skip
    inner = np.linspace(0.2, 0.8, 31)
    assert both[0].std_at(inner)[0] == pytest.approx(both[1].std_at(inner)[0], rel=1e-5)
    assert both[1].energy_outflow[-1] > 1e-4


# --- any wave speed, mesh and number of ranks ---------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.1, 1.0, 30.0, 1e3, 3e5])
@pytest.mark.parametrize("cells", [2, 20, 400])
def test_any_wave_speed_on_any_mesh(speed, cells):
    equations = BilliardEquations(speed, mean, order_one_std)
    resolved = speed / cells <= 2.0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", Unresolved)
        solution = equations.solve(np.array([0.0, 0.2, 0.5, 1.0]) / speed, rtol=1e-3, cells=cells)
    assert any("do not resolve 1/lambda" in str(one.message) for one in said) is not resolved
    assert solution.resolved is (not said)
    assert np.abs(solution.nodal_mean).max() < 4.0
    assert np.sqrt(2 * solution.nodal_w.max()) < 4.0
    assert solution.nodal_w.min() >= 0
    assert np.abs(solution.energy / solution.energy[0] - 1).max() <= 1e-12
    assert solution.statistics.steps < 1000
    if not resolved:
        with pytest.warns(Unresolved, match="resolve 1/lambda"):
            equations.solve([0.0], cells=cells)


def test_mesh_is_chosen():
    for speed in (0.1, 282.0, 3e5):
        assert BilliardEquations(speed, lambda x: x, lambda x: 1 + x).solve([0.0], rtol=1e-4).resolved
    with pytest.raises(InvalidArgument, match="^cells: must be given"):
        BilliardEquations(3e6, lambda x: x, lambda x: 1 + x).solve([0.0], rtol=1e-4)


def test_requested_tolerance_is_met():
    """rtol = 1e-5 with cells chosen, against a much finer solve: within 10 rtol in mu and in sigma."""
    equations = BilliardEquations(WAVE_SPEED, mean, order_one_std)
    times = [0.0004, 0.0012]
    one, best = equations.solve(times, rtol=1e-5), equations.solve(times, rtol=1e-7, cells=800, degree=4)
    assert l2(one.mean_at(POINTS), best.mean_at(POINTS)) < 1e-4
    assert l2(one.std_at(POINTS), best.std_at(POINTS)) < 1e-4


@coarse
def test_independent_of_ranks():
    equations = BilliardEquations(WAVE_SPEED, mean, small_std, "absorbing")
    one, all_ranks = (equations.solve([FREEZE / 2, FREEZE], rtol=1e-5, cells=300, comm=c) for c in (MPI.COMM_SELF, MPI.COMM_WORLD))  # fmt: skip
    assert all_ranks.mean_at(POINTS) == pytest.approx(one.mean_at(POINTS), abs=1e-8)
    assert all_ranks.std_at(POINTS) == pytest.approx(one.std_at(POINTS), abs=1e-7)
    assert all_ranks.energy_outflow == pytest.approx(one.energy_outflow, abs=1e-12)
