"""Statistics in files: what is written and when, going on bit by bit, and files of other ensembles."""

import pickle

import numpy as np
import pytest
from interrupts import seconds_to_end
from refusals import refused

from scaling_limits import load
from scaling_limits.particles import (
    EffectiveLangevin,
    EnsembleStatistics,
    Langevin,
    LinearDissipation,
    ReducedEnsemble,
    RotatorLattice,
    TransportProcess,
    Unresolved,
    egg_carton,
)
from scaling_limits.particles.sampling import saving
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.statistics.growing import GrowingStatistics
from scaling_limits.particles.support.archive import save_arrays

TIMES = [0.002, 0.01]
COMM = MPI.COMM_WORLD
LEVEL = 0.3


def above(x):
    return x[:, 0] > LEVEL


def asked(covariance=True, **observables):
    return EnsembleStatistics({"above": above, **observables}, {"positions": [-0.2, 0.0, 0.2]}, covariance)


def made(runs=1300, epsilon=0.5, *, statistics=None, times=TIMES, seed=3, step=0.002, start=(0.0, 0.0), **options):
    model = Langevin(egg_carton(1.0), epsilon)
    return model.sample(start, times, runs, seed, step, statistics=statistics or asked(), **options)


def same(one, other):
    """Bit by bit."""
    assert one.runs == other.runs
    assert one.identity == other.identity
    for a, b in zip(one.sums.tallies, other.sums.tallies, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.arrays, b.arrays, strict=True))


@pytest.fixture
def place(tmp_path):
    """A file that all ranks know by the same name."""
    return COMM.bcast(tmp_path) / "statistics.npz"


def test_files_hold_everything(tmp_path):
    found = made()
    found.save(tmp_path / "a.npz")
    for again in (
        ReducedEnsemble.load(tmp_path / "a.npz"),
        load(tmp_path / "a.npz"),
        pickle.loads(pickle.dumps(found)),
    ):
        same(found, again)
        assert again.names == found.names
        assert np.array_equal(again["positions"].histogram.counts, found["positions"].histogram.counts)
        refused("runs", "checkpoint=", lambda again=again: again.more(2000))


@pytest.mark.serial
def test_damaged_files_are_refused(tmp_path):
    found = made(600)
    content = found._content()
    for name, wrong in (
        ("moments", content["moments"][:-1]), ("counts", np.append(content["counts"], 1)), ("layout", "{"),
        ("layout", "{}"), ("moments", content["moments"] * np.nan), ("identity", "no json"),
        ("moments", content["moments"].astype(str)), ("counts", 1.0 * content["counts"]), ("edges", content["edges"][:, None]),
        ("identity", "3"),
    ):  # fmt: skip
        said = {"kind": "ReducedEnsemble", "format": 1} | content | {name: wrong}
        save_arrays(tmp_path / "b.npz", said)
        refused("path", "damaged", lambda: ReducedEnsemble.load(tmp_path / "b.npz"))


@pytest.mark.parametrize("comm", [None, COMM], ids=["alone", "ranks"])
def test_going_on_is_the_same_as_all_at_once(place, comm):
    """Through a last tile that is not full, and one more run than there was."""
    if comm is None:
        place = place.with_name(f"of_rank_{COMM.rank}.npz")
    for runs in (600, 601, 1300, 1300):
        part = made(runs, checkpoint=place, comm=comm)
        COMM.Barrier()
        same(load(place), part)
        COMM.Barrier()
    same(part, made(1300))


def test_transport_goes_on(tmp_path):
    lattice = RotatorLattice(
        shape=(2,), frequency=lambda x: 1 + x, coupling=lambda x: 1 / (1 + x), dissipation=LinearDissipation(),
        temperature=1.0, epsilon=0.1,
    )  # fmt: skip
    statistics = EnsembleStatistics({"total": lambda actions: actions.sum(axis=1)})
    for model in (lattice, TransportProcess(lattice)):
        path = tmp_path / type(model).__name__
        for runs in (100, 300):
            found = model.sample(np.ones(2), TIMES, runs, 1, statistics=statistics, checkpoint=path)
        same(found, model.sample(np.ones(2), TIMES, 300, 1, statistics=statistics))
    other = tmp_path / "TransportProcess"
    refused(
        "checkpoint", "model",
        lambda: lattice.sample(np.ones(2), TIMES, 300, 1, statistics=statistics, checkpoint=other),
    )  # fmt: skip


