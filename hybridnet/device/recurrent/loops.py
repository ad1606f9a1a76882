"""A recurrence over a whole sequence, for some rows of the batch, as functions that numba compiles once for each mode, for all shapes.

Rows do not depend on each other, so threads share them and nobody waits between steps. A step is a product with the recurrent weight,
which lies in panels, a gate's columns filled up to whole ones (``wide``), and a loop over the gates. Where fewer than eight units are left
the last vector of a loop begins earlier, and computes some of them twice: results never share memory with operands, so that nothing that a
loop reads is written by it.

tanh is x P(x²) / Q(x²), whose coefficients are the least squares of its relative error, weighted until that is even: 2e-8, and 4e-7 with
what float32 rounds. A sigmoid is tanh(x / 2) / 2 + 1 / 2, as by NumPy.
"""

from __future__ import annotations

from hybridnet.device import panels

#: Beyond it tanh is 1 in float32.
LIMIT = 9.0
P = (0.9999999794476331, 0.1338102533014737, 0.003495587779624002, 2.0609077066221062e-05, 1.3354654730211798e-08)
Q = (1.0, 0.46714340921132347, 0.025876980830346525, 0.000328563427314234, 7.776555441479305e-07)

_COMMON = """
@inlined
def tanh(x):
    x = within(x, splat(LIMIT))
    s = mul(x, x)
    p = muladd(muladd(muladd(muladd(splat(P4), s, splat(P3)), s, splat(P2)), s, splat(P1)), s, splat(P0))
    q = muladd(muladd(muladd(muladd(splat(Q4), s, splat(Q3)), s, splat(Q2)), s, splat(Q1)), s, splat(Q0))
    return within(div(mul(x, p), q), splat(ONE))

@inlined
def sigmoid(x):
    return muladd(tanh(mul(x, splat(HALF))), splat(HALF), splat(HALF))

@inlined
def slope(s):  # of a sigmoid, by its result
    return mul(s, sub(splat(ONE), s))

@inlined
def tanh_slope(t):  # likewise
    return sub(splat(ONE), mul(t, t))

@called
def copied(x, at, y, to, units):
    for k in range(0, units, WIDTH):
        j = min(k, units - WIDTH)
        store(y, to + j, load(x, at + j))

@called
def zeros(y, to, units):
    for k in range(0, units, WIDTH):
        store(y, to + min(k, units - WIDTH), splat(ZERO))
"""

# -- the states -----------------------------------------------------------------------------------

_GATE = """
@inlined
def gate(rec, at_r, bias, at_b, x, at_x):  # before its function
    return add(add(load(rec, at_r), load(bias, at_b)), load(x, at_x))

@inlined
def saved(gates, at, units, first, second, third, fourth):
    store(gates, at, first)
    store(gates, at + units, second)
    store(gates, at + 2 * units, third)
    store(gates, at + 3 * units, fourth)
"""

_STEP = """
@called
def step(x, at_x, rec, at_r, wide, bias, h, at_h, c, at_c, hs, cs, to, gates, at_g, keep, units):
    for k in range(0, units, WIDTH):
        j = min(k, units - WIDTH)
"""

_STEPS = {
    "lstm": """
        i = sigmoid(gate(rec, at_r + j, bias, j, x, at_x + j))
        f = sigmoid(gate(rec, at_r + wide + j, bias, units + j, x, at_x + units + j))
        g = tanh(gate(rec, at_r + 2 * wide + j, bias, 2 * units + j, x, at_x + 2 * units + j))
        o = sigmoid(gate(rec, at_r + 3 * wide + j, bias, 3 * units + j, x, at_x + 3 * units + j))
        new = muladd(f, load(c, at_c + j), mul(i, g))
        store(cs, to + j, new)
        store(hs, to + j, mul(o, tanh(new)))
        if keep:
            saved(gates, at_g + j, units, i, f, g, o)
""",
    "gru": """
        r = sigmoid(gate(rec, at_r + j, bias, j, x, at_x + j))
        z = sigmoid(gate(rec, at_r + wide + j, bias, units + j, x, at_x + units + j))
        product = add(load(rec, at_r + 2 * wide + j), load(bias, 2 * units + j))
        n = tanh(muladd(r, product, load(x, at_x + 2 * units + j)))
        store(hs, to + j, muladd(z, sub(load(h, at_h + j), n), n))
        if keep:
            saved(gates, at_g + j, units, r, z, n, product)
""",
    "rnn_tanh": """
        store(hs, to + j, tanh(gate(rec, at_r + j, bias, j, x, at_x + j)))
""",
    "rnn_relu": """
        store(hs, to + j, relu(gate(rec, at_r + j, bias, j, x, at_x + j)))
""",
}

