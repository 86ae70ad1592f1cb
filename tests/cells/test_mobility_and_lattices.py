"""Mobilities and lattice vectors in effective tensors: closed forms, an independent Fourier code, every route.

Exact: on a line M = 1/(Z int exp(V1/sigma)/B); with lattice vectors M = L M_y L^T.
"""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import i0e, iv
from sympy import cos, pi, sin

from scaling_limits.cells import PETScElements, correctors, effective_coefficients, effective_tensor
from scaling_limits.particles import InvalidArgument, MultiscalePotential
from scaling_limits.particles.errors import NotConverged

HEXAGONAL = np.array([[1.0, 0.5], [0.0, np.sqrt(0.75)]])
ORIGIN = np.zeros((1, 2))


def wave(p):
    return cos(2 * pi * p)


def nothing(x):
    return 0 * x[0]


def cosine(p):
    return np.cos(2 * np.pi * p)


def is_inside(tensor, exact):
    """Whether an interval holds a matrix."""
    return (np.linalg.eigvalsh(tensor.upper[0] - exact).min() >= 0) and (
        np.linalg.eigvalsh(exact - tensor.lower[0]).min() >= 0
    )


def fourier_collocation(coefficient, count):
    """int K (I + grad theta) by an own code: FFTs on count x count points, conjugate gradients of scipy."""
    ticks = np.arange(count) / count
    k = coefficient(ticks[:, None], ticks[None, :])  # (2, 2, n, n)
    frequencies = 2j * np.pi * np.fft.fftfreq(count, 1 / count)
    slopes = np.stack(np.meshgrid(frequencies, frequencies, indexing="ij"))
    slopes[:, np.abs(frequencies.imag) > np.pi * (count - 1)] = 0
    slopes[:, :, np.abs(frequencies.imag) > np.pi * (count - 1)] = 0
    laplacian = -(slopes**2).sum(axis=0).real
    laplacian[laplacian == 0] = 1.0

    def gradient(u):
        return np.fft.ifft2(slopes * np.fft.fft2(u.reshape(count, count))).real

    def divergence(flux):
        return -np.fft.ifft2((slopes * np.fft.fft2(flux)).sum(axis=0)).real.ravel()

    size = count * count
    operator = LinearOperator((size, size), lambda u: divergence(np.einsum("ijpq,jpq->ipq", k, gradient(u))))
    inverse = LinearOperator(
        (size, size), lambda u: np.fft.ifft2(np.fft.fft2(u.reshape(count, count)) / laplacian).real.ravel()
    )
    columns = []
    for unit in np.eye(2):
        theta, info = cg(operator, -divergence(np.einsum("ijpq,j->ipq", k, unit)), rtol=1e-13, maxiter=4000, M=inverse)
        assert info == 0
        field = gradient(theta) + unit[:, None, None]
        columns.append(np.einsum("ijpq,jpq->i", k, field) / size)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("bounds", [False, True])
def test_a_mobility_on_a_line(bounds):
    potential = MultiscalePotential(
        1,
        1,
        0.8,
        nothing,
        lambda x, y: wave(y[0]),
        lambda x, y: 1 + sin(2 * pi * y[0]) / 2 + x[0] ** 2,
        lattice=[[3.0]],
    )
    points = np.array([[0.0], [1.0], [-0.7]])
    found = effective_tensor(potential, points, 1e-9, bounds)
    ticks = np.arange(4001) / 4001
    inverse = (np.exp(cosine(ticks) / 0.8) / (1 + np.sin(2 * np.pi * ticks) / 2 + points**2)).mean(axis=1)
    exact = 1 / (inverse * np.exp(-cosine(ticks) / 0.8).mean())
    assert (np.abs(np.log(found.value.ravel() / exact)) <= found.error).all()
    if bounds:
        assert (found.lower.ravel() <= exact).all()
        assert (exact <= found.upper.ravel()).all()


