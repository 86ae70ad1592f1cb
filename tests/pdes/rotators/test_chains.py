"""Stationary laws of chains by tensor trains: exact laws, elements, samples, and each site's own balance."""

import warnings

import numpy as np
import pytest
from conduction import conducting
from rotators import fast, weak

from scaling_limits import load
from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
    Unresolved,
    action_currents,
)
from scaling_limits.pdes import ChainLaw, TransportFokkerPlanck, TransportTensorTrain, density_currents

pytestmark = [pytest.mark.serial, pytest.mark.filterwarnings("ignore:.*neither flow through bonds.*")]


def chain(dissipation, temperature, shape=None):
    size = len(temperature)
    return RotatorLattice((size,) if shape is None else shape, fast, weak, dissipation, temperature, 0.1)


def law_of(dissipation, temperature, **options):
    return TransportTensorTrain(chain(dissipation, temperature), **options).stationary()


class Equilibrium:
    """exp(-(0.1 sum I^2 + 2 kappa sum (I_j - I_k)^2)/T) of conduction at one temperature, by transfer matrices."""

    def __init__(self, size, kappa, temperature):
        x, shares = np.polynomial.legendre.leggauss(400)
        self.points = (x + 1) * 10 * np.sqrt(temperature)
        self.bond = np.exp(-2 * kappa * (self.points[:, None] - self.points) ** 2 / temperature)
        self.site = np.exp(-0.1 * self.points**2 / temperature) * shares * 10 * np.sqrt(temperature)
        self.left, self.right = [np.ones(400)], [np.ones(400)]
        for _ in range(size - 1):
            self.left.append(self.normalised(self.bond @ (self.site * self.left[-1])))
        self.right = self.left[::-1]

    @staticmethod
    def normalised(values):
        return values / values.max()

    def one(self, j):
        """The law of a site on the points, and its density."""
        density = self.left[j] * self.right[j] * self.site
        return density / density.sum()

    def two(self, j):
        """The law (P, P) of the sites j and j + 1."""
        law = (self.left[j] * self.site)[:, None] * self.bond * (self.site * self.right[j + 1])
        return law / law.sum()


@pytest.mark.parametrize(("size", "kappa", "temperature"), [(2, 1.0, 0.7), (3, 0.25, 1.0), (8, 0.1, 2.0)])
def test_an_equilibrium(size, kappa, temperature):
    """Means, second moments, flows and densities of a law that is known; what is off is below what is stated."""
    law = law_of(conducting(size, kappa), np.full(size, temperature))
    known = Equilibrium(size, kappa, temperature)
    x = known.points
    mean, square = (np.array([known.one(j) @ x**power for j in range(size)]) for power in (1, 2))
    mixed = np.array([x @ known.two(j) @ x for j in range(size - 1)])
    assert np.abs(law.mean / mean - 1).max() < law.error < 1e-6
    assert np.abs((law.variance + law.mean**2) / square - 1).max() < law.error
    assert np.abs((np.diag(law.covariance, 1) + law.mean[1:] * law.mean[:-1]) / mixed - 1).max() < law.error
    assert np.abs(law.flow - 2 * kappa * (square[:-1] - square[1:])).max() < 1e-6
    assert (np.abs(law.mean - mean) < law.mean_error).all()
    weights = known.one(0) / known.site
    density = known.normalised(weights * np.exp(-0.1 * x**2 / temperature))
    found = law.marginal(0, x)
    assert np.abs(found / found.max() - density).max() < law.density_error < 0.1
    pairs = np.column_stack([x[10:200:9], x[12:202:9]])
    expected = [known.two(0)[10 + 9 * i, 12 + 9 * i] for i in range(len(pairs))]
    scale = np.exp(-0.1 * pairs**2 / temperature).prod(axis=1) / known.site[10:200:9] / known.site[12:202:9]
    joint = law.marginal([1, 0], pairs[:, ::-1])
    # the weights of Gauss are in the law of the points, not in the density
    assert np.abs(joint - np.array(expected) * scale).max() < law.density_error * joint.max()
    assert law.expectation({0: lambda i: i, 1: lambda i: i}) == pytest.approx(mixed[0], rel=1e-6)


def test_three_actions_by_elements():
    """Means, covariances, flows and an expectation of example 2 agree with those of its density."""
    lattice = chain(DirectedDissipation(), [2.0, 1.0, 0.5])
    law, equation = TransportTensorTrain(lattice).stationary(), TransportFokkerPlanck(lattice)
    density = equation.stationary()
    mean = density.expectation(lambda i: i)
    covariance = density.expectation(lambda i: (i[:, :, None] * i[:, None]).reshape(-1, 9)).reshape(3, 3)
    assert np.abs(law.mean - mean).max() < 1e-6
    assert np.abs(law.covariance - (covariance - np.outer(mean, mean))).max() < 1e-6
    ours = law.expectation({0: lambda i: i, 2: lambda i: np.exp(-i)})
    assert abs(ours - density.expectation(lambda i: i[:, [0]] * np.exp(-i[:, [2]]))[0]) < 1e-6
    flows = density_currents(equation)
    for name in ("flow", "local", "residual", "balance"):
        assert np.abs(getattr(law.currents, name) - getattr(flows, name)).max() < 1e-6, name


