"""The errors that cells leave: they cover the true ones, at every point, and are of their size."""

import copy
import pickle

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from scipy.linalg import expm
from scipy.special import erf

from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck, Unresolved
from scaling_limits.pdes.diffusions.density_evolution import TURNING
from scaling_limits.pdes.diffusions.hitting.coarser_grids import richardson

pytestmark = pytest.mark.filterwarnings("ignore:the (solution|survival)", "ignore:(the rate|rates and)")


class WithError(Given):
    error = 0.01


def unit(dim):
    return lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0)


def test_orders_that_are_believed():
    """1 from one coarser grid, at most 2 from two, up to 3 where three agree; a change by chance counts as the next."""
    assert richardson([]) == np.inf
    assert richardson([1.0]) == 1.5
    assert richardson([1.0, 4.0]) == pytest.approx(0.5)
    assert richardson([1.0, 6.0]) == pytest.approx(0.5)
    assert richardson([1.0, 8.0, 64.0]) == pytest.approx(1.5 / 7)
    assert richardson([1.0, 8.0, 16.0]) == pytest.approx(1.5 / 3 * 8 / 6)
    assert richardson([1e-9, 1.0]) == pytest.approx(1.5 / 3 / 6)
    np.testing.assert_allclose(richardson([np.array([1.0, 2.0]), np.array([4.0, 1.0])]), [0.5, 3.0])


@pytest.mark.serial
@pytest.mark.parametrize("slope", [8.0, -8.0, 30.0])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.137, 0.911)])
def test_times_with_layers(slope, ends):
    """Exit from an interval by drift, with layers and with sets off the nodes: exact on a line."""
    psi = lambda x: slope * x[:, 0]  # noqa: E731
    target = lambda x: (x[:, 0] <= ends[0]) | (x[:, 0] >= ends[1])  # noqa: E731
    x = np.linspace(ends[0] + 1e-3, ends[1] - 1e-3, 300)
    exact = FokkerPlanck(Given(unit(1), psi), [(0, 1)], 50).mean_first_passage_time(target).at(x[:, None])
    for n in (24, 33, 80):
        field = FokkerPlanck(Given(unit(2), psi), [(0, 1), (0, 0.3)], (n, 8)).mean_first_passage_time(target)
        points = np.stack([x, np.full_like(x, 0.11)], axis=1)
        true, said = np.abs(field.at(points) - exact), field.error_at(points)
        assert (true <= said + 1e-9 * exact.max()).all()
        assert 0.1 * said.max() <= true.max()
        assert field.error >= (1 - 1e-12) * said.max()


@pytest.mark.serial
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(("cells", "wall"), [(32, 1.0), (37, 0.913), (64, 0.913)])
def test_survival_of_starts_beside_a_set(dim, cells, wall):
    """Brownian motion with a wall at 0, killed at `wall`: series, and at early times the error function."""
    flat = Given(unit(dim), lambda x: np.zeros(len(x)))
    law = FokkerPlanck(flat, [(0, 1), (0, 0.5)][:dim], (cells, 8)[:dim]).first_passage(lambda x: x[:, 0] >= wall)
    times = np.array([0.0, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 2.0])
    k = (np.arange(400) + 0.5) * np.pi
    for distance in (0.003, 0.4 / cells, 1.4 / cells, 3.1 / cells, 0.5):
        x, late = 1 - distance / wall, times[3:] / wall**2
        exact = np.ones(len(times))
        exact[1:3] = erf(distance / np.sqrt(4 * times[1:3]))
        exact[3:] = (2 * np.sin(k) / k * np.cos(k * x) * np.exp(-(k**2) * late[:, None])).sum(axis=1)
        found, said = law.survival_and_error(times, np.array([wall - distance, 0.21])[:dim])
        assert found[0] == 1
        assert said[0] == 0
        # twice where paths cross few cells
        assert (np.abs(found - exact) <= 2 * said + 1e-12).all()
        assert np.abs(found / exact - 1)[5:].max() < 5e-3
        assert (said / found)[5:].max() < 0.2


@pytest.mark.parametrize("dim", [1, 2])
def test_errors_of_coefficients_are_carried_along(dim):
    """Coefficients that state an error of 1 % leave 4 % of a time, 8 % of a variance."""
    exact = Given(unit(dim), lambda x: 2.0 * x[:, 0] ** 2)
    stated = WithError(unit(dim), lambda x: 2.0 * x[:, 0] ** 2)
    target = lambda x: x[:, 0] >= 1  # noqa: E731
    box, cells = [(-1, 1), (0, 1)][:dim], (40, 20)[:dim]
    one, other = (FokkerPlanck(given, box, cells) for given in (exact, stated))
    x = np.array([[0.0, 0.5]])[:, :dim]
    laws = [fp.first_passage(target) for fp in (one, other)]
    for name, factor in (("mean", 4.0), ("variance", 8.0)):
        fields = [getattr(law, name) for law in laws]
        more = fields[1].error_at(x) - fields[0].error_at(x)
        # on a line by panels
        np.testing.assert_allclose(more, factor * 0.01 * fields[0].at(x), rtol=1e-3)
    rates = [fp.quasi_stationary(target) for fp in (one, other)]
    assert rates[1].error - rates[0].error == pytest.approx(0.04 * rates[0].rate, rel=1e-6)
    sets = (lambda x: x[:, 0] <= -0.8), target
    transitions = [fp.transition(*sets) for fp in (one, other)]
    more = transitions[1].errors["rate"] - transitions[0].errors["rate"]
    assert more >= 0.0399 * transitions[0].rate


