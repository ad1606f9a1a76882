"""The plain kernels of tests/emulator/reference for each operator that has hand-written ones, and running them on the emulator.

An operator's entry says which functions compute its outputs, a thread an element: :class:`Plain` calls, one after another.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from emulator.emulator import RawModule

from hybridnet.core.kernel import stored_type
from hybridnet.graph.ir import Node
from hybridnet.ops.nn.moments import _channels_of

FOLDER = Path(__file__).resolve().parent.parent / "emulator" / "reference"
THREADS = 64

Data = np.ndarray[Any, Any]


class Plain(NamedTuple):
    """A launch: the function with its template arguments, its operands (``x0`` and ``y1`` of the node, or arrays) and numbers.

    Arrays may be filled for later launches.
    """

    function: str
    operands: tuple[str | Data, ...]
    numbers: tuple[float, ...]  # the last one is how many threads there are


Entry = Callable[[Node, Sequence[Data]], list[Plain]]


def _places(node: Node, data: Sequence[Data], shape: tuple[int, ...], tables: int) -> Data:
    """Which element of an array of ``shape`` each one is that the node's key names, by NumPy's own indexing."""
    arrays = iter(data[tables:])
    forms = {"array": lambda: next(arrays), "slice": slice, "int": int, "new": lambda: None}
    key = tuple(forms[kind](*rest) for kind, *rest in node.attrs["key"])
    return np.arange(math.prod(shape)).reshape(shape)[key]


def _along(shape: tuple[int, ...], indices: Data, axis: int) -> Data:
    return np.take_along_axis(np.arange(math.prod(shape)).reshape(shape), indices, axis)


def _taken(places: Data) -> list[Plain]:
    return [Plain("ref_gather", ("y0", "x0", places), (places.size,))]


def _added(node: Node, places: Data) -> list[Plain]:
    return [Plain("ref_add", ("y0", "x0", places), (places.size, node.output.size))]


def _set(node: Node, data: Sequence[Data]) -> list[Plain]:
    places = _places(node, data, data[0].shape, 2)
    value = np.ascontiguousarray(np.broadcast_to(data[1].reshape(data[1].shape[max(data[1].ndim - places.ndim, 0) :]), places.shape))
    return [Plain("ref_set", ("y0", "x0", value, places), (places.size, node.output.size))]


def _place_slice(node: Node, data: Sequence[Data]) -> list[Plain]:
    places = _places(node, data, node.output.shape, 1)
    return [Plain("ref_place_slice", ("y0", "x0", places), (places.size, node.output.size))]


def _concatenate(node: Node, data: Sequence[Data]) -> list[Plain]:
    axis, shape = node.attrs["axis"], node.output.shape
    starts = np.cumsum([0, *(x.shape[axis] for x in data)])
    inner = math.prod(shape[axis + 1 :])
    return [
        Plain("ref_concatenate", ("y0", f"x{i}"), (starts[i], x.shape[axis], shape[axis], inner, x.size))
        for i, x in enumerate(data)
        if x.size
    ]


def _split(x: Data, axis: int) -> tuple[int, int]:
    """The length of an axis, and how many elements lie behind it."""
    return x.shape[axis], math.prod(x.shape[axis + 1 :])


def _scan(product: str) -> Entry:
    return lambda node, data: [Plain(f"ref_scan<{product}>", ("y0", "x0"), (*_split(data[0], node.attrs["axis"]), data[0].size))]


def _extremum(largest: str) -> Entry:
    return lambda node, data: [Plain(f"ref_extremum<{largest}>", ("y0", "x0"), (*_split(data[0], node.attrs["axis"]), node.output.size))]


def _search(node: Node, data: Sequence[Data]) -> list[Plain]:
    right = str(node.attrs["side"] == "right").lower()
    return [Plain(f"ref_search<{right}>", ("y0", "x0", "x1"), (data[0].size, data[1].size))]


def _arange(node: Node, data: Sequence[Data]) -> list[Plain]:
    return [Plain("ref_arange", ("y0",), (float(node.attrs["start"]), float(node.attrs["step"]), node.output.size))]


def _eye(node: Node, data: Sequence[Data]) -> list[Plain]:
    return [Plain("ref_eye", ("y0",), (node.attrs["columns"], node.attrs["k"], node.output.size))]


def _channels(x: Data, axis: tuple[int, ...]) -> tuple[int, ...]:
    view = _channels_of(x.shape, axis)
    assert view is not None, "has hand-written kernels, and so channels"
    return tuple(view)


def _moments(node: Node, data: Sequence[Data]) -> list[Plain]:
    outer, channels, inner = _channels(data[0], node.attrs["axis"])
    return [Plain("ref_moments", ("y0", "y1", "x0"), (outer, inner, channels))]


def _centred_sums(node: Node, data: Sequence[Data]) -> list[Plain]:
    outer, channels, inner = _channels(data[0], node.attrs["axis"])
    return [Plain("ref_sums", ("y0", "y1", "x0", "x1", "x2"), (outer, inner, channels))]


def _row_norm(node: Node, data: Sequence[Data]) -> list[Plain]:
    length, eps, size = data[0].shape[node.attrs["axis"]], node.attrs["eps"], data[0].size
    if len(data) == 3:
        moments, operands, centred = ("y1", "y2", "x0"), ("y0", "x0", "y1", "y2", "x1", "x2"), "true"
    else:  # the mean of squares alone: what stands for mean and beta is not read
        moments, operands, centred = ("y1", "y1", "x0"), ("y0", "x0", "y1", "y1", "x1", "x1"), "false"
    return [
        Plain(f"ref_row_moments<{centred}>", moments, (length, size // length)),
        Plain(f"ref_layer_norm<{centred}>", operands, (eps, length, size)),
    ]


def _row_norm_grad(node: Node, data: Sequence[Data]) -> list[Plain]:
    length, eps, size = data[1].shape[node.attrs["axis"]], node.attrs["eps"], data[1].size
    if len(data) == 5:
        rows, gamma, sums, centred = ("x2", "x3"), "x4", ("y1", "y2"), "true"
    else:
        rows, gamma, sums, centred = ("x2", "x2"), "x3", ("y1", "y1"), "false"
    return [
        Plain(f"ref_layer_norm_grad<{centred}>", ("y0", "x0", "x1", *rows, gamma), (eps, length, size)),
        Plain(f"ref_layer_norm_sums<{centred}>", (*sums, "x0", "x1", *rows), (eps, size // length, length)),
    ]


def _mask(node: Node, data: Sequence[Data], number: int, time: int, batch: int) -> str | Data:
    """The mask behind so many operands, or one of ones."""
    return f"x{number}" if len(data) > number else np.ones((time, batch, 1), bool)


def _recurrence(node: Node, data: Sequence[Data]) -> list[Plain]:
    mode, (time, batch, units) = node.attrs["mode"], node.output.shape
    order = range(time)[:: -1 if node.attrs["reverse"] else 1]
    lstm, gated = mode == "lstm", mode in ("lstm", "gru")
    gates = f"y{1 + lstm}" if node.attrs.get("keep") else np.zeros((time, batch, 4 * units))
    results = ("y0", *(("y1",) if lstm else ()), *((gates,) if gated else ()))
    states = [np.concatenate([x.reshape(1, -1), np.zeros((time, x.size))]).astype("float64") for x in data[3 : 4 + lstm]]
    operands = (*results, *states, "x0", "x1", "x2", _mask(node, data, 4 + lstm, time, batch))
    function = {"lstm": "ref_lstm", "gru": "ref_gru", "rnn_relu": "ref_rnn<true>", "rnn_tanh": "ref_rnn<false>"}[mode]
    return [Plain(function, operands, (t, s, units, batch * units)) for s, t in enumerate(order)]


def _recurrence_grad(node: Node, data: Sequence[Data]) -> list[Plain]:
    mode, (time, batch, units) = node.attrs["mode"], data[0].shape
    order = list(range(time)[:: -1 if node.attrs["reverse"] else 1])
    lstm, count = mode == "lstm", batch * units
    states, first = 1 + lstm, 2 * (1 + lstm) + bool(node.attrs.get("keep"))  # of the forward's operands the first
    mask = _mask(node, data, first + 3 + states, time, batch)
    passed, cells = np.zeros((time, count)), np.zeros((time, count))
    gates, wh, h0, c0 = f"x{2 * states}", f"x{first + 1}", f"x{first + 3}", f"x{first + 4}"
    launches = []
    for s in reversed(range(time)):
        t, before, behind = order[s], order[s - 1] if s else -1, order[s + 1] if s + 1 < time else -1
        if lstm:
            operands = ("y0", passed, cells, "x0", "x1", "x3", gates, wh, c0, mask)
            launches.append(Plain("ref_lstm_grad", operands, (t, before, behind, units, count)))
        elif mode == "gru":
            launches.append(Plain("ref_gru_grad", ("y0", "y1", passed, "x0", "x1", gates, wh, h0, mask), (t, before, behind, units, count)))
        else:
            function = f"ref_rnn_grad<{'true' if mode == 'rnn_relu' else 'false'}>"
            launches.append(Plain(function, ("y0", passed, "x0", "x1", wh, mask), (t, behind, units, count)))
    width = data[first].shape[2]
    product, result = ("y1", "y2") if mode == "gru" else ("y0", "y1")
    launches.append(Plain("ref_first", (result, passed, product, wh), (order[0], units, width, count)))
    return [*launches, Plain("ref_first_cell", ("y2", cells), (order[0], count))] if lstm else launches


def _cross_entropy(node: Node, data: Sequence[Data]) -> list[Plain]:
    return [Plain("ref_cross_entropy", ("y0", "y1", "x0", "x1"), (data[0].shape[node.attrs["axis"]], node.output.size))]


def _cross_entropy_grad(node: Node, data: Sequence[Data]) -> list[Plain]:
    return [Plain("ref_cross_entropy_grad", ("y0", "x0", "x1", "x2", "x3", "x4"), (data[0].shape[node.attrs["axis"]], node.output.size))]


def _cross_entropy_both(node: Node, data: Sequence[Data]) -> list[Plain]:
    length, rows = data[0].shape[node.attrs["axis"]], node.output.size
    return [Plain("ref_cross_entropy_both", ("y0", "y1", "x0", "x1", "x2", "x3"), (length, rows))]


def _windows(size: Sequence[int], count: Sequence[int], attrs: Any) -> Data:
    """The numbers of ``ref_windows``, in which three axes are described; those that there are stand last."""
    ones = (1,) * len(size)
    rows = (size, count, attrs["kernel"], attrs["stride"], attrs["pad"], attrs.get("dilate", ones))
    return np.array([[*(0 if row is attrs["pad"] else 1 for _ in range(3 - len(size))), *row] for row in rows], np.int64)


def _pool(node: Node, shape: tuple[int, ...]) -> tuple[Data, int]:
    """The windows over data of a shape, and how many elements lie behind the spatial axes."""
    first, count = node.attrs["first"], node.attrs["count"]
    last = first + len(count)
    return _windows(shape[first:last], count, node.attrs), math.prod(shape[last:])


def _max_pool(source: str) -> Entry:
    def entry(node: Node, data: Sequence[Data]) -> list[Plain]:
        by, inner = _pool(node, data[0].shape)
        lowest = float(np.finfo(np.float32).min)  # of no sample: each of their windows has data
        return [Plain("ref_max_pool", ("y0", "x0", source, by), (inner, lowest, node.output.size))]

    return entry


def _max_pool_grad(node: Node, data: Sequence[Data]) -> list[Plain]:
    by, inner = _pool(node, data[1].shape)
    return [Plain("ref_pool_grad<true, 0>", ("y0", "x0", "x1", by), (inner, node.output.size))]


_DIVIDE = {"no": 0, "all": 1, "data": 2}


def _sum_pool(node: Node, data: Sequence[Data]) -> list[Plain]:
    by, inner = _pool(node, data[0].shape)
    return [Plain(f"ref_sum_pool<{_DIVIDE[node.attrs['divide']]}>", ("y0", "x0", by), (inner, node.output.size))]


def _sum_pool_grad(node: Node, data: Sequence[Data]) -> list[Plain]:
    by, inner = _pool(node, node.output.shape)
    return [Plain(f"ref_pool_grad<false, {_DIVIDE[node.attrs['divide']]}>", ("y0", "x0", "x0", by), (inner, node.output.size))]


def _columns(node: Node, shape: tuple[int, ...]) -> tuple[str, Data, tuple[int, int, int]]:
    """Whether channels are last, the windows over data of a shape, and batch, groups and the channels of one."""
    attrs = node.attrs
    size = shape[1:-1] if attrs["last"] else shape[2:]
    reach = zip(size, attrs["kernel"], attrs["stride"], attrs["pad"], attrs["dilate"], strict=True)
    count = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in reach]
    channels = shape[-1] if attrs["last"] else shape[1]
    return str(attrs["last"]).lower(), _windows(size, count, attrs), (shape[0], attrs["groups"], channels // attrs["groups"])


def _im2col(node: Node, data: Sequence[Data]) -> list[Plain]:
    last, by, numbers = _columns(node, data[0].shape)
    return [Plain(f"ref_im2col<{last}>", ("y0", "x0", by), (*numbers, node.output.size))]


def _col2im(node: Node, data: Sequence[Data]) -> list[Plain]:
    last, by, numbers = _columns(node, node.output.shape)
    return [Plain(f"ref_col2im<{last}>", ("y0", "x0", by), (*numbers, data[0].size, node.output.size))]


#: By the operator's name: an operator with hand-written kernels without an entry fails tests/codegen/test_cuda_reference.py.
REFERENCE: dict[str, Entry] = {
    "arange": _arange,
    "eye": _eye,
    "index": lambda node, data: _taken(_places(node, data, data[0].shape, 1)),
    "take_along_axis": lambda node, data: _taken(_along(data[0].shape, data[1], node.attrs["axis"])),
    "index_add": lambda node, data: _added(node, _places(node, data, node.output.shape, 1)),
    "add_along_axis": lambda node, data: _added(node, _along(node.output.shape, data[1], node.attrs["axis"])),
    "index_set": _set,
    "slice_grad": _place_slice,
    "concatenate": _concatenate,
    "cumsum": _scan("false"),
    "cumprod": _scan("true"),
    "argmax": _extremum("true"),
    "argmin": _extremum("false"),
    "searchsorted": _search,
    "moments": _moments,
    "centred_sums": _centred_sums,
    "layer_norm": _row_norm,
    "rms_norm": _row_norm,
    "layer_norm_grad": _row_norm_grad,
    "rms_norm_grad": _row_norm_grad,
    "rnn_sequence": _recurrence,
    "rnn_sequence_grad": _recurrence_grad,
    "softmax_cross_entropy": _cross_entropy,
    "softmax_cross_entropy_grad": _cross_entropy_grad,
    "softmax_cross_entropy_both": _cross_entropy_both,
    "max_pool": _max_pool("x0"),
    "max_pool_gather": _max_pool("x1"),
    "max_pool_grad": _max_pool_grad,
    "sum_pool": _sum_pool,
    "sum_pool_grad": _sum_pool_grad,
    "im2col": _im2col,
    "col2im": _col2im,
}


class Program:
    """The plain kernels of many nodes, in one translation unit. First all are added, then ``build`` compiles, then ``run`` runs."""

    def __init__(self) -> None:
        self.launches: dict[int, list[tuple[str, Plain]]] = {}
        self.kernels: list[str] = []

    def add(self, node: Node, data: Sequence[Data]) -> None:
        self.launches[id(node)] = [(self._kernel(node, plain), plain) for plain in REFERENCE[node.op.name](node, data)]

    def _kernel(self, node: Node, plain: Plain) -> str:
        name = f"plain{len(self.kernels)}"
        parameters = [
            f"{'const ' if isinstance(a, str) and a[0] == 'x' else ''}{stored_type(_dtype(node, a))}* p{i}"
            for i, a in enumerate(plain.operands)
        ]
        arguments = [*(f"p{i}" for i in range(len(plain.operands))), *map(repr_of, plain.numbers)]
        self.kernels.append(f'extern "C" __global__ void {name}({", ".join(parameters)}) {{ {plain.function}({", ".join(arguments)}); }}')
        return name

    def build(self) -> "Program":
        self.module = RawModule("\n".join((text(), *self.kernels)))
        return self

    def run(self, node: Node, data: Sequence[Data]) -> list[Data]:
        """The node's outputs."""
        outputs = [np.zeros(v.shape, v.dtype) for v in node.outputs]
        arrays: dict[str, Data] = {f"x{i}": np.ascontiguousarray(x) for i, x in enumerate(data)} | {
            f"y{i}": y for i, y in enumerate(outputs)
        }
        for name, plain in self.launches[id(node)]:
            given = [arrays[a] if isinstance(a, str) else np.ascontiguousarray(a) for a in plain.operands]
            self.module.get_function(name)((-(-int(plain.numbers[-1]) // THREADS),), (THREADS,), given)
        return outputs


def _dtype(node: Node, operand: str | Data) -> Any:
    if isinstance(operand, str):
        return (node.inputs if operand[0] == "x" else node.outputs)[int(operand[1:])].dtype
    return operand.dtype


def repr_of(number: float) -> str:
    """A number as C++ has it."""
    return repr(float(number)) if isinstance(number, float) else f"{int(number)}ll"


def text() -> str:
    """All plain kernels, as one text that includes headers of ``kernels/`` alone."""
    files = sorted(FOLDER.glob("*.cuh"), key=lambda path: (path.stem not in ("plain", "windows"), path.stem))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    own = {f'#include "{path.name}"' for path in files}
    return "\n".join(line for line in lines if line not in own and line != "#pragma once")
