"""``sym.npx``: symbols of what neural networks need beyond NumPy. MXNet writes most as the classic operators that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.symbol.numpy.register import function_of, namespace
from hybridnet.symbol.numpy_extension import image, random

#: The operators in files, by name.
_OPERATORS = {
    "activation": "Activation", "arange_like": "_contrib_arange_like", "batch_dot": "batch_dot", "batch_flatten": "Flatten",
    "batch_norm": "BatchNorm", "cast": "Cast", "constraint_check": "_npx_constraint_check", "convolution": "Convolution",
    "deconvolution": "Deconvolution", "dropout": "Dropout", "embedding": "Embedding", "erf": "erf", "erfinv": "erfinv",
    "fully_connected": "FullyConnected", "gamma": "gamma", "gammaln": "gammaln", "gather_nd": "gather_nd", "layer_norm": "LayerNorm",
    "leaky_relu": "LeakyReLU", "log_softmax": "log_softmax", "multibox_detection": "_contrib_MultiBoxDetection",
    "multibox_prior": "_contrib_MultiBoxPrior", "multibox_target": "_contrib_MultiBoxTarget", "nonzero": "_npx_nonzero",
    "one_hot": "one_hot", "pick": "pick", "pooling": "Pooling", "relu": "_npx_relu", "reshape": "_npx_reshape",
    "reshape_like": "reshape_like", "rnn": "RNN", "roi_pooling": "ROIPooling", "sequence_mask": "SequenceMask",
    "shape_array": "shape_array", "sigmoid": "_npx_sigmoid", "slice": "slice", "smooth_l1": "smooth_l1", "softmax": "softmax",
    "topk": "topk",
}  # fmt: skip
_FUNCTIONS = {name: function_of(op, name) for name, op in _OPERATORS.items()}
globals().update(_FUNCTIONS)
_op = namespace(f"{__name__}._op", "_npx_")
__all__ = [*_FUNCTIONS, "image", "random"]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
