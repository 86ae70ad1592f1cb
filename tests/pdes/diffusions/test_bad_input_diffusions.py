"""Wrong arguments of Fokker-Planck equations: each is refused with its own name, and with what would be right."""

import math

import numpy as np
import pytest
import sympy
from diffusions import Given

from scaling_limits.meshes import torus
from scaling_limits.meshes.box import box as box_mesh
from scaling_limits.particles import InvalidArgument, MultiscalePotential, egg_carton, fully_coupled
from scaling_limits.pdes import IMPLICIT_EULER, EdgeScheme, EffectiveFokkerPlanck, FokkerPlanck
from scaling_limits.pdes.pictures import density_animation, density_surface

pytestmark = pytest.mark.serial  # what ranks do together is tried in test_errors_on_one_rank

unit = lambda d: lambda x: np.repeat(np.eye(d)[None], len(x), axis=0)  # noqa: E731
zero = lambda x: np.zeros(len(x))  # noqa: E731
LINE, PLANE = (Given(unit(d), lambda x: (x**2).sum(axis=1)) for d in (1, 2))


def equation(dim=1, *coefficients, **arguments):
    given = {"coefficients": [(LINE, PLANE)[dim - 1], *coefficients][-1], "box": [(-2, 2)] * dim, "cells": (12,) * dim}
    return FokkerPlanck(**(given | arguments))


class Solid:
    """Coefficients that know their dimension."""

    dim, temperature, mobility, free_energy = 3, 1.0, staticmethod(unit(3)), staticmethod(zero)


class Cold:
    """Coefficients without a temperature."""

    mobility, free_energy = staticmethod(unit(1)), staticmethod(zero)


PROBLEMS = [
    *[({"coefficients": c}, "coefficients", "must have") for c in (None, 3, "M", {}, Cold(), fully_coupled(1.0, dim=1))],
    ({"coefficients": egg_carton(1.0, dim=1)}, "coefficients", "EffectiveFokkerPlanck"),
    *[({"coefficients": Given(unit(1), zero, t)}, "temperature", "") for t in (0, -1.0, np.nan, np.inf, "hot", None, 1j, True)],
    ({"coefficients": Solid()}, "box", "3 directions"),
    *[({"box": b}, "box", "") for b in (1, None, "abc", [], [(1, 1)], [(2, 1)], [(0, np.inf)], [(np.nan, 1)])],
    *[({"box": b}, "box", "") for b in ([(0, 1, 2)], [(0, 1)] * 4, [(0, 1j)], [("a", "b")], (0, 1))],
    *[({"cells": c}, "cells", "") for c in ((0,), (-3,), (2.5,), ("a",), None, (10, 10), [], True, {}, (10**12,), 10**30)],
    ({"cells": (2,), "periodic": True}, "cells", "at least 3"),
    *[({"rtol": r}, "rtol", "") for r in (0, -1, np.nan, np.inf, "x", None, 0.5, True, 1j, [1e-3])],
    *[({"periodic": p}, "periodic", "") for p in (1, None, "yes", [True, False], {}, [1], [])],
    ({"periodic": True, "coefficients": Given(unit(1), lambda x: x[:, 0])}, "periodic", "Psi"),
    *[({"comm": c}, "comm", "communicator") for c in (3, "world")],
    *[({"petsc_options": o}, "petsc_options", "dictionary") for o in ("abc", 3, {1: 2}, ["ksp_type"], {"": 1})],
]  # fmt: skip


def test_problems():
    for arguments, name, text in PROBLEMS:
        with pytest.raises(InvalidArgument, match=rf"^{name}.*{text}"):
            equation(**arguments)


WRONG_PSI = {
    "none": (lambda x: None, "return missing"),
    "column": (lambda x: x, "as many values"),
    "short": (lambda x: np.zeros(len(x) - 1), "as many values"),
    "complex": (lambda x: 1j * x[:, 0], "real"),
    "nan": (lambda x: np.log(x[:, 0] * 0 - 1), "finite"),
    "wall": (lambda x: np.where(x[:, 0] > 1, np.inf, 0.0), "finite"),
    "text": (lambda x: np.array(["a"] * len(x)), "real"),
    "math": (lambda x: math.cos(x[:, 0]), "numpy"),
    "sympy": (lambda x: sympy.cos(x[:, 0]), "numpy|AttributeError"),
    "first": (lambda x: x[0] ** 2 + x[1] ** 2, "as many values|x\\[:, 0\\]"),
    "index": (lambda x: x[:, 5], "IndexError"),
    "own error": (lambda x: 1 / 0, "ZeroDivisionError"),
    "no function": (3 * [1.0], "callable"),
}


