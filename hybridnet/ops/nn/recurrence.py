"""The recurrent part of a layer over a whole sequence, in one direction: one operator and its gradient.

One operator, not an unrolled graph: a sequence of 35 steps is one node in place of hundreds, and the
weight's gradient is one product over all steps in place of 35 products and 34 sums of arrays of the
weight's size. In training the forward of an lstm or gru also gives its gates (``keep``), of which the gradient is made;
without them it computes them again, by one product. The recurrences on data (:mod:`hybridnet.ops.nn.recurrence_data`)
write into arrays that are made once. What differentiates the gradient once more, and a GPU, have the same
written in operators, below; of small states a GPU computes the whole sequence in one launch (:mod:`hybridnet.ops.nn.recurrence_kernels`).

Gates are in cuDNN's order: lstm input, forget, cell, output; gru reset, update, new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, Spec, call, local, on_cpu, on_cuda, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.shape import concatenate, stack
from hybridnet.ops.common import normal
from hybridnet.ops.nn import recurrence_data, recurrence_host
from hybridnet.ops.nn.common import wide_dtype
from hybridnet.ops.nn.recurrence_data import GATES, KEPT, STATES, steps
from hybridnet.ops.nn.recurrence_kernels import forward_kernels, gradient_kernels


class _OnArrays:
    """The functions that the backward recurrence needs beside Python's operators, on arrays."""

    def __init__(self) -> None:
        self.concatenate, self.stack = concatenate, stack

    def tanh(self, x: Any) -> Any:
        return call("tanh", x)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return call("where", condition, a, b)

    def positive(self, x: Any) -> Any:
        return call("cast", x > 0, dtype=x.dtype)

    def product(self, x: Any, w: Any, transpose: bool) -> Any:
        return call("matmul", x, w, transpose_b=transpose)


def _infer(gx: Spec, wh: Spec, bh: Spec, h0: Spec, *more: Spec, mode: str, reverse: bool, keep: bool = False) -> Spec | tuple[Spec, ...]:
    gates = GATES[mode]
    if gx.ndim != 3 or not gx.shape[0] or gx.shape[2] % gates:
        fail(ShapeError, "rnn_sequence", expected=f"inputs (time, batch, {gates} · units), a time of 1 or more", got=str(gx.shape))
    time, batch, units = gx.shape[0], gx.shape[1], gx.shape[2] // gates
    wanted = [(gates * units, units), (gates * units,), (batch, units)] + [(batch, units)] * (mode == "lstm") + [(time, batch, 1)]
    given = [s.shape for s in (wh, bh, h0, *more)]
    if len(given) < len(wanted) - 1 or any(g != w for g, w in zip(given, wanted, strict=False)):
        fail(ShapeError, "rnn_sequence", expected=" and ".join(map(str, wanted[: len(given)])), got=" and ".join(map(str, given)))
    state = Spec((time, batch, units), gx.dtype)
    states = (state,) * STATES[mode] + ((Spec((time, batch, KEPT[mode] * units), wide_dtype(gx.dtype)),) if keep else ())
    return states if len(states) > 1 else state


def _unpack(mode: str, more: Sequence[Any]) -> tuple[Any, Any]:
    """The first cell state and the mask, ``None`` where there is none."""
    cell = more[0] if mode == "lstm" else None
    rest = more[1:] if mode == "lstm" else more
    return cell, rest[0] if rest else None


def _forward(xp: Any, gx: Any, wh: Any, bh: Any, h0: Any, *more: Any, mode: str, reverse: bool, keep: bool = False) -> Any:
    dtype = gx.dtype
    gx, wh, bh, h0, *more = (a.astype(wide_dtype(dtype), copy=False) for a in (gx, wh, bh, h0, *more))  # type: ignore[assignment]
    c0, mask = _unpack(mode, more)
    found = recurrence_data.forward(xp, gx, wh, bh, h0, c0, mask, mode, reverse, KEPT[mode] if keep else 0)
    found = (*(a.astype(dtype, copy=False) for a in found[: STATES[mode]]), *found[STATES[mode] :])  # the gates stay wide
    return found if len(found) > 1 else found[0]


# -- backward, over arrays ------------------------------------------------------------------------


def _parts(x: Any, n: int) -> list[Any]:
    """The gates of an array whose last axis holds ``n`` of them."""
    units = x.shape[-1] // n
    return [x[..., i * units : (i + 1) * units] for i in range(n)]


def _before(f: Any, first: Any, states: Any, reverse: bool) -> Any:
    """The state that each step began with."""
    first = first[None]
    return f.concatenate([states[1:], first] if reverse else [first, states[:-1]])


