"""``mx.executor``: MXNet's place for :class:`~hybridnet.symbol.executor.Executor`."""

from typing import TYPE_CHECKING

from hybridnet import absent, ndarray
from hybridnet.symbol.executor import Executor

__all__ = ["Executor", "ndarray"]


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