def test_potentials():
    for how in WRONG_PSI:
        psi, text = WRONG_PSI[how]
        with pytest.raises(InvalidArgument, match=rf"^free_energy: .*({text})"), np.errstate(invalid="ignore"):
            equation(2, Given(unit(2), psi)).evolve(bump, [1.0])


WRONG_M = {
    "none": (lambda x: None, "return missing"),
    "scalar": (lambda x: 1.0, "as many values"),
    "scalars": (zero, "as many values"),
    "vectors": (lambda x: x, "as many values"),
    "one for all but wrong": (lambda x: np.eye(3), "as many values"),
    "complex": (lambda x: 1j * unit(2)(x), "real"),
    "nan": (lambda x: np.nan * unit(2)(x), "finite"),
    "upper triangle": (lambda x: unit(2)(x) + np.array([[0.0, 0.5], [0.0, 0.0]]), r"symmetric.*x = \["),
    "lower triangle": (lambda x: unit(2)(x) + np.array([[0.0, 0.0], [1e-6, 0.0]]), r"symmetric.*x = \["),
    "turned": (lambda x: unit(2)(x) + np.array([[0.0, 0.3], [-0.3, 0.0]]), r"symmetric.*x = \["),
    "negative": (lambda x: -unit(2)(x), r"positive definite.*x = \["),
    "zero": (lambda x: 0 * unit(2)(x), r"positive definite.*x = \["),
    "singular": (lambda x: np.ones((len(x), 2, 2)), r"positive definite.*x = \["),
    "indefinite": (lambda x: unit(2)(x) + np.array([[0.0, 2.0], [2.0, 0.0]]), r"positive definite.*x = \["),
    "somewhere": (lambda x: unit(2)(x) * np.where(x[:, :1, None] > 1.9, -1.0, 1.0), r"x = \[2\.0"),
    "raises": (lambda x: x[7, 7, 7], "IndexError"),
}


def test_mobilities():
    for how in WRONG_M:
        tensor, text = WRONG_M[how]
        given = Given(tensor, zero)
        for call in (
            lambda fp: fp.evolve(bump, [1.0]),
            lambda fp: EdgeScheme(fp.grid, fp.coefficients),
            lambda fp: fp.spectrum(2),
        ):
            with pytest.raises(InvalidArgument, match=rf"^mobility: .*{text}"):
                call(equation(2, given))
        with pytest.raises(InvalidArgument, match=r"^mobility: "):
            equation(2, given, periodic=True)


def test_tensors_to_rounding_are_tensors():
    """Interpolated entries differ by rounding, and steep anisotropy is none of it."""
    nearly = Given(lambda x: unit(2)(x) + np.array([[0.0, 0.5 + 1e-12], [0.5, 0.0]]), zero)
    assert (np.diff(equation(2, nearly).generator.edges.weight) >= -1).all()
    for tensor in (np.diag([1.0, 1e-14]), [[1.0, 1 - 1e-9], [1 - 1e-9, 1.0]], np.diag([1e-200, 1e200])):
        from scaling_limits.pdes.diffusions.coefficients import mobility_at

        found = mobility_at(
            Given(lambda x, t=tensor: np.repeat(np.array(t)[None], len(x), axis=0), zero), np.zeros((3, 2))
        )
        np.testing.assert_array_equal(found[1], tensor)


FP, FP2 = equation(), equation(2)
bump = lambda x: np.exp(-(x**2).sum(axis=1))  # noqa: E731
FUNCTIONS = [
    3, None, "x", lambda: 1, lambda x: None, lambda x: x, lambda x: np.ones(3), lambda x: 1j * x[:, 0],
    lambda x: x[:, 0] * np.nan, lambda x: math.exp(x[:, 0]), lambda x: x[:, 9], lambda x: [][1], lambda x: {}["a"],
    lambda x: np.array(["a"] * len(x)), lambda x: np.array([None] * len(x)),
]  # fmt: skip


def test_initial_densities_and_sources():
    for function in FUNCTIONS:
        for fp in (equation(2), FP2):
            with pytest.raises(InvalidArgument, match="^initial: "):
                fp.evolve(function, [1.0])
            with pytest.raises(InvalidArgument, match="^source: "):
                fp.poisson(function)


EVOLUTIONS = [
    *[({"initial": f}, "initial") for f in (lambda x: -x[:, 0], lambda x: 0 * x[:, 0])],
    *[({"times": t}, "times") for t in ([1.0, 0.5], [-1.0], [], [np.nan], [np.inf], "a", None, [1j], [[1.0]], ["x"])],
    *[({"scheme": s}, "scheme") for s in ("euler", None, 4)],
    ({"scheme": IMPLICIT_EULER}, "step"),
    *[({"step": s}, "step") for s in (-1.0, 0, np.nan, np.inf, "a", 1j, True, [0.1], 1e-30)],
    *[({"progress": p}, "progress") for p in (1, "no", None)],
    *[({"checkpoint": c}, "checkpoint") for c in (3, 1.5, "", ".", "/", "/nowhere/at/all.npz", b"\0" and ["a"])],
    *[({"checkpoint": "x.npz", "checkpoint_every": e}, "checkpoint_every") for e in (-1, np.nan, "a", None)],
]


