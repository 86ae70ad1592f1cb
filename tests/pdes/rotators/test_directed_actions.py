"""Example 2, sites that act on one another: convergence, balance, complex rates, samples of the same law, checkpoints."""

from functools import cache

import numpy as np
import pytest
from chance import assert_mean
from rotators import lattice_of

from scaling_limits.cells import averaged_dissipation
from scaling_limits.particles import DirectedDissipation, InvalidArgument, TransportProcess
from scaling_limits.pdes import IMPLICIT_EULER, TransportFokkerPlanck

EXAMPLE_2 = {
    2: (np.array([1.23647515, 0.29651006]), 1e-7),
    3: (np.array([1.34277055, 0.54719068, 0.40794542]), 1e-6),
}


@cache
def directed(dim):
    return TransportFokkerPlanck(lattice_of(DirectedDissipation(), {2: [2.0, 0.5], 3: [2.0, 1.0, 0.5]}[dim]))


@pytest.mark.serial
@pytest.mark.parametrize("dim", [2, 3])
def test_example_2_is_converged(dim):
    """Means and covariance do not change with the mesh, to 1e-5; sites balance: E R_j + T_j = 0; flows add up."""
    fine = directed(dim)
    lattice, temperature = fine.lattice, fine.lattice.temperature
    coarse = {2: (8, 6), 3: (7, 3)}[dim]
    other = TransportFokkerPlanck(lattice, fine.upper, coarse[0], degree=coarse[1])
    rho = fine.stationary()
    assert np.abs(rho.mean() - other.stationary().mean()).max() < 1e-5
    assert np.abs(rho.covariance() - other.stationary().covariance()).max() < 1e-5
    assert np.abs(rho.mean() - EXAMPLE_2[dim][0]).max() < EXAMPLE_2[dim][1]
    assert abs(rho.mass - 1) < 1e-12
    assert (fine.tail < 1e-12).all()
    drift = rho.expectation(averaged_dissipation(lattice))
    assert np.abs(drift + temperature).max() < 1e-5
    flow = np.concatenate([[0.0], fine.flow(), [0.0]])
    thermostat = temperature - rho.expectation(lambda x: x**2)
    assert np.abs(0.5 * np.diff(flow) + thermostat).max() < 1e-5


@pytest.mark.serial
@pytest.mark.parametrize("dim", [2, 3])
def test_example_2_against_samples(dim):
    """Means and covariances of a million samples of the effective equation: 5 standard errors."""
    lattice, rho = directed(dim).lattice, directed(dim).stationary()
    initial = np.sqrt(2 * rho.mean()) + 0j
    times = 4.0 + 1.0 * np.arange(5)  # five looks at 200 000 members, past relaxation
    sample = TransportProcess(lattice).sample(initial, times, 200_000, seed=9, step=0.02)
    actions = sample.actions.mean(axis=0)  # of each member over time: independent
    assert_mean(actions.mean(axis=0), rho.mean(), actions.std(axis=0) / np.sqrt(len(actions)))
    centred = sample.actions - rho.mean()
    products = np.einsum("tpj,tpk->pjk", centred, centred) / len(times)
    error = products.std(axis=0) / np.sqrt(len(products))
    assert_mean(products.mean(axis=0), rho.covariance(), error)
    assert (5 * error < 0.02).all()


def test_example_2_turns_on_its_way():
    """Without detailed balance rates may be complex: those of N = 2 are; the mean relaxes with the slowest of them."""
    lattice = lattice_of(DirectedDissipation(), [2.0, 0.5])
    equation = TransportFokkerPlanck(lattice, cells=8, degree=5)
    rates = equation.spectrum(4)
    assert np.iscomplexobj(rates)
    assert np.abs(rates[:3] - [0, 2.400576 - 0.412133j, 2.400576 + 0.412133j]).max() < 1e-4
    times = np.linspace(1.0, 3.0, 9)
    run = equation.evolve(lambda x: np.exp(-2 * x.sum(axis=1)), times)
    modes = np.exp(-np.outer(times - 1, rates[1:3]))
    deviation = (run.mean - equation.stationary().mean()) / np.exp(-2.4 * (times - 1))[:, None]
    modes = modes / np.exp(-2.4 * (times - 1))[:, None]
    fit = modes @ np.linalg.lstsq(modes, deviation, rcond=None)[0]
    assert np.abs(fit - deviation).max() < 0.03 * np.abs(deviation).max()
    assert (np.diff(run.free_energy) < 0).all()


def test_evolution_against_samples():
    """N = 2, example 2: means on the way, 5 standard errors; implicit Euler with a given step converges to the same."""
    lattice = lattice_of(DirectedDissipation(), [2.0, 0.5])
    equation = TransportFokkerPlanck(lattice, cells=8, degree=5)
    run = equation.evolve(lambda x: np.exp(-2 * x.sum(axis=1)), [0.1, 0.5])
    generator = np.random.Generator(np.random.Philox(key=1))
    initial = np.sqrt(2 * generator.exponential(0.5, (100_000, 2))) + 0j
    sample = TransportProcess(lattice).sample(initial, [0.1, 0.5], 100_000, seed=4)
    assert_mean(sample.mean, run.mean, sample.standard_error)
    steps = [
        np.abs(
            equation.evolve(lambda x: np.exp(-2 * x.sum(axis=1)), [0.5], scheme=IMPLICIT_EULER, step=h).mean
            - run.mean[1]
        ).max()
        for h in (0.05, 0.025)
    ]
    assert 1.7 < steps[0] / steps[1] < 2.3
    assert steps[1] < 0.02


@pytest.mark.serial
def test_checkpoint(tmp_path):
    """An evolution that is cut off goes on from its file, and gives the same."""
    equation = TransportFokkerPlanck(lattice_of(DirectedDissipation(), [2.0, 0.5]), cells=6, degree=4)
    start, times, path = (lambda x: np.exp(-2 * x.sum(axis=1))), [0.1, 0.2], tmp_path / "c.npz"
    whole = equation.evolve(start, times)

    class Cut(Exception):
        pass

    from scaling_limits.pdes.time import checkpoint

    after_step, calls = checkpoint.Checkpoint.after_step, []

    def cut(keeper, journey):
        after_step(keeper, journey)
        calls.append(journey)
        if len(calls) == 12:
            raise Cut

    checkpoint.Checkpoint.after_step = cut
    try:
        with pytest.raises(Cut):
            equation.evolve(start, times, checkpoint=path, checkpoint_every=0.0)
    finally:
        checkpoint.Checkpoint.after_step = after_step
    again = equation.evolve(start, times, checkpoint=path, checkpoint_every=0.0)
    assert np.abs(again.fields - whole.fields).max() <= 1e-12 * np.abs(whole.fields).max()
    with pytest.raises(InvalidArgument, match="checkpoint"):
        equation.evolve(start, [0.1, 0.3], checkpoint=path)
