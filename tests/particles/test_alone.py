"""scaling_limits.particles needs numpy and numba only."""

import os
import subprocess
import sys

import pytest

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'dolfinx', 'petsc4py', 'mpi4py', 'ufl', 'basix', 'pyvista', 'matplotlib', 'tqdm'}:
            raise ImportError(name + ' is blocked')
sys.meta_path.insert(0, Blocker())
from scaling_limits.particles import PinnedBalls
print(PinnedBalls(n=50, mean=lambda x: x, std=lambda x: 1 + x).sample([0.001], runs=10, seed=1).mean.shape)
"""


@pytest.mark.serial
def test_particles_without_fenicsx():
    done = subprocess.run([sys.executable, "-c", BLOCKED], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 50)"
