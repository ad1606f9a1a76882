"""Softmax and layer norm of rows, and recurrent layers, by oneDNN: with gradients what NumPy gives, imperatively and compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.onednn_calls import has_avx512, near, needed, without

import hybridnet as hn
from hybridnet import autograd, dtypes
from hybridnet.core import Spec
from hybridnet.device import onednn
from hybridnet.gluon import nn, rnn
from hybridnet.ops.linalg import matmul_host


def with_gradients(work: Callable[..., Any], arrays: list[Any], compiled: bool) -> list[Any]:
    """Of pointwise work around a function: its result, and the gradients of all arrays."""
    given = [hn.np.array(x) for x in arrays]
    for x in given:
        x.attach_grad()

    def whole(x: Any, *more: Any) -> Any:
        y = work(x * 2 + 1, *more)
        return y * y

    with autograd.record():
        y = (hn.jit(whole) if compiled else whole)(*given)
    y.backward(hn.np.array(np.linspace(0, 1, y.size, dtype="float32").reshape(y.shape)))
    return [y.asnumpy(), *(x.grad.asnumpy() for x in given)]


def same_without(work: Callable[..., Any], arrays: list[Any]) -> None:
    with without():
        expected = with_gradients(work, arrays, compiled=False)
    for compiled in (False, True):
        for found, right in zip(with_gradients(work, arrays, compiled), expected, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(right).max())))


def random_rows(rng: np.random.Generator) -> Any:
    shape = (*rng.integers(1, 6, rng.integers(0, 4)), rng.choice([1, 2, 7, 16, 40, 300]))
    return rng.standard_normal(tuple(map(int, shape))).astype("float32")


@needed
@pytest.mark.parametrize("seed", range(12))
def test_random_softmaxes_with_the_library_and_without(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = random_rows(rng)
    axis = int(rng.integers(-x.ndim, 0)) if seed % 3 == 0 else -1
    same_without(lambda x: hn.npx.softmax(x, axis=axis), [x * 10 ** rng.uniform(-2, 2)])


@needed
@pytest.mark.parametrize("seed", range(12))
def test_random_layer_norms_with_the_library_and_without(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = random_rows(rng)
    axis = int(rng.integers(-x.ndim, 0)) if seed % 3 == 0 else -1
    gamma, beta = (rng.uniform(0.5, 2, x.shape[axis]).astype("float32") for _ in "gb")
    same_without(lambda x, gamma, beta: hn.npx.layer_norm(x, gamma, beta, axis=axis, eps=1e-2), [x, gamma, beta])


@needed
def test_what_is_masked_by_minus_infinity_and_what_is_no_number() -> None:
    """A row with -inf has 0 there; with -inf alone, or with NaN or +inf in it, wherever it stands, NaN."""
    rng = np.random.default_rng(0)
    for n in (1, 3, 16, 17, 100):
        call = onednn.plan(onednn.Softmax(False, (4 * n, n)))
        assert call is not None
        x = rng.standard_normal((4 * n, n)).astype("float32")
        x[np.arange(n), np.arange(n)] = np.nan
        x[n + np.arange(n), np.arange(n)] = np.inf
        x[2 * n + np.arange(n), np.arange(n)] = -np.inf
        x[3 * n] = -np.inf
        out = np.zeros_like(x)
        call(x, out)
        assert np.isnan(out[: 2 * n]).any(axis=1).all() and np.isnan(out[3 * n]).all()
        assert (np.isnan(out[2 * n :]).sum() == n * (1 + (n == 1))) and np.isfinite(out[3 * n + 1 :]).all()
        assert n == 1 or (out[2 * n + np.arange(n), np.arange(n)] == 0).all()


@needed
def test_a_transformers_norms_and_weights_are_the_librarys() -> None:
    """Those of a program, forward and backward; what is differentiated twice is written in its parts."""
    net = nn.HybridSequential()
    net.add(nn.LayerNorm(in_channels=8), nn.HybridLambda(lambda F, x: F.softmax(x)))
    net.initialize()
    net.hybridize()
    x = hn.np.array(np.random.default_rng(1).normal(size=(3, 8)).astype("float32"))
    x.attach_grad()
    with autograd.record():
        told = net.explain(x)
        steps = {s.operator for s in net.profile(x, train=True).steps if "library_" in s.name}
    assert "softmax by oneDNN jit" in told and "layer_norm by oneDNN jit" in told
    assert steps == {"layer_norm", "softmax", "layer_norm_grad"} | ({"softmax_grad"} if has_avx512() else set())

    def twice() -> Any:
        with autograd.record():
            y = hn.npx.softmax(x)
            (slope,) = autograd.grad((y**3).sum(), [x], create_graph=True)
            z = (slope * slope).sum()
        z.backward()
        return x.grad.asnumpy()

    found = twice()
    with without():
        near(found, twice())


@needed
@pytest.mark.parametrize("layer", [rnn.LSTM, rnn.GRU, rnn.RNN])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers_with_the_library_and_without(layer: Any, bidirectional: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their products are the library's by weights that are packed for each sequence anew."""
    monkeypatch.setattr(matmul_host, "LEAST", 0)
    monkeypatch.setattr(matmul_host, "BEHIND_BLAS", ())  # whichever kernel it has
    net = layer(6, num_layers=2, input_size=5, bidirectional=bidirectional)
    net.initialize(hn.init.Normal(0.4))
    net.hybridize()
    x = hn.np.array(np.random.default_rng(2).normal(size=(4, 3, 5)).astype("float32"))
    x.attach_grad()
    parameters = net.collect_params().values()

    def results() -> list[Any]:
        with autograd.record():
            y = net(x)
            loss = (y * y).sum()
        loss.backward()
        return [y.asnumpy(), x.grad.asnumpy(), *(p.grad().asnumpy() for p in parameters)]

    for _ in range(2):
        found = results()
        with without():
            for a, b in zip(found, results(), strict=True):
                near(a, b)
        for p in parameters:
            p.set_data(p.data() * 0.5)


@needed
def test_weights_of_products_are_packed_once_in_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_host, "BEHIND_BLAS", ())  # whichever kernel it has
    net = nn.Dense(256, in_units=512, activation="relu")
    net.initialize(hn.init.Normal(0.4))
    x = hn.np.array(np.random.default_rng(4).normal(size=(64, 512)).astype("float32"))
    expected = net(x).asnumpy()
    net.hybridize()
    near(net(x).asnumpy(), expected)
    once, always = net.program(x).split("# at each call")
    assert "packed(x1" in once and "packed(" not in always and "library_matmul_bias" in always
    net.weight.set_data(net.weight.data() * 2)
    doubled = net(x).asnumpy()
    net.hybridize(False)
    near(doubled, net(x).asnumpy())


@needed
def test_a_product_of_the_librarys_general_kernel_is_left_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever kernel this processor has, the rule is what decides; batches of matrices are not part of it."""
    two, many = Spec((256, 256), dtypes.float32), Spec((2, 256, 256), dtypes.float32)
    for kernel, is_taken in (("gemm:jit:f32", False), ("brg_matmul:avx512_core", True)):
        monkeypatch.setattr(onednn.Call, "kernel", kernel)
        assert (matmul_host.matmul((two, two), (two,), transpose_a=True) is not None) == is_taken
        assert matmul_host.matmul((many, many), (many,)) is not None
