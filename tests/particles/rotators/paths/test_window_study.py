"""Windows of boxes of growing size: against ordinary differential equations, and what must not change."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from chance import assert_mean
from refusals import refused
from rotators import WORLD, alternating, fast, slow, weak
from scipy import stats
from scipy.integrate import solve_ivp
from sympy import Abs

import scaling_limits
from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
    WindowStudy,
    window_study,
)
from scaling_limits.particles.rotators.paths.boxes import box_around, distance_from

RANK = 0 if WORLD is None else WORLD.rank
OWN = {"I_0 at last": lambda paths: paths[:, -1, 0]}
TIMES = np.linspace(0, 1, 11)


def chain(size, temperature=1.0, dissipation=None, **more):
    g = DirectedDissipation() if dissipation is None else dissipation
    return RotatorLattice((size,), fast if g.power == 4 else slow, weak, g, temperature, 0.05, **more)


def box_of_example_2(start, left, right):
    """I(tau) of dI_j = (I_{j+1} - I_{j-1} - I_j) I_j d tau, of the sites left .. right of a start."""

    def rate(_, actions):
        beside = np.concatenate([[0.0], actions, [0.0]])
        return (beside[2:] - beside[:-2] - actions) * actions

    return solve_ivp(rate, (0, 1), start[left : right + 1], t_eval=TIMES, rtol=1e-12, atol=1e-14).y.T


@pytest.mark.serial
@pytest.mark.filterwarnings("ignore::scaling_limits.particles.AssumptionWarning")
@pytest.mark.filterwarnings("ignore::scaling_limits.particles.Unresolved")
def test_without_noise():
    """T -> 0: differences of two sites in boxes, sup over the snapshots, down to 1e-7, as solve_ivp has them."""
    size, window, margins = 17, [8, 9], [0, 1, 2, 4, 6]
    u = np.sqrt(2 * np.linspace(1.5, 0.4, size)) * np.exp(1j * np.arange(size))
    found = window_study(chain(size, 1e-18), window, margins, u, TIMES, 8, 1, 0.001)
    start, exact = 0.5 * np.abs(u) ** 2, []
    whole = box_of_example_2(start, 0, size - 1)[:, window]
    for m in margins:
        box = box_of_example_2(start, 8 - m, 9 + m)[:, m : m + 2]
        exact.append(np.abs(box - whole).max(axis=0))
    np.testing.assert_allclose(found.site_bound, exact, rtol=1e-4, atol=2e-8)
    assert found.largest == 8
    # faster than any exponential: one more site counts for more the farther it is
    decay = np.log(found.bound)
    assert decay[4] - decay[3] < 2 * (decay[2] - decay[1]) < 0


@pytest.mark.serial
def test_diagonal_limits_do_not_feel_one_another():
    for g in (DiagonalDissipation(4), DiagonalDissipation(2), LinearDissipation(0.2)):
        found = window_study(chain(7, 1.0, g), [3], [0, 2], np.ones(7), [0.0, 0.5, 1.0], 100, 1)
        assert (found.at_most == 0).all()
        assert not found.different.any()
        found.plot()


@pytest.mark.serial
def test_decay_with_noise():
    """Example 2 at T = 1: farther ends are felt less; the last box is the lattice in law, with another numbering."""
    found = window_study(chain(13), [6], [0, 1, 2, 4], np.ones(13), TIMES, 500, 2)
    assert (np.diff(np.log(found.bound)) < -0.2).all()
    assert found.bound[-1] < 5e-3
    assert found.different[1]
    assert found.margin_for(0.05) <= found.margin_for(0.01) == 4
    lattice = chain(5, [2.0, 1.0, 0.5, 1.0, 1.5])
    box, order = box_around(lattice, distance_from(lattice, np.array([2])), 2)
    one, two = (TransportProcess(part).sample(np.ones(5), [1.0], 4000, seed) for part, seed in ((lattice, 1), (box, 2)))
    error = np.hypot(one.standard_error[:, order], two.standard_error)
    assert_mean(two.mean, one.mean[:, order], error)


def exchange(u):
    return -(Abs(u()) ** 2) * u() + 0.1 * Abs(u(1)) ** 2 * u()


@pytest.mark.serial
def test_boxes():
    """The largest box is the lattice with other numbers; smaller ones are balls around the window, one in another."""
    functions = [fast, fast, weak, fast, fast]
    for g in (PolynomialDissipation(exchange), DirectedDissipation(), LinearDissipation(0.3), DiagonalDissipation(4)):
        lattice = chain(5, [2.0, 1.0, 0.5, 1.0, 1.5], g, coupling_exponent=1.0)
        lattice = replace(lattice, frequency=functions, spins=[1.0, -2.0, 1.0, -1.0, 3.0])
        box, order = box_around(lattice, distance_from(lattice, np.array([2])), 2)
        u = np.exp(1j * np.arange(5)) * np.linspace(0.5, 1.5, 5)
        np.testing.assert_array_equal(box.temperature, lattice.temperature[order])
        for name in ("local_energy", "rotation_energy"):
            numbers = u if name == "local_energy" else np.abs(u)
            of_box, of_lattice = (getattr(one, name) for one in (box, lattice))
            np.testing.assert_allclose(of_box(numbers[order]), of_lattice(numbers)[order], rtol=1e-13)
        np.testing.assert_allclose(g.at(box.region, u[order]), g.at(lattice.region, u)[order], rtol=1e-14)
    plane = RotatorLattice((5, 5), slow, weak, DiagonalDissipation(2), 1.0, 0.1)
    distance = distance_from(plane, np.array([12, 13]))
    boxes = [box_around(plane, distance, margin) for margin in (0, 1, 2, 4)]
    assert [len(order) for _, order in boxes] == [2, 8, 17, 25]
    for (_, few), (box, more) in pairwise(boxes):
        np.testing.assert_array_equal(more[: len(few)], few)
        np.testing.assert_array_equal(box.region.sites, plane.region.sites[more])


@pytest.mark.serial
def test_of_the_lattice():
    """At finite epsilon: the farther the ends, the less the cold site beside hot ones feels them."""
    lattice, name = alternating(9, 0.05, temperatures=(4.0, 0.1)), "I_3(0.3)"
    found = window_study(lattice, [3], [0, 2, 4], np.ones(9), [0.3, 0.6], 2000, 3, of="lattice", functionals=OWN)
    assert found.different[:2].all()
    assert found.of_what == "lattice"
    value = found.value[:, found.of(name)]
    assert value[0] > 0.05
    assert (value[1:] < [0.02, 0.001]).all()
    assert (found.at_least <= found.functionals_at_most).all()
    # alone, by samples that have no noise in common
    alone = alternating(1, 0.05, temperatures=(0.1,))
    one, two = alone.sample([1.0], [0.3, 0.6], 4000, 8), lattice.sample(np.ones(9), [0.3, 0.6], 4000, 9)
    apart = stats.wasserstein_distance(one.actions[0, :, 0], two.actions[0, :, 3])
    k = found.of(name)
    assert abs(apart - value[0]) < 6 * found.error[0, k] + 4 * two.actions[0, :, 3].std() / np.sqrt(4000)
    own = found.of("I_0 at last")
    np.testing.assert_array_equal(found.value[:, own], found.value[:, found.of("I_3(0.6)")])


def test_same_on_ranks():
    arguments = chain(5), [2], [0, 1], np.ones(5), [0.2], 100, 3
    shared, alone = window_study(*arguments, comm=WORLD), window_study(*arguments, workers=1)
    np.testing.assert_array_equal(shared.value, alone.value)
    np.testing.assert_array_equal(shared.bound, alone.bound)
    # what is wrong on one rank is refused by all
    window = [2] if RANK == 0 else [7]
    if WORLD is not None and WORLD.size > 1:
        refused("window", "from 0 to 4", lambda: window_study(arguments[0], window, *arguments[2:], comm=WORLD))
        refused("margins", "ranks", lambda: window_study(arguments[0], [2], [RANK], *arguments[3:], comm=WORLD))
        refused("margins", "ranks", lambda: window_study(arguments[0], [2], [0, 1][RANK:], *arguments[3:], comm=WORLD))


@pytest.mark.skipif(WORLD is None or WORLD.size == 1, reason="of several ranks")
@pytest.mark.parametrize("bad", [
    {"runs": None}, {"runs": 101}, {"paths": 5}, {"seed": 4}, {"times": [0.3]}, {"times": "x"}, {"initial": [1.0]},
    {"initial": 0.5 * np.ones(5)}, {"step": -1.0}, {"step": 0.02}, {"window": [1]}, {"level": 0.02}, {"resamples": 300},
    {"workers": 0}, {"progress": 3}, {"functionals": {"own": lambda paths: paths / 0}}, {"of": "lattice"}, {"of": "x"},
    {"functionals": {"own": lambda paths: paths[:, 0, 0] ** 2}}, {"lattice": chain(6)}, {"lattice": chain(5, 2.0)},
])  # fmt: skip
def test_one_rank_alone(bad):
    """Every argument that is wrong, or another, on the last rank alone is refused by all, by its name."""
    good = {"lattice": chain(5), "window": [2], "margins": [0], "initial": np.ones(5), "times": [0.2], "runs": 100}
    good |= {"seed": 3, "functionals": {"own": lambda paths: paths[:, -1, 0]}, "comm": WORLD}
    (name,) = bad
    # a lattice of more sites does not fit its start
    said = "initial" if bad.get("lattice", chain(5)).size == 6 else name
    refused(said, "", lambda: window_study(**good | (bad if WORLD.size - 1 == RANK else {})))


@pytest.mark.serial
def test_files_pictures_and_datasets(tmp_path):
    study = window_study(chain(7), [3], [0, 1], np.ones(7), TIMES, 100, 2)
    study.save(tmp_path / "study.npz")
    for read in (WindowStudy.load(tmp_path / "study.npz"), scaling_limits.load(tmp_path / "study.npz")):
        assert repr(read) == repr(study)
        assert read.verdict == study.verdict
    assert "margin = 1" in repr(study)
    assert study.to_xarray()["value"].dims == ("margin", "functional")
    ax = study.plot()
    assert ax.get_yscale() == "log"
    assert f"from margin {study.largest}" in ax.get_ylabel()
    (seen,) = [line for line in ax.lines if line.get_label() == "functionals, at most"]
    assert seen.get_markerfacecolor() == "none"
    assert all(seen.zorder > line.zorder for line in ax.lines if line is not seen)


@pytest.mark.serial
def test_bad_input():
    def study(lattice, window=(2,), margins=(0,), initial=None, **more):
        return window_study(lattice, window, margins, np.ones(5) if initial is None else initial, [0.5], 100, 1, **more)

    refused("lattice", "RotatorLattice", lambda: study(3))
    refused("lattice", "open", lambda: study(chain(6, periodic=True), initial=np.ones(6)))
    for g in (CustomDissipation(lambda j, u: -abs(u[j]) ** 2 * u[j], 4), LinearDissipation(np.zeros((5, 5))),
              PolynomialDissipation([lambda u: -u()] * 5)):  # fmt: skip
        lattice = chain(5, 1.0, g)
        refused("lattice", "PolynomialDissipation", lambda lattice=lattice: study(lattice))
    refused("window", "from 0 to 4", lambda: study(chain(5), [7]))
    refused("margins", "integers from 0 to 1", lambda: study(chain(5), margins=[2]))
    refused("margins", "integers", lambda: study(chain(5), margins=[0.5]))
    for window in ([True, False], np.arange(5) == 2):
        refused("window", "truth values", lambda window=window: study(chain(5), window))
    refused("margins", "truth values", lambda: study(chain(5), margins=[True]))
    refused("of", "'limit' or 'lattice'", lambda: study(chain(5), of="both"))
    refused("initial", "shape", lambda: study(chain(5), initial=np.ones(4)))
    refused("distance", "add margins", lambda: study(chain(5)).margin_for(1e-12))
