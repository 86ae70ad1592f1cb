"""Dissipations g_j(u) of a lattice of rotators, and their averages K_j over the angles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InvalidArgument
from ...support import checks
from ..region import LatticeRegion
from .kernels import CompiledDissipation, compiled_directed, compiled_linear, compiled_radial


class Dissipation(ABC):
    """g_j(u), which couples a site to its neighbours only.

    Attributes:
        power: p; g grows like |u|^(p-1).
        degree: the degree of g as a polynomial in u and its conjugate, 0 where g_j . u_j does not depend on angles,
            None where it is not known.
    """

    power: int
    degree: int | None

    @abstractmethod
    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """g_j(u) of all sites (..., N) at amplitudes u (..., N), complex."""

    @abstractmethod
    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """The compiled g."""

    def drift(self, region: LatticeRegion) -> CompiledDissipation:
        """The former name of `compiled`, which a class may define in its place."""
        return self.compiled(region)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # whichever of the two names is defined closest to this class, by itself or by what it inherits from, holds
        for parent in cls.__mro__:
            names = [name for name in ("compiled", "drift") if name in vars(parent)]
            if len(names) == 1 and parent is not Dissipation:
                cls.compiled = cls.drift = vars(parent)[names[0]]  # type: ignore[method-assign]
            if names:
                break

    @abstractmethod
    def averaged(self, region: LatticeRegion) -> Dissipation:
        """K_j(v) = int exp(-i theta_j) g_j(Psi_theta v) dtheta (4.34), as a dissipation."""

    def dependencies(self, region: LatticeRegion, site: int) -> np.ndarray:
        """The sites on whose angles g_j . u_j depends."""
        if self.degree == 0:
            return np.empty(0, dtype=np.int64)
        return np.sort(np.append(region.neighbours[site], site))

    def turns(self, region: LatticeRegion) -> bool:
        """Whether exp(-i theta_j) g_j depends on angles: such parts interfere with the coupling, which turns too."""
        return any(self.dependencies(region, j).size for j in range(region.size))

    def separates(self, region: LatticeRegion) -> bool:
        """Whether R_j(I) is known to depend on I_j only."""
        return False

    def check(self, region: LatticeRegion) -> None:  # noqa: B027 - most fit every region
        """Raise InvalidArgument where the dissipation does not fit the region."""

    def flow(self, region: LatticeRegion, actions: np.ndarray) -> np.ndarray:
        """The flow of actions Theta (..., B) in action/slow time through the bonds (section 4.4), for actions (..., N).

        R_j = (Theta(j) - Theta(j-1))/2 + ...: positive from the second to the first site of a bond, twice what passes;
        `ActionCurrents.flow` is J = -Theta/2.

        Raises:
            InvalidArgument: no flow is declared for this dissipation.
        """
        raise InvalidArgument("dissipation", f"{type(self).__name__} declares no flow of actions between sites")


@dataclass(frozen=True)
class DiagonalDissipation(Dissipation):
    """g_j(u) = -|u_j|^(p-2) u_j, so that R_j(I) = -(2 I_j)^(p/2).

    Args:
        p: the power, an integer >= 2; 2 is linear damping.

    Raises:
        InvalidArgument: p is not such an integer.

    Source: Dymov, Remark 2.1, equation (2.10).
    """

    p: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", checks.integer("p", self.p, 2, 64))

    @property
    def power(self) -> int:  # type: ignore[override]
        """The power p."""
        return self.p

    degree = 0

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        return -(np.abs(u) ** (self.p - 2)) * u

    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """See `Dissipation.compiled`; the flow of g is known in closed form."""
        return compiled_radial(self.p)

    def averaged(self, region: LatticeRegion) -> DiagonalDissipation:
        """The average K, which is g itself."""
        return self

    def separates(self, region: LatticeRegion) -> bool:
        """Always."""
        return True

    def flow(self, region: LatticeRegion, actions: np.ndarray) -> np.ndarray:
        """None between sites."""
        return np.zeros((*actions.shape[:-1], len(region.bonds)))


@dataclass(frozen=True, eq=False)
class LinearDissipation(Dissipation):
    """g_j(u) = -u_j + sum_{|k-j|=1} b_jk u_k, so that R_j(I) = -2 I_j whatever b.

    Args:
        b: coupling of neighbours, one complex number for all or a matrix (N, N) that is 0 elsewhere.

    Raises:
        InvalidArgument: not finite, or (with a lattice) a matrix that does not fit it.

    Source: Dymov, section 4.4, example 1.
    """

    b: Any = 0.0
    power = 2
    degree = 1

    def __post_init__(self) -> None:
        try:
            given = np.array(self.b, dtype=np.complex128)
        except (TypeError, ValueError):
            raise InvalidArgument("b", f"must be a complex number or a matrix (N, N), not {self.b!r}") from None
        if not np.isfinite(given).all():
            raise InvalidArgument("b", "must be finite; it contains NaN or infinity")
        if given.ndim not in (0, 2) or (given.ndim == 2 and given.shape[0] != given.shape[1]):
            raise InvalidArgument("b", f"must be a complex number or a matrix (N, N), not of shape {given.shape}")
        object.__setattr__(self, "b", given)

    def check(self, region: LatticeRegion) -> None:
        """See `Dissipation.check`."""
        if self.b.ndim == 0:
            return
        if len(self.b) != region.size:
            raise InvalidArgument("b", f"must have the shape {(region.size, region.size)}, not {self.b.shape}")
        beside = np.zeros(self.b.shape, dtype=bool)
        pairs = region.bonds
        beside[pairs[:, 0], pairs[:, 1]] = beside[pairs[:, 1], pairs[:, 0]] = True
        if (self.b[~beside] != 0).any():
            raise InvalidArgument("b", "must be 0 except between neighbours (Hg(i))")

    def entries(self, region: LatticeRegion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The coupling as rows j, columns k and values b_jk, sorted by rows."""
        pairs = np.concatenate([region.bonds, region.bonds[:, ::-1]])
        rows, columns = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].T
        values = np.broadcast_to(self.b, rows.shape) if self.b.ndim == 0 else self.b[rows, columns]
        return rows, columns, np.array(values, dtype=np.complex128)

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        rows, columns, values = self.entries(region)
        result = -np.asarray(u, dtype=np.complex128)
        for j, k, b in zip(rows, columns, values):
            result[..., j] += b * u[..., k]
        return result

    def turns(self, region: LatticeRegion) -> bool:
        """Where sites are coupled."""
        return bool(np.any(self.entries(region)[2]))

    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """See `Dissipation.compiled`."""
        return compiled_linear(region.size, *self.entries(region))

    def averaged(self, region: LatticeRegion) -> DiagonalDissipation:
        """K_j(v) = -v_j: <u_k . u_j> = 0."""
        return DiagonalDissipation(2)

    def separates(self, region: LatticeRegion) -> bool:
        """Always."""
        return True

    def flow(self, region: LatticeRegion, actions: np.ndarray) -> np.ndarray:
        """None between sites, on average."""
        return np.zeros((*actions.shape[:-1], len(region.bonds)))


