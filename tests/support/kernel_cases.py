"""Small programs that between them have a kernel of every kind: what the record of kernel text shows, and what NVRTC compiles for it.

To be made on a GPU, emulated or not. Each gives a function and its arguments; the shapes choose which kernels are written.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

import hybridnet as hn
from hybridnet import autograd, dtypes, gluon, np
from hybridnet.codegen.cuda_steps import KernelStep
from hybridnet.compiled import CompiledCall
from hybridnet.core import Precision, computing_in
from hybridnet.gluon import nn, rnn
from hybridnet.gluon.utils import clip_global_norm
from hybridnet.ops.array import gather
from hybridnet.ops.nn import loss, norm, softmax
from hybridnet.ops.nn.activation import relu
from hybridnet.ops.nn.batch_norm import batch_norm as batch_norm_of
from hybridnet.ops.nn.dropout import dropout as dropout_of
from hybridnet.ops.nn.pooling import pooling
from hybridnet.ops.nn.rotary import rotary_embedding
from hybridnet.runtime.cuda_program import CudaProgram


class Case(NamedTuple):
    """A compiled function, and the arrays that its program takes: arguments, then states."""

    compiled: CompiledCall
    arrays: list[Any]

    @property
    def program(self) -> CudaProgram:
        assert isinstance(self.compiled.program, CudaProgram)
        return self.compiled.program

    @property
    def names(self) -> dict[str, str]:
        """The kernels' names in the record: numbered among those of the same words, so that one more does not rename all others."""
        numbers: Counter[str] = Counter()
        found = {}
        for kernel in dict.fromkeys(s.kernel.name for s in self.program.source.steps if isinstance(s, KernelStep)):
            words = kernel.rpartition("_")[0]
            numbers[words] += 1
            found[kernel] = f"{words}_{numbers[words]}"
        return found

    @property
    def text(self) -> str:
        """The program, without the lines of source that its steps come from: those change with every edit."""
        text = "\n".join(line for line in self.program.text.splitlines() if not line.startswith("// -- "))
        names = self.names
        return re.sub(r"\b(\w+_\d+)(?=_element\b|\(|<<<)", lambda m: names.get(m[1], m[1]), text) + "\n"


Made = tuple[Callable[..., Any], list[Any]]


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    return np.array(numpy.random.default_rng(seed).normal(size=shape).astype("float32")).astype(dtype).to_device(hn.gpu())


def whole(*shape: int, below: int, dtype: str = "int32", seed: int = 0) -> Any:
    return np.array(numpy.random.default_rng(seed).integers(0, below, shape).astype(dtype)).to_device(hn.gpu())


def with_gradients(fn: Callable[..., Any], arrays: Sequence[Any], trained: int | None = None) -> Made:
    """The function's result, and the gradients of its first ``trained`` arguments (of all) for a head gradient."""
    count = len(arrays) if trained is None else trained
    with autograd.train_mode():
        result = hn.jit(fn).graph(*arrays).outputs[0]

    def step(*given: Any) -> Any:
        *operands, head = given
        for x in operands[:count]:
            x.attach_grad()
        with autograd.record():
            y = fn(*operands)
        y.backward(head)
        return (y, *(x.grad for x in operands[:count]))

    return step, [*arrays, normal(*result.shape, dtype=str(result.dtype), seed=9)]


# -- generated kernels --------------------------------------------------------------------------------


def pointwise() -> Made:
    return lambda x, bias: np.tanh(x + bias) * x, [normal(64, 256), normal(256)]


def pointwise_16_bits() -> Made:
    return lambda x, scale: np.exp(x).astype("float32") * scale, [normal(999, 24, dtype="bfloat16"), normal(24)]


def strided() -> Made:
    return lambda x, y: np.exp(x.T[:, ::2]) + y, [normal(64, 96), normal(96, 32)]


def rows_in_a_warp() -> Made:
    return lambda x: x / np.sum(np.abs(x), axis=1, keepdims=True), [normal(1000, 40)]


def rows_in_a_block() -> Made:
    return lambda x: softmax.softmax(x, axis=-1), [normal(300, 5000, dtype="float16")]


def columns() -> Made:
    return lambda x: (np.sum(x * x, axis=0), np.max(x, axis=0)), [normal(2000, 96)]


def split_rows() -> Made:
    return lambda x: (x - np.mean(x)) ** 2, [normal(300_001)]


def softmax_grad() -> Made:
    return with_gradients(lambda x: softmax.log_softmax(x, axis=1), [normal(64, 10, 9)])


def dropout() -> Made:
    hn.random.seed(3)
    return with_gradients(lambda x, bias: dropout_of(x + bias, 0.3) * 2, [normal(64, 128, dtype="bfloat16"), normal(128)])


def optimizers() -> Made:
    """Groups: an update of many arrays, and their norm."""
    net = nn.HybridSequential()
    net.add(nn.Dense(40, in_units=33), nn.Dense(7, in_units=40, use_bias=False))
    net.initialize(ctx=hn.gpu())
    parameters = list(net.collect_params().values())
    trainer = gluon.Trainer(net.collect_params(), "lamb", {"wd": 0.01})

    def step(scale: Any) -> Any:
        with autograd.record():
            loss = sum((p.data() ** 2).sum() for p in parameters) * scale
        loss.backward()
        norm = clip_global_norm([p.grad() for p in parameters], 0.5)
        trainer.step(1)
        return norm

    return step, [normal(1)]


# -- kernels by hand ----------------------------------------------------------------------------------


