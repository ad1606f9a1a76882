"""Custom operators: what MXNet 1.9.1 gave for the same classes, eagerly, recorded and in hybridized blocks; and how they are refused."""

from typing import Any

import numpy
import pytest
from emulator.emulator import COMPILER

import hybridnet as mx
from hybridnet import autograd, gluon, nd
from hybridnet.errors import ArgumentError, HybridnetError, ShapeError, SignatureError
from hybridnet.ndarray.register import OPERATORS

SEEN: list[Any] = []


class Scaled(mx.operator.CustomOp):
    """k · sigmoid(x), by NumPy; a state follows the mean of the input."""

    def __init__(self, k: float) -> None:
        self.k = k

    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        SEEN.append(("forward", bool(is_train), req, autograd.is_recording(), autograd.is_training()))
        self.assign(out_data[0], req[0], nd.array(self.k / (1 + numpy.exp(-in_data[0].asnumpy()))))
        if aux:
            aux[0][:] = aux[0] * 0.5 + in_data[0].mean()

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        SEEN.append(("backward", req, [x.shape for x in (*out_grad, *in_data, *out_data, *in_grad, *aux)]))
        y = out_data[0] / self.k
        self.assign(in_grad[0], req[0], out_grad[0] * y * (1 - y) * self.k)


@mx.operator.register("test_scaled")
class ScaledProp(mx.operator.CustomOpProp):
    def __init__(self, k: str = "1", states: str = "0") -> None:
        super().__init__(need_top_grad=True)
        assert isinstance(k, str)
        self.k, self.states = float(k), int(states)

    def list_auxiliary_states(self) -> list[str]:
        return ["mean"] * self.states

    def infer_shape(self, in_shape: Any) -> Any:
        return in_shape, [in_shape[0]], [[1]] * self.states

    def create_operator(self, ctx: Any, in_shapes: Any, in_dtypes: Any) -> mx.operator.CustomOp:
        SEEN.append(("create", str(ctx), in_shapes))
        return Scaled(self.k)


class Pair(mx.operator.CustomOp):
    """a · b and a - b; the gradient of the product alone, which reads the inputs and not the results."""

    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        a, b = in_data
        self.assign(out_data[0], req[0], a * b)
        self.assign(out_data[1], req[1], (a - b).astype("float64"))

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        SEEN.append((req, [x.size for x in out_data]))
        for mine, other in ((0, 1), (1, 0)):
            self.assign(in_grad[mine], req[mine], out_grad[0] * in_data[other])


@mx.operator.register("test_pair")
class PairProp(mx.operator.CustomOpProp):
    def list_arguments(self) -> list[str]:
        return ["a", "b"]

    def list_outputs(self) -> list[str]:
        return ["product", "difference"]

    def infer_shape(self, in_shape: Any) -> Any:
        return [in_shape[0]] * 2, [in_shape[0]] * 2

    def infer_type(self, in_type: Any) -> Any:
        return in_type, [in_type[0], numpy.float64], []

    def declare_backward_dependency(self, out_grad: Any, in_data: Any, out_data: Any) -> Any:
        return [out_grad[0], *in_data]

    def create_operator(self, ctx: Any, in_shapes: Any, in_dtypes: Any) -> mx.operator.CustomOp:
        return Pair()


def x_of() -> Any:
    x = nd.array([[0.0, 1], [2, 3]])
    x.attach_grad()
    return x


def close(got: Any, expected: Any) -> None:
    numpy.testing.assert_allclose(got.asnumpy(), expected, rtol=1e-5)


def test_eagerly_and_recorded() -> None:
    SEEN.clear()
    x = x_of()
    close(nd.Custom(x, op_type="test_scaled", k=2), [[1, 1.4621172], [1.761594, 1.9051483]])
    assert SEEN == [("create", "cpu(0)", [[2, 2]]), ("forward", False, ["write"], False, False)]
    with autograd.record():
        y = nd.Custom(data=x, op_type="test_scaled", k=2.5)
        loss = (y * y).sum()
    loss.backward()
    assert SEEN[3:] == [("forward", True, ["write"], False, True), ("backward", ["write"], [(2, 2)] * 4)]
    close(x.grad, [[1.5625, 1.7966855], [1.1559758, 0.5379264]])
    out = nd.zeros((2, 2), dtype="float64")
    assert nd.Custom(x, op_type="test_scaled", k=2, out=out) is out
    close(out, [[1, 1.4621172], [1.761594, 1.9051483]])


def test_states_are_written_and_given_to_backward() -> None:
    SEEN.clear()
    x, mean = x_of(), nd.ones((1,))
    with autograd.record():
        y = nd.Custom(x, mean, op_type="test_scaled", k=2, states=1)
    y.backward()
    close(mean, [2])
    assert SEEN[-1] == ("backward", ["write"], [(2, 2)] * 4 + [(1,)])


