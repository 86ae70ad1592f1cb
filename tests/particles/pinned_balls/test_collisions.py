"""The collisions of one run: the law of a step, what it conserves, restarts."""

import numpy as np
import pytest
from chance import assert_counts, assert_mean, assert_uniform, detects
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scaling_limits.particles.pinned_balls import collisions as kernels
from scaling_limits.particles.sampling.philox import key_words

KEY = key_words(12345)
BLOCK = kernels.STEPS_PER_BLOCK


def buffers():
    return np.empty((2, BLOCK), np.uint64), np.empty(BLOCK, np.uint32), np.empty(BLOCK), np.empty(BLOCK)


def exchanged(v, start, stop, run=0, key=KEY):
    kernels.advance_exchanging(v, start, stop, np.uint64(run), *key, *buffers())
    return v


def drawn(n, blocks, run=0):
    words, sites, across, along = buffers()
    parts = []
    for block in range(blocks):
        kernels.draw_exchanges(block, np.uint64(run), *KEY, n, words, sites, across, along)
        parts.append((sites >> 1, sites & 1, across / kernels._C, along / kernels._S))
    return (np.concatenate(p) for p in zip(*parts))


def test_sites_pairs_and_angles_are_uniform_and_independent():
    sites, pairs, c, s = (a.copy() for a in drawn(52, 4000))
    assert sites.min() == 1
    assert sites.max() == 50
    angle = np.arctan2(s, c) / np.pi + 0.5
    assert_counts(np.bincount(2 * (sites - 1) + pairs, minlength=100))
    assert_uniform(angle[:200_000])
    table = np.histogram2d(sites, angle, bins=(50, 20))[0]
    assert stats.chi2_contingency(table).pvalue >= 1e-6
    assert np.abs(c**2 + s**2 - 1).max() < 1e-14
    assert (c >= 0).all()


def one_steps(triple, steps):
    """The states after one collision of a fixed triple, (steps, 3)."""
    _, pairs, c, s = drawn(3, -(-steps // BLOCK))
    d = triple - triple.mean()
    r = np.sqrt((d**2).sum())
    lower, upper, third = (
        triple.mean() + r * w for w in (-c / 2**0.5 - s / 6**0.5, c / 2**0.5 - s / 6**0.5, 2 * s / 6**0.5)
    )
    left = np.stack([lower, upper, third], 1)
    right = np.stack([third, lower, upper], 1)
    return np.where(pairs[:, None] == 0, left, right)


def test_kernel_applies_the_formula():
    triple = np.array([0.7, -1.1, 0.4])
    expected = one_steps(triple, 3 * BLOCK)
    for t in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 7):
        assert exchanged(triple.copy(), t, t + 1) == pytest.approx(expected[t], abs=1e-15)


@pytest.mark.serial
def test_law_of_one_step():
    """E v' - m = (-1, 0, 1) r/(sqrt 2 pi), E v'^2 = m^2 + r^2/3 + (-1, 0, 1) sqrt 2 m r/pi: (5.12), (5.14)."""
    triple = np.array([0.7, -1.1, 0.4])
    after = one_steps(triple, 4_000_000)
    m, r = triple.mean(), np.sqrt(((triple - triple.mean()) ** 2).sum())
    side = np.array([-1, 0, 1])
    error = after.std(0) / np.sqrt(len(after))
    assert_mean(after.mean(0), m + side * r / (2**0.5 * np.pi), error)
    square = after**2
    assert_mean(square.mean(0), m**2 + r**2 / 3 + side * 2**0.5 * m * r / np.pi, square.std(0) / np.sqrt(len(after)))
    # a coin with 0.505 moves the outer means by 0.005 (E lower - E third), and would be seen
    assert detects(0.005 * r * 2**0.5 / np.pi, error[0])
    # so would an unfolded circle, which does not sort
    assert detects(r / (2**0.5 * np.pi), error[0])


def test_steps_follow_the_paper():
    """A uniform point on the circle of equal sum and equal sum of squares, then the sorting of the pair."""
    triple = np.array([0.3, 0.9, -0.4])
    after = one_steps(triple, 200_000)
    assert after.sum(1) == pytest.approx(triple.sum(), abs=1e-14)
    assert (after**2).sum(1) == pytest.approx((triple**2).sum(), abs=1e-14)
    rng = np.random.default_rng(1)
    m, r = triple.mean(), np.sqrt(2 / 3 * ((triple - triple.mean()) ** 2).sum())
    theta = rng.uniform(0, 2 * np.pi, len(after))
    circle = m + r * np.sin(theta[:, None] + 2 * np.pi / 3 * np.arange(3))
    left = rng.random(len(after)) < 0.5
    circle[left, :2] = np.sort(circle[left, :2], axis=1)
    circle[~left, 1:] = np.sort(circle[~left, 1:], axis=1)
    for i in range(3):
        assert stats.ks_2samp(after[:, i], circle[:, i]).pvalue >= 1e-6


@pytest.mark.serial
@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(3, 40), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 2**64 - 1))
def test_restart_is_bitwise_and_invariants_stay(n, first, second, seed):
    start = np.random.default_rng(n).standard_normal(n)
    key = key_words(seed)
    whole = exchanged(start.copy(), 0, first + second, 5, key)
    parts = exchanged(exchanged(start.copy(), 0, first, 5, key), first, first + second, 5, key)
    assert np.array_equal(whole, parts)
    assert whole.sum() == pytest.approx(start.sum(), abs=1e-12 * n)
    assert (whole**2).sum() == pytest.approx((start**2).sum(), rel=1e-12)


def test_sorting_only_keeps_the_velocities_and_orders_them():
    start = np.random.default_rng(0).standard_normal(30)
    v = start.copy()
    kernels.advance_sorting(v, 0, 700, np.uint64(0), *KEY, *buffers()[:2])
    kernels.advance_sorting(v, 700, 20_000, np.uint64(0), *KEY, *buffers()[:2])
    assert np.array_equal(v, np.sort(start))
    words, sites = buffers()[:2]
    counts = np.zeros(30)
    for block in range(2000):
        kernels.draw_pairs(block, np.uint64(1), *KEY, 30, words, sites)
        counts += np.bincount(sites, minlength=30)
    assert counts[29] == 0
    assert_counts(counts[:29])
