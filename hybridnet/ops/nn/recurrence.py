"""The recurrent part of a layer over a whole sequence, in one direction: one operator and its gradient.

One operator, not an unrolled graph: a sequence of 35 steps is one node in place of hundreds, and the
weight's gradient is one product over all steps in place of 35 products and 34 sums of arrays of the
weight's size. The gradient recomputes the gates of all steps by one product rather than keep them.
Higher orders need operators that are differentiable: then, and only then, the same backward
recurrence runs on arrays in place of data, step by step. It is therefore written once, over either.

Gates are in cuDNN's order: lstm input, forget, cell, output; gru reset, update, new.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, Spec, call, local, on_cuda, register
from hybridnet.device import threads
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.shape import concatenate, stack
from hybridnet.ops.common import normal, samples
from hybridnet.ops.linalg import cpu_matmul
from hybridnet.ops.nn.common import wide_dtype

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


class _OnData:
    """The functions that the backward recurrence needs beside Python's operators, on NumPy or CuPy arrays."""

    def __init__(self, xp: Any) -> None:
        self.tanh, self.where, self.concatenate, self.stack = xp.tanh, xp.where, xp.concatenate, xp.stack
        self._matmul = cpu_matmul.matmul_of(xp)

    def positive(self, x: Any) -> Any:
        return (x > 0).astype(x.dtype)

    def product(self, x: Any, w: Any, transpose: bool) -> Any:
        rows = self._matmul(x.reshape(-1, x.shape[-1]), w.T if transpose else w)
        return rows.reshape(*x.shape[:-1], rows.shape[-1])


class _OnArrays:
    """The same on arrays of ours, recorded."""

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


def _infer(gx: Spec, wh: Spec, bh: Spec, h0: Spec, *more: Spec, mode: str, reverse: bool) -> Spec | tuple[Spec, Spec]:
    gates = GATES[mode]
    if gx.ndim != 3 or not gx.shape[0] or gx.shape[2] % gates:
        fail(ShapeError, "rnn_sequence", expected=f"inputs (time, batch, {gates} · units), a time of 1 or more", got=str(gx.shape))
    time, batch, units = gx.shape[0], gx.shape[1], gx.shape[2] // gates
    wanted = [(gates * units, units), (gates * units,), (batch, units)] + [(batch, units)] * (mode == "lstm") + [(time, batch, 1)]
    given = [s.shape for s in (wh, bh, h0, *more)]
    if len(given) < len(wanted) - 1 or any(g != w for g, w in zip(given, wanted, strict=False)):
        fail(ShapeError, "rnn_sequence", expected=" and ".join(map(str, wanted[: len(given)])), got=" and ".join(map(str, given)))
    state = Spec((time, batch, units), gx.dtype)
    return (state, state) if mode == "lstm" else state


def _unpack(mode: str, more: Sequence[Any]) -> tuple[Any, Any]:
    """The first cell state and the mask, ``None`` where there is none."""
    cell = more[0] if mode == "lstm" else None
    rest = more[1:] if mode == "lstm" else more
    return cell, rest[0] if rest else None


def _steps(time: int, reverse: bool) -> list[int]:
    return list(range(time))[:: -1 if reverse else 1]


# -- forward --------------------------------------------------------------------------------------


def _forward(xp: Any, gx: Any, wh: Any, bh: Any, h0: Any, *more: Any, mode: str, reverse: bool) -> Any:
    dtype = gx.dtype
    gx, wh, bh, h, *more = (a.astype(wide_dtype(dtype), copy=False) for a in (gx, wh, bh, h0, *more))  # type: ignore[assignment]
    c, mask = _unpack(mode, more)
    time, batch, units = gx.shape[0], gx.shape[1], wh.shape[1]
    weight = xp.ascontiguousarray(wh.T)
    hs = xp.empty((time, batch, units), gx.dtype)
    cs = xp.empty_like(hs) if mode == "lstm" else None
    step, product = _STEPS[mode](xp, units, gx.dtype), cpu_matmul.matmul_of(xp)
    with _one_thread(xp):
        for t in _steps(time, reverse):
            rec = product(h, weight)
            rec += bh
            new_h, new_c = step(gx[t], rec, h, c)
            if mask is not None:
                new_h = xp.where(mask[t] != 0, new_h, h)
                new_c = None if c is None else xp.where(mask[t] != 0, new_c, c)
            hs[t] = h = new_h
            if cs is not None:
                cs[t] = c = new_c
    hs = hs.astype(dtype, copy=False)
    return hs if cs is None else (hs, cs.astype(dtype, copy=False))


