"""R split into flows of action and the rest: exactly of polynomials, by a fit of others, and of one's own."""

import warnings

import numpy as np
import pytest
from chance import assert_mean
from conduction import KAPPA, conducting
from rotators import FREQUENCIES, alternating, weak
from sympy import Abs

from scaling_limits import load
from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    EntropyProduction,
    InvalidArgument,
    LatticeRegion,
    LinearDissipation,
    MeanCurrents,
    PolynomialDissipation,
    RotatorEnsemble,
    RotatorLattice,
    TransportProcess,
    Unresolved,
    action_currents,
)

pytestmark = pytest.mark.serial
ACTIONS = np.random.default_rng(1).exponential(size=(50, 4))


def lattice(dissipation, temperature=(1.0, 0.7, 0.4, 0.2), shape=(4,)):
    frequency = FREQUENCIES[dissipation.power]
    return RotatorLattice(shape, frequency, weak, dissipation, np.resize(temperature, np.prod(shape)), 0.1)


def quietly(model, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        return action_currents(model, **more)


def directed(j, u):
    """Example 2 as a function for numba."""
    rate = -(abs(u[j]) ** 2)
    if j + 1 < len(u):
        rate += abs(u[j + 1]) ** 2
    if j > 0:
        rate -= abs(u[j - 1]) ** 2
    return 0.25 * rate * u[j]


def directed_polynomial(u):
    return (Abs(u(1)) ** 2 - Abs(u(-1)) ** 2 - Abs(u()) ** 2) * u() / 4


def saturating(j, u):
    """No polynomial: neighbours give what saturates."""
    rate = -0.5 * abs(u[j]) ** 2
    for k in (j - 1, j + 1):
        if k >= 0 and k < len(u):
            rate += 0.5 * (abs(u[k]) ** 2 - abs(u[j]) ** 2) / (1 + abs(u[k]) ** 2 + abs(u[j]) ** 2)
    return rate * u[j]


# --- the split -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dissipation", "rule", "rounding"),
    [
        (DirectedDissipation(), "declared", 1e-14),
        (PolynomialDissipation(directed_polynomial), "monomials", 1e-14),
        (CustomDissipation(directed, 4), "fit", 1e-11),
    ],
)
def test_example_2(dissipation, rule, rounding):
    """Theta = 2 I_{j+1} I_j flows from j + 1 to j by halves, and -I_j^2 is left, whichever way it is found."""
    found = action_currents(lattice(dissipation))
    assert found.rule == rule
    assert np.abs(found.flow(ACTIONS) + ACTIONS[:, 1:] * ACTIONS[:, :-1]).max() < rounding * 1e3
    assert np.abs(found.local(ACTIONS) + ACTIONS**2).max() < rounding * 1e3
    assert found.residual_size < rounding * 10


def test_conduction():
    """J = 2 kappa (I_j^2 - I_k^2), the dissipation of each site by itself, and what bonds dissipate."""
    model = lattice(conducting(4))
    with pytest.warns(Unresolved, match="neither flow through bonds nor a function of one action"):
        found = action_currents(model)
    x, y = ACTIONS[:, :-1], ACTIONS[:, 1:]
    assert np.abs(found.flow(ACTIONS) - 2 * KAPPA * (x**2 - y**2)).max() < 1e-12
    assert np.abs(found.local(ACTIONS) + 0.2 * ACTIONS**2).max() < 1e-12
    lost = np.zeros_like(ACTIONS)
    lost[:, :-1] += 2 * KAPPA * (x - y) ** 2
    lost[:, 1:] += 2 * KAPPA * (x - y) ** 2
    assert np.abs(found.residual(ACTIONS) + lost).max() < 1e-12
    assert 0.1 < found.residual_size < 1.0
    assert "residual" in repr(found)


