"""Scaled dot-product attention: one operator with its gradient, so that a GPU need not store the scores.

Both are calls of cuDNN for 16-bit arrays; elsewhere their parts, products and a softmax in float32 or wider. Several heads of queries may
share one of keys and values (arXiv 2305.13245), which is read where it lies: in the parts the queries of a group are the rows of one
product, and a key's gradient is the sum over all of them in one. The forward gives the logarithm of each row's sum as well. Nothing but the
backward reads that, and what it makes of the result and of the logarithms counts as a function of query, key and value: neither is given a
gradient.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, broadcast_shapes, call, on_cuda, register
from hybridnet.core.kernel import LibraryCall, StridedSpec
from hybridnet.device import dnn
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.array.shape import expand_dims
from hybridnet.ops.common import by_parts, normal, tensor
from hybridnet.ops.nn.common import fill_like, narrow, one_of, wide, wide_dtype

LAYOUTS = ("BHSD", "BSHD")  # batch, heads, sequence, features


def _heads_first(layout: str, *shapes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes (or strides) as (batch, heads, sequence, features)."""
    return [s if layout == "BHSD" else (s[0], s[2], s[1], s[3]) for s in shapes]


def _turned(layout: str, *arrays: Any) -> list[Any]:
    """Arrays from their layout to heads first, or back."""
    return [x if layout == "BHSD" else call("transpose", x, axes=(0, 2, 1, 3)) for x in arrays]


#: What is added to the score of a key that does not count: nothing is left of it beside one that does, and 16-bit numbers hold it.
_OUT = -(2.0**15)


# -- forward ---------------------------------------------------------------------------------------------


def _infer(q: Spec, k: Spec, v: Spec, bias: Spec | None = None, *, scale: float, causal: bool, layout: str) -> tuple[Spec, Spec]:
    if not q.ndim == k.ndim == v.ndim == 4:
        fail(ShapeError, "attention", expected=f"arrays of 4 dimensions, {layout}", got=f"{q.shape}, {k.shape} and {v.shape}")
    (b, h, s, d), of_key, of_value = _heads_first(layout, q.shape, k.shape, v.shape)
    n = of_key[2]
    shared = of_key[1]
    if of_key != (b, shared, n, d) or of_value[:3] != (b, shared, n) or (shared != h and (not shared or h % shared)):
        got = f"{q.shape}, {k.shape} and {v.shape}"
        expected = "as many batches and heads (or a divisor of the queries' heads), features of query and key, and keys and values"
        fail(ShapeError, "attention", expected=expected, got=got)
    if bias is not None and (bias.ndim != 4 or broadcast_shapes("attention", bias.shape, (b, h, s, n)) != (b, h, s, n)):
        fail(ShapeError, "attention", expected=f"a mask that broadcasts to {(b, h, s, n)}", got=str(bias.shape))
    (result,) = _heads_first(layout, (b, h, s, of_value[3]))
    return Spec(result, q.dtype), Spec((b, h, s, 1), wide_dtype(q.dtype))


