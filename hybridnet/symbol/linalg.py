"""``sym.linalg``: the operators of ``nd.linalg``, as symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.symbol import register

globals().update(register.functions("linalg"))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
