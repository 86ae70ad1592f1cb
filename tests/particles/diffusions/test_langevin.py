"""Langevin samplers: kernels against the definition of the schemes, weak orders without noise, streams, laws, refusals."""

import math

import numpy as np
import pytest
from chance import assert_mean, assert_uniform
from schemes import schemes_of
from scipy import linalg, stats
from sympy import cos, exp, pi, sin, sqrt

from scaling_limits.particles import (
    LEIMKUHLER_MATTHEWS,
    STOCHASTIC_HEUN,
    EffectiveLangevin,
    InvalidArgument,
    Langevin,
    MultiscalePotential,
    Paths,
    Unstable,
    egg_carton,
    fully_coupled,
    laminate,
    mueller_brown,
    self_similar,
)
from scaling_limits.particles.diffusions.compiled_gradient import gradient_of
from scaling_limits.particles.diffusions.langevin_schemes import LangevinScheme
from scaling_limits.particles.diffusions.step_choice import checked_step
from scaling_limits.particles.sampling.normal_tiles import PAIRS, TILE, fill_paths, fill_tile
from scaling_limits.particles.sampling.philox import Purpose, key_words

ODD = MultiscalePotential(
    2, 1, 1.0, lambda x: x[0] ** 4 / 4 + sqrt(1 + x[1] ** 2) + exp(-x[0] * x[1] / 9),
    lambda x, y: exp(sin(2 * pi * y[0]) + cos(sin(x[1]))) + sin(4 * pi * (y[0] - 3 * y[1])) ** 3 / 2,
)  # fmt: skip
GALLERY = [self_similar(0.5, (1.0, 0.5, 0.25), dim=1), fully_coupled(0.5), mueller_brown(15.0, coupling=0.5), laminate(0.5, ((1, 0), (1, 2))), ODD, egg_carton(1.0, dim=3)]  # fmt: skip


def normals(seed, paths, step, component, purpose=Purpose.LANGEVIN):
    """The numbers of some paths at a step."""
    paths = np.asarray(paths, dtype=np.int64)
    z = np.empty(len(paths))
    fill_paths(
        z, paths, len(paths), step, component, np.uint64(purpose), *key_words(seed), np.empty(len(z)), np.empty(len(z))
    )
    return z


@pytest.mark.parametrize("potential", GALLERY, ids=["1-d", "coupled", "mueller", "laminate", "odd", "3-d"])
def test_compiled_gradients(potential):
    """Waves as polynomials, exponentials as series: the gradient to rounding of the phases."""
    x = np.random.default_rng(0).normal(size=(potential.dim, 100))
    out = np.zeros((potential.dim, 100))
    epsilon = 0.1
    gradient_of(potential)(x, out, 90, tuple(epsilon ** -(k + 1) for k in range(potential.scales)))
    expected = potential.full_gradient_at(x.T, epsilon).T
    assert np.abs(out - expected)[:, :90].max() < 1e-11 * np.abs(expected).max()
    assert (out[:, 90:] == 0).all()


def test_normal_numbers():
    """Their law, their independence across paths, steps and components, and the two layouts."""
    z = np.empty((50, TILE))
    work = np.empty(PAIRS), np.empty(PAIRS)
    for step in range(50):
        fill_tile(z[step], step, 0, 3, np.uint64(Purpose.LANGEVIN), *key_words(5), *work)
    assert_uniform(stats.norm.cdf(z.ravel()))
    for other in (np.roll(z, 1, axis=0), np.roll(z, 1, axis=1), np.roll(z, PAIRS, axis=1)):
        assert_mean((z * other).mean(), 0.0, 1 / math.sqrt(z.size))
        assert_mean((z**2 * other**2).mean(), 1.0, math.sqrt(8 / z.size))
    some = 3 * TILE + np.array([0, 17, PAIRS - 1, PAIRS, PAIRS + 17, TILE - 1])
    assert (normals(5, some, 7, 0) == z[7, some % TILE]).all()
    assert abs(normals(5, some, 7, 1) - z[7, some % TILE]).min() > 0
    words = {tuple(normals(5, [p], s, c)) for p in range(0, 2000, 7) for s in (0, 1, 2**33) for c in (0, 1, 2)}
    assert len(words) == len(range(0, 2000, 7)) * 9


