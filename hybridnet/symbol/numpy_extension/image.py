"""``sym.npx.image``: the operators of ``sym.image``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.symbol.numpy.register import function_of
from hybridnet.symbol.symbol import NAMESPACES, OPERATORS

_START = NAMESPACES["image"]
globals().update({op.removeprefix(_START): function_of(op, op.removeprefix(_START)) for op in OPERATORS if op.startswith(_START)})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
