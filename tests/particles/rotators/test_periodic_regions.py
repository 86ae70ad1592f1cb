"""Rings, cylinders and tori: bonds, distances, the equation beside Runge-Kutta on numpy's rolls, shifts, averages."""

import warnings

import numpy as np
import pytest
from chance import assert_mean
from rates import assert_rate
from rotators import fast, hamiltonian_steps, slow, strong, weak

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import (
    AssumptionWarning,
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    LatticeRegion,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
    canonical_variables,
)
from scaling_limits.particles.rotators.dissipations.kernels import LANES

pytestmark = pytest.mark.serial  # nothing here communicates

TORI = [
    ((4,), (True,)),
    ((5,), (True,)),
    ((3,), (True,)),
    ((4, 3), (True, True)),
    ((3, 4), (False, True)),
    ((4, 3, 5), (True,) * 3),
]


def torus(shape, periodic=True, dissipation=None, temperature=1.0, **more):
    g = DiagonalDissipation(2) if dissipation is None else dissipation
    options = {"coupling": weak, "epsilon": 0.1} | more
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)  # around odd numbers of sites
        return RotatorLattice(shape, slow if g.power == 2 else fast, dissipation=g, temperature=temperature,
                              periodic=periodic, **options)  # fmt: skip


def rolled(values, shape, axis, by, closed=True):
    """Values (..., N) of the sites j + by along an axis; 0 beyond an open end."""
    whole = values.reshape(*values.shape[:-1], *shape)
    place = values.ndim - 1 + axis
    moved = np.roll(whole, -by, axis=place)
    if not closed:
        edge = [slice(None)] * moved.ndim
        edge[place] = slice(-by, None) if by > 0 else slice(None, -by)
        moved[tuple(edge)] = 0.0
    return moved.reshape(values.shape)


# ---- regions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "closed"), TORI)
def test_bonds_around_tori(shape, closed):
    """Each pair of neighbours once, in colours without common sites, 2 for each direction and 3 around an odd one;
    neighbours, shifts and distances are those of coordinates modulo the periods.
    """
    region = LatticeRegion.box(shape, closed)
    size, periods = region.size, np.array([n if c else 10**6 for n, c in zip(shape, closed)])
    apart = np.abs(region.sites[:, None] - region.sites)
    distance = np.minimum(apart, periods - apart).sum(axis=2)
    expected = {(j, k) for j, k in np.argwhere(distance == 1) if j < k}
    assert {tuple(sorted(b)) for b in region.bonds.tolist()} == expected
    assert len(region.bonds) == len(expected)
    assert all(len(np.unique(c)) == c.size for c in region.colours)
    assert len(region.colours) == sum(min(2, n - 1) if not c else 2 + n % 2 for n, c in zip(shape, closed))
    for j in range(size):
        assert region.neighbours[j].tolist() == np.flatnonzero(distance[j] == 1).tolist()
    for axis, n in enumerate(shape):
        step = np.eye(len(shape), dtype=int)[axis]
        numbers = rolled(np.arange(size) + 1, shape, axis, 1, closed[axis]) - 1
        assert np.array_equal(region.shifted(step), numbers)
        if closed[axis]:
            assert np.array_equal(region.shifted(n * step), np.arange(size))
    centre = np.array([0, size - 1])
    for radius in (0, 1, 2, 4):
        assert np.array_equal(region.within(centre, radius), distance[centre].min(axis=0) <= radius)
    assert region.parts.tolist() == [0] * size
    odd = any(n % 2 for n, c in zip(shape, closed) if c)
    assert (region.parity[region.bonds[:, 0]] == -region.parity[region.bonds[:, 1]]).all() != odd


