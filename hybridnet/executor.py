"""``mx.executor``: where MXNet keeps what ``Symbol.bind`` makes."""

from hybridnet.symbol.executor import Executor

__all__ = ["Executor"]