def test_starts_of_each_run_may_become_more(tmp_path):
    starts, path = np.linspace(0, 1, 2600).reshape(1300, 2), tmp_path / "a"
    made(700, start=starts[:700], checkpoint=path)
    same(made(1300, start=starts, checkpoint=path), made(1300, start=starts))
    refused("checkpoint", "initial differs", lambda: made(1300, start=starts[::-1], checkpoint=path))


def test_files_of_other_ensembles_are_refused_by_what_differs(place):
    """On all ranks, before anything is made; with the names of all that differ."""
    made(600, checkpoint=place, comm=COMM)
    COMM.Barrier()
    cases = {
        "seed differs (seed: 3 there, 4 here)": {"seed": 4},
        "step differs; give step=0.002": {"step": 0.001},
        "times differs": {"times": [0.002, 0.012]},
        "initial differs": {"start": (0.0, 0.1)},
        "epsilon differs": {"epsilon": 0.6},
        "covariance differs": {"statistics": asked(False)},
        "observables differs": {"statistics": asked(more=above)},
        "histograms differs": {"statistics": EnsembleStatistics({"above": above}, {"positions": [0, 1]}, True)},
        "epsilon, seed differ (epsilon: 0.5 there, 0.6 here; seed: 3 there, 4 here)": {"seed": 4, "epsilon": 0.6},
    }
    for word, other in cases.items():
        refused("checkpoint", word, lambda other=other: made(700, checkpoint=place, comm=COMM, **other))
    refused("checkpoint", "more than the 500", lambda: made(500, checkpoint=place, comm=COMM))
    COMM.Barrier()
    assert load(place).runs == 600


def test_a_number_that_an_observable_reads_is_told(monkeypatch, tmp_path):
    """Another level, by the same code."""
    made(600, checkpoint=tmp_path / "a")
    made(700, checkpoint=tmp_path / "a")
    monkeypatch.setitem(globals(), "LEVEL", 0.4)
    refused("checkpoint", "observables differs", lambda: made(800, checkpoint=tmp_path / "a"))


class Reader:
    """What it reads may change, and nobody would know."""

    def values(self, x):
        return x[:, 0]


def test_observables_that_cannot_be_told_have_no_checkpoint(tmp_path):
    statistics = asked(method=Reader().values)
    assert made(600, statistics=statistics).runs == 600
    refused("observables", "method", lambda: made(600, statistics=statistics, checkpoint=tmp_path / "a"))


def test_a_function_of_a_dict_is_known_by_what_is_in_it(tmp_path):
    """A bound method in compiled code has the same name whatever it is bound to."""

    def reading(levels):
        get = levels.get
        return asked(part=lambda x: x[:, 0] > get("level"))

    made(600, statistics=reading({"level": 0.1}), checkpoint=tmp_path / "a")
    other = reading({"level": 0.2})
    refused("checkpoint", "observables differs", lambda: made(700, statistics=other, checkpoint=tmp_path / "a"))


def bump(place, height):
    """Of a width that no few points see."""
    return lambda x: height * np.exp(-(((x - place) / 1e-4) ** 2))


def test_a_lattice_is_known_by_its_code_too(tmp_path):
    def sampled(height):
        def frequency(x):
            return 2 + x + height * np.exp(-(((x - 7.7) / 1e-4) ** 2))

        lattice = RotatorLattice((2,), frequency, lambda x: 1 + 0 * x, LinearDissipation(), 1.0, 0.1)
        options = {"statistics": EnsembleStatistics(), "checkpoint": tmp_path / "a"}
        return lattice.sample([1.0, 1.0], [0.01], 20, 1, 0.01, **options)

    sampled(0.0)
    assert sampled(0.0).runs == 20
    refused("checkpoint", "lattice differs", lambda: sampled(1.0))


