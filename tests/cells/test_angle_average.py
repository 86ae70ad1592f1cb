"""Averages over angles: polynomials, Bessel functions, the dissipation, samples in many angles."""

import numpy as np
import pytest
from rotators import lattice_of
from scipy import special, stats
from sympy import Abs

from scaling_limits.cells import AngleAverage, angle_average, averaged_dissipation
from scaling_limits.particles import CanonicalHamiltonian, DirectedDissipation, InvalidArgument, PolynomialDissipation
from scaling_limits.particles.errors import NotConverged

pytestmark = pytest.mark.serial  # nothing here communicates
ACTIONS = np.array([[0.3, 1.2, 0.7], [2.0, 0.01, 0.4], [0.0, 0.5, 1.0]])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_powers_of_sums(k):
    """<|u_1 + u_2|^2k> = sum_m (k over m)^2 (2 I_1)^m (2 I_2)^(k-m); <|u_1|^2k> = (2 I_1)^k without any angle."""
    found = angle_average(lambda u: np.abs(u[:, 0] + u[:, 1]) ** (2 * k), ACTIONS)
    m = np.arange(k + 1)
    exact = (special.comb(k, m) ** 2 * (2 * ACTIONS[:, :1]) ** m * (2 * ACTIONS[:, 1:2]) ** (k - m)).sum(axis=1)
    assert (np.abs(found.value - exact) <= 1e-13 * (1 + exact) + found.error).all()
    assert found.error.max() < 1e-12 * exact.max()
    assert found.method == "trapezoidal rule"
    # both turn together: one angle is enough
    assert sorted(found.angles) == [1, 1, k + 2]
    alone = angle_average(lambda u: np.abs(u[:, 0]) ** (2 * k), ACTIONS)
    assert np.abs(alone.value - (2 * ACTIONS[:, 0]) ** k).max() < 1e-13
    assert (alone.angles == 1).all()


def test_bessel_functions():
    """<exp(x . e)> = I_0(|x|) of each angle, which is no polynomial; within the error that is stated."""
    found = angle_average(lambda u: np.exp(2 * u.real).prod(axis=1), ACTIONS)
    exact = special.i0(2 * np.sqrt(2 * ACTIONS)).prod(axis=1)
    assert (np.abs(found.value / exact - 1) < 1e-11).all()
    assert (np.abs(found.value - exact) <= 10 * found.error).all()
    rough = angle_average(lambda u: np.abs(u[:, 0].real), ACTIONS, rtol=1e-4)
    exact = 2 / np.pi * np.sqrt(2 * ACTIONS[:, 0])
    assert (np.abs(rough.value - exact) <= 1e-3 * exact + 1e-12).all()
    assert (np.abs(rough.value - exact) <= 3 * rough.error + 1e-15).all()
    with pytest.raises(NotConverged, match="rtol"):
        angle_average(lambda u: np.abs(u[:, 0].real), ACTIONS)


def test_high_frequencies_are_seen():
    """A part that 2, 3 and 4 angles take for a constant."""
    found = angle_average(lambda u: 1 + np.cos(12 * np.angle(u[:, 0])) / 2, ACTIONS[:1])
    assert abs(found.value[0] - 1) < 1e-13
    assert found.angles[0] > 12


def test_dependence_at_few_points():
    """h that turns where I_1 > 1.5 only: at one of a hundred points, in the middle."""
    actions = np.full((100, 2), 1.0)
    actions[50] = [2.0, 0.1]
    found = angle_average(
        lambda u: np.where(np.abs(u[:, 0]) ** 2 > 3, np.exp(u[:, 0].real), u[:, 1].real ** 2), actions
    )
    exact = np.where(actions[:, 0] > 1.5, special.i0(np.sqrt(2 * actions[:, 0])), actions[:, 1])
    assert np.abs(found.value - exact).max() < 1e-12


def test_dissipation():
    """<g_j . u_j> is what `averaged_dissipation` has by the monomials that resonate, and K_j a complex average."""
    polynomial = PolynomialDissipation(lambda u: -(Abs(u()) ** 2) * u() + 0.1 * Abs(u(1) + u()) ** 2 * u(1))
    lattice = lattice_of(polynomial, [1.0, 0.5, 2.0])
    found = angle_average(lambda u: (np.conj(u) * polynomial.at(lattice.region, u)).real, ACTIONS)
    assert found.value.shape == (3, 3)
    assert np.abs(found.value - averaged_dissipation(lattice)(ACTIONS)).max() < 1e-13
    turning = angle_average(lambda u: np.conj(u[:, 0]) * np.abs(u[:, 1]) ** 2 + 3j * np.abs(u[:, 2]) ** 2, ACTIONS)
    assert np.abs(turning.value - 6j * ACTIONS[:, 2]).max() < 1e-13


