"""What results of several fields show: transitions, first passages, quasi-stationary laws; on grids and on meshes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.axes import axes_of, closed_if_refused, labelled
from scaling_limits.particles.showing.datasets import attributes, xarray
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.shapes import Curve

from .quantities import BACKWARD, COMMITTOR
from .written import Written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# lines of one value of the committor in a picture
LEVELS = 11


def estimates(thing: object, errors: Mapping[str, float]) -> dict[str, Any]:
    """Texts of the numbers of a result, with their estimated errors by the same names."""
    return {name.replace("_", " "): f"{getattr(thing, name):.6g} +- {error:.1e}" for name, error in errors.items()}


class SeveralFields(Described):
    """Fields on the same nodes, and numbers."""

    def _fields(self) -> dict[str, Any]:
        """The fields that are written, by name; collective."""
        return {}

    def _numbers(self) -> dict[str, float | None]:
        """The numbers, by name; None where one is not known."""
        return {}

    def to_xarray(self) -> Any:
        """All fields at the nodes and their estimated errors as a `xarray.Dataset`, and numbers as its attributes;
        collective: on meshes whole on rank 0, and None on the others.
        """
        parts = []
        for one in self._fields().values():
            part = one.to_xarray()
            if part is not None:
                quantity = one.frames().quantity.name
                parts.append(part.rename({"error": f"error_{quantity}"}) if "error" in part else part)
        if not parts:
            return None
        numbers = {name: value for name, value in self._numbers().items() if value is not None}
        result = xarray().merge(parts, combine_attrs="drop_conflicts", compat="override", join="override")
        result.attrs = attributes(type(self).__name__) | numbers
        return result


class ShownField(SeveralFields):
    """Of several fields the first is drawn."""

    @closed_if_refused
    def plot(self, ax: Axes | None = None, *, level: float | None = None, **options: Any) -> Axes | None:
        """Draw the first field: the mean first passage time, or the quasi-stationary density; collective.

        Args:
            ax: axes of matplotlib, on rank 0; None for those of a new figure.
            level: of the cut across the third axis, for fields in space; None for the middle.
            options: as for fields.

        Returns:
            The axes on rank 0, None on the others.

        Raises:
            InvalidArgument: no axes, or a level outside of the domain.
            ImportError: matplotlib is not here; on meshes pyvista.
        """
        first: Written = next(iter(self._fields().values()))
        return first.plot(ax, level=level, **options)


class ShownTransition(SeveralFields):
    """Committors, and the current between two sets."""

    if TYPE_CHECKING:
        forward: Any
        backward: Any

        @property
        @abstractmethod
        def current(self) -> Any:
            """J."""

    @closed_if_refused
    def plot(self, ax: Axes | None = None, *, level: float | None = None, **options: Any) -> Axes | None:
        """Draw both committors on a line; in the plane the forward one in colours, with the current; collective.

        Args:
            ax: axes of matplotlib, on rank 0; None for those of a new figure.
            level: of the cut across the third axis, in space; None for the middle.
            options: of `Axes.plot`, or `contourf`.

        Returns:
            The axes on rank 0, None on the others.

        Raises:
            InvalidArgument: no axes, or a level outside of the domain.
            ImportError: matplotlib is not here; on meshes pyvista.
        """
        comm = self.forward.grid.comm if hasattr(self.forward, "grid") else self.forward.equation.comm
        same_on_all_ranks(comm, level=level)
        forward, backward, current = (one.shape(0, level) for one in (self.forward, self.backward, self.current))

        def draw() -> Axes | None:
            if comm.rank:
                return None
            axes = axes_of(ax)
            if isinstance(forward, Curve):
                labelled(axes, "", "committors")
                for shape, quantity in ((forward, COMMITTOR), (backward, BACKWARD)):
                    shape.draw(axes, quantity, **({"label": quantity.name} | options))
                axes.legend()
                return axes
            forward.contours(axes, COMMITTOR, LEVELS, **options)
            current.overlay(axes)
            return axes

        return on_all_ranks(comm, draw)
