"""Numbers in few steps as QuantizeLinear and DequantizeLinear, by which runtimes know what to compute in bytes."""

from __future__ import annotations

import numpy as np

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer


@rule("quantize_dequantize", fits=lambda node: node.inputs[0].dtype == np.float32)
def _quantize_dequantize(w: Writer, node: Node, x: Value, scale: Value, axis: int, dtype: str) -> str:
    if scale not in w.known:
        w.refuse("steps that are known when the file is written", "steps that the network computes")
    steps = w.known[scale].astype(np.float32)
    along = {"axis": axis} if steps.size > 1 else {}
    shape = steps.shape if along else ()
    step, zero = w.constant(steps.reshape(shape), "scale"), w.constant(np.zeros(shape, dtype), "zero_point")
    if x not in w.known:
        return w.add("DequantizeLinear", [w.add("QuantizeLinear", [x, step, zero], **along), step, zero], **along)
    # A parameter is written in bytes, as the runtime would make them.
    ends = np.iinfo(dtype)
    spread = steps.reshape([-1 if i == axis else 1 for i in range(x.ndim)] if along else ())
    whole = np.clip(np.rint(w.known[x] / spread), ends.min, ends.max).astype(dtype)
    return w.add("DequantizeLinear", [w.constant(whole, f"{x.name}_quantized"), step, zero], **along)
