"""Langevin dynamics with three scales, x, x/epsilon, x/epsilon^2, on one core: beside vectorised numpy, and JAX if it is there."""

import importlib.util
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tools"))

import numpy as np
from table import faster
from weak_errors import line_rule

EPSILON, SIGMA, A, B = 0.25, 1.0, 0.5, 0.5
STEP = 2e-5


def potential():
    from sympy import cos, pi

    from scaling_limits.particles import MultiscalePotential

    return MultiscalePotential(
        1, 2, SIGMA, lambda x: x[0] ** 2 / 2, lambda x, y, z: A * cos(2 * pi * y[0]) + B * cos(2 * pi * z[0])
    )


def per_step(call, steps, paths, repeats=5):
    """Median nanoseconds of a step of a path."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return float(np.median(times)) / steps / paths * 1e9


def ours(method, discrete=False):
    from scaling_limits.particles import CubatureNoise, GaussianNoise, Langevin

    sampler, steps, paths = Langevin(potential(), EPSILON), 4000, 16_384
    call, noise = getattr(sampler, method), CubatureNoise() if discrete else GaussianNoise()
    return per_step(lambda: call([0.0], [steps * STEP], paths, 1, STEP, workers=1, noise=noise), steps, paths)


def numpy_steps(heun=False):
    """Euler's scheme, or Heun's, as one would write it: all paths in one array; the best of some numbers of paths, for the cache."""
    generator = np.random.default_rng(1)
    wave, fine = 2 * np.pi / EPSILON, 2 * np.pi / EPSILON**2

    def run(x, steps):
        a, drift = np.sqrt(2 * SIGMA * STEP), lambda x: -x + A * wave * np.sin(wave * x) + B * fine * np.sin(fine * x)
        for _ in range(steps):
            slope, noise = drift(x), a * generator.standard_normal(x.size)
            ahead = x + STEP * slope + noise
            x = x + 0.5 * STEP * (slope + drift(ahead)) + noise if heun else ahead
        return x

    return min(per_step(lambda n=n: run(np.zeros(n), 50), 50, n) for n in (1000, 10_000, 100_000))


def jax_scan():
    import os

    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    wave, fine, a = 2 * np.pi / EPSILON, 2 * np.pi / EPSILON**2, float(np.sqrt(2 * SIGMA * STEP))

    def run(x, key, steps):
        def step(x, key):
            drift = -x + A * wave * jnp.sin(wave * x) + B * fine * jnp.sin(fine * x)
            return x + STEP * drift + a * jax.random.normal(key, x.shape), None

        return jax.lax.scan(step, x, jax.random.split(key, steps))[0]

    compiled = jax.jit(run, static_argnums=2)
    return min(
        per_step(lambda n=n: compiled(jnp.zeros(n), jax.random.key(1), 200).block_until_ready(), 200, n) for n in (1000, 10_000, 100_000)
    )  # fmt: skip


def same_error():
    """The weak error of E f(X_t) of our Heun's scheme with discrete noise at the step that `Langevin` chooses, and how much smaller the steps are
    with which Euler's, and Heun's with normal noise, have the same one.

    On one period of a rugged torus, without statistical noise: by transfer operators (as in the tests), max V'' being 1.
    """
    from scipy.linalg import expm

    from scaling_limits.particles import STOCHASTIC_HEUN
    from scaling_limits.particles.diffusions.step_choice import SETTINGS

    n, span = 64, 2.0
    x, waves = 2 * np.pi * np.arange(n) / n, np.fft.fftfreq(n, 1 / n)
    back = np.exp(-1j * np.outer(waves, x)) / n
    slope = lambda y: -np.sin(y)  # noqa: E731
    d = np.fft.ifft(
        (1j * np.where(np.abs(waves) == n / 2, 0, waves))[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0
    ).real
    f = np.cos(x) + np.sin(x)
    exact = expm(span * (-np.diag(slope(x)) @ d + d @ d)) @ f
    nodes, shares = np.polynomial.hermite_e.hermegauss(30)
    normal = nodes, shares / shares.sum()

    def worst(step, rule, count):
        h = span / count
        operator = sum(w * (np.exp(1j * np.outer(step(z, h), waves)) @ back).real for z, w in zip(*rule))
        return np.abs(np.linalg.matrix_power(operator, count) @ f - exact).max()

    def heun(z, h):
        return STOCHASTIC_HEUN.step(slope, x, np.full(n, z), np.zeros(n), h, 1.0)

    def euler(z, h):
        return x - h * slope(x) + np.sqrt(2 * h) * z

    ours = round(span / SETTINGS.default)
    error = worst(heun, line_rule(), ours)
    return error, *(next(k for k in range(2, 4000) if worst(step, normal, k) <= error) / ours for step in (euler, heun))


def rows():
    import os

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        (heun, one), (fast, fast_one) = ([ours(m, kind) for m in ("sample", "equilibrium")] for kind in (False, True))
        euler, numpy_heun = numpy_steps(), numpy_steps(heun=True)
        first, order = "numpy Euler (order 1)", "a step of a path, 1 core: Heun (order 2)"
        yield faster(f"Langevin, 3 scales, {order}", first, heun, euler, "ns", None)
        work = "same: Leimkuhler and Matthews (order 2 in equilibrium)"
        yield faster(work, first, one, euler, "ns", None)
        yield faster("same: Heun, discrete noise (order 2)", first, fast, euler, "ns", 10)
        yield faster(f"{work}, discrete noise", first, fast_one, euler, "ns", 10)
        error, finer, finer_heun = same_error()
        work = f"same, to the weak error of the usual step, {error:.1e}: Heun, discrete noise"
        yield faster(work, f"numpy Euler, {finer:.1f} times as many steps", fast, euler * finer, "ns", 40)
        yield faster(work, f"numpy Heun, {finer_heun:.2f} times as many", fast, numpy_heun * finer_heun, "ns", None)
        if importlib.util.find_spec("jax"):
            peer = jax_scan()
            yield faster("same: Heun", "JAX scan, Euler", heun, peer, "ns", 8)
            yield faster("same: Leimkuhler and Matthews", "JAX scan, Euler", one, peer, "ns", 8)
    finally:
        os.sched_setaffinity(0, cores)