def _gathered(x: Any, heads: int) -> Any:
    """(batch, heads, rows, ·), heads first, with the rows of heads that share one of ``heads`` one after another."""
    b, h, s, d = x.shape
    return x if h == heads else call("reshape", x, shape=(b, heads, h // heads * s, d))


def _by_head(x: Any, shared: Any, transpose_b: bool = False) -> Any:
    """The product of each head's rows with the matrix of the head of ``shared`` that it has a part in."""
    b, h, s, _ = x.shape
    y = call("matmul", _gathered(x, shared.shape[1]), shared, transpose_b=transpose_b)
    return y if y.shape[1] == h else call("reshape", y, shape=(b, h, s, y.shape[3]))


def _summed(x: Any, y: Any, heads: int) -> Any:
    """The products xᵀ y, summed over the heads that share one of ``heads``."""
    return call("matmul", _gathered(x, heads), _gathered(y, heads), transpose_a=True)


def _scores(q: Any, k: Any, bias: Any, scale: float, causal: bool) -> Any:
    """Scores of heads-first arrays, in the wide dtype: a product of 16-bit numbers may be beyond their range before it is scaled."""
    scores = _by_head(wide(q), wide(k), transpose_b=True) * scale
    if bias is not None:
        scores = scores + wide(bias)
    if causal:
        queries, keys = positions(q, q.shape[2]), positions(q, k.shape[2])
        scores = call("where", expand_dims(keys, 0) <= expand_dims(queries, 1), scores, _OUT)
    return scores


def _attention(q: Any, k: Any, v: Any, bias: Any = None, *, scale: float, causal: bool, layout: str) -> tuple[Any, Any]:
    q, k, v = _turned(layout, q, k, v)
    if not k.shape[2]:  # no keys: a sum of nothing
        (result,) = _turned(layout, fill_like(q, (*q.shape[:3], v.shape[3]), 0))
        return result, fill_like(q, (*q.shape[:3], 1), -math.inf, wide_dtype(q.dtype))
    scores = _scores(q, k, bias, scale, causal)
    top = call("max", scores, axis=(3,), keepdims=True)
    e = call("exp", scores - top)
    total = call("sum", e, axis=(3,), keepdims=True)
    (result,) = _turned(layout, _by_head(narrow(e / total, v.dtype), v))
    return result, top + call("log", total)


def _rule(needs: tuple[bool, ...], g: Any, y: Any, q: Any, k: Any, v: Any, bias: Any = None, **attrs: Any) -> list[Any]:
    extra = () if bias is None else (bias,)
    gradients = list(apply(ATTENTION_GRAD, (q, k, v, *y, g[0], *extra), attrs)) if any(needs[:3]) else [None] * 3
    if bias is None:
        return gradients
    # Rarely asked for, and as a function of the operands alone, as the others are.
    return [*gradients, _score_grads(q, k, v, *_attention(q, k, v, bias, **attrs), g[0], bias, **attrs)[1] if needs[3] else None]


# -- backward --------------------------------------------------------------------------------------------


def _score_grads(
    q: Any, k: Any, v: Any, y: Any, sums: Any, g: Any, bias: Any = None, *, scale: float, causal: bool, layout: str
) -> tuple[Any, Any]:
    """The probabilities, and the gradient of the scores, heads first, in the wide dtype."""
    q, k, v, y, g = _turned(layout, q, k, v, y, g)
    p = call("exp", _scores(q, k, bias, scale, causal) - sums)
    mean = call("sum", wide(g) * wide(y), axis=(3,), keepdims=True)
    return p, p * (_by_head(wide(g), wide(v), transpose_b=True) - mean)


def _attention_grad(q: Any, k: Any, v: Any, y: Any, sums: Any, g: Any, bias: Any = None, **attrs: Any) -> tuple[Any, Any, Any]:
    p, of_scores = _score_grads(q, k, v, y, sums, g, bias, **attrs)
    layout = attrs["layout"]
    q, k, g = _turned(layout, q, k, g)
    ds, heads = of_scores * attrs["scale"], k.shape[1]
    dq, dk = (narrow(x, q.dtype) for x in (_by_head(ds, wide(k)), _summed(ds, wide(q), heads)))
    dv = _summed(narrow(p, g.dtype), g, heads)
    dq, dk, dv = _turned(layout, dq, dk, dv)
    return dq, dk, dv


def _infer_grad(q: Spec, k: Spec, v: Spec, y: Spec, sums: Spec, g: Spec, bias: Spec | None = None, **attrs: Any) -> tuple[Spec, Spec, Spec]:
    result, of_sums = _infer(q, k, v, *([] if bias is None else [bias]), **attrs)
    if (y.shape, g.shape, sums.shape) != (result.shape, result.shape, of_sums.shape):
        expected = f"results and their gradient of shape {result.shape}, sums of {of_sums.shape}"
        fail(ShapeError, "attention_grad", expected=expected, got=f"{y.shape}, {g.shape} and {sums.shape}")
    return q, k, v


def _from_the_start(q: Any, k: Any, v: Any, y: Any, sums: Any, g: Any, bias: Any = None, **attrs: Any) -> tuple[Any, Any, Any]:
    """The backward as a function of query, key, value and gradient: what its own gradient is that of."""
    y, sums = _attention(q, k, v, bias, **attrs)
    return _attention_grad(q, k, v, y, sums, g, bias, **attrs)


# -- cuDNN -----------------------------------------------------------------------------------------------


def _described(
    q: StridedSpec,
    k: StridedSpec,
    v: StridedSpec,
    y: StridedSpec,
    sums: StridedSpec,
    *bias: StridedSpec,
    scale: float,
    causal: bool,
    layout: str,
) -> dnn.Attention | None:
    """The forward in cuDNN's terms; None for what is not to be rounded as it rounds, or does not lie as it takes it."""
    operands = (q, k, v, y)
    if any(0 in x.shape for x in operands) or any(
        x.dtype not in (dtypes.float16, dtypes.bfloat16) or min(x.strides) < 1 for x in (*operands, *bias)
    ):
        return None
    a, b, c, result = (dnn.Tensor(*_heads_first(layout, x.shape, x.strides)) for x in operands)
    extra = dnn.Tensor(bias[0].shape, bias[0].strides) if bias else None
    return dnn.Attention(q.dtype, a, b, c, result, dnn.Tensor(sums.shape, sums.strides), scale, causal, extra)


def _library(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], **attrs: Any) -> LibraryCall | None:
    described = _described(*inputs[:3], *outputs, *inputs[3:], **attrs)
    return None if described is None else dnn.plan(described)


def _grad_library(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], *, layout: str, **attrs: Any) -> LibraryCall | None:
    described = _described(*inputs[:5], *inputs[6:], layout=layout, **attrs)
    arrays = (inputs[5], *outputs)
    if described is None or any(min(x.strides) < 1 for x in arrays):
        return None
    g, dq, dk, dv = (dnn.Tensor(*_heads_first(layout, x.shape, x.strides)) for x in arrays)
    return dnn.plan(dnn.AttentionGrad(described, g, dq, dk, dv, config.deterministic))


