"""MXNet 1.9.1's own rules in Gluon and the optimizers: what it gave for small cases, kept here as numbers."""

import itertools
import json
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, cpu, gluon, nd, np, optimizer
from hybridnet.errors import ArgumentError, DeferredInitializationError
from hybridnet.gluon import nn, rnn

# -- optimizers ------------------------------------------------------------------------------------

STEPS = json.loads("""
{
"nag": [{"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1}, [[0.924, -1.867, 2.734], [0.462, 1.829]],
  [[0.5018355846405029, -1.318033218383789, 1.4289889335632324], [0.2164050042629242, 0.9654123783111572]]],
"nag, clipped": [{"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1, "clip_gradient": 0.2}, [[0.943, -1.924, 2.905], [0.462, 1.924]],
  [[0.6491045951843262, -1.5321394205093384, 2.4151742458343506], [0.23053289949893951, 1.5321394205093384]]],
"nadam": [{"learning_rate": 0.1},
  [[0.8943548202514648, -1.8943548202514648, 2.894354820251465], [0.4260849058628082, 1.9260847568511963]],
  [[0.6733704209327698, -1.7186411619186401, 2.6821343898773193], [0.19761109352111816, 1.7152099609375]]],
"nadam, decaying": [{"learning_rate": 0.1, "wd": 0.1},
  [[0.8943548202514648, -1.8943548202514648, 2.894354820251465], [0.4260849058628082, 1.9260847568511963]],
  [[0.67918461561203, -1.7105082273483276, 2.6838865280151367], [0.2063802033662796, 1.7177815437316895]]]}""")


