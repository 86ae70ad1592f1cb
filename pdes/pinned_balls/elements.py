"""Finite elements for the pinned-billiard equations on the unit interval, with lumped mass and nodal fluxes.

Degree 1 on a mesh with lambda h <= 2 keeps w >= 0 in continuous time: at a node where w = 0 its rate is
sum (sigma_j^2 + D_j^2 -+ lambda h sigma_j D_j)/(2 h) >= 0, with D_j the difference of mu to the neighbour j. Where the
mesh is coarser the diffusion is raised to lambda h/2, which is upwinding: bounded and positive, but smeared.
Higher degrees take Gauss-Lobatto-Legendre nodes, which are also the points of the quadrature.

Who owns what: `CompiledForms` belong to all meshes of a degree, and `BilliardElements` to all solves on a mesh; neither
changes. What changes in a solve, `BoundForms`, belongs to that solve alone while `BilliardElements.lent` lends it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import basix.ufl
import dolfinx
import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI
from ufl.core.expr import Expr

from scaling_limits.meshes.backend.direct_solver import DirectSolver

from .forms import BilliardForm, deviation
from .mesh_choice import least_diffusion


@dataclass(frozen=True)
class Source:
    """Right-hand sides of a manufactured solution: UFL expressions of (x, t), and their derivatives in t."""

    values: Callable[[Expr, Expr], tuple[Expr, Expr]]  # (x, t) -> (s_mu, s_second)
    slopes: Callable[[Expr, Expr], tuple[Expr, Expr]]


# a form for all meshes, and the coefficients and constants that it reads
Compiled = tuple[fem.forms.CompiledForm, list[ufl.Coefficient], list[ufl.Constant]]


def _compiled(comm: MPI.Comm, form: ufl.Form) -> Compiled:
    constants = ufl.algorithms.analysis.extract_constants(form)
    return fem.compile_form(comm, form), ufl.algorithms.extract_coefficients(form), constants


class CompiledForms:
    """The forms of the equations in UFL and compiled, for all meshes.

    Args:
        comm: the ranks that compile; collective.
        degree: of the elements.
        form: the second unknown.
        absorbing: whether sigma = 0 at the ends.
        source: of a manufactured solution, or None.
    """

    def __init__(self, comm: MPI.Comm, degree: int, form: BilliardForm, absorbing: bool, source: Source | None) -> None:
        self.comm, self.degree, self.form, self.absorbing = comm, degree, form, absorbing
        self.element = basix.ufl.element("Lagrange", "interval", degree, shape=(2,))
        self.scalar = basix.ufl.element("Lagrange", "interval", degree)
        domain = ufl.Mesh(basix.ufl.element("Lagrange", "interval", 1, shape=(1,)))
        space = ufl.FunctionSpace(domain, self.element)
        self.state, test, increment = ufl.Coefficient(space), ufl.TestFunction(space), ufl.TrialFunction(space)
        # 1 inside, 0 at absorbing ends: sigma = 0 there, whatever the stages of a step make of their second unknown
        self.inside = ufl.Coefficient(ufl.FunctionSpace(domain, self.scalar))
        self.time, self.shift, self.floor, self.speed, self.diffusion = (ufl.Constant(domain) for _ in range(5))
        dx = ufl.dx(domain=domain, metadata={"quadrature_rule": "GLL", "quadrature_degree": 2 * degree - 1})
        u, variance = self.state, form.variance(self.state[0], self.state[1])

        def residual(floor: Expr | float) -> ufl.Form:
            sigma = deviation(variance, floor)
            sigma = self.inside * sigma if absorbing else sigma
            return form.residual(u[0], u[1], sigma, test, self.diffusion, self.speed) * dx

        exact = residual(self.floor if form.label == "A" else 0.0)
        self.slope = None
        if source is not None:
            x = ufl.SpatialCoordinate(domain)[0]
            exact -= ufl.inner(ufl.as_vector(source.values(x, self.time)), test) * dx
            slope = ufl.inner(ufl.as_vector(source.slopes(x, self.time)), test) * dx
            self.slope = _compiled(comm, slope)
        self.mass = _compiled(comm, ufl.inner(ufl.as_vector((1.0, 1.0)), test) * dx)
        self.residual = _compiled(comm, exact)
        # the Jacobian bounds sigma from below, where its derivative is infinite
        jacobian = ufl.derivative(residual(self.floor), u, increment)
        self.jacobian = _compiled(comm, self.shift * ufl.inner(increment, test) * dx + jacobian)


class ElementNodes(Protocol):
    """The nodes of a mesh, as states need them: mu and the second unknown within a state, weights, absorbing ends."""

    comm: MPI.Comm
    degree: int
    form: BilliardForm
    absorbing: bool
    nodal: tuple[slice, slice]
    points: np.ndarray
    mass: np.ndarray
    ends: np.ndarray


class BilliardElements:
    """The elements on equal cells of the unit interval, shared by the ranks that have compiled the forms.

    Args:
        forms: of the equations, for one degree, second unknown and boundary.
        cells: number of equal cells.
    """

    def __init__(self, forms: CompiledForms, cells: int) -> None:
        self.forms, self.cells, self.comm = forms, cells, forms.comm
        self.degree, self.form, self.absorbing = forms.degree, forms.form, forms.absorbing
        self.mesh = dolfinx.mesh.create_interval(forms.comm, cells, [0.0, 1.0])
        self.space = fem.functionspace(self.mesh, forms.element)
        self.owned = 2 * self.space.dofmap.index_map.size_local
        self.nodal = slice(0, self.owned, 2), slice(1, self.owned, 2)  # mu and the second unknown within a state
        self.points = self.space.tabulate_dof_coordinates()[: self.owned // 2, 0]
        at_end = (self.points < 1e-12) | (self.points > 1 - 1e-12)
        self.ends = np.flatnonzero(at_end & forms.absorbing)
        self.inside = fem.Function(fem.functionspace(self.mesh, forms.scalar))
        self.inside.interpolate(lambda x: np.where((x[0] < 1e-12) | (x[0] > 1 - 1e-12), 0.0, 1.0))
        mass = fem.create_form(forms.mass[0], [self.space], self.mesh, {}, {}, {})
        lumped = fem.assemble_vector(mass)
        lumped.scatter_reverse(dolfinx.la.InsertMode.add)
        self.mass = lumped.array[: self.owned].copy()
        self._idle: list[BoundForms] = []  # lent to nobody

    @contextmanager
    def lent(self, petsc_options: dict[str, Any] | None) -> Iterator[BoundForms]:
        """Forms and a linear solver for one solve alone.

        A solve that ends well leaves them to the next one, unless they have options of their own: new ones take as long
        as some steps, and on two ranks as some solves.
        """
        bound = self._idle.pop() if self._idle and petsc_options is None else BoundForms(self, petsc_options)
        yield bound
        if petsc_options is None:
            self._idle.append(bound)

    def diffusion(self, speed: float) -> float:
        """The diffusion that the mesh needs for a wave speed lambda: 1, or more where it does not resolve 1/lambda."""
        return least_diffusion(self.cells, self.forms.degree, speed)


class BoundForms:
    """The forms on a mesh with a state and constants of their own, and a linear solver, for one solve at a time.

    Args:
        elements: the mesh, its space and the compiled forms.
        petsc_options: of the linear solver, without prefix.
    """

    def __init__(self, elements: BilliardElements, petsc_options: dict[str, Any] | None = None) -> None:
        forms, mesh, space = elements.forms, elements.mesh, elements.space
        self.elements, self._comm, self._owned = elements, forms.comm, elements.owned
        self.state = fem.Function(space)
        self.time, self.shift, self.floor, self.speed, self.diffusion = (
            fem.Constant(mesh, value) for value in (0.0, 1.0, 0.0, 1.0, 1.0)
        )
        values = {forms.state: self.state, forms.inside: elements.inside}
        constants = {
            forms.time: self.time, forms.shift: self.shift, forms.floor: self.floor, forms.speed: self.speed,
            forms.diffusion: self.diffusion,
        }  # fmt: skip

        def bound(compiled: Compiled, arguments: int) -> fem.Form:
            form, coefficients, used = compiled
            fields = {u: values[u] for u in coefficients}
            return fem.create_form(form, [space] * arguments, mesh, {}, fields, {c: constants[c] for c in used})

        self._residual = bound(forms.residual, 1)
        self.linear = DirectSolver(bound(forms.jacobian, 2), "billiards_", petsc_options)
        self._slope = None if forms.slope is None else bound(forms.slope, 1)
        self._vector = fem.Function(space).x
        self._values, self._entries = self.state.x.array, self._vector.array  # views, made once

    @property
    def has_source(self) -> bool:
        """Whether there is the source of a manufactured solution, which depends on time."""
        return self._slope is not None

    def put(self, t: float, y: np.ndarray) -> np.ndarray:
        """Set the time, and the state to y; returns the values with those of ghosts."""
        if self._slope is not None:
            self.time.value = t
        self._values[: self._owned] = y[: self._owned]
        if self._comm.size > 1:
            self.state.x.scatter_forward()
        return self._values

    def rate(self) -> np.ndarray:
        """The rates M y' on the nodes of this rank."""
        return -self._assembled(self._residual)

    def rate_in_time(self, t: float) -> np.ndarray | None:
        """The derivative in time of these rates; None where there is no source."""
        if self._slope is None:
            return None
        self.time.value = t
        return self._assembled(self._slope)

    def _assembled(self, form: fem.Form) -> np.ndarray:
        self._entries[:] = 0.0
        fem.assemble_vector(self._entries, form)
        if self._comm.size > 1:
            self._vector.scatter_reverse(dolfinx.la.InsertMode.add)
        return self._entries[: self._owned].copy()


