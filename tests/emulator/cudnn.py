"""cuDNN's frontend on the CPU: ``pygraph`` with the operations that the binding uses, over arrays at raw addresses.

Written independently of the operators that it checks: a convolution goes through the places of the kernel, attention through
the whole matrix of scores. Work reads its operands when its stream comes to it. As strict as the library is: about algorithms that are
left out or cannot be built, about alignment, and about what a handle does to the streams that it works on.
"""

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes
from hybridnet.device import cuda

from . import streams, workspaces
from .raw import view

DTYPES = {"HALF": dtypes.float16, "BFLOAT16": dtypes.bfloat16, "FLOAT": dtypes.float32, "DOUBLE": dtypes.float64}
NOTES = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "NONDETERMINISTIC")
ALIGNMENT = 16  # bytes: of tensors for which the frontend is told no other, and of workspaces
Data = np.ndarray[Any, Any]


class NotSupported(RuntimeError):
    """``cudnnGraphNotSupportedError``."""


class Algorithm(NamedTuple):
    """An entry of the list that heuristics give; some cannot be built after all."""

    name: str
    notes: frozenset[str] = frozenset()
    builds: bool = True
    seconds: float = 0.0  # that it takes by the device's clock


CONVOLUTIONS = (
    Algorithm("eng49_k2=5", frozenset({"NONDETERMINISTIC"})),
    Algorithm("eng60_k2=1", frozenset({"TENSOR_CORE"}), builds=False),
    Algorithm("eng62_k2=1", frozenset({"TENSOR_CORE"})),
    Algorithm("eng0_k2=0"),
)


class Handle:
    """``cudnnHandle_t``: the stream that it was told of last, and whether a call uses it just now."""

    def __init__(self) -> None:
        streams.refuse_everywhere("cudnnCreate, which takes memory,")
        self.stream, self.device = 0, streams.current.device
        self.used = threading.Lock()

    def set_stream(self, stream: int) -> None:
        """What is between the old stream and the new is the library's own business: a capture on the old one does not survive it."""
        if stream != self.stream:
            streams.refuse("cudnnSetStream on a handle whose stream so far captures,", self.stream, spoils=True)
        self.stream = stream

    def execute(self, work: streams.Work, seconds: float = 0.0) -> None:
        assert self.device == streams.current.device, "a handle of another device"
        assert self.used.acquire(blocking=False), "one handle, two threads"
        try:
            if not cuda.quiet._is_owned():  # type: ignore[attr-defined]  # which a thread holds while it captures
                streams.refuse("cudnnBackendExecute by another thread", self.stream, spoils=True)
            streams.enqueue(self.stream, work, seconds=seconds)
        finally:
            self.used.release()


def _names(*names: str) -> SimpleNamespace:
    return SimpleNamespace(**{name: name for name in names})


class Tensor:
    """A tensor of a graph."""

    def __init__(self, uid: int, dim: Sequence[int] = (), stride: Sequence[int] = (), data_type: str = "") -> None:
        self.uid, self.dim, self.stride, self.data_type, self.output = uid, tuple(dim), tuple(stride), data_type, False

    def set_output(self, output: bool) -> "Tensor":
        self.output = output
        return self

    def set_dim(self, dim: Sequence[int]) -> "Tensor":
        self.dim = tuple(dim)
        return self

    def set_stride(self, stride: Sequence[int]) -> "Tensor":
        self.stride = tuple(stride)
        return self

    def set_data_type(self, data_type: str) -> "Tensor":
        self.data_type = data_type
        return self

    def get_uid(self) -> int:
        return self.uid


