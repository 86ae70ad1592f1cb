"""What fails on one rank is raised on all; caches that are not what they should be; Ctrl-C."""

import numpy as np
import pytest
from interrupts import seconds_to_end
from mpi4py import MPI
from sympy import cos, pi, tanh

from scaling_limits import cells
from scaling_limits.cells import (
    CorrectorProblem,
    EffectiveCoefficients,
    FiniteElements,
    FourierGalerkin,
    correctors,
    effective_coefficients,
    effective_tensor,
)
from scaling_limits.meshes import torus
from scaling_limits.particles import InvalidArgument, MultiscalePotential, fully_coupled

COMM = MPI.COMM_WORLD
LAST = COMM.size - 1  # the only rank in a serial run


def make(height=1, dim=1, well=1):
    return MultiscalePotential(
        dim, 1, 0.8, lambda x: well * x[0] ** 2, lambda x, y: height * (2 + tanh(x[0])) / 3 * cos(2 * pi * y[0])
    )


def on_the_last(wrong, right):
    return wrong if COMM.rank == LAST else right


def isotropic(y):
    return np.exp(np.cos(2 * np.pi * y[:, 0]))[:, None, None] * np.eye(2)


def raising(y):
    if COMM.rank == LAST:
        raise OSError("the table is gone")
    return isotropic(y)


def short(y):
    return on_the_last(isotropic(y)[:-1], isotropic(y))


def unsymmetric(y):
    return isotropic(y) + on_the_last(np.array([[0, 0.3], [0, 0]]), 0)


def negative(y):
    return on_the_last(-1, 1) * isotropic(y)


@pytest.mark.parametrize(
    ("tensor", "word"),
    [
        (raising, "OSError: the table is gone"),
        (short, "as many values"),
        (unsymmetric, "symmetric"),
        (negative, "positive"),
    ],
)
def test_tensors_that_fail_on_one_rank(tensor, word):
    problem = CorrectorProblem(torus((6, 6)), 2)
    with pytest.raises(InvalidArgument, match=f"^tensor: .*{word}"):
        problem.solve(tensor)
    assert problem.solve(isotropic).iterations > 0  # on all ranks, after the refusal


