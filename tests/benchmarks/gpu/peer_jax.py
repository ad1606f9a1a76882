"""JAX: whole steps under jit, compiled ahead, with their state donated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from workloads import CHECKED_RATE, perceptron_batch, perceptron_weights

from gpu import jax_networks as networks
from gpu.sizes import PERCEPTRON_STEPS, Pointwise, Sizes, gpt2_batch, integers, lstm_batch, normal, resnet_batch, tile
from gpu.worker import HostClock, Peer, Point, losses_of, main, numbers

Points = dict[str, Callable[[], Point]]
tree_map = jax.tree.map

jax.config.update("jax_default_matmul_precision", "float32")


class Last:
    """What was computed last: what a clock waits for."""

    result: Any = None
    planned = 0  # the largest number of bytes that a compiled step's plan takes


def waited() -> None:
    jax.block_until_ready(Last.result)


def clock(device: str) -> HostClock:
    """JAX has no events: the host's clock around many calls and one wait."""
    if device == "gpu" and jax.default_backend() != "gpu":
        raise SystemExit(f"JAX computes on {jax.default_backend()}, not on a GPU")
    return HostClock(waited)


def memory(device: str) -> int:
    """What the compiled step's plan takes: arguments, results that are not donated arguments, temporaries."""
    return Last.planned


def compiled(function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()) -> Callable[..., Any]:
    """``function``, compiled for these arguments."""
    found = jax.jit(function, donate_argnums=donate).lower(*arguments).compile()
    plan = found.memory_analysis()
    if plan is not None:
        used = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes + plan.temp_size_in_bytes
        Last.planned = max(Last.planned, used)
    return found


def on_device(tree: Any) -> Any:
    return tree_map(jnp.asarray, tree)


def values(x: jax.Array) -> list[float]:
    return numbers(np.asarray(x.reshape(-1)[: 1 << 20].astype(jnp.float32)))


# -- optimizers -----------------------------------------------------------------------------------


