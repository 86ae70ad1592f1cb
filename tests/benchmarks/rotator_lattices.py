"""Rotators beside numpy and plain numba; their Fokker-Planck equation beside FiPy and scipy."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tools")]

import numpy as np
from table import Row, faster, median_time
from weak_errors import cubature_rule, heun_step, normal_rule, radial_step, transferred

SIZE, MEMBERS, EPSILON = 32, 1024, 0.01
TEMPERATURE = np.linspace(2.0, 0.5, SIZE)


def slow(x):
    return 1 + x / 2


def fast(x):
    return 1 + x * x


def coupling(x):
    return 1 / (1 + x)


def lattice(p=2, size=SIZE, epsilon=EPSILON):
    from scaling_limits.particles import DiagonalDissipation, RotatorLattice

    frequency = slow if p == 2 else fast
    return RotatorLattice((size,), frequency, coupling, DiagonalDissipation(p), TEMPERATURE[:size], epsilon)


# ---- the lattice --------------------------------------------------------------------------------------------------------


def our_lattice(between, noise, step=0.2):
    """Nanoseconds of a step of a site, with thermostats after every `between` steps, on one thread."""
    from scaling_limits.particles.rotators import step_size

    before, steps = step_size.SETTINGS, 192
    step_size.SETTINGS = replace(before, most_between=between)
    try:
        system = lattice()
        tau = [steps * step * EPSILON]
        seconds = median_time(lambda: system.sample(np.ones(SIZE), tau, MEMBERS, 1, step, workers=1, noise=noise))
    finally:
        step_size.SETTINGS = before
    return seconds / (steps * SIZE * MEMBERS) * 1e9


def numpy_lattice(between, step=0.2, steps=48):
    """The same splitting, vectorised over sites, bonds and members; numpy's own random numbers."""
    spins = np.where(np.arange(SIZE) % 2 == 0, 1.0, -1.0)[:, None]
    generator = np.random.default_rng(1)
    strength = np.sqrt(EPSILON)

    def rotate(u, h):
        u *= np.exp(1j * (spins * h) * (1 + 0.5 * (u.real**2 + u.imag**2)))

    def bonds(u, first, h):
        a, b = u[first : SIZE - 1 : 2], u[first + 1 : SIZE : 2]
        total, difference = a + b, a - b
        difference *= np.exp(2j * strength * h / (1 + difference.real**2 + difference.imag**2))
        a[:] = 0.5 * (total + difference)
        b[:] = 0.5 * (total - difference)

    def heat(u, d):
        noise = generator.standard_normal((*u.shape, 2)).view(np.complex128)[..., 0]
        u *= np.exp(-d)
        u += np.sqrt(0.5 * TEMPERATURE * (1 - np.exp(-2 * d)))[:, None] * noise

    def run():
        u = np.ones((SIZE, MEMBERS), dtype=complex)
        for n in range(steps):
            if n % between == 0:
                heat(u, EPSILON * step * between)
            rotate(u, 0.5 * step)
            bonds(u, 0, 0.5 * step)
            bonds(u, 1, step)
            bonds(u, 0, 0.5 * step)
            rotate(u, 0.5 * step)

    return median_time(run) / (steps * SIZE * MEMBERS) * 1e9


