"""R split into flows of action through bonds, what depends on one action alone, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InvalidArgument, Unresolved, warn
from ...sampling.samples import mean_and_error
from ...showing.described import Described
from ...support import checks
from ..dissipations.dissipation import Dissipation
from ..dissipations.general import PolynomialDissipation
from ..ensemble import RotatorEnsemble, checked_actions
from ..lattice import RotatorLattice
from .bond_terms import BondTerms
from .drift import ActionDrift, in_chunks, separate_sites
from .entropy import EntropyProduction, entropy_of_samples
from .means import MeanCurrents
from .pair_terms import fitted_terms, polynomial_terms, random_actions

Flow = Callable[[NDArray[np.float64]], NDArray[np.float64]]
SAID = 1e-6  # a residual that is larger is said


@dataclass(frozen=True, eq=False, repr=False)
class ActionCurrents(Described):
    """R_j(I) = sum_{b = (i, j)} J_b(I) - sum_{b = (j, k)} J_b(I) + S_j(I_j) + r_j(I): flows, local part and residual.

    J_b > 0 carries action from the first to the second site of the bond. S_j is R_j without flows where all actions are
    equal; r_j is what is left, 0 where the flows are all that sites do to one another.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        drift: R.
        bond_flow: J, from actions (P, N) to (P, B).
        rule: where J comes from: "declared" by the dissipation, "monomials", "fit", or "given".
        misfit: of a fit, root of the mean square of R beside it over that of R, at independent exponential actions of
            means T_j^(2/p)/2 other than those of the fit; else 0.

    Source: Dymov, section 4.4, example 2, where J_b = -Theta(j)/2 for the bond (j, j + 1).
    """

    lattice: RotatorLattice
    drift: ActionDrift
    bond_flow: Flow
    rule: str
    misfit: float

    def flow(self, actions: ArrayLike) -> NDArray[np.float64]:
        """J (..., B) through the bonds `lattice.region.bonds`, from the first site to the second, an action over time.

        Args:
            actions: I (..., N), not negative.
        """
        given = checked_actions("actions", actions, self.lattice.size)
        found = in_chunks(self.bond_flow, given.reshape(-1, self.lattice.size))
        return found.reshape(*given.shape[:-1], len(self.lattice.region.bonds))

    def local(self, actions: ArrayLike) -> NDArray[np.float64]:
        """S_j(I_j) (..., N) at actions (..., N): what R_j is beside flows where all actions are I_j."""
        given = checked_actions("actions", actions, self.lattice.size)
        return in_chunks(self._local, given.reshape(-1, self.lattice.size)).reshape(given.shape)

    def residual(self, actions: ArrayLike) -> NDArray[np.float64]:
        """r_j(I) (..., N) at actions (..., N): neither flow nor a function of one action."""
        given = checked_actions("actions", actions, self.lattice.size)
        flat = given.reshape(-1, self.lattice.size)
        return (in_chunks(self._rest, flat) - in_chunks(self._local, flat)).reshape(given.shape)

    @cached_property
    def residual_size(self) -> float:
        """Root of the mean square of r over that of R, at independent exponential actions of means T_j^(2/p)/2."""
        points = random_actions(self.drift, 3)
        size = float((self.drift(points) ** 2).sum())
        return float(np.sqrt((self.residual(points) ** 2).sum() / max(size, 1e-300)))

    def mean(self, samples: RotatorEnsemble) -> MeanCurrents:
        """Mean flows in the stationary state, with standard errors, and how well each site balances.

        Args:
            samples: members in the stationary state at all their times, of the lattice or of its limit; times of one
                member may depend on one another, the members are taken for independent.

        Raises:
            InvalidArgument: no samples of as many sites.

        Warns:
            Unresolved: sites do not balance, E R_j + T_j is not 0: the samples are not stationary yet.
        """
        parts = [self.parts(some) for some in self._samples(samples).actions]
        means, errors = mean_and_error(np.mean(parts, axis=0))
        result = self.result(means, errors, "samples")
        result.warn_of_imbalance()
        return result

    def parts(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Actions, local part, residual, R + T and flows (P, 4 N + B) at actions (P, N)."""
        local = self.local(actions)
        rest = [actions, local, in_chunks(self._rest, actions) - local, self.drift(actions) + self.lattice.temperature]
        return np.concatenate([*rest, self.flow(actions)], axis=1)

    def result(self, means: NDArray[np.float64], errors: NDArray[np.float64], source: str) -> MeanCurrents:
        """The result for means (4 N + B,) of `parts`, and their errors."""
        region, ends = self.lattice.region, self.lattice.size * np.arange(1, 5)
        actions, local, residual, balance, flow = np.split(means, ends)
        _, _, _, balance_error, flow_error = np.split(errors, ends)
        return MeanCurrents(
            region.sites, region.bonds, self.lattice.temperature.copy(), actions, flow, flow_error, local, residual,
            balance, balance_error, source,
        )  # fmt: skip

    def entropy_production(self, samples: RotatorEnsemble) -> EntropyProduction:
        """The rate of production of entropy in the stationary state, and the heat that each thermostat takes up.

            sigma = sum_j q_j/T_j,  q_j = E(R_j^2/I_j + T_j d_j R_j).

        Args:
            samples: as of `mean`.

        Raises:
            InvalidArgument: no samples of as many sites.

        Warns:
            Unresolved: sites do not balance, as of `mean`; or the rate is negative by more than five errors.
        """
        return entropy_of_samples(self.drift, self._samples(samples).actions)

    def _samples(self, samples: RotatorEnsemble) -> RotatorEnsemble:
        checks.instance("samples", samples, RotatorEnsemble)
        if samples.actions.shape[2] != self.lattice.size:
            message = f"must be of {self.lattice.size} sites, not {samples.actions.shape[2]}"
            raise InvalidArgument("samples", message)
        return samples

    def _rest(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        """R without the flows (P, N)."""
        result, flow = self.drift(actions), self.bond_flow(actions)
        for b, (j, k) in enumerate(self.lattice.region.bonds):
            result[:, j] += flow[:, b]
            result[:, k] -= flow[:, b]
        return result

    def _local(self, actions: NDArray[np.float64]) -> NDArray[np.float64]:
        result = np.empty_like(actions)
        for sites in separate_sites(self.lattice.region, 1):
            alike = actions.copy()
            for j in sites:
                alike[:, self.lattice.region.neighbours[j]] = actions[:, j, None]
            result[:, sites] = self._rest(alike)[:, sites]
        return result

    def _summary(self) -> tuple[str, dict[str, Any]]:
        said = {"sites": self.lattice.size, "bonds": len(self.lattice.region.bonds), "flows": self.rule}
        if self.rule == "fit":
            said["misfit"] = self.misfit
        return type(self).__name__, said | {"residual": self.residual_size}


def action_currents(lattice: RotatorLattice, flow: Callable[[np.ndarray], ArrayLike] | None = None) -> ActionCurrents:
    """Split R into flows of action through bonds, what depends on one action alone, and what is left.

        R_j(I) = sum_{b = (i, j)} J_b(I) - sum_{b = (j, k)} J_b(I) + S_j(I_j) + r_j(I)

    The split is not unique. A dissipation that declares its flow has that one, J = -Theta/2. Else, with A_j what of R_j
    depends on both ends of a bond {j, k}, J = (A_k - A_j)/2 + phi_j(I_j) - phi_k(I_k), with the phi for which what both
    ends get alike, (A_j + A_k)/2, is phi_j + phi_k to second order where both actions are equal. So conduction
    R_j = 4 kappa sum_k (I_k - I_j) I_j has J = 2 kappa (I_j^2 - I_k^2), and both ends lose 2 kappa (I_j - I_k)^2.

    A_j is exact for polynomials; of other dissipations it is that of a least squares fit of R by powers of sqrt(I_j)
    and sqrt(I_k), of which `misfit` tells how good it is. The residual has what the fit misses, so that the sum is
    exact.

    Args:
        lattice: the rotators; only their dissipation and temperatures matter.
        flow: J of your own, from actions (P, N) to flows (P, B) through `lattice.region.bonds`, from the first site of
            a bond to the second.

    Returns:
        The flows, the local part, the residual, and their means.

    Raises:
        InvalidArgument: not a lattice, or a flow that is no such function.

    Warns:
        Unresolved: the residual is not small; then only E R_j + T_j = 0 balances, with it.

    Source: Dymov, section 4.4.
    """
    checks.instance("lattice", lattice, RotatorLattice)
    drift = ActionDrift(lattice)
    result = ActionCurrents(lattice, drift, *_flow_of(drift, flow))
    if result.residual_size > SAID:
        remedy = "`residual` has it; give `flow` for another split" if flow is None else "give another `flow`"
        message = (
            f"{result.residual_size:.1%} of R is neither flow through bonds nor a function of one action: {remedy}"
        )
        warn(message, Unresolved)
    return result


def _flow_of(drift: ActionDrift, flow: Callable[[np.ndarray], ArrayLike] | None) -> tuple[Flow, str, float]:
    """J, where it comes from, and the misfit."""
    region, dissipation = drift.lattice.region, drift.lattice.dissipation
    if flow is not None:
        given, bonds = flow, len(region.bonds)
        checks.evaluated("flow", given, random_actions(drift, 4)[:7], (bonds,))
        return lambda actions: checks.evaluated("flow", given, actions, (bonds,)), "given", 0.0
    if type(dissipation).flow is not Dissipation.flow:
        return lambda actions: -0.5 * dissipation.flow(region, actions), "declared", 0.0
    if isinstance(dissipation, PolynomialDissipation):
        return BondTerms.of(region, polynomial_terms(dissipation, region).terms), "monomials", 0.0
    found = fitted_terms(drift)
    return BondTerms.of(region, found.terms), "fit", found.misfit
