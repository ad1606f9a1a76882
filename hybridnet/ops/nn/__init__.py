"""The neural network operators, one family a module; the functions carry the names of MXNet's ``npx``."""

from hybridnet.ops.nn import (
    activation,
    attention,
    batch_norm,
    convolution,
    deconvolution,
    dropout,
    embedding,
    like,
    linear,
    loss,
    norm,
    pooling,
    resize,
    rnn,
    sequence,
    softmax,
)

__all__ = [
    "activation",
    "attention",
    "batch_norm",
    "convolution",
    "deconvolution",
    "dropout",
    "embedding",
    "like",
    "linear",
    "loss",
    "norm",
    "pooling",
    "resize",
    "rnn",
    "sequence",
    "softmax",
]
