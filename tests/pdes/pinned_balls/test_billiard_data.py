"""Initial data of the pinned-billiard equations: what a mesh makes of them, against finite volumes of its own."""

import warnings

import numpy as np
import pytest
from finite_volumes import averages, reference
from mpi4py import MPI

from scaling_limits.meshes.backend.quadrature import lobatto_weights
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import BilliardEquations, Unresolved
from scaling_limits.pdes.pinned_balls.energy_norm import EnergyNorm
from scaling_limits.pdes.pinned_balls.initial_data import InitialData

coarse = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")


def error(solution, x, mu, sigma, row):
    """In L2: of mu relative to mu (without its mean) and sigma together, of sigma relative to itself."""
    both = np.var(mu[row]) + np.mean(sigma[row] ** 2)
    of_mean = np.mean((solution.mean_at(x)[row] - mu[row]) ** 2) / both
    of_std = np.mean((solution.std_at(x)[row] - sigma[row]) ** 2) / np.mean(sigma[row] ** 2)
    return np.sqrt(of_mean + of_std)


def solved(equations, times, **options):
    """A solution, and what it warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        solution = equations.solve(times, **options)
    assert all(one.category is Unresolved for one in said)
    assert solution.resolved is (not said)
    return solution, " ".join(str(one.message) for one in said)


# --- hot spots in a chain at rest ------------------------------------------------------------------------

HOT = {
    "one side": lambda x: np.where(x < 0.31, 2.0, 0.0),
    "two spots": lambda x: 1.0 * (np.abs(x - 0.2) < 0.07) + 0.5 * (np.abs(x - 0.83) < 0.05),
    "bump": lambda x: np.maximum(0.0, 1 - ((x - 0.6) / 0.15) ** 2),
}


@pytest.mark.parametrize("std", HOT.values(), ids=HOT.keys())
@pytest.mark.parametrize("speed", [2.0, 150.0])
@coarse
@pytest.mark.serial
def test_hot_spot_in_a_cold_chain_at_rest(std, speed):
    """sigma = 0 over a part of the interval, mu constant: with any mesh, against finite volumes."""
    times = np.array([0.05, 0.4]) / max(speed, 5)
    equations = BilliardEquations(speed, lambda x: 0 * x, std)
    x, mu, sigma = reference(speed, equations.mean, std, times, 240)
    for options in ({"rtol": 1e-3}, {"rtol": 1e-4, "cells": 600}, {"rtol": 1e-6, "cells": 200, "degree": 2}):
        solution = equations.solve(times, **options)
        assert solution.nodal_w.min() >= 0
        for row in range(2):
            allowed = 10 * max(options["rtol"], solution.error[row])
            assert error(solution, x, mu, sigma, row) < allowed + 3e-4  # 3e-4: of the finite volumes, next to the jumps


def test_what_is_tiny_and_negative_becomes_zero():
    """Where sums cannot see it too, of any number of entries."""
    for w in ([2.0, -1e-22, 0.25], [-1e-30, 1.0], [0.0, -5e-324, 3.0]):
        w = np.array(w)
        kept, reason = EnergyNorm(np.ones(w.size), MPI.COMM_SELF).restored(np.zeros(w.size), w, None, 1e-6)
        assert not reason
        assert kept.min() >= 0
        assert kept == pytest.approx(w, abs=1e-21)
    w = np.array([1.0, 2.0])
    assert EnergyNorm(np.ones(2), MPI.COMM_SELF).restored(np.zeros(2), w, None, 1e-6)[0] is w


# --- features between the nodes --------------------------------------------------------------------------

FINE = {
    "waves": (3.0, lambda x: np.sin(96 * np.pi * x), lambda x: 0.7 + 0 * x),  # zero at the nodes of 32 and 96 cells
    "spike": (2.0, lambda x: np.exp(-(((x - 0.4567) / 0.003) ** 2)), lambda x: 0.2 + 0 * x),
    "rough noise": (8.0, lambda x: x, lambda x: 1 + 0.8 * np.sin(50 * np.pi * x) ** 2),
}


@pytest.mark.parametrize(("speed", "mean", "std"), FINE.values(), ids=FINE.keys())
@pytest.mark.serial
def test_mesh_is_refined_until_it_sees_the_data(speed, mean, std):
    """At early times, before diffusion forgets them; rtol and a half for the step, and what finite volumes err."""
    times = np.array([2e-5, 4e-4])
    x, mu, sigma = reference(speed, mean, std, times, 900)
    for rtol in (1e-3, 1e-5):
        solution, said = solved(BilliardEquations(speed, mean, std), times, rtol=rtol)
        assert not said
        assert solution.nodes.size > 4 * 96
        for row in range(2):
            assert error(solution, x, mu, sigma, row) < 3 * rtol + 1e-5
        assert (solution.error < rtol).all()


@pytest.mark.parametrize(("speed", "mean", "std"), FINE.values(), ids=FINE.keys())
@pytest.mark.serial
def test_given_cells_that_do_not_see_the_data_say_so(speed, mean, std):
    solution, said = solved(BilliardEquations(speed, mean, std), [0.0, 1e-3], rtol=1e-4, cells=32)
    assert "rtol is 0.0001" in said
    assert solution.error[0] > 1e-2
    exact = averages(lambda x: 0.5 * (mean(x) ** 2 + std(x) ** 2), 1, 400_000)[0]
    assert solution.energy[0] == pytest.approx(exact, rel=1e-3)  # the averages of cells that see nothing keep it


@pytest.mark.parametrize("place", [0.0, 1.3e-5, 0.123456, 0.5, 1 - 4e-5])
@pytest.mark.parametrize("cells", [2, 32, 57, 1000])
def test_a_spike_between_the_points_of_the_nodes_is_seen(place, cells):
    """Of width 2/65536, of mu and of sigma: on every mesh, wherever it is."""
    inside = lambda x: 1.0 * ((x > place) & (x < place + 2 / 65536))  # noqa: E731
    smooth = lambda x: 1 + 0.1 * np.sin(x)  # noqa: E731
    for data in (InitialData(lambda x: 3 * inside(x), smooth), InitialData(smooth, lambda x: 1 + 3 * inside(x))):
        misfit = data.misfit(cells, 4, MPI.COMM_WORLD)
        assert int(place * cells) in misfit.cells
        assert misfit.sharp > 1e-4
    assert not InitialData(smooth, smooth).misfit(cells, 4, MPI.COMM_WORLD).cells.size


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-3, 1e80, -1e80])
@pytest.mark.parametrize("name", ["mean", "std"])
def test_wrong_values_between_the_nodes_are_refused(name, value):
    """In one place of width 2/65536, on the last rank alone; velocities may be negative, deviations not."""
    good = lambda x: 2.0 + x  # noqa: E731
    bad = lambda x: np.where((x > 0.87654) & (x < 0.87654 + 2 / 65536), value, 2.0 + x)  # noqa: E731
    data = InitialData(**({"mean": good, "std": good} | {name: bad}))
    if name == "mean" and value == -1e-3:
        assert data.misfit(32, 4, MPI.COMM_WORLD).range_of_mean > 1.0
        return
    with pytest.raises(InvalidArgument, match=f"^{name}: must"):
        data.misfit(32, 4, MPI.COMM_WORLD)


def test_functions_may_share_an_array_and_write_into_their_points():
    """The same misfit as that of functions which do neither."""
    room = {}

    def shared(values, x):
        here = room.setdefault(x.size, np.empty(x.size))
        here[:] = values
        x[:] = -1.0
        return here

    mean, std = (lambda x: np.sin(40 * x)), (lambda x: 2 + np.cos(30 * x))
    plain, odd = InitialData(mean, std), InitialData(lambda x: shared(mean(x), x), lambda x: shared(std(x), x))
    plain, odd = (repr(data.misfit(32, 4, MPI.COMM_WORLD)) for data in (plain, odd))
    assert odd == plain


HEIGHT = 0.0


def spike(x):
    return 1.0 + HEIGHT * np.exp(-(((x - 0.503) / 4e-4) ** 2))


def test_data_that_change_are_looked_at_again(monkeypatch):
    """A spike between the nodes that a global switches on, in equations that have been solved without it."""
    equations = BilliardEquations(3.0, lambda x: 0.1 * x, spike)
    for height, seen in ((0.0, False), (100.0, True), (0.0, False)):
        monkeypatch.setitem(globals(), "HEIGHT", height)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            solution = equations.solve([1e-3], 1e-2, 40, degree=4)
        assert solution.resolved is not seen
        assert bool(said) is seen


class Settings:
    height = 0.0


def reads_a_class(x):
    return 1.0 + Settings.height * np.exp(-(((x - 0.503) / 4e-4) ** 2))


def reads_itself(x):
    return 1.0 + reads_itself.height * np.exp(-(((x - 0.503) / 4e-4) ** 2))


def reads_globals(x):
    return 1.0 + globals()["HEIGHT"] * np.exp(-(((x - 0.503) / 4e-4) ** 2))


def imports(x):
    import calendar  # any module that is not imported at the top

    return 1.0 + getattr_free(calendar) * np.exp(-(((x - 0.503) / 4e-4) ** 2))


def getattr_free(module):
    return module.error_height if hasattr(module, "error_height") else 0.0


@pytest.mark.parametrize("std", [reads_a_class, reads_itself, reads_globals, imports])
def test_what_functions_read_elsewhere_is_looked_at_again(std, monkeypatch):
    """Attributes of classes and of functions, and what is found by its name only."""
    Settings.height = reads_itself.height = 0.0
    equations = BilliardEquations(3.0, lambda x: 0.1 * x, std)
    assert equations.solve([1e-3], 1e-2, 40, degree=4).resolved
    monkeypatch.setitem(globals(), "HEIGHT", 100.0)
    monkeypatch.setattr("calendar.error_height", 100.0, raising=False)
    Settings.height = reads_itself.height = 100.0
    with pytest.warns(Unresolved, match="vary faster than the cells"):
        assert not equations.solve([1e-3], 1e-2, 40, degree=4).resolved


@pytest.mark.serial
def test_jumps_count_in_the_error():
    """What is said of data that jump stands in the result as well."""
    equations = BilliardEquations(20.0, lambda x: np.where(x < 0.41, 0.0, 1.0), lambda x: 0.3 + 0 * x)
    with pytest.warns(Unresolved, match="of first order there"):
        solution = equations.solve([0.01, 0.05], 1e-6)
    assert solution.error.min() > 1e-6
    fine, _ = solved(equations, [0.01, 0.05], rtol=1e-5, cells=6001, degree=2)
    x = np.linspace(0.0, 1.0, 3001)
    mu, sigma = fine.mean_at(x), fine.std_at(x)
    for row in range(2):
        assert error(solution, x, mu, sigma, row) < solution.error[row] + fine.error[row]


def test_smooth_data_are_left_alone():
    """Nodal values are those of the data to the last digit, and the chosen mesh is that of lambda and rtol."""
    equations = BilliardEquations(30.0, lambda x: np.tanh(x), lambda x: 2 + np.cos(3 * x))
    solution, said = solved(equations, [0.0], rtol=1e-6)
    assert not said
    assert (solution.nodes.size - 1) // 4 == np.ceil(0.4 * 30 * 2000 ** (1 / 5))
    assert np.abs(solution.nodal_mean[0] - np.tanh(solution.nodes)).max() < 1e-15
    assert 0 < solution.error[0] < 1e-6


# --- jumps -----------------------------------------------------------------------------------------------


def step(x):
    return np.where(x < 0.4137, -1.0, 0.5)


def hot(x):
    return np.where((x > 0.1003) & (x < 0.7771), 1.0, 0.2)


@pytest.mark.parametrize(("cells", "degree"), [(None, None), (150, 1), (40, 4)])
@pytest.mark.serial
def test_momentum_and_energy_are_those_of_data_that_jump(cells, degree):
    solution, said = solved(BilliardEquations(20.0, step, hot), [0.0, 1e-4], rtol=1e-5, cells=cells, degree=degree)
    momentum = -0.4137 + 0.5 * (1 - 0.4137)
    energy = 0.5 * (0.4137 + 0.25 * (1 - 0.4137) + (0.7771 - 0.1003) + 0.04 * (1 - 0.7771 + 0.1003))
    spacing = 1 / (solution.nodes.size - 1)
    # a cell with a jump is looked at in some thousand points, each 1/4096 of it at the least for degree 1
    assert solution.momentum[0] == pytest.approx(momentum, abs=2e-3 * spacing)
    assert solution.energy[0] == pytest.approx(energy, abs=2e-3 * spacing)
    assert "jump" in said
    assert "of first order" in said
    assert (solution.nodal_w >= 0).all()


@pytest.mark.serial
def test_error_at_jumps_is_of_first_order_and_said():
    times = [0.002, 0.02]
    x, mu, sigma = reference(20.0, step, hot, times, 900)
    found = []
    for cells in (100, 200, 400, 800):
        solution, said = solved(BilliardEquations(20.0, step, hot), times, rtol=1e-5, cells=cells)
        within = float(said.partition("about ")[2].split()[0])
        found.append(max(error(solution, x, mu, sigma, row) for row in range(2)))
        assert found[-1] < 2 * within
    assert np.polyfit(np.log([100, 200, 400, 800]), np.log(found), 1)[0] < -0.9
    solution, said = solved(BilliardEquations(20.0, step, hot), times, rtol=2e-3)  # which first order can reach
    assert not said
    assert max(error(solution, x, mu, sigma, row) for row in range(2)) < 2e-3


@pytest.mark.serial
@pytest.mark.parametrize(("cells", "degree"), [(None, 4), (300, 4), (64, 2), (64, 1), (32, 1), (5, 3)])
def test_averages_next_to_a_jump_of_sigma_turn_mu_into_sigma(cells, degree):
    """mu varies by 1, sigma by 1e-3: sigma at the nodes next to the jump was up to 30 times the data's, and unsaid."""
    mean, std = lambda x: np.sin(2 * np.pi * x), lambda x: np.where(x < 0.5, 1e-3, 2e-3)
    problem, x = BilliardEquations(3.0, mean, std), (np.arange(200_000) + 0.5) / 200_000
    found = problem.solve([0.0, 1e-8, 1e-6], 0.8, cells, degree=degree, quiet=True)
    best = problem.solve([1e-8, 1e-6], 2e-2, quiet=True)
    exact = np.concatenate([std(x)[None], best.std_at(x)])
    off = np.sqrt(np.mean((found.std_at(x) - exact) ** 2, axis=1) / np.mean(exact**2, axis=1))
    assert (off <= found.error + np.append(0.0, best.error)).all()
    if cells and cells < 100:
        assert off[0] > 1