def test_mobilities_that_are_constant_or_separate():
    """Without a potential M = B; a diagonal B of one variable each has two problems on lines."""
    constant = np.array([[2.0, 0.7], [0.7, 1.0]])
    flat = MultiscalePotential(2, 1, 1.0, nothing, lambda x, y: 0 * y[0], lambda x, y: constant)
    assert effective_tensor(flat, ORIGIN).value[0] == pytest.approx(constant, rel=1e-14)
    potential = MultiscalePotential(
        2,
        1,
        1.0,
        nothing,
        lambda x, y: wave(y[0]) + wave(y[1]) / 2,
        lambda x, y: [[2 + wave(y[0]) / 2, 0], [0, 3 + x[0]]],
    )
    ticks = np.arange(512) / 512
    first = 1 / (iv(0, 1) * (np.exp(cosine(ticks)) / (2 + cosine(ticks) / 2)).mean())
    exact = np.diag([first, 4 / iv(0, 0.5) ** 2])
    for bounds in (False, True):
        found = effective_tensor(potential, [[1.0, 5.0]], 1e-8, bounds)
        assert np.abs(np.log(np.diag(found.value[0]) / np.diag(exact))).max() <= found.error[0]
    assert is_inside(found, exact)


@pytest.mark.parametrize("lattice", [None, 1.7 * HEXAGONAL])
def test_a_mobility_against_an_independent_fourier_code(lattice):
    """In the plane, to 1e-8, and inside the interval; PETSc agrees to the error of its mesh."""
    potential = MultiscalePotential(
        2, 1, 0.6, nothing, lambda x, y: wave(y[0]) + wave(y[1]) / 2 + wave(y[0] + y[1]) / 3,
        lambda x, y: [[2 + wave(y[0]) / 2, wave(y[1]) / 4], [wave(y[1]) / 4, 1 + sin(2 * pi * y[0]) / 3]], lattice=lattice,
    )  # fmt: skip
    matrix = np.eye(2) if lattice is None else lattice
    inverse = np.linalg.inv(matrix)

    def density(y, z):
        return np.exp(-(cosine(y) + cosine(z) / 2 + cosine(y + z) / 3) / 0.6)

    def coefficient(y, z):
        b = np.array(
            [
                [2 + cosine(y) / 2 + 0 * z, cosine(z) / 4 + 0 * y],
                [cosine(z) / 4 + 0 * y, 1 + np.sin(2 * np.pi * y) / 3 + 0 * z],
            ]
        )
        return np.einsum("ik,klpq,jl->ijpq", inverse, b, inverse) * density(y, z)

    ticks = np.arange(64) / 64
    exact = matrix @ fourier_collocation(coefficient, 64) @ matrix.T / density(ticks[:, None], ticks).mean()
    found = effective_tensor(potential, ORIGIN, 1e-9)
    assert found.value[0] == pytest.approx(exact, rel=1e-8)
    assert is_inside(effective_tensor(potential, ORIGIN, 1e-6, bounds=True), exact)
    slow = effective_tensor(potential, ORIGIN, 1e-8, route=PETScElements(4, 12))
    assert np.abs(np.linalg.eigvals(np.linalg.solve(exact, slow.value[0])) - 1).max() <= slow.error[0] <= 1e-7
    (level,) = correctors(potential, [0.0, 0.0])
    ours = matrix @ level.effective @ matrix.T
    assert ours / ours[0, 0] == pytest.approx(exact / exact[0, 0], rel=1e-6)


def test_a_sheared_lattice_is_the_sheared_tensor():
    """Another basis of the same lattice, and a rotated one; a hexagonal surface is isotropic."""
    shape = lambda p, q: wave(p) + wave(q) / 2 + wave(p + q) / 3  # noqa: E731
    shear, angle = np.array([[1, 1], [0, 1]]), 0.4
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def tensor(function, lattice):
        potential = MultiscalePotential(2, 1, 0.7, nothing, lambda x, y: function(*y), lattice=lattice)
        return effective_tensor(potential, ORIGIN, 1e-11).value[0]

    plain = tensor(shape, None)
    assert tensor(lambda p, q: shape(p + q, q), shear) == pytest.approx(plain, rel=1e-10)
    assert tensor(shape, rotation) == pytest.approx(rotation @ plain @ rotation.T, rel=1e-12)
    assert tensor(shape, 5.0 * np.eye(2)) == pytest.approx(plain, rel=1e-12)
    hexagonal = tensor(lambda p, q: wave(p) + wave(q) + wave(p + q), HEXAGONAL)
    assert hexagonal == pytest.approx(hexagonal[0, 0] * np.eye(2), rel=1e-10, abs=1e-10)