class Block(gluon.HybridBlock):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.mean = self.params.get("mean", shape=(1,), init="ones", grad_req="null")

    def hybrid_forward(self, F: Any, x: Any, mean: Any) -> Any:
        return F.Custom(x * 2, mean, op_type="test_scaled", k=2, states=1) + 1


def test_in_a_hybridized_block_it_is_called_between_the_programs_steps() -> None:
    """The numbers are MXNet's; the user's code runs once a call, and not for each time the function is traced."""
    net, x = Block(), x_of()
    net.initialize()
    net.hybridize()
    SEEN.clear()
    for mean in (3.5, 4.75, 5.375):
        with autograd.record():
            y = net(x)
            loss = (y * y).sum()
        loss.backward()
        close(y, [[2, 2.761594], [2.9640274, 2.9950547]])
        close(x.grad, [[4, 2.3195982], [0.41882262, 0.0590976]])
        close(net.mean.data(), [mean])
    assert [item[0] for item in SEEN] == ["create", *["forward", "backward"] * 3]
    explained = net.explain(x)
    assert "custom_test_scaled at test_custom.py" in explained
    assert "Python of its own, called between the program's lines" in explained
    close(net(x), [[2, 2.761594], [2.9640274, 2.9950547]])
    assert SEEN[-1] == ("forward", False, ["write"], False, False)


@pytest.mark.parametrize("hybridize", [False, True])
def test_several_results_and_declared_dependencies(hybridize: bool) -> None:
    """What is not declared is not there in backward; an input without a gradient has the req null."""
    a, b = x_of(), nd.array([[1.0, 2], [3, 4]])

    def call(a: Any, b: Any) -> Any:
        return nd.Custom(a, b, op_type="test_pair")

    run = mx.jit(call) if hybridize else call
    SEEN.clear()
    with autograd.record():
        product, difference = run(a, b)
        loss = product.sum()
    loss.backward()
    assert difference.dtype is numpy.float64
    close(difference, [[-1, -1], [-1, -1]])
    close(a.grad, b.asnumpy())
    assert SEEN == [(["write", "null"], [0, 0])]
    assert type(product) is nd.NDArray


def test_two_calls_have_two_operators_and_add_up_their_gradients() -> None:
    x = x_of()

    def call(x: Any) -> Any:
        return nd.Custom(x, op_type="test_scaled", k=1) + nd.Custom(x, op_type="test_scaled", k=2)

    for run in (call, mx.jit(call)):
        with autograd.record():
            run(x).backward()
        s = 1 / (1 + numpy.exp(-x.asnumpy()))
        close(x.grad, 3 * s * (1 - s))


class Keeper(mx.operator.CustomOp):
    """x², whose backward reads the array that forward was given."""

    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        self.x = in_data[0]
        self.assign(out_data[0], req[0], self.x * self.x)

    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        self.assign(in_grad[0], req[0], out_grad[0] * self.x * 2)


@pytest.mark.parametrize("hybridize", [False, True])
def test_what_forward_was_given_may_be_kept(hybridize: bool) -> None:
    """A program's buffers have other values by the time of the backward."""
    mx.operator.register("test_keeper")(type("Prop", (mx.operator.CustomOpProp,), {"create_operator": lambda self, *args: Keeper()}))

    def call(x: Any) -> Any:
        for _ in range(3):
            x = nd.Custom(x + 1, op_type="test_keeper") * 0.5
        return x

    x = nd.ones((64, 64))
    x.attach_grad()
    run = mx.jit(call) if hybridize else call
    for _ in range(2):
        with autograd.record():
            y = run(x)
        y.backward()
        close(x.grad, numpy.full((64, 64), 2 * 3 * 5.5))


def test_arrays_of_np_stay_arrays_of_np() -> None:
    assert type(nd.Custom(mx.np.ones((2,)), op_type="test_scaled")) is type(mx.np.ones((2,)))


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_on_a_gpu_it_is_called_between_two_graphs(emulated_gpu: Any) -> None:
    def call(x: Any, y: Any) -> Any:
        return nd.Custom(x * 2, y, op_type="test_pair")[0].relu() * 3

    step, device = mx.jit(call), mx.gpu(0)
    x, y = (nd.array([[0.5, -1], [2, 3]], ctx=device) for _ in range(2))
    x.attach_grad()
    for _ in range(3):
        with autograd.record():
            loss = step(x, y).sum()
        loss.backward()
        assert loss.asscalar() == pytest.approx(6 * (0.25 + 1 + 4 + 9))
        close(x.grad, [[3, -6], [12, 18]])
    assert "custom_test_pair at test_custom.py" in step.explain(x, y)
    assert "Python of its own; called between two graphs" in step.explain(x, y)


def test_assign() -> None:
    op, x = mx.operator.CustomOp(), nd.ones((2,))
    op.assign(x, "null", 5)
    op.assign(x, "add", nd.ones((2,)))
    assert x.tolist() == [2, 2]
    op.assign(x, "inplace", 7)
    assert x.tolist() == [7, 7]
    with pytest.raises(ArgumentError, match=r"\[CustomOp.assign\].*null, write, inplace or add; got 'writ'"):
        op.assign(x, "writ", 1)


