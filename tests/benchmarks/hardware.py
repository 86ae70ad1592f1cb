"""The distance of the compiled kernels to the hardware: python tests/benchmarks/hardware.py prints the table of docs/trust/cost.md.

Floating-point operations are counted in the bytecode of the kernels: each +, -, * and / of the body of a loop, and each floor or
square root as one; words of Philox, 32 bits each, by the blocks that a number takes. Peaks are measured here: multiplications and additions
of polynomials that stay in registers, and Philox alone. All times are of the thread, which other work on the machine does not
stretch, and the least of many. The bound of a kernel is the time of its operations and that of its words at these peaks, one after
the other.
"""

import dis
import os
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tools")]

import numpy as np
from numba import njit

from scaling_limits.particles.sampling.philox import COMPILED, key_words, philox

REPEATS, DEGREE, SIZE = 25, 48, 512
ARITHMETIC = {"+", "-", "*", "/", "+=", "-=", "*=", "/="}
LIBRARY = {"floor", "sqrt", "fabs"}


def least_time(call, repeats=REPEATS):
    """Least time of this thread, in seconds, after a call that compiles."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.thread_time()
        call()
        times.append(time.thread_time() - begin)
    return min(times)


def operations(function):
    """Arithmetic operations in the code of a compiled function and of those that it calls, each counted once as it stands."""
    code = function.py_func
    known, total = code.__globals__, 0
    for step in dis.get_instructions(code):
        if (step.opname == "BINARY_OP" and step.argrepr in ARITHMETIC) or (
            step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in LIBRARY
        ):
            total += 1
        elif step.opname == "LOAD_GLOBAL" and hasattr(known.get(step.argval), "py_func"):
            total += operations(known[step.argval])
    return total


# ---- peaks --------------------------------------------------------------------------------------------------------------


def peak_flops():
    """Operations a second of polynomials by Horner's rule, a fused multiplication and addition each."""
    lines = ["def run(x, y, count):", "    for _ in range(count):", "        for j in range(x.shape[0]):"]
    lines += ["            t = x[j]", "            p = t"]
    lines += [f"            p = {0.5 + k / 100} + t * p" for k in range(DEGREE)] + ["            y[j] += p"]
    namespace = {}
    exec("\n".join(lines), namespace)
    run, x, y, count = njit(**COMPILED)(namespace["run"]), np.full(SIZE, 0.3), np.zeros(SIZE), 2000
    return (2 * DEGREE + 1) * SIZE * count / least_time(lambda: run(x, y, count))


@njit(**COMPILED)
def _only_words(out, count, k0, k1):  # type: ignore[no-untyped-def]
    for i in range(count):
        for j in range(out.shape[0]):
            c0, c1, c2, c3 = philox(np.uint64(i), np.uint64(0), np.uint64(j), np.uint64(99), k0, k1)
            out[j] ^= c0 ^ c1 ^ c2 ^ c3


def peak_words():
    """Words of Philox4x32-10 a second."""
    out, count, key = np.zeros(SIZE, np.uint64), 500, key_words(1)
    return 4 * SIZE * count / least_time(lambda: _only_words(out, count, *key))


# ---- kernels: name, nanoseconds, operations, words ----------------------------------------------------------------------


def normal_operations():
    """Of one number by Box and Muller: half of a direction, a logarithm, two products and a square root."""
    from scaling_limits.particles.sampling import normal_tiles, philox

    return (operations(philox.direction_and_uniform) + operations(normal_tiles._radius) + 2) / 2


def langevin_steps():
    from langevin import EPSILON, SIGMA, STEP, potential

    from scaling_limits.particles import CubatureNoise, GaussianNoise
    from scaling_limits.particles.diffusions.compiled_gradient import gradient_of
    from scaling_limits.particles.diffusions.steppers.heun import tile_stepper

    gradient, key, count = gradient_of(potential()), key_words(1), 500
    of_gradient = operations(gradient)
    for noise, name, words, of_noise in (
        (GaussianNoise(), "normal noise", 2.0, normal_operations()), (CubatureNoise(), "discrete noise", 0.5, 0)
    ):  # fmt: skip
        step, x, old = tile_stepper(gradient, noise), np.zeros((1, SIZE)), np.zeros((1, SIZE))
        # products with the noise and the step, and sums, as the two loops of the stepper have them
        for scheme, averages, calls, others in (("Heun", False, 2, 7), ("Leimkuhler-Matthews", True, 1, 5)):
            arguments = (x, old, averages, 0, count, STEP, SIGMA, (1 / EPSILON, 1 / EPSILON**2), 0, np.uint64(99), *key)
            seconds = least_time(lambda step=step, arguments=arguments: step(*arguments)) / (count * SIZE)
            yield f"Langevin path, 3 scales, {scheme}, {name}", seconds, calls * of_gradient + others + of_noise, words


