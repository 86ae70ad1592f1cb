"""Dissipations as they are written: polynomials in sympy, functions of (j, u), what confines and what does not."""

import pickle

import numpy as np
import pytest
from rotators import FREQUENCIES, weak
from sympy import Abs, I, Rational, conjugate, im, re, sqrt

from scaling_limits.particles import (
    AssumptionWarning,
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    Dissipation,
    InvalidArgument,
    LatticeRegion,
    LinearDissipation,
    PolynomialDissipation,
    RotatorLattice,
    TransportProcess,
)
from scaling_limits.particles.rotators.dissipations.checks import dissipating
from scaling_limits.particles.rotators.dissipations.general import AveragedOverAngles

pytestmark = pytest.mark.serial  # nothing here communicates


def lattice_of(dissipation, size=3, temperature=1.0):
    frequency = FREQUENCIES.get(dissipation.power, lambda x: 1 + x**4)
    return RotatorLattice((size,), frequency, weak, dissipation, temperature, 0.1)


# ---- polynomials ------------------------------------------------------------------------------------------------------

WRITTEN = {
    "modulus of a difference": lambda u: -(Abs(u(1) - 2 * u()) ** 2) * u(),
    "modulus of a product": lambda u: -u() * Abs(3 * u() * conjugate(u(-1)) * u(1)) ** 2,
    "modulus of a power": lambda u: -(Abs(u() ** 3) ** 2) * u(1),
    "a square as a modulus": lambda u: -Abs(u(1) ** 2) * u(),
    "a product of moduli": lambda u: Abs(u()) * Abs(u(1)) * Abs(u() * u(1)) * u(),
    "modulus of a sum of moduli": lambda u: Abs(Abs(u()) ** 2 + I * u(1)) ** 2 * u(),
    "real part": lambda u: -re(u() - (1 + 2 * I) * u(1)),
    "imaginary part": lambda u: im(u() * u(1)) ** 3 * u(),
    "real part of a product": lambda u: -u() * re(u() * conjugate(u(1))),
    "parts and conjugates": lambda u: conjugate(re(u()) + I * im(u(1))) * (2 - 3 * I),
    "a conjugate of a sum": lambda u: conjugate(I * u() + u(1) ** 2 + Rational(1, 3)) ** 2,
    "an even float power": lambda u: -(Abs(u()) ** 4.0) * u(),
    "numpy on symbols": lambda u: -(np.abs(u()) ** 2) * np.conj(u(1)),
    "roots of numbers": lambda u: sqrt(2) * u() - Abs(1 + I) * u(1),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_polynomials_are_what_is_written(name):
    """The same function, called with numbers for u, at all sites of a chain of four."""
    g, region = PolynomialDissipation(WRITTEN[name]), LatticeRegion.box((4,))
    generator = np.random.default_rng(5)
    u = generator.standard_normal((6, 4)) + 1j * generator.standard_normal((6, 4))
    padded = np.pad(u, ((0, 0), (1, 1)))
    expected = [[complex(WRITTEN[name](lambda k=0, p=p, j=j: complex(p[j + 1 + k]))) for j in range(4)] for p in padded]
    inside = [j for j in range(4) if name != "a conjugate of a sum" or j < 3]  # a constant is left of what is outside
    assert np.abs(g.at(region, u) - np.array(expected))[:, inside].max() < 1e-11 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("polynomial", "words"),
    [
        (lambda u: None, "return missing"), (lambda u: float("nan") * u(), "finite"), (lambda u: -u() * (1 / 0), "raises"),
        (lambda u: -Abs(u()) * u(), "odd power"), (lambda u: -(Abs(u()) ** 3) * u(), "odd power"),
        (lambda u: -sqrt(re(u())) * u(), "sqrt"), (lambda u: u() / u(1), "u1"), (lambda u: -np.real(u()) * u(), "numpy"),
        (lambda u: u[1], "not u"), (lambda u: -Abs(u() + u(1)) * Abs(u()) * u(), "odd power"),
    ],
)  # fmt: skip
def test_what_is_no_polynomial_is_refused(polynomial, words):
    with pytest.raises(InvalidArgument, match=rf"^polynomial: .*{words}"):
        PolynomialDissipation(polynomial)


# ---- functions ----------------------------------------------------------------------------------------------------------


