"""What MXNet 1.9.1 makes of layers, cells and losses: ``tests/data/mxnet_1_9_1_layers.jsonl``, a case a line.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_layers.py``. The tests evaluate the same cases
with hybridnet, by the same function. A case is an expression that makes the block, the shapes (or values) of what it is called
with, and the call where it is not ``net(*x)``. Parameters and inputs are drawn here, so that both have the same. Kept are the
block's ``repr``, names and shapes of parameters, their places in files, and of outputs and gradients the shape and two numbers
in which every element has a part of its own.
"""

import json
from pathlib import Path

import numpy as np

PATH = Path(__file__).resolve().parent.parent / "data" / "mxnet_1_9_1_layers.jsonl"

_UNROLL = "net.unroll({}, x[0], layout={!r}, merge_outputs=True{})"
_SEQUENCE, _LENGTHS = (3, 4, 5), [4, 1, 3]


def _conv_cells():
    for nd, size in ((1, (7,)), (2, (5, 4)), (3, (4, 3, 5))):
        for kind, states in (("RNN", 1), ("LSTM", 2), ("GRU", 1)):
            state = (2, 3, *(n - 1 for n in size))
            inputs = [(2, 2, *size), *([state] * states)]
            yield f"contrib.rnn.Conv{nd}D{kind}Cell({(2, *size)}, 3, 2, 3)", inputs, "net(x[0], x[1:])"
    more = "contrib.rnn.Conv1DLSTMCell((2, 7), 3, 3, 5, 1, 1, 2, activation='relu')", [(2, 2, 7), (2, 3, 7), (2, 3, 7)]
    yield *more, "net(x[0], x[1:])"
    leaky = "contrib.rnn.Conv2DGRUCell((2, 5, 4), 3, (3, 1), 3, (1, 0), activation=nn.LeakyReLU(0.2))", [(2, 2, 5, 4), (2, 3, 5, 4)]
    yield *leaky, "net(x[0], x[1:])"


def _recurrent():
    for make in ("rnn.RNNCell(3)", "rnn.RNNCell(3, 'relu')", "rnn.LSTMCell(3)", "rnn.GRUCell(3)", "contrib.rnn.LSTMPCell(4, 3)",
                 "rnn.LSTMCell(3, activation='relu', recurrent_activation='softsign')", "rnn.ResidualCell(rnn.GRUCell(5))",
                 "rnn.BidirectionalCell(rnn.LSTMCell(3), rnn.GRUCell(2))",
                 "contrib.rnn.VariationalDropoutCell(rnn.LSTMCell(3))"):  # fmt: skip
        yield make, [_SEQUENCE], _UNROLL.format(4, "NTC", "")
        yield make, [_SEQUENCE, _LENGTHS], _UNROLL.format(4, "NTC", ", valid_length=x[1]")
    yield "rnn.BidirectionalCell(rnn.RNNCell(3), rnn.RNNCell(2))", [(4, 3, 5)], _UNROLL.format(4, "TNC", "")
    yield (
        "stack(rnn.HybridSequentialRNNCell(), rnn.LSTMCell(3), rnn.ResidualCell(rnn.RNNCell(3)))",
        [_SEQUENCE],
        _UNROLL.format(4, "NTC", ""),
    )
    for make, states in (("rnn.RNN(3, 2, 'tanh', 'NTC', 0, True)", [(4, 3, 3)]), ("rnn.LSTM(3, 2, 'NTC', 0, True, 5)", [(4, 3, 3)] * 2),
                         ("rnn.GRU(3, 1, 'NTC', 0, False, 5)", [(1, 3, 3)]),
                         ("rnn.LSTM(4, 1, 'NTC', projection_size=3)", [(1, 3, 3), (1, 3, 4)]),
                         ("rnn.LSTM(4, 2, 'NTC', bidirectional=True, projection_size=2)", [(4, 3, 2), (4, 3, 4)])):  # fmt: skip
        yield make, [_SEQUENCE, *states], "net(x[0], list(x[1:]))"
        if "projection" not in make:
            yield make + "._unfuse()", [_SEQUENCE], _UNROLL.format(4, "NTC", "")


_IMAGES = (2, 4, 5, 6)

#: What MXNet differentiates on a GPU only.
ON_A_GPU = ("projection_size", "Modulated")

