"""Files of what is asked of sets on a mesh: the mesh, the nodes in sets, and functions of elements with their errors.

Unknowns are written in an order that does not depend on the ranks, nodes and functions each in their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from scaling_limits.meshes.files.whole_mesh import CONTENT, WholeMesh, spread_mesh
from scaling_limits.meshes.node_order import NodeOrder
from scaling_limits.meshes.spread_functions import SpreadSpace
from scaling_limits.particles import InvalidArgument
from scaling_limits.particles.sampling.ranks import communicator, on_all_ranks
from scaling_limits.particles.support.archive import check_numbers, load_arrays, save_arrays, target

from ..problem import DiffusionOnMesh
from ..searched_mesh import MeshAlone
from .archives import SAME_EXPONENT, AnyEquation, check_is_equation

FORMAT = 1
# of the nodes, in the order "order"; of the functions, in the order "order_of_values"
NODAL = {"exponent", "place", "order"}
ABOUT = {*CONTENT, "values", "order_of_values", "degree", "element"}


@dataclass(frozen=True, eq=False)
class Answer:
    """What a file holds.

    Args:
        mesh: of the functions.
        functions: scalar ones of one space.
        content: what else there is, the same on all ranks.
        exponent: Psi/sigma at the nodes, and
        place: the set that each node is in, -1 for none; for rank 0, None where the file has none.
        order: a text that tells the nodes apart.
    """

    mesh: MeshAlone
    functions: list[fem.Function]
    content: dict[str, np.ndarray]
    exponent: np.ndarray | None
    place: np.ndarray | None
    order: str

    def known_by(self, path: str | os.PathLike[str], equation: AnyEquation) -> tuple[DiffusionOnMesh, np.ndarray]:
        """The equation on this mesh, and the set that each node of this rank and of its ghosts is in (n,); collective.

        Raises:
            InvalidArgument: the file belongs to another equation.
        """
        on_mesh = DiffusionOnMesh(
            equation.coefficients, self.mesh.mesh, equation.rtol, equation.comm, equation.petsc_options, quiet=True
        )  # fmt: skip
        order = on_mesh.node_order
        exponent, place = order.scattered(self.exponent), order.scattered(self.place)
        different = not (np.abs(exponent - on_mesh.exponents) <= SAME_EXPONENT).all()
        if equation.comm.allreduce(different, MPI.LOR) or order.digest != self.order:
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        return on_mesh, np.rint(on_mesh.function(place.astype(float), "place").x.array).astype(int)


def save_answer(
    path: str | os.PathLike[str], kind: str, space: SpreadSpace, values: np.ndarray, content: Mapping[str, Any],
    nodes: tuple[DiffusionOnMesh, np.ndarray] | None = None,
) -> None:  # fmt: skip
    """Write functions to an .npz file; collective.

    Args:
        path: the file, on a disk of rank 0.
        kind: of the result.
        space: of the functions, of scalars.
        values: at the unknowns of this rank (k, m).
        content: what is saved besides.
        nodes: the equation on the mesh, and the set that each node of this rank and of its ghosts is in (n,).
    """
    comm, search = space.search.comm, space.search
    place = on_all_ranks(comm, lambda: target("path", path))
    corners = SpreadSpace(search, fem.functionspace(space.space.mesh, ("Lagrange", 1)))
    order, order_of_values = NodeOrder.of(corners), NodeOrder.of(space)
    whole, every = WholeMesh.of(corners, order), order_of_values.gathered(values)
    element = space.space.ufl_element().basix_element
    about: dict[str, Any] = {
        "kind": kind, "format": FORMAT, "degree": int(element.degree), "order_of_values": order_of_values.digest,
        "element": "DG" if element.discontinuous else "Lagrange",
    }  # fmt: skip
    if nodes is not None:
        equation, sets = nodes
        about["order"] = equation.node_order.digest
        about["exponent"], about["place"] = (
            equation.node_order.gathered(one) for one in (equation.exponents, sets[: equation.own])
        )

    def save() -> None:
        if whole is not None:
            save_arrays(place, {**about, **whole.content, "values": every, **content})

    on_all_ranks(comm, save)


def load_answer(
    path: str | os.PathLike[str], kind: str, names: set[str], comm: MPI.Comm, equation: AnyEquation | None = None,
    *, nodal: bool = False,
) -> Answer:  # fmt: skip
    """Read what `save_answer` wrote, on any number of ranks; collective.

    Args:
        path: the file, on a disk of rank 0.
        kind: of the result.
        names: of what it holds besides.
        comm: the ranks that share the functions.
        equation: that was solved, where the file knows it.
        nodal: whether it does.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: it is not such a file, or that is no equation.
    """
    communicator(comm)
    of_nodes = NODAL if nodal else set()

    def read() -> dict[str, np.ndarray] | None:
        if nodal:
            check_is_equation(equation)
        if comm.rank > 0:
            return None
        content = load_arrays(path, kind, FORMAT, ABOUT | names | of_nodes)
        check_numbers(path, content, names | {"values"} | of_nodes - {"order"})
        if not _whole(content):
            raise InvalidArgument("path", f"{os.fsdecode(path)} is damaged: its arrays do not belong together")
        if equation is not None and content["corners"].shape[2] != equation.dim:
            raise InvalidArgument("equation", f"{os.fsdecode(path)} belongs to another one")
        return content

    content = on_all_ranks(comm, read)
    mesh = spread_mesh(comm, None if content is None else WholeMesh.read(content))
    small = names | {"degree", "element", "order_of_values"} | of_nodes & {"order"}
    said: dict[str, np.ndarray] = comm.bcast(None if content is None else {name: content[name] for name in small})
    alone = MeshAlone(mesh, comm)
    space = SpreadSpace(alone.search, fem.functionspace(mesh, (str(said["element"]), int(said["degree"]))))
    order = NodeOrder.of(space)
    if order.digest != str(said["order_of_values"]):
        raise InvalidArgument("path", f"{os.fsdecode(path)} has a mesh whose nodes are not found again")
    values = order.scattered(None if content is None else content["values"])
    functions = [space.function(row, f"f_{k}") for k, row in enumerate(values)]
    exponent, place = (None if content is None else content.get(name) for name in ("exponent", "place"))
    return Answer(alone, functions, {name: said[name] for name in names}, exponent, place, str(said.get("order", "")))


def _whole(content: dict[str, np.ndarray]) -> bool:
    """Whether the tables of a file have the sizes of one another."""
    cells, corners, nodes = content["cells"], content["corners"], content.get("exponent")
    good = cells.ndim == 2 and corners.ndim == 3 and len(cells) == len(corners) and content["values"].ndim == 2
    if nodes is None or not good:
        return good
    return nodes.shape == content["place"].shape == (cells.max() + 1,)
