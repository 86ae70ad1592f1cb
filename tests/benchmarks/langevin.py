"""Langevin dynamics with three scales, x, x/epsilon, x/epsilon^2, on one core: beside vectorised numpy, and JAX if it is there."""

import importlib.util
import time

import numpy as np
from table import faster

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


def ours(method):
    from scaling_limits.particles import Langevin

    sampler, steps, paths = Langevin(potential(), EPSILON), 1000, 16_384
    call = getattr(sampler, method)
    return per_step(lambda: call([0.0], [steps * STEP], paths, 1, STEP, workers=1), steps, paths)


def numpy_euler():
    """Written as one would: all paths in one array; the best of some numbers of paths, for the sake of the cache."""
    generator = np.random.default_rng(1)
    wave, fine = 2 * np.pi / EPSILON, 2 * np.pi / EPSILON**2

    def run(x, steps):
        a = np.sqrt(2 * SIGMA * STEP)
        for _ in range(steps):
            drift = -x + A * wave * np.sin(wave * x) + B * fine * np.sin(fine * x)
            x = x + STEP * drift + a * generator.standard_normal(x.size)
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


def largest_steps(tolerance=1e-2):
    """The largest steps with which E f(X_t) is right to a tolerance, for Heun and Euler, on one period of a rugged torus,
    without noise: by transfer operators (as in the tests), in units of 1/max V''.
    """
    from scipy.linalg import expm

    from scaling_limits.particles import STOCHASTIC_HEUN

    n = 64
    x, waves = 2 * np.pi * np.arange(n) / n, np.fft.fftfreq(n, 1 / n)
    back = np.exp(-1j * np.outer(waves, x)) / n
    slope = lambda y: -np.sin(y)  # noqa: E731
    d = np.fft.ifft(
        (1j * np.where(np.abs(waves) == n / 2, 0, waves))[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0
    ).real
    f = np.cos(x) + np.sin(x)
    exact = expm(2.0 * (-np.diag(slope(x)) @ d + d @ d)) @ f
    nodes, shares = np.polynomial.hermite_e.hermegauss(30)

    def worst(step, count):
        h, operator = 2.0 / count, 0.0
        for z, share in zip(nodes, shares / shares.sum()):
            operator = operator + share * (np.exp(1j * np.outer(step(z, h), waves)) @ back).real
        return np.abs(np.linalg.matrix_power(operator, count) @ f - exact).max()

    def heun(z, h):
        return STOCHASTIC_HEUN.step(slope, x, np.full(n, z), np.zeros(n), h, 1.0)

    def euler(z, h):
        return x - h * slope(x) + np.sqrt(2 * h) * z

    return [2.0 / next(k for k in range(2, 1000) if worst(step, k) <= tolerance) for step in (heun, euler)]


def rows():
    import os

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        heun, one, peer = ours("sample"), ours("equilibrium"), numpy_euler()
        yield faster(
            "Langevin, 3 scales, a step of a path, 1 core: Heun (order 2)",
            "numpy Euler (order 1)",
            heun,
            peer,
            "ns",
            20,
        )
        yield faster(
            "same: Leimkuhler and Matthews (order 2 in equilibrium)", "numpy Euler (order 1)", one, peer, "ns", 20
        )
        large, small = largest_steps()
        work = f"same, to a weak error of 1e-2: Heun with {large / small:.1f} times longer steps"
        yield faster(work, "numpy Euler", heun * small / large, peer, "ns", 20)
        if importlib.util.find_spec("jax"):
            peer = jax_scan()
            yield faster("same: Heun", "JAX scan, Euler", heun, peer, "ns", 8)
            yield faster("same: Leimkuhler and Matthews", "JAX scan, Euler", one, peer, "ns", 8)
    finally:
        os.sched_setaffinity(0, cores)
