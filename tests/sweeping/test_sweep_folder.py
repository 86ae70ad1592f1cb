"""The folder of a sweep: what is there is not computed again, and what belongs to something else is refused."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
from functools import partial

import numpy as np
import pytest
from refusals import refused
from sweeps import carton, fails, plain, warns

import scaling_limits
from scaling_limits import sweep
from scaling_limits.particles import InvalidArgument, NotConverged, PinnedBalls, Unresolved, egg_carton
from scaling_limits.particles.support.fingerprint import digest_of, fingerprint_of

xarray = pytest.importorskip("xarray")
pytestmark = pytest.mark.serial
TOOLS = os.path.join(os.path.dirname(__file__), "..", "tools")


def counted(folder):
    return len([name for name in os.listdir(folder) if not name.startswith((".", "sweep"))])


def test_go_on_and_grow(tmp_path):
    path, calls = tmp_path / "folder", []

    def point(a, b):
        # says that it was called where the function does not read it
        os.write(pipe[1], b"x")
        return {"v": np.array([a, b]), "t": "text", "z": 1j * a}

    pipe = os.pipe()
    first = sweep(point, {"a": [0.5, 1.0], "b": [1, 2]}, path=path)
    again = sweep(point, {"b": [1, 2], "a": [0.5, 1.0]}, path=path)
    assert first.identical(again.transpose(*first.dims))
    more = sweep(point, {"a": [0.25, 0.5, 1.0], "b": [2, 1, 3]}, path=path)
    calls = os.read(pipe[0], 1000)
    assert len(calls) == 4 + 5
    assert counted(path) == 9
    assert more.identical(sweep(point, {"a": [0.25, 0.5, 1.0], "b": [2, 1, 3]}))
    # a part of what is there
    assert sweep(point, {"a": [0.5], "b": [3]}, path=path).v.values.ravel().tolist() == [0.5, 3.0]
    assert more.sel(a=0.5, b=3).v.values.tolist() == [0.5, 3.0]


def test_what_a_file_keeps(tmp_path):
    """Datasets with attributes, coordinates and warnings come back as they were."""

    def point(a):
        warns(a)
        times = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]")
        return xarray.Dataset(
            {"u": ("time", [a, np.nan], {"units": "m"})}, {"time": times, "place": "here"}, {"list": np.arange(3), "n": np.nan}
        )  # fmt: skip

    with pytest.warns(Unresolved, match="coarse 2"):
        first = sweep(point, {"a": [1, 2]}, path=tmp_path / "f")
    with pytest.warns(Unresolved, match="coarse 2"):
        again = sweep(point, {"a": [1, 2]}, path=tmp_path / "f")
    assert first.identical(again)
    assert first.u.attrs == {"units": "m"}
    assert first.attrs["list"] == [0, 1, 2]


@pytest.mark.filterwarnings("default")
def test_points_that_failed_are_tried_again(tmp_path):
    path = tmp_path / "f"
    with pytest.raises(NotConverged):
        sweep(fails, {"a": [1, 2, 3]}, path=path)
    assert counted(path) == 1
    with pytest.warns(Unresolved):
        kept = sweep(fails, {"a": [1, 2, 3]}, path=path, errors="keep")
    assert kept.raised.values[2] == "InvalidArgument: a: must not be 3"
    assert counted(path) == 1


def test_other_sweeps_are_refused(tmp_path):
    path, over = tmp_path / "f", {"a": [1.0, 2.0]}
    power = 2
    sweep(lambda a: a**power, over, path=path)
    power = 3
    refused("path", "different in the captured value power", lambda: sweep(lambda a: a**power, over, path=path))
    power = 2
    assert sweep(lambda a: a**power, over, path=path).value.values.tolist() == [1.0, 4.0]
    refused("path", "different in its code", lambda: sweep(lambda a: a**power + 0, over, path=path))
    refused("path", "its defaults", lambda: sweep(lambda a, b=1: a**power, over, path=path))
    refused("path", "a sweep over a;", lambda: sweep(lambda a, b: a**power, over | {"b": [1]}, path=path))
    other = {"a": [1.0, 3.0]}
    refused("path", "other values of a: 2.0 is missing here, 3.0", lambda: sweep(lambda a: a**power, other, path=path))
    with pytest.raises(InvalidArgument, match="another function"):
        sweep(plain, over, path=path)


SLOPE = 1.0


def helper(x):
    return SLOPE * x


def through_helper(a):
    """Reads a global value by way of another function."""
    return helper(a)


def test_global_values_count(tmp_path, monkeypatch):
    over = {"a": [1.0]}
    sweep(through_helper, over, path=tmp_path / "f")
    sweep(through_helper, over, path=tmp_path / "f")
    monkeypatch.setitem(globals(), "SLOPE", 2.0)
    refused("path", "the global value helper", lambda: sweep(through_helper, over, path=tmp_path / "f"))


def test_attributes_of_modules_count(tmp_path):
    """A module of the user's own, read through its name; those of libraries count by name."""
    own = types.ModuleType("own_numbers")
    own.slope = 1.0

    def line(x):
        return own.slope * x + np.pi

    sweep(line, {"x": [1.0]}, path=tmp_path / "a")
    own.slope = 2.0
    refused("path", "own.slope", lambda: sweep(line, {"x": [1.0]}, path=tmp_path / "a"))


