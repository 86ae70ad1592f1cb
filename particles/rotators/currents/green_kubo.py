"""Conductivity by time integrals of correlations in the stationary state (Green and Kubo).

Temperatures T + delta h change drift and noise, L_1 = sum_j h_j d_j I_j d_j. This is symmetric with respect to dI, so
that

    d E A/d delta = int_0^inf E A(tau) X(0) d tau,    X = sum_j h_j d_j(I_j d_j pi)/pi.

Where all temperatures are T and the forces F_j = R_j/I_j have a potential, d_j log pi = F_j/T, and
X = sum_j h_j (R_j^2/(T I_j) + d_j R_j)/T: what the thermostats take up, with weights h_j/T^2 ("score").

Else pi is not known, and X is replaced by what the noise did ("noise"). y_j = I_j/(1 + delta a_j), a_j = h_j/T_j, has
the noise of T and the drift R_j(I)/(1 + delta a_j), so that the laws of paths have densities (Girsanov). With
D = sum_k a_k I_k d_k and c_j = D(R_j/I_j), the change of the drift of w_j = v_j/(1 + delta a_j)^(1/2) is c_j v_j/2, and

    d E A/d delta = E D A + lim E A(tau) S(tau),    dS = sum_j c_j Re(conj(v_j) (dv_j - K_j d tau))/(2 T_j)   (Ito).

In Stratonovich's sense, where the trapezoidal rule has the second order, of actions alone,

    dS = sum_j c_j o (dI_j - R_j d tau)/(2 T_j) - sum_j D(d_j R_j)/2 d tau.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import Unresolved, warn
from ...sampling.ranks import communicator, ends_on_all_ranks, on_all_ranks, over_members, same_on_all_ranks
from ...sampling.samples import mean_and_error
from ...support import checks
from ..lattice import RotatorLattice
from ..transport_process import TransportProcess
from .conductivity import Conductivity, checked_profile, relaxation_time, weights_of
from .differences import mean_flows, some_flows
from .drift import in_chunks
from .entropy import has_potential, heat_of_actions
from .splitting import ActionCurrents, action_currents
from .tails import warn_of_tails

if TYPE_CHECKING:
    from mpi4py import MPI

BURN, WINDOW, LENGTH = 12.0, 8.0, 24.0  # relaxation times: before, of the integral, and of the averages
POINTS = 64  # of a path in a relaxation time
WINDOWS = 32  # at which the integral is kept
PLATEAU = 0.75  # of the window: what changes after it tells what is left out
MOST_NUMBERS = 2**23  # of the paths that are held at a time
TILE = 128  # members that are sampled together at least
LOG_STEP = 1e-4  # of the logarithms of actions, for derivatives: right to 1e-8
EQUAL = 1e-12  # temperatures that differ by less are equal


@dataclass(frozen=True, eq=False)
class Weights:
    """The process S whose increments are X d tau, or what replaces it, along paths.

    Args:
        currents: flows, and the drift.
        profile: h (N,).
        score: whether the stationary law is known.
    """

    currents: ActionCurrents
    profile: NDArray[np.float64]
    score: bool

    def along(self, v: NDArray[np.complex128], spacing: float) -> NDArray[np.float64]:
        """S (T, R) at the points of paths v (T, R, N)."""
        drift, temperature = self.currents.drift, self.currents.lattice.temperature
        flat = v.reshape(-1, v.shape[2])
        actions = 0.5 * (flat.real**2 + flat.imag**2)
        result = np.zeros(v.shape[:2])
        if self.score:
            x = (heat_of_actions(drift, actions) @ (self.profile / temperature**2)).reshape(v.shape[:2])
            np.cumsum(0.5 * spacing * (x[1:] + x[:-1]), axis=0, out=result[1:])
            return result
        a = self.profile / temperature
        change = in_chunks(lambda some: log_derivative(drift.rate, some, a), actions)
        slope = in_chunks(lambda some: log_derivative(drift.slope, some, a), actions)
        rest = (0.5 * (change * drift(actions) / temperature + slope).sum(axis=1)).reshape(v.shape[:2])
        change, path = change.reshape(v.shape) / temperature, actions.reshape(v.shape)
        steps = 0.25 * ((change[1:] + change[:-1]) * np.diff(path, axis=0)).sum(axis=2)
        np.cumsum(steps - 0.5 * spacing * (rest[1:] + rest[:-1]), axis=0, out=result[1:])
        return result

    def direct(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """D J (P, B), the part of the response without memory, at actions (P, N)."""
        if self.score:
            return np.zeros((len(actions), len(self.currents.lattice.region.bonds)))
        a = self.profile / self.currents.lattice.temperature
        return in_chunks(lambda some: log_derivative(self.currents.bond_flow, some, a), actions)


def log_derivative(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    actions: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """sum_k a_k I_k d_k of a function of actions (P, N), with weights a (N,), by two points."""
    step = LOG_STEP / max(float(np.abs(weights).max()), 1e-300)
    more, less = (function(actions * np.exp(side * step * weights)) for side in (1, -1))
    return np.asarray((more - less) / (2.0 * step))


@ends_on_all_ranks
def conductivity_by_green_kubo(
    lattice: RotatorLattice,
    runs: int,
    seed: int,
    *,
    profile: ArrayLike | None = None,
    window: float | None = None,
    flow: Callable[[np.ndarray], ArrayLike] | None = None,
    burn: float | None = None,
    workers: int | None = None,
    comm: MPI.Comm | None = None,
) -> Conductivity:
    """The conductivity from fluctuations in the stationary state, by a time integral of correlations.

    At one temperature and with forces R_j/I_j that have a potential (detailed balance: conduction), correlations with
    what thermostats take up ("score"); else, as for example 2, with what the noise did along the paths ("noise"), which
    needs no stationary law.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        runs: number of members.
        seed: of the random numbers.
        profile: h (N,), the change of the temperatures; None for a line from 1/2 to -1/2 along the first direction.
        window: end of the integral, slow time; None takes eight relaxation times of equal actions. What the last
            quarter of it changes is part of the error.
        flow: of your own, as of `action_currents`.
        burn: slow time before; None takes twelve relaxation times.
        workers: threads.
        comm: communicator whose ranks share the members; all get the result.

    Raises:
        InvalidArgument: an argument out of range.
        Unstable: a member has left all bounds.

    Warns:
        Unresolved: the flows are not all that sites do to one another (see `action_currents`); the integral still
            changes at its end by more than six standard errors; a few members make the error, which the weights
            of paths do more than the scores of a known law.
    """

    def checked() -> tuple[Weights, int, int, float, float]:
        currents, number = action_currents(lattice, flow), checks.integer("runs", runs, 2)
        h, key = checked_profile(lattice, profile), checks.seed(seed)
        time = 1.0 if window is not None and burn is not None else relaxation_time(currents.drift)
        end = WINDOW * time if window is None else checks.number("window", window, above=0.0)
        before = BURN * time if burn is None else checks.number("burn", burn, above=0.0)
        equal = bool(np.ptp(lattice.temperature) <= EQUAL * lattice.temperature.max())
        return Weights(currents, h, equal and has_potential(currents.drift)), number, key, before, end

    weights, number, key, before, end = on_all_ranks(communicator(comm, optional=True), checked)
    flows = some_flows(weights.currents)
    same_on_all_ranks(comm, runs=number, seed=key, profile=weights.profile, window=end, burn=before, flow=flows)
    spacing = end / WINDOW / POINTS
    members = int(np.clip(MOST_NUMBERS // (lattice.size * round((WINDOW + LENGTH) * POINTS)) // TILE, 1, 64)) * TILE
    parts = []
    for first in range(0, number, members):
        some = min(members, number - first)
        seeds = np.random.SeedSequence([key, first]).generate_state(2, np.uint64)
        parts.append(_paths(weights, some, [int(s) for s in seeds], before, spacing, workers, comm))
    return _result(weights, [np.concatenate(arrays) for arrays in zip(*parts)], spacing)


def _paths(
    weights: Weights, members: int, seeds: list[int], before: float, spacing: float, workers: int | None,
    comm: MPI.Comm | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Of members: responses (R, 2, B) with points of the path, and with every other one; kappa (R, K) until windows."""
    lattice = weights.currents.lattice
    process, start = TransportProcess(lattice), np.sqrt(2.0 * weights.currents.drift.scale)
    begun = process.sample(start, [before], members, seeds[0], workers=workers, comm=comm).amplitudes[0]
    points = spacing * np.arange(round((WINDOW + LENGTH) * POINTS) + 1)
    v = process.sample(begun, points, members, seeds[1], workers=workers, comm=comm).amplitudes
    actions, currents = 0.5 * np.abs(v) ** 2, weights.currents
    mean = over_members(comm, members, lambda some: mean_flows(currents, actions[:, some])).mean(axis=0)

    def of(some: slice) -> NDArray[np.float64]:
        responses, kappa = _correlated(weights, v[:, some], actions[:, some], mean, spacing)
        return np.concatenate([responses.reshape(len(kappa), -1), kappa], axis=1)

    both, bonds = over_members(comm, members, of), len(lattice.region.bonds)
    return both[:, : 2 * bonds].reshape(members, 2, bonds), both[:, 2 * bonds :]


