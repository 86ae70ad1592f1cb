"""The effective tensor M(x) at points, with bounds, errors and derivatives, and its file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target

from .derivatives import Derivatives, read_derivatives
from .drawing import ShownTensor

PREFIX = "derivatives_"  # of the names of arrays in files
FORMAT = 2  # of the files; 0 had no number, and 0 and 1 one error for all points


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveTensor(ShownTensor):
    """Effective tensor M(x) at P points, with all that the effective equation needs.

    Args:
        points: x (P, d).
        value: M (P, d, d), symmetric positive definite, without unit.
        lower: a lower bound of M (P, d, d) in the order of symmetric matrices, or None.
        upper: an upper bound, or None.
        log_partition: log Z_1 (P,).
        free_energy: Psi = V0 - sigma log Z_1 (P,), in the unit of energy.
        cell_solves: number of distinct cells solved at each level 1, ..., N (N,), all ranks together.
        error: the relative error of M at each point (P,): an estimate, or with bounds their distance; infinite
            where a point could not be solved.
        routes: how the cells of each level were solved (N,).
        spaces: in which space, for each level (N,): the finest that a cell needed.
        sensitivities: derivatives by parameters, where these were asked for; see `derivatives`.
    """

    points: NDArray[np.float64]
    value: NDArray[np.float64]
    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    log_partition: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    cell_solves: NDArray[np.integer]
    error: NDArray[np.float64]
    routes: tuple[str, ...]
    spaces: tuple[str, ...]
    sensitivities: Derivatives | None = None

    def _summary(self) -> tuple[str, dict[str, Any]]:
        count, dim = self.points.shape
        values = np.linalg.eigvalsh(self.value)
        bounds = "with bounds" if self.lower is not None else "without bounds"
        title = f"EffectiveTensor at {count} points in {dim} dimensions, {bounds}, error {self.error.max():.1e}"
        said = {"eigenvalues of M": f"from {values.min():.6g} to {values.max():.6g}"}
        levels = enumerate(zip(self.routes, self.spaces, self.cell_solves), 1)
        return title, said | {f"level {k}": f"{route}, {space}; {n} cells" for k, (route, space, n) in levels}

    @property
    def derivatives(self) -> dict[str, NDArray[np.float64]]:
        """Derivatives of M by the parameters that were asked for, by name: dM/dp (P, d, d)."""
        return self._by_name("value")

    @property
    def log_partition_derivatives(self) -> dict[str, NDArray[np.float64]]:
        """Derivatives of log Z_1 by the same (P,)."""
        return self._by_name("log_partition")

    @property
    def free_energy_derivatives(self) -> dict[str, NDArray[np.float64]]:
        """Derivatives of Psi by the same (P,)."""
        return self._by_name("free_energy")

    @property
    def derivative_errors(self) -> dict[str, NDArray[np.float64]]:
        """Estimated errors (P,) of dM/dp, relative to M in the order of symmetric matrices, and of d log Z_1/dp."""
        return self._by_name("error")

    def _by_name(self, kind: str) -> dict[str, NDArray[np.float64]]:
        found = self.sensitivities
        return {} if found is None else dict(zip(found.parameters, getattr(found, kind)))

    def errors_compared(self) -> NDArray[np.float64]:
        """What is compared with rtol at each point (P,): the error of M, or what those of its derivatives count."""
        return self.error if self.sensitivities is None else np.maximum(self.error, self.sensitivities.weighted_error)

    @property
    def partition(self) -> NDArray[np.float64]:
        """Partition function Z_1(x) = int exp(-V1/sigma) (P,); infinite where log Z_1 exceeds 709."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_partition)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; nothing half-written is left behind.

        Args:
            path: the file; an existing one is replaced.

        Raises:
            InvalidArgument: no path, or one in a folder that is not there.
        """
        content = {name: value for name, value in vars(self).items() if value is not None}
        if self.sensitivities is not None:
            del content["sensitivities"]
            content |= {f"{PREFIX}{name}": value for name, value in vars(self.sensitivities).items()}
        save_arrays(target("path", path), {"kind": "EffectiveTensor", "format": FORMAT, **content})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EffectiveTensor:
        """Read what `save` wrote.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        bounds, of_derivatives = {"lower", "upper"}, {f"{PREFIX}{name}" for name in Derivatives.__dataclass_fields__}
        names = set(cls.__dataclass_fields__) - bounds - {"sensitivities"}
        content: dict[str, Any] = load_arrays(path, "EffectiveTensor", {0, 1, FORMAT}, names, bounds | of_derivatives)
        parts = {name: content.pop(name) for name in of_derivatives & set(content)}
        content |= {name: content.get(name) for name in bounds}
        content |= {name: tuple(content[name].tolist()) for name in ("routes", "spaces")}
        points = content["points"]
        if points.ndim == 2 and content["error"].ndim == 0:
            content["error"] = np.full(len(points), content["error"])
        if not _belong_together(content):
            raise InvalidArgument("path", f"{path} is damaged: its arrays do not belong together")
        if parts:
            content["sensitivities"] = read_derivatives({name[len(PREFIX) :]: part for name, part in parts.items()})
            found = content["sensitivities"]
            if found is None or found.value.shape[1:] != content["value"].shape:
                raise InvalidArgument("path", f"{path} is damaged: its derivatives do not belong to its tensors")
        return cls(**content)


def _belong_together(content: dict[str, Any]) -> bool:
    """Whether arrays read from a file are those of a tensor."""
    if content["points"].ndim != 2:
        return False
    count, *dims = content["points"].shape
    shapes = {"error": (count,), "log_partition": (count,), "free_energy": (count,), "points": (count, *dims)}
    both = [content[name] is not None for name in ("lower", "upper")]
    shapes |= {name: (count, *dims, *dims) for name in ("value", "lower", "upper") if content[name] is not None}
    good = dims[0] in (1, 2, 3) and both[0] == both[1]
    good = good and all(
        content[name].shape == shape and content[name].dtype.kind == "f" for name, shape in shapes.items()
    )
    if not good:
        return False
    known = np.isfinite(content["error"])
    finite = all(np.isfinite(content[name][known]).all() for name in shapes if name != "error")
    good = finite and not np.isnan(content["error"]).any() and len(content["routes"]) == len(content["spaces"])
    good = good and bool((np.linalg.eigvalsh(content["value"][known]) > 0).all())
    if good and both[0]:
        inside = [content["value"] - content["lower"], content["upper"] - content["value"]]
        size = np.abs(content["upper"][known]).max(initial=0.0)
        good = all(bool((np.linalg.eigvalsh(part[known]) >= -1e-9 * size).all()) for part in inside)
    return good and content["cell_solves"].shape == (len(content["routes"]),)
