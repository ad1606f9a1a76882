"""``mx.executor``: MXNet's place for :class:`~hybridnet.symbol.executor.Executor`."""

from hybridnet import ndarray
from hybridnet.symbol.executor import Executor

__all__ = ["Executor", "ndarray"]
