"""The layers that MXNet keeps in ``gluon.nn.basic_layers``, for programs that import them from there."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.nn.activations import Activation
from hybridnet.gluon.nn.basic import Dense, Dropout, Embedding, Flatten, HybridLambda, Lambda
from hybridnet.gluon.nn.containers import HybridSequential, Sequential
from hybridnet.gluon.nn.normalization import BatchNorm, BatchNormReLU, GroupNorm, InstanceNorm, LayerNorm

__all__ = [
    "Activation", "BatchNorm", "BatchNormReLU", "Block", "Dense", "Dropout", "Embedding", "Flatten", "GroupNorm", "HybridBlock",
    "HybridLambda", "HybridSequential", "InstanceNorm", "Lambda", "LayerNorm", "Sequential",
]  # fmt: skip


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
