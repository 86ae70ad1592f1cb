"""Results of Fokker-Planck equations: the same names everywhere, files, fields on each rank, equations that are changed."""

from dataclasses import replace

import numpy as np
import pytest
from diffusions import Given
from mpi4py import MPI
from rotators import FREQUENCIES, weak

import scaling_limits
from scaling_limits.meshes import Grid, lattice
from scaling_limits.particles import DiagonalDissipation, InvalidArgument, RotatorLattice, egg_carton
from scaling_limits.pdes import (
    Density,
    DensityEvolution,
    EdgeScheme,
    EffectiveFokkerPlanck,
    EffectivePlane,
    Evolved,
    FokkerPlanck,
    LatticeField,
    ScalarField,
    ScharfetterGummel,
)

TENSOR = np.array([[1.0, 0.3], [0.3, 0.8]])
PLANE = Given(lambda x: np.repeat(TENSOR[None], len(x), axis=0), lambda x: (x**2).sum(axis=1), 0.5)
LINE = Given(lambda x: np.ones((len(x), 1, 1)), lambda x: x[:, 0] ** 2)
FP = FokkerPlanck(PLANE, [(-3, 3)] * 2, (30, 24))
LINE_FP = FokkerPlanck(LINE, [(-3, 3)], (40,))


def start(x):
    return np.exp(-4 * ((x - [0.5, -0.2]) ** 2).sum(axis=1))


@pytest.fixture(scope="module")
def run():
    return FP.evolve(start, [0.1, 0.4, 20.0])


def test_moments(run):
    """Of the stationary law by quadrature, of evolved ones by the nodes; rho ~ exp(-|x|^2/sigma) has covariance sigma/2."""
    rho = FP.stationary()
    assert rho.covariance == pytest.approx(0.25 * np.eye(2), abs=1e-7)  # the box cuts off exp(-18)
    assert rho.mean == pytest.approx(np.zeros(2), abs=1e-12)
    assert run.mean.shape == (3, 2)
    assert run.covariance.shape == (3, 2, 2)
    assert run.covariance[-1] == pytest.approx(rho.covariance, abs=1e-6)
    r, x = run.probabilities[0], FP.grid.nodes
    assert run.mean[0] == pytest.approx(r @ x, abs=1e-14)
    assert run[0].covariance == pytest.approx(np.cov(x.T, aweights=r, ddof=0), abs=1e-12)


def test_the_mean_may_be_called(run):
    for one in (FP.stationary(), run[1], run):
        called = one.mean()
        assert type(called) is np.ndarray
        assert (called == one.mean).all()
        assert type(one.mean - 1.0) is np.ndarray
        assert isinstance(one.mean.sum(), float)


def test_names_are_those_of_the_series(run):
    for name in ("mass", "minimum", "relative_entropy", "free_energy"):
        each = [getattr(density, name) for density in run]
        assert getattr(run, name) == pytest.approx(np.array(each), rel=1e-12, abs=1e-300)
    assert (run.entropy == run.relative_entropy).all()
    rho = FP.stationary()
    assert rho.relative_entropy == 0.0
    assert run.free_energy[-1] == pytest.approx(rho.free_energy, abs=1e-3)
    assert "DensityEvolution: 3 times" in repr(run)
    assert "31x25 nodes" in repr(rho)


def test_files(run, shared_folder):
    rho, points = FP.stationary(), np.array([[0.1, 0.2], [-1.0, 2.0]])
    for result, name in ((run, "run.npz"), (rho, "rho.npz"), (run[1], "one.npz")):
        result.save(shared_folder / name)
        MPI.COMM_WORLD.barrier()
        again = scaling_limits.load(shared_folder / name, equation=FokkerPlanck(PLANE, [(-3, 3)] * 2, (30, 24)))
        assert type(again) is type(result)
        assert (again.at(points) == result.at(points)).all()
        assert (again.covariance == result.covariance).all()
        assert (
            (again.free_energy == result.free_energy).all()
            if result is run
            else again.free_energy == result.free_energy
        )
    assert DensityEvolution.load(shared_folder / "run.npz", FP).statistics == run.statistics
    warmer = FokkerPlanck(replace(PLANE, temperature=0.6), [(-3, 3)] * 2, (30, 24))
    for other in (LINE_FP, warmer, replace(FP, cells=(24, 30))):
        with pytest.raises(InvalidArgument, match="equation: .*another"):
            Density.load(shared_folder / "rho.npz", other)
    with pytest.raises(InvalidArgument, match="holds Density, not DensityEvolution"):
        DensityEvolution.load(shared_folder / "rho.npz", FP)
    with pytest.raises(InvalidArgument, match="DensityEvolution asks for equation="):
        scaling_limits.load(shared_folder / "run.npz")


