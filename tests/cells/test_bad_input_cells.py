"""What is wrong with an argument of correctors, tensors, coefficients and their pictures is said by its name."""

import numpy as np
import pytest
from dolfinx.mesh import CellType, create_unit_square
from mpi4py import MPI
from refusals import refused
from sympy import cos, log, pi

from scaling_limits.cells import (
    CorrectorProblem,
    EffectiveCoefficients,
    EffectiveTensor,
    FiniteElements,
    FourierGalerkin,
    HarmonicMean,
    correctors,
    effective_coefficients,
    effective_tensor,
)
from scaling_limits.cells.pictures import corrector_fields, tensor_ellipses
from scaling_limits.meshes import torus
from scaling_limits.particles import MultiscalePotential, egg_carton, fully_coupled

pytestmark = pytest.mark.serial  # what one rank alone refuses; several ranks are tried elsewhere

PLANE, LINE, TWO = egg_carton(1.0), egg_carton(1.0, dim=1), fully_coupled(1.0, dim=1)
HALF = MultiscalePotential(1, 1, 1.0, lambda x: log(2 + x[0]), lambda x, y: cos(2 * pi * y[0]) / 2)
SELF = MPI.COMM_SELF


def tensor(potential=PLANE, points=((0.0, 0.0),), rtol=1e-3, bounds=False, **others):
    return effective_tensor(potential, points, rtol, bounds, **({"comm": SELF} | others))


def coefficients(potential=LINE, box=((-1, 1),), rtol=1e-3, **others):
    return effective_coefficients(potential, box, rtol, **({"comm": SELF} | others))


def levels(potential=LINE, point=(0.0,), fast=None, **others):
    return correctors(potential, point, fast, **({"cells": 3, "degree": 1, "comm": SELF} | others))


def problem(mesh=None, degree=1, **others):
    return CorrectorProblem(torus((3, 3), comm=SELF) if mesh is None else mesh, degree, **others)


def solved(field, **others):
    return problem().solve(field, **others)


def unit(y):
    return np.broadcast_to(np.eye(2), (len(y), 2, 2))


def ellipses(path="tensors.png", points=((0.0, 0.0),), tensors=(((1.0, 0.0), (0.0, 1.0)),), landscape=None, size=1.0):
    plane = (np.arange(3.0), np.arange(3.0), np.zeros((3, 3))) if landscape is None else landscape
    return tensor_ellipses(path, points, tensors, plane, size=size)


