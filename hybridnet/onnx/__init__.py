"""ONNX: trained networks leave for where they are used, and those of other frameworks come in."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import HybridnetError, message


class MissingOnnxError(HybridnetError, ImportError):
    """The Python package onnx is needed and is not installed."""


if importlib.util.find_spec("onnx") is None:
    raise MissingOnnxError(message("onnx", expected="the package onnx", got="none installed", fix='pip install "hybridnet[onnx]"'))

from hybridnet.onnx.exporting import export  # noqa: E402 - what it needs is looked for above
from hybridnet.onnx.importing import ImportedBlock, import_  # noqa: E402
from hybridnet.onnx.mx2onnx import export_model, get_operator_support  # noqa: E402
from hybridnet.onnx.onnx2mx import get_model_metadata, import_model, import_to_gluon  # noqa: E402

__all__ = [
    "ImportedBlock",
    "export",
    "export_model",
    "get_model_metadata",
    "get_operator_support",
    "import_",
    "import_model",
    "import_to_gluon",
]

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
