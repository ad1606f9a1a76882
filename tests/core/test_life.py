"""What is dropped is freed at once: blocks, parameters, trainers and compiled programs, with Python's collector of cycles off."""

import gc
import inspect
import linecache
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.device.groups import Group
from hybridnet.gluon import loss, nn, rnn

Made = tuple[Any, list[tuple[int, ...]]]  # a block and the shapes of its inputs


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def _array(*shape: int) -> Any:
    return hn.np.array(np.random.default_rng(0).uniform(0.1, 1, shape).astype("float32"))


def _sequential(kind: Any) -> Any:
    net = kind()
    net.add(nn.Dense(3, activation="relu", in_units=4), nn.BatchNorm(in_channels=3), nn.Dense(2))
    return net


_IMAGE = [(2, 3, 8, 8)]
_SPATIAL = {"1D": [(2, 3, 8)], "2D": _IMAGE, "3D": [(2, 3, 6, 6, 6)]}
_VECTORS = [(2, 4)]
_ALONE = Group(((0,),))  # one rank, which has all
_SEQUENCE = [(2, 3, 4)]

LAYERS: dict[str, Callable[[], Made]] = {
    **{f"{kind}{n}": lambda kind=kind, n=n: (getattr(nn, f"{kind}{n}")(4, 3), _SPATIAL[n]) for n in _SPATIAL for kind in ("Conv",)},
    **{f"Conv{n}Transpose": lambda n=n: (getattr(nn, f"Conv{n}Transpose")(4, 3), _SPATIAL[n]) for n in _SPATIAL},
    **{
        f"{kind}Pool{n}": lambda kind=kind, n=n: (getattr(nn, f"{kind}Pool{n}")(), _SPATIAL[n])
        for n in _SPATIAL
        for kind in ("Avg", "Max", "GlobalAvg", "GlobalMax")
    },
    **{
        name: lambda name=name: (getattr(nn, name)(), _VECTORS)
        for name in ("ELU", "GELU", "SELU", "PReLU", "SiLU", "Swish", "Flatten", "Identity")
    },
    "Activation": lambda: (nn.Activation("tanh"), _VECTORS),
    "LeakyReLU": lambda: (nn.LeakyReLU(0.1), _VECTORS),
    "Dense": lambda: (nn.Dense(3), _VECTORS),
    "Dropout": lambda: (nn.Dropout(0.5), _VECTORS),
    "Embedding": lambda: (nn.Embedding(5, 3), _VECTORS),
    "Lambda": lambda: (nn.Lambda(lambda x: x * 2), _VECTORS),
    "HybridLambda": lambda: (nn.HybridLambda(lambda F, x: x * 2), _VECTORS),
    "Concatenate": lambda: (_sequential_of(nn.Concatenate(axis=1)), _VECTORS),
    "HybridConcatenate": lambda: (_sequential_of(nn.HybridConcatenate(axis=1)), _VECTORS),
    "Sequential": lambda: (_sequential(nn.Sequential), _VECTORS),
    "HybridSequential": lambda: (_sequential(nn.HybridSequential), _VECTORS),
    "BatchNorm": lambda: (nn.BatchNorm(), _IMAGE),
    "BatchNormReLU": lambda: (nn.BatchNormReLU(), _IMAGE),
    "GroupNorm": lambda: (nn.GroupNorm(1), _IMAGE),
    "InstanceNorm": lambda: (nn.InstanceNorm(), _IMAGE),
    "LayerNorm": lambda: (nn.LayerNorm(), _VECTORS),
    "ReflectionPad2D": lambda: (nn.ReflectionPad2D(1), _IMAGE),
    "RMSNorm": lambda: (nn.RMSNorm(), _VECTORS),
    "ColumnParallelDense": lambda: (nn.ColumnParallelDense(3, _ALONE), _VECTORS),
    "RowParallelDense": lambda: (nn.RowParallelDense(3, _ALONE), _VECTORS),
    "VocabParallelEmbedding": lambda: (nn.VocabParallelEmbedding(5, 3, _ALONE), _VECTORS),
    "GroupDropout": lambda: (nn.GroupDropout(0.5, _ALONE), _VECTORS),
    "SwiGLU": lambda: (nn.SwiGLU(4, 8), _VECTORS),
    "FeedForward": lambda: (nn.FeedForward(4, 8), _VECTORS),
    "RotaryEmbedding": lambda: (nn.RotaryEmbedding(), [(2, 3, 2, 4)]),
    "MultiHeadAttention": lambda: (nn.MultiHeadAttention(4, 2), _SEQUENCE),
    "TransformerEncoderLayer": lambda: (nn.TransformerEncoderLayer(4, 2, 8), _SEQUENCE),
    "TransformerDecoderLayer": lambda: (nn.TransformerDecoderLayer(4, 2, 8), _SEQUENCE * 2),
}