#: (expression, shapes or values of inputs, call).
CASES = [
    ("contrib.nn.PixelShuffle1D(2)", [(2, 6, 3)], ""),
    ("contrib.nn.PixelShuffle2D((2, 3))", [(2, 12, 3, 2)], ""),
    ("contrib.nn.PixelShuffle3D((2, 1, 3))", [(1, 12, 2, 3, 2)], ""),
    ("nn.Embedding(5, 3)", [[[0, 3], [4, 3]]], ""),
    ("contrib.nn.SyncBatchNorm(num_devices=1)", [_IMAGES], ""),
    ("stack(contrib.nn.HybridConcurrent(axis=1), nn.Dense(3), contrib.nn.Identity(), nn.Dense(2, activation='tanh'))", [(3, 4)], ""),
    ("stack(contrib.nn.Concurrent(), nn.Dense(3, flatten=False), contrib.nn.Identity())", [(3, 2, 4)], ""),
    ("contrib.cnn.DeformableConvolution(4, (3, 3), padding=(1, 1), activation='relu', offset_weight_initializer=None)", [_IMAGES], ""),
    ("contrib.cnn.DeformableConvolution(4, 3, (2, 1), 1, 2, 2, 2, use_bias=False)", [_IMAGES], ""),
    ("contrib.cnn.ModulatedDeformableConvolution(4, 3, 1, 1, offset_weight_initializer=None)", [_IMAGES], ""),
    ("nn.GroupNorm(2)", [_IMAGES], ""),
    ("nn.GroupNorm(4, epsilon=0.1, center=False)", [_IMAGES], ""),
    ("nn.InstanceNorm()", [_IMAGES], ""),
    ("nn.LayerNorm(axis=1)", [_IMAGES], ""),
    ("nn.BatchNorm(axis=-1)", [_IMAGES], ""),
    ("nn.PReLU()", [_IMAGES], ""),
    ("nn.GELU()", [_IMAGES], ""),
    ("nn.Swish(0.5)", [_IMAGES], ""),
    ("nn.ELU(0.5)", [_IMAGES], ""),
    ("nn.ReflectionPad2D(2)", [_IMAGES], ""),
    ("nn.Conv2DTranspose(3, (3, 2), (2, 1), 1, output_padding=(1, 0), groups=1)", [_IMAGES], ""),
    ("nn.Conv3D(3, 2, layout='NCDHW')", [(1, 2, 3, 4, 3)], ""),
    ("nn.Conv1D(4, 3, 2, 1, 2, 2)", [(2, 4, 9)], ""),
    ("nn.MaxPool2D(3, 2, 1, ceil_mode=True)", [_IMAGES], ""),
    ("nn.AvgPool1D(3, 2, 1, count_include_pad=False)", [(2, 3, 8)], ""),
    ("nn.GlobalAvgPool3D()", [(1, 2, 3, 4, 3)], ""),
    ("nn.Dense(3, 'sigmoid', flatten=False)", [(2, 3, 4)], ""),
    ("nn.Dense(3, use_bias=False)", [_IMAGES], ""),
    ("nn.Flatten()", [_IMAGES], ""),
    ("nn.SELU()", [_IMAGES], ""),
    ("nn.LeakyReLU(0.3)", [_IMAGES], ""),
    *((f"nn.Activation({name!r})", [_IMAGES], "") for name in ("relu", "sigmoid", "tanh", "softrelu", "softsign")),
    ("nn.Dropout(0.0)", [_IMAGES], ""),
    ("nn.Lambda('tanh')", [_IMAGES], ""),
    ("nn.Lambda(lambda x: x * x)", [_IMAGES], ""),
    ("nn.HybridLambda('tanh')", [_IMAGES], ""),
    ("nn.HybridLambda(lambda F, x: F.square(x))", [_IMAGES], ""),
    ("stack(nn.Sequential(), nn.Dense(3), nn.Activation('tanh'), nn.Dense(2))", [(3, 4)], ""),
    ("stack(nn.HybridSequential(), nn.Dense(3), nn.Activation('tanh'), nn.Dense(2))", [(3, 4)], ""),
    ("nn.BatchNorm(momentum=0.8, epsilon=0.01, scale=False)", [_IMAGES], ""),
    ("nn.BatchNormReLU()", [_IMAGES], ""),
    ("nn.Conv2D(6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2, activation='tanh')", [_IMAGES], ""),
    ("nn.Conv1DTranspose(4, 3, 2, 1, 1)", [(2, 3, 5)], ""),
    ("nn.Conv3DTranspose(2, 2, 2, use_bias=False)", [(1, 2, 2, 3, 2)], ""),
    ("nn.MaxPool1D(3, 2, 1)", [(2, 3, 8)], ""),
    ("nn.MaxPool3D(2, 1)", [(1, 2, 3, 4, 3)], ""),
    ("nn.AvgPool2D((3, 2), 2, 1, ceil_mode=True)", [_IMAGES], ""),
    ("nn.AvgPool3D(2, padding=1, count_include_pad=False)", [(1, 2, 3, 4, 3)], ""),
    *((f"nn.GlobalAvgPool{n}D()", [(2, 3, 4, 3, 2)[: n + 2]], "") for n in (1, 2)),
    *((f"nn.GlobalMaxPool{n}D()", [(2, 3, 4, 3, 2)[: n + 2]], "") for n in (1, 2, 3)),
    ("rnn.DropoutCell(0.0)", [_SEQUENCE], _UNROLL.format(4, "NTC", "")),
    ("stack(rnn.SequentialRNNCell(), rnn.LSTMCell(3), rnn.DropoutCell(0.0), rnn.GRUCell(2))", [_SEQUENCE], _UNROLL.format(4, "NTC", "")),
    ("rnn.ZoneoutCell(rnn.LSTMCell(3))", [_SEQUENCE], _UNROLL.format(4, "NTC", "")),
    ("loss.SDMLLoss()", [(4, 3), (4, 3)], ""),
    ("loss.CTCLoss()", [(3, 6, 4), [[0, 1, -1], [2, 2, -1], [-1, 0, 0]]], ""),
    ("loss.CTCLoss(weight=2.0)", [(3, 5, 4), [[0, 1, 2], [2, 2, -1], [1, 1, 1]]], ""),
    ("loss.CTCLoss('TNC', 'TN')", [(6, 2, 5), [[0, 1], [3, 1], [1, -1]], [4, 6], [2, 2]], "net(x[0], x[1], *x[2:4])"),
    ("loss.CTCLoss()", [(2, 1, 3), [[0], [1]]], ""),
    ("loss.SDMLLoss(0.1)", [(2, 5), (2, 5)], ""),
    *_conv_cells(),
    *_recurrent(),
]


