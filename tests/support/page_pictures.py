"""The documentation's pictures of the page that ``explain`` writes, taken in a headless Chromium.

Run in tests/: ``python -m support.page_pictures``, which writes ``docs/images/*.png``; with names of networks behind it, theirs alone. It
trains GPT-2 of 124 million parameters for a profile, which takes some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from support import training_steps
from support.browser import Tab, opened_tab
from support.paths import ROOT

IMAGES = ROOT / "docs" / "images"
LARGEST = 200_000  # bytes of a picture

#: Of each network the pictures: name, view, width and height, colours, and what is clicked before, as JavaScript.
_CONVOLUTION = """document.querySelectorAll('.canvas .folded').forEach((b) => {
  if (b.getAttribute('aria-label').startsWith('conv1')) b.querySelector('.fold').dispatchEvent(new MouseEvent('click', {bubbles: true})); });
[...document.querySelectorAll('.canvas .node')].find((n) => n.getAttribute('aria-label').startsWith('convolution,'))
  .dispatchEvent(new MouseEvent('click', {bubbles: true}))"""
_DECOMPOSE = "[...document.querySelectorAll('.pass details')].find((d) => d.textContent.includes('decompose')).open = true"
_SLOWEST = """[...document.querySelectorAll('.tool')].find((b) => b.textContent === 'Slowest first').click();
document.querySelector('.steps .row').click()"""
PICTURES: dict[str, list[tuple[str, str, tuple[int, int], str, str]]] = {
    "lenet": [
        ("lenet-graph", "graph", (1440, 900), "light", _CONVOLUTION),
        ("lenet-passes", "passes", (1440, 900), "light", _DECOMPOSE),
        ("lenet-phone", "blocks", (390, 844), "light", ""),
    ],
    "resnet50": [
        ("resnet50-blocks", "blocks", (1440, 900), "light", ""),
        ("resnet50-graph-dark", "graph", (1440, 900), "dark", ""),
        ("resnet50-steps", "steps", (1440, 900), "light", _SLOWEST),
        ("resnet50-phone", "graph", (390, 844), "dark", ""),
    ],
    "gpt2": [
        ("gpt2-blocks", "blocks", (1440, 900), "dark", ""),
        ("gpt2-memory", "memory", (1440, 900), "light", ""),
        ("gpt2-phone", "memory", (390, 844), "light", ""),
    ],
}


def picture(tab: Tab, page: Path, name: str, view: str, size: tuple[int, int], colours: str, click: str) -> None:
    """Take one picture. RuntimeError if it is too large, or if the page complains."""
    tab.size(*size, phone=size[0] < 600)
    tab.colours(colours)
    tab.open(page, f"#{view}")
    if click:
        tab.evaluate(click)
    tab.evaluate("new Promise((done) => setTimeout(done, 300))")
    file = IMAGES / f"{name}.png"
    tab.screenshot(file)
    # A browser compresses in haste; and of the many shades at the edges of letters sixteen a channel are enough.
    shades = np.minimum(255, np.round(cv2.imread(str(file)).astype(np.float32) / 16) * 16).astype(np.uint8)
    cv2.imwrite(str(file), shades, [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT])
    if tab.errors or file.stat().st_size > LARGEST:
        raise RuntimeError(f"{file.name}: {file.stat().st_size:,} bytes; {tab.errors}")
    print(f"{file.name}: {file.stat().st_size:,} bytes")


def main(names: list[str]) -> None:
    """Take the pictures of these networks, or of all."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, opened_tab() as tab:
        for network in names or PICTURES:
            step, args = getattr(training_steps, network)()
            page = Path(folder) / f"{network}.html"
            step.explain(*args, html=page, profile=True)
            for one in PICTURES[network]:
                picture(tab, page, *one)


if __name__ == "__main__":
    main(sys.argv[1:])