class Graph:
    """``cudnn.pygraph``."""

    def __init__(self, module: "Cudnn", io_data_type: str, intermediate_data_type: str, compute_data_type: str, handle: Any) -> None:
        self.module, self.io, self.handle = module, io_data_type, handle
        self.tensors: list[Tensor] = []
        self.run: Callable[..., Sequence[Data]] = lambda *data: ()
        self.operands: list[Tensor] = []
        self.results: list[Tensor] = []
        self.refusal = ""
        self.unwanted: set[str] = set()
        self.algorithms: tuple[Algorithm, ...] = ()
        self.built: dict[int, Algorithm] = {}
        self.workspace: Callable[[Algorithm], int] = lambda algorithm: workspaces.OF_ATTENTION
        self.exact = intermediate_data_type == compute_data_type == ("DOUBLE" if io_data_type == "DOUBLE" else "FLOAT")

    def tensor(self, *, name: str, dim: Sequence[int], stride: Sequence[int], data_type: str = "") -> Tensor:
        assert name and len(dim) == len(stride) >= 4, "cuDNN wants four axes or more"
        if min(stride) < 0 or max(stride) == 0:
            self.refusal = "strides"
        self.tensors.append(Tensor(101 - 7 * len(self.tensors), dim, stride, data_type or self.io))
        return self.tensors[-1]

    def _operation(self, run: Callable[..., Sequence[Data]], operands: Sequence[Tensor | None], results: int) -> list[Tensor]:
        self.run = run
        self.operands = [x for x in operands if x is not None]
        self.results = [Tensor(500 + i) for i in range(results)]
        return self.results

    def conv_fprop(self, *, image: Tensor, weight: Tensor, **attrs: Any) -> Tensor:
        def run(x: Data, w: Data, y: Data) -> Sequence[Data]:
            for at, place in _places(x, w, y, **attrs):
                y += np.einsum("ngcl,goc->ngol", at(x), w[place]).reshape(y.shape)
            return (y,)

        return self._convolution(run, (image, weight), (0, 1, 2))

    def conv_dgrad(self, *, loss: Tensor, filter: Tensor, **attrs: Any) -> Tensor:
        def run(x: Data, w: Data, y: Data) -> Sequence[Data]:
            flat = y.reshape(*y.shape[:3], -1)
            for at, place in _places(x, w, y, **attrs):
                at(x, np.einsum("ngol,goc->ngcl", flat, w[place]))
            return (x,)

        return self._convolution(run, (loss, filter), (2, 1, 0))

    def conv_wgrad(self, *, image: Tensor, loss: Tensor, **attrs: Any) -> Tensor:
        def run(x: Data, w: Data, y: Data) -> Sequence[Data]:
            flat = y.reshape(*y.shape[:3], -1)
            for at, place in _places(x, w, y, **attrs):
                w[place] = np.einsum("ngcl,ngol->goc", at(x), flat)
            return (w,)

        return self._convolution(run, (image, loss), (0, 2, 1))

    def _convolution(self, run: Callable[..., Sequence[Data]], operands: Sequence[Tensor], order: tuple[int, int, int]) -> Tensor:
        """``order``: which of the operands and the result, the last, are data, weight and result of the convolution."""
        made = self._operation(_convolved(run, *order), operands, 1)[0]
        places = [(*operands, made)[i] for i in order]
        self.algorithms = tuple(a for a in self.module.convolutions if self.io != "DOUBLE" or "TENSOR_CORE" not in a.notes)

        def workspace(algorithm: Algorithm) -> int:
            tensor_core = "TENSOR_CORE" in algorithm.notes
            shapes, strides = [x.dim for x in places], [x.stride for x in places]
            return workspaces.of_convolution(shapes, strides, DTYPES[self.io].itemsize, tensor_core, order[1] == 2)

        self.workspace = workspace
        return made

    def sdpa(
        self, *, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, attn_scale: float, use_causal_mask: bool, **more: Any
    ) -> Any:
        assert more.pop("generate_stats") and set(more) == {"name"}
        self._attends(q, k, v)
        self.algorithms = (Algorithm("eng2_k24=7"),)

        def run(q: Data, k: Data, v: Data, *rest: Data) -> Sequence[Data]:
            k, v = (_for_each(x, q.shape[1]) for x in (k, v))
            scores = _scores(q, k, rest[0] if bias is not None else None, attn_scale, use_causal_mask)
            top = scores.max(-1, keepdims=True)
            e = np.exp(scores - top)
            return e / e.sum(-1, keepdims=True) @ v, top + np.log(e.sum(-1, keepdims=True))

        return self._operation(run, (q, k, v, bias), 2)

    def sdpa_backward(
        self,
        *,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        o: Tensor,
        stats: Tensor,
        dO: Tensor,
        bias: Tensor | None = None,
        attn_scale: float,
        use_causal_mask: bool,
        use_deterministic_algorithm: bool,
        name: str,
    ) -> Any:
        assert stats.data_type == "FLOAT"
        self._attends(q, k, v)
        self.algorithms = (Algorithm("eng6_k24=26", frozenset(() if use_deterministic_algorithm else ("NONDETERMINISTIC",))),)
        self.workspace = lambda algorithm: workspaces.of_attention_grad(q.dim, k.dim, v.dim, use_deterministic_algorithm)

        def run(q: Data, k: Data, v: Data, *rest: Data) -> Sequence[Data]:
            (o, stats, g), few = rest[-6:-3], k.shape[1]
            k, v = (_for_each(x, q.shape[1]) for x in (k, v))
            p = np.exp(_scores(q, k, rest[0] if bias is not None else None, attn_scale, use_causal_mask) - stats)
            s = p * (g @ v.swapaxes(-1, -2) - (g * o).sum(-1, keepdims=True)) * attn_scale
            return s @ k, _of_groups(s.swapaxes(-1, -2) @ q, few), _of_groups(p.swapaxes(-1, -2) @ g, few)

        return self._operation(run, (q, k, v, bias, o, stats, dO), 3)

    def _attends(self, *operands: Tensor) -> None:
        q, k, v = operands
        if q.dim[1] % k.dim[1] or q.dim[1] % v.dim[1]:  # the frontend's own words
            self.refusal = "For group-query attention, number of heads for key and query must be a factor of number of heads for query"
        if self.io not in ("HALF", "BFLOAT16") or any(x.dim[-1] % 8 or x.stride[-1] != 1 for x in operands):
            self.refusal = "attention over other than 16-bit features, a multiple of 8 of them, without gaps"

    # -- from the operations to a plan ----------------------------------------------------------------

    def validate(self) -> None:
        assert all(x.output and len(x.dim) == len(x.stride) and x.data_type for x in self.results)

    def build_operation_graph(self) -> None:
        assert self.exact, "sums in a wide type"

    def create_execution_plans(self, modes: Sequence[str]) -> None:
        assert not streams.capturing(), "plans are made before a capture"
        if self.refusal:
            raise NotSupported(self.refusal)

    def deselect_numeric_notes(self, notes: Sequence[str]) -> None:
        self.unwanted = set(notes)

    def get_execution_plan_count(self) -> int:
        return len(self.algorithms)

    def build_plan_at_index(self, index: int) -> None:
        algorithm = self.algorithms[index]
        if algorithm.notes & self.unwanted:
            raise NotSupported("Deselecting execution plan")
        if not algorithm.builds:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED_SHARED_MEMORY_INSUFFICIENT")
        self.built[index] = algorithm
        self.module.built.append(algorithm.name)

    def get_plan_name_at_index(self, index: int) -> str:
        return self.algorithms[index].name

    def get_workspace_size_plan_at_index(self, index: int) -> int:
        return self.workspace(self.built[index]) if index in self.built else 0

    def execute_plan_at_index(self, addresses: dict[int, int], workspace: int, index: int, handle: Handle) -> None:
        algorithm = self.built[index]
        assert workspace or not self.workspace(algorithm)
        if any(p % ALIGNMENT for p in (*addresses.values(), workspace)):
            failed = "execute(handle, plan->get_raw_desc(), variant_pack_descriptor.get_ptr()) failed with message: "
            raise RuntimeError(f"{failed}, and code: CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER")
        operands, results = ([self._array(x, addresses[x.uid]) for x in tensors] for tensors in (self.operands, self.results))
        assert len(addresses) == len(operands) + len(results)
        self.module.ran.append(algorithm.name)
        rounds = self.io == "FLOAT" and "TENSOR_CORE" in algorithm.notes
        handle.execute(lambda: self._compute(operands, results, rounds), algorithm.seconds)

    def _array(self, tensor: Tensor, address: int) -> Data:
        return view(address, DTYPES[tensor.data_type], tensor.dim, tensor.stride)

    def _compute(self, operands: Sequence[Data], results: Sequence[Data], rounds: bool) -> None:
        wide = [x.astype(np.float64) for x in operands]
        if rounds:
            wide = [_tf32(x) for x in wide]
        found = self.run(*wide, *(np.zeros(y.shape) for y in results))
        for y, computed in zip(results, found, strict=True):
            y[...] = computed.reshape(y.shape).astype(y.dtype)


