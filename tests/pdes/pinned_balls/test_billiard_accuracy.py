"""What rtol promises: on chosen meshes it is met, and on others a warning says what is; freezing and ordering in time."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from finite_volumes import finite_volumes
from mpi4py import MPI
from scipy.special import erf, erfc

from scaling_limits.particles import InvalidArgument, LongRun, PinnedBalls
from scaling_limits.pdes import BilliardEquations, FiniteSizeEquations, Unresolved, ordering_time
from scaling_limits.pdes.pinned_balls import mesh_choice
from scaling_limits.pdes.pinned_balls.initial_data import InitialData
from scaling_limits.pdes.pinned_balls.mesh_choice import SETTINGS, Choice

X = (np.arange(2000) + 0.5) / 2000


def mean(x):
    return np.sin(2.5 * x) + 0.3 * x


def difference(one, best, row=-1):
    """In L2, of mu relative to mu (without its mean) and sigma, and of sigma relative to itself."""
    mu, sigma = best.mean_at(X)[row], best.std_at(X)[row]
    both = np.var(mu) + np.mean(sigma**2)
    of_mean = math.sqrt(np.mean((one.mean_at(X)[row] - mu) ** 2) / both)
    return of_mean, math.sqrt(np.mean((one.std_at(X)[row] - sigma) ** 2) / np.mean(sigma**2))


def silent(equations, times, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        return equations.solve(times, **options)


# --- absorbing ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [4.0, 25.0])
@pytest.mark.serial
def test_tolerance_with_absorbing_ends(speed):
    """sigma falls like a square root of the distance to the ends there; mu and sigma within rtol and the error that is said."""
    equations = BilliardEquations(speed, mean, lambda x: np.sin(np.pi * x) * (1 + x), "absorbing")
    times = [0.3 / speed]
    best = silent(equations, times, rtol=1e-5, cells=500, degree=4)
    for rtol in (1e-3, 1e-4):
        solution = silent(equations, times, rtol=rtol)
        of_mean, of_std = difference(solution, best)
        assert of_mean < 3 * rtol
        assert of_std < 3 * rtol
        assert solution.resolved


@pytest.mark.serial
def test_absorbing_ends_against_finite_volumes():
    """Two codes of their own; volumes end with one-sided differences, of first order in their width next to the ends."""
    equations = BilliardEquations(6.0, mean, lambda x: 1.2 * np.sin(np.pi * x), "absorbing")
    solution = silent(equations, [0.04], rtol=1e-5)
    errors = []
    for cells in (200, 800):
        mu, sigma = finite_volumes(6.0, mean, equations.std, [0.04], cells, absorbing=True)
        x = (np.arange(cells) + 0.5) / cells
        errors.append(np.linalg.norm(solution.std_at(x)[0] - sigma[0]) / np.linalg.norm(sigma[0]))
        errors.append(np.linalg.norm(solution.mean_at(x)[0] - mu[0]) / np.linalg.norm(mu[0]))
    assert max(errors[2:]) < 2e-4
    assert max(errors[2:]) < 0.5 * max(errors[:2]) + 2e-5


# --- degrees and meshes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 6, 8])
@pytest.mark.serial
def test_every_degree_meets_the_tolerance_or_says_so(degree):
    equations = BilliardEquations(12.0, mean, lambda x: 1 + 0.6 * np.cos(2 * np.pi * x))
    times = [0.003, 0.04, 0.2]
    best = silent(equations, times, rtol=1e-7, cells=60, degree=8)
    for rtol, cells in ((1e-3, None), (3e-5, None), (1e-5, 24)):
        solution = silent(equations, times, rtol=rtol, cells=cells, degree=degree)
        assert solution.degree == degree
        for row in range(3):
            off = max(difference(solution, best, row))
            assert off < 3 * max(rtol, solution.error[row])
        assert solution.resolved is bool(solution.error.max() <= rtol)
        assert solution.resolved or cells is not None


@pytest.mark.parametrize("speed", [5.0, 300.0, 5e4, 1e9])
@pytest.mark.parametrize("degree", [None, 1, 2, 5, 8])
def test_a_degree_is_never_dropped(speed, degree):
    data = InitialData(mean, lambda x: 1 + x)
    mesh = Choice(speed, False, data, 1e-6, 1e-3, MPI.COMM_WORLD).mesh(None, degree)
    assert mesh.degree == (degree or 4)
    assert mesh.cells * mesh.degree <= SETTINGS.most_nodes
    assert mesh.cells >= 32


@pytest.mark.serial
def test_largest_meshes_say_what_they_do_not_resolve(monkeypatch):
    """The mesh that is chosen ends somewhere, here at 2^11 nodes: the degree is kept, and the answer tells its error."""
    monkeypatch.setattr(mesh_choice, "SETTINGS", replace(SETTINGS, most_nodes=2**11))
    with pytest.raises(
        InvalidArgument, match=r"^cells: must be given, since wave_speed = 3e\+03 takes at least 682 cells"
    ):
        BilliardEquations(3000.0, mean, lambda x: 1 + x).solve([1e-6], rtol=1e-6)
    equations = BilliardEquations(2200.0, mean, lambda x: 1 + x)
    with pytest.warns(Unresolved, match=r"err by about .* and rtol is 1e-06"):
        solution = equations.solve([1e-6], rtol=1e-6)
    assert solution.degree == 4
    assert solution.nodes.size == 2**11 + 1
    best = silent(equations, [1e-6], rtol=1e-5, cells=4000, degree=4)
    # layers narrower than a cell: their size is all that an estimate can tell
    assert 1e-6 < max(difference(solution, best)) < 10 * solution.error[0]


WAVES = lambda x: 1 + 0.5 * np.cos(5 * x)  # noqa: E731


@pytest.mark.parametrize("rtol", [1e-1, 2e-3])
@pytest.mark.parametrize(("speed", "boundary", "times"), [
    (2000.0, "closed", [3e-4, 1e-3]), (282.0, "closed", [2.9e-3]), (0.5, "absorbing", [2.0]),
])  # fmt: skip
@pytest.mark.serial
def test_errors_of_steps_do_not_add_up_to_more_than_rtol(speed, boundary, times, rtol):
    """Waves carry them along: with a local error of rtol they add up to 11 rtol in the first case.

    The steps of what they are compared with err by a hundredth of rtol.
    """
    equations = BilliardEquations(speed, lambda x: np.sin(4 * x) if boundary == "absorbing" else 0 * x, WAVES, boundary)
    solution = equations.solve(times, rtol)
    cells = (solution.nodes.size - 1) // solution.degree
    best = equations.solve(times, rtol / 50, cells, degree=solution.degree, quiet=True)
    for row in range(len(times)):
        assert max(difference(solution, best, row)) < 0.5 * rtol
    assert (solution.error >= 0.5 * rtol).all()


JUMP = lambda x: np.where(x < 0.4, 1.0, 0.2)  # noqa: E731


@pytest.mark.parametrize("rtol", [2e-2, 5e-3])
def test_jumps_at_early_times(rtol):
    """While the heat kernel is narrow, what a mesh makes of a jump is larger in L2 than its integral says."""
    equations = BilliardEquations(50.0, lambda x: 0 * x, JUMP)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        solution = equations.solve([1e-6, 1e-5], rtol)
    fine = equations.solve([1e-6, 1e-5], 1e-4, 4000, degree=2, quiet=True)
    for row in range(2):
        found = max(difference(solution, fine, row))
        assert found < 1.1 * solution.error[row]
        assert found < rtol or said


@pytest.mark.parametrize("size", [1e-4, 1e-2])
def test_little_noise_at_early_times(size):
    equations = BilliardEquations(30.0, lambda x: np.sin(9 * x), lambda x: size * (1 + x))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Unresolved)
        solution = equations.solve([1e-6], 2e-3)
    fine = equations.solve([1e-6], 1e-4, 4000, degree=4, quiet=True)
    assert max(difference(solution, fine)) < 2e-3


@pytest.mark.parametrize("n", [50, 100])
@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
@pytest.mark.parametrize("first", [1e-5, 1e-3])
def test_chosen_meshes_satisfy_their_own_estimates(n, rtol, first):
    """Few balls with the data of the paper, all defaults: nothing to warn of, and right."""
    balls = PinnedBalls(n, lambda x: erf(27 * (x - 0.5) ** 3), lambda x: (1 - np.cos(2 * np.pi * x)) / n)
    equations, times = BilliardEquations.of(balls), np.array([first, 4 * first])
    with warnings.catch_warnings():
        warnings.simplefilter("error", Unresolved)
        solution = equations.solve(times, rtol)
    assert solution.resolved
    assert solution.error.max() <= rtol
    fine = equations.solve(times, 0.1 * rtol, 400, degree=6)
    for row in range(2):
        assert max(difference(solution, fine, row)) < rtol


def test_layers_of_early_times_are_resolved():
    """mu_x = lambda sigma does not hold at the ends at first: mu = lambda sigma sqrt(4 t) ierfc(x/sqrt(4 t)) next to x = 0."""
    speed, t = 5.0, 1e-6
    solution = BilliardEquations(speed, lambda x: 0 * x, lambda x: 1 + 0 * x).solve([t], rtol=1e-6)
    assert solution.resolved
    z = np.linspace(0, 6, 200)
    layer = -speed * math.sqrt(4 * t) * (np.exp(-(z**2)) / math.sqrt(math.pi) - z * erfc(z))
    found = solution.mean_at(z * math.sqrt(4 * t))[0]
    assert found == pytest.approx(layer, abs=0.01 * speed * math.sqrt(4 * t))  # mu changes sigma, by lambda sqrt(4 t)


# --- freezing and ordering -------------------------------------------------------------------------------


@pytest.mark.serial
def test_unsorted_velocities_without_noise_are_not_frozen():
    """They sort themselves first; and with a little noise the time is nearly the same."""
    speed = 60.0
    one = BilliardEquations(speed, lambda x: 0.5 - x**2, lambda x: 0 * x).freeze_time(rtol=1e-3)
    other = BilliardEquations(speed, lambda x: 0.5 - x**2, lambda x: 1e-4 + 0 * x).freeze_time(rtol=1e-3)
    assert one > 0.1 / speed
    assert one == pytest.approx(other, rel=0.01)
    times = one + np.array([-0.012, 0.012]) / speed  # it is promised to 1 % of 1/lambda
    solution = BilliardEquations(speed, lambda x: 0.5 - x**2, lambda x: 0 * x).solve(times, rtol=1e-4)
    mu, sigma = solution.mean_at(X), solution.std_at(X)
    share = np.maximum(sigma - np.gradient(mu, X, axis=1) / speed, 0.0).mean(1) / sigma.mean(1)
    assert share[0] > 0.01 > share[1]
    assert (mu[:, -1] > mu[:, 0]).all()


@pytest.mark.serial
def test_sorted_velocities_and_nothing_at_all_are_frozen():
    for profile in (lambda x: x**3, lambda x: 4 + 0 * x, lambda x: 1e6 + 1e-3 * x):
        assert BilliardEquations(20.0, profile, lambda x: 0 * x).freeze_time(rtol=1e-3) == 0.0


@pytest.mark.parametrize("epsilon", [0.2, 1e-3, 1e-7, 1e-11])
@pytest.mark.serial
def test_ordering_time_is_that_of_the_crossing(epsilon):
    """Against Brent's method on solutions at single times, for epsilon that moves the bound by ten orders."""
    from scipy.optimize import brentq

    equations = BilliardEquations(8.0, lambda x: 0.3 - 0.5 * x, lambda x: 0.4 + 0.2 * x)

    def gap(t):
        ends = equations.solve([t], rtol=1e-5, cells=128, degree=4).mean_at([0.0, 1.0])[0]
        return ends[0] - ends[1] - epsilon

    exact = brentq(gap, 1e-4, 0.1, rtol=1e-5)
    found = ordering_time(equations, epsilon, rtol=1e-5)
    assert found.time == pytest.approx(exact, rel=1e-3)
    assert found.bound == pytest.approx((0.05 + 0.2) / epsilon, rel=1e-5)
    assert found.time < found.bound


