"""A sweep against loops: values, kinds of results, alignment, warnings, errors; the same on several ranks."""

import warnings

import numpy as np
import pytest
from mpi4py import MPI
from refusals import refused
from sweeps import fails, plain, samples, warns, warns_in_a_thread

from scaling_limits import sweep
from scaling_limits.particles import InvalidArgument, NotConverged, PinnedBalls, Unresolved

xarray = pytest.importorskip("xarray")
COMM = MPI.COMM_WORLD


# --- values ----------------------------------------------------------------------------------------------


def test_what_a_loop_gives():
    """Dimensions in the order of `over`, coordinates as given, values as of a loop."""
    a, b = [0.5, 2.0, 1.0], [1, 7]
    found = sweep(plain, {"a": a, "b": b})
    assert found.total.dims == ("a", "b")
    assert found.powers.dims == ("a", "b", "powers_0")
    assert (found.total == np.array([[10 * x + y for y in b] for x in a])).all()
    assert (found.powers[:, 1] == np.array([x ** np.arange(3.0) for x in a])).all()
    assert found.a.values.tolist() == a
    assert found.b.dtype == np.int64
    assert (found.warned == "").all()
    assert found.attrs["kind"] == "Sweep"
    assert found.attrs["function"] == "plain"


def test_arguments_are_of_python():
    kinds = {}

    def note(number, integer, text, truth, thing):
        kinds.update(number=number, integer=integer, text=text, truth=truth, thing=thing)
        return thing(number)

    values = {
        "number": np.array([0.25]),
        "integer": range(3, 4),
        "text": ["x"],
        "truth": [True],
        "thing": {"sine": np.sin},
    }
    found = sweep(note, values)
    assert [type(one) for one in kinds.values()] == [float, int, str, bool, np.ufunc]
    assert found.value.item() == np.sin(0.25)
    assert found.sel(thing="sine", text="x", truth=True).value.size == 1


def test_every_kind_of_result():
    def number(a):
        return a * 1j

    def array(a):
        return xarray.DataArray([a, 2 * a], dims="x", coords={"x": [10.0, 20.0], "far": ("x", [a, a + 1])}, name="u")

    def dataset(a):
        return xarray.Dataset({"u": ("x", [a, 1.0]), "name": f"n{a}"}, {"x": [1, 2]}, {"same": 1, "other": a})

    def mixed(a):
        return {"line": array(a), "size": np.int8(3)}

    over = {"a": [1.0, 2.0]}
    assert sweep(number, over).value.values.tolist() == [1j, 2j]
    found = sweep(array, over)
    assert found.u.dims == ("a", "x")
    assert found.x.values.tolist() == [10.0, 20.0]
    # a coordinate that is another one at each point has its dimension
    assert found.far.dims == ("a", "x")
    found = sweep(dataset, over)
    assert found.name.values.tolist() == ["n1.0", "n2.0"]
    assert found.attrs["same"] == 1
    assert "other" not in found.attrs
    found = sweep(mixed, over)
    assert found.line.sel(a=2.0, x=20.0) == 4.0
    assert found["size"].values.tolist() == [3, 3]


def test_results_of_the_package():
    """One with to_xarray, sampled with the ranks that share its runs."""

    def ensemble(slope, seed):
        return PinnedBalls(n=10, mean=lambda x: slope * x, std=lambda x: 1 + x).sample(
            [1e-3, 2e-3], runs=20, seed=seed, comm=COMM
        )

    found = sweep(ensemble, {"slope": [0.0, 1.0], "seed": [1, 2]})
    one = ensemble(1.0, 2)
    assert (found["mean"].sel(slope=1.0, seed=2).values == one.mean).all()
    assert found["mean"].dims[:2] == ("slope", "seed")
    assert (found.time == one.times).all()


@pytest.mark.serial
def test_in_a_file_of_netcdf(tmp_path):
    def point(a, kind):
        return {"v": np.array([a, 2 * a]), "text": kind * 2}

    found = sweep(point, {"a": [1.0, 2.0], "kind": ["x", "long"]}, errors="keep", progress=True)
    found.to_netcdf(tmp_path / "f.nc")
    with xarray.open_dataset(tmp_path / "f.nc") as again:
        assert (again.v == found.v).all()
        assert again.text.values.tolist() == found.text.values.tolist()
        assert again.kind.values.tolist() == ["x", "long"]
        assert again.raised.values.tolist() == [["", ""]] * 2


