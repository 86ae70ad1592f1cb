"""Files of densities on a mesh: they hold the mesh, and Psi/sigma at its nodes, by which they know their equation."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from scaling_limits.meshes.files.whole_mesh import CONTENT, WholeMesh, spread_mesh
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.mpi import MPI
from scaling_limits.particles.sampling.ranks import on_all_ranks
from scaling_limits.particles.support.archive import check_numbers, load_arrays, save_arrays, target
from scaling_limits.particles.support.checks import shown
from scaling_limits.particles.support.not_pickled import NotPickled

from ...coefficients import Coefficients
from ..lumped import LumpedEquation
from ..problem import DiffusionOnMesh

FORMAT = 1
# largest difference of Psi/sigma at a node between the file and the equation
SAME_EXPONENT = 1e-6


class AnyEquation(Protocol):
    """What is asked of an equation that a file is read for."""

    @property
    def coefficients(self) -> Coefficients:
        """M, Psi, sigma."""

    @property
    def comm(self) -> MPI.Comm:
        """The ranks."""

    @property
    def rtol(self) -> float:
        """Of steps."""

    @property
    def petsc_options(self) -> dict[str, Any] | None:
        """Of linear solvers."""

    @property
    def dim(self) -> int:
        """Dimension of space."""


def check_is_equation(equation: object) -> None:
    """Refuse what is no equation.

    Raises:
        InvalidArgument: it is none.
    """
    if not all(hasattr(equation, name) for name in ("coefficients", "comm", "rtol", "petsc_options", "dim")):
        raise InvalidArgument("equation", f"must be the FokkerPlanck that was solved, not {shown(equation)}")


class SavedDensity(NotPickled, ABC):
    """A result at the nodes of a mesh; files hold it in an order that does not depend on the ranks."""

    # of the values at nodes, and of the numbers besides
    NODAL: ClassVar[str]
    NUMBERS: ClassVar[set[str]]
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path, equation) reads it"

    @property
    @abstractmethod
    def _lumped(self) -> LumpedEquation:
        """The nodes, and where paths are killed."""

    @abstractmethod
    def _content(self) -> dict[str, object]:
        """The numbers, under `NUMBERS`, the same on all ranks."""

    @abstractmethod
    def _nodal(self) -> np.ndarray:
        """The values (..., m) at the nodes of this rank."""

    @classmethod
    @abstractmethod
    def _of(cls, lumped: LumpedEquation, nodal: np.ndarray, content: dict[str, np.ndarray]) -> Self:
        """The result with this content; collective."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result with its mesh to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        equation, held = self._lumped.equation, self._lumped.held
        place = on_all_ranks(equation.comm, lambda: target("path", path))
        order = equation.node_order
        whole = WholeMesh.of(equation.spread_space, order)
        dead = np.zeros(equation.own, dtype=bool) if held is None else held
        gathered = [order.gathered(values) for values in (equation.exponents, self._nodal(), dead)]

        def save() -> None:
            if whole is not None:
                about = {"kind": type(self).__name__, "format": FORMAT, "order": order.digest}
                content = self._content() | whole.content
                save_arrays(place, about | content | dict(zip(("exponent", self.NODAL, "held"), gathered)))

        on_all_ranks(equation.comm, save)

    @classmethod
    def load(cls, path: str | os.PathLike[str], equation: AnyEquation) -> Self:
        """Read what `save` wrote, on any number of ranks; collective.

        Args:
            path: the file, on a disk of rank 0; it holds the mesh.
            equation: the one that was solved, which knows Psi between the nodes.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file, or belongs to another equation.
        """
        check_is_equation(equation)
        comm = equation.comm
        names = {cls.NODAL, *cls.NUMBERS, *CONTENT, "order", "exponent", "held"}

        def read() -> dict[str, np.ndarray] | None:
            content = load_arrays(path, cls.__name__, FORMAT, names) if comm.rank == 0 else None
            if content is not None and content["corners"].shape[2] != equation.dim:
                raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
            if content is not None:
                check_numbers(path, content, cls.NUMBERS)
            if content is not None and not _whole(content, cls.NODAL):
                raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: it holds tables that do not fit")
            return content

        content = on_all_ranks(comm, read)
        mesh = spread_mesh(comm, None if content is None else WholeMesh.read(content))
        on_mesh = DiffusionOnMesh(
            equation.coefficients, mesh, equation.rtol, comm, equation.petsc_options, quiet=True
        )  # fmt: skip
        order = on_mesh.node_order
        parts = [
            order.scattered(None if content is None else content[name]) for name in ("exponent", "held", cls.NODAL)
        ]
        different = bool((~(np.abs(parts[0] - on_mesh.exponents) <= SAME_EXPONENT)).any())
        known = comm.bcast(None if content is None else str(content["order"]) == order.digest)
        if comm.allreduce(different, MPI.LOR) or not known:
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        numbers = comm.bcast(None if content is None else {name: content[name] for name in cls.NUMBERS})
        held = parts[1] if comm.allreduce(bool(parts[1].any()), MPI.LOR) else None
        return cls._of(LumpedEquation(on_mesh, held), parts[2], numbers)


def _whole(content: dict[str, np.ndarray], nodal: str) -> bool:
    """Whether the tables of a file have the sizes of one another, and values that are numbers."""
    nodes, cells, values = content["exponent"].size, len(content["cells"]), content[nodal]
    sizes = values.ndim > 0 and values.shape[-1] == content["held"].size == nodes and len(content["corners"]) == cells
    times = content.get("times")
    fits = times is None or (times.shape == values.shape[:1] == content["relative_entropy"].shape)
    # logarithms are -inf where nothing is
    return bool(sizes and fits and not np.isnan(values).any() and not (values == np.inf).any())
