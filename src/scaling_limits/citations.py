"""What to cite: the papers that an object rests on, as BibTeX; the entries are in references.bib."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

PAPERS = {"pinned_balls": "burdzy2022", "diffusions": "duncan2023", "rotators": "dymov2014"}  # by the room of a module
FENICSX = ("baratta2023", "alnaes2014")
METHODS = {  # by class, beyond its paper
    "PinnedBalls": ("salmon2011",),
    "Langevin": ("salmon2011", "leimkuhler2013", "gobet2000"),
    "FirstPassages": ("salmon2011", "gobet2000"),
    "EffectiveLangevin": ("salmon2011", "bossy2004"),
    "RotatorLattice": ("salmon2011",),
    "TransportProcess": ("salmon2011",),
    "BilliardEquations": ("hairer1996",),
    "FokkerPlanck": ("scharfetter1969", "fehrenbach2014"),
    "EffectiveFokkerPlanck": ("scharfetter1969", "fehrenbach2014"),
    "EffectivePlane": ("scharfetter1969", "fehrenbach2014"),
    "ScharfetterGummel": ("scharfetter1969", "fehrenbach2014"),
    "Density": ("scharfetter1969", "fehrenbach2014"),
    "DensityEvolution": ("scharfetter1969", "fehrenbach2014"),
    "BilliardSolution": ("hairer1996",),
    "Rosenbrock": ("hairer1996",),
    "LangevinScheme": ("leimkuhler2013",),
}


def cite(thing: object = None) -> str:
    """What an object rests on, as BibTeX: the paper whose limit it is, and the methods and libraries behind it.

    Args:
        thing: a model, an equation, a result or a function of this package, or its class; None for all there is.

    Returns:
        Entries of BibTeX, an empty line between two.

    Raises:
        InvalidArgument: nothing of this package.
    """
    text = files(__package__).joinpath("references.bib").read_text(encoding="utf-8")
    entries = {entry.split("{", 1)[1].split(",", 1)[0]: entry for entry in text.strip().split("\n\n")}
    return "\n\n".join(entries[key] for key in (entries if thing is None else _keys(thing)))


def _keys(thing: Any) -> list[str]:
    from .particles import InvalidArgument

    named = thing if hasattr(thing, "__name__") else type(thing)
    parts = str(getattr(named, "__module__", None) or named.__name__).split(".")
    if parts[0] != __package__:
        raise InvalidArgument("thing", f"must be something of {__package__}, not {type(thing).__name__}")
    rooms = [part for part in parts if part in PAPERS]
    if "cells" in parts:
        rooms = ["rotators" if "averaged_dissipation" in parts else "diffusions"]
    papers = [PAPERS[room] for room in rooms[:1]] or list(PAPERS.values())
    methods = METHODS.get(named.__name__, ())
    libraries = FENICSX if {"cells", "pdes", "meshes"} & set(parts) else ()
    return [*papers, *methods, *libraries]
