"""Warnings point at the line of the user, however deep inside of the package they are given."""

import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scaling_limits.cells import FourierGalerkin, effective_tensor
from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    MultiscalePotential,
    RotatorLattice,
    errors,
)
from scaling_limits.pdes import BilliardEquations, TransportFokkerPlanck, ordering_time

pytestmark = pytest.mark.serial


def balls(speed=300.0):
    return BilliardEquations(speed, lambda x: -np.sin(4 * x), lambda x: 1 + x)


def rotators(size, spins="alternated"):
    return RotatorLattice(
        (size,), frequency=lambda x: 1 + x, coupling=lambda x: 1 / (1 + x), dissipation=DiagonalDissipation(2),
        temperature=1.0, epsilon=0.1, spins=spins,
    )  # fmt: skip


def stiff():
    from sympy import cos, pi

    return MultiscalePotential(2, 1, 0.2, lambda x: 0 * x[0], lambda x, y: cos(2 * pi * y[0]) * cos(2 * pi * y[1]))


CALLS = {
    "solve": lambda: balls().solve([1e-3], 1e-6, 8),
    "freeze_time": lambda: BilliardEquations(300.0, lambda x: x, lambda x: 1e-3 + 0 * x).freeze_time(1e-6, 8),
    "ordering_time": lambda: ordering_time(balls(20.0), 0.5, cells=4),
    "effective_tensor": lambda: effective_tensor(stiff(), [[0.0, 0.0]], 1e-12, route=FourierGalerkin((7,))),
    "stationary": lambda: TransportFokkerPlanck(rotators(1), upper=2.0).stationary(),
    "replace": lambda: replace(rotators(2), frequency=lambda x: 1 + 0 * x),
    "a lattice with defects": lambda: TransportFokkerPlanck(rotators(3, [1, 1, 1])),
}


@pytest.mark.parametrize("what", CALLS)
def test_warnings_point_here(what):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        CALLS[what]()
    ours = [one for one in said if one.category.__module__.startswith("scaling_limits")]
    assert ours
    for one in ours:
        assert one.filename == __file__, one


def test_what_is_kept_back_is_of_one_thread():
    """One thread keeps a category back while another one warns; filters of the process stay as they are."""
    inside, done, said = threading.Event(), threading.Event(), []

    def quiet():
        with errors.keeping_back(errors.Unresolved):
            inside.set()
            done.wait(20)
            errors.warn("kept back", errors.Unresolved)
            errors.warn("of another kind", errors.LongRun)

    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        other = threading.Thread(target=quiet)
        other.start()
        assert inside.wait(20)
        said.append(list(warnings.filters) == filters)
        errors.warn("said", errors.Unresolved)
        done.set()
        other.join()
        errors.warn("said again", errors.Unresolved)
    assert said == [True]
    assert [str(w.message) for w in given] == ["said", "of another kind", "said again"]


def test_no_filters_are_set():
    """Filters belong to all threads of a process: the router of sweeps alone sets them."""
    package = Path(errors.__file__).parents[1]
    folders = [package / name for name in ("cells", "meshes", "particles", "pdes", "sweeping")]
    files = [path for folder in folders for path in folder.resolve().rglob("*.py")]
    assert len(files) > 300
    setting = [path.name for path in files if "warnings.catch_warnings()" in path.read_text()]
    assert setting == ["caught_warnings.py"]


def test_numbers_of_samples_that_are_no_powers_of_two_say_nothing():
    """Means over angles by samples, and a box that is looked for by coarse trials, without filters: no warning at all."""
    from scaling_limits.cells.angle_rules import Observable, by_samples

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        h = Observable(lambda u: np.abs(u[:, 0] + u[:, 1]) ** 2, 2)
        values, _ = by_samples(h, np.ones((3, 2)), np.array([True, True]), 16 * 100, 3)
        TransportFokkerPlanck(replace(rotators(2), frequency=lambda x: 1 + x * x, dissipation=DirectedDissipation()))
    assert np.abs(values - 2.0).max() < 0.02
