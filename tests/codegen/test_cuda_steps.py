"""What compiled training steps cost on a GPU: which kernels a transformer's block in mixed precision takes, and how much memory.

The numbers are counted in programs that are written for an emulated device and not run: a pass that is lost shows here.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from emulator import workspaces

import hybridnet as hn
from hybridnet import amp, autograd, gluon, npx
from hybridnet.gluon import nn, rnn
from hybridnet.gluon.model_zoo.transformers import Llama

BATCH, LENGTH, UNITS, WORDS = 2, 64, 64, 4096
TOKENS = BATCH * LENGTH


class Transformer(nn.HybridBlock):
    """Tokens to scores: one block of causal attention and a network of two layers, on a float32 residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.words = self.params.get("words", shape=(WORDS, UNITS), init="normal")
        self.norms = nn.HybridSequential()
        self.norms.add(*(nn.LayerNorm(in_channels=UNITS) for _ in range(3)))
        self.layers = nn.HybridSequential()
        sizes = (UNITS, 3 * UNITS), (UNITS, UNITS), (UNITS, 4 * UNITS), (4 * UNITS, UNITS)
        self.layers.add(*(nn.Dense(outputs, flatten=False, in_units=inputs) for inputs, outputs in sizes))

    def hybrid_forward(self, F: Any, tokens: Any, words: Any) -> Any:
        first, second, last = self.norms
        qkv, mix, widen, narrow = self.layers
        x = npx.embedding(tokens, words)
        heads = qkv(first(x)).reshape((BATCH, LENGTH, 3, 1, UNITS))
        q, k, v = (heads[:, :, i] for i in range(3))
        x = x + mix(npx.scaled_dot_product_attention(q, k, v, causal=True, layout="BSHD").reshape(x.shape))
        x = x + narrow(npx.gelu(widen(second(x)), approximation="tanh"))
        return npx.fully_connected(last(x), words, no_bias=True, flatten=False)


class Cost:
    """Of a program: its steps by name, and the bytes of its arena."""

    def __init__(self, text: str) -> None:
        listing = text[: text.index("#include")]
        self.arena = int(re.search(r"([\d,]+) bytes of arena", listing)[1].replace(",", ""))  # type: ignore[index]
        self.kernels = Counter(re.findall(r"(\w+)_\d+<<<", listing))
        self.calls = Counter(re.findall(r"(\w+): cu\w+", listing))


def test_large_weights_that_are_read_once_are_cast_where_they_are_read(emulated_gpu: Any) -> None:
    """Inference does not hold all of them at a time; small ones are cast together."""
    amp.init("bfloat16")
    layers = [nn.Dense(n, in_units=n) for n in (1024, 1024, 16, 16)]
    for layer in layers:
        layer.initialize(ctx=hn.gpu())
    a, b = (hn.np.ones((4, n), ctx=hn.gpu()) for n in (1024, 16))
    cost = Cost(hn.jit(lambda a, b: (layers[1](layers[0](a)), layers[3](layers[2](b)))).program(a, b))
    amp.init("float32")
    assert cost.kernels["cast"] == 2 + 1  # of each large weight; of all else


@pytest.fixture(scope="module")
def transformer() -> Iterator[Cost]:
    from emulator.device import emulated_gpu

    with emulated_gpu():
        amp.init("bfloat16")
        net = Transformer()
        net.initialize(ctx=hn.gpu())
        loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = gluon.Trainer(net.collect_params(), "adamw", {"learning_rate": 1e-3})

        def step(x: Any, y: Any) -> Any:
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(BATCH)
            return loss

        tokens = hn.np.zeros((BATCH, LENGTH), dtype="int32", ctx=hn.gpu())
        yield Cost(hn.jit(step).program(tokens, tokens))
        amp.init("float32")


def test_scores_lie_in_memory_once(transformer: Cost) -> None:
    """In their 16-bit type, read from it once, and their gradient takes their place; labels are brought into range on the way."""
    assert transformer.kernels["softmax_cross_entropy_both"] == 1
    assert transformer.kernels["clip"] == 1  # the embedding's
    largest = TOKENS * WORDS * 2 + WORDS * UNITS * 4  # the scores and the largest gradient
    partial = workspaces.of_product(TOKENS, UNITS, WORDS, 1, 2, 1 << 25)  # of the product over all words
    assert transformer.arena < 1.1 * largest + partial


def test_norms_read_and_write_what_their_neighbours_do(transformer: Cost) -> None:
    """No pass over memory is a cast alone, not of the parameters either, which their update casts, and none adds to the stream alone."""
    assert (transformer.kernels["layer_norm"], transformer.kernels["residual_norm"]) == (1, 2)
    assert transformer.kernels["residual_norm_grad"] == 2 * 3  # each with the sums of its partial sums
    assert transformer.kernels["cast"] == 0


def test_gelu_is_no_kernel(transformer: Cost) -> None:
    """Nor is its gradient: they go along with products."""
    assert transformer.calls["matmul_gelu"] == transformer.calls["matmul_gelu_slope"] == 1
    assert not [name for name in transformer.kernels if "tanh" in name]


def test_the_gradient_of_queries_keys_and_values_is_written_once(transformer: Cost) -> None:
    """By the library that computes them, side by side."""
    assert [transformer.kernels[name] for name in ("add", "cast_add", "add_cast")] == [0, 0, 0]
    assert transformer.kernels["concatenate"] == transformer.kernels["slice_grad"] == transformer.kernels["copy"] == 0


def test_what_products_give_for_a_norm_is_summed_where_it_is_read(emulated_gpu: Any) -> None:
    """Queries', keys' and values' gradients, and those of the two halves of a gate: in 16 bits as they lie, by the norm's gradient."""
    amp.init("bfloat16")
    net = Llama(WORDS, LENGTH, UNITS, 2, 4, 2, 2 * UNITS)
    net.initialize(ctx=hn.gpu())

    def step(x: Any) -> Any:
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
        return loss

    kernels = Cost(hn.jit(step).program(hn.np.zeros((BATCH, LENGTH), dtype="int32", ctx=hn.gpu()))).kernels
    amp.init("float32")
    assert [kernels[name] for name in ("add", "cast_add", "add_cast", "multiply")] == [0, 0, 0, 0]
    assert kernels["cast"] == 3  # of all parameters, of their gradients, and of the scores that are summed here
    assert kernels["residual_norm_grad"] == 2 * 5
    assert len([name for name in kernels if "exp" in name and "add" in name]) == 2  # a gate, and its gradient with its other half's


@pytest.mark.parametrize("layer", [rnn.LSTM, rnn.RNN])
def test_a_step_of_a_recurrent_layer_is_a_product_and_a_kernel(emulated_gpu: Any, layer: Any) -> None:
    """Its gates' gradients and its states are computed where they lie in the arrays of all steps."""
    net = layer(80, input_size=80)  # of so many units no launch is a whole sequence
    net.initialize(ctx=hn.gpu())

    def step(x: Any) -> Any:
        with autograd.record():
            loss = (net(x) * x).sum()
        loss.backward()
        return loss

    few, many = (Cost(hn.jit(step).program(hn.np.ones((steps, 4, 80), ctx=hn.gpu()))) for steps in (12, 20))
    assert many.kernels.total() - few.kernels.total() == 2 * 8  # forward and backward
    assert many.calls.total() - few.calls.total() == 2 * 8
