"""Functions of the user's that fail on one rank only: the error is raised on all of them, and none waits for ever."""

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI

from scaling_limits.meshes.box import box
from scaling_limits.particles import EffectiveLangevin, InvalidArgument, Langevin, egg_carton
from scaling_limits.pdes import EdgeScheme, FokkerPlanck, GeneratorForms

RANK, LAST = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size - 1
ERRORS = {
    "index": lambda: [][1], "key": lambda: {}[0], "zero": lambda: 1 // 0, "own": lambda: fail(),
    "memory": lambda: fail(MemoryError),
}  # fmt: skip


class OwnError(Exception):
    def __init__(self, a, b):
        super().__init__("cannot be pickled there and back")


def fail(kind=None):
    raise OwnError(1, 2) if kind is None else kind("of the user's")


def failing(values, how="index", calls=0):
    """A function that fails on the last rank, after some calls."""
    done = []

    def function(x):
        done.append(1)
        if RANK == LAST and len(done) > calls:
            ERRORS[how]()
        return values(x)

    return function


def equation(dim=1, mobility=None, psi=None, periodic=False):
    unit = lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0)  # noqa: E731
    given = Given(mobility or unit, psi or (lambda x: np.cos(2 * np.pi * x[:, 0])))
    return FokkerPlanck(given, [(0, 1)] * dim, (16,) * dim, periodic=periodic)


inside = lambda x: x[:, 0] < 0.3  # noqa: E731
beyond = lambda x: x[:, 0] > 0.8  # noqa: E731
even = lambda x: np.ones(len(x))  # noqa: E731


@pytest.mark.parametrize("how", ERRORS)
def test_initial_densities(how):
    with pytest.raises(InvalidArgument, match="^initial: "):
        equation().evolve(failing(even, how), [0.1])
    with pytest.raises(InvalidArgument, match="^source: "):
        equation(2).poisson(failing(even, how))


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("calls", [0, 1, 30])
def test_sets(dim, calls):
    """At the first look, at the next, and while boundaries are bisected."""
    with pytest.raises(InvalidArgument, match="^target: "):
        equation(dim).mean_first_passage_time(failing(beyond, calls=calls))
    with pytest.raises(InvalidArgument, match="^b: "):
        equation(dim).committor(inside, failing(beyond, calls=calls))


@pytest.mark.filterwarnings("ignore:the solution is", "ignore:rates and durations")
@pytest.mark.parametrize("call", [
    lambda fp, given: fp.mean_first_passage_time(given), lambda fp, given: fp.first_passage(given),
    lambda fp, given: fp.transition(inside, given), lambda fp, given: fp.evolve(even, [0.1], absorbing=given),
])  # fmt: skip
def test_no_callable(call):
    with pytest.raises(InvalidArgument, match="^(target|b|absorbing): "):
        call(equation(2), 3 if RANK == LAST else beyond)


@pytest.mark.filterwarnings("ignore:the solution is")
@pytest.mark.skipif(LAST == 0, reason="ranks that differ")
@pytest.mark.parametrize("start", [lambda: [0.1 + 0.2 * RANK] * 2, lambda: even if RANK else [0.1, 0.1],
                                   lambda: lambda x: 1 + x[:, 0] * RANK])  # fmt: skip
def test_starts_that_differ(start):
    """Otherwise each rank would put its own start on its own nodes."""
    law = equation(2).first_passage(beyond)
    with pytest.raises(InvalidArgument, match=r"^initial: .*same on all ranks"):
        law.survival([0.1], start())


@pytest.mark.parametrize("dim", [1, 2])
def test_coefficients(dim):
    """In each of the places that ask for M or Psi."""
    unit = lambda x: np.repeat(np.eye(dim)[None], len(x), axis=0)  # noqa: E731
    for name, functions in (
        ("mobility", {"mobility": failing(unit)}),
        ("free_energy", {"psi": failing(even)}),
        ("mobility", {"mobility": lambda x: unit(x) * (np.nan if RANK == LAST else 1.0)}),
        ("mobility", {"mobility": lambda x: -unit(x) if RANK == LAST else unit(x)}),
        ("free_energy", {"psi": lambda x: even(x)[: -(RANK == LAST) or None]}),
    ):
        calls = [lambda fp: fp.evolve(even, [0.1]), lambda fp: fp.spectrum(2), lambda fp: fp.poisson(even)]
        calls += [lambda fp: fp.committor(inside, beyond)]
        for call in calls:
            with pytest.raises(InvalidArgument, match=f"^{name}: "):
                call(equation(dim, **functions))
        with pytest.raises(InvalidArgument, match=f"^{name}: "):
            equation(dim, **functions, periodic=True)
        fp = equation(dim, **functions)
        with pytest.raises(InvalidArgument, match=f"^{name}: "):
            EdgeScheme(fp.grid, fp.coefficients)
        with pytest.raises(InvalidArgument, match=f"^{name}: "):
            GeneratorForms(box(fp.box, fp.cells), fp.coefficients, 0.0, 2).matrices()
    # the first calls are those of the grid, and of the comparison of ranks
    fp = equation(dim, psi=failing(even, calls=1 + (LAST > 0)))
    fp.generator  # noqa: B018
    with pytest.raises(InvalidArgument, match="^free_energy: "):
        fp.stationary()


def test_arguments_that_differ_between_ranks():
    if LAST > 0:
        with pytest.raises(InvalidArgument, match=r"^times: .*same on all ranks"):
            equation().evolve(even, [0.1 + RANK])
    with pytest.raises(InvalidArgument, match="^times: "):
        equation().evolve(even, [-1.0 if RANK == LAST else 1.0])


def test_samplers():
    """Drifts that fail at once or later, and arguments that are wrong or others on one rank."""
    unit, box = lambda x: np.repeat(np.eye(2)[None], len(x), axis=0), [(-1.0, 1.0)] * 2
    at_once, later = (EffectiveLangevin(failing(lambda x: -x, calls=n), unit, box, [True] * 2) for n in (0, 4))
    given = {"times": [0.1], "paths": 1200, "seed": 1, "step": 1e-3, "comm": MPI.COMM_WORLD}
    with pytest.raises(InvalidArgument, match="^drift: "):
        at_once.sample([0.0, 0.0], **given)
    with pytest.raises(IndexError):
        later.sample([0.0, 0.0], **given)
    fine = EffectiveLangevin(lambda x: -x, unit, box, [True] * 2)
    for sampler in (fine, Langevin(egg_carton(1.0, dim=2), 0.5)):
        with pytest.raises(InvalidArgument, match="^initial: "):
            sampler.sample([np.nan if RANK == LAST else 0.0, 0.0], **given)
        if LAST > 0:
            with pytest.raises(InvalidArgument, match="^seed: .*same on all ranks"):
                sampler.sample([0.0, 0.0], **(given | {"seed": RANK}))
