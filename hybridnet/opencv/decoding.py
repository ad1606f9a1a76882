"""Encoded bytes to pixels, or an error that says what they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.errors import FileFormatError, fail
from hybridnet.opencv import plausible
from hybridnet.opencv.library import opencv


def decoded(op: str, buffer: Any, mode: int, source: str = "") -> np.ndarray[Any, Any]:
    """What ``cv2.imdecode`` makes of bytes, or of an array of them; ``mode``: one of its ``IMREAD_…``.

    ``source``: where the bytes are from, for the error.
    """
    cv2 = opencv()
    data = np.ascontiguousarray(buffer).ravel() if isinstance(buffer, np.ndarray) else np.frombuffer(buffer, np.uint8)
    wrong = plausible.fault(data)
    if wrong is None:
        try:
            image = cv2.imdecode(data, mode) if data.size else None
        except cv2.error:
            image = None
        if image is not None:
            return image
        wrong = f"bytes that OpenCV cannot decode, beginning with {data[:8].tobytes()!r}"
    got = f"{data.size} {wrong}" if data.size else "no bytes"
    return fail(FileFormatError, op, expected="an encoded image (JPEG, PNG, …)", got=got + (f", in {source}" if source else ""))