def _correlated(
    weights: Weights, v: NDArray[np.complex128], actions: NDArray[np.float64], mean: NDArray[np.float64], spacing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of members whose paths are v (T, R, N), of mean flows (B,)."""
    lattice = weights.currents.lattice
    flat, shape = actions.reshape(-1, lattice.size), (*v.shape[:2], len(lattice.region.bonds))
    centred = weights.currents.flow(flat).reshape(shape) - mean
    direct = weights.direct(flat).reshape(shape).mean(axis=0)
    w = round(WINDOW * POINTS)
    responses, along = [], weights.along(v, spacing)
    for every in (1, 2):
        s = along if every == 1 else weights.along(v[::2], 2 * spacing)
        a, width = centred[::every][w // every :], w // every
        responses.append(np.einsum("trb,tr->rb", a, s[width:] - s[:-width]) / len(a) + direct)
    total = centred[w:] @ weights_of(lattice.region.bonds, weights.profile)
    memory = [(total * (along[w:] - along[w - k : len(along) - k])).mean(axis=0) for k in _widths()]
    kappa = np.stack(memory, axis=1) + (direct @ weights_of(lattice.region.bonds, weights.profile))[:, None]
    return np.stack(responses, axis=1), kappa


def _widths() -> NDArray[np.int64]:
    """Numbers of points (K,) of the windows at which the integral is kept."""
    return np.linspace(0, WINDOW * POINTS, WINDOWS + 1).round().astype(np.int64)


def _result(weights: Weights, parts: list[NDArray[np.float64]], spacing: float) -> Conductivity:
    """Errors of the time step and of the end of the integral, and the extrapolation to no step."""
    responses, kappa = parts
    bonds = weights.currents.lattice.region.bonds
    fine, coarse = responses[:, 0], responses[:, 1]
    best = fine + (fine - coarse) / 3
    response, response_error = mean_and_error(best)
    sums = weights_of(bonds, weights.profile)
    (value,), (error,) = mean_and_error((best @ sums)[:, None])
    warn_of_tails(best @ sums)
    step = abs(float((best - fine).mean(axis=0) @ sums))
    early = int(PLATEAU * WINDOWS)
    (left,), (left_error,) = mean_and_error((kappa[:, -1] - kappa[:, early])[:, None])
    if abs(left) > 6 * left_error:
        message = (
            f"the integral still changes by {left:.2g} +- {left_error:.1g} in its last quarter; give a longer window"
        )
        warn(message, Unresolved)
    systematic = float(np.hypot(step, left))
    integral, integral_error = mean_and_error(kappa)
    windows = np.asarray(spacing * _widths(), dtype=np.float64)
    return Conductivity(
        float(value), float(np.hypot(error, systematic)), response, response_error, weights.profile, bonds,
        "score" if weights.score else "noise", systematic, windows, integral, integral_error,
    )  # fmt: skip
