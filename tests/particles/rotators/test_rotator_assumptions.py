"""HF and HG looked at on squares of amplitudes that fit the temperatures; the limit where sites are not good."""

import warnings

import numpy as np
import pytest
from rotators import alternating, fast, slow, weak
from sympy import Abs, conjugate

from scaling_limits.particles import (
    AssumptionWarning,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LatticeRegion,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.rotators.dissipations.perturbation import allowed_constant, perturbation_constant

pytestmark = pytest.mark.serial  # nothing here communicates


def lattice(frequency, temperature=1.0, coupling=weak, size=4, p=2, **more):
    return RotatorLattice((size,), frequency, coupling, DiagonalDissipation(p), temperature, 0.05, **more)


FLAT = {
    "constant": lambda x: 2.0,
    "flat at first": lambda x: 1 + max(x - 45.0, 0.0),
    "a plateau": lambda x: 1 + x if x < 2 else (3.0 if x < 4 else x - 1.0),
    "steps": lambda x: 1.0 + np.floor(x),
}


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", FLAT)
def test_zeros_of_the_derivative_must_be_isolated(name, a):
    """HF, and Remark 2.5 for a >= 1."""
    with pytest.warns(AssumptionWarning, match="HF does not hold: f' is 0 for.*isolated zeros"):
        found = lattice(FLAT[name], (2.0, 0.1, 1.0, 0.5), coupling_exponent=a)
    assert not found.assumptions[0].holds


@pytest.mark.parametrize("temperature", [1e-12, 1e-5, 1.0, 1e5, 1e12])
def test_isolated_zeros_are_no_trouble(temperature):
    """Powers, a wave around a line, and an extremum: whatever T is, nothing is said."""
    root = np.sqrt(temperature)  # the size of |u|^2 for p = 4
    for frequency, p in ((slow, 2), (lambda x: 1 + (x / root) ** 4, 4), (lambda x: 1 + (x / temperature - 1) ** 2, 2)):
        assert all(a.holds for a in lattice(frequency, temperature, p=p).assumptions)


def test_growth_is_that_at_infinity():
    """f = 1 + x/2 grows, also where T = 1e-9 is far below its scale; f = 3 + sin x does not, nor does sqrt x suffice."""
    lattice(slow, 1e-9)
    for frequency in (lambda x: 3 + np.sin(x), lambda x: 1 + np.sqrt(x)):
        for temperature in (1e-3, 1.0, 1e3):
            with pytest.warns(AssumptionWarning, match="HF does not hold: f.x. grows more slowly"):
                lattice(frequency, temperature)
    with pytest.warns(AssumptionWarning, match="HG does not hold"):
        lattice(slow, 1e-2, coupling=lambda x: 1e-9 * x * x)


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_narrow_dips_below_zero_are_found(temperature):
    """A dip of 2 % of its place is below 0 by 0.1 at the bottom, between the points of any coarse grid."""
    place = 0.37 * temperature
    with pytest.raises(InvalidArgument, match="frequency: must be positive"):
        lattice(lambda x: 1 + x / temperature - 1.5 * np.exp(-(((x / place - 1) / 0.01) ** 2)), temperature)


def test_rotators_may_turn_backwards_for_weak_coupling():
    """a = 1: f < 0 is allowed, and the step is that of |f|."""
    there, back = (lattice(f, coupling_exponent=1.0) for f in (lambda x: 1 + 3 * x, lambda x: -1 - 3 * x))
    ends = [x.sample(np.ones(4), [0.02], 3, seed=1) for x in (there, back)]
    assert ends[0].step == ends[1].step > 0


def test_spins_that_do_not_alternate():
    with pytest.warns(AssumptionWarning, match="HF does not hold: 4 sites with a spin out of order"):
        equal = lattice(slow, size=8, spins=np.ones(8))
    with pytest.warns(AssumptionWarning, match="transport process is not the limit of this lattice at the sites 0, 1"):
        TransportProcess(equal)
    weaker = lattice(slow, size=8, spins=np.ones(8), coupling_exponent=1.0)
    assert weaker.good_sites.all()
    TransportProcess(weaker)


def test_one_defect_among_good_sites():
    """The lattice itself is as good as any; its limit is said to hold on good sites only."""
    spins = LatticeRegion.box((15,)).parity.copy()
    spins[7] *= -3
    found = alternating(15, 0.1, spins=spins)
    assert found.assumptions[0].holds
    with pytest.warns(AssumptionWarning, match="sites 4, 5, 6, 7, 8, 9, 10: they are defects"):
        TransportProcess(found)


def test_each_part_of_a_region_has_its_own_alternation():
    """Two chains that are far apart, one of them turned around: no defects; spins of any size are in order."""
    sites = np.concatenate([np.arange(5), np.arange(20, 26)])
    spins = np.where(sites % 2 == 0, 1.0, -2.0) * np.where(sites < 10, 1.0, -1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = RotatorLattice(None, slow, weak, DiagonalDissipation(2), 1.0, 0.1, spins, sites=sites)
        TransportProcess(found)
    assert not found.defects.any()
    assert found.region.parts.tolist() == [0] * 5 + [1] * 6
    spins[2] *= -1
    with pytest.warns(AssumptionWarning, match="not the limit"):
        TransportProcess(RotatorLattice(None, slow, weak, DiagonalDissipation(2), 1.0, 0.1, spins, sites=sites))


def test_distances_are_those_of_the_lattice():
    """`within` against all distances, in the plane, over gaps of the region too."""
    generator = np.random.default_rng(0)
    region = LatticeRegion(np.argwhere(generator.random((12, 11)) < 0.6) - 5)
    centre = generator.choice(region.size, 6, replace=False)
    distance = np.abs(region.sites[:, None] - region.sites[centre]).sum(axis=2).min(axis=1)
    for radius in (0, 1, 3):
        assert np.array_equal(region.within(centre, radius), distance <= radius)


def test_assumptions_are_named():
    """HF: f must be positive, and grow; HG; Hg: |b| beyond what dissipates."""
    with pytest.warns(AssumptionWarning, match="HF"):
        RotatorLattice((2,), slow, weak, DiagonalDissipation(4), 1.0, 0.1)
    with pytest.warns(AssumptionWarning, match="HG"):
        RotatorLattice((2,), slow, fast, DiagonalDissipation(2), 1.0, 0.1)
    with pytest.warns(AssumptionWarning, match="Hg"):
        RotatorLattice((3,), slow, weak, LinearDissipation(0.9), 1.0, 0.1)
    lattice = RotatorLattice((3,), slow, weak, LinearDissipation(0.1), 1.0, 0.1)
    assert [a.name for a in lattice.assumptions] == ["HF", "HG", "Hg"]
    assert all(a.holds for a in lattice.assumptions)
    assert "above the constant 0.0139 of Example 2.4" in lattice.assumptions[2].detail
    RotatorLattice((2,), slow, weak, DiagonalDissipation(4), 1.0, 0.1, coupling_exponent=1.0)  # HF is not needed


def test_constants_of_example_2_4():
    """A bound of C, |g_l + c |u_l|^(p-2) u_l| <= C sum_k |u_k|^(p-1) + const, at large random amplitudes; by hand for few."""
    generator = np.random.default_rng(5)
    region = LatticeRegion.box((3, 2))

    def mixed(u):
        return -2 * Abs(u()) ** 2 * u() + 0.02 * u(1) ** 2 * conjugate(u()) + 0.01j * Abs(u(0, 1)) ** 2 * u() + u(-1)

    found = perturbation_constant(PolynomialDissipation(mixed), region)
    # of |u_k|^3: 2/3 of 0.02, and 1/3 of 0.02 + 1/3 of 0.01 of |u_j|^3; over 2
    assert abs(found - 0.02 * 2 / 3 / 2) < 1e-15
    assert allowed_constant(region) == 1 / 400
    g = PolynomialDissipation(mixed)
    u = 1e6 * generator.standard_normal((1000, 6, 2)).view(complex)[..., 0] * generator.random((1000, 6)) ** 4
    left = np.abs(g.at(region, u) / 2 + np.abs(u) ** 2 * u)
    assert (left <= found * (np.abs(u) ** 3).sum(axis=1, keepdims=True) * (1 + 1e-6)).all()
    line = LatticeRegion.box(3)
    assert perturbation_constant(LinearDissipation(0.1), line) == 0.1
    assert perturbation_constant(DirectedDissipation(strength=0.1), line) == pytest.approx(0.1 * 2 / 3, rel=1e-14)
    assert perturbation_constant(PolynomialDissipation(lambda u: u(1)), line) == np.inf
    assert perturbation_constant(DiagonalDissipation(3), line) is None
    small = PolynomialDissipation(lambda u: -(Abs(u()) ** 2) * u() + 0.001 * u(1) ** 3)
    lattice = RotatorLattice((3,), fast, weak, small, 1.0, 0.1)
    assert "C <= 0.001 is below the constant 0.0139 of Example 2.4" in lattice.assumptions[2].detail
