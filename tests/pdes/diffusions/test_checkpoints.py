"""Interrupted evolutions: they go on, on any number of ranks, and nothing half-written is ever read."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from refusals import refused

from meshes import square
from scaling_limits.particles import InvalidArgument, fully_coupled
from scaling_limits.pdes import EffectiveFokkerPlanck, FokkerPlanck
from scaling_limits.pdes.time.density_integrator import DensityIntegrator

TIMES = [0.5, 1.0, 4.0]
PROBLEM = """
import sys
import numpy as np
from scaling_limits.particles import fully_coupled
from scaling_limits.pdes import EffectiveFokkerPlanck
fp = EffectiveFokkerPlanck(fully_coupled(1.0, dim=2, scales=1), [(-3, 3)] * 2, (20, 16))
start = lambda x: np.exp(-10 * ((x - 0.5) ** 2).sum(axis=1))
"""
RUN = (
    PROBLEM
    + """
run = fp.evolve(start, [0.5, 1.0, 4.0], checkpoint=sys.argv[1], checkpoint_every=0)
if fp.comm.rank == 0:
    np.savez(sys.argv[2], probabilities=run.probabilities, entropy=run.entropy, steps=run.statistics.steps)
"""
)


def equation(comm=MPI.COMM_WORLD):
    return EffectiveFokkerPlanck(fully_coupled(1.0, dim=2, scales=1), [(-3, 3)] * 2, (20, 16), comm=comm)


def start(x):
    return np.exp(-10 * ((x - 0.5) ** 2).sum(axis=1))


class Interrupted(Exception):
    pass


def interrupted_after(steps, monkeypatch, **arguments):
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
            equation().evolve(start, TIMES, **arguments)


@pytest.mark.parametrize("steps", [1, 20, 60])
def test_the_same_result_after_an_interruption(shared_folder, monkeypatch, steps):
    file = shared_folder / "checkpoint.npz"
    whole = equation().evolve(start, TIMES)
    assert whole.statistics.steps > 70
    interrupted_after(steps, monkeypatch, checkpoint=file, checkpoint_every=0)
    assert file.exists()
    again = equation().evolve(start, TIMES, checkpoint=file)
    assert np.abs(again.probabilities - whole.probabilities).max() < 1e-12
    assert np.abs(again.entropy - whole.entropy).max() < 1e-12
    assert again.statistics.steps == whole.statistics.steps
    finished = equation().evolve(start, TIMES, checkpoint=file)  # nothing is left to do
    assert (finished.probabilities == again.probabilities).all()


def test_intervals_between_writings(shared_folder, monkeypatch):
    """Nothing is written before the interval is over; the end always is."""
    file = shared_folder / "rare.npz"
    interrupted_after(20, monkeypatch, checkpoint=file, checkpoint_every=3600.0)
    assert not file.exists()
    equation().evolve(start, TIMES, checkpoint=file, checkpoint_every=3600.0)
    MPI.COMM_WORLD.barrier()
    assert file.exists()


def test_damaged_and_foreign_files(shared_folder, monkeypatch):
    file = shared_folder / "checkpoint.npz"
    interrupted_after(30, monkeypatch, checkpoint=file, checkpoint_every=0)
    with pytest.raises(InvalidArgument, match="another problem"):
        equation().evolve(start, [0.5, 1.0, 5.0], checkpoint=file)
    with pytest.raises(InvalidArgument, match="another problem"):
        equation().evolve(lambda x: start(x) ** 2, TIMES, checkpoint=file)
    MPI.COMM_WORLD.barrier()
    content = file.read_bytes()
    MPI.COMM_WORLD.barrier()
    for part in (content[: len(content) // 2], content[:200] + b"?" * 64 + content[264:], b""):
        if MPI.COMM_WORLD.rank == 0:
            file.write_bytes(part)
        MPI.COMM_WORLD.barrier()
        with pytest.raises(InvalidArgument, match="checkpoint"):
            equation().evolve(start, TIMES, checkpoint=file)
        MPI.COMM_WORLD.barrier()


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="ranks differ")
def test_ranks_that_name_different_files(shared_folder):
    """A file of each rank, in a box and on a mesh, and of what is written as it comes: refused, nothing is written."""
    comm = MPI.COMM_WORLD
    on_a_mesh = FokkerPlanck(
        Given(lambda x: np.ones((len(x), 1, 1)) * np.eye(2), lambda x: (x**2).sum(axis=1)), mesh=square(4)
    )
    for name, of in (("checkpoint", equation()), ("stream", equation()), ("checkpoint", on_a_mesh)):
        for path in (shared_folder / f"{comm.rank}.npz", None if comm.rank else shared_folder / "one.npz"):
            refused(name, "the same on all ranks", lambda of=of, more={name: path}: of.evolve(start, TIMES, **more))
    comm.barrier()
    assert not list(shared_folder.iterdir())


def ornstein_uhlenbeck(mobility=lambda x: np.ones(len(x)), psi=lambda x: 0.5 * x**2, rtol=1e-6, options=None):
    given = Given(lambda x: mobility(x[:, 0])[:, None, None], lambda x: psi(x[:, 0]))
    return FokkerPlanck(given, [(-6, 6)], (120,), rtol, petsc_options=options)


def test_another_mobility_is_another_problem(shared_folder):
    """M decides on every rate: a file of another one is refused, be it large, small, or different at one place only."""
    file = shared_folder / "mobility.npz"
    far = lambda x: np.exp(-2 * (x[:, 0] - 2) ** 2)  # noqa: E731
    slow = ornstein_uhlenbeck().evolve(far, [0.5], checkpoint=file)
    assert slow[0].mean()[0] == pytest.approx(2 * np.exp(-0.5), rel=1e-2)
    others = [
        lambda x: np.full(len(x), 10.0), lambda x: np.full(len(x), 1.0 + 1e-8),
        lambda x: 1.0 + 0.01 * (np.abs(x - 1) < 0.04), lambda x: 1.0 + 0.5 * np.sin(x),
    ]  # fmt: skip
    for other in others:
        with pytest.raises(InvalidArgument, match="another problem"):
            ornstein_uhlenbeck(other).evolve(far, [0.5], checkpoint=file)
    for other in (lambda x: 0.5 * x**2 + 1e-8 * x, lambda x: 0.5 * x**2 + 1e-5 * (np.abs(x) < 0.04)):
        with pytest.raises(InvalidArgument, match="another problem"):
            ornstein_uhlenbeck(psi=other).evolve(far, [0.5], checkpoint=file)
    with pytest.raises(InvalidArgument, match="another problem"):
        ornstein_uhlenbeck().evolve(lambda x: far(x) + 1e-8 * (np.abs(x[:, 0]) < 0.04), [0.5], checkpoint=file)
    fast = FokkerPlanck(ornstein_uhlenbeck(others[0]).coefficients, [(-6, 6)], (120,))
    assert fast.evolve(far, [0.5])[0].mean()[0] == pytest.approx(2 * np.exp(-5), rel=2e-2)


def test_the_same_problem_to_rounding(shared_folder):
    """What differs by rounding only, by a factor of the initial density, or by the linear solver, goes on."""
    file = shared_folder / "rounding.npz"
    far = lambda x: np.exp(-2 * (x[:, 0] - 2) ** 2)  # noqa: E731
    whole = ornstein_uhlenbeck().evolve(far, [0.5], checkpoint=file).probabilities
    same = ornstein_uhlenbeck(lambda x: 1.0 + 1e-14 * np.sin(x), lambda x: 0.5 * x**2 + 1e-14 * np.cos(9 * x))
    assert (same.evolve(far, [0.5], checkpoint=file).probabilities == whole).all()
    doubled = ornstein_uhlenbeck().evolve(lambda x: 2 * far(x), [0.5], checkpoint=file)
    assert (doubled.probabilities == whole).all()
    iterative = ornstein_uhlenbeck(options={"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-8})
    assert (iterative.evolve(far, [0.5], checkpoint=file).probabilities == whole).all()


def test_files_that_do_not_tell_their_mobility(shared_folder):
    """Older versions did not note M: what they wrote is refused, whatever it is of."""
    file = shared_folder / "older.npz"
    far = lambda x: np.exp(-2 * (x[:, 0] - 2) ** 2)  # noqa: E731
    ornstein_uhlenbeck().evolve(far, [0.5], checkpoint=file)
    MPI.COMM_WORLD.barrier()
    if MPI.COMM_WORLD.rank == 0:
        with np.load(file) as content:
            kept = {name: content[name] for name in content.files if name != "traits"}
        np.savez(file, **kept)
    MPI.COMM_WORLD.barrier()
    with pytest.raises(InvalidArgument, match=r"checkpoint: .*older version"):
        ornstein_uhlenbeck().evolve(far, [0.5], checkpoint=file)


def ranks(count, *arguments):
    return ["mpirun", "-n", str(count), sys.executable, *arguments]


@pytest.mark.serial
def test_kill_and_go_on_with_another_number_of_ranks(tmp_path):
    """kill -9 while files are written, again and again; each time what is there loads, and the end is that of one run."""
    script, file, result = tmp_path / "run.py", tmp_path / "checkpoint.npz", tmp_path / "result.npz"
    script.write_text(RUN)
    for attempt in range(2):
        process = subprocess.Popen([sys.executable, str(script), str(file), str(result)])
        deadline = time.monotonic() + 60
        seen = file.stat().st_mtime_ns if file.exists() else 0
        while process.poll() is None and time.monotonic() < deadline:
            if file.exists() and file.stat().st_mtime_ns != seen:
                time.sleep(0.02 * attempt)
                break
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert file.exists()
        with np.load(file) as content:
            assert content["state"].shape == (21 * 17,)
    subprocess.run(ranks(2, str(script), str(file), str(result)), check=True, timeout=120)
    whole = equation(MPI.COMM_SELF).evolve(start, TIMES)
    with np.load(result) as content:
        assert np.abs(content["probabilities"] - whole.probabilities).max() < 1e-12
        assert np.abs(content["entropy"] - whole.entropy).max() < 1e-12
    left = {p.name for p in Path(tmp_path).iterdir()} - {"run.py", "checkpoint.npz", "result.npz"}
    assert all(
        name.startswith(".") for name in left
    )  # partial files of killed processes are never taken for whole ones
