"""Densities that go to a file as they come: the same as those in memory, on any number of ranks, also after interruptions."""

import numpy as np
import pytest
from diffusions import Given, rotated
from interrupts import seconds_to_end
from mpi4py import MPI
from scipy.io import netcdf_file

import scaling_limits
from scaling_limits.particles import InvalidArgument
from scaling_limits.pdes import DensityEvolution, FokkerPlanck
from scaling_limits.pdes.time.density_integrator import DensityIntegrator

# one of them twice, and one far away, before which there are stops that are no times
TIMES = [0.0, 0.3, 0.3, 2.0, 1e9]
POINTS = np.random.default_rng(7).uniform(-2.5, 2.5, (40, 2))


def equation(cells=(24, 17), slope=0.0):
    given = Given(
        lambda x: rotated(np.sin(x[:, 0]) + x[:, 1], np.ones(len(x)), np.full(len(x), 0.4)),
        lambda x: 0.5 * (x**2).sum(axis=1) + slope * x[:, 0],
    )
    return FokkerPlanck(given, [(-3, 3)] * 2, cells)


def start(x):
    return np.exp(-2 * ((x - 0.5) ** 2).sum(axis=1))


class Interrupted(Exception):
    pass


def interrupted_after(steps, monkeypatch, **arguments):
    done, original = [], DensityIntegrator.take_step

    def take_step(self, state, span, until):
        if len(done) == steps:
            raise Interrupted
        done.append(1)
        original(self, state, span, until)

    with monkeypatch.context() as patch:
        patch.setattr(DensityIntegrator, "take_step", take_step)
        with pytest.raises(Interrupted):
            equation().evolve(start, TIMES, **arguments)


def same(found, expected):
    assert np.array_equal(found.times, expected.times)
    assert np.abs(found.at(POINTS) - expected.at(POINTS)).max() < 1e-14
    for name in ("mass", "minimum", "mean", "covariance", "relative_entropy", "free_energy", "probabilities"):
        assert np.abs(getattr(found, name) - getattr(expected, name)).max() < 1e-12, name
    assert found.statistics.steps == expected.statistics.steps


def test_what_is_in_the_file_is_what_is_in_memory(shared_folder):
    """Read by the class, by `load` of the package, and by somebody else's reader of netCDF."""
    file = shared_folder / "run.nc"
    fp, expected = equation(), equation().evolve(start, TIMES)
    run = fp.evolve(start, TIMES, stream=file)
    same(run, expected)
    same(DensityEvolution.load(file, equation()), expected)
    same(scaling_limits.load(file, equation=fp), expected)
    assert np.allclose(run.error, expected.error, rtol=1e-6)
    with netcdf_file(file, "r", mmap=False) as content:
        assert content.dimensions == {
            "time": None, "x": 25, "y": 18, "direction": 2, "other_direction": 2, "statistics": 6, "sums": 16, "fields": 4,
        }  # fmt: skip
        variables = content.variables
        assert np.array_equal(variables["time"][:], TIMES)
        assert np.abs(variables["x"][:] - np.linspace(-3, 3, 25)).max() < 1e-14
        for i, density in enumerate(expected):
            assert np.abs(variables["density"][i] - density.values).max() < 1e-14
        assert variables["density"].units == b"1/area"


@pytest.mark.parametrize("steps", [3, 30])
def test_an_interrupted_run_goes_on_in_the_same_file(shared_folder, monkeypatch, steps):
    file, checkpoint = shared_folder / "run.nc", shared_folder / "checkpoint.npz"
    expected = equation().evolve(start, TIMES)
    interrupted_after(steps, monkeypatch, checkpoint=checkpoint, checkpoint_every=0, stream=file)
    # what is there can be read
    early = DensityEvolution.load(file, equation())
    assert 0 < len(early) < len(TIMES)
    assert np.abs(early.at(POINTS) - expected.at(POINTS)[: len(early)]).max() < 1e-14
    with pytest.raises(InvalidArgument, match="stream"):
        equation().evolve(start, TIMES, checkpoint=checkpoint)
    same(equation().evolve(start, TIMES, checkpoint=checkpoint, stream=file), expected)
    # an earlier result still reads the file that was replaced
    equation().evolve(start, [0.1], stream=file)
    assert np.abs(early.at(POINTS) - expected.at(POINTS)[: len(early)]).max() < 1e-14