def test_control_volumes_fill_the_interval():
    """The nodes lie inside the volumes whose lengths are their weights, for every degree: averages are local."""
    from scaling_limits.meshes.backend.quadrature import lobatto_points

    for degree in range(1, 9):
        ends = np.concatenate([[0.0], np.cumsum(lobatto_weights(degree))])
        assert ends[-1] == pytest.approx(1.0, abs=1e-14)
        points = lobatto_points(degree)
        assert (ends[:-1] <= points + 1e-14).all()
        assert (points <= ends[1:] + 1e-14).all()


def test_misfit_is_shared_among_ranks():
    data = InitialData(step, lambda x: np.abs(x - 0.3))
    one, more = (data.misfit(57, 3, comm) for comm in (MPI.COMM_SELF, MPI.COMM_WORLD))
    assert more.smooth == pytest.approx(one.smooth, rel=1e-12)
    assert more.jumps == pytest.approx(one.jumps, rel=1e-12)
    assert np.array_equal(one.cells, more.cells)
    assert 0.4137 * 57 // 1 in one.cells
    equations = BilliardEquations(9.0, step, hot)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        one, more = (equations.solve([0.0, 0.01], 1e-5, 64, degree=3, comm=c) for c in (MPI.COMM_SELF, MPI.COMM_WORLD))
    assert more.nodal_mean == pytest.approx(one.nodal_mean, abs=1e-8)
    assert more.nodal_w == pytest.approx(one.nodal_w, abs=1e-8)
