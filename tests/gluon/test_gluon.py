"""Gluon: names, registration, and how parameters get shapes and values."""

from typing import Any

import numpy
import pytest
from support.gluon_blocks import New, Old, sample

import hybridnet as hn
from hybridnet import autograd, gluon, init, np
from hybridnet.errors import ArgumentError, DeferredInitializationError, ShapeError, UninitializedError
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


def test_names_are_mxnets() -> None:
    with hn.gluon.block.base.naming.name.NameManager():
        net = nn.HybridSequential()
        with net.name_scope():
            net.add(nn.Dense(3), nn.Dense(2), nn.Conv2D(2, 3))
        loose = nn.Sequential(prefix="model_")
        loose.add(nn.Dense(4), Old())
        empty = Old(prefix="")
    layers = "dense0_weight dense0_bias dense1_weight dense1_bias conv0_weight conv0_bias"
    assert list(net.collect_params()) == [f"hybridsequential0_{name}" for name in layers.split()]
    names = "dense0_weight dense0_bias old0_scale old0_shift old0_dense0_weight old0_dense0_bias"
    assert list(loose.collect_params()) == names.split()
    assert list(empty.collect_params()) == ["scale", "shift", "dense1_weight", "dense1_bias"]
    assert (net.name, net.prefix, net[0].name) == ("hybridsequential0", "hybridsequential0_", "hybridsequential0_dense0")
    assert list(loose._collect_params_with_prefix()) == ["0.weight", "0.bias", "1.scale", "1.shift", "1.dense.weight", "1.dense.bias"]


def test_collect_params_selects_by_pattern() -> None:
    net = Old(prefix="a_")
    assert list(net.collect_params(".*weight|.*scale")) == ["a_scale", "a_dense0_weight"]
    assert list(net.collect_params("weight")) == []  # matched from the beginning, as in MXNet


def test_parameters_are_shared_by_params() -> None:
    first = Old(prefix="a_")
    second = Old(prefix="b_", params=first.collect_params())
    first.initialize()
    x = sample(2, 3)
    numpy.testing.assert_array_equal(first(x).asnumpy(), second(x).asnumpy())
    assert second.dense.weight is first.dense.weight and second.scale.name == "a_scale"
    with pytest.raises(ShapeError, match=r"a_dense0_weight.*fits"):
        nn.Dense(9, params=first.dense.params)
    with pytest.raises(ArgumentError, match="dtype"):
        nn.Dense(4, dtype="float16", params=first.dense.params)


def test_share_parameters_by_structure() -> None:
    first, second = nn.HybridSequential(), nn.HybridSequential()
    for net in (first, second):
        net.add(nn.Dense(3, in_units=2), nn.Dense(1, in_units=3))
    first.initialize()
    second.share_parameters(first.collect_params())
    assert second[1].weight is first[1].weight and list(second.collect_params()) == list(first.collect_params())
    numpy.testing.assert_array_equal(first(sample(2, 2)).asnumpy(), second(sample(2, 2)).asnumpy())


def test_one_name_for_two_parameters_is_an_error() -> None:
    net = nn.Sequential()
    net.add(nn.Dense(2, prefix="x_"), nn.Dense(2, prefix="x_"))
    with pytest.raises(ArgumentError, match=r"x_weight.*name_scope"):
        net.collect_params()


def test_blocks_in_lists_are_warned_of() -> None:
    net = New()
    net.layers = [nn.Dense(2)]
    with pytest.warns(UserWarning, match=r"New\.layers holds blocks that are not registered"):
        net.collect_params()


def test_registration_rules() -> None:
    net = New()
    with pytest.raises(TypeError, match="cannot become a int"):
        net.dense = 3
    with pytest.raises(ArgumentError, match="expected a Block"):
        nn.Sequential().add(numpy.tanh)  # type: ignore[arg-type]

    class Early(gluon.Block):
        def __init__(self) -> None:
            self.dense = nn.Dense(2)

    with pytest.raises(ArgumentError, match=r"super\(\).__init__\(\)"):
        Early()


