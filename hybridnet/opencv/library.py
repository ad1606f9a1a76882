"""The module ``cv2``.

It runs on the calling thread alone: who decodes many images has a thread or a process for each at a time, and OpenCV's own
threads beside those would only wait for each other. It lets other Python threads run meanwhile.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from hybridnet.errors import HybridnetError, message


class MissingLibraryError(HybridnetError, ImportError):
    """A library that is optional, is needed here and is not installed."""


@functools.cache
def _loaded() -> Any:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        return error
    cv2.setNumThreads(0)
    return cv2


def opencv(required: bool = True) -> Any:
    """The module ``cv2``; where there is none, an error that says how it is installed, or ``None`` if it is not required."""
    cv2 = _loaded()
    if not isinstance(cv2, ImportError):
        return cv2
    if not required:
        return None
    text = message(
        "image",
        expected="OpenCV, which decodes and resizes images",
        got=f"no module cv2 ({cv2})",
        fix='pip install "hybridnet[image]"',
    )
    raise MissingLibraryError(text) from cv2