def test_a_checkpoint_with_densities_goes_on_in_a_file(shared_folder, monkeypatch):
    file, checkpoint = shared_folder / "run.nc", shared_folder / "checkpoint.npz"
    interrupted_after(30, monkeypatch, checkpoint=checkpoint, checkpoint_every=0)
    same(equation().evolve(start, TIMES, checkpoint=checkpoint, stream=file), equation().evolve(start, TIMES))


def test_wrong_files_are_refused(shared_folder, monkeypatch):
    comm = MPI.COMM_WORLD
    file, checkpoint = shared_folder / "run.nc", shared_folder / "checkpoint.npz"
    equation().evolve(start, TIMES, stream=file)
    for other in (equation(slope=0.01), equation((24, 16))):
        with pytest.raises(InvalidArgument, match="belongs to"):
            DensityEvolution.load(file, other)
    comm.barrier()
    if comm.rank == 0:
        file.write_bytes(file.read_bytes()[:-9])
    comm.barrier()
    with pytest.raises(InvalidArgument, match="damaged"):
        DensityEvolution.load(file, equation())
    interrupted_after(30, monkeypatch, checkpoint=checkpoint, checkpoint_every=0, stream=file)
    comm.barrier()
    if comm.rank == 0:
        file.unlink()
    comm.barrier()
    with pytest.raises(InvalidArgument, match="checkpoint"):
        equation().evolve(start, TIMES, checkpoint=checkpoint, stream=file)
    with pytest.raises(InvalidArgument, match="stream"):
        equation().evolve(start, TIMES, stream=shared_folder / "missing" / "run.nc")


def test_memory_has_no_densities(shared_folder):
    """An evolution that streams keeps none of them; nor does its checkpoint."""
    file, checkpoint = shared_folder / "run.nc", shared_folder / "checkpoint.npz"
    kept = []
    original = DensityIntegrator.integrated

    class Looked(DensityIntegrator):
        def integrated(self, *arguments):
            kept.append(original(self, *arguments))
            return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scaling_limits.pdes.diffusions.evolution.DensityIntegrator", Looked)
        run = equation().evolve(start, TIMES, stream=file, checkpoint=checkpoint)
    assert len(run) == len(TIMES)
    assert kept[0].snapshots == []
    run.equation.comm.barrier()
    assert np.load(checkpoint)["seen"].size == 0


OF_A_SCRIPT = """
import numpy as np
from scaling_limits.pdes import FokkerPlanck

def height(x):
    return (x[:, 0] ** 2 - 1) ** 2 + x[:, 1] ** 2

def initial(x):
    return np.exp(-10 * ((x + 1) ** 2).sum(axis=1))

given = FokkerPlanck.of(
    mobility=1.0, free_energy=height, temperature=0.1, box=[(-2, 2)] * 2, cells=(60, 60), rtol=1e-8
)
"""
RUN = """
import os, threading, time

def watch():
    while not (os.path.exists(STREAM) and os.path.getsize(STREAM) > 500_000):
        time.sleep(0.02)
    print("begins", flush=True)

# some densities are in the file then, however busy the machine is
threading.Thread(target=watch, daemon=True).start()
given.evolve(initial, np.linspace(0.001, 20, 40000), step=5e-4, stream=STREAM)
"""


@pytest.mark.serial
def test_a_stream_that_ctrl_c_interrupted_can_be_read(tmp_path):
    """The call ends in seconds, and the densities that were written before are whole."""
    path = tmp_path / "densities.nc"
    assert seconds_to_end(OF_A_SCRIPT + RUN.replace("STREAM", repr(str(path))), after=0.0) < 30.0
    known = {}
    exec(OF_A_SCRIPT, known)
    run = DensityEvolution.load(path, known["given"])
    assert 0 < len(run) < 40000
    np.testing.assert_allclose(run.mass, 1.0, atol=1e-12)
    np.testing.assert_allclose((run[len(run) - 1].values * run.volumes.reshape(61, 61)).sum(), 1.0, atol=1e-10)
