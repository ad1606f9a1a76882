"""Many parameters at once: an updater moves them by one program, to where they come one by one."""

import pickle
from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet import lr_scheduler, nd, sym
from hybridnet.compile import Jit
from hybridnet.optimizer import Optimizer, create, get_updater

NAMES = [
    "sgd", "nag", "adam", "adamw", "rmsprop", "adagrad", "groupadagrad", "adadelta", "adamax", "nadam", "ftrl", "ftml", "signum", "lamb",
    "lars", "dcasgd",
]  # fmt: skip


def arrays(dtype: str = "float32") -> list[Any]:
    return [nd.array(np.linspace(-1, 1, n).reshape(shape), dtype=dtype) for n, shape in ((6, (2, 3)), (3, (3,)), (4, (2, 2)))]


def moved(name: str, together: bool, steps: int = 4, dtype: str = "float32", **arguments: Any) -> tuple[list[Any], Any]:
    """Parameters after some updates, and the updater."""
    given = {} if name == "groupadagrad" else {"wd": 0.01}  # which takes no decay
    optimizer = create(name, learning_rate=0.1, param_idx2name={0: "a_weight", 1: "a_bias", 2: "b_weight"}, **given, **arguments)
    optimizer.set_lr_mult({"b_weight": 0.5})
    updater, weights = get_updater(optimizer), arrays(dtype)
    for step in range(steps):
        grads = [w * 0.5 + 0.1 * step for w in arrays(dtype)]
        if step == 2:
            optimizer.rescale_grad = 0.25
        if together:
            updater([0, 1, 2], grads, weights)
        else:
            for i, (g, w) in enumerate(zip(grads, weights, strict=True)):
                updater(i, g, w)
    return weights, updater


@pytest.mark.parametrize("name", NAMES)
def test_at_once_is_one_by_one(name: str) -> None:
    together, updater = moved(name, True)
    one_by_one, other = moved(name, False)
    for x, y in zip(together, one_by_one, strict=True):
        np.testing.assert_allclose(x.asnumpy(), y.asnumpy(), rtol=2e-5, atol=2e-6)
    assert updater.optimizer._index_update_count == other.optimizer._index_update_count == {0: 4, 1: 4, 2: 4}
    again = get_updater(create(name, learning_rate=0.1))
    again.set_states(updater.get_states())
    assert again.optimizer.num_update == 4


def test_of_sixteen_bits_with_copies() -> None:
    together, _ = moved("sgd", True, dtype="float16", momentum=0.9, multi_precision=True)
    one_by_one, _ = moved("sgd", False, dtype="float16", momentum=0.9, multi_precision=True)
    assert all(np.array_equal(x.asnumpy(), y.asnumpy()) for x, y in zip(together, one_by_one, strict=True))


def test_a_schedule_is_followed_and_nothing_is_compiled_anew() -> None:
    results = []
    for together in (True, False):
        schedule = lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=0.2)
        weights, updater = moved("adam", together, steps=7, lr_scheduler=schedule)
        results.append(weights)
    for x, y in zip(*results, strict=True):
        np.testing.assert_allclose(x.asnumpy(), y.asnumpy(), rtol=2e-5)
    _, updater = moved("adam", True, steps=7)
    (sweep,) = updater._sweeps.values()
    ((_, program),) = sweep._programs.values()
    assert isinstance(program, Jit) and len(program.cache) == 1


class OneByOne(Optimizer):
    """An optimizer of a user's, with an ``update`` of its own, which no program takes."""

    def create_state(self, index: Any, weight: Any) -> Any:
        return None

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        self._update_count(index)
        weight -= self._get_lr(index) * grad


def test_what_cannot_be_at_once_is_one_by_one() -> None:
    updater = get_updater(OneByOne(learning_rate=0.5))
    weights = arrays()
    updater([0, 1, 2], arrays(), weights)
    assert not updater._sweeps and weights[1].asnumpy().tolist() == [-0.5, 0.0, 0.5]
    updater = get_updater(create("adam"))  # with counts that differ
    updater(1, arrays()[1], arrays()[1])
    updater([0, 1, 2], arrays(), arrays())
    assert not updater._sweeps and updater.optimizer._index_update_count == {0: 1, 1: 2, 2: 1}


def test_a_module_updates_by_one_program() -> None:
    x = sym.FullyConnected(sym.FullyConnected(sym.var("data"), num_hidden=4, name="a"), num_hidden=2, name="b")
    module = mx.mod.Module(sym.SoftmaxOutput(x, name="softmax"))
    module.bind([("data", (4, 3))], [("softmax_label", (4,))])
    module.init_params(mx.init.Uniform(0.5))
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    batch = mx.io.DataBatch([nd.ones((4, 3))], [nd.zeros((4,))])
    before = {name: value.asnumpy() for name, value in module.get_params()[0].items()}
    for _ in range(3):
        module.forward_backward(batch)
        module.update()
    (sweep,) = module._updater._sweeps.values()
    assert [len(key) for key in sweep._programs] == [4]
    assert all(not np.array_equal(value.asnumpy(), before[name]) for name, value in module.get_params()[0].items())


def test_the_product_of_nadams_momenta_is_mxnets() -> None:
    """MXNet 1.9.1's after an update of each of two parameters, and after three."""
    optimizer = create("nadam", learning_rate=0.1)
    updater, weights = get_updater(optimizer), arrays()[:2]
    assert optimizer.m_schedule == 1.0
    for expected in (0.20256613163053508, 0.04104643371162104, 0.008320046228791489):
        updater([0, 1], [w * 0.5 for w in weights], weights)
        np.testing.assert_allclose(optimizer.m_schedule, expected, rtol=1e-6)
    optimizer.m_schedule = 0.5
    assert optimizer.m_schedule == pickle.loads(pickle.dumps(optimizer)).m_schedule == 0.5
