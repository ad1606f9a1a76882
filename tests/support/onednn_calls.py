"""What the tests of oneDNN share: when they run, what runs without it, how near is near, a network and a call."""

import os
from typing import Any
from unittest import mock

import numpy as np
import pytest

from hybridnet.config import config
from hybridnet.device import onednn
from hybridnet.gluon import nn

#: In CI the extra ``cpu`` is installed; elsewhere, and beside the oldest NumPy, it may be missing.
needed = pytest.mark.skipif(onednn.library() is None and "CI" not in os.environ, reason="oneDNN is not installed (the extra cpu)")


def without() -> Any:
    return mock.patch.object(config, "disabled_libraries", frozenset({onednn.NAME}))


def near(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(b).max(initial=0))))


def network() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, in_channels=3), nn.BatchNorm(in_channels=16), nn.Activation("relu"), nn.Conv2D(8, 3, in_channels=16))
    net.initialize()
    net.hybridize()
    return net


IMAGES = np.random.default_rng(0).normal(size=(2, 3, 12, 12)).astype("float32")


def large() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 32, 32, 32)).astype("float32"), rng.normal(size=(32, 32, 3, 3)).astype("float32")
    shape = (2, 32, 30, 30)
    call = onednn.plan(onednn.Convolution("result", x.shape, w.shape, shape, (1, 1), (0, 0), (1, 1), 1, False))
    assert call is not None
    return call, (x, w), np.empty(shape, "float32")


def has_avx512() -> bool:
    """Whether oneDNN runs kernels of AVX-512 here: it has softmax's gradient, and products that gain from packing, for no others."""
    return "avx512" in large()[0].name
