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


def _uncast(value: Value) -> Value:
    while value.node is not None and value.node.op.name == "cast":
        value = value.node.inputs[0]
    return value


def _is_cut(w: Writer, node: Node, states: Value, mask: Value) -> bool:
    """Whether a node puts zeros where the mask does, or joins states of both directions for nodes that do."""
    if node.op.name == "where":
        return _uncast(node.inputs[0]) is _uncast(mask) and states is not node.inputs[2]
    readers = [n for n in w.model.graph.nodes if node.output in n.inputs]
    joins = node.op.name == "concatenate" and node.output not in w.model.graph.outputs
    return joins and all(_is_cut(w, n, node.output, mask) for n in readers)


def _last(w: Writer, states: Value, reverse: bool, mask: Value | None = None) -> list[Node]:
    """The slices that read the last step of all states.

    ONNX gives no other of an LSTM's cell states, and of sequences of several lengths zeros where a state is kept here: what reads more of
    them, but to put zeros there, is refused.
    """
    readers = [n for n in w.model.graph.nodes if states in n.inputs]
    last = {("int", 0), ("int", -states.shape[0])} if reverse else {("int", -1), ("int", states.shape[0] - 1)}
    whole = ("slice", None, None, None)
    found = []
    for n in readers:
        key = n.attrs.get("key", ())
        if n.op.name == "slice" and key and key[0] in last and all(item == whole for item in key[1:]):
            found.append(n)
        elif mask is None or not _is_cut(w, n, states, mask):
            w.refuse("of these states the last step alone", f"a use of others in {n.op.name}")
    if states in w.model.graph.outputs:
        w.refuse("of these states the last step alone", "all of them as a result")
    return found


@rule("rnn_sequence")
def _rnn(w: Writer, node: Node, gx: Value, wh: Value, bh: Value, *more: Value, mode: str, reverse: bool, **_: Any) -> list[str]:
    kind, order = KINDS[mode]
    states = 2 if kind == "LSTM" else 1
    mask = more[states] if len(more) > states else None
    more = more[:states]
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
    lengths = ""
    if mask is not None:  # (time, batch, 1), of which each sequence begins with as many as it has steps
        lengths = w.cast(w.add("ReduceSum", [w.cast(mask, np.float32), w.integers([0, 2])], keepdims=0), np.int32)
    operands = [w.name(x), gates(weight), gates(wh), biases, lengths, *[w.add("Unsqueeze", [w.name(s), first]) for s in more]]
    said: dict[str, Any] = {"hidden_size": units, "direction": "reverse" if reverse else "forward"}
    if kind == "GRU":
        said["linear_before_reset"] = 1
    if kind == "RNN":
        said["activations"] = ["Relu" if mode == "rnn_relu" else "Tanh"]
    outputs = w.add_all(kind, operands, 1 + states, **said)
    result = [w.add("Squeeze", [outputs[0], w.integers([1])])]
    if mask is not None:
        for reader in _last(w, node.outputs[0], reverse, mask):
            w.bind(reader.output, w.add("Squeeze", [outputs[1], first]))
    if kind == "LSTM":
        for reader in _last(w, node.outputs[1], reverse):
            w.bind(reader.output, w.add("Squeeze", [outputs[2], first]))
        result.append(outputs[2])
    return result
