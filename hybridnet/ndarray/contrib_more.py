"""``nd.contrib``'s operators of many trades: straight-through roundings, Fourier transforms, sketches, point processes, graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.core.state import paused_recording
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Context, Dtype
from hybridnet.ndarray.normalization import MOVING, batch_norm
from hybridnet.ndarray.record import Attributes
from hybridnet.ndarray.register import classic, helper
from hybridnet.ndarray.shapes import per_channel
from hybridnet.ndarray.types import always, apart, own_dtype, statistics_wide
from hybridnet.ops.array import gather
from hybridnet.ops.array.shape import expand_dims
from hybridnet.ops.math import fourier, reduction
from hybridnet.ops.math.pointwise import FUNCTIONS as _math
from hybridnet.ops.nn import embedding
from hybridnet.ops.nn.like import stop_gradient
from hybridnet.ops.nn.straight import round_straight, sign_straight
from hybridnet.ops.random import distributions as draws


@classic("_contrib_round_ste")
def round_ste(data: Array) -> Any:
    """The nearest whole number, halves away from 0; the gradient passes as it is."""
    return round_straight(data)


@classic("_contrib_sign_ste")
def sign_ste(data: Array) -> Any:
    """-1, 0 or 1; the gradient passes as it is."""
    return sign_straight(data)


@classic("_contrib_backward_gradientmultiplier")
def backward_gradientmultiplier(data: Array, scalar: float = 1.0, is_int: bool = True) -> Any:
    """``data`` times ``scalar``: what ``gradientmultiplier`` makes of a gradient."""
    return data * scalar


@classic("_contrib_allclose", types=always(dtypes.uint8))
def allclose(a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True) -> Any:
    """1 if all elements are closer than ``atol`` + ``rtol`` · abs(b), else 0, as uint8 of shape (1,); ``equal_nan``: NaN is near NaN."""
    same = call("equal", a, b)  # infinities, whose difference is no number
    apart = call("absolute", call("where", same, 0, a) - call("where", same, 0, b))
    close = call("logical_or", same, call("less_equal", apart, call("absolute", b) * rtol + atol))
    if equal_nan:
        close = call("logical_or", close, call("logical_and", _math["isnan"](a), _math["isnan"](b)))
    return call("cast", reduction.all(close), dtype=dtypes.uint8)


@classic(
    "_contrib_SparseEmbedding",
    required=("input_dim", "output_dim"),
    shapes=lambda known, a: {"weight": (a["input_dim"], a["output_dim"])},
    types=own_dtype("weight"),
)
def SparseEmbedding(
    data: Array,
    weight: Array,
    input_dim: int | None = None,
    output_dim: int | None = None,
    dtype: Dtype = "float32",
    sparse_grad: bool = False,
) -> Any:
    """As ``Embedding``: a row of ``weight`` (input_dim, output_dim) for each element of ``data``; gradients are dense."""
    return embedding.embedding(data, weight, input_dim, output_dim)


@classic(
    "_contrib_BatchNormWithReLU",
    aux=MOVING,
    outputs=lambda a: ("output", "mean", "var") if a["output_mean_var"] else ("output",),
    shapes=per_channel("gamma", "beta", *MOVING),
    types=statistics_wide("gamma", "beta", *MOVING),
)
def BatchNormWithReLU(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """``BatchNorm`` and a relu of its result, in the shape of ``data``."""
    found = batch_norm(
        data, gamma, beta, moving_mean, moving_var, eps, momentum, fix_gamma, use_global_stats, output_mean_var, axis
    )  # fmt: skip
    return [_math["maximum"](found[0], 0), *found[1:]] if output_mean_var else _math["maximum"](found, 0)


@classic("_contrib_fft")
def fft(data: Array, compute_size: int = 128) -> Any:
    """The discrete Fourier transform of (…, n) as (…, 2n), real and imaginary parts by turns. ``compute_size`` means nothing here."""
    return fourier.fft_in_pairs(data)


@classic("_contrib_ifft")
def ifft(data: Array, compute_size: int = 128) -> Any:
    """The real part of the inverse of :func:`fft`, times n: (…, 2n) to (…, n). ``compute_size`` means nothing here."""
    return fourier.ifft_in_pairs(data)


@classic("_contrib_count_sketch", required=("out_dim",))
def count_sketch(data: Array, h: Array, s: Array, out_dim: int = 1, processing_batch_size: int = 32) -> Any:
    """``data`` (n, d) in ``out_dim`` numbers: each element times its sign in ``s`` (1, d), added to the place that ``h`` (1, d) says.

    ShapeError for other shapes. ``processing_batch_size`` means nothing here.
    """
    if data.ndim != 2 or h.size != data.shape[1] or s.size != data.shape[1]:
        fail(ShapeError, "count_sketch", expected="data (n, d), h and s (1, d)", got=f"{data.shape}, {h.shape} and {s.shape}")
    row = (1, data.shape[1])
    places = call("reshape", gather.as_indices("count_sketch", h, data), shape=row)
    signed = data * call("reshape", s, shape=row)
    return call("add_along_axis", signed, call("broadcast_to", places, shape=data.shape), axis=1, length=out_dim)


def _with_marks(inputs: Mapping[str, dtypes.Dtype | None], outputs: Sequence[dtypes.Dtype | None], a: Attributes) -> Any:
    """Marks are int32, whatever the others are."""
    found, results = apart("marks")(inputs, outputs, a)
    return {**found, "marks": dtypes.int32}, results


@classic("_contrib_hawkesll", outputs=("output", "out_state"), types=_with_marks)
def hawkesll(lda: Array, alpha: Array, beta: Array, state: Array, lags: Array, marks: Array, valid_length: Array, max_time: Array) -> Any:
    """The log likelihood (n,) of events under a Hawkes process with exponential decay, and its state (n, k) at ``max_time`` (n,).

    ``lda`` (n, k): the rates of k kinds of events in the background; ``alpha`` and ``beta`` (k,): how many more an event brings, and how
    fast that fades; ``state`` (n, k): what is left of earlier events; gradients are those of
    the likelihood, for the first three.
    ShapeError for other shapes. ``lags`` (n, t): times since the event before; ``marks`` (n, t):
    the kinds; ``valid_length`` (n,): how many events there are. Formula: Embrechts et al., 2011, summed over pairs of events at once.
    """
    n, k = lda.shape
    count = lags.shape[1]
    if lags.shape != marks.shape or state.shape != lda.shape:
        got = f"{lags.shape}, {marks.shape}, {lda.shape} and {state.shape}"
        fail(ShapeError, "hawkesll", expected="lags and marks (n, t), lda and state (n, k)", got=got)
    state, lags, max_time = stop_gradient(state), stop_gradient(lags), stop_gradient(max_time)
    time = call("cumsum", lags, axis=1)
    kind = gather.as_indices("hawkesll", marks, lags)
    number = call("reshape", gather.positions(lags, count, lags.dtype), shape=(1, count))
    valid = call("less", number, call("reshape", valid_length, shape=(n, 1)))
    fading = call("reshape", beta, shape=(1, k))
    own = {name: gather.take(x, kind, 0) for name, x in (("alpha", alpha), ("beta", beta))}  # of each event's kind: (n, t)
    rate, left = (gather.take_along_axis(x, kind, 1) for x in (lda, state))
    # What is left at event i of event j before it, if that is of its kind: (n, i, j).
    before = call("less", expand_dims(number, 1), expand_dims(number, 2))
    alike = call("logical_and", call("equal", expand_dims(kind, 2), expand_dims(kind, 1)), before)
    apart = call("where", alike, expand_dims(time, 2) - expand_dims(time, 1), 0)
    remains = call("where", alike, call("exp", -expand_dims(own["beta"], 2) * apart), 0)
    excited = left * call("exp", -own["beta"] * time) + call("sum", remains, axis=(2,), keepdims=False)
    intensity = call("where", valid, rate + own["alpha"] * own["beta"] * excited, 1)
    # At the end, of all events of each kind: (n, t, k).
    end = call("reshape", max_time, shape=(n, 1))
    is_kind = call("equal", expand_dims(kind, 2), call("reshape", gather.positions(lags, k, kind.dtype), shape=(1, 1, k)))
    counted = call("cast", call("logical_and", is_kind, expand_dims(valid, 2)), dtype=lags.dtype)
    rest = call("exp", -expand_dims(fading, 1) * expand_dims(call("where", valid, end - time, 0), 2))
    faded = call("exp", -fading * end)
    arrived = call("sum", counted, axis=(1,), keepdims=False)
    after = call("sum", counted * rest, axis=(1,), keepdims=False)
    brought = state * (1 - faded) + arrived - after
    expected = lda * end + call("reshape", alpha, shape=(1, k)) * brought
    found = call("sum", call("log", intensity), axis=(1,), keepdims=False) - call("sum", expected, axis=(1,), keepdims=False)
    return [found, stop_gradient(state * faded + after)]


@classic("_contrib_group_adagrad_update", required=("lr",), by_class=True)
def group_adagrad_update(
    weight: Array,
    grad: Array,
    history: Array,
    lr: float = 0.01,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    epsilon: float = 1e-5,
) -> Any:
    """The new weight (n, …), whose rows have a rate each: history (n, 1) += mean of grad², weight - lr · grad / sqrt(history + epsilon).

    ``history`` is written in place.
    """
    with paused_recording():
        grad = grad * rescale_grad
        if clip_gradient >= 0:
            grad = call("clip", grad, a_min=-clip_gradient, a_max=clip_gradient)
        axes = tuple(range(1, grad.ndim))
        mean = call("sum", grad * grad, axis=axes, keepdims=True) / max(math.prod(grad.shape[1:]), 1)
        history._assign(history + call("reshape", mean, shape=history.shape))
        rate = call("reshape", call("sqrt", history + epsilon), shape=mean.shape)
        return weight - grad * lr / rate


@classic("_contrib_getnnz", types=always(dtypes.int64))
def getnnz(data: Array, axis: int | None = None) -> Any:
    """How many elements of a matrix are not 0, as int64: of all, or along ``axis``."""
    return reduction.sum(call("cast", call("not_equal", data, 0), dtype=dtypes.int64), axis)


@classic("_contrib_edge_id")
def edge_id(data: Array, u: Array, v: Array) -> Any:
    """The numbers ``data[u, v]`` of edges (n,) of a graph, a matrix that is 0 where there is none; -1 for those."""
    rows, columns = (gather.as_indices("edge_id", x, data) for x in (u, v))
    found = call("index", data, rows, columns, key=(("array",), ("array",)))
    return call("where", call("equal", found, 0), -1, found)


@helper()
def rand_zipfian(true_classes: Array, num_sampled: int, range_max: int, ctx: Context | None = None) -> Any:
    """Classes below ``range_max`` drawn by about Zipf's law, and how often each of ``true_classes`` and of those is expected.

    Class c comes with the probability log((c + 2) / (c + 1)) / log(range_max + 1). Gives int64 (num_sampled,), and float64 twice.
    ArgumentError for a ``range_max`` below 1.
    """
    if range_max < 1:
        fail(ArgumentError, "rand_zipfian", expected="a range_max of 1 or more", got=str(range_max))
    span = math.log(range_max + 1)
    drawn = call("exp", draws.uniform(0.0, span, (num_sampled,), dtypes.float64, true_classes.device)) - 1
    sampled = call("mod", call("cast", drawn, dtype=dtypes.int64), range_max)

    def expected(classes: Any) -> Any:
        c = call("cast", classes, dtype=dtypes.float64)
        return call("log", (c + 2) / (c + 1)) / span * num_sampled

    return [sampled, expected(true_classes), expected(sampled)]


def _no_graphs(name: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        fail(ArgumentError, name, expected="an operator on graphs, which are left to graph libraries", got=name, fix="dgl or NumPy")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"MXNet's ``{name}`` is not here: sampling of graphs is left to libraries for graphs."
    return function


#: MXNet's operators that sample graphs.
GRAPHS = {
    f"dgl_{name}": _no_graphs(f"dgl_{name}")
    for name in ("adjacency", "csr_neighbor_non_uniform_sample", "csr_neighbor_uniform_sample", "graph_compact", "subgraph")
}
