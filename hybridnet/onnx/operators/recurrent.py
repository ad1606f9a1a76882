"""LSTM, GRU and RNN, by our operator over a whole sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import numpy as mnp
from hybridnet import numpy_extension as npx
from hybridnet.core import call as core
from hybridnet.onnx.operators import Call, operator

#: Where ONNX keeps each of our gates: i f c o of i o f c, r z n of z r h.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


@operator("LSTM", "GRU", "RNN")
def _rnn(call: Call, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, h: Any = None, c: Any = None, p: Any = None) -> Any:
    units = call.get("hidden_size", r.shape[2])
    directions = w.shape[0]
    names = call.get("activations", DEFAULTS[call.op] * directions)
    mode = {"LSTM": "lstm", "GRU": "gru", "RNN": f"rnn_{names[0].lower()}"}[call.op]
    known = [DEFAULTS[call.op]] if call.op != "RNN" else [["Tanh"], ["Relu"]]
    if names[: len(known[0])] not in known or names != names[: len(known[0])] * directions:
        call.refuse(f"activations {known}", str(names))
    if p is not None or call.get("clip") is not None or call.get("input_forget", 0):
        call.refuse("gates without peepholes, clipping and coupling", "some of these")
    turned = bool(call.get("layout", 0))
    x = x.transpose(1, 0, 2) if turned else x
    time, batch = x.shape[:2]
    if lengths is not None and not (call.host(lengths, "sequence_lens") == time).all():
        call.refuse("sequences of one length", "several")
    rows = np.concatenate([np.arange(units) + units * gate for gate in GATES[call.op]])
    zero = mnp.zeros((batch, units), dtype=x.dtype)
    outputs, states, cells = [], [], []
    for i in range(directions):
        reverse = i == 1 or call.get("direction", "forward") == "reverse"
        bias = mnp.zeros(2 * len(rows), dtype=x.dtype) if b is None else b[i]
        order = mnp.array(rows, dtype="int64")
        wi, wh = w[i][order], r[i][order]
        bi, bh = bias[: len(rows)][order], bias[len(rows) :][order]
        gx = core("matmul", x.reshape(time * batch, -1), wi, transpose_b=True).reshape(time, batch, -1) + bi

        def first(s: Any, i: int = i) -> Any:
            return zero if s is None else (s[:, i] if turned else s[i])

        start = [first(h)] + ([first(c)] if call.op == "LSTM" else [])
        if call.op == "GRU" and not call.get("linear_before_reset", 0):
            y = _reset_before(gx, wh, bh, start[0], reverse)
        else:
            y = core("rnn_sequence", gx, wh, bh, *start, mode=mode, reverse=reverse)
        hidden = y[0] if isinstance(y, tuple) else y
        outputs.append(hidden)
        states.append(hidden[0 if reverse else -1])
        if call.op == "LSTM":
            cells.append(y[1][0 if reverse else -1])
    axis = 1 if turned else 0
    result = [mnp.stack(outputs, axis=1), mnp.stack(states, axis=axis)]
    if turned:
        result[0] = result[0].transpose(2, 0, 1, 3)
    return (*result, mnp.stack(cells, axis=axis)) if cells else tuple(result)


def _reset_before(gx: Any, wh: Any, bh: Any, h: Any, reverse: bool) -> Any:
    """A GRU that resets the state before its product, step by step: our operator, like cuDNN, resets it after."""
    units = h.shape[1]
    time = gx.shape[0]
    steps = [h] * time
    for t in range(time)[:: -1 if reverse else 1]:
        gates = gx[t, :, : 2 * units] + core("matmul", h, wh[: 2 * units], transpose_b=True) + bh[: 2 * units]
        reset, update = npx.sigmoid(gates[:, :units]), npx.sigmoid(gates[:, units:])
        new = mnp.tanh(gx[t, :, 2 * units :] + core("matmul", reset * h, wh[2 * units :], transpose_b=True) + bh[2 * units :])
        h = update * h + (1 - update) * new
        steps[t] = h
    return mnp.stack(steps)