@pytest.mark.serial
def test_ends_that_are_in_order_need_no_time():
    equations = BilliardEquations(8.0, lambda x: -0.1 * x, lambda x: 1 + 0 * x)
    assert ordering_time(equations, 0.11).time == 0.0
    assert ordering_time(BilliardEquations(8.0, lambda x: x, lambda x: 1 + 0 * x), 1e-6).time == 0.0


# --- the lattice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlations", [0, 4])
@pytest.mark.serial
def test_a_constant_velocity_changes_nothing_on_the_lattice(correlations):
    """mu + c and the same sigma, to what rounding of c allows, where c^2 is 10^14 times sigma^2."""
    equations = [
        FiniteSizeEquations(60, lambda x, c=c: c + 1e-3 * np.cos(3 * x), lambda x: 1e-3 * (1 + x), correlations)
        for c in (0.0, -250.0, 1e4)
    ]
    one, *others = (e.solve([0.0, 0.002, 0.02], rtol=1e-5) for e in equations)
    for other, c in zip(others, (-250.0, 1e4)):
        assert other.std == pytest.approx(one.std, rel=1e-5, abs=1e-8)
        assert other.mean - c == pytest.approx(one.mean, abs=1e-8)
        assert other.momentum - c == pytest.approx(one.momentum, abs=1e-10)
        assert other.energy == pytest.approx(one.energy + c * one.momentum + c**2 / 2, rel=1e-13)


