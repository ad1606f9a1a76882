"""Connectionist temporal classification (Graves et al., 2006): minus the logarithm of the probability of a label over all alignments.

A composition, step by step in logarithms: an alignment is at one of 2 · length + 1 places, the label's symbols with blanks around
them, and goes on to the same place, the next, or over a blank to the one after, if that is another symbol.
"""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, call
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import positions, take_along_axis
from hybridnet.ops.array.shape import concatenate, stack
from hybridnet.ops.common import tensor
from hybridnet.ops.math.scan import cumsum
from hybridnet.ops.nn.common import wide
from hybridnet.ops.nn.softmax import log_softmax

#: The logarithm of a probability of 0, as far as sums of it stay finite, and what is surely one.
_NEVER, _HARDLY = -1e30, -1e29
_ALL = ("slice", None, None, None)


def ctc_loss(
    data: ArrayLike,
    label: ArrayLike,
    data_lengths: ArrayLike | None = None,
    label_lengths: ArrayLike | None = None,
    blank_first: bool = True,
) -> Any:
    """(batch,) from ``data`` (time, batch, symbols), before a softmax, and ``label`` (batch, length).

    The blank is symbol 0, with 0 for no symbol in labels, or with ``blank_first`` false the last, with -1 for none: a label ends at
    its first such, unless ``label_lengths`` (batch,) says where. ``data_lengths`` (batch,): how many steps count. A label that
    no alignment gives in so few steps has the loss 0, as in MXNet, and no gradient. ShapeError for arrays that do not
    fit together, and for no step or symbol at all.
    """
    data, label = tensor(data), tensor(label, data)
    if data.ndim != 3 or label.ndim != 2 or label.shape[0] != data.shape[1] or not data.shape[0] or not label.shape[1]:
        expected = "data (time, batch, symbols) and label (batch, length), of one step and one symbol or more"
        fail(ShapeError, "CTCLoss", expected=expected, got=f"{data.shape} and {label.shape}")
    (time, batch, symbols), length = data.shape, label.shape[1]
    label = call("cast", label, dtype=dtypes.int64)
    blank = 0 if blank_first else symbols - 1
    steps = data_lengths if data_lengths is None else tensor(data_lengths, data)
    if label_lengths is None:
        count = _count(label, 0 if blank_first else -1)
    else:
        count = call("cast", tensor(label_lengths, label), dtype=dtypes.int64)
    for lengths, what in ((count, "label_lengths"), (steps, "data_lengths")):
        if lengths is not None and lengths.shape != (batch,):
            fail(ShapeError, "CTCLoss", expected=f"{what} {(batch,)}", got=str(lengths.shape))
    places = _with_blanks(call("clip", label, a_min=0, a_max=symbols - 1), blank)
    wanted = call("broadcast_to", call("reshape", places, shape=(1, batch, 2 * length + 1)), shape=(time, batch, 2 * length + 1))
    likely = take_along_axis(log_softmax(wide(data), -1), wanted, 2)
    skips = _over_blanks(places, blank)
    alpha = call("where", positions(label, 2 * length + 1) < 2, likely[0], _NEVER)
    for t in range(1, time):
        after = call("logaddexp", alpha, _moved(alpha, 1))
        after = call("logaddexp", after, call("where", skips, _moved(alpha, 2), _NEVER)) + likely[t]
        if steps is not None:
            after = call("where", call("reshape", steps, shape=(batch, 1)) > t, after, alpha)
        alpha = after
    end = call("reshape", count * 2, shape=(batch, 1))
    last, before = (take_along_axis(alpha, call("clip", end - n, a_min=0, a_max=2 * length), 1) for n in (0, 1))
    total = call("logaddexp", last, call("where", end > 0, before, _NEVER))
    return call("reshape", call("where", total > _HARDLY, -total, 0), shape=(batch,))


def _count(label: Any, none: int) -> Any:
    """How many symbols there are before the first that is none."""
    ended = cumsum(call("cast", call("equal", label, none), dtype=dtypes.int64), 1)
    return call("sum", call("cast", call("equal", ended, 0), dtype=dtypes.int64), axis=(1,), keepdims=False)


def _with_blanks(label: Any, blank: int) -> Any:
    """(batch, length) as (batch, 2 · length + 1): a blank before each symbol and one at the end."""
    batch, length = label.shape
    blanks = label * 0 + blank
    pairs = call("reshape", stack([blanks, label], 2), shape=(batch, 2 * length))
    return concatenate([pairs, call("slice", blanks, key=(_ALL, ("slice", 0, 1, None)))], 1)


def _over_blanks(places: Any, blank: int) -> Any:
    """At which places an alignment may come from two before: at symbols that differ from that one."""
    before = concatenate([call("slice", places, key=(_ALL, ("slice", 0, 2, None))) * 0 + blank, _cut(places, 2)], 1)
    return call("logical_and", call("not_equal", places, blank), call("not_equal", places, before))


def _cut(x: Any, n: int) -> Any:
    return call("slice", x, key=(_ALL, ("slice", 0, x.shape[1] - n, None)))


def _moved(alpha: Any, n: int) -> Any:
    """Each place as it was ``n`` places before."""
    none = call("slice", alpha, key=(_ALL, ("slice", 0, n, None))) * 0 + _NEVER
    return concatenate([none, _cut(alpha, n)], 1)
