"""Weak errors of steps of one site without noise: rules for the noise, steps by their formulas, transfer operators."""

import numpy as np

# of `CubatureNoise`, written again from its formula
Q = 3496 / 4096


def cubature_rule():
    """Points z (32,) in the complex plane and their weights."""
    radii = np.sqrt(2 * np.array([1 - np.sqrt((1 - Q) / Q), 1 + np.sqrt(Q / (1 - Q))]))
    directions = np.exp(1j * np.pi * (2 * np.arange(16) + 1) / 16)
    return (radii[:, None] * directions).ravel(), np.repeat([Q / 16, (1 - Q) / 16], 16)


def line_rule():
    """Numbers z (4,) and their weights, of `CubatureNoise` for diffusions, written again from their formula."""
    share = 29761 / 2**15
    near = np.sqrt(1 - np.sqrt(2 * (1 - share) / share))
    far = np.sqrt(1 + np.sqrt(2 * share / (1 - share)))
    return np.array([-far, -near, near, far]), np.array([1 - share, share, share, 1 - share]) / 2


def normal_moment(k):
    """E Z^k of a normal number."""
    return 0.0 if k % 2 else float(np.prod(np.arange(1, k, 2)))


def transferred(step, h, count, start, rule, points=64):
    """E |v|^2/2 and E exp(-|v|^2/2) after `count` steps from |v| = start, without noise: functions of the modulus, at
    Chebyshev points in [0, R], are taken back through the step by a rule for the noise.
    """
    radius = 7.0
    r = 0.5 * radius * (1 - np.cos(np.pi * (np.arange(points) + 0.5) / points))
    z, weights = rule
    after = np.minimum(np.abs(step(r[:, None] + 0j, z[None, :], h)), radius)
    basis = np.polynomial.chebyshev.chebvander(2 * after / radius - 1, points - 1)
    operator = np.einsum("q,pqk->pk", weights, basis) @ np.linalg.inv(
        np.polynomial.chebyshev.chebvander(2 * r / radius - 1, points - 1)
    )
    at = np.polynomial.chebyshev.chebvander([2 * start / radius - 1], points - 1) @ np.linalg.inv(
        np.polynomial.chebyshev.chebvander(2 * r / radius - 1, points - 1)
    )
    return np.array([(at @ np.linalg.matrix_power(operator, count) @ f)[0] for f in (r**2 / 2, np.exp(-(r**2) / 2))])


def normal_rule(nodes=24):
    """Points z and weights of Gauss and Hermite's rule in the plane."""
    x, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return (x[:, None] + 1j * x[None, :]).ravel(), np.outer(weights, weights).ravel() / weights.sum() ** 2


def radial_flow(v, p, time):
    """The flow of v' = -|v|^(p-2) v."""
    if p == 2:
        return v * np.exp(-time)
    return v * (1 + (p - 2) * np.abs(v) ** (p - 2) * time) ** (-1 / (p - 2))


def radial_step(v, z, p, temperature, h):
    """One step for diagonal dissipation: exact in law for p = 2, else split."""
    if p == 2:
        return np.exp(-h) * v + np.sqrt(temperature * (1 - np.exp(-2 * h)) / 2) * z
    return radial_flow(radial_flow(v, p, h / 2) + np.sqrt(temperature * h) * z, p, h / 2)


def heun_step(v, z, drift, temperature, h):
    w = np.sqrt(temperature * h) * z
    return v + w + 0.5 * h * (drift(v) + drift(v + w + h * drift(v)))
