"""``net.summary(x)``: a table of layers, their output shapes and numbers of parameters."""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import Array, local
from hybridnet.errors import ArgumentError, fail

_ROW = "{:>20}  {:>42} {:>15}"


def _shape(x: Any) -> str:
    """The shape of an array, or of each in nested lists."""
    if isinstance(x, Array):
        return str(x.shape)
    return "[" + ", ".join(map(_shape, x)) + "]" if isinstance(x, (list, tuple)) else type(x).__name__


def _count(parameters: Any) -> int:
    return sum(math.prod(p.shape) for p in parameters)


def summarize(net: Any, inputs: tuple[Any, ...]) -> str:
    """Run ``net`` once, imperatively and without recording, and tell what each block did.

    ArgumentError if a block has been compiled: hooks do not run in a program.
    """
    blocks = list(net._blocks())
    if any(block._compiled is not None for block in blocks):
        fail(
            ArgumentError,
            "summary",
            expected="a network that is not hybridized",
            got=f"a hybridized {type(net).__name__}",
            fix="summary before hybridize()",
        )
    rows = [("Input", _shape(inputs[0] if len(inputs) == 1 else list(inputs)), 0)]
    seen: list[Any] = []

    def note(block: Any, args: Any, result: Any) -> None:
        own = list(block._reg_params.values())
        rows.append((f"{type(block).__name__}-{len(rows)}", _shape(result), _count(own)))
        seen.extend(own)

    handles = [block.register_forward_hook(note) for block in dict.fromkeys(blocks) if block is not net or not net._children]
    modes = local.set(recording=False, training=False)
    try:
        net(*inputs)
    finally:
        local.set(recording=modes[0], training=modes[1])
        for handle in handles:
            handle.detach()
    unique = list(dict.fromkeys(seen))
    total, trained = _count(unique), _count(p for p in unique if p.grad_req != "null")
    shared = _count(seen) - total
    rule = "-" * 80
    return "\n".join(
        [
            rule,
            _ROW.format("Layer (type)", "Output Shape", "Param #"),
            "=" * 80,
            *(_ROW.format(*row) for row in rows),
            "=" * 80,
            f"Parameters: {total}, of them trained: {trained}, not trained: {total - trained}",
            f"Shared, counted once: {shared}",
            rule,
        ]
    )
