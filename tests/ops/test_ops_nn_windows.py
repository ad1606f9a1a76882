"""Convolution, deconvolution and pooling against their definitions, written out here as plain loops."""

import math
from typing import Any

import numpy as np
import pytest
from support.nn_values import Data, close, gradients, normal, plain_deconvolution

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import array
from hybridnet.errors import HybridnetError
from hybridnet.ops.nn import convolution, convolve, deconvolution, depthwise, pooling, windows

# -- convolution ----------------------------------------------------------------------------------


def plain_convolution(x: Data, w: Data, stride: Any, pad: Any, dilate: Any, groups: int) -> Data:
    """Channels first, one output element after the other."""
    nd = w.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    kernel = w.shape[2:]
    out = [(x.shape[2 + i] - dilate[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(nd)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    depth, filters = w.shape[1], w.shape[0] // groups
    for o in range(w.shape[0]):
        first = o // filters * depth
        for place in np.ndindex(*out):
            window = tuple(slice(p * s, p * s + d * (k - 1) + 1, d) for p, s, d, k in zip(place, stride, dilate, kernel, strict=True))
            patch = x[(slice(None), slice(first, first + depth), *window)]
            y[(slice(None), o, *place)] = (patch * w[o]).reshape(x.shape[0], -1).sum(1)
    return y


CONVOLUTIONS = [
    ((3, 4, 9), (6, 4, 3), {"stride": (2,), "pad": (1,)}),
    ((2, 4, 7, 8), (6, 2, 3, 2), {"stride": (2, 1), "pad": (1, 2), "num_group": 2}),
    ((2, 3, 9, 8), (4, 3, 3, 2), {"dilate": (2, 3), "pad": (1, 0)}),
    ((2, 5, 6, 6), (3, 5, 3, 3), {"pad": (1, 1)}),
    ((2, 4, 5, 6), (8, 1, 3, 3), {"pad": (1, 1), "num_group": 4}),
    ((2, 4, 5, 6), (4, 1, 3, 2), {"stride": (2, 2), "num_group": 4}),
    ((2, 6, 4, 4), (5, 6, 1, 1), {}),
    ((2, 6, 5, 4), (4, 3, 1, 1), {"stride": (2, 2), "num_group": 2}),
    ((1, 3, 5, 5, 6), (4, 3, 2, 3, 2), {"stride": (2, 1, 1), "pad": (0, 1, 1)}),
]


def to_last(x: Data) -> Data:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def to_first(x: Data) -> Data:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize(("data", "weight", "options"), CONVOLUTIONS)
def test_convolution(data: Any, weight: Any, options: Any, last: bool) -> None:
    """Values, and the two gradients, which are linear: <y(x + dx), g> - <y(x), g> = <dx, gradient>."""
    nd = len(weight) - 2
    one, zero = (1,) * nd, (0,) * nd
    plain = (options.get("stride", one), options.get("pad", zero), options.get("dilate", one), options.get("num_group", 1))
    x, w, b = normal(*data), normal(*weight, seed=1), normal(weight[0], seed=2)
    layout = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[nd] if last else None
    give, take = (to_last, to_first) if last else (np.asarray, np.asarray)

    def run(a: Any, k: Any, c: Any) -> Any:
        return convolution.convolution(a, k, c, kernel=weight[2:], num_filter=weight[0], layout=layout, **options)

    y = run(array(give(x)), array(give(w)), array(b)).asnumpy()
    close(take(y), plain_convolution(x, w, *plain) + b.reshape(-1, *one))
    g = normal(*y.shape, seed=3)
    dx, dw, db = gradients(run, give(x), give(w), b, head=g)
    other_x, other_w = normal(*data, seed=4), normal(*weight, seed=5)
    close((take(dx) * other_x).sum(), (plain_convolution(other_x, w, *plain) * take(g)).sum(), 1e-9)
    close((take(dw) * other_w).sum(), (plain_convolution(x, other_w, *plain) * take(g)).sum(), 1e-9)
    close(db, take(g).sum((0, *range(2, g.ndim))))


@pytest.mark.parametrize("deep", [0, 1000], ids=["pixels", "planes"])
@pytest.mark.parametrize("seed", range(12))
def test_depthwise_convolution_of_any_shape(seed: int, deep: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of the data, in many parts and in one: strides, dilations and paddings, also beyond the kernel, several filters."""
    rng = np.random.default_rng(seed)
    for name in ("DEEP", "DEEP_LAST", "DEEP_STRIDED"):
        monkeypatch.setattr(depthwise, name, deep)
    monkeypatch.setattr(depthwise, "PART", int(rng.choice([20, 200, 1 << 18])))
    monkeypatch.setattr(depthwise, "LARGE", int(rng.choice([0, 1 << 19])))
    monkeypatch.setattr(depthwise, "CHANNELS", int(rng.integers(1, 4)))
    any_shape(rng, int(rng.integers(2, 7)), 1, int(rng.integers(1, 3)))


@pytest.mark.parametrize("short", [0, 64], ids=["columns", "rows of columns"])
@pytest.mark.parametrize("seed", range(80))
def test_convolution_of_any_shape(seed: int, short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In many blocks and in one, of samples and of rows."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(convolve, "SHORT", short)
    monkeypatch.setattr(convolve, "ROWS", int(rng.choice([20, 1 << 18])))
    monkeypatch.setattr(windows, "BLOCK", int(rng.choice([100, 1 << 19])))
    monkeypatch.setattr(windows, "LARGE", int(rng.choice([0, 64 << 20])))
    any_shape(rng, int(rng.integers(1, 4)), int(rng.integers(2, 4)), int(rng.integers(1, 6)))


def any_shape(rng: Any, groups: int, channels: int, filters: int) -> None:
    """A convolution with so many channels and filters a group, all else at random, and its gradients, which are linear."""
    nd = int(rng.integers(1, 4))
    kernel, stride, dilate = (tuple(map(int, rng.integers(1, 4, nd))) for _ in range(3))
    pad = tuple(map(int, rng.integers(0, 4, nd)))
    size = tuple(d * (k - 1) + int(n) for d, k, n in zip(dilate, kernel, rng.integers(1, 6, nd), strict=True))
    shape, weight = (int(rng.integers(1, 4)), groups * channels, *size), (groups * filters, channels, *kernel)
    x, w, last = rng.normal(size=shape), rng.normal(size=weight), bool(rng.integers(2))
    layout = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[nd] if last else None
    give, take = (to_last, to_first) if last else (np.asarray, np.asarray)

    def run(a: Any, k: Any) -> Any:
        return convolution.convolution(a, k, stride=stride, pad=pad, dilate=dilate, num_group=groups, layout=layout)

    y = run(array(give(x)), array(give(w))).asnumpy()
    close(take(y), plain_convolution(x, w, stride, pad, dilate, groups))
    g = rng.normal(size=y.shape)
    dx, dw = gradients(run, give(x), give(w), head=g)
    other_x, other_w = rng.normal(size=shape), rng.normal(size=weight)
    close((take(dx) * other_x).sum(), (plain_convolution(other_x, w, stride, pad, dilate, groups) * take(g)).sum(), 1e-9)
    close((take(dw) * other_w).sum(), (plain_convolution(x, other_w, stride, pad, dilate, groups) * take(g)).sum(), 1e-9)


@pytest.mark.parametrize("deep", [0, 1000], ids=["pixels", "planes"])
@pytest.mark.parametrize("place", [(0, 0), (0, 4), (2, 2), (4, 0), (4, 4)])
def test_infinite_data_reaches_the_places_that_read_it(deep: int, place: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row's last element lies before the next row's first one; what no window reads at a place of the kernel does not matter there."""
    monkeypatch.setattr(depthwise, "DEEP", deep)
    x, w, g = normal(2, 3, 5, 5), normal(3, 1, 3, 3, seed=1), normal(2, 3, 3, 3, seed=2)
    x[(0, 1, *place)] = np.inf

    def run(a: Any, k: Any) -> Any:
        return convolution.convolution(a, k, num_group=3)

    expected = np.empty((3, 1, 3, 3))
    for i, j in np.ndindex(3, 3):
        expected[:, 0, i, j] = (x[:, :, i : i + 3, j : j + 3] * g).sum((0, 2, 3))
    close(gradients(run, x, w, head=g)[1], expected)


def test_depthwise_results_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of NumPy: oneDNN adds up a weight's gradient by threads."""
    monkeypatch.setattr(config, "disabled_libraries", frozenset({"oneDNN"}))
    x, w = normal(3, 40, 40, 40, dtype=np.float32), normal(40, 1, 3, 3, seed=1, dtype=np.float32)

    def results() -> list[Data]:
        def run(a: Any, k: Any) -> Any:
            return convolution.convolution(a, k, pad=(1, 1), num_group=40)

        return [run(array(x), array(w)).asnumpy(), *gradients(run, x, w)]

    monkeypatch.setattr(config, "threads", 1)
    alone = results()
    monkeypatch.setattr(config, "threads", 3)
    for a, b in zip(alone, results(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize(("data", "weight", "options"), CONVOLUTIONS)
@pytest.mark.parametrize("rows", [1, 20])
def test_convolution_by_rows(rows: int, data: Any, weight: Any, options: Any, last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few samples, whose rows are cut into pieces, uneven ones too: the same numbers as in one piece, also from a gradient."""
    nd = len(weight) - 2
    x, w = normal(*data), normal(*weight, seed=1)
    layout = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[nd] if last else None
    give = to_last if last else np.asarray

    def run(a: Any, k: Any) -> Any:
        return convolution.convolution(a, k, layout=layout, **options)

    expected = [run(array(give(x)), array(give(w))).asnumpy(), *gradients(run, give(x), give(w))]
    calls: list[int] = []
    by_rows = convolve._forward_by_rows

    def counted(x: Any, w: Any, g: Any, pieces: int, out: Any) -> Any:
        calls.append(pieces)
        return by_rows(x, w, g, pieces, out)

    monkeypatch.setattr(convolve, "_forward_by_rows", counted)
    monkeypatch.setattr(convolve, "ROWS", rows)
    for a, b in zip([run(array(give(x)), array(give(w))).asnumpy(), *gradients(run, give(x), give(w))], expected, strict=True):
        close(a, b)
    is_matrix = max(weight[2:]) == 1 and "stride" not in options
    assert bool(calls) == (weight[1] > 1 and not is_matrix) and all(pieces > 1 for pieces in calls)


def test_convolution_of_many_samples_is_done_in_blocks() -> None:
    """More than one block of columns, and a column matrix too large for the buffers that are kept."""
    x, w = normal(5, 40, 40, 60, dtype=np.float32), normal(3, 40, 3, 3, seed=1, dtype=np.float32)
    y = convolution.convolution(array(x), array(w), pad=(1, 1)).asnumpy()
    for n in range(5):
        close(y[n : n + 1], convolution.convolution(array(x[n : n + 1]), array(w), pad=(1, 1)).asnumpy(), 1e-4)
    again = convolution.convolution(array(x[:1]), array(w), pad=(1, 1)).asnumpy()
    close(again[0, :, :2, :2], plain_convolution(x[:1], w, (1, 1), (1, 1), (1, 1), 1)[0, :, :2, :2], 1e-3)


def test_convolution_dtypes_and_empty_batches() -> None:
    x, w = normal(2, 3, 5, 5), normal(4, 3, 3, 3, seed=1)
    for dtype in (np.float16, np.float32, dtypes.bfloat16):
        y = convolution.convolution(array(x.astype(dtype)), array(w.astype(dtype)))
        assert y.dtype == dtype
        exact = plain_convolution(x.astype(dtype).astype(float), w.astype(dtype).astype(float), (1, 1), (0, 0), (1, 1), 1)
        close(y.astype("float64"), exact, 4e-2 if dtype == dtypes.bfloat16 else 5e-3)
    assert convolution.convolution(array(x[:0]), array(w), array(normal(4))).shape == (0, 4, 3, 3)
    dx, dw = gradients(lambda a, k: convolution.convolution(a, k), x[:0], w)
    assert dx.shape == (0, 3, 5, 5) and not dw.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_group": 2}, "groups divide"),
        ({"num_filter": 5}, "5 filters"),
        ({"kernel": (2, 2)}, "kernel"),
        ({"layout": "NCW"}, "layout NCHW or NHWC"),
        ({"stride": (0, 1)}, "positive strides"),
        ({"stride": (1, 1, 1)}, "stride"),
        ({"dilate": (3, 3)}, "as large as the kernel"),
    ],
)
def test_convolution_refuses(options: Any, message: str) -> None:
    with pytest.raises(HybridnetError, match=r"\[convolution\].*" + message):
        convolution.convolution(array(normal(2, 3, 5, 5)), array(normal(4, 3, 3, 3)), **options)


@pytest.mark.parametrize(
    ("data", "weight", "options", "pad", "out"),
    [
        ((2, 4, 5), (4, 3, 4), {"stride": (2,), "pad": (1,)}, (1,), (10,)),
        ((2, 4, 5, 4), (4, 3, 4, 3), {"stride": (3, 2), "pad": (1, 0), "adj": (2, 1)}, (1, 0), (16, 10)),
        ((2, 4, 3, 4), (4, 2, 3, 3), {"num_group": 2, "dilate": (2, 1)}, (0, 0), (7, 6)),
        ((1, 2, 5, 5), (2, 3, 3, 3), {"pad": (1, 1)}, (1, 1), (5, 5)),
        ((1, 2, 5), (2, 3, 4), {"stride": (2,), "target_shape": (9,)}, (2,), (9,)),
        ((1, 2, 5), (2, 3, 4), {"stride": (2,), "target_shape": (10,), "pad": (3,)}, (1,), (10,)),
    ],
)
def test_deconvolution(data: Any, weight: Any, options: Any, pad: Any, out: Any) -> None:
    nd = len(weight) - 2
    groups = options.get("num_group", 1)
    x, w, b = normal(*data), normal(*weight, seed=1), normal(weight[1] * groups, seed=2)
    expected = plain_deconvolution(x, w, options.get("stride", (1,) * nd), pad, options.get("dilate", (1,) * nd), groups, out)
    close(deconvolution.deconvolution(array(x), array(w), array(b), **options), expected)
    with_bias = deconvolution.deconvolution(array(x), array(w), array(b), no_bias=False, kernel=weight[2:], **options)
    close(with_bias, expected + b.reshape(-1, *[1] * nd))
    layout = {1: "NWC", 2: "NHWC"}[nd]
    close(to_first(deconvolution.deconvolution(array(to_last(x)), array(to_last(w)), layout=layout, **options).asnumpy()), expected)


@pytest.mark.parametrize("options", [{"stride": (2,), "adj": (2,)}, {"target_shape": (9,)}, {"num_filter": 4}, {"kernel": (3,)}])
def test_deconvolution_refuses(options: Any) -> None:
    with pytest.raises(HybridnetError, match=r"\[deconvolution\]"):
        deconvolution.deconvolution(array(normal(1, 2, 5)), array(normal(2, 3, 4)), **options)


# -- pooling --------------------------------------------------------------------------------------


def plain_pooling(x: Data, kernel: Any, stride: Any, pad: Any, kind: str, out: Any, include_pad: bool, p: int = 2) -> Data:
    """Window by window; windows are cut at the data, and for counting at the padding's end."""
    nd = len(kernel)
    y = np.zeros((*x.shape[:2], *out))
    for place in np.ndindex(*out):
        starts = [i * s - q for i, s, q in zip(place, stride, pad, strict=True)]
        window = x[(slice(None), slice(None), *(slice(max(a, 0), max(a + k, 0)) for a, k in zip(starts, kernel, strict=True)))]
        flat = window.reshape(*x.shape[:2], -1)
        ends = [min(a + k, n + q) for a, k, n, q in zip(starts, kernel, x.shape[2:], pad, strict=True)]
        count = math.prod(e - a for e, a in zip(ends, starts, strict=True)) if include_pad else flat.shape[2]
        y[(slice(None), slice(None), *place)] = {
            "max": lambda flat=flat: flat.max(-1),
            "sum": lambda flat=flat: flat.sum(-1),
            "avg": lambda flat=flat, count=count: flat.sum(-1) / count,
            "lp": lambda flat=flat: (abs(flat) ** p).sum(-1) ** (1 / p),
        }[kind]()
        assert nd == len(starts)
    return y


WINDOWS = [
    ((7, 8), (2, 2), (2, 2), (0, 0)),
    ((7, 8), (3, 2), (2, 2), (1, 0)),
    ((7, 8), (3, 3), (1, 2), (1, 1)),
    ((6, 8), (2, 3), (3, 2), (1, 1)),
    ((9,), (3,), (2,), (1,)),
    ((5, 4, 6), (3, 2, 2), (2, 1, 2), (1, 1, 0)),
]


@pytest.mark.parametrize("kind", ["max", "avg", "sum", "lp"])
@pytest.mark.parametrize("convention", ["valid", "full"])
@pytest.mark.parametrize(("size", "kernel", "stride", "pad"), WINDOWS)
def test_pooling(size: Any, kernel: Any, stride: Any, pad: Any, convention: str, kind: str) -> None:
    x = normal(2, 3, *size)
    round_off = math.ceil if convention == "full" else math.floor
    out = tuple(round_off((n + 2 * p - k) / s) + 1 for n, k, s, p in zip(size, kernel, stride, pad, strict=True))
    if any((c - 1) * s - p >= n for c, s, p, n in zip(out, stride, pad, size, strict=True)):
        pytest.skip("a window without data")
    options = {"kernel": kernel, "stride": stride, "pad": pad, "pool_type": kind, "pooling_convention": convention}
    for include_pad in (True, False):
        expected = plain_pooling(x, kernel, stride, pad, kind, out, include_pad)
        close(pooling.pooling(array(x), count_include_pad=include_pad, **options), expected)
        layout = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[len(size)]
        close(to_first(pooling.pooling(array(to_last(x)), count_include_pad=include_pad, layout=layout, **options).asnumpy()), expected)


def test_pooling_same() -> None:
    x = normal(1, 2, 7, 6)
    y = pooling.pooling(array(x), (3, 3), (2, 2), pooling_convention="same")
    close(y, plain_pooling(x, (3, 3), (2, 2), (1, 0), "max", (4, 3), False))
    y = pooling.pooling(array(x), (3, 3), (2, 2), pool_type="avg", pooling_convention="same")
    close(y, plain_pooling(x, (3, 3), (2, 2), (1, 0), "avg", (4, 3), False))


def test_global_pooling() -> None:
    x = normal(2, 3, 4, 5)
    for kind, expected in (("max", x.max((2, 3))), ("avg", x.mean((2, 3))), ("sum", x.sum((2, 3))), ("lp", np.sqrt((x * x).sum((2, 3))))):
        close(pooling.pooling(array(x), pool_type=kind, global_pool=True), expected[:, :, None, None])


def test_windows_without_data_are_the_lowest_number_or_zero() -> None:
    x = normal(1, 1, 7, dtype=np.float32)
    options = {"kernel": (2,), "stride": (3,), "pad": (1,), "pooling_convention": "full"}
    assert pooling.pooling(array(x), **options).asnumpy()[0, 0, 3] == np.finfo(np.float32).min
    assert pooling.pooling(array(x), pool_type="avg", **options).asnumpy()[0, 0, 3] == 0


def test_the_first_maximum_gets_the_gradient() -> None:
    head = np.array([[[1.0, 10.0, 100.0]]])
    (g,) = gradients(lambda a: pooling.pooling(a, (2,), (1,)), np.ones((1, 1, 4)), head=head)
    close(g, [[[1, 10, 100, 0]]])
    (g,) = gradients(lambda a: pooling.pooling(a, (2, 2), (2, 2)), np.zeros((1, 1, 2, 4)), head=np.array([[[[3.0, 4.0]]]]))
    close(g, [[[[3, 0, 4, 0], [0, 0, 0, 0]]]])
    (g,) = gradients(lambda a: pooling.pooling(a, global_pool=True), np.ones((1, 1, 2, 2)))
    close(g, [[[[1, 0], [0, 0]]]])


def test_lp_pooling_of_zeros_has_no_gradient() -> None:
    (g,) = gradients(lambda a: pooling.pooling(a, (2,), (2,), pool_type="lp"), np.array([[[0.0, 0.0, 3.0, 4.0]]]))
    close(g, [[[0, 0, 0.6, 0.8]]])


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": (2, 2), "pad": (2, 0)},
        {"kernel": (9, 2)},
        {},
        {"kernel": (2, 2), "pool_type": "min"},
        {"kernel": (2, 2), "pooling_convention": "same", "pad": (1, 1)},
        {"kernel": (2, 2, 2)},
    ],
)
def test_pooling_refuses(options: Any) -> None:
    with pytest.raises(HybridnetError, match=r"\[pooling\]"):
        pooling.pooling(array(normal(1, 2, 5, 5)), **options)
