"""What oneDNN computes: every output of every call is NumPy's, for arrays that lie in whatever way, and in random layers with gradients."""

from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.onednn_calls import IMAGES, has_avx512, large, near, needed, network, without
from support.samples import as_arrays, cases

import hybridnet as hn
from hybridnet import autograd
from hybridnet.config import config
from hybridnet.core import OPS, Kind, Op, Sample, Spec
from hybridnet.core.cpu_rules import has_library, host_call
from hybridnet.device import loops, onednn
from hybridnet.device.onednn.team import team
from hybridnet.device.recurrent import calls as recurrent
from hybridnet.gluon import nn
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Node, Value, infer_node
from hybridnet.ops.linalg import matmul_host
from hybridnet.ops.nn.batch_norm import batch_norm
from hybridnet.ops.nn.convolution import convolution
from hybridnet.ops.nn.pooling import pooling
from hybridnet.ops.nn.recurrence import SEQUENCE, SEQUENCE_GRAD

#: By oneDNN, recurrences by numba. The other library calls of a CPU are those of MPI (tests/ops/test_collective.py).
BY_LIBRARY = {op for op in OPS.values() if has_library(op) and op.kind is not Kind.COMMUNICATION}
SAMPLES = cases(lambda op, s: s.error is None and op in BY_LIBRARY)


def strided(x: Any) -> Any:
    """The same numbers with gaps, and every axis in the other direction in memory."""
    wide = np.zeros((*x.shape[::-1], 2), x.dtype)[..., 0].T
    wide[...] = x
    return wide


@pytest.fixture(autouse=True)
def small_products_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_host, "LEAST", 0)
    monkeypatch.setattr(matmul_host, "BEHIND_BLAS", ())  # whichever kernel it has
    monkeypatch.setattr(recurrent, "LEAST", 0)
    monkeypatch.setattr(recurrent, "PACKED", 0)


@needed
@pytest.mark.parametrize("lay", [np.ascontiguousarray, strided], ids=["dense", "strided"])
@pytest.mark.parametrize(("op", "sample"), SAMPLES)
def test_each_call_gives_what_numpy_gives(op: Op, sample: Sample, lay: Any) -> None:
    data = [x.asnumpy().astype("float32") for x in as_arrays(sample.inputs)]
    inputs = tuple(Spec(x.shape, x.dtype) for x in data)
    expected = by_numpy(op, data, sample.attrs)
    call = host_call(op, inputs, tuple(Spec(y.shape, y.dtype) for y in expected), sample.attrs)
    if call is None:
        pytest.skip("NumPy computes this one")

    def unwritten() -> list[Any]:
        return [np.full_like(y, np.nan) for y in expected]

    def check(outs: list[Any]) -> None:
        for out, right in zip(outs, expected, strict=True):
            near(out, right)

    for scratch in (None, np.full(call.workspace, 255, np.uint8)):
        outs = list(map(lay, unwritten()))
        call(*map(lay, data), *outs, scratch=scratch)
        check(outs)
    outs = unwritten()
    given = [*map(lay, data), *outs]
    for bound in (given, [None] * len(given), [given[0], *[None] * (len(given) - 1)]):  # bound to all, none, one
        for out in outs:
            out[...] = np.nan
        with team:
            call.bind(bound, np.full(call.workspace, 255, np.uint8))(*[x for x, b in zip(given, bound, strict=True) if b is None])
        check(outs)
    for i in range(len(data)):
        if (way := call.packing(i)) is not None:
            packing, packed_call = way
            packed = np.full(packing.size, 255, np.uint8)
            packing(lay(data[i]), packed)
            outs = unwritten()
            packed_call(*[packed if k == i else lay(x) for k, x in enumerate(data)], *outs)
            check(outs)


