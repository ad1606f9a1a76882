"""Recurrent networks: whole layers (``LSTM``), and cells (``LSTMCell``) that compute one step and can be unrolled."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.rnn import rnn_cell, rnn_layer
from hybridnet.gluon.rnn.cells import GRUCell, LSTMCell, RNNCell
from hybridnet.gluon.rnn.combined import (
    BidirectionalCell,
    DropoutCell,
    HybridSequentialRNNCell,
    ModifierCell,
    ResidualCell,
    SequentialRNNCell,
    ZoneoutCell,
)
from hybridnet.gluon.rnn.layers import GRU, LSTM, RNN
from hybridnet.gluon.rnn.recurrent import HybridRecurrentCell, RecurrentCell

__all__ = [
    "GRU", "LSTM", "RNN", "BidirectionalCell", "DropoutCell", "GRUCell", "HybridRecurrentCell", "HybridSequentialRNNCell", "LSTMCell",
    "ModifierCell", "RNNCell", "RecurrentCell", "ResidualCell", "SequentialRNNCell", "ZoneoutCell", "rnn_cell", "rnn_layer",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
