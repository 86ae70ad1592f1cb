"""Fields on a mesh that solve elliptic problems: finite element functions, and their estimated errors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from numpy.typing import ArrayLike

from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.mesh_datasets import mesh_dataset
from scaling_limits.meshes.files.whole_mesh import CONTENT, WholeMesh, spread_mesh
from scaling_limits.meshes.node_order import NodeOrder
from scaling_limits.meshes.spread_functions import SpreadFunction, SpreadSpace
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.support.archive import load_arrays, save_arrays, target
from scaling_limits.particles.support.not_pickled import NotPickled

from ...output.quantities import FIELD
from ...output.written import Written
from ..problem import DiffusionOnMesh
from ..searched_mesh import MeshAlone, SearchedMesh
from ..storage.answers import Answer, save_answer
from .sets import MeshSet

FORMAT = 1


@dataclass(frozen=True, eq=False, repr=False)
class MeshField(NotPickled, Written):
    """A field f(x) on a mesh.

    Args:
        equation: or a mesh alone, that of the function, whose nodes are on the boundaries of sets.
        function: f.
        errors: its estimated error, as a function of the same space; None where it is not known.
        sets: in which f is given.
        limits: the least and the largest value that f can have.
        quantity: what f is.
    """

    equation: SearchedMesh
    function: fem.Function
    errors: fem.Function | None
    sets: tuple[MeshSet, ...] = ()
    limits: tuple[float, float] = (-np.inf, np.inf)
    quantity: Quantity = FIELD
    INSTEAD: ClassVar[str] = "save(path) writes it, load(path) reads it"

    def __post_init__(self) -> None:
        # while all ranks are here
        _ = self._spread

    @cached_property
    def _spread(self) -> tuple[SpreadFunction, SpreadFunction | None]:
        """f and its error, for any rank; collective the first time."""
        space = self._space
        return space.spread(self.function), None if self.errors is None else space.spread(self.errors)

    @cached_property
    def _space(self) -> SpreadSpace:
        return SpreadSpace(self.equation.search, self.function.function_space)

    def _summary(self) -> tuple[str, dict[str, Any]]:
        size = self.function.function_space.dofmap.index_map.size_global
        return f"MeshField {self.quantity.name}, {self.quantity.long_name}", {"unknowns": size}

    def at(self, points: ArrayLike) -> np.ndarray:
        """Return f(x); each rank by itself.

        Args:
            points: x (P, d), in the mesh.

        Returns:
            f (P,).

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        x = self.equation.checked(points)
        result = np.clip(self._spread[0].at(self.equation.search.find(x))[:, 0], *self.limits)
        for one in self.sets:
            result[one.holds(x)] = one.value
        return result

    def error_at(self, points: ArrayLike) -> np.ndarray:
        """Return the estimated error of f(x) (P,), in units of f, NaN where it is not known; each rank by itself.

        Raises:
            InvalidArgument: a wrong shape, or a point outside of the mesh.
        """
        x = self.equation.checked(points)
        found = self.equation.search.find(x)
        if self._spread[1] is None:
            return np.full(len(x), np.nan)
        return self._spread[1].bound(found)[:, 0]

    @cached_property
    def error(self) -> float | None:
        """The largest estimated error of f, in units of f; None where it is not known. Collective the first time."""
        if self.errors is None:
            return None
        own = self.errors.function_space.dofmap.index_map.size_local
        largest = float(np.abs(self.errors.x.array[:own]).max(initial=0.0))
        return float(self.equation.comm.allreduce(largest, MPI.MAX))

    @property
    def values(self) -> np.ndarray:
        """f at the unknowns of this rank."""
        own = self.function.function_space.dofmap.index_map.size_local
        return np.asarray(self.function.x.array[:own])

    @property
    def _ranks(self) -> MPI.Comm:
        return self.equation.comm

    def frames(self) -> Frames:
        """The field within its limits, for files; collective."""

        def function(index: int) -> fem.Function:
            result = self.function.copy()
            result.x.array[:] = np.clip(result.x.array, *self.limits)
            return result

        return Frames(self.quantity, None, function)

    def to_xarray(self) -> Any:
        """The field at the unknowns, and its estimated error there (`mesh_dataset`); collective: a `xarray.Dataset` on
        rank 0, None on the others.
        """
        return mesh_dataset(self.frames(), self._space, "MeshField", error=self.errors)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the field with its mesh and its errors to an .npz file; collective.

        Args:
            path: the file, on a disk of rank 0; an existing one is replaced when the new one is whole.

        Raises:
            InvalidArgument: no path, or one that no file can be written to.
        """
        comm = self.equation.comm
        place = on_all_ranks(comm, lambda: target("path", path))
        order = NodeOrder.of(self._space)
        whole = WholeMesh.of(self._space, order)
        errors = np.full(len(self.values), np.nan) if self.errors is None else self.errors.x.array[: len(self.values)]
        values, errors = (order.gathered(one) for one in (self.values, errors))

        def save() -> None:
            if whole is not None:
                degree, about = int(self.function.function_space.ufl_element().degree), self.quantity
                save_arrays(place, {
                    "kind": "MeshField", "format": FORMAT, **whole.content, "values": values, "errors": errors,
                    "limits": np.array(self.limits), "degree": degree, "order": order.digest,
                    "quantity": np.array([about.name, about.long_name, about.units]),
                })  # fmt: skip

        on_all_ranks(comm, save)

    @classmethod
    def load(cls, path: str | os.PathLike[str], comm: MPI.Comm = MPI.COMM_WORLD) -> MeshField:
        """Read what `save` wrote, on any number of ranks; collective. Sets are known by their nodes only from then on:
        beside curved boundaries f is what the elements hold.

        Args:
            path: the file, on a disk of rank 0; it holds the mesh.
            comm: the ranks that share the field.

        Raises:
            FileNotFoundError: there is no such file.
            InvalidArgument: it is not such a file.
        """
        names = {*CONTENT, "values", "errors", "limits", "degree", "order", "quantity"}
        communicator(comm)
        content = on_all_ranks(comm, lambda: load_arrays(path, "MeshField", FORMAT, names) if comm.rank == 0 else None)
        mesh = spread_mesh(comm, None if content is None else WholeMesh.read(content))
        about = ("degree", "limits", "quantity", "order")
        degree, limits, words, digest = comm.bcast(None if content is None else [content[name] for name in about])
        alone = MeshAlone(mesh, comm)
        space = SpreadSpace(alone.search, fem.functionspace(mesh, ("Lagrange", int(degree))))
        order = NodeOrder.of(space)
        if order.digest != str(digest):
            raise InvalidArgument("path", f"{os.fsdecode(path)} has a mesh whose nodes are not found again")
        values, errors = (order.scattered(None if content is None else content[name]) for name in ("values", "errors"))
        known = not comm.allreduce(bool(np.isnan(errors).any()), MPI.LOR)
        low, high = (float(one) for one in limits)
        quantity = Quantity(*(str(word) for word in words))
        error = space.function(errors, "error") if known else None
        return cls(alone, space.function(values, quantity.name), error, (), (low, high), quantity)


def save_fields(
    path: str | os.PathLike[str], kind: str, fields: Sequence[MeshField], content: Mapping[str, Any],
    nodes: tuple[DiffusionOnMesh, np.ndarray],
) -> None:  # fmt: skip
    """Write fields of one space with their errors; see `save_answer`."""
    space = SpreadSpace(fields[0].equation.search, fields[0].function.function_space)
    errors = [field.errors for field in fields if field.errors is not None]
    assert len(errors) == len(fields)
    rows = [field.values for field in fields] + [one.x.array[: len(fields[0].values)] for one in errors]
    save_answer(path, kind, space, np.array(rows), content, nodes)


def read_fields(
    equation: DiffusionOnMesh, found: Answer, about: Sequence[tuple[tuple[float, float], Quantity]],
    sets: tuple[MeshSet, ...] = (),
) -> list[MeshField]:  # fmt: skip
    """The fields that `save_fields` wrote, with the limits and names that they had; collective."""
    functions, errors = found.functions[: len(about)], found.functions[len(about) :]
    return [
        MeshField(equation, function, error, sets, limits, quantity)
        for function, error, (limits, quantity) in zip(functions, errors, about)
    ]
