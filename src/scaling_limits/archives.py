"""One reader for the files of all results: each says of what kind it is."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .particles import InvalidArgument
from .particles.sampling.ranks import on_all_ranks
from .particles.support.archive import kind_of

if TYPE_CHECKING:
    from mpi4py import MPI

# what the `load` of a class needs besides the file
CONTEXT = {
    "EffectiveCoefficients": "potential=, the one that they belong to",
    "Density": "equation=, the one that it belongs to, and absorbing= where paths are killed",
    "DensityEvolution": "equation=, the one that was solved, and absorbing= where paths were killed",
    "MeshDensity": "equation=, the one that it belongs to",
    "MeshDensityEvolution": "equation=, the one that was solved",
    "ScalarField": "equation=, the one that was solved, for some densities, or comm=",
    "VectorField": "nothing besides, or comm=",
    "Transition": "equation=, the one that was solved",
    "FirstPassage": "equation= and target=, as they were given",
    "QuasiStationary": "equation= and target=, as they were given",
    "Modes": "nothing besides, or comm=",
    "MeshModes": "nothing besides, or comm=",
    "MeshField": "nothing besides, or comm=",
    "MeshVectorField": "nothing besides, or comm=",
    "MeshTransition": "equation=, the one that was solved",
    "MeshFirstPassage": "equation= and target=, as they were given",
    "MeshQuasiStationary": "equation=, the one that was solved",
    "ActionDensity": "equation=, the one that it belongs to",
    "EvolvedActions": "equation=, the one that was solved",
}

# where the class of each kind is
KINDS = {
    "Ensemble": "particles",
    "Paths": "particles",
    "FirstPassages": "particles",
    "RotatorEnsemble": "particles",
    "ReducedEnsemble": "particles",
    "CoupledEnsemble": "particles",
    "MeanCurrents": "particles",
    "Conductivity": "particles",
    "EntropyProduction": "particles",
    "WatchedRotators": "particles",
    "StationarySample": "particles",
    "TimeAverage": "particles",
    "WatchedPairs": "particles",
    "PathDistance": "particles",
    "EpsilonStudy": "particles",
    "WindowStudy": "particles",
    "CanonicalEquation": "particles",
    "EnergySamples": "particles",
    "AngleAverage": "cells",
    "EffectiveTensor": "cells",
    "EffectiveCoefficients": "cells",
    "Density": "pdes",
    "DensityEvolution": "pdes",
    "MeshDensity": "pdes",
    "MeshDensityEvolution": "pdes",
    "MeshField": "pdes",
    "ScalarField": "pdes",
    "VectorField": "pdes",
    "Transition": "pdes",
    "FirstPassage": "pdes",
    "QuasiStationary": "pdes",
    "Modes": "pdes",
    "MeshModes": "pdes",
    "MeshTransition": "pdes",
    "MeshFirstPassage": "pdes",
    "MeshQuasiStationary": "pdes",
    "MeshVectorField": "pdes",
    "ActionDensity": "pdes",
    "EvolvedActions": "pdes",
    "Comparison": "pdes",
    "RotatorMoments": "pdes",
    "EpsilonExpansion": "pdes",
    "ChainLaw": "pdes",
    "BilliardSolution": "pdes",
    "FiniteSizeSolution": "pdes",
}


# whose first files did not name them
OLD_KINDS = ("Ensemble", "Paths", "RotatorEnsemble", "EffectiveTensor", "EffectiveCoefficients")


def load(path: str | os.PathLike[str], **context: Any) -> Any:
    """Read a result that its `save` has written; the file says of what kind it is.

    Args:
        path: the file.
        context: what the `load` of that class asks for besides, such as `potential=` for EffectiveCoefficients.

    Returns:
        The result, of the class whose `save` has written it.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidArgument: no file of a result, a damaged one, or one of a later version; `context` is not what is asked.
        MissingFEniCSx: it holds a density or a solution whose class needs FEniCSx, which is not here.
    """
    kind = _kind(path, getattr(context.get("equation"), "comm", None))
    if kind is None:
        return _without_kind(path, context)
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise InvalidArgument(
            "path", f"{os.fsdecode(path)} holds a {kind}, which is read by what wrote it; known: {known}"
        )
    return _read(kind, path, context)


def _kind(path: str | os.PathLike[str], comm: MPI.Comm | None) -> str | None:
    """The kind of result that a file holds, read by rank 0 where an equation says which ranks there are."""

    def found() -> str | None:
        return "DensityEvolution" if _is_stream(path) else kind_of(path)

    if comm is None or not comm.size > 1:
        return found()
    kind = on_all_ranks(comm, lambda: found() if comm.rank == 0 else None)
    return str(comm.bcast(kind)) if comm.bcast(kind is not None) else None


def _is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of those that `evolve(stream=)` writes: netCDF's classic format."""
    try:
        # not open(path): a number would be taken for a file that is open already, and closed
        with Path(os.fsdecode(path)).open("rb") as file:
            return file.read(4) == b"CDF\x02"
    except (OSError, TypeError, ValueError):
        return False


def _read(kind: str, path: str | os.PathLike[str], context: dict[str, Any]) -> Any:
    reader = getattr(import_module(f"{__package__}.{KINDS[kind]}"), kind).load
    try:
        inspect.signature(reader).bind(path, **context)
    except TypeError as error:
        raise InvalidArgument("context", f"{kind} asks for {CONTEXT.get(kind, 'nothing besides')}") from error
    return reader(path, **context)


def _without_kind(path: str | os.PathLike[str], context: dict[str, Any]) -> Any:
    for kind in OLD_KINDS:
        try:
            return _read(kind, path, context)
        except InvalidArgument:
            continue
    raise InvalidArgument("path", f"{os.fsdecode(path)} is not a file that a result was saved in")
