"""Layers that MXNet keeps in ``gluon.contrib.nn``."""

from hybridnet.gluon.contrib.nn import basic_layers
from hybridnet.gluon.contrib.nn.basic_layers import (
    Concurrent,
    HybridConcurrent,
    PixelShuffle1D,
    PixelShuffle2D,
    PixelShuffle3D,
    SparseEmbedding,
    SyncBatchNorm,
)
from hybridnet.gluon.nn import Identity

__all__ = [
    "Concurrent", "HybridConcurrent", "Identity", "PixelShuffle1D", "PixelShuffle2D", "PixelShuffle3D", "SparseEmbedding",
    "SyncBatchNorm", "basic_layers",
]  # fmt: skip
