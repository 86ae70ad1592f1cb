"""Solves of pinned balls that take long: said once, in time, by all ranks, and not because functions are compiled."""

import warnings

import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.particles import LongRun, PinnedBalls
from scaling_limits.particles.sampling import workers
from scaling_limits.pdes import BilliardEquations, FiniteSizeEquations
from scaling_limits.pdes.pinned_balls.compiled import system
from scaling_limits.pdes.pinned_balls.solving import many, outlook
from scaling_limits.pdes.time.integration import Statistics

CORES = "1 core" if MPI.COMM_WORLD.size == 1 else f"{MPI.COMM_WORLD.size} cores"


def equations(speed):
    return BilliardEquations(speed, lambda x: np.sin(2 * np.pi * x), lambda x: 0.5 + 0 * x)


def forecast(reached, end, until):
    """What is said, and when, of an integration that has reached a time (a function of seconds); a look each second."""
    now, said = [0.0], []
    watch = outlook.Outlook(Statistics(), 100, end, lambda what, whole: said.append((now[0], whole)), lambda: now[0])
    for second in range(until):
        now[0] = float(second)
        watch.look(reached(second))
    return said


@pytest.mark.serial
def test_forecasts():
    # equal steps of a thousand and of 500 seconds, growing ones, ones that become short, none that is taken
    assert forecast(lambda s: 1e-3 * s, 1.0, 900) == [(8.0, pytest.approx(1000.0))]
    assert forecast(lambda s: 2e-3 * s, 1.0, 501) == []
    assert forecast(lambda s: (s / 500) ** 3, 1.0, 501) == []
    ((when, whole),) = forecast(lambda s: (s / 5000) ** 3, 1.0, 900)
    assert (when, whole) == (8.0, pytest.approx(5000.0))
    assert forecast(lambda s: min(0.1 * s, 3.0), 10.0, 900) == [(256.0, pytest.approx(256 / 0.3))]
    ((when, whole),) = forecast(lambda s: min(0.1 * s, 9.99), 10.0, 900)
    assert when == pytest.approx(600, abs=2)
    assert whole == pytest.approx(600, abs=2)
    assert forecast(lambda s: 0.0, 1.0, 900) == []


@pytest.mark.parametrize("petsc_options", [None, {}])
def test_long_solves_are_said(petsc_options, monkeypatch):
    """With seconds that count as hours; warnings are errors here, which all ranks raise."""
    monkeypatch.setattr(system, "AT_ONCE", 1)
    monkeypatch.setattr(outlook, "FIRST", 1e-4)
    for module in (outlook, workers):
        monkeypatch.setattr(module, "LONG", 1e-3)
    with pytest.raises(
        LongRun, match=rf"steps on \d+ nodes have come to t = .* of 0.05 in .* take about .* on {CORES}; .*Ctrl-C"
    ):
        equations(100.0).solve([0.05], 1e-4, 50, degree=4, petsc_options=petsc_options)


@pytest.mark.serial
def test_long_lists_are_said_once(monkeypatch):
    """By the thread that waits, of one problem and of all of them."""
    monkeypatch.setattr(system, "AT_ONCE", 1)
    monkeypatch.setattr(outlook, "FIRST", 1e-4)
    for module in (outlook, workers, many):
        monkeypatch.setattr(module, "LONG", 1e-3)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        BilliardEquations.solve_all([equations(100.0)] * 3, [0.05], 1e-4, 50, degree=4, workers=1, quiet=True)
    assert [one.category for one in said] == [LongRun]
    assert said[0].filename == __file__
    monkeypatch.setattr(many, "FIRST", 1e-4)
    monkeypatch.setattr(outlook, "FIRST", 1e9)
    with pytest.raises(LongRun, match=r"^\d+ of 30 problems took .* s; all take about"):
        BilliardEquations.solve_all([equations(3.0)] * 30, [0.05], 1e-3, workers=1)


def heard(pauses, problems, threads):
    """What is said, and after how many, of problems of which results come after pauses in seconds."""
    now = [0.0]

    def results():
        for pause in pauses:
            now[0] += pause
            yield None

    watch = many._Outlook(problems, threads, lambda: now[0])
    for number, _ in enumerate(watch.counted(results()), 1):
        if watch._said:
            return number
    return None


@pytest.mark.parametrize("threads", [1, 2])
def test_compilation_is_not_forecast(threads):
    """The first of 200 quick problems takes 24 seconds, the first with other ends 10."""
    quick = [0.004] * 60
    assert heard([24.0, *quick], 200, threads) is None
    assert heard([24.0, *quick, 10.0, *quick], 200, threads) is None
    assert heard([24.0, 10.0, *quick], 200, threads) is None


@pytest.mark.filterwarnings("ignore::scaling_limits.particles.LongRun")
def test_slow_lists_are_forecast():
    """Problems of 20 seconds and of 2 minutes, alone and by pairs, some with a compilation before."""
    assert heard([20.0] * 20, 100, 1) == 3
    assert heard([40.0, *[20.0] * 20], 100, 1) == 3
    assert heard([20.0, 0.001] * 20, 100, 2) == 5
    assert heard([120.0] * 20, 100, 1) == 1
    assert heard([20.0] * 20, 29, 1) is None
    # of quick ones there are too many
    assert heard([24.0, *[0.1] * 3000], 10_000, 1) == pytest.approx(82, abs=80)


@pytest.mark.parametrize(("threads", "cores"), [(1, "1 core"), (2, "2 cores")])
def test_forecasts_name_the_cores(threads, cores):
    """And the hours are those by the clock, since the threads share the problems."""
    with pytest.raises(LongRun, match=f"3 of 1000 problems took 180 s; all take about 17 hours on {cores};"):
        heard([1.0, 1.0, 178.0], 1000, threads)


def test_errors_of_long_runs_are_raised_on_all_ranks():
    """Warnings are errors here: no rank goes on alone. The solver of the equations is above."""
    with pytest.raises(LongRun, match=f"collisions.* on {CORES};"):
        PinnedBalls(1000, lambda x: x, lambda x: 1 + x).sample([0.2, 0.6], seed=1, workers=1, comm=MPI.COMM_WORLD)
    with pytest.raises(LongRun, match="steps of 2000 balls"):
        FiniteSizeEquations(2000, lambda x: x, lambda x: 1 + x).solve([1e6])
    assert MPI.COMM_WORLD.allreduce(1) == MPI.COMM_WORLD.size
