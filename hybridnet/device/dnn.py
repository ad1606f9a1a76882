"""Convolutions and attention by cuDNN: the only module that imports its frontend, which is pinned to one version.

A description (:class:`Convolution`, :class:`Attention`, :class:`AttentionGrad`) says what is to be computed on which arrays; :func:`plan`
builds the library's graph for it, once for each GPU, and gives a call that takes raw addresses, allocates nothing and waits for nothing,
so that a stream can capture it.

Results are the same every time where that costs nothing: algorithms of convolutions, and of attention forwards, that are not
deterministic are left out. (For none of ResNet-50's convolutions is one of those the library's first choice on an H200.) The gradient of
attention is the exception: the same sums in the same order take a partial result for each block of keys, several times the memory and its
traffic. There one algorithm is left out only where the description says ``deterministic``, which the setting of that name decides.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.device import cuda, refusals, wheels
from hybridnet.device.autotune import CANDIDATES, WORKSPACE, Tuned, recalled

#: What cuDNN looks for by its bare name; without NVRTC the algorithms that it compiles itself are silently missing.
NEEDED = ("cudart", "nvrtc-builtins", "nvrtc")

#: What addresses must be multiples of, in bytes: what the frontend plans for unless told otherwise. For less, most algorithms are missing.
ALIGNMENT = 16

#: Seconds after which no further algorithm of a call is built, if there is one.
BUILD_SECONDS = 3.0

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

    def __str__(self) -> str:
        shapes = f"data {self.data.shape}, weight {self.weight.shape}, result {self.result.shape}"
        return f"the {self.kind} of a {self.dtype} convolution, {shapes}, pad {self.pad}, stride {self.stride}, dilate {self.dilate}"


@dataclass(frozen=True)
class Attention:
    """softmax(scale · Q Kᵀ + bias) V over (batch, heads, length, features), and the logarithm of each row's sum (float32).

    Keys and values may have fewer heads, which divide the queries'. ``causal``: a query sees no key beyond its own position.
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

    def __str__(self) -> str:
        shapes = f"queries {self.query.shape}, keys {self.key.shape}, values {self.value.shape}"
        return f"{self.dtype} attention, {shapes}{', causal' * self.causal}{'' if self.bias is None else f', bias {self.bias.shape}'}"


@dataclass(frozen=True)
class AttentionGrad:
    """The gradients of query, key and value of an :class:`Attention`: from these, both results, the result's gradient, and the bias.

    ``deterministic``: whether they are to be the same every time.
    """

    forward: Attention
    gradient: Tensor
    query_grad: Tensor
    key_grad: Tensor
    value_grad: Tensor
    deterministic: bool = False

    def __str__(self) -> str:
        return f"the gradient of {self.forward}{', deterministic' * self.deterministic}"


Description = Convolution | Attention | AttentionGrad


@cache
def library() -> Any:
    """The frontend with cuDNN behind it; None where either is not installed, which is said once."""
    for stem in NEEDED:
        wheels.load(stem)
    try:
        module = importlib.import_module("cudnn")
        module.backend_version()
    except (ImportError, RuntimeError, OSError, AssertionError) as error:  # it asserts that there is but one file of cuDNN
        logging.getLogger("hybridnet").warning("cuDNN was not found (%s): convolutions and attention take slower ways", error)
        return None
    return module


def available() -> bool:
    """Whether there are a GPU and the library."""
    return cuda.device_count() > 0 and library() is not None


def plan(description: Description) -> Call | None:
    """The call for a description on the current GPU; None where the library is not there or has no algorithm for it, which is told."""
    if "cuDNN" in config.disabled_libraries or not available():
        refusals.tell("cuDNN", description, refusals.absence("cuDNN"))
        return None
    with cuda.quiet:  # of threads that want the same one makes it, which takes seconds where cuDNN compiles a kernel
        made = _planned(description, cuda.current_id(), config.autotune)
    if isinstance(made, Call):
        return made
    refusals.tell("cuDNN", description, made)
    return None