def test_what_cannot_be_closed():
    """One and two sites around, other types, sites beyond a period, `periodic` of sites that are no box."""
    for shape, periodic, words in (
        ((2,), True, "neighbours twice; take at least 3, or leave it open"), ((1,), True, "its own neighbour"),
        ((4, 2), (True, True), r"periodic=\(True, False\)"), ((4,), (True, True), "each of 1 directions"), ((4,), 1, "True or False"),
        ((4,), "yes", "True or False"), ((4,), None, "True or False"), ((4,), [[True]], "True or False"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=f"periodic: .*{words}"):
            LatticeRegion.box(shape, periodic)
    with pytest.raises(InvalidArgument, match="sites: must be 0 .. 4"):
        LatticeRegion([[0], [5]], (5,))
    for periods, words in (((2,), "at least 3"), ((3, 3), "each of 1"), ((-3,), "between 0")):
        with pytest.raises(InvalidArgument, match=f"periods: .*{words}"):
            LatticeRegion([[0], [1]], periods)
    with pytest.raises(InvalidArgument, match="periodic: is of a box"):
        RotatorLattice(None, slow, weak, DiagonalDissipation(2), 1.0, 0.1, sites=[[0], [1]], periodic=True)
    with pytest.raises(InvalidArgument, match=r"u\[\(j - 1\) % u.size\]"):
        torus((4,), dissipation=CustomDissipation(lambda j, u: -u[j] + 0.1 * u[j - 1], 2))
    holes = LatticeRegion([[0, 0], [4, 0], [2, 0]], (5, 0))
    assert holes.bonds.tolist() == [[1, 0]]


# ---- the Hamiltonian part ---------------------------------------------------------------------------------------------


def amplitudes(size, seed=1):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((LANES, size)) + 1j * generator.standard_normal((LANES, size))


def by_runge_kutta(lattice, shape, closed, u, time, count):
    """du_j = i f_j u_j + i sqrt(epsilon) sum G' (u_j - u_k) by the classical scheme, with neighbours from np.roll."""
    strength = np.sqrt(lattice.epsilon)

    def right(v):
        slope = 1j * lattice.spins * slow(np.abs(v) ** 2) * v
        for axis in range(len(shape)):
            for by in (1, -1):
                there = rolled(np.ones(v.shape), shape, axis, by, closed[axis])
                d = (v - rolled(v, shape, axis, by, closed[axis])) * there
                slope += 1j * strength * strong(np.abs(d) ** 2) * d
        return slope

    h = time / count
    for _ in range(count):
        k1 = right(u)
        k2 = right(u + 0.5 * h * k1)
        k3 = right(u + 0.5 * h * k2)
        u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + right(u + h * k3))
    return u


@pytest.mark.parametrize(("shape", "closed"), TORI)
def test_tori_against_runge_kutta(shape, closed):
    """Rate 2 towards the classical scheme with tiny steps; the sum of actions stays; reversible in time."""
    lattice = torus(shape, closed, coupling=strong)
    u = amplitudes(lattice.size)
    exact = by_runge_kutta(lattice, shape, closed, u, 0.5, 400)
    counts, ends = np.array([40, 80, 160]), []
    for n in counts:
        ends.append(hamiltonian_steps(lattice, u.T, 0.5 / n, n).T)
    errors = [np.abs(end - exact).mean() for end in ends]
    assert_rate(1 / counts, errors, 2.0, slack=0.1, cap=1e-4)
    assert np.abs((np.abs(ends[0]) ** 2).sum(axis=1) / (np.abs(u) ** 2).sum(axis=1) - 1).max() < 1e-13
    assert np.abs(hamiltonian_steps(lattice, ends[0].T, -0.5 / 40, 40).T - u).max() < 1e-12


def test_sum_of_actions_around_a_ring_of_three():
    lattice = torus((3,), coupling=strong)
    u = amplitudes(3).T
    v = hamiltonian_steps(lattice, u, 0.17, 300_000)
    assert np.abs((np.abs(v) ** 2).sum(axis=0) / (np.abs(u) ** 2).sum(axis=0) - 1).max() < 1e-12


def test_starts_alike_stay_alike():
    """Around even rings and tori a start that alternates with the spins stays so: each site of a spin goes one way."""
    for shape in ((6,), (4, 6)):
        lattice = torus(shape, coupling=strong)
        u = np.where(lattice.spins > 0, 0.9 + 0.2j, -0.3 + 1.1j)
        v = hamiltonian_steps(lattice, np.repeat(u[:, None], LANES, 1), 0.05, 200)[:, 0]
        for spin in (1, -1):
            assert np.ptp(v[lattice.spins == spin].real) + np.ptp(v[lattice.spins == spin].imag) < 1e-12
        assert np.abs(np.abs(v) - np.abs(u)).max() > 0.01