def rotator_steps():
    from rotator_lattices import TEMPERATURE

    from scaling_limits.particles import CubatureNoise, GaussianNoise
    from scaling_limits.particles.rotators import kernels
    from scaling_limits.particles.rotators.dissipations.kernels import LANES
    from scaling_limits.particles.rotators.radial_steps import radial_stepper
    from scaling_limits.particles.sampling.simd_math import half_turn

    sites, count, wave = 32, 200, operations(half_turn)
    slow, soft = njit(lambda x: 1 + x / 2), njit(lambda x: 1 / (1 + x))
    steps = kernels.hamiltonian_stepper((slow,), soft)
    x, y, spins = np.ones((sites, LANES)), np.zeros((sites, LANES)), np.ones(sites)
    pairs = np.array([[j, j + 1] for first in (0, 1) for j in range(first, sites - 1, 2)])
    ends = np.array([0, sites // 2, sites - 1])
    seconds = least_time(lambda: steps(x, y, spins, pairs, ends, 0.1, 0.2, count)) / (count * sites * LANES)
    # a rotation: modulus 3, frequency 2, phase 1, products 6 and 5; of a bond: 2, 3, 2 and phase 1, products 6, ends 8; 3 bonds
    # a pair of sites
    yield "rotator, a step of a site, 3/2 bonds", seconds, 17 + wave + 1.5 * (22 + wave), 0.0
    for noise, name, words, of_noise in (
        (GaussianNoise(), "normal noise", 4.0, 2 * normal_operations()), (CubatureNoise(), "discrete noise", 0.5, 0)
    ):  # fmt: skip
        advance = radial_stepper(4, noise)
        heat = (TEMPERATURE, 0, np.uint64(99), *key_words(1), np.empty(0, np.int64), np.empty(0))
        x, y = np.ones((sites, LANES)), np.zeros((sites, LANES))
        call = lambda advance=advance, x=x, y=y, heat=heat: advance(x, y, 0, count, count, 0.02, 0, heat)  # noqa: E731
        # a flow: modulus 3, factor 1/sqrt(1 + 2 s t) 5, products 2; noise 4
        yield (
            f"transport process, p = 4, a site, {name}",
            least_time(call) / (count * sites * LANES),
            14 + of_noise,
            words,
        )


def ball_collisions():
    from scaling_limits.particles.pinned_balls import collisions
    from scaling_limits.particles.sampling.simd_math import cos_sin_pi

    buffers = np.empty((2, 512), np.uint64), np.empty(512, np.uint32), np.empty(512), np.empty(512)
    v, count = np.random.default_rng(1).normal(size=1000), 200 * 512
    call = lambda: collisions.advance_exchanging(v, 0, count, np.uint64(1), *key_words(7), *buffers)  # noqa: E731
    # middle 3, differences 3, r 6, ends 8, and the scaled direction of the angle
    yield "collision of two balls", least_time(call) / count, 23 + operations(cos_sin_pi), 2.0


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    flops, words = peak_flops(), peak_words()
    print(f"peaks of one core: {flops / 1e9:.1f} Gflop/s, {words / 1e9:.2f} G words of Philox a second\n")
    print("| a step of | flops | words | bound | measured | ratio |\n|---|---|---|---|---|---|")
    for kernels in (ball_collisions, langevin_steps, rotator_steps):
        for name, seconds, count, number in kernels():
            bound = count / flops + number / words
            print(
                f"| {name} | {count:.0f} | {number:g} | {bound * 1e9:.2f} ns | {seconds * 1e9:.2f} ns | {bound / seconds:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
