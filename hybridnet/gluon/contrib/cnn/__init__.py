"""Convolutions that MXNet keeps in ``gluon.contrib.cnn``."""

from hybridnet.gluon.contrib.cnn import conv_layers
from hybridnet.gluon.contrib.cnn.conv_layers import DeformableConvolution, ModulatedDeformableConvolution

__all__ = ["DeformableConvolution", "ModulatedDeformableConvolution", "conv_layers"]