def by_numpy(op: Op, data: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    """What NumPy computes, of composites in their parts."""
    inputs = [Value(x.shape, x.dtype, hn.cpu()) for x in data]
    with without():
        return run_node(Node(op, inputs, attrs, infer_node(op, inputs, attrs), hn.cpu()), data)


NAN = np.array([np.nan, np.inf, -0.0, 1.0, -1.0], "float32")


@needed
@pytest.mark.parametrize("added", [False, True])
def test_a_relu_behind_a_convolution_gives_nan_for_nan_and_no_negative_zero(added: bool) -> None:
    x, w = np.ones((1, 2, 2, 5), "float32"), np.eye(5, dtype="float32").reshape(5, 1, 1, 5)
    activation = onednn.Activation("relu")
    shape = (1, 2, 2, 5)
    attrs = {"bias": True, "added": added, "activation": activation}
    call = onednn.plan(onednn.Convolution("result", x.shape, w.shape, shape, (1, 1), (0, 0), (1, 1), 1, True, **attrs))
    assert call is not None
    out = np.empty(shape, "float32")
    call(x, w, NAN - 1, *[np.full(shape, -1, "float32")] * added, out)
    expected = np.maximum(NAN - added, 0)
    np.testing.assert_array_equal(out[0, 0, 0], expected)
    assert not np.signbit(out[~np.isnan(out)]).any()


@needed
def test_a_clip_goes_along_under_fast_math_alone() -> None:
    w = hn.np.array(np.random.default_rng(2).normal(size=(8, 3, 3, 3)).astype("float32"))
    x = hn.np.array(IMAGES)

    def clipped(x: Any) -> Any:
        return hn.np.clip(convolution(x, w), 0, 6)

    expected = clipped(x).asnumpy()
    for fast in (False, True):
        with mock.patch.object(config, "fast_math", fast):
            jitted = hn.jit(clipped)
            assert ("convolution_joined" in jitted.explain(x)) == fast
            near(jitted(x).asnumpy(), expected)


def backwards(x: Any) -> Any:
    return x[::-1, ..., ::-1].copy()[::-1, ..., ::-1]


def spread(x: Any) -> Any:
    return np.broadcast_to(x[:1], x.shape)


def odd(x: Any) -> Any:
    """With strides that are no multiples of an element's size."""
    records = np.zeros(x.shape, np.dtype([("mark", "u1"), ("number", "f4")]))
    records["number"] = x
    return records["number"]


def overlapping(x: Any) -> Any:
    return np.lib.stride_tricks.as_strided(x, x.shape, (*x.strides[:-2], x.itemsize, x.itemsize))


@needed
@pytest.mark.parametrize("lay", [backwards, spread, odd, overlapping])
def test_strides_that_the_library_does_not_take(lay: Any) -> None:
    (call, (x, w), out), (op,) = large(), [op for op in OPS.values() if op.name == "convolution"]
    assert op.compute is not None
    x, w = lay(x), lay(w)
    expected = op.compute(np, x, w, stride=(1, 1), pad=(0, 0), dilate=(1, 1), groups=1, last=False)
    results = [out, *([lay(out)] if lay in (backwards, odd) else [])]
    for y in results:
        call(x, w, y)
        near(y, expected)


@needed
def test_every_operator_with_a_library_has_samples_that_it_computes() -> None:
    used = set()
    for case in SAMPLES:
        op, sample = case.values
        data = [x.asnumpy().astype("float32") for x in as_arrays(sample.inputs)]
        inputs = tuple(Spec(x.shape, x.dtype) for x in data)
        result = op.infer(*inputs, **sample.attrs)
        if host_call(op, inputs, (result,) if isinstance(result, Spec) else result, sample.attrs) is not None:
            used.add(op)
    lacking = (set() if has_avx512() else {OPS["softmax_grad"]}) | (set() if loops.available() else {SEQUENCE, SEQUENCE_GRAD})
    assert used == BY_LIBRARY - lacking


def random_case(rng: np.random.Generator) -> tuple[Any, Any, dict[str, Any]]:
    """Data, a weight and arguments of a convolution."""
    nd = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 4]))
    channels, filters = groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 5))
    if rng.random() < 0.3:
        channels = filters = groups = int(rng.integers(2, 20))
    kernel, dilate = rng.integers(1, 4, nd), rng.integers(1, 3, nd)
    pad, stride = rng.integers(0, 3, nd), rng.integers(1, 4, nd)
    size = (kernel - 1) * dilate + 1 + rng.integers(0, 9, nd)
    last = bool(rng.random() < 0.5)
    batch = int(rng.integers(1, 4))
    x, w = (batch, channels, *size), (filters, channels // groups, *kernel)
    if last:
        x, w = (batch, *size, channels), (filters, *kernel, channels // groups)
    layout = (["NWC", "NHWC", "NDHWC"] if last else ["NCW", "NCHW", "NCDHW"])[nd - 1]
    attrs = {"stride": tuple(map(int, stride)), "pad": tuple(map(int, pad)), "dilate": tuple(map(int, dilate))}
    arrays = [rng.standard_normal(tuple(map(int, s))).astype("float32") for s in (x, w)]
    return *arrays, {**attrs, "num_group": groups, "layout": layout}


def with_gradients(x: Any, w: Any, arguments: dict[str, Any], compiled: bool) -> list[Any]:
    """The convolution of a sum of pointwise work, its result and both gradients."""
    x, w = hn.np.array(x), hn.np.array(w)
    x.attach_grad()
    w.attach_grad()

    def work(x: Any, w: Any) -> Any:
        y = convolution(x * 2, w, **arguments)
        return y * y

    with autograd.record():
        y = (hn.jit(work) if compiled else work)(x, w)
    y.backward()
    return [y.asnumpy(), x.grad.asnumpy(), w.grad.asnumpy()]


@needed
@pytest.mark.parametrize("seed", range(25))
def test_random_convolutions_with_the_library_and_without(seed: int) -> None:
    case = random_case(np.random.default_rng(seed))
    with without():
        expected = with_gradients(*case, compiled=False)
    for compiled in (False, True):
        for found, right in zip(with_gradients(*case, compiled), expected, strict=True):
            near(found, right)


@needed
@pytest.mark.parametrize(
    "shape", [(3, 3, 3, 3), (8, 3, 3, 3), (3, 5, 3, 3), (3, 3, 5, 3), (3, 3, 3, 5), (4, 6, 1, 1), (1, 4, 3, 3), (4, 1, 1, 3)]
)
def test_weights_gradients_lie_where_they_are_delivered(shape: tuple[int, ...]) -> None:
    """They are computed right there, with their axes in another order, though shapes may be the same in both."""
    filters, channels, *kernel = shape
    x = hn.np.array(np.random.default_rng(1).normal(size=(2, channels, 9, 9)).astype("float32"))

    def gradient() -> Any:
        net = nn.HybridSequential()
        net.add(nn.Conv2D(channels, 1, in_channels=channels), nn.Conv2D(filters, kernel, in_channels=channels, use_bias=False))
        net.initialize(hn.init.One())
        net.hybridize()
        with autograd.record():
            loss = (net(x) ** 2 * net(x)).sum()
        loss.backward()
        return [p.grad().asnumpy() for p in net.collect_params().values()]

    with without():
        expected = gradient()
    for found, right in zip(gradient(), expected, strict=True):
        near(found, right)


def normalized(shape: tuple[int, ...], axis: int, fix_gamma: bool, seed: int) -> list[Any]:
    """A batch norm in training between pointwise work, compiled: its result, all gradients and the running statistics."""
    rng, n = np.random.default_rng(seed), shape[axis]
    x, gamma, beta, mean, var = (
        hn.np.array(v.astype("float32")) for v in (rng.normal(size=shape) + 1, *(rng.uniform(0.5, 2, n) for _ in range(4)))
    )
    for v in (x, gamma, beta):
        v.attach_grad()

    def work(x: Any, gamma: Any, beta: Any) -> Any:
        return hn.npx.relu(batch_norm(x * 3, gamma, beta, mean, var, fix_gamma=fix_gamma, axis=axis)) ** 2

    with autograd.record():
        y = hn.jit(work)(x, gamma, beta)
    y.backward()
    return [v.asnumpy() for v in (y, x.grad, gamma.grad, beta.grad, mean, var)]


@needed
@pytest.mark.parametrize("seed", range(12))
def test_random_batch_norms_with_the_library_and_without(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(map(int, (rng.integers(2, 5), rng.choice([1, 3, 16, 32]), *rng.integers(2, 7, rng.integers(0, 4)))))
    axis = int(rng.choice([1, len(shape) - 1]))
    found = normalized(shape, axis, bool(seed % 2), seed)
    with without():
        expected = normalized(shape, axis, bool(seed % 2), seed)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(b).max())))


