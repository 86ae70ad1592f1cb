"""Ctrl-C, tried on a process of its own."""

import os
import signal
import subprocess
import sys
import time

PRELUDE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let processes in the background ignore it
"""
LIMIT = 60.0


def seconds_to_end(code: str, after: float = 0.5) -> float:
    """The time that a script takes to end by KeyboardInterrupt after one SIGINT, some seconds after it says "begins".

    The script prints "begins" on a line of its own, flushed, before a call that would take minutes.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        said = process.stdout.readline().strip()
        assert said == "begins", process.communicate(timeout=LIMIT)[1]
        time.sleep(after)
        assert process.poll() is None, "the call ended before the interrupt"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT)
        taken = time.monotonic() - sent
    finally:
        process.kill()
    assert "KeyboardInterrupt" in errors, errors
    return taken
