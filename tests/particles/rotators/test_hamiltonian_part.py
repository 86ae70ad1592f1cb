"""The Hamiltonian part of the lattice of rotators: bonds of regions, exact flows of the parts, energies."""

import numpy as np
import pytest
from rates import assert_rate
from rotators import alternating, hamiltonian_steps, slow, strong, weak

from scaling_limits.particles import DiagonalDissipation, LatticeRegion, RotatorLattice
from scaling_limits.particles.rotators.dissipations.kernels import LANES

pytestmark = pytest.mark.serial  # nothing here communicates

# ---- regions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 4)])
def test_bonds_of_boxes(shape):
    """Each pair of neighbours once, in at most 2 d colours without common sites; parities of neighbours differ."""
    region = LatticeRegion.box(shape)
    expected = sum(np.prod(shape) // n * (n - 1) for n in shape)
    assert len(region.bonds) == expected
    assert len({tuple(sorted(b)) for b in region.bonds.tolist()}) == expected
    assert (
        np.abs(region.sites[region.bonds[:, 0]] - region.sites[region.bonds[:, 1]]).sum(axis=1).tolist()
        == [1] * expected
    )
    assert len(region.colours) <= 2 * len(shape)
    assert all(len(np.unique(c)) == c.size for c in region.colours)
    assert (region.parity[region.bonds[:, 0]] == -region.parity[region.bonds[:, 1]]).all()
    assert [len(near) for near in region.neighbours] == [(region.bonds == j).sum() for j in range(region.size)]


def test_any_region():
    """An L of five sites with negative coordinates, and sites without neighbours."""
    region = LatticeRegion(np.array([[0, 0], [0, 1], [0, -1], [1, -1], [5, 5]]))
    assert sorted(map(sorted, region.bonds.tolist())) == [[0, 1], [0, 2], [2, 3]]
    assert region.neighbours[4].size == 0
    assert region.within(np.array([1]), 1).tolist() == [True, True, False, False, False]


# ---- the Hamiltonian part ---------------------------------------------------------------------------------------------


def amplitudes(size, lanes=LANES, seed=1):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((size, lanes)) + 1j * generator.standard_normal((size, lanes))


def test_sum_of_actions_over_a_million_steps():
    u = amplitudes(3)
    lattice = alternating(3, 0.01)
    v = hamiltonian_steps(lattice, u, 0.17, 1_000_000)
    assert np.abs((np.abs(v) ** 2).sum(axis=0) / (np.abs(u) ** 2).sum(axis=0) - 1).max() < 1e-12
    assert np.abs(np.abs(v) - np.abs(u)).max() > 0.1  # something happened


@pytest.mark.parametrize("shape", [(6,), (3, 3), (2, 2, 2)])
def test_hamiltonian_part(shape):
    """Reversible in time; of order 2, judged by the energy; the sum of actions stays."""
    lattice = RotatorLattice(shape, slow, strong, DiagonalDissipation(2), 1.0, 0.04)
    u = amplitudes(lattice.size)
    forth = hamiltonian_steps(lattice, u, 0.05, 40)
    assert np.abs(hamiltonian_steps(lattice, forth, -0.05, 40) - u).max() < 1e-11
    assert np.abs((np.abs(forth) ** 2).sum(axis=0) / (np.abs(u) ** 2).sum(axis=0) - 1).max() < 1e-13
    energy = lattice.local_energy(u.T).sum(axis=1)
    counts = np.array([80, 160, 320])
    errors = [
        np.abs(lattice.local_energy(hamiltonian_steps(lattice, u, 2 / n, n).T).sum(axis=1) - energy).mean()
        for n in counts
    ]
    assert_rate(1 / counts, errors, 2.0, slack=0.1, cap=5e-5)


def test_two_rotators_against_an_ordinary_differential_equation():
    from scipy.integrate import solve_ivp

    lattice = RotatorLattice((2,), slow, weak, DiagonalDissipation(2), 1.0, 0.25)
    u = np.array([0.8 + 0.3j, -0.4 + 1.1j])

    def right(t, v):
        d = v[0] - v[1]
        bond = 0.5j * weak(abs(d) ** 2) * d
        return np.array([1j * slow(abs(v[0]) ** 2) * v[0] + bond, -1j * slow(abs(v[1]) ** 2) * v[1] - bond])

    exact = solve_ivp(right, (0, 1), u, rtol=1e-11, atol=1e-12).y[:, -1]
    counts = np.array([16, 32, 64])
    errors = [
        np.abs(hamiltonian_steps(lattice, np.repeat(u[:, None], LANES, 1), 1 / n, n)[:, 0] - exact).max()
        for n in counts
    ]
    assert_rate(1 / counts, errors, 2.0, slack=0.1, cap=2e-4)


def test_local_energy_in_closed_form():
    lattice = RotatorLattice((3,), slow, weak, DiagonalDissipation(2), 1.0, 0.09)
    u = np.array([[0.5 + 1j, -0.3j, 1.2]])
    square = np.abs(u[0]) ** 2
    bonds = np.log1p(np.abs(np.diff(u[0])) ** 2)
    expected = 0.5 * np.array([1, -1, 1]) * (square + square**2 / 4)
    expected += 0.25 * 0.3 * np.array([bonds[0], bonds.sum(), bonds[1]])
    assert np.abs(lattice.local_energy(u)[0] - expected).max() < 1e-13