CALLS = {
    "potential is none": (lambda: tensor(None), "potential", "MultiscalePotential"),
    "potential is a function": (lambda: tensor(lambda x: 0), "potential", "not function"),
    "points are none": (lambda: tensor(points=None), "points", "real numbers"),
    "points are a text": (lambda: tensor(points="0, 0"), "points", "real numbers"),
    "points are complex": (lambda: tensor(points=[[1j, 0]]), "points", "complex"),
    "points are masked": (
        lambda: tensor(points=np.ma.masked_array([[0.0, 1.0]], [[False, True]])), "points", "masked"),
    "points are one position": (lambda: tensor(points=[0.0, 0.0]), "points", "(P, 2)"),
    "points of a line in the plane": (lambda: tensor(points=[[0.0]]), "points", "(P, 2)"),
    "points are NaN": (lambda: tensor(points=[[0.0, np.nan]]), "points", "finite"),
    "points are empty": (lambda: tensor(points=np.zeros((0, 2))), "points", "empty"),
    "points on a line are empty": (lambda: tensor(LINE, []), "points", "empty"),
    "points where V0 is not real": (lambda: tensor(HALF, [0.0, -3.0]), "points", "V0 is finite and real"),
    "rtol is none": (lambda: tensor(rtol=None), "rtol", "number"),
    "rtol is a text": (lambda: tensor(rtol="1e-3"), "rtol", "number"),
    "rtol is True": (lambda: tensor(rtol=True), "rtol", "number"),
    "rtol is 0": (lambda: tensor(rtol=0.0), "rtol", "at least 1e-13"),
    "rtol is too small for bounds": (lambda: tensor(rtol=1e-12, bounds=True), "rtol", "at least 1e-11"),
    "rtol is too large": (lambda: tensor(rtol=0.5), "rtol", "at most 0.1"),
    "rtol is NaN": (lambda: tensor(rtol=float("nan")), "rtol", "finite"),
    "rtol is an array": (lambda: tensor(rtol=np.array([1e-3, 1e-4])), "rtol", "number"),
    "bounds are a number": (lambda: tensor(bounds=1), "bounds", "True or False"),
    "bounds are none": (lambda: tensor(bounds=None), "bounds", "True or False"),
    "route is a class": (lambda: tensor(route=FiniteElements), "route", "must be a route"),
    "route is a text": (lambda: tensor(route="Fourier"), "route", "must be a route"),
    "route is a number": (lambda: tensor(route=8), "route", "must be a route"),
    "route of a line": (lambda: tensor(route=HarmonicMean()), "route", "2 dimensions"),
    "route without bounds": (lambda: tensor(route=FourierGalerkin(), bounds=True), "route", "finite elements"),
    "route that is too large": (
        lambda: tensor(egg_carton(1.0, dim=3), [[0.0] * 3], route=FiniteElements(4, (30,))), "route", "memory"),
    "workers are 0": (lambda: tensor(workers=0), "workers", "at least 1"),
    "workers are a float": (lambda: tensor(workers=2.0), "workers", "integer"),
    "workers are True": (lambda: tensor(workers=True), "workers", "integer"),
    "progress is a number": (lambda: tensor(progress=1), "progress", "True or False"),
    "comm is none": (lambda: tensor(comm=None), "comm", "communicator"),
    "comm is a number": (lambda: tensor(comm=2), "comm", "communicator"),
    "comm is the null communicator": (lambda: tensor(comm=MPI.COMM_NULL), "comm", "communicator"),
    "degree is a float": (lambda: FiniteElements(2.5), "degree", "integer"),
    "degree is 0": (lambda: FiniteElements(0), "degree", "between 1 and 32"),
    "degree is too large": (lambda: FiniteElements(200), "degree", "between 1 and 32"),
    "cells of elements are a number": (lambda: FiniteElements(4, 8), "cells", "such as (8,)"),
    "cells of elements are floats": (lambda: FiniteElements(4, (2.5, 4)), "cells", "integer"),
    "cells of elements are True": (lambda: FiniteElements(4, (True, 4)), "cells", "integer"),
    "cells of elements are a text": (lambda: FiniteElements(4, "48"), "cells", "tuple of integers"),
    "cells of elements fall": (lambda: FiniteElements(4, (8, 4)), "cells", "increasing"),
    "cells of elements are none": (lambda: FiniteElements(4, None), "cells", "tuple of integers"),
    "points of Fourier are even": (lambda: FourierGalerkin((7, 8)), "points", "odd"),
    "points of Fourier are a number": (lambda: FourierGalerkin(9), "points", "such as (8,)"),
    "points of Fourier are one": (lambda: FourierGalerkin((1, 3)), "points", "at least 3"),
    "points of the mean are negative": (lambda: HarmonicMean((-8, 8)), "points", "at least 1"),
    "points of the mean are a number": (lambda: HarmonicMean(16), "points", "tuple of integers"),
    "points of the mean are empty": (lambda: HarmonicMean(()), "points", "at least one"),
    "box is none": (lambda: coefficients(box=None), "box", "real numbers"),
    "box is empty inside": (lambda: coefficients(box=[(1, 1)]), "box", "a < b"),
    "box of the plane": (lambda: coefficients(box=[(0, 1), (0, 1)]), "box", "1 directions"),
    "box is infinite": (lambda: coefficients(box=[(0, np.inf)]), "box", "finite"),
    "potential of coefficients": (lambda: coefficients("V"), "potential", "MultiscalePotential"),
    "rtol of coefficients is too small": (lambda: coefficients(rtol=1e-14), "rtol", "at least 1e-12"),
    "rtol of coefficients is too large": (lambda: coefficients(rtol=1), "rtol", "at most 0.1"),
    "rtol of coefficients is a text": (lambda: coefficients(rtol="1e-3"), "rtol", "number"),
    "cache is a number": (lambda: coefficients(cache=3), "cache", "folder"),
    "cache is a list": (lambda: coefficients(cache=["a"]), "cache", "folder"),
    "cache cannot be made": (lambda: coefficients(cache="/proc/tensors"), "cache", "folder"),
    "progress of coefficients": (lambda: coefficients(progress=None), "progress", "True or False"),
    "comm of coefficients": (lambda: coefficients(comm="world"), "comm", "communicator"),
    "points outside of the box": (lambda: coefficients().mobility([2.0]), "points", "in the box"),
    "points of the drift": (lambda: coefficients().drift([[0.0, 0.0]]), "points", "(P, 1)"),
    "points of the noise": (lambda: coefficients().noise(None), "points", "real numbers"),
    "points of the free energy": (lambda: coefficients().free_energy([[np.inf]]), "points", "finite"),
    "coefficients are saved in no folder": (lambda: coefficients().save("/nowhere/M.npz"), "path", "make /nowhere"),
    "coefficients are saved in a number": (lambda: coefficients().save(3), "path", "path of a file"),
    "coefficients of no potential": (lambda: EffectiveCoefficients.load("M.npz", None), "potential", "not NoneType"),
    "coefficients from a number": (lambda: EffectiveCoefficients.load(3.5, LINE), "path", "path of a file"),
    "tensors are saved in a folder": (lambda: tensor().save("/tmp"), "path", "is a folder"),
    "tensors are saved in nothing": (lambda: tensor().save(None), "path", "path of a file"),
    "tensors from none": (lambda: EffectiveTensor.load(None), "path", "path of a file"),
    "tensors from a folder": (lambda: EffectiveTensor.load("/tmp"), "path", "/tmp"),
    "potential of correctors": (lambda: levels(None), "potential", "MultiscalePotential"),
    "point of correctors is none": (lambda: levels(point=None), "point", "real numbers"),
    "point of correctors is a text": (lambda: levels(point="0"), "point", "real numbers"),
    "point of the plane": (lambda: levels(point=[0.0, 1.0]), "point", "1 numbers"),
    "fast positions are missing": (lambda: levels(TWO, fast=[]), "fast", "1 positions"),
    "fast positions are a number": (lambda: levels(TWO, fast=0.5), "fast", "1 positions"),
    "fast positions of the plane": (lambda: levels(TWO, fast=[[0.0, 0.5]]), "fast", "1 numbers"),
    "fast positions are NaN": (lambda: levels(TWO, fast=[[np.nan]]), "fast", "finite"),
    "fast positions are none": (lambda: levels(TWO, fast=[None]), "fast", "real numbers"),
    "cells of correctors": (lambda: levels(cells=2), "cells", "at least 3"),
    "cells of correctors are a pair": (lambda: levels(cells=(8, 8)), "cells", "integer"),
    "degree of correctors": (lambda: levels(degree=0), "degree", "between 1 and 8"),
    "rtol of correctors": (lambda: levels(rtol=10.0), "rtol", "at most 0.1"),
    "rtol of correctors is None": (lambda: levels(rtol=None), "rtol", "number"),
    "comm of correctors": (lambda: levels(comm=None), "comm", "communicator"),
    "options of correctors": (lambda: levels(petsc_options={"pc_type": "nosuch"}), "petsc_options", "PETSc refuses"),
    "options are a list": (lambda: levels(petsc_options=["ksp_type"]), "petsc_options", "dictionary"),
    "options with a misprint": (
        lambda: levels(petsc_options={"ksp_monitor_typo": 1}), "petsc_options", "ksp_monitor_typo"),
    "mesh is none": (lambda: CorrectorProblem(None), "mesh", "mesh of a torus"),
    "mesh is a number": (lambda: CorrectorProblem(8), "mesh", "mesh of a torus"),
    "mesh has a boundary": (lambda: problem(create_unit_square(SELF, 3, 3)), "mesh", "boundary"),
    "mesh of a strip": (lambda: problem(torus((3, 3), periodic=(True, False), comm=SELF)), "mesh", "boundary"),
    "cell type of another dimension": (
        lambda: problem(torus((3, 3), cell_type=CellType.interval, comm=SELF)), "cell_type", "dimension 2"),
    "degree of a problem": (lambda: problem(degree=1.0), "degree", "integer"),
    "quadrature of a problem": (lambda: problem(quadrature_degree=0), "quadrature_degree", "at least 1"),
    "quadrature is a text": (lambda: problem(quadrature_degree="4"), "quadrature_degree", "integer"),
    "options of a problem": (lambda: problem(petsc_options=3), "petsc_options", "dictionary"),
    "K is a tensor": (lambda: solved(np.eye(2)), "tensor", "callable"),
    "K is none": (lambda: solved(None), "tensor", "callable"),
    "K is a scalar": (lambda: solved(lambda y: np.ones(len(y))), "tensor", "as many values"),
    "K by components of dolfinx": (lambda: solved(lambda x: x[0] + x[1] + x[200]), "tensor", "x[:, 0]"),
    "K is complex": (lambda: solved(lambda y: 1j * unit(y)), "tensor", "real numbers"),
    "K is infinite": (lambda: solved(lambda y: np.inf * np.ones((len(y), 2, 2))), "tensor", "finite"),
    "K is indefinite": (lambda: solved(lambda y: unit(y) * [1, -1]), "tensor", "positive definite"),
    "K returns nothing": (lambda: solved(lambda y: None), "tensor", "return missing"),
    "K raises": (lambda: solved(lambda y: unit(y) / {}["depth"]), "tensor", "KeyError"),
    "rtol of a problem": (lambda: solved(unit, rtol=0.0), "rtol", "above 0"),
    "rtol of a problem is a text": (lambda: solved(unit, rtol="tight"), "rtol", "number"),
    "picture in no folder": (lambda: ellipses("/nowhere/M.png"), "path", "make /nowhere"),
    "picture without a path": (lambda: ellipses(None), "path", "path of a file"),
    "picture of points on a line": (lambda: ellipses(points=[[0.0]]), "points", "(P, 2)"),
    "picture of scalars": (lambda: ellipses(tensors=[1.0]), "tensors", "shape"),
    "picture of negative tensors": (lambda: ellipses(tensors=[-np.eye(2)]), "tensors", "positive definite"),
    "picture of unsymmetric tensors": (lambda: ellipses(tensors=[[[1, 1], [0, 1]]]), "tensors", "symmetric"),
    "picture without a landscape": (lambda: ellipses(landscape=3), "landscape", "(x, y, values)"),
    "picture of another landscape": (
        lambda: ellipses(landscape=(np.arange(2.0), np.arange(3.0), np.zeros((3, 3)))), "landscape", "(X, Y)"),
    "picture of size 0": (lambda: ellipses(size=0), "size", "above 0"),
    "picture of size none": (lambda: ellipses(size=None), "size", "number"),
    "picture of no level": (lambda: corrector_fields("theta.png", None), "level", "correctors"),
    "picture of a level in no folder": (lambda: corrector_fields("/nowhere/t.png", None), "path", "make /nowhere"),
    "picture of a level of a line": (lambda: corrector_fields("theta.png", levels()[0]), "level", "plane"),
}  # fmt: skip


@pytest.mark.serial
@pytest.mark.parametrize("name", CALLS)
def test_bad_input_is_refused(name):
    call, argument, word = CALLS[name]
    refused(argument, word, call)


def test_what_is_kind_is_taken():
    """Points of a line without a second axis, positions as nested lists, tensors that are the same everywhere."""
    x = np.array([0.1, 0.4])
    np.testing.assert_array_equal(tensor(LINE, x).value, tensor(LINE, x[:, None]).value)
    assert coefficients().mobility(x).shape == (2, 1, 1)
    assert solved(lambda y: np.eye(2)).effective == pytest.approx(np.eye(2), abs=1e-12)
    assert FiniteElements(np.int64(2), [3, np.int32(4)]) == FiniteElements(2, (3, 4))