def _one_thread(xp: Any) -> AbstractContextManager[None]:
    """Around the products of all steps, so that not each of them has to tell BLAS."""
    return threads.one_thread if xp is np else nullcontext()


def _relu_step(xp: Any, units: int, dtype: Any) -> Any:
    return lambda x, rec, h, c: (xp.maximum(x + rec, 0), None)


def _tanh_step(xp: Any, units: int, dtype: Any) -> Any:
    return lambda x, rec, h, c: (xp.tanh(x + rec), None)


def _lstm_step(xp: Any, units: int, dtype: Any) -> Any:
    # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2, so that all four gates are one call.
    half = xp.repeat(xp.asarray([0.5, 0.5, 1, 0.5], dtype), units)
    shift = xp.repeat(xp.asarray([0.5, 0.5, 0, 0.5], dtype), units)

    def step(x: Any, rec: Any, h: Any, c: Any) -> Any:
        gates = rec  # made for this step: computed in place
        gates += x
        gates *= half
        xp.tanh(gates, out=gates)
        gates *= half
        gates += shift
        c = gates[:, units : 2 * units] * c
        c += gates[:, :units] * gates[:, 2 * units : 3 * units]
        new = xp.tanh(c)
        new *= gates[:, 3 * units :]
        return new, c

    return step


def _gru_step(xp: Any, units: int, dtype: Any) -> Any:
    def step(x: Any, rec: Any, h: Any, c: Any) -> Any:
        gates = xp.tanh((x[:, : 2 * units] + rec[:, : 2 * units]) * 0.5) * 0.5 + 0.5
        r, z = gates[:, :units], gates[:, units:]
        n = xp.tanh(x[:, 2 * units :] + r * rec[:, 2 * units :])
        return n + z * (h - n), None

    return step


_STEPS = {"rnn_relu": _relu_step, "rnn_tanh": _tanh_step, "lstm": _lstm_step, "gru": _gru_step}


# -- backward, over data or arrays ----------------------------------------------------------------


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


def _simple_slopes(f: Any, mode: str, gx: Any, rec: Any, before: Any) -> list[Any]:
    a = gx + rec
    if mode == "rnn_relu":
        return [f.positive(a)]
    y = f.tanh(a)
    return [1 - y * y]


def _gru_slopes(f: Any, gx: Any, rec: Any, before: Any) -> tuple[list[Any], Any, Any]:
    """What dh is multiplied by for each gate, r, and z."""
    (xr, xz, xn), (hr, hz, hn) = _parts(gx, 3), _parts(rec, 3)
    r, z = _sigmoid(f, xr + hr), _sigmoid(f, xz + hz)
    n = f.tanh(xn + r * hn)
    new = (1 - z) * (1 - n * n)
    return [new * hn * r * (1 - r), (before - n) * z * (1 - z), new], r, z


def _lstm_slopes(f: Any, gx: Any, rec: Any, c_before: Any, cs: Any) -> tuple[list[Any], Any, Any]:
    """What dc (for the output gate dh) is multiplied by for each gate, the forget gate, and dc by dh."""
    xi, xf, xg, xo = _parts(gx + rec, 4)
    i, forget, g, o = _sigmoid(f, xi), _sigmoid(f, xf), f.tanh(xg), _sigmoid(f, xo)
    tc = f.tanh(cs)
    return [g * i * (1 - i), c_before * forget * (1 - forget), i * (1 - g * g), tc * o * (1 - o)], forget, o * (1 - tc * tc)