def layer_norm() -> Made:
    return with_gradients(norm.layer_norm, [normal(600, 768, dtype="bfloat16"), normal(768), normal(768)])


def residual_stream() -> Made:
    """A block of a transformer without its attention: norms that take the sums of the stream along."""

    def fn(x: Any, w: Any, gamma: Any, beta: Any) -> Any:
        for _ in range(2):
            h = np.dot(norm.layer_norm(x, gamma, beta).astype("bfloat16"), w.astype("bfloat16"))
            x = x + h.astype("float32")
        return norm.layer_norm(x, gamma, beta)

    return with_gradients(fn, [normal(60, 256), normal(256, 256), normal(256), normal(256)])


def rotary() -> Made:
    """Halves and neighbours turned, of 16-bit queries where a product left them."""

    def fn(x: Any, positions: Any) -> Any:
        return rotary_embedding(x[:, :, :8], positions) + rotary_embedding(x[:, :, 8:], positions, interleaved=True)

    return with_gradients(fn, [normal(4, 60, 16, 64, dtype="bfloat16"), whole(60, below=1000)], 1)


def batch_norm() -> Made:
    mean, var = normal(16), normal(16)
    return with_gradients(lambda x, g, b: batch_norm_of(x, g, b, mean, var, axis=1), [normal(32, 16, 12, 12), normal(16), normal(16)])


def batch_norm_of_many() -> Made:
    """In training: blocks share channels, and the last of them joins what they found; a relu behind it gates the gradient."""
    mean, var = normal(16), normal(16) ** 2 + 1

    def fn(x: Any, gamma: Any, beta: Any) -> Any:
        with autograd.train_mode():
            return relu(batch_norm_of(x, gamma, beta, mean, var, axis=3))

    return with_gradients(fn, [normal(70, 12, 13, 16, dtype="bfloat16"), normal(16), normal(16)])


def cross_entropy() -> Made:
    return with_gradients(loss.softmax_cross_entropy, [normal(48, 3000, dtype="bfloat16"), whole(48, below=3000)], 1)


def max_pool() -> Made:
    def fn(x: Any) -> Any:
        return pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")

    return with_gradients(fn, [normal(4, 8, 16, 16)])


def embedding() -> Made:
    return with_gradients(lambda table, rows: gather.take(table, rows), [normal(500, 64), whole(40, 12, below=500)], 1)


def joining() -> Made:
    def fn(x: Any, y: Any) -> Any:
        z = np.concatenate([x, y, x[:, :8]], axis=1)
        z[:, 3:40:2] = 7
        return z, np.cumsum(z, axis=1), np.argmax(z, axis=1)

    return fn, [normal(30, 40), normal(30, 24)]


# -- training steps -----------------------------------------------------------------------------------


def _step(net: Any, optimizer: str, options: dict[str, Any], x: Any, classes: int, rows: int) -> Made:
    with hn.cpu():  # shapes follow from the input
        net.initialize(hn.init.Xavier())
        net(np.zeros(x.shape))
    net.collect_params().reset_ctx(hn.gpu())
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            value = loss_fn(net(x), y)
        value.backward()
        trainer.step(rows)
        return value.mean()

    return step, [x, whole(rows, below=classes)]


def perceptron_step() -> Made:
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
    return _step(net, "adam", {"learning_rate": 1e-2}, normal(32, 784), 10, 32)


def mixed_precision_step() -> Made:
    """AdamW, which writes 16-bit copies of the weights."""
    net = nn.HybridSequential()
    net.add(nn.Dense(40, in_units=33, activation="relu"), nn.Dense(24, in_units=40, activation="relu"), nn.Dense(10, in_units=24))
    step, arrays = _step(net, "adamw", {"learning_rate": 1e-2, "wd": 0.1}, normal(16, 33), 10, 16)

    def mixed(x: Any, y: Any) -> Any:
        with computing_in(Precision(dtypes.bfloat16)):
            return step(x, y)

    return mixed, arrays


def convolutional_step() -> Made:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
    net.add(nn.Conv2D(8, 3, padding=1), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(10))
    return _step(net, "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-3}, normal(8, 2, 16, 16), 10, 8)


class _Last(nn.HybridSequential):
    """An LSTM's last output."""

    def forward(self, x: Any) -> Any:
        return self[1](self[0](x)[-1])


def recurrent_step() -> Made:
    net = _Last()
    net.add(rnn.LSTM(24, input_size=12), nn.Dense(10, in_units=24))
    return _step(net, "sgd", {"learning_rate": 0.1}, normal(3, 8, 12), 10, 8)


CASES: dict[str, Callable[[], Made]] = {
    f.__name__: f
    for f in (
        pointwise,
        pointwise_16_bits,
        strided,
        rows_in_a_warp,
        rows_in_a_block,
        columns,
        split_rows,
        softmax_grad,
        dropout,
        optimizers,
        layer_norm,
        residual_stream,
        rotary,
        batch_norm,
        batch_norm_of_many,
        cross_entropy,
        max_pool,
        embedding,
        joining,
        perceptron_step,
        mixed_precision_step,
        convolutional_step,
        recurrent_step,
    )
}


def made(name: str) -> Case:
    """A case, compiled for the GPU that is there."""
    with hn.gpu(), autograd.predict_mode():
        fn, arrays = CASES[name]()
        compiled = hn.jit(fn, name=name)._inspect(arrays, {})
    return Case(compiled, [*arrays, *compiled.states])