def test_sum_is_exact():
    """Flows, local part and residual are R, where the flows come from a fit that misses a little."""
    model = lattice(CustomDissipation(saturating, 4))
    found = quietly(model)
    assert 1e-4 < found.misfit < 0.02
    total = found.local(ACTIONS) + found.residual(ACTIONS)
    total[:, :-1] -= found.flow(ACTIONS)
    total[:, 1:] += found.flow(ACTIONS)
    u = np.sqrt(2 * ACTIONS)
    exact = np.array([[(saturating(j, one + 0j) * one[j]).real for j in range(4)] for one in u])
    assert np.abs(total - exact).max() < 1e-11
    # the exchange is odd up to what bonds dissipate, so that flows go from more action to less
    assert ((found.flow(ACTIONS) > 0) == (ACTIONS[:, :-1] > ACTIONS[:, 1:])).mean() > 0.9


def test_powers_that_differ():
    """Of c I_j^2 I_k a flow c/3 (2 I_j^3 - I_k^3) + ..., whose residual is of second order at equal actions."""
    model = lattice(PolynomialDissipation(lambda u: (-(Abs(u()) ** 4) + 0.1 * Abs(u()) ** 2 * Abs(u(1)) ** 2) * u()))
    found = quietly(model)
    c = 0.1 * 8
    x, y = ACTIONS[:, 0], ACTIONS[:, 1]
    expected = -0.5 * c * x**2 * y + 0.5 * c * (2 * x**3 - y**3) / 3
    assert np.abs(found.flow(ACTIONS)[:, 0] - expected).max() < 1e-11
    sizes = []
    for h in (1e-2, 1e-3):
        near = np.full((1, 4), 0.7)
        near[0, 1] += h
        sizes.append(np.abs(found.residual(near)).max())
    assert 90 < sizes[0] / sizes[1] < 110


def test_plane_and_diagonal():
    plane = quietly(lattice(DirectedDissipation(), shape=(3, 2)))
    assert plane.flow(np.ones((2, 6))).shape == (2, 7)
    assert plane.flow(np.ones(6)).shape == (7,)
    assert (action_currents(lattice(DiagonalDissipation(4))).flow(ACTIONS) == 0).all()
    assert (action_currents(lattice(LinearDissipation(0.1j))).flow(ACTIONS) == 0).all()


def test_given_flow():
    """One's own is looked at: what is neither flow nor a function of one action is said."""
    model = lattice(DirectedDissipation())
    right = action_currents(model, flow=lambda x: -x[:, 1:] * x[:, :-1])
    assert right.rule == "given"
    assert right.residual_size < 1e-12
    with pytest.warns(Unresolved, match="give another `flow`"):
        wrong = action_currents(model, flow=lambda x: x[:, 1:] * x[:, :-1])
    assert wrong.residual_size > 0.1
    for flow in (3, lambda x: x, lambda x: x[0], lambda x: 1 / 0):
        with pytest.raises(InvalidArgument, match="flow"):
            action_currents(model, flow=flow)
    with pytest.raises(InvalidArgument, match="lattice"):
        action_currents(3)
    for actions in (-ACTIONS, ACTIONS[:, :2], np.nan * ACTIONS):
        with pytest.raises(InvalidArgument, match="actions"):
            right.flow(actions)


# --- means ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stationary():
    """Chains of conduction between hot and cold, at one temperature, and of example 2."""
    result = {}
    for name, dissipation, temperature in (
        ("hot and cold", conducting(4), (1.0, 0.7, 0.4, 0.2)),
        ("equal", conducting(4), (1.0,)),
        ("directed", DirectedDissipation(), (1.0,)),
    ):
        model = lattice(dissipation, temperature)
        samples = TransportProcess(model).sample(np.full(4, 0.8), [12.0, 14.0, 16.0], 2048, seed=1)
        result[name] = quietly(model), samples
    return result


def test_balance(stationary):
    """E R_j + T_j = 0, and its parts are its parts."""
    for name in ("hot and cold", "directed"):
        found, samples = stationary[name]
        mean = found.mean(samples)
        assert_mean(mean.balance, 0.0, np.hypot(mean.balance_error, 0.004))
        flow = np.concatenate([[0.0], mean.flow, [0.0]])
        parts = flow[:-1] - flow[1:] + mean.local + mean.residual + mean.temperature
        assert np.abs(parts - mean.balance).max() < 1e-12
        assert mean.imbalance < 6
        assert np.abs(mean.actions - samples.mean.mean(axis=0)).max() < 1e-12
    assert (stationary["hot and cold"][0].mean(stationary["hot and cold"][1]).flow > 0).all()


