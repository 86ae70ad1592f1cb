"""The paper's data, used by many tests, and profiles that no model of balls takes."""

import math

import numpy as np
import pytest
import sympy
from scipy.special import erf

FREEZE = 0.000120162  # T of the paper, n = 1000
WAVE_SPEED = 999 / (2 * math.sqrt(math.pi))
POINTS = np.linspace(0, 1, 257)
# meshes that are coarse on purpose
coarse = pytest.mark.filterwarnings("ignore::scaling_limits.pdes.Unresolved")


def l2(a, b):
    """The relative distance of two arrays."""
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def mean(x):
    return erf(27 * (x - 0.5) ** 3)


def small_std(x):
    return (1 - np.cos(2 * np.pi * x)) / 1000


def order_one_std(x):
    return 1 - np.cos(2 * np.pi * x)


# the argument, what is given for it, and a word that the refusal has
BAD_PROFILES = [
    ("mean", "x", "callable"),
    ("mean", None, "callable"),
    ("mean", [0.0] * 30, "callable"),
    ("mean", math.erf, "numpy"),
    ("mean", lambda x: 1 if x < 0.5 else 0, "numpy.where"),
    ("mean", lambda x: sympy.erf(x), "sympy"),
    ("mean", lambda x: None, "return missing"),
    ("mean", lambda: 1.0, "raises TypeError"),
    ("mean", lambda x: x[1000], "raises IndexError"),
    ("mean", lambda x: "fast", "real numbers"),
    ("mean", lambda x: x[:, None] * np.ones(2), "as many values"),
    ("mean", lambda x: x[1:], "as many values"),
    ("mean", lambda x: x * np.nan, "finite"),
    ("mean", lambda x: 1j * x, "real"),
    ("mean", lambda x: np.sqrt(x - 0.5 + 0j), "real"),
    ("mean", lambda x: np.ma.masked_less(x, 0.5), "masked"),
    ("mean", lambda x: 1e200 * x, "another unit"),
    ("mean", math.nan, "finite"),
    ("std", lambda x: 0.5 - x, "negative"),
    ("std", -0.1, "negative"),
    ("std", lambda x: 1e200 + 0 * x, "another unit"),
    ("std", lambda x: np.ma.masked_greater(x, 0.3), "masked"),
    ("std", {"value": 1.0}, "callable"),
    ("std", np.ones(101), "callable"),
    ("std", lambda x: x[:, 0], "raises IndexError"),
]
