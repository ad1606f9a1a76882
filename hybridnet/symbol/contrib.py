"""``sym.contrib``: the operators of ``nd.contrib``, as symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.symbol import register
from hybridnet.symbol.control_flow import cond, foreach, while_loop

globals().update(register.functions("contrib"))

__all__ = [*register.functions("contrib"), "cond", "foreach", "while_loop"]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
