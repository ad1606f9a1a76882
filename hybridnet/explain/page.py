"""The page: a description, a style and a script in one file of HTML, which asks nothing of the network.

**Why plain SVG and a layout of our own, and no graph-drawing library.** A library (Cytoscape, ELK, dagre, Graphviz as WebAssembly)
draws all nodes of a flat graph; it would be 0.1 to 8 MB in every page, a build by npm in CI, and an update to follow. A program's
graph is not looked at flat: it is folded by blocks, no branch holds more than fifty (:mod:`hybridnet.explain.blocks`), and what is
unfolded at once is some hundred boxes. To layer so many takes a millisecond or two and two hundred lines (``layers.js``). They run
when a block is unfolded, and not in Python before, since sizes and places depend on what is folded. SVG gives sharp text at
every zoom, focus, labels for screen readers, search in the page, and needs no WebGL.

**Why the description stands as plain JSON.** Compressed it would be a fifth in size, and could neither be read, searched nor compared.
"""

from __future__ import annotations

import html
import json
from importlib.resources import files
from pathlib import Path

from hybridnet.explain.tables import Json

#: The parts of the script, in the order in which they stand in the page.
SCRIPTS = ("model.js", "layers.js", "parts.js", "blocks.js", "folding.js", "graph.js", "passes.js", "steps.js", "memory.js", "main.js")


def _part(name: str) -> str:
    return (files("hybridnet.explain") / "page" / name).read_text(encoding="utf-8")


def page_text(description: Json) -> str:
    """The page as text. Whatever names hold (``<``, ``&``, quotes, the end of a script), it is shown and never read as HTML."""
    data = json.dumps(description, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    data = data.replace("<", "\\u003c")  # in a script HTML knows no entities; a string of JSON may as well have its number
    script = "\n".join(_part(name) for name in SCRIPTS)
    parts = {
        "title": html.escape(description["name"]),
        "style": _part("page.css"),
        "data": data,
        "script": f'"use strict";\n(() => {{\n{script}\n}})();',
    }
    text = _part("page.html")
    before, *rest = text.split("{{")
    for piece in rest:
        name, _, after = piece.partition("}}")
        before += parts[name] + after
    return before.encode("utf-8", "replace").decode("utf-8")  # half a surrogate, say, is no text


def write_page(description: Json, filename: str | Path) -> None:
    """Write the page to a file."""
    Path(filename).write_text(page_text(description), encoding="utf-8")
