"""Configuration of the pages: sphinx with markdown, and the examples run as a gallery."""

from pathlib import Path

OUT = str(Path(__file__).resolve().parents[1] / "out")
OPTIONS = {
    "pinned_billiards": ["--runs", "4000", "--order-one-runs", "100", "--out", OUT],
    "effective_tensor": ["--out", OUT],
    "mueller_brown": ["--paths", "256", "--frames", "24", "--out", OUT],
    "transition": ["--cells", "72", "--out", OUT],
    "zwanzig": ["--paths", "512", "--out", OUT],
    "noise_induced_transition": ["--paths", "1024", "--out", OUT],
    "hot_cold_chain": ["--out", OUT],
    "rotators_epsilon": ["--out", OUT],
    "rotators_defect": ["--out", OUT],
    "adatom": ["--out", OUT],
    "potential_from_data": ["--out", OUT],
    "inverse_design": ["--out", OUT],
}
project = "scaling-limits"
author = "The scaling-limits developers"
extensions = ["myst_parser", "sphinx_gallery.gen_gallery", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["_build", "examples", "gallery/*.ipynb", "gallery/*.py", "sg_execution_times.rst"]
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "reset_argv": lambda gallery_conf, script_vars: OPTIONS[Path(script_vars["src_file"]).stem],
    "matplotlib_animations": False,
    "show_memory": False,
    "download_all_examples": False,
}
suppress_warnings = ["config.cache"]
html_theme = "alabaster"
