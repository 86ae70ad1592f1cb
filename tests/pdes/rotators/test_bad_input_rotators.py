"""Wrong arguments of densities of actions: each is refused with its name, before any work where that is possible."""

import numpy as np
import pytest
from rotators import lattice_of

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import CustomDissipation, DiagonalDissipation, DirectedDissipation, InvalidArgument
from scaling_limits.pdes import EffectivePlane, TransportFokkerPlanck

pytestmark = pytest.mark.serial  # errors on one rank only are looked at elsewhere


ONE = lattice_of(DiagonalDissipation(2), [1.0])
TWO = lattice_of(DirectedDissipation(), [1.0, 0.5])
ALONE = TransportFokkerPlanck(ONE)
COUPLED = TransportFokkerPlanck(TWO, upper=[8.0, 6.0], cells=4, degree=3)
RHO = ALONE.stationary()


def refused(argument, call):
    with pytest.raises(InvalidArgument) as caught:
        call()
    assert str(caught.value).startswith(argument), caught.value


EQUATIONS = [
    ("lattice", None), ("lattice", lattice_of(DiagonalDissipation(2), [1.0] * 4)), ("upper", -1.0), ("upper", 0.0),
    ("upper", [1.0, 2.0]), ("upper", np.inf), ("upper", np.nan), ("upper", "wide"), ("upper", 1j), ("cells", 0), ("cells", 2.5), ("cells", (3, 3)),
    ("cells", "many"), ("degree", 0), ("degree", 13), ("degree", 2.0), ("rtol", 0.0), ("rtol", "small"), ("rtol", np.nan),
    ("wide", 1), ("wide", "yes"), ("comm", "world"), ("comm", None), ("petsc_options", "lu"), ("petsc_options", [1]),
    ("petsc_options", {1: "lu"}),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "value"), EQUATIONS)
def test_equations(argument, value):
    refused(argument, lambda: TransportFokkerPlanck(**{"lattice": ONE} | {argument: value}))


def raising(x):
    raise ZeroDivisionError("just so")


EVOLUTIONS = [
    ("initial", 3), ("initial", None), ("initial", raising), ("initial", lambda x: None), ("initial", lambda x: -np.ones(len(x))),
    ("initial", lambda x: np.full(len(x), np.nan)), ("initial", lambda x: np.ones(3)), ("initial", lambda x: 0 * x[:, 0]),
    ("initial", lambda x: np.exp(-2 * x[1])), ("initial", lambda x: 1.0), ("initial", lambda x: np.exp(-x[:, 0]) * 1j),
    ("initial", lambda x: "a"), ("initial", lambda: 1.0), ("initial", lambda x: np.exp(-x)), ("times", [0.2, 0.1]), ("times", -1.0), ("times", [-1.0]),
    ("times", []), ("times", "now"), ("times", 1j), ("scheme", "Euler"), ("scheme", None), ("step", 0.0), ("step", "a"),
    ("checkpoint", 3), ("checkpoint", "/no/such/folder/c.npz"), ("checkpoint", "/"), ("checkpoint_every", -1.0),
    ("checkpoint_every", "often"), ("progress", 1), ("progress", "no"),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "value"), EVOLUTIONS)
@pytest.mark.parametrize("equation", [ALONE, COUPLED], ids=["alone", "coupled"])
def test_evolutions(equation, argument, value):
    good = {"initial": lambda x: np.exp(-3 * x.sum(axis=1)), "times": [0.01]}
    refused(argument, lambda: equation.evolve(**good | {argument: value}))


FLOWLESS = TransportFokkerPlanck(
    lattice_of(CustomDissipation(lambda j, u: -u[j] + 0.0 * u[0], 2, degree=0), [1.0, 1.0]),
    upper=5.0,
    cells=4,
    degree=2,
)
QUESTIONS = [
    ("k", lambda: ALONE.spectrum(0)), ("k", lambda: ALONE.spectrum(10**6)), ("k", lambda: ALONE.spectrum(2.0)),
    ("points", lambda: RHO.at([1.0])), ("points", lambda: RHO.at([[-1.0]])), ("points", lambda: RHO.at([[1.0, 2.0]])),
    ("points", lambda: RHO.at("a")), ("points", lambda: RHO.at([[1j]])), ("points", lambda: RHO.at([[np.nan]])), ("points", lambda: RHO.marginal(0, [[1.0]])),
    ("points", lambda: RHO.marginal(0, [-1.0])), ("site", lambda: RHO.marginal(1, [1.0])), ("site", lambda: RHO.marginal(0.5, [1.0])),
    ("points", lambda: RHO.distribution(0, 1.0)), ("points", lambda: RHO.distribution(0, [[1.0]])),
    ("points", lambda: RHO.distribution(0, "a")), ("site", lambda: RHO.distribution(2, [1.0])),
    ("observable", lambda: RHO.expectation(None)), ("observable", lambda: RHO.expectation(lambda x: None)),
    ("observable", lambda: RHO.expectation(raising)), ("observable", lambda: RHO.expectation(lambda x: np.ones(3))),
    ("observable", lambda: RHO.expectation(lambda x: x[:, 0] * 1j)), ("density", lambda: COUPLED.flow(3)),
    ("density", lambda: COUPLED.flow(RHO)), ("dissipation", lambda: FLOWLESS.flow()), ("lattice", lambda: averaged_dissipation("g")),
    ("actions", lambda: averaged_dissipation(ONE)([[1j]])), ("actions", lambda: averaged_dissipation(ONE)([[-1.0]])),
    ("actions", lambda: averaged_dissipation(ONE)([1.0])), ("amplitudes", lambda: averaged_dissipation(ONE).effective_drift([[np.nan]])),
    ("lattice", lambda: EffectivePlane(TWO)), ("radius", lambda: EffectivePlane(ONE, radius=0.0)),
    ("cells", lambda: EffectivePlane(ONE, cells=1)), ("cells", lambda: EffectivePlane(ONE, cells=2.5)),
    ("upper", lambda: TransportFokkerPlanck(ONE, upper=1e6).space),
    ("petsc_options", lambda: TransportFokkerPlanck(
        TWO, upper=6.0, cells=4, degree=2, petsc_options={"pc_type": "nonsense"}).stationary()),
    ("petsc_options", lambda: TransportFokkerPlanck(
        TWO, upper=6.0, cells=4, degree=2, petsc_options={"ksp_typo": "gmres"}).stationary()),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "call"), QUESTIONS)
def test_questions(argument, call):
    refused(argument, call)


def test_what_is_right_though_odd():
    assert RHO.distribution(0, []).shape == (0,)
    assert abs(RHO.expectation(lambda x: 1.0) - 1) < 1e-12
