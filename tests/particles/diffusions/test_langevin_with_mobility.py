"""Paths with a mobility: the compiled step is that of Platen's scheme, and the equilibrium is exp(-V/sigma).

Statistical tests: false alarms 1e-6 each, two-sided (4.9 standard errors), fixed seeds; power: an error of 0.05 in the mean of
a wave, such as without sigma div B (0.1), is seen with 10 000 paths at 4.9 standard errors of 0.007.
"""

import numpy as np
import pytest
from sympy import cos, pi, sin, tanh

from scaling_limits.particles import EffectiveLangevin, InvalidArgument, Langevin, MultiscalePotential
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of
from scaling_limits.particles.diffusions.curvature import curvatures_on_paths
from scaling_limits.particles.diffusions.steppers.platen import platen_step

SIGMA, EPSILON, Z = 0.7, 0.5, 4.9


def wave(p):
    return cos(2 * pi * p)


MOBILITIES = {
    1: lambda x, y: 2 + wave(y[0]) / 2 + tanh(x[0]) / 3,
    2: lambda x, y: [[2 + wave(y[0]) / 2, wave(y[1]) / 4], [wave(y[1]) / 4, 1 + x[0] ** 2 / (1 + x[0] ** 2)]],
    3: lambda x, y: [
        [2 + wave(y[0]) / 2, wave(y[1]) / 4, 0.1],
        [wave(y[1]) / 4, 1 + x[0] ** 2 / (1 + x[0] ** 2), sin(x[2]) / 5],
        [0.1, sin(x[2]) / 5, 1.5],
    ],
}


def rugged(dim, mobility):
    return MultiscalePotential(
        dim, 1, SIGMA, lambda x: sum(c**2 for c in x) / 2, lambda x, y: sum(wave(c) for c in y) / 3, mobility,
        lattice=[[1, 0.3], [0, 0.9]] if dim == 2 else None,
    )  # fmt: skip


@pytest.mark.serial
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_compiled_step_is_platens(dim):
    """Drift against differences; a step against that of EffectiveLangevin, to rounding; the rate of drift and noise."""
    potential = rugged(dim, MOBILITIES[dim])
    fields, generator = gradient_of(potential), np.random.default_rng(0)
    x, z = generator.normal(size=(2, dim, 40))
    signs, rows = generator.normal(size=(max(dim * (dim - 1) // 2, 1), 40)), dim + dim * (dim + 1) // 2

    def mobility(places):
        return potential.mobility_at(places, *potential.fast_variables(places, EPSILON))

    def drift(places):
        out = np.empty((rows, len(places)))
        fields(np.ascontiguousarray(places.T), out, len(places), (1 / EPSILON,))
        return -out[:dim].T

    h = 1e-5
    slopes = [(mobility(x.T + h * e) - mobility(x.T - h * e)) / (2 * h) for e in np.eye(dim)]
    divergence = sum(slope[:, :, j] for j, slope in enumerate(slopes))
    exact = SIGMA * divergence - np.einsum("pij,pj->pi", mobility(x.T), potential.full_gradient_at(x.T, EPSILON))
    assert drift(x.T) == pytest.approx(exact, abs=1e-7)

    model = EffectiveLangevin(drift, lambda places: np.linalg.cholesky(2 * SIGMA * mobility(places)), [(-50, 50)] * dim)
    expected = model.step(x.T, z.T, np.where(signs > 0, 1.0, -1.0).T[:, : dim * (dim - 1) // 2], 0.01)
    moved, work = x.copy(), [np.empty((n, 40)) for n in (rows, rows, dim, dim)]
    platen_step(fields)(moved, z, signs, 40, 0.01, SIGMA, (1 / EPSILON,), *work)
    assert pytest.approx(expected, abs=1e-13) == moved.T

    jacobian = np.stack([(drift(x.T + h * e) - drift(x.T - h * e)) / (2 * h) for e in np.eye(dim)], axis=2)
    least = np.linalg.eigvalsh(mobility(x.T))[:, 0]
    noise = SIGMA * sum(np.linalg.norm(slope, axis=(1, 2)) ** 2 for slope in slopes) / (2 * least)
    rates = np.linalg.norm(jacobian, 2, axis=(1, 2)) + noise
    assert curvatures_on_paths(potential, EPSILON, x.T) == pytest.approx(rates, rel=1e-5)


@pytest.mark.serial
@pytest.mark.parametrize("dim", [1, 2])
def test_equilibrium_is_that_of_the_potential(dim):
    """Moments and waves of x, by quadrature; the same paths whatever the number of threads."""
    potential = rugged(dim, MOBILITIES[dim])
    sampler = Langevin(potential, EPSILON)
    found = sampler.sample(np.zeros(dim), [4.0], paths=10_000, seed=7).positions[0]
    ticks = np.linspace(-5, 5, 801)
    grid = np.stack(np.meshgrid(*[ticks] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    density = np.exp(-potential.full_at(grid, EPSILON) / SIGMA)
    density /= density.sum()
    # of the phase on which B depends: without sigma div B it is many standard errors away in the plane too
    wave_of_the_lattice = lambda x: np.cos(2 * np.pi * potential.fast_variables(x, EPSILON)[0][:, 0])  # noqa: E731
    for observable in (
        lambda x: x[:, 0], lambda x: x[:, -1] ** 2, wave_of_the_lattice, lambda x: np.sin(x[:, 0] * x[:, -1]),
    ):  # fmt: skip
        values = observable(found)
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - density @ observable(grid)) < Z * error
    again = sampler.sample(np.zeros(dim), [4.0], paths=1_000, seed=7, workers=1).positions[0]
    assert (again == found[:1_000]).all()


@pytest.mark.serial
def test_a_constant_mobility_is_a_change_of_time():
    """B = 4: the law at t is that of B = 1 at 4 t; the mean passage time is a quarter."""
    slow, fast = (rugged(1, mobility) for mobility in (lambda x, y: 1 + 0 * y[0], lambda x, y: 4))
    first = Langevin(slow, EPSILON).sample([0.5], [0.4], paths=10_000, seed=1).positions[0, :, 0]
    second = Langevin(fast, EPSILON).sample([0.5], [0.1], paths=10_000, seed=2).positions[0, :, 0]
    for power in (1, 2):
        values = first**power, second**power
        error = np.sqrt(sum(v.var() / len(v) for v in values))
        assert abs(values[0].mean() - values[1].mean()) < Z * error
    target = lambda x: x[:, 0] > 1  # noqa: E731
    times = [Langevin(v, EPSILON).first_passage_times([0.0], target, paths=4_000, seed=3) for v in (slow, fast)]
    error = np.sqrt(times[0].var() / 4_000 + 16 * times[1].var() / 4_000)
    assert abs(times[0].mean() - 4 * times[1].mean()) < Z * error


def test_leimkuhler_and_matthews_are_refused():
    with pytest.raises(InvalidArgument, match="scheme: must not be Leimkuhler-Matthews with a mobility"):
        Langevin(rugged(1, MOBILITIES[1]), EPSILON).equilibrium([0.0], [1.0], paths=16, seed=1)
