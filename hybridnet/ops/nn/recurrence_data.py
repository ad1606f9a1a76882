"""The recurrences of :mod:`hybridnet.ops.nn.recurrence` on NumPy or CuPy arrays: forward and backward, one direction of one layer.

Each step writes where its results lie, and keeps to arrays that one step needs, which stay in a cache. With the extra ``cpu`` recurrences
of some size are compiled instead (:mod:`hybridnet.ops.nn.recurrence_host`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from hybridnet.device import threads
from hybridnet.ops.linalg import cpu_matmul

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}
#: How many states each step gives, and how many gates of each the gradient needs: of a gru also the new gate's recurrent product.
STATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 2, "gru": 1}
KEPT = {"lstm": 4, "gru": 4}


def steps(time: int, reverse: bool) -> list[int]:
    """The steps in the order in which they are taken."""
    return list(range(time))[:: -1 if reverse else 1]


def _products(xp: Any) -> AbstractContextManager[Any]:
    """Around the products of all steps, so that not each of them has to tell BLAS."""
    return threads.one_thread if xp is np else nullcontext()


def _product(xp: Any, weight: Any) -> Callable[[Any, Any], None]:
    """``product(a, out)`` of ``a`` with the weight, (inputs, outputs)."""
    matmul, weight = cpu_matmul.matmul_of(xp), xp.ascontiguousarray(weight)

    def product(a: Any, out: Any) -> None:
        matmul(a, weight, out=out)

    return product


def _parts(x: Any, n: int) -> Iterator[Any]:
    """The gates of an array whose last axis holds ``n`` of them."""
    units = x.shape[-1] // n
    return (x[..., i * units : (i + 1) * units] for i in range(n))


# -- forward --------------------------------------------------------------------------------------


def forward(xp: Any, gx: Any, wh: Any, bh: Any, h: Any, c: Any, mask: Any, mode: str, reverse: bool, kept: int) -> tuple[Any, ...]:
    """The states of all steps, (time, batch, units), of an lstm also the cell states, and if asked for (``kept``: how many) the gates.

    ``gx`` (time, batch, gates · units), ``wh`` (gates · units, units), ``bh``, first states (batch, units), mask (time, batch, 1).
    """
    time, batch, units = gx.shape[0], gx.shape[1], wh.shape[1]
    hs = xp.empty((time, batch, units), gx.dtype)
    cs = xp.empty_like(hs) if mode == "lstm" else None
    gates = xp.empty((time, batch, kept * units), gx.dtype) if kept else None
    step = _FORWARD[mode](xp, wh, bh, batch)
    with _products(xp):
        for t in steps(time, reverse):
            step(gx[t], h, c, hs[t], None if cs is None else cs[t], None if gates is None else gates[t])
            if mask is not None:
                off = mask[t] == 0
                xp.copyto(hs[t], h, where=off)
                if cs is not None:
                    xp.copyto(cs[t], c, where=off)
            h, c = hs[t], None if cs is None else cs[t]
    return tuple(a for a in (hs, cs, gates) if a is not None)


def _simple_forward(xp: Any, wh: Any, bh: Any, batch: int, relu: bool) -> Callable[..., None]:
    product = _product(xp, wh.T)

    def step(x: Any, h: Any, c: Any, new_h: Any, new_c: Any, gates: Any) -> None:
        product(h, new_h)
        new_h += bh
        new_h += x
        xp.maximum(new_h, 0, out=new_h) if relu else xp.tanh(new_h, out=new_h)

    return step


def _lstm_forward(xp: Any, wh: Any, bh: Any, batch: int) -> Callable[..., None]:
    # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2, so that all four gates are one call.
    units = wh.shape[1]
    half = xp.repeat(xp.asarray([0.5, 0.5, 1, 0.5], wh.dtype), units)
    shift = xp.repeat(xp.asarray([0.5, 0.5, 0, 0.5], wh.dtype), units)
    product = _product(xp, wh.T)
    scratch, part = xp.empty((batch, 4 * units), wh.dtype), xp.empty((batch, units), wh.dtype)

    def step(x: Any, h: Any, c: Any, new_h: Any, new_c: Any, gates: Any) -> None:
        gates = scratch if gates is None else gates
        product(h, gates)
        gates += bh
        gates += x
        gates *= half
        xp.tanh(gates, out=gates)
        gates *= half
        gates += shift
        i, forget, g, o = _parts(gates, 4)
        xp.multiply(forget, c, out=new_c)
        xp.multiply(i, g, out=part)
        new_c += part
        xp.tanh(new_c, out=new_h)
        new_h *= o

    return step


def _gru_forward(xp: Any, wh: Any, bh: Any, batch: int) -> Callable[..., None]:
    units = wh.shape[1]
    product = _product(xp, wh.T)
    rec, scratch = xp.empty((batch, 3 * units), wh.dtype), xp.empty((batch, 4 * units), wh.dtype)

    def step(x: Any, h: Any, c: Any, new_h: Any, new_c: Any, gates: Any) -> None:
        gates = scratch if gates is None else gates
        product(h, rec)
        xp.add(rec, bh, out=rec)
        both = gates[:, : 2 * units]
        xp.add(x[:, : 2 * units], rec[:, : 2 * units], out=both)
        both *= 0.5
        xp.tanh(both, out=both)
        both *= 0.5
        both += 0.5
        r, z, n, hn = _parts(gates, 4)
        hn[...] = rec[:, 2 * units :]
        xp.multiply(r, hn, out=n)
        n += x[:, 2 * units :]
        xp.tanh(n, out=n)
        xp.subtract(h, n, out=new_h)
        new_h *= z
        new_h += n

    return step


_FORWARD: dict[str, Callable[..., Callable[..., None]]] = {
    "rnn_relu": lambda xp, wh, bh, batch: _simple_forward(xp, wh, bh, batch, True),
    "rnn_tanh": lambda xp, wh, bh, batch: _simple_forward(xp, wh, bh, batch, False),
    "lstm": _lstm_forward,
    "gru": _gru_forward,
}


# -- backward -------------------------------------------------------------------------------------


def backward(
    xp: Any, g: tuple[Any, ...], y: tuple[Any, ...], gates: Any, xs: tuple[Any, ...], mask: Any, mode: str, reverse: bool
) -> tuple[Any, ...]:
    """The gradients of gx, of a gru's recurrent products, of h0 and of an lstm's c0, from those (``g``) of all states (``y``).

    ``g`` and ``y``: of h and, ``None`` but of an lstm, of c: (time, batch, units). ``gates``: those that :func:`forward` kept;
    ``None``: they are computed again. ``xs``: gx, wh, bh, h0 and c0.
    """
    (gh, gc), (hs, cs), (gx, wh, bh, h0, c0) = g, y, xs
    time, batch, units = hs.shape
    if gates is None and mode in _GATES:
        gates = _GATES[mode](xp, gx, _all_products(xp, _before(xp, h0, hs, reverse), wh, bh))
    dgx = xp.empty(gx.shape, gx.dtype)
    dproduct = xp.empty(gx.shape, gx.dtype) if mode == "gru" else dgx
    dh = xp.zeros((batch, units), hs.dtype)
    dc = xp.zeros((batch, units), hs.dtype) if mode == "lstm" else None
    step = _BACKWARD[mode](xp, wh, dh, dc)
    order = steps(time, reverse)
    with _products(xp):
        for t, earlier in zip(order[::-1], [*order[-2::-1], None], strict=True):
            dh += gh[t]
            if dc is not None:
                dc += gc[t]
            skipped = None
            if mask is not None:  # what a step passes over goes to the one before as it is
                on = mask[t] != 0
                flowing = [d for d in (dh, dc) if d is not None]
                skipped = [xp.where(on, 0, d) for d in flowing]
                for d in flowing:
                    xp.copyto(d, 0, where=~on)
            h_before, c_before = (h0, c0) if earlier is None else (hs[earlier], None if cs is None else cs[earlier])
            step(hs[t], None if cs is None else cs[t], None if gates is None else gates[t], h_before, c_before, dgx[t], dproduct[t])
            if skipped is not None:
                for d, more in zip((dh, dc), skipped, strict=False):
                    d += more
    return (dgx, dproduct, dh) if mode == "gru" else (dgx, dh, dc) if mode == "lstm" else (dgx, dh)


def _before(xp: Any, first: Any, states: Any, reverse: bool) -> Any:
    """The state that each step began with."""
    first = first[None]
    return xp.concatenate([states[1:], first] if reverse else [first, states[:-1]])


def _all_products(xp: Any, before: Any, wh: Any, bh: Any) -> Any:
    rows = cpu_matmul.matmul_of(xp)(before.reshape(-1, before.shape[-1]), wh.T)
    return (rows + bh).reshape(*before.shape[:-1], rows.shape[-1])


def _sigmoid(xp: Any, x: Any) -> Any:
    return xp.tanh(x * 0.5) * 0.5 + 0.5


def _lstm_gates(xp: Any, gx: Any, rec: Any) -> Any:
    i, forget, g, o = _parts(gx + rec, 4)
    return xp.concatenate([_sigmoid(xp, i), _sigmoid(xp, forget), xp.tanh(g), _sigmoid(xp, o)], -1)


def _gru_gates(xp: Any, gx: Any, rec: Any) -> Any:
    (xr, xz, xn), (hr, hz, hn) = _parts(gx, 3), _parts(rec, 3)
    r = _sigmoid(xp, xr + hr)
    return xp.concatenate([r, _sigmoid(xp, xz + hz), xp.tanh(xn + r * hn), hn], -1)


_GATES: dict[str, Callable[..., Any]] = {"lstm": _lstm_gates, "gru": _gru_gates}


def _simple_backward(xp: Any, wh: Any, dh: Any, dc: Any, relu: bool) -> Callable[..., None]:
    product = _product(xp, wh)

    def step(h: Any, c: Any, gates: Any, h_before: Any, c_before: Any, d: Any, d_product: Any) -> None:
        if relu:
            xp.multiply(dh, h > 0, out=d)
        else:
            xp.multiply(h, h, out=d)
            xp.subtract(1, d, out=d)
            xp.multiply(d, dh, out=d)
        product(d, dh)

    return step


def _lstm_backward(xp: Any, wh: Any, dh: Any, dc: Any) -> Callable[..., None]:
    units, product = wh.shape[1], _product(xp, wh)
    tc, through = xp.empty_like(dh), xp.empty_like(dh)

    def step(h: Any, c: Any, gates: Any, h_before: Any, c_before: Any, d: Any, d_product: Any) -> None:
        i, forget, g, o = _parts(gates, 4)
        di, df, dg, do = _parts(d, 4)
        xp.tanh(c, out=tc)
        xp.multiply(tc, tc, out=through)
        xp.subtract(1, through, out=through)
        xp.multiply(through, o, out=through)
        xp.multiply(through, dh, out=through)
        xp.add(dc, through, out=dc)
        xp.multiply(gates, gates, out=d)  # a sigmoid's slope is s - s², a tanh's 1 - g²
        xp.subtract(gates[:, : 2 * units], d[:, : 2 * units], out=d[:, : 2 * units])
        xp.subtract(1, dg, out=dg)
        xp.subtract(o, do, out=do)
        xp.multiply(di, g, out=di)
        xp.multiply(df, c_before, out=df)
        xp.multiply(dg, i, out=dg)
        xp.multiply(do, tc, out=do)
        three = d[:, : 3 * units].reshape(-1, 3, units)
        xp.multiply(three, dc[:, None], out=three)
        xp.multiply(do, dh, out=do)
        product(d, dh)
        xp.multiply(dc, forget, out=dc)

    return step


def _gru_backward(xp: Any, wh: Any, dh: Any, dc: Any) -> Callable[..., None]:
    product = _product(xp, wh)
    through = xp.empty_like(dh)

    def step(h: Any, c: Any, gates: Any, h_before: Any, c_before: Any, d: Any, d_product: Any) -> None:
        r, z, n, hn = _parts(gates, 4)
        dr, dz, dn = _parts(d, 3)
        xp.multiply(n, n, out=dn)
        xp.subtract(1, dn, out=dn)
        xp.subtract(1, z, out=dz)
        xp.multiply(dn, dz, out=dn)
        xp.multiply(dn, dh, out=dn)
        xp.multiply(dz, z, out=dz)
        xp.subtract(h_before, n, out=through)
        xp.multiply(dz, through, out=dz)
        xp.multiply(dz, dh, out=dz)
        xp.subtract(1, r, out=dr)
        xp.multiply(dr, r, out=dr)
        xp.multiply(dr, hn, out=dr)
        xp.multiply(dr, dn, out=dr)
        d_product[...] = d
        new = d_product[:, 2 * wh.shape[1] :]
        xp.multiply(new, r, out=new)
        xp.multiply(dh, z, out=through)
        product(d_product, dh)
        xp.add(dh, through, out=dh)

    return step


_BACKWARD: dict[str, Callable[..., Callable[..., None]]] = {
    "rnn_relu": lambda xp, wh, dh, dc: _simple_backward(xp, wh, dh, dc, True),
    "rnn_tanh": lambda xp, wh, dh, dc: _simple_backward(xp, wh, dh, dc, False),
    "lstm": _lstm_backward,
    "gru": _gru_backward,
}