def parameters_of(net):
    """By full name, in the order in which ``collect_params`` has them."""
    return dict(net.collect_params().items())


def drawn(shape, seed, positive=False):
    """Numbers on -1 … 1, or on 0.2 … 1."""
    x = np.random.RandomState(seed).uniform(-1, 1, shape)
    return (np.abs(x) * 0.8 + 0.2 if positive else x).astype(np.float32)


def kept(x):
    """The shape of an array, and its products with two vectors."""
    values = x.asnumpy().astype(np.float64).ravel()
    at = np.arange(values.size)
    return [list(x.shape), float(f"{values @ np.cos(at):.6g}"), float(f"{values @ np.sin(1 + at * at):.6g}")]


def _flat(x):
    return [z for y in x for z in _flat(y)] if isinstance(x, (list, tuple)) else [x]


def _stack(net, *blocks):
    for block in blocks:
        net.add(block)
    return net


def evaluate(mx, case, hybridize=False):
    """A case with MXNet, or with what stands for it."""
    expression, shapes, call = case
    names = {"nn": mx.gluon.nn, "rnn": mx.gluon.rnn, "contrib": mx.gluon.contrib, "loss": mx.gluon.loss, "stack": _stack}
    with mx.name.NameManager():
        net = eval(expression, names)
    given = [drawn(s, i) if isinstance(s, tuple) else np.array(s, np.float32) for i, s in enumerate(shapes)]
    x = [mx.nd.array(v) for v in given]
    run = compile(call or "net(*x)", expression, "eval")
    net.initialize()
    eval(run, {"net": net, "x": x})
    for i, (name, p) in enumerate(sorted(parameters_of(net).items())):
        p.set_data(mx.nd.array(drawn(p.shape, 100 + i, name.endswith(("var", "gamma")))))
    if hybridize:
        net.hybridize()
    for v, s in zip(x, shapes, strict=True):
        if isinstance(s, tuple):
            v.attach_grad()
    recorded = not any(word in expression for word in ON_A_GPU)
    with mx.autograd.record() if recorded else mx.autograd.predict_mode():
        found = _flat(eval(run, {"net": net, "x": x}))
        total = sum((y * mx.nd.array(drawn(y.shape, 50 + i))).sum() for i, y in enumerate(found))
    if recorded:
        total.backward()
    return {
        "repr": repr(net),
        "parameters": {name: list(p.shape) for name, p in parameters_of(net).items()},
        "places": sorted(net._collect_params_with_prefix()),
        "outputs": [kept(y) for y in found],
        "inputs": [kept(v.grad) for v, s in zip(x, shapes, strict=True) if isinstance(s, tuple)],
        "gradients": {name: kept(p.grad()) for name, p in parameters_of(net).items() if p.grad_req != "null"},
        "states": {name: kept(p.data()) for name, p in parameters_of(net).items() if p.grad_req == "null"},
    }


def saved_network(nn):
    """The network of the files that ``Block.save`` wrote: ``tests/data/mxnet_1_9_1-model.json`` and ``-model.params``."""
    net = nn.HybridSequential(prefix="outer_")
    with net.name_scope():
        net.add(nn.Dense(3, activation="relu", in_units=4), nn.BatchNorm(in_channels=3))
        inner = nn.HybridSequential(prefix="")
        with inner.name_scope():
            inner.add(nn.Dense(2, in_units=3))
        net.add(inner)
    return net


if __name__ == "__main__":
    import mxnet

    saved = saved_network(mxnet.gluon.nn)
    saved.initialize(mxnet.init.Constant(0.25))
    saved.save(str(PATH.with_name("mxnet_1_9_1")))
    with PATH.open("w") as file:
        for case in CASES:
            file.write(json.dumps({"case": case, **evaluate(mxnet, case)}) + "\n")
