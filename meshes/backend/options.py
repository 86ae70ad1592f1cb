"""Options of PETSc that a user gives, by their names; to read them needs no PETSc."""

from __future__ import annotations

from collections.abc import Mapping

from scaling_limits.particles import InvalidArgument


def checked_options(petsc_options: object) -> dict[str, object]:
    """Return options by their names; none where there are none.

    Raises:
        InvalidArgument: no dictionary, or names that are no texts.
    """
    if petsc_options is None:
        return {}
    if not isinstance(petsc_options, Mapping) or not all(isinstance(name, str) and name for name in petsc_options):
        raise InvalidArgument(
            "petsc_options", f"must be a dictionary such as {{'ksp_type': 'cg'}}, not {petsc_options!r}"
        )
    return dict(petsc_options)
