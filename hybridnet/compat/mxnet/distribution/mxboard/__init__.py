"""MXBoard's name for the writer of TensorBoard's files, where MXBoard itself is not installed."""

from hybridnet.contrib.tensorboard import SummaryWriter

__all__ = ["SummaryWriter"]
