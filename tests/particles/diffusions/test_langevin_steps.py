"""Time steps of samplers: narrow features are seen, what is not stable or never ends is refused."""

import json
import subprocess
import sys
from math import prod

import numpy as np
import pytest
from chance import assert_mean
from interrupts import LIMIT
from scipy import integrate
from sympy import cos, cosh, exp, pi, sqrt, tanh

from scaling_limits.particles import (
    EffectiveLangevin,
    InvalidArgument,
    Langevin,
    LongRun,
    MultiscalePotential,
    Unstable,
    fully_coupled,
)
from scaling_limits.particles.diffusions.curvature import curvatures_on_paths, largest_curvature
from scaling_limits.particles.diffusions.step_choice import checked_step

pytestmark = pytest.mark.serial  # nothing is shared by ranks

NONE = lambda x, *y: 0  # noqa: E731
square = lambda x, c=0.0: sum((v - c) ** 2 for v in x)  # noqa: E731


def product(function, x):
    """A function of each component of x - c, multiplied: narrow in all directions at c only."""
    return prod(function(v - c) for v, c in zip(x, (0.3137, -0.4411, 0.2713)))


FEATURES = {
    "well": (lambda x: -5 * exp(-square(x, 0.4) / (2 * 0.02**2)), NONE, 5 / 0.02**2),
    "two wells": (
        lambda x: -5 * exp(-square(x, 0.4) / (2 * 0.02**2)) - 3 * exp(-square(x, -0.6) / (2 * 0.003**2)), NONE,
        3 / 0.003**2,
    ),
    "tail": (lambda x: -6 / (1 + square(x, 0.2) / 0.01**2), NONE, 12 / 0.01**2),
    "cusp": (lambda x: sqrt(square(x, 0.1) + 1e-10), NONE, 1e5),
    "step": (lambda x: tanh(300 * (x[0] + 0.3)), NONE, 300**2 * 4 / (3 * sqrt(3))),
    "product": (lambda x: -5 * product(lambda v: 1 / (1 + (v / 0.02) ** 2), x), NONE, 10 / 0.02**2),
    "hyperbolic product": (lambda x: -5 * product(lambda v: 1 / cosh(v / 0.02), x), NONE, 5 / 0.02**2),
    "product of high powers": (lambda x: -5 * product(lambda v: cos(v / 4) ** 8000, x), NONE, 5 * 8000 / 16),
    "ridge of V1": (NONE, lambda x, y: tanh(300 * (x[0] + 0.3)) * cos(2 * pi * y[0]), 300**2 * 4 / (3 * sqrt(3))),
    "peak of V1": (NONE, lambda x, y: exp(900 * (sum(cos(2 * pi * v) for v in y) - len(y))), 900 * 4 * pi**2 / 0.3**2),
}  # fmt: skip


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("feature", FEATURES)
def test_the_step_sees_narrow_features(feature, dim):
    """The largest curvature is known in closed form; random points find it on a line at best."""
    slow, fast, curvature = FEATURES[feature]
    potential = MultiscalePotential(dim, 1, 1.0, lambda x: square(x) / 2 + slow(x), fast)
    sampler = Langevin(potential, 0.3)
    found = largest_curvature(potential, 0.3, np.full((1, dim), 1.0))
    assert 0.6 * float(curvature) < found < 1.6 * float(curvature)
    step = checked_step(sampler.potential, sampler.epsilon, None, np.full((1, dim), 1.0))
    assert step < 0.2 / (0.6 * float(curvature))
    with pytest.raises(InvalidArgument, match=r"^step: .*not stable"):
        sampler.sample([1.0] * dim, [1.0], 10, 1, step=5 * step / 0.6)


