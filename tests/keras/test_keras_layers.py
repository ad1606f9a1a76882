"""Keras's layers against NumPy, channels last."""

from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet.gluon import nn
from hybridnet.keras import initializers
from hybridnet.keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling2D,
    LayerNormalization,
    MaxPooling2D,
)
from hybridnet.keras.models import Sequential


def images(n: int = 2, size: tuple[int, int] = (7, 6), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, *size, channels)).astype(np.float32)


# -- layers against NumPy --------------------------------------------------------------------------


def output(layer: Any, x: np.ndarray) -> np.ndarray:
    return Sequential([layer]).predict(x, verbose=0)


def padded(x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], padding: str, fill: float) -> np.ndarray:
    if padding == "valid":
        return x
    widths = [(0, 0)]
    for n, k, s in zip(x.shape[1:3], kernel, stride, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(x, [*widths, (0, 0)], constant_values=fill)


def windows(x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int]) -> np.ndarray:
    """(n, height, width, channels, *kernel)"""
    found = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return found[:, :: stride[0], :: stride[1]]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), (1, 1)), ((3, 2), (2, 2)), ((2, 4), (2, 3)), ((1, 1), (2, 2))])
class TestWindows:
    def test_conv2d(self, padding: str, kernel: Any, stride: Any) -> None:
        x = images()
        layer = Conv2D(4, kernel, strides=stride, padding=padding, activation="relu", bias_initializer="ones")
        y = output(layer, x)
        weight, bias = layer.get_weights()
        assert weight.shape == (*kernel, 3, 4)
        expected = np.einsum("nhwcij,ijco->nhwo", windows(padded(x, kernel, stride, padding, 0), kernel, stride), weight) + bias
        np.testing.assert_allclose(y, np.maximum(expected, 0), rtol=1e-4, atol=1e-5)
        if padding == "same":
            assert y.shape[1:3] == tuple(-(-n // s) for n, s in zip(x.shape[1:3], stride, strict=True))

    def test_max_pooling(self, padding: str, kernel: Any, stride: Any) -> None:
        x = images()
        expected = windows(padded(x, kernel, stride, padding, -np.inf), kernel, stride).max((-2, -1))
        np.testing.assert_allclose(output(MaxPooling2D(kernel, stride, padding), x), expected)

    def test_average_pooling(self, padding: str, kernel: Any, stride: Any) -> None:
        x = images()
        expected = np.nanmean(windows(padded(x, kernel, stride, padding, np.nan), kernel, stride), axis=(-2, -1))
        np.testing.assert_allclose(output(AveragePooling2D(kernel, stride, padding), x), expected, rtol=1e-5, atol=1e-6)


def test_dilated_convolution_keeps_the_size() -> None:
    assert output(Conv2D(2, 3, padding="same", dilation_rate=2), images()).shape == (2, 7, 6, 2)


def test_other_layers() -> None:
    x = images()
    np.testing.assert_allclose(output(GlobalAveragePooling2D(), x), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output(Flatten(), x), x.reshape(2, -1))
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    np.testing.assert_allclose(output(LayerNormalization(), x), (x - mean) / np.sqrt(var + 1e-3), rtol=1e-3, atol=1e-4)
    layer = Dense(4)
    np.testing.assert_allclose(output(layer, x), x @ layer.get_weights()[0], rtol=1e-4, atol=1e-5)  # over the last axis
    table = Embedding(5, 3)
    words = np.array([[0, 4], [2, 2]])
    y = output(table, words)
    np.testing.assert_array_equal(y, table.get_weights()[0][words])
    assert np.abs(y).max() <= 0.05


def test_batch_normalization_is_over_the_channels() -> None:
    x = images(20) * 3 + 1
    model = Sequential([BatchNormalization(input_shape=x.shape[1:], momentum=0.0)])
    assert [w.shape for w in model.get_weights()] == [(3,)] * 4
    model.compile("sgd", "mse", optimizer_params={"learning_rate": 0.0})
    model.fit(x, x, batch_size=20, verbose=0)
    gamma, beta, mean, var = model.get_weights()
    assert (gamma == 1).all()
    assert (beta == 0).all()
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(var, x.var((0, 1, 2)), rtol=1e-4)
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-3), rtol=1e-3, atol=1e-4)
    assert len(Sequential([BatchNormalization(scale=False, input_shape=(4,))]).get_weights()) == 3


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("linear", lambda x: x),
        (None, lambda x: x),
        ("relu", lambda x: np.maximum(x, 0)),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", np.tanh),
        ("softplus", lambda x: np.log1p(np.exp(x))),
        ("softsign", lambda x: x / (1 + np.abs(x))),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("swish", lambda x: x / (1 + np.exp(-x))),
        ("exponential", np.exp),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x)),
        ("relu6", lambda x: np.clip(x, 0, 6)),
        ("hard_sigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1)),
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        (lambda x: x * 2, lambda x: x * 2),
        (nn.LeakyReLU(0.5), lambda x: np.where(x > 0, x, 0.5 * x)),
    ],
)
def test_activations(name: Any, f: Any) -> None:
    x = np.linspace(-4, 8, 10, dtype=np.float32).reshape(2, 5)
    np.testing.assert_allclose(output(Activation(name), x), f(x), rtol=1e-5, atol=1e-6)
    identity = Dense(5, activation=name, kernel_initializer=initializers.Constant(0.0), bias_initializer=initializers.Constant(1.0))
    np.testing.assert_allclose(output(identity, x), f(np.ones_like(x)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"])
def test_initializers_have_the_variance_that_they_are_named_for(kind: str) -> None:
    dense = Dense(300, kernel_initializer=kind, input_dim=200)
    conv = Conv2D(60, (3, 5), kernel_initializer=kind, input_shape=(8, 8, 40))
    for layer, fan_in, fan_out in ((dense, 200, 300), (conv, 15 * 40, 15 * 60)):
        weight = Sequential([layer]).get_weights()[0]
        variance = {"g": 2 / (fan_in + fan_out), "h": 2 / fan_in, "l": 1 / fan_in}[kind[0]]
        assert weight.var() == pytest.approx(variance, rel=0.05)
        limit = np.sqrt(3) if "uniform" in kind else 2 / 0.8796
        assert np.abs(weight).max() <= np.sqrt(variance) * limit * 1.001


def test_initializers_by_other_names_and_objects() -> None:
    def first(kind: Any) -> np.ndarray:
        return Sequential([Dense(100, kernel_initializer=kind, input_dim=100)]).get_weights()[0]

    assert (first("zeros") == 0).all()
    assert (first("ones") == 1).all()
    assert (first(initializers.Constant(3.0)) == 3).all()
    assert first("random_normal").std() == pytest.approx(0.05, rel=0.05)
    assert np.abs(first("truncated_normal")).max() <= 0.1
    assert np.abs(first(initializers.RandomUniform(-0.2, 0.2))).max() == pytest.approx(0.2, rel=0.01)
    w = first("orthogonal")
    np.testing.assert_allclose(w @ w.T, np.eye(100), atol=1e-4)
    assert first(hn.init.Normal(0.5)).std() == pytest.approx(0.5, rel=0.05)
