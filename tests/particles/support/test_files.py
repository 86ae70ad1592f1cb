"""Files of results: whole or not there, and told apart by their kind."""

import os

import numpy as np
import pytest
from refusals import refused

from scaling_limits.particles import InvalidArgument, Paths
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target

pytestmark = pytest.mark.serial


def test_what_is_saved_is_read(tmp_path):
    save_arrays(tmp_path / "a.npz", {"kind": "Paths", "format": 1, "x": np.arange(3), "y": 2.0})
    found = load_arrays(tmp_path / "a.npz", "Paths", {1, 2}, {"x"}, {"y", "z"})
    assert set(found) == {"x", "y"}
    np.testing.assert_array_equal(found["x"], np.arange(3))


def test_files_without_a_kind_are_told_apart_by_their_names(tmp_path):
    np.savez(tmp_path / "old.npz", format=1, times=np.zeros(1), positions=np.zeros((1, 1, 1)), step=0.1, seed=3)
    assert Paths.load(tmp_path / "old.npz").seed == 3
    np.savez(tmp_path / "other.npz", format=1, times=np.zeros(1), amplitudes=np.zeros((1, 1, 1)), step=0.1, seed=3)
    with pytest.raises(InvalidArgument, match="holds something else, not Paths"):
        Paths.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"kind": "Ensemble", "format": 1, "x": 1}, "holds Ensemble, not Paths"),
        ({"kind": "Paths", "format": 3, "x": 1}, "is of format 3; this version reads"),
        ({"kind": "Paths", "format": 1}, "holds something else"),
        ({"kind": "Paths", "format": 1, "x": 1, "y": 1}, "holds something else"),
        ({"kind": "Paths", "x": 1}, "is of format 0"),
    ],
)
def test_files_of_something_else(tmp_path, content, words):
    save_arrays(tmp_path / "a.npz", content)
    with pytest.raises(InvalidArgument, match=words) as caught:
        load_arrays(tmp_path / "a.npz", "Paths", 1, {"x"}, argument="checkpoint")
    assert caught.value.argument == "checkpoint"


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped", "npy"])
def test_damaged_files(tmp_path, damage):
    path = tmp_path / "a.npz"
    save_arrays(path, {"kind": "Paths", "format": 1, "x": np.arange(1000.0)})
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:-200],
            "empty": b"",
            "text": b"times 0 1 2",
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "npy": b"\x93NUMPY\x01\x00",
        }[damage]
    )
    with pytest.raises(InvalidArgument, match="^path: .* is not a file that Paths was saved in"):
        load_arrays(path, "Paths", 1, {"x"})


def test_a_failed_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    save_arrays(tmp_path / "a.npz", {"kind": "Paths", "format": 1, "x": 1})

    class Broken:
        def __array__(self, *args, **kwargs):
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        save_arrays(tmp_path / "a.npz", {"kind": "Paths", "format": 1, "x": Broken()})
    assert load_arrays(tmp_path / "a.npz", "Paths", 1, {"x"})["x"] == 1
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("path", [5, None, "", "missing/a.npz", "."])
def test_paths_that_no_file_can_be_written_to(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match="^checkpoint: must be"):
        target("checkpoint", path)


def test_what_is_no_path(tmp_path):
    with pytest.raises(InvalidArgument, match="^path: must be the path of a file"):
        Paths.load(3)
    with pytest.raises(FileNotFoundError):
        Paths.load(tmp_path / "missing.npz")


def test_what_a_link_points_at_is_written(tmp_path):
    """Also into another folder, and where there is no such file yet."""
    (tmp_path / "other").mkdir()
    link, file = tmp_path / "link", tmp_path / "other" / "file"
    link.symlink_to(file)
    for number in (1, 2):
        save_arrays(target("path", link), {"kind": "Numbers", "x": number})
        assert link.is_symlink()
        assert load_arrays(file, "Numbers", 0, {"x"})["x"] == number
    (tmp_path / "lost").symlink_to(tmp_path / "none" / "file")
    refused("path", "make " + str(tmp_path / "none"), lambda: target("path", tmp_path / "lost"))


def test_names_as_long_as_there_may_be(tmp_path):
    save_arrays(target("path", tmp_path / ("x" * 255)), {"x": 1})
    assert [len(one.name) for one in tmp_path.iterdir()] == [255]
    refused("path", "File name too long", lambda: target("path", tmp_path / ("x" * 256)))


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    save_arrays(tmp_path / "a", {"x": 1})

    def full(*arguments, **fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space") as caught:
        save_arrays(tmp_path / "a", {"x": 2})
    assert "the former file of this name is unchanged. Make room" in caught.value.__notes__[0]
    assert load_arrays(tmp_path / "a", "", 0, {"x"})["x"] == 1


def test_a_damaged_checkpoint_names_the_remedy(tmp_path):
    (tmp_path / "a").write_text("none")
    for argument, remedy in (("checkpoint", "remove it and all is made anew"), ("path", "no whole .npz archive")):
        refused(
            argument, remedy, lambda argument=argument: load_arrays(tmp_path / "a", "", 0, set(), argument=argument)
        )
