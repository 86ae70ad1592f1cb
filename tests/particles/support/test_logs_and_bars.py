"""The log is silent until somebody listens, and then says what was done; bars are drawn where they can be seen."""

import logging
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

from scaling_limits.particles import PinnedBalls
from scaling_limits.particles.support.logs import LOGGER, say, timed
from scaling_limits.particles.support.progress import ProgressBar

pytestmark = pytest.mark.serial


class Rank:
    def __init__(self, rank):
        self.rank = rank


def test_lines_are_those_of_rank_0(caplog):
    with caplog.at_level(logging.INFO, "scaling_limits"):
        say(Rank(0), "route %s", "Fourier")
        say(Rank(1), "route %s", "elements")
        say(Rank(0), "a part", level=logging.DEBUG)
        with timed(Rank(0), "a solve") as said:
            said |= {"steps": 3, "solver": "LU"}
        with timed(Rank(1), "another"):
            pass
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "route Fourier"
    assert second.startswith("a solve: steps 3, solver LU; ")
    assert second.endswith(" s")


def test_lines_from_threads_are_whole_and_of_their_place(caplog):
    def work(number):
        for k in range(50):
            with timed(None, f"work {number}") as said:
                said["part"] = k

    threads = [threading.Thread(target=work, args=(k,), name=f"thread {k}") for k in range(4)]
    with caplog.at_level(logging.INFO, "scaling_limits"):
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(caplog.records) == 200
    for record in caplog.records:
        assert record.threadName.split()[1] == record.getMessage().split(":")[0].split()[1]
        assert record.funcName == "work"


def test_a_sample_is_logged(caplog):
    balls = PinnedBalls(n=5, mean=lambda x: x, std=lambda x: 1 + 0 * x)
    with caplog.at_level(logging.INFO, "scaling_limits"):
        balls.sample(np.array([0.001]), 10, seed=1, workers=1)
    assert "runs 10, threads 1, ranks 1" in caplog.text


def test_nothing_is_printed_unless_asked_for():
    assert any(isinstance(handler, logging.NullHandler) for handler in LOGGER.handlers)
    code = (
        "from scaling_limits.particles import PinnedBalls\n"
        "balls = PinnedBalls(n=5, mean=lambda x: x, std=lambda x: 1 + 0 * x)\n"
        "balls.sample([0.001], 10, seed=1, progress=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class ZMQInteractiveShell:
    pass


def test_a_bar_is_drawn_in_a_notebook_that_has_no_terminal(monkeypatch, capsys):
    def drawn(kernel):
        module = types.SimpleNamespace(get_ipython=lambda: kernel)
        monkeypatch.setitem(sys.modules, "IPython", module)
        monkeypatch.setattr("scaling_limits.particles.support.progress.find_spec", lambda name: None)
        bar = ProgressBar(3, True, "tile")
        bar.update(1)
        bar.close()
        return capsys.readouterr().err

    assert "tile" in drawn(ZMQInteractiveShell())
    assert drawn(object()) == ""
    assert drawn(None) == ""


def test_a_bar_that_moves_fast_is_seldom_drawn(monkeypatch):
    """In a notebook without widgets each picture is a message that stays; the last one is drawn for sure."""
    drawn = []
    bar = ProgressBar(1000, False, "step")
    monkeypatch.setattr(bar, "_bar", types.SimpleNamespace(n=0.0, refresh=lambda: drawn.append(bar._bar.n)))
    begin = time.monotonic()
    for k in range(10_001):
        bar.move_to(0.1 * k)
    assert drawn[-1] == 1000
    assert len(drawn) <= 3 + (time.monotonic() - begin) / 0.1