def billiard_elements(
    comm: MPI.Comm, cells: int, degree: int, form: BilliardForm, absorbing: bool, source: Source | None = None
) -> BilliardElements:
    """The elements, perhaps those of another solve; collective.

    Args:
        comm: the ranks that share the mesh; what is kept is kept for COMM_WORLD and COMM_SELF, others may be freed.
        cells: number of equal cells.
        degree: of the elements.
        form: the second unknown.
        absorbing: whether energy leaves through the ends.
        source: of a manufactured solution, with which nothing is kept.
    """
    if source is None:
        for known in (MPI.COMM_WORLD, MPI.COMM_SELF):
            if comm == known:
                return _kept_elements(known is MPI.COMM_WORLD, cells, degree, form, absorbing)
    return BilliardElements(CompiledForms(comm, degree, form, absorbing, source), cells)


@functools.lru_cache(maxsize=8)
def _kept_elements(world: bool, cells: int, degree: int, form: BilliardForm, absorbing: bool) -> BilliardElements:
    return BilliardElements(kept_forms(world, degree, form, absorbing), cells)


@functools.lru_cache(maxsize=16)
def kept_forms(world: bool, degree: int, form: BilliardForm, absorbing: bool) -> CompiledForms:
    """The compiled forms for COMM_WORLD or COMM_SELF, perhaps those of another solve; collective."""
    return CompiledForms(MPI.COMM_WORLD if world else MPI.COMM_SELF, degree, form, absorbing, None)
