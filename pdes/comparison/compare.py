"""One call for the promise of the package: a system, its limit, and the difference between the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from scaling_limits.meshes.backend.fenicsx import needed_by
from scaling_limits.particles import InvalidArgument, MultiscalePotential, PinnedBalls, RotatorLattice
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks, same_on_all_ranks
from scaling_limits.particles.support.checks import flag, integer, number, shown
from scaling_limits.particles.support.checks import seed as checked_seed
from scaling_limits.particles.support.checks import times as checked_times

from .comparison import Comparison

# what a call asks for, by the model
NEEDED = {MultiscalePotential: ("epsilon", "box", "initial"), RotatorLattice: ("initial",), PinnedBalls: ()}
ALLOWED: dict[type, tuple[str, ...]] = {
    MultiscalePotential: ("epsilon", "box", "cells", "initial", "width", "step"),
    RotatorLattice: ("initial", "step"),
    PinnedBalls: (),
}


def compare(
    model: PinnedBalls | MultiscalePotential | RotatorLattice,
    times: ArrayLike,
    runs: int | None = None,
    *,
    seed: int,
    paths: int | None = None,
    epsilon: float | None = None,
    box: ArrayLike | None = None,
    cells: int | Sequence[int] | None = None,
    initial: ArrayLike | None = None,
    width: float | None = None,
    step: float | None = None,
    rtol: float = 1e-5,
    false_alarm: float = 1e-6,
    progress: bool = False,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Comparison:
    """Sample a microscopic system, solve its limit, and say whether the samples tell one from the other; collective.

    Compared are, at all times: of balls the means and standard deviations of all velocities; of paths the mean position
    and the distribution in bins; of rotators, whose limit is sampled, the mean actions and their distributions in
    tenths. Balls have the equations of finite n besides, paths the limit with the equilibrium of its cells at this
    epsilon. A count has its exact law, a mean and a variance one of gamma type, and the smallest probability counts as
    many times as there are numbers (Bonferroni).

    Args:
        model: `PinnedBalls`, `MultiscalePotential` or `RotatorLattice`.
        times: of the limit (T,), not negative, not decreasing.
        runs: number of samples, None for 1000.
        seed: of the random numbers.
        paths: another name of `runs`.
        epsilon: the scale separation, of a potential.
        box: (a_i, b_i) for each direction (d, 2), of a potential.
        cells: along each direction, of a potential; None takes 400, 96 or 32 for d = 1, 2, 3.
        initial: of a potential the middle (d,) of the normal law at time 0; of rotators the amplitudes (N,).
        width: of that normal law, in each direction; None takes an eighth of the way to the
            nearest wall.
        step: of the samples, of a potential or of rotators; None chooses.
        rtol: tolerance of the limit.
        false_alarm: probability with which they are told apart where the limit is reached.
        progress: show progress bars, at a terminal or in a notebook, on rank 0.
        comm: the ranks that share all work.

    Returns:
        The `Comparison`: its `verdict` says whether epsilon is small enough, with numbers.

    Raises:
        InvalidArgument: an argument out of range, missing, or without a meaning for this model.
        NotConverged: the limit could not be solved.
        MissingFEniCSx: the effective equations of balls, or several ranks, where it is not here.
    """
    given = {"epsilon": epsilon, "box": box, "cells": cells, "initial": initial, "width": width, "step": step}
    comm = communicator(comm)
    checked = on_all_ranks(comm, lambda: _checked(model, times, runs, paths, seed, rtol, false_alarm, progress, given))
    snapshots, number_of, key, tolerance, alarm = checked
    same_on_all_ranks(comm, times=snapshots, runs=number_of, seed=key, rtol=tolerance, false_alarm=alarm)
    if isinstance(model, PinnedBalls):
        with needed_by("the effective equations of balls"):
            from .balls import compare_balls

        return compare_balls(model, snapshots, number_of, key, alarm, tolerance, progress, comm)
    assert initial is not None
    if isinstance(model, RotatorLattice):
        from .rotators import compare_rotators

        return compare_rotators(model, initial, snapshots, number_of, key, step, alarm, progress, comm)
    from .diffusions import compare_diffusions

    assert epsilon is not None
    assert box is not None
    return compare_diffusions(
        model, epsilon, box, cells, initial, width, snapshots, number_of, key, step, alarm, tolerance, progress, comm
    )


def _checked(
    model: Any, times: ArrayLike, runs: int | None, paths: int | None, seed: int, rtol: float, false_alarm: float,
    progress: bool, given: dict[str, Any],
) -> tuple[Any, int, int, float, float]:  # fmt: skip
    kind = next((one for one in NEEDED if isinstance(model, one)), None)
    if kind is None:
        known = ", ".join(one.__name__ for one in NEEDED)
        raise InvalidArgument("model", f"must be one of {known}, not {shown(model)}")
    epsilon = given["epsilon"]
    for name, value in given.items():
        if name in NEEDED[kind] and value is None:
            raise InvalidArgument(name, f"must be given for a {kind.__name__}")
        if name not in ALLOWED[kind] and value is not None:
            raise InvalidArgument(name, f"has no meaning for a {kind.__name__}")
    if epsilon is not None:
        number("epsilon", epsilon, above=0.0)
    if runs is not None and paths is not None:
        raise InvalidArgument("paths", "is another name of runs; give one of them, not both")
    flag("progress", progress)
    count = next((value for value in (runs, paths) if value is not None), 1000)
    alarm = number("false_alarm", false_alarm, above=0.0)
    if alarm >= 1.0:
        raise InvalidArgument("false_alarm", f"must be below 1, not {alarm:g}")
    # one sample has no error
    sizes = integer("runs" if paths is None else "paths", count, 2)
    return checked_times(times), sizes, checked_seed(seed), number("rtol", rtol, above=0.0), alarm