def test_an_effective_equation_is_known_by_its_code_too(tmp_path):
    def noise(x):
        return np.broadcast_to(np.eye(2), (len(x), 2, 2))

    def sampled(height):
        narrow = bump(1.234567, height)
        model = EffectiveLangevin(lambda x: -x + narrow(x), noise, [(-3, 3)] * 2)
        return model.sample([0, 0], TIMES, 20, 1, 0.01, statistics=asked(), checkpoint=tmp_path / "a")

    sampled(0.0)
    assert sampled(0.0).runs == 20
    refused("checkpoint", "drift differs", lambda: sampled(1.0))


@pytest.mark.serial
def test_what_of_a_model_cannot_be_read_is_said(tmp_path):
    class Drift:
        rates = (rate for rate in [1.0])

        def __call__(self, x):
            return -x

    model = EffectiveLangevin(Drift(), lambda x: np.broadcast_to(np.eye(2), (len(x), 2, 2)), [(-3, 3)] * 2)
    options = {"statistics": asked(), "checkpoint": tmp_path / "a"}
    with pytest.warns(Unresolved, match="knows drift by some of its values alone, since builtins.generator"):
        model.sample([0, 0], TIMES, 20, 1, 0.01, **options)


def test_effective_equations_are_known_by_their_values(tmp_path):
    def noise(x):
        return np.broadcast_to(np.eye(2), (len(x), 2, 2))

    def sampled(rate):
        model = EffectiveLangevin(lambda x: -rate * x, noise, [(-3, 3)] * 2)
        return model.sample([0, 0], TIMES, 20, 1, 0.01, statistics=asked(), checkpoint=tmp_path / "a")

    sampled(1.0)
    refused("checkpoint", "drift differs", lambda: sampled(1.1))


# --- interrupts ------------------------------------------------------------------------------------------

SCRIPT = """
import numpy as np
from scaling_limits.particles import EnsembleStatistics, Langevin, egg_carton
model = Langevin(egg_carton(1.0), 0.5)
model.sample([0.0, 0.0], [0.002], 10, 3, 0.002, statistics=EnsembleStatistics())
print("begins", flush=True)
"""


@pytest.mark.serial
def test_an_interrupt_leaves_a_checkpoint_of_what_was_done(tmp_path):
    path = tmp_path / "a.npz"
    call = "model.sample([0.0, 0.0], [1.0, 2.0], 10**8, 3, 0.002, statistics=EnsembleStatistics(), workers=2, "
    seconds_to_end(SCRIPT + f"{call} checkpoint={str(path)!r})", 3.0)
    found = load(path)
    assert found.runs >= 512
    assert found.runs % 512 == 0
    assert not list(tmp_path.glob("*.partial"))
    same(found, made(512, times=[1.0, 2.0], statistics=EnsembleStatistics()).more(found.runs))


def test_an_interrupt_while_a_tile_is_added_loses_that_tile_alone(monkeypatch, tmp_path):
    """Before the only statement that changes anything; the two tiles before it are in the file, whole."""
    added, add = [], GrowingStatistics.add

    def adding(self, tile, width):
        added.append(tile)
        if len(added) == 3:
            raise KeyboardInterrupt
        add(self, tile, width)

    monkeypatch.setattr(GrowingStatistics, "add", adding)
    with pytest.raises(KeyboardInterrupt):
        made(3000, checkpoint=tmp_path / "a")
    monkeypatch.undo()
    assert load(tmp_path / "a").runs == 1024
    same(made(3000, checkpoint=tmp_path / "a"), made(3000))


def test_checkpoints_are_written_by_the_clock(monkeypatch, tmp_path):
    """The first tile, so that a full disk is seen early, and the last; each of them where it is time."""
    written, save = [], ReducedEnsemble.save

    def counting(self, path):
        written.append(self.runs)
        save(self, path)

    monkeypatch.setattr(ReducedEnsemble, "save", counting)
    made(1300, checkpoint=tmp_path / "a")
    assert written == [512, 1300]
    written.clear()
    monkeypatch.setattr(saving, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(saving, "SAVE_SHARE", 1e9)
    made(1300, checkpoint=tmp_path / "b")
    assert written == [512, 1024, 1300]
    written.clear()
    made(1300, checkpoint=tmp_path / "b")
    assert written == []
