"""The documentation site. ``python -m sphinx -W --keep-going docs build/site`` from the top of the checkout; the pages are in ``build/site``."""

import hybridnet

project = "hybridnet"
version = release = hybridnet.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton"]
html_theme = "pydata_sphinx_theme"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "alphabetical"