@pytest.mark.serial
@pytest.mark.parametrize("method", ["sample", "equilibrium"])
@pytest.mark.parametrize("potential", GALLERY[:2], ids=["1-d", "2-d"])
def test_kernels_do_what_the_schemes_say(potential, method):
    """The compiled steps are those of `LangevinScheme.step`, with the numbers of each path."""
    scheme = STOCHASTIC_HEUN if method == "sample" else LEIMKUHLER_MATTHEWS
    sampler = Langevin(potential, 0.3)
    start = np.random.default_rng(1).normal(size=(600, potential.dim))
    found = getattr(sampler, method)(start, [0.0, 2e-4, 5e-4], 600, 11)
    picked = np.array([0, 255, 256, 511, 512, 599])
    x, step = start[picked], 0
    gradient = lambda y: potential.full_gradient_at(y, 0.3)  # noqa: E731
    for k, span in ((1, 2e-4), (2, 3e-4)):
        count = math.ceil(span / checked_step(sampler.potential, sampler.epsilon, None, start) * (1 - 1e-12))
        for _ in range(count):
            z, ahead = (
                np.stack([normals(11, picked, s, i) for i in range(potential.dim)], axis=1) for s in (step, step + 1)
            )
            x = scheme.step(gradient, x, z, ahead, span / count, potential.temperature)
            step += 1
        np.testing.assert_allclose(found.positions[k, picked], x, rtol=0, atol=1e-11)
    assert (found.positions[0] == start).all()


# --- weak orders by transfer operators -----------------------------------------------------------------------

N = 96
NODES = 2 * np.pi * np.arange(N) / N
WAVES = np.fft.fftfreq(N, 1 / N)
HERMITE, SHARES = np.polynomial.hermite_e.hermegauss(40)
SHARES = SHARES / SHARES.sum()


def transported(y):
    """The matrix that evaluates a trigonometric polynomial at y (N,)."""
    return ((np.exp(1j * np.outer(y, WAVES)) @ np.exp(-1j * np.outer(WAVES, NODES))) / N).real


def derivative():
    symbol = 1j * np.where(np.abs(WAVES) == N / 2, 0, WAVES)
    return np.fft.ifft(symbol[:, None] * np.fft.fft(np.eye(N), axis=0), axis=0).real


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


POTENTIAL = lambda x: np.cos(x) + 0.5 * np.sin(2 * x)  # noqa: E731
SLOPE = lambda x: -np.sin(x) + np.cos(2 * x)  # noqa: E731
OBSERVABLE = np.cos(NODES) + np.sin(NODES)


def transfer(scheme, h):
    """E f(Y_{n+1}) as a matrix on f(Y_n), and what turns the chain Y into the positions X.

    For Leimkuhler and Matthews Y_n = X_n - sqrt(2 sigma h) z_n/2 is a Markov chain.
    """
    operator, reading, a = np.zeros((N, N)), np.zeros((N, N)), math.sqrt(2 * h)
    for z, share in zip(HERMITE, SHARES):
        if scheme.averages_noise:
            x = NODES + 0.5 * a * z
            new = scheme.step(SLOPE, x, np.full(N, z), np.zeros(N), h, 1.0)
            operator += share * transported(new)
            reading += share * transported(x)
        else:
            operator += share * transported(scheme.step(SLOPE, NODES, np.full(N, z), np.zeros(N), h, 1.0))
    return operator, reading if scheme.averages_noise else np.eye(N)