class _Fails(mx.operator.CustomOp):
    def forward(self, *args: Any) -> None:
        raise KeyError("lost")


def _prop(**methods: Any) -> Any:
    return type("Prop", (mx.operator.CustomOpProp,), {"create_operator": lambda *args: _Fails(), **methods})


@pytest.mark.parametrize("hybridize", [False, True])
def test_an_error_in_the_users_code_is_its_cause(hybridize: bool) -> None:
    mx.operator.register("test_fails")(_prop())

    def call(x: Any) -> Any:
        return nd.Custom(x, op_type="test_fails")

    with pytest.raises(HybridnetError, match=r"\[custom_test_fails\] expected _Fails.forward to run; got KeyError: 'lost'") as caught:
        (mx.jit(call) if hybridize else call)(nd.ones((2,)))
    assert isinstance(caught.value.__cause__, KeyError)


def test_refusals() -> None:
    x = nd.ones((2, 2))
    with pytest.raises(ArgumentError, match=r"\[Custom\] expected an op_type that is registered: .*test_pair.*got 'nope'"):
        nd.Custom(x, op_type="nope")
    with pytest.raises(SignatureError, match="expected the arrays a, b; got 1 arrays"):
        nd.Custom(x, op_type="test_pair")
    with pytest.raises(SignatureError, match="expected the arrays a, b; got b, c"):
        nd.Custom(b=x, c=x, op_type="test_pair")
    with pytest.raises(ShapeError, match=r"\[custom_test_pair\] expected b of shape \(2, 2\); got \(2,\)"):
        nd.Custom(x, nd.ones((2,)), op_type="test_pair")
    mx.operator.register("test_few")(_prop(infer_shape=lambda self, shapes: (shapes, [], [])))
    with pytest.raises(ShapeError, match="shapes of results: 1; got 0 from the CustomOpProp"):
        nd.Custom(x, op_type="test_few")
    with pytest.raises(ArgumentError, match="a subclass of CustomOpProp; got int"):
        mx.operator.register("test_int")(int)
    with pytest.raises(ArgumentError, match="a library for MXNet's own binary"):
        mx.library.load("libmine.so")


def test_the_record_is_the_property() -> None:
    record = OPERATORS["Custom"]
    given = {"op_type": "test_scaled", "k": "2", "states": "1"}
    assert record.input_names(given) == ("data", "mean")
    assert record.aux_names(given) == ("mean",)
    assert record.output_names({"op_type": "test_pair"}) == ("product", "difference")
    assert record.shapes_of_inputs({"data": (2, 3)}, given) == {"data": (2, 3), "mean": (1,)}
    assert record.shapes_of_inputs({}, {"op_type": "test_pair"}) == {}
    found = mx.sym.Custom(mx.sym.var("x"), name="y", **given).infer_shape(x=(2, 3))
    assert found == ([(2, 3)], [(2, 3)], [(1,)])


def test_operators_are_listed_with_their_parameters() -> None:
    assert {"Custom", "Convolution", "sgd_update"} <= set(mx.operator.get_all_registered_operators())
    found = mx.operator.get_operator_arguments("LRN")
    assert found.names == ["data", "alpha", "beta", "knorm", "nsize"]
    assert found.narg == len(found.types) == 5
    assert found.types[0] == "NDArray-or-Symbol"
    assert found.types[4] == "int, required"
    assert mx.operator.get_operator_arguments("Concat").names[0] == "data"
    with pytest.raises(ArgumentError, match="the name of an operator; got 'nope'"):
        mx.operator.get_operator_arguments("nope")


def test_as_a_symbol() -> None:
    """Inputs, states and outputs are the property's; it computes and differentiates as it does imperatively; files keep its attributes."""
    y = mx.sym.Custom(mx.sym.var("x"), op_type="test_scaled", k="3", states="1", name="y")
    assert (y.list_arguments(), y.list_auxiliary_states(), y.list_outputs()) == (["x"], ["y_mean"], ["y_output"])
    pair = mx.sym.Custom(mx.sym.var("x") * 2, b=mx.sym.var("b"), op_type="test_pair", name="pair")
    assert pair.list_outputs() == ["pair_product", "pair_difference"]
    for symbol in (y, mx.sym.load_json(y.tojson())):
        executor = symbol.simple_bind(mx.cpu(), x=(2, 3))
        executor.arg_dict["x"][:] = 2
        share = 1 / (1 + numpy.exp(-2.0))
        numpy.testing.assert_allclose(executor.forward(is_train=True)[0].asnumpy(), 3 * share, rtol=1e-6)
        executor.backward(nd.ones((2, 3)))
        numpy.testing.assert_allclose(executor.grad_dict["x"].asnumpy(), 3 * share * (1 - share), rtol=1e-6)
