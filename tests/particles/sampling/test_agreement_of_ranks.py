"""What differs between ranks is refused on all of them, in functions, too: else they sample a mixture."""

import numpy as np
import pytest
from refusals import refused
from sympy import cos, pi

from scaling_limits.particles import EffectiveLangevin, EnsembleStatistics, Langevin, MultiscalePotential, PinnedBalls
from scaling_limits.particles.diffusions.passages.targets import Target, check_agreed
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.spread import POINTS, spread, told

COMM = MPI.COMM_WORLD
several = pytest.mark.skipif(COMM.size == 1, reason="what one rank alone does")
LAST = COMM.rank == COMM.size - 1
BOX = np.array([[-2.0, 2.0], [0.0, 50.0]])


def unit(x):
    return np.ones((len(x), 1, 1))


def linear(x):
    return -x


def test_points_are_starts_and_around_them_and_all_over_the_box():
    start = np.array([[0.5, 1.0]])
    inside, free = spread(start, BOX), spread(start)
    assert np.array_equal(inside, spread(start, BOX))
    assert np.array_equal(inside[0], start[0])
    assert ((inside >= BOX[:, 0]) & (inside <= BOX[:, 1])).all()
    assert np.histogram(inside[-POINTS:, 1], 10, BOX[1])[0].min() > 5
    ways = np.linalg.norm(free[1:] - start, axis=1)
    assert np.histogram(np.log10(ways), range(-4, 3))[0].min() > 20
    assert len(spread(np.zeros((10**4, 2)))) == 2 * POINTS


def test_functions_are_told_by_values_or_by_what_they_raise():
    points = spread(np.zeros((1, 2)))
    assert told(linear, points) == told(lambda x: -1.0 * x, points) != told(lambda x: -1.1 * x, points)
    assert told(lambda x: x[:, 5], points) == "IndexError"


@several
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("drift", {"drift": lambda x: -5 * x}),
        ("noise", {"noise": lambda x: 1 + 0.1 * np.abs(x)[:, :, None]}),
        ("box", {"box": [(-3, 3.5)]}),
        ("periodic", {"periodic": True}),
    ],
)
def test_effective_equations_that_differ_are_refused(name, other):
    """All have the same drift and noise where paths start."""
    given = {"drift": linear, "noise": unit, "box": [(-3, 3)], "periodic": False} | (other if LAST else {})
    particles = EffectiveLangevin(**given)
    refused(name, "same on all ranks", lambda: particles.sample([0.0], [0.1], 9, 1, 0.05, comm=COMM))
    refused(
        name, "same on all ranks",
        lambda: particles.first_passages([0.0], lambda x: x[:, 0] > 1, 9, 1, 0.05, limit=0.1, comm=COMM),
    )  # fmt: skip


def test_equations_that_agree_are_taken():
    found = EffectiveLangevin(linear, unit, [(-3, 3)]).sample([0.0], [0.1], 700, 1, 0.05, comm=COMM)
    assert np.array_equal(found.values, EffectiveLangevin(linear, unit, [(-3, 3)]).sample(
        [0.0], [0.1], 700, 1, 0.05).values)  # fmt: skip


@several
def test_potentials_that_differ_are_refused():
    v = MultiscalePotential(1, 1, 0.25, lambda x: x[0] ** 2, lambda x, y: (2 + 1e-14 * LAST) * cos(2 * pi * y[0]))
    particles = Langevin(v, 0.5)
    refused("potential", "same on all ranks", lambda: particles.sample([0.0], [0.1], 9, 1, 0.05, comm=COMM))


@several
@pytest.mark.parametrize("far", [1.5, 1.0 + 1e-9])
def test_targets_that_differ_are_refused(far):
    """No path starts in one; the second differs from the first in its number only."""
    bound = far if LAST else 1.0

    def right(x):
        return x[:, 0] > bound

    sets = (Target("0", "targets", right, False),)
    refused("targets", "same on all ranks", lambda: check_agreed(COMM, right, sets, np.zeros((3, 2))))


class Reads:
    """An object, of which a digest is not taken."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x[:, 0]


@several
def test_observables_that_cannot_be_read_are_compared_by_values():
    wanted = EnsembleStatistics({"f": Reads(2.0 if LAST else 1.0)})
    particles = EffectiveLangevin(linear, unit, [(-3, 3)])
    refused(
        "observables", "same on all ranks",
        lambda: particles.sample([0.0], [0.1], 9, 1, 0.05, statistics=wanted, comm=COMM),
    )  # fmt: skip


@several
@pytest.mark.parametrize("others", [None, "b.npz"])
@pytest.mark.parametrize("model", ["paths", "balls"])
def test_checkpoints_of_one_rank_only_or_of_other_names_are_refused(shared_folder, others, model):
    name = others if LAST else "a.npz"
    place = None if name is None else shared_folder / name

    def call():
        if model == "balls":
            return PinnedBalls(9, linear, lambda x: 1 + x).sample([0.0], 9, seed=1, checkpoint=place, comm=COMM)
        particles = EffectiveLangevin(linear, unit, [(-3, 3)])
        wanted = EnsembleStatistics()
        return particles.sample([0.0], [0.1], 9, 1, 0.05, statistics=wanted, checkpoint=place, comm=COMM)

    refused("checkpoint", "same on all ranks", call)
    assert list(shared_folder.iterdir()) == []
