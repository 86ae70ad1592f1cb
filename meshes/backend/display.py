"""A display for pictures with pyvista; where none can be had, it is said.

Debian's VTK draws through an X server only, and aborts the process without one: a virtual server (Xvfb) is started for
the time of the picture. Wheels of VTK from 9.5 on draw without any.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from scaling_limits.particles.errors import NoDisplay, warn


def _draws_without_display() -> bool:
    try:
        from vtkmodules import vtkRenderingOpenGL2
    except ImportError:
        return False
    return any(hasattr(vtkRenderingOpenGL2, name) for name in ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow"))


@contextlib.contextmanager
def display() -> Iterator[bool]:
    """Provide a display for pyvista, a virtual one if there is no other; yields whether there is one."""
    if os.environ.get("DISPLAY") or _draws_without_display():
        yield True
        return
    if shutil.which("Xvfb") is None:
        warn("no display and no Xvfb; install xvfb to have pyvista's pictures", NoDisplay)
        yield False
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()  # empty when the server has died
    try:
        if number:
            os.environ["DISPLAY"] = f":{number}"
            yield True
        else:
            warn("Xvfb did not start; see 'Xvfb :99' for the reason", NoDisplay)
            yield False
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait()