def test_a_narrow_well_in_the_plane_is_sampled():
    """E |X|^2 in equilibrium against quadrature; with a step that jumps over the well it would be 2."""
    depth, width = 5.0, 0.1
    potential = MultiscalePotential(
        2, 1, 1.0, lambda x: square(x) / 2 - depth * exp(-square(x) / (2 * width**2)), lambda x, y: 0
    )
    weight = lambda r: r * np.exp(-(r**2) / 2 + depth * np.exp(-(r**2) / (2 * width**2)))  # noqa: E731
    parts = [
        integrate.quad(lambda r, k=k: r**k * weight(r), 0, 9, points=[width, 4 * width], limit=200)[0] for k in (0, 2)
    ]
    exact = parts[1] / parts[0]
    assert exact < 1.7
    r = np.linspace(1e-6, 9, 200_001)
    law = np.cumsum(weight(r))
    radius = np.interp(np.random.default_rng(4).random(6000), law / law[-1], r)  # from equilibrium, to stay there
    start = np.stack([radius, 0 * radius], axis=1)
    found = Langevin(potential, 1.0).sample(start, [0.3], 6000, 3)
    mean, error = found.average(lambda x: (x**2).sum(axis=1))
    assert_mean(mean[0], exact, error[0] + 5e-3)  # 5e-3: the time step
    assert error[0] < 0.05


def test_paths_that_come_to_steep_places_are_stopped(monkeypatch):
    """Where the curvature was not found beforehand, it is seen where paths are: never a wrong number in silence."""
    potential = MultiscalePotential(2, 1, 0.5, lambda x: square(x) / 2 + 20 * cos(9 * x[0]) * exp(-square(x)), NONE)
    monkeypatch.setattr("scaling_limits.particles.diffusions.step_choice.largest_curvature", lambda *a: 1.0)
    for call in (
        lambda s: s.sample([3.0, 0.0], [50.0], 100, 1, step=0.02),
        lambda s: s.equilibrium([3.0, 0.0], [50.0], 100, 1, step=0.02),
        lambda s: s.first_passage_times([3.0, 0.0], lambda x: x[:, 0] < -9, 100, 1, step=0.02),
    ):
        with pytest.raises(Unstable, match=r"curvature.*smaller step"):
            call(Langevin(potential, 1.0))
    x = np.array([[0.1, 0.2], [0.3, -0.4]])
    h, values = 1e-4, []
    for i in range(2):
        values.append((potential.full_gradient_at(x + h * np.eye(2)[i], 1.0) - potential.full_gradient_at(x - h * np.eye(2)[i], 1.0)) / (2 * h))  # fmt: skip
    expected = np.linalg.norm(np.stack(values, axis=1), ord=2, axis=(1, 2))
    np.testing.assert_allclose(curvatures_on_paths(potential, 1.0, x), expected, rtol=1e-6)


def linear(rate, noise=1.0, dim=1, bounds=9.0):
    turned = np.diag(rate * np.arange(1, dim + 1))
    return EffectiveLangevin(
        lambda x: -x @ turned, lambda x: noise * np.repeat(np.eye(dim)[None], len(x), axis=0),
        [(-bounds, bounds)] * dim, [False] * dim,
    )  # fmt: skip


@pytest.mark.parametrize("dim", [1, 2])
def test_steps_of_the_effective_sampler(dim):
    """A rate of 50 and a step of 1, which gave a variance of 3 for 0.01, are refused; a small step gives the law."""
    for step in (1.0, 0.1, 0.03):
        with pytest.raises(InvalidArgument, match=r"^step: .*not stable"):
            linear(50.0, dim=dim).sample([0.5] * dim, [2.0], 600, 1, step)
    found = linear(50.0, dim=dim).sample([0.0] * dim, [0.2], 2500, 1, 1e-3)
    exact = 1 / 100
    assert_mean(found.positions[0, :, 0].var(), exact, exact * np.sqrt(2 / 2500) + 0.002 * exact)
    flat = EffectiveLangevin(lambda x: -(x**3), lambda x: np.ones((len(x), 1, 1)), [(-9, 9)], [False])
    with pytest.raises((InvalidArgument, Unstable), match="not stable"):
        flat.sample([6.0], [5.0], 600, 1, 0.1)  # the rate is 3 x^2
    pushed = EffectiveLangevin(
        lambda x: np.where(x > 1, -400 * (x - 1), 1.0), lambda x: np.ones((len(x), 1, 1)), [(-9, 9)], [False]
    )
    with pytest.raises(Unstable, match="has come to.*not stable|not stable.*has come to"):
        pushed.sample([-2.0], [50.0], 600, 1, 0.02)
    jump = EffectiveLangevin(lambda x: -np.sign(x), lambda x: np.ones((len(x), 1, 1)), [(-9, 9)], [False])
    jump.sample([0.0], [1.0], 600, 1, 0.01)  # a drift with a jump has no rate, and is no mistake


