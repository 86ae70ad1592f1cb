"""Reflection without flux: equilibrium for every M, mirrors against closed forms, the order of the bias, refusals."""

import numpy as np
import pytest
import sympy
from chance import ALPHA, assert_counts
from rates import assert_rate
from scipy import stats

from scaling_limits.particles import EffectiveLangevin, Unstable
from scaling_limits.particles.diffusions.reflection import Walls

pytestmark = pytest.mark.serial  # ranks share whole tiles, which test_langevin looks at


def turned(angle, *values):
    """A tensor with these eigenvalues, of which the first belongs to the direction of the angle."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]]) @ np.diag(values) @ np.array([[c, s], [-s, c]])


TENSORS = {
    "weak": np.array([[1.0, 0.3], [0.3, 0.5]]),
    "strong": np.array([[1.0, 0.9], [0.9, 1.0]]),
    "other diagonal": np.array([[1.0, -0.7], [-0.7, 2.0]]),
    "anisotropic": turned(np.pi / 6, 1.0, 1 / 30),
    "in space": np.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.3], [0.5, 0.3, 1.0]]),
    "in space, of both signs": np.array([[1.0, -0.6, 0.2], [-0.6, 0.8, 0.3], [0.2, 0.3, 0.5]]),
}


def flat(tensor):
    """Psi = 0 and a constant M in the unit box; drift and noise refuse positions outside."""
    root = np.linalg.cholesky(2 * tensor)

    def noise(x):
        assert ((x >= 0) & (x <= 1)).all()
        return np.repeat(root[None], len(x), axis=0)

    def drift(x):
        assert ((x >= 0) & (x <= 1)).all()
        return 0 * x

    return EffectiveLangevin(drift, noise, [(0, 1)] * len(tensor))


def histogram(positions, cells=4):
    dim = positions.shape[-1]
    return np.histogramdd(positions, bins=cells, range=[(0, 1)] * dim)[0].ravel()


def along_the_normal(monkeypatch):
    monkeypatch.setattr(Walls, "reflected", lambda self, x, noise: self.within(x))


PATHS = 10_000


@pytest.mark.parametrize("name", TENSORS)
def test_a_uniform_law_stays_uniform(name, monkeypatch):
    """Chi squared of 4^d cells; mirrors along the normal would be seen at once."""
    sampler = flat(TENSORS[name])
    start = np.random.default_rng(7).random((PATHS, sampler.dim))
    found = sampler.sample(start, [0.2], PATHS, 5, 0.01)
    assert found.positions.min() >= 0
    assert found.positions.max() <= 1
    assert_counts(histogram(found.positions[0]))
    along_the_normal(monkeypatch)
    other = sampler.sample(start, [0.2], PATHS, 5, 0.01)
    assert stats.chisquare(histogram(other.positions[0])).pvalue < ALPHA**2


def test_a_path_from_a_corner_forgets_it():
    """The relaxation time of the strong tensor is about 1; after six of it nothing is left of the start."""
    found = flat(TENSORS["strong"]).sample([0.0, 1.0], [6.0], 2048, 2, 0.04)
    assert_counts(histogram(found.positions[0]))


# --- M and Psi that depend on x ------------------------------------------------------------------------------

X, Y = sympy.symbols("x y")
TURN = sympy.Rational(1, 2) + sympy.sin(2 * sympy.pi * Y) / 3 + X / 2
LONG, WIDE = 1 + X * (1 - Y / 2), sympy.Rational(1, 20) + Y**2 / 20
COS, SIN = sympy.cos(TURN), sympy.sin(TURN)
TURNING = sympy.Matrix([[COS**2 * LONG + SIN**2 * WIDE, COS * SIN * (LONG - WIDE)],
                        [COS * SIN * (LONG - WIDE), SIN**2 * LONG + COS**2 * WIDE]])  # fmt: skip
PSI = X - sympy.cos(2 * sympy.pi * Y) / 2 + X * sympy.sin(2 * sympy.pi * Y) / 2
SIGMA = 0.7


def compiled(expressions, shape):
    function = sympy.lambdify((X, Y), list(expressions), "numpy", cse=True)

    def values(x):
        columns = [np.broadcast_to(v, (len(x),)) for v in function(x[:, 0], x[:, 1])]
        return np.stack(columns, axis=-1).reshape(len(x), *shape)

    return values


def varying(tensor, psi, sigma, periodic=False):
    """The sampler in the unit box whose equilibrium is exp(-psi/sigma), and that as a function."""
    gradient = sympy.Matrix([psi.diff(X), psi.diff(Y)])
    divergence = sympy.Matrix([tensor[i, 0].diff(X) + tensor[i, 1].diff(Y) for i in range(2)])
    drift, values = compiled(-tensor * gradient + sigma * divergence, (2,)), compiled(tensor, (2, 2))
    noise = lambda x: np.linalg.cholesky(2 * sigma * values(x))  # noqa: E731
    sampler = EffectiveLangevin(drift, noise, [(0, 1)] * 2, [False, periodic])
    return sampler, compiled([sympy.exp(-psi / sigma)], ())


def test_equilibrium_where_all_depends_on_x(monkeypatch):
    """From equilibrium: the histogram against exp(-Psi/sigma) by quadrature."""
    sampler, gibbs = varying(TURNING, PSI, SIGMA)
    generator = np.random.default_rng(3)
    tried = generator.random((8 * PATHS, 2))
    start = tried[generator.random(len(tried)) * np.exp(1.0 / SIGMA) < gibbs(tried)][:PATHS]
    assert len(start) == PATHS
    middle = (np.arange(400) + 0.5) / 400
    weights = gibbs(np.stack(np.meshgrid(middle, middle, indexing="ij"), -1).reshape(-1, 2)).reshape(4, 100, 4, 100)
    expected = PATHS * weights.sum(axis=(1, 3)).ravel() / weights.sum()
    found = sampler.sample(start, [0.03], PATHS, 5, 2.5e-3)
    assert_counts(histogram(found.positions[0]), expected)
    along_the_normal(monkeypatch)
    other = sampler.sample(start, [0.03], PATHS, 5, 2.5e-3)
    assert stats.chisquare(histogram(other.positions[0]), expected).pvalue < ALPHA**2


def growth_of_the_mean(sampler, reflected, gibbs, observable, h):
    """(E f(X_h) - E f(X_0))/h for X_0 in equilibrium, by quasi-random points, and normal numbers of both signs."""
    points = np.clip(stats.qmc.Sobol(5, seed=1).random_base2(17), 1e-12, 1 - 1e-12)
    x, z, signs = points[:, :2], stats.norm.ppf(points[:, 2:4]), np.where(points[:, 4:] > 0.5, 1.0, -1.0)
    ahead, back = (reflected(sampler.step(x, side * z, signs, h)) for side in (1.0, -1.0))
    weights = gibbs(x)
    return weights @ (0.5 * (observable(ahead) + observable(back)) - observable(x)) / weights.sum() / h


def test_the_bias_of_equilibrium_is_of_order_one():
    """What a step adds to the mean of f, which has no conormal derivative at the walls x = 0 and 1, but a tangential one.

    Mirrors along the normal add the same at every step, so that their equilibrium is another one.
    """
    beside = sympy.Rational(2, 5) + sympy.sin(2 * sympy.pi * Y) / 5 + X / 10
    tensor = sympy.Matrix([[1 + X / 4, beside], [beside, sympy.Rational(3, 5)]])
    sampler, gibbs = varying(tensor, X / 2 - sympy.cos(2 * sympy.pi * Y) / 8, 0.25, periodic=True)
    wave, ratio = sympy.cos(2 * sympy.pi * Y), beside / (1 + X / 4)
    lean = X * (1 - X) ** 2 * ratio.subs(X, 0) - X**2 * (1 - X) * ratio.subs(X, 1)
    f, walls = compiled([wave - lean * wave.diff(Y)], ()), Walls(sampler.box, sampler.periodic)
    steps = (0.02, 0.01, 0.005)
    along = lambda x: walls.reflected(x, sampler.noise)  # noqa: E731
    errors = [abs(growth_of_the_mean(sampler, along, gibbs, f, h)) for h in steps]
    assert_rate(steps, errors, 1.0, slack=0.2, cap=0.015)
    assert abs(growth_of_the_mean(sampler, walls.within, gibbs, f, steps[-1])) > 10 * errors[-1]


# --- mirrors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [2, 3, 4, 7])
def test_mirrors_at_an_edge_fold_a_wedge(parts):
    """Where walls meet with the angle pi/m in coordinates in which M is the identity, the angle is folded m times."""
    c = -np.cos(np.pi / parts)
    root = np.array([[1.0, 0.0], [c, np.sqrt(1 - c**2)]])
    walls = Walls(np.array([[0.0, 100.0]] * 2), np.zeros(2, dtype=bool))
    x = np.random.default_rng(1).normal(size=(2000, 2))
    found = walls.reflected(x, lambda p: np.repeat(root[None], len(p), axis=0))
    inverse = np.linalg.inv(root)
    polar = lambda p: np.angle((p @ inverse.T) @ np.array([1.0, 1j]))  # noqa: E731
    ends = polar(np.array([[1.0, 0.0], [0.0, 1.0]]))
    angle = np.mod(polar(x) - ends[0], 2 * np.pi / parts)
    np.testing.assert_allclose(ends[1] - ends[0], np.pi / parts, rtol=1e-12)
    np.testing.assert_allclose(polar(found) - ends[0], np.minimum(angle, 2 * np.pi / parts - angle), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found @ inverse.T, axis=1), np.linalg.norm(x @ inverse.T, axis=1), rtol=1e-9)  # fmt: skip


def test_diagonal_tensors_are_mirrored_along_the_normal():
    root = np.diag([1.0, 0.5, 2.0])
    walls = Walls(np.array([[-1.0, 2.0], [0.0, 1.0], [3.0, 4.0]]), np.array([False, True, False]))
    x = np.random.default_rng(1).normal(0.0, 10.0, size=(2000, 3))
    found = walls.reflected(x, lambda p: np.repeat(root[None], len(p), axis=0))
    np.testing.assert_allclose(found, walls.within(x), atol=1e-12)


def test_walls_without_noise_across_them():
    """M_ii = 0: only the drift goes through, and comes back along the normal."""
    walls = Walls(np.array([[0.0, 1.0]] * 2), np.zeros(2, dtype=bool))
    found = walls.reflected(np.array([[1.2, 0.3], [0.4, -0.1]]), lambda p: np.zeros((len(p), 2, 2)))
    np.testing.assert_allclose(found, [[0.8, 0.3], [0.4, 0.1]], rtol=1e-14)


def test_mirrors_that_do_not_end_are_refused():
    """Steps of ten thousand boxes, and walls that are all but parallel where M is the identity."""
    wide = EffectiveLangevin(lambda x: 0 * x, lambda x: np.repeat(1e4 * np.eye(2)[None], len(x), axis=0), [(0, 1)] * 2)
    with pytest.raises(Unstable, match=r"reflections.*smaller step"):
        wide.sample([0.5, 0.5], [1.0], 100, 1, 1.0)
    close = np.linalg.cholesky(np.array([[1.0, 1 - 1e-8], [1 - 1e-8, 1.0]]))
    sharp = EffectiveLangevin(lambda x: 0 * x, lambda x: np.repeat(close[None], len(x), axis=0), [(0, 1)] * 2)
    with pytest.raises(Unstable, match=r"singular.*smaller step"):
        sharp.sample([0.0, 1.0], [1.0], 2000, 1, 0.01)


def test_workers_share_reflected_paths():
    sampler, _ = varying(TURNING, PSI, SIGMA)
    whole = sampler.sample([0.0, 1.0], [0.05, 0.1], 1300, 9, 0.01, workers=1)
    for workers in (2, 3):
        assert (sampler.sample([0.0, 1.0], [0.05, 0.1], 1300, 9, 0.01, workers=workers).positions == whole.positions).all()  # fmt: skip
    assert (sampler.sample([0.0, 1.0], [0.05, 0.1], 600, 9, 0.01).positions == whole.positions[:, :600]).all()
