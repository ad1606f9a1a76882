"""``Block`` and ``HybridBlock``, of which networks are made: MXNet's module ``gluon.block``."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.block.base import Block
from hybridnet.gluon.block.hybrid import HybridBlock
from hybridnet.gluon.nesting import _flatten, _regroup  # noqa: F401  libraries on Gluon take them from here

__all__ = ["Block", "HybridBlock"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = absent.Later(__name__, {"SymbolBlock": "hybridnet.gluon.symbol_block:SymbolBlock"}).functions
