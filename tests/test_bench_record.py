"""Records of the benchmarks: what was lost against the last run is named."""

import json

import bench_record as record
import numpy as np
import pytest
from table import Row

pytestmark = pytest.mark.serial


def row(work, ours, peer=10.0, name="numpy"):
    return Row(work, name, ours, peer, "s", "", True)


def test_lost_rows(tmp_path):
    """A fifth slower against the peer, whatever errors were measured beside it; rows without a peer by their own time."""
    first = [row("a step, error 1.2e-3", 1.0), row("noise", 1.0), row("alone", 1.0, float("nan")), row("gone", 1.0)]
    path = record.save(first, tmp_path / "records")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    before = record.last(tmp_path / "records")
    assert before == json.loads(path.read_text())
    assert before["versions"]["numpy"]
    assert record.lost(first, before) == []
    second = [row("a step, error 9.9e-4", 1.3), row("noise", 1.2), row("alone", 2.0, float("nan")), row("new", 9.0)]
    assert record.lost(second, before) == [("a step, error 9.9e-4", 10.0, 10 / 1.3), ("alone", 1.0, 0.5)]
    other = before | {"machine": {"processor": "other"}}
    assert [work for work, _, _ in record.lost(second, other)] == ["a step, error 9.9e-4"]


def test_numbers_of_numpy(tmp_path):
    """Times and comparisons of numpy are written as numbers of Python."""
    made = Row("a", "b", np.float64(1.0), np.float32(3.0), "s", ">= 2x", np.float64(3.0) >= 2)
    record.save([made], tmp_path)
    (found,) = record.last(tmp_path)["rows"]
    assert found["met"] is True
    assert (found["ours"], found["peer"], found["ratio"]) == (1.0, 3.0, 3.0)


def test_the_last_record(tmp_path):
    assert record.last(tmp_path, tmp_path / "none.json") is None
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps({"rows": []}))
    assert record.last(tmp_path / "nothing", kept) == {"rows": []}