def test_repr() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2, activation="relu"), nn.Conv2D(2, 3, padding=1, use_bias=False), nn.MaxPool2D(), nn.BatchNorm(), New())
    assert repr(net) == (
        "HybridSequential(\n"
        "  (0): Dense(2 -> 3, Activation(relu))\n"
        "  (1): Conv2D(None -> 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)\n"
        "  (2): MaxPool2D(size=(2, 2), stride=(2, 2), padding=(0, 0), ceil_mode=False, global_pool=False, pool_type=max, layout=NCHW)\n"
        "  (3): BatchNorm(axis=1, eps=1e-05, momentum=0.9, fix_gamma=False, use_global_stats=False, in_channels=None)\n"
        "  (4): New(\n"
        "    (dense): Dense(None -> 4, linear)\n"
        "  )\n"
        ")"
    )
    assert repr(net[0].weight).endswith("_weight (shape=(3, 2), dtype=float32)")


# -- initialisation -------------------------------------------------------------------------------


def test_shapes_are_found_at_the_first_call() -> None:
    net = Old()
    net.initialize()
    assert net.dense.weight.shape == (4, 0)
    with pytest.raises(DeferredInitializationError, match="waits for the first forward"):
        net.dense.weight.data()
    net(sample(2, 3))
    assert net.dense.weight.shape == (4, 3) == net.dense.weight.data().shape


@pytest.mark.parametrize("mode", ["hybridize", "jit"])
def test_shapes_are_found_while_tracing(mode: str) -> None:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(3, 3), nn.BatchNorm(), nn.Dense(2), New())
    net.initialize()
    x = sample(2, 1, 5, 5)
    call = hn.jit(lambda x: net(x)) if mode == "jit" else net
    if mode == "hybridize":
        net.hybridize()
    compiled = call(x)
    net.hybridize(False)
    numpy.testing.assert_allclose(compiled.asnumpy(), net(x).asnumpy(), rtol=1e-5, atol=1e-7)
    assert type(net[0].weight.data()._data) is numpy.ndarray


def test_the_same_seed_gives_the_same_values_in_every_mode() -> None:
    weights = []
    for hybrid in (False, True):
        hn.random.seed(3)
        net = nn.HybridSequential()
        net.add(nn.Dense(3), nn.Dense(2))
        net.initialize(init.Xavier())
        if hybrid:
            net.hybridize()
        net(sample(2, 4))
        weights.append([p.data().asnumpy() for p in net.collect_params().values()])
    for a, b in zip(*weights, strict=True):
        numpy.testing.assert_array_equal(a, b)


def test_unknown_shapes_say_what_to_do() -> None:
    class Vague(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="vague_")
            self.w = self.params.get("w", shape=(0, 3), allow_deferred_init=True)

        def hybrid_forward(self, F: Any, x: Any, w: Any) -> Any:
            return F.dot(x, w)

    net = Vague()
    with pytest.raises(UninitializedError, match=r"\[vague_w\].*net\.initialize\(\)"):
        net(sample(2, 2))
    net.initialize()
    with pytest.raises(DeferredInitializationError, match=r"\[vague_w\].*defining infer_shape"):
        net(sample(2, 2))
    with pytest.raises(ShapeError, match="allow_deferred_init=True"):
        gluon.Parameter("w", shape=(0, 2)).initialize()


def test_errors_name_the_block_and_the_line() -> None:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=3), nn.Dense(2, in_units=5))
    net.initialize()
    for hybrid in (False, True):
        net.hybridize(hybrid)
        with pytest.raises(ShapeError, match=r"\[fully_connected\].*test_gluon\.py:\d+ in net\.dense1"):
            net(sample(2, 3))
    assert hn.errors.scope_path() == []