def test_samples_that_are_not_stationary(stationary):
    found, samples = stationary["hot and cold"]
    early = RotatorEnsemble(samples.times, 2 * samples.amplitudes, samples.step, samples.seed)
    with pytest.warns(Unresolved, match="not stationary yet"):
        found.mean(early)
    with pytest.warns(Unresolved, match="not stationary yet"):
        found.entropy_production(early)
    with pytest.raises(InvalidArgument, match="samples"):
        found.mean(3)
    with pytest.raises(InvalidArgument, match="samples"):
        found.mean(RotatorEnsemble(samples.times, samples.amplitudes[:, :, :3], 0.1, 1))


def test_entropy_production(stationary):
    """0 in equilibrium to rounding; what potential forces take up is nothing in all; not negative, and 0 for no flow."""
    found, samples = stationary["equal"]
    production = found.entropy_production(samples)
    assert abs(production.rate) < 1e-9
    found, samples = stationary["hot and cold"]
    production = found.entropy_production(samples)
    assert production.rate > 10 * production.error
    assert abs(production.heat.sum()) < 1e-9
    assert abs(production.rate - (production.heat / production.temperature).sum()) < 0.1 * production.error
    found, samples = stationary["directed"]
    assert found.entropy_production(samples).rate > 1.0


def test_results_show_themselves(stationary, tmp_path):
    found, samples = stationary["hot and cold"]
    for result, kind in ((found.mean(samples), MeanCurrents), (found.entropy_production(samples), EntropyProduction)):
        result.save(tmp_path / "file.npz")
        again = load(tmp_path / "file.npz")
        assert type(again) is kind
        assert repr(again) == repr(result)
        assert len(repr(result).splitlines()) <= 8
        assert result.to_xarray().attrs["kind"] == kind.__name__
        assert result.plot().get_xlabel() == "site"
    plane = quietly(lattice(DirectedDissipation(), shape=(3, 2)))
    assert plane.result(np.ones(31), np.ones(31), "density").plot().get_ylabel() == "site, second direction"


@pytest.mark.parametrize("size", [3, 4, 40])
def test_arrows_of_a_ring(size):
    """Sites on a circle, and arrows along it: the flow from each site to the next is clockwise, also around the end."""
    region = LatticeRegion.box((size,), periodic=True)
    flow = np.where((region.bonds[:, 1] - region.bonds[:, 0]) % size == 1, 1.0, -1.0)
    none = np.zeros(size)
    mean = MeanCurrents(region.sites, region.bonds, none, none, flow, flow, none, none, none, none, "samples")
    ax = mean.plot()
    dots, arrows = ax.collections[:2]
    places = np.asarray(dots.get_offsets())
    assert np.ptp(np.linalg.norm(places, axis=1)) < 1e-12
    middle = np.asarray(arrows.get_offsets())
    assert len(middle) == min(size, 32)
    turning = middle[:, 0] * arrows.V - middle[:, 1] * arrows.U
    assert (turning < 0).all()
    # the arrow of a bond is between its two sites
    near = np.sort(np.linalg.norm(middle[:, None] - places, axis=2), axis=1)
    assert np.abs(near[:, 0] - near[:, 1]).max() < 1e-12
    assert {text.get_text() for text in ax.texts} >= {"0", str(size - 1)}


def test_pictures_without_flow():
    """Diagonal dissipation has no flow between sites, and its picture says so; sites have whole numbers."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    lattice = alternating(2, 0.1)
    mean = action_currents(lattice).mean(TransportProcess(lattice).sample_stationary(64, 1))
    ax = mean.plot()
    assert ax.get_title() == "no flow"
    assert all(tick == round(tick) for tick in ax.get_xticks())
    pyplot.close("all")