@pytest.mark.parametrize("p", [2, 3, 4])
def test_sites_alone(p):
    """Without interaction the rank is 1, and moments are those of exp(-2^(p/2+1) I^(p/2)/(p T)), by quadrature."""
    temperature = np.array([2.0, 1.0, 0.5, 1.5, 0.2])
    law = law_of(DiagonalDissipation(p), temperature)
    assert (law.ranks == 1).all()
    x, shares = np.polynomial.legendre.leggauss(2000)
    for j, heat in enumerate(temperature):
        end = 40 * heat ** (2 / p)
        points = (x + 1) * end / 2
        weight = shares * np.exp(-(2.0 ** (p / 2 + 1)) * points ** (p / 2) / (p * heat))
        weight /= weight.sum()
        assert law.mean[j] == pytest.approx(weight @ points, rel=1e-8)
        assert law.variance[j] == pytest.approx(weight @ points**2 - (weight @ points) ** 2, rel=1e-7)
    assert np.abs(law.covariance - np.diag(law.variance)).max() < 1e-12
    assert np.abs(law.balance).max() < 1e-12
    assert np.abs(law.flow).max() < 1e-12


@pytest.mark.parametrize("dissipation", [DirectedDissipation(), conducting(32, 0.02)])
def test_thirty_two_actions_by_samples(dissipation):
    """Means and flows of samples are within five of their standard errors; sites balance."""
    lattice = chain(dissipation, np.linspace(1.5, 0.5, 32))
    law = TransportTensorTrain(lattice).stationary()
    assert np.abs(law.balance).max() < 1e-6
    samples = TransportProcess(lattice).sample(np.sqrt(2 * law.mean), [8.0, 14.0], 2000, 3)
    means = action_currents(lattice).mean(samples)
    averaged = samples.actions.mean(axis=0)
    error = averaged.std(axis=0) / np.sqrt(len(averaged))
    assert (np.abs(averaged.mean(axis=0) - law.mean) < 5 * error).all()
    assert (np.abs(means.flow - law.flow) < 5 * means.flow_error).all()


def test_shapes_and_orders():
    """A chain that lies along the second direction, and one in another order of temperatures, are the same chain."""
    temperature = np.array([2.0, 1.0, 0.7, 0.5])
    law = law_of(conducting(4, 0.05), temperature)
    back = law_of(conducting(4, 0.05), temperature[::-1])
    assert np.abs(law.mean - back.mean[::-1]).max() < 1e-6
    assert np.abs(law.flow + back.flow[::-1]).max() < 1e-6
    along = PolynomialDissipation(lambda u: -(abs(u()) ** 2) * u() + 0.2 * abs(u(0, 1)) ** 2 * u())
    line = PolynomialDissipation(lambda u: -(abs(u()) ** 2) * u() + 0.2 * abs(u(1)) ** 2 * u())
    across = TransportTensorTrain(chain(along, temperature, (1, 4))).stationary()
    assert np.abs(across.mean - law_of(line, temperature).mean).max() < 1e-6


def test_one_site():
    """A single action of example 2 is half of a Gaussian variable."""
    alone = law_of(DirectedDissipation(), [1.0])
    assert alone.mean[0] == pytest.approx(1 / np.sqrt(np.pi / 2), rel=1e-8)
    assert alone.flow.shape == (0,)
    assert "ranks to 1" in repr(alone)


def test_files_pictures_and_datasets(tmp_path):
    """What is saved evaluates as before; a short text, a picture, a dataset."""
    pytest.importorskip("matplotlib")
    law = law_of(DirectedDissipation(), [2.0, 1.0, 0.5, 0.5], rtol=1e-4)
    law.save(tmp_path / "law.npz")
    again = load(tmp_path / "law.npz")
    assert isinstance(again, ChainLaw)
    points = np.linspace(0.0, 3.0, 7)
    assert np.array_equal(law.marginal(2, points), again.marginal(2, points))
    assert law.expectation({1: np.sqrt}) == again.expectation({1: np.sqrt})
    assert repr(law) == repr(again)
    assert "4" in repr(law)
    ax = law.plot()
    assert ax.get_xlabel()
    assert np.array_equal(ax.lines[0].get_ydata(), law.mean)
    assert ax.get_ylabel() == "mean action"
    found = law.to_xarray()
    assert np.array_equal(found["mean"], law.mean)
    assert found["covariance"].dims == ("site", "other")


def test_expectations_of_jumps_and_tails():
    """Exponential laws: indicators, singularities and narrow peaks to what is stated; what the end cuts is said."""
    law = law_of(DiagonalDissipation(2), np.array([1e-3, 1e2]))
    small, large = law.mean
    assert law.expectation({1: lambda i: i < large}) == pytest.approx(-np.expm1(-1), rel=1e-9)
    both = law.expectation({0: lambda i: i < 0.1 * small, 1: lambda i: i > large})
    assert both == pytest.approx(-np.expm1(-0.1) / np.e, rel=1e-8)
    assert law.expectation({1: lambda i: (i / large) ** -0.9}) == pytest.approx(9.51350769866873, rel=1e-8)
    assert law.expectation({1: lambda i: np.log(i / large)}) == pytest.approx(-np.euler_gamma, rel=1e-8)
    peak = law.expectation({1: lambda i: np.exp(-1e6 * (i / large - 0.7) ** 2)})
    assert peak == pytest.approx(np.sqrt(np.pi / 1e6) * np.exp(-0.7 + 0.25e-6), rel=1e-8)
    assert law.expectation({1: lambda i: np.exp(0.9 * i / large)}) == pytest.approx(10, rel=1e-8)
    with pytest.warns(Unresolved, match="may be infinite"):
        law.expectation({1: lambda i: np.exp(1.1 * i / large)})
    with pytest.warns(Unresolved, match="is missing"):
        law.expectation({1: lambda i: np.exp(0.99 * i / large)})
    with pytest.warns(Unresolved, match="known to .* only"):
        law.expectation({1: lambda i: large / i})
    quartic = law_of(DiagonalDissipation(4), np.array([1.0, 2.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (quartic.marginal(0, [1e300, 1e160]) == 0).all()
