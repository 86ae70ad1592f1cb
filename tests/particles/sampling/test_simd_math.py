"""Elementary functions of kernels against the mathematical library, with the errors that they state."""

import numpy as np
import pytest
from numba import njit

from scaling_limits.particles.sampling.simd_math import cos_2pi, cos_sin_2pi, half_turn, sin_2pi

pytestmark = pytest.mark.serial  # nothing is shared by ranks


@njit
def _waves(t, out):
    for j in range(len(t)):
        out[0, j], out[1, j] = cos_2pi(t[j]), sin_2pi(t[j])
        out[2, j], out[3, j] = cos_sin_2pi(t[j])


def test_waves():
    """Of phases of many periods, whose whole periods numpy takes off exactly."""
    t = np.concatenate([np.linspace(-1.5, 1.5, 6001), 300 * np.random.default_rng(0).normal(size=20_000)])
    out = np.empty((4, len(t)))
    _waves(t, out)
    phase = 2 * np.pi * (t - np.round(t))
    expected = np.stack([np.cos(phase), np.sin(phase)] * 2)
    # numpy has one rounding of 2 pi times the phase, up to 7e-16
    assert np.abs(out - expected)[:2].max() < 1.7e-15
    assert np.abs(out - expected)[2:].max() < 2.7e-15
    _waves(np.zeros(1), out[:, :1])
    assert out[1, 0] == 0.0


@njit
def _half_turns(t, out):
    for j in range(len(t)):
        out[0, j], out[1, j] = half_turn(t[j])


def test_half_turns():
    """Of up to 2^40 periods; the cosine is not negative, the length 1, and at 0 both are exact."""
    generator = np.random.default_rng(0)
    t = np.concatenate(
        [np.linspace(-1.5, 1.5, 6001), *(s * generator.normal(size=20_000) for s in (0.1, 300, 2.0**40))]
    )
    out = np.empty((2, len(t)))
    _half_turns(t, out)
    rest = (t - np.round(t)).astype(np.longdouble)
    phase = rest * np.longdouble("3.14159265358979323846")
    # at half a period both signs are right
    inner = np.abs(rest) < 0.5
    assert np.abs(out - [np.cos(phase), np.sin(phase)])[:, inner].max() < 6e-16
    assert np.abs(np.hypot(*out) - 1).max() < 6e-16
    assert out[0].min() > -6e-16
    _half_turns(np.zeros(1), out[:, :1])
    assert tuple(out[:, 0]) == (1.0, 0.0)
