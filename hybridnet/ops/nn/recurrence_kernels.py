"""The launches of the recurrences of :mod:`hybridnet.ops.nn.recurrence` for small states: ``kernels/recurrence.cu``, one a sequence."""

from __future__ import annotations

from hybridnet.core import Spec
from hybridnet.core.kernel import HandKernels, Launch, computed_dtype, stored_type
from hybridnet.device import hardware
from hybridnet.device.hardware import WARP
from hybridnet.dtypes import Dtype, bool_, is_floating

_HEADER = "recurrence.cu"
_MODES = {"rnn_relu": 0, "rnn_tanh": 1, "lstm": 2, "gru": 3}

#: Sequences that a block takes, at most: its threads go through them one after the other.
MOST_ROWS = 8


def forward_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, mode: str, reverse: bool, keep: bool = False
) -> HandKernels | None:
    """Of ``rnn_sequence``; None where a thread's row of the weight is more than its registers should hold."""
    shape = _Shape.of(num_sms, inputs[0], inputs[1], [s.dtype for s in inputs[: 4 + (mode == "lstm")]])
    if shape is None:
        return None
    cell = "x4" if mode == "lstm" else "nullptr"
    masked = len(inputs) > 4 + (mode == "lstm")
    mask = f"x{len(inputs) - 1}" if masked else "nullptr"
    states = ("y0", "y1" if mode == "lstm" else "nullptr")
    gates = f"y{len(outputs) - 1}" if keep else "nullptr"
    of_mask = stored_type(inputs[-1].dtype if masked else bool_)
    numbers = ", ".join([str(_MODES[mode]), *shape.numbers, *map(_flag, (keep, masked, reverse))])
    function = f"hn_recurrence<{stored_type(shape.dtype)}, {of_mask}, {numbers}>"
    arguments = ("x0", "x1", "x2", "x3", cell, mask, *states, gates, str(shape.time), str(shape.batch))
    shared = shape.rows * (2 * shape.units + shape.width)
    return shape.kernels(function, arguments, shared)


def gradient_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, mode: str, reverse: bool, keep: bool = False
) -> HandKernels | None:
    """Of ``rnn_sequence_grad``, of whose operands :func:`recurrence._grad_operands` has the order; None also where gates were not kept."""
    states = 1 + (mode == "lstm")
    first = 2 * states + keep  # of the forward's operands
    gx, wh, _, *of_begin = inputs[first:]
    shape = _Shape.of(num_sms, gx, wh, [s.dtype for s in (*inputs[: 2 * states], gx, wh, *of_begin[:states])])
    if shape is None or (not keep and mode in ("lstm", "gru")):
        return None
    masked = len(of_begin) > states
    mask = f"x{len(inputs) - 1}" if masked else "nullptr"
    of_mask = stored_type(inputs[-1].dtype if masked else bool_)
    of_gates = stored_type(inputs[2 * states].dtype) if keep else stored_type(shape.dtype)

    def state(at: int) -> tuple[str, str]:
        return f"x{at}", f"x{at + 1}" if mode == "lstm" else "nullptr"

    numbers = ", ".join([str(_MODES[mode]), *shape.numbers, *map(_flag, (masked, reverse))])
    function = f"hn_recurrence_grad<{stored_type(shape.dtype)}, {of_gates}, {of_mask}, {numbers}>"
    results = {"gru": ("y0", "y1", "y2", "nullptr"), "lstm": ("y0", "nullptr", "y1", "y2")}.get(mode, ("y0", "nullptr", "y1", "nullptr"))
    gates = f"x{2 * states}" if keep else "nullptr"
    operands = (*state(0), *state(states), gates, f"x{first + 1}", *state(first + 3), mask)
    return shape.kernels(function, (*operands, *results, str(shape.time), str(shape.batch)), 2 * shape.rows * shape.width)


class _Shape:
    """Time, batch and units of a sequence, and how blocks share it."""

    def __init__(self, num_sms: int, gx: Spec, units: int) -> None:
        self.time, self.batch, self.width = gx.shape
        self.units, self.dtype = units, gx.dtype
        self.rows = min(MOST_ROWS, -(-self.batch // num_sms))
        self.threads = -(-self.width // WARP) * WARP

    @classmethod
    def of(cls, num_sms: int, gx: Spec, wh: Spec, dtypes: list[Dtype]) -> _Shape | None:
        """Where the kernels apply: one floating dtype, and rows of the weight that fit into registers."""
        units = wh.shape[1]
        if not is_floating(gx.dtype) or any(d != gx.dtype for d in dtypes):
            return None
        return cls(num_sms, gx, units) if 0 < units * computed_dtype(gx.dtype).itemsize <= hardware.RECURRENT_BYTES else None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Template arguments."""
        return str(self.units), str(self.rows), str(self.threads)

    def kernels(self, function: str, arguments: tuple[str, ...], shared: int) -> HandKernels:
        """The one launch, with so many numbers in shared memory."""
        blocks = -(-self.batch // self.rows)
        size = shared * computed_dtype(self.dtype).itemsize
        return HandKernels(_HEADER, (Launch(function, arguments, (blocks, 1), self.threads, size),))


def _flag(value: bool) -> str:
    return "true" if value else "false"