# ---- dissipation ------------------------------------------------------------------------------------------------------


def on_a_ring(j, u):
    after, before = u[(j + 1) % u.size], u[(j - 1) % u.size]
    return (-1.0 * abs(u[j]) ** 2 + 0.1 * abs(after) ** 2 - 0.05 * abs(before) ** 2) * u[j] + 0.1 * before * abs(
        u[j]
    ) ** 2


DISSIPATIONS = {
    "diagonal": lambda: DiagonalDissipation(3),
    "linear": lambda: LinearDissipation(0.1 + 0.2j),
    "directed": lambda: DirectedDissipation(),
    "polynomial": lambda: PolynomialDissipation(
        lambda u: (
            (-1.0 * abs(u()) ** 2 + 0.1 * abs(u(1)) ** 2 - 0.05 * abs(u(-1)) ** 2) * u() + 0.1 * u(-1) * abs(u()) ** 2
        )
    ),
    "custom": lambda: CustomDissipation(on_a_ring, 4),
}


@pytest.mark.parametrize("size", [3, 6])
@pytest.mark.parametrize("name", DISSIPATIONS)
def test_averages_go_around(name, size):
    """g and R of shifted amplitudes are shifted g and R, to rounding; open ends break that."""
    closed = torus((size,), dissipation=DISSIPATIONS[name](), temperature=1.0)
    u = amplitudes(size)
    for by in (1, 2):
        g = closed.dissipation
        moved = g.at(closed.region, rolled(u, (size,), 0, by))
        assert np.abs(moved - rolled(g.at(closed.region, u), (size,), 0, by)).max() < 1e-12
        average = averaged_dissipation(closed)
        actions = 0.5 * np.abs(u) ** 2
        assert np.abs(average(rolled(actions, (size,), 0, by)) - rolled(average(actions), (size,), 0, by)).max() < 1e-10
    if name == "polynomial":
        other = torus((size,), dissipation=DISSIPATIONS["custom"]())
        assert np.abs(other.dissipation.at(other.region, u) - g.at(closed.region, u)).max() < 1e-12
        assert np.abs(averaged_dissipation(other)(actions) - average(actions)).max() < 1e-10
    if name == "directed":
        after, before = (rolled(actions, (size,), 0, by) for by in (1, -1))
        assert np.abs(average(actions) - (after - before - actions) * actions).max() < 1e-12
        tail, head = closed.region.bonds.T
        assert np.abs(g.flow(closed.region, actions) - 2 * actions[:, tail] * actions[:, head]).max() < 1e-12
        assert np.abs(average(actions).sum(axis=1) + (actions**2).sum(axis=1)).max() < 1e-10


def test_linear_coupling_around_a_ring():
    """b of neighbours has the two corners; other places are refused; its compiled form agrees."""
    ring = np.roll(np.eye(5), 1, axis=1) * 0.1j + np.roll(np.eye(5), -1, axis=1) * 0.2
    lattice = torus((5,), dissipation=LinearDissipation(ring))
    u = amplitudes(5)
    expected = -u + 0.1j * np.roll(u, -1, axis=1) + 0.2 * np.roll(u, 1, axis=1)
    assert np.abs(lattice.dissipation.at(lattice.region, u) - expected).max() < 1e-13
    with pytest.raises(InvalidArgument, match="between neighbours"):
        RotatorLattice((5,), slow, weak, LinearDissipation(ring), 1.0, 0.1)