def test_modules_that_a_function_imports_count(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "own_numbers", types.ModuleType("own_numbers"))
    sys.modules["own_numbers"].slope = 1.0

    def line(x):
        import math

        from own_numbers import slope

        return slope * x + math.pi

    sweep(line, {"x": [1.0]}, path=tmp_path / "a")
    sys.modules["own_numbers"].slope = 2.0
    refused("path", "own_numbers.slope", lambda: sweep(line, {"x": [1.0]}, path=tmp_path / "a"))


def test_models_and_partial_functions_count(tmp_path):
    """What a potential or a profile is made of; one that is made again from the same is the same."""

    def height(a, model):
        return a * model.dim

    over = {"a": [1.0]}
    sweep(partial(height, model=egg_carton(1.0)), over, path=tmp_path / "f")
    sweep(partial(height, model=egg_carton(1.0)), over, path=tmp_path / "f")
    with pytest.raises(InvalidArgument, match="the given argument model"):
        sweep(partial(height, model=egg_carton(2.0)), over, path=tmp_path / "f")

    def balls(slope):
        return PinnedBalls(n=10, mean=lambda x: slope * x, std=lambda x: 1 + x)

    def speed(a):
        return a * model.wave_speed

    model = balls(1.0)
    sweep(speed, over, path=tmp_path / "g")
    model = balls(1.0)
    sweep(speed, over, path=tmp_path / "g")
    model = balls(2.0)
    refused("path", "the captured value model", lambda: sweep(speed, over, path=tmp_path / "g"))


def test_labels_count(tmp_path):
    over = {"shape": {"sine": np.sin, "flat": lambda x: 0.0}}
    call = lambda shape: shape(1.0)  # noqa: E731
    found = sweep(call, over, path=tmp_path / "f")
    assert found.value.sel(shape="sine").item() == np.sin(1.0)
    more = sweep(call, over | {"shape": over["shape"] | {"cosine": np.cos}}, path=tmp_path / "f")
    assert more.value.sel(shape="cosine").item() == np.cos(1.0)
    over["shape"] = {"sine": np.sin, "flat": lambda x: 1.0}
    refused("path", "another object as shape = flat", lambda: sweep(call, over, path=tmp_path / "f"))
    with pytest.raises(InvalidArgument, match="shape"):
        sweep(call, {"shape": ["sine"]}, path=tmp_path / "f")


def test_what_cannot_be_compared_is_said(tmp_path):
    generator = (x for x in range(3))

    def point(a):
        return a + 0 * (generator is None)

    with pytest.warns(
        UserWarning, match=r"the captured value generator \(builtins.generator\) is what it was; give version="
    ):
        sweep(point, {"a": [1]}, path=tmp_path / "f")
    sweep(point, {"a": [1]}, path=tmp_path / "g", version="1")
    sweep(plain, {"a": [1]}, path=tmp_path / "g", version="1")
    refused("path", "different in version", lambda: sweep(plain, {"a": [1]}, path=tmp_path / "g", version="2"))


CALLS = "def f{k}(a): return a if a < 1 else " + " + ".join(f"f{k}(a - 1)" for k in range(16))


def test_functions_that_call_one_another():
    """All paths through sixteen of them are more than anyone could walk."""
    names = {}
    exec("\n".join(CALLS.replace("{k}", str(k)) for k in range(16)), names)
    first = fingerprint_of(names["f0"])
    exec(CALLS.replace("{k}", "5").replace("a < 1", "a < 2"), names)
    second = fingerprint_of(names["f0"])
    assert first.parts.keys() == second.parts.keys()
    assert first.parts["its code"] == second.parts["its code"]
    assert first.parts["the global value f5"] != second.parts["the global value f5"]
    assert not first.unknown


def test_what_is_equal_has_one_fingerprint():
    """Whether parts of a value are one object or two does not matter; nor does the order of a dictionary."""
    part = [1.0, 2.0]
    assert digest_of([part, part]) == digest_of([[1.0, 2.0], [1.0, 2.0]])
    assert digest_of({"a": 1, "b": part}) == digest_of({"b": [1.0, 2.0], "a": 1})
    assert digest_of([1]) != digest_of([1.0]) != digest_of([True])
    assert digest_of(["ab", "c"]) != digest_of(["a", "bc"])
    assert digest_of(np.zeros(3)) != digest_of(np.zeros((3, 1)))
    part.append(part)
    assert len(digest_of(part)[0]) == 32
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert digest_of(deep) == ("", ["builtins.list, too deep"])


