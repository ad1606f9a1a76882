"""The functions of ``npx`` by name: what neural networks need beyond NumPy."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hybridnet import serialization
from hybridnet.core import ArrayLike, NDArray, call
from hybridnet.device import cpu, cpu_pinned, current_device, gpu, gpu_memory_info, num_gpus
from hybridnet.graph import control_flow
from hybridnet.ndarray import file
from hybridnet.ndarray.creation import from_dlpack, from_numpy, to_dlpack_for_read, to_dlpack_for_write, waitall
from hybridnet.ndarray.shape import slice_
from hybridnet.numpy.random import seed
from hybridnet.ops.array import gather, selection, sorting
from hybridnet.ops.array.reshape_codes import EXTENDED, resolve_codes
from hybridnet.ops.common import as_shape, tensor
from hybridnet.ops.math import pointwise, special
from hybridnet.ops.nn import (
    activation,
    attention,
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
    rounding,
    sequence,
    softmax,
)
from hybridnet.ops.nn import batch_norm as core_batch_norm
from hybridnet.ops.random import distributions as random
from hybridnet.ops.vocabulary import NUMPY
from hybridnet.util import (
    get_cuda_compute_capability,
    is_np_array,
    is_np_default_dtype,
    is_np_shape,
    np_array,
    np_default_dtype,
    np_shape,
    reset_np,
    set_np,
    set_np_default_dtype,
    use_np,
    use_np_array,
    use_np_default_dtype,
    use_np_shape,
)


def reshape(a: ArrayLike, newshape: Any, reverse: bool = False, order: str = "C") -> Any:
    """The same elements in another shape.

    -1 is what makes up the size, -2 copies a dimension, -3 leaves out one of length 1, -4 copies all
    that remain, -5 joins two, -6 splits one into the two numbers that follow; with ``reverse``
    matched from the right.
    """
    a = tensor(a)
    return call("reshape", a, shape=resolve_codes(a.shape, as_shape("reshape", newshape), EXTENDED, bool(reverse)))


def batch_flatten(data: ArrayLike) -> Any:
    """Two dimensions: the first, and all others as one."""
    x = tensor(data)
    return call("reshape", x, shape=(x.shape[0], math.prod(x.shape[1:])))


@functools.wraps(core_batch_norm.batch_norm)
def batch_norm(x: Any, gamma: Any, *args: Any, **kwargs: Any) -> Any:
    """As ``batch_norm`` of :mod:`hybridnet.ops.nn`, shapes too; ``fix_gamma`` also writes ones into ``gamma``, as in MXNet."""
    if kwargs.get("fix_gamma", args[5] if len(args) > 5 else True):
        core_batch_norm.fix(gamma)
    return core_batch_norm.batch_norm(x, gamma, *args, **kwargs)


def nonzero(a: ArrayLike) -> Any:
    """The indices of the elements that are not zero, one a row; eager only."""
    return gather.argwhere(a)


def index_update(a: ArrayLike, indices: ArrayLike, val: Any) -> Any:
    """A copy of ``a`` with ``val`` at ``[indices[0], indices[1], ...]``.

    ``indices``: (axes, ...), one row for each of the first axes of ``a``; ``val`` broadcasts to what they select.
    """
    result = call("copy", a)
    result[tuple(tensor(indices, a))] = val
    return result


def index_add(a: Any, indices: Any, val: Any) -> Any:
    """``a`` plus ``val`` at ``[indices[0], indices[1], ...]``, where equal indices add up.

    ``indices``: (axes, ...), one row for each of the first axes of ``a``; ``val`` broadcasts to what they select.
    """
    rows = list(gather.as_indices("index_add", indices, a))
    spread = call("broadcast_to", tensor(val, a).astype(a.dtype, copy=False), shape=rows[0].shape + a.shape[len(rows) :])
    return a + call("index_add", spread, *rows, shape=a.shape, key=(("array",),) * len(rows))


def constraint_check(x: ArrayLike, msg: str = "Constraint violated!") -> Any:
    """True if every element of ``x`` holds, else an error; eager only."""
    result = pointwise.FUNCTIONS["logical_and"](x, True).all()
    if not bool(result):
        raise ValueError(msg)
    return result


def save(file_name: str | os.PathLike[str], arr: ArrayLike) -> None:
    """Write an array, a list of arrays, or arrays by name, to a file that MXNet reads too."""
    file.save(file_name, arr)


def load(file_name: str | os.PathLike[str]) -> Any:
    """The arrays in a file, as a list or by name."""
    return file.as_arrays(serialization.load(file_name), NDArray)


def savez(file_name: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
    """Write arrays by name; those without get the names ``arr_0``, ``arr_1`` ..."""
    file.save(file_name, {f"arr_{i}": x for i, x in enumerate(args)} | kwargs)


def _public(module: ModuleType, names: str) -> dict[str, Callable[..., Any]]:
    return {name: getattr(module, name) for name in names.split()}


_OF_ARRAYS: dict[str, Callable[..., Any]] = {
    **_public(activation, "activation relu sigmoid log_sigmoid softrelu softplus softsign silu swish mish gelu hard_sigmoid"),
    **_public(activation, "elu selu prelu leaky_relu"),
    **_public(softmax, "softmax log_softmax softmin masked_softmax masked_log_softmax"),
    **_public(linear, "fully_connected batch_dot"),
    **_public(norm, "layer_norm group_norm instance_norm l2_normalization rms_norm"),
    **_public(loss, "softmax_cross_entropy smooth_l1"),
    **_public(rounding, "quantize_dequantize"),
    **_public(like, "stop_gradient arange_like reshape_like broadcast_like slice_like"),
    **_public(resize, "upsampling bilinear_resize2d adaptive_avg_pooling2d"),
    **_public(sequence, "sequence_mask sequence_last sequence_reverse"),
    **_public(gather, "pick gather_nd scatter_nd one_hot boolean_mask"),
    **_public(special, "erf erfinv gamma gammaln digamma"),
    "scaled_dot_product_attention": attention.scaled_dot_product_attention,
    "convolution": convolution.convolution,
    "deconvolution": deconvolution.deconvolution,
    "pooling": pooling.pooling,
    "dropout": dropout.dropout,
    "embedding": embedding.embedding,
    "topk": sorting.topk,
    "cast": selection.cast,
    "bernoulli": random.bernoulli,
    "reshape": reshape,
    "batch_flatten": batch_flatten,
    "nonzero": nonzero,
    "index_update": index_update,
    "index_add": index_add,
}

#: Functions that write to their arguments, or take none: called with the arrays as they are.
_AS_THEY_ARE: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    **_public(control_flow, "foreach while_loop cond"),
    "slice": slice_,
    "constraint_check": constraint_check,
    "save": save,
    "load": load,
    "savez": savez,
    "seed": seed,
    "waitall": waitall,
    "from_numpy": from_numpy,
    "from_dlpack": from_dlpack,
    "to_dlpack_for_read": to_dlpack_for_read,
    "to_dlpack_for_write": to_dlpack_for_write,
    "cpu": cpu,
    "cpu_pinned": cpu_pinned,
    "gpu": gpu,
    "num_gpus": num_gpus,
    "gpu_memory_info": gpu_memory_info,
    "get_cuda_compute_capability": get_cuda_compute_capability,
    "current_device": current_device,
    "current_context": current_device,
    "is_np_array": is_np_array,
    "is_np_shape": is_np_shape,
    "is_np_default_dtype": is_np_default_dtype,
    "np_array": np_array,
    "np_default_dtype": np_default_dtype,
    "np_shape": np_shape,
    "set_np": set_np,
    "set_np_default_dtype": set_np_default_dtype,
    "reset_np": reset_np,
    "use_np": use_np,
    "use_np_array": use_np_array,
    "use_np_default_dtype": use_np_default_dtype,
    "use_np_shape": use_np_shape,
}

_CUDNN = {"workspace": "", "cudnn_tune": "", "cudnn_off": ""}

#: Further names of arguments, MXNet's; those that mean nothing here are "".
_ALSO: dict[str, dict[str, str]] = {
    **{name: {"data": "x"} for name in ("erf", "erfinv", "gamma", "gammaln")},
    **dict.fromkeys(("convolution", "deconvolution", "pooling", "dropout"), _CUDNN),
    "batch_norm": {
        "cudnn_off": "", "min_calib_range": "", "max_calib_range": "", "name": "",
        "data": "x", "moving_mean": "running_mean", "moving_var": "running_var",
    },
    "save": {"file": "file_name"},
    "load": {"file": "file_name"},
}  # fmt: skip

#: MXNet's name of the node of a symbol that a call is, of no meaning to arrays.
_NODE = {"name": ""}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: NUMPY.wrap(f, also=_ALSO[name], writes=True) if name in _ALSO else f for name, f in _AS_THEY_ARE.items()},
    **{name: NUMPY.wrap(f, also=_ALSO.get(name, {}) | _NODE) for name, f in _OF_ARRAYS.items()},
}
