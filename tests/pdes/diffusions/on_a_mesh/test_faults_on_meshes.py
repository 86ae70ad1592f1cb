"""Faults on meshes: ranks without cells, arguments that differ between ranks, and meshes of some ranks only."""

import numpy as np
import pytest
from diffusions import Given
from dolfinx import graph
from dolfinx import mesh as dolfinx_mesh
from mpi4py import MPI
from refusals import refused

from meshes import COMM, square
from scaling_limits import load
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import FokkerPlanck

PLAIN = Given(lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)).copy(), lambda x: (x**2).sum(axis=1), 1.0)
LAST = COMM.rank == COMM.size - 1
POINTS = np.array([[0.0, 0.0], [0.3, 0.2], [-0.2, 0.1]])


def right(x):
    return x[:, 0] > 0.5


def left(x):
    return x[:, 0] < -0.5


def start(x):
    return np.exp(-4 * ((x - 0.3) ** 2).sum(axis=1))


def plane(comm=COMM, on_rank_0=False):
    def partitioner(comm, parts, kinds, cells):
        cells = cells[0] if isinstance(cells, list | tuple) else cells
        return graph.adjacencylist(np.zeros((len(cells) // 3, 1), dtype=np.int32))

    given = {"partitioner": partitioner} if on_rank_0 else {}
    return dolfinx_mesh.create_rectangle(comm, [[-1, -1], [1, 1]], [6, 6], **given)


def answers(mesh, tmp_path=None):
    fp = FokkerPlanck(PLAIN, mesh=mesh, rtol=1e-3)
    run, time = fp.evolve(start, [0.1]), fp.mean_first_passage_time(right)
    found = [run.at(POINTS)[0], time.at(POINTS), fp.committor(left, right).at(POINTS), fp.spectrum(2), run.error]
    if tmp_path is not None:
        path = COMM.bcast(tmp_path) / "run.npz"
        run.save(path)
        assert np.allclose(load(path, equation=fp).at(POINTS), run.at(POINTS), rtol=1e-12)
        for suffix in (".vtkhdf", ".pvd", ".xdmf"):
            time.write(path.with_suffix(suffix))
    return found


@pytest.mark.filterwarnings("ignore")
def test_ranks_without_cells(tmp_path):
    """All cells on rank 0 give what a mesh on one rank gives, and so do all ranks together."""
    alone = answers(plane(MPI.COMM_SELF))
    for one, other in zip(alone, answers(plane(on_rank_0=True), tmp_path)):
        assert np.allclose(one, other, rtol=1e-8)
    for one, other in zip(alone, answers(plane())):
        assert np.allclose(one, other, rtol=1e-8)


@pytest.mark.filterwarnings("ignore")
def test_halved_edges():
    """Where a set halves edges all nodes beside it do the same: the mirror image has the mirrored times."""
    fp = FokkerPlanck(PLAIN, mesh=plane(), rtol=1e-3)
    one, other = (fp.mean_first_passage_time(target) for target in (left, right))
    assert np.allclose(one.at(POINTS), other.at(-POINTS), rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_mesh_of_one_rank():
    """An equation takes the ranks of its mesh, and others need not be there."""
    if COMM.rank == 0:
        fp = FokkerPlanck(PLAIN, mesh=square(4, comm=MPI.COMM_SELF))
        assert fp.comm.size == 1
        assert np.allclose(fp.evolve(start, [0.1]).mass, 1.0)


def test_arguments_that_differ(tmp_path):
    mesh = square(4)
    fp = FokkerPlanck(PLAIN, mesh=mesh, rtol=1e-3)
    facets = np.sort(dolfinx_mesh.locate_entities_boundary(mesh, 1, lambda x: x[0] > 1 - 1e-9))
    tags = dolfinx_mesh.meshtags(mesh, 1, facets, np.full(len(facets), 7, dtype=np.int32))
    refused("target", "whole number", lambda: fp.mean_first_passage_time((tags, 7.5 if LAST else 7)))
    refused("target", "whole number", lambda: fp.mean_first_passage_time((tags, "7")))
    refused("equation", "FokkerPlanck", lambda: _saved(fp, tmp_path, None))
    if COMM.size == 1:
        return
    same = "same on all ranks"
    refused("absorbing", same, lambda: fp.evolve(start, [0.1], absorbing=None if LAST else right))
    refused("target", same, lambda: fp.mean_first_passage_time((tags, 7) if LAST else right))
    refused("target", same, lambda: fp.mean_first_passage_time((tags, 7 + LAST)))
    refused("degree", same, lambda: fp.functions(degree=2 if LAST else 1))
    other = Given(PLAIN.mobility, lambda x: (1 + LAST) * PLAIN.free_energy(x), 1.0)
    refused("free_energy", same, lambda: FokkerPlanck(other, mesh=mesh).spectrum(2))
    other = Given(lambda x: (1 + LAST) * PLAIN.mobility(x), PLAIN.free_energy, 1.0)
    refused("mobility", same, lambda: FokkerPlanck(other, mesh=mesh).spectrum(2))
    refused("initial", same, lambda: fp.evolve(lambda x: start(x + 0.1 * LAST), [0.1]))
    refused("target", same, lambda: fp.mean_first_passage_time(lambda x: (1 - 2 * LAST) * x[:, 0] > 0.5))
    path = COMM.bcast(tmp_path)
    density = fp.stationary()
    refused("path", same, lambda: density.write(path / ("a.pvd" if LAST else "a.xdmf")))
    density.save(path / "rho.npz")
    # only rank 0 reads
    assert load(path / ("not there.npz" if LAST else "rho.npz"), equation=fp).mass == pytest.approx(1.0, abs=0.1)


def _saved(fp, tmp_path, equation):
    path = COMM.bcast(tmp_path) / "rho.npz"
    fp.stationary().save(path)
    COMM.barrier()
    return load(path, equation=equation)


def test_extreme_numbers():
    """A density counts up to a factor, whatever its size; steps that would never end are refused."""
    fp = FokkerPlanck(PLAIN, mesh=plane(), rtol=1e-3)
    plain, large = (fp.evolve(lambda x, c=c: c * start(x), [0.1]) for c in (1.0, 1e308))
    assert np.allclose(plain.at(POINTS), large.at(POINTS), rtol=1e-12)
    refused("step", "steps to 0.1", lambda: fp.evolve(start, [0.1], step=1e-300))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("exponent", lambda a: np.full_like(a, np.nan)), ("exponent", lambda a: a[:-1]), ("held", lambda a: a[:0]),
        ("probabilities", lambda a: np.nan * a), ("probabilities", lambda a: a[:1]), ("times", lambda a: a[:0]),
        ("relative_entropy", lambda a: a[:1]), ("cells", lambda a: a[:-1]), ("corners", lambda a: a[:-1]),
    ],
)  # fmt: skip
def test_archives_that_do_not_fit(tmp_path, name, change):
    """Tables of other sizes, or without numbers, are refused by name on all ranks."""
    path = COMM.bcast(tmp_path) / "run.npz"
    fp = FokkerPlanck(PLAIN, mesh=square(4), rtol=1e-3)
    fp.evolve(start, [0.1, 0.2]).save(path)
    if COMM.rank == 0:
        content = dict(np.load(path))
        content[name] = change(content[name])
        np.savez(path, **content)
    COMM.barrier()
    with pytest.raises(InvalidArgument, match="damaged|another one"):
        load(path, equation=fp)