@pytest.mark.filterwarnings("ignore:the solution is known")  # at a wall where no mass is
def test_fields_are_local():
    """Each rank asks for points of its own, or for none."""
    rank = MPI.COMM_WORLD.rank
    for fp, target in ((LINE_FP, lambda x: x[:, 0] > 1), (FP, lambda x: x[:, 0] > 1)):
        field = fp.mean_first_passage_time(target)
        assert isinstance(field, ScalarField)
        assert field.values.shape == fp.grid.shape
        assert field.at(fp.grid.nodes) == pytest.approx(field.values.ravel(), rel=1e-12)
        for _ in range(rank + 1):
            assert field.at(np.full((rank + 1, fp.dim), -0.5)) > 0 if rank == 0 else True
        assert field.function.name == "f"


def test_a_field_on_a_line_is_its_finite_element_function():
    from scaling_limits.meshes import evaluate

    field = LINE_FP.committor(lambda x: x[:, 0] < -0.77, lambda x: x[:, 0] > 1.1)
    x = np.linspace(-3, 3, 501)[:, None]
    assert field.at(x) == pytest.approx(evaluate(field.function, x), abs=1e-13)


def test_equations_that_are_changed(monkeypatch):
    finer = replace(FP, cells=(60, 48), rtol=1e-4)
    assert finer.grid.shape == (61, 49)
    assert finer.coefficients is PLANE
    potential = egg_carton(1.0, dim=1)
    with monkeypatch.context() as patch:
        solves = "scaling_limits.pdes.diffusions.effective_fokker_planck.effective_coefficients"
        patch.setattr(solves, lambda *_, **__: pytest.fail("cells were solved"))
        effective = EffectiveFokkerPlanck(potential, [(-3, 3)], (60,), rtol=1e-4)
        finer = replace(effective, cells=(120,))
    assert (finer.potential, finer.rtol, finer.grid.cells) == (potential, 1e-4, (120,))
    assert finer.spectrum(2) == pytest.approx(effective.spectrum(2), rel=1e-3)
    with pytest.raises(InvalidArgument, match="^cells"):
        replace(effective, cells=(0,))


def test_a_potential_that_is_not_periodic_is_refused_when_its_cells_are_solved():
    tilted = EffectiveFokkerPlanck(egg_carton(1.0, dim=1), [(-3, 2)], (60,), periodic=True)
    with pytest.raises(InvalidArgument, match="^periodic: Psi"):
        tilted.stationary()


def test_planes_that_are_changed():
    """`lattice` is that of the rotators, `grid` that of the nodes."""
    site = RotatorLattice((1,), FREQUENCIES[4], weak, DiagonalDissipation(4), [0.7], 0.1)
    plane = EffectivePlane(site, cells=32)
    assert plane.lattice is site
    assert plane.grid.shape == (33, 33)
    finer = replace(plane, cells=64, radius=3.0)
    assert finer.grid.shape == (65, 65)
    assert finer.grid.box.tolist() == [[-3.0, 3.0]] * 2
    assert finer.spectrum(2) == pytest.approx(plane.spectrum(2), rel=1e-4)
    with pytest.raises(InvalidArgument, match="^radius"):
        replace(plane, radius=-1.0)


def test_former_names():
    assert (Evolved, EdgeScheme, LatticeField) == (DensityEvolution, ScharfetterGummel, ScalarField)
    assert FP.lattice is FP.grid
    assert FP.scheme is FP.generator
    assert FP.grid.bounds is FP.grid.box
    assert isinstance(lattice([(0, 1)], (5,), False, MPI.COMM_WORLD), Grid)
