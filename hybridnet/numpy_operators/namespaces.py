"""The operators of ``np`` and ``npx`` as functions: ``np._internal.add``, which is ``_npi_add``, ``np._op.sum``, ``npx._op.relu``.

MXNet's own Python code is written over them, and so are programs that want an operator without what that code does. Parameters are the
operator's. Symbols have the same, in modules that :func:`named` makes (:mod:`hybridnet.symbol.numpy.register`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from hybridnet import absent
from hybridnet.numpy_operators.records import FUNCTIONS, OPERATORS


def named(prefix: str, function_of: Callable[[str, str], Any]) -> dict[str, Any]:
    """The operators whose names begin with ``prefix``, by what follows; ``function_of(operator, name)`` is what each is there."""
    names = [op.removeprefix(prefix) for op in OPERATORS if op.startswith(prefix)]
    return {name: function_of(f"{prefix}{name}", name) for name in names if not name.startswith("_")}


def _module(name: str, prefix: str, sources: Mapping[str, str] | None = None) -> ModuleType:
    text = f"The operators ``{prefix}…`` by what follows, as functions of arrays."
    return absent.namespace(name, text, named(prefix, lambda op, name: FUNCTIONS[op]), sources or {})


_images = {f"cv{name}": f"hybridnet.image.functions:{name}" for name in ("imdecode", "imread", "imresize")}
internal = _module("hybridnet.numpy._internal", "_npi_", _images)
op = _module("hybridnet.numpy._op", "_np_")
extension = _module("hybridnet.numpy_extension._op", "_npx_")