def _sigmoid(f: Any, x: Any) -> Any:
    return f.tanh(x * 0.5) * 0.5 + 0.5


def _gates_on_arrays(f: Any, mode: str, x: Any, rec: Any) -> Any:
    """The gates of a step, or of all, as a gradient needs them."""
    if mode == "lstm":
        i, forget, g, o = (a + b for a, b in zip(_parts(x, 4), _parts(rec, 4), strict=True))
        return f.concatenate([_sigmoid(f, i), _sigmoid(f, forget), f.tanh(g), _sigmoid(f, o)], -1)
    (xr, xz, xn), (hr, hz, hn) = _parts(x, 3), _parts(rec, 3)
    r = _sigmoid(f, xr + hr)
    return f.concatenate([r, _sigmoid(f, xz + hz), f.tanh(xn + r * hn), hn], -1)


def _gru_slopes(gates: Any, before: Any) -> tuple[list[Any], Any, Any]:
    """What dh is multiplied by for each gate, r, and z."""
    r, z, n, hn = _parts(gates, 4)
    new = (1 - z) * (1 - n * n)
    return [new * hn * r * (1 - r), (before - n) * z * (1 - z), new], r, z


def _lstm_slopes(f: Any, gates: Any, c_before: Any, cs: Any) -> tuple[list[Any], Any, Any]:
    """What dc (for the output gate dh) is multiplied by for each gate, the forget gate, and dc by dh."""
    i, forget, g, o = _parts(gates, 4)
    tc = f.tanh(cs)
    return [g * i * (1 - i), c_before * forget * (1 - forget), i * (1 - g * g), tc * o * (1 - o)], forget, o * (1 - tc * tc)


def _backward(
    f: Any, g: Any, y: Any, gates: Any, gx: Any, wh: Any, bh: Any, h0: Any, *more: Any, mode: str, reverse: bool
) -> tuple[Any, ...]:
    """The gradients of gx, of the recurrent product (gru only, else the same), of h0 and (lstm) of c0.

    ``gates``: those that were kept; ``None``: they are computed again.
    """
    c0, mask = _unpack(mode, more)
    gh, gc = g[:2] if mode == "lstm" else (g[0], None)
    hs, cs = y[:2] if mode == "lstm" else (y[0], None)
    before = _before(f, h0, hs, reverse)
    if gates is None and mode in KEPT:
        gates = _gates_on_arrays(f, mode, gx, f.product(before, wh, True) + bh)
    keep: Any = None
    r: Any = None
    if mode == "lstm":
        slopes, keep, through = _lstm_slopes(f, gates, _before(f, c0, cs, reverse), cs)
    elif mode == "gru":
        slopes, r, keep = _gru_slopes(gates, before)
    else:
        slopes = [f.positive(hs) if mode == "rnn_relu" else 1 - hs * hs]
    time = gx.shape[0]
    inputs: list[Any] = [None] * time
    products: list[Any] = [None] * time
    dh: Any = None
    dc: Any = None
    for t in reversed(steps(time, reverse)):
        dh = gh[t] if dh is None else gh[t] + dh
        skipped_h = skipped_c = None
        if mask is not None:
            on = mask[t] != 0
            dh, skipped_h = f.where(on, dh, 0), f.where(on, 0, dh)
        if mode == "lstm":
            dc = gc[t] if dc is None else gc[t] + dc  # type: ignore[index]
            if mask is not None:
                dc, skipped_c = f.where(on, dc, 0), f.where(on, 0, dc)
            dc = dc + dh * through[t]
            i, forget, cell, output = (s[t] for s in slopes)
            inputs[t] = products[t] = f.concatenate([dc * i, dc * forget, dc * cell, dh * output], -1)
            dh, dc = f.product(products[t], wh, False), dc * keep[t]
        elif mode == "gru":
            reset, update, new = (dh * s[t] for s in slopes)
            inputs[t] = f.concatenate([reset, update, new], -1)
            products[t] = f.concatenate([reset, update, new * r[t]], -1)
            dh = f.product(products[t], wh, False) + dh * keep[t]
        else:
            inputs[t] = products[t] = dh * slopes[0][t]
            dh = f.product(products[t], wh, False)
        if skipped_h is not None:
            dh = dh + skipped_h
        if skipped_c is not None:
            dc = dc + skipped_c
    dgx = f.stack(inputs)
    return (dgx, f.stack(products) if mode == "gru" else dgx, dh) + ((dc,) if mode == "lstm" else ())


# -- step by step, in operators -------------------------------------------------------------------


