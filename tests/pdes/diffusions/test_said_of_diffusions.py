"""What a lattice, a solver or elements do not see of a diffusion is said; what they see is right."""

import warnings

import numpy as np
import pytest
from diffusions import Given, rotated

from scaling_limits.pdes import FokkerPlanck, NotConverged, Unresolved

pytestmark = pytest.mark.serial


def on_a_line(psi, low, high, cells, rtol=1e-6, **options):
    return FokkerPlanck(Given(lambda x: np.ones((len(x), 1, 1)), psi), [(low, high)], [cells], rtol, **options)


def in_a_bowl(**options):
    """The Ornstein-Uhlenbeck process in the plane."""
    unit = lambda x: np.repeat(np.eye(2)[None], len(x), axis=0)  # noqa: E731
    return FokkerPlanck(Given(unit, lambda x: (x**2).sum(axis=1) / 2), [(-4, 4)] * 2, (80, 80), **options)


def test_wells_that_elements_leave_out_are_said():
    """Two wells, 95 sigma apart in depth: the slow mode of the upper one is beyond the elements, not beyond evolve."""
    deep = on_a_line(
        lambda x: -110 * np.exp(-((x[:, 0] + 1) ** 2) / 0.2) - 15 * np.exp(-((x[:, 0] - 1) ** 2) / 0.2), -2, 2, 200
    )
    with pytest.warns(Unresolved, match=r"Psi has a well at x = \[1\.0\], 95 sigma above .* left out"):
        deep.spectrum(2)


def test_walls_that_rise_are_no_wells():
    """exp(-Psi) is negligible at both ends of a parabola; the rates are those of the Ornstein-Uhlenbeck process."""
    np.testing.assert_allclose(on_a_line(lambda x: x[:, 0] ** 2 / 2, -14, 14, 280).spectrum(4), range(4), atol=1e-7)


@pytest.mark.parametrize("thin", [1e-7, 1e-10])
def test_a_tensor_that_no_difference_of_the_lattice_fits_is_said(thin):
    def mobility(x):
        return rotated(np.full(len(x), 0.6), np.ones(len(x)), np.full(len(x), thin))

    equation = FokkerPlanck(Given(mobility, lambda x: (x**2).sum(axis=1)), [(-3, 3)] * 2, [16, 16])
    with pytest.warns(Unresolved, match="M is so anisotropic .* results are those of another M"):
        assert equation.generator.edges.diagonal.mean() > 0.5


def test_an_absolute_tolerance_of_the_solver_is_relative_to_the_problem():
    """A source of size 1e-4: an absolute tolerance of 1e-3 would take 0 for the solution. f = g, for g = x_1 in a bowl."""
    for options, kind in (({"ksp_type": "cg", "pc_type": "jacobi", "ksp_atol": 1e-3}, NotConverged), (None, None)):
        equation = in_a_bowl(petsc_options=options)
        if kind:
            with pytest.raises(kind, match="the linear solver leaves an error"):
                equation.poisson(lambda x: 1e-4 * x[:, 0])
        else:
            found = equation.poisson(lambda x: 1e-4 * x[:, 0]).at([[0.5, 0.0], [1.0, 0.2]])
            np.testing.assert_allclose(found, [0.5e-4, 1e-4], rtol=2e-3)


@pytest.mark.parametrize("options", [{"ksp_type": "gmres", "pc_type": "ilu"}, {"ksp_type": "cg", "pc_type": "icc"}])
def test_another_preconditioner_comes_without_the_package_of_the_default_one(options):
    equation = in_a_bowl(petsc_options=options)
    np.testing.assert_allclose(equation.poisson(lambda x: x[:, 0]).at([[1.0, 0.2]]), 1.0, rtol=2e-3)


