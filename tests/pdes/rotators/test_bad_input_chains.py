"""What tensor trains refuse, and what they do not reach."""

import numpy as np
import pytest
from conduction import conducting
from rotators import fast, weak

from scaling_limits.particles import (
    CustomDissipation,
    DiagonalDissipation,
    DirectedDissipation,
    InvalidArgument,
    RotatorLattice,
)
from scaling_limits.pdes import ChainLaw, NotConverged, TransportTensorTrain

pytestmark = pytest.mark.serial


def lattice(shape=(3,), dissipation=None, **options):
    return RotatorLattice(shape, fast, weak, dissipation or DirectedDissipation(), 1.0, 0.1, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("given", "argument", "said"),
    [
        ({"lattice": 3}, "lattice", ""),
        ({"lattice": lattice((2, 3), DiagonalDissipation(4))}, "lattice", "neighbours"),
        ({"lattice": lattice((4,), periodic=True)}, "lattice", "ring"),
        ({"rtol": 1.0}, "rtol", "1e-10"),
        ({"rtol": np.nan}, "rtol", ""),
        ({"max_rank": 0}, "max_rank", ""),
        ({"max_rank": 2.5}, "max_rank", ""),
        ({"max_operations": 0.0}, "max_operations", ""),
    ],
)
def test_refused(given, argument, said):
    with pytest.raises(InvalidArgument) as refused:
        TransportTensorTrain(**({"lattice": lattice()} | given))
    assert refused.value.argument == argument or not argument
    assert said in str(refused.value)


def damped(j, u):
    return -u[j] * np.sqrt(1 + np.abs(u[j]) ** 2)


def test_no_polynomial():
    with pytest.raises(InvalidArgument, match="no polynomial.*TransportProcess"):
        TransportTensorTrain(lattice(dissipation=CustomDissipation(damped, 3)))


@pytest.mark.parametrize(
    ("options", "remedy"), [({"max_rank": 2}, "max_rank"), ({"max_operations": 1e6}, "max_operations")]
)
def test_what_is_not_reached(options, remedy):
    """Ranks or operations that are too few end in an error that names them, not in a number."""
    strong = RotatorLattice((6,), fast, weak, conducting(6, 0.25), np.linspace(2.0, 0.5, 6), 0.1)
    with pytest.raises(NotConverged, match=f"{remedy}.*TransportProcess"):
        TransportTensorTrain(strong, **options).stationary()


@pytest.fixture(scope="module")
def law():
    return TransportTensorTrain(lattice(), rtol=1e-3).stationary()


@pytest.mark.parametrize(
    ("sites", "points", "argument"),
    [
        (3, [1.0], "sites"), (-1, [1.0], "sites"), ([0, 0], [[1.0, 1.0]], "sites"), ([], [[]], "sites"),
        (0, [-1.0], "points"), (0, [[1.0, 2.0]], "points"), ([0, 1], [1.0], "points"), (0, [np.nan], "points"),
        ([0, 1], [[1.0, 2.0, 3.0]], "points"),
    ],
)  # fmt: skip
def test_densities(law, sites, points, argument):
    with pytest.raises(InvalidArgument) as refused:
        law.marginal(sites, points)
    assert refused.value.argument == argument


@pytest.mark.parametrize("factors", [{5: np.sqrt}, {0: lambda i: i / 0 * np.nan}, [np.sqrt], {0: 3}])
@pytest.mark.filterwarnings("ignore")
def test_expectations(law, factors):
    with pytest.raises(InvalidArgument) as refused:
        law.expectation(factors)
    assert refused.value.argument == "factors"


def test_axes_and_files(law, tmp_path):
    with pytest.raises(InvalidArgument):
        law.plot(ax=3)
    law.save(tmp_path / "law.npz")
    with np.load(tmp_path / "law.npz") as file:
        content = dict(file)
    content["train"] = content["train"][:-1]
    np.savez(tmp_path / "damaged.npz", **content)
    with pytest.raises(InvalidArgument, match="damaged"):
        ChainLaw.load(tmp_path / "damaged.npz")