def test_a_buffer_that_is_used_again():
    buffer = np.zeros(2)

    def same(a):
        buffer[:] = a
        return buffer

    assert sweep(same, {"a": [1.0, 2.0]}).value.values.tolist() == [[1, 1], [2, 2]]


def test_random_numbers_are_of_the_point():
    over = {"scale": [1.0, 2.0], "seed": [5, 6]}
    found = sweep(samples, over)
    turned = sweep(samples, {"seed": [6, 5], "scale": [2.0, 1.0]})
    assert (found.value == turned.value.transpose(*found.value.dims)).all()


# --- what does not belong together -----------------------------------------------------------------------


@pytest.mark.parametrize(("function", "words"), [
    (lambda a: np.zeros(int(a)), ("value of shape", "(1,) at a = 1", "(2,) at a = 2")),
    (lambda a: {f"v{a:g}": a}, ("the names", "at a = 1", "at a = 2")),
    (lambda a: "text" if a == 1 else a, ("value as", "at a = 1", "at a = 2")),
    (lambda a: xarray.DataArray([1.0], dims="x", coords={"x": [a]}), ("results at x", "at a = 1", "at a = 2")),
    (lambda a: {"a": a}, ("something called a, which is in over",)),
    (lambda a: {"warned": a}, ("something called warned",)),
    (lambda a: None, ("is a return missing?",)),
    (lambda a: object(), ("must return numbers",)),
    (lambda a: [1, [2, 3]], ("must return numbers",)),
    (lambda a: {}, ("mapping of 0 names",)),
    (lambda a: {3: a}, ("texts as names",)),
    (lambda a: np.ma.masked_array([1.0], [True]), ("masked",)),
])  # fmt: skip
def test_results_that_are_refused(function, words):
    for word in words:
        refused("function", word, lambda: sweep(function, {"a": [1.0, 2.0]}))


# --- errors and warnings ---------------------------------------------------------------------------------


def test_large_integers_beside_floats_are_refused():
    """Which no float holds; those that it holds are as good as floats."""

    def point(a):
        return [0.5, 2**53 + 1, 2**54][a]

    refused("function", "9007199254740993 at a = 1", lambda: sweep(point, {"a": [0, 1]}))
    refused("function", "no float holds", lambda: sweep(lambda a: [2**53 + 1, a], {"a": [0.5]}))
    assert sweep(lambda a: [2**54, a, np.inf], {"a": [0.5]}).value.values[0, 0] == 2**54
    assert sweep(point, {"a": [1]}).value.item() == 2**53 + 1
    assert sweep(point, {"a": [0, 2]}).value.values[1] == 2**54

    def partly(a):
        return 2**53 + 1 if a else a[0]

    refused("function", "no float holds exactly", lambda: sweep(partly, {"a": [0, 1]}, errors="keep"))


@pytest.mark.filterwarnings("default")
def test_an_error_names_its_point():
    with pytest.raises(NotConverged) as caught:
        sweep(fails, {"a": [1, 2, 3]})
    assert "This is the point a = 2 of a sweep" in caught.value.__notes__
    assert any("It had warned: Unresolved: nearly" in note for note in caught.value.__notes__)


@pytest.mark.filterwarnings("default")
def test_errors_that_are_kept():
    with pytest.warns(Unresolved, match=r"nearly \(at a = 2\)"):
        found = sweep(fails, {"a": [1, 2, 3]}, errors="keep")
    assert np.array_equal(found.value, [1.0, np.nan, np.nan], equal_nan=True)
    assert found.raised.values[0] == ""
    assert found.raised.values[1].startswith("NotConverged: the solve failed: too hard")
    assert found.raised.values[2] == "InvalidArgument: a: must not be 3"
    assert found.warned.values.tolist() == ["", "Unresolved: nearly", ""]
    assert sweep(plain, {"a": [1]}, errors="keep").raised.values.tolist() == [""]


def test_all_points_fail():
    def bad(a):
        raise ValueError("no")

    found = sweep(bad, {"a": [1, 2]}, errors="keep")
    assert not found.data_vars
    assert found.raised.values.tolist() == ["ValueError: no"] * 2


