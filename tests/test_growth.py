"""`make growth`: that it does all parts, and that the page has what was measured."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

GROWTH = Path(__file__).parent / "benchmarks" / "growth"
sys.path.append(str(GROWTH))
pytest.importorskip("matplotlib")
import counting  # noqa: E402
import page  # noqa: E402
import registry  # noqa: E402

pytestmark = pytest.mark.serial
# by its place: the benchmarks have a file of the same name
spec = importlib.util.spec_from_file_location("growth_run", GROWTH / "run.py")
growth_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(growth_run)


def test_all_cases_are_in_the_registry():
    modules = [registry.ball_cases, registry.cell_cases, registry.density_cases, registry.path_cases]
    names = [name for module in modules for name in module.CASES]
    assert len(names) == len(set(names)) == len(registry.CASES)
    assert {path.stem for path in GROWTH.glob("*_cases.py")} == {m.__name__ for m in modules} | {"rank_cases"}
    for case in registry.CASES.values():
        assert list(case.sizes) == sorted(case.sizes)
        # three above the smallest one
        assert len(case.sizes) >= 4


def test_a_run_does_everything(monkeypatch, tmp_path):
    """Each case, each number of ranks, three rounds of times, and the page; only what is asked for otherwise."""
    done = []
    monkeypatch.setattr(growth_run, "RECORD", tmp_path / "measured.json")
    monkeypatch.setattr(growth_run, "growth", lambda names: done.extend(names))
    monkeypatch.setattr(counting, "counted", lambda count, what: done.append((what, count)))
    monkeypatch.setattr(counting, "scaling", lambda: done.append("times") or [{}])
    monkeypatch.setattr(page, "write", lambda known: done.append("page"))
    counts = [(what, count) for what, numbers in counting.RANKS.items() for count in numbers]
    growth_run.main([])
    assert done == [*registry.CASES, *counts, "times", "times", "times", "page"]
    assert len(json.loads((tmp_path / "measured.json").read_text())["times"]["all"]) == 3
    done.clear()
    growth_run.main(["balls_n"])
    assert done == ["balls_n", "page"]
    done.clear()
    growth_run.main(["--times=more"])
    assert done == ["times", "page"]
    assert len(json.loads((tmp_path / "measured.json").read_text())["times"]["all"]) == 4


def test_the_page_has_what_was_measured():
    """All tables are there, and those that are drawn from measures come from the ones in measured.json."""
    known, text = growth_run.record(), page.PAGE.read_text()
    assert set(known["growth"]) <= set(registry.CASES)
    counts = page.merged(known["counts"])
    tables = {
        "growth": page.growth_table(known["growth"]), "ranks": page.ranks_table(counts),
        "halos": page.halo_table(counts), "scaling": page.scaling_table(known["times"]["all"]),
        "model": page.model_table(),
    }  # fmt: skip
    for mark, table in tables.items():
        assert f"<!-- {mark} -->\n\n{table}\n\n<!-- end -->" in text