def test_mean_coupling():
    """<G~> of a lattice is the average of its coupling."""
    lattice = lattice_of(DirectedDissipation(), [1.0, 0.5, 2.0])
    parts = CanonicalHamiltonian(lattice)
    found = angle_average(parts.coupling, ACTIONS)
    assert np.abs(found.value - parts.mean_coupling(np.sqrt(2 * ACTIONS))).max() < 1e-11
    # H_2 of a bracket {<G~>, Phi} has the mean 0, that of {G~, Phi}/2 is left
    assert angle_average(parts.second, ACTIONS[:1], rtol=1e-8).error.max() < 1e-8


def test_samples_in_many_angles():
    """|sum u_j|^4 of eight sites turns by seven relative angles: samples agree with 2 S^2 - sum (2 I)^2."""
    actions = np.linspace(0.2, 1.0, 8)
    many = lambda u: np.exp(-(np.abs(u.sum(axis=1)) ** 2) / 4)  # noqa: E731
    with pytest.raises(InvalidArgument, match="seed: must be given: h depends on 7 angles"):
        angle_average(many, actions)
    power = lambda u: np.abs(u.sum(axis=1)) ** 4  # noqa: E731
    exact = 2 * (2 * actions).sum() ** 2 - ((2 * actions) ** 2).sum()
    found = angle_average(power, actions, samples=2**14, seed=3)
    assert found.method == "samples"
    assert abs(found.value - exact) < stats.t.isf(0.5e-6, 15) * found.error
    assert found.error < 0.01 * exact
    # E exp(-|sum u|^2/4) = int r J_0(r) ... = int_0^inf 2 r exp(-r^2) prod J_0(r |u_j|) dr
    wanted = angle_average(many, actions, seed=4)
    r, w = np.polynomial.legendre.leggauss(200)
    r, w = 4 * (r + 1), 4 * w
    product = special.j0(r[:, None] * np.sqrt(2 * actions)).prod(axis=1)
    assert abs(wanted.value - (w * 2 * r * np.exp(-(r**2)) * product).sum()) < stats.t.isf(0.5e-6, 15) * wanted.error
    again = angle_average(many, actions, seed=4)
    assert again.value == wanted.value


def test_files_and_shapes(tmp_path):
    found = angle_average(lambda u: np.stack([u.real**2, u.imag**4], axis=1), ACTIONS[0])
    assert found.value.shape == (2, 3)
    assert np.abs(found.value[0] - ACTIONS[0]).max() < 1e-14
    assert np.abs(found.value[1] - 1.5 * ACTIONS[0] ** 2).max() < 1e-13
    found.save(tmp_path / "average.npz")
    again = AngleAverage.load(tmp_path / "average.npz")
    assert np.array_equal(again.value, found.value)
    assert again.method == found.method
    assert found.to_xarray().value.dims == ("point", "component0", "component1")
    assert "trapezoidal" in repr(found)
    assert angle_average(lambda u: u[:, 0], ACTIONS.reshape(1, 3, 3)).value.shape == (1, 3)
    assert angle_average(lambda u: 2.0, ACTIONS).value.tolist() == [2.0] * 3


def test_refusals():
    for bad in ([-1.0, 1], [np.nan], "x", 1.0, np.empty((0, 2))):
        with pytest.raises(InvalidArgument, match="actions"):
            angle_average(lambda u: u[:, 0].real, bad)
    for bad in (3, lambda u: u[0], lambda u: np.log(-np.abs(u[:, 0])), lambda u: "text"):
        with pytest.raises(InvalidArgument, match="observable"), np.errstate(all="ignore"):
            angle_average(bad if callable(bad) else "x", ACTIONS)
    with pytest.raises(InvalidArgument, match="rtol"):
        angle_average(np.sum, ACTIONS, rtol=1.0)
    with pytest.raises(InvalidArgument, match="samples"):
        angle_average(np.sum, ACTIONS, samples=1, seed=1)
    with pytest.raises(InvalidArgument, match="seed"):
        angle_average(lambda u: u[:, 0].real, ACTIONS, samples=64)


def test_one_value_for_all_points():
    """A mean over the points, a sum without its axis: refused; a constant stays."""
    for wrong in (lambda u: (u.real**4).mean(), lambda u: np.linalg.norm(u.sum(axis=-1))):
        with pytest.raises(InvalidArgument, match="observable: .*not one value that depends on them"):
            angle_average(wrong, [1.0, 0.5])
    assert angle_average(lambda u: 2.5, [1.0, 0.5]).value == 2.5
