"""The order of the gallery: from one scale on a line to what is special."""

ORDER = (
    "zwanzig",
    "noise_induced_transition",
    "arrhenius",
    "effective_tensor",
    "mueller_brown",
    "transition",
    "adatom",
    "potential_from_data",
    "inverse_design",
    "pore",
    "pinned_billiards",
    "hot_cold_chain",
    "heat_flow",
    "rotators_ring",
    "rotators_plane",
    "rotators_epsilon",
    "rotators_correction",
    "rotators_path_laws",
    "rotators_defect",
)


class Order:
    """A key for sorting names of files; one that is not in the list comes last."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> tuple[int, str]:
        """Where it comes."""
        stem = name.removesuffix(".py")
        return (ORDER.index(stem) if stem in ORDER else len(ORDER), stem)