def test_places_outside_of_the_chain():
    """u[j - 1] at j = 0 is the last site to numpy, also for two sites, where that is a neighbour."""
    wraps = CustomDissipation(lambda j, u: -(abs(u[j]) ** 2) * u[j] + 0.1 * abs(u[j - 1]) ** 2 * u[j], 4)
    beyond = CustomDissipation(lambda j, u: -(abs(u[j]) ** 2) * u[j] + 0.1 * abs(u[j + 1]) ** 2 * u[j], 4)
    for size in (1, 2, 5):
        with pytest.raises(InvalidArgument, match=r"^function: g_0 reads u\[-1\].*if j > 0"):
            lattice_of(wraps, size)
        with pytest.raises(InvalidArgument, match=rf"^function: g_{size - 1} reads u\[{size}\]"):
            lattice_of(beyond, size)


def test_functions_must_leave_u_alone():
    def writes(j, u):
        u[j] = 0.5 * u[j]
        return -u[j]

    with pytest.raises(InvalidArgument, match="function: must not change u"):
        lattice_of(CustomDissipation(writes, 2))


@pytest.mark.parametrize("frequency", [5, 12, 30])
def test_averages_of_what_turns_fast(frequency):
    """g = -u |u|^2 (1 + cos(m theta)/2), theta the angle to the next site: K = -u |u|^2 whatever m; 1e-12."""

    def g(j, u):
        if u.size == 1 or abs(u[1 - j]) == 0 or abs(u[j]) == 0:
            return -u[j]
        turn = u[j] * np.conj(u[1 - j]) / abs(u[j] * u[1 - j])
        return -u[j] * abs(u[j]) ** 2 * (1 + 0.5 * (turn**frequency).real)

    averaged = CustomDissipation(g, 4).averaged(LatticeRegion.box((2,)))
    assert isinstance(averaged, AveragedOverAngles)
    assert averaged.angles == frequency + 1
    v = np.array([[0.7 + 0.2j, -0.4j], [1.5, 0.1 + 1j]])
    assert np.abs(averaged.at(LatticeRegion.box((2,)), v) + np.abs(v) ** 2 * v).max() < 1e-12


def test_declared_degrees_are_looked_at():
    with pytest.raises(InvalidArgument, match="degree: must be at least 3"):
        lattice_of(CustomDissipation(lambda j, u: -(abs(u[j]) ** 2) * u[j] + 0.01 * np.conj(u[j]) ** 3, 4, degree=1))


# ---- Hg -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e5])
def test_lower_orders_do_not_count(size, temperature):
    """Active rotators and constant forces: (g . u)_j <= -C |u|^4 + C' whatever the terms of lower order."""
    for part in (0.7, 20.0):
        active = PolynomialDissipation(lambda u, part=part: -(Abs(u()) ** 2) * u() + part * u() - part * Rational(1, 2))
        lattice = lattice_of(active, size, temperature)
        assert lattice.assumptions[2].holds


def pushed(c):
    return PolynomialDissipation(lambda u: -(Abs(u()) ** 2) * u() + c * (Abs(u(1)) ** 2 + Abs(u(-1)) ** 2) * u())


@pytest.mark.parametrize("size", [4, 9, 40])
def test_what_explodes_is_refused(size):
    """In r = |u|^2, g . u = r . A r with A tridiagonal: its largest eigenvalue is -1 + 2 c cos(pi/(N + 1))."""
    edge = 0.5 / np.cos(np.pi / (size + 1))
    with pytest.raises(InvalidArgument, match="does not dissipate"):
        lattice_of(pushed(1.05 * edge), size)
    lattice = lattice_of(pushed(0.9 * edge), size)
    assert lattice.assumptions[2].holds


def test_worst_directions_are_climbed_to():
    """A direction that no wave is near to: |g . u| = r . A r with a random symmetric A of nearest neighbours, N = 6, whose
    largest eigenvalue with r >= 0 is found to 5 %.
    """
    generator = np.random.default_rng(3)
    matrix = np.diag(-generator.uniform(1, 3, 6))
    for j, value in enumerate(generator.uniform(0.1, 1.2, 5)):
        matrix[j, j + 1] = matrix[j + 1, j] = value
    largest = np.linalg.eigvalsh(matrix)[-1]  # of a vector of one sign, by Perron and Frobenius
    g = PolynomialDissipation(
        [
            lambda u, j=j: sum(
                matrix[j, j + k] * Abs(u(k)) ** 2 for k in (-1, 0, 1) if 0 <= j + k < 6
            ) * u()
            for j in range(6)
        ]
    )  # fmt: skip
    found = dissipating(g, LatticeRegion.box((6,)), 1.0).worst
    assert largest - 0.05 * abs(largest) < found <= largest + 1e-9


