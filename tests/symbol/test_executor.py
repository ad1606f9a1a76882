"""Executors: forward, backward, what of arrays is shared with whom, other shapes, monitors; and inference of shapes that they rely on."""

import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest
from emulator.device import emulated_gpu

import hybridnet as mx
from hybridnet import nd, sym
from hybridnet.errors import ArgumentError, AutogradError, DtypeError, ShapeError
from hybridnet.name import NameManager


@pytest.fixture(autouse=True)
def _names() -> Any:
    with NameManager():
        yield


def network() -> sym.Symbol:
    """A small classifier with a state."""
    x = sym.FullyConnected(sym.var("data"), num_hidden=8, name="fc1")
    x = sym.Activation(sym.BatchNorm(x, name="bn", fix_gamma=False), act_type="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, name="fc2"), name="softmax")


def filled(executor: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    for name, array in executor.arg_dict.items():
        array[:] = rng.integers(0, 3, array.shape) if name.endswith("label") else rng.uniform(-1, 1, array.shape)
    for array in executor.aux_dict.values():
        array[:] = 1
    return executor


# -- forward and backward -------------------------------------------------------------------------


def test_it_computes_and_differentiates_as_recorded_operators_do() -> None:
    executor = filled(network().simple_bind(mx.cpu(), data=(4, 5)))
    a = {name: x.copy() for name, x in executor.arg_dict.items()}
    mean, var = nd.ones((8,)), nd.ones((8,))
    for x in a.values():
        x.attach_grad()
    with mx.autograd.record():
        y = nd.FullyConnected(a["data"], a["fc1_weight"], a["fc1_bias"], num_hidden=8)
        y = nd.relu(nd.BatchNorm(y, a["bn_gamma"], a["bn_beta"], mean, var, fix_gamma=False))
        y = nd.SoftmaxOutput(nd.FullyConnected(y, a["fc2_weight"], a["fc2_bias"], num_hidden=3), a["softmax_label"])
    y.backward()
    (found,) = executor.forward(is_train=True)
    executor.backward()
    np.testing.assert_allclose(found.asnumpy(), y.asnumpy(), rtol=1e-5)
    for name, g in executor.grad_dict.items():
        np.testing.assert_allclose(g.asnumpy(), a[name].grad.asnumpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(executor.aux_dict["bn_moving_mean"].asnumpy(), mean.asnumpy(), rtol=1e-6)
    assert not np.allclose(mean.asnumpy(), 1)
    before = executor.aux_dict["bn_moving_mean"].asnumpy()
    executor.forward(is_train=False)
    assert (executor.aux_dict["bn_moving_mean"].asnumpy() == before).all(), "states move in training only"


def test_what_becomes_of_gradients_is_asked_by_name_list_or_word() -> None:
    net = sym.FullyConnected(sym.var("data"), num_hidden=2, name="fc")
    for grad_req, kept in (
        ("write", ["data", "fc_weight", "fc_bias"]),
        ("null", []),
        (["null", "write", "add"], ["fc_weight", "fc_bias"]),
        ({"fc_weight": "add"}, ["fc_weight"]),
    ):
        executor = filled(net.simple_bind(mx.cpu(), grad_req=grad_req, data=(4, 3)))
        assert [name for name, g in executor.grad_dict.items() if g is not None] == kept
        once: dict[str, Any] = {}
        for _ in range(2):
            executor.forward(is_train=True)
            executor.backward(nd.ones((4, 2)))
            once = once or {name: g.asnumpy().copy() for name, g in executor.grad_dict.items() if g is not None}
        for name, g in once.items():
            twice = executor._grad_req[name] == "add"
            np.testing.assert_allclose(executor.grad_dict[name].asnumpy(), g * (1 + twice), rtol=1e-6)
    for wrong in ("sometimes", ["write"], {"data": "no"}):
        with pytest.raises(ArgumentError, match="grad_req of write, add, null"):
            net.simple_bind(mx.cpu(), grad_req=wrong, data=(4, 3))


def test_head_gradients_are_arrays_in_the_order_of_outputs_or_by_name() -> None:
    x = sym.var("x")
    group = sym.Group([x * 2, sym.BlockGrad(x, name="still"), x * x])
    executor = group.bind(mx.cpu(), {"x": nd.array([3.0])}, {"x": nd.zeros((1,))})
    executor.forward(is_train=True)
    for given, expected in (
        (None, 2 + 6),
        ([nd.array([10]), nd.array([1]), nd.array([1])], 20 + 6),
        ({"_mulscalar0_output": nd.array([10])}, 20 + 6),
    ):
        executor.backward(given)  # the second time the forward is computed again
        assert executor.grad_dict["x"].asscalar() == expected
    with pytest.raises(ArgumentError, match="3 gradients, one an output; got 1"):
        executor.backward(nd.array([1.0]))
    with pytest.raises(ShapeError, match=r"shape \(1,\) for still_output"):
        executor.backward([nd.ones((1,)), nd.ones((2,)), nd.ones((1,))])
    with pytest.raises(AutogradError, match="a forward before"):
        group.bind(mx.cpu(), {"x": nd.array([3.0])}, {"x": nd.zeros((1,))}).backward()


def test_a_gradient_that_no_output_depends_on_is_zero() -> None:
    net = sym.Group([sym.var("a") * 2, sym.BlockGrad(sym.var("b"))])
    g = nd.ones((2,)) * 7
    executor = net.bind(mx.cpu(), [nd.ones((2,)), nd.ones((2,))], [None, g])
    executor.forward(is_train=True)
    executor.backward()
    assert g.tolist() == [0, 0]


def test_a_second_backward_leaves_states_alone() -> None:
    executor = filled(network().simple_bind(mx.cpu(), data=(4, 5)))
    executor.forward(is_train=True)
    executor.backward()
    states, gradient = executor.aux_arrays[0].asnumpy(), executor.grad_dict["fc1_weight"].asnumpy()
    executor.backward()
    assert (executor.aux_arrays[0].asnumpy() == states).all()
    np.testing.assert_allclose(executor.grad_dict["fc1_weight"].asnumpy(), gradient, rtol=1e-6)


@pytest.mark.slow
def test_on_an_emulated_gpu() -> None:
    """The same numbers from CUDA graphs, in arrays of that device."""

    def found(device: Any) -> list[Any]:
        executor = filled(network().simple_bind(device, data=(4, 5)))
        for _ in range(3):
            executor.forward(is_train=True)
            executor.backward()
        assert executor.outputs[0].context == device
        return [x.asnumpy() for x in (*executor.outputs, *executor.grad_arrays, *executor.aux_arrays)]

    expected = found(mx.cpu())
    with emulated_gpu():
        for mine, theirs in zip(found(mx.gpu(0)), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_it_is_compiled_once() -> None:
    executor = filled(network().simple_bind(mx.cpu(), data=(4, 5)))
    for is_train in (True, False) * 3:
        executor.forward(is_train=is_train)
    assert len(executor._program.cache) == 2
    assert len(executor._program.retraces) == 1
    assert "MB allocated" in executor.debug_str()
    assert executor.get_optimized_symbol().list_outputs() == ["softmax_output"]


def test_integers_have_no_gradient() -> None:
    net = sym.Embedding(sym.var("data"), input_dim=4, output_dim=2, name="e")
    executor = filled(net.simple_bind(mx.cpu(), data=(3,), type_dict={"data": "int32"}))
    executor.arg_dict["data"][:] = [0, 2, 2]
    executor.forward(is_train=True)
    executor.backward(nd.ones((3, 2)))
    assert executor.grad_dict["e_weight"].tolist() == [[1, 1], [0, 0], [2, 2], [0, 0]]
    assert executor.arg_dict["data"].dtype is np.int32


def test_what_is_dropped_is_freed_at_once() -> None:
    """No executor, program or graph is in a cycle."""
    executor = filled(network().simple_bind(mx.cpu(), data=(4, 5)))
    executor.forward(is_train=True)
    executor.backward()
    kept = [weakref.ref(x) for x in (executor, executor._program, executor._symbol, executor._symbol._outputs[0].node)]
    gc.collect()
    gc.disable()
    try:
        del executor
        assert [x() for x in kept] == [None] * 4
    finally:
        gc.enable()


# -- arrays ---------------------------------------------------------------------------------------


def test_arrays_are_read_at_each_forward_and_gradients_come_where_they_are_asked_for() -> None:
    w, g = nd.ones((2, 3)), nd.zeros((2, 3))
    net = sym.FullyConnected(sym.var("data"), num_hidden=2, no_bias=True, name="fc")
    executor = net.bind(mx.cpu(), {"data": nd.ones((1, 3)), "fc_weight": w, "unused": w}, {"fc_weight": g})
    assert executor.forward()[0].tolist() == [[3, 3]]
    first = executor.outputs[0]
    w[:] = 2
    assert executor.forward(is_train=True, data=np.ones((1, 3)) * 2)[0].tolist() == [[12, 12]]
    executor.backward(nd.ones((1, 2)))
    assert (executor.arg_dict["fc_weight"] is not None, g.tolist()) == (True, [[2, 2, 2]] * 2)
    assert first.tolist() == [[3, 3]], "an output stays as it was"
    assert w.grad is None
    assert list(executor.output_dict) == ["fc_output"]


def test_outputs_before_the_first_forward_have_their_shapes() -> None:
    executor = network().simple_bind(mx.cpu(), data=(4, 5), type_dict={"data": "float16"})
    assert [(y.shape, y.dtype) for y in executor.outputs] == [((4, 3), np.float16)]


def test_what_cannot_be_bound() -> None:
    net = sym.FullyConnected(sym.var("data"), num_hidden=2, name="fc")
    data, w, b = nd.ones((1, 3)), nd.ones((2, 3)), nd.ones((2,))
    for call, kind, words in (
        (lambda: net.bind(mx.cpu(), {"data": data, "fc_wieght": w, "fc_bias": b}), ArgumentError, "fc_weight in args; .*but fc_wieght"),
        (lambda: net.bind(mx.cpu(), [data, w]), ArgumentError, "3 arrays in args: data, fc_weight, fc_bias; got 2"),
        (lambda: net.bind(mx.cpu(), [data, w, np.ones(2)]), DtypeError, r"NDArray for fc_bias.*try nd.array\(x\)"),
        (lambda: net.bind(mx.cpu(), [data, nd.ones((2, 4)), b]), ShapeError, r"fc \(FullyConnected\)"),
        (lambda: net.bind(mx.cpu(), [data, w, b], {"fc_bias": w}), ShapeError, r"gradient of shape \(2,\) for fc_bias"),
        (lambda: net.simple_bind(mx.cpu()), ArgumentError, r"too little for .*data: \(\).*try more shapes by name"),
        (lambda: net.simple_bind(mx.cpu(), data=(1, 3)).forward(dta=data), ArgumentError, "got dta"),
        (lambda: net.simple_bind(mx.cpu(), data=(1, 3)).forward(data=nd.ones((2, 3))), ShapeError, r"data of shape \(1, 3\)"),
        (lambda: net.simple_bind(mx.cpu(), data=(1, 3)).copy_params_from({"w": w}), ArgumentError, "one of data, .*; got w"),
        (lambda: net.simple_bind(mx.cpu(), data=(1, 3)).copy_params_from({"fc_bias": w}), ShapeError, "fc_bias of shape"),
        (lambda: sym.elemwise_add(sym.var("a"), sym.var("a")).bind(mx.cpu(), [b, b]).arg_dict, ArgumentError, "a more than once"),
    ):  # fmt: skip
        with pytest.raises(kind, match=words):
            call()


def test_copies_of_parameters() -> None:
    executor = network().simple_bind(mx.cpu(), data=(4, 5))
    executor.copy_params_from({"fc1_bias": nd.ones((8,)), "more": nd.ones((1,))}, {"bn_moving_var": nd.ones((8,))}, allow_extra_params=True)
    assert executor.arg_dict["fc1_bias"].tolist() == executor.aux_dict["bn_moving_var"].tolist() == [1] * 8


def test_other_shapes_share_the_parameters() -> None:
    executor = filled(network().simple_bind(mx.cpu(), data=(4, 5)))
    small = executor.reshape(data=(2, 5), softmax_label=(2,))
    assert small.arg_dict["fc1_weight"] is executor.arg_dict["fc1_weight"]
    assert small.arg_dict["data"].tolist() == executor.arg_dict["data"][:2].tolist()
    whole, part = executor.forward()[0], small.forward()[0]
    np.testing.assert_allclose(part.asnumpy(), whole.asnumpy()[:2], rtol=1e-6)
    assert small._program is executor._program
    with pytest.raises(ArgumentError, match="try allow_up_sizing=True"):
        executor.reshape(data=(8, 5), softmax_label=(8,))
    assert executor.reshape(data=(8, 5), softmax_label=(8,), allow_up_sizing=True).forward()[0].shape == (8, 3)
    with pytest.raises(ArgumentError, match="try partial_shaping=True"):
        executor.reshape(data=(2, 5))
    assert executor.reshape(partial_shaping=True, data=(2, 5)).forward()[0].shape == (2, 3)


def test_executors_share_arrays_on_request() -> None:
    net = network()
    first = filled(net.simple_bind(mx.cpu(), data=(4, 5)))
    second = net.simple_bind(mx.cpu(), data=(2, 5), shared_arg_names=["fc1_weight"], shared_exec=first)
    assert second.arg_dict["fc1_weight"] is first.arg_dict["fc1_weight"]
    assert second.aux_dict["bn_moving_mean"] is first.aux_dict["bn_moving_mean"]
    assert second.arg_dict["fc2_weight"] is not first.arg_dict["fc2_weight"]
    buffer: dict[str, Any] = {}
    third = net.simple_bind(mx.cpu(), data=(2, 5), shared_buffer=buffer)
    assert net.simple_bind(mx.cpu(), data=(2, 5), shared_buffer=buffer).arg_dict["data"] is third.arg_dict["data"] is buffer["data"]


def test_a_monitor_is_told_of_every_output() -> None:
    told: list[tuple[str, tuple[int, ...]]] = []
    executor = filled(network().simple_bind(mx.cpu(), data=(4, 5)))
    expected = executor.forward(is_train=True)[0].asnumpy()
    filled(executor).set_monitor_callback(lambda name, x: told.append((name, x.shape)))
    np.testing.assert_allclose(executor.forward(is_train=True)[0].asnumpy(), expected, rtol=1e-5)
    executor.backward()
    assert told == [
        ("fc1_output", (4, 8)),
        ("bn_output", (4, 8)),
        ("activation0_output", (4, 8)),
        ("fc2_output", (4, 3)),
        ("softmax_output", (4, 3)),
    ]
    told.clear()
    executor.set_monitor_callback(lambda name, x: told.append((name, x.shape)), monitor_all=True)
    executor.forward()
    assert ("fc1_weight", (8, 5)) in told
    told.clear()
    executor.set_monitor_callback(None)
    executor.forward()
    assert told == []


# -- shapes in both directions --------------------------------------------------------------------


def shapes(symbol: sym.Symbol, **given: Any) -> tuple[Any, Any]:
    arguments, outputs, _ = symbol.infer_shape_partial(**given)
    return arguments, outputs


def test_shapes_that_are_known_in_part() -> None:
    """As MXNet 1.9.1 gives them."""
    d, b = sym.var("data"), sym.var("b")
    dense = sym.FullyConnected(d, num_hidden=3, name="f", flatten=False)
    assert shapes(dense, data=(0, 0, 3)) == ([(0, 0, 3), (3, 3), (3,)], [(0, 0, 3)])
    assert shapes(sym.Convolution(d, num_filter=3, kernel=(3, 3)), data=(0, 3, 8, 8))[1] == [(0, 3, 6, 6)]
    assert shapes(sym.Concat(d, b), data=(2, 3))[0] == [(2, 3), (2, 0)]
    assert shapes(sym.Concat(d, b), data=(2, 3), b=(0, 3)) == ([(2, 3), (2, 3)], [(2, 6)])
    assert shapes(d + b, data=(2, 0), b=(0, 3)) == ([(2, 3), (2, 3)], [(2, 3)])
    assert shapes(sym.relu(d) + b, b=(2, 5)) == ([(2, 5), (2, 5)], [(2, 5)])
    assert shapes(sym.Flatten(d) + b, b=(2, 6)) == ([(), (2, 6)], [(2, 6)])
    assert shapes(sym.SoftmaxOutput(d, name="s"), s_label=(2,)) == ([(), (2,)], [()])
    assert shapes(sym.Reshape(d, shape=(0, -1)), data=(2, 0, 3))[1] == [(2, 0)]
    assert shapes(sym.LinearRegressionOutput(d - b, name="l"), b=(4, 2))[0] == [(4, 2), (4, 2), (4, 2)]
    assert shapes(sym.broadcast_add(d, b), data=(2, 3)) == ([(2, 3), ()], [()])


def test_a_first_state_of_unknown_batch_gets_it_from_what_it_is_added_to() -> None:
    h = sym.FullyConnected(sym.zeros((0, 3)), num_hidden=4, name="h") + sym.FullyConnected(sym.var("data"), num_hidden=4, name="i")
    assert h.infer_shape(data=(7, 2))[0] == [(4, 3), (4,), (7, 2), (4, 2), (4,)]
    executor = h.simple_bind(mx.cpu(), data=(7, 2))
    assert executor.forward()[0].shape == (7, 4)
    assert executor.reshape(data=(3, 2)).forward()[0].shape == (3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert sym.zeros((0, 3)).infer_shape() == (None, None, None)


def test_what_does_not_follow_is_named_in_a_warning() -> None:
    net = sym.FullyConnected(sym.var("data"), num_hidden=3, name="f")
    with pytest.warns(UserWarning, match=r"data: \(\)[\s\S]*f_bias: \(\)"):
        assert net.infer_shape(f_weight=(3, 4)) == (None, None, None)
    with pytest.warns(UserWarning, match="data, f_weight, f_bias"):
        assert net.infer_type() == (None, None, None)


def test_operators_that_are_random_are_so_at_each_forward() -> None:
    executor = sym.Dropout(sym.var("x"), p=0.5).bind(mx.cpu(), {"x": nd.ones((64,))})
    mx.random.seed(3)
    first, second = (executor.forward(is_train=True)[0].asnumpy() for _ in range(2))
    assert (first != second).any()
    mx.random.seed(3)
    assert (executor.forward(is_train=True)[0].asnumpy() == first).all()
    assert (executor.forward(is_train=False)[0].asnumpy() == 1).all()


@pytest.mark.filterwarnings("ignore::hybridnet.core.storage.StorageFallbackWarning")
@pytest.mark.parametrize("storages", [("csr", "default"), ("default", "row_sparse"), ("csr", "row_sparse")])
def test_arguments_of_other_storage(storages: tuple[str, str]) -> None:
    """A linear model of sparse rows: outputs and gradients are those of the dense one, and the gradient is of the storage bound for it."""
    x, w = np.array([[0, 2, 0], [1, 0, 0.5]], np.float32), np.array([[1, 2], [0, 0], [3, 1]], np.float32)
    arguments = {name: nd.array(value).tostype(storage) for name, value, storage in zip("xw", (x, w), storages, strict=True)}
    executor = sym.sparse.dot(sym.var("x"), sym.var("w")).bind(
        mx.cpu(), arguments, {"w": nd.sparse.zeros("row_sparse", (3, 2))}, {"x": "null", "w": "write"}
    )
    for _ in range(2):
        assert executor.forward(is_train=True)[0].tolist() == (x @ w).tolist()
        executor.backward(nd.ones((2, 2)))
        gradient = executor.grad_dict["w"]
        assert (gradient.stype, gradient.asnumpy().tolist()) == ("row_sparse", (x.T @ np.ones((2, 2))).tolist())
        x, w = x * 2, w + 1
        executor.forward(x=nd.array(x).tostype(storages[0]), w=nd.array(w).tostype(storages[1]))
    kept = sym.abs(sym.var("x")).bind(mx.cpu(), {"x": -arguments["x"]}).forward()[0]
    assert (kept.stype, kept.asnumpy().tolist()) == (arguments["x"].stype, abs(arguments["x"].asnumpy()).tolist())
