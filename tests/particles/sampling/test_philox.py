"""The streams: known answers, no two alike, uniform and normal."""

import numpy as np
import pytest
from chance import assert_mean
from numba import njit
from scipy import stats

from scaling_limits.particles.sampling.normal_tiles import fill_site
from scaling_limits.particles.sampling.philox import Purpose, fill_normals, key_words, philox
from scaling_limits.particles.sampling.simd_math import cos_sin_pi


@njit
def words(counter, key):
    return philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers_of_random123(counter, key, expected):
    assert words(np.array(counter, np.uint64), np.array(key, np.uint64)) == expected


def test_streams_are_distinct():
    key = np.array(key_words(7), np.uint64)
    first = {words(np.array([0, 0, run, purpose], np.uint64), key) for run in range(20_000) for purpose in Purpose}
    assert len(first) == 20_000 * len(Purpose)
    assert words(np.zeros(4, np.uint64), key) != words(np.zeros(4, np.uint64), np.array(key_words(8), np.uint64))


def test_key_has_all_bits_of_the_seed():
    assert key_words(2**64 - 2) == (0xFFFFFFFE, 0xFFFFFFFF)


def test_normals():
    values = np.empty(1_000_001)
    fill_normals(values, np.uint64(3), np.uint64(99), *key_words(11))
    n = values.size
    assert stats.kstest(values, "norm").pvalue >= 1e-6
    moments = [values.mean(), (values**2).mean(), (values**3).mean(), (values**4).mean()]
    assert_mean(moments, [0, 1, 0, 3], np.sqrt(np.array([1, 2, 15, 96]) / n))
    assert_mean(np.mean(values[:-1] * values[1:]), 0, 1 / np.sqrt(n))


def test_cos_sin_pi_polynomials():
    t = np.linspace(-0.5, 0.5, 20_001)
    c, s = np.array([cos_sin_pi(x) for x in t]).T
    assert np.abs(c - np.cos(np.pi * t)).max() < 1e-15
    assert np.abs(s - np.sin(np.pi * t)).max() < 1e-15
    assert np.abs(c**2 + s**2 - 1).max() < 1e-15


def test_registry_of_purposes_is_frozen():
    """A purpose that has been given keeps its number: streams change only with a major version."""
    assert {p.name: int(p) for p in Purpose} == {
        "COLLISIONS": 0,
        "INITIAL_STATE": 1,
        "LANGEVIN": 2,
        "EFFECTIVE_LANGEVIN": 3,
        "SIGNS": 4,
        "ROTATORS": 5,
        "TRANSPORT": 6,
        "PASSAGES": 7,
        "BRIDGES": 8,
        "ROTATORS_CUBATURE": 9,
        "TRANSPORT_CUBATURE": 10,
        "LANGEVIN_CUBATURE": 11,
        "EFFECTIVE_LANGEVIN_CUBATURE": 12,
        "SIGNS_CUBATURE": 13,
        "PATH_LAWS": 16,
    }


def test_noise_of_sites_has_all_bits_of_its_counter():
    """Steps beyond 2^32, many sites and members: no two of these streams begin alike, and each is normal."""
    seen = set()
    for step in (0, 5, 2**32 + 5, 2**33):
        for site in (0, 1, 70_000):
            for member in (0, 128, 2**30):
                z, w = np.empty(64), np.empty(64)
                fill_site(z, w, step, site, member, np.uint64(5), *key_words(3), np.empty(64), np.empty(64))
                seen |= {z[0], w[0]}
                assert np.isfinite(z).all()
    assert len(seen) == 2 * 4 * 3 * 3
    z, w = np.empty(100_000), np.empty(100_000)
    fill_site(z, w, 1, 2, 3, np.uint64(6), *key_words(3), np.empty(100_000), np.empty(100_000))
    assert stats.kstest(np.concatenate([z, w]), "norm").pvalue >= 1e-6
    assert_mean(np.mean(z * w), 0, 1 / np.sqrt(z.size))
