"""Shadows: where values lie, found out without memory, as arrays that have some tell it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet import dtypes
from hybridnet.core import OPS, Kind
from hybridnet.device import cpu
from hybridnet.dtypes import Dtype
from hybridnet.graph.ir import Node, Value, infer_node
from hybridnet.lowering.shadows import Shadows, Slot, is_whole

SIZES = (1, 2, 3, 4, 6)


def view(source: Value, name: str, **attrs: Any) -> Node:
    return Node(OPS[name], (source,), attrs, infer_node(OPS[name], (source,), attrs), cpu())


def drawn_view(draw: st.DrawFn, v: Value) -> Node:
    """Any view of a value."""
    kind = draw(st.sampled_from(["reshape", "transpose", "broadcast_to", "slice"]))
    if kind == "transpose":
        return view(v, kind, axes=tuple(draw(st.permutations(range(v.ndim)))))
    if kind == "broadcast_to":
        shape = tuple(draw(st.sampled_from([2, 3])) if n == 1 else n for n in v.shape)
        return view(v, kind, shape=(2, *shape) if draw(st.booleans()) and v.ndim < 5 else shape)
    if kind == "slice":
        items: list[Any] = []
        for n in v.shape:
            item = ("slice", draw(st.integers(0, max(n - 1, 0))), None, draw(st.sampled_from([None, 1, 2])))
            items.append(draw(st.sampled_from([item, ("slice", None, None, -1), *([("int", n - 1)] if n else [])])))
        return view(v, kind, key=tuple(items))
    left, shape = v.size, []
    while left > 1 and len(shape) < 4:
        factor = draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0]))
        shape.append(factor)
        left //= factor
    return view(v, kind, shape=(*shape, left) if v.size else (0, 3))


@st.composite
def views(draw: st.DrawFn) -> tuple[Value, list[Node]]:
    """An array, and views, each of it or of one before."""
    dtype: Dtype = draw(st.sampled_from([dtypes.float32, dtypes.bfloat16, dtypes.bool_, dtypes.complex128]))
    first = Value(tuple(draw(st.lists(st.sampled_from(SIZES), min_size=0, max_size=4))), dtype, cpu())
    values, nodes = [first], []
    for _ in range(draw(st.integers(1, 6))):
        nodes.append(drawn_view(draw, draw(st.sampled_from(values))))
        values.append(nodes[-1].output)
    return first, nodes


@given(views())
def test_as_arrays_with_memory_have_it(drawn: tuple[Value, list[Node]]) -> None:
    first, nodes = drawn
    memory = Shadows([first])
    real = {first: np.zeros(first.shape, first.dtype)}
    root = {first: first}
    for node in nodes:
        source, out = node.inputs[0], node.output
        memory.add(node)
        assert node.op.compute is not None
        real[out] = node.op.compute(np, real[source], **node.attrs)
        root[out] = root[source] if not out.size or np.may_share_memory(real[out], real[source]) else out
        assert memory.root.get(out, out) is root[out]
        if out.size:
            assert memory.strides(out) == tuple(s // out.dtype.itemsize for s in real[out].strides)
            assert memory.offset(out) == real[out].ctypes.data - real[root[out]].ctypes.data
            assert memory.is_contiguous(out) == real[out].flags.c_contiguous
            assert is_whole(memory, out) == (real[out].flags.c_contiguous and real[out].nbytes == real[root[out]].nbytes)


def test_these_are_all_views() -> None:
    """One that is new may read its operand, which has no memory: it goes into the test above."""
    assert {op.name for op in OPS.values() if op.kind is Kind.VIEW} == {"reshape", "transpose", "broadcast_to", "slice"}


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.bfloat16], ids=str)
def test_they_take_no_memory(dtype: Dtype) -> None:
    """Of an array of terabytes, not even where a reshape would copy it."""
    n = 1 << 20
    x = Value((n, n), dtype, cpu())
    turned = view(x, "transpose", axes=(1, 0))
    flat = view(turned.output, "reshape", shape=(n * n,))
    part = view(flat.output, "slice", key=(("slice", 7, None, 2),))
    memory = Shadows([x])
    for node in (turned, flat, part):
        memory.add(node)
    assert memory.root == {turned.output: x, part.output: flat.output}
    assert memory.strides(turned.output) == (1, n) and memory.strides(part.output) == (2,)
    assert memory.offset(part.output) == 7 * dtype.itemsize


def test_parts_of_a_concatenation() -> None:
    whole, a, b = (Value((4, n), dtypes.float32, cpu()) for n in (5, 2, 3))
    slots = {a: Slot(whole, 1, 0, a.shape), b: Slot(whole, 1, 2, b.shape)}
    memory = Shadows([], slots)
    for v in (a, b, whole):
        memory._make(v)
    assert memory.root == {a: whole, b: whole} and memory.offset(b) == 8 and memory.strides(b) == (5, 1)
    assert not memory.is_contiguous(b)
