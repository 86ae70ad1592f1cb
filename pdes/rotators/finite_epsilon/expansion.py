"""The stationary law of two rotators as a series in epsilon and in the strength of the coupling.

With the strength delta = epsilon^a of the coupling and the generator L = (1/epsilon) (A + delta B + epsilon C), the
coefficients c = sum_mn delta^m epsilon^n c_mn of the stationary law solve

    A' c_mn + B' c_(m-1)n + C' c_m(n-1) = 0,

a dash for the transposed matrix. A' has a kernel, the polynomials that do not turn with any angle; the part of c_mn
in it follows from the mean over the angles of the equation for c_m(n+1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from .complex_hermite import ComplexHermite


def expanded(space: ComplexHermite, a: Any, b: Any, c: Any) -> tuple[NDArray[np.complex128], ...]:
    """c_00, c_10, c_20 and c_01 (S,), from the transposed matrices A', B' and C' (S, S)."""
    still = ~space.turns.any(axis=1)
    kept, turning = np.flatnonzero(still)[1:], np.flatnonzero(~still)
    rotation, thermostat = splu(a[turning][:, turning].tocsc()), splu(c[kept][:, kept].tocsc())

    def turned(source: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """The part of -A'^-1 of a source that turns."""
        result = np.zeros(space.size, dtype=complex)
        result[turning] = -rotation.solve(source[turning])
        return result

    def averaged(source: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """-<C'>^-1 of the mean over the angles of a source."""
        result = np.zeros(space.size, dtype=complex)
        result[kept] = -thermostat.solve(source[kept])
        return result

    one = np.zeros(space.size, dtype=complex)
    one[0] = 1.0
    c00 = one + averaged(c @ one)
    c01 = turned(c @ c00)
    c01 = c01 + averaged(c @ c01)
    c10 = turned(b @ c00)
    c10 = c10 + averaged(c @ c10 + b @ c01)
    c11 = turned(b @ c01 + c @ c10)
    c20 = turned(b @ c10)
    c20 = c20 + averaged(c @ c20 + b @ c11)
    return c00, c10, c20, c01