def _sequential_of(net: Any) -> Any:
    net.add(nn.Dense(3), nn.Dense(2))
    return net


RECURRENT: dict[str, Callable[[], Made]] = {
    **{name: lambda name=name: (getattr(rnn, name)(4, 2, bidirectional=True), [(3, 2, 4)]) for name in ("GRU", "LSTM", "RNN")},
    **{name: lambda name=name: (getattr(rnn, name)(4), [(2, 4)]) for name in ("GRUCell", "LSTMCell", "RNNCell")},
    **{name: lambda name=name: (getattr(rnn, name)(rnn.RNNCell(4)), [(2, 4)]) for name in ("ResidualCell", "ZoneoutCell")},
    "DropoutCell": lambda: (rnn.DropoutCell(0.5), [(2, 4)]),
    "SequentialRNNCell": lambda: (_cells(rnn.SequentialRNNCell()), [(2, 4)]),
    "HybridSequentialRNNCell": lambda: (_cells(rnn.HybridSequentialRNNCell()), [(2, 4)]),
    "BidirectionalCell": lambda: (rnn.BidirectionalCell(rnn.LSTMCell(4), rnn.LSTMCell(4)), [(2, 3, 4)]),
}


def _cells(stack: Any) -> Any:
    stack.add(rnn.GRUCell(4))
    stack.add(rnn.LSTMCell(4))
    return stack


LOSSES: dict[str, Callable[[], Made]] = {
    name: lambda name=name: (
        getattr(loss, name)(*[_ALONE] * (name == "VocabParallelSoftmaxCELoss")),
        [(2, 5, 4), (2, 3)] if name == "CTCLoss" else [(2, 4)] * (3 if name in ("CosineEmbeddingLoss", "TripletLoss") else 2),
    )
    for name, cls in vars(loss).items()
    if inspect.isclass(cls) and issubclass(cls, loss.Loss) and cls is not loss.Loss
}
ABSTRACT = {"Block", "HybridBlock", "Loss", "ModifierCell", "HybridRecurrentCell", "RecurrentCell", "SymbolBlock"}


def test_every_block_is_here() -> None:
    blocks = {name for m in (nn, rnn, loss) for name, c in vars(m).items() if inspect.isclass(c) and issubclass(c, gluon.Block)}
    assert blocks - ABSTRACT == {*LAYERS, *RECURRENT, *LOSSES}