@pytest.mark.parametrize("barrier", [47, 58, 90])
def test_densities_that_stay_in_a_well_are_evolved(barrier):
    """The free energy stays log 2 above its least value for exp(barrier) times the time of relaxation."""
    equation = on_a_line(lambda x: barrier * (x[:, 0] ** 2 - 1) ** 2, -2, 2, 200, 1e-4)
    run = equation.evolve(lambda x: np.exp(-50 * (x[:, 0] - 1) ** 2), [10.0, 1e5])
    assert (np.diff(run.free_energy) <= 0).all()
    assert run.probabilities[:, 100:].sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    exact = -np.log(np.trapezoid(np.exp(-barrier * (np.linspace(0, 2, 20001) ** 2 - 1) ** 2), np.linspace(0, 2, 20001)))
    np.testing.assert_allclose(
        run.free_energy, exact, atol=2e-3
    )  # F = -log Z of the half line, to the square of a cell


def test_initial_densities_that_nodes_do_not_see_are_said():
    """Two peaks of equal mass, one of them at a node and one between two: the nodes see one."""
    flat = on_a_line(lambda x: 0 * x[:, 0], -3, 3, 60)

    def peaks(x):
        return np.exp(-(((x[:, 0] - 1) / 4e-3) ** 2)) + np.exp(-(((x[:, 0] + 1.05) / 4e-3) ** 2))

    with pytest.warns(Unresolved, match="the initial density .* varies faster than the cells"):
        flat.evolve(peaks, [0.01])
    run = flat.evolve(lambda x: np.isclose(x[:, 0], 1.0).astype(float), [0.0])
    assert run[0].mean()[0] == pytest.approx(1.0)  # a start at a node, on purpose


@pytest.mark.filterwarnings("ignore:the solution is")
def test_sources_that_nodes_do_not_see_are_said():
    """A spike between the nodes: on them it is 0, and so is the solution."""
    unit = lambda x: np.repeat(np.eye(2)[None], len(x), axis=0)  # noqa: E731
    flat = FokkerPlanck(Given(unit, lambda x: 0 * x[:, 0]), [(0, 1), (0, 1)], (20, 20))
    with pytest.warns(Unresolved, match="the mean of .source. .* varies faster than the cells"):
        flat.poisson(lambda x: np.exp(-(((x - 0.51) / 5e-3) ** 2).sum(axis=1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flat.poisson(lambda x: np.cos(np.pi * x[:, 0]))


def test_densities_of_any_size():
    """Sums of the largest doubles: the start is normalised first."""
    flat = on_a_line(lambda x: x[:, 0] ** 2 / 2, -3, 3, 60)
    start = lambda x: np.exp(-((x[:, 0] - 1) ** 2))  # noqa: E731
    runs = [flat.evolve(lambda x, f=f: f * start(x), [0.1]) for f in (1.0, 1.7e308, 1e-300)]
    for run in runs[1:]:
        np.testing.assert_allclose(run.probabilities, runs[0].probabilities, rtol=1e-9)


def test_results_can_be_gone_through():
    run = on_a_line(lambda x: x[:, 0] ** 2 / 2, -6, 6, 60).evolve(lambda x: np.exp(-((x[:, 0] - 1) ** 2)), [0.0, 1.0])
    assert [round(float(rho.mean()[0]), 1) for rho in run] == [1.0, 0.4]


def test_places_far_from_zero_keep_their_digits():
    far = 1e6
    equation = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: 3 * np.cos(30 * (x[:, 0] - far)) + x[:, 1] - far, temperature=1.0,
        box=[(far, far + 2)] * 2, cells=(24, 24),
    )  # fmt: skip
    place = r"near x = \[10000(00|01|02)\.\d+, 10000(00|01|02)\.\d+\]"
    with pytest.warns(Unresolved, match=place) as said:
        equation.committor(lambda x: x[:, 0] < far + 0.2, lambda x: x[:, 0] > far + 1.8)
    assert equation.comm.rank > 0 or "x = [1000000.0, 1000000.0]" not in str(said[0].message)


def test_errors_of_densities_are_no_more_than_a_total_variation_can_be():
    equation = FokkerPlanck.of(
        mobility=1.0, free_energy=lambda x: 30 * np.cos(40 * x[:, 0]) + 0 * x[:, 1], temperature=1.0, box=[(-1, 1)] * 2,
        cells=(16, 16),
    )  # fmt: skip
    run = equation.evolve(lambda x: np.exp(-40 * ((x - 0.3) ** 2).sum(axis=1)), [1e-3])
    assert run.error[0] == 2.0
    assert run[0].error == 2.0