@needed
def test_batch_norm_in_training_is_the_librarys_with_channels_last() -> None:
    """It stands between convolutions without a transpose; a NaN makes all of its channel NaN."""
    net, x = network(), hn.np.array(IMAGES)
    with autograd.record():
        told = net.explain(x)
        text = net.program(x)
        y = net(x)
    y.backward()
    assert "batch_norm_forward by oneDNN bnorm_jit" in told and "swapaxes" not in text
    shape = (2, 4, 4, 16)
    call = onednn.plan(onednn.BatchNorm(False, shape, 3, 1e-3, True))
    assert call is not None
    data, out = np.ones(shape, "float32"), np.zeros(shape, "float32")
    data[1, 2, 3, 5] = np.nan
    call(data, np.ones(16, "float32"), np.zeros(16, "float32"), out, *[np.zeros((1, 1, 1, 16), "float32") for _ in "mv"])
    assert np.isnan(out[..., 5]).all() and np.isnan(out).sum() == 32


def pooled(x: Any, arguments: dict[str, Any], compiled: bool) -> list[Any]:
    """The maximum of windows of pointwise work, and the gradient."""
    x = hn.np.array(x)
    x.attach_grad()

    def work(x: Any) -> Any:
        return pooling(x * 2, pool_type="max", **arguments)

    with autograd.record():
        y = (hn.jit(work) if compiled else work)(x)
    y.backward(hn.np.arange(y.size, dtype="float32").reshape(y.shape))
    return [y.asnumpy(), x.grad.asnumpy()]


