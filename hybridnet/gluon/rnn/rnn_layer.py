"""The layers that MXNet keeps in ``gluon.rnn.rnn_layer``, for programs that import them from there."""

from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.rnn.layers import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "HybridBlock"]