FLAT = MultiscalePotential(1, 1, 0.5, lambda x: x[0] ** 2 / 2, NONE)


@pytest.mark.parametrize("step", [1e-30, 1e-300, 1e-13])
def test_steps_that_no_computer_takes(step):
    """They overflowed, and X(0) came back as the answer."""
    for sampler, method in (
        (Langevin(FLAT, 1.0), "sample"),
        (Langevin(FLAT, 1.0), "equilibrium"),
        (linear(1.0), "sample"),
    ):
        with pytest.raises(InvalidArgument, match=r"^times: .*steps"), np.errstate(over="ignore"):
            getattr(sampler, method)([-1.0], [1.0], 10, 1, step=step)
        with pytest.raises(InvalidArgument, match=r"^times: .*steps"):
            getattr(sampler, method)([-1.0], [1e30], 10, 1, step=0.01)
    with pytest.raises(InvalidArgument, match=r"^limit: .*steps"):
        Langevin(FLAT, 1.0).first_passage_times([-1.0], lambda x: x[:, 0] > 5, 10, 1, step=step, limit=1.0)


class Stopped(Exception):
    pass


def test_long_calls_are_said_beforehand(monkeypatch):
    def stop(*arguments, **named):
        raise Stopped

    monkeypatch.setattr("scaling_limits.particles.sampling.workers.in_order", stop)
    for call in (
        lambda: Langevin(fully_coupled(0.5), 0.01).sample([0.0, 0.0], [1.0], 10_000, 1),
        lambda: Langevin(fully_coupled(0.5), 0.01).equilibrium([0.0, 0.0], [1.0], 10_000, 1),
        lambda: linear(1.0).sample([0.0], [1e4], 1_000_000, 1, 1e-3),
    ):
        with pytest.warns(LongRun, match="hours"), pytest.raises(Stopped):
            call()
    with pytest.raises(Stopped):
        Langevin(FLAT, 1.0).sample([0.0], [1.0], 1000, 1)


SCRIPT = """
import json, os, signal, threading, time
import numpy as np
from scaling_limits.particles import EffectiveLangevin, Langevin, MultiscalePotential
signal.signal(signal.SIGINT, signal.default_int_handler)
line = Langevin(MultiscalePotential(1, 1, 0.5, lambda x: x[0] ** 2 / 2, lambda x, y: 0), 1.0)
effective = EffectiveLangevin(lambda x: -x, lambda x: np.ones((len(x), 1, 1)), [(-9, 9)], [False])
far, level = lambda x: x[:, 0] > 50.0, lambda x: 50.0 - x[:, 0]
line.sample([0.0], [1e-3], 1, 1, step=1e-3), line.first_passage_times([0.0], far, 1, 1, step=1e-3, limit=1e-2)
line.first_passages([0.0], level, 1, 1, step=1e-3, limit=1e-2)
effective.first_passages([0.0], level, 1, 1, 1e-3, limit=1e-2)
calls = {
    "sample": lambda: line.sample([0.0], [1e4], 5000, 1, step=1e-3),
    "equilibrium": lambda: line.equilibrium([0.0], [1e4], 5000, 1, step=1e-3),
    "first_passage_times": lambda: line.first_passage_times([0.0], far, 5000, 1, step=1e-3),
    "first_passages": lambda: line.first_passages([0.0], level, 5000, 1, step=1e-3),
    "effective": lambda: effective.sample([0.0], [1e3], 5000, 1, 1e-3),
    "effective passages": lambda: effective.first_passages([0.0], level, 5000, 1, 1e-3),
}
taken = {}
for name, call in calls.items():
    sent = []
    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Timer(0.5, interrupt).start()
    try:
        call()
    except KeyboardInterrupt:
        taken[name] = time.monotonic() - sent[0]
print(json.dumps(taken))
"""


def test_one_interrupt_ends_every_sampler():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=LIMIT)
    assert run.returncode == 0, run.stderr
    taken = json.loads(run.stdout)
    assert set(taken) == {
        "sample",
        "equilibrium",
        "first_passage_times",
        "first_passages",
        "effective",
        "effective passages",
    }
    assert max(taken.values()) < 2.0, taken