@needed
@pytest.mark.parametrize("seed", range(20))
def test_random_gradients_of_maxima_with_the_library_and_without(seed: int) -> None:
    """Small integers, so that many maxima are equal: the gradient goes to the first of them."""
    rng = np.random.default_rng(seed)
    nd = int(rng.integers(1, 4))
    kernel = rng.integers(1, 4, nd)
    pad, stride = rng.integers(0, (kernel + 1) // 2, nd), rng.integers(1, 4, nd)
    size, channels, last = kernel + rng.integers(0, 9, nd), int(rng.choice([1, 3, 16, 32])), bool(rng.random() < 0.5)
    shape = (2, *size, channels) if last else (2, channels, *size)
    layout = (["NWC", "NHWC", "NDHWC"] if last else ["NCW", "NCHW", "NCDHW"])[nd - 1]
    attrs = {name: tuple(map(int, v)) for name, v in (("kernel", kernel), ("stride", stride), ("pad", pad))}
    arguments = {**attrs, "layout": layout, "pooling_convention": ["valid", "full"][seed % 2]}
    x = rng.integers(-2, 3, tuple(map(int, shape))).astype("float32")
    with without():
        expected = pooled(x, arguments, compiled=False)
    for compiled in (False, True):
        for found, right in zip(pooled(x, arguments, compiled), expected, strict=True):
            np.testing.assert_array_equal(found, right)


@needed
def test_a_step_updates_convolutions_and_all_else_as_one_array() -> None:
    """Also those whose gradients the library computes with axes in another order, right where they are to lie."""

    def trained() -> tuple[list[Any], tuple[tuple[int, ...], ...]]:
        hn.random.seed(3)
        net = nn.HybridSequential()
        net.add(
            nn.Conv2D(8, 3, in_channels=4, use_bias=False),  # a bias there has no gradient but noise
            nn.BatchNorm(in_channels=8),
            nn.Conv2D(6, (3, 2), in_channels=8),
            nn.Dense(3, in_units=6 * 4 * 5),
        )
        net.initialize(hn.init.Xavier())
        trainer = hn.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
        x = hn.np.array(np.random.default_rng(1).normal(size=(3, 4, 8, 8)).astype("float32"))

        def step(x: Any) -> Any:
            with autograd.record():
                loss = (net(x) ** 2).sum()
            loss.backward()
            trainer.step(3)
            return loss

        compiled = hn.jit(step)
        for _ in range(4):
            compiled(x)
        ((program,),) = (c.programs for c in compiled.cache.values())
        parameters = net.collect_params().values()
        values = [p.data().asnumpy() for p in parameters] + [p.grad().asnumpy() for p in parameters if p.grad_req != "null"]
        return values, program.source.flats

    found, flats = trained()
    with without():
        expected, _ = trained()
    assert len(flats) == 4  # weights, gradients and both moments
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
