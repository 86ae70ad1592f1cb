"""Chains that conduct actions, in equilibrium with a law that is known where all temperatures are equal."""

from sympy import Abs

from scaling_limits.particles import PolynomialDissipation

KAPPA = 0.25


def conducting(size, kappa=KAPPA):
    """g_j = -0.05 |u_j|^2 u_j + kappa sum_k (|u_k|^2 - |u_j|^2) u_j, over the neighbours that are there.

    R_j = -I_j d_j V with V = 0.1 sum I_j^2 + 2 kappa sum over bonds (I_j - I_k)^2.
    """

    def of_site(near):
        return lambda u: (
            -0.05 * Abs(u()) ** 2 * u() + kappa * sum((Abs(u(k)) ** 2 - Abs(u()) ** 2 for k in near), 0) * u()
        )

    return PolynomialDissipation([of_site([k for k in (-1, 1) if 0 <= j + k < size]) for j in range(size)])
