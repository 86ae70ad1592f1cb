"""Values that several ranks have of the same unknowns: whether they agree."""

from __future__ import annotations

import numpy as np
from dolfinx import fem

from scaling_limits.particles import InvalidArgument

# largest difference of two values that count as one, by the larger of them
SAME = 1e-9


def check_shared(function: fem.Function, name: str, least: float = 0.0) -> None:
    """Compare what each rank says of the unknowns of others with what they say; collective.

    The function has the values of the owners then. A few may differ, as those of a function that jumps at points which
    are known up to rounding.

    Args:
        function: with the values that each rank has found for its unknowns and ghosts.
        name: of the argument that they come from.
        least: values up to which differences do not count; those of each rank by itself.

    Raises:
        InvalidArgument: more than half of the values that are not 0 differ; on all ranks.
    """
    space = function.function_space
    own = space.dofmap.index_map.size_local * space.dofmap.index_map_bs
    mine = function.x.array[own:].copy()
    function.x.scatter_forward()
    theirs = function.x.array[own:]
    larger = np.maximum(np.abs(mine), np.abs(theirs))
    other = np.abs(mine - theirs) > SAME * np.maximum(larger, least)
    if space.mesh.comm.allreduce(2 * int(other.sum()) - int((larger > 0).sum())) > 0:
        raise InvalidArgument(name, "must be the same on all ranks; it differs where they share the mesh")