@pytest.mark.parametrize("scheme", schemes_of(LangevinScheme), ids=lambda s: s.name)
def test_declared_orders(scheme):
    """Without noise: the transfer operator on the torus against the exponential of the generator, and its invariant law."""
    gibbs = np.exp(-POTENTIAL(NODES))
    gibbs /= gibbs.sum()
    d = derivative()
    exact = linalg.expm(0.8 * (-np.diag(SLOPE(NODES)) @ d + d @ d)) @ OBSERVABLE
    stationary, transient = [], []
    for count in (16, 32, 64, 128):
        h = 0.8 / count
        operator, reading = transfer(scheme, h)
        system = operator.T - np.eye(N)
        system[0] = 1.0
        law = np.linalg.solve(system, np.eye(N)[0])
        stationary.append(abs(law @ reading @ OBSERVABLE - gibbs @ OBSERVABLE))
        u = np.linalg.matrix_power(operator, count - 1) @ reading @ OBSERVABLE
        if scheme.averages_noise:  # X_0 is given: Y_1 = X_0 + sqrt(2 h) z_0/2 - h V'(X_0)
            first = sum(share * transported(NODES - h * SLOPE(NODES) + 0.5 * math.sqrt(2 * h) * z) for z, share in zip(HERMITE, SHARES))  # fmt: skip
            u = first @ u
        else:
            u = operator @ u
        transient.append(np.abs(u - exact).max())
    assert abs(orders(stationary)[-1] - scheme.equilibrium_order) < 0.07
    assert abs(orders(transient)[-1] - scheme.weak_order) < 0.07
    assert stationary[-1] < 1e-4


def test_effective_scheme_has_weak_order_two_and_the_kinetic_equilibrium():
    """Multiplicative noise on a torus: E f(X_t) to order 2, and the invariant law exp(-Psi/sigma), not .../M."""
    mobility = lambda x: 1 + 0.6 * np.sin(x)  # noqa: E731
    drift = lambda x: -mobility(x) * SLOPE(x) + 0.6 * np.cos(x)  # noqa: E731
    sampler = EffectiveLangevin(
        lambda x: drift(x), lambda x: np.sqrt(2 * mobility(x))[:, :, None], [(0, 2 * np.pi)], [True]
    )
    d = derivative()
    generator = np.diag(drift(NODES)) @ d + np.diag(mobility(NODES)) @ d @ d
    exact = linalg.expm(0.8 * generator) @ OBSERVABLE
    gibbs = np.exp(-POTENTIAL(NODES))
    gibbs /= gibbs.sum()
    transient, stationary = [], []
    for count in (32, 64, 128, 256):
        h, operator = 0.8 / count, np.zeros((N, N))
        for z, share in zip(HERMITE, SHARES):
            new = sampler.step(NODES[:, None], np.full((N, 1), z), np.zeros((N, 0)), h)
            operator += share * transported(new[:, 0])
        transient.append(np.abs(np.linalg.matrix_power(operator, count) @ OBSERVABLE - exact).max())
        system = operator.T - np.eye(N)
        system[0] = 1.0
        stationary.append(abs((np.linalg.solve(system, np.eye(N)[0]) - gibbs) @ OBSERVABLE))
    assert abs(orders(transient)[-1] - sampler.weak_order) < 0.1
    assert transient[-1] < 1e-3
    assert stationary[-1] < 1e-4


