"""The lattice of rotators: its limit as epsilon -> 0, and what does not matter for it."""

import numpy as np
import pytest
from chance import ALPHA, Z, assert_mean, assert_uniform
from rotators import WORLD, alternating, linear_law, no_coupling, slow, strong, wasserstein, weak
from scipy import stats

from scaling_limits.particles import (
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LatticeRegion,
    RotatorEnsemble,
    RotatorLattice,
    TransportProcess,
)

# ---- the limit --------------------------------------------------------------------------------------------------------

RATE_EPSILONS = np.array([0.1, 0.03, 0.01, 0.003])


@pytest.mark.serial
def test_convergence_in_law_for_all_sizes():
    """The distance of the actions at tau = 1 from their limit falls with epsilon, at a rate between 1/2 and 1 (0.5 to 0.8
    here), and in the same way for N = 4, 16, 64. With 131072 actions a distance is known to 0.004 (false alarm 1e-6: 5
    standard errors of a mean, sd 1, spread over hot and cold sites alike).
    """
    laws = [linear_law(t, 0.5, 1.0).cdf for t in (2.0, 0.5)]
    distances = {}
    for size in (4, 16, 64):
        found = []
        for epsilon in RATE_EPSILONS:
            ensemble = alternating(size, epsilon).sample(np.ones(size), [1.0], 131_072 // size, seed=3)
            found.append(np.mean([wasserstein(ensemble.actions[0, :, k::2], laws[k]) for k in (0, 1)]))
        distances[size] = np.array(found)
        assert (np.diff(found) < 0).all(), distances
        slope = np.polyfit(np.log(RATE_EPSILONS), np.log(found), 1)[0]
        assert 0.4 < slope < 1.0, (size, slope, found)
        assert found[0] > 0.03
        assert found[-1] < 0.012
    for other in (4, 64):  # ends of the chain have one neighbour instead of two
        assert (np.abs(distances[other] - distances[16]) < 0.25 * distances[16] + 0.005).all(), distances


@pytest.mark.serial
def test_limit_does_not_depend_on_the_coupling():
    """G does not matter for epsilon -> 0, and matters at epsilon = 0.1: 5 standard errors and the bias of order epsilon."""
    means = {}
    for name, coupling in (("none", no_coupling), ("strong", strong)):
        for epsilon in (0.1, 0.002):
            lattice = alternating(4, epsilon, coupling=coupling)
            ensemble = lattice.sample(np.ones(4), [0.7], 12_288, seed=5, comm=WORLD)
            means[name, epsilon] = ensemble.mean[0], ensemble.standard_error[0]
    gap = {eps: means["strong", eps][0] - means["none", eps][0] for eps in (0.1, 0.002)}
    error = {eps: np.hypot(means["strong", eps][1], means["none", eps][1]) for eps in (0.1, 0.002)}
    assert (np.abs(gap[0.002]) < Z * error[0.002] + 0.005).all()
    assert (np.abs(gap[0.1]) / error[0.1]).max() > 2 * Z
    exact = 0.5 * np.exp(-1.4) + np.resize([1.0, 0.25], 4) * (1 - np.exp(-1.4))
    assert_mean(means["none", 0.1][0], exact, means["none", 0.1][1])


def test_stationary_law_and_angles():
    """Theorem 2.3: at late times the actions have the law pi of the transport equation and angles are uniform and
    independent of them (here with G, p = 2 and equal temperatures, where pi is exact for every epsilon).
    """
    lattice = alternating(3, 0.05, temperatures=(0.8,))
    ensemble = lattice.sample(np.ones(3), [4.0], 8192, seed=2, comm=WORLD)
    actions, angles = ensemble.actions[0], ensemble.angles[0]
    for j in range(3):
        assert_uniform(1 - np.exp(-2 * actions[:, j] / 0.8))
        assert_uniform(angles[:, j] / (2 * np.pi) + 0.5)
        assert_uniform(angles[actions[:, j] > 0.4, j] / (2 * np.pi) + 0.5)
    assert_uniform(np.mod(angles[:, 0] - angles[:, 1], 2 * np.pi) / (2 * np.pi))


def test_angles_become_uniform_from_one_phase():
    """All members start with angle 0; after a slow time 0.5 the angles are uniform."""
    ensemble = alternating(2, 0.003).sample(np.ones(2), [0.0, 0.5], 4096, seed=8, comm=WORLD)
    assert np.abs(ensemble.angles[0]).max() == 0
    for j in range(2):
        assert_uniform(ensemble.angles[1, :, j] / (2 * np.pi) + 0.5)


@pytest.mark.serial
def test_local_energy_tends_to_that_of_rotation():
    """Corollary 4.7: the law of H_j tends to that of F_j(2 I_j)/2: Wasserstein distances fall like epsilon^a."""
    law = linear_law(1.0, 0.5, 1.0)
    generator = np.random.Generator(np.random.Philox(key=4))
    limit = np.sort(
        alternating(3, 1.0).rotation_energy(
            np.resize(law.rvs(200_000, random_state=generator), (200_000, 1)).repeat(3, 1)
        )[:, 1]
    )
    epsilons, found = np.array([0.16, 0.04, 0.01]), []
    for epsilon in epsilons:
        lattice = alternating(3, epsilon, temperatures=(1.0,))
        ensemble = lattice.sample(np.ones(3), [1.0], 16_384, seed=6, comm=WORLD)
        energy = np.sort(lattice.local_energy(ensemble.amplitudes[0])[:, 1])
        places = (np.arange(energy.size) + 0.5) / energy.size
        found.append(np.abs(energy - np.quantile(limit, places)).mean())
    slope = np.polyfit(np.log(epsilons), np.log(found), 1)[0]
    assert 0.4 < slope < 0.6, found
    assert found[-1] < 0.15


@pytest.mark.serial
def test_defects():
    """Section 7.2: a site that turns with its neighbours is a defect; the sites far enough away follow the limit, those
    next to it do not.
    """
    size, centre = 13, 6
    spins = LatticeRegion.box((size,)).parity.copy()
    spins[centre] *= -1
    lattice = alternating(size, 0.003, spins=spins, temperatures=(2.0, 0.5))
    assert np.flatnonzero(lattice.defects).tolist() == [centre]
    assert np.flatnonzero(lattice.good_sites).tolist() == [0, 1, 2, 10, 11, 12]
    ensemble = lattice.sample(np.ones(size), [1.0], 6144, seed=7, comm=WORLD)
    exact = np.array([linear_law(t, 0.5, 1.0).mean() for t in lattice.temperature])
    bias = 0.02  # of order epsilon, as measured without a defect
    good = lattice.good_sites
    deviation, error = ensemble.mean[0] - exact, ensemble.standard_error[0]
    assert (np.abs(deviation) < Z * error + bias)[good].all()
    assert np.abs(deviation[[centre - 1, centre, centre + 1]]).max() > 2 * Z * error[centre] + bias
    flipped = alternating(size, 0.003, spins=-spins)
    assert np.array_equal(flipped.defects, lattice.defects)


# ---- the thermostat ---------------------------------------------------------------------------------------------------


def test_linear_thermostat_is_exact_in_law():
    """Without coupling, p = 2 has the exact law at every step: Kolmogorov and Smirnov."""
    lattice = alternating(2, 0.5, coupling=no_coupling)
    ensemble = lattice.sample(np.ones(2), [0.6], 20_000, seed=1, step=0.4, comm=WORLD)
    for j, t in enumerate((2.0, 0.5)):
        assert stats.kstest(ensemble.actions[0, :, j], linear_law(t, 0.5, 0.6).cdf).pvalue >= ALPHA


def test_members_do_not_depend_on_workers_ranks_or_their_number():
    lattice = alternating(3, 0.1)
    one = lattice.sample(np.ones(3), [0.05, 0.1], 300, seed=11, workers=1)
    two = lattice.sample(np.ones(3), [0.05, 0.1], 300, seed=11, workers=2, comm=WORLD)
    fewer = lattice.sample(np.ones(3), [0.05, 0.1], 5, seed=11)
    assert np.array_equal(one.amplitudes, two.amplitudes)
    assert np.array_equal(one.amplitudes[:, :5], fewer.amplitudes)
    other = lattice.sample(np.ones(3), [0.05, 0.1], 300, seed=12)
    assert (one.amplitudes[1] != other.amplitudes[1]).all()
    same = alternating(3, 0.1).sample(np.ones((300, 3)), [0.05, 0.1], 300, seed=11)
    assert np.array_equal(one.amplitudes, same.amplitudes)


@pytest.mark.serial
def test_ensembles_on_disk(tmp_path):
    ensemble = alternating(3, 0.1).sample(np.ones(3), [0.0, 0.1], 10, seed=1)
    ensemble.save(tmp_path / "e.npz")
    again = RotatorEnsemble.load(tmp_path / "e.npz")
    assert np.array_equal(again.amplitudes, ensemble.amplitudes)
    assert (again.step, again.seed) == (ensemble.step, 1)
    assert again.actions.shape == again.angles.shape == (2, 10, 3)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(InvalidArgument, match="path"):
        RotatorEnsemble.load(tmp_path / "bad.npz")


def test_regions_in_the_plane_and_in_space():
    """Two and three dimensions, and any set of sites: actions follow the limit without coupling (5 standard errors)."""
    for where in ({"shape": (2, 3)}, {"shape": (2, 1, 2)}, {"shape": None, "sites": [[0, 0], [1, 0], [1, 1], [4, 4]]}):
        lattice = RotatorLattice(
            frequency=slow,
            coupling=no_coupling,
            dissipation=DiagonalDissipation(2),
            temperature=0.7,
            epsilon=0.1,
            **where,
        )
        ensemble = lattice.sample(np.ones(lattice.size), [0.5], 2048, seed=3, comm=WORLD)
        assert_mean(ensemble.mean[0], 0.35 + 0.15 * np.exp(-1.0), ensemble.standard_error[0])


# ---- what else does not matter -----------------------------------------------------------------------------------------


@pytest.mark.serial
def test_functions_of_numpy():
    """f and G' may be written as for arrays."""
    plain, written = (
        RotatorLattice((4,), slow, coupling, DiagonalDissipation(2), 1.0, 0.1).sample(np.ones(4), [0.05], 3, 1)
        for coupling in (weak, lambda x: np.where(x > -1, 1 / (1 + x), 0.0) * np.ones_like(x))
    )
    assert np.abs(written.amplitudes - plain.amplitudes).max() < 1e-10


def test_weaker_coupling_converges_faster():
    """a = 1: the deviation from the limit at epsilon = 0.1 is smaller than with a = 1/2."""
    exact = np.array([linear_law(t, 0.5, 1.0).mean() for t in (2.0, 0.5, 2.0, 0.5)])
    deviation = {}
    for a in (0.5, 1.0):
        ensemble = alternating(4, 0.1, coupling_exponent=a).sample(np.ones(4), [1.0], 16_384, seed=9, comm=WORLD)
        deviation[a] = np.abs(ensemble.mean[0] - exact)
        error = ensemble.standard_error[0]
    assert (deviation[1.0][1::2] + Z * error[1::2] < deviation[0.5][1::2]).all()


@pytest.mark.serial
def test_directed_dissipation_drives_the_lattice():
    """Example 2 at epsilon = 0.003 follows its limit: 5 standard errors and the bias of order epsilon."""
    lattice = alternating(3, 0.003, coupling=weak, dissipation=DirectedDissipation(), temperatures=(2.0, 1.0, 0.5))
    start = np.ones(3)
    ensemble = lattice.sample(start, [1.0], 4096, seed=2, comm=WORLD)
    limit = TransportProcess(lattice).sample(start, [1.0], 65_536, seed=3, comm=WORLD)
    error = np.hypot(ensemble.standard_error, limit.standard_error)
    assert (np.abs(ensemble.mean - limit.mean) < Z * error + 0.01).all()