def _backward(f: Any, g: Any, y: Any, gx: Any, wh: Any, bh: Any, h0: Any, *more: Any, mode: str, reverse: bool) -> tuple[Any, ...]:
    """The gradients of gx, of the recurrent product (gru only, else the same), of h0 and (lstm) of c0."""
    c0, mask = _unpack(mode, more)
    gh, gc = g if mode == "lstm" else (g, None)
    hs, cs = y if mode == "lstm" else (y, None)
    before = _before(f, h0, hs, reverse)
    rec = f.product(before, wh, True) + bh
    keep: Any = None
    r: Any = None
    if mode == "lstm":
        slopes, keep, through = _lstm_slopes(f, gx, rec, _before(f, c0, cs, reverse), cs)
    elif mode == "gru":
        slopes, r, keep = _gru_slopes(f, gx, rec, before)
    else:
        slopes = _simple_slopes(f, mode, gx, rec, before)
    time = gx.shape[0]
    inputs: list[Any] = [None] * time
    products: list[Any] = [None] * time
    dh: Any = None
    dc: Any = None
    for t in reversed(_steps(time, reverse)):
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


def _step_on_arrays(f: Any, mode: str, x: Any, rec: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The next state (and cell state) of a step, of which ``x`` and ``rec`` are the gates' two parts."""
    if mode == "rnn_relu":
        return call("maximum", x + rec, 0), None
    if mode == "rnn_tanh":
        return f.tanh(x + rec), None
    if mode == "lstm":
        # Of slices of each part, not of the sum's: then one kernel reads both where they lie.
        i, forget, g, o = (a + b for a, b in zip(_parts(x, 4), _parts(rec, 4), strict=True))
        c = _sigmoid(f, forget) * c + _sigmoid(f, i) * f.tanh(g)
        return _sigmoid(f, o) * f.tanh(c), c
    (xr, xz, xn), (hr, hz, hn) = _parts(x, 3), _parts(rec, 3)
    n = f.tanh(xn + _sigmoid(f, xr + hr) * hn)
    return n + _sigmoid(f, xz + hz) * (h - n), None


def _unrolled(gx: Any, wh: Any, bh: Any, h0: Any, *more: Any, mode: str, reverse: bool) -> Any:
    """The sequence as a product and one pointwise region a step: a CUDA graph launches hundreds of them for little."""
    f = _OnArrays()
    c, mask = _unpack(mode, more)
    h = h0
    hs: list[Any] = [None] * gx.shape[0]
    cs: list[Any] = [None] * gx.shape[0]
    for t in _steps(gx.shape[0], reverse):
        new_h, new_c = _step_on_arrays(f, mode, gx[t], f.product(h, wh, True) + bh, h, c)
        if mask is not None:
            on = mask[t] != 0
            new_h, new_c = f.where(on, new_h, h), None if c is None else f.where(on, new_c, c)
        hs[t], cs[t] = h, c = new_h, new_c
    return (f.stack(hs), f.stack(cs)) if mode == "lstm" else f.stack(hs)


def _unrolled_grad(*operands: Any, mode: str, reverse: bool) -> tuple[Any, ...]:
    n = 2 if mode == "lstm" else 1
    g, y = (operands[:n], operands[n : 2 * n]) if n == 2 else operands[:2]
    found = _backward(_OnArrays(), g, y, *operands[2 * n :], mode=mode, reverse=reverse)
    return tuple(a for i, a in enumerate(found) if i != 1 or mode == "gru")


# -- the operators --------------------------------------------------------------------------------


def _grad_operands(mode: str, g: Any, y: Any, xs: Sequence[Any]) -> list[Any]:
    return [*(g if mode == "lstm" else (g,)), *(y if mode == "lstm" else (y,)), *xs]


def _compute_grad(xp: Any, *operands: Any, mode: str, reverse: bool) -> tuple[Any, ...]:
    dtype = operands[0].dtype
    operands = tuple(a.astype(wide_dtype(dtype), copy=False) for a in operands)
    n = 2 if mode == "lstm" else 1
    g, y = (operands[:n], operands[n : 2 * n]) if n == 2 else operands[:2]
    with _one_thread(xp):
        found = _backward(_OnData(xp), g, y, *operands[2 * n :], mode=mode, reverse=reverse)
    return tuple(a.astype(dtype, copy=False) for i, a in enumerate(found) if i != 1 or mode == "gru")


def _infer_grad(*specs: Spec, mode: str, reverse: bool) -> tuple[Spec, ...]:
    n = 2 if mode == "lstm" else 1
    gx, wh, bh, h0, *more = specs[2 * n :]
    states = _infer(gx, wh, bh, h0, *more, mode=mode, reverse=reverse)
    expected = states if isinstance(states, tuple) and n == 2 else (states,)
    if any(s.shape != e.shape for s, e in zip(specs[: 2 * n], (*expected, *expected), strict=True)):  # type: ignore[union-attr]
        fail(ShapeError, "rnn_sequence_grad", expected=f"gradients and states of shape {expected[0].shape}", got=str(specs[0].shape))  # type: ignore[union-attr]
    return (gx, gx, h0) if mode == "gru" else (gx, h0, h0) if mode == "lstm" else (gx, h0)


def _rule(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, mode: str, reverse: bool) -> tuple[Any, ...]:
    if local.recording:
        found = _backward(_OnArrays(), g, y, *xs, mode=mode, reverse=reverse)
    else:
        found = call("rnn_sequence_grad", *_grad_operands(mode, g, y, xs), mode=mode, reverse=reverse)
        if mode != "gru":
            found = (found[0], *found)
    dgx, dproduct, *states = found
    gx, wh, bh, h0, *more = xs
    rows = gx.shape[0] * gx.shape[1]
    flat = call("reshape", dproduct, shape=(rows, gx.shape[2]))
    dwh = None
    if needs[1]:
        before = _before(_OnArrays(), h0, y[0] if mode == "lstm" else y, reverse)
        dwh = call("matmul", flat, call("reshape", before, shape=(rows, wh.shape[1])), transpose_a=True)
    dbh = call("sum", flat, axis=(0,), keepdims=False) if needs[2] else None
    return (dgx, dwh, dbh, *states, *[None] * (len(more) - (mode == "lstm")))


def _flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> int:
    gx, wh = inputs[:2]
    return 2 * gx.size * wh.shape[1]  # the bias and the gates are no products


def _grad_flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, mode: str, **attrs: Any) -> int:
    # The states' products again, and those of the gradients.
    return 2 * _flops(inputs[4 if mode == "lstm" else 2 :], outputs)