def test_evolutions(tmp_path, monkeypatch):
    for arguments, name in EVOLUTIONS:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InvalidArgument, match=f"^{name}: "):
            FP.evolve(**({"initial": bump, "times": [0.1]} | arguments))
        assert not list(tmp_path.iterdir())


SETS = [
    3, None, "x", lambda: True, lambda x: None, lambda x: x[:, 0], lambda x: x > 0, lambda x: np.ones(3, dtype=bool),
    lambda x: x[:, 9] > 0, lambda x: [][1], lambda x: math.cos(x[:, 0]) > 0, lambda x: bool(x[:, 0] > 0),
    lambda x: x[:, 0] > 5, lambda x: x[:, 0] > -5, lambda x: 1.0 * (x[:, 0] > 1), lambda x: np.array(["a"] * len(x)),
]  # fmt: skip


@pytest.mark.parametrize("dim", [1, 2])
def test_sets(dim):
    for function in SETS:
        fp = (FP, FP2)[dim - 1]
        with pytest.raises(InvalidArgument, match="^target: "):
            fp.mean_first_passage_time(function)
        with pytest.raises(InvalidArgument, match="^a: "):
            fp.committor(function, lambda x: x[:, 0] < -9) if callable(function) else fp.committor(function, bump)
        with pytest.raises(InvalidArgument, match="^(b|a): "):
            fp.committor(lambda x: x[:, 0] < -1, function)


def test_numbers_of_modes():
    for k in [0, -1, 2.5, "a", None, True, 1000, [2], np.nan]:
        for method in (FP.spectrum, FP.modes):
            with pytest.raises(InvalidArgument, match="^k: "):
                method(k)


