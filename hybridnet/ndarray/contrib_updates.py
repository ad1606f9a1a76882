"""``nd.contrib``'s updates by AdamW and LAMB: the operators of ``nd._internal``, with numbers and lists in place of arrays in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.ndarray.attributes import Array, Floats, Shape
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.creation import full
from hybridnet.ndarray.register import FUNCTIONS

__all__ = ["adamw_update", "mp_adamw_update", "multi_adamw_update", "multi_lamb_update", "multi_mp_adamw_update", "multi_mp_lamb_update"]

Arrays = Sequence[Array]


def _scale(rescale_grad: Any, weight: Any) -> Any:
    """``rescale_grad`` as the operators take it: an array (1,) of the weight's device."""
    return rescale_grad if isinstance(rescale_grad, NDArray) else full((1,), rescale_grad, ctx=weight.device)


def _in_a_row(*lists: Arrays) -> list[Any]:
    """The arrays of the first weight, then those of the second, and so on."""
    return [x for arrays in zip(*lists, strict=True) for x in arrays]


def adamw_update(
    weight: Array, grad: Array, mean: Array, var: Array, rescale_grad: float | Array, lr: float, eta: float, **kwargs: Any
) -> Any:
    """``_adamw_update`` with a number or an array (1,) as ``rescale_grad``; the other arrays are of one shape."""
    scale = _scale(rescale_grad, weight)
    return FUNCTIONS["_adamw_update"](weight, grad, mean, var, scale, lr=lr, eta=eta, **kwargs)


def mp_adamw_update(
    weight: Array, grad: Array, mean: Array, var: Array, weight32: Array, rescale_grad: float | Array, lr: float, eta: float, **kwargs: Any
) -> Any:
    """``_mp_adamw_update`` with a number or an array (1,) as ``rescale_grad``; the other arrays are of one shape."""
    scale = _scale(rescale_grad, weight)
    return FUNCTIONS["_mp_adamw_update"](weight, grad, mean, var, weight32, scale, lr=lr, eta=eta, **kwargs)


def multi_adamw_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    rescale_grad: float | Array,
    lrs: Floats,
    wds: Floats,
    etas: Floats,
    size: int = 0,
    **kwargs: Any,
) -> Any:
    """``_multi_adamw_update`` of lists of arrays, one of each for a weight, all of its shape."""
    arrays = [*_in_a_row(weights, grads, mean, var), _scale(rescale_grad, weights[0])]
    return FUNCTIONS["_multi_adamw_update"](*arrays, num_weights=size or len(weights), lrs=lrs, wds=wds, etas=etas, **kwargs)


def multi_mp_adamw_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    weights32: Arrays,
    rescale_grad: float | Array,
    lrs: Floats,
    wds: Floats,
    etas: Floats,
    size: int = 0,
    **kwargs: Any,
) -> Any:
    """``_multi_mp_adamw_update`` of lists of arrays, one of each for a weight, all of its shape."""
    arrays = [*_in_a_row(weights, grads, mean, var, weights32), _scale(rescale_grad, weights[0])]
    return FUNCTIONS["_multi_mp_adamw_update"](*arrays, num_weights=size or len(weights), lrs=lrs, wds=wds, etas=etas, **kwargs)


def multi_lamb_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    step_count: Shape,
    lrs: Floats,
    wds: Floats,
    num_tensors: int = 0,
    **kwargs: Any,
) -> Any:
    """``_multi_lamb_update`` of lists of arrays, one of each for a weight, all of its shape."""
    arrays, count = _in_a_row(weights, grads, mean, var), num_tensors or len(weights)
    return FUNCTIONS["_multi_lamb_update"](*arrays, num_tensors=count, step_count=step_count, learning_rates=lrs, wds=wds, **kwargs)


def multi_mp_lamb_update(
    weights: Arrays,
    grads: Arrays,
    mean: Arrays,
    var: Arrays,
    weights32: Arrays,
    step_count: Shape,
    lrs: Floats,
    wds: Floats,
    num_tensors: int = 0,
    **kwargs: Any,
) -> Any:
    """``_multi_mp_lamb_update`` of lists of arrays, one of each for a weight, all of its shape."""
    arrays, count = _in_a_row(weights, grads, mean, var, weights32), num_tensors or len(weights)
    return FUNCTIONS["_multi_mp_lamb_update"](*arrays, num_tensors=count, step_count=step_count, learning_rates=lrs, wds=wds, **kwargs)
