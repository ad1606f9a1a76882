"""Recurrent networks of one or more layers: relu, tanh, lstm and gru, in one or both directions.

A layer is one product for the inputs of all steps and one ``rnn_sequence`` a direction
(:mod:`hybridnet.ops.nn.recurrence`). The gru is cuDNN's: the reset gate scales the recurrent product
with its bias, not the state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.shape import concatenate, stack
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import one_of
from hybridnet.ops.nn.dropout import dropout
from hybridnet.ops.nn.linear import fully_connected
from hybridnet.ops.nn.recurrence import GATES, SEQUENCE
from hybridnet.ops.nn.sequence import within_length

#: (input weight, recurrent weight, input bias, recurrent bias) of one direction of one layer.
Weights = Sequence[Any]


def _sizes(mode: str, input_size: int, state_size: int, num_layers: int, directions: int) -> Iterator[tuple[int, int]]:
    """Rows and columns of each weight in MXNet's order: a layer's directions in turn, input before recurrent."""
    rows = GATES[mode] * state_size
    for layer in range(num_layers):
        for _ in range(directions):
            yield rows, state_size * directions if layer else input_size
            yield rows, state_size


def rnn_param_size(mode: str, input_size: int, state_size: int, num_layers: int = 1, bidirectional: bool = False) -> int:
    """How many numbers the flat parameters of :func:`rnn` have."""
    return sum(rows * columns + rows for rows, columns in _sizes(mode, input_size, state_size, num_layers, 1 + bidirectional))


def _unpacked(parameters: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """The parameters, all weights and then all biases, as arrays of these shapes: cut from the flat array, or given as such."""
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


def _layers(parameters: list[Any], directions: int) -> list[list[Weights]]:
    """The parameters of each layer and direction."""
    half = len(parameters) // 2
    weights, biases = parameters[:half], parameters[half:]
    each: list[Weights] = [(*weights[i : i + 2], *biases[i : i + 2]) for i in range(0, half, 2)]
    return [each[i : i + directions] for i in range(0, len(each), directions)]


def rnn_layers(
    data: Any,
    layers: Sequence[Sequence[Weights]],
    h0: Any,
    c0: Any = None,
    sequence_length: ArrayLike | None = None,
    mode: str = "lstm",
    p: float = 0.0,
) -> tuple[Any, ...]:
    """Layers of one or two directions over ``data`` (time, batch, inputs): outputs and last states.

    ``layers``: for each layer the weights of each direction; ``h0`` and (lstm) ``c0``: (layers ·
    directions, batch, units). Outputs are (time, batch, directions · units). Dropout of ``p`` is between
    layers. Beyond ``sequence_length`` (one a sequence) outputs are 0 and states stay; the other
    direction begins at each sequence's end. ShapeError unless there is a length for each sequence.
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
        for direction, (wi, wh, bi, bh) in enumerate(directions):
            place = number * len(directions) + direction
            states = [h0[place]] + ([c0[place]] if mode == "lstm" else [])
            projected = fully_connected(x, wi, bi, flatten=False)
            operands = (projected, wh, bh, *states, *([] if mask is None else [mask]))
            found = apply(SEQUENCE, operands, {"mode": mode, "reverse": direction == 1})
            hs, *cs = found if mode == "lstm" else (found,)
            end = 0 if direction else -1
            last_h.append(hs[end])
            last_c.extend(c[end] for c in cs)
            outputs.append(hs)
        x = outputs[0] if len(outputs) == 1 else concatenate(outputs, -1)
        if mask is not None:
            x = call("where", mask, x, 0)
    return (x, stack(last_h)) + ((stack(last_c),) if mode == "lstm" else ())


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
) -> Any:
    """A recurrent network over ``data`` (time, batch, inputs), by MXNet's flat ``parameters``, or a list of what those are made of.

    ``mode``: rnn_relu, rnn_tanh, lstm or gru. ``parameters``: for each layer and direction the input
    weight (gates · state_size, inputs) and the recurrent weight (gates · state_size, state_size), then
    for each the two biases, all flattened; :func:`rnn_param_size` says how many. Or a list of these arrays
    as they are, of which nothing is copied. ``state`` and (lstm) ``state_cell``: (num_layers · directions,
    batch, state_size). Gives the outputs (time, batch, directions · state_size); with ``state_outputs`` a
    list of those, the last state and (lstm) the last cell state. See :func:`rnn_layers` for ``p`` and ``sequence_length``.
    ArgumentError for a ``projection_size``, or lstm without ``state_cell``; ShapeError for states or data of another shape.
    """
    data = tensor(data)
    one_of("rnn", "mode", mode, GATES)
    if projection_size is not None:
        fail(ArgumentError, "rnn", expected="no projection_size", got=str(projection_size), fix="a Dense layer on the outputs")
    if data.ndim != 3:
        fail(ShapeError, "rnn", expected="data (time, batch, inputs)", got=str(data.shape))
    if mode == "lstm" and state_cell is None:
        fail(ArgumentError, "rnn", expected="state_cell for mode lstm", got="none")
    directions = 1 + bool(bidirectional)
    sizes = list(_sizes(mode, data.shape[2], state_size, num_layers, directions))
    shapes: list[tuple[int, ...]] = [*sizes, *((rows,) for rows, _ in sizes)]
    layers = _layers(_unpacked(parameters, shapes), directions)
    shape = (num_layers * directions, data.shape[1], state_size)
    for given in (state, *([state_cell] if mode == "lstm" else [])):
        if given.shape != shape:
            fail(ShapeError, "rnn", expected=f"states of shape {shape}", got=str(given.shape))
    lengths = sequence_length if use_sequence_length else None
    found = rnn_layers(data, layers, state, state_cell, lengths, mode, p)
    return list(found) if state_outputs else found[0]