def test_initializers_and_their_precedence() -> None:
    net = nn.Dense(3, in_units=2, weight_initializer=init.Constant(5), bias_initializer="ones")
    net.initialize(init.Zero())
    assert (net.weight.data() == 5).all() and (net.bias.data() == 1).all()
    net.weight.initialize(init="zeros", force_reinit=True)
    assert (net.weight.data() == 0).all()
    mixed = init.Mixed([".*gamma", ".*"], [init.Constant(3), init.Uniform(0.5)])
    values = {name: np.zeros((4, 4)) for name in ("a_gamma", "a_bias", "a_weight")}
    for name, x in values.items():
        mixed(init.InitDesc(name), x)
    # Constant's own rule fills weights alone; by its name a gamma begins as 1.
    assert (values["a_gamma"] == 1).all() and (values["a_bias"] == 0).all() and 0 < abs(values["a_weight"]).max() <= 0.5
    with pytest.raises(ArgumentError, match="a name that ends in weight"):
        init.Normal()("strange", values["a_bias"])
    with pytest.raises(ArgumentError, match="xavier"):
        net.initialize("xavierr", force_reinit=True)
    with pytest.raises(ShapeError, match="2 dimensions"):
        init.Xavier()("v_weight", np.zeros((3,)))


def test_initializers_draw_as_they_say() -> None:
    def drawn(i: Any, *shape: int) -> Any:
        x = np.zeros(shape)
        i("w_weight", x)
        return x.asnumpy()

    for kind, fan in (("in", 600), ("out", 900), ("avg", 750)):  # a kernel counts as well
        assert drawn(init.Xavier("gaussian", kind, 2), 300, 200, 3).std() == pytest.approx((2 / fan) ** 0.5, rel=0.02)
        assert abs(drawn(init.Xavier("uniform", kind, 2), 300, 200, 3)).max() == pytest.approx((2 / fan) ** 0.5, rel=0.01)
    q = drawn(init.Orthogonal(2.0), 3, 5)
    numpy.testing.assert_allclose(q @ q.T, 4 * numpy.eye(3), atol=1e-5)
    row = numpy.array([0.25, 0.75, 0.75, 0.25])
    numpy.testing.assert_allclose(drawn(init.Bilinear(), 1, 1, 4, 4)[0, 0], numpy.outer(row, row))
    bias = np.zeros((8,))
    init.LSTMBias(2.0)._init_weight("b", bias)
    assert bias.tolist() == [0, 0, 2, 2, 0, 0, 0, 0]
    assert init.create(init.Xavier(magnitude=2).dumps()) == init.Xavier(magnitude=2)


def test_parameters_keep_their_arrays() -> None:
    net = nn.Dense(2, in_units=2)
    net.initialize()
    x, g = net.weight.data(), net.weight.grad()
    net.initialize(init.One(), force_reinit=True)
    net.weight.set_data(numpy.full((2, 2), 3.0))
    net.weight.grad_req = "null"
    with pytest.raises(UninitializedError, match="grad_req = 'write'"):
        net.weight.grad()
    net.weight.grad_req = "add"
    assert net.weight.data() is x and net.weight.grad() is g and (x == 3).all()
    net.cast("float64")
    assert net.weight.data() is x and net.weight.grad() is g and x.dtype == g.dtype == numpy.float64
    with pytest.warns(UserWarning, match="already initialized"):
        net.weight.initialize()
    with pytest.raises(ShapeError, match="fits"):
        net.weight.set_data(np.zeros((3, 3)))


def test_grad_req_add_accumulates() -> None:
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(init.One())
    net.setattr("grad_req", "add")
    for _ in range(2):
        with autograd.record():
            y = net(np.ones((1, 2)))
        y.backward()
    assert net.weight.grad().tolist() == [[2, 2]]
    net.zero_grad()
    assert net.weight.grad().tolist() == [[0, 0]]


def test_several_devices() -> None:
    devices = [hn.cpu(0), hn.cpu(1)]
    net = New()
    net.initialize(ctx=devices)
    parts = gluon.utils.split_and_load(sample(4, 3), devices)
    assert [p.device for p in parts] == devices
    ys = [net(p) for p in parts]
    assert [y.device for y in ys] == devices
    assert net.dense.weight.list_ctx() == devices
    numpy.testing.assert_array_equal(*(x.asnumpy() for x in net.dense.weight.list_data()))
    with pytest.raises(UninitializedError, match=r"cpu\(5\).*reset_ctx"):
        net(sample(2, 3).as_in_context(hn.cpu(5)))
    net.reset_ctx(hn.cpu(1))
    assert net.dense.weight.list_ctx() == [hn.cpu(1)] and net(parts[1]).device == hn.cpu(1)
