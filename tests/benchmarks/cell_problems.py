"""Cell problems and effective tensors against peers, each at the accuracy that the row names, which is asserted."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

ROWS_OF_POINTS = 1000
SIGMA = 0.5


def v1(x, y, a=1.0, b=1.0):
    return a * (np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y)) + 0.5 * b * np.cos(2 * np.pi * (x + y))


def relative(found, exact):
    return float(np.max(np.abs(found - exact) / np.abs(exact).max(axis=(-2, -1), keepdims=True)))


def accurate(found, exact, tolerance):
    error = relative(found, exact)
    assert error <= tolerance, f"error {error:.1e} above {tolerance:.1e}"


def one_cell():
    """Each with the coarsest space that reaches 1e-8; then ours choosing that for itself."""
    from cell_peers import mugrid_extrapolated, scikit_fem
    from fourier_cells import effective, grid
    from table import faster, median_times, no_slower

    from scaling_limits.cells import FiniteElements, effective_tensor
    from scaling_limits.cells.solvers.cell_problem import CellProblem
    from scaling_limits.cells.spaces.tensor_space import TensorSpace, elements, fourier

    exact = effective(np.exp(-v1(*grid(63)) / SIGMA)[None], 1e-12)[0]

    def ours(space):
        return CellProblem(space, np.exp(-v1(*space.nodes) / SIGMA)[None]).solve(1e-9).effective[0]

    coefficient = lambda x, y: np.exp(-v1(x, y) / SIGMA)  # noqa: E731
    ours_elements = partial(ours, TensorSpace(elements(8, 4), 2))
    ours_fourier = partial(ours, TensorSpace(fourier(17), 2))
    potential = coefficient_potential()
    origin = np.zeros((1, 2))
    adaptive = partial(effective_tensor, potential, origin, 1e-8)
    adaptive_elements = partial(effective_tensor, potential, origin, 1e-8, route=FiniteElements())
    peers = {
        "muGrid, bilinear 64 and 128, Richardson": partial(mugrid_extrapolated, coefficient, 64, 128, 1e-6),
        "scikit-fem, degree 4 on 16, LU": partial(scikit_fem, coefficient, 16),
        "numpy Fourier, 21 points": lambda: effective(coefficient(*grid(21))[None], 1e-4)[0],
    }
    given = {"elements": ours_elements, "Fourier": ours_fourier, **peers}
    for solve in given.values():
        accurate(solve(), exact, 1e-8)
    chosen = {"adaptive": adaptive, "adaptive elements": adaptive_elements}
    for solve in chosen.values():
        found = solve()
        accurate(found.value[0] * found.partition[0], exact, 1e-8)
    times = {name: 1e3 * seconds for name, seconds in median_times(given | chosen, 11).items()}
    mugrid, scikit, numpy = peers
    yield faster("one cell, 1e-8: elements of degree 8 on 4 x 4", mugrid, times["elements"], times[mugrid], "ms", 1)
    yield faster("same", scikit, times["elements"], times[scikit], "ms", 1)
    yield no_slower("same", numpy, times["elements"], times[numpy], "ms", 1.5)
    yield no_slower("one cell, 1e-8: Fourier, 17 points", numpy, times["Fourier"], times[numpy], "ms", 1.5)
    yield no_slower(
        "effective_tensor at 1 point, choosing its space", numpy, times["adaptive"], times[numpy], "ms", 1.5
    )
    yield no_slower("same, elements", numpy, times["adaptive elements"], times[numpy], "ms", 1.5)


def coefficient_potential(sigma=SIGMA):
    from sympy import cos, pi

    from scaling_limits.particles import MultiscalePotential

    wave = lambda z: cos(2 * pi * z)  # noqa: E731
    return MultiscalePotential(
        2, 1, sigma, lambda x: 0 * x[0], lambda x, y: wave(y[0]) + wave(y[1]) + wave(y[0] + y[1]) / 2
    )


def thousand_cells():
    """Amplitudes in [0.5, 1]^2, worst error over all cells."""
    import ufl
    from cell_peers import ObviousDolfinx
    from fourier_cells import grid, in_chunks
    from sympy import cos, pi, sin
    from table import faster, median_time, no_slower

    from scaling_limits.cells import FiniteElements, effective_tensor
    from scaling_limits.particles import MultiscalePotential

    wave = lambda z: cos(2 * pi * z)  # noqa: E731
    potential = MultiscalePotential(
        2, 1, SIGMA, lambda x: 0 * x[0],
        lambda x, y: (1 + sin(x[0])) * (wave(y[0]) + wave(y[1])) + (1 + sin(x[1])) * wave(y[0] + y[1]) / 2,
    )  # fmt: skip
    amplitudes = np.random.default_rng(0).uniform(0.5, 1.0, (ROWS_OF_POINTS, 2))
    a, b = amplitudes.T[:, :, None, None]
    points = np.arcsin(amplitudes - 1.0)
    exact = in_chunks(np.exp(-v1(*grid(45), a, b) / SIGMA), 1e-11)
    peer = lambda: in_chunks(np.exp(-v1(*grid(21), a, b) / SIGMA), 1e-4)  # noqa: E731
    accurate(peer(), exact, 1e-8)
    peer_time = median_time(peer)
    name = "numpy Fourier Green-Jacobi, chunks of 50"
    times = []
    for route in (None, FiniteElements()):
        solve = partial(effective_tensor, potential, points, 1e-8, route=route)
        found = solve()
        accurate(found.value * found.partition[:, None, None], exact, 1e-8)
        times.append(median_time(solve))
    yield no_slower("1000 cells, 1e-8: best route", name, times[0], peer_time, "s", 1.0)
    yield no_slower("1000 cells, 1e-8: finite elements", name, times[1], peer_time, "s", 4.0)

    obvious, some = ObviousDolfinx(12, 4), 10

    def loop():
        for i in range(some):
            first, second = amplitudes[i] / SIGMA
            shape = lambda x: first * (ufl.cos(2 * ufl.pi * x[0]) + ufl.cos(2 * ufl.pi * x[1]))  # noqa: E731
            found = obvious.effective(lambda x: shape(x) + 0.5 * second * ufl.cos(2 * ufl.pi * (x[0] + x[1])))
            accurate(found, exact[i], 1e-6)

    obvious_time = median_time(loop) / some * ROWS_OF_POINTS
    yield faster(
        "1000 cells, 1e-8: finite elements", "dolfinx, a form and a matrix each, degree 4, 1e-6", times[1],
        obvious_time, "s", 20,
    )  # fmt: skip


def nested_scales():
    from fourier_cells import nested
    from table import faster, median_time

    from scaling_limits.cells import effective_tensor
    from scaling_limits.particles import fully_coupled

    potential = fully_coupled(SIGMA)
    points = np.random.default_rng(1).uniform(-1.5, 1.5, (100, 2))

    def of_fast_variables(x):
        def fluctuation(y, z):
            shape = np.broadcast_shapes(y.shape, z.shape)
            columns = [np.broadcast_to(part, shape).reshape(-1, 2) for part in (x, y, z)]
            return potential.fluctuation_at(*columns).reshape(shape[:-1])

        return fluctuation

    some = points[:4]
    exact = np.array([nested(of_fast_variables(x), SIGMA, 25, 21, 1e-7) for x in some])

    def plain(outer, inner):
        return np.array([nested(of_fast_variables(x), SIGMA, outer, inner, 1e-3) for x in some])

    sizes = next(n for n in ((9, 9), (11, 9), (11, 11), (13, 11), (13, 13)) if relative(plain(*n), exact) <= 1e-6)
    peer = median_time(partial(plain, *sizes), 3) / len(some) * len(points)
    found = effective_tensor(potential, points, 1e-6)
    accurate(found.value[:4], exact, 1e-6)
    ours = median_time(partial(effective_tensor, potential, points, 1e-6))
    name = f"plain nested Fourier, {sizes[0]}^2 times {sizes[1]}^2 points"
    yield faster("two coupled scales at 100 points, 1e-6", name, ours, peer, "s", 5)


def high_contrast():
    """Two cells of contrast 1e10: the benchmark cell, and a symmetric one whose tensor is known."""
    from cell_peers import mugrid_extrapolated
    from sympy import cos, pi
    from table import faster, median_times

    from scaling_limits.cells import FiniteElements, effective_tensor
    from scaling_limits.particles import MultiscalePotential

    sigma = 4.0 / np.log(1e10)
    wave = lambda z: cos(2 * pi * z)  # noqa: E731
    symmetric = MultiscalePotential(2, 1, sigma, lambda x: 0 * x[0], lambda x, y: 2 * wave(y[0]) * wave(y[1]))
    cases = {
        "benchmark cell": (coefficient_potential(sigma), v1),
        "symmetric cell": (symmetric, lambda x, y: 2 * np.cos(2 * np.pi * x) * np.cos(2 * np.pi * y)),
    }
    origin = np.zeros((1, 2))
    for name, (potential, fluctuation) in cases.items():
        coefficient = lambda x, y, fluctuation=fluctuation: np.exp(-fluctuation(x, y) / sigma)  # noqa: E731
        tight = effective_tensor(potential, origin, 1e-8, True)
        exact = tight.value[0] * tight.partition[0]
        sizes = next(
            n for n in ((16, 32), (24, 48), (32, 64), (48, 96), (64, 128), (128, 256), (256, 512))
            if relative(mugrid_extrapolated(coefficient, *n, 1e-8), exact) <= 1e-4
        )  # fmt: skip
        peer = partial(mugrid_extrapolated, coefficient, *sizes, 1e-8)
        peer_name = f"muGrid, {sizes[0]} and {sizes[1]}, Richardson, no bounds"
        spaces = [FiniteElements(degree, (n,)) for degree, n in ((4, 8), (5, 7), (4, 10), (5, 8), (6, 7), (4, 12))]
        given = next(s for s in spaces if effective_tensor(potential, origin, 0.1, True, route=s).error <= 0.9e-4)
        for bounds, route in ((True, given), (True, None), (False, None)):
            solve = partial(effective_tensor, potential, origin, 1e-4, bounds, route=route)
            found = solve()
            accurate(found.value[0] * found.partition[0], exact, 1e-4)
            how = "" if route else ", choosing"
            work = f"{name}, contrast 1e10, 1e-4, {'with' if bounds else 'no'} bounds{how}"
            took = median_times({"ours": solve, "peer": peer})
            yield faster(work, peer_name, 1e3 * took["ours"], 1e3 * took["peer"], "ms", 1 if route else None)


def two_ranks():
    from table import Row

    script = [sys.executable, str(Path(__file__).resolve()), "measure"]
    one, two = (
        float(subprocess.run([*prefix, *script], capture_output=True, text=True, check=True).stdout.split()[-1])
        for prefix in (["mpirun", "-n", "1"], ["mpirun", "-n", "2"])
    )
    yield Row("two coupled scales at 1000 points: 2 ranks", "1 rank", two, one, "s", ">= 1.7x", one / two >= 1.7)


def measure():
    from mpi4py import MPI

    from scaling_limits.cells import effective_tensor
    from scaling_limits.particles import fully_coupled

    points = np.random.default_rng(1).uniform(-1.5, 1.5, (ROWS_OF_POINTS, 2))
    effective_tensor(fully_coupled(SIGMA), points[:10], 1e-6, workers=1)
    times = []
    for _ in range(7):
        MPI.COMM_WORLD.barrier()
        start = time.perf_counter()
        effective_tensor(fully_coupled(SIGMA), points, 1e-6, workers=1)
        times.append(time.perf_counter() - start)
    if MPI.COMM_WORLD.rank == 0:
        print(np.median(times))


def rows():
    for part in (one_cell, thousand_cells, nested_scales, high_contrast, two_ranks):
        yield from part()


if __name__ == "__main__":
    measure()
