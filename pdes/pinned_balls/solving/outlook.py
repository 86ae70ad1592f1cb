"""How long an integration in time will take, from how far it has come so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from scaling_limits.particles.sampling.workers import LONG

from ...time.integration import Statistics

# seconds before which nothing is forecast: the first steps are short
FIRST = 8.0
REMEDY = "take shorter times, a larger rtol or fewer cells"


class Outlook:
    """Says once that an integration will take long.

    After s seconds it has come to the time t. Steps grow at first, so that t grows like s^p between s/2 and s; all of
    it then takes s (end/t)^(1/p) seconds. Steps that become shorter again count as equal, p >= 1: a front may pass.

    Args:
        statistics: the steps so far.
        nodes: of the mesh.
        end: the last time.
        say: what is told the words for the steps, and the seconds.
        clock: of seconds.
    """

    def __init__(
        self, statistics: Statistics, nodes: int, end: float, say: Callable[[str, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._statistics, self._nodes, self._end, self._say, self._clock = statistics, nodes, end, say, clock
        self._began: float | None = None
        self._before, self._next, self._said = (0.0, 0.0), 0.5 * FIRST, False

    def look(self, t: float) -> None:
        """Forecast, where twice the seconds of the last time have passed.

        Args:
            t: the time that is reached.
        """
        now = self._clock()
        if self._began is None:
            # what was compiled before is not counted
            self._began = now
        seconds = now - self._began
        if self._said or t <= 0 or seconds < self._next:
            return
        whole = self._whole(seconds, t)
        self._before, self._next = (seconds, t), min(2.0 * seconds, max(LONG, 1.01 * seconds))
        if whole > LONG and t < self._end:
            self._said = True
            what = (
                f"{self._statistics.tried} steps on {self._nodes} nodes have come to t = {t:.3g} of {self._end:.3g} "
                f"in {seconds:.0f} s; all of them"
            )
            self._say(what, whole)

    def _whole(self, seconds: float, t: float) -> float:
        """Return the seconds for all of it; 0 where they are not known yet."""
        before, reached = self._before
        if seconds > LONG:
            return max(seconds, seconds * self._end / t)
        if reached == 0.0 or seconds < FIRST:
            return 0.0
        power = math.log(t / reached) / math.log(seconds / before)
        return seconds * float(self._end / t) ** (1.0 / max(power, 1.0))
