"""The layers that MXNet keeps in ``gluon.rnn.rnn_layer``, for programs that import them from there."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.rnn.layers import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "HybridBlock"]


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
