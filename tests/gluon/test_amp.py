"""Mixed precision: the same imperatively, hybridized and in a compiled step; float32 gradients; what is cast."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from support.amp_steps import MODES, inputs, network, train

from hybridnet import amp, autograd, dtypes, init, jit, np, npx
from hybridnet.core import OPS, computing_in
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def switched_off_again() -> Iterator[None]:
    with numpy.errstate(over="ignore", invalid="ignore"):  # too large a scale is found out by trying
        yield
    amp.init("float32")


@pytest.mark.parametrize("target", ["float16", "bfloat16"])
def test_a_training_step_agrees_in_the_three_modes(target: str) -> None:
    amp.init(target)
    results = [train(mode) for mode in MODES]
    for losses, parameters, *_ in results[1:]:
        numpy.testing.assert_allclose(losses, results[0][0], rtol=3e-2, atol=3e-2)
        for (k, p), q in zip(parameters.items(), results[0][1].values(), strict=True):
            assert p.dtype == numpy.float32
            numpy.testing.assert_allclose(p, q, rtol=3e-2, atol=1e-2, err_msg=k)
    amp.init("float32")
    plain, *_ = train("imperative")
    numpy.testing.assert_allclose(results[0][0], plain, rtol=5e-2, atol=5e-2)
    assert not numpy.array_equal(results[0][0], plain)  # and yet it was another arithmetic


def test_gradients_of_parameters_are_float32_and_the_backward_is_not() -> None:
    amp.init("bfloat16")
    net = nn.Dense(4, in_units=5)
    net.initialize(init.Normal(0.5))
    x = np.ones((2, 5))
    with autograd.record():
        y = net(x)
    assert y.dtype == dtypes.bfloat16  # the bias is part of the product
    y.backward()
    assert net.weight.grad().dtype == net.bias.grad().dtype == numpy.float32

    def step(x: Any) -> Any:
        with autograd.record():
            loss = npx.log_softmax(net(x)).sum()
        loss.backward()
        return loss

    graph = jit(step).graph(x)
    products = [node for node in graph.nodes if node.op.name == "matmul"]
    assert len(products) == 2  # forward, and the gradient of the weight
    assert all(v.dtype == dtypes.bfloat16 for node in products for v in (*node.inputs, *node.outputs))
    assert {node.inputs[0].dtype for node in graph.nodes if node.op.name == "exp"} == {dtypes.float32}


def test_casts_of_one_parameter_are_shared_and_casts_there_and_back_are_none() -> None:
    amp.init("float16")
    w = np.ones((3, 3))

    @jit
    def twice(x: Any) -> Any:
        y = np.dot(np.dot(x, w), w)
        return np.dot(y.astype("float32"), w)

    graph = twice.graph(np.ones((2, 3)))
    assert [node.op.name for node in graph.nodes] == ["cast", "cast", "matmul", "matmul", "matmul"]


def test_several_types_give_the_widest_and_float64_is_left_alone() -> None:
    amp.init("float16")
    half, single, double = (np.ones((2, 2), dtype=d) for d in ("float16", "float32", "float64"))
    assert (half + single).dtype == numpy.float32
    assert np.dot(half, single).dtype == numpy.float16
    assert np.dot(single, double).dtype == numpy.float64
    assert np.exp(half).dtype == numpy.float32
    assert (half * 70000.0).dtype == numpy.float16
    assert float(np.sum(np.full((300,), 300.0, dtype="float16"))) == 90000  # beyond float16


def test_the_policy_is_part_of_the_key() -> None:
    f = jit(lambda x: np.dot(x, x))
    x = np.ones((2, 2))
    types = []
    for target in ("float32", "bfloat16", "float16", "bfloat16"):
        amp.init(target)
        types.append(f(x).dtype)
    assert types == [numpy.float32, dtypes.bfloat16, numpy.float16, dtypes.bfloat16]
    assert len(f.retraces) == 2
    assert all(why.startswith("precision: ") for why in f.retraces)


def test_lists() -> None:
    halved, kept, follow = amp.list_lp16_ops(), amp.list_fp32_ops(), amp.list_lp16_fp32_ops()
    assert sorted(halved + kept + follow) == sorted(OPS)
    assert {"matmul", "convolution", "convolution_data_grad", "convolution_weight_grad", "rnn_sequence"} <= set(halved)
    assert {"softmax", "log_softmax", "exp", "log", "power", "square", "sum", "logsumexp", "svd"} <= set(kept)
    assert {"add", "multiply", "maximum", "relu", "max_pool", "concatenate", "reshape", "batch_norm", "softmax_cross_entropy"} <= set(
        follow
    )
    amp.init("float16", target_precision_ops=["exp"], fp32_ops=["matmul"])
    x = np.ones((2, 2))
    assert np.exp(x).dtype == numpy.float16
    assert np.dot(x, x).dtype == numpy.float32
    with pytest.raises(ValueError, match="in both"):
        amp.init("float16", target_precision_ops=["exp"], fp32_ops=["exp"])
    with pytest.raises(ValueError, match="maximum"):
        amp.init("float16", fp32_ops=["maximun"])
    with pytest.raises(ValueError, match="float16 or bfloat16"):
        amp.init("float64")


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_converted_block(hybridize: bool) -> None:
    net = network()
    x, _ = inputs()
    converted = amp.convert_hybrid_block(net, "bfloat16", fp32_ops=["convolution"])
    if hybridize:
        converted.hybridize()
    y = converted(x)
    assert y.dtype == dtypes.bfloat16
    assert net(x).dtype == numpy.float32
    assert dict(converted.collect_params()) == dict(net.collect_params())
    numpy.testing.assert_allclose(y.astype("float32").asnumpy(), net(x).asnumpy(), rtol=3e-2, atol=3e-2)
    with pytest.raises(ValueError, match="HybridBlock"):
        amp.convert_hybrid_block(lambda x: x)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_states_of_a_loop_keep_their_types(compiled: bool) -> None:
    amp.init("bfloat16")
    w = np.ones((2, 2)) * 0.5

    def run(x: Any) -> Any:
        return npx.foreach(lambda e, h: (np.dot(h, w) + e, np.dot(h, w)), x, np.ones((1, 2)))

    outputs, last = (jit(run) if compiled else run)(np.ones((40, 1, 2)))
    assert (outputs.shape, last.dtype) == ((40, 1, 2), numpy.float32)
    assert float(last.sum()) == 2


def test_other_threads_follow_and_what_a_block_chose_stays_its_own() -> None:
    amp.init("bfloat16")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(np.dot(np.ones((2, 2)), np.ones((2, 2))).dtype))
    thread.start()
    thread.join()
    assert found == [dtypes.bfloat16]
    with computing_in(None):
        amp.init("float16")
        assert np.dot(np.ones((2, 2)), np.ones((2, 2))).dtype == numpy.float32
    assert np.dot(np.ones((2, 2)), np.ones((2, 2))).dtype == numpy.float16


@pytest.mark.parametrize("compiled", [False, True])
def test_inside_an_operator_its_author_chose_the_types(compiled: bool) -> None:
    """GELU follows its operand, and its parts, of which one alone would be float32, are not asked."""
    amp.init("float16")
    f = jit(npx.gelu) if compiled else npx.gelu
    assert f(np.ones((3,), dtype="float16")).dtype == numpy.float16


def test_a_backward_computes_in_the_types_of_its_forward() -> None:
    """That of a float32 operator, which is made of products, in float32."""
    x = np.array(numpy.random.default_rng(0).normal(size=(4, 4)).astype("float32"))
    x.attach_grad()
    found = []
    for target in ("float32", "bfloat16"):
        amp.init(target)
        with autograd.record():
            y = np.linalg.inv(x)
        y.backward()
        found.append(x.grad.asnumpy())
    numpy.testing.assert_array_equal(*found)


def test_gradients_of_gradients_of_a_compiled_function() -> None:
    """Run again to be differentiated again, it is run by the policy that it was called under."""
    amp.init("bfloat16")
    w = np.array(numpy.random.default_rng(1).normal(size=(4, 4)).astype("float32"))
    found = []
    for run in (lambda x: np.tanh(np.dot(x, w)), jit(lambda x: np.tanh(np.dot(x, w)))):
        x = np.array(numpy.random.default_rng(2).normal(size=(3, 4)).astype("float32"))
        x.attach_grad()
        with autograd.record():
            y = run(x)
            g = autograd.grad(y, x, create_graph=True, retain_graph=True)
            z = (g * g).sum()
        z.backward()
        found.append((g.asnumpy(), x.grad.asnumpy()))
    numpy.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    numpy.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)


def test_operators_on_a_condition_compute_in_float32_whatever_it_is() -> None:
    x = np.ones((2, 2))
    net = nn.Dense(2)
    net.initialize()
    wide = amp.convert_hybrid_block(net, conditional_fp32_ops=[("matmul", "transpose_b", [True])])
    assert amp.convert_hybrid_block(net)(x).dtype == "float16" and wide(x).dtype == "float32"
    assert amp.list_conditional_fp32_ops() == [] and amp.list_widest_type_cast() == amp.list_lp16_fp32_ops()