def test_effective_scheme_in_the_plane():
    """Two noises that depend on both coordinates and do not commute: E f after a step against the Ito-Taylor series.

    The mean over all z (Gauss) and signs of f(X_h) minus (1 + h L + h^2 L^2/2) f is O(h^3).
    """
    import sympy

    x, y = sympy.symbols("x y")
    columns = sympy.Matrix([[1 + sympy.sin(y) / 2, sympy.cos(x) / 3], [sympy.sin(x) / 4, 1 + sympy.cos(x + y) / 3]])
    b = sympy.Matrix([sympy.sin(x + y), -sympy.cos(x) / 2])
    square = columns * columns.T

    def generator(f):
        second = sum(square[i, j] * sympy.diff(f, u, v) for i, u in enumerate((x, y)) for j, v in enumerate((x, y)))
        return b[0] * f.diff(x) + b[1] * f.diff(y) + second / 2

    f = sympy.sin(x) * sympy.cos(2 * y) + sympy.cos(x)
    series = [sympy.lambdify((x, y), g) for g in (f, generator(f), generator(generator(f)))]
    as_array = sympy.lambdify((x, y), [list(columns.row(i)) for i in range(2)], "numpy")
    drift = sympy.lambdify((x, y), list(b), "numpy")
    shape = lambda v, p: np.broadcast_to(v, (len(p),))  # noqa: E731
    sampler = EffectiveLangevin(
        lambda p: np.stack([shape(c, p) for c in drift(*p.T)], -1),
        lambda p: np.stack([np.stack([shape(c, p) for c in row], -1) for row in as_array(*p.T)], -2),
        [(0, 2 * np.pi)] * 2, [True, True],
    )  # fmt: skip
    nodes, shares = np.polynomial.hermite_e.hermegauss(12)
    shares = shares / shares.sum()
    z = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2)
    weights = np.outer(shares, shares).ravel()
    start, errors = np.array([0.7, 2.1]), []
    for h in (0.04, 0.02, 0.01):
        mean = 0.0
        for sign in (1.0, -1.0):
            new = sampler.step(np.repeat(start[None], len(z), axis=0), z, np.full((len(z), 1), sign), h)
            mean += 0.5 * weights @ series[0](new[:, 0], new[:, 1])
        errors.append(abs(mean - sum(g(*start) * h**k / math.factorial(k) for k, g in enumerate(series))))
    assert orders(errors)[-1] > 2.7
    assert errors[-1] < 1e-5


# --- samples -------------------------------------------------------------------------------------------------


def test_ornstein_uhlenbeck_law():
    """Without ruggedness the law is Gaussian and known."""
    parabola = MultiscalePotential(2, 1, 0.5, lambda x: x[0] ** 2 / 2 + x[1] ** 2, lambda x, y: 0)
    found = Langevin(parabola, 0.5).sample([1.0, -1.0], [0.3, 1.0], 40_000, 3, step=0.01)
    for x, t in zip(found.positions, found.times):
        for i, rate in enumerate((1.0, 2.0)):
            variance = 0.5 / rate * -np.expm1(-2 * rate * t)
            mean = (1.0, -1.0)[i] * np.exp(-rate * t)
            assert_mean(x[:, i].mean(), mean, np.sqrt(variance / len(x)) + 1e-6)
            assert_mean(x[:, i].var(), variance, variance * np.sqrt(2 / len(x)) + 1e-4)
        assert_mean(np.corrcoef(x.T)[0, 1], 0.0, 1 / np.sqrt(len(x)))


@pytest.mark.serial
def test_rugged_equilibrium():
    """Leimkuhler and Matthews on a rugged line: averages over mu_epsilon by quadrature."""
    potential = self_similar(0.5, (0.5, 0.25), dim=1)
    sampler = Langevin(potential, 0.4)
    x = np.linspace(-5, 5, 200_001)
    gibbs = np.exp(-potential.full_at(x[:, None], 0.4) / 0.5)
    gibbs /= gibbs.sum()
    found = sampler.equilibrium([0.0], [6.0], 10_000, 5)
    for f in (lambda x: x**2, lambda x: np.cos(2 * np.pi * x / 0.4)):
        mean, error = found.average(lambda p, f=f: f(p[:, 0]))
        assert_mean(mean[0], gibbs @ f(x), error[0] + 1e-3)  # 1e-3: the time step


