"""A function f_j for each site: the equation beside a solver, HF', what is refused, sites that are in resonance."""

import pickle
import warnings

import numpy as np
import pytest
from rates import assert_rate
from rotators import fast, hamiltonian_steps, slow, strong, weak

from scaling_limits.particles import (
    AssumptionWarning,
    DiagonalDissipation,
    InvalidArgument,
    LatticeRegion,
    RotatorLattice,
    TransportProcess,
    canonical_variables,
)
from scaling_limits.particles.rotators.dissipations.kernels import LANES
from scaling_limits.particles.rotators.turning.frequencies import MOST_FUNCTIONS

pytestmark = pytest.mark.serial  # nothing here communicates


def backwards(x):
    return -2.0 - np.sqrt(1 + x)


def waving(x):
    return np.sin(3 * x)


EACH = [slow, backwards, waving, slow, fast]


def of_each(functions=EACH, coupling=strong, a=1.0, epsilon=0.2, **more):
    return RotatorLattice((len(functions),), functions, coupling, DiagonalDissipation(2), 1.0, epsilon,
                          coupling_exponent=a, **more)  # fmt: skip


def amplitudes(size, lanes=LANES):
    generator = np.random.default_rng(1)
    return generator.standard_normal((size, lanes)) + 1j * generator.standard_normal((size, lanes))


def test_functions_of_sites_against_an_ordinary_differential_equation():
    """Rate 2 towards a solution to 1e-11, with spins that multiply the functions; members have no part in it."""
    from scipy.integrate import solve_ivp

    spins = np.array([1.0, -0.5, 1.0, -1.0, 0.7])
    lattice = of_each(spins=spins)
    assert lattice.frequencies.number.tolist() == [0, 1, 2, 0, 3]
    u = amplitudes(5)[:, 0]

    def right(t, v):
        slope = 1j * spins * np.array([f(x) for f, x in zip(EACH, np.abs(v) ** 2)]) * v
        bond = 1j * lattice.epsilon * strong(np.abs(np.diff(v)) ** 2) * np.diff(v)
        slope[:-1] -= bond
        slope[1:] += bond
        return slope

    exact = solve_ivp(right, (0, 1), u, rtol=1e-11, atol=1e-12).y[:, -1]
    counts = np.array([80, 160, 320])
    ends = [hamiltonian_steps(lattice, np.repeat(u[:, None], LANES, 1), 1 / n, n) for n in counts]
    errors = [np.abs(end[:, 0] - exact).max() for end in ends]
    assert_rate(1 / counts, errors, 2.0, slack=0.15, cap=1e-4)
    assert np.abs((np.abs(ends[0]) ** 2).sum(axis=0) / (np.abs(u) ** 2).sum() - 1).max() < 1e-13
    assert np.abs(hamiltonian_steps(lattice, ends[0], -1 / 80, 80)[:, 0] - u).max() < 1e-12


def test_the_same_function_for_each_site_is_one_function():
    """A list of the same function, or of ones written alike, is that function: the same members, bit for bit."""
    one = RotatorLattice((4,), slow, weak, DiagonalDissipation(2), 1.0, 0.1)
    same = RotatorLattice((4,), [slow] * 4, weak, DiagonalDissipation(2), 1.0, 0.1)
    alike = RotatorLattice((4,), [lambda x: 1 + x / 2, lambda x: 1 + x / 2] * 2, weak, DiagonalDissipation(2), 1.0, 0.1)
    samples = [x.sample(np.ones(4), [0.05], 3, seed=1).amplitudes for x in (one, same, alike)]
    assert np.array_equal(samples[0], samples[1])
    assert np.array_equal(samples[0], samples[2])
    assert one.identity() == same.identity() == alike.identity()
    assert all(x.assumptions[0].holds for x in (one, same, alike))
    # functions that differ, with values that do not: the kernel for several
    other = RotatorLattice(
        (4,), [slow, lambda x: 0.5 * (2 + x)] * 2, weak, DiagonalDissipation(2), 1.0, 0.1, coupling_exponent=1
    )
    plain = RotatorLattice((4,), slow, weak, DiagonalDissipation(2), 1.0, 0.1, coupling_exponent=1)
    assert other.frequencies.several
    samples = [x.sample(np.ones(4), [0.05], 3, seed=1).amplitudes for x in (other, plain)]
    assert np.abs(samples[0] - samples[1]).max() < 1e-12


