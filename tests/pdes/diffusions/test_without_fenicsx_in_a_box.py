"""A process without dolfinx, PETSc, SLEPc, UFL and mpi4py: the whole family in a box, with the numbers of one with them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore::scaling_limits.particles.errors.Unresolved")]
MISSING = ("dolfinx", "ufl", "ffcx", "petsc4py", "slepc4py", "mpi4py", "basix.ufl")
# relative, of the largest value
SAME = 1e-10


def near(place, size=0.6):
    return lambda x: ((x - place) ** 2).sum(axis=1) < size**2


def start(x):
    return np.exp(-((x - 0.5) ** 2).sum(axis=1))


def equations():
    """One of callables, and one of a potential with two scales."""
    from sympy import cos, pi

    from scaling_limits.particles import MultiscalePotential
    from scaling_limits.pdes import EffectiveFokkerPlanck, FokkerPlanck

    potential = MultiscalePotential(
        2, 1, 0.5, lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 2, lambda x, y: cos(2 * pi * y[0]) * cos(2 * pi * y[1]) / 2
    )
    box = [(-2, 2), (-2, 2)]
    given = FokkerPlanck.of(
        mobility=lambda x: 1.0 + 0.3 * np.sin(x[:, 1]), free_energy=lambda x: ((x**2 - 1) ** 2).sum(axis=1),
        temperature=0.5, box=box, cells=(20, 20), rtol=1e-3,
    )  # fmt: skip
    return {"given": given, "effective": EffectiveFokkerPlanck(potential, box, (20, 20), rtol=1e-3)}


def quantities(equation, folder):
    """All that is asked of an equation, by name."""
    left, right = near(-1.0), near(1.0)
    if hasattr(equation, "potential"):
        left, right = (lambda x: x[:, 0] < -0.8), (lambda x: x[:, 0] > 0.8)
    run = equation.evolve(start, [0.1, 1.0])
    killed = equation.evolve(start, [0.1, 1.0], absorbing=left, stream=folder / "killed.nc")
    transition = equation.transition(left, right, bounds=True)
    passage, law = equation.first_passage(left), equation.quasi_stationary(left)
    numbers = ("frequency", "rate", "backward_rate", "mean_duration", "lower", "upper")
    points = np.array([[0.1, 0.2], [-0.3, 1.1]])
    run.density(1).save(folder / "density.npz")
    return {
        "stationary": equation.stationary().values, "mass": run.mass, "evolve": run.probabilities,
        "energy": run.free_energy, "survival": killed.survival, "streamed": killed.probabilities,
        "spectrum": equation.spectrum(4), "passage": equation.mean_first_passage_time(left).values,
        "variance": passage.variance.values, "law": passage.survival([0.5, 2.0], start),
        "committor": equation.committor(left, right).at(points),
        "transition": np.array([getattr(transition, name) for name in numbers]),
        "current": transition.current.at(points), "way": transition.density.at(points),
        "slowest": law.density.at(points), "rate": np.array([law.rate]),
        "poisson": equation.poisson(lambda x: x[:, 0]).values, "error": np.array([run.density(1).error]),
    }  # fmt: skip


def test_the_family(tmp_path):
    code = f"""
import sys
for name in {MISSING}: sys.modules[name] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
import pathlib, warnings
import numpy as np
warnings.simplefilter("ignore")
from test_without_fenicsx_in_a_box import equations, quantities
from scaling_limits.particles.errors import MissingFEniCSx
folder = pathlib.Path({str(tmp_path)!r})
for name, equation in equations().items():
    assert equation.library.name == "scipy"
    np.savez(folder / f"{{name}}.npz", **quantities(equation, folder))
density = equation.stationary()
for ask in (lambda: density.function, lambda: density.write(folder / "rho.bp"), lambda: equation.modes(2).functions):
    try: ask()
    except MissingFEniCSx as error: assert "install" in str(error)
    else: raise AssertionError(ask)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ.copy(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, equation in equations().items():
        ours = quantities(equation, tmp_path)
        assert equation.library.name == "petsc"
        with np.load(tmp_path / f"{name}.npz") as alone:
            assert set(alone.files) == set(ours)
            for quantity, value in ours.items():
                largest = np.nanmax(np.abs(value))
                np.testing.assert_allclose(alone[quantity], value, rtol=0, atol=SAME * largest, err_msg=quantity)
