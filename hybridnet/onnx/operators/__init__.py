"""What each ONNX operator computes, in our functions: a table that importing reads, filled by the families here.

An operator is a function of the :class:`Call` and its operands; it gives the result, or a tuple of them. Operands are arrays, or NumPy
arrays where they are known before the network runs (shapes, axes, and what is computed of those); ``None`` stands for one that is left out.
The bodies of loops and branches come as functions, by the names of their attributes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, helper, numpy_helper

from hybridnet import numpy as mnp
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, GraphError, TraceError, fail

FAMILIES = ("pointwise", "shapes", "reductions", "layers", "recurrent", "control", "learning", "trees")
ML = "ai.onnx.ml"
OPERATORS: dict[str, Callable[..., Any]] = {}


def key_of(node: NodeProto) -> str:
    """The name by which a node's operator is entered: with its domain, but for ONNX's own."""
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def operator(*names: str, domain: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function for the operators of these names."""

    def enter(compute: Callable[..., Any]) -> Callable[..., Any]:
        for name in (f"{domain}.{name}" if domain else name for name in names):
            if name in OPERATORS:
                raise ValueError(f"operator {name!r} is entered twice")
            OPERATORS[name] = compute
        return compute

    return enter


def _value(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if attribute.type == AttributeProto.STRINGS:
        return [x.decode() for x in value]
    return list(value) if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def array_of(x: Any) -> Any:
    """An operand as an array, where it was one of NumPy's."""
    return mnp.array(x, dtype=x.dtype) if isinstance(x, (np.ndarray, np.generic)) else x


class Call:
    """A node: its attributes, the opset that it is of, and how many results are wanted."""

    def __init__(self, node: NodeProto, opset: int) -> None:
        self.op = node.op_type
        self.name = node.name or ", ".join(node.output)
        self.opset = opset
        self.wanted = [bool(name) for name in node.output]
        self.attributes = {a.name: _value(a) for a in node.attribute if a.type != AttributeProto.GRAPH}

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def host(self, value: Any, what: str) -> np.ndarray:
        """An operand whose elements are needed before the network runs."""
        if isinstance(value, Array):
            try:
                value = value.asnumpy()  # type: ignore[attr-defined]
            except TraceError:
                self.refuse(f"{what} that is known before the network runs", "one that is computed from its inputs")
        return np.asarray(value)

    def integers(self, what: str, *operands: Any, default: Any = None) -> Any:
        """Integers that are an attribute in some opsets and an operand in others."""
        if what in self.attributes:
            return self.attributes[what]
        if operands and operands[0] is not None:
            return self.host(operands[0], what).reshape(-1).tolist()
        return default

    def refuse(self, expected: str, got: str, fix: str = "") -> Any:
        """Raise that the node cannot be computed, with its name."""
        fail(GraphError, f"onnx.import_, {self.op} {self.name!r}", expected=expected, got=got, fix=fix)

    def among(self, what: str, value: Any, known: Sequence[Any]) -> Any:
        """An attribute's value, which has to be one of those known."""
        if value not in known:
            fail(
                ArgumentError, f"onnx.import_, {self.op} {self.name!r}", expected=f"{what} {' or '.join(map(repr, known))}", got=repr(value)
            )
        return value


for _family in FAMILIES:
    importlib.import_module(f"hybridnet.onnx.operators.{_family}")
