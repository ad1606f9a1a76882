"""The documentation site: ``python -m sphinx -W --keep-going docs build/site`` from the top of the checkout writes it into ``build/site``.

Sphinx, because Gluon's, PyTorch's, NumPy's and CuPy's users know its references: searched by name, each entry with its source, and
linked to from other projects (``objects.inv``). The pages are Markdown, which reads in a repository as it does on the site.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

import hybridnet

ROOT = Path(__file__).resolve().parent.parent

project = "hybridnet"
version = release = hybridnet.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "alphabetical"
autodoc_typehints = "none"  # docstrings name shapes and types; signatures are short that way

html_theme = "pydata_sphinx_theme"
html_title = f"hybridnet {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": [],
    "footer_end": [],
}
html_sidebars = {"index": []}


def escape(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings write products and absolute values as they are: outside of literals ``*`` and ``|`` are no marks.

    A function that its file has under another name than the documentation, for which there is no link to the source, says where it is.
    """
    for i, line in enumerate(lines):
        lines[i] = re.sub(r"``.*?``|:\w+:`.*?`|([*|])", lambda m: "\\" + m[1] if m[1] else m[0], line)
    code = getattr(inspect.unwrap(obj) if callable(obj) else obj, "__code__", None)
    file = Path(code.co_filename) if code is not None else Path()
    if code is not None and code.co_name != name.rpartition(".")[2] and ROOT in file.parents:
        lines += ["", f"Source: ``{code.co_name}`` in ``{file.relative_to(ROOT)}``, line {code.co_firstlineno}.", ""]


_classes: dict[int, str] = {}  # classes that have an entry, and of which module


def skip(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what is NumPy's or Python's own, and a class that another module has too."""
    if what != "module":
        return None
    if not isinstance(obj, type):
        return True if str(getattr(obj, "__module__", "")).partition(".")[0] == "numpy" else None
    module = app.env.temp_data["autodoc:module"]
    return True if not obj.__module__.startswith("hybridnet") or _classes.setdefault(id(obj), module) != module else None


_linked: set[Path] = set()  # files of the checkout that pages link to


def show(app: Any, doctree: Any) -> None:
    """A link to a file of Python leads to a page that shows it, where Sphinx would have it downloaded."""
    for node in list(doctree.findall(addnodes.download_reference)):
        file = (Path(app.env.doc2path(app.env.docname)).parent / node["reftarget"]).resolve()
        if file.suffix == ".py" and ROOT in file.parents:
            _linked.add(file)
            target = app.builder.get_relative_uri(app.env.docname, _page(file))
            node.replace_self(nodes.reference("", "", *node.children, refuri=target, internal=True))


def shown(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages of these files."""
    for file in sorted(_linked):
        body = app.builder.highlighter.highlight_block(file.read_text(encoding="utf-8"), "python")
        title = str(file.relative_to(ROOT))
        yield _page(file), {"title": title, "body": f"<h1>{title}</h1>{body}"}, "page.html"


def _page(file: Path) -> str:
    return f"files/{file.relative_to(ROOT).with_suffix('')}"


def setup(app: Any) -> None:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", escape)
    app.connect("autodoc-skip-member", skip)
    app.connect("doctree-read", show, priority=100)  # before what gathers files for downloading
    app.connect("html-collect-pages", shown)
