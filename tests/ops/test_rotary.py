"""Rotary embedding: values, types and gradients of the turn of pairs, and what a GPU launches for it."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.samples import as_array, wide

from hybridnet import autograd, dtypes
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.device import Device
from hybridnet.lowering.fuse import FUSED
from hybridnet.ops.nn.rotary import rotary_embedding

Data = np.ndarray[Any, Any]
BASE = 50.0


def filled(*shape: int, seed: int = 0) -> Data:
    return np.random.default_rng(seed).normal(size=shape)


def turned(x: Data, positions: Data, interleaved: bool, back: bool = False) -> Data:
    """By complex numbers, in float64."""
    half = x.shape[-1] // 2
    angles = positions.reshape(*positions.shape, 1, 1) * BASE ** (-2 * np.arange(half) / x.shape[-1])
    first, second = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    z = (first + 1j * second) * np.exp((-1j if back else 1j) * angles)
    return np.stack([z.real, z.imag], -1).reshape(x.shape) if interleaved else np.concatenate([z.real, z.imag], -1)


def step_of(interleaved: bool) -> Any:
    """A function of data, positions and the result's gradient: the result and the data's gradient."""

    def step(x: Any, positions: Any, g: Any) -> Any:
        x.attach_grad()
        with autograd.record():
            y = rotary_embedding(x, positions, BASE, interleaved)
        return y, *autograd.grad(y, [x], head_grads=[g])

    return step


@pytest.mark.parametrize("compiled", [False, True], ids=["imperative", "compiled"])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
def test_values_and_gradients(dtype: Any, interleaved: bool, compiled: bool) -> None:
    """A turn of data and the turn back of the gradient; 16-bit numbers are rounded once."""
    positions = np.array([[0, 1, 2], [5, 1000, 3]])
    x, g = (filled(2, 3, 4, 6, seed=i).astype(dtype) for i in range(2))
    function = jit(step_of(interleaved)) if compiled else step_of(interleaved)
    found = function(as_array(x), as_array(positions), as_array(g))
    expected = turned(wide(x), positions, interleaved), turned(wide(g), positions, interleaved, back=True)
    tolerance = {2: float(ml_dtypes.finfo(dtype).eps), 4: 1e-4, 8: 1e-12}[np.dtype(dtype).itemsize]
    for y, e in zip(found, expected, strict=True):
        assert y.dtype == dtype
        np.testing.assert_allclose(wide(y), e, rtol=tolerance, atol=tolerance)


def test_integers_become_floating() -> None:
    x = np.arange(8).reshape(1, 2, 1, 4)
    y = rotary_embedding(as_array(x), as_array(np.arange(2)), BASE)
    assert y.dtype == np.float32
    np.testing.assert_allclose(wide(y), turned(x, np.arange(2), False), rtol=1e-6)


@pytest.mark.parametrize(("heads_first", "interleaved"), [(False, False), (True, True)], ids=["a layer's result", "a view, neighbours"])
def test_one_kernel_each_way(emulated_gpu: Any, heads_first: bool, interleaved: bool) -> None:
    """On a GPU the data is read where it lies and the result written whole: no cast, no copy, no halves put together."""
    data = [filled(2, 5, 3, 16, seed=i).astype(dtypes.bfloat16) for i in range(2)]
    positions, device = np.arange(5, dtype=np.float32), Device("gpu", 0)
    step = step_of(interleaved)

    def viewed(x: Any, positions: Any, g: Any) -> Any:
        return step(x.transpose(0, 2, 1, 3), positions, g)

    given = [data[0].transpose(0, 2, 1, 3).copy() if heads_first else data[0], positions, data[1]]
    arrays = [array(x, device=device) for x in given]
    compiled = jit(viewed if heads_first else step)
    found = [wide(x.asnumpy()) for x in compiled(*arrays)]
    expected = turned(wide(data[0]), positions, interleaved), turned(wide(data[1]), positions, interleaved, back=True)
    for y, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, e, rtol=2**-7, atol=2**-7)
    (program,) = compiled._inspect(arrays, {}).programs
    large = [s.node for s in program.source.steps if s.node is not None and any(v.size >= data[0].size for v in s.node.outputs)]
    assert [node.op for node in large] == [FUSED, FUSED]
    assert all(v.dtype == dtypes.bfloat16 for node in large for v in (*node.inputs, *node.outputs) if v.size >= data[0].size)
