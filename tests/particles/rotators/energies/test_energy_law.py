"""The law of energies from laws of actions in closed form: sites, sums, quantiles."""

import numpy as np
import pytest
from rotators import alternating, fast, middling, weak
from scipy import integrate, special, stats

from scaling_limits.particles import (
    AssumptionWarning,
    DiagonalDissipation,
    DirectedDissipation,
    EnergyLaw,
    InvalidArgument,
    LinearDissipation,
    RotatorLattice,
    Unresolved,
)

pytestmark = pytest.mark.serial  # nothing here communicates


def constant(x):
    return 1.5


def line(x):
    """E(I) = I + I^2."""
    return 1 + x


def same(size, frequency, temperature, spins=1, dissipation=None):
    """Rotators with spins of one's choice; the law of the limit does not ask how neighbours turn for a = 1."""
    with pytest.warns(AssumptionWarning) if frequency is constant else pytest.MonkeyPatch.context():
        return RotatorLattice(
            (size,), frequency, weak, dissipation or DiagonalDissipation(2), temperature, 0.1,
            spins=np.broadcast_to(spins, size), coupling_exponent=1.0,
        )  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_gamma_laws(size):
    """f = 1.5, p = 2: energies are exponential with the mean 1.5 T/2, their sum has a Gamma law."""
    law = EnergyLaw(same(size, constant, 2.0))
    x, exact = np.linspace(-1, 15, 9), stats.gamma(size, scale=1.5)
    assert np.abs(law.distribution(x) - exact.cdf(x)).max() < 1e-10
    assert np.abs(law.density(x) - exact.pdf(x)).max() < 1e-9
    assert np.abs(law.distribution(x, 0) - stats.expon(scale=1.5).cdf(x)).max() < 1e-14
    assert abs(law.mean() - 1.5 * size) < 1e-11 * size
    shares = np.array([0.05, 0.9])
    assert np.abs(law.quantile(shares) - exact.ppf(shares)).max() < 1e-8


def test_spins_that_alternate():
    """Energies of opposite signs: the sum of two alike has the law of Laplace; linear coupling changes nothing."""
    for dissipation in (None, LinearDissipation(0.2)):
        law = EnergyLaw(same(2, constant, 2.0, [1, -1], dissipation))
        x = np.array([-3.0, -0.4, 0.0, 0.7, 4.0])
        exact = stats.laplace(scale=1.5)
        assert np.abs(law.distribution(x) - exact.cdf(x)).max() < 1e-12
        assert np.abs(law.density(x[[0, 1, 3, 4]]) - exact.pdf(x[[0, 1, 3, 4]])).max() < 1e-12
        below = stats.expon(scale=1.5)
        assert np.abs(law.distribution(x, 1) - below.sf(-x)).max() < 1e-14
        assert np.abs(law.density(x, 1) - below.pdf(-x)).max() < 1e-12
        assert abs(law.mean(1) + 1.5) < 1e-11
        assert abs(law.quantile(0.25, 1) - below.ppf(0.75) * -1) < 1e-10


@pytest.mark.parametrize("temperatures", [(1e-3, 1e2, 1.0), (1e2, 1e7, 1e5), (1.0, 2.0, 0.1)])
def test_temperatures_far_apart(temperatures):
    """E_0 + E_2 - E_1 of exponential energies, whose survival above 0 is a sum of two exponentials."""
    law = EnergyLaw(same(3, constant, temperatures, [1, -1, 1]))
    a, c, b = 0.75 * np.array(temperatures)
    first, second = 1 / ((1 - b / a) * (1 + c / a)), 1 / ((1 - a / b) * (1 + c / b))

    def survival(x):
        return first * np.exp(-x / a) + second * np.exp(-x / b)

    for x in np.array([0.5 * a, b, 3 * b]):
        assert abs(law.distribution(x) - 1 + survival(x)) < 1e-11
        assert abs(law.density(x) / (first / a * np.exp(-x / a) + second / b * np.exp(-x / b)) - 1) < 1e-8
    x = law.quantile(1 - survival(b))
    assert abs(x / b - 1) < 1e-8


def test_a_quantile_at_the_scale_of_the_colder_site():
    """Two sites at 1e-6 and 1: half of what is left above 0 is below log(2) times the mean of the colder one."""
    law = EnergyLaw(same(2, constant, [1e-6, 1.0], [1, -1]))
    a, c = 0.75e-6, 0.75
    assert abs(law.quantile(1 - 0.5 * a / (a + c)) / (np.log(2) * a) - 1) < 1e-5


def test_bins_that_are_too_wide_for_a_density():
    law = EnergyLaw(same(4, constant, [1e-2, 1e2, 1.0, 10.0], [1, -1, 1, -1]))
    with pytest.warns(Unresolved) as said:
        law.density(0.5)
    assert any("density of the sum of energies differ relatively" in str(one.message) for one in said)


