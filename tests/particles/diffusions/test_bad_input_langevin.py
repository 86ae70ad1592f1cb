"""Wrong arguments of the samplers of diffusions: each is refused with its own name, and with what would be right."""

import math

import numpy as np
import pytest
import sympy
from mpi4py import MPI
from sympy import cos, pi

from scaling_limits.particles import (
    EffectiveLangevin,
    InvalidArgument,
    Langevin,
    MultiscalePotential,
    Paths,
    egg_carton,
)

pytestmark = pytest.mark.serial  # what ranks do together is tried in pdes/test_errors_on_one_rank

V = MultiscalePotential(
    1, 2, 0.5, lambda x: x[0] ** 2 / 2, lambda x, y, z: cos(2 * pi * y[0]) / 9 + cos(2 * pi * z[0]) / 9
)
PLANE = egg_carton(1.0, dim=2)
drift = lambda x: -x  # noqa: E731
unit = lambda x: np.repeat(np.eye(2)[None], len(x), axis=0)  # noqa: E731
SQUARE = [(-1.0, 1.0)] * 2
EFFECTIVE = EffectiveLangevin(drift, unit, [(-5, 5)] * 2, [False, False])


CASES_SAMPLERS = [
    *[({"potential": p}, "potential") for p in (None, 3, "V", lambda x: x[0] ** 2, V.confining_expression)],
    *[({"epsilon": e}, "epsilon") for e in (0, -1, np.nan, np.inf, "a", None, 1j, True, [0.1], 1e-300, 1e300, 1e-70)],
]


def test_samplers():
    for arguments, name in CASES_SAMPLERS:
        with pytest.raises(InvalidArgument, match=f"^{name}: "):
            Langevin(**({"potential": V, "epsilon": 0.3} | arguments))


SAMPLES = [
    *[
        ({"initial": i}, "initial")
        for i in (None, "a", 0.0, [0.0], [0.0, np.nan], [0.0, np.inf], [0.0, 1j], [[0.0, 0.0]] * 4)
    ],
    *[
        ({"initial": i}, "initial")
        for i in ([None, 0.0], lambda x: x, [[0.0], [1.0]], np.ma.masked_array([0.0, 1.0], [1, 0]))
    ],
    *[
        ({"times": t}, "times")
        for t in ([1.0, 0.5], [-1.0], [], [np.nan], [np.inf], "a", None, [1j], [[1.0]], ["x"], [1e300])
    ],
    *[({"paths": n}, "paths") for n in (0, -1, 2.5, "a", None, True, np.nan, 2**40)],
    *[({"seed": s}, "seed") for s in (-1, 2**64, 1.5, None, "a", True)],
    *[({"step": s}, "step") for s in (0, -1.0, np.nan, np.inf, "a", 1j, True, [0.1])],
    *[({"workers": w}, "workers") for w in (0, -1, 1.5, "a", True)],
    *[({"progress": p}, "progress") for p in (1, "no", None)],
    *[({"comm": c}, "comm") for c in (3, "world", True)],
]


def test_samples():
    for arguments, name in SAMPLES:
        given = {"initial": [0.0, 0.0], "times": [1e-4], "paths": 3, "seed": 1, "step": 1e-3}
        for method in (Langevin(PLANE, 0.3).sample, Langevin(PLANE, 0.3).equilibrium, EFFECTIVE.sample):
            with pytest.raises(InvalidArgument, match=f"^{name}: "):
                method(**(given | arguments))
        if name != "times":
            passage = {k: v for k, v in (given | arguments).items() if k != "times"}
            with pytest.raises(InvalidArgument, match=f"^{name}: "):
                Langevin(PLANE, 0.3).first_passage_times(target=lambda x: x[:, 0] > 1, limit=1e-2, **passage)
            with pytest.raises(InvalidArgument, match=f"^{name}: "):
                Langevin(PLANE, 0.3).first_passages(targets=lambda x: x[:, 0] > 1, limit=1e-2, **passage)
            with pytest.raises(InvalidArgument, match=f"^{name}: "):
                EFFECTIVE.first_passages(targets=lambda x: x[:, 0] > 1, limit=1e-2, **passage)


def test_limits():
    for limit in [0, -1.0, np.nan, "a", None, 1j, True, 1e300]:
        with pytest.raises(InvalidArgument, match="^limit: "):
            Langevin(PLANE, 0.3).first_passage_times([0.0, 0.0], lambda x: x[:, 0] > 1, 3, 1, limit=limit)
        with pytest.raises(InvalidArgument, match="^limit: "):
            Langevin(PLANE, 0.3).first_passages([0.0, 0.0], lambda x: x[:, 0] > 1, 3, 1, limit=limit)
        with pytest.raises(InvalidArgument, match="^limit: "):
            EFFECTIVE.first_passages([0.0, 0.0], lambda x: x[:, 0] > 1, 3, 1, 0.01, limit=limit)


