"""``mx.rnn.rnn_cell``: where MXNet keeps its symbolic cells."""

from hybridnet import initializer as init
from hybridnet import ndarray, symbol
from hybridnet.rnn.base import BaseRNNCell, RNNParams
from hybridnet.rnn.cells import GRUCell, LSTMCell, RNNCell
from hybridnet.rnn.containers import BidirectionalCell, DropoutCell, ModifierCell, ResidualCell, SequentialRNNCell, ZoneoutCell
from hybridnet.rnn.conv_cells import BaseConvRNNCell, ConvGRUCell, ConvLSTMCell, ConvRNNCell
from hybridnet.rnn.fused import FusedRNNCell

__all__ = [
    "BaseConvRNNCell", "BaseRNNCell", "BidirectionalCell", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell", "DropoutCell", "FusedRNNCell",
    "GRUCell", "LSTMCell", "ModifierCell", "RNNCell", "RNNParams", "ResidualCell", "SequentialRNNCell", "ZoneoutCell", "init",
    "ndarray", "symbol",
]  # fmt: skip