def test_energies_and_canonical_variables_of_each():
    """F_j in closed form; the energy is kept to order 2; the change of variables leaves J nearly still."""
    functions = [slow, fast, slow, fast]
    with pytest.warns(AssumptionWarning, match="2 of 4 sites have another function"):
        lattice = RotatorLattice((4,), functions, weak, DiagonalDissipation(2), 1.0, 0.01)
    x = np.array([[0.3, 1.2, 2.0, 0.7]])
    expected = 0.5 * np.array([1, -1, 1, -1]) * np.where([1, 0, 1, 0], x + x**2 / 4, x + x**3 / 3)
    assert np.abs(lattice.rotation_energy(0.5 * x) - expected).max() < 1e-13
    u = 0.5 * amplitudes(4)
    ends = [hamiltonian_steps(lattice, u, 2 / n, n) for n in (200, 400)]
    energy = [lattice.local_energy(v.T).sum(axis=1) - lattice.local_energy(u.T).sum(axis=1) for v in ends]
    assert np.abs(energy[1]).mean() < 1e-5
    assert 3.5 < np.abs(energy[0]).mean() / np.abs(energy[1]).mean() < 4.5
    v = canonical_variables(lattice, u.T)
    assert np.abs(canonical_variables(lattice, v, inverse=True) - u.T).max() < 1e-7
    moved = np.abs(ends[1].T) ** 2 - np.abs(u.T) ** 2
    still = np.abs(canonical_variables(lattice, ends[1].T)) ** 2 - np.abs(v) ** 2
    assert np.abs(still).max() < 0.2 * np.abs(moved).max()


