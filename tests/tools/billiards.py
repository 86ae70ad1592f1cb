"""The paper's data, used by many tests."""

import math

import numpy as np
from scipy.special import erf

FREEZE = 0.000120162  # T of the paper, n = 1000
WAVE_SPEED = 999 / (2 * math.sqrt(math.pi))


def mean(x):
    return erf(27 * (x - 0.5) ** 3)


def small_std(x):
    return (1 - np.cos(2 * np.pi * x)) / 1000


def order_one_std(x):
    return 1 - np.cos(2 * np.pi * x)
