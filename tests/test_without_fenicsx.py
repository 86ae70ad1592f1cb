"""What pip alone installs: tensors, coefficients, averages and balls of finite number without FEniCSx and mpi4py, to the last bit as with them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.serial
MISSING = ("dolfinx", "ufl", "ffcx", "petsc4py", "slepc4py", "mpi4py", "basix.ufl")
WITHOUT = f"import sys\nfor name in {MISSING}: sys.modules[name] = None\n"


def run(code, **environment):
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def results():
    """Numbers of everything that needs no FEniCSx, by name."""
    from sympy import cos, pi, sin

    from scaling_limits.cells import averaged_dissipation, effective_coefficients, effective_tensor
    from scaling_limits.particles import DirectedDissipation, MultiscalePotential, PinnedBalls, RotatorLattice
    from scaling_limits.pdes import FiniteSizeEquations, TransportTensorTrain

    plane = MultiscalePotential(
        2, 2, 0.5, lambda x: (x[0] ** 2 + x[1] ** 2) / 2,
        lambda x, y, z: cos(2 * pi * y[0]) + (1 + cos(2 * pi * y[0]) / 2) * cos(2 * pi * (z[0] + z[1])),
    )  # fmt: skip
    line = MultiscalePotential(1, 1, 0.4, lambda x: x[0] ** 2 / 2, lambda x, y: sin(x[0]) * cos(2 * pi * y[0]))
    rotators = RotatorLattice(
        (2,), frequency=lambda x: 1 + x**2, coupling=lambda x: 1 / (1 + x), dissipation=DirectedDissipation(),
        temperature=1.0, epsilon=0.1,
    )  # fmt: skip
    tensor = effective_tensor(plane, [[0.0, 0.0], [0.3, -0.2]], 1e-6, bounds=True)
    slope = effective_tensor(line, [[0.7]], 1e-8, derivatives=("temperature",))
    points = np.linspace(-0.9, 0.9, 7)[:, None]
    coefficients = effective_coefficients(line, [(-1, 1)], 1e-8)
    found = {
        name: getattr(tensor, name) for name in ("value", "lower", "upper", "log_partition", "free_energy", "error")
    }
    found |= {"slope": slope.derivatives["temperature"], "line": slope.value}
    fields = {
        f"of x: {name}": getattr(coefficients, name)(points) for name in ("mobility", "free_energy", "drift", "noise")
    }
    chain = TransportTensorTrain(rotators, rtol=1e-3).stationary()
    balls = PinnedBalls(n=30, mean=lambda x: x, std=lambda x: 1 + x)
    lattice = FiniteSizeEquations.of(balls).solve([1e-3, 3e-3])
    found |= {
        "averaged": averaged_dissipation(rotators)([[1.0, 2.0], [0.5, 0.1]]),
        "chain": chain.mean,
        "flow": chain.flow,
        "mean": lattice.mean,
        "std": lattice.std,
    }
    return found | fields


def test_numbers_are_the_same(tmp_path):
    here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_without_fenicsx import results\n"
    run(f"{WITHOUT}{here}import numpy as np; np.savez({str(tmp_path / 'alone.npz')!r}, **results())")
    with np.load(tmp_path / "alone.npz") as alone:
        ours = results()
        assert set(alone.files) == set(ours)
        for name, value in ours.items():
            assert np.isfinite(value).all()
            assert np.array_equal(alone[name], value), name


def test_everything_can_be_imported_and_looked_at():
    code = """
import scaling_limits as s
import pydoc
for package in (s.particles, s.meshes, s.cells, s.pdes):
    assert package.__name__ in pydoc.render_doc(package)
    for name in set(package.__all__) & set(dir(package)): getattr(package, name)
for package in (s.particles, s.meshes, s.cells): assert set(package.__all__) <= set(dir(package))
assert not {"CorrectorForms", "CorrectorProblem", "CorrectorSolution"} & set(s.cells.__all__)
from scaling_limits.meshes import *
from scaling_limits.cells import *
assert choose_route and Grid
assert set(s.particles.__all__) <= set(dir(s.particles))
assert "FiniteSizeEquations" in dir(s.pdes) and "BilliardEquations" not in dir(s.pdes)
s.show_versions()
from scaling_limits.cells import effective_tensor
print(s.cite(effective_tensor), s.meshes.Grid.of([(0, 1)], 4, False, effective_tensor.__kwdefaults__["comm"]).nodes.ravel())
"""
    said = run(WITHOUT + code)
    assert "petsc4py" in said
    assert "duncan2023" in said
    assert "[0.   0.25 0.5  0.75 1.  ]" in said


def test_a_comparison_of_balls_says_what_it_needs():
    code = """
from scaling_limits import compare
from scaling_limits.particles import PinnedBalls
balls = PinnedBalls(n=9, mean=lambda x: x, std=lambda x: 1 + 0 * x)
try:
    compare(balls, [0.001], 10, seed=1)
except ImportError as error:
    print(type(error).__name__, error)
"""
    said = run(WITHOUT + code)
    assert said.startswith("MissingFEniCSx")
    assert "apt install" in said


def test_results_are_read_and_written(tmp_path):
    code = f"""
from scaling_limits import load
from scaling_limits.cells import effective_coefficients, effective_tensor
from scaling_limits.particles import egg_carton
V = egg_carton(1.0)
effective_tensor(V, [[0.0, 0.0]], 1e-3).save({str(tmp_path / "M.npz")!r})
effective_coefficients(V, [(-1, 1)] * 2, 1e-2, cache={str(tmp_path)!r}).save({str(tmp_path / "c.npz")!r})
print(type(load({str(tmp_path / "M.npz")!r})).__name__, type(load({str(tmp_path / "c.npz")!r}, potential=V)).__name__)
"""
    assert run(WITHOUT + code).split() == ["EffectiveTensor", "EffectiveCoefficients"]
