"""ONNX: trained networks leave for where they are used, by other runtimes and other languages."""

from __future__ import annotations

from hybridnet.onnx.export import export

__all__ = ["export"]
