"""Interrupted evolutions on meshes: they go on, on any number of ranks; files of other problems are refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from diffusions import Given
from dolfinx import fem
from refusals import refused

from meshes import COMM, QUAD, by_hand, square, wobbled
from scaling_limits.meshes import torus
from scaling_limits.meshes.node_order import NodeOrder
from scaling_limits.meshes.point_search import PointSearch
from scaling_limits.meshes.spread_functions import SpreadSpace
from scaling_limits.pdes import FokkerPlanck
from scaling_limits.pdes.time.density_integrator import DensityIntegrator

pytestmark = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")
TIMES = [0.02, 0.1]
TENSOR = np.array([[0.7, 0.4], [0.4, 0.3]])
PLACES = np.array([[0.0, 0.0], [0.3, -0.2], [-0.7, 0.55]])


def equation(mesh=None, tensor=TENSOR, power=2, rtol=1e-3):
    given = Given(
        lambda x: np.broadcast_to(tensor, (len(x), 2, 2)).copy(), lambda x: (np.abs(x) ** power).sum(axis=1), 0.5
    )
    return FokkerPlanck(given, mesh=wobbled(square(8), 0.02) if mesh is None else mesh, rtol=rtol)


def start(x):
    """Narrow, so that limited steps are among the others."""
    return np.exp(-((x - 0.1) ** 2).sum(axis=1) / 0.03)


def target(x):
    return (x**2).sum(axis=1) > 0.83**2


class Interrupted(Exception):
    pass


def interrupted_after(steps, monkeypatch, fp, **arguments):
    """Evolve, and fail after some steps."""
    done, original = [], DensityIntegrator.take_step

    def take_step(self, state, span, until):
        if len(done) == steps:
            raise Interrupted
        done.append(1)
        original(self, state, span, until)

    with monkeypatch.context() as patch:
        patch.setattr(DensityIntegrator, "take_step", take_step)
        with pytest.raises(Interrupted):
            fp.evolve(start, TIMES, **arguments)


@pytest.mark.parametrize("absorbing", [None, target])
def test_the_same_result_after_an_interruption(shared_folder, monkeypatch, absorbing):
    """To the last bit on one rank; to what solves leave on several."""
    file, fp = shared_folder / "mesh.npz", equation()
    whole = fp.evolve(start, TIMES, absorbing=absorbing)
    assert absorbing is not None or whole.limited_steps > 0
    steps = whole.statistics.tried // 2
    interrupted_after(steps, monkeypatch, fp, checkpoint=file, checkpoint_every=0, absorbing=absorbing)
    again = equation().evolve(start, TIMES, checkpoint=file, absorbing=absorbing)
    away = fp.comm.allreduce(np.abs(again.probabilities - whole.probabilities).sum())
    assert away == 0.0 if fp.comm.size == 1 else away < 1e-9
    assert again.statistics.steps == whole.statistics.steps
    assert again.limited_steps == whole.limited_steps
    finished = equation().evolve(start, TIMES, checkpoint=file, absorbing=absorbing)
    assert (finished.probabilities == again.probabilities).all()
    assert finished.limited_steps == whole.limited_steps


def test_other_problems_are_refused(shared_folder):
    file = shared_folder / "mesh.npz"
    whole = equation().evolve(start, TIMES, checkpoint=file)
    # what differs by rounding only goes on
    same = equation(tensor=TENSOR * (1 + 1e-15)).evolve(lambda x: 3.0 * start(x), TIMES, checkpoint=file)
    assert (same.probabilities == whole.probabilities).all()
    others = {
        "mobility": lambda: equation(tensor=TENSOR * (1 + 1e-8)).evolve(start, TIMES, checkpoint=file),
        "turned": lambda: equation(tensor=TENSOR * [[1, -1], [-1, 1]]).evolve(start, TIMES, checkpoint=file),
        "energy": lambda: equation(power=2.0000001).evolve(start, TIMES, checkpoint=file),
        "times": lambda: equation().evolve(start, [0.02, 0.2], checkpoint=file),
        "rtol": lambda: equation(rtol=1e-2).evolve(start, TIMES, checkpoint=file),
        "start": lambda: equation().evolve(lambda x: start(x) + 1e-8, TIMES, checkpoint=file),
        "mesh": lambda: equation(wobbled(square(8), 0.021)).evolve(start, TIMES, checkpoint=file),
        "cells": lambda: equation(wobbled(square(9), 0.02)).evolve(start, TIMES, checkpoint=file),
        "set": lambda: equation().evolve(start, TIMES, checkpoint=file, absorbing=target),
    }
    for other in others.values():
        refused("checkpoint", "another problem", other)


def test_nodes_are_told_apart():
    """On tori, and on both sides of a slit; the order is the same on any number of ranks (below)."""
    slit = by_hand([[0, -1], [0, 0], [0, 0], [0, 1], [1, 0], [-1, 0]], [[0, 1, 4], [1, 3, 4], [0, 2, 5], [2, 3, 5]])
    for mesh, size in ((torus([5, 4], periodic=[True, False]), 25), (slit, 6)):
        order = NodeOrder.of(SpreadSpace(PointSearch(mesh, COMM), fem.functionspace(mesh, ("Lagrange", 1))))
        assert order.size == size
        assert sorted(np.concatenate(COMM.allgather(order.own))) == list(range(size))


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import warnings
warnings.simplefilter("ignore")
import test_checkpoints_on_meshes as this
fp = this.equation(this.square(9, this.QUAD))
absorbing = this.target if sys.argv[3] == "killed" else None
if sys.argv[2] == "begin":
    def take_step(self, state, span, until, done=[], original=this.DensityIntegrator.take_step):
        if len(done) == 6:
            raise this.Interrupted
        done.append(1)
        original(self, state, span, until)
    this.DensityIntegrator.take_step = take_step
try:
    run = fp.evolve(this.start, this.TIMES, checkpoint=sys.argv[4], checkpoint_every=0, absorbing=absorbing)
except this.Interrupted:
    sys.exit(3)
if fp.comm.rank == 0:
    np.save(sys.argv[5], run.at(this.PLACES))
"""


@pytest.mark.serial
@pytest.mark.parametrize(("kind", "before", "after"), [("free", 1, 2), ("killed", 2, 3)])
def test_on_another_number_of_ranks(tmp_path, kind, before, after):
    """Quadrilaterals are cut into triangles where a set asks for that, and nodes are moved, alike on all numbers."""
    here, tools = str(Path(__file__).parent), str(Path(__file__).parents[3] / "tools")
    script, file, result = tmp_path / "run.py", tmp_path / "run.npz", tmp_path / "result.npy"
    script.write_text(f"import sys\nsys.path.insert(0, {tools!r})\n" + SCRIPT)
    whole = equation(square(9, QUAD)).evolve(start, TIMES, absorbing=target if kind == "killed" else None)
    for ranks, what in ((before, "begin"), (after, "end")):
        command = ["mpirun", "-n", str(ranks), sys.executable, str(script), here, what, kind, str(file), str(result)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert (done.returncode == 3) == (what == "begin"), done.stderr
    np.testing.assert_allclose(np.load(result), whole.at(PLACES), rtol=1e-7)
