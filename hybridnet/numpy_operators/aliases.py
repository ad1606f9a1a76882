"""Operators of ``np`` and ``npx`` that are classic ones in MXNet, under the names that it has for ``np``."""

from __future__ import annotations

from hybridnet.ndarray.register import OPERATORS as CLASSIC
from hybridnet.numpy_operators.register import numpy_alias

#: Names behind ``_npi_`` and ``_npx_``, and the classic operators that they are where those have others.
_INTERNAL = """
    Custom argsort boolean_mask=_contrib_boolean_mask cast=Cast clip copyto=_copyto det=_linalg_det expand_dims full=_full gather_nd
    histogram=_histogram hypot_scalar=_hypot_scalar inv=_linalg_inverse linspace=_linspace maximum=broadcast_maximum
    maximum_scalar=_maximum_scalar minimum=broadcast_minimum minimum_scalar=_minimum_scalar random_randint=_random_randint
    rnn_param_concat=_rnn_param_concat scatter_set_nd=_scatter_set_nd shuffle=_shuffle slice slice_assign=_slice_assign
    slice_assign_scalar=_slice_assign_scalar slogdet=_linalg_slogdet sort split=_split_v2 swapaxes=SwapAxis take tile
"""
_EXTENSION = """
    activation=Activation arange_like=_contrib_arange_like batch_dot batch_flatten=Flatten batch_norm=BatchNorm cast=Cast
    convolution=Convolution deconvolution=Deconvolution dropout=Dropout embedding=Embedding erf erfinv fully_connected=FullyConnected
    gamma gammaln gather_nd layer_norm=LayerNorm leaky_relu=LeakyReLU log_softmax multibox_detection=_contrib_MultiBoxDetection
    multibox_prior=_contrib_MultiBoxPrior multibox_target=_contrib_MultiBoxTarget one_hot pick pooling=Pooling reshape_like rnn=RNN
    roi_pooling=ROIPooling sequence_mask=SequenceMask shape_array slice smooth_l1 softmax topk
"""


def _enter(prefix: str, names: str) -> None:
    for name, _, classic in (item.partition("=") for item in names.split()):
        numpy_alias(f"{prefix}{name}", classic or name)


_enter("_npi_", _INTERNAL)
_enter("_npx_", _EXTENSION)
_enter("_np_", "repeat")
for _name in [name for name in CLASSIC if name.startswith("_image_")]:
    numpy_alias(f"_npx_{_name}", _name)