@dataclass(frozen=True)
class DirectedDissipation(Dissipation):
    """Dissipation that carries a flow of actions Theta(j) from the site j + 1 to j, with q = p/2 and strength s.

        g_j(u) = 2^-q (s/2 (h(u_{j+1}, u_j) - h(u_{j-1}, u_j)) - |u_j|^(p-2)) u_j,
        h(v, u) = |v|^(p-2) + |v|^2 |u|^(p-4),
        R_j(I) = (Theta(j) - Theta(j-1))/2 - I_j^q,    Theta(j) = s (I_{j+1}^(q-1) I_j + I_{j+1} I_j^(q-1)),

    and u = 0 outside of the region. What comes to j goes from j + 1: sum_j R_j = -sum_j I_j^q. For p = 4, s = 1 it is
    example 2 of the paper, R_j = I_{j+1} I_j - I_{j-1} I_j - I_j^2. In the plane and in space, j + 1 and j - 1 are the
    neighbours along the first direction.

    It dissipates (Hg) whatever s: Theta(j) <= |s| (I_{j+1}^q + I_j^q), so that with weights gamma^|k-j| as in norms
    (g . u)_j <= -(1 - |s| (1/gamma - 1)) 2^-q |u|_{j,p}^p, which is negative for gamma close to 1.

    Args:
        strength: s, any number; negative ones carry actions from j to j + 1.
        power: p = 2 q, an even integer >= 4.

    Raises:
        InvalidArgument: not such numbers.

    Source: Dymov, section 4.4, example 2 (p = 4, and p = 2q "in the same way"; this Theta is a symmetric polynomial of
    degree q that is the paper's for q = 2).
    """

    strength: float = 1.0
    power: int = 4
    degree = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", checks.number("strength", self.strength))
        power = checks.integer("power", self.power, 2, 64)
        if power < 4 or power % 2:
            remedy = "no flow I_{j+1}^a I_j^b of degree p/2 is a polynomial; write others as a PolynomialDissipation"
            raise InvalidArgument("power", f"must be an even number of at least 4, not {power}: for others {remedy}")
        object.__setattr__(self, "power", power)

    def at(self, region: LatticeRegion, u: np.ndarray) -> np.ndarray:
        """See `Dissipation.at`."""
        square = np.abs(np.append(u, np.zeros((*np.shape(u)[:-1], 1)), axis=-1)) ** 2
        after, before = self._beside(region)
        own, q, s = square[..., :-1], self.power // 2, self.strength
        if q == 2:
            return 0.25 * (s * (square[..., after] - square[..., before]) - own) * u
        gain, loss = (v ** (q - 1) + v * own ** (q - 2) for v in (square[..., after], square[..., before]))
        return 0.5**q * (0.5 * s * (gain - loss) - own ** (q - 1)) * u

    @staticmethod
    def _beside(region: LatticeRegion) -> tuple[np.ndarray, np.ndarray]:
        step = np.eye(region.dim, dtype=np.int64)[0]
        return region.shifted(step), region.shifted(-step)

    def compiled(self, region: LatticeRegion) -> CompiledDissipation:
        """See `Dissipation.compiled`."""
        return compiled_directed(*self._beside(region), self.strength, self.power)

    def averaged(self, region: LatticeRegion) -> DirectedDissipation:
        """The average K, which is g: it turns with the angle of its own site and does not depend on others."""
        return self

    def separates(self, region: LatticeRegion) -> bool:
        """Only where there is nothing to couple."""
        after, before = self._beside(region)
        return self.strength == 0 or bool((after < 0).all() and (before < 0).all())

    def flow(self, region: LatticeRegion, actions: np.ndarray) -> np.ndarray:
        """Theta of bonds along the first direction, 0 of others."""
        tail, head = region.bonds.T
        along, q = region.sites[head, 0] != region.sites[tail, 0], self.power // 2
        ahead, here = actions[..., head], actions[..., tail]
        if q == 2:
            theta = 2.0 * self.strength * ahead * here
        else:
            theta = self.strength * (ahead ** (q - 1) * here + ahead * here ** (q - 1))
        return np.where(along, theta, 0.0)