@pytest.mark.parametrize("kind", ["one by one", "together", "trainer"])
@pytest.mark.parametrize("name", STEPS)
def test_steps_of_optimizers_with_two_parameters(name: str, kind: str) -> None:
    keywords, first, last = STEPS[name]
    weights = [np.array([1.0, -2, 3]), np.array([0.5, 2])]

    def gradient(w: Any, step: int) -> Any:
        return w * 0.3 + np.arange(w.shape[0]) * 0.1 + 0.05 * step

    found = []
    if kind == "trainer":
        parameters = [gluon.Parameter(f"p{i}_weight", shape=w.shape) for i, w in enumerate(weights)]
        for p, w in zip(parameters, weights, strict=True):
            p.initialize()
            p.set_data(w)
        trainer = gluon.Trainer(parameters, name.split(",")[0], keywords)
        for step in range(4):
            with autograd.record():
                loss = sum((p.data() * gradient(p.data(), step).detach()).sum() for p in parameters)
            loss.backward()
            trainer.step(1)
            found.append([p.data().asnumpy() for p in parameters])
    else:
        opt = optimizer.create(name.split(",")[0], **keywords)
        states = [opt.create_state(i, w) for i, w in enumerate(weights)]
        for step in range(4):
            if kind == "one by one":
                for i, (w, s) in enumerate(zip(weights, states, strict=True)):
                    opt.update(i, w, gradient(w, step), s)
            else:
                entries = [(i, w, gradient(w, step), s) for i, (w, s) in enumerate(zip(weights, states, strict=True))]
                opt.update_all(entries, *(np.array(v, dtype="float64") for v in (opt.lr, step + 1, 1.0)))
            found.append([w.asnumpy() for w in weights])
    for mine, theirs in zip(found[0] + found[3], first + last, strict=True):
        numpy.testing.assert_allclose(mine, theirs, atol=2e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_rule_that_writes_nothing_is_refused(compiled: bool) -> None:
    class Returns(optimizer.Optimizer):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> Any:
            return weight - grad * scalars[0]

    class Writes(optimizer.Optimizer):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
            weight[:] = weight - grad * scalars[0]

    p = gluon.Parameter("w", shape=(2,))
    p.initialize("ones")
    for kind in (Writes, Returns):
        opt = kind(learning_rate=0.5)
        trainer = gluon.Trainer([p], opt) if compiled else None

        def step(opt: Any = opt, trainer: Any = trainer) -> None:
            with autograd.record():
                loss = p.data().sum()
            loss.backward()
            if trainer is not None:
                trainer.step(1)
            else:
                opt.update(0, p.data(), p.grad(), None)

        if kind is Returns:
            with pytest.raises(ArgumentError, match=r"Returns.rule.*writes the new values into weight"):
                step()
        else:
            step()
            assert p.data().tolist() == [0.5, 0.5]


# -- Gluon -----------------------------------------------------------------------------------------


def test_order_of_recurrent_parameters() -> None:
    kinds = [f"{part}_{kind}" for kind in ("weight", "bias") for part in ("i2h", "h2h")]
    for make in (rnn.RNN, rnn.LSTM, rnn.GRU):
        names = [f"a_{d}{i}_{k}" for i, d, k in itertools.product(range(2), "lr", kinds)]
        assert list(make(2, 2, bidirectional=True, input_size=3, prefix="a_").collect_params()) == names
    assert list(rnn.LSTMCell(2, input_size=3, prefix="a_").collect_params()) == [f"a_{k}" for k in kinds]


@pytest.mark.parametrize("prefix", ["n_", ""])
def test_a_child_with_an_empty_prefix(prefix: str) -> None:
    class Net(gluon.HybridBlock):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.features = nn.HybridSequential(prefix="")
                with self.features.name_scope():
                    self.features.add(nn.Dense(1, in_units=1), nn.Dense(1, in_units=1))
                self.output = nn.Dense(1, in_units=1)

    with hn.name.NameManager():
        names = list(Net(prefix=prefix).collect_params())
    assert names == [f"{prefix}dense{i}_{kind}" for i in range(3) for kind in ("weight", "bias")]


def test_parts_for_one_device() -> None:
    parts = gluon.utils.split_and_load(np.arange(4), [cpu(0), cpu(0)])
    assert [p.tolist() for p in parts] == [[0, 1], [2, 3]]
    with pytest.raises(ArgumentError, match="split_and_load"):
        gluon.Parameter("w", shape=(2,)).initialize(ctx=[cpu(0), cpu(0)])


def test_a_fixed_gamma_is_written() -> None:
    """MXNet 1.9.1 writes the 1 that it takes into gamma, in training and in prediction."""
    for training in (False, True):
        for fixed in (False, True):
            gamma, others = nd.array([2, 2]), (nd.zeros((2,)), nd.zeros((2,)), nd.ones((2,)))
            with autograd.record(training):
                nd.BatchNorm(nd.ones((2, 2)), gamma, *others, fix_gamma=fixed)
            assert gamma.asnumpy().tolist() == ([1, 1] if fixed else [2, 2])
    for hybridize in (False, True):
        layer = nn.BatchNorm(scale=False, in_channels=2, gamma_initializer=hn.init.Constant(3))
        layer.initialize()
        layer.hybridize(hybridize)
        with autograd.record():
            layer(np.ones((2, 2)))
        assert layer.gamma.data().tolist() == [1, 1]


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("make", [np.array, nd.array], ids=["np", "nd"])
def test_own_weights_of_unknown_shape(make: Any, hybridize: bool) -> None:
    """MXNet finds them from what hybrid_forward does with them; so do we."""

    class Own(gluon.HybridBlock):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.inner = nn.Dense(5)
                self.weight = self.params.get("weight", shape=(3, 0), allow_deferred_init=True)
                self.bias = self.params.get("bias", shape=(3,), init="zeros")
                self.gamma = self.params.get("gamma", shape=(0,), init="ones", allow_deferred_init=True)
                self.beta = self.params.get("beta", shape=(0,), init="zeros", allow_deferred_init=True)
                self.kernel = self.params.get("kernel", shape=(2, 0, 1), allow_deferred_init=True)

        def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any, gamma: Any, beta: Any, kernel: Any) -> Any:
            y = F.LayerNorm(F.relu(self.inner(x)), gamma, beta)
            y = F.FullyConnected(y, weight, bias, num_hidden=3)
            return F.Convolution(F.expand_dims(y, 2), kernel, no_bias=True, kernel=(1,), num_filter=2)

    net = Own()
    net.initialize()
    net.hybridize(hybridize)
    x = make([[1.0, 2.0, 3.0, 4.0]] * 2)
    with autograd.record():
        y = net(x)
    assert y.shape == (2, 2, 1)
    assert type(y) is type(x)
    assert [p.shape for p in (net.weight, net.gamma, net.kernel, net.inner.weight)] == [(3, 5), (5,), (2, 3, 1), (5, 4)]

    class Untold(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.scale = self.params.get("scale", shape=(1, 0), allow_deferred_init=True)

        def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:
            return F.broadcast_mul(x, scale)

    untold = Untold()
    untold.initialize()
    with pytest.raises(DeferredInitializationError, match="defining infer_shape"):
        untold(x)


class _Typed(gluon.HybridBlock):
    def __init__(self, dtype: Any) -> None:
        super().__init__()
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(3, 4), dtype=dtype)
            self.inner = nn.Dense(2, in_units=3)

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        return F.FullyConnected(x, weight, num_hidden=3, no_bias=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_element_types_follow_from_the_inputs(dtype: str) -> None:
    """Those of parameters that were made without one; the others keep theirs."""
    net = _Typed(None)
    assert net.weight.dtype == "float32"
    net.infer_type(hn.nd.ones((2, 4), dtype=dtype))
    assert net.weight.dtype == dtype and net.inner.weight.dtype == "float32"
    net.initialize()
    assert net(hn.nd.ones((2, 4), dtype=dtype)).dtype == numpy.dtype(dtype)
    net.infer_type(hn.nd.ones((2, 4), dtype="float32"))
    assert net.weight.dtype == dtype  # which is its own now
    told = _Typed("float64")
    told.infer_type(hn.nd.ones((2, 4), dtype="float64"))
    assert told.weight.dtype == "float64"
