"""The equation of the canonical variables, (3.5): its drift in parts, and its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...showing.axes import axes_of, labelled
from ...showing.datasets import Variable, dataset
from ...showing.described import Described
from ...showing.quantities import Quantity
from ...support.saved import Saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TICKS = 10
VELOCITY, SLOW_VELOCITY = "action^(1/2)/time", "action^(1/2)/slow time"
PARTS = {
    "amplitudes": ("canonical variable v", "action^(1/2)"),
    "microscopic": ("amplitude u(v)", "action^(1/2)"),
    "rotation": ("i grad H_0", VELOCITY),
    "second": ("i grad H_2", VELOCITY),
    "dissipation": ("g(v)", SLOW_VELOCITY),
    "remainder": ("r(v)", SLOW_VELOCITY),
}


@dataclass(frozen=True, eq=False, repr=False)
class CanonicalEquation(Saved, Described):
    """The coefficients of the equation of v at states, in the fast time t; both parts of beta are standard.

        dv = (i grad H_0 + epsilon^2a i grad H_2 + epsilon g(v) + epsilon^(1+a) r) dt
             + sqrt(epsilon) (W^1 dbeta + W^2 dconj(beta)),
        W^1_kl = sqrt(T_l) dv_k/du_l,    W^2_kl = sqrt(T_l) dv_k/dconj(u_l),
        r = r^D + r^I + epsilon^(2a-1) i grad H_>,
        r^D = epsilon^-a (g(u) - g(v) + (dv/du - 1) g(u) + dv/dconj(u) conj(g(u))),
        r^I = 2 epsilon^-a sum_k T_k d^2v/(du_k dconj(u_k)).

    The factor 2 of r^I is missing in (6.13), (6.14) and (6.16): dbeta dconj(beta) = 2 dt, as in Proposition A.1.

    Args:
        amplitudes: v (..., N), complex.
        microscopic: u(v) (..., N).
        rotation: i grad H_0 (..., N).
        second: i grad H_2 (..., N).
        dissipation: g(v) (..., N).
        remainder: r(v) (..., N).
        noise: W^1 (..., N, N).
        conjugate_noise: W^2 (..., N, N).
        error: of `remainder` (...,), absolute, of its sites together: what differences of the order 6 instead of 8
            and half the steps of the flow change. Those of the other parts are smaller by epsilon^a.
        epsilon: of the lattice.
        coupling_exponent: a.

    Source: Dymov, equations (3.5), (6.13) to (6.16), (A.1), (A.3), (4.4).
    """

    amplitudes: NDArray[np.complex128]
    microscopic: NDArray[np.complex128]
    rotation: NDArray[np.complex128]
    second: NDArray[np.complex128]
    dissipation: NDArray[np.complex128]
    remainder: NDArray[np.complex128]
    noise: NDArray[np.complex128]
    conjugate_noise: NDArray[np.complex128]
    error: NDArray[np.float64]
    epsilon: float
    coupling_exponent: float
    SHAPES: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("amplitudes", "microscopic", "rotation", "second", "dissipation", "remainder"), "... N"),
        "noise": "... N N", "conjugate_noise": "... N N", "error": "...",
    }  # fmt: skip

    @property
    def drift(self) -> NDArray[np.complex128]:
        """The whole drift of v in the fast time (..., N)."""
        small = self.epsilon**self.coupling_exponent
        slow = self.epsilon * (self.dissipation + small * self.remainder)
        return np.asarray(self.rotation + small**2 * self.second + slow)

    @property
    def covariances(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """d^1 = conj(W^1) W^1T + conj(W^2) W^2T, near diag(T), and d^2 = W^2 W^1T + W^1 W^2T, small (..., N, N)."""
        one, two = self.noise, self.conjugate_noise
        one_t, two_t = np.swapaxes(one, -1, -2), np.swapaxes(two, -1, -2)
        return np.conj(one) @ one_t + np.conj(two) @ two_t, two @ one_t + one @ two_t

    @property
    def action_drift(self) -> NDArray[np.float64]:
        """A^J_j = (drift_j . v_j)/epsilon + d^1_jj (..., N), of J in the slow time (4.4); near g_j . v_j + T_j."""
        along = (np.conj(self.amplitudes) * self.drift).real / self.epsilon
        return np.asarray(along + np.diagonal(self.covariances[0], axis1=-2, axis2=-1).real)

    @property
    def action_diffusion(self) -> NDArray[np.float64]:
        """S^J_kl = Re(v_k conj(v_l) d^1_kl + conj(v_k v_l) d^2_kl) (..., N, N), near 2 J_k T_k (A.3)."""
        v, (one, two) = self.amplitudes, self.covariances
        mixed, alike = v[..., :, None] * np.conj(v[..., None, :]), np.conj(v[..., :, None] * v[..., None, :])
        return np.asarray((mixed * one + alike * two).real)

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw for each site how large the parts of the drift are in the slow time, as means over the states.

        Args:
            ax: axes of matplotlib; None for those of a new figure.
            options: of `Axes.plot`.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not here.
        """
        ax = axes_of(ax)
        small = self.epsilon**self.coupling_exponent
        parts = {
            "rotation, $i\\nabla H_0/\\varepsilon$": self.rotation / self.epsilon,
            "$\\varepsilon^{2a-1}\\,i\\nabla H_2$": self.second * small**2 / self.epsilon,
            "dissipation, $g$": self.dissipation,
            "$\\varepsilon^a r$": self.remainder * small,
        }
        sites = self.amplitudes.shape[-1]
        for name, values in parts.items():
            sizes = np.sqrt((np.abs(values.reshape(-1, sites)) ** 2).mean(axis=0))
            ax.plot(np.arange(sites), sizes, **({"label": name, "marker": "o"} | options))
        ax.set_yscale("log")
        # sites have no halves
        ax.set_xticks(np.arange(0, sites, -(-sites // MOST_TICKS)))
        ax.legend()
        return labelled(ax, "site", f"part of the drift of v ({SLOW_VELOCITY})")

    def to_xarray(self) -> Any:
        """All parts as a `xarray.Dataset` with dimensions state, site and source, the site whose noise it is."""
        sites = self.amplitudes.shape[-1]
        variables: list[Variable] = []

        def add(name: str, long_name: str, unit: str, dims: tuple[str, ...], values: np.ndarray) -> None:
            for part, array in (("real", values.real), ("imag", values.imag)):
                quantity = Quantity(f"{name}_{part}", f"{part} part of {long_name}", unit)
                variables.append((quantity, dims, array))

        for name, (long_name, unit) in PARTS.items():
            add(name, long_name, unit, ("state", "site"), getattr(self, name).reshape(-1, sites))
        unit = "(action/slow time)^(1/2)"
        for name, long_name in (("noise", "W^1"), ("conjugate_noise", "W^2")):
            square = getattr(self, name).reshape(-1, sites, sites)
            add(name, long_name, unit, ("state", "site", "source"), square)
        variables.append((Quantity("error", "error of r", SLOW_VELOCITY), ("state",), self.error.ravel()))
        said = {"epsilon": self.epsilon, "coupling_exponent": self.coupling_exponent}
        return dataset("CanonicalEquation", variables, [], said)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        sites = self.amplitudes.shape[-1]
        said = {
            "states": f"{self.amplitudes.size // max(sites, 1)} of {sites} sites",
            "epsilon": self.epsilon,
            "largest remainder": f"{np.abs(self.remainder).max(initial=0.0):.4g} +- {self.error.max(initial=0.0):.1g}",
        }
        return type(self).__name__, said
