"""OpenCV, which decodes, resizes and encodes images: optional, and loaded when it is first used."""

from __future__ import annotations

from hybridnet.opencv.decoding import decoded
from hybridnet.opencv.library import MissingLibraryError, opencv

__all__ = ["MissingLibraryError", "decoded", "opencv"]
