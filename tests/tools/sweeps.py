"""Functions that sweeps call, where other processes find them by name."""

import threading
import time
import warnings

import numpy as np

from scaling_limits.particles import InvalidArgument, NotConverged, Unresolved, egg_carton


def plain(a, b=1):
    return {"total": 10 * a + b, "powers": a ** np.arange(3.0)}


def fails(a):
    if a == 2:
        warnings.warn("nearly", Unresolved, stacklevel=1)
        raise NotConverged("the solve", "too hard", "take less")
    if a == 3:
        raise InvalidArgument("a", "must not be 3")
    return a


def warns(a, late=0.0):
    """Points of even a warn, after a while in which other threads warn too."""
    time.sleep(late * a)
    if a % 2 == 0:
        warnings.warn(f"coarse {a}", Unresolved, stacklevel=1)
    return float(a)


def warns_in_a_thread(a):
    thread = threading.Thread(target=warns, args=(2 * a,))
    thread.start()
    thread.join()
    return a


def samples(scale, seed):
    """What a thread, a process or another order must not change."""
    generator = np.random.Generator(np.random.Philox(seed))
    return scale * generator.standard_normal(4)


class Awkward(Exception):
    """Comes out of no pickle: it is made from two arguments, and gives one on."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def awkward(a):
    raise Awkward("one", "two")


def carton(height):
    return egg_carton(height)
