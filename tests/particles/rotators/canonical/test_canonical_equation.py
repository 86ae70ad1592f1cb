"""The equation of canonical variables (3.5): its parts against derivatives of the change of variables, and a lattice."""

import numpy as np
import pytest
from rates import assert_rate
from rotators import alternating, slow, strong, weak
from scipy.stats import norm

from scaling_limits.particles import (
    AssumptionWarning,
    CanonicalEquation,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LinearDissipation,
    RotatorLattice,
    canonical_equation,
    canonical_variables,
)
from scaling_limits.particles.errors import NotConverged

pytestmark = pytest.mark.serial  # nothing here communicates
EPSILONS = np.array([0.04, 0.01, 0.0025])
ALARM = norm.isf(0.5e-6 / 4)  # of four numbers


def random(shape, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def drift_by_ito(lattice, f, coupling, u):
    """The drift of v(u) at u: differences along the drift of u, and second ones in the directions of its noise."""
    drift = 1j * lattice.spins * f(np.abs(u) ** 2) * u + lattice.epsilon * lattice.dissipation.at(lattice.region, u)
    for j, k in lattice.region.bonds:
        force = 1j * lattice.epsilon**lattice.coupling_exponent * coupling(np.abs(u[:, j] - u[:, k]) ** 2)
        drift[:, j] += force * (u[:, j] - u[:, k])
        drift[:, k] += force * (u[:, k] - u[:, j])

    def v(x):
        return canonical_variables(lattice, x, steps=16)

    def along(h):
        return (v(u + h * drift) - v(u - h * drift)) / (2 * h)

    def bent(h):
        total = 0
        for k in range(lattice.size):
            for direction in (1, 1j):
                # half the second derivative, for a noise of variance epsilon T_k dt in each part
                e = h * direction * np.sqrt(lattice.epsilon * lattice.temperature[k]) * np.eye(lattice.size)[k]
                total = total + 0.5 * (v(u + e) - 2 * v(u) + v(u - e)) / h**2
        return total

    h = 1.5e-4
    s = 2e-2 / np.sqrt(lattice.epsilon)
    return (4 * along(h) - along(2 * h)) / 3 + (4 * bent(s / 2) - bent(s)) / 3


@pytest.mark.parametrize(("a", "dissipation"), [(0.8, LinearDissipation(0.3 + 0.2j)), (0.5, DirectedDissipation())])
def test_drift(a, dissipation):
    """Hamiltonian parts, dissipation and remainder add up to the drift by Ito's formula, to 1e-6 in r."""
    for epsilon in (0.05, 0.003):
        lattice = alternating(3, epsilon, coupling=weak, dissipation=dissipation, coupling_exponent=a)
        f = lattice.frequency
        found = canonical_equation(lattice, random((2, 3)))
        direct = drift_by_ito(lattice, f, weak, found.microscopic)
        assert np.abs(found.drift - direct).max() < 2e-6 * epsilon ** (1 + a)
        assert found.error.max() < 1e-5
        assert np.abs(found.amplitudes - canonical_variables(lattice, found.microscopic)).max() < 1e-8


def test_drift_beside_a_defect():
    """The same on a chain whose middle bond keeps its coupling."""
    with pytest.warns(AssumptionWarning, match="spin out of order"):
        lattice = RotatorLattice((3,), slow, weak, DiagonalDissipation(2), [2.0, 0.5, 1.0], 0.05, spins=[1, -1, -1])
    found = canonical_equation(lattice, random((2, 3)))
    direct = drift_by_ito(lattice, slow, weak, found.microscopic)
    assert np.abs(found.drift - direct).max() < 2e-6 * 0.05**1.5
    assert np.abs(found.noise[:, 0, 2]).max() < 1e-12


@pytest.mark.parametrize(("dissipation", "order"), [(LinearDissipation(0.3), 0.5), (DirectedDissipation(0.5), 1.0)])
def test_averaged_drift_of_actions(dissipation, order):
    """<A^J> over the relative angle tends to R_j + T_j: of order epsilon^1/2 where g turns with angles, else epsilon.

    <i grad_j H_2 . v_j> = 0 for each j, since it is the derivative of a periodic function of psi_j.
    """
    angles = 2 * np.pi * np.arange(16) / 16
    actions, missed = np.array([0.7, 0.4]), []
    v = np.sqrt(2 * actions) * np.exp(1j * np.stack([angles, 0 * angles], axis=1))
    limit = {0.5: -2 * actions, 1.0: 0.5 * np.array([1, -1]) * actions.prod() - actions**2}[order]
    for epsilon in EPSILONS:
        lattice = alternating(2, epsilon, coupling=weak, dissipation=dissipation)
        found = canonical_equation(lattice, v)
        missed.append(np.abs(found.action_drift.mean(axis=0) - limit - lattice.temperature).max())
        along = (np.conj(v) * found.second).real
        assert np.abs(along.mean(axis=0)).max() < 1e-13
        assert np.abs(along).max() > 1e-3
    assert_rate(EPSILONS, missed, order, slack=0.05, cap=0.01)


def test_noise_is_canonical_and_close_to_that_of_u():
    """M M* - L L* = 1, M = dv/du, L = dv/dconj(u); |d^1 - T| and |d^2| are of order epsilon^1/2, r of order 1."""
    ones, twos, rest = [], [], []
    for epsilon in EPSILONS:
        lattice = alternating(3, epsilon, coupling=weak)
        found = canonical_equation(lattice, random((4, 3)))
        heat = np.sqrt(lattice.temperature)
        m, other = found.noise / heat, found.conjugate_noise / heat
        adjoint = [np.conj(np.swapaxes(x, -1, -2)) for x in (m, other)]
        assert np.abs(m @ adjoint[0] - other @ adjoint[1] - np.eye(3)).max() < 1e-8
        one, two = found.covariances
        ones.append(np.abs(one - np.diag(lattice.temperature)).max())
        twos.append(np.abs(two).max())
        rest.append(np.abs(found.remainder).max())
        bare = np.abs(found.amplitudes) ** 2 * lattice.temperature
        assert np.abs(np.diagonal(found.action_diffusion, axis1=1, axis2=2) - bare).max() < 2 * epsilon**0.5
        assert np.abs(found.action_diffusion - np.swapaxes(found.action_diffusion, 1, 2)).max() < 1e-12
    assert_rate(EPSILONS, ones, 0.5, slack=0.05, cap=0.1)
    assert_rate(EPSILONS, twos, 0.5, slack=0.05, cap=0.2)
    assert_rate(EPSILONS, rest, 0.0, slack=0.05, cap=2.0)


def test_drift_of_actions_by_quadrature_of_one_step():
    """E J(u + du) - J over a step dt of Ito's equation, by the points of a rule of degree 3, tends to A^J of order 1."""
    lattice = alternating(2, 0.05, coupling=strong)
    found = canonical_equation(lattice, random((1, 2), 3))
    u, values, steps = found.microscopic[0], [], np.array([2e-3, 1e-3, 5e-4])
    square = np.abs(u) ** 2
    turning = 1j * lattice.spins * slow(square) * u - lattice.epsilon * u
    bond = 1j * lattice.epsilon**0.5 * strong(np.abs(u[0] - u[1]) ** 2) * (u[0] - u[1])
    drift = turning + bond * np.array([1, -1])
    start = 0.5 * np.abs(found.amplitudes[0]) ** 2
    for h in steps:
        ends = []
        for k in range(2):
            for direction in (1, -1, 1j, -1j):
                kick = 2 * np.sqrt(lattice.epsilon * lattice.temperature[k] * h) * direction * np.eye(2)[k]
                ends.append(u + h * drift + kick)
        actions = 0.5 * np.abs(canonical_variables(lattice, np.array(ends), steps=32)) ** 2
        values.append((actions.mean(axis=0) - start) / (lattice.epsilon * h) - found.action_drift[0])
    errors = np.abs(values).max(axis=1)
    assert_rate(steps, errors, 1.0, slack=0.1, cap=1.0)
    assert np.abs(2 * values[2] - values[1]).max() < 1e-3


def test_a_lattice_follows_it():
    """E J(tau) - J(0) of a lattice is the integral of E A^J, which g_j . v_j + T_j alone is not."""
    lattice = alternating(2, 0.1, coupling=strong)
    start, times = np.array([1.2, 0.9j]), np.linspace(0, 0.02, 5)
    runs = 20_000
    ensemble = lattice.sample(start, times, runs, seed=5, step=0.005)
    ends = [canonical_variables(lattice, u, steps=2) for u in (ensemble.amplitudes[-1], start)]
    gain = 0.5 * (np.abs(ends[0]) ** 2 - np.abs(ends[1]) ** 2)
    # the drift varies little between members: a few tell its mean, with the error of these
    some = canonical_equation(lattice, canonical_variables(lattice, ensemble.amplitudes[:, :6]))
    weights = np.array([1, 4, 2, 4, 1]) * times[1] / 3
    asked = np.tensordot(weights, some.action_drift, axes=1)
    error = np.sqrt(gain.var(axis=0) / runs + asked.var(axis=0) / 6)
    gap = gain.mean(axis=0) - asked.mean(axis=0)
    assert (np.abs(gap) < ALARM * error).all()
    simple = times[-1] * (lattice.temperature - np.abs(start) ** 2)
    assert (np.abs(gain.mean(axis=0) - simple) > ALARM * error).any()


def test_single_states_and_rest():
    """States of the shape (N,), sites at rest, no coupling."""
    lattice = alternating(2, 0.05, coupling=weak)
    one, both = canonical_equation(lattice, [1.0, 0.3j]), canonical_equation(lattice, [[1.0, 0.3j], [0.0, 0.0]])
    assert one.error.shape == ()
    assert np.abs(one.drift - both.drift[0]).max() < 1e-9
    assert np.abs(both.remainder[1]).max() < 1e-6
    assert np.abs(both.second[1]).max() < 1e-9
    alone = canonical_equation(alternating(1, 0.05), [0.3 + 1j])
    assert np.abs(alone.remainder).max() < 1e-6
    assert np.abs(alone.noise - np.sqrt(2.0)).max() < 1e-10


def test_files_and_pictures(tmp_path):
    lattice = alternating(2, 0.05, coupling=weak)
    found = canonical_equation(lattice, random((2, 3, 2)))
    assert found.remainder.shape == (2, 3, 2)
    assert found.noise.shape == (2, 3, 2, 2)
    found.save(tmp_path / "equation.npz")
    again = CanonicalEquation.load(tmp_path / "equation.npz")
    assert np.array_equal(again.drift, found.drift)
    assert np.array_equal(again.error, found.error)
    data = found.to_xarray()
    assert data.noise_real.dims == ("state", "site", "source")
    assert data.sizes["state"] == 6
    assert "largest remainder" in repr(found)
    pytest.importorskip("matplotlib").use("Agg")
    assert len(found.plot().lines) == 4


def test_refusals():
    lattice = alternating(2, 0.05)
    for bad in (np.ones(3), [np.nan, 1], "x", [1e200, 1.0]):
        with pytest.raises(InvalidArgument, match="amplitudes"):
            canonical_equation(lattice, bad)
    with pytest.raises(InvalidArgument, match="lattice"):
        canonical_equation(None, [1, 1])
    with pytest.raises(InvalidArgument, match="fewer states"):
        canonical_equation(lattice, np.ones((2**20, 2)))
    bent = RotatorLattice((2,), lambda x: 1 + x / 2 + abs(x - 1) / 4, weak, DiagonalDissipation(2), 1.0, 0.05)
    with pytest.raises(NotConverged, match="smoother"):
        canonical_equation(bent, [1.0, 0.5j])