class Object:
    """A callable that numba cannot compile."""

    def __call__(self, x):
        return x[:, 0] > 1


RIGHT = lambda x: 1 - x[:, 0]  # noqa: E731


def writing(x):
    x[:, 0] += 0.1
    return 1 - x[:, 0]


TARGETS = [
    *[(t, "targets") for t in (None, 3, "x", [], {}, (), {1: RIGHT}, {"": RIGHT}, [RIGHT] * 33, np.eye(2), {RIGHT})],
    *[
        (t, "targets")
        for t in (
            lambda x: None, lambda x: True, lambda x: x, lambda x: x[:1, 0], lambda x: 1j * x[:, 0], lambda x: [][1],
            lambda x: sympy.cos(x[:, 0]), lambda x: x[:, 7], lambda: 1, lambda x: (1 - x[:, 0]).astype(np.int64),
            lambda x: math.erf(x[:, 0]), lambda x: np.linalg.eigvals(x), Object(), np.sin, lambda x: x[:, 0] / 0 * 0,
            lambda x: np.log(x[:, 0] - 9), lambda x: np.inf + x[:, 0],
        )
    ],
    ([RIGHT, 3], r"targets\[1\]"),
    ({"a": RIGHT, "b": lambda x: x}, r"targets\['b'\]"),
    ([lambda x: x[:, 0] > 1, lambda x: np.sqrt(x[:, 0] - 1)], r"targets\[1\]"),
    (lambda x: np.where(x[:, 0] > 0.5, -1.0, 1.0), "targets"),
    ([lambda x: np.sign(1 - x[:, 0]) + 0.5 * np.sign(1 - x[:, 0])], r"targets\[0\]"),
    (lambda x: (x[:, 0] > 0.5) * 1.0, "targets"),
    (lambda x: 0.0 * x[:, 0], "targets"),
    (writing, "targets"),
]  # fmt: skip


def test_targets():
    for targets, name in TARGETS:
        for comm in (None, MPI.COMM_WORLD):
            with pytest.raises(InvalidArgument, match=f"^{name}: "), np.errstate(all="ignore"):
                Langevin(PLANE, 0.3).first_passages([0.0, 0.0], targets, 3, 1, 1e-3, limit=0.01, comm=comm)
            with pytest.raises(InvalidArgument, match=f"^{name}: "), np.errstate(all="ignore"):
                EFFECTIVE.first_passages([0.0, 0.0], targets, 3, 1, 1e-3, limit=0.01, comm=comm)


def test_levels_that_are_lost_on_the_way():
    """A level that is no number, or has no slope, where paths come to."""
    for level in (lambda x: np.sqrt(0.1 - x[:, 0]) + 5, lambda x: np.where(x[:, 0] > 0.1, np.inf, 5.0)):
        with pytest.raises(InvalidArgument, match=r"^targets: .*finite"), np.errstate(all="ignore"):
            Langevin(PLANE, 0.3).first_passages([0.0, 0.0], level, 64, 1, 1e-3, limit=0.5)


def test_starts_outside_of_the_domain():
    inside = MultiscalePotential(
        1, 1, 0.3, lambda x: 2 * x[0] ** 2, lambda x, y: (1 + x[0]) * cos(2 * pi * y[0]), domain=[(-2, 2)]
    )
    with pytest.raises(InvalidArgument, match="^initial: "):
        Langevin(inside, 0.5).first_passages([2.5], RIGHT, 3, 1)


def test_questions_to_passages():
    passages = Langevin(PLANE, 0.3).first_passages([0.0, 0.0], {"a": RIGHT}, 5, 1, 1e-3, limit=0.5)
    for k in (None, 1, -1, "b", 0.5, True):
        for ask in (passages.probability, passages.bounds):
            with pytest.raises(InvalidArgument, match="^k: "):
                ask(k)
    for times in (None, [], [1.0, 0.5], [-1.0], "a"):
        with pytest.raises(InvalidArgument, match="^times: "):
            passages.survival(times)
    for path in (None, 3):
        with pytest.raises(InvalidArgument, match="^path: "):
            passages.save(path)


