"""The production of entropy from the stationary density of up to three actions.

sigma = sum_j int j_j^2/(T_j I_j p) dI, with currents j_j = R_j p - T_j I_j d_j p, which are, with p = w u,
j_j = w I_j ((r_j - T_j s_j) u - T_j d_j u): a sum of squares, 0 where all of them are. It is sum_j q_j/T_j as well,
with q_j = E(R_j^2/I_j + T_j d_j R_j), which needs no derivatives of the density.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles import EntropyProduction
from scaling_limits.particles.rotators.currents.drift import ActionDrift
from scaling_limits.particles.rotators.currents.entropy import heat_of_actions

from ..density import ActionDensity
from ..space import ActionSpace, each_once
from ..transport_fokker_planck import TransportFokkerPlanck
from .accuracy import with_error

NOTHING = 1e-12  # of the largest u: where u is smaller, or negative, nothing is added up


def density_entropy_production(equation: TransportFokkerPlanck) -> EntropyProduction:
    """The rate of production of entropy in the stationary state, from the currents of its density, and the heats.

    Args:
        equation: of the density of up to three actions.

    Returns:
        sigma, not negative; as its error the larger of what fewer cells change and its difference from sum_j q_j/T_j.

    Raises:
        InvalidArgument: no equation.
        NotConverged: the stationary density was not found.
    """

    def values(one: TransportFokkerPlanck, density: ActionDensity) -> NDArray[np.float64]:
        drift = ActionDrift(one.lattice)
        heat = density.expectation(lambda actions: heat_of_actions(drift, actions))
        return np.append(heat, squared_currents(one, density))

    found, errors = with_error(equation, values)
    temperature, heat = equation.lattice.temperature.copy(), found[:-1]
    error = max(float(errors[-1]), abs(float(found[-1] - (heat / temperature).sum())))
    return EntropyProduction(float(found[-1]), error, heat, errors[:-1], temperature, "density")


def squared_currents(equation: TransportFokkerPlanck, density: ActionDensity) -> float:
    """sum_j int j_j^2/(T_j I_j p) dI."""
    space, weights = density.space, equation.discretisation.weights
    values = space.grid_values(density.field)
    rate = space.on_grid(weights.dissipation.rate)
    seen = values > NOTHING * values.max()
    total = 0.0
    for j, (axis, temperature) in enumerate(zip(space.axes, weights.temperature)):
        points = axis.quadrature[0]
        along = [-1 if i == j else 1 for i in range(space.dim)]
        slope = each_once(lambda x, j=j: weights.slope(j, x), points).reshape(along)  # type: ignore[misc]
        excess = temperature * _derivative(space, density.field, j) + (temperature * slope - rate[..., j]) * values
        square = np.divide(excess**2, values, out=np.zeros_like(values), where=seen)
        total += float(space.integrals(points.reshape(along) * square)) / float(temperature)
    return total


def _derivative(space: ActionSpace, field: NDArray[np.float64], j: int) -> NDArray[np.float64]:
    """d_j u at all quadrature points, in the shape of their grid."""
    result = field.reshape(space.shape)
    for i, axis in enumerate(space.axes):
        basis = axis.slopes if i == j else axis.quadrature[2]
        result = np.moveaxis(np.tensordot(basis, result, axes=(1, i)), 0, i)
    return result
