"""Configuration of the pages: everything they need is served from here, and nothing from elsewhere."""

import os
import sys
import warnings
from pathlib import Path

import scaling_limits

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_extensions"))
# where examples write what is more than a figure: the pictures of pyvista, files for ParaView
os.environ.setdefault("SCALING_LIMITS_OUT", str(HERE.parent / "out"))
# warnings of examples, without the place of the checkout
warnings.formatwarning = lambda message, category, *rest: f"{category.__name__}: {message}\n"

project, author = "scaling-limits", "The scaling-limits developers"
release = version = scaling_limits.__version__
html_title = f"{project} {version}"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.katex",
    "formula_font",
    "plain_docstrings",
    "public_names",
]
exclude_patterns = ["_build", "examples", "gallery/*.ipynb", "gallery/*.py", "**sg_execution_times.rst"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]
nitpicky = False
default_role = "py:obj"

# pages
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

# formulas: KaTeX from sphinxcontrib-katex itself, as MathML, which needs no fonts of KaTeX
katex_css_path = "formulas.css"
katex_options = 'output: "mathml", throwOnError: false'

# the reference
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
napoleon_use_rtype = False
napoleon_use_ivar = True

# the gallery
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "gallery_order.Order",
    "backreferences_dir": "reference/examples",
    "doc_module": ("scaling_limits",),
    "reference_url": {"scaling_limits": None},
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "min_reported_time": 0,
    "abort_on_example_error": True,
}

# what is seen
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 1,
    "footer_start": ["sphinx-version"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
copybutton_exclude = ".linenos, .gp, .go"