def _tf32(x: Data) -> Data:
    return (x.astype(np.float32).view(np.uint32) + np.uint32(0x1000) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


def _convolved(run: Callable[..., Sequence[Data]], x: int, w: int, y: int) -> Callable[..., Sequence[Data]]:
    """``run`` on arrays split into groups: (N, G, C, *size), (G, O, C, *kernel), (N, G, O, *out). The numbers say which is which."""

    def grouped(*arrays: Data) -> Sequence[Data]:
        data, weight, result = arrays[x], arrays[w], arrays[y]
        groups = data.shape[1] // weight.shape[1]
        return run(
            data.reshape(data.shape[0], groups, -1, *data.shape[2:]),
            weight.reshape(groups, -1, *weight.shape[1:]),
            result.reshape(result.shape[0], groups, -1, *result.shape[2:]),
        )

    return grouped


def _places(
    x: Data, w: Data, y: Data, padding: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[Callable[..., Any], Any]]:
    """For each place in the kernel: what reads (or adds to) the data that all windows have there, as (N, G, C, L); and the place's key."""
    for spatial, kernel, out, p, s, d in zip(x.shape[3:], w.shape[3:], y.shape[3:], padding, stride, dilation, strict=True):
        assert out == (spatial + 2 * p - d * (kernel - 1) - 1) // s + 1, "sizes that do not fit together"
    for place in itertools.product(*map(range, w.shape[3:])):
        # Which windows see data there, and where that data is.
        seen = []
        for k, n, out, p, s, d in zip(place, x.shape[3:], y.shape[3:], padding, stride, dilation, strict=True):
            where = np.arange(out) * s + k * d - p
            seen.append((where, (where >= 0) & (where < n)))
        source = (..., *np.ix_(*(where[inside] for where, inside in seen)))
        target = (..., *np.ix_(*(np.flatnonzero(inside) for _, inside in seen)))

        def at(data: Data, add: Data | None = None, source: Any = source, target: Any = target) -> Any:
            if add is not None:
                data[source] += add.reshape(*add.shape[:3], *y.shape[3:])[target]
                return None
            columns = np.zeros((*data.shape[:3], *y.shape[3:]))
            columns[target] = data[source]
            return columns.reshape(*data.shape[:3], math.prod(y.shape[3:]))

        yield at, (slice(None), slice(None), slice(None), *place)


def _for_each(x: Data, heads: int) -> Data:
    """Keys or values with a head for each of the queries' ``heads``."""
    return np.repeat(x, heads // x.shape[1], axis=1)


def _of_groups(x: Data, heads: int) -> Data:
    """Gradients summed over the heads of queries that share one of ``heads``."""
    return np.stack([part.sum(1) for part in np.split(x, heads, axis=1)], axis=1)


def _scores(q: Data, k: Data, bias: Data | None, scale: float, causal: bool) -> Data:
    scores = q @ k.swapaxes(-1, -2) * scale + (0 if bias is None else bias)
    return np.where(np.arange(k.shape[-2]) <= np.arange(q.shape[-2])[:, None], scores, -np.inf) if causal else scores


class Cudnn:
    """The module."""

    data_type = _names(*DTYPES)
    heur_mode = _names("A", "FALLBACK")
    numerical_note = _names(*NOTES)
    cudnnGraphNotSupportedError = NotSupported
    __version__ = "1.23.0"

    def __init__(self) -> None:
        self.convolutions = CONVOLUTIONS
        self.ran: list[str] = []  # the algorithms of the calls that were started
        self.built: list[str] = []  # those of which plans were made

    def backend_version(self) -> int:
        return 91900

    create_handle = staticmethod(Handle)

    def set_stream(self, *, handle: Handle, stream: int) -> None:
        handle.set_stream(stream)

    def pygraph(self, **arguments: Any) -> Graph:
        return Graph(self, **arguments)