# -- how much it is --------------------------------------------------------------------------------------


def _flops(operands: tuple[Spec, ...], causal: bool, layout: str, of_features: int, of_values: int) -> int:
    """Of so many products over the features of queries and keys, and over those of values, for each score that counts."""
    q, k, v = operands[:3]
    (b, h, s, d), (*_, n, _), (*_, features) = _heads_first(layout, q.shape, k.shape, v.shape)
    scores = sum(min(i + 1, n) for i in range(s)) if causal else s * n
    return 2 * b * h * scores * (of_features * d + of_values * features)


def _forward_flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, causal: bool, layout: str, scale: float) -> int:
    return _flops(inputs, causal, layout, 1, 1)


def _grad_flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, causal: bool, layout: str, scale: float) -> int:
    # The scores again, and the gradients of query and key; the gradients of probabilities and of values.
    return _flops(inputs, causal, layout, 3, 2)


# -- the records -----------------------------------------------------------------------------------------


def _case(
    *shape: int, keys: int, features: int, shared: int | None = None, bias: tuple[int, ...] = (), **attrs: Any
) -> tuple[list[Any], dict[str, Any]]:
    """Operands of heads ``shape[1]``, for keys and values ``shared``, in the layout that ``attrs`` say, and the attributes."""
    b, h, s, d = shape
    few = h if shared is None else shared
    attrs = {"scale": 0.4, "causal": False, "layout": "BHSD", **attrs}
    shapes = _heads_first(attrs["layout"], (b, h, s, d), (b, few, keys, d), (b, few, keys, features))
    made = [normal(*x, seed=i) for i, x in enumerate(shapes)]
    return made + ([normal(*bias, seed=5)] if bias else []), attrs


_CASES = (
    _case(2, 2, 3, 4, keys=5, features=3),
    _case(1, 2, 4, 3, keys=4, features=3, causal=True),
    _case(2, 2, 3, 4, keys=2, features=4, layout="BSHD", bias=(2, 1, 1, 2)),
    _case(1, 1, 3, 2, keys=2, features=5, layout="BSHD", causal=True, bias=(1, 1, 3, 2)),
    _case(1, 2, 3, 2, keys=0, features=2),
    _case(2, 4, 3, 2, keys=2, features=3, shared=2),
    _case(1, 6, 2, 4, keys=3, features=2, shared=2, layout="BSHD", causal=True, bias=(1, 6, 1, 3)),
    _case(1, 3, 2, 2, keys=2, features=2, shared=1, layout="BSHD"),
)