@lru_cache(maxsize=4096)
def _planned(description: Description, device_id: int, autotune: bool) -> Call | str:
    """The call, or why there is none."""
    handles = _handles(device_id)
    module = library()
    asked = f"cuDNN {module.backend_version()}, frontend {module.__version__}: {description!r}"
    try:
        graph, tensors = described(module, description, handle=handles.quiet.value)
        algorithms = _recalled(module, graph, asked, device_id) if autotune else None
        if algorithms is None:
            algorithms = first_that_build(module, graph, CANDIDATES if autotune else 1)
        return Call(graph, tensors, algorithms, handles, Tuned(asked, [str(a) for a in algorithms], device_id))
    except (module.cudnnGraphNotSupportedError, RuntimeError) as error:  # which of them depends on where it gives up
        return str(error)


class Handle:
    """cuDNN's handle of one GPU, and the stream that it works on. No two threads may use it at once."""

    def __init__(self) -> None:
        with cuda.quiet:  # it takes memory of the device
            self.value = library().create_handle()
        self.stream = 0

    def set_stream(self, stream: int) -> None:
        """Have all calls from here on run on a CUDA stream."""
        library().set_stream(handle=self.value, stream=stream)
        self.stream = stream


class Handles:
    """cuDNN's handles of one GPU. A plan runs on any of them, whichever it was made with.

    One, ``quiet``, makes plans and is captured with, for which ``cuda.quiet`` is held. Another is each thread's own, for calls that run at
    once: a handle that is told of another stream may touch the one that it worked on before, which must not be one that captures.
    """

    def __init__(self) -> None:
        self.quiet = Handle()
        self._own = threading.local()
        self._idle: list[Handle] = []

    def own(self) -> Handle:
        """This thread's; it goes to another thread when this one has ended."""
        lent: _Lent | None = getattr(self._own, "lent", None)
        if lent is None:
            lent = self._own.lent = _Lent(self._idle)
        return lent.handle


class _Lent:
    """A handle while a thread has it."""

    def __init__(self, idle: list[Handle]) -> None:
        self._idle = idle
        try:
            self.handle = idle.pop()
        except IndexError:
            self.handle = Handle()

    def __del__(self) -> None:
        if hasattr(self, "handle"):  # else there was none to be had
            self._idle.append(self.handle)


@cache
def _handles(device_id: int) -> Handles:
    return Handles()


CHANNEL = "cuDNN"  #: of calls by the one handle that is captured with


