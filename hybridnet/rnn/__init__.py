"""``mx.rnn``: recurrent networks as symbols, and batches of sentences for them."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.rnn import rnn_cell
from hybridnet.rnn.io import BucketSentenceIter, encode_sentences
from hybridnet.rnn.rnn import do_rnn_checkpoint, load_rnn_checkpoint, rnn_unroll, save_rnn_checkpoint
from hybridnet.rnn.rnn_cell import (
    BaseConvRNNCell,
    BaseRNNCell,
    BidirectionalCell,
    ConvGRUCell,
    ConvLSTMCell,
    ConvRNNCell,
    DropoutCell,
    FusedRNNCell,
    GRUCell,
    LSTMCell,
    ModifierCell,
    ResidualCell,
    RNNCell,
    RNNParams,
    SequentialRNNCell,
    ZoneoutCell,
)

__all__ = [
    "BaseConvRNNCell", "BaseRNNCell", "BidirectionalCell", "BucketSentenceIter", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell",
    "DropoutCell", "FusedRNNCell", "GRUCell", "LSTMCell", "ModifierCell", "RNNCell", "RNNParams", "ResidualCell", "SequentialRNNCell",
    "ZoneoutCell", "do_rnn_checkpoint", "encode_sentences", "load_rnn_checkpoint", "rnn_cell", "rnn_unroll", "save_rnn_checkpoint",
]  # fmt: skip

if not TYPE_CHECKING:
    # What MXNet imports there, and programs take from there.
    _elsewhere = {"init": "hybridnet.initializer", "ndarray": "hybridnet.ndarray", "symbol": "hybridnet.symbol"}
    __getattr__, __dir__ = absent.Later(__name__, _elsewhere).functions
