"""Recurrent networks of one or more layers: relu, tanh, lstm and gru, in one or both directions.

A layer is one product for the inputs of all steps and one ``rnn_sequence`` a direction
(:mod:`hybridnet.ops.nn.recurrence`). The gru is cuDNN's: the reset gate scales the recurrent product
with its bias, not the state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, apply, call, local
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.selection import clip
from hybridnet.ops.array.shape import concatenate, stack
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import one_of
from hybridnet.ops.nn.dropout import dropout
from hybridnet.ops.nn.linear import fully_connected
from hybridnet.ops.nn.recurrence import SEQUENCE, unrolled
from hybridnet.ops.nn.recurrence_data import GATES, KEPT, STATES
from hybridnet.ops.nn.sequence import within_length

#: (input weight, recurrent weight, input bias, recurrent bias) of one direction of one layer, and its projection where there is one.
Weights = Sequence[Any]


def parameter_shapes(
    mode: str, input_size: int, state_size: int, num_layers: int, directions: int, projection_size: int | None
) -> list[tuple[int, ...]]:
    """Of all parameters in MXNet's order: the weights, a layer's directions in turn, input, recurrent, projection; then the biases."""
    rows, outputs = GATES[mode] * state_size, projection_size or state_size
    weights: list[tuple[int, ...]] = []
    for layer in range(num_layers):
        one = [(rows, outputs * directions if layer else input_size), (rows, outputs)]
        weights += (one + [(outputs, state_size)] * (projection_size is not None)) * directions
    return weights + [(rows,)] * (2 * num_layers * directions)


def rnn_param_size(
    mode: str, input_size: int, state_size: int, num_layers: int = 1, bidirectional: bool = False, projection_size: int | None = None
) -> int:
    """How many numbers the flat parameters of :func:`rnn` have."""
    return sum(map(math.prod, parameter_shapes(mode, input_size, state_size, num_layers, 1 + bidirectional, projection_size)))


def unpacked(parameters: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """The parameters, all weights and then all biases, as arrays of these shapes: cut from the flat array, or given as such.

    ShapeError for parameters of another number or of other shapes.
    """
    if isinstance(parameters, (list, tuple)):
        if [x.shape for x in parameters] != list(shapes):
            fail(ShapeError, "rnn", expected=f"parameters of shapes {list(shapes)}", got=str([x.shape for x in parameters]))
        return list(parameters)
    parameters = tensor(parameters)
    total = sum(map(math.prod, shapes))
    if parameters.shape != (total,):
        fail(ShapeError, "rnn", expected=f"{total} parameters in one dimension", got=str(parameters.shape))
    found, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        part = call("slice", parameters, key=(("slice", start, stop, None),))
        found.append(call("reshape", part, shape=shape) if len(shape) == 2 else part)
        start = stop
    return found


def _layers(parameters: list[Any], num_layers: int, directions: int) -> list[list[Weights]]:
    """The parameters of each layer and direction."""
    count = num_layers * directions
    weights, biases = parameters[: -2 * count], parameters[-2 * count :]
    each: list[Weights] = []
    for i in range(count):
        of_input, recurrent, *projection = weights[i * len(weights) // count : (i + 1) * len(weights) // count]
        each.append((of_input, recurrent, *biases[2 * i : 2 * i + 2], *projection))
    return [each[i : i + directions] for i in range(0, count, directions)]


def rnn_layers(
    data: Any,
    layers: Sequence[Sequence[Weights]],
    h0: Any,
    c0: Any = None,
    sequence_length: ArrayLike | None = None,
    mode: str = "lstm",
    p: float = 0.0,
    limited: Callable[[Any], Any] | None = None,
) -> tuple[Any, ...]:
    """Layers of one or two directions over ``data`` (time, batch, inputs): outputs and last states.

    ``layers``: for each layer the weights of each direction; ``h0`` and (lstm) ``c0``: (layers ·
    directions, batch, units). Outputs are (time, batch, directions · units). Dropout of ``p`` is between
    layers. Beyond ``sequence_length`` (one a sequence) outputs are 0 and states stay; the other
    direction begins at each sequence's end. What is projected, or whose cell state ``limited`` limits, is
    computed step by step. ShapeError unless there is a length for each sequence.
    """
    mask = None
    if sequence_length is not None:
        lengths = tensor(sequence_length, data).astype(dtypes.int64, copy=False)
        if lengths.shape != (data.shape[1],):
            fail(ShapeError, "rnn", expected=f"a length for each of {data.shape[1]} sequences", got=str(lengths.shape))
        inside = within_length(data, lengths, data.shape[0])
        mask = call("reshape", inside, shape=(*inside.shape, 1))
    x = data
    last_h: list[Any] = []
    last_c: list[Any] = []
    for number, directions in enumerate(layers):
        if number:
            x = dropout(x, p)
        outputs = []
        for direction, (wi, wh, bi, bh, *projection) in enumerate(directions):
            place = number * len(directions) + direction
            states = [h0[place]] + ([c0[place]] if mode == "lstm" else [])
            projected = fully_connected(x, wi, bi, flatten=False)
            operands = (projected, wh, bh, *states, *([] if mask is None else [mask]))
            if projection or limited is not None:
                found = unrolled(*operands, mode=mode, reverse=direction == 1, wr=projection[0] if projection else None, limited=limited)
            else:
                keep = {"keep": True} if mode in KEPT and local.recording else {}  # what the gradient is made of
                found = apply(SEQUENCE, operands, {"mode": mode, "reverse": direction == 1, **keep})
            hs, *cs = found[: STATES[mode]] if isinstance(found, tuple) else (found,)
            end = 0 if direction else -1
            last_h.append(hs[end])
            last_c.extend(c[end] for c in cs)
            outputs.append(hs)
        x = outputs[0] if len(outputs) == 1 else concatenate(outputs, -1)
        if mask is not None:
            x = call("where", mask, x, 0)
    return (x, stack(last_h)) + ((stack(last_c),) if mode == "lstm" else ())


def _limited(c: Any, low: float | None, high: float | None, nan: bool) -> Any:
    """A cell state brought to ``low`` … ``high``, as cuDNN clips it."""
    c = clip(c, low, high)
    return call("where", call("isnan", c), low, c) if nan else c


def rnn(
    data: ArrayLike,
    parameters: Any,
    state: Any,
    state_cell: Any = None,
    sequence_length: Any = None,
    mode: str = "lstm",
    state_size: int = 0,
    num_layers: int = 1,
    bidirectional: bool = False,
    state_outputs: bool = False,
    p: float = 0.0,
    use_sequence_length: bool = False,
    projection_size: int | None = None,
    clip_min: float | None = None,
    clip_max: float | None = None,
    clip_nan: bool = False,
) -> Any:
    """A recurrent network over ``data`` (time, batch, inputs), by MXNet's flat ``parameters``, or a list of what those are made of.

    ``mode``: rnn_relu, rnn_tanh, lstm or gru. ``parameters``: for each layer and direction the input
    weight (gates · state_size, inputs) and the recurrent weight (gates · state_size, state_size), then
    for each the two biases, all flattened; :func:`rnn_param_size` says how many. Or a list of these arrays
    as they are, of which nothing is copied. ``state`` and (lstm) ``state_cell``: (num_layers · directions,
    batch, state_size). Gives the outputs (time, batch, directions · state_size); with ``state_outputs`` a
    list of those, the last state and (lstm) the last cell state. See :func:`rnn_layers` for ``p`` and ``sequence_length``.

    Of an lstm alone: with ``projection_size`` each output is projected (projection_size, state_size), a third weight of each
    layer and direction, and outputs and ``state`` have that size. ``clip_min`` and ``clip_max`` limit the cell state of every step
    before the output is made of it; with ``clip_nan`` a NaN in it becomes ``clip_min``.
    ArgumentError for these in another mode, or lstm without ``state_cell``; ShapeError for states or data of another shape.
    """
    data = tensor(data)
    one_of("rnn", "mode", mode, GATES)
    clipped = clip_min is not None and clip_max is not None
    if mode != "lstm" and (projection_size is not None or clipped):
        fail(ArgumentError, "rnn", expected=f"no projection or clipping for mode {mode}", got=str(projection_size or (clip_min, clip_max)))
    if (clip_min is None) != (clip_max is None) or (clip_nan and not clipped):
        fail(ArgumentError, "rnn", expected="clip_min and clip_max, or neither", got=f"{clip_min} and {clip_max}, clip_nan={clip_nan}")
    if data.ndim != 3:
        fail(ShapeError, "rnn", expected="data (time, batch, inputs)", got=str(data.shape))
    if mode == "lstm" and state_cell is None:
        fail(ArgumentError, "rnn", expected="state_cell for mode lstm", got="none")
    directions = 1 + bool(bidirectional)
    shapes = parameter_shapes(mode, data.shape[2], state_size, num_layers, directions, projection_size)
    layers = _layers(unpacked(parameters, shapes), num_layers, directions)
    for given, size in ((state, projection_size or state_size), (state_cell, state_size))[: 1 + (mode == "lstm")]:
        if given.shape != (num_layers * directions, data.shape[1], size):
            fail(ShapeError, "rnn", expected=f"states of shape {(num_layers * directions, data.shape[1], size)}", got=str(given.shape))
    lengths = sequence_length if use_sequence_length else None
    limited = partial(_limited, low=clip_min, high=clip_max, nan=clip_nan) if clipped else None
    found = rnn_layers(data, layers, state, state_cell, lengths, mode, p, limited)
    return list(found) if state_outputs else found[0]