class Call:
    """A planned call; its pointers are the addresses of the description's operands, then of its results."""

    alignment = ALIGNMENT
    channel = CHANNEL

    def __init__(self, graph: Any, tensors: Sequence[Any], algorithms: Sequence[Algorithm], handles: Handles, tuned: Tuned) -> None:
        self._graph = graph
        self._uids = tuple(x.get_uid() for x in tensors)
        self._algorithms = algorithms
        self._handles = handles
        self._tuned = tuned
        self.workspace = self._chosen.workspace if tuned.settled else max(a.workspace for a in algorithms)

    @property
    def _chosen(self) -> Algorithm:
        return self._algorithms[self._tuned.choice.which]

    @property
    def name(self) -> str:
        """The algorithm's."""
        return f"cuDNN {self._chosen.name}"

    @property
    def how(self) -> str:
        """Which algorithm, if there are several."""
        return str(self._tuned)

    def settle(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Find the fastest algorithm, unless that has been done."""
        if not self._tuned.settled:
            self._tuned.settle(lambda i: self._put(self._algorithms[i], pointers, workspace, stream), stream)

    def enqueue(self, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """Put the work on a stream."""
        self._put(self._chosen, pointers, workspace, stream)

    def _put(self, algorithm: Algorithm, pointers: Sequence[int], workspace: int, stream: int) -> None:
        addresses = dict(zip(self._uids, pointers, strict=True))
        if cuda.is_capturing(stream):
            with cuda.quiet:
                self._handles.quiet.set_stream(stream)  # each time: a stream that is gone may have had the same address
                self._graph.execute_plan_at_index(addresses, workspace, algorithm.place, self._handles.quiet.value)
        else:
            own = self._handles.own()
            if own.stream != stream:
                own.set_stream(stream)
            self._graph.execute_plan_at_index(addresses, workspace, algorithm.place, own.value)


# -- descriptions as graphs of the frontend ------------------------------------------------------------


class Algorithm(NamedTuple):
    """One of the library's for a graph that has been built: where it stands in its list, its name, the bytes of its workspace."""

    place: int
    name: str
    workspace: int

    def __str__(self) -> str:
        return f"{self.place} {self.name} {self.workspace}"


def described(module: Any, description: Description, **where: Any) -> tuple[Any, list[Any]]:
    """The graph, of which no algorithm has been built, and its tensors, operands then results.

    ``where``: a handle, or the properties of a GPU that is not there.
    """
    forward = description.forward if isinstance(description, AttentionGrad) else description
    io = getattr(module.data_type, TYPES[forward.dtype])
    sums = module.data_type.DOUBLE if forward.dtype == dtypes.float64 else module.data_type.FLOAT
    graph = module.pygraph(io_data_type=io, intermediate_data_type=sums, compute_data_type=sums, **where)
    tensors = _WRITE[type(description)](module, graph, description)
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([module.heur_mode.A, module.heur_mode.FALLBACK])
    graph.deselect_numeric_notes(_unwanted(module, description))
    return graph, tensors


def _recalled(module: Any, graph: Any, asked: str, device_id: int) -> list[Algorithm] | None:
    """The algorithms of which one was chosen before, of which that one alone is built; None where that is not known, or no longer true."""
    try:
        parts = [name.split(" ") for name in recalled(asked, device_id)]
        algorithms = [Algorithm(int(place), name, int(workspace)) for place, name, workspace in parts]
    except ValueError:  # another version of ours wrote that
        return None
    tuned = Tuned(asked, [str(a) for a in algorithms], device_id)
    if not algorithms or not tuned.settled:
        return None
    chosen = algorithms[tuned.choice.which]
    if chosen.place >= graph.get_execution_plan_count():
        return None
    try:
        graph.build_plan_at_index(chosen.place)
    except (module.cudnnGraphNotSupportedError, RuntimeError):
        return None
    return algorithms if _built(graph, chosen.place) == chosen else None


def _built(graph: Any, place: int) -> Algorithm:
    return Algorithm(place, str(graph.get_plan_name_at_index(place)), int(graph.get_workspace_size_plan_at_index(place)))


def first_that_build(module: Any, graph: Any, number: int) -> list[Algorithm]:
    """Build the best algorithms by the library's heuristics that are not left out and can be built, ``number`` of them at most.

    Those behind the first that ask for much more workspace than it are left out, and all that are left when building has taken too long:
    some compile a kernel.
    """
    reasons: list[str] = []
    found: list[Algorithm] = []
    end = time.monotonic() + BUILD_SECONDS
    for i in range(graph.get_execution_plan_count()):
        if len(found) == number or (found and time.monotonic() > end):
            break
        try:
            graph.build_plan_at_index(i)
        except (module.cudnnGraphNotSupportedError, RuntimeError) as error:
            reasons.append(str(error))
            continue
        built = _built(graph, i)
        if not found or built.workspace <= max(found[0].workspace, WORKSPACE):
            found.append(built)
    if not found:
        raise RuntimeError(f"none of {len(reasons)} algorithms can be used: {'; '.join(dict.fromkeys(reasons))}")
    return found


def _unwanted(module: Any, description: Description) -> list[Any]:
    """Properties that an algorithm must not have."""
    note = module.numerical_note
    if isinstance(description, Convolution):
        exact = description.dtype == dtypes.float32 and not description.tf32
        # An algorithm for float32 on tensor cores is one in TF32.
        return [note.NONDETERMINISTIC, *([note.TENSOR_CORE, note.DOWN_CONVERT_INPUTS] if exact else [])]
    return [note.NONDETERMINISTIC] if isinstance(description, Attention) or description.deterministic else []


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
        **operands,
        **saved,
        attn_scale=a.scale,
        use_causal_mask=a.causal,
        use_deterministic_algorithm=g.deterministic,
        name="attention_grad",
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
