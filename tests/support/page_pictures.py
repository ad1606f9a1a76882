"""The documentation's pictures of the page that ``explain`` writes, taken in a headless Chromium.

Run in tests/: ``python -m support.page_pictures``, which writes ``docs/images/*.png``; with names of networks behind it, theirs alone. It
trains GPT-2 of 124 million parameters for a profile, which takes some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from support import training_steps
from support.browser import Tab, opened_tab
from support.paths import ROOT

IMAGES = ROOT / "docs" / "images"
LARGEST = 200_000  # bytes of a picture
AREA = 400  # pixels of a colour that is no edge

#: Of each network the pictures: name, view, width and height, colours, and what is clicked before, as JavaScript.
_CONVOLUTION = """(() => {
  const click = (e) => e.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const named = (kind, name) => [...document.querySelectorAll(`.canvas .${kind}[aria-label^="${name}"]`)];
  for (const block of named("folded", "conv1")) click(block.querySelector(".fold"));
  click(named("node", "convolution")[0]); })()"""
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
    cv2.imwrite(str(file), _fewer_shades(cv2.imread(str(file))), [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, 0])
    if tab.errors or file.stat().st_size > LARGEST:
        raise RuntimeError(f"{file.name}: {file.stat().st_size:,} bytes; {tab.errors}")
    print(f"{file.name}: {file.stat().st_size:,} bytes")


def _fewer_shades(pixels: Any) -> Any:
    """The picture with sixteen shades a channel where letters have their edges; colours of areas stay as they are."""
    packed = pixels.astype(np.int64) @ np.array([1, 256, 65536])
    _, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    area = (counts >= AREA)[inverse].reshape(packed.shape)
    rounded = np.minimum(255, np.round(pixels / 16) * 16).astype(np.uint8)
    return np.where(area[..., None], pixels, rounded)


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
