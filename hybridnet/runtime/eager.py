"""Single operators on a GPU by their kernels or their library, called by ``core.apply`` where an operator has either.

What is decided for shapes, strides, dtypes and attributes is decided once; a call then makes its results and launches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from hybridnet.codegen.cuda_region import Launches, Tuning, Unit, origin
from hybridnet.config import config
from hybridnet.core import Kind, Op, Spec, cuda_rule
from hybridnet.core.kernel import HandKernels, LibraryCall, StridedSpec
from hybridnet.device import Device, current_stream
from hybridnet.device.compiler import Module
from hybridnet.device.hardware import ACCESS_BYTES
from hybridnet.exact import Exact
from hybridnet.graph.backend import CUDA, implementation_of
from hybridnet.graph.implementation import Generated, LibraryPlan
from hybridnet.graph.ir import Node, Value, infer_node
from hybridnet.graph.refusals import tell_refusal

_KEPT = 4096  # operators with certain shapes of which what was decided is kept


class _Prepared:
    """An operator for arrays of certain shapes, strides and dtypes."""

    def __init__(self, op: Op, operands: tuple[StridedSpec, ...], attrs: dict[str, Any], device: Device) -> None:
        inputs = [Value(x.shape, x.dtype, device) for x in operands]
        specs = infer_node(op, inputs, attrs)
        self.node = node = Node(op, inputs, attrs, specs, device)
        self.single = isinstance(op.infer(*[v.spec for v in inputs], **attrs), Spec)
        self.call: LibraryCall | None = CUDA.plan(node, operands)
        self.gaps = self.call is None  # whether operands are copied first, where they have gaps
        self.launches: Launches | None = None
        if self.call is not None:
            return
        match implementation_of(node):
            case LibraryPlan(call):
                self.call = call
            case Generated() | HandKernels():
                unit = Unit(Tuning(num_sms=device.num_sms))
                self.launches = unit.add(node)
                self.module = Module(unit.text, device.device_id, [origin(k, node) for k in self.launches.kernels])
            case _:
                tell_refusal(node, "computed in its parts" if op.compute is None else "computed by CuPy")

    def moved(self, data: Sequence[Any]) -> Sequence[Any]:
        """The operands, or copies of those that begin where the library does not take them, which lie without gaps."""
        if self.call is None or self.gaps:
            return data
        boundary = self.call.alignment
        return data if all(x.data.ptr % boundary == 0 for x in data) else [x if x.data.ptr % boundary == 0 else x.copy() for x in data]

    def run(self, data: Sequence[Any], device: Device) -> Any:
        """The results, of which there is one or a tuple; None where neither kernels nor a library take these arrays."""
        if self.call is None and self.launches is None:
            return None
        xp = device.xp
        if self.gaps:
            data = [_without_gaps(xp, x) for x in data]
        results = [xp.empty(v.shape, v.dtype) for v in self.node.outputs]
        if self.call is not None:
            scratch = xp.empty(self.call.workspace, np.uint8) if self.call.workspace else None
            pointers = [int(x.data.ptr) for x in (*data, *results)]
            self.call.enqueue(pointers, 0 if scratch is None else int(scratch.data.ptr), current_stream(device).ptr)
        else:
            self._launch(xp, data, results)
        return results[0] if self.single else tuple(results)

    def _launch(self, xp: Any, data: Sequence[Any], results: Sequence[Any]) -> None:
        assert self.launches is not None
        arrays = dict(zip((*self.node.inputs, *self.node.outputs), (*data, *results), strict=True))
        arrays |= {v: xp.empty(v.shape, v.dtype) for v in self.launches.temporaries}
        for k in self.launches.kernels:
            self.module.function(k.name)(k.grid, (k.block,), [arrays[v] for v in k.arguments], shared_mem=k.shared_bytes)


def _without_gaps(xp: Any, x: Any) -> Any:
    x = xp.ascontiguousarray(x)
    return x if x.data.ptr % ACCESS_BYTES == 0 else x.copy()


def _key(op: Op, data: Sequence[Any], attrs: dict[str, Any], device: Device) -> tuple[Any, ...]:
    """All that decides how a call is computed, but for the addresses of its operands."""
    return op, tuple([(x.shape, x.dtype, x.strides) for x in data]), Exact(tuple(attrs.items())), device, config.tf32, config.deterministic


@lru_cache(maxsize=_KEPT)
def _seen(*key: Any) -> list[None]:
    """A list that is empty at the first call with a key."""
    return []


@lru_cache(maxsize=_KEPT)
def _prepared(op: Op, operands: tuple[Any, ...], attrs: Exact, device: Device, *settings: bool) -> _Prepared:
    """What is decided once for a key; strides are in bytes there."""
    placed = tuple(StridedSpec(shape, dtype, tuple(s // dtype.itemsize for s in strides)) for shape, dtype, strides in operands)
    return _Prepared(op, placed, dict(attrs.value), device)


def accelerate(op: Op, data: Sequence[Any], attrs: dict[str, Any], device: Device) -> Any:
    """Run an operator by its kernels or its library; None where it has neither for these arrays, or CuPy shall do it."""
    if not all(hasattr(x, "strides") for x in data):
        return None  # a Python number among the operands
    key = _key(op, data, attrs, device)
    if op.compute is not None and cuda_rule(op).library is None and op.kind is not Kind.RANDOM and not (seen := _seen(*key)):
        seen.append(None)  # kernels of arrays whose shapes are other ones each time would be compiled for one call
        return None
    prepared = _prepared(*key)
    moved = prepared.moved(data)
    if moved is not data:  # copies may lie otherwise than what they are copies of
        prepared = _prepared(*_key(op, moved, attrs, device))
    return prepared.run(moved, device)
