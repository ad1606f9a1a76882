"""Convolutions and attention by cuDNN: the only module that imports its frontend, which is pinned to one version.

A description (:class:`Convolution`, :class:`Attention`, :class:`AttentionGrad`) says what is to be computed on which arrays; :func:`plan`
builds the library's graph for it, once, and gives a call that takes raw addresses, allocates nothing and waits for nothing, so that a
stream can capture it. Results are the same every time: algorithms that are not deterministic are left out.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.device import cuda, wheels

#: What cuDNN looks for by its bare name; without NVRTC the algorithms that it compiles itself are silently missing.
NEEDED = ("cudart", "nvrtc-builtins", "nvrtc")

TYPES = {dtypes.float16: "HALF", dtypes.bfloat16: "BFLOAT16", dtypes.float32: "FLOAT", dtypes.float64: "DOUBLE"}


class Tensor(NamedTuple):
    """An array in cuDNN's order of axes, (N, C, *size); strides are in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """One of the three products of a convolution; groups follow from the channels of the data and of the weight.

    ``kind``: which of the three is computed from the other two: ``"result"``, ``"data"``, ``"weight"``. ``tf32``: whether float32
    operands may be rounded.
    """

    kind: str
    dtype: dtypes.Dtype
    data: Tensor
    weight: Tensor
    result: Tensor
    pad: tuple[int, ...]
    stride: tuple[int, ...]
    dilate: tuple[int, ...]
    tf32: bool = False


@dataclass(frozen=True)
class Attention:
    """softmax(scale · Q Kᵀ + bias) V over (batch, heads, length, features), and the logarithm of each row's sum (float32).

    ``causal``: a query sees no key beyond its own position.
    """

    dtype: dtypes.Dtype
    query: Tensor
    key: Tensor
    value: Tensor
    result: Tensor
    sums: Tensor
    scale: float
    causal: bool
    bias: Tensor | None = None


@dataclass(frozen=True)
class AttentionGrad:
    """The gradients of query, key and value of an :class:`Attention`: from these, both results, the result's gradient, and the bias."""

    forward: Attention
    gradient: Tensor
    query_grad: Tensor
    key_grad: Tensor
    value_grad: Tensor


Description = Convolution | Attention | AttentionGrad


@cache
def library() -> Any:
    """The frontend with cuDNN behind it; None where either is not installed, which is said once."""
    for stem in NEEDED:
        wheels.load(stem)
    try:
        module = importlib.import_module("cudnn")
        module.backend_version()
    except (ImportError, RuntimeError, OSError) as error:
        logging.getLogger("hybridnet").warning("cuDNN was not found (%s): convolutions and attention take slower ways", error)
        return None
    return module


def available() -> bool:
    """Whether there are a GPU and the library."""
    return cuda.device_count() > 0 and library() is not None


def plan(description: Description) -> Call | None:
    """The call for a description on the current GPU; None where the library is not there or has no algorithm for it."""
    return _planned(description, cuda.current_id()) if available() else None


@lru_cache(maxsize=4096)
def _planned(description: Description, device_id: int) -> Call | None:
    handle = _handle(device_id)
    module = library()
    try:
        with cuda.quiet:
            graph, tensors = build(module, description, handle=handle.value)
    except (module.cudnnGraphNotSupportedError, RuntimeError) as error:  # which of them depends on where it gives up
        logging.getLogger("hybridnet").debug("cuDNN has no plan for %s: %s", description, error)
        return None
    return Call(graph, [x.get_uid() for x in tensors], handle)


class Handle:
    """cuDNN's handle of one GPU, and the stream that it works on."""

    def __init__(self) -> None:
        self.value = library().create_handle()
        self.stream = -1
        self.lock = threading.Lock()

    def set_stream(self, stream: int) -> None:
        if stream != self.stream:
            library().set_stream(handle=self.value, stream=stream)
            self.stream = stream


@cache
def _handle(device_id: int) -> Handle:
    return Handle()