def numba_heun(step, tau=1.0, size=4, members=8192):
    """Stochastic Heun for the whole equation, compiled and vectorised over members: seconds, E I, and what has blown up."""
    from numba import njit

    lanes = 128

    @njit(fastmath={"contract", "nsz"}, error_model="numpy")
    def slope(x, y, dx, dy, spins, strength, epsilon):
        for j in range(x.shape[0]):
            for n in range(lanes):
                f = spins[j] * (1 + 0.5 * (x[j, n] ** 2 + y[j, n] ** 2))
                dx[j, n] = -f * y[j, n] - epsilon * x[j, n]
                dy[j, n] = f * x[j, n] - epsilon * y[j, n]
        for j in range(x.shape[0] - 1):
            for n in range(lanes):
                a, b = x[j, n] - x[j + 1, n], y[j, n] - y[j + 1, n]
                g = strength / (1 + a * a + b * b)
                dx[j, n] -= g * b
                dy[j, n] += g * a
                dx[j + 1, n] += g * b
                dy[j + 1, n] -= g * a

    @njit(fastmath={"contract", "nsz"}, error_model="numpy")
    def run(x, y, spins, noise, epsilon, h, steps):
        dx, dy, ex, ey = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty_like(x)
        ax, ay = np.empty_like(x), np.empty_like(x)
        for _ in range(steps):
            slope(x, y, dx, dy, spins, np.sqrt(epsilon), epsilon)
            for j in range(x.shape[0]):
                for n in range(lanes):
                    x[j, n] += noise[j] * np.random.standard_normal()
                    y[j, n] += noise[j] * np.random.standard_normal()
                    ax[j, n] = x[j, n] + h * dx[j, n]
                    ay[j, n] = y[j, n] + h * dy[j, n]
            slope(ax, ay, ex, ey, spins, np.sqrt(epsilon), epsilon)
            for j in range(x.shape[0]):
                for n in range(lanes):
                    x[j, n] += 0.5 * h * (dx[j, n] + ex[j, n])
                    y[j, n] += 0.5 * h * (dy[j, n] + ey[j, n])

    spins = np.where(np.arange(size) % 2 == 0, 1.0, -1.0)
    noise = np.sqrt(EPSILON * step * np.linspace(2.0, 0.5, size))
    steps = round(tau / EPSILON / step)
    run(np.ones((size, lanes)), np.zeros((size, lanes)), spins, noise, EPSILON, step, 2)
    found, begin = [], time.perf_counter()
    for _ in range(members // lanes):
        x, y = np.ones((size, lanes)), np.zeros((size, lanes))
        run(x, y, spins, noise, EPSILON, step, steps)
        found.append(0.5 * (x**2 + y**2))
    seconds = time.perf_counter() - begin
    actions = np.concatenate(found, axis=1)
    lost = ~(actions < 1e3).all(axis=0)
    return seconds, actions[:, ~lost].mean(axis=1), lost.mean()


def at_equal_error(tau=1.0, size=4, members=4096):
    """Seconds of our splitting at its usual step and of Heun at the largest step at which nothing blows up."""
    from scaling_limits.particles import DiagonalDissipation, RotatorLattice

    system = RotatorLattice((size,), slow, coupling, DiagonalDissipation(2), np.linspace(2.0, 0.5, size), EPSILON)
    seconds = median_time(lambda: system.sample(np.ones(size), [tau], members, 1, workers=1), 3)
    ours = system.sample(np.ones(size), [tau], members, 1)
    reference = system.sample(np.ones(size), [tau], 8 * members, 2, 0.02)
    for step in (0.05, 0.02, 0.01, 0.005):
        peer, mean, lost = numba_heun(step, tau, size, members)
        if lost == 0:
            break
    errors = [np.abs(m - reference.mean[0]).max() for m in (ours.mean[0], mean)]
    return seconds, peer, ours.step, step, errors, ours.standard_error.max()


# ---- the limit ----------------------------------------------------------------------------------------------------------


def our_process(noise=None, step=0.02, steps=100):
    from scaling_limits.particles import GaussianNoise, TransportProcess

    process, noise = TransportProcess(lattice(4)), noise or GaussianNoise()
    seconds = median_time(
        lambda: process.sample(np.ones(SIZE), [steps * step], MEMBERS, 1, step, workers=1, noise=noise)
    )
    return seconds / (steps * SIZE * MEMBERS) * 1e9


def numpy_process(step=0.02, steps=25):
    """Heun's scheme for dv = -|v|^2 v + sqrt(T) dbeta, vectorised."""
    generator = np.random.default_rng(1)
    root = np.sqrt(TEMPERATURE * step)[:, None]

    def slope(v):
        return -(v.real**2 + v.imag**2) * v

    def run():
        v = np.ones((SIZE, MEMBERS), dtype=complex)
        for _ in range(steps):
            w = root * generator.standard_normal((*v.shape, 2)).view(np.complex128)[..., 0]
            first = slope(v)
            v += w
            v += 0.5 * step * (first + slope(v + step * first))

    return median_time(run) / (steps * SIZE * MEMBERS) * 1e9


def heun_for_equal_error(rule, step=0.02, start=1.0):
    """The step with which Heun's scheme has the error in E I(1) of ours with this step, p = 4, T = 1: without noise."""

    def split(v, z, h):
        return radial_step(v, z, 4, 1.0, h)

    def heun(v, z, h):
        return heun_step(v, z, lambda v: -(np.abs(v) ** 2) * v, 1.0, h)

    normal = normal_rule()
    exact = transferred(split, 1 / 1024, 1024, start, normal)[0]
    ours = transferred(split, step, round(1 / step), start, rule)[0] - exact
    theirs = transferred(heun, step, round(1 / step), start, normal)[0] - exact
    return step * np.sqrt(abs(ours / theirs)), abs(ours)


# ---- the Fokker-Planck equation -----------------------------------------------------------------------------------------

UPPER, CELLS, SPAN = (10.0, 6.0), 256, 2.0


def example_2(size):
    from scaling_limits.particles import DirectedDissipation, RotatorLattice

    return RotatorLattice(
        (size,), fast, coupling, DirectedDissipation(), {2: [2.0, 0.5], 3: [2.0, 1.0, 0.5]}[size], 0.1
    )


def start(points):
    return np.exp(-3.0 * points.sum(axis=-1))


def our_density(cells, degree, steps):
    """Seconds, and E I at the end: 4 solves in each of steps/4 steps; set-up included."""
    from scaling_limits.pdes import TransportFokkerPlanck

    system, result = example_2(2), []

    def run():
        equation = TransportFokkerPlanck(system, upper=UPPER, cells=cells, degree=degree)
        result.append(equation.evolve(start, [SPAN], step=4 * SPAN / steps).mean[0])

    return median_time(run, 3), result[-1]


def fipy_density(cells, steps):
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    from fipy import CellVariable, DiffusionTerm, ExponentialConvectionTerm, FaceVariable, Grid2D, TransientTerm

    mesh = Grid2D(nx=cells, ny=cells, dx=UPPER[0] / cells, dy=UPPER[1] / cells)
    x = np.stack(mesh.cellCenters.value, axis=-1)
    p = CellVariable(mesh=mesh, value=start(x))
    first, second = mesh.faceCenters.value
    drift = FaceVariable(mesh=mesh, rank=1, value=[first * (second - first), -second * (first + second)])
    spread = FaceVariable(mesh=mesh, rank=2, value=0.0)
    spread[0, 0], spread[1, 1] = 2.0 * first, 0.5 * second
    equation = TransientTerm() == DiffusionTerm(coeff=spread) - ExponentialConvectionTerm(coeff=drift)
    begin = time.perf_counter()
    for _ in range(steps):
        equation.solve(var=p, dt=SPAN / steps)
    seconds = time.perf_counter() - begin
    weights = p.value / p.value.sum()
    return seconds, weights @ x


def reference_mean():
    from scaling_limits.pdes import TransportFokkerPlanck

    return TransportFokkerPlanck(example_2(2), rtol=1e-9).evolve(start, [SPAN]).mean[0]


def rank_row(cells):
    """The stationary law of three actions on two ranks, and scipy on the same matrix."""
    script = ["mpirun", "-n", "2", sys.executable, str(Path(__file__).resolve()), str(cells)]
    found = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    return float(found[-2]), float(found[-1])


def measure(cells):
    """Print our time of the solve on all ranks, and scipy's on rank 0."""
    from mpi4py import MPI
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import splu

    from scaling_limits.pdes import TransportFokkerPlanck
    from scaling_limits.pdes.rotators import coupled

    comm = MPI.COMM_WORLD
    equation = TransportFokkerPlanck(example_2(3), upper=(8.0, 5.0, 4.0), cells=cells, degree=1)
    matrices = equation.discretisation.matrices
    outflow = matrices.outflow
    comm.barrier()
    begin = time.perf_counter()
    u = coupled.stationary(equation.space, matrices, None)
    comm.barrier()
    ours = time.perf_counter() - begin
    rows = comm.gather((outflow.getOwnershipRange(), outflow.getValuesCSR()))
    if comm.rank == 0:
        print(comm.size, equation.space.size, u.min(), file=sys.stderr)
        seconds = float("nan")
        if cells <= 32:
            from scipy.sparse import vstack

            size = outflow.getSize()[1]
            matrix = vstack([csr_array(v[::-1], shape=(len(v[0]) - 1, size)) for _, v in rows]).tocsc()
            shift = coupled.SHIFT * np.abs(matrix).sum(axis=1).max()
            begin = time.perf_counter()
            from scipy.sparse import eye_array

            factors = splu((matrix + shift * eye_array(size)).tocsc())
            x = np.ones(size)
            for _ in range(4):
                x = factors.solve(x)
                x /= np.linalg.norm(x)
            seconds = time.perf_counter() - begin
        print(ours, seconds)


def rows():
    from scaling_limits.particles import CubatureNoise, GaussianNoise

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        for between in (24, 1):
            work = f"rotators, N = 32, a step of a site, thermostats every {between} steps, 1 core"
            peer = numpy_lattice(between)
            # where every step draws noise, normal numbers take most of it: the target is that of noise at less cost
            for noise, what, target in (
                (GaussianNoise(), "", 10 if between > 1 else None), (CubatureNoise(), ", discrete noise", 10),
            ):  # fmt: skip
                ours = our_lattice(between, noise)
                yield faster(work + what, "numpy, the same splitting", ours, peer, "ns", target)
        seconds, peer, step, largest, errors, noise = at_equal_error()
        work = f"rotators, N = 4, tau = 1, step {step:.2g}, error {errors[0]:.1e} (noise {noise:.0e})"
        name = f"numba Heun, its largest stable step {largest:g}, error {errors[1]:.1e}"
        yield faster(work, name, seconds, peer, "s", 20)
        work = "effective equation, p = 4, a step of a site, 1 core"
        ours, discrete, peer = our_process(), our_process(CubatureNoise()), numpy_process()
        yield faster(work, "numpy Heun", ours, peer, "ns", None)
        yield faster(work.replace("p = 4", "p = 4, cubature noise"), "numpy Heun", discrete, peer, "ns", None)
        step, error = heun_for_equal_error(cubature_rule())
        work = f"the same, slow time 0.02, error of E I(1) {error:.1e}"
        yield faster(work, f"numpy Heun, steps of {step:.3g}, the same error", discrete, peer * 0.02 / step, "ns", 10)
    finally:
        os.sched_setaffinity(0, cores)
    exact = reference_mean()
    peer, theirs = fipy_density(CELLS, 100)
    name = f"FiPy, exponential, error {np.abs(theirs - exact).max():.1e}"
    for cells, degree in ((CELLS, 1), (16, 6)):
        seconds, mine = our_density(cells, degree, 100)
        work = f"two actions, {cells} x {cells}, degree {degree}, 100 solves, error {np.abs(mine - exact).max():.1e}"
        yield faster(work, name, seconds, peer, "s", 10)
    mine, peer = rank_row(32)
    yield faster("stationary law of 3 actions, 32^3, 2 ranks", "scipy LU, same matrix, 1 core", mine, peer, "s", 5)
    mine, _ = rank_row(64)
    yield Row(
        "stationary law of 3 actions, 64^3, 2 ranks",
        "(scipy LU not tried: about 64 times its work on 32^3)",
        mine,
        float("nan"),
        "s",
        "",
        True,
    )


if __name__ == "__main__":
    measure(int(sys.argv[1]))
