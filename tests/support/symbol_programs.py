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
    if heads[-1] is heads[0]:  # of which MXNet takes one gradient
        heads = heads[:1]
    return heads[0] if len(heads) == 1 else sym.Group(heads)


#: How many there are.
COUNT = 200


def loops(sym: Any) -> dict[str, tuple[Any, dict[str, tuple[int, ...]]]]:
    """Control flow, with the shapes of what is given."""
    w, data = sym.var("w"), sym.var("data")

    def body(x: Any, states: Any) -> Any:
        y = sym.FullyConnected(x, num_hidden=2, name="fc") + states[0]
        return y, [y * w]

    out, states = sym.contrib.foreach(body, data, [sym.var("init")])
    both, _ = sym.contrib.foreach(lambda x, s: ([x[0] + x[1], s * 2], s + x[0]), [data, sym.var("more")], sym.var("init"))
    outside = sym.relu(sym.var("far")) * 3
    inner, _ = sym.contrib.foreach(
        lambda x, s: (sym.contrib.foreach(lambda a, b: (a * outside, b + a), x, s)[0], s), data, sym.zeros((1,), name="z")
    )
    steps, last = sym.contrib.while_loop(
        lambda i, t: i < t, lambda i, t: ([i * 2, i + w], [i + 1, t]), [sym.var("i"), sym.var("t")], max_iterations=5
    )
    sums, total = sym.contrib.while_loop(lambda i: i < 30, lambda i: (i + w, i * 2), sym.var("i"), max_iterations=4)
    branch = sym.contrib.cond(sym.var("p") < 3, lambda: sym.var("a") + 1, lambda: sym.var("b") * w)
    pair = sym.contrib.cond(sym.var("p"), lambda: [data, data + 1], lambda: [w, w * 2])
    sizes = {"data": (3, 1, 4), "init": (1, 2), "w": (1, 2)}
    one = {"i": (1,), "t": (1,), "w": (1,)}
    return {
        "foreach": (sym.Group([out, *states]), sizes),
        "several": (sym.Group(both), {"data": (3, 2), "more": (3, 2), "init": (2,)}),
        "nested": (inner, {"data": (2, 3, 1), "far": (1,)}),
        "while": (sym.Group([*steps, *last]), one),
        "while one": (sym.Group([*(sums if isinstance(sums, list) else [sums]), total]), {"i": (1,), "w": (1,)}),
        "cond": (branch, {"p": (1,), "a": (1, 2), "b": (1, 2), "w": (1, 2)}),
        "cond pair": (sym.Group(pair), {"p": (1,), "data": (2,), "w": (2,)}),
    }


def layers(gluon: Any) -> dict[str, Any]:
    """Makers of layers, and of losses, which take labels as well."""
    nn, rnn, loss = gluon.nn, gluon.rnn, gluon.loss
    return {
        "embedding": lambda: nn.Embedding(5, 3), "layer norm": nn.LayerNorm, "group norm": lambda: nn.GroupNorm(2),
        "instance norm": nn.InstanceNorm, "instance norm 2": lambda: nn.InstanceNorm(axis=2), "prelu": nn.PReLU, "elu": nn.ELU,
        "selu": nn.SELU, "gelu": nn.GELU, "swish": nn.Swish, "leaky": lambda: nn.LeakyReLU(0.1), "conv 1": lambda: nn.Conv1D(3, 3),
        "conv 3": lambda: nn.Conv3D(3, 3, use_bias=False), "transposed": lambda: nn.Conv2DTranspose(3, 3, output_padding=1, strides=2),
        "avg pool": lambda: nn.AvgPool2D(2), "global": nn.GlobalMaxPool1D, "reflection": lambda: nn.ReflectionPad2D(1),
        "dense": lambda: nn.Dense(3, flatten=False, use_bias=False), "batch norm": lambda: nn.BatchNorm(scale=False, center=False),
        "sync": lambda: gluon.contrib.nn.SyncBatchNorm(), "dropout": lambda: nn.Dropout(0.3, axes=(1,)),
        "lambda": lambda: nn.HybridLambda("relu"), "activation": lambda: nn.Activation("softsign"),
        "lstm": lambda: rnn.LSTM(3, 2, bidirectional=True), "gru": lambda: rnn.GRU(3, layout="NTC"), "rnn": lambda: rnn.RNN(3, dropout=0.2),
        "l1 loss": loss.L1Loss, "sigmoid loss": loss.SigmoidBCELoss, "sigmoid loss 2": lambda: loss.SigmoidBCELoss(from_sigmoid=True),
        "softmax loss": loss.SoftmaxCELoss, "softmax loss 2": lambda: loss.SoftmaxCELoss(from_logits=True, axis=1),
        "kl loss": loss.KLDivLoss, "huber loss": loss.HuberLoss, "hinge loss": loss.HingeLoss, "squared hinge loss": loss.SquaredHingeLoss,
        "poisson loss": loss.PoissonNLLLoss,
    }  # fmt: skip


def layer_text(sym: Any, make: Any, name: str) -> str:
    """The file of a layer, or a loss, alone."""
    found = make()(*[sym.var(key) for key in (("data", "label") if "loss" in name else ("data",))])
    text: str = (sym.Group(found) if isinstance(found, (list, tuple)) else found).tojson()
    return text
