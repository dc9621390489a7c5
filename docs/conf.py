"""Settings of the documentation: `make docs` builds it without the network, warnings are errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "LRISC"
copyright = "the LRISC authors"
language = "en"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docstrings",
    "mathml",
]

html_theme = "furo"
html_title = "LRISC"
html_static_path = ["_static"]
html_css_files = ["lrisc.css"]
html_show_sphinx = False
html_math_renderer = "mathml"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f5f8b",
        "color-brand-content": "#1f6f9f",
        "font-stack--monospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7fc4ee",
        "color-brand-content": "#7fc4ee",
    },
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline", "attrs_block"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

default_role = "code"  # docstrings quote code in single backticks
add_module_names = False
maximum_signature_line_length = 90
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_param = False  # types stand in the signature
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

# Names must resolve, except those of other projects, whose pages the build cannot fetch.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(torch|collections|pathlib|os|numpy|matplotlib|PIL)\..*|Figure"),
    ("py:.*", r".*\.(PlainEstimate|ScaledNoise|model_soup\.Model)"),  # not public
]

copybutton_prompt_text = "$ "