_STATES = """
def loop(gx, u, bias, h0, c0, mask, hs, cs, gates, rec, time, batch, units, wide, reverse, masked, keep, first, end):
    row = GATES * wide
    h = h0
    c = c0
    before = first * units
    for s in range(time):
        t = time - 1 - s if reverse else s
        for k in range(0, row, PANEL):
            multiplied(h, before, units, u, k * units, rec, k, row, end - first)
        for n in range(first, end):
            old = before + (n - first) * units
            to = (t * batch + n) * units
            step(gx, GATES * to, rec, (n - first) * row, wide, bias, h, old, c, old, hs, cs, to, gates, KEPT * to, keep, units)
            if masked and not mask[t * batch + n]:  # its gates are those that there would be, as by NumPy
                copied(h, old, hs, to, units)
                if CELL:
                    copied(c, old, cs, to, units)
        h = hs
        c = cs
        before = (t * batch + first) * units
"""

# -- the gradients --------------------------------------------------------------------------------

_STEP_BACK = """
@inlined
def arrived(gh, at, dh, at_d, flow, flows, j):  # the gradient of a state
    d = add(load(gh, at + j), load(dh, at_d + j))
    if flows:
        d = add(d, load(flow, at_d + j))
    return d

@called
def passed(gh, gc, at, dh, dc, flow, to_dc, to_flow, at_d, units):  # over a step that is masked
    for k in range(0, units, WIDTH):
        j = min(k, units - WIDTH)
        store(to_flow, at_d + j, arrived(gh, at, dh, at_d, flow, True, j))
        if CELL:
            store(to_dc, at_d + j, add(load(gc, at + j), load(dc, at_d + j)))

@called
def step(gh, gc, at, dh, dc, flow, flows, to_dc, to_flow, at_d, hs, cs, gates, h, c, old, to, product, units):
    at_g = KEPT * at
    at_t = GATES * at
    for k in range(0, units, WIDTH):
        j = min(k, units - WIDTH)
        d = arrived(gh, at, dh, at_d, flow, flows, j)
"""

_STEPS_BACK = {
    "lstm": """
        i = load(gates, at_g + j)
        f = load(gates, at_g + units + j)
        g = load(gates, at_g + 2 * units + j)
        o = load(gates, at_g + 3 * units + j)
        t = tanh(load(cs, at + j))
        e = muladd(mul(tanh_slope(t), o), d, add(load(gc, at + j), load(dc, at_d + j)))
        store(to, at_t + j, mul(mul(slope(i), g), e))
        store(to, at_t + units + j, mul(mul(slope(f), load(c, old + j)), e))
        store(to, at_t + 2 * units + j, mul(mul(tanh_slope(g), i), e))
        store(to, at_t + 3 * units + j, mul(mul(slope(o), t), d))
        store(to_dc, at_d + j, mul(e, f))
        if flows:
            store(to_flow, at_d + j, splat(ZERO))
""",
    "gru": """
        r = load(gates, at_g + j)
        z = load(gates, at_g + units + j)
        n = load(gates, at_g + 2 * units + j)
        new = mul(mul(sub(splat(ONE), z), tanh_slope(n)), d)
        reset = mul(mul(slope(r), load(gates, at_g + 3 * units + j)), new)
        update = mul(mul(slope(z), sub(load(h, old + j), n)), d)
        store(to, at_t + j, reset)
        store(to, at_t + units + j, update)
        store(to, at_t + 2 * units + j, new)
        store(product, at_t + j, reset)
        store(product, at_t + units + j, update)
        store(product, at_t + 2 * units + j, mul(new, r))
        store(to_flow, at_d + j, mul(d, z))
""",
    "rnn_tanh": """
        store(to, at_t + j, mul(tanh_slope(load(hs, at + j)), d))
        if flows:
            store(to_flow, at_d + j, splat(ZERO))
""",
    "rnn_relu": """
        store(to, at_t + j, mul(where_positive(load(hs, at + j), splat(ONE)), d))
        if flows:
            store(to_flow, at_d + j, splat(ZERO))
""",
}

