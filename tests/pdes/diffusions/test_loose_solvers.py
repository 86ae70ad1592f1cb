"""Linear solvers that are not exact: their error is kept below the tolerance, or refused; and evolutions that crawl."""

import numpy as np
import pytest
from diffusions import Given

from scaling_limits.pdes import IMPLICIT_EULER, FokkerPlanck, NotConverged
from scaling_limits.pdes.time import density_integrator

TENSOR = np.array([[1.0, 0.3], [0.3, 0.8]])
SADDLE = Given(lambda x: np.repeat(TENSOR[None], len(x), axis=0), lambda x: (x[:, 0] ** 2 - 1) ** 2 + x[:, 1] ** 2, 0.7)
start = lambda x: np.exp(-8 * ((x - [0.9, -0.3]) ** 2).sum(axis=1))  # noqa: E731
TIMES = [0.05, 0.7, 500.0]


def equation(options, rtol=1e-6):
    return FokkerPlanck(SADDLE, [(-2, 2)] * 2, (20, 20), rtol, petsc_options=options)


@pytest.fixture(scope="module")
def exact():
    return equation(None, 1e-10).evolve(start, TIMES).probabilities


@pytest.mark.parametrize("ksp_rtol", [1e-1, 1e-2, 1e-5, 1e-9])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_a_loose_solver_gives_what_rtol_promises(ksp_rtol, rtol, exact):
    loose = equation({"ksp_type": "cg", "ksp_rtol": ksp_rtol, "pc_type": "jacobi"}, rtol)
    run, plain = loose.evolve(start, TIMES), equation(None, rtol).evolve(start, TIMES)
    assert np.abs(run.probabilities - exact).sum(axis=1).max() < rtol
    assert np.abs(run.probabilities - plain.probabilities).sum(axis=1).max() < 0.1 * rtol
    assert run.statistics.refused <= plain.statistics.refused + 10  # a few halvings, not one at each step
    assert (np.diff(run.entropy) <= 0).all()


@pytest.mark.filterwarnings("ignore:the solution is known")  # on coarse cells
def test_passage_times_of_a_loose_solver():
    target = lambda x: x[:, 0] < -0.8  # noqa: E731
    x = np.array([[1.0, 0.0], [0.1, 0.5]])
    direct = equation(None).mean_first_passage_time(target).at(x)
    loose = equation({"ksp_type": "cg", "ksp_rtol": 1e-2, "pc_type": "jacobi"}).mean_first_passage_time(target).at(x)
    np.testing.assert_allclose(loose, direct, rtol=1e-6)


@pytest.mark.parametrize(
    "options", [{"ksp_type": "preonly", "pc_type": "jacobi"},
                {"ksp_type": "richardson", "ksp_max_it": 1, "pc_type": "jacobi", "ksp_convergence_test": "skip"}],
)  # fmt: skip
def test_what_is_no_solver_is_refused(options):
    for call in (
        lambda fp: fp.evolve(start, [1.0]),
        lambda fp: fp.evolve(start, [1.0], scheme=IMPLICIT_EULER, step=0.1),
        lambda fp: fp.mean_first_passage_time(lambda x: x[:, 0] < -0.8),
        lambda fp: fp.committor(lambda x: x[:, 0] < -0.8, lambda x: x[:, 0] > 0.8),
        lambda fp: fp.poisson(lambda x: x[:, 0]),
    ):
        with pytest.raises(NotConverged, match="petsc_options"):
            call(equation(options))


def test_steps_without_end_are_given_up(monkeypatch):
    monkeypatch.setattr(density_integrator, "MOST_TRIED", 100)
    with pytest.raises(NotConverged, match=r"100 steps.*spectrum"):
        equation(None, 1e-8).evolve(start, [50.0])
    assert equation(None, 1e-8).evolve(start, [50.0], step=0.1).statistics.steps == 500  # what was asked for is done