def _grad_case(operands: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """Operands of the backward, of arrays that need not be a forward's results."""
    q, k, v, *bias = operands
    (b, h, s, _), (*_, features) = _heads_first(attrs["layout"], q.shape, v.shape)
    (shape,) = _heads_first(attrs["layout"], (b, h, s, features))
    return (q, k, v, normal(*shape, seed=7), normal(b, h, s, 1, seed=8) + 4, normal(*shape, seed=9), *bias)


ATTENTION = register(
    Op(
        "attention",
        Kind.OPAQUE,
        _infer,
        decomposition=_attention,
        grad=_rule,
        saves=(0, 1, 2, 3, "y"),
        promote="float",
        flops=_forward_flops,
        precision="half",
        sample=lambda: [
            *[Sample(tuple(x), attrs, differentiable=False) for x, attrs in _CASES],
            Sample((normal(1, 2, 3, 4), normal(1, 2, 3, 5), normal(1, 2, 3, 4)), _CASES[0][1], error=ValueError),
            Sample((*_CASES[0][0], normal(2, 2, 3, 4)), _CASES[0][1], error=ValueError),
            Sample((normal(1, 3, 3, 4), normal(1, 2, 3, 4), normal(1, 2, 3, 4)), _CASES[0][1], error=ValueError),
        ],
    )
)
on_cuda(ATTENTION, library=_library)

ATTENTION_GRAD = register(
    Op(
        "attention_grad",
        Kind.OPAQUE,
        _infer_grad,
        decomposition=_attention_grad,
        grad=by_parts(_from_the_start),
        saves=(0, 1, 2, 3, 4, 5, 6),
        flops=_grad_flops,
        precision="follow",
        sample=lambda: [*[Sample(_grad_case(x, attrs), attrs, differentiable=False) for x, attrs in _CASES]],
    )
)
on_cuda(ATTENTION_GRAD, library=_grad_library)


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    layout: str = "BHSD",
) -> Any:
    """softmax(scale · query · keyᵀ) · value for each head: a mean of the values, for each query.

    ``query``: (batch, heads, queries, features), ``key``: (batch, heads, keys, features), ``value``: (batch, heads, keys,
    value features), or all with heads and sequence exchanged (``layout`` "BSHD", which is what a reshape of a dense
    layer's output gives); the result is like ``query`` with the values' features. Keys and values may have fewer heads, a divisor of the
    queries', each of which is read for as many neighbouring ones. ``scale`` is 1 / √features unless given.
    With ``causal`` a query counts the keys up to its own position. ``mask`` broadcasts to (batch, heads, queries, keys): a
    boolean one is true where a key counts, any other is added to the scores. A query for which no key counts (or all have minus
    infinity added to their scores) has the result 0, and no gradient. ShapeError if the shapes do not fit together, or a mask has
    more than 4 dimensions.
    """
    query, key, value = tensor(query), tensor(key), tensor(value)
    one_of("attention", "layout", layout, LAYOUTS)
    scale = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
    operands = [query, key, value]
    if mask is not None:
        mask = tensor(mask, query)
        if mask.ndim > 4:
            fail(ShapeError, "attention", expected="a mask of 4 dimensions or fewer", got=str(mask.shape))
        mask = call("reshape", mask, shape=(1,) * (4 - mask.ndim) + mask.shape)
        counts = mask if mask.dtype == dtypes.bool_ else call("not_equal", mask, -math.inf)
        if mask.dtype == dtypes.bool_:
            mask = call("where", mask, fill_like(query, (), 0.0, dtypes.floating(query.dtype)), _OUT)
        elif dtypes.is_floating(mask.dtype):
            mask = call("where", counts, mask, float(ml_dtypes.finfo(mask.dtype).min))
        operands.append(mask)
    y = apply(ATTENTION, operands, {"scale": scale, "causal": bool(causal), "layout": layout})[0]
    return y if mask is None else call("where", _has_a_key(counts, y, key, bool(causal), layout), y, 0)


def _has_a_key(counts: Any, y: Any, key: Any, causal: bool, layout: str) -> Any:
    """For which queries, as an array that broadcasts to the result ``y``, any key counts."""
    queries, keys = (_heads_first(layout, x.shape)[0][2] for x in (y, key))
    if causal:
        places = (expand_dims(positions(y, n), axis) for n, axis in ((keys, 0), (queries, 1)))
        counts = call("logical_and", counts, call("less_equal", *places))
    (found,) = _turned(layout, call("any", counts, axis=(3,), keepdims=True))
    return found