def test_derivatives_of_all_functions_have_isolated_zeros():
    """HF' of Remark 2.5: any sign, any direction, but no plateau; the site is named."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine = of_each()
        TransportProcess(fine)
    assert fine.good_sites.all()
    assert "the derivative of each f_j has isolated zeros (Remark 2.5)" in fine.assumptions[0].detail
    for temperature in (1e-6, 1.0, 1e6):
        root = 1 / temperature

        def plateau(x, root=root):
            return 1 + x * root if x * root < 2 else (3.0 if x * root < 4 else x * root - 1.0)

        with pytest.warns(AssumptionWarning, match="HF does not hold: f_2: f' is 0 for"):
            RotatorLattice(
                (3,), [slow, fast, plateau], weak, DiagonalDissipation(2), temperature, 0.1, coupling_exponent=1
            )


def test_one_other_function_among_many_for_strong_coupling():
    """a = 1/2: the site with another function is a defect; the limit is known on the good sites, and said so."""
    functions = [slow] * 13
    functions[6] = fast
    with pytest.warns(AssumptionWarning, match="1 of 13 sites have another function than the commonest"):
        lattice = RotatorLattice((13,), functions, weak, DiagonalDissipation(2), 1.0, 0.1)
    assert not lattice.resonant_sites.any()
    assert np.flatnonzero(lattice.defects).tolist() == [6]
    assert np.flatnonzero(lattice.good_sites).tolist() == [0, 1, 2, 10, 11, 12]
    assert np.flatnonzero(lattice.inner_sites).tolist() == [3, 4, 8, 9]
    with pytest.warns(AssumptionWarning, match="at the sites 3, 4, 5, 6, 7, 8, 9"):
        TransportProcess(lattice)
    with pytest.warns(AssumptionWarning):  # signs of functions count as spins, and what changes its sign as a defect
        backward, wave = (
            RotatorLattice((3,), [slow, f, slow], weak, DiagonalDissipation(2), 1.0, 0.1) for f in (backwards, waving)
        )
    assert backward.resonant_sites.tolist() == wave.resonant_sites.tolist() == [False, True, False]


def test_what_is_refused_of_lists():
    many = [lambda x, c=c: 1 + c * x for c in range(1, 1000)]
    for functions, words in (
        ([slow] * 4, "one for each of 5 sites, not 4"), ([slow, None, slow, slow, slow], "must be a callable"),
        ([1.0] * 5, "must be a callable"), ([], "not 0"), ([slow, lambda x: 1j, slow, slow, slow], "real number"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=f"frequency: .*{words}"):
            RotatorLattice((5,), functions, weak, DiagonalDissipation(2), 1.0, 0.1)
    with pytest.raises(InvalidArgument, match=f"at most {MOST_FUNCTIONS} different functions.*`spins`"):
        RotatorLattice((999,), many, weak, DiagonalDissipation(2), 1.0, 0.1)
    with pytest.raises(InvalidArgument, match="lattice: has several frequencies"):
        _ = of_each().compiled_frequency


def test_lattices_with_several_functions_are_shown_and_pickled():
    lattice = of_each()
    assert "frequency: 4 functions, shared by 5 sites" in repr(lattice)
    again = pickle.loads(pickle.dumps(lattice))
    assert again.identity() == lattice.identity()
    assert of_each(functions=EACH[::-1]).identity() != lattice.identity()
    assert np.array_equal(*(x.sample(np.ones(5), [0.02], 3, seed=1).amplitudes for x in (again, lattice)))


def test_the_fastest_function_sets_the_step():
    steps = [
        of_each([slow, lambda x: 50 * (1 + x), slow], spins=s)._chosen(np.ones((1, 3)), None).h
        for s in ([1, -1, 1], [1, -4, 1])
    ]
    assert abs(steps[0] / steps[1] - 4) < 1e-9


# ---- which sites are in resonance --------------------------------------------------------------------------------------


def test_least_sets_of_resonant_sites():
    """After them no neighbours turn alike; in regions small enough for all subsets, there is no smaller set where no
    period is odd.
    """
    from itertools import combinations

    from scaling_limits.particles.rotators.turning.resonances import resonant_sites

    generator = np.random.default_rng(0)
    for shape, closed in (((9,), False), ((8,), True), ((3, 3), False), ((9,), True), ((3, 3), True)):
        region = LatticeRegion.box(shape, closed)
        for _ in range(20):
            directions = generator.choice([1.0, -1.0, 1.0, -1.0, 0.0], region.size)
            found = resonant_sites(region, directions)
            kept = np.where(found, 0.0, directions)
            alike = region.bonds[directions[region.bonds[:, 0]] * directions[region.bonds[:, 1]] > 0]
            assert (kept[region.bonds[:, 0]] * kept[region.bonds[:, 1]] <= 0).all()
            assert found[directions == 0].all()
            assert np.array_equal(resonant_sites(region, -directions), found)
            if closed and any(n % 2 for n in shape):
                continue
            least = next(
                k
                for k in range(10)
                if any(np.isin(alike, c).any(axis=1).all() for c in combinations(range(region.size), k))
            )
            assert found.sum() == least + (directions == 0).sum()


def test_a_wall_between_two_alternations():
    """Half a long chain turned around: one site at the wall is out of order, not half of them."""
    parity = LatticeRegion.box((40,)).parity
    lattice = RotatorLattice(
        (40,), slow, weak, DiagonalDissipation(2), 1.0, 0.1, spins=parity * np.where(np.arange(40) < 20, 1, -1)
    )
    assert lattice.defects.sum() == 1
    assert set(np.flatnonzero(lattice.defects)) <= {19, 20}
    assert lattice.good_sites.sum() == 40 - 7
