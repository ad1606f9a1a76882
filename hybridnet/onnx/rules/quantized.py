"""Numbers in few steps as QuantizeLinear and DequantizeLinear, by which runtimes know what to compute in bytes."""

from __future__ import annotations

import numpy as np

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer


@rule("quantize_dequantize", fits=lambda node: all(x.dtype == np.float32 for x in node.inputs))
def _quantize_dequantize(w: Writer, node: Node, x: Value, scale: Value, axis: int, dtype: str) -> str:
    along = {"axis": axis} if scale.size > 1 else {}
    shape = scale.shape if along else ()
    zero = w.constant(np.zeros(shape, dtype), "zero_point")
    if scale not in w.known:
        step = w.name(scale) if along else w.add("Squeeze", [scale, w.integers([0])])
    else:
        steps = w.known[scale].astype(np.float32)
        step = w.constant(steps.reshape(shape), "scale")
    if x not in w.known or scale not in w.known:
        return w.add("DequantizeLinear", [w.add("QuantizeLinear", [x, step, zero], **along), step, zero], **along)
    # A parameter is written in bytes, as the runtime would make them.
    ends = np.iinfo(dtype)
    spread = steps.reshape([-1 if i == axis else 1 for i in range(x.ndim)] if along else ())
    whole = np.clip(np.rint(w.known[x] / spread), ends.min, ends.max).astype(dtype)
    return w.add("DequantizeLinear", [w.constant(whole, f"{x.name}_quantized"), step, zero], **along)
