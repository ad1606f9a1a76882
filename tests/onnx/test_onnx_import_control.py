"""If, Loop and Scan as blocks: what is exported comes back, imperatively and compiled, and the ways in which loops are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridnet as hn
from hybridnet import autograd, nd
from hybridnet.errors import GraphError
from hybridnet.gluon import nn
from hybridnet.onnx import export, import_

RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    return nd.array(RANDOM.normal(size=shape).astype("float32"))


def steps(x: Any) -> Any:
    outputs, last = nd.contrib.foreach(
        lambda e, s: ([nd.tanh(e + s[0]), e * 2], [s[0] * e, s[1] + e.sum()]), x, [nd.ones((3,)), nd.zeros((1,))]
    )
    return (*outputs, *last)


def growing(x: Any) -> Any:
    return nd.contrib.while_loop(lambda i, y: y.sum() < 50, lambda i, y: ([], [i + 1, y * 2]), [nd.zeros((1,)), x], max_iterations=12)[1]


def choosing(x: Any) -> Any:
    def inner() -> Any:
        return nd.contrib.cond(x.max() > 2, lambda: nd.softmax(x), lambda: x * 3)

    return nd.contrib.cond(x.sum() > 0, inner, lambda: x - 1) + 1


def nested(x: Any) -> Any:
    def row(r: Any, total: Any) -> Any:
        def number(v: Any, so_far: Any) -> Any:
            more = nd.contrib.cond(v > 0, lambda: v * r[0], lambda: so_far * 0.5)
            return more, so_far + more

        return nd.contrib.foreach(number, r, total)

    outputs, last = nd.contrib.foreach(row, x, nd.zeros((1,)))
    return outputs, last


@pytest.mark.parametrize("net", [steps, growing, choosing, nested])
@pytest.mark.parametrize("opset", [13, 23])
def test_what_is_exported_comes_back(net: Callable[..., Any], opset: int, tmp_path: Path) -> None:
    export(net, tmp_path / "net.onnx", [abs(normal(4, 3))], {"data": {0: "rows"}}, opset)
    read = import_(tmp_path / "net.onnx")
    for rows in (4, 6):
        for x in (normal(rows, 3), abs(normal(rows, 3)), -abs(normal(rows, 3)), abs(normal(rows, 3)) + 2):
            expected = net(x)
            for active in (False, True):
                read.hybridize(active)
                found = read(x)
                for a, b in zip(*(y if isinstance(y, (list, tuple)) else [y] for y in (found, expected)), strict=True):
                    np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_loop_that_came_back_learns(tmp_path: Path) -> None:
    """Its body reads parameters of the network around it."""
    dense = nn.Dense(3, in_units=6)
    dense.initialize(hn.init.Normal(0.3))

    def net(x: Any) -> Any:
        return nd.contrib.foreach(lambda e, s: (nd.tanh(dense(nd.concat(e, s, dim=1))),) * 2, x, nd.zeros((2, 3)))[1]

    export(net, tmp_path / "net.onnx", [normal(5, 2, 3)])
    read, x = import_(tmp_path / "net.onnx"), normal(5, 2, 3)
    with autograd.record():
        net(x).sum().backward()
    for active in (False, True):
        read.hybridize(active)
        with autograd.record():
            read(x).sum().backward()
        found = [p.grad().asnumpy() for p in read.collect_params().values()]
        assert len(found) == 3, "the weight, the bias, and the state that it starts from"
        for p in dense.collect_params().values():
            assert any(g.shape == p.shape and np.allclose(g, p.grad().asnumpy(), atol=1e-5) for g in found)


def graph(nodes: list[Any], inputs: dict[str, tuple[int, Any]], outputs: dict[str, tuple[int, Any]], **constants: Any) -> Any:
    infos = [[helper.make_tensor_value_info(name, *t) for name, t in given.items()] for given in (inputs, outputs)]
    return helper.make_graph(nodes, "g", *infos, [numpy_helper.from_array(np.array(x), n) for n, x in constants.items()])


def loop(body: Any, operands: list[str], results: dict[str, Any], **constants: Any) -> Any:
    node = helper.make_node("Loop", operands, list(results), body=body)
    whole = graph([node], {"x": (TensorProto.FLOAT, [2])}, {n: (TensorProto.FLOAT, s) for n, s in results.items()}, **constants)
    return import_(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))


COUNTED = {"i": (TensorProto.INT64, []), "going": (TensorProto.BOOL, []), "y": (TensorProto.FLOAT, [2])}


def doubling(condition: list[Any], name: str) -> Any:
    nodes = [helper.make_node("Add", ["y", "y"], ["z"]), helper.make_node("Cast", ["i"], ["f"], to=1), *condition]
    return graph(
        [*nodes, helper.make_node("Mul", ["z", "f"], ["seen"])],
        COUNTED,
        {name: (TensorProto.BOOL, []), "z": (TensorProto.FLOAT, [2]), "seen": (TensorProto.FLOAT, [2])},
    )


def test_a_loop_of_so_many_steps() -> None:
    """Nothing but the number ends it: compiled, it is one loop, with what each step gave."""
    body = doubling([helper.make_node("Identity", ["going"], ["on"])], "on")
    net = loop(body, ["n", "", "x"], {"last": [2], "all": [5, 2]}, n=np.int64(5))
    x = nd.array([1.0, 2])
    for active in (False, True):
        net.hybridize(active)
        last, every = net(x)
        np.testing.assert_array_equal(last.asnumpy(), [32, 64])
        np.testing.assert_array_equal(every.asnumpy(), [[i * 2 ** (i + 1) * v for v in (1, 2)] for i in range(5)])
    none = loop(body, ["n", "", "x"], {"last": [2], "all": [0, 2]}, n=np.int64(0))
    for active in (False, True):
        none.hybridize(active)
        assert [y.shape for y in none(x)] == [(2,), (0, 2)]


def test_a_loop_that_its_values_end() -> None:
    ends = [helper.make_node("ReduceSum", ["z"], ["s"], keepdims=0), helper.make_node("Less", ["s", "most"], ["on"])]
    body = doubling([helper.make_node("Constant", [], ["most"], value_float=20.0), *ends], "on")
    net = loop(body, ["", "", "x"], {"last": [2], "all": [4, 2]})
    last, every = net(nd.array([1.0, 1]))
    assert last.asnumpy().tolist() == [16, 16] and every.shape == (4, 2)
    net.hybridize()
    with pytest.raises(GraphError, match=r"number of steps follows the values.*without hybridize\(\)"):
        net(nd.array([1.0, 1]))
    del body.output[2]
    net = loop(body, ["", "", "x"], {"last": [2]})
    net.hybridize()
    for scale, end in ((1.0, 16), (9.0, 18), (0.5, 16)):
        assert net(nd.array([scale, scale])).asnumpy().tolist() == [end, end]


def test_a_loop_without_an_end_is_refused() -> None:
    net = loop(doubling([helper.make_node("Identity", ["going"], ["on"])], "on"), ["", "", "x"], {"last": [2], "all": [5, 2]})
    net.hybridize()
    with pytest.raises(GraphError, match="a loop that ends; got neither a number of steps nor a condition that changes"):
        net(nd.array([1.0, 2]))


def test_operators_in_bodies_are_looked_at() -> None:
    body = doubling([helper.make_node("Unheard", ["going"], ["on"], name="odd", domain="of.ours")], "on")
    with pytest.raises(GraphError, match=r"Unheard of of\.ours in node 'odd'"):
        node = helper.make_node("Loop", ["n", "", "x"], ["last", "all"], body=body)
        whole = graph([node], {"x": (1, [2])}, {"last": (1, [2]), "all": (1, [5, 2])}, n=np.int64(5))
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("of.ours", 1)]
        import_(helper.make_model(whole, opset_imports=opsets, ir_version=8))