RUN = FP.evolve(bump, [0.0, 0.1])
RUN2 = FP2.evolve(bump, [0.1])
FIELDS = {
    "density": FP.stationary(), "evolved": RUN, "one time": RUN[1], "line": FP.mean_first_passage_time(lambda x: x[:, 0] > 1),
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_points(field):
    for points in [0.5, [[0.5], [0.5, 0.5]], [[0.5, 0.5]], [[3.0]], [[np.nan]], [[1j]], None, "a", [["a"]], [[None]]]:
        with pytest.raises(InvalidArgument, match="^points: "):
            FIELDS[field].at(points)


@pytest.mark.filterwarnings("ignore:the solution is known")  # on coarse cells
def test_points_of_the_plane():
    for field in (FP2.stationary(), RUN2, FP2.poisson(lambda x: x[:, 0])):
        for points in ([[0.5]], [0.5, 0.5], [[5.0, 0.0]], [[np.inf, 0.0]], None):
            with pytest.raises(InvalidArgument, match="^points: "):
                field.at(points)


def test_indices():
    for index in [2, -3, 1.5, "a", None, True]:
        with pytest.raises((IndexError, InvalidArgument), match="index"):
            RUN[index]


def test_slices_are_lists_of_densities():
    assert [d.mass for d in RUN[0:5]] == [RUN[0].mass, RUN[1].mass]
    np.testing.assert_array_equal(RUN[-1:][0].values, RUN[1].values)
    np.testing.assert_array_equal(RUN[-1].values, RUN[1].values)


CASES_PETSC_OPTIONS = [
    {"nonsense": 1},
    {"ksp_type": "nonsense"},
    {"pc_type": "nonsense"},
    {"ksp_typ": "cg"},
    {"pc_factor_mat_solver_type": "nonsense"},
    {"ksp_rtol": "small"},
]


def test_petsc_options():
    for options in CASES_PETSC_OPTIONS:
        fp = equation(2, petsc_options=options)
        for call in (
            lambda fp: fp.evolve(bump, [0.1]), lambda fp: fp.poisson(lambda x: x[:, 0]),
            lambda fp: fp.mean_first_passage_time(lambda x: x[:, 0] > 0.5),
        ):  # fmt: skip
            with pytest.raises(InvalidArgument, match="^petsc_options: "):
                call(fp)


def test_files_that_are_no_checkpoints(tmp_path):
    for name, content in (("text", b"abc"), ("empty", b""), ("array", None), ("fields", None)):
        file = tmp_path / f"{name}.npz"
        if content is not None:
            file.write_bytes(content)
        elif name == "array":
            with open(file, "wb") as raw:
                np.save(raw, np.zeros(3))
        else:
            np.savez(file, a=np.zeros(3))
        with pytest.raises(InvalidArgument, match="^checkpoint: "):
            FP.evolve(bump, [0.1], checkpoint=file)


CASES_EFFECTIVE_PROBLEMS = [
    *[({"potential": p}, "potential") for p in (None, 3, LINE)],
    *[({"box": b}, "box") for b in ([(-3, 3)] * 2, None, [(3, -3)], [(0, np.inf)])],
    *[({"cells": c}, "cells") for c in ((10, 10), 0, 10**13)],
    *[({"rtol": r}, "rtol") for r in (0, 0.5, "x", np.nan)],
    *[({"periodic": p}, "periodic") for p in (1, None)],
    ({"petsc_options": "abc"}, "petsc_options"),
    ({"progress": "yes"}, "progress"),
    ({"comm": "world"}, "comm"),
]


def test_effective_problems():
    """All of it before any cell is solved; the box of a wrong dimension is called so, not the cells."""
    for arguments, name in CASES_EFFECTIVE_PROBLEMS:
        given = {"potential": egg_carton(1.0, dim=1), "box": [(-2, 2)], "cells": (12,)}
        with pytest.raises(InvalidArgument, match=f"^{name}"):
            EffectiveFokkerPlanck(**(given | arguments))


def test_effective_coefficients_at_points():
    fp = EffectiveFokkerPlanck(egg_carton(1.0, dim=1), [(-2, 2)], (12,))
    for function in (fp.drift, fp.noise, fp.coefficients.mobility, fp.coefficients.free_energy, fp.exponent):
        for points in ([[0.5, 0.5]], [[3.0]], None, [[np.nan]]):
            with pytest.raises(InvalidArgument, match="points"):
                function(points)


CASES_MESHES_AND_PICTURES = [
    (lambda: box_mesh([(0, 1)], [0]), "cells"),
    (lambda: box_mesh([(0, 1)], [[0, 0.5]]), "cells"),
    (lambda: box_mesh([(0, 1)], [[0, 0.7, 0.6, 1]]), "cells"),
    (lambda: box_mesh([(0, 1)], 5), "cells"),
    (lambda: box_mesh([(0, 1)], None), "cells"),
    (lambda: box_mesh([(1, 0)], [5]), "bounds"),
    (lambda: box_mesh(None, [5]), "bounds"),
    (lambda: box_mesh([(0, 1)], [5], periodic="x"), "periodic"),
    (lambda: box_mesh([(0, 1)], [5], periodic=None), "periodic"),
    (lambda: torus((2,)), "cells"),
    (lambda: torus(()), "cells"),
    (lambda: torus(5), "cells"),
    (lambda: torus((5, True)), "cells"),
    (lambda: torus((5, 5), cell_type="triangle"), "cell_type"),
    (lambda: torus((5, 5), periodic=[True]), "periodic"),
    (lambda: density_surface("x.png", RUN[0]), "density"),
    (lambda: density_surface("x.png", None), "density"),
    (lambda: density_animation("x.gif", RUN), "density"),
    (lambda: density_animation("x.gif", None), "run"),
    (lambda: density_animation("x.mp4", RUN2), "path"),
    (lambda: density_animation("/nowhere/at/all.gif", RUN2), "path"),
    (lambda: density_animation("x.gif", RUN2, np.zeros((3, 3))), "landscape"),
    (lambda: density_animation("x.gif", RUN2, frames_per_second=0), "frames_per_second"),
    (lambda: RUN2.animate("x.gif", over="V"), "over"),
]


def test_meshes_and_pictures():
    for call, name in CASES_MESHES_AND_PICTURES:
        with pytest.raises(InvalidArgument, match=f"^{name}"):
            call()


def test_potentials_of_another_dimension():
    with pytest.raises(InvalidArgument, match="^box: must have 2 directions"):
        EffectiveFokkerPlanck(
            MultiscalePotential(2, 1, 1.0, lambda x: x[0] ** 2 + x[1] ** 2, lambda x, y: 0), [(-3, 3)], (64,)
        )


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(
    ("length", "temperature", "what"),
    [(1e-160, 1e-160, "volume"), (1e160, 1.0, "volume"), (1e120, 1.0, "volume|sigma"), (1.0, 1e-160, "sigma"), (1.0, 1e160, "sigma")],
)  # fmt: skip
def test_units_whose_squares_are_no_doubles_are_refused(dim, length, temperature, what):
    """The same problem in other units is solved; the refusal says what is too large or small, before any step."""
    bowl = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: temperature * ((x / length) ** 2).sum(axis=1), temperature=temperature,
        box=[(-2 * length, 2 * length)] * dim, cells=(12,) * dim,
    )  # fmt: skip
    for ask in (lambda: bowl.evolve(lambda x: np.ones(len(x)), [1.0]), lambda: bowl.spectrum(2)):
        with pytest.raises(InvalidArgument, match=f"box.*({what}).*other units"):
            ask()
