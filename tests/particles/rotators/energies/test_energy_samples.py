"""Samples of energies: against the law in closed form, with their errors; files."""

import numpy as np
import pytest
from rotators import alternating, weak
from scipy.stats import norm

from scaling_limits.particles import EnergyLaw, EnergySamples, InvalidArgument, TransportProcess, energy_samples

pytestmark = pytest.mark.serial  # nothing here communicates
RUNS = 20_000
ALARM = norm.isf(0.5e-6 / 60)  # of sixty numbers


@pytest.fixture(scope="module")
def sampled():
    """A lattice, and the limit of it near its stationary law: exp(-2 tau) is left of the start."""
    lattice = alternating(3, 0.1, coupling=weak)
    ensemble = TransportProcess(lattice).sample(np.full(3, 0.5 + 0j), [0.0, 8.0], RUNS, seed=4)
    return lattice, ensemble, energy_samples(lattice, ensemble)


def test_two_routes(sampled):
    """Distributions, masses, quantiles and means of sites and of the sum, within their standard errors."""
    lattice, _, energies = sampled
    law = EnergyLaw(lattice)
    for site in (0, 1, 2, None):
        x = law.quantile([0.05, 0.3, 0.6, 0.95], site)
        share, error = energies.distribution(x, site)
        assert (np.abs(share - [0.05, 0.3, 0.6, 0.95]) < ALARM * error).all()
        mass, error = energies.masses(x, site)
        assert (np.abs(mass - [0.25, 0.3, 0.35]) < ALARM * error).all()
        found, error = energies.quantile([0.05, 0.3, 0.6, 0.95], site)
        assert (np.abs(found - x) < ALARM * error).all()
        assert (error < 0.1 * np.ptp(x)).all()
    means = np.array([law.mean(j) for j in range(3)])
    assert (np.abs(energies.mean[-1] - means) < ALARM * energies.standard_error[-1]).all()


def test_errors_are_those_of_repetitions(sampled):
    """Of a hundred parts of the members the shares and quantiles scatter as their errors say."""
    _, _, energies = sampled
    parts = [EnergySamples(energies.times, part, False) for part in np.array_split(energies.energies, 100, axis=1)]
    for name, at in (("distribution", 0.3), ("quantile", 0.6)):
        values, errors = np.transpose([getattr(part, name)(at, 0) for part in parts])
        # the scatter of a hundred numbers is known to 7 %
        assert 0.65 < values.std() / errors.mean() < 1.45


def test_energies_are_those_of_the_lattice(sampled):
    lattice, ensemble, energies = sampled
    assert np.array_equal(energies.energies, lattice.rotation_energy(ensemble.actions))
    whole = energy_samples(lattice, ensemble, coupled=True)
    assert np.array_equal(whole.values, lattice.local_energy(ensemble.amplitudes))
    assert whole.coupled


def test_files_and_pictures(sampled, tmp_path):
    _, _, energies = sampled
    energies.save(tmp_path / "energies.npz")
    again = EnergySamples.load(tmp_path / "energies.npz")
    assert np.array_equal(again.energies, energies.energies)
    assert again.coupled is False
    assert energies.to_xarray().energies.dims == ("time", "member", "site")
    assert "20000 of 3 numbers" in repr(energies)
    mean, error = energies.average(lambda e: e.sum(axis=1))
    assert abs(mean[1] - energies.energies[1].sum(axis=1).mean()) < 1e-12
    assert error.shape == (2,)
    pytest.importorskip("matplotlib").use("Agg")
    assert energies.plot().get_xlabel() == "energy (action/time)"


def test_refusals(sampled):
    lattice, ensemble, energies = sampled
    with pytest.raises(InvalidArgument, match="lattice"):
        energy_samples(3, ensemble)
    with pytest.raises(InvalidArgument, match="ensemble"):
        energy_samples(lattice, energies)
    with pytest.raises(InvalidArgument, match="ensemble: is of 3 sites, not of 2"):
        energy_samples(alternating(2, 0.1), ensemble)
    with pytest.raises(InvalidArgument, match="site"):
        energies.distribution(0.0, 3)
    with pytest.raises(InvalidArgument, match="index"):
        energies.distribution(0.0, 0, index=2)
    for bad in ([1.0], [1.0, 0.5], [[0, 1]]):
        with pytest.raises(InvalidArgument, match="edges"):
            energies.masses(bad)
    with pytest.raises(InvalidArgument, match="ten of 20000 members"):
        energies.quantile(1e-4)
    for bad in (1.5, -1.0, [0.5, 1.0], 0.0):
        with pytest.raises(InvalidArgument, match="shares: must be above 0 and below 1"):
            energies.quantile(bad)


def test_pictures_show_what_most_members_do():
    """Bins between two quantiles hold the part of the members there, however far out some are; else as one says."""
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    moduli = np.random.default_rng(1).exponential(size=(1, 300, 12)) ** 3
    energies = EnergySamples(np.zeros(1), moduli * np.where(np.arange(12) % 2, -0.01, 1.0), False)
    ax = energies.plot()
    assert "0.01 and 0.99" in ax.get_title()
    assert ax.get_xscale() == "symlog"
    assert ax.get_legend().get_title().get_text() == "the first 10 of 12 sites"
    for j, drawn in enumerate(ax.patches):
        x, y = np.split(drawn.get_xy(), 2, axis=1)
        low, high = np.quantile(energies.energies[0, :, j], [0.01, 0.99])
        np.testing.assert_allclose([x.min(), x.max()], [low, high])
        # the outline goes along the bins once: the area below its steps
        assert abs((y[:-1, 0] * np.diff(x[:, 0])).sum() - 294 / 300) < 1e-9
        assert len(np.unique(y)) > 8
    assert energies.plot(bins=5).get_xscale() == "linear"
    assert EnergySamples(np.zeros(1), np.ones((1, 30, 2)), False).plot().get_xscale() == "linear"
    plt.close("all")