def adam(parameters: Any, grads: Any, state: Any, rate: float, beta2: float = 0.999, decay: float = 0.0) -> tuple[Any, Any]:
    """Adam, with decay AdamW; the state is the step count and the trees of both means."""
    t, mean, square = state
    t = t + 1
    mean = tree_map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
    square = tree_map(lambda v, g: beta2 * v + (1 - beta2) * g * g, square, grads)
    first, second = 1 - 0.9**t, 1 - beta2**t

    def moved(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - rate * (m / first / (jnp.sqrt(v / second) + 1e-8) + decay * p)

    return tree_map(moved, parameters, mean, square), (t, mean, square)


def adam_state(parameters: Any) -> Any:
    return jnp.zeros((), jnp.float32), tree_map(jnp.zeros_like, parameters), tree_map(jnp.zeros_like, parameters)


# -- training steps -------------------------------------------------------------------------------


def training(step: Callable[..., Any], state: Any, batch: tuple[Any, ...], steps: int) -> Point:
    """``step(state, *batch)`` gives the next state and the loss; states are donated."""
    run = compiled(step, state, *batch, donate=(0,))

    def call() -> jax.Array:
        nonlocal state
        state, Last.result = run(state, *batch)
        return Last.result

    return Point(call, lambda: {"losses": losses_of(call, float, steps, lambda: None)})


def perceptron(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
            parameters, optimizer = state
            loss, grads = jax.value_and_grad(lambda p: networks.cross_entropy(networks.mlp(p, x), y))(parameters)
            return adam(parameters, grads, optimizer, CHECKED_RATE), loss

        parameters = on_device(networks.mlp_parameters(perceptron_weights()))
        return training(step, (parameters, adam_state(parameters)), on_device(perceptron_batch()), PERCEPTRON_STEPS)

    return {"step": made}


def resnet(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.resnet

        def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
            parameters, momentum, running = state

            def loss_of(p: Any) -> Any:
                scores, after = networks.resnet(p, running, size, x)
                return networks.cross_entropy(scores, y), after

            (loss, running), grads = jax.value_and_grad(loss_of, has_aux=True)(parameters)
            momentum = tree_map(lambda m, g: size.momentum * m + g, momentum, grads)
            return (tree_map(lambda p, m: p - size.rate * m, parameters, momentum), momentum, running), loss

        parameters, running = on_device(networks.resnet_parameters(size))
        state = (parameters, tree_map(jnp.zeros_like, parameters), running)
        return training(step, state, on_device(resnet_batch(size)), sizes.checked_steps)

    return {"step": made}


def gpt2(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.gpt2
        attention = "cudnn" if device == "gpu" else None

        def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
            parameters, optimizer = state
            loss, grads = jax.value_and_grad(lambda p: networks.cross_entropy(networks.gpt2(p, size, x, attention), y))(parameters)
            return adam(parameters, grads, optimizer, size.rate, size.beta2, size.decay), loss

        parameters = on_device(networks.gpt2_parameters(size))
        return training(step, (parameters, adam_state(parameters)), on_device(gpt2_batch(size)), sizes.checked_steps)

    return {"step": made}


def lstm(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if device == "gpu" else "float32")
        size = sizes.lstm

        def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
            parameters, states = state

            def loss_of(p: Any) -> Any:
                scores, after = networks.lstm(p, x, states)
                return networks.cross_entropy(scores, y), after

            (loss, states), grads = jax.value_and_grad(loss_of, has_aux=True)(parameters)
            norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
            rate = size.rate * jnp.minimum(1, size.clip / (norm + 1e-8))
            return (tree_map(lambda p, g: p - rate * g, parameters, grads), states), loss

        parameters = on_device(networks.lstm_parameters(size))
        states = [tuple(jnp.zeros((size.batch, size.units)) for _ in range(2)) for _ in range(size.layers)]
        return training(step, (parameters, states), on_device(lstm_batch(size)), sizes.checked_steps)

    return {"step": made}


# -- single operators -----------------------------------------------------------------------------


def tiled(size: Pointwise, name: str, dtype: Any = jnp.float32) -> jax.Array:
    few, times = tile(size.rows, size.columns, name)
    return jnp.tile(jnp.asarray(few).astype(dtype), (times, 1))


def operation(function: Callable[..., dict[str, jax.Array]], *arguments: jax.Array) -> Point:
    run = compiled(function, *arguments)

    def call() -> dict[str, jax.Array]:
        Last.result = run(*arguments)
        return Last.result

    return Point(call, lambda: {name: values(x) for name, x in call().items()})


def pointwise(sizes: Sizes, device: str) -> Points:
    def made(function: Callable[..., Any], operands: int, dtype: Any = jnp.float32) -> Point:
        return operation(lambda *xs: {"y": function(*xs)}, *(tiled(sizes.pointwise, f"x{i}", dtype) for i in range(operands)))

    return {
        "chain": lambda: made(lambda x: x * jax.nn.sigmoid(x * 1.702) + jax.nn.relu(x) * 0.5, 1),
        "chain of two, bf16": lambda: made(lambda a, b: jax.nn.relu(a * 0.5 + b) * b, 2, jnp.bfloat16),
        "sum": lambda: made(lambda x: (x * x).sum(), 1),
        "sums of rows": lambda: made(lambda x: (x * x).sum(1), 1),
        "sums of columns": lambda: made(lambda x: (x * x).sum(0), 1),
        "softmax": lambda: made(lambda x: jax.nn.softmax(x, -1), 1),
    }


def update(sizes: Sizes, device: str) -> Points:
    def made() -> Point:
        size = sizes.adam
        parameters = [jnp.asarray(normal(f"p{i}", size.elements)) for i in range(size.tensors)]
        grads = [jnp.asarray(normal(f"g{i}", size.elements)) for i in range(size.tensors)]
        state = (parameters, adam_state(parameters))
        run = compiled(lambda state, grads: adam(state[0], grads, state[1], 1e-3), state, grads, donate=(0,))

        def call() -> Any:
            nonlocal state
            state = Last.result = run(state, grads)

        def checks() -> dict[str, list[float]]:
            call()
            call()
            return {"first": values(state[0][0]), "last": values(state[0][-1])}

        return Point(call, checks)

    return {"update": made}


def layer_norm(sizes: Sizes, device: str) -> Points:
    def made(width: int) -> Point:
        rows, _ = sizes.norm.shape(width)
        x, head = (tiled(Pointwise(rows, width), name, jnp.bfloat16) for name in ("x", "head"))
        gamma = jnp.asarray(1 + normal("gamma", width, scale=0.1)).astype(jnp.bfloat16)
        beta = jnp.asarray(normal("beta", width, scale=0.1)).astype(jnp.bfloat16)

        def both(x: jax.Array, gamma: jax.Array, beta: jax.Array, head: jax.Array) -> dict[str, jax.Array]:
            y, backward = jax.vjp(networks.layer_norm, x, gamma, beta)
            return {"y": y, **dict(zip(("dx", "dgamma", "dbeta"), backward(head), strict=True))}

        return operation(both, x, gamma, beta, head)

    return {f"{width} wide": partial(made, width) for width in sizes.norm.widths}


def cross_entropy(sizes: Sizes, device: str) -> Points:
    def made(width: int) -> Point:
        rows, _ = sizes.loss.shape(width)

        def both(x: jax.Array, labels: jax.Array) -> dict[str, jax.Array]:
            loss, dx = jax.value_and_grad(networks.cross_entropy)(x, labels)
            return {"loss": loss, "dx": dx}

        return operation(both, tiled(Pointwise(rows, width), "scores", jnp.bfloat16), jnp.asarray(integers("labels", width, rows)))

    return {f"{width} classes": partial(made, width) for width in sizes.loss.widths}


BUILDERS = {
    "perceptron": perceptron,
    "pointwise": pointwise,
    "adam": update,
    "layer norm": layer_norm,
    "cross-entropy": cross_entropy,
    "lstm": lstm,
    "resnet": resnet,
    "gpt2": gpt2,
}
PEER = Peer({workload: {"jit": build} for workload, build in BUILDERS.items()}, clock, memory, {"jax": jax.__version__})

if __name__ == "__main__":
    main(PEER)
