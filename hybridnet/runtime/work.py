"""What a step has to do at least: bytes that it reads and writes, floating-point operations of its products. From its node and record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hybridnet.dtypes import Dtype
from hybridnet.graph.control_ops import FOREACH
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.last_block import ENDED
from hybridnet.lowering.multi_tensor import GROUP


def bytes_of(node: Node, values: Iterable[Value] | None = None) -> int:
    """The bytes of a node's operands and results, each counted once; of a table, what is looked up in it. Views move nothing.

    Of several views of one array, or a view that repeats it, no more is counted than the array has. ``values``: those that one of several
    steps of the node reads or writes, arrays between the steps included.
    """
    if node.op.is_view:
        return 0
    if values is None:
        values = (*(v for v in node.inputs if v.constant is None), *node.outputs)
    tables = {node.inputs[i] for i in node.op.looks_up}
    looked_up = node.outputs[0].size
    found: dict[Value, int] = {}
    for v in dict.fromkeys(values):
        whole = _viewed(v)
        moved = min(v.size, looked_up) * v.dtype.itemsize if v in tables else v.nbytes
        found[whole] = min(found.get(whole, 0) + moved, whole.nbytes)
    return sum(found.values())


def _viewed(v: Value) -> Value:
    """The array that a value is, or is a view of."""
    while v.node is not None and v.node.op.is_view:
        v = v.node.inputs[0]
    return v


def flops_of(node: Node) -> int:
    """The operations of the products in a node: ``Op.flops``. Those of a loop are counted where it is known how often it goes round."""
    if node.op.flops is not None:
        return node.op.flops(tuple(v.spec for v in node.inputs), tuple(v.spec for v in node.outputs), **node.attrs)
    products = sum(map(flops_of, _known_loop(node)))
    return products * int(node.attrs["length"]) if products else 0


def product_dtype(node: Node) -> Dtype | None:
    """The dtype of the products in a node, if there are any."""
    if node.op.flops is not None:
        return node.inputs[0].dtype
    return next((dtype for dtype in map(product_dtype, _known_loop(node)) if dtype is not None), None)


def _known_loop(node: Node) -> Sequence[Node]:
    """What runs ``length`` times."""
    if node.op is not FOREACH or node.attrs["counted"]:
        return ()
    body: Graph = node.attrs["body"]
    return body.nodes


def operator_of(node: Node) -> str:
    """The operator's name; of a region or a group those of its parts, each once (``"add+tanh"``)."""
    if node.op not in (ENDED, FUSED, GROUP):
        return node.op.name
    body: Graph = node.attrs["body"]
    names = dict.fromkeys(n.op.name for n in body.nodes if n.output.constant is None and not n.op.is_view)
    return "+".join(names) or node.op.name
