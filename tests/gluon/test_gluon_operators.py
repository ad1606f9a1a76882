"""Layers, losses and cells compute by ``F``'s operators, and Python's on their results, and ask for no shape: as a Symbol would have it."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hybridnet.keras.layers as keras
from hybridnet import autograd, ndarray
from hybridnet.core import NDArray, array, as_class
from hybridnet.gluon import Block, HybridBlock, contrib, loss, nn, rnn
from hybridnet.gluon.contrib import nn as more
from hybridnet.gluon.rnn import combined, recurrent
from hybridnet.graph.trace import Trace, tracing
from hybridnet.keras.models import Sequential

CLASSES = {"np": NDArray, "nd": ndarray.NDArray}
#: What other layers are made by: they compute nothing themselves.
BASES = {loss.Loss, rnn.HybridRecurrentCell, rnn.ModifierCell, keras.Layer}


def floats(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).uniform(0.2, 0.8, shape).astype(np.float32)


IMAGE, ROWS = floats(2, 4, 6, 6), floats(3, 4)
SEQUENCE, STATE, LAYERS = floats(5, 3, 4), floats(3, 2), floats(2, 3, 2)
CLASSES_OF_ROWS, SIGNS = np.array([1, 0, 3], np.int32), np.array([[1], [-1], [1]], np.float32)
Made = tuple[Callable[[], Any], list[Any]]


def sized(cls: Any, nd: int, *args: Any) -> Made:
    return lambda: cls(*args), [floats(2, 3, *(5,) * nd)]


def layers() -> Iterator[Made]:
    for nd, made in enumerate(((nn.Conv1D, nn.Conv1DTranspose), (nn.Conv2D, nn.Conv2DTranspose), (nn.Conv3D, nn.Conv3DTranspose)), 1):
        yield from (sized(cls, nd, 4, 3) for cls in made)
        for kind in ("MaxPool", "AvgPool", "GlobalMaxPool", "GlobalAvgPool"):
            yield sized(getattr(nn, f"{kind}{nd}D"), nd)
    yield lambda: nn.Conv2D(4, 3, use_bias=False, activation="tanh"), [IMAGE]
    yield lambda: nn.ReflectionPad2D(1), [IMAGE]
    for cls in (nn.BatchNorm, nn.BatchNormReLU, nn.LayerNorm, nn.InstanceNorm, nn.Flatten, nn.Identity, nn.SELU, nn.SiLU, nn.ELU):
        yield cls, [IMAGE]
    yield lambda: nn.BatchNorm(scale=False), [IMAGE]
    yield lambda: nn.InstanceNorm(axis=2), [IMAGE]
    yield lambda: nn.GroupNorm(2), [IMAGE]
    yield lambda: nn.Dense(3), [IMAGE]
    yield lambda: nn.Dense(3, activation="relu", use_bias=False, flatten=False), [IMAGE]
    yield lambda: nn.Embedding(5, 2), [CLASSES_OF_ROWS]
    yield from ((lambda rate=rate: nn.Dropout(rate), [ROWS]) for rate in (0.0, 0.5))
    for name in ("relu", "sigmoid", "softrelu", "gelu", "swish", "softmax", "log_softmax"):
        yield lambda name=name: nn.Activation(name), [ROWS]
    yield lambda: nn.LeakyReLU(0.2), [ROWS]
    yield lambda: nn.PReLU(in_channels=4), [ROWS]
    yield from ((lambda how=how: nn.GELU(how), [ROWS]) for how in ("erf", "tanh"))
    yield from ((lambda beta=beta: nn.Swish(beta), [ROWS]) for beta in (1.0, 2.0))
    yield from ((lambda f=f: nn.HybridLambda(f), [ROWS]) for f in ("square", lambda F, x: F.exp(x)))
    yield lambda: listed(nn.HybridSequential()), [ROWS]
    yield lambda: listed(nn.HybridConcatenate()), [ROWS]


def transformers() -> Iterator[Made]:
    text, memory, mask = floats(2, 5, 4), floats(2, 3, 4), np.ones((2, 1, 1, 5), np.float32)
    yield nn.RMSNorm, [ROWS]
    yield lambda: nn.GELU("sigmoid"), [ROWS]
    yield lambda: nn.RotaryEmbedding(interleaved=True), [floats(2, 3, 2, 4)]
    yield lambda: nn.FeedForward(4, 6), [text]
    yield lambda: nn.SwiGLU(4, 6), [text]
    yield lambda: nn.MultiHeadAttention(4, 2, 1, True, 100.0), [text]
    yield lambda: nn.MultiHeadAttention(4, 2), [text, memory]
    for pre_norm in (False, True):
        layer = {"num_kv_heads": 1, "pre_norm": pre_norm, "rotary": 10.0, "dropout": 0.2}
        yield lambda layer=layer: nn.TransformerEncoderLayer(4, 2, 6, **layer), [text, mask]
        yield lambda layer=layer: nn.TransformerDecoderLayer(4, 2, 6, **layer), [text, memory, mask]
    cached = [text[:, :2], mask, [floats(2, 5, 1, 2)] * 2, np.array([2], np.float32)]
    yield lambda: nn.TransformerEncoderLayer(4, 2, 6, 1, causal=True), cached


def contributed() -> Iterator[Made]:
    for cls, shape in ((more.PixelShuffle1D, (2, 4, 3)), (more.PixelShuffle2D, (2, 8, 3, 2)), (more.PixelShuffle3D, (1, 8, 2, 3, 2))):
        yield lambda cls=cls: cls(2), [floats(*shape)]
    yield more.SyncBatchNorm, [IMAGE]
    yield lambda: listed(more.HybridConcurrent()), [ROWS]
    for deformable in (contrib.cnn.DeformableConvolution, contrib.cnn.ModulatedDeformableConvolution):
        yield lambda cls=deformable: cls(3, 3, activation="relu"), [IMAGE]
    for nd, size in enumerate(((5,), (5, 4), (3, 4, 5)), 1):
        for kind, states in (("RNN", 1), ("LSTM", 2), ("GRU", 1)):
            cls = getattr(contrib.rnn, f"Conv{nd}D{kind}Cell")
            yield lambda cls=cls, size=size: cls((2, *size), 3, 3, 3, 1), [floats(2, 2, *size), [floats(2, 3, *size)] * states]
    yield lambda: contrib.rnn.LSTMPCell(3, 2), [ROWS, [STATE, floats(3, 3)]]
    yield lambda: contrib.rnn.VariationalDropoutCell(rnn.LSTMCell(2), 0.2, 0.3, 0.4), [ROWS, [STATE, STATE]]


def listed(block: Any) -> Any:
    block.add(nn.Dense(3), nn.Activation("relu"), nn.BatchNorm())
    return block


def losses() -> Iterator[Made]:
    for cls in (loss.L1Loss, loss.L2Loss, loss.HuberLoss, loss.HingeLoss, loss.SquaredHingeLoss, loss.LogisticLoss, loss.KLDivLoss):
        yield cls, [ROWS, ROWS[::-1]]
        yield lambda cls=cls: cls(weight=0.5), [ROWS, ROWS[::-1], floats(3, 1)]
    yield lambda: loss.LogisticLoss(label_format="binary"), [ROWS, ROWS[::-1]]
    yield lambda: loss.KLDivLoss(from_logits=False), [ROWS, ROWS[::-1]]
    for from_sigmoid in (False, True):
        bce = lambda given=from_sigmoid: loss.SigmoidBCELoss(given)
        yield bce, [ROWS, ROWS[::-1]]
        yield bce, [ROWS, ROWS[::-1], floats(3, 1), floats(4)]
    for from_logits in (False, True):
        for axis, label in ((-1, CLASSES_OF_ROWS), (-1, CLASSES_OF_ROWS[:, None]), (0, np.array([1, 0, 2, 1]))):
            yield lambda a=axis, given=from_logits: loss.SoftmaxCELoss(a, True, given), [ROWS, label]
        yield lambda given=from_logits: loss.SoftmaxCELoss(from_logits=given), [ROWS, CLASSES_OF_ROWS, floats(3, 1)]
        yield lambda given=from_logits: loss.SoftmaxCELoss(1, from_logits=given), [IMAGE, np.ones((2, 6, 6), np.int32)]
        yield lambda given=from_logits: loss.SoftmaxCELoss(sparse_label=False, from_logits=given), [ROWS, ROWS[::-1]]
        yield lambda given=from_logits: loss.PoissonNLLLoss(from_logits=given, compute_full=True), [ROWS, ROWS[::-1] * 4]
    yield loss.CTCLoss, [floats(3, 5, 4), np.array([[0, 1], [2, -1], [1, 1]], np.float32), np.array([5, 3, 4]), np.array([2, 1, 1])]
    yield loss.SDMLLoss, [ROWS, ROWS[::-1]]
    yield loss.CosineEmbeddingLoss, [ROWS, ROWS[::-1], SIGNS]
    yield loss.TripletLoss, [ROWS, ROWS[::-1], ROWS * 2]


def cells() -> Iterator[Made]:
    for cls, states in ((rnn.RNNCell, 1), (rnn.LSTMCell, 2), (rnn.GRUCell, 1)):
        yield lambda cls=cls: cls(2), [ROWS, [STATE] * states]
    for cls, states in ((rnn.RNN, 1), (rnn.LSTM, 2), (rnn.GRU, 1)):
        yield lambda cls=cls: cls(2, 2), [SEQUENCE, [LAYERS] * states]
        yield lambda cls=cls: cls(2, bidirectional=True, dropout=0.2, layout="NTC"), [SEQUENCE.swapaxes(0, 1), [LAYERS] * states]
    yield lambda: rnn.GRU(2, 2, use_sequence_length=True), [SEQUENCE, [LAYERS], np.array([5, 2, 3])]
    yield lambda: rnn.LSTM(3, 2, projection_size=2, state_clip_min=-0.1, state_clip_max=0.1), [SEQUENCE, [LAYERS, floats(2, 3, 3)]]
    yield lambda: rnn.LSTMCell(2, activation="relu", recurrent_activation="tanh"), [ROWS, [STATE, STATE]]
    yield lambda: rnn.DropoutCell(0.5), [ROWS, []]
    yield lambda: rnn.ResidualCell(rnn.RNNCell(4)), [ROWS, [ROWS]]
    yield lambda: rnn.ZoneoutCell(rnn.LSTMCell(2), 0.3, 0.2), [ROWS, [STATE, STATE]]
    yield lambda: stacked(), [ROWS, [STATE, STATE]]


def stacked() -> Any:
    cell = rnn.HybridSequentialRNNCell()
    cell.add(rnn.RNNCell(2), rnn.GRUCell(2))
    return cell


def keras_layers() -> Iterator[Made]:
    yield lambda: keras.Dense(3), [ROWS]
    for make in (lambda: keras.Conv2D(3, 3), keras.MaxPooling2D, keras.AveragePooling2D, keras.GlobalAveragePooling2D, keras.Flatten):
        yield make, [floats(2, 6, 6, 3)]
    yield keras.BatchNormalization, [floats(2, 6, 6, 3)]
    yield keras.LayerNormalization, [ROWS]
    yield lambda: keras.Embedding(5, 2), [CLASSES_OF_ROWS]
    yield lambda: listed(Sequential()), [ROWS]
    yield lambda: keras.Dropout(0.5), [ROWS]
    yield lambda: keras.Activation("relu"), [ROWS]


CASES: list[Made] = [*layers(), *transformers(), *contributed(), *losses(), *cells(), *keras_layers()]
IDS = [f"{type(make()).__module__.split('.')[1]}.{type(make()).__name__}" for make, _ in CASES]


class Symbolic:
    """An array of which a layer can know nothing: it has Python's operators, and ``F`` takes it."""

    def __init__(self, run: "Recording", held: Any) -> None:
        self.__dict__.update(_run=run, _held=held)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a layer asked for .{name} of what may be a Symbol")


