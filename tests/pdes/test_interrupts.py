"""Ctrl-C while an evolution is solved and written: it ends at once, and what was written can be read."""

import numpy as np
import pytest
from interrupts import seconds_to_end

from scaling_limits.pdes import DensityEvolution, FokkerPlanck

pytestmark = pytest.mark.serial

EQUATION = """
import numpy as np
from scaling_limits.pdes import FokkerPlanck

def height(x):
    return (x[:, 0] ** 2 - 1) ** 2 + x[:, 1] ** 2

def start(x):
    return np.exp(-10 * ((x + 1) ** 2).sum(axis=1))

equation = FokkerPlanck.of(
    mobility=1.0, free_energy=height, temperature=0.1, box=[(-2, 2)] * 2, cells=(60, 60), rtol=1e-8
)
"""
RUN = """
print("begins", flush=True)
equation.evolve(start, np.linspace(0.001, 20, 40000), step=5e-4, stream=STREAM)
"""


def test_a_stream_that_was_interrupted_can_be_read(tmp_path):
    path = tmp_path / "densities.nc"
    assert seconds_to_end(EQUATION + RUN.replace("STREAM", repr(str(path))), after=2.0) < 15.0
    known = {}
    exec(EQUATION, known)
    run = DensityEvolution.load(path, known["equation"])
    assert isinstance(known["equation"], FokkerPlanck)
    assert 0 < len(run) < 40000
    np.testing.assert_allclose(run.mass, 1.0, atol=1e-12)
    # of the file of a process that ended, the last density as well
    np.testing.assert_allclose(run[len(run) - 1].values.sum() * (4 / 60) ** 2, 1.0, atol=1e-2)
    assert np.isfinite(run.at([[-0.9, -0.5]])).all()