def test_a_nonlinear_frequency():
    """p = 4 and E = I + I^2: P(E <= x) = erf(sqrt(2/T) I), I = (sqrt(1 + 4 x) - 1)/2; densities are derivatives."""
    lattice = same(1, line, 0.7, dissipation=DiagonalDissipation(4))
    law = EnergyLaw(lattice)
    x = np.geomspace(1e-6, 5, 20)
    actions = 0.5 * (np.sqrt(1 + 4 * x) - 1)
    rate = np.sqrt(2 / 0.7)
    assert np.abs(law.distribution(x) - special.erf(rate * actions)).max() < 1e-13
    density = 2 * rate / np.sqrt(np.pi) * np.exp(-((rate * actions) ** 2)) / (1 + 2 * actions)
    assert np.abs(law.density(x) / density - 1).max() < 1e-9
    mean = integrate.quad(lambda i: (i + i * i) * 2 * rate / np.sqrt(np.pi) * np.exp(-((rate * i) ** 2)), 0, 20)[0]
    assert abs(law.mean() - mean) < 1e-9


@pytest.mark.parametrize(("p", "frequency"), [(3, middling), (4, fast)])
def test_sums_by_another_quadrature(p, frequency):
    """Two sites with opposite spins and different temperatures: int p_0(I) P(E_1 <= x - E_0(I)) dI, adaptively."""
    lattice = alternating(2, 0.1, temperatures=(1.0, 0.4), dissipation=DiagonalDissipation(p))
    law = EnergyLaw(lattice)
    first, end = law.sites[0], min(law.sites[0].table[-1], 12.0)

    def joint(action, x, function):
        place = np.array([action])
        return float(law.law.marginal(0, place)[0] * function(x - first.energy(place), 1)[0])

    for x in (-1.0, 0.2, 2.5):
        cut = float(first.action(np.array([x]))[0])
        for function, found in ((law.distribution, law.distribution(x)), (law.density, law.density(x))):
            parts = [
                integrate.quad(joint, low, high, args=(x, function), limit=200, epsabs=1e-12)[0]
                for low, high in ((0.0, cut), (cut, end))
                if high > low
            ]
            assert abs(found - sum(parts)) < 1e-7


def test_many_sites_against_samples():
    """Five sites, spins of their own, p = 4: the law of the sum against 200 000 actions drawn by their own law."""
    lattice = alternating(5, 0.1, temperatures=(1.0, 0.3), dissipation=DiagonalDissipation(4))
    law = EnergyLaw(lattice)
    uniform = np.random.Generator(np.random.Philox(key=3)).random((200_000, 5))
    actions = special.erfinv(uniform) / np.sqrt(2 / lattice.temperature)
    sums = np.sort(lattice.rotation_energy(actions).sum(axis=1))
    x = sums[:: len(sums) // 200]
    gap = np.abs(law.distribution(x) - np.searchsorted(sums, x, side="right") / len(sums)).max()
    # Kolmogorov's limit law
    assert gap < special.kolmogi(1e-6) / np.sqrt(len(sums))
    assert abs(law.mean() - sums.mean()) < 5 * sums.std() / np.sqrt(len(sums))
    middle = law.quantile(0.5)
    assert abs(law.distribution(middle) - 0.5) < 1e-9
    step = 1e-3
    slope = (law.distribution(middle + step) - law.distribution(middle - step)) / (2 * step)
    assert abs(slope - law.density(middle)) < 1e-4 * slope


def test_pictures_and_tables():
    law = EnergyLaw(alternating(3, 0.1, coupling=weak))
    assert "closed form" in repr(law)
    data = law.to_xarray()
    assert data.density.dims == ("site", "point")
    assert abs(float(data.distribution[1, 0]) - 0.001) < 1e-9
    pytest.importorskip("matplotlib").use("Agg")
    assert len(law.plot().lines) == 3


def test_refusals():
    lattice = alternating(2, 0.1, coupling=weak)
    law = EnergyLaw(lattice)
    with pytest.raises(InvalidArgument, match="lattice"):
        EnergyLaw(3)
    with pytest.raises(InvalidArgument, match="law: must be given"):
        EnergyLaw(alternating(2, 0.1, dissipation=DirectedDissipation()))
    for bad in (3, alternating(2, 0.1)):
        with pytest.raises(InvalidArgument, match="law: must be an ActionDensity"):
            EnergyLaw(lattice, bad)
    with pytest.raises(InvalidArgument, match="law: is of 2 actions, not of 3"):
        EnergyLaw(alternating(3, 0.1, coupling=weak), law.law)
    for bad in (-1, 2, 0.5):
        with pytest.raises(InvalidArgument, match="site"):
            law.density([0.1], bad)
    for bad in (0.0, 1.0, np.nan):
        with pytest.raises(InvalidArgument, match="shares"):
            law.quantile(bad)
    with pytest.raises(InvalidArgument, match="energies"):
        law.distribution([np.inf])
    turning = same(1, lambda x: x - 1, 1.0)
    with pytest.raises(InvalidArgument, match="changes its sign"):
        EnergyLaw(turning)


def test_a_law_that_is_too_narrow_for_the_rule():
    """A rule that misses the mass is said."""

    class Narrow:
        """Sites together at 1 with the width 1e-3."""

        nodes = (np.array([0.0, 40.0]),) * 2

        def at(self, points):
            return stats.norm(1, 1e-3).pdf(points).prod(axis=1)

        def marginal(self, site, points):
            return stats.norm(1, 1e-3).pdf(points)

        def distribution(self, site, points):
            return stats.norm(1, 1e-3).cdf(points)

    law = EnergyLaw(alternating(2, 0.1, coupling=weak), Narrow())
    with pytest.warns(Unresolved, match="misses"):
        law.distribution([0.0])
