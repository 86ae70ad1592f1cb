"""Long steps on fine lines and across high barriers, against elimination without subtraction in longer numbers."""

import numpy as np
import pytest
from mpi4py import MPI

from scaling_limits.particles import NotConverged
from scaling_limits.pdes import IMPLICIT_EULER, FokkerPlanck
from scaling_limits.pdes.diffusions import slow_modes
from scaling_limits.pdes.diffusions.evolution import ReversibleSystem
from scaling_limits.pdes.diffusions.hitting.killed_chain import KilledChain
from scaling_limits.pdes.diffusions.hitting.refined_resolvents import EdgeDifferences
from scaling_limits.pdes.diffusions.hitting.target_sets import TargetSet
from scaling_limits.pdes.time.density_integrator import StepChoice

EULER = StepChoice(IMPLICIT_EULER, None, 0.1)
FLAT = {"free_energy": lambda x: 0.5 * x[:, 0] ** 2 + 0.2 * np.sin(3 * x[:, 0]), "temperature": 0.5}
# two wells of 25 sigma: from one to the other in some 1e10
WELLS = {"free_energy": lambda x: 5 * (x[:, 0] ** 2 - 1) ** 2, "temperature": 0.2}
WALL = (TargetSet("absorbing", lambda x: x[:, 0] > 2.0, 0.0),)


def line(n, kind, sets=()):
    fp = FokkerPlanck.of(mobility=1.0, box=[(-3, 3)], cells=n, **kind)
    chain = KilledChain.of(fp.generator, sets)
    return fp, chain, ReversibleSystem(fp, chain, EULER).resolvents


def start(fp):
    r = np.exp(-20 * (fp.grid.points[:, 0] - 1.0) ** 2)
    return r / fp.comm.allreduce(r.sum())


def eliminated(fp, chain, c, r):
    """Probabilities after a step of implicit Euler, at all nodes: no difference is taken of what rounding has touched."""
    grid, root = fp.grid, fp.grid.whole(fp.generator.root).astype(np.longdouble)
    joins = np.zeros(grid.size, dtype=np.longdouble)
    np.add.at(joins, np.minimum(chain.tail, chain.head), c * chain.across * root[chain.tail] * root[chain.head])
    free = grid.whole(chain.free)
    joins = fp.comm.allreduce(joins)
    excess = root**2 * (1.0 + c * grid.whole(chain.killing.sum(axis=1)))
    right = np.where(free, grid.whole(r), 0).astype(np.longdouble)
    excess[~free] = 1.0
    for i in range(grid.size - 1):
        part = joins[i] / (joins[i] + excess[i])
        excess[i + 1] += part * excess[i]
        right[i + 1] += part * right[i]
    f = np.zeros(grid.size, dtype=np.longdouble)
    f[-1] = right[-1] / excess[-1]
    for i in range(grid.size - 2, -1, -1):
        f[i] = (right[i] + joins[i] * f[i + 1]) / (joins[i] + excess[i])
    return np.asarray(np.where(free, f * root**2, 0), dtype=float)


@pytest.mark.parametrize(
    ("kind", "sets", "n"), [(FLAT, (), 5_000), (WELLS, (), 2_000), (FLAT, WALL, 2_000), (WELLS, WALL, 2_000)],
    ids=["fine", "wells", "fine, killed", "wells, killed"],
)  # fmt: skip
def test_long_steps_are_exact(kind, sets, n):
    """Of any length: each density to 1e-12 of what is left, and where nothing kills its mass to rounding."""
    fp, chain, resolvents = line(n, kind, sets)
    root, r = fp.generator.root, start(fp)
    # r = sqrt(m) s, for s = r/sqrt(m) where that is not 0
    state = np.where(chain.free, r / np.where(root > 0, root, 1.0), 0.0)
    for size in (1e7, 1e10, 9e12, 1e14, 1e17):
        c = size / resolvents.fastest
        expected = eliminated(fp, chain, c, r)
        found = fp.grid.whole(resolvents.solve(c, state) * root)
        left = expected.sum()
        assert np.abs(found - expected).sum() <= 1e-12 * left
        if not sets:
            assert abs(found.sum() - 1.0) <= 1e-13
        # no modes up to here, whose number would grow with that of the nodes
        assert ("_slow" in vars(resolvents)) == (size > slow_modes.SETTINGS.largest)


def test_equilibrium_stays():
    """The kernel of differences is sqrt(m) to the last digit, whatever the step."""
    fp, chain, resolvents = line(4_000, FLAT)
    root = fp.generator.root
    assert (EdgeDifferences.of(chain).applied(root) == 0).all()
    root = root / np.sqrt(fp.generator.partition)
    for size in (1e9, 1e13, 1e15):
        away = resolvents.solve(size / resolvents.fastest, root) - root
        assert fp.comm.allreduce(np.abs(away * root).sum()) <= 1e-14


def test_differences_are_the_matrix():
    """In the plane, with wide edges and a set: as the rows of the matrix, to its rounding."""
    tensor = np.array([[1.0, 0.9], [0.9, 1.0]])
    fp = FokkerPlanck.of(
        mobility=lambda x: np.broadcast_to(tensor, (len(x), 2, 2)), free_energy=lambda x: np.cos(x).sum(axis=1),
        temperature=0.5, box=[(-3, 3), (0, 2 * np.pi)], cells=(16, 24), periodic=(False, True),
    )  # fmt: skip
    sets = (TargetSet("absorbing", lambda x: ((x - [1.0, 2.0]) ** 2).sum(axis=1) < 1.0, 0.0),)
    for chosen in ((), sets):
        chain = KilledChain.of(fp.generator, chosen)
        values = np.where(chain.free, np.random.default_rng(MPI.COMM_WORLD.rank).normal(size=len(chain.free)), 0.0)
        matrix = fp.matrix(chain.rows())
        expected = np.where(chain.free, matrix.applied(values), 0.0)
        np.testing.assert_allclose(EdgeDifferences.of(chain).applied(values), expected, atol=1e-13 * matrix.fastest)


def test_the_most_modes_are_enough(monkeypatch):
    """Where more modes are slow than are taken, the matrix is that of a longer step instead."""
    fp, chain, resolvents = line(3_000, FLAT)
    settings = slow_modes.SlowSettings(slow=1e-4, modes=(2, 4), largest=1e9)
    monkeypatch.setattr(slow_modes, "SETTINGS", settings)
    root, r = fp.generator.root, start(fp)
    c = 1e12 / resolvents.fastest
    found = fp.grid.whole(resolvents.solve(c, r / root) * root)
    assert np.abs(found - eliminated(fp, chain, c, r)).sum() <= 1e-12
    assert len(resolvents._slow.rates) >= 4
    assert resolvents._smaller > settings.damped / (settings.slow * resolvents.fastest)


def test_solves_that_do_not_come_closer_are_refused(monkeypatch):
    _, chain, resolvents = line(500, FLAT)
    monkeypatch.setattr(resolvents._resolvents, "solve", lambda c, right: 0.3 * right)
    with pytest.raises(NotConverged, match="repeated"):
        resolvents.solve(1e8 / resolvents.fastest, np.where(chain.free, 1.0, 0.0))