_mask = np.array([[True, True], [True, False], [True, False]])[:, :, None]


def _sample(mode: str, masked: bool, reverse: bool, time: int = 3) -> Sample:
    gates = GATES[mode]
    inputs = [
        normal(time, 2, gates * 2),
        normal(gates * 2, 2, seed=1, scale=0.5),
        normal(gates * 2, seed=2, scale=0.5),
        normal(2, 2, seed=3),
    ]
    inputs += [normal(2, 2, seed=4)] if mode == "lstm" else []
    return Sample((*inputs, *([_mask[:time]] if masked else [])), {"mode": mode, "reverse": reverse})


def _grad_sample(forward: Sample) -> Sample:
    mode = forward.attrs["mode"]
    y = _forward(np, *forward.inputs, **forward.attrs)
    g = tuple(normal(*a.shape, seed=7) for a in y) if mode == "lstm" else normal(*y.shape, seed=7)
    return Sample(tuple(_grad_operands(mode, g, y, forward.inputs)), forward.attrs, differentiable=False)


_good = [_sample(mode, both, both) for mode in GATES for both in (False, True)] + [_sample("lstm", False, True, time=1)]
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
        sample=samples(*_good, _wrong),
    )
)
on_cuda(SEQUENCE, decomposition=_unrolled)
SEQUENCE_GRAD = register(
    Op(
        "rnn_sequence_grad",
        Kind.OPAQUE,
        _infer_grad,
        compute=_compute_grad,
        flops=_grad_flops,
        promote="float",
        precision="half",
        sample=samples(*map(_grad_sample, _good)),
    )
)
on_cuda(SEQUENCE_GRAD, decomposition=_unrolled_grad)
