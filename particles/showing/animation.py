"""Animations: files .gif by pillow, .mp4 by ffmpeg; drawn in a figure of their own, which no window shows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from ..support.archive import target
from ..support.checks import integer, shown
from .axes import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Over = Callable[[Axes], Any]

SUFFIXES = (".gif", ".mp4")
# frames for each second; delays of a GIF are whole hundredths of a second, and viewers make a tenth of a single one
FASTEST = {".gif": 50, ".mp4": 1000}


def checked_animation(
    path: str | os.PathLike[str], frames_per_second: int, over: Over | None = None
) -> tuple[Path, int]:
    """The path and the speed, before any work.

    Raises:
        InvalidArgument: another suffix than .gif and .mp4, no place for a file, .mp4 without ffmpeg, no speed, or one
            that the format cannot hold; or `over` is no function.
        ImportError: matplotlib or pillow is not here.
    """
    place, speed = target("path", path), integer("frames_per_second", frames_per_second, 1, 1000)
    suffix = place.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidArgument("path", f"must end with {' or '.join(SUFFIXES)}, not {os.fspath(path)!r}")
    if over is not None and not callable(over):
        raise InvalidArgument("over", f"must be a function of axes of matplotlib, or None, not {shown(over)}")
    if speed > FASTEST[suffix]:
        reason = "whose delays are hundredths of a second, and at least two of them; .mp4 takes more"
        raise InvalidArgument("frames_per_second", f"must be at most {FASTEST[suffix]} in {suffix}, {reason}")
    pyplot()
    from matplotlib.animation import writers

    if suffix == ".mp4" and not writers.is_available("ffmpeg"):
        raise InvalidArgument("path", "must end with .gif, as .mp4 needs the program ffmpeg, which is not here")
    return place, speed


def animate(
    place: Path, speed: int, count: int, draw: Callable[[Axes], Any], renew: Callable[[Any, int], None],
    over: Over | None = None,
) -> Path:  # fmt: skip
    """Write one frame for each index below a number; a file that is there is replaced when all of them are written.

    Args:
        place: the file; of `checked_animation`.
        speed: frames for each second.
        count: how many.
        draw: draws the first frame, and returns what is renewed.
        renew: from that and an index, the others.
        over: draws once over all of them, or None.

    Returns:
        The path.
    """
    from matplotlib.animation import FFMpegWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    artists = draw(axes)
    if over is not None:
        over(axes)
    writer = _gif_writer(speed) if place.suffix.lower() == ".gif" else FFMpegWriter(fps=speed)
    # beside it, so that a full disk or an interrupt leaves what was there
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.stem}-") as folder:
        whole = Path(folder) / place.name
        writer.setup(figure, os.fspath(whole), 80)
        try:
            for index in range(count):
                renew(artists, index)
                writer.grab_frame()
        except BaseException:
            # so that no program waits for frames; of pillow's writer it fails without any
            with suppress(Exception):
                writer.finish()
            raise
        writer.finish()
        whole.replace(place)
    return place


def _gif_writer(speed: int) -> Any:
    """The writer of pillow, with frames that begin at the hundredth of a second that is nearest to their time."""
    from matplotlib.animation import PillowWriter

    class EvenFrames(PillowWriter):
        def finish(self) -> None:
            """Write the file; delays in milliseconds, where that of a writer of matplotlib is cut for all frames."""
            begins = [round(100 * k / speed) for k in range(len(self._frames) + 1)]  # type: ignore[attr-defined]
            delays = [10 * (end - begin) for begin, end in pairwise(begins)]
            first, *others = self._frames  # type: ignore[attr-defined]
            first.save(self.outfile, save_all=True, append_images=others, duration=delays, loop=0)

    return EvenFrames(fps=speed)
