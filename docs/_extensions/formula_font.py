"""A font for formulas, for readers whose system has none with a table for mathematics.

It is DejaVu Serif, which comes with matplotlib, under a name of its own: without the letters that no formula needs, and
with distances of indices and exponents, which the original leaves at 0.
"""

from pathlib import Path

import matplotlib
from fontTools import subset
from sphinx.application import Sphinx

# Latin, Greek, punctuation, arrows, operators, brackets, and italic, double-struck and script letters
LETTERS = "20-17F,370-3FF,2000-209F,2100-214F,2190-23FF,27C0-27FF,2980-2AFF,1D400-1D7FF"
# in parts of an em; those of TeX's fonts
DISTANCES = {
    "SuperscriptShiftUp": 0.36,
    "SuperscriptShiftUpCramped": 0.29,
    "SuperscriptBottomMin": 0.12,
    "SuperscriptBaselineDropMax": 0.25,
    "SubscriptShiftDown": 0.2,
    "SubscriptTopMax": 0.4,
    "SubscriptBaselineDropMin": 0.05,
    "SubSuperscriptGapMin": 0.15,
    "SuperscriptBottomMaxWithSubscript": 0.4,
    "SpaceAfterScript": 0.05,
}


def write_font(app: Sphinx, exception: Exception | None) -> None:
    """Write it beside the other static files."""
    if exception is not None or app.builder.format != "html":
        return
    source = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf"
    options = subset.Options(layout_features=["*"], name_IDs=["*"], notdef_outline=True)
    options.drop_tables += ["FFTM"]
    font = subset.load_font(str(source), options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=subset.parse_unicodes(LETTERS))
    chosen.subset(font)
    for name, part in DISTANCES.items():
        getattr(font["MATH"].table.MathConstants, name).Value = round(part * font["head"].unitsPerEm)
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6, 16):
            record.string = "ScalingLimitsFormulas"
    font.save(Path(app.outdir) / "_static" / "formulas.ttf")


def setup(app: Sphinx) -> dict[str, bool]:
    """At the end, when the folder of static files is there."""
    app.connect("build-finished", write_font)
    return {"parallel_read_safe": True}
