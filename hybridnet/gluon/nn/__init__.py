"""The layers, under Gluon's names."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.nn import basic_layers, conv_layers
from hybridnet.gluon.nn.activations import ELU, GELU, SELU, Activation, LeakyReLU, PReLU, SiLU, Swish
from hybridnet.gluon.nn.attention import MultiHeadAttention, RotaryEmbedding
from hybridnet.gluon.nn.basic import Dense, Dropout, Embedding, Flatten, HybridLambda, Identity, Lambda
from hybridnet.gluon.nn.containers import Concatenate, HybridConcatenate, HybridSequential, Sequential
from hybridnet.gluon.nn.convolution import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
)
from hybridnet.gluon.nn.normalization import BatchNorm, BatchNormReLU, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from hybridnet.gluon.nn.parallel import ColumnParallelDense, GroupDropout, RowParallelDense, VocabParallelEmbedding
from hybridnet.gluon.nn.pooling import (
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalAvgPool3D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
    ReflectionPad2D,
)
from hybridnet.gluon.nn.transformer import FeedForward, SwiGLU, TransformerDecoderLayer, TransformerEncoderLayer

__all__ = [
    "ELU", "GELU", "SELU", "Activation", "AvgPool1D", "AvgPool2D", "AvgPool3D", "BatchNorm", "BatchNormReLU", "Block",
    "ColumnParallelDense", "Concatenate", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Dense",
    "Dropout", "Embedding", "FeedForward", "Flatten", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D",
    "GlobalMaxPool2D", "GlobalMaxPool3D", "GroupDropout", "GroupNorm", "HybridBlock", "HybridConcatenate", "HybridLambda",
    "HybridSequential", "Identity", "InstanceNorm", "Lambda", "LayerNorm", "LeakyReLU", "MaxPool1D", "MaxPool2D", "MaxPool3D",
    "MultiHeadAttention", "PReLU", "RMSNorm", "ReflectionPad2D", "RotaryEmbedding", "RowParallelDense", "Sequential", "SiLU", "SwiGLU",
    "Swish", "TransformerDecoderLayer", "TransformerEncoderLayer", "VocabParallelEmbedding", "basic_layers", "conv_layers",
]  # fmt: skip

if TYPE_CHECKING:
    from hybridnet.gluon.symbol_block import SymbolBlock as SymbolBlock
else:
    __getattr__, __dir__ = absent.Later(__name__, {"SymbolBlock": "hybridnet.gluon.symbol_block:SymbolBlock"}).functions