def test_two_scales_with_a_mobility_of_both():
    """With bounds at 1e-3 around the tensor at 1e-8; and a mobility of the slower scale alone, on a line."""
    potential = MultiscalePotential(
        2, 2, 1.0, nothing, lambda x, y, z: wave(y[0]) * wave(z[0]) / 2 + wave(z[1]) / 2,
        lambda x, y, z: [[2 + wave(z[0]) * wave(y[0]) / 2, wave(y[1]) / 4], [wave(y[1]) / 4, 1 + wave(z[1] + y[0]) / 3]],
        lattice=HEXAGONAL,
    )  # fmt: skip
    best = effective_tensor(potential, ORIGIN, 1e-8)
    loose = effective_tensor(potential, ORIGIN, 1e-4)
    assert np.abs(np.linalg.eigvals(np.linalg.solve(best.value[0], loose.value[0])) - 1).max() <= loose.error[0]
    assert is_inside(effective_tensor(potential, ORIGIN, 1e-3, bounds=True), best.value[0])
    line = MultiscalePotential(
        1, 2, 1.0, nothing, lambda x, y, z: wave(y[0]) + wave(z[0]) * wave(y[0]), lambda x, y, z: 2 + sin(2 * pi * y[0])
    )
    y = np.arange(256) / 256
    values = cosine(y)[:, None] * (1 + cosine(y))
    exact = 1 / (np.exp(-values).mean() * (np.exp(values) / (2 + np.sin(2 * np.pi * y))[:, None]).mean())
    found = effective_tensor(line, [[0.0]], 1e-8)
    assert abs(np.log(found.value.item() / exact)) <= found.error[0]


def test_coefficients_with_a_mobility_of_the_position_alone():
    potential = MultiscalePotential(
        1, 1, 1.0, lambda x: x[0] ** 2, lambda x, y: wave(y[0]), lambda x, y: 2 + sin(x[0]), domain=[(-2, 2)]
    )
    coefficients = effective_coefficients(potential, [(-2, 2)], 1e-8)
    x = np.linspace(-2, 2, 41)[:, None]
    assert coefficients.mobility(x)[:, 0, 0] == pytest.approx((2 + np.sin(x[:, 0])) / iv(0, 1) ** 2, rel=1e-8)
    with pytest.raises(InvalidArgument, match=r"box: must be in the domain .* not at"):
        effective_coefficients(potential, [(-2, 3)], 1e-8)
    with pytest.raises(InvalidArgument, match=r"points: must be in the domain .* not at \[2.5\]"):
        effective_tensor(potential, [[0.0], [2.5]])
    with pytest.raises(InvalidArgument, match="point: must be in the domain"):
        correctors(potential, [2.5])


@pytest.mark.serial
@pytest.mark.parametrize("height", [15, 25, 30])
@pytest.mark.parametrize("rtol", [1e-1, 1e-2])
def test_deep_wells_in_another_basis_are_right_or_refused(height, rtol):
    """V1 = a (cos 2 pi x_0 + cos 2 pi x_1) with periods (1, 1), (0, 1): M = I0(a)^-2, to contrasts of e^120.

    Rounding leaves factors of the matrix that are no inverse, with which conjugate gradients stood still at K = 1.
    """
    potential = MultiscalePotential(
        2, 1, 1.0, lambda x: 0 * x[0], lambda x, y: height * (cos(2 * pi * y[0]) + cos(2 * pi * (y[0] + y[1]))),
        lattice=[[1, 0], [1, 1]],
    )  # fmt: skip
    try:
        tensor = effective_tensor(potential, [[0.0, 0.0]], rtol)
    except NotConverged:
        assert height > 15
        return
    exact = np.exp(-2.0 * height) / i0e(height) ** 2
    assert np.abs(tensor.value[0] / exact - np.eye(2)).max() <= tensor.error[0] <= rtol
