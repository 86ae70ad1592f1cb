"""Walls of a box at which diffusions are reflected without flux: along M n, not along the normal n."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import Unstable

Field = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ReflectionSettings:
    """When a reflection ends.

    Args:
        rounds: mirrors after which a position that is still outside is refused; an edge at which two walls meet with
            the angle a, in coordinates where M is the identity, needs about pi/a of them.
        on_the_wall: what is beyond a wall by less than this part of the box is put on the wall.
    """

    rounds: int = 1000
    on_the_wall: float = 1e-12


SETTINGS = ReflectionSettings()


@dataclass(frozen=True, eq=False)
class Walls:
    """A box, some directions of which are periodic, and the reflections at its walls.

    Args:
        box: pairs (a, b) (d, 2).
        periodic: directions without walls (d,).
    """

    box: NDArray[np.float64]
    periodic: NDArray[np.bool_]

    def within(self, x: np.ndarray) -> np.ndarray:
        """Positions in the box (P, d): periods are taken off, and what is beyond a wall is mirrored along the normal.

        Args:
            x: positions (P, d).
        """
        low, high = self.box.T
        length = high - low
        around = np.mod(x - low, np.where(self.periodic, length, 2 * length))
        return low + np.where(~self.periodic & (around > length), 2 * length - around, around)

    def reflected(self, x: np.ndarray, noise: Field) -> np.ndarray:
        """Positions in the box (P, d): what is beyond the wall i by delta goes to x - 2 delta M e_i/M_ii.

        M = B B^T is that of the foot, the point of the wall between the two. Where a position is beyond several walls,
        the one that is farthest away comes first, distances being those in which M is the identity; this is repeated
        until the position is in the box. With constant M it ends (Motzkin and Schoenberg), and a uniform law stays so
        at walls; at edges of angles pi/2, pi/3, ... too, and at others up to a bias that falls with the step.

        Args:
            x: positions (P, d).
            noise: B, from points (P, d) in the box to values (P, d, d).

        Raises:
            Unstable: a position is outside after SETTINGS.rounds mirrors.

        Source: Bossy, Gobet and Talay (2004), the symmetrised Euler scheme; for mirrors at several walls Motzkin and
        Schoenberg, The relaxation method for linear inequalities (1954).
        """
        if len(self.box) == 1:
            # one wall follows the other, and all mirrors are one formula
            return self.within(x)
        low, high = self.box.T
        result = self._wrapped(x)
        going = np.arange(len(x))
        for _ in range(SETTINGS.rounds):
            far = np.abs(self._beyond(result[going])) > SETTINGS.on_the_wall * (high - low)
            going = going[far.any(axis=1)]
            if not len(going):
                return np.clip(self._wrapped(result), low, high)
            result[going] = self._mirrored(result[going], noise)
        raise Unstable(
            f"a path is outside of the box after {SETTINGS.rounds} reflections in one step: steps are longer than the "
            "box, or M is all but singular at the walls. Remedy: take a smaller step."
        )

    def crossed(self, x: np.ndarray, new: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where the straight ways from x to new cross the walls, one direction after the other.

        Args:
            x: positions in the box (P, d).
            new: positions before reflection (P, d).

        Yields:
            The numbers of the ways that cross a wall of the direction (Q,), the parts of them at which they do (Q,),
            and the points there (Q, d), on the wall; beyond others, they are put on these.
        """
        beyond = self._beyond(new)
        for i in np.flatnonzero(beyond.any(axis=0)):
            rows = np.flatnonzero(beyond[:, i])
            way = new[rows] - x[rows]
            parts = np.clip(1.0 - beyond[rows, i] / way[:, i], 0.0, 1.0)
            points = np.clip(self._wrapped(x[rows] + parts[:, None] * way), *self.box.T)
            points[:, i] = self.box[i, (beyond[rows, i] > 0).astype(int)]
            yield rows, parts, points

    def beyond_mirrors(self, x: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Whether ways from x to new (P, d) are longer than a period, or end more than a box beyond a wall (P,)."""
        low, high = self.box.T
        far = np.where(self.periodic, np.abs(new - x), np.maximum(low - new, new - high))
        return np.asarray((far > high - low).any(axis=1))

    def seams(self, x: np.ndarray, new: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Where the straight ways from x to new go from one end of a period to the other, direction by direction.

        Args:
            x: positions in the box (P, d).
            new: positions before periods are taken off (P, d).

        Yields:
            The numbers of the ways that do (Q,), the points there (Q, d) at the lower end, and those at the upper one.
        """
        for i in np.flatnonzero(self.periodic):
            rows = np.flatnonzero((new[:, i] < self.box[i, 0]) | (new[:, i] > self.box[i, 1]))
            if len(rows):
                end = np.where(new[rows, i] < self.box[i, 0], *self.box[i])
                way = new[rows] - x[rows]
                points = self.within(x[rows] + ((end - x[rows, i]) / way[:, i])[:, None] * way)
                lower, upper = points.copy(), points
                lower[:, i], upper[:, i] = self.box[i]
                yield rows, lower, upper

    def _wrapped(self, x: np.ndarray) -> np.ndarray:
        """Positions (P, d) without their periods."""
        low, high = self.box.T
        return np.where(self.periodic, low + np.mod(x - low, high - low), x)

    def _beyond(self, x: np.ndarray) -> np.ndarray:
        """How far positions are beyond the walls (P, d), negative below the lower ones, and 0 inside."""
        return np.where(self.periodic, 0.0, x - np.clip(x, *self.box.T))

    def _mirrored(self, x: np.ndarray, noise: Field) -> np.ndarray:
        """Positions outside (P, d), after a mirror at the wall that is farthest away.

        The foot is found to order |delta|^2, by the direction at the nearest point of the box; the direction at that
        point itself would leave a bias of order sqrt(h).
        """
        rows, beyond = np.arange(len(x)), self._beyond(x)
        tensor = self._tensor(x, noise)
        scale = np.sqrt(np.diagonal(tensor, axis1=1, axis2=2))
        with np.errstate(divide="ignore", invalid="ignore"):
            wall = np.nan_to_num(np.abs(beyond) / scale, nan=-1.0, posinf=np.inf).argmax(axis=1)
        delta = beyond[rows, wall][:, None]
        foot = x - delta * _direction(tensor, wall)
        return x - 2.0 * delta * _direction(self._tensor(foot, noise), wall)

    def _tensor(self, x: np.ndarray, noise: Field) -> np.ndarray:
        """M = B B^T (P, d, d) at the points of the box that are nearest to positions (P, d)."""
        values = noise(np.clip(self._wrapped(x), *self.box.T))
        return np.asarray(values @ values.swapaxes(1, 2))


def _direction(tensor: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """M e_i/M_ii (P, d) at the wall i (P,); e_i where there is no noise across the wall."""
    rows = np.arange(len(wall))
    column, diagonal = tensor[rows, :, wall], tensor[rows, wall, wall]
    normal = np.eye(tensor.shape[1])[wall]
    quiet = diagonal == 0.0
    return np.where(quiet[:, None], normal, column / np.where(quiet, 1.0, diagonal)[:, None])