def test_shifted_temperatures_have_the_shifted_law():
    """Samples of a ring with temperatures turned by two sites, from the start turned by two: 5 standard errors."""
    temperature, start = np.array([2.0, 0.5, 1.0, 1.5, 0.3, 0.8]), np.array([1.0, 0.2, 0.5j, 2.0, 1j, 0.1])
    one = torus((6,), dissipation=DirectedDissipation(), temperature=temperature, epsilon=0.2)
    other = torus((6,), dissipation=DirectedDissipation(), temperature=np.roll(temperature, 2), epsilon=0.2)
    for first, second in ((one, other), (TransportProcess(one), TransportProcess(other))):
        a = first.sample(start, [0.3, 1.0], 4096, seed=1)
        b = second.sample(np.roll(start, 2), [0.3, 1.0], 4096, seed=2)
        assert_mean(
            a.mean, np.roll(b.mean, -2, axis=1), np.hypot(a.standard_error, np.roll(b.standard_error, -2, axis=1))
        )


def test_a_ring_is_another_lattice():
    """Its identity, text, energy and canonical variables know of the bond that closes it."""
    ring, chain = (torus((4,), closed) for closed in (True, False))
    assert ring.identity() != chain.identity()
    assert "periodic: True" in repr(ring)
    assert "periodic" not in repr(chain)
    u = amplitudes(4)
    closing = np.log1p(np.abs(u[:, 3] - u[:, 0]) ** 2) * 0.25 * np.sqrt(0.1)
    more = ring.local_energy(u) - chain.local_energy(u)
    assert np.abs(more - closing[:, None] * [1, 0, 0, 1]).max() < 1e-12
    v = canonical_variables(ring, u)
    turned = canonical_variables(ring, rolled(u, (4,), 0, 2))
    assert np.abs(turned - rolled(v, (4,), 0, 2)).max() < 1e-10
    assert np.abs(canonical_variables(ring, v, inverse=True) - u).max() < 1e-7
    assert np.abs(v - canonical_variables(chain, u)).max() > 1e-3


# ---- around an odd number of sites ------------------------------------------------------------------------------------


def test_odd_rings_cannot_alternate():
    """One site is out of order, wherever spins break; for a >= 1 it does not matter."""
    with pytest.warns(AssumptionWarning, match="cannot alternate around an odd number of sites: 1 sites"):
        ring = RotatorLattice((13,), slow, weak, DiagonalDissipation(2), 1.0, 0.1, periodic=True)
    assert not ring.assumptions[0].holds
    assert np.flatnonzero(ring.defects).tolist() == [12]
    assert np.flatnonzero(ring.defect_closure).tolist() == [0, 11, 12]
    assert np.flatnonzero(ring.inner_sites).tolist() == [1, 2, 9, 10]
    assert np.flatnonzero(ring.good_sites).tolist() == [3, 4, 5, 6, 7, 8]
    with pytest.warns(AssumptionWarning, match="not the limit of this lattice at the sites 0, 1, 2, 9, 10, 11, 12"):
        TransportProcess(ring)
    turned = torus((13,), spins=np.roll(ring.spins, 5))
    assert turned.defects.sum() == 1
    assert turned.good_sites.sum() == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weaker = RotatorLattice((13,), slow, weak, DiagonalDissipation(2), 1.0, 0.1, periodic=True, coupling_exponent=1)
        TransportProcess(weaker)
        TransportProcess(RotatorLattice((4, 6), slow, weak, DiagonalDissipation(2), 1.0, 0.1, periodic=True))
    assert weaker.good_sites.all()
    cylinder = torus((7, 5), (False, True))
    assert np.array_equal(cylinder.defects.reshape(7, 5).all(axis=0), [False] * 4 + [True])
    assert cylinder.defects.sum() == 7


@pytest.mark.serial
def test_distances_go_the_shorter_way():
    """Against walks over bonds."""
    for region in (LatticeRegion.box(7, True), LatticeRegion.box((4, 5), (True, False)), LatticeRegion.box((3, 3))):
        reached = np.eye(region.size, dtype=bool)
        distances = np.where(reached, 0, -1)
        for steps in range(1, region.size):
            for j, k in region.bonds:
                reached[:, [j, k]] |= distances[:, [k, j]] == steps - 1
            distances = np.where(reached & (distances < 0), steps, distances)
        np.testing.assert_array_equal(region.distances(), distances)