def _step_on_arrays(f: Any, mode: str, x: Any, rec: Any, h: Any, c: Any, limited: Any = None) -> tuple[Any, Any]:
    """The next state (and cell state) of a step, of which ``x`` and ``rec`` are the gates' two parts; ``limited`` limits the cell."""
    if mode == "rnn_relu":
        return call("maximum", x + rec, 0), None
    if mode == "rnn_tanh":
        return f.tanh(x + rec), None
    if mode == "lstm":
        # Of slices of each part, not of the sum's: then one kernel reads both where they lie.
        i, forget, g, o = (a + b for a, b in zip(_parts(x, 4), _parts(rec, 4), strict=True))
        c = _sigmoid(f, forget) * c + _sigmoid(f, i) * f.tanh(g)
        c = c if limited is None else limited(c)
        return _sigmoid(f, o) * f.tanh(c), c
    (xr, xz, xn), (hr, hz, hn) = _parts(x, 3), _parts(rec, 3)
    n = f.tanh(xn + _sigmoid(f, xr + hr) * hn)
    return n + _sigmoid(f, xz + hz) * (h - n), None


def unrolled(
    gx: Any, wh: Any, bh: Any, h0: Any, *more: Any, mode: str, reverse: bool, keep: bool = False, wr: Any = None, limited: Any = None
) -> Any:
    """The sequence as a product and one pointwise region a step: a CUDA graph launches hundreds of them for little.

    ``wr`` (projection, units): of an lstm, projects each output, which is the state then. ``limited`` is done to each cell state.
    """
    f = _OnArrays()
    c, mask = _unpack(mode, more)
    h = h0
    hs: list[Any] = [None] * gx.shape[0]
    cs: list[Any] = [None] * gx.shape[0]
    gates: list[Any] = [None] * gx.shape[0]
    for t in steps(gx.shape[0], reverse):
        x, rec = gx[t], f.product(h, wh, True) + bh
        new_h, new_c = _step_on_arrays(f, mode, x, rec, h, c, limited)
        if keep:
            gates[t] = _gates_on_arrays(f, mode, x, rec)
        new_h = new_h if wr is None else f.product(new_h, wr, True)
        if mask is not None:
            on = mask[t] != 0
            new_h, new_c = f.where(on, new_h, h), None if c is None else f.where(on, new_c, c)
        hs[t], cs[t] = h, c = new_h, new_c
    found = [f.stack(hs)] + ([f.stack(cs)] if mode == "lstm" else [])
    found += [call("cast", f.stack(gates), dtype=wide_dtype(gx.dtype))] if keep else []
    return tuple(found) if len(found) > 1 else found[0]


def _unrolled_grad(*operands: Any, mode: str, reverse: bool, keep: bool = False) -> tuple[Any, ...]:
    g, y, gates, xs = _grouped(operands, mode, keep)
    found = _backward(_OnArrays(), g, y, gates, *xs, mode=mode, reverse=reverse)
    return tuple(a for i, a in enumerate(found) if i != 1 or mode == "gru")


# -- the operators --------------------------------------------------------------------------------


