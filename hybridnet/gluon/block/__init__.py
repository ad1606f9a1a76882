"""``Block`` and ``HybridBlock``, of which networks are made: MXNet's module ``gluon.block``."""

from hybridnet.gluon.block.base import Block
from hybridnet.gluon.block.hybrid import HybridBlock

__all__ = ["Block", "HybridBlock"]