def test_streams_do_not_depend_on_workers_or_number():
    sampler = Langevin(GALLERY[1], 0.3)
    whole = sampler.sample([0.1, 0.2], [1e-3, 2e-3], 1300, 9, workers=1)
    assert (sampler.sample([0.1, 0.2], [1e-3, 2e-3], 1300, 9, workers=2).positions == whole.positions).all()
    assert (sampler.sample([0.1, 0.2], [1e-3, 2e-3], 700, 9).positions == whole.positions[:, :700]).all()
    assert (sampler.sample([0.1, 0.2], [1e-3, 2e-3], 700, 10).positions != whole.positions[:, :700]).all()
    from mpi4py import MPI

    shared = sampler.sample([0.1, 0.2], [1e-3, 2e-3], 1300, 9, comm=MPI.COMM_WORLD)
    assert (shared.positions == whole.positions).all()


def test_first_passage():
    """Brownian motion out of an interval: E T = a^2/(2 sigma), its law, and the same whatever tiles and ranks do."""
    from mpi4py import MPI

    flat = MultiscalePotential(1, 1, 0.5, lambda x: x[0] ** 2 * 1e-9, lambda x, y: 0)
    sampler = Langevin(flat, 1.0)
    target = lambda x: np.abs(x[:, 0]) > 1.0  # noqa: E731
    h = 1e-4
    found = sampler.first_passage_times([0.0], target, 4000, 2, step=h)
    moved = 1 + 0.5826 * np.sqrt(2 * 0.5 * h)  # where a walk that is seen at steps finds the boundary
    assert_mean(found.mean(), moved**2, found.std() / np.sqrt(len(found)))
    assert_mean((found**2).mean(), 5 / 3 * moved**4, (found**2).std() / np.sqrt(len(found)))
    shared = sampler.first_passage_times([0.0], target, 4000, 2, step=h, comm=MPI.COMM_WORLD, workers=1)
    assert (shared == found).all()
    assert (sampler.first_passage_times([0.0], target, 600, 2, step=h) == found[:600]).all()
    late = sampler.first_passage_times([0.0], target, 600, 2, step=h, limit=0.5)
    assert (np.isinf(late) == (found[:600] > 0.5)).all()
    assert (sampler.first_passage_times([2.0], target, 3, 2, step=h) == 0).all()
    cold = MultiscalePotential(1, 1, 1e-12, lambda x: x[0] ** 2 / 2, lambda x, y: 0)
    slide = Langevin(cold, 1.0).first_passage_times([1.0], lambda x: x[:, 0] < 0.95, 3, 1, step=0.01)
    np.testing.assert_allclose(slide, 0.06)  # (1 - h + h^2/2)^n is below 0.95 from n = 6 on


@pytest.mark.serial
def test_steps():
    """The default is a part of the smallest time scale; too large a step is refused, and named."""
    sampler = Langevin(self_similar(0.5, (1.0, 0.5), dim=1), 0.2)
    curvature = 1 + 4 * np.pi**2 * (1.0 / 0.2**2 + 0.5 / 0.2**4)
    found = sampler.sample([0.0], [1e-3], 10, 1)
    assert found.step == pytest.approx(0.2 / curvature, rel=0.1)
    with pytest.raises(InvalidArgument, match=r"step.*not stable"):
        sampler.sample([0.0], [1e-3], 10, 1, step=2 / curvature)
    quartic = MultiscalePotential(1, 1, 1.0, lambda x: x[0] ** 4, lambda x, y: 0)
    with pytest.raises(InvalidArgument, match=r"step.*not stable"):
        Langevin(quartic, 1.0).sample([3.0], [1.0], 10, 1, step=0.1)
    assert np.isfinite(Langevin(quartic, 1.0).sample([3.0], [1.0], 10, 1).positions).all()


