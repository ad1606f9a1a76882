"""What the tests of the neural network operators share."""

import itertools
from typing import Any

import numpy as np

from hybridnet import autograd
from hybridnet.core import NDArray, array

Data = np.ndarray[Any, Any]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Data:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def close(actual: Any, expected: Any, tolerance: float = 1e-10) -> None:
    found = actual.asnumpy() if isinstance(actual, NDArray) else actual
    np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(expected, np.float64), rtol=tolerance, atol=tolerance)


def gradients(function: Any, *inputs: Data, head: Data | None = None) -> list[Data]:
    """The gradients of ``function`` with respect to its inputs."""
    arrays = [array(x) for x in inputs]
    for x in arrays:
        x.attach_grad()
    with autograd.record():
        y = function(*arrays)
    y.backward(None if head is None else array(head))
    return [x.grad.asnumpy() for x in arrays]


def plain_deconvolution(x: Data, w: Data, stride: Any, pad: Any, dilate: Any, groups: int, out: Any) -> Data:
    """Each input element adds its weighted kernel to the output."""
    nd = w.ndim - 2
    filters = w.shape[1]
    depth = x.shape[1] // groups
    full = [max((x.shape[2 + i] - 1) * stride[i] + dilate[i] * (w.shape[2 + i] - 1) + 1, out[i] + 2 * pad[i]) for i in range(nd)]
    y = np.zeros((x.shape[0], filters * groups, *full))
    for c in range(x.shape[1]):
        first = c // depth * filters
        for place, k in itertools.product(np.ndindex(*x.shape[2:]), np.ndindex(*w.shape[2:])):
            at = tuple(p * s + d * i for p, s, d, i in zip(place, stride, dilate, k, strict=True))
            y[(slice(None), slice(first, first + filters), *at)] += x[(slice(None), c, *place)][:, None] * w[(c, slice(None), *k)]
    return y[(slice(None), slice(None), *(slice(p, p + n) for p, n in zip(pad, out, strict=True)))]