def test_steps_that_are_not_stable():
    for step in [10.0, 1e300]:
        for method in (Langevin(PLANE, 0.3).sample, Langevin(PLANE, 0.3).equilibrium, EFFECTIVE.sample):
            with pytest.raises(InvalidArgument, match=r"^step: .*not stable.*at most"), np.errstate(over="ignore"):
                method([1.0, 1.0], [20 * step], 600, 1, step=step)


def test_the_effective_sampler_needs_a_step():
    for step in [None]:
        with pytest.raises(InvalidArgument, match="^step: "):
            EFFECTIVE.sample([0.0, 0.0], [1.0], 3, 1, step)


CASES_EFFECTIVE_SAMPLERS = [
    *[({"drift": f}, "drift") for f in (None, 3, "x", [1.0, 2.0])],
    *[({"noise": f}, "noise") for f in (None, 3, np.eye(2))],
    *[
        ({"bounds": b}, "box" if b is None else "bounds")
        for b in (None, 1, "a", [], [(1, 0)] * 2, [(0, 0)] * 2, [(0, np.inf)] * 2, [(0, 1, 2)], [(0, 1j)] * 2)
    ],
    *[({"periodic": p}, "periodic") for p in (None, 1, "yes", [True], [1, 0], [None, None], {})],
]


def test_effective_samplers():
    for arguments, name in CASES_EFFECTIVE_SAMPLERS:
        given = {"drift": drift, "noise": unit, "bounds": SQUARE, "periodic": [False, False]}
        with pytest.raises(InvalidArgument, match=f"^{name}: "):
            EffectiveLangevin(**(given | arguments))


WRONG = [
    lambda x: None, lambda x: 1.0, lambda x: x[:, 0], lambda x: x[:1], lambda x: 1j * x, lambda x: x * np.nan,
    lambda x: math.cos(x[:, 0]), lambda x: sympy.cos(x[:, 0]), lambda x: x[:, 7], lambda x: [][1], lambda: 1,
    lambda x: np.array(["a"] * len(x)),
]  # fmt: skip


def test_drifts_and_noises():
    """Looked at where paths start, before any step."""
    for function in WRONG:
        for comm in (None, MPI.COMM_WORLD):
            with pytest.raises(InvalidArgument, match="^drift: "):
                EffectiveLangevin(function, unit, SQUARE, [False] * 2).sample([0.0, 0.0], [0.1], 3, 1, 0.01, comm=comm)
            with pytest.raises(InvalidArgument, match="^noise: "):
                EffectiveLangevin(drift, function, SQUARE, [False] * 2).sample([0.0, 0.0], [0.1], 3, 1, 0.01, comm=comm)


def test_starts_outside_of_the_box():
    for start in ([2.0, 0.0], [[0.0, 0.0], [0.0, -1.1]]):
        with pytest.raises(InvalidArgument, match="^initial: .*box"):
            EffectiveLangevin(drift, unit, SQUARE, [True, False]).sample(start, [0.1], 2, 1, 0.01)


PATHS = EFFECTIVE.sample([0.0, 0.0], [0.1, 0.2], 5, 1, 0.01)


def test_observables():
    for function in [None, "a", *WRONG[:1], *WRONG[3:]]:
        with pytest.raises(InvalidArgument, match="^observable: "):
            PATHS.average(function)


def test_the_error_of_one_path_is_not_known():
    one = EFFECTIVE.sample([0.0, 0.0], [0.1], 1, 1, 0.01)
    mean, error = one.average(lambda x: x[:, 0])
    assert np.isfinite(mean).all()
    assert np.isinf(error).all()


def test_paths_that_are_no_files():
    for path in [None, 3, ["a"], 1.5]:
        with pytest.raises(InvalidArgument, match="^path: "):
            Paths.load(path)
        with pytest.raises(InvalidArgument, match="^path: "):
            PATHS.save(path)


def test_files_of_something_else(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_bytes(b"abc")
    for name in ("other.npz", "text.npz", "."):
        with pytest.raises(InvalidArgument, match="^path: "):
            Paths.load(tmp_path / name)
    with pytest.raises(InvalidArgument, match="^path: .*folder"):
        PATHS.save(tmp_path)
    with pytest.raises(InvalidArgument, match="^path: .*make"):
        PATHS.save(tmp_path / "none" / "x.npz")
    with pytest.raises(FileNotFoundError):
        Paths.load(tmp_path / "missing.npz")


def test_levels_of_two_values_are_indicators():
    message = "^targets: gives the values -1 and 1 only, and is no level: return truth values"
    with pytest.raises(InvalidArgument, match=message):
        Langevin(PLANE, 0.3).first_passages([0.0, 0.0], lambda x: np.sign(1 - x[:, 0]), 3, 1, 1e-3, limit=0.01)
