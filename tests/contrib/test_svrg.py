"""``SVRGModule`` beside what ``tests/module/test_mxnet_programs.py`` compares with MXNet."""

from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet.contrib.svrg_optimization.svrg_module import SVRGModule
from hybridnet.errors import ArgumentError, UninitializedError


@pytest.fixture(autouse=True)
def classic_rules() -> Any:
    mx.util.reset_np()
    yield
    mx.util.set_np()


def network() -> Any:
    found = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, name="fc")
    return mx.sym.LinearRegressionOutput(found, mx.sym.var("label"), name="out")


def data(seed: int = 0) -> Any:
    random = np.random.RandomState(seed)
    x = random.randn(14, 5).astype("float32")
    y = x @ np.array([1, -2, 0.5, 3, 0], "float32") + 0.1 * random.randn(14).astype("float32")
    return mx.io.NDArrayIter(x, y, batch_size=4, label_name="label")


def module(**kwargs: Any) -> SVRGModule:
    return SVRGModule(network(), ["data"], ["label"], **{"update_freq": 2, **kwargs})


def fitted(optimizer: Any = "sgd", kvstore: Any = "local", **kwargs: Any) -> dict[str, Any]:
    made = module(**kwargs)
    params = {"learning_rate": 0.05, "wd": 0.1}
    made.fit(
        data(), eval_metric="mse", optimizer=optimizer, optimizer_params=params, kvstore=kvstore, initializer=mx.init.One(), num_epoch=5
    )
    return {name: x.asnumpy() for name, x in made.get_params()[0].items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("kvstore", ["local", "device"])
def test_contexts_do_not_change_what_is_learnt(optimizer: str, kvstore: str) -> None:
    alone, shared = fitted(optimizer), fitted(optimizer, kvstore, context=[mx.cpu(0), mx.cpu(1)])
    for name, x in alone.items():
        assert np.abs(x - 1).max() > 0.01
        np.testing.assert_allclose(shared[name], x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("contexts", [1, 2])
def test_the_correction_is_nothing_on_average(contexts: int) -> None:
    """At the copy each batch's corrected gradient is the mean one: all batches make the same step."""
    made, batches = module(context=[mx.cpu(i) for i in range(contexts)]), data()
    made.bind(batches.provide_data, batches.provide_label)
    made.init_params(mx.init.One())
    made.init_optimizer(optimizer_params={"learning_rate": 0.05})
    steps = []
    made.update_full_grads(batches)
    before = {name: x.copy() for name, x in made.get_params()[0].items()}
    batches.reset()
    for batch in batches:
        made.forward_backward(batch)
        made.update()
        steps.append((made.get_params()[0]["fc_weight"] - before["fc_weight"]).asnumpy())
        made.set_params(before, {})
        if made._update_on_kvstore:
            break  # the store has parameters of its own, which went on
    for step in steps:
        np.testing.assert_allclose(step, steps[0], rtol=1e-4, atol=1e-6)
    assert np.abs(steps[0]).min() > 1e-3


def test_a_fixed_parameter_stays() -> None:
    found = fitted(fixed_param_names=["fc_bias"])
    assert found["fc_bias"].tolist() == [0]
    assert np.abs(fitted()["fc_bias"]) > 1e-3
    assert np.abs(found["fc_weight"] - 1).max() > 0.1


def test_an_optimizer_that_is_made() -> None:
    made = fitted(mx.optimizer.SGD(learning_rate=0.05, wd=0.1, rescale_grad=0.25, param_idx2name={0: "fc_weight", 1: "fc_bias"}))
    for name, x in fitted().items():
        np.testing.assert_allclose(made[name], x, rtol=1e-5)


def test_the_optimizer_assigns_mean_gradients() -> None:
    own = mx.optimizer.create(
        "_SVRGOptimizer", default_optimizer="sgd", learning_rate=0.5, param_idx2name={0: "w_weight", 1: "w_weight_full"}
    )
    for index, expected in ((0, 0.5), (1, 1), ("w_weight_full", 1)):
        weight, grad = mx.nd.ones(3), mx.nd.ones(3)
        own.update(index, weight, grad, own.create_state(index, weight))
        assert weight.asnumpy().tolist() == [expected] * 3


def test_what_it_refuses() -> None:
    for wrong in (None, 0, 1.5):
        with pytest.raises(ArgumentError, match="update_freq, a positive integer"):
            module(update_freq=wrong)
    made, batches = module(), data()
    with pytest.raises(UninitializedError, match=r"a module after bind"):
        made.update_full_grads(batches)
    made.bind(batches.provide_data, batches.provide_label)
    made.init_params(mx.init.One())
    made.init_optimizer()
    made.forward_backward(next(batches))
    with pytest.raises(UninitializedError, match=r"update_full_grads\(train_data\)"):
        made.update()