def test_instability_is_reported(monkeypatch):
    quartic = MultiscalePotential(1, 1, 1.0, lambda x: x[0] ** 4, lambda x, y: 0)
    monkeypatch.setattr("scaling_limits.particles.diffusions.step_choice.largest_curvature", lambda *a: 1.0)
    with pytest.raises(Unstable, match="smaller step"):
        Langevin(quartic, 1.0).sample([3.0], [10.0], 600, 1, step=0.5)


def test_reflection_and_periods():
    flat = lambda periodic: EffectiveLangevin(lambda x: 0 * x, lambda x: np.ones((len(x), 1, 1)), [(0, 1)], [periodic])  # noqa: E731
    for periodic in (True, False):
        found = flat(periodic).sample([0.3], [1.5], 4000, 1, 0.02)
        assert found.positions.min() >= 0
        assert found.positions.max() <= 1
        assert_uniform(found.positions[-1, :, 0])


def test_files(shared_folder):
    found = Langevin(GALLERY[1], 0.3).sample([0.1, 0.2], [1e-4], 5, 9)
    from mpi4py import MPI

    path = shared_folder / f"paths{MPI.COMM_WORLD.rank}.npz"
    found.save(path)
    again = Paths.load(path)
    assert (again.positions == found.positions).all()
    assert (again.step, again.seed) == (found.step, 9)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InvalidArgument, match="path"):
        Paths.load(path)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"initial": [0.0]}, "initial"),
        ({"initial": [0.0, np.nan]}, "initial"),
        ({"initial": np.zeros((4, 2))}, "initial"),
        ({"times": [1.0, 0.5]}, "times"),
        ({"times": [-1.0]}, "times"),
        ({"paths": 0}, "paths"),
        ({"paths": 2.5}, "paths"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"step": 0.0}, "step"),
        ({"step": np.nan}, "step"),
        ({"workers": 0}, "workers"),
        ({"progress": 1}, "progress"),
    ],
)
def test_wrong_arguments(arguments, name):
    given = {"initial": [0.0, 0.0], "times": [1e-4], "paths": 3, "seed": 1}
    for method in (Langevin(GALLERY[1], 0.3).sample, Langevin(GALLERY[1], 0.3).equilibrium):
        with pytest.raises(InvalidArgument, match=name):
            method(**(given | arguments))
    effective = EffectiveLangevin(lambda x: -x, lambda x: np.eye(2)[None].repeat(len(x), 0), [(-1, 1)] * 2, [False] * 2)
    with pytest.raises(InvalidArgument, match=name):
        effective.sample(**(given | {"step": 1e-3} | arguments))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: Langevin(3, 0.1), "potential"),
        (lambda: Langevin(GALLERY[0], 0.0), "epsilon"),
        (lambda: Langevin(GALLERY[0], np.inf), "epsilon"),
        (lambda: Langevin(GALLERY[0], 0.5).first_passage_times([0.0], 3, 1, 1), "target"),
        (lambda: Langevin(GALLERY[0], 0.5).first_passage_times([0.0], lambda x: x[:, 0], 1, 1), "target"),
        (
            lambda: Langevin(GALLERY[0], 0.5).first_passage_times([0.0], lambda x: stats.norm.cdf(x[:, 0]) > 1, 1, 1),
            "target",
        ),
        (lambda: Langevin(GALLERY[0], 0.5).first_passage_times([0.0], lambda x: x[:, 0] > 1, 1, 1, limit=0), "limit"),
        (lambda: EffectiveLangevin(lambda x: x, lambda x: x, [(1, 0)], [True]), "box"),
        (lambda: EffectiveLangevin(lambda x: x, lambda x: x, [(0, 1)], [True, False]), "periodic"),
        (
            lambda: EffectiveLangevin(lambda x: x, lambda x: x, [(0, 1)], [True]).sample([2.0], [1.0], 1, 1, 0.1),
            "initial",
        ),
    ],
)
def test_wrong_samplers(call, name):
    with pytest.raises(InvalidArgument, match=name):
        call()
