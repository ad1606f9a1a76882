"""``nd``: MXNet 1.x's array and its operators, under its names.

The functions are typed Python over the core operators, one family a file, entered by name into
:data:`OPERATORS` with what a symbol must know of them, and into :data:`FUNCTIONS`; this namespace shows
all of those. ``nd.random``, ``nd.linalg``, ``nd.contrib`` and ``nd.image`` are the modules of those names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.ndarray import (
    activations,
    adaptive_updates,
    contrib,
    contrib_updates,
    creation,
    custom,
    densities,
    elementwise,
    image,
    indexing,
    internal,
    layers,
    linalg,
    methods,
    multi_updates,
    normalization,
    outputs,
    random,
    reduce,
    sequence,
    shape,
    updates,
    utils,
    vision,
)
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.creation import from_dlpack, from_numpy, to_dlpack_for_read, to_dlpack_for_write, waitall
from hybridnet.ndarray.file import load, load_frombuffer, save
from hybridnet.ndarray.keys import get_indexing_dispatch_code, get_oshape_of_gather_nd_op, indexing_key_expand_implicit_axes
from hybridnet.ndarray.register import FUNCTIONS, OPERATORS

from hybridnet.ndarray import sparse  # isort: skip  (its functions are those above)

globals().update(FUNCTIONS)
#: MXNet's other ways to the same functions: ``nd.op.relu``, ``nd._internal._plus_scalar``.
op = absent.namespace(f"{__name__}.op", "The operators of ``nd``.", FUNCTIONS)
_images = {f"_cv{name}": f"hybridnet.image.functions:{name}" for name in ("copyMakeBorder", "imdecode", "imread", "imresize")}
_internal = absent.namespace(f"{__name__}._internal", "The operators of ``nd`` by all of their names.", FUNCTIONS, _images)

__all__ = [
    *FUNCTIONS, "NDArray", "OPERATORS", "activations", "adaptive_updates", "contrib", "contrib_updates", "creation", "custom",
    "densities", "elementwise", "from_dlpack", "from_numpy", "get_indexing_dispatch_code", "get_oshape_of_gather_nd_op", "image",
    "indexing", "indexing_key_expand_implicit_axes", "internal", "layers", "linalg", "load",
    "load_frombuffer", "methods", "multi_updates", "normalization", "outputs", "random", "reduce", "save", "sequence", "shape",
    "sparse", "to_dlpack_for_read", "to_dlpack_for_write", "updates", "utils", "vision", "waitall",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    # MXNet has these here too; in a hybridized block they are F.np and F.npx.
    _np, _npx = "hybridnet.numpy", "hybridnet.numpy_extension"
    __getattr__, __dir__ = absent.Later(__name__, {"np": _np, "npx": _npx, "numpy": _np, "numpy_extension": _npx}).functions
