"""Whether an encoded image can be as large as it says: some bytes of damage make a decoder work for minutes, on gigabytes.

A PNG is a row of chunks that say how long they are, and holds at most 1032 bytes in one, which is the most that deflate does, of 8
pixels each; a JPEG has a bit or more for each block of 8 by 8. Other formats, and what is no header at all, are left to the decoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PIXELS_IN_A_BYTE = {_PNG: 8 * 1032, _JPEG: 8 * 64}


def fault(data: np.ndarray[Any, Any]) -> str | None:
    """What is wrong with encoded bytes that say that they are a larger image than they can hold."""
    begin = data[:8].tobytes()
    for kind, most in _PIXELS_IN_A_BYTE.items():
        if begin.startswith(kind):
            width, height = png_size(data) if kind == _PNG else jpeg_size(data)
            if width * height > most * data.size:
                return f"bytes that say they are {width}×{height} pixels, which they cannot hold"
    if begin == _PNG and (missing := _missing(data)):
        return f"bytes of a PNG of which {missing} more are missing"
    return None


def _missing(data: np.ndarray[Any, Any]) -> int:
    """How many bytes a PNG lacks, as its chunks say."""
    view, at, ended = data.reshape(-1).data, 8, False
    while at + 8 <= len(view) and not ended:
        ended = view[at + 4 : at + 8] == b"IEND"  # which is empty, and may claim not to be
        at += 12 + int.from_bytes(view[at : at + 4], "big")
    return max(0, at - len(view))


def png_size(data: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The width and the height of a PNG."""
    sides = data[16:24].tobytes()
    return int.from_bytes(sides[:4], "big"), int.from_bytes(sides[4:], "big")


def jpeg_size(data: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The width and the height of a JPEG, as its frame says; (0, 0) if there is none to be found."""
    view = data.reshape(-1).data
    at, end = 2, len(view) - 9
    while at <= end and view[at] == 0xFF:
        marker = view[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return view[at + 7] << 8 | view[at + 8], view[at + 5] << 8 | view[at + 6]
        at += 1 if marker == 0xFF else 2 + (view[at + 2] << 8 | view[at + 3])
    return 0, 0
