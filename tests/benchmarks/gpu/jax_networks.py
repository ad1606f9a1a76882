"""The networks in JAX: functions of trees of parameters, as a good user writes them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gpu import sizes

Tree = Any
BF16 = jnp.bfloat16


def cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean of -log softmax(scores)[label], in float32."""
    scores = scores.astype(jnp.float32)
    hit = jnp.take_along_axis(scores, labels[..., None], -1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(scores, -1) - hit)


def layer_norm(x: jax.Array, gamma: jax.Array, beta: jax.Array) -> jax.Array:
    """In float32, given back in the type of ``x``."""
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    centred = wide - mean
    scale = lax.rsqrt(jnp.mean(centred * centred, -1, keepdims=True) + 1e-5)
    return (centred * scale * gamma + beta).astype(x.dtype)


def mlp_parameters(weights: list[tuple[np.ndarray, np.ndarray]]) -> Tree:
    return [(w.T, b) for w, b in weights]


def mlp(parameters: Tree, x: jax.Array) -> jax.Array:
    for w, b in parameters[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = parameters[-1]
    return x @ w + b


# -- ResNet ---------------------------------------------------------------------------------------


def resnet_parameters(size: sizes.ResNet) -> tuple[Tree, Tree]:
    """Parameters, and the running means and variances."""
    convolutions = [sizes.stem(size)]
    for block in sizes.bottlenecks(size):
        convolutions += [*block.body, *([block.shortcut] if block.shortcut else [])]
    one, zero = (lambda c: np.ones(c.outputs, "float32")), (lambda c: np.zeros(c.outputs, "float32"))
    parameters = {c.name: (c.weight().transpose(2, 3, 1, 0), one(c), zero(c)) for c in convolutions}
    parameters["head"] = (sizes.resnet_head(size).T, np.zeros(size.classes, "float32"))
    return parameters, {c.name: (zero(c), one(c)) for c in convolutions}


def resnet(parameters: Tree, running: Tree, size: sizes.ResNet, images: jax.Array) -> tuple[jax.Array, Tree]:
    """Scores, and the running statistics after this batch."""
    after = {}

    def normalised(c: sizes.Convolution, x: jax.Array) -> jax.Array:
        weight, gamma, beta = parameters[c.name]
        pad = (c.kernel // 2, c.kernel // 2)
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(x, weight.astype(BF16), (c.stride, c.stride), (pad, pad), dimension_numbers=dimensions)
        wide = x.astype(jnp.float32)
        mean = wide.mean((0, 1, 2))
        variance = jnp.mean(wide * wide, (0, 1, 2)) - mean * mean
        old_mean, old_variance = running[c.name]
        count = x.size // x.shape[-1]
        after[c.name] = (0.9 * old_mean + 0.1 * mean, 0.9 * old_variance + 0.1 * variance * count / max(count - 1, 1))
        scale = gamma * lax.rsqrt(variance + 1e-5)
        return (wide * scale + (beta - mean * scale)).astype(BF16)

    x = jax.nn.relu(normalised(sizes.stem(size), images.astype(BF16)))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    for block in sizes.bottlenecks(size):
        a, b, c = block.body
        y = normalised(c, jax.nn.relu(normalised(b, jax.nn.relu(normalised(a, x)))))
        x = jax.nn.relu(y + (x if block.shortcut is None else normalised(block.shortcut, x)))
    w, bias = parameters["head"]
    return x.astype(jnp.float32).mean((1, 2)).astype(BF16) @ w.astype(BF16) + bias.astype(BF16), after


# -- GPT-2 ----------------------------------------------------------------------------------------


def gpt2_parameters(size: sizes.GPT2) -> Tree:
    weights = sizes.gpt2_weights(size)
    norm = (np.ones(size.units, "float32"), np.zeros(size.units, "float32"))
    blocks = []
    for i in range(size.layers):
        linear = {name: weights[f"block{i}.{name}"].T for name in sizes.GPT2_LAYERS}
        block = {name: (w, np.zeros(w.shape[1], "float32")) for name, w in linear.items()}
        blocks.append({**block, "before_attention": norm, "before_network": norm})
    return {"words": weights["words"], "places": weights["places"], "blocks": blocks, "norm": norm}


def gpt2(parameters: Tree, size: sizes.GPT2, tokens: jax.Array, attention: str | None) -> jax.Array:
    """Scores of the next token; the sums beside the blocks are float32, the products bfloat16."""

    def linear(layer: tuple[jax.Array, jax.Array], x: jax.Array) -> jax.Array:
        w, b = layer
        return x.astype(BF16) @ w.astype(BF16) + b.astype(BF16)

    batch, length = tokens.shape
    x = parameters["words"][tokens] + parameters["places"]
    for block in parameters["blocks"]:
        qkv = linear(block["qkv"], layer_norm(x, *block["before_attention"]))
        q, k, v = (qkv.reshape(batch, length, 3, size.heads, -1)[:, :, i] for i in range(3))
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation=attention)
        x = x + linear(block["mix"], mixed.reshape(batch, length, size.units))
        hidden = jax.nn.gelu(linear(block["widen"], layer_norm(x, *block["before_network"])), approximate=True)
        x = x + linear(block["narrow"], hidden)
    return layer_norm(x, *parameters["norm"]).astype(BF16) @ parameters["words"].astype(BF16).T


# -- LSTM -----------------------------------------------------------------------------------------


def lstm_parameters(size: sizes.LSTM) -> Tree:
    weights = sizes.lstm_weights(size)
    bias = np.zeros(4 * size.units, "float32")
    layers = [(weights[f"l{i}.i2h"].T, weights[f"l{i}.h2h"].T, bias, bias) for i in range(size.layers)]
    return {"embedding": weights["embedding"], "layers": layers, "scores": (weights["scores"].T, np.zeros(size.words, "float32"))}


def lstm(parameters: Tree, words: jax.Array, states: Tree) -> tuple[jax.Array, Tree]:
    """Scores, and the last states: for each layer output and cell. The inputs of all steps are one product; the steps are unrolled."""
    x = parameters["embedding"][words]
    after = []
    for (wi, wh, bi, bh), state in zip(parameters["layers"], states, strict=True):

        def step(state: Tree, projected: jax.Array, wh: jax.Array = wh) -> tuple[Tree, jax.Array]:
            h, c = state
            enter, forget, new, leave = jnp.split(projected + h @ wh, 4, -1)
            c = jax.nn.sigmoid(forget) * c + jax.nn.sigmoid(enter) * jnp.tanh(new)
            h = jax.nn.sigmoid(leave) * jnp.tanh(c)
            return (h, c), h

        last, x = lax.scan(step, state, x @ wi + (bi + bh), unroll=True)
        after.append(last)
    w, b = parameters["scores"]
    return x @ w + b, after