def _by_python(name: str) -> Callable[..., Any]:
    return lambda self, *others: self._run.inside(getattr(self._held, name), *others)


for _name in ("add", "sub", "mul", "truediv", "pow", "gt", "ge", "lt", "le", "eq", "ne"):
    setattr(Symbolic, f"__{_name}__", _by_python(f"__{_name}__"))
for _name in ("radd", "rsub", "rmul", "rtruediv", "neg"):
    setattr(Symbolic, f"__{_name}__", _by_python(f"__{_name}__"))


class Recording:
    """What goes through ``F``: the depth of the calls that are running."""

    def __init__(self, symbolic: bool = True) -> None:
        self.symbolic = symbolic  # whether results are hidden
        self.depth = 0

    def wrap(self, x: Any) -> Any:
        if not self.symbolic:
            return x
        if isinstance(x, (list, tuple)):
            return type(x)(map(self.wrap, x))
        return Symbolic(self, x) if isinstance(x, NDArray) else x

    def unwrap(self, x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(map(self.unwrap, x))
        return x._held if isinstance(x, Symbolic) else x

    def inside(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.depth += 1
        try:
            return self.wrap(function(*self.unwrap(args), **{key: self.unwrap(value) for key, value in kwargs.items()}))
        finally:
            self.depth -= 1

    def namespace(self, of: Any) -> Any:
        """``F``: the operators of a module, and of those within."""

        def look_up(name: str) -> Any:
            found = getattr(of, name)
            return self.namespace(found) if isinstance(found, (ModuleType, SimpleNamespace)) else partial(self.inside, found)

        return type("Operators", (), {"__getattr__": lambda _, name: look_up(name)})()


class Watched(Trace):
    """A trace that lets no operator pass but from ``F``."""

    def __init__(self, run: Recording) -> None:
        super().__init__()
        self.run = run

    def emit(self, op: Any, *args: Any) -> Any:
        assert self.run.depth, f"{op.name} was applied, and not through F"
        return super().emit(op, *args)


def called(block: Block, F: Any, run: Recording, *args: Any) -> Any:
    """A block's result by way of ``F``, as HybridBlock.forward would call it."""
    if type(block).forward is not HybridBlock.forward:
        return block.forward(*args)
    parameters = {name: run.wrap(p.data()) for name, p in block._reg_params.items()}
    return block.hybrid_forward(F, *args, **parameters)  # type: ignore[attr-defined]


def prepared(case: Made, cls: Any) -> tuple[Any, list[Any], Any]:
    """The block with its parameters, its inputs, and what it gives."""
    make, inputs = case
    block = make()
    given = [[as_class(array(y), cls) for y in x] if isinstance(x, list) else as_class(array(x), cls) for x in inputs]
    if isinstance(block, Block):
        block.initialize()
    if isinstance(block, rnn.RecurrentCell):
        block.reset()
    return block, given, block(*given)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_through_f(case: Made, cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same results, of the same class, by operators of F alone; in training nothing else either."""
    block, given, expected = prepared(case, cls)
    if isinstance(block, rnn.RecurrentCell):
        block.reset()
    run = Recording()
    F = run.namespace(ndarray)
    monkeypatch.setattr(Block, "__call__", lambda self, *args: called(self, F, run, *args))
    found = run.unwrap(block(*run.wrap(given)))
    for y, e in zip(flat(found), flat(expected), strict=True):
        assert type(y) is type(e) is cls
        np.testing.assert_allclose(y.asnumpy(), e.asnumpy(), rtol=1e-6, atol=1e-6)
    if isinstance(block, rnn.RecurrentCell):
        block.reset()
    with autograd.train_mode(), tracing(Watched(run)):
        block(*run.wrap(given))


def flat(x: Any) -> list[Any]:
    return [z for y in x for z in flat(y)] if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("layer", [rnn.RNN, rnn.LSTM, rnn.GRU])
def test_first_states(layer: Any, cls: Any) -> None:
    """Where none are given they are made by ``F``, of the class of the inputs."""
    block, (x,), expected = prepared((lambda: layer(2, 2), [SEQUENCE]), cls)
    run = Recording(symbolic=False)
    with tracing(Watched(run)):
        y = called(block, run.namespace(ndarray), run, x)
    assert type(y) is type(expected) is cls
    assert y.shape == expected.shape


def both_ways() -> Any:
    return rnn.BidirectionalCell(rnn.LSTMCell(2), rnn.GRUCell(2))


UNROLLED: list[tuple[Callable[[], Any], int]] = [
    (lambda: rnn.LSTMCell(2), 2), (both_ways, 3), (lambda: stacked(), 2), (lambda: rnn.DropoutCell(0.5), 0),
    (lambda: rnn.DropoutCell(0.5, (1,)), 0), (lambda: contrib.rnn.VariationalDropoutCell(rnn.LSTMCell(2), 0.2), 2),
]  # fmt: skip


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("lengths", [None, [5, 2, 3]], ids=["whole", "lengths"])
@pytest.mark.parametrize("layout", ["TNC", "NTC"])
@pytest.mark.parametrize(("make", "states"), UNROLLED)
def test_unrolled_through_f(
    make: Callable[[], Any], states: int, layout: str, lengths: Any, cls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole sequences as well: steps, states, reversal and masks."""
    inputs = [SEQUENCE if layout == "TNC" else SEQUENCE.swapaxes(0, 1), [STATE] * states, *([] if lengths is None else [np.array(lengths)])]
    cell, (x, begin, *rest), expected = prepared((lambda: Unrolled(make(), layout), inputs), cls)
    run = Recording()
    for module in (recurrent, combined):
        monkeypatch.setattr(module, "operators_for", lambda _: run.namespace(ndarray))
    monkeypatch.setattr(Block, "__call__", lambda self, *args: called(self, run.namespace(ndarray), run, *args))
    found = run.unwrap(cell.forward(run.wrap(x), run.wrap(begin), *run.wrap(rest)))
    for y, e in zip(flat(found), flat(expected), strict=True):
        assert type(y) is type(e) is cls
        np.testing.assert_allclose(y.asnumpy(), e.asnumpy(), rtol=1e-6, atol=1e-6)
    with autograd.train_mode(), tracing(Watched(run)):
        cell.forward(run.wrap(x), run.wrap(begin), *run.wrap(rest))


class Unrolled(Block):
    """A cell as a layer."""

    def __init__(self, cell: Any, layout: str) -> None:
        super().__init__()
        self.cell, self.layout = cell, layout

    def forward(self, x: Any, states: Any, lengths: Any = None) -> Any:  # type: ignore[override]
        return self.cell.unroll(5, x, states, self.layout, True, lengths)


def subclasses(cls: Any) -> set[Any]:
    return {cls, *(c for sub in cls.__subclasses__() for c in subclasses(sub))}


#: Transforms of data, networks of layers that are held to it themselves, and layers divided among ranks; all have tests of their own.
_LEFT_OUT = re.compile(r"\.gluon\.(data|model_zoo|nn\.parallel)\b")


def test_every_layer_is_held_to_it() -> None:
    """A new layer needs a line above."""
    ours = {c for c in subclasses(HybridBlock) if c.__module__.startswith("hybridnet.") and not _LEFT_OUT.search(c.__module__)}
    public = {c for c in ours if not c.__name__.startswith("_")} - {loss.VocabParallelSoftmaxCELoss}  # divided among ranks as well
    own = {c for c in public if c.hybrid_forward is not HybridBlock.hybrid_forward} - BASES
    assert {c.__name__ for c in own - {type(make()) for make, _ in CASES}} == {"BidirectionalCell"}  # which is unrolled only


def test_what_they_call() -> None:
    """MXNet's names and attributes: what a symbol file would hold."""
    run = Recording()
    calls: list[tuple[str, dict[str, Any]]] = []
    F = type("Operators", (), {"__getattr__": lambda _, name: lambda *args, **kwargs: calls.append((name, kwargs)) or args[0]})()
    x = Symbolic(run, None)
    nn.Dense(3, use_bias=False).hybrid_forward(F, x, x)
    nn.Conv2D(3, 5, padding=2).hybrid_forward(F, x, x, x)
    nn.BatchNorm().hybrid_forward(F, x, x, x, x, x)
    nn.MaxPool2D().hybrid_forward(F, x)
    assert calls == [
        ("FullyConnected", {"num_hidden": 3, "no_bias": True, "flatten": True, "name": "fwd"}),
        ("Convolution", {"name": "fwd", "kernel": (5, 5), "stride": (1, 1), "dilate": (1, 1), "pad": (2, 2), "num_filter": 3,
                         "num_group": 1, "no_bias": False, "layout": "NCHW"}),
        ("BatchNorm", {"name": "fwd", "axis": 1, "eps": 1e-5, "momentum": 0.9, "fix_gamma": False, "use_global_stats": False}),
        ("Pooling", {"name": "fwd", "kernel": (2, 2), "stride": (2, 2), "pad": (0, 0), "global_pool": False, "pool_type": "max",
                     "pooling_convention": "valid", "layout": "NCHW"}),
    ]  # fmt: skip