def test_results_with_functions_say_that_they_cannot_be_pickled():
    fp = FokkerPlanck(Given(unit(1), lambda x: x[:, 0] ** 2), [(-1, 1)], 20)
    target = lambda x: x[:, 0] >= 1  # noqa: E731
    for result in (
        fp.mean_first_passage_time(target), fp.stationary(), fp.first_passage(target), fp.quasi_stationary(target),
        fp.transition(lambda x: x[:, 0] <= -1, target), fp.modes(2), fp.evolve(lambda x: x[:, 0] ** 2, [0.1]),
    ):  # fmt: skip
        with pytest.raises(pickle.PicklingError, match=type(result).__name__):
            pickle.dumps(result)
        assert copy.deepcopy(result) is result


def test_nodal_values_cannot_be_written_into():
    fp = FokkerPlanck(Given(unit(1), lambda x: x[:, 0] ** 2), [(-1, 1)], 20)
    with pytest.raises(ValueError, match="read-only"):
        fp.mean_first_passage_time(lambda x: x[:, 0] >= 1).nodal[0] = 3.0


@pytest.mark.parametrize("name", ["mobility", "free_energy"])
def test_coefficients_that_differ_between_ranks(name):
    rank = MPI.COMM_WORLD.rank
    if MPI.COMM_WORLD.size == 1:
        return
    given = Given(
        lambda x: (1.0 + rank * (name == "mobility")) * unit(2)(x),
        lambda x: (1.0 + rank * (name != "mobility")) * x[:, 0],
    )
    fp = FokkerPlanck(given, [(0, 1)] * 2, (8, 8))
    with pytest.raises(InvalidArgument, match=f"^{name}: .*same on all ranks"):
        fp.mean_first_passage_time(lambda x: x[:, 0] > 0.8)


def bent_gaussian(contrast, bend, cells):
    """A process of Ornstein and Uhlenbeck in y, seen in x_1 = y_1 + bend sin(2 y_2): its mobility turns; exact.

    Returns:
        The equation, the start, times, and the exact density at a time and points.
    """
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    mobility = turn @ np.diag([contrast**0.5, contrast**-0.5]) @ turn.T
    straight = lambda x: np.stack([x[:, 0] - bend * np.sin(2 * x[:, 1]), x[:, 1]], axis=1)  # noqa: E731

    def bent(x):
        jacobian = np.repeat(np.eye(2)[None], len(x), axis=0)
        jacobian[:, 0, 1] = 2 * bend * np.cos(2 * x[:, 1])
        return jacobian @ mobility @ jacobian.transpose(0, 2, 1)

    # variance 1/4 in equilibrium, a third of it at the start
    psi = lambda x: 2 * (straight(x) ** 2).sum(axis=1)  # noqa: E731

    def exact(t, x):
        fall = expm(-4 * t * mobility)
        mean, covariance = fall @ [0.2, -0.1], 0.25 * (np.eye(2) - 2 / 3 * fall @ fall)
        y = straight(x) - mean
        return np.exp(-0.5 * np.einsum("pi,ij,pj->p", y, np.linalg.inv(covariance), y)) / (
            2 * np.pi * np.sqrt(np.linalg.det(covariance))
        )

    box = [(-3.3 - bend, 3.3 + bend), (-3.3, 3.3)]
    equation = FokkerPlanck(Given(bent, psi), box, (cells, cells), rtol=1e-4)
    return equation, lambda x: exact(0.0, x), np.array([0.01, 1.0, 5.0]) / contrast**0.5, exact


@pytest.mark.filterwarnings("ignore:M turns or changes")
@pytest.mark.parametrize("cells", [25, 49])
@pytest.mark.parametrize(("contrast", "bend"), [(1.5, 0.3), (20.0, 0.2), (100.0, 0.6), (1e3, 0.6), (1e4, 0.6)])
def test_errors_of_densities_where_the_mobility_turns(contrast, bend, cells):
    """They cover the true ones where coarser cells tell them, and else say the most that a total variation can be."""
    equation, start, times, exact = bent_gaussian(contrast, bend, cells)
    run = equation.evolve(start, times)
    box = equation.grid.box
    ticks = [low + (high - low) * (np.arange(3 * cells) + 0.5) / (3 * cells) for low, high in box]
    x = np.stack([each.ravel() for each in np.meshgrid(*ticks, indexing="ij")], axis=1)
    area = np.prod(box[:, 1] - box[:, 0]) / (3 * cells) ** 2
    true = [np.abs(found - exact(t, x)).sum() * area for t, found in zip(times, run.at(x))]
    assert (true <= 1.5 * run.error).all()
    assert (run.error == 2.0).all() == (run.turning > TURNING)
    if contrast < 10:
        assert run.error[-1] < 0.3
    if contrast > 1e3:
        assert (run.error == 2.0).all()
        absorbing = equation.evolve(start, times[:1], absorbing=lambda x: x[:, 0] > 1.0)
        assert np.isinf(absorbing.error).all()


@pytest.mark.serial
def test_unknown_errors_of_densities_are_said():
    equation, start, times, _ = bent_gaussian(1e4, 0.6, 25)
    with pytest.warns(Unresolved, match="M turns or changes .* the error of the densities is not known"):
        assert equation.evolve(start, times[:1])[0].error == 2.0
