"""The cells that MXNet keeps in ``gluon.rnn.rnn_cell``, for programs that import them from there."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.block import Block, HybridBlock
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
from hybridnet.gluon.rnn.recurrent import HybridRecurrentCell, RecurrentCell

__all__ = [
    "BidirectionalCell", "Block", "DropoutCell", "GRUCell", "HybridBlock", "HybridRecurrentCell", "HybridSequentialRNNCell",
    "LSTMCell", "ModifierCell", "RNNCell", "RecurrentCell", "ResidualCell", "SequentialRNNCell", "ZoneoutCell",
]  # fmt: skip


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