def test_noise_that_rounding_hides_is_not_passed_over_in_silence():
    for equations in (
        FiniteSizeEquations(50, lambda x: x, lambda x: 1e-9 + 0 * x),
        BilliardEquations(10.0, lambda x: 1e3 * x, lambda x: 1e-6 + 0 * x),
    ):
        with pytest.warns(Unresolved, match="rounding of mu"):
            equations.solve([0.0], rtol=1e-3)


@pytest.mark.serial
def test_a_lattice_at_rest_is_recognised():
    """Times beyond all relaxation cost no steps: the state is that of a time when all is at rest, mu_x = lambda sigma."""
    equations = FiniteSizeEquations(40, lambda x: np.cos(3 * x), lambda x: 1 + x)
    solution = equations.solve([20.0, 1e3, 1e6], rtol=1e-5)
    assert solution.std[1:] == pytest.approx(np.tile(solution.std[0], (2, 1)), rel=1e-5)
    assert np.array_equal(solution.std[1], solution.std[2])
    assert solution.statistics.steps < 2000
    assert np.ptp(solution.energy) < 1e-12 * solution.energy[0]


def test_long_solves_of_the_lattice_are_said_beforehand():
    with pytest.raises(LongRun, match="steps of 2000 balls"):  # warnings are errors here: nothing is solved
        FiniteSizeEquations(2000, lambda x: x, lambda x: 1 + x).solve([1e6], comm=MPI.COMM_SELF)
