"""Normalization as the operators that runtimes know; in other forms it is written out in its parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer


def _of_channels(node: Node) -> bool:
    x = node.inputs[0]
    alike = all(v.dtype == x.dtype for v in node.inputs)  # before opset 15 they have to be
    return bool(node.attrs["axis"] == 1 and not node.attrs["training"] and x.ndim > 1 and alike)


@rule("batch_norm", alone=True, fits=_of_channels)
def _batch_norm(w: Writer, node: Node, x: Value, gamma: Value, *more: Value, eps: float, fix_gamma: bool, **_: Any) -> str:
    scale: Value | str = w.constant(np.ones(gamma.shape, gamma.dtype), "ones") if fix_gamma else gamma
    return w.add("BatchNormalization", [x, scale, *more], epsilon=float(eps))


def _of_last_axis(node: Node) -> bool:
    x = node.inputs[0]
    plain = node.attrs["axis"] == x.ndim - 1 and node.attrs.get("dtype") in (None, x.dtype) and dtypes.is_floating(x.dtype)
    return bool(plain and all(v.dtype == x.dtype for v in node.inputs))


@rule("layer_norm", since=17, alone=True, fits=_of_last_axis)
def _layer_norm(w: Writer, node: Node, x: Value, gamma: Value, *beta: Value, axis: int, eps: float, **_: Any) -> list[str]:
    return w.add_all("LayerNormalization", [x, gamma, *beta], 1, axis=-1, epsilon=float(eps))


@rule("rms_norm", since=23, alone=True, fits=lambda node: _of_last_axis(node) and len(node.inputs) == 2)
def _rms_norm(w: Writer, node: Node, x: Value, gamma: Value, axis: int, eps: float, **_: Any) -> list[str]:
    return w.add_all("RMSNormalization", [x, gamma], 1, axis=-1, epsilon=float(eps))


@rule("instance_norm", alone=True, fits=lambda node: dtypes.is_floating(node.output.dtype))
def _instance_norm(w: Writer, node: Node, x: Value, gamma: Value, beta: Value, eps: float) -> list[str]:
    return w.add_all("InstanceNormalization", [x, gamma, beta], 1, epsilon=float(eps))