def test_no_warning_is_lost():
    """The same line warns at every point, and Python would show it once; a text that is the same is given once."""
    with pytest.warns(Unresolved) as caught:
        found = sweep(warns, {"a": [1, 2, 4], "late": [0.0, 0.001]})
    assert sorted(str(one.message) for one in caught) == [
        "coarse 2 (at a = 2, late = 0 and 1 more)", "coarse 4 (at a = 4, late = 0 and 1 more)",
    ]  # fmt: skip
    assert all(one.filename == __file__ for one in caught)
    assert found.warned.sel(late=0.0).values.tolist() == ["", "Unresolved: coarse 2", "Unresolved: coarse 4"]


def test_many_warnings_are_few():
    with pytest.warns(Unresolved) as caught:
        found = sweep(warns, {"a": range(0, 40, 2)})
    assert len(caught) == 6
    assert "15 more texts of this kind" in str(caught[-1].message)
    assert (found.warned != "").all()


def test_warnings_of_threads_of_the_function():
    with pytest.warns(Unresolved, match=r"coarse 6 \(at a = 3\)"):
        assert sweep(warns_in_a_thread, {"a": [3]}).warned.item() == "Unresolved: coarse 6"


def test_what_the_user_does_with_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        assert sweep(warns, {"a": [2]}).warned.item() == ""
    with pytest.raises(Unresolved, match="coarse 2") as caught:
        sweep(warns, {"a": [1, 2]})
    # an error at once, as of a loop
    assert "This is the point a = 2 of a sweep" in caught.value.__notes__
    before = warnings.showwarning, list(warnings.filters)
    with pytest.raises(Unresolved):
        sweep(warns, {"a": [2]})
    assert (warnings.showwarning, list(warnings.filters)) == before


# --- ranks -----------------------------------------------------------------------------------------------


def test_points_are_collective():
    """All ranks compute each point together, and have the same dataset."""

    def total(a):
        return a * COMM.allreduce(COMM.rank + 1)

    found = sweep(total, {"a": [1, 2]})
    expected = COMM.size * (COMM.size + 1) // 2
    assert found.value.values.tolist() == [expected, 2 * expected]
    assert len(set(COMM.allgather(str(found)))) == 1


def test_what_one_rank_does_alone():
    """Its error is raised on all, its warning is known to all; numbers that differ are refused."""

    def alone(a):
        if COMM.rank == COMM.size - 1:
            raise NotConverged("mine", "why", "how")
        return a

    with pytest.raises(NotConverged, match="mine failed") as caught:
        sweep(alone, {"a": [1]})
    assert caught.value.__notes__[-1] == "This is the point a = 1 of a sweep"

    def noise(a):
        if COMM.rank == COMM.size - 1:
            warnings.warn("last", Unresolved, stacklevel=1)
        return a

    with pytest.warns(Unresolved, match=r"last \(at a = 1\)"):
        assert sweep(noise, {"a": [1]}).warned.item() == "Unresolved: last"
    if COMM.size > 1:
        refused("function", "other numbers on some ranks at a = 1", lambda: sweep(lambda a: COMM.rank, {"a": [1]}))
        refused("over", "must be the same on all ranks", lambda: sweep(lambda a: a, {"a": [COMM.rank]}))
        assert sweep(lambda a: COMM.rank, {"a": [1]}, comm=MPI.COMM_SELF).value.item() == COMM.rank


def test_a_folder_of_several_ranks(shared_folder):
    """Rank 0 writes and reads, all have the results; an error leaves what is finished."""
    calls = []

    def point(a):
        calls.append(a)
        if a == 3 and stop:
            raise RuntimeError("stop")
        return COMM.allreduce(a)

    path, stop = shared_folder / "folder", True
    with pytest.raises(RuntimeError, match="stop"):
        sweep(point, {"a": [1, 2, 3]}, path=path, version="1")
    stop = False
    found = sweep(point, {"a": [1, 2, 3, 4]}, path=path, version="1")
    assert calls == [1, 2, 3, 3, 4]
    assert found.value.values.tolist() == [COMM.size * a for a in (1, 2, 3, 4)]
    with pytest.raises(InvalidArgument, match="path: .* belongs to another function"):
        sweep(point, {"a": [1, 2]}, path=path, version="2")