class Call:
    """A planned call; its pointers are the addresses of the description's operands, then of its results."""

    def __init__(self, graph: Any, uids: Sequence[int], handle: Handle) -> None:
        self.name = f"cuDNN {graph.get_plan_name_at_index(0)}"
        self.workspace = int(graph.get_workspace_size())
        self._graph = graph
        self._uids = tuple(uids)
        self._handle = handle

    def enqueue(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Put the work on a stream."""
        addresses = dict(zip(self._uids, pointers, strict=True))
        with self._handle.lock:
            self._handle.set_stream(stream)
            self._graph.execute(addresses, workspace, self._handle.value)


# -- descriptions as graphs of the frontend ------------------------------------------------------------


def build(module: Any, description: Description, **where: Any) -> tuple[Any, list[Any]]:
    """The finished graph, and its tensors, operands then results. ``where``: a handle, or the properties of a GPU that is not there."""
    forward = description.forward if isinstance(description, AttentionGrad) else description
    io = getattr(module.data_type, TYPES[forward.dtype])
    sums = module.data_type.DOUBLE if forward.dtype == dtypes.float64 else module.data_type.FLOAT
    graph = module.pygraph(io_data_type=io, intermediate_data_type=sums, compute_data_type=sums, **where)
    tensors = _WRITE[type(description)](module, graph, description)
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([module.heur_mode.A, module.heur_mode.FALLBACK])
    graph.deselect_numeric_notes(_unwanted(module, description))
    graph.check_support()
    graph.build_plans()
    return graph, tensors


def _unwanted(module: Any, description: Description) -> list[Any]:
    """Properties that an algorithm must not have."""
    note = module.numerical_note
    if isinstance(description, Convolution):
        exact = description.dtype == dtypes.float32 and not description.tf32
        # An algorithm for float32 on tensor cores is one in TF32.
        return [note.NONDETERMINISTIC, *([note.TENSOR_CORE, note.DOWN_CONVERT_INPUTS] if exact else [])]
    return [note.NONDETERMINISTIC]


def _input(graph: Any, tensor: Tensor, name: str, **more: Any) -> Any:
    return graph.tensor(name=name, dim=list(tensor.shape), stride=list(tensor.strides), **more)


def _output(made: Any, tensor: Tensor, dtype: Any) -> Any:
    return made.set_output(True).set_dim(list(tensor.shape)).set_stride(list(tensor.strides)).set_data_type(dtype)


def _write_convolution(module: Any, graph: Any, c: Convolution) -> list[Any]:
    io = getattr(module.data_type, TYPES[c.dtype])
    attrs = {"padding": list(c.pad), "stride": list(c.stride), "dilation": list(c.dilate)}
    if c.kind == "result":
        data, weight = _input(graph, c.data, "data"), _input(graph, c.weight, "weight")
        return [data, weight, _output(graph.conv_fprop(image=data, weight=weight, **attrs), c.result, io)]
    gradient = _input(graph, c.result, "gradient")
    if c.kind == "data":
        weight = _input(graph, c.weight, "weight")
        return [gradient, weight, _output(graph.conv_dgrad(loss=gradient, filter=weight, **attrs), c.data, io)]
    data = _input(graph, c.data, "data")
    return [data, gradient, _output(graph.conv_wgrad(image=data, loss=gradient, **attrs), c.weight, io)]


def _operands(graph: Any, a: Attention) -> dict[str, Any]:
    """Query, key, value and bias under the names that both directions give them."""
    made = {"q": _input(graph, a.query, "q"), "k": _input(graph, a.key, "k"), "v": _input(graph, a.value, "v")}
    return made if a.bias is None else made | {"bias": _input(graph, a.bias, "bias")}


def _write_attention(module: Any, graph: Any, a: Attention) -> list[Any]:
    io = getattr(module.data_type, TYPES[a.dtype])
    operands = _operands(graph, a)
    result, sums = graph.sdpa(**operands, attn_scale=a.scale, use_causal_mask=a.causal, generate_stats=True, name="attention")
    return [*operands.values(), _output(result, a.result, io), _output(sums, a.sums, module.data_type.FLOAT)]


def _write_attention_grad(module: Any, graph: Any, g: AttentionGrad) -> list[Any]:
    a = g.forward
    io = getattr(module.data_type, TYPES[a.dtype])
    operands = _operands(graph, a)
    saved = {
        "o": _input(graph, a.result, "o"),
        "stats": _input(graph, a.sums, "stats", data_type=module.data_type.FLOAT),
        "dO": _input(graph, g.gradient, "dO"),
    }
    gradients = graph.sdpa_backward(
        **operands, **saved, attn_scale=a.scale, use_causal_mask=a.causal, use_deterministic_algorithm=True, name="attention_grad"
    )
    results = zip(gradients, (g.query_grad, g.key_grad, g.value_grad), strict=True)
    bias = operands.pop("bias", None)
    extra = [] if bias is None else [bias]
    return [*operands.values(), *saved.values(), *extra, *(_output(made, tensor, io) for made, tensor in results)]


_WRITE: dict[type, Callable[[Any, Any, Any], list[Any]]] = {
    Convolution: _write_convolution,
    Attention: _write_attention,
    AttentionGrad: _write_attention_grad,
}