_GRADIENTS = """
def loop(
    gh, gc, hs, cs, gates, h0, c0, mask, u, to, product, to_h0, to_c0, scratch, time, batch, units, wide, reverse, masked, first, end,
):
    if not PRODUCT:
        product = to
    flows = masked or PRODUCT
    inner = GATES * units
    plane = (end - first) * wide
    dh = scratch
    dc = dh + 4 * plane
    flow = dc + 4 * plane
    to_dc = flow + 4 * plane
    to_flow = to_dc + 4 * plane
    zeros(dh, 0, 3 * plane)
    for s in range(time):
        t = s if reverse else time - 1 - s
        earlier = t + 1 if reverse else t - 1
        h = hs if s < time - 1 else h0
        c = cs if s < time - 1 else c0
        before = (earlier * batch if s < time - 1 else 0)
        for n in range(first, end):
            row = t * batch + n
            at_d = (n - first) * wide
            if masked and not mask[row]:
                passed(gh, gc, row * units, dh, dc, flow, to_dc, to_flow, at_d, units)
                zeros(to, row * inner, inner)
                if PRODUCT:
                    zeros(product, row * inner, inner)
            else:
                step(
                    gh, gc, row * units, dh, dc, flow, flows, to_dc, to_flow, at_d, hs, cs, gates, h, c, (before + n) * units,
                    to, product, units,
                )
        for k in range(0, wide, PANEL):
            multiplied(product, (t * batch + first) * inner, inner, u, k * inner, dh, k, wide, end - first)
        flow, to_flow = to_flow, flow
        dc, to_dc = to_dc, dc
    for n in range(first, end):
        at_d = (n - first) * wide
        for k in range(0, units, WIDTH):
            j = min(k, units - WIDTH)
            d = load(dh, at_d + j)
            if flows:
                d = add(d, load(flow, at_d + j))
            store(to_h0, n * units + j, d)
        if CELL:
            copied(dc, at_d, to_c0, n * units, units)
"""

_ADDRESSES = ("intp",)
_MASK = ("uint8[::1]",)
STATES_TYPES = _ADDRESSES * 5 + _MASK + _ADDRESSES * 8 + ("boolean",) * 3 + _ADDRESSES * 2
GRADIENTS_TYPES = _ADDRESSES * 7 + _MASK + _ADDRESSES * 10 + ("boolean",) * 2 + _ADDRESSES * 2


def states_text(mode: str, gates: int, kept: int) -> str:
    """The states' function, in which every row gives its states and, where they are kept, its gates."""
    return _text(mode, gates, kept, [_GATE, _STEP.rstrip() + "\n" + _STEPS[mode].strip("\n"), _STATES])


def gradients_text(mode: str, gates: int, kept: int) -> str:
    """The gradients' function."""
    return _text(mode, gates, kept, [_STEP_BACK.rstrip() + "\n" + _STEPS_BACK[mode].strip("\n"), _GRADIENTS])


def _text(mode: str, gates: int, kept: int, parts: list[str]) -> str:
    numbers = {"LIMIT": LIMIT, "ONE": 1.0, "HALF": 0.5, **{f"P{i}": p for i, p in enumerate(P)}, **{f"Q{i}": q for i, q in enumerate(Q)}}
    lines = [f"{name} = float32({value!r})" for name, value in numbers.items()]
    lines += [f"GATES = {gates}", f"KEPT = {kept}", f"CELL = {mode == 'lstm'}", f"PRODUCT = {mode == 'gru'}"]
    return "\n\n".join([panels.text(), "\n".join(lines), *[part.strip("\n") for part in (_COMMON, *parts)]]) + "\n"
