"""Recurrent networks: a sequence operator of ours with the projection of its inputs before it is one ONNX operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer

#: The ONNX operator, and where in ours each of its gates stands: i o f c of i f c o, z r h of r z n.
KINDS = {"lstm": ("LSTM", (0, 3, 1, 2)), "gru": ("GRU", (1, 0, 2)), "rnn_relu": ("RNN", (0,)), "rnn_tanh": ("RNN", (0,))}


def _projected(gx: Value) -> tuple[Value, Value, Value] | None:
    """x, weight and bias, where ``gx`` is a reshape of (x @ weight.T + bias)."""

    def of(value: Value, op: str) -> Node | None:
        return value.node if value.node is not None and value.node.op.name == op else None

    shaped = of(gx, "reshape")
    total = shaped and of(shaped.inputs[0], "add")
    product = total and of(total.inputs[0], "matmul")
    flat = product and product.attrs.get("transpose_b") and not product.attrs.get("transpose_a") and of(product.inputs[0], "reshape")
    if not flat or flat.inputs[0].ndim != 3 or flat.inputs[0].shape[:2] != gx.shape[:2]:
        return None
    assert product and total
    return flat.inputs[0], product.inputs[1], total.inputs[1]


def _last_alone(w: Writer, cells: Value, reverse: bool) -> list[Node]:
    """The slices that read the last step of an LSTM's cell states, which are all that ONNX gives of them."""
    readers = [n for n in w.model.graph.nodes if cells in n.inputs]
    last = {("int", 0), ("int", -cells.shape[0])} if reverse else {("int", -1), ("int", cells.shape[0] - 1)}
    whole = ("slice", None, None, None)
    for n in readers:
        key = n.attrs.get("key", ())
        if n.op.name != "slice" or not key or key[0] not in last or any(item != whole for item in key[1:]):
            w.refuse("of the cell states the last step alone", f"a use of others in {n.op.name}")
    if cells in w.model.graph.outputs:
        w.refuse("of the cell states the last step alone", "all of them as a result")
    return readers


@rule("rnn_sequence")
def _rnn(w: Writer, node: Node, gx: Value, wh: Value, bh: Value, *more: Value, mode: str, reverse: bool, **_: Any) -> list[str]:
    kind, order = KINDS[mode]
    states = 2 if kind == "LSTM" else 1
    if len(more) > states:
        w.refuse("sequences of one length", "a mask", "leaving out sequence_length")
    units = wh.shape[1]
    rows = np.concatenate([np.arange(units) + units * gate for gate in order])
    first = w.integers([0])

    def gates(value: Value | str) -> str:
        """The rows of a weight or bias in ONNX's order of gates, as those of the first direction."""
        if isinstance(value, Value) and value in w.known:
            return w.constant(w.known[value][rows][None], value.name)
        return w.add("Unsqueeze", [w.add("Gather", [value, w.integers(rows.tolist())], axis=0), first])

    x: Value
    weight: Value | str
    bias: Value | str
    found = _projected(gx)
    if found is not None and found[2].shape == (len(rows),):
        x, weight, bias = found
    else:  # what comes in is projected elsewhere: by the identity here
        x, weight, bias = gx, w.constant(np.eye(len(rows), dtype=gx.dtype)), w.constant(np.zeros(len(rows), gx.dtype))
    biases = w.add("Concat", [gates(bias), gates(bh)], axis=1)
    operands = [w.name(x), gates(weight), gates(wh), biases, "", *[w.add("Unsqueeze", [w.name(s), first]) for s in more]]
    said: dict[str, Any] = {"hidden_size": units, "direction": "reverse" if reverse else "forward"}
    if kind == "GRU":
        said["linear_before_reset"] = 1
    if kind == "RNN":
        said["activations"] = ["Relu" if mode == "rnn_relu" else "Tanh"]
    outputs = w.add_all(kind, operands, 1 + states, **said)
    result = [w.add("Squeeze", [outputs[0], w.integers([1])])]
    if kind == "LSTM":
        for reader in _last_alone(w, node.outputs[1], reverse):
            w.bind(reader.output, w.add("Squeeze", [outputs[2], first]))
        result.append(outputs[2])
    return result