CALLS = {
    "tensor, points": (lambda: effective_tensor(make(), on_the_last([[np.nan]], [[0.1]])), "points"),
    "tensor, rtol": (lambda: effective_tensor(make(), [[0.1]], on_the_last(0.0, 1e-6)), "rtol"),
    "tensor, route": (lambda: effective_tensor(make(), [[0.1]], route=on_the_last(3, None)), "route"),
    "tensor, workers": (lambda: effective_tensor(make(), [[0.1]], workers=on_the_last("2", 1)), "workers"),
    "tensor, potential": (lambda: effective_tensor(on_the_last(None, make()), [[0.1]]), "potential"),
    "coefficients, box": (lambda: effective_coefficients(make(), on_the_last([(1, 0)], [(0, 1)])), "box"),
    "coefficients, rtol": (lambda: effective_coefficients(make(), [(0, 1)], on_the_last(1.0, 1e-3)), "rtol"),
    "correctors, point": (lambda: correctors(make(), on_the_last([np.inf], [0.0]), cells=4, degree=1), "point"),
    "correctors, fast": (
        lambda: correctors(fully_coupled(0.7, dim=1), [0.0], on_the_last([], [[0.2]]), cells=4, degree=1), "fast"),
    "correctors, degree": (lambda: correctors(make(), [0.0], cells=4, degree=on_the_last(0, 1)), "degree"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_arguments_that_are_wrong_on_one_rank(name):
    call, argument = CALLS[name]
    with pytest.raises(InvalidArgument, match=f"^{argument}: "):
        call()


DIFFERENT = {
    "tensor, points": (lambda: effective_tensor(make(), [[0.1 + on_the_last(0.1, 0)]]), "points"),
    "tensor, number of points": (lambda: effective_tensor(make(), [[0.1]] * on_the_last(2, 1)), "points"),
    "tensor, rtol": (lambda: effective_tensor(make(), [[0.1]], on_the_last(1e-5, 1e-6)), "rtol"),
    "tensor, bounds": (lambda: effective_tensor(make(), [[0.1]], bounds=on_the_last(True, False)), "bounds"),
    "tensor, potential": (lambda: effective_tensor(make(on_the_last(2, 1)), [[0.1]]), "potential"),
    "tensor, route": (
        lambda: effective_tensor(make(dim=2), [[0.1, 0.0]], route=on_the_last(FiniteElements(), FourierGalerkin())), "route"),
    "coefficients, box": (lambda: effective_coefficients(make(), [(0, on_the_last(2, 1))]), "box"),
    "coefficients, potential": (lambda: effective_coefficients(make(on_the_last(2, 1)), [(0, 1)]), "potential"),
    "correctors, point": (lambda: correctors(make(), [on_the_last(0.5, 0.1)], cells=4, degree=1), "point"),
    "correctors, cells": (lambda: correctors(make(), [0.5], cells=on_the_last(5, 4), degree=1), "cells"),
    "correctors, options": (
        lambda: correctors(make(), [0.5], petsc_options=on_the_last({"pc_type": "jacobi"}, {})), "petsc_options"),
    "tensor, V0": (lambda: effective_tensor(make(well=on_the_last(2, 1)), [[0.1]]), "confining"),
    "coefficients, V0": (lambda: effective_coefficients(make(well=on_the_last(2, 1)), [(0, 1)]), "confining"),
}  # fmt: skip


@pytest.mark.skipif(COMM.size == 1, reason="one rank cannot differ from itself")
@pytest.mark.parametrize("name", DIFFERENT)
def test_arguments_that_differ_between_ranks(name):
    call, argument = DIFFERENT[name]
    with pytest.raises(InvalidArgument, match=f"^{argument}: must be the same on all ranks"):
        call()


def bad_caches(folder):
    file = folder / "file"
    if COMM.rank == 0:
        file.write_text("not a folder")
    COMM.barrier()
    return {
        "a file": file,
        "below a file": file / "cache",
        "the kernel's": "/proc/cache",
        "a number": 3,
        "bytes of 0": "\0",
    }


@pytest.mark.parametrize("name", ["a file", "below a file", "the kernel's", "a number", "bytes of 0"])
def test_caches_that_are_no_folders(shared_folder, name):
    """Refused before any cell is solved."""
    cache = bad_caches(shared_folder)[name]
    with pytest.raises(InvalidArgument, match="^cache: must be a folder that can be written"):
        effective_coefficients(make(), [(-1, 1)], cache=cache)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not an archive", "foreign", "inconsistent", "folder"])
def test_caches_with_other_things_in_them(shared_folder, content):
    """What is not the file of this problem is not read, and does no harm."""
    folder, problem = shared_folder / "cache", (make(), [(-1, 1)], 1e-4)
    first = effective_coefficients(*problem, cache=folder)
    COMM.barrier()
    (file,) = folder.glob("*.npz")
    COMM.barrier()
    if COMM.rank == 0:
        if content == "foreign":
            effective_tensor(make(), [[0.0]], comm=MPI.COMM_SELF).save(file)
        elif content == "inconsistent":
            EffectiveCoefficients(first.potential, first.bounds, (0,), first.polynomials[:1], 0.0).save(file)
        elif content == "folder":
            file.unlink()
        else:
            file.write_bytes(content)
    COMM.barrier()
    again = effective_coefficients(*problem, cache=folder)
    np.testing.assert_allclose(again.polynomials, first.polynomials, atol=1e-12)


def test_a_disk_that_is_full_is_said_on_all_ranks(shared_folder, monkeypatch):
    def full(path, fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(cells.effective_coefficients.__globals__, "save_arrays", full)
    with pytest.raises(OSError, match="No space left"):
        effective_coefficients(make(), [(-1, 1)], cache=shared_folder)


def test_results_are_not_shared_by_problems_that_differ(shared_folder):
    """The same function object with another closure, another sigma, rtol, box or V0: each has its own numbers."""
    height = [1]
    fluctuation = lambda x, y: height[0] * (2 + tanh(x[0])) / 3 * cos(2 * pi * y[0])  # noqa: E731
    bowl = lambda x: x[0] ** 2  # noqa: E731
    low = MultiscalePotential(1, 1, 0.8, bowl, fluctuation)
    first = effective_tensor(low, [[0.3]], 1e-8).value.item()
    height[0] = 2
    high = MultiscalePotential(1, 1, 0.8, bowl, fluctuation)
    assert effective_tensor(high, [[0.3]], 1e-8).value.item() == pytest.approx(
        effective_tensor(make(2), [[0.3]], 1e-8).value.item(), rel=1e-12
    )
    assert effective_tensor(high, [[0.3]], 1e-8).value.item() < 0.9 * first
    kept = [effective_coefficients(V, [(-1, 1)], 1e-4, cache=shared_folder) for V in (low, high)]
    assert kept[0].mobility([[0.3]]).item() == pytest.approx(first, rel=1e-4)
    assert kept[1].mobility([[0.3]]).item() < 0.9 * first
    deeper = MultiscalePotential(1, 1, 0.8, lambda x: 5 * x[0] ** 2, lambda x, y: make(2).fluctuation(x, y))
    again = effective_coefficients(deeper, [(-1, 1)], 1e-4, cache=shared_folder)
    assert again.free_energy([[1.0]]).item() == pytest.approx(kept[1].free_energy([[1.0]]).item() + 4.0, rel=1e-9)


@pytest.mark.serial
@pytest.mark.parametrize(
    "call",
    [
        "effective_tensor(fully_coupled(0.2), points, 1e-9, workers=4)",
        "effective_tensor(fully_coupled(0.1, scales=1, dim=3), space, 1e-9, bounds=True, workers=4)",
        "effective_coefficients(fully_coupled(0.1), [(-1, 1)] * 2, 1e-9)",
    ],
    ids=["many cells", "large cells", "coefficients"],
)
def test_an_interrupt_ends_a_solve(call):
    """Within two seconds, though threads have cells before them for a minute or more."""
    code = f"""
import numpy as np
from scaling_limits.particles import fully_coupled
from scaling_limits.cells import effective_coefficients, effective_tensor
points, space = np.random.default_rng(1).uniform(-1, 1, (250, 2)), np.random.default_rng(1).uniform(-1, 1, (8, 3))
print("begins", flush=True)
{call}
"""
    assert seconds_to_end(code) < 2.0
