"""What to cite: the papers that an object rests on, as BibTeX."""

from __future__ import annotations

from typing import Any

ENTRIES = {
    "burdzy2022": """@misc{burdzy2022,
  author = {Burdzy, Krzysztof and Hoskins, Jeremy G. and Steinerberger, Stefan},
  title = {From pinned billiard balls to partial differential equations},
  year = {2022},
  eprint = {2209.01503},
  archivePrefix = {arXiv}
}""",
    "duncan2023": """@article{duncan2023,
  author = {Duncan, A. B. and Duong, M. H. and Pavliotis, G. A.},
  title = {Brownian Motion in an {N}-scale periodic Potential},
  journal = {Journal of Statistical Physics},
  volume = {190},
  number = {4},
  pages = {82},
  year = {2023},
  doi = {10.1007/s10955-023-03092-9}
}""",
    "dymov2014": """@misc{dymov2014,
  author = {Dymov, Andrey},
  title = {Statistical mechanics of nonequilibrium systems of rotators with alternated spins},
  year = {2014},
  eprint = {1403.1219},
  archivePrefix = {arXiv}
}""",
    "salmon2011": """@inproceedings{salmon2011,
  author = {Salmon, John K. and Moraes, Mark A. and Dror, Ron O. and Shaw, David E.},
  title = {Parallel random numbers: as easy as 1, 2, 3},
  booktitle = {Proceedings of the International Conference for High Performance Computing, Networking, Storage and
    Analysis},
  year = {2011},
  doi = {10.1145/2063384.2063405}
}""",
    "leimkuhler2013": """@article{leimkuhler2013,
  author = {Leimkuhler, Benedict and Matthews, Charles},
  title = {Rational construction of stochastic numerical methods for molecular sampling},
  journal = {Applied Mathematics Research eXpress},
  year = {2013},
  number = {1},
  pages = {34--56},
  doi = {10.1093/amrx/abs010}
}""",
    "scharfetter1969": """@article{scharfetter1969,
  author = {Scharfetter, D. L. and Gummel, H. K.},
  title = {Large-signal analysis of a silicon {R}ead diode oscillator},
  journal = {IEEE Transactions on Electron Devices},
  volume = {16},
  pages = {64--77},
  year = {1969},
  doi = {10.1109/T-ED.1969.16566}
}""",
    "fehrenbach2014": """@article{fehrenbach2014,
  author = {Fehrenbach, J{\\'e}r{\\^o}me and Mirebeau, Jean-Marie},
  title = {Sparse non-negative stencils for anisotropic diffusion},
  journal = {Journal of Mathematical Imaging and Vision},
  volume = {49},
  pages = {123--147},
  year = {2014},
  doi = {10.1007/s10851-013-0446-3}
}""",
    "hairer1996": """@book{hairer1996,
  author = {Hairer, Ernst and Wanner, Gerhard},
  title = {Solving Ordinary Differential Equations {II}},
  publisher = {Springer},
  year = {1996}
}""",
    "baratta2023": """@misc{baratta2023,
  author = {Baratta, Igor A. and Dean, Joseph P. and Dokken, J{\\o}rgen S. and Habera, Michal and Hale, Jack S. and
    Richardson, Chris N. and Rognes, Marie E. and Scroggs, Matthew W. and Sime, Nathan and Wells, Garth N.},
  title = {{DOLFINx}: the next generation {FEniCS} problem solving environment},
  year = {2023},
  doi = {10.5281/zenodo.10447666}
}""",
    "alnaes2014": """@article{alnaes2014,
  author = {Aln{\\ae}s, Martin S. and Logg, Anders and {\\O}lgaard, Kristian B. and Rognes, Marie E. and Wells,
    Garth N.},
  title = {Unified Form Language: a domain-specific language for weak formulations of partial differential equations},
  journal = {ACM Transactions on Mathematical Software},
  volume = {40},
  year = {2014},
  doi = {10.1145/2566630}
}""",
}
PAPERS = {"pinned_balls": "burdzy2022", "diffusions": "duncan2023", "rotators": "dymov2014"}  # by the room of a module
FENICSX = ("baratta2023", "alnaes2014")
METHODS = {  # by class, beyond its paper
    "PinnedBalls": ("salmon2011",),
    "Langevin": ("salmon2011", "leimkuhler2013"),
    "EffectiveLangevin": ("salmon2011",),
    "RotatorLattice": ("salmon2011",),
    "TransportProcess": ("salmon2011",),
    "BilliardEquations": ("hairer1996",),
    "FokkerPlanck": ("scharfetter1969", "fehrenbach2014"),
    "EffectiveFokkerPlanck": ("scharfetter1969", "fehrenbach2014"),
    "EffectivePlane": ("scharfetter1969", "fehrenbach2014"),
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
    return "\n\n".join(ENTRIES[key] for key in (ENTRIES if thing is None else _keys(thing)))


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
