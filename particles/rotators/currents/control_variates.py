"""Control variates of stationary means: L f for polynomials f of the actions, whose stationary mean is 0.

L f = sum_j (R_j + T_j) d_j f + T_j I_j d_j^2 f. Of I_j it is R_j + T_j, of I_j^2 it is 2 I_j R_j + 4 T_j I_j, and of
I_j I_k it is I_j (R_k + T_k) + I_k (R_j + T_j).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .drift import ActionDrift

MEMBERS_FOR_EACH = 10  # members for each control variate; with fewer members there are sums over sites only


def controls_of(drift: ActionDrift, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """L f (R, 2 N + B) of I_j, I_j^2 and I_j I_k, means over times of actions (T, R, N)."""
    result = []
    tail, head = drift.lattice.region.bonds.T
    temperature = drift.lattice.temperature
    for some in actions:
        speed = drift(some) + temperature
        squares = 2.0 * some * (speed + temperature)
        pairs = some[:, tail] * speed[:, head] + some[:, head] * speed[:, tail]
        result.append(np.concatenate([speed, squares, pairs], axis=1))
    return np.asarray(np.mean(result, axis=0))


def without_controls(values: NDArray[np.float64], controls: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Values (R, K) of members less what control variates (R, C) of mean 0 explain of them.

    Args:
        values: of all members.
        controls: likewise.
        size: N; where there are few members the control variates are summed over sites and over bonds.
    """
    if len(values) < MEMBERS_FOR_EACH * controls.shape[1]:
        parts = np.split(controls, [size, 2 * size], axis=1)
        controls = np.stack([part.sum(axis=1) for part in parts], axis=1)
    if len(values) < MEMBERS_FOR_EACH * controls.shape[1]:
        return values
    centred = controls - controls.mean(axis=0)
    scale = np.maximum(centred.std(axis=0), 1e-300)
    found = np.linalg.lstsq(centred / scale, values - values.mean(axis=0), rcond=1e-10)[0]
    return np.asarray(values - (controls / scale) @ found)
