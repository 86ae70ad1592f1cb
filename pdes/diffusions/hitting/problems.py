"""Hitting problems of a reversible diffusion: mean first passage times, committors, and its Poisson equation.

On a line by formulas (`line`). In the plane and in space on the grid (`on_grid`), with edges that are cut where they
enter a set: of second order, and monotone, so that committors are in [0, 1]. Where exp(-Psi/sigma) underflows, the
fields are NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ..coefficients import function_at
from ..output.quantities import COMMITTOR, POISSON, TIME
from ..problem import ReversibleDiffusion
from .chain_solver import added
from .fields import ScalarField
from .line import Line, committors, mean_time, poisson_on_a_line
from .on_grid import GridProblem, poisson_on_a_grid
from .target_sets import Indicator, TargetSet


def passage_time(equation: ReversibleDiffusion, target: Indicator) -> ScalarField:
    """The field T; see `FokkerPlanck.mean_first_passage_time`."""
    sets = (TargetSet("target", target, 0.0),)
    if equation.dim == 1:
        return replace(mean_time(Line(equation, sets)), quantity=TIME)
    problem = GridProblem(equation, sets)
    return replace(problem.field(_time(problem), _time, (0.0,)), quantity=TIME)


def _time(problem: GridProblem) -> np.ndarray:
    return added(problem.time)


def committor(equation: ReversibleDiffusion, a: Indicator, b: Indicator) -> ScalarField:
    """The field q; see `FokkerPlanck.committor`."""
    sets = (TargetSet("a", a, 0.0), TargetSet("b", b, 1.0))
    if equation.dim == 1:
        return replace(committors(Line(equation, sets))[0], quantity=COMMITTOR)
    problem = GridProblem(equation, sets)
    return replace(problem.field(_forward(problem), _forward, (0.0, 1.0)), quantity=COMMITTOR)


def _forward(problem: GridProblem) -> np.ndarray:
    return np.clip(added(problem.shares)[:, 0], 0.0, 1.0)


def poisson(equation: ReversibleDiffusion, source: Callable[[np.ndarray], ArrayLike]) -> ScalarField:
    """The field f; see `FokkerPlanck.poisson`."""
    if equation.dim == 1:
        field = poisson_on_a_line(Line(equation, ()), lambda x: function_at("source", source, x))
    else:
        field = poisson_on_a_grid(equation, source)
    return replace(field, quantity=POISSON)
