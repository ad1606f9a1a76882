"""A graph of floating layers as one of MXNet's int8 operators: what computes in bytes, and where numbers change from one to the other.

Products (``Convolution``, ``FullyConnected``) begin to compute in bytes; what only moves bytes about (pooling, relu, flattening, joining)
goes on in them, and a sum of two if its range is known. Everything else has its inputs back as floating numbers.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridnet import symbol as sym
from hybridnet.contrib.quantization.calibration import Ranges
from hybridnet.contrib.quantization.folding import LAYERS, Arrays
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol import Symbol
from hybridnet.symbol.node import Entry, Node, walk

Key = tuple[int, int]
_STEPS = 127.0  # of int8 on either side of 0
_WHOLE = 2.0**31 - 1


@dataclass(frozen=True)
class Choice:
    """What of a graph is to be in bytes.

    ``dtype``: int8, or uint8 and auto for uint8 where nothing that is read is below 0. ``excluded``, ``patterns``, ``operators``: layers by
    name, by pattern, and by operator that stay as they are.
    """

    dtype: str = "int8"
    excluded: Collection[str] = ()
    patterns: Collection[str] = ()
    operators: Collection[str] = ()

    def takes(self, node: Node) -> bool:
        """Whether a node may be in bytes."""
        named = node.name in self.excluded or any(fnmatch.fnmatch(node.name, p) for p in self.patterns)
        return not named and node.op not in self.operators

    def is_layer(self, node: Node, arrays: Arrays) -> bool:
        """Whether a node is a product with a weight that is known, and may be in bytes."""
        return node.op in LAYERS and node.inputs[1].node.name in arrays and self.takes(node)


def asked_for(graph: Symbol, arrays: Arrays, choice: Choice) -> list[Entry]:
    """The arrays whose ranges a quantized graph needs: inputs and outputs of products, sums, and what only moves bytes about.

    ArgumentError for a graph without a product that could be in bytes.
    """
    found: dict[Key, Entry] = {}
    if not any(choice.is_layer(node, arrays) for node in walk(graph._outputs)):
        fail(ArgumentError, "quantization", expected="a layer (Convolution, FullyConnected) that may be in bytes", got="none")
    for node in walk(graph._outputs):
        if choice.is_layer(node, arrays):
            for e in (node.inputs[0], Entry(node)):
                found[id(e.node), e.index] = e
        elif node.op in ("elemwise_add", "Activation", "relu", "Pooling", "Flatten") and choice.takes(node):
            found[id(node), 0] = Entry(node)
    return list(found.values())


def name_of(entry: Entry) -> str:
    """What an array is called in tables of ranges: an output by its name, a variable by its own."""
    return entry.node.output_names[entry.index]


class Rewriter:
    """Makes the quantized graph, and the arrays of its variables, of a floating one."""

    def __init__(self, graph: Symbol, arrays: Arrays, ranges: Ranges, choice: Choice) -> None:
        self._graph, self._choice, self._ranges = graph, choice, ranges
        self.arrays = dict(arrays)
        self._order = walk(graph._outputs)
        self._uses = Counter(id(e.node) for node in self._order for e in node.inputs) + Counter(id(e.node) for e in graph._outputs)
        self._readers: dict[int, list[Node]] = {}
        for node in self._order:
            for e in node.inputs:
                self._readers.setdefault(id(e.node), []).append(node)
        self._floats: dict[Key, Entry] = {}
        self._bytes: dict[Key, Symbol] = {}  # of three outputs: bytes, and the ends of their range
        self._products: dict[Key, Symbol] = {}  # the same of int32

    def run(self) -> Symbol:
        """The quantized graph; :attr:`arrays` are its variables' then."""
        moving = {
            "Pooling": self._pool,
            "Activation": self._relu,
            "relu": self._relu,
            "Flatten": self._flat,
            "Concat": self._joined,
            "elemwise_add": self._sum,
        }
        for node in self._order:
            key = id(node), 0
            made = moving[node.op](node) if node.op in moving and self._choice.takes(node) else None
            if made is not None:
                self._bytes[key] = made
            elif self._choice.is_layer(node, self.arrays) and not self._is_shared(node):
                self._layer(node)
            elif node.operator is None:
                self._floats[key] = Entry(node)
            else:
                copy = Node(node.name, node.op, node.operator, node.attrs, (), node.subgraphs)
                copy.bind_inputs([self._floating(e)._replace(version=e.version) for e in node.inputs])
                for index in range(len(node.output_names)):
                    self._floats[id(node), index] = Entry(copy, index)
        found = Symbol([self._floating(e) for e in self._graph._outputs])
        names = {*found.list_arguments(), *found.list_auxiliary_states()}
        self.arrays = {name: x for name, x in self.arrays.items() if name in names}
        return found

    def _is_shared(self, node: Node) -> bool:
        """Whether something else reads its weight or bias."""
        return any(self._uses[id(e.node)] > 1 for e in node.inputs[1:])

    # -- from one to the other ------------------------------------------------------------------

    def _floating(self, entry: Entry) -> Entry:
        key = id(entry.node), entry.index
        if key not in self._floats:
            if key in self._products and key not in self._bytes:
                made = self._unpacked(entry.node, self._products[key])
            else:
                held = self._bytes[key]
                made = sym.contrib.dequantize(held[0], held[1], held[2], name=f"{entry.node.name}_dequantize")
            self._floats[key] = made._outputs[0]
        return self._floats[key]

    def _in_bytes(self, entry: Entry) -> Symbol:
        key = id(entry.node), entry.index
        if key not in self._bytes:
            if key in self._products:
                product = self._products[key]
                label = f"requantize_{entry.node.name}"
                made = sym.contrib.requantize(product[0], product[1], product[2], name=label, **self._range_behind(entry.node))
            else:
                low, high = self._ranges.get(name_of(entry), (None, None))
                given = {"out_type": self._type(low), "min_calib_range": low, "max_calib_range": high}
                made = sym.contrib.quantize_v2(Symbol([self._floating(entry)]), name=f"{entry.node.name}_quantize", **given)
            self._bytes[key] = made
        return self._bytes[key]

    @staticmethod
    def _unpacked(node: Node, product: Any) -> Any:
        """An int32 product as floating numbers, which loses nothing."""
        unit = product[2] * (1.0 / _WHOLE)
        return sym.broadcast_mul(sym.cast(product[0], dtype="float32"), unit, name=f"{node.name}_unpacked")

    def _type(self, low: float | None) -> str:
        return "uint8" if self._choice.dtype != "int8" and low is not None and low >= 0 else "int8"

    def _is_unsigned(self, entry: Entry) -> bool:
        """Whether bytes are uint8: what they were made from says so."""
        made = self._bytes[id(entry.node), entry.index]._outputs[0].node
        while "out_type" not in made.values:
            made = made.inputs[0].node
        return str(made.values["out_type"]) == "uint8"

    def _held(self, node: Node) -> list[Symbol] | None:
        """The inputs in bytes, if they are that already, or whole numbers at least."""
        keys = [(id(e.node), e.index) for e in node.inputs]
        if not all(key in self._bytes or key in self._products for key in keys):
            return None
        return [self._in_bytes(e) for e in node.inputs]

    # -- products -------------------------------------------------------------------------------

    def _layer(self, node: Node) -> None:
        data = self._in_bytes(node.inputs[0])
        low: Any = data[1]
        high: Any = data[2]
        conv = node.op == "Convolution"
        unsigned = self._is_unsigned(node.inputs[0])
        if conv and unsigned:  # whose ranges are read as those of int8
            low, high = (x * (_STEPS / 255.0) for x in (low, high))
        weight, *ends = self._stored(node.inputs[1].node.name)
        given = {"data": data[0], "weight": weight, "min_data": low, "max_data": high, "min_weight": ends[0], "max_weight": ends[1]}
        attributes = {key: text for key, text in node.own().items() if key != "no_bias"}
        bias = node.inputs[2].node.name if len(node.inputs) > 2 else None
        known = self._ranges.get(name_of(node.inputs[0]))
        later = conv and bias is not None and known is None  # its steps are not known before the data
        if bias is not None and not later:
            if conv:
                given["bias"] = self._in_steps(bias, node.inputs[1].node.name, known, unsigned)
                given["min_bias"], given["max_bias"] = ends
            else:
                given["bias"], given["min_bias"], given["max_bias"] = self._stored(bias)
        call = sym.contrib.quantized_conv if conv else sym.contrib.quantized_fully_connected
        product = call(**given, no_bias="bias" not in given, name=f"quantized_{node.name}", **attributes)
        if later:
            self._floats[id(node), 0] = self._with_bias(node, product, str(bias))._outputs[0]
        else:
            self._products[id(node), 0] = product

    def _range_behind(self, node: Node) -> dict[str, Any]:
        """The range of a product's output, as what alone reads it lets it through: a relu, the largest of windows."""
        while self._uses[id(node)] == 1 and id(node) in self._readers:
            (reader,) = self._readers[id(node)]
            narrows = _is_relu(reader) or reader.op == "Flatten" or (reader.op == "Pooling" and reader.values["pool_type"] == "max")
            if not narrows or not self._choice.takes(reader):
                break
            node = reader
        low, high = self._ranges.get(node.output_names[0], (None, None))
        unsigned = self._type(low) == "uint8" and all(
            self._choice.is_layer(reader, self.arrays) and not self._is_shared(reader) for reader in self._readers.get(id(node), ())
        )
        return {"out_type": "uint8" if unsigned else "int8", "min_calib_range": low, "max_calib_range": high}

    def _with_bias(self, node: Node, product: Symbol, bias: str) -> Symbol:
        """A convolution plus its bias, in floating numbers."""
        ahead = (-1,) if str(node.values.get("layout") or "").endswith("C") else (1, -1, *[1] * len(node.values["kernel"]))
        along = sym.reshape(sym.var(bias), shape=ahead, name=f"{node.name}_bias_along")
        return sym.broadcast_add(self._unpacked(node, product), along, name=f"{node.name}_sum")

    def _stored(self, name: str) -> tuple[Symbol, Symbol, Symbol]:
        """Variables of a parameter in int8, and of the ends of its range."""
        x = self.arrays[name]
        end = float(np.abs(x).max()) or 1.0
        self.arrays[f"{name}_quantize"] = np.rint(x * (_STEPS / end)).astype(np.int8)
        self.arrays[f"{name}_quantize_min"], self.arrays[f"{name}_quantize_max"] = (np.array([e], np.float32) for e in (-end, end))
        whole, *ends = (sym.var(f"{name}_quantize{part}") for part in ("", "_min", "_max"))
        return whole, ends[0], ends[1]

    def _in_steps(self, bias: str, weight: str, of_data: tuple[float, float] | None, unsigned: bool) -> Symbol:
        """A variable of a convolution's bias in steps of its product."""
        assert of_data is not None
        step = max(map(abs, of_data)) / (255.0 if unsigned else _STEPS) * float(self.arrays[f"{weight}_quantize_max"][0]) / _STEPS
        whole = np.rint(self.arrays[bias] / (step or 1.0))
        self.arrays[f"{bias}_quantize"] = np.clip(whole, -_WHOLE, _WHOLE).astype(np.int32)
        return sym.var(f"{bias}_quantize", dtype="int32")  # of which MXNet, too, would infer int8

    # -- what moves bytes about -----------------------------------------------------------------

    @staticmethod
    def _called(operator: Any, node: Node, held: Symbol, **attributes: Any) -> Symbol:
        made: Symbol = operator(held[0], held[1], held[2], name=f"quantized_{node.name}", **attributes)
        return made

    def _pool(self, node: Node) -> Symbol | None:
        held = self._held(node)
        if held is None or node.values["pool_type"] not in ("max", "avg"):
            return None
        return self._called(sym.contrib.quantized_pooling, node, held[0], **node.own())

    def _relu(self, node: Node) -> Symbol | None:
        held = self._held(node)
        if held is None or not _is_relu(node):
            return None
        return self._called(sym.contrib.quantized_act, node, held[0], act_type="relu")

    def _flat(self, node: Node) -> Symbol | None:
        held = self._held(node)
        return None if held is None else self._called(sym.contrib.quantized_flatten, node, held[0])

    def _joined(self, node: Node) -> Symbol | None:
        held = self._held(node)
        if held is None or len({self._is_unsigned(e) for e in node.inputs}) > 1:
            return None
        arrays = [x[0] for x in held] + [x[i] for x in held for i in (1, 2)]
        return sym.contrib.quantized_concat(*arrays, num_args=len(held), dim=node.values["dim"], name=f"quantized_{node.name}")

    def _sum(self, node: Node) -> Symbol | None:
        held, known = self._held(node), self._ranges.get(node.output_names[0])
        if held is None or known is None or any(self._is_unsigned(e) for e in node.inputs):
            return None
        ends = [x[i] for x in held for i in (1, 2)]
        given = {"min_calib_range": known[0], "max_calib_range": known[1]}
        return sym.contrib.quantized_elemwise_add(held[0][0], held[1][0], *ends, name=f"quantized_{node.name}", **given)


def _is_relu(node: Node) -> bool:
    return node.op == "relu" or (node.op == "Activation" and node.values["act_type"] == "relu")
