"""Every operator with its gradient as a function of arrays, alone and many in one: what programs for a GPU are made of in tests."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from support.samples import ALL_OPS, as_arrays, samples_of, wide

import hybridnet as hn
from hybridnet import autograd, dtypes
from hybridnet.core import NDArray, Op, Sample, apply, array
from hybridnet.device import current_device
from hybridnet.errors import HybridnetError
from hybridnet.ops.common import normal

TOLERANCE = {
    dtypes.complex128: 1e-9,
    dtypes.complex64: 1e-4,
    dtypes.float64: 1e-9,
    dtypes.float32: 1e-4,
    dtypes.float16: 5e-3,
    dtypes.bfloat16: 4e-2,
}
#: Their numbers differ from device to device; see test_cuda_random.py.
RANDOM = {op.name for op in ALL_OPS if op.kind.value == "random"}
CHECKED = [op for op in ALL_OPS if op.name not in RANDOM]

A_GRAPH = 20  # operators: the kernels of a graph are compiled together
CHUNKS = [CHECKED[i : i + A_GRAPH] for i in range(0, len(CHECKED), A_GRAPH)]


def call_of(op: Op, sample: Sample) -> Callable[..., list[Any]]:
    """The operator as a function of the sample's arrays, on their device."""
    places = [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)]

    def fn(*arrays: Any) -> list[Any]:
        operands = list(sample.inputs)
        for place, x in zip(places, arrays, strict=True):
            operands[place] = x
        result = apply(op, operands, sample.attrs, current_device(), NDArray)
        return list(result) if isinstance(result, tuple) else [result]

    return fn


def step_of(call: Callable[..., list[Any]], count: int) -> Callable[..., list[Any]]:
    """Results and gradients of a function of ``count`` arrays, for head gradients that follow them."""

    def step(*arrays: Any) -> list[Any]:
        xs = [x for x in arrays[:count] if dtypes.is_inexact(x.dtype)]
        for x in xs:
            x.attach_grad()
        with autograd.record():
            ys = call(*arrays[:count])
        heads = [(y, w) for y, w in zip((y for y in ys if dtypes.is_inexact(y.dtype)), arrays[count:], strict=True) if y._tape is not None]
        if heads:
            autograd.backward(*map(list, zip(*heads, strict=True)))
        return [*ys, *(x.grad for x in xs)]

    return step


def steps_of(ops: Sequence[Op]) -> tuple[list[tuple[Callable[..., list[Any]], int]], list[Any]]:
    """The first good sample of each operator in float32, with gradients where there are any: functions, and the arrays of all."""
    steps, operands = [], []
    for op in ops:
        sample = next((s for s in samples_of(op) if s.error is None), None)
        if sample is None:
            continue
        call = call_of(op, sample)
        arrays = [x for x in as_arrays(sample.inputs, dtypes.float32) if isinstance(x, NDArray)]
        try:
            results = call(*arrays)
        except HybridnetError:
            continue  # a dtype that it does not take
        if op.grad is not None and sample.differentiable:
            call = step_of(call, len(arrays))
            arrays += [array(normal(*y.shape, seed=9).astype(y.dtype)) for y in results if dtypes.is_inexact(y.dtype)]
        steps.append((call, len(arrays)))
        operands += arrays
    return steps, operands


def together(ops: Sequence[Op]) -> tuple[Callable[..., list[Any]], list[Any]]:
    """One function of the samples of all these operators, with its arrays on the CPU."""
    steps, operands = steps_of(ops)

    def all_of_them(*arrays: Any) -> list[Any]:
        found: list[Any] = []
        for call, count in steps:
            found += call(*arrays[:count])
            arrays = arrays[count:]
        return found

    return all_of_them, operands


def check(ops: Sequence[Op]) -> None:
    """Compiled together on the GPU they give what they give on the CPU."""
    all_of_them, operands = together(ops)
    expected = [wide(y).copy() for y in all_of_them(*operands)]
    for x in operands:
        x._tape = None
    on_gpu = [x.to_device(hn.gpu(0)) for x in operands]
    compiled = hn.jit(all_of_them)
    for _ in range(3):  # one by one, captured, replayed
        with hn.gpu(0):
            found = compiled(*on_gpu)
        for y, e in zip(found, expected, strict=True):
            tolerance = TOLERANCE.get(y.dtype, 0)
            scale = min(float(np.abs(e[np.isfinite(e)]).max(initial=1)), 1e6) if tolerance else 0
            np.testing.assert_allclose(wide(y.asnumpy()), e, rtol=tolerance, atol=tolerance * scale)


def name_of(ops: Sequence[Op]) -> str:
    return f"{ops[0].name} to {ops[-1].name}"
