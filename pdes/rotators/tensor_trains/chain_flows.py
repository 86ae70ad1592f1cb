"""Mean flows of action through the bonds of a chain, by quadrature of the laws of neighbours."""

from __future__ import annotations

import numpy as np

from scaling_limits.particles import InvalidArgument, RotatorLattice, action_currents
from scaling_limits.particles.errors import Unresolved, keeping_back
from scaling_limits.particles.rotators.currents.splitting import ActionCurrents

from .train import Train

# relative: flows that change by more with other sites are no functions of the two ends
SAME = 1e-10


def currents_of(lattice: RotatorLattice) -> ActionCurrents:
    """The split of R, without the warning of a residual, which the result has."""
    with keeping_back(Unresolved):
        return action_currents(lattice)


def mean_flows(currents: ActionCurrents, train: Train, order: np.ndarray) -> np.ndarray:
    """E J_b (B,) through the bonds of the lattice.

    Args:
        currents: the split of R.
        train: the law.
        order: the numbers of the sites along the chain.

    Raises:
        InvalidArgument: a declared flow that depends on other sites than the ends of its bond.
    """
    region = currents.lattice.region
    place = np.argsort(order)
    middle = np.array([train.bases[k].gauss[0].mean() for k in place])
    result = np.empty(len(region.bonds))
    for b, ends in enumerate(region.bonds):
        j, k = sorted(ends, key=lambda site: int(place[site]))
        (x, to_x), (y, to_y) = (train.bases[place[site]].gauss for site in (j, k))
        law = to_x @ train.contractions.several((int(place[j]), int(place[k]))) @ to_y.T
        actions = np.tile(middle, (law.size, 1))
        actions[:, j], actions[:, k] = np.repeat(x, len(y)), np.tile(y, len(x))
        flow = currents.flow(actions)[:, b]
        _check_ends(currents, actions, flow, b, [j, k])
        result[b] = law.ravel() @ flow
    return result


def _check_ends(currents: ActionCurrents, actions: np.ndarray, flow: np.ndarray, b: int, ends: list[int]) -> None:
    """Raise where the flow through the bond b changes with sites that are not its ends."""
    some = actions[:: max(1, len(actions) // 7)]
    other = 0.5 * some
    other[:, ends] = some[:, ends]
    change = np.abs(currents.flow(other)[:, b] - flow[:: max(1, len(actions) // 7)]).max()
    if change > SAME * np.abs(flow).max():
        message = "its declared flow depends on more than the two ends of a bond; take it from samples"
        raise InvalidArgument("lattice", message)


def mean_local(currents: ActionCurrents, train: Train, order: np.ndarray) -> np.ndarray:
    """E S_j (N,) in the order of the lattice's sites."""
    rules = [basis.gauss for basis in train.bases]
    actions = np.empty((len(rules[0][0]), len(order)))
    for k, (points, _) in enumerate(rules):
        actions[:, order[k]] = points
    values = currents.local(actions)
    result = np.empty(len(order))
    for k, (_, to_moments) in enumerate(rules):
        result[order[k]] = values[:, order[k]] @ (to_moments @ train.contractions.single(k))
    return result