def test_the_declared_power_is_looked_at():
    with pytest.raises(InvalidArgument, match=r"dissipation: grows like \|u\|\^4, faster"):
        lattice_of(CustomDissipation(lambda j, u: -(abs(u[j]) ** 3) * u[j], 2))
    with pytest.warns(AssumptionWarning, match="Hg does not hold.*weaker"):
        lattice_of(CustomDissipation(lambda j, u: -u[j], 4))
    with pytest.warns(AssumptionWarning, match="Hg does not hold"):
        lattice_of(PolynomialDissipation([lambda u: -(Abs(u()) ** 2) * u(), lambda u: -u()]), 2)


def test_what_the_paper_gives_is_accepted():
    for size in (1, 2, 16, 300):
        assert lattice_of(DirectedDissipation(), size).assumptions[2].holds
    assert lattice_of(LinearDissipation(0.49), 600).assumptions[2].holds
    with pytest.warns(AssumptionWarning, match="Hg"):
        lattice_of(LinearDissipation(0.52), 600)


def test_growing_amplitudes_are_said_with_the_right_remedy():
    """p = 2 without dissipation: amplitudes grow like exp(0.6 tau); a smaller step is no remedy."""
    with pytest.warns(AssumptionWarning, match="Hg"):
        lattice = lattice_of(LinearDissipation(1.6), 2)
    assert "shorter times" in lattice.remedy
    hot = lattice_of(DirectedDissipation(), 1, 1e9).sample([1e5], [0.0], 3, 1)  # hot, and not astray
    assert np.abs(hot.amplitudes).max() == 1e5
    process = TransportProcess(lattice_of(DirectedDissipation(), 2))
    assert np.isfinite(process.sample(np.full(2, 3e6), [0.0], 2, 1).amplitudes).all()


def test_the_former_name_of_the_compiled_form():
    """Classes of users that define `drift`, as `compiled` was called, work as those that define `compiled`."""

    class Drifting(DiagonalDissipation):
        def drift(self, region):
            calls.append(region)
            return super().drift(region)

    calls = []
    lattices = [RotatorLattice((2,), FREQUENCIES[4], weak, g, 1.0, 0.1) for g in (Drifting(4), DiagonalDissipation(4))]
    for sampler in (lambda lattice: lattice, TransportProcess):
        found, expected = (sampler(one).sample(np.ones(2), [0.05], 3, seed=1).amplitudes for one in lattices)
        assert np.array_equal(found, expected)
    assert len(calls) == 2

    class Own(Dissipation):
        power, degree = 2, 0
        at, averaged = DiagonalDissipation(2).at, DiagonalDissipation(2).averaged

        def drift(self, region):
            return DiagonalDissipation(2).compiled(region)

    assert Own().compiled(lattices[0].region).radial == Own().drift(lattices[0].region).radial == 2
    assert DiagonalDissipation(2).drift(lattices[0].region).radial == 2


class Damped:
    """What a user mixes into several classes; it knows the former name only."""

    def drift(self, region):
        return DiagonalDissipation(2).compiled(region)


class Mixed(Damped, DirectedDissipation):
    pass


class MixedIntoNothing(Damped, Dissipation):
    power, degree = 2, 0
    at, averaged = DiagonalDissipation(2).at, DiagonalDissipation(2).averaged


@pytest.mark.parametrize("kind", [Mixed, MixedIntoNothing])
def test_the_former_name_is_inherited(kind):
    """The name that is defined closest to a class holds, as for any method."""
    region = LatticeRegion.box((2,))
    assert kind().compiled(region).radial == kind().drift(region).radial == 2


def cubic(j, u):
    return -(abs(u[j]) ** 2) * u[j]


def test_dissipations_of_functions_can_be_pickled():
    again = pickle.loads(pickle.dumps(CustomDissipation(cubic, 4, degree=2)))
    assert (again.function, again.power, again.degree) == (cubic, 4, 2)
    region, u = LatticeRegion.box((3,)), np.array([1.0, 2j, -3.0])
    assert np.array_equal(again.at(region, u), CustomDissipation(cubic, 4).at(region, u))
