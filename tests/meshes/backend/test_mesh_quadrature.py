"""Functions on quadrature points: integrals of polynomials, of any shape, on any cells, on any number of ranks."""

import numpy as np
import pytest
from dolfinx import fem
from dolfinx.mesh import CellType

from scaling_limits.meshes import box, torus
from scaling_limits.meshes.backend.mesh_quadrature import MeshQuadrature

MESHES = {
    "interval": lambda: torus((7,)), "triangles": lambda: torus((4, 5), cell_type=CellType.triangle),
    "quadrilaterals": lambda: box([(0, 1), (0, 1)], (3, 4)), "hexahedra": lambda: torus((3, 4, 3)),
}  # fmt: skip


def integral(rule, integrand):
    return rule.mesh.comm.allreduce(fem.assemble_scalar(fem.form(integrand * rule.dx)))


@pytest.mark.parametrize("kind", MESHES)
def test_integrals_of_values(kind):
    """int x_i x_j = 1/3 or 1/4, of every entry of a tensor, and of its second values; of a scalar; 1 where it is constant."""
    rule = MeshQuadrature(MESHES[kind](), 4)
    x, dim = rule.points, rule.mesh.geometry.dim
    assert len(x) % rule.per_cell == 0
    tensor = rule.function((dim, dim), x[:, :, None] * x[:, None, :])
    expected = np.full((dim, dim), 1 / 4) + np.eye(dim) / 12
    for i, j in np.ndindex(dim, dim):
        assert integral(rule, tensor[i, j]) == pytest.approx(expected[i, j], abs=1e-13)
    rule.assign(tensor, np.broadcast_to(np.arange(dim**2).reshape(dim, dim), (len(x), dim, dim)))
    assert integral(rule, tensor[dim - 1, 0]) == pytest.approx(dim * (dim - 1), abs=1e-12)
    assert integral(rule, rule.function((), x[:, 0])) == pytest.approx(0.5, abs=1e-13)
    assert integral(rule, rule.function((), 1.0)) == pytest.approx(1.0, abs=1e-13)
