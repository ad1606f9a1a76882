"""Scales of channels go into settled weights: random chains of scales and shifts behind contractions give what they gave."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

import hybridnet as hn
from hybridnet.config import config
from hybridnet.core import call
from hybridnet.device import onednn
from hybridnet.graph.operators import ADD, CONVOLUTION, MATMUL, MULTIPLY
from hybridnet.ops.nn.convolution import convolution


def random_program(seed: int) -> tuple[Callable[[Any], Any], Any]:
    """A contraction of an argument with a weight that is read, scaled and shifted by arrays of one number a channel; the argument."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Any:
        return hn.np.array(rng.normal(size=shape).astype(dtype))

    dtype = str(rng.choice(["float32", "float64"]))
    kind = str(rng.choice(["first", "last", "product", "transposed"]))
    groups, channels = (int(rng.choice([1, 2, 4])), 8) if kind in ("first", "last") else (1, 6)
    filters = int(rng.choice([1, 4, 8])) if groups == 1 else 8
    if kind in ("product", "transposed"):
        x, w, shape = normal(5, channels), normal(*((channels, filters) if kind == "product" else (filters, channels))), (1, filters)
    elif kind == "first":
        x, w, shape = normal(2, channels, 6, 5), normal(filters, channels // groups, 3, 2), (filters, 1, 1)
    else:
        x, w, shape = normal(2, 6, 5, channels), normal(filters, 3, 2, channels // groups), (1, 1, 1, filters)
    steps = []
    for _ in range(int(rng.integers(1, 6))):
        shapes = [shape, (1,) * int(rng.integers(0, 3)), *([(1, *shape)] if kind == "first" else [])]
        steps.append(
            (
                str(rng.choice(["scale", "shift", "less", "from", "relu"], p=[0.4, 0.25, 0.15, 0.1, 0.1])),
                normal(*shapes[rng.integers(len(shapes))]),
            )
        )

    def program(x: Any) -> Any:
        if kind in ("product", "transposed"):
            y = call("matmul", x, w, transpose_b=kind == "transposed")
        else:
            y = convolution(x, w, num_group=groups, layout="NCHW" if kind == "first" else "NHWC")
        for what, v in steps:
            y = {"scale": lambda y, v: v * y, "shift": lambda y, v: y + v, "less": lambda y, v: y - v, "from": lambda y, v: v - y,
                 "relu": lambda y, v: call("maximum", y, 0)}[what](y, v)  # fmt: skip
        return y

    return program, x


@pytest.mark.parametrize("with_library", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_random_chains_give_what_they_gave(seed: int, with_library: bool) -> None:
    program, x = random_program(seed)
    expected = program(x).asnumpy()
    with mock.patch.object(config, "disabled_libraries", frozenset() if with_library else frozenset({onednn.NAME})):
        found = hn.jit(program)(x).asnumpy()
    tolerance = 1e-4 if expected.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def counted(program: Callable[[Any], Any], x: Any) -> dict[Any, int]:
    """How many nodes of each operator are computed at each call, of arrays as large as the argument."""
    jitted = hn.jit(program)
    compiled = jitted._inspect((x,), {})
    found: dict[Any, int] = {}
    for node in compiled.graph.nodes:
        if node.output.size >= x.size // 2:
            found[node.op] = found.get(node.op, 0) + 1
    return found


def test_a_batch_norm_costs_a_shift_alone_and_what_a_gradient_flows_to_stays() -> None:
    w, s, t = (hn.np.array(np.random.default_rng(i).normal(size=shape)) for i, shape in enumerate([(8, 8, 1, 1), (8, 1, 1), (8, 1, 1)]))
    x = hn.np.ones((2, 8, 16, 16), dtype="float64")

    def program(x: Any) -> Any:
        return (convolution(x, w) + t) * s - t

    found = counted(program, x)
    assert found.get(MULTIPLY, 0) == 0 and found[ADD] == 1 and found[CONVOLUTION] == 1
    w.attach_grad()
    with hn.autograd.record():
        assert counted(program, x)[MULTIPLY] >= 1


def test_a_scale_that_is_no_channels_or_is_given_stays() -> None:
    w = hn.np.array(np.random.default_rng(0).normal(size=(6, 6)))
    rows, x = hn.np.array(np.arange(5.0)[:, None]), hn.np.ones((5, 6), dtype="float64")
    assert counted(lambda x: call("matmul", x, w) * rows, x) == {MATMUL: 1, MULTIPLY: 1}
    assert counted(lambda x: call("matmul", x, w) * x[0], x)[MULTIPLY] == 1
