"""Control flow as Scan, Loop and If, and sequences of several lengths: the same numbers by onnxruntime, at other sizes too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest

import hybridnet as hn
from hybridnet import nd
from hybridnet.errors import GraphError
from hybridnet.gluon import nn, rnn
from hybridnet.gluon.block import HybridBlock
from hybridnet.onnx import export

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: it runs the files")
RANDOM = numpy.random.default_rng(5)


def normal(*shape: int) -> Any:
    return nd.array(RANDOM.normal(size=shape).astype("float32"))


def operators(file: Path) -> list[str]:
    """The names of all operators, those in bodies too."""

    def of(graph: Any) -> list[str]:
        return [n for node in graph.node for n in (node.op_type, *(x for a in node.attribute for x in of(a.g)))]

    return of(onnx.load(file).graph)


class Steps(HybridBlock):
    """A recurrent layer by hand: the outputs and the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(4, in_units=7)
        self.norm = nn.LayerNorm(in_channels=4)  # one that opset 13 has in parts alone

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        def step(element: Any, states: Any) -> Any:
            h = F.tanh(self.norm(self.dense(F.concat(element, states[0], dim=1))))
            return [h * 2, element + 1], [h, states[1] + F.sum(element)]

        outputs, last = F.contrib.foreach(step, x, [F.zeros((2, 4)), F.zeros((1,))])
        return (*outputs, *last)


@pytest.mark.parametrize("opset", [13, 18, 23])
def test_foreach_is_a_scan(opset: int, tmp_path: Path) -> None:
    net = Steps()
    net.initialize(hn.init.Normal(0.5))
    export(net, tmp_path / "x.onnx", [normal(3, 2, 3)], {"data": {0: "time"}}, opset, verify=True)
    found = operators(tmp_path / "x.onnx")
    assert found.count("Scan") == 1 and found.count("Gemm") + found.count("MatMul") == 1, "no step is written out"
    export(net, tmp_path / "x.onnx", [normal(3, 2, 3)], None, opset, verify=True)


def growing(x: Any) -> Any:
    """Numbers that are doubled until they are many, twelve times at most."""

    def test(i: Any, y: Any) -> Any:
        return y.sum() < 50

    def body(i: Any, y: Any) -> Any:
        return [y + i, (y > 2).sum()], [i + 1, y * 2]

    outputs, last = nd.contrib.while_loop(test, body, [nd.zeros((1,)), x], max_iterations=12)
    return (*outputs, *last)


@pytest.mark.parametrize("opset", [13, 18, 23])
@pytest.mark.parametrize("scale", [1e-9, 0.01, 1, 100])
def test_while_loop_is_a_loop(opset: int, scale: float, tmp_path: Path) -> None:
    """With as many steps as may be, some, one, and none; what no step wrote is zero."""
    export(growing, tmp_path / "x.onnx", [abs(normal(5)) * scale], {"data": {0: "n"}}, opset, verify=True)
    assert operators(tmp_path / "x.onnx").count("Loop") == 1


WEIGHT = nd.array([[1.0, 2, 3]])


def choosing(x: Any) -> Any:
    def inner() -> Any:
        return nd.contrib.cond(x.max() > 2, lambda: nd.softmax(x), lambda: x * WEIGHT)

    return nd.contrib.cond(x.sum() > 0, inner, lambda: x - 1) + 1


@pytest.mark.parametrize("numbers", [[[3.0, 1, 1]], [[1.0, 1, 1]], [[-1.0, -1, -1]]])
def test_cond_is_an_if(numbers: list[list[float]], tmp_path: Path) -> None:
    """One within another; what a branch reads from outside has its name there."""
    export(choosing, tmp_path / "x.onnx", [nd.array(numbers * 2)], {"data": {0: "batch"}}, verify=True)
    assert operators(tmp_path / "x.onnx").count("If") == 2


def nested(x: Any) -> Any:
    """Sums of rows, row after row, in a loop within a loop, of what is chosen by a condition."""

    def row(r: Any, total: Any) -> Any:
        def number(v: Any, so_far: Any) -> Any:
            more = nd.contrib.cond(v > 0, lambda: v * r[0], lambda: so_far * 0.5)
            return more, so_far + more

        outputs, last = nd.contrib.foreach(number, r, total)
        return outputs, last

    return nd.contrib.foreach(row, x, nd.zeros((1,)))


def test_bodies_within_bodies(tmp_path: Path) -> None:
    export(nested, tmp_path / "x.onnx", [normal(4, 3)], {"data": {0: "rows"}}, verify=True)
    assert operators(tmp_path / "x.onnx").count("Scan") == 2


def test_bodies_in_16_bits(tmp_path: Path) -> None:
    """What ONNX lacks there is computed in float32 in bodies too."""
    for dtype in ("float16", "bfloat16"):
        net = Steps()
        net.initialize(hn.init.Normal(0.5))
        net.cast(dtype)

        def call(x: Any, dtype: str = dtype) -> Any:
            return nd.contrib.foreach(lambda e, s: (nd.arcsinh(e), s + e), x, nd.zeros((3,), dtype=dtype))

        export(call, tmp_path / "x.onnx", [normal(9, 3).astype(dtype)])
        assert ("Cast" in operators(tmp_path / "x.onnx")) == (dtype == "bfloat16")


class WithLengths(HybridBlock):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any, lengths: Any) -> Any:
        outputs, last = self.layer(x, self.layer.begin_state(x.shape[1]), lengths)
        return (outputs, *last)


@pytest.mark.parametrize(
    "make",
    [
        lambda **given: rnn.LSTM(5, 2, bidirectional=True, **given),
        lambda **given: rnn.GRU(4, bidirectional=True, **given),
        lambda **given: rnn.RNN(4, **given),
    ],
)
@pytest.mark.parametrize("opset", [13, 23])
def test_sequences_of_several_lengths(make: Callable[..., Any], opset: int, tmp_path: Path) -> None:
    net = WithLengths(make(use_sequence_length=True, input_size=3))
    net.initialize(hn.init.Normal(0.5))
    inputs = {"data": normal(6, 3, 3), "lengths": nd.array([6, 2, 4], dtype="int32")}
    export(net, tmp_path / "x.onnx", inputs, opset=opset, verify=True)


def test_states_that_are_kept_are_refused() -> None:
    """Beyond its length a sequence's states stay here and are 0 in ONNX."""
    mask = nd.array(numpy.ones((3, 2, 1), "float32"))

    def net(x: Any) -> Any:
        from hybridnet.core import call

        return call("rnn_sequence", x, nd.ones((8, 2)), nd.ones(8), nd.zeros((2, 2)), nd.zeros((2, 2)), mask, mode="lstm", reverse=False)[0]

    with pytest.raises(GraphError, match="expected of these states the last step alone; got all of them as a result"):
        export(net, "never.onnx", [normal(3, 2, 8)])
