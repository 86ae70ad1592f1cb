"""What correctors show: theta over a torus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaling_limits.meshes.files.frames import Frames
from scaling_limits.meshes.files.shapes import mesh_shape
from scaling_limits.particles.sampling.ranks import on_all_ranks, same_on_all_ranks
from scaling_limits.particles.showing.axes import axes_of, closed_if_refused
from scaling_limits.particles.showing.described import Described
from scaling_limits.particles.showing.quantities import Quantity
from scaling_limits.particles.support.checks import integer

if TYPE_CHECKING:
    from dolfinx import fem
    from matplotlib.axes import Axes


class ShownCorrectors(Described):
    """Correctors, one for each direction."""

    if TYPE_CHECKING:
        correctors: tuple[fem.Function, ...]

    @closed_if_refused
    def plot(
        self, ax: Axes | None = None, direction: int = 0, *, level: float | None = None, **options: Any
    ) -> Axes | None:
        """Draw the corrector of a direction: a curve, colours in the plane, or in space a cut; collective.

        Args:
            ax: axes of matplotlib, on rank 0; None for those of a new figure.
            direction: j, 0 first.
            level: of the cut across the third axis; None for the middle.
            options: of `Axes.plot` or `tripcolor`.

        Returns:
            The axes on rank 0, None on the others.

        Raises:
            InvalidArgument: no such direction or level, or no axes.
            ImportError: matplotlib or pyvista is not here.
        """
        comm = self.correctors[0].function_space.mesh.comm
        j = on_all_ranks(comm, lambda: integer("direction", direction, 0, len(self.correctors) - 1))
        same_on_all_ranks(comm, direction=j, level=level)
        quantity = Quantity(f"theta_{j}", f"corrector of direction {j}", "period")
        shape = mesh_shape(comm, Frames(quantity, None, lambda index: self.correctors[j]), 0, level)

        def draw() -> Axes | None:
            if comm.rank or shape is None:
                return None
            axes = axes_of(ax)
            shape.draw(axes, quantity, **options)
            return axes

        return on_all_ranks(comm, draw)