def used(block: Any, shapes: list[tuple[int, ...]], hybridize: bool) -> list[weakref.ref[Any]]:
    """Train a step with a block, and predict; weak references to it, its parameters, and what was compiled of it."""
    block.initialize()
    if hybridize:
        block.hybridize()
    inputs = [_array(*shape) for shape in shapes]
    if isinstance(block, loss.CosineEmbeddingLoss):
        inputs[-1] = hn.np.ones((2,))
    elif isinstance(block, (loss.SoftmaxCrossEntropyLoss, loss.VocabParallelSoftmaxCELoss)):
        inputs[-1] = hn.np.zeros((2,))
    elif isinstance(block, rnn.BidirectionalCell):
        inputs = [3, *inputs]
    elif isinstance(block, rnn.RecurrentCell):
        inputs.append(block.begin_state(2))
    call = block.unroll if isinstance(block, rnn.BidirectionalCell) else block
    parameters = list(block.collect_params().values())
    for _ in range(2):
        with autograd.record():
            y = call(*inputs)
            while isinstance(y, (tuple, list)):
                y = y[0]
        if parameters:
            y.backward()
    call(*inputs)
    compiled = [] if block._compiled is None else list(block._compiled.cache.values())
    programs = [c.program for c in compiled]
    return [weakref.ref(x) for x in (block, *parameters, *(p.data()._data for p in parameters), *compiled, *programs)]


@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("name", [*LAYERS, *RECURRENT, *LOSSES])
def test_blocks(name: str, hybridize: bool) -> None:
    block, shapes = {**LAYERS, **RECURRENT, **LOSSES}[name]()
    left = used(block, shapes, hybridize)
    del block
    assert [r() for r in left if r() is not None] == []


def training() -> list[weakref.ref[Any]]:
    """A network, its trainer, and a compiled step of both."""
    net = _sequential(nn.HybridSequential)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    x = _array(2, 4)

    @hn.jit
    def step(x: Any) -> Any:
        with autograd.record():
            y = net(x).sum()
        y.backward()
        trainer.step(1)
        return y

    with autograd.record():
        y = net(x)
    y.backward()
    trainer.step(2)
    for _ in range(3):
        step(x)
    compiled = list(step.cache.values())
    parameters = list(net.collect_params().values())
    arrays = [p.data()._data for p in parameters]
    return [weakref.ref(o) for o in (net, trainer, *parameters, *arrays, *compiled, *(c.program for c in compiled))]


def test_trainers_and_compiled_steps() -> None:
    assert [r() for r in training() if r() is not None] == []


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_on_a_device(emulated_gpu: Any) -> None:
    """Nothing of the device's memory is held by what was dropped."""
    before = emulated_gpu.get_default_memory_pool().used_bytes()
    with hn.gpu():
        assert [r() for r in training() if r() is not None] == []
    assert emulated_gpu.get_default_memory_pool().used_bytes() - before <= 1 << 12  # the state of random numbers


def test_methods_that_are_compiled() -> None:
    class Model:
        @hn.jit
        def double(self, x: Any) -> Any:
            return x * 2

    model = Model()
    assert model.double(_array(2)).shape == (2,)
    left = weakref.ref(model)
    del model
    assert left() is None


def test_a_gradient_of_a_gradient_outlives_its_block() -> None:
    """The recorded call runs the function again: until then it keeps the block."""
    net = nn.Dense(1, in_units=3, use_bias=False)
    net.initialize()
    net.hybridize()
    x = _array(2, 3)
    x.attach_grad()
    left = weakref.ref(net)
    with autograd.record():
        y = (net(x) ** 3).sum()
        del net
        (dx,) = autograd.grad(y, [x], create_graph=True)
        total = (dx**2).sum()
    total.backward()
    assert np.isfinite(x.grad.asnumpy()).all() and x.grad.asnumpy().any()
    del y, dx, total
    assert left() is None


def test_the_text_of_a_dropped_program_goes() -> None:
    def lines() -> set[str]:
        return {file for file in linecache.cache if file.startswith("<hybridnet")}

    before = lines()
    fn = hn.jit(lambda x: x * 2 + 1)
    fn(_array(3))
    assert lines() - before
    del fn
    assert not lines() - before


def test_an_owned_method_without_its_object_says_so() -> None:
    net = nn.Dense(2, in_units=2)
    net.initialize()
    compiled = net._jit()
    del net
    with pytest.raises(hn.errors.HybridnetError, match="a block that is still there"):
        compiled(_array(1, 2))
