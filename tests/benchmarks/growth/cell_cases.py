"""Cell problems: points, scales, unknowns of a cell, and the interpolated coefficients."""

import numpy as np
from case import Case, power

SIGMA = 0.5


def potential(dim, scales, coupled=False, skew=0.25, alike=False):
    from sympy import cos, pi, sin

    from scaling_limits.particles import MultiscalePotential

    def fluctuation(x, *y):
        total = 0
        for k, fast in enumerate(y):
            for i in range(dim):
                slow = 2 * pi * y[k - 1][i] if k and coupled else x[0 if alike else i]
                total += (1 + sin(slow) / 2) * cos(2 * pi * fast[i]) / 2
            total += skew * cos(2 * pi * sum(fast[i] for i in range(dim)))
        return total

    return MultiscalePotential(dim, scales, SIGMA, lambda x: sum(x[i] ** 2 for i in range(dim)) / 2, fluctuation)


def places(count):
    return np.random.default_rng(1).uniform(-2, 2, (int(count), 2))


def points(count):
    from scaling_limits.cells import effective_tensor

    one = potential(2, 1)
    return lambda: effective_tensor(one, places(count), 1e-4, workers=1)


def coupled_points(count):
    from scaling_limits.cells import effective_tensor

    two = potential(2, 2, coupled=True)
    return lambda: effective_tensor(two, places(count), 1e-4, workers=1)


def scales(count, alike):
    from scaling_limits.cells import effective_tensor

    apart = potential(2, int(count), skew=0, alike=alike)
    return lambda: effective_tensor(apart, places(100), 1e-6, workers=1)


def unknowns(edge, dim, fourier):
    from scaling_limits.cells.solvers.cell_problem import CellProblem
    from scaling_limits.cells.spaces import tensor_space

    line = tensor_space.fourier(int(edge)) if fourier else tensor_space.elements(4, int(edge) // 4)
    space = tensor_space.TensorSpace(line, dim)
    field = np.exp(-sum(np.cos(2 * np.pi * y) for y in space.nodes) / SIGMA)
    return lambda: CellProblem(space, field[None]).solve(1e-6)


def interpolated(count):
    from scaling_limits.cells import effective_coefficients

    found = effective_coefficients(potential(2, 1), [(-2, 2), (-2, 2)], 1e-4, workers=1)
    return lambda: (found.mobility(places(count)), found.free_energy(places(count)))


CASES = {
    "tensor_points": Case(
        "effective tensor, 1 scale in 2-D", "points", (64000, 125000, 250000, 500000), points, 1, 1,
        "one cell a point, some at a time; points and tensors are kept",
    ),
    "tensor_coupled": Case(
        "effective tensor, 2 coupled scales", "points", (30, 100, 300, 1000), coupled_points, 1, 1,
        "at most: one cell of the outer scale a point; cells of the inner one come from a table",
    ),
    "tensor_scales": Case(
        "effective tensor, scales apart, isotropic", "scales", (1, 2, 4, 8, 16), lambda count: scales(count, True), 1,
        None, "each scale is a problem by itself, for each point",
    ),
    "tensor_skew": Case(
        "the same, anisotropic", "scales", (1, 2, 4, 8), lambda count: scales(count, False), 1, None,
        "the same; but ratios of directions are multiplied in the tensor of all inner scales, see below",
    ),
    "cell_elements_2d": Case(
        "one cell in 2-D, elements of degree 4", "unknowns", (96, 128, 192, 256, 384, 512),
        lambda edge: unknowns(edge, 2, False),
        3 / 2,
        1,
        "the preconditioner goes to modes by dense N x N matrices along each direction, N = n^(1/2)",
        power(2),
    ),
    "cell_fourier_3d": Case(
        "one cell in 3-D, trigonometric", "unknowns", (17, 25, 33, 49), lambda edge: unknowns(edge, 3, True), 4 / 3, 1,
        "products with dense N x N matrices along each direction, N = n^(1/3): n^(4/3); with FFTs n log n", power(3),
    ),
    "coefficients_points": Case(
        "interpolated coefficients", "points", (30000, 100000, 300000, 1000000, 3000000), interpolated, 1, 1,
        "a table of a fixed size, looked up at each point; many points at a time, whose work space is most of the memory "
        "below a million",
    ),
}  # fmt: skip