def test_the_same_function_in_another_process(tmp_path):
    """Hashes of texts differ between processes; fingerprints do not."""
    script = (
        f"import sys; sys.path.insert(0, {TOOLS!r})\nfrom sweeps import carton\nfrom scaling_limits import sweep\n"
        "model = carton(1.0)\nnames = {'one', 'two', 'three'}\n"
        "def f(a): return a * model.dim if 'one' in names and a in {1.0, 2.0, 'x'} else 0\n"
        f"print(sweep(f, {{'a': [1.0, 2.0]}}, path={str(tmp_path / 'f')!r}).value.values)"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.stdout.split() == str(carton(1.0).dim * np.array([1.0, 2.0])).split(), done.stderr


def test_files_that_are_none(tmp_path):
    path = tmp_path / "f"
    sweep(plain, {"a": [1.0]}, path=path)
    with pytest.raises(InvalidArgument, match="holds a Sweep"):
        scaling_limits.load(path / "sweep.npz")
    (point,) = [path / name for name in os.listdir(path) if name != "sweep.npz"]
    whole = point.read_bytes()
    point.write_bytes(whole[: len(whole) // 2])
    refused("path", "remove this file", lambda: sweep(plain, {"a": [1.0]}, path=path))
    point.unlink()
    sweep(plain, {"a": [1.0]}, path=path)
    (path / "sweep.npz").write_text("no archive")
    refused("path", "is not a file", lambda: sweep(plain, {"a": [1.0]}, path=path))
    refused("path", "Put a copy of it back, or name a new folder", lambda: sweep(plain, {"a": [1.0]}, path=path))
    (path / "sweep.npz").unlink()
    refused("path", "sweep.npz is lost; without it", lambda: sweep(plain, {"a": [1.0]}, path=path))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    refused("path", "a folder of something else", lambda: sweep(plain, {"a": [1.0]}, path=tmp_path / "other"))
    file = tmp_path / "other" / "mine.txt"
    refused("path", "a file", lambda: sweep(plain, {"a": [1.0]}, path=file))
    refused("path", "mine.txt is a file; name another", lambda: sweep(plain, {"a": [1.0]}, path=file / "x"))


def test_a_folder_that_is_complete_is_only_read(tmp_path, monkeypatch):
    """As from a disk on which nothing can be written; another release is no reason to write."""
    path, over = tmp_path / "f", {"a": [1.0, 2.0]}
    first = sweep(plain, over, path=path)

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(np, "savez", full)
    assert sweep(plain, over, path=path).identical(first)
    assert sweep(plain, {"a": [2.0]}, path=path).total.item() == 21.0
    monkeypatch.setattr(scaling_limits, "__version__", "0.0.0")
    with pytest.warns(UserWarning, match="new ones are of 0.0.0"):
        assert sweep(plain, over, path=path).equals(first)
    monkeypatch.setattr(scaling_limits, "__version__", first.version)
    refused("path", "where files can be written", lambda: sweep(plain, {"a": [1.0, 2.0, 3.0]}, path=path))


def test_a_full_disk_is_said_with_what_is_kept(tmp_path, monkeypatch):
    def full(*arguments, **fields):
        if fields["kind"] == "SweepPoint" and len(os.listdir(tmp_path / "f")) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments, **fields)

    save = np.savez
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space") as caught:
        sweep(plain, {"a": [1.0, 2.0, 3.0]}, path=tmp_path / "f")
    assert "could not be written; nothing half-written is left. Make room" in caught.value.__notes__[0]
    assert f"finished before are in {tmp_path / 'f'}" in caught.value.__notes__[1]
    monkeypatch.undo()
    assert counted(tmp_path / "f") == 2
    assert sweep(plain, {"a": [1.0, 2.0, 3.0]}, path=tmp_path / "f").total.values.tolist() == [11.0, 21.0, 31.0]


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from scaling_limits import sweep
def slow(a):
    if a == 2:
        print("begins", flush=True)
    time.sleep(0.01 if a < 2 else 1.5)
    return a
pool = eval(sys.argv[2])
sweep(slow, {"a": range(100)}, pool, path=sys.argv[1])
"""


@pytest.mark.parametrize("pool", ["None", "ThreadPoolExecutor(2)"])
def test_an_interrupt_keeps_what_is_finished(tmp_path, pool):
    """At once without an executor; threads end the points that they are at."""
    path = tmp_path / "f"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(path), pool], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "begins\n", process.communicate()[1]
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in said
    # the two that were quick
    assert counted(path) == 2


def test_kill_and_go_on(tmp_path):
    """kill -9 at any time: each file is whole, and the end is that of one run."""
    path = tmp_path / "f"
    script = (
        f"import sys; sys.path.insert(0, {TOOLS!r})\nfrom sweeps import plain\nfrom scaling_limits import sweep\n"
        f"sweep(plain, {{'a': [k / 7 for k in range(3000)]}}, path={str(path)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None and not (path.exists() and counted(path) > 20):
        time.sleep(0.002)
    process.kill()
    process.wait()
    done = counted(path)
    assert done > 20
    over = {"a": [k / 7 for k in range(done + 5)]}
    assert sweep(plain, over, path=path).identical(sweep(plain, over))