def _grad_operands(mode: str, g: Sequence[Any], y: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
    """Of the gradient's operator: gradients of the states, the states, the gates if they were kept, and the forward's operands."""
    return [*g[: STATES[mode]], *y, *xs]


def _grouped(operands: Sequence[Any], mode: str, keep: bool) -> tuple[Sequence[Any], Sequence[Any], Any, Sequence[Any]]:
    """Of such operands those four."""
    n = STATES[mode]
    g, y, rest = operands[:n], operands[n : 2 * n], operands[2 * n :]
    return (g, y, rest[0], rest[1:]) if keep else (g, y, None, rest)


def _compute_grad(xp: Any, *operands: Any, mode: str, reverse: bool, keep: bool = False) -> tuple[Any, ...]:
    dtype = operands[0].dtype
    g, y, gates, xs = _grouped([a.astype(wide_dtype(dtype), copy=False) for a in operands], mode, keep)
    cell, mask = _unpack(mode, xs[4:])
    of_states, states = ((*pair, None)[:2] for pair in (g, y))  # no cell states but an lstm's
    found = recurrence_data.backward(xp, of_states, states, gates, (*xs[:4], cell), mask, mode, reverse)
    return tuple(a.astype(dtype, copy=False) for a in found)


def _infer_grad(*specs: Spec, mode: str, reverse: bool, keep: bool = False) -> tuple[Spec, ...]:
    g, y, gates, (gx, wh, bh, h0, *more) = _grouped(specs, mode, keep)
    inferred = _infer(gx, wh, bh, h0, *more, mode=mode, reverse=reverse, keep=keep)
    expected: Any = inferred if STATES[mode] + keep > 1 else (inferred,)
    given = (*g, *y, *(() if gates is None else (gates,)))
    if [s.shape for s in given] != [s.shape for s in (*expected[: STATES[mode]], *expected)]:
        fail(ShapeError, "rnn_sequence_grad", expected=f"gradients and states of shape {expected[0].shape}", got=str(specs[0].shape))
    return (gx, gx, h0) if mode == "gru" else (gx, h0, h0) if mode == "lstm" else (gx, h0)


def _rule(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, mode: str, reverse: bool, keep: bool = False) -> tuple[Any, ...]:
    g, y = (a if isinstance(a, tuple) else (a,) for a in (g, y))
    if local.recording:  # the gates are not differentiated: they are computed again
        found = _backward(_OnArrays(), g, y, None, *xs, mode=mode, reverse=reverse)
    else:
        found = call("rnn_sequence_grad", *_grad_operands(mode, g, y, xs), mode=mode, reverse=reverse, keep=keep)
        if mode != "gru":
            found = (found[0], *found)
    dgx, dproduct, *states = found
    gx, wh, bh, h0, *more = xs
    rows = gx.shape[0] * gx.shape[1]
    flat = call("reshape", dproduct, shape=(rows, gx.shape[2]))
    dwh = None
    if needs[1]:
        before = _before(_OnArrays(), h0, y[0], reverse)
        dwh = call("matmul", flat, call("reshape", before, shape=(rows, wh.shape[1])), transpose_a=True)
    dbh = call("sum", flat, axis=(0,), keepdims=False) if needs[2] else None
    return (dgx, dwh, dbh, *states, *[None] * (len(more) - (mode == "lstm")))


def _flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> int:
    gx, wh = inputs[:2]
    return 2 * gx.size * wh.shape[1]  # the bias and the gates are no products


def _grad_flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, mode: str, keep: bool = False, **attrs: Any) -> int:
    # The products of the gradients, and those of the states again where their gates were not kept.
    again = mode in KEPT and not keep
    return (1 + again) * _flops(_grouped(inputs, mode, keep)[3], outputs)  # type: ignore[arg-type]


_mask = np.array([[True, True], [True, False], [True, False]])[:, :, None]


def _sample(mode: str, masked: bool, reverse: bool, time: int = 3, keep: bool = False, units: int = 2) -> Sample:
    gates = GATES[mode] * units
    inputs = [
        normal(time, 2, gates),
        normal(gates, units, seed=1, scale=0.5),
        normal(gates, seed=2, scale=0.5),
        normal(2, units, seed=3),
    ]
    inputs += [normal(2, units, seed=4)] if mode == "lstm" else []
    attrs = {"mode": mode, "reverse": reverse, **({"keep": True} if keep else {})}
    differentiable = not keep and units == 2  # gates have no gradient
    return Sample((*inputs, *([_mask[:time]] if masked else [])), attrs, differentiable=differentiable)


def _grad_sample(forward: Sample) -> Sample:
    mode = forward.attrs["mode"]
    y = _forward(np, *forward.inputs, **forward.attrs)
    y = y if isinstance(y, tuple) else (y,)
    g = [normal(*a.shape, seed=7) for a in y]
    return Sample(tuple(_grad_operands(mode, g, y, forward.inputs)), forward.attrs, differentiable=False)


_good = [_sample(mode, both, both) for mode in GATES for both in (False, True)] + [_sample("lstm", False, True, time=1)]
_good += [_sample(mode, both, both, keep=True) for mode in KEPT for both in (False, True)]
_good += [_sample(mode, both, both, keep=mode in KEPT, units=9) for mode in GATES for both in (False, True)]  # as many as are compiled
_wrong = Sample((normal(3, 2, 4), normal(4, 3), normal(4), normal(2, 4)), {"mode": "rnn_tanh", "reverse": False}, error=ValueError)

SEQUENCE = register(
    Op(
        "rnn_sequence",
        Kind.OPAQUE,
        _infer,
        compute=_forward,
        flops=_flops,
        grad=_rule,
        saves=(0, 1, 2, 3, 4, 5, "y"),
        promote="float",
        precision="half",
        sample=lambda: [*_good, _wrong],
    )
)
on_cpu(SEQUENCE, recurrence_host.states)
on_cuda(SEQUENCE, kernels=forward_kernels, decomposition=unrolled)
SEQUENCE_GRAD = register(
    Op(
        "rnn_sequence_grad",
        Kind.OPAQUE,
        _infer_grad,
        compute=_compute_grad,
        flops=_grad_flops,
        promote="float",
        precision="half",
        sample=lambda: [*map(_grad_sample, _good)],
    )
)
on_cpu(SEQUENCE_GRAD, recurrence_host.gradients)
on_cuda(SEQUENCE_GRAD, kernels=gradient_kernels, decomposition=_unrolled_grad)
