"""Random symbols, made by the same calls here and in MXNet: ``sym`` is the one's namespace or the other's."""

import random
from typing import Any

UNARY = ("relu", "sigmoid", "tanh", "exp", "square", "abs", "negative", "zeros_like", "flatten", "BlockGrad", "identity")
SCALAR = (
    lambda x, n: x + n, lambda x, n: n - x, lambda x, n: x * n, lambda x, n: n / (x * x + 1), lambda x, n: x**2, lambda x, n: x > n,
    lambda x, n: x <= n, lambda x, n: -x, lambda x, n: x % 2,
)  # fmt: skip
BOTH = (
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (y * y + 1), lambda x, y: x == y, lambda x, y: x < y,
)  # fmt: skip


def program(sym: Any, seed: int) -> Any:
    """A symbol of (4, k) from ``data`` of (4, 6), of some ten operators: layers with variables of their own, states, several outputs."""
    rng = random.Random(seed)
    x = sym.var("data")
    values = [(x, 6)]
    for step in range(rng.randint(3, 10)):
        x, width = rng.choice(values)
        kind = rng.choice(("dense", "norm", "unary", "scalar", "both", "split", "concat", "layer", "slice", "reduce", "embed"))
        name = {"name": f"n{step}"} if rng.random() < 0.4 else {}
        if kind == "dense":
            width = rng.randint(2, 6)
            bias = rng.random() < 0.7
            x = sym.FullyConnected(x, num_hidden=width, no_bias=not bias, **name)
        elif kind == "norm":
            x = sym.BatchNorm(x, fix_gamma=rng.random() < 0.5, eps=0.01, **name)
        elif kind == "unary":
            x = getattr(sym, rng.choice(UNARY))(x, **name)
        elif kind == "scalar":
            x = rng.choice(SCALAR)(x, rng.choice((1, 2.5, -3)))
        elif kind == "both":
            others = [y for y, n in values if n == width]
            x = rng.choice(BOTH)(x, rng.choice(others))
        elif kind == "split" and width % 2 == 0:
            parts = sym.split(x, num_outputs=2, axis=1, **name)
            values.append((parts[0], width // 2))
            x, width = parts[1], width // 2
        elif kind == "concat":
            y, other = rng.choice(values)
            x, width = sym.concat(x, y, dim=1, **name), width + other
        elif kind == "layer":
            x = rng.choice((sym.softmax, sym.log_softmax, lambda z, **k: sym.LeakyReLU(z, act_type="prelu", **k)))(x, **name)
        elif kind == "slice" and width > 1:
            x, width = sym.slice_axis(x, axis=1, begin=0, end=width - 1, **name), width - 1
        elif kind == "reduce":
            x, width = sym.broadcast_sub(x, sym.mean(x, axis=1, keepdims=True), **name), width
        elif kind == "embed":
            x, width = sym.reshape(sym.Embedding(sym.argmax(x, axis=1), input_dim=width, output_dim=3, **name), shape=(-1, 3)), 3
        values.append((x, width))
    heads = [values[-1][0]] + ([rng.choice(values)[0]] if rng.random() < 0.3 else [])
    return heads[0] if len(heads) == 1 else sym.Group(heads)


#: How many there are.
COUNT = 60
