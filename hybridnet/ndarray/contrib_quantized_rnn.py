"""``nd.contrib.quantized_rnn``: an lstm over bytes, its weights rounded to as many steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.layers import rnn_outputs, rnn_shapes
from hybridnet.ndarray.record import Attributes, when
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import from_input
from hybridnet.ndarray.types import Known
from hybridnet.ops.nn import rnn


def _shapes(data: Shape, a: Attributes) -> Mapping[str, Shape]:
    return {**rnn_shapes(data, a), "data_scale": (1,), "data_shift": (1,)}


def _types(inputs: Known, outputs: Any, a: Attributes) -> Any:
    wide = {key: t or (dtypes.uint8 if key == "data" else dtypes.float32) for key, t in inputs.items()}
    return wide, [dtypes.float32] * len(outputs)


@classic(
    "_contrib_quantized_rnn",
    asked={"state_cell": when("mode", "lstm"), "data_scale": lambda a: True, "data_shift": lambda a: True},
    required=("state_size", "num_layers", "mode"),
    outputs=rnn_outputs,
    shapes=from_input("data", _shapes),
    types=_types,
)
def quantized_recurrent(
    data: Array,
    parameters: Array,
    state: Array,
    state_cell: Array | None = None,
    data_scale: Array | None = None,
    data_shift: Array | None = None,
    state_size: int = 0,
    num_layers: int = 1,
    bidirectional: bool = False,
    mode: Literal["rnn_relu", "rnn_tanh", "lstm", "gru"] = "lstm",
    p: float = 0.0,
    state_outputs: bool = False,
    projection_size: int | None = None,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    use_sequence_length: bool = False,
) -> Any:
    """An lstm over uint8 ``data`` (time, batch, inputs), which stands for (data - ``data_shift``) / ``data_scale``, arrays of shape (1,).

    ``parameters``, ``state`` and ``state_cell`` are those of ``RNN``, float32; each row of a weight is rounded to 127 steps on each side
    of 0. Gives what ``RNN`` gives, in float32, to be used in prediction. ArgumentError for another mode, a projection, clipping or
    lengths, which MXNet has not here either, and without scale and shift.
    """
    more: dict[str, Any] = {"projection_size": projection_size, "use_sequence_length": use_sequence_length or None}
    more |= {"lstm_state_clip_min": lstm_state_clip_min, "lstm_state_clip_max": lstm_state_clip_max}
    odd = [key for key, value in more.items() if value is not None] or [mode] * (mode != "lstm")
    if odd or data_scale is None or data_shift is None:
        got = ", ".join(odd) or "no data_scale or data_shift"
        fail(ArgumentError, "quantized_rnn", expected="a plain lstm, data_scale and data_shift", got=got)
    shapes = rnn.parameter_shapes(mode, data.shape[2], state_size, num_layers, 1 + bidirectional, None)
    parts = [_rounded(x) if len(x.shape) == 2 else x for x in rnn.unpacked(parameters, shapes)]
    x = (call("cast", data, dtype=dtypes.float32) - data_shift) / data_scale
    return rnn.rnn(x, parts, state, state_cell, None, mode, state_size, num_layers, bool(bidirectional), bool(state_outputs), p)


def _rounded(weight: Any) -> Any:
    """A weight (rows, columns) whose rows are whole multiples of a 127th of their largest number; a row of zeros stays."""
    step = call("max", call("absolute", weight), axis=(1,), keepdims=True) / 127
    step = call("where", step > 0, step, 1)
    return call("rint", weight / step) * step
